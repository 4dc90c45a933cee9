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
use super::{Shown, frame, words};

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
    Extension(caller): Extension<Caller>,
    Query(Which { back }): Query<Which>,
) -> Shown {
    let back = back.min(120);
    let first = api.today().first_of_month();
    let first = first.checked_sub(i64::from(back).months()).unwrap_or(first);
    let body = match bill::of(&api, Some(first), Some(first.last_of_month())).await {
        Ok(made) => shown(&made),
        Err(problem) if problem.status == StatusCode::NOT_FOUND => html! {
            div class="card" {
                p { (frame::sentence(&problem.text)) }
                div class="row" { a class="button plain" href="/tariff" { "To the tariff" } }
            }
        },
        Err(problem) => return Err(problem.into()),
    };
    let body = html! {
        div class="head" {
            h1 { "Money" }
            (steps(first, back))
        }
        (body)
    };
    Ok(frame::page(&caller, "/money", "Money", &body))
}

fn steps(first: Date, back: u16) -> Markup {
    html! {
        div class="step" {
            a href=(format!("/money?back={}", back + 1)) aria-label="The month before" { (frame::icon("left")) }
            strong { (first.strftime("%B %Y").to_string()) }
            @if back > 0 {
                a href=(format!("/money?back={}", back - 1)) aria-label="The month after" { (frame::icon("right")) }
            } @else {
                a aria-disabled="true" role="link" aria-label="The month after" { (frame::icon("right")) }
            }
        }
    }
}

fn shown(made: &BillToDate) -> Markup {
    let currency = made.bill.currency.as_str();
    let total = made.bill.total.map(|total| words::cash(total, currency));
    html! {
        div class="grid three" {
            section class="card tile" {
                h2 class="label" { "So far" }
                div class="value" { (total.clone().unwrap_or_else(|| words::MISSING.to_owned())) }
                p class="quiet small" { (words::amount(made.bill.import_kwh)) " kWh" @if total.is_none() { " · some of it has no price" } }
            }
            @if let Some(forecast) = &made.forecast {
                section class="card tile" {
                    h2 class="label" { "At the end of the month" }
                    div class="value" { (words::cash(forecast.total, currency)) }
                    p class="quiet small" { "most likely " (words::cash(forecast.low, currency)) " to " (words::cash(forecast.high, currency)) }
                }
            }
            @if let Some(before) = made.before.as_ref().and_then(|before| before.total.map(|total| (total, before))) {
                section class="card tile" {
                    h2 class="label" { "As far into the month before" }
                    div class="value" { (words::cash(before.0, currency)) }
                    p class="quiet small" { (words::amount(before.1.import_kwh)) " kWh" }
                }
            }
        }
        section class="card" {
            h2 { "The bill, line by line" }
            div class="scroll" tabindex="0" role="group" aria-label="Table" {
                table {
                    thead { tr { th { "For" } th class="num" { "Quantity" } th class="num" { "Amount" } } }
                    tbody {
                        @for line in &made.bill.lines { (row(line, currency)) }
                        @if let Some(total) = total {
                            tr class="total" { td { "Total" } td class="num" {} td class="num" { (total) } }
                        }
                    }
                }
            }
            p class="quiet small" { "The lines add up to the total exactly; they are rounded for showing only." }
        }
    }
}

fn row(line: &BillLine, currency: &str) -> Markup {
    let unit = match line.unit.as_str() {
        "kW_day" | "kW_month" => "kW",
        other => other,
    };
    html! {
        tr {
            td {
                (line.label)
                @if let Some(tier) = line.tier { " " span class="quiet" { "block " (tier) } }
                @if let Some(rate) = line.rate.filter(|_| line.unit == "kWh") { br; span class="quiet small" { (words::price(rate, currency)) " per kWh" } }
            }
            td class="num" {
                @if line.unit == currency { (words::cash(line.quantity, currency)) } @else { (words::amount(line.quantity)) " " (unit) }
            }
            td class="num" { (words::cash(line.amount, currency)) }
        }
    }
}
