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
use super::tongue::{Tongue, english, tr};
use super::{Done, Shown, frame, speech};

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

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    page(&api, &tongue, &caller, &html! {})
}

async fn pairing(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
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
    Ok(page(&api, &tongue, &caller, &opened(&tongue, &open, &api)))
}

fn opened(tongue: &Tongue, open: &Pairing, api: &Api) -> Markup {
    let code = &open.code.0;
    let spaced = code
        .split_at_checked(4)
        .map_or_else(|| code.clone(), |(first, rest)| format!("{first} {rest}"));
    let urls = api.keeping.access.web().borrow().urls.clone();
    let place = html! {
        @if let Some(url) = urls.first() { span class="mono" { (url) "setup" } } @else { "/setup" }
    };
    let until = html! { (tongue.clock(open.expires_at)) };
    html! {
        section class="card" {
            h2 { (tongue.say("A code for a new user ({role})", &[("role", &role(tongue, open.role))])) }
            p class="code" { (spaced) }
            p class="quiet" { (tongue.say_with("Good once, until {time}. It is entered at {place}.", &[("time", until), ("place", place)])) }
        }
    }
}

async fn remove_user(Shared(api): Shared<Api>, Form(OfUser { name }): Form<OfUser>) -> Done {
    drop_user(&api, &name)?;
    Ok(Redirect::to("/settings"))
}

async fn token(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Form(asked): Form<NewToken>,
) -> Shown {
    let issued = make_token(&api, &caller, &asked)?;
    Ok(page(&api, &tongue, &caller, &told(&tongue, &issued)))
}

fn told(tongue: &Tongue, issued: &IssuedToken) -> Markup {
    let header = html! { span class="mono" { "Authorization: Bearer …" } };
    html! {
        section class="card" {
            h2 { (tongue.say("The token for {label}", &[("label", &issued.grant.label)])) }
            p class="mono" { (issued.token.0) }
            p class="quiet" { (tongue.say_with("It is shown this once. Programs send it as {header}.", &[("header", header)])) }
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
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    mut form: Multipart,
) -> Shown {
    let unreadable = |_| Problem::new(StatusCode::BAD_REQUEST, "the form cannot be read");
    let field = form.next_field().await.map_err(unreadable)?;
    let field = field.ok_or_else(|| Problem::rule("choose a backup first"))?;
    put_back(&api, &caller, field).await?;
    let t = |text| tongue.t(text);
    let file = html! { span class="mono" { "wattle.db.before-restore" } };
    let body = html! {
        div class="head" { h1 { (t("The backup is in place")) } }
        div class="card" {
            p { (tongue.say_with("The gateway begins again with it. What was there before is kept as {file}.", &[("file", file)])) }
            div class="row" { a class="button plain" href="/" { (t("To the first page")) } }
        }
    };
    let title = t("The backup is in place");
    Ok(frame::page(&tongue, &caller, "/settings", title, &body))
}

fn page(api: &Api, tongue: &Tongue, caller: &Caller, said: &Markup) -> Markup {
    let t = |text| tongue.t(text);
    let household = caller.role == Role::Household;
    let now = api.clock.now();
    let grants = api.keeping.access.grants(whose(caller));
    let body = html! {
        div class="head" { h1 { (t("Settings")) } }
        (said)
        section class="card" { h2 { (t("Language")) } (speech::form(tongue, "/settings")) }
        @if household { (users(tongue, &api.keeping.access.users(), caller)) }
        (tokens(tongue, &grants, household, now))
        @if household {
            section class="card" {
                h2 { (t("Backup")) }
                p class="quiet" { (t("The whole history in one file, checked by its SHA-256 when it is put back. Keys of meters, users and tokens are not in it.")) }
                div class="row" { a class="button plain" href="/api/v1/backup" download { (t("Download a backup")) } }
                details {
                    summary { (t("Put a backup back")) }
                    form method="post" action="/settings/restore" enctype="multipart/form-data" {
                        label { (t("The backup")) input type="file" name="file" accept=".gz,application/gzip" required; }
                        div class="row" { button class="danger" { (t("Put it in the place of the present data")) } }
                    }
                }
            }
        }
        (about(tongue, api, now))
    };
    frame::page(tongue, caller, "/settings", t("Settings"), &body)
}

/// What a role is called.
fn role(tongue: &Tongue, role: Role) -> &'static str {
    tongue.t(match role {
        Role::Household => tr("household"),
        Role::Installer => tr("installer"),
        Role::Metrics => tr("metrics"),
    })
}

fn users(tongue: &Tongue, users: &[User], caller: &Caller) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        section class="card" {
            h2 { (t("Who gets in")) }
            ul class="list" {
                @for user in users {
                    li { div class="row between" {
                        span class="row" { (user.name) span class="pill" { (role(tongue, user.role)) } }
                        @if user.name == caller.name { span class="quiet" { (t("you")) } }
                        @else {
                            form method="post" action="/settings/user" {
                                input type="hidden" name="name" value=(user.name);
                                button class="danger tiny" aria-label=(tongue.say("Remove {name}", &[("name", &user.name)])) { (t("Remove")) }
                            }
                        }
                    } }
                }
            }
            form method="post" action="/settings/pairing" class="row" {
                label { (t("Let somebody in")) select name="role" {
                    option value="household" { (t("who lives here: everything")) }
                    option value="installer" { (t("who looks after the meters: no usage, no bills")) }
                } }
                button class="plain" { (t("Show a code")) }
            }
        }
    }
}

