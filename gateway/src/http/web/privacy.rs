//! Who gets what: switches, the ledger, all data as a file, erasure; and the log books.

use axum::extract::{Extension, Path, Query, State as Shared};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{
    Caller, Consent, ConsentChange, Disclosure, LogBook, LogCheck, LogPage, RecipientKind, Role,
};

use super::super::backup::erase_all;
use super::super::records::{check_book, disclosures, page, set_consent};
use super::super::{Api, Problem, blocking};
use super::{Done, Shown, frame, words};
use crate::store::copy;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/privacy", get(show))
        .route("/privacy/consent", post(consent))
        .route("/privacy/erase", post(erase))
        .route("/logs/{book}", get(logs))
}

#[derive(Deserialize)]
struct Erase {
    #[serde(default)]
    confirm: String,
}

#[derive(Deserialize)]
struct Older {
    before: Option<u64>,
}

const fn words_of(kind: RecipientKind) -> (&'static str, &'static str) {
    match kind {
        RecipientKind::Utility => (
            "Utility",
            "The grid operator or meter operator, over the relay.",
        ),
        RecipientKind::Mqtt => (
            "Home automation",
            "The MQTT broker, and whoever listens there.",
        ),
        RecipientKind::Web => ("Web users", "People and programs that you let in here."),
        RecipientKind::Prices => (
            "Price servers",
            "They learn that somebody here asks for prices, and nothing that was measured.",
        ),
    }
}

async fn consent(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Form(change): Form<ConsentChange>,
) -> Done {
    set_consent(&api, &caller, change).await?;
    Ok(Redirect::to("/privacy"))
}

async fn erase(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Form(Erase { confirm }): Form<Erase>,
) -> Shown {
    if confirm.trim() != "erase" {
        return Err(
            Problem::rule("write the word erase, so that nothing is erased by accident").into(),
        );
    }
    erase_all(&api, &caller).await?;
    let body = html! {
        div class="head" { h1 { "Erased" } }
        div class="card" {
            p { "The gateway begins again without what it had measured and learnt. What remains:" }
            ul { @for what in copy::REMAINS { li { (what) } } }
            div class="row" { a class="button plain" href="/" { "To the first page" } }
        }
    };
    Ok(frame::page(&caller, "/privacy", "Erased", &body))
}

async fn show(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Shown {
    let ledger = api.keeping.ledger.clone();
    let consents = blocking(move || Ok(ledger.consents()?)).await?;
    let rows = disclosures(&api, None, None).await?;
    let zone = &api.home.zone;
    let body = html! {
        div class="head" { h1 { "Privacy" } }
        section class="card" {
            h2 { "Who may be told" }
            p class="quiet" { "What the meters say every second stays in the house unless you let it out here." }
            ul class="list" {
                // The web page cannot forbid itself: users are removed under Settings.
                @for consent in consents.iter().filter(|consent| consent.kind != RecipientKind::Web) { (switch(consent)) }
            }
        }
        section class="card" {
            div class="card-head" { h2 { "What went out, the last seven days" } }
            @if rows.is_empty() { p class="quiet" { "Nothing." } }
            @else {
                div class="scroll" tabindex="0" role="group" aria-label="Table" { table class="cards" {
                    thead { tr { th { "Day" } th { "Recipient" } th { "What" } th { "How fine" } th class="num" { "Times" } th class="num" { "Last" } } }
                    tbody { @for row in &rows { (disclosed(row, &words::clock(row.last, zone))) } }
                } }
            }
        }
        div class="grid two" {
            section class="card" {
                h2 { "All my data" }
                p class="quiet" { "Every reading, quarter-hour and day, appliances, this ledger and the log books: CSV and JSON in one file." }
                div class="row" { a class="button plain" href="/api/v1/privacy/export" download { "Download" } }
            }
            section class="card" {
                h2 { "Erase" }
                p class="quiet" { "All that was measured and learnt, for good. Users, keys, the configuration, a prepayment balance, and the system and calibration log books stay." }
                form method="post" action="/privacy/erase" {
                    label { "Write “erase”" input name="confirm" autocomplete="off" required pattern="erase"; }
                    div class="row" { button class="danger" { "Erase everything" } }
                }
            }
        }
    };
    Ok(frame::page(&caller, "/privacy", "Privacy", &body))
}

fn switch(consent: &Consent) -> Markup {
    let (name, what) = words_of(consent.kind);
    html! {
        li {
            form method="post" action="/privacy/consent" {
                input type="hidden" name="kind" value=(consent.kind.name());
                input type="hidden" name="allowed" value=(!consent.allowed);
                button class="switch" role="switch" aria-checked=(consent.allowed) aria-label=(name) { i {} (name) }
            }
            p class="quiet small" { (what) " " (if consent.allowed { "Allowed." } else { "Forbidden: nothing is sent." }) }
        }
    }
}

fn disclosed(row: &Disclosure, last: &str) -> Markup {
    html! {
        tr {
            td { (row.date.strftime("%-d %b").to_string()) }
            td { (row.recipient) " " span class="quiet small" { (words_of(row.kind).0) } }
            td { (row.fields) }
            td { (row.resolution) }
            td class="num" { (row.count) }
            td class="num" { (last) }
        }
    }
}

async fn logs(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Path(book): Path<LogBook>,
    Query(Older { before }): Query<Older>,
) -> Shown {
    let shown = page(&api, &caller, book, before, 50).await?;
    let check = check_book(&api, &caller, book).await?;
    let current = |here: bool| here.then_some("page");
    let body = html! {
        div class="head" { h1 { "Log books" } }
        nav class="segments" aria-label="Book" {
            a href="/logs/system" aria-current=[current(book == LogBook::System)] { "System" }
            @if caller.role == Role::Household { a href="/logs/consumer" aria-current=[current(book == LogBook::Consumer)] { "Consumer" } }
            a href="/logs/calibration" aria-current=[current(book == LogBook::Calibration)] { "Calibration" }
        }
        (chained(&check))
        (entries(&shown, book, &api.home.zone))
    };
    Ok(frame::page(&caller, "/logs/system", "Log books", &body))
}

fn chained(check: &LogCheck) -> Markup {
    match check.broken_at {
        Some(number) => frame::said(
            "alarm",
            &html! { "Entry " (number) " does not fit the one before it: the book was changed." },
        ),
        None => html! {
            details {
                summary { (check.entries) " entries, the chain is whole" }
                @if let Some(hash) = &check.last_hash {
                    p class="quiet small" { "Written down elsewhere, the last hash vouches for everything before it:" }
                    p class="mono" { (hash) }
                }
            }
        },
    }
}

fn entries(shown: &LogPage, book: LogBook, zone: &jiff::tz::TimeZone) -> Markup {
    html! {
        section class="card" {
            @if shown.entries.is_empty() { p class="quiet" { "Nothing is written in it yet." } }
            ul class="list" {
                @for entry in &shown.entries {
                    li {
                        p { (entry.text) }
                        p class="quiet small" { (entry.number) " · " (words::moment(entry.at, zone)) " · " (entry.code) }
                    }
                }
            }
            @if let Some(next) = shown.next {
                div class="row" { a class="button plain" href=(format!("/logs/{}?before={next}", book.name())) { "Older ones" } }
            }
        }
    }
}
