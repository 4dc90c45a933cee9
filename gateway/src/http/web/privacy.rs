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
use super::tongue::{Tongue, english, tr};
use super::{Done, Shown, frame};
use crate::store::copy;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/privacy", get(show))
        .route("/privacy/consent", post(consent))
        .route("/privacy/erase", post(erase))
        .route("/logs/{book}", get(logs))
}

/// What is written so that nothing is erased by accident.
const ERASE: &str = tr("erase");

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
            tr("Utility"),
            tr("The grid operator or meter operator, over the relay."),
        ),
        RecipientKind::Mqtt => (
            tr("Home automation (MQTT)"),
            tr("The MQTT broker, and whoever listens there."),
        ),
        RecipientKind::Web => (
            tr("Web page and API"),
            tr("People and programs that you let in here."),
        ),
        RecipientKind::Prices => (
            tr("Price servers"),
            tr("They learn that somebody here asks for prices, and nothing that was measured."),
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
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Form(Erase { confirm }): Form<Erase>,
) -> Shown {
    if ![ERASE, tongue.t(ERASE)].contains(&confirm.trim()) {
        return Err(
            Problem::rule("write the word erase, so that nothing is erased by accident").into(),
        );
    }
    erase_all(&api, &caller).await?;
    let t = |text| tongue.t(text);
    let body = html! {
        div class="head" { h1 { (t("Erased")) } }
        div class="card" {
            p { (t("The gateway begins again without what it had measured and learnt. What remains:")) }
            ul { @for what in copy::REMAINS { li { (tongue.word(what)) } } }
            div class="row" { a class="button plain" href="/" { (t("To the first page")) } }
        }
    };
    let title = t("Erased");
    Ok(frame::page(&tongue, &caller, "/privacy", title, &body))
}

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Shown {
    let t = |text| tongue.t(text);
    let ledger = api.keeping.ledger.clone();
    let consents = blocking(move || Ok(ledger.consents()?)).await?;
    let rows = disclosures(&api, None, None).await?;
    let word = t(ERASE);
    let body = html! {
        div class="head" { h1 { (t("Privacy")) } }
        section class="card" {
            h2 { (t("Who may be told")) }
            p class="quiet" { (t("What the meters say every second stays in the house unless you let it out here.")) }
            ul class="list" {
                // The web page cannot forbid itself: users are removed under Settings.
                @for consent in consents.iter().filter(|consent| consent.kind != RecipientKind::Web) { (switch(&tongue, consent)) }
            }
        }
        section class="card" {
            div class="card-head" { h2 { (t("What went out, the last seven days")) } }
            @if rows.is_empty() { p class="quiet" { (t("Nothing.")) } }
            @else {
                (frame::table(&tongue, Some("cards"), &html! {
                    thead { tr { th { (t("Day")) } th { (t("Recipient")) } th { (t("What")) } th { (t("How fine")) } th class="num" { (t("Times")) } th class="num" { (t("Last")) } } }
                    tbody { @for row in &rows { (disclosed(&tongue, row)) } }
                }))
            }
        }
        div class="grid two" {
            section class="card" {
                h2 { (t("All my data")) }
                p class="quiet" { (t("Every reading, quarter-hour and day, appliances, this ledger and the log books: CSV and JSON in one file.")) }
                div class="row" { a class="button plain" href="/api/v1/privacy/export" download { (t("Download")) } }
            }
            section class="card" {
                h2 { (t("Erase")) }
                p class="quiet" { (t("All that was measured and learnt, for good. Users, keys, the configuration, a prepayment balance, and the system and calibration log books stay.")) }
                form method="post" action="/privacy/erase" {
                    label { (tongue.say("Write “{word}”", &[("word", &word)])) input name="confirm" autocomplete="off" autocapitalize="none" required pattern=(word); }
                    div class="row" { button class="danger" { (t("Erase everything")) } }
                }
            }
        }
    };
    Ok(frame::page(
        &tongue,
        &caller,
        "/privacy",
        t("Privacy"),
        &body,
    ))
}

fn switch(tongue: &Tongue, consent: &Consent) -> Markup {
    let (name, what) = words_of(consent.kind);
    let (name, what) = (tongue.t(name), tongue.t(what));
    html! {
        li {
            form method="post" action="/privacy/consent" {
                input type="hidden" name="kind" value=(consent.kind.name());
                input type="hidden" name="allowed" value=(!consent.allowed);
                button class="switch" role="switch" aria-checked=(consent.allowed) aria-label=(name) { i {} (name) }
            }
            p class="quiet small" { (what) " " (if consent.allowed { tongue.t("Allowed.") } else { tongue.t("Forbidden: nothing is sent.") }) }
        }
    }
}

fn disclosed(tongue: &Tongue, row: &Disclosure) -> Markup {
    html! {
        tr {
            td { (tongue.short_date(row.date)) }
            td { (row.recipient) " " span class="quiet small" { (tongue.t(words_of(row.kind).0)) } }
            td { (tongue.word(&row.fields)) }
            td { (tongue.word(&row.resolution)) }
            td class="num" { (row.count) }
            td class="num" { (tongue.clock(row.last)) }
        }
    }
}

async fn logs(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Path(book): Path<LogBook>,
    Query(Older { before }): Query<Older>,
) -> Shown {
    let shown = page(&api, &caller, book, before, 50).await?;
    let check = check_book(&api, &caller, book).await?;
    let t = |text| tongue.t(text);
    let current = |here: bool| here.then_some("page");
    let body = html! {
        div class="head" { h1 { (t("Log books")) } }
        nav class="segments" aria-label=(t("Book")) {
            a href="/logs/system" aria-current=[current(book == LogBook::System)] { (t("System")) }
            @if caller.role == Role::Household { a href="/logs/consumer" aria-current=[current(book == LogBook::Consumer)] { (t("Consumer")) } }
            a href="/logs/calibration" aria-current=[current(book == LogBook::Calibration)] { (t("Calibration")) }
        }
        (chained(&tongue, &check))
        (entries(&tongue, &shown, book))
    };
    let title = t("Log books");
    Ok(frame::page(&tongue, &caller, "/logs/system", title, &body))
}

fn chained(tongue: &Tongue, check: &LogCheck) -> Markup {
    match check.broken_at {
        Some(number) => frame::said(
            "alarm",
            &html! { (tongue.say("Entry {number} does not fit the one before it: the book was changed.", &[("number", &number)])) },
        ),
        None => html! {
            details {
                summary { (tongue.count("{count} entry, the chain is whole", "{count} entries, the chain is whole", check.entries)) }
                @if let Some(hash) = &check.last_hash {
                    p class="quiet small" { (tongue.t("Written down elsewhere, the last hash vouches for everything before it:")) }
                    p class="mono" { (hash) }
                }
            }
        },
    }
}

fn entries(tongue: &Tongue, shown: &LogPage, book: LogBook) -> Markup {
    html! {
        section class="card" {
            @if shown.entries.is_empty() { p class="quiet" { (tongue.t("Nothing is written in it yet.")) } }
            ul class="list" {
                @for entry in &shown.entries {
                    li {
                        p { (english(&entry.text)) }
                        p class="quiet small" { (entry.number) " · " (tongue.moment(entry.at)) " · " (entry.code) }
                    }
                }
            }
            @if let Some(next) = shown.next {
                div class="row" { a class="button plain" href=(format!("/logs/{}?before={next}", book.name())) { (tongue.t("Older ones")) } }
            }
        }
    }
}
