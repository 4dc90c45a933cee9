//! The tariff: what is in force, and trying and taking another one.

use axum::extract::{DefaultBodyLimit, Extension, Multipart, State as Shared};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{Caller, TariffPreview};

use super::super::tariff::{go_back, in_force, preview, take};
use super::super::{Api, Problem};
use super::tongue::Tongue;
use super::{Done, Shown, frame};

/// Longest form.
const MAX_BYTES: usize = 512 * 1024;

const EXAMPLE: &str = "version = 1
name = \"Day and night\"
currency = \"EUR\"

[bands.night]
label = \"Night\"
rate = \"0.2217\"
[bands.day]
label = \"Day\"
rate = \"0.2874\"

[[schedule]]
band = \"night\"
from = \"22:00\"
to = \"06:00\"
[[schedule]]
band = \"day\"

[[standing]]
id = \"standing\"
label = \"Standing charge\"
amount = \"0.3255\"
per = \"day\"
";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/tariff", get(show))
        .route("/tariff/preview", post(try_on))
        .route("/tariff/use", post(put))
        .route("/tariff/forget", post(forget))
        .layer(DefaultBodyLimit::max(MAX_BYTES))
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    page(&api, &tongue, &caller, "", &html! {})
}

/// A file that was chosen goes before the text of the field.
async fn try_on(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    mut form: Multipart,
) -> Shown {
    let unreadable = |_| Problem::new(StatusCode::BAD_REQUEST, "the form cannot be read");
    let mut text = String::new();
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        let is_file = field.name() == Some("file");
        let value = field.bytes().await.map_err(unreadable)?;
        let value = String::from_utf8(value.to_vec())
            .map_err(|_| Problem::rule("a tariff is a text in UTF-8"))?;
        if !value.trim().is_empty() && (is_file || text.is_empty()) {
            text = value;
        }
    }
    // Browsers send the text of a field with carriage returns.
    let text = text.replace("\r\n", "\n");
    let said = match preview(&api, text.clone()).await {
        Ok(tried) => shown(&tongue, &tried, &text),
        Err(problem) => frame::said("alarm", &tongue.problem(&problem)),
    };
    Ok(page(&api, &tongue, &caller, &text, &said))
}

async fn put(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Form(Text { text }): Form<Text>,
) -> Shown {
    let info = take(&api, &caller, text.replace("\r\n", "\n")).await?;
    let name = info.name.unwrap_or_default();
    let name = html! { strong { (name) } };
    let said = tongue.say_with("{tariff} is in force.", &[("tariff", name)]);
    let said = frame::said("good", &said);
    Ok(page(&api, &tongue, &caller, "", &said))
}

async fn forget(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Done {
    go_back(&api, &caller)?;
    Ok(Redirect::to("/tariff"))
}

fn shown(tongue: &Tongue, tried: &TariffPreview, text: &str) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        section class="card" id="preview" {
            div class="card-head" { h2 { (tongue.say("Last week with “{tariff}”", &[("tariff", &tried.name)])) } span class="quiet" { (tongue.day(tried.from)) " – " (tongue.day(tried.to)) } }
            @match (&tried.cost, &tried.present_cost) {
                (Some(cost), present) => {
                    div class="grid two" {
                        div class="stack" { span class="quiet" { (t("It would have cost")) } div class="value" { (tongue.money(cost)) } }
                        @if let Some(present) = present {
                            div class="stack" { span class="quiet" { (t("It did cost")) } div class="value" { (tongue.money(present)) } }
                        }
                    }
                    @if let Some(kwh) = tried.import_kwh { p class="quiet" { (tongue.say("for {energy}, standing charges and taxes included", &[("energy", &tongue.energy(kwh))])) } }
                }
                (None, _) => p { (t("The tariff can be read. Nothing was metered last week, or some of it has no price, so that there is no cost to show.")) },
            }
            form method="post" action="/tariff/use" {
                textarea name="text" hidden readonly { (text) }
                div class="row" { button { (t("Use this tariff")) } }
            }
        }
    }
}

fn page(api: &Api, tongue: &Tongue, caller: &Caller, text: &str, said: &Markup) -> Markup {
    let t = |text| tongue.t(text);
    let info = in_force(api);
    let body = html! {
        div class="head" { h1 { (t("Tariff")) } }
        (said)
        section class="card" {
            h2 { (t("In force")) }
            @match &info.name {
                Some(name) => p { strong { (name) } @if let Some(currency) = &info.currency { span class="quiet" { " · " (currency) } } },
                None => p class="quiet" { (t("No tariff is in force, or its prices have not come yet.")) },
            }
            p class="quiet small" { (if info.uploaded { t("It was entered here.") } else { t("It stands in the configuration.") }) }
            @if info.uploaded {
                form method="post" action="/tariff/forget" { div class="row" { button class="plain" { (t("Go back to the configured one")) } } }
            }
        }
        section class="card" {
            h2 { (t("Try another one")) }
            p class="quiet" { (t("Choose a file or write it here. You see what last week would have cost before anything changes.")) }
            form method="post" action="/tariff/preview" enctype="multipart/form-data" {
                label { (t("A tariff file")) input type="file" name="file" accept=".toml,text/plain"; }
                label { (t("Or its text")) textarea name="text" spellcheck="false" { "\n" (if text.is_empty() { EXAMPLE } else { text }) } }
                div class="row" { button { (t("Show last week's cost")) } }
            }
        }
    };
    frame::page(tongue, caller, "/tariff", t("Tariff"), &body)
}
