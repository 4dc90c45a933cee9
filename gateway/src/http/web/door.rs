//! The door: log-in, set-up with the code of the display, log-out.

use axum::extract::{Extension, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::html;
use serde::Deserialize;
use wattle_api::{Login, Pair, SecretText};

use super::super::access::{NO_COOKIE, cookie, end_session, log_in, make_user};
use super::super::lan::Peer;
use super::super::{Api, Problem};
use super::tongue::Tongue;
use super::{Failure, frame, speech};
use crate::access::{Admitted, Session};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/login", get(show_login).post(login))
        .route("/setup", get(show_setup).post(setup))
        .route("/logout", post(logout))
}

#[derive(Deserialize)]
struct LoginForm {
    name: String,
    password: SecretText,
}

#[derive(Deserialize)]
struct SetupForm {
    code: SecretText,
    name: String,
    password: SecretText,
}

/// What somebody sees who is not let in: the log-in, or the set-up as long as there is no user.
pub(in super::super) fn login_page(api: &Api, tongue: &Tongue, said: Option<&Problem>) -> Response {
    if api.keeping.access.web().borrow().users == 0 {
        return setup_page(api, tongue, said);
    }
    let t = |text| tongue.t(text);
    let status = said.map_or(StatusCode::UNAUTHORIZED, |problem| problem.status);
    let body = html! {
        section class="card" {
            h1 { (t("Log in")) }
            @if let Some(problem) = said { (frame::said("alarm", &tongue.problem(problem))) }
            form method="post" action="/login" {
                label { (t("Name")) input name="name" id="name" autocomplete="username" required maxlength="40"; }
                label { (t("Password")) input name="password" type="password" autocomplete="current-password" required maxlength="200"; }
                button { (t("Log in")) }
            }
        }
        p class="quiet small" { (tongue.say_with("New here? Somebody at the display opens a pairing; then {link}.", &[("link", html! { a href="/setup" { (t("enter its code")) } })])) }
        (speech::form(tongue, "/login"))
    };
    (status, frame::door(tongue, t("Log in"), &body)).into_response()
}

fn setup_page(api: &Api, tongue: &Tongue, said: Option<&Problem>) -> Response {
    let t = |text| tongue.t(text);
    let web = api.keeping.access.web().borrow().clone();
    let first = web.users == 0;
    let status = said.map_or(StatusCode::OK, |problem| problem.status);
    let body = html! {
        section class="card" {
            h1 { (if first { t("Set up your gateway") } else { t("Become a user") }) }
            p class="quiet" {
                (if first { t("The display shows a code of eight digits. Whoever can see it lives here, so it makes the first user.") } else { t("The display shows a code of eight digits when somebody has opened a pairing.") })
            }
            @if let Some(problem) = said { (frame::said("alarm", &tongue.problem(problem))) }
            form method="post" action="/setup" {
                label { (t("Code on the display")) input class="code" id="code" name="code" inputmode="numeric" autocomplete="one-time-code" pattern="[0-9 \\-]{8,11}" maxlength="11" required placeholder="0000 0000"; }
                label { (t("Your name")) input id="name" name="name" autocomplete="username" required maxlength="40"; }
                label {
                    (t("A password of your own"))
                    input name="password" type="password" autocomplete="new-password" required minlength="10" maxlength="200" aria-describedby="rule";
                    span class="quiet" id="rule" { (t("At least 10 characters. There is no default one, and nobody can read it.")) }
                }
                button { (t("Let me in")) }
            }
        }
        @if let Some(fingerprint) = &web.fingerprint {
            details {
                summary { (t("Is this really my gateway?")) }
                p class="quiet small" { (t("It is when your browser shows this SHA-256 fingerprint of the certificate, and the display shows the same:")) }
                p class="mono fingerprint" { (fingerprint) }
            }
        }
        @if !first { p class="quiet small" { a href="/login" { (t("Log in with a name and a password")) } } }
        (speech::form(tongue, "/setup"))
    };
    (status, frame::door(tongue, t("Set up"), &body)).into_response()
}

async fn show_login(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    admitted: Option<Extension<Admitted>>,
) -> Response {
    if admitted.is_some() {
        return Redirect::to("/").into_response();
    }
    let mut page = login_page(&api, &tongue, None);
    *page.status_mut() = StatusCode::OK;
    page
}

async fn show_setup(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    admitted: Option<Extension<Admitted>>,
) -> Response {
    if admitted.is_some() {
        return Redirect::to("/").into_response();
    }
    setup_page(&api, &tongue, None)
}

async fn login(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    peer: Option<Extension<Peer>>,
    Form(LoginForm { name, password }): Form<LoginForm>,
) -> Response {
    match log_in(&api, peer.as_deref(), Login { name, password }).await {
        Ok(session) => come_in(&session, "/"),
        Err(problem) => login_page(&api, &tongue, Some(&problem)),
    }
}

async fn setup(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    peer: Option<Extension<Peer>>,
    Form(SetupForm {
        code,
        name,
        password,
    }): Form<SetupForm>,
) -> Response {
    let asked = Pair {
        code,
        name: name.trim().to_owned(),
        password,
    };
    match make_user(&api, peer.as_deref(), asked).await {
        Ok(session) => come_in(&session, "/welcome"),
        Err(problem) => setup_page(&api, &tongue, Some(&problem)),
    }
}

fn come_in(session: &Session, to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Some(cookie) = cookie(session) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

async fn logout(
    Shared(api): Shared<Api>,
    admitted: Option<Extension<Admitted>>,
) -> Result<Response, Failure> {
    end_session(&api, admitted.as_deref())?;
    let gone = [(header::SET_COOKIE, NO_COOKIE)];
    Ok((gone, Redirect::to("/login")).into_response())
}
