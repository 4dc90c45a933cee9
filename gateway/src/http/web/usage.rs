//! What was used: bars of a day, week, month or year, in energy or money.

use axum::Router;
use axum::extract::{Extension, Query, State as Shared};
use axum::routing::get;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{Caller, Medium, Usage, UsageBar, UsageSpan};

use super::super::{Api, usage};
use super::chart::{Bar, Chart};
use super::tongue::{Tongue, tr};
use super::words::MISSING;
use super::{Shown, frame};

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
    (UsageSpan::Day, tr("Day")),
    (UsageSpan::Week, tr("Week")),
    (UsageSpan::Month, tr("Month")),
    (UsageSpan::Year, tr("Year")),
];

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<Which>,
) -> Shown {
    let t = |text| tongue.t(text);
    let current = |here: bool| here.then_some("page");
    let body = match usage::of(&api, which.span, which.back, Medium::Electricity).await {
        Ok(used) => shown(&tongue, &used, which, api.clock.now()),
        Err(problem) if problem.status == axum::http::StatusCode::NOT_FOUND => {
            html! { div class="card" { p { (tongue.problem(&problem)) } p class="quiet" { (t("Once an electricity meter at the grid is read, this page fills by itself.")) } } }
        }
        Err(problem) => return Err(problem.into()),
    };
    let body = html! {
        div class="head" {
            h1 { (t("Usage")) }
            div class="segments" aria-label=(t("Unit")) role="group" {
                a href=(Which { money: false, ..which }.link()) aria-current=[current(!which.money)] { "kWh" }
                a href=(Which { money: true, ..which }.link()) aria-current=[current(which.money)] { (t("Money")) }
            }
        }
        nav class="segments" aria-label=(t("How long")) {
            @for (span, name) in SPANS {
                a href=(Which { span, back: 0, ..which }.link()) aria-current=[current(span == which.span)] { (t(name)) }
            }
        }
        (body)
    };
    Ok(frame::page(&tongue, &caller, "/usage", t("Usage"), &body))
}

fn shown(tongue: &Tongue, used: &Usage, which: Which, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    let currency = used.currency.clone().unwrap_or_default();
    let as_money = which.money && used.currency.is_some();
    let title = title(tongue, used);
    let bars = used.bars.iter().map(|bar| {
        let value = if as_money { bar.cost } else { bar.import_kwh };
        let mut class = if as_money { "cost" } else { "electricity" }.to_owned();
        if !bar.complete {
            class.push_str(" part");
        }
        Bar {
            value: value.filter(|_| bar.start <= now),
            class,
            title: said(tongue, bar, which.span, &currency),
            now: false,
        }
    });
    let chart = Chart {
        label: tongue.say("Electricity used, {when}", &[("when", &title)]),
        bars: bars.collect(),
        below: below(tongue, used),
        side: &|value| match as_money {
            true => tongue.number(value, 2),
            false => tongue.plain(value),
        },
        short: false,
    };
    let unit = if as_money { currency.as_str() } else { "kWh" };
    html! {
        div class="card" {
            div class="card-head" {
                h2 { (title) }
                div class="step" {
                    a href=(Which { back: which.back.saturating_add(1).min(400), ..which }.link()) aria-label=(t("Earlier")) { (frame::icon("left")) }
                    @if which.back > 0 {
                        a href=(Which { back: which.back - 1, ..which }.link()) aria-label=(t("Later")) { (frame::icon("right")) }
                    } @else {
                        a aria-disabled="true" aria-label=(t("Later")) role="link" { (frame::icon("right")) }
                    }
                }
            }
            (chart.markup())
            p class="quiet small" { (tongue.say("in {unit}. Pale bars are not wholly metered.", &[("unit", &unit)])) }
        }
        div class="grid three" {
            (tile(tongue, t("Total"), used.import_kwh.map(|kwh| (tongue.figures(kwh), "kWh"))))
            (tile(tongue, t("Average"), used.average_kwh.map(|kwh| (tongue.figures(kwh), "kWh"))))
            (tile(tongue, t("Cost of the energy"), used.cost.map(|cost| (tongue.cash(cost, &currency), ""))))
        }
        div class="card" {
            details {
                summary { (t("As a table")) }
                (table(tongue, used, which.span, &currency))
            }
            div class="row" {
                a class="button plain tiny" href=(format!("/api/v1/export?form=green_button&from={}&to={}", used.from, used.to)) download { "Green Button" }
                a class="button plain tiny" href=(format!("/api/v1/export?form=csv&from={}&to={}", used.from, used.to)) download { "CSV" }
            }
        }
    }
}

