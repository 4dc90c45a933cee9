//! What was used: bars of a day, week, month or year, in energy or money.

use axum::Router;
use axum::extract::{Extension, Query, State as Shared};
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{Caller, Usage, UsageBar, UsageSpan};

use super::super::{Api, usage};
use super::chart::{Bar, Chart};
use super::{Shown, frame, words};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/usage", get(show))
}

#[derive(Clone, Copy, Deserialize)]
struct Which {
    #[serde(default)]
    span: UsageSpan,
    #[serde(default)]
    back: u16,
    #[serde(default)]
    money: bool,
}

impl Which {
    fn link(self) -> String {
        let money = if self.money { "&money=true" } else { "" };
        format!("/usage?span={}&back={}{money}", self.span.name(), self.back)
    }
}

const SPANS: [(UsageSpan, &str); 4] = [
    (UsageSpan::Day, "Day"),
    (UsageSpan::Week, "Week"),
    (UsageSpan::Month, "Month"),
    (UsageSpan::Year, "Year"),
];

async fn show(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<Which>,
) -> Shown {
    let current = |here: bool| here.then_some("page");
    let body = match usage::of(&api, which.span, which.back).await {
        Ok(used) => shown(&used, which, &api.home.zone, api.clock.now()),
        Err(problem) if problem.status == axum::http::StatusCode::NOT_FOUND => {
            html! { div class="card" { p { (frame::sentence(&problem.text)) } p class="quiet" { "Once an electricity meter at the grid is read, this page fills by itself." } } }
        }
        Err(problem) => return Err(problem.into()),
    };
    let body = html! {
        div class="head" {
            h1 { "Usage" }
            div class="segments" aria-label="Unit" role="group" {
                a href=(Which { money: false, ..which }.link()) aria-current=[current(!which.money)] { "kWh" }
                a href=(Which { money: true, ..which }.link()) aria-current=[current(which.money)] { "Money" }
            }
        }
        nav class="segments" aria-label="How long" {
            @for (span, name) in SPANS {
                a href=(Which { span, back: 0, ..which }.link()) aria-current=[current(span == which.span)] { (name) }
            }
        }
        (body)
    };
    Ok(frame::page(&caller, "/usage", "Usage", &body))
}

fn shown(used: &Usage, which: Which, zone: &TimeZone, now: Timestamp) -> Markup {
    let currency = used.currency.clone().unwrap_or_default();
    let as_money = which.money && used.currency.is_some();
    let bars = used.bars.iter().map(|bar| {
        let value = if as_money { bar.cost } else { bar.import_kwh };
        let mut class = if as_money { "cost" } else { "electricity" }.to_owned();
        if !bar.complete {
            class.push_str(" part");
        }
        Bar {
            value: value.filter(|_| bar.start <= now),
            class,
            title: format!("{}: {}", name(bar, which.span, zone), said(bar, &currency)),
            now: false,
        }
    });
    let chart = Chart {
        label: format!("Electricity used, {}", title(used)),
        bars: bars.collect(),
        below: below(used, zone),
        side: if as_money {
            |value| words::round(value, 2)
        } else {
            |value| value.normalize().to_string()
        },
        short: false,
    };
    html! {
        div class="card" {
            div class="card-head" {
                h2 { (title(used)) }
                div class="step" {
                    a href=(Which { back: which.back.saturating_add(1).min(400), ..which }.link()) aria-label="Before" { (frame::icon("left")) }
                    @if which.back > 0 {
                        a href=(Which { back: which.back - 1, ..which }.link()) aria-label="After" { (frame::icon("right")) }
                    } @else {
                        a aria-disabled="true" aria-label="After" role="link" { (frame::icon("right")) }
                    }
                }
            }
            (chart.markup())
            p class="quiet small" { "in " (if as_money { currency.as_str() } else { "kWh" }) ". Pale bars are not wholly metered." }
        }
        div class="grid three" {
            (tile("Total", used.import_kwh.map(|kwh| (words::amount(kwh), "kWh"))))
            (tile("Mean", used.average_kwh.map(|kwh| (words::amount(kwh), "kWh"))))
            (tile("Cost of the energy", used.cost.map(|cost| (words::cash(cost, &currency), ""))))
        }
        div class="card" {
            details {
                summary { "As a table" }
                div class="scroll" tabindex="0" role="group" aria-label="Table" {
                    table {
                        thead { tr { th { "When" } th class="num" { "kWh" } th class="num" { "Cost" } } }
                        tbody {
                            @for bar in used.bars.iter().filter(|bar| bar.import_kwh.is_some()) {
                                tr {
                                    td { (name(bar, which.span, zone)) @if !bar.complete { " " span class="quiet" { "(in part)" } } }
                                    td class="num" { (bar.import_kwh.map_or_else(|| words::MISSING.to_owned(), |kwh| words::round(kwh, 3))) }
                                    td class="num" { (bar.cost.map_or_else(|| words::MISSING.to_owned(), |cost| words::cash(cost, &currency))) }
                                }
                            }
                        }
                    }
                }
            }
            div class="row" {
                a class="button plain tiny" href=(format!("/api/v1/export?form=green_button&from={}&to={}", used.from, used.to)) download { "Green Button" }
                a class="button plain tiny" href=(format!("/api/v1/export?form=csv&from={}&to={}", used.from, used.to)) download { "CSV" }
            }
        }
    }
}

