//! Prices of today and tomorrow, and when to run something.

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use rust_decimal::Decimal;
use wattle_api::{Caller, Price, PriceDay, Run};

use super::super::Api;
use super::chart::{Bar, Chart};
use super::{frame, words};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/prices", get(show))
}

async fn show(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Markup {
    let state = api.state_for(&caller, false);
    let body = html! {
        div class="head" { h1 { "Prices" } a class="button plain tiny" href="/tariff" { "Tariff" } }
        @match &state.price {
            Some(price) => (shown(price, &api.home.zone, state.at)),
            None => div class="card" {
                p { "No tariff is in force, or its prices have not come yet." }
                div class="row" { a class="button" href="/tariff" { "Enter a tariff" } }
            },
        }
    };
    frame::page(&caller, "/prices", "Prices", &body)
}

fn shown(price: &Price, zone: &TimeZone, now: Timestamp) -> Markup {
    let today = zone.to_datetime(now).date();
    html! {
        div class="grid two" {
            @for day in &price.days {
                (of_day(day, if day.date == today { "Today" } else { "Tomorrow" }, price, zone, now))
            }
            @if price.days.iter().all(|day| day.date <= today) {
                section class="card" { h2 { "Tomorrow" } p class="quiet" { "Not published yet." } }
            }
        }
        div class="legend" {
            @for (class, name) in [("cheap", "Cheap"), ("normal", "Normal"), ("dear", "Dear"), ("paid", "Paid to use")] {
                span { i class=(format!("dot b-{class}")) {} (name) }
            }
            span { "outlined: now" }
        }
        section class="card" {
            h2 { "When to run something" }
            @if price.runs.is_empty() {
                p class="quiet" { "The prices are nearly equal: any time is as good." }
            } @else {
                ul class="list" { @for run in &price.runs { (best(run, price, zone)) } }
            }
        }
    }
}

fn of_day(day: &PriceDay, name: &str, price: &Price, zone: &TimeZone, now: Timestamp) -> Markup {
    let hours = day.end.duration_since(day.start).as_hours();
    let bars = (0..hours).map(|hour| {
        let start = day
            .start
            .saturating_add(jiff::SignedDuration::from_hours(hour));
        let start = start.unwrap_or(day.start);
        let slot = day.slots.iter().find(|slot| slot.start == start);
        Bar {
            value: slot.map(|slot| slot.per_kwh * Decimal::ONE_HUNDRED),
            class: slot.map_or("", |slot| words::band(slot.band).0).to_owned(),
            title: slot.map_or_else(
                || format!("{}: not published", words::clock(start, zone)),
                |slot| {
                    let price = words::price(slot.per_kwh, &price.currency);
                    format!(
                        "{}: {price} ({})",
                        words::clock(start, zone),
                        words::band(slot.band).1
                    )
                },
            ),
            now: slot.is_some_and(|slot| slot.start <= now && now < slot.end),
        }
    });
    let chart = Chart {
        label: format!("Prices of {}", words::day(day.date)),
        bars: bars.collect(),
        below: ["0", "6", "12", "18", "24"].map(str::to_owned).to_vec(),
        side: |value| words::round(value, 0),
        short: false,
    };
    let lowest = day.slots.iter().min_by_key(|slot| slot.per_kwh);
    let highest = day.slots.iter().max_by_key(|slot| slot.per_kwh);
    html! {
        section class="card" {
            div class="card-head" { h2 { (name) } span class="quiet" { (words::day(day.date)) } }
            (chart.markup())
            @if let (Some(lowest), Some(highest)) = (lowest, highest) && lowest.per_kwh != highest.per_kwh {
                p class="quiet small" {
                    "lowest " (words::price(lowest.per_kwh, &price.currency)) " at " (words::clock(lowest.start, zone))
                    " · highest " (words::price(highest.per_kwh, &price.currency)) " at " (words::clock(highest.start, zone))
                }
            }
        }
    }
}

fn best(run: &Run, price: &Price, zone: &TimeZone) -> Markup {
    html! {
        li {
            div class="row between" {
                span { (run.hours) (if run.hours == 1 { " hour" } else { " hours" }) }
                strong { (words::clock(run.best.start, zone)) "–" (words::clock(run.best.end, zone)) }
            }
            p class="quiet small" {
                (words::price(run.best.per_kwh, &price.currency)) " per kWh"
                @if let Some(saving) = run.saving_per_kwh { ", " (words::price(saving, &price.currency)) " less than now" }
            }
        }
    }
}