fn table(tongue: &Tongue, used: &Usage, span: UsageSpan, currency: &str) -> Markup {
    let t = |text| tongue.t(text);
    let kwh = |bar: &UsageBar| bar.import_kwh.map(|kwh| tongue.number(kwh, 3));
    let cost = |bar: &UsageBar| bar.cost.map(|cost| tongue.cash(cost, currency));
    let rows = html! {
        thead { tr { th { (t("When")) } th class="num" { "kWh" } th class="num" { (t("Cost")) } } }
        tbody {
            @for bar in used.bars.iter().filter(|bar| bar.import_kwh.is_some()) {
                tr {
                    td { (name(tongue, bar, span)) @if !bar.complete { " " span class="quiet" { (t("(in part)")) } } }
                    td class="num" { (kwh(bar).as_deref().unwrap_or(MISSING)) }
                    td class="num" { (cost(bar).as_deref().unwrap_or(MISSING)) }
                }
            }
        }
    };
    frame::table(tongue, None, &rows)
}

fn tile(tongue: &Tongue, label: &str, value: Option<(String, &str)>) -> Markup {
    html! {
        section class="card tile" {
            h2 class="label" { (label) }
            @if let Some((number, unit)) = value { div class="value" { (number) small { (unit) } } }
            @else { div class="value" { (MISSING) } p class="quiet small" { (tongue.t("Not known.")) } }
        }
    }
}

fn title(tongue: &Tongue, used: &Usage) -> String {
    match used.span {
        UsageSpan::Day => tongue.day(used.from),
        UsageSpan::Week => format!("{} – {}", tongue.day(used.from), tongue.day(used.to)),
        UsageSpan::Month => tongue.month_of_year(used.from),
        UsageSpan::Year => used.from.year().to_string(),
    }
}

fn name(tongue: &Tongue, bar: &UsageBar, span: UsageSpan) -> String {
    let date = tongue.zone.to_datetime(bar.start).date();
    match span {
        UsageSpan::Day => tongue.clock(bar.start),
        UsageSpan::Week | UsageSpan::Month => tongue.day(date),
        UsageSpan::Year => tongue.month(date).to_owned(),
    }
}

/// What a bar says.
fn said(tongue: &Tongue, bar: &UsageBar, span: UsageSpan, currency: &str) -> String {
    let when = name(tongue, bar, span);
    let Some(kwh) = bar.import_kwh else {
        return tongue.say("{when}: not metered", &[("when", &when)]);
    };
    let kwh = tongue.number(kwh, 3);
    match bar.cost {
        Some(cost) => tongue.say(
            "{when}: {kwh} kWh, {cost}",
            &[
                ("when", &when),
                ("kwh", &kwh),
                ("cost", &tongue.cash(cost, currency)),
            ],
        ),
        None => tongue.say("{when}: {kwh} kWh", &[("when", &when), ("kwh", &kwh)]),
    }
}

/// The labels below the bars.
fn below(tongue: &Tongue, used: &Usage) -> Vec<String> {
    let dates = || {
        used.bars
            .iter()
            .map(|bar| tongue.zone.to_datetime(bar.start).date())
    };
    match used.span {
        UsageSpan::Day => ["0", "6", "12", "18", "24"].map(str::to_owned).to_vec(),
        UsageSpan::Week => dates()
            .map(|date| tongue.weekday(date.weekday()).to_owned())
            .collect(),
        UsageSpan::Month => {
            let days: Vec<String> = dates().map(|date| date.day().to_string()).collect();
            let pick = [0, days.len() / 4, days.len() / 2, 3 * days.len() / 4];
            let mut picked: Vec<String> = pick
                .iter()
                .filter_map(|index| days.get(*index).cloned())
                .collect();
            picked.extend(days.last().cloned());
            picked
        }
        UsageSpan::Year => dates()
            .map(|date| tongue.short_month(date).chars().take(1).collect())
            .collect(),
    }
}