fn tile(label: &str, value: Option<(String, &str)>) -> Markup {
    html! {
        section class="card tile" {
            h2 class="label" { (label) }
            @if let Some((number, unit)) = value { div class="value" { (number) small { (unit) } } }
            @else { div class="value" { (words::MISSING) } p class="quiet small" { "Not known." } }
        }
    }
}

fn title(used: &Usage) -> String {
    match used.span {
        UsageSpan::Day => words::day(used.from),
        UsageSpan::Week => format!("{} – {}", words::day(used.from), words::day(used.to)),
        UsageSpan::Month => used.from.strftime("%B %Y").to_string(),
        UsageSpan::Year => used.from.year().to_string(),
    }
}

fn name(bar: &UsageBar, span: UsageSpan, zone: &TimeZone) -> String {
    let start = bar.start.to_zoned(zone.clone());
    match span {
        UsageSpan::Day => start.strftime("%H:%M").to_string(),
        UsageSpan::Week | UsageSpan::Month => words::day(start.date()),
        UsageSpan::Year => start.strftime("%B").to_string(),
    }
}

fn said(bar: &UsageBar, currency: &str) -> String {
    let energy = bar.import_kwh.map_or_else(
        || "not metered".to_owned(),
        |kwh| format!("{} kWh", words::round(kwh, 3)),
    );
    match bar.cost {
        Some(cost) => format!("{energy}, {}", words::cash(cost, currency)),
        None => energy,
    }
}

fn below(used: &Usage, zone: &TimeZone) -> Vec<String> {
    let of = |form: &str| {
        let text = |bar: &UsageBar| bar.start.to_zoned(zone.clone()).strftime(form).to_string();
        used.bars.iter().map(text).collect::<Vec<String>>()
    };
    match used.span {
        UsageSpan::Day => ["0", "6", "12", "18", "24"].map(str::to_owned).to_vec(),
        UsageSpan::Week => of("%a"),
        UsageSpan::Month => {
            let days = of("%-d");
            let pick = [0, days.len() / 4, days.len() / 2, 3 * days.len() / 4];
            let mut picked: Vec<String> = pick
                .iter()
                .filter_map(|index| days.get(*index).cloned())
                .collect();
            picked.extend(days.last().cloned());
            picked
        }
        UsageSpan::Year => of("%b")
            .iter()
            .map(|name| name.chars().take(1).collect())
            .collect(),
    }
}