fn tokens(tongue: &Tongue, grants: &[Grant], household: bool, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        section class="card" {
            h2 { (t("Browsers and programs")) }
            ul class="list" {
                @for grant in grants {
                    li { div class="row between" {
                        span class="row" { (grant.label) span class="pill" { (role(tongue, grant.role)) } span class="quiet small" { (tongue.say("{user}, used {ago}", &[("user", &grant.user), ("ago", &tongue.ago(grant.used_at, now))])) } }
                        form method="post" action="/settings/revoke" {
                            input type="hidden" name="id" value=(grant.id);
                            button class="danger tiny" aria-label=(tongue.say("End {label} of {user}", &[("label", &grant.label), ("user", &grant.user)])) { (t("End")) }
                        }
                    } }
                }
            }
            details {
                summary { (t("A token for a program")) }
                form method="post" action="/settings/token" {
                    label { (t("What for")) input name="label" required maxlength="60" placeholder="Grafana"; }
                    label { (t("What it may")) select name="role" {
                        option value="metrics" { (t("metrics and health")) }
                        option value="installer" { (t("meters, no usage")) }
                        @if household { option value="household" { (t("everything")) } }
                    } }
                    label { (t("Days")) input name="days" type="number" min="1" max="3660" value="365" required; }
                    div class="row" { button class="plain" { (t("Make it")) } }
                }
            }
        }
    }
}

fn about(tongue: &Tongue, api: &Api, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    let state = api.state.borrow().clone();
    let web = api.keeping.access.web().borrow().clone();
    let health = api.health.health();
    let description = html! { a href="/api/v1/openapi.json" { (t("the API's description")) } };
    html! {
        section class="card" {
            h2 { (t("This gateway")) }
            dl {
                dt { (t("Name")) } dd { "wattle " (state.gateway.id) }
                dt { (t("Software")) } dd { (state.gateway.version) }
                dt { (t("Started")) } dd { (tongue.ago(state.gateway.started_at, now)) }
                dt { (t("Time zone")) } dd { (state.gateway.time_zone) }
                @if let Some(fingerprint) = &web.fingerprint { dt { (t("Certificate")) } dd class="mono fingerprint" { (fingerprint) } }
            }
            details {
                summary { (if health.ok { t("All parts are well") } else { t("A part is ill") }) }
                ul class="list" { @for part in &health.parts {
                    li { div class="row between" { span { (english(&part.name)) } span class="quiet" {
                        (if part.ok { t("well") } else { t("no sign of life") })
                        @if part.restarts > 0 { " · " (tongue.count("{count} restart", "{count} restarts", part.restarts)) }
                    } } }
                } }
            }
            p class="quiet small" { (tongue.say_with("For programs: {link}.", &[("link", description)])) }
        }
    }
}
