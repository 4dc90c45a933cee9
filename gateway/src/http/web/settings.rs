//! Settings: users, tokens, backup and restore, the certificate, how the parts are.

use axum::extract::{DefaultBodyLimit, Extension, Multipart, State as Shared};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{Caller, Grant, IssuedToken, LogBook, NewToken, Pairing, Role, User};

use super::super::access::{drop_user, make_token, whose};
use super::super::backup::put_back;
use super::super::{Api, Problem};
use super::{Done, Shown, frame, words};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/settings", get(show))
        .route("/settings/pairing", post(pairing))
        .route("/settings/user", post(remove_user))
        .route("/settings/token", post(token))
        .route("/settings/revoke", post(revoke))
        .route(
            "/settings/restore",
            post(restore).layer(DefaultBodyLimit::disable()),
        )
}

#[derive(Deserialize)]
struct NewPairing {
    role: Role,
}

#[derive(Deserialize)]
struct OfUser {
    name: String,
}

#[derive(Deserialize)]
struct OfGrant {
    id: String,
}

async fn show(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Markup {
    page(&api, &caller, &html! {})
}

async fn pairing(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Form(NewPairing { role }): Form<NewPairing>,
) -> Shown {
    let open = api
        .keeping
        .access
        .open_pairing(role)
        .map_err(Problem::from)?;
    let text = format!("{} opened a pairing ({}).", caller.name, role.name());
    api.log(LogBook::System, "pairing_opened", &text);
    Ok(page(&api, &caller, &opened(&open, &api)))
}

fn opened(open: &Pairing, api: &Api) -> Markup {
    let code = &open.code.0;
    let spaced = code
        .split_at_checked(4)
        .map_or_else(|| code.clone(), |(first, rest)| format!("{first} {rest}"));
    let urls = api.keeping.access.web().borrow().urls.clone();
    html! {
        section class="card" {
            h2 { "A code for a new " (open.role.name()) " user" }
            p class="code" { (spaced) }
            p class="quiet" {
                "Good once, until " (words::clock(open.expires_at, &api.home.zone)) ". It is entered at "
                @if let Some(url) = urls.first() { span class="mono" { (url) "setup" } } @else { "/setup" } "."
            }
        }
    }
}

async fn remove_user(Shared(api): Shared<Api>, Form(OfUser { name }): Form<OfUser>) -> Done {
    drop_user(&api, &name)?;
    Ok(Redirect::to("/settings"))
}

async fn token(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Form(asked): Form<NewToken>,
) -> Shown {
    let issued = make_token(&api, &caller, &asked)?;
    Ok(page(&api, &caller, &told(&issued)))
}

fn told(issued: &IssuedToken) -> Markup {
    html! {
        section class="card" {
            h2 { "The token for " (issued.grant.label) }
            p class="mono" { (issued.token.0) }
            p class="quiet" { "It is shown this once. Programs send it as " span class="mono" { "Authorization: Bearer …" } }
        }
    }
}

async fn revoke(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Form(OfGrant { id }): Form<OfGrant>,
) -> Done {
    api.keeping
        .access
        .revoke(&id, whose(&caller))
        .map_err(Problem::from)?;
    Ok(Redirect::to("/settings"))
}

async fn restore(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    mut form: Multipart,
) -> Shown {
    let unreadable = |_| Problem::new(StatusCode::BAD_REQUEST, "the form cannot be read");
    let field = form.next_field().await.map_err(unreadable)?;
    let field = field.ok_or_else(|| Problem::rule("choose a backup first"))?;
    put_back(&api, &caller, field).await?;
    let body = html! {
        div class="head" { h1 { "The backup is in place" } }
        div class="card" {
            p { "The gateway begins again with it. What was there before is kept as " span class="mono" { "wattle.db.before-restore" } "." }
            div class="row" { a class="button plain" href="/" { "To the first page" } }
        }
    };
    Ok(frame::page(&caller, "/settings", "Restored", &body))
}

fn page(api: &Api, caller: &Caller, said: &Markup) -> Markup {
    let household = caller.role == Role::Household;
    let now = api.clock.now();
    let grants = api.keeping.access.grants(whose(caller));
    let body = html! {
        div class="head" { h1 { "Settings" } }
        (said)
        @if household { (users(&api.keeping.access.users(), caller)) }
        (tokens(&grants, household, now))
        @if household {
            section class="card" {
                h2 { "Backup" }
                p class="quiet" { "The whole history in one file, checked by its SHA-256 when it is put back. Keys of meters, users and tokens are not in it." }
                div class="row" { a class="button plain" href="/api/v1/backup" download { "Download a backup" } }
                details {
                    summary { "Put a backup back" }
                    form method="post" action="/settings/restore" enctype="multipart/form-data" {
                        label { "The backup" input type="file" name="file" accept=".gz,application/gzip" required; }
                        div class="row" { button class="danger" { "Put it in the place of the present data" } }
                    }
                }
            }
        }
        (about(api, now))
    };
    frame::page(caller, "/settings", "Settings", &body)
}

fn users(users: &[User], caller: &Caller) -> Markup {
    html! {
        section class="card" {
            h2 { "Who gets in" }
            ul class="list" {
                @for user in users {
                    li { div class="row between" {
                        span class="row" { (user.name) span class="pill" { (user.role.name()) } }
                        @if user.name == caller.name { span class="quiet" { "you" } }
                        @else {
                            form method="post" action="/settings/user" {
                                input type="hidden" name="name" value=(user.name);
                                button class="danger tiny" aria-label=(format!("Remove {}", user.name)) { "Remove" }
                            }
                        }
                    } }
                }
            }
            form method="post" action="/settings/pairing" class="row" {
                label { "Let somebody in" select name="role" {
                    option value="household" { "who lives here: everything" }
                    option value="installer" { "who looks after the meters: no usage, no bills" }
                } }
                button class="plain" { "Show a code" }
            }
        }
    }
}

fn tokens(grants: &[Grant], household: bool, now: Timestamp) -> Markup {
    html! {
        section class="card" {
            h2 { "Browsers and programs" }
            ul class="list" {
                @for grant in grants {
                    li { div class="row between" {
                        span class="row" { (grant.label) span class="pill" { (grant.role.name()) } span class="quiet small" { (grant.user) ", used " (words::ago(grant.used_at, now)) } }
                        form method="post" action="/settings/revoke" {
                            input type="hidden" name="id" value=(grant.id);
                            button class="danger tiny" aria-label=(format!("End {} of {}", grant.label, grant.user)) { "End" }
                        }
                    } }
                }
            }
            details {
                summary { "A token for a program" }
                form method="post" action="/settings/token" {
                    label { "What for" input name="label" required maxlength="60" placeholder="Grafana"; }
                    label { "What it may" select name="role" {
                        option value="metrics" { "metrics and health" }
                        option value="installer" { "meters, no usage" }
                        @if household { option value="household" { "everything" } }
                    } }
                    label { "Days" input name="days" type="number" min="1" max="3660" value="365" required; }
                    div class="row" { button class="plain" { "Make it" } }
                }
            }
        }
    }
}

fn about(api: &Api, now: Timestamp) -> Markup {
    let state = api.state.borrow().clone();
    let web = api.keeping.access.web().borrow().clone();
    let health = api.health.health();
    html! {
        section class="card" {
            h2 { "This gateway" }
            dl {
                dt { "Name" } dd { "wattle " (state.gateway.id) }
                dt { "Software" } dd { (state.gateway.version) }
                dt { "Running" } dd { "since " (words::ago(state.gateway.started_at, now)) }
                dt { "Time zone" } dd { (state.gateway.time_zone) }
                @if let Some(fingerprint) = &web.fingerprint { dt { "Certificate" } dd class="mono fingerprint" { (fingerprint) } }
            }
            details {
                summary { (if health.ok { "All parts are well" } else { "A part is ill" }) }
                ul class="list" { @for part in &health.parts {
                    li { div class="row between" { span { (part.name) } span class="quiet" {
                        (if part.ok { "well" } else { "no sign of life" })
                        @if part.restarts > 0 { ", started again " (part.restarts) " times" }
                    } } }
                } }
            }
            p class="quiet small" { "For programs: " a href="/api/v1/openapi.json" { "the API's description" } "." }
        }
    }
}
