//! What is around every page.

use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use wattle_api::{Caller, Role};

use super::super::Problem;
use super::tongue::{Tongue, tr};
use super::words::capital;

/// Where one can go: path, name, icon, whether it is for the household alone, and whether a phone
/// has it in its bar.
const PLACES: [(&str, &str, &str, bool, bool); 10] = [
    ("/", tr("Now"), "now", false, true),
    ("/usage", tr("Usage"), "usage", true, true),
    ("/money", tr("Money"), "money", true, false),
    ("/prices", tr("Prices"), "prices", true, true),
    ("/appliances", tr("Appliances"), "appliances", true, true),
    ("/devices", tr("Meters"), "devices", false, false),
    ("/tariff", tr("Tariff"), "tariff", true, false),
    ("/privacy", tr("Privacy"), "privacy", true, false),
    ("/logs/system", tr("Log books"), "logs", false, false),
    ("/settings", tr("Settings"), "settings", false, false),
];

/// A page for somebody who is let in.
pub(super) fn page(
    tongue: &Tongue,
    caller: &Caller,
    current: &str,
    title: &str,
    body: &Markup,
) -> Markup {
    let t = |text| tongue.t(text);
    let household = caller.role == Role::Household;
    let places = PLACES
        .iter()
        .filter(|(.., of_household, _)| household || !of_household);
    let in_bar = PLACES
        .iter()
        .any(|(path, .., phone)| *path == current && *phone);
    let current_is = |here: bool| here.then_some("page");
    document(
        tongue,
        title,
        "",
        &html! {
            a class="skip" href="#main" { (t("To the page")) }
            nav class="nav" aria-label=(t("Pages")) {
                div class="brand" { (icon("bolt")) "wattle" }
                ul {
                    @for (path, name, image, _, phone) in places {
                        li class=(if *phone { "" } else { "desk" }) {
                            a href=(path) aria-current=[current_is(*path == current)] { (icon(image)) span { (t(name)) } }
                        }
                    }
                    li class="phone" {
                        a href="/more" aria-current=[current_is(!in_bar)] { (icon("more")) span { (t("More")) } }
                    }
                }
                div class="who" {
                    (caller.name)
                    form method="post" action="/logout" { button class="plain tiny" { (t("Log out")) } }
                }
            }
            main id="main" { (body) }
        },
    )
}

/// The places that a phone has not in its bar.
pub(super) fn more(tongue: &Tongue, caller: &Caller) -> Markup {
    let household = caller.role == Role::Household;
    let places = PLACES
        .iter()
        .filter(|(.., of_household, phone)| !phone && (household || !of_household));
    html! {
        ul class="list menu" {
            @for (path, name, image, ..) in places {
                li { a href=(path) { (icon(image)) (tongue.t(name)) } }
            }
        }
    }
}

/// A page for whoever stands before the door.
pub(super) fn door(tongue: &Tongue, title: &str, body: &Markup) -> Markup {
    document(
        tongue,
        title,
        "door",
        &html! {
            main id="main" {
                div class="brand" { (icon("bolt")) "wattle" }
                (body)
            }
        },
    )
}

fn document(tongue: &Tongue, title: &str, class: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(tongue.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="theme-color" media="(prefers-color-scheme: dark)" content="#0e1518";
                meta name="theme-color" media="(prefers-color-scheme: light)" content="#f4f7f6";
                title { (title) " · wattle" }
                link rel="icon" type="image/svg+xml" href="/static/icon.svg";
                link rel="stylesheet" href="/static/style.css";
                script src="/static/page.js" defer {}
            }
            body class=(class) { (body) }
        }
    }
}

/// A page that says what went wrong.
pub(in super::super) fn problem(
    tongue: &Tongue,
    problem: &Problem,
    caller: Option<&Caller>,
) -> Response {
    let title = tongue.t("That did not work");
    let body = html! {
        div class="head" { h1 { (title) } }
        div class="card" {
            p { (tongue.problem(problem)) }
            div class="row" { a class="button plain" href="/" { (tongue.t("To the first page")) } }
        }
    };
    let markup = match caller {
        Some(caller) => page(tongue, caller, "", title, &body),
        None => door(tongue, title, &body),
    };
    (problem.status, markup).into_response()
}

/// A text of a problem as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{end}", capital(text))
}

/// A table that is as wide as it must be.
pub(super) fn table(tongue: &Tongue, class: Option<&str>, rows: &Markup) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="group" aria-label=(tongue.t("Table")) { table class=[class] { (rows) } }
    }
}

/// A strip that says something; `kind` is `good`, `info`, `warning` or `alarm`.
pub(super) fn said(kind: &str, text: &Markup) -> Markup {
    let image = match kind {
        "good" => "check",
        "info" => "info",
        _ => "warning",
    };
    html! { div class=(format!("notice {kind}")) role="status" { (icon(image)) div { (text) } } }
}

/// An icon: lines of two units in a box of 24.
pub(super) fn icon(name: &str) -> Markup {
    let path = match name {
        "bolt" => "M13 2 5 13.5h6L10 22l8-11.5h-6z",
        "now" => "M4.5 18a9 9 0 1 1 15 0M12 13l4-5M12 14.2v-.1",
        "usage" => "M4 20V11M10 20V4M16 20v-6M21 20H3",
        "money" => "M4 7h16v11H4zM4 10.5h16M15.5 14.5h1.5",
        "prices" => "M3 17l5-6 4 4 8-9M20 11V6h-5",
        "appliances" => "M6 3h12v18H6zM12 17a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M9 6h.1M12 6h3",
        "devices" => "M5 4h14v16H5zM8.5 8h7M8.5 12h3M16 16h-3",
        "tariff" => "M7 3h7l4 4v14H7zM14 3v4h4M10 12h5M10 16h5",
        "privacy" => "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9.5 12l2 2 3.5-4",
        "logs" => "M6 4h12v16H6zM9 8h6M9 12h6M9 16h3",
        "settings" => {
            "M4 8h9M17 8h3M4 16h3M11 16h9M15 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4M9 18.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4"
        }
        "more" => "M5 12h.1M12 12h.1M19 12h.1",
        "check" => "M5 12.5l4.5 4.5L19 7.5",
        "warning" => "M12 4 2.8 20h18.4zM12 10v4M12 17v.1",
        "info" => "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M12 11v5M12 8v.1",
        "left" => "M14.5 6 8.5 12l6 6",
        "right" => "M9.5 6l6 6-6 6",
        _ => "",
    };
    html! {
        svg class="icon" viewBox="0 0 24 24" aria-hidden="true" { (PreEscaped(format!("<path d=\"{path}\"/>"))) }
    }
}
