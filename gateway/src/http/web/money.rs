//! The bill of the month, line by line.

use axum::Router;
use axum::extract::{Extension, Query, State as Shared};
use axum::http::StatusCode;
use axum::routing::get;
use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{BillLine, BillToDate, Caller};

use super::super::{Api, bill};
use super::tongue::Tongue;
use super::words::MISSING;
use super::{Shown, frame};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/money", get(show))
}

#[derive(Deserialize)]
struct Which {
    /// How many months before the present one.
    #[serde(default)]
    back: u16,
}

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Query(Which { back }): Query<Which>,
) -> Shown {
    let t = |text| tongue.t(text);
    let back = back.min(120);
    let first = api.today().first_of_month();
    let first = first.checked_sub(i64::from(back).months()).unwrap_or(first);
    let body = match bill::of(&api, Some(first), Some(first.last_of_month())).await {
        Ok(made) => shown(&tongue, &made),
        Err(problem) if problem.status == StatusCode::NOT_FOUND => html! {
            div class="card" {
                p { (tongue.problem(&problem)) }
                div class="row" { a class="button plain" href="/tariff" { (t("To the tariff")) } }
            }
        },
        Err(problem) => return Err(problem.into()),
    };
    let body = html! {
        div class="head" {
            h1 { (t("Money")) }
            (steps(&tongue, first, back))
        }
        (body)
    };
    Ok(frame::page(&tongue, &caller, "/money", t("Money"), &body))
}

fn steps(tongue: &Tongue, first: Date, back: u16) -> Markup {
    let (before, after) = (tongue.t("The month before"), tongue.t("The month after"));
    html! {
        div class="step" {
            a href=(format!("/money?back={}", back + 1)) aria-label=(before) { (frame::icon("left")) }
            strong { (tongue.month_of_year(first)) }
            @if back > 0 {
                a href=(format!("/money?back={}", back - 1)) aria-label=(after) { (frame::icon("right")) }
            } @else {
                a aria-disabled="true" role="link" aria-label=(after) { (frame::icon("right")) }
            }
        }
    }
}

fn shown(tongue: &Tongue, made: &BillToDate) -> Markup {
    let t = |text| tongue.t(text);
    let currency = made.bill.currency.as_str();
    let cash = |amount| tongue.cash(amount, currency);
    let total = made.bill.total.map(cash);
    let energy = tongue.energy(made.bill.import_kwh);
    let before = made.before.as_ref().map(|before| (before.total, before));
    html! {
        div class="grid three" {
            section class="card tile" {
                h2 class="label" { (t("So far")) }
                div class="value" { (total.as_deref().unwrap_or(MISSING)) }
                p class="quiet small" {
                    @if total.is_some() { (energy) }
                    @else { (tongue.say("{energy} · some of it has no price", &[("energy", &energy)])) }
                }
            }
            @if let Some(forecast) = &made.forecast {
                section class="card tile" {
                    h2 class="label" { (t("At the end of the month")) }
                    div class="value" { (cash(forecast.total)) }
                    p class="quiet small" { (tongue.say("likely {low} to {high}", &[("low", &cash(forecast.low)), ("high", &cash(forecast.high))])) }
                }
            }
            @if let Some((Some(total), before)) = before {
                section class="card tile" {
                    h2 class="label" { (t("As far into the month before")) }
                    div class="value" { (cash(total)) }
                    p class="quiet small" { (tongue.energy(before.import_kwh)) }
                }
            }
        }
        section class="card" {
            h2 { (t("The bill, line by line")) }
            (frame::table(tongue, None, &html! {
                thead { tr { th { (t("For")) } th class="num" { (t("Quantity")) } th class="num" { (t("Amount")) } } }
                tbody {
                    @for line in &made.bill.lines { (row(tongue, line, currency)) }
                    @if let Some(total) = total {
                        tr class="total" { td { (t("Total")) } td class="num" {} td class="num" { (total) } }
                    }
                }
            }))
            p class="quiet small" { (t("The lines add up to the total exactly; they are rounded for showing only.")) }
        }
    }
}

fn row(tongue: &Tongue, line: &BillLine, currency: &str) -> Markup {
    let quantity = || tongue.figures(line.quantity);
    let quantity = match line.unit.as_str() {
        unit if unit == currency => tongue.cash(line.quantity, currency),
        "kW_day" | "kW_month" => format!("{}\u{a0}kW", quantity()),
        "day" => tongue.count("{count} day", "{count} days", line.quantity),
        "month" => tongue.count("{count} month", "{count} months", line.quantity),
        unit => format!("{}\u{a0}{unit}", quantity()),
    };
    html! {
        tr {
            td {
                (line.label)
                @if let Some(tier) = line.tier { " " span class="quiet" { (tongue.say("block {number}", &[("number", &tier)])) } }
                @if let Some(rate) = line.rate.filter(|_| line.unit == "kWh") { br; span class="quiet small" { (tongue.say("{price} per kWh", &[("price", &tongue.price(rate, currency))])) } }
            }
            td class="num" { (quantity) }
            td class="num" { (tongue.cash(line.amount, currency)) }
        }
    }
}
