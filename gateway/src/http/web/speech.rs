//! Around every page: the language it is read in, and the form where it is chosen.

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::Api;
use super::Failure;
use super::frame;
use super::language::{self, COOKIE};
use super::tongue::Tongue;
use wattle_api::format::Language;

/// How long a choice is kept: as long as browsers keep a cookie at all.
const SECONDS: u32 = 400 * 24 * 3600;

/// The pages with the form.
const PLACES: [&str; 3] = ["/settings", "/login", "/setup"];

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/language", post(choose))
}

/// Before every request: which language it is read in. After it: the headers that say so, and the
/// page for what went wrong.
pub(in super::super) async fn speak(
    Shared(api): Shared<Api>,
    mut request: Request,
    next: Next,
) -> Response {
    let chosen = language::chosen(request.headers());
    let tongue = Tongue {
        language: chosen.unwrap_or_else(|| language::negotiated(request.headers())),
        chosen: chosen.is_some(),
        zone: api.home.zone.clone(),
    };
    request.extensions_mut().insert(tongue.clone());
    let mut response = next.run(request).await;
    if let Some(Failure(problem)) = response.extensions_mut().remove() {
        response = frame::problem(&tongue, &problem, None);
    }
    let headers = response.headers_mut();
    let of_text = |media: &HeaderValue| {
        let media = media.as_bytes();
        media.starts_with(b"text/html") || media.starts_with(b"text/event-stream")
    };
    if headers.get(header::CONTENT_TYPE).is_some_and(of_text) {
        let language = HeaderValue::from_static(tongue.language.code());
        headers.insert(header::CONTENT_LANGUAGE, language);
        let vary = HeaderValue::from_static("Accept-Language, Cookie");
        headers.append(header::VARY, vary);
    }
    response
}

#[derive(Deserialize)]
struct Choice {
    /// Empty for what the browser asks for.
    #[serde(default)]
    lang: String,
    #[serde(default)]
    back: String,
}

async fn choose(Form(Choice { lang, back }): Form<Choice>) -> Response {
    let (code, seconds) = match Language::of_code(&lang) {
        Some(language) => (language.code(), SECONDS),
        None => ("", 0),
    };
    let cookie =
        format!("{COOKIE}={code}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    let back = PLACES.into_iter().find(|place| *place == back);
    let mut response = Redirect::to(back.unwrap_or("/")).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// The form; `back` is the page that it stands on.
pub(super) fn form(tongue: &Tongue, back: &str) -> Markup {
    let chosen = tongue.chosen.then_some(tongue.language);
    html! {
        form method="post" action="/language" class="row" {
            input type="hidden" name="back" value=(back);
            label { (tongue.t("Language")) select name="lang" {
                option value="" selected[chosen.is_none()] { (tongue.t("Automatic")) }
                @for (_, language) in Language::ALL {
                    option value=(language.code()) lang=(language.code()) selected[chosen == Some(language)] { (language.name()) }
                }
            } }
            button class="plain" { (tongue.t("Choose")) }
        }
    }
}
