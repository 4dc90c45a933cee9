//! Prices of today and tomorrow, and when to run something.

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::routing::get;
use jiff::Timestamp;
use maud::{Markup, html};
use rust_decimal::Decimal;
use wattle_api::{Band, Caller, Price, PriceDay, Run};

use super::super::Api;
use super::chart::{Bar, Chart};
use super::frame;
use super::tongue::Tongue;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/prices", get(show))
}

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    let t = |text| tongue.t(text);
    let state = api.state_for(&caller, false);
    let body = html! {
        div class="head" { h1 { (t("Prices")) } a class="button plain tiny" href="/tariff" { (t("Tariff")) } }
        @match &state.price {
            Some(price) => (shown(&tongue, price, state.at)),
            None => div class="card" {
                p { (t("No tariff is in force, or its prices have not come yet.")) }
                div class="row" { a class="button" href="/tariff" { (t("Enter a tariff")) } }
            },
        }
    };
    frame::page(&tongue, &caller, "/prices", t("Prices"), &body)
}

fn shown(tongue: &Tongue, price: &Price, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    let today = tongue.zone.to_datetime(now).date();
    let bands = [Band::Cheap, Band::Normal, Band::Dear, Band::PaidToUse];
    html! {
        div class="grid two" {
            @for day in &price.days {
                (of_day(tongue, day, if day.date == today { t("Today") } else { t("Tomorrow") }, price, now))
            }
            @if price.days.iter().all(|day| day.date <= today) {
                section class="card" { h2 { (t("Tomorrow")) } p class="quiet" { (t("Not published yet.")) } }
            }
        }
        div class="legend" {
            @for (class, name) in bands.map(|band| tongue.band(band)) {
                span { i class=(format!("dot b-{class}")) {} (name) }
            }
            span { (t("outlined: now")) }
        }
        section class="card" {
            h2 { (t("When should I run something?")) }
            @if price.runs.is_empty() {
                p class="quiet" { (t("The prices are nearly equal: any time is as good.")) }
            } @else {
                ul class="list" { @for run in &price.runs { (best(tongue, run, price)) } }
            }
        }
    }
}

fn of_day(tongue: &Tongue, day: &PriceDay, name: &str, price: &Price, now: Timestamp) -> Markup {
    let hours = day.end.duration_since(day.start).as_hours();
    let bars = (0..hours).map(|hour| {
        let start = day
            .start
            .saturating_add(jiff::SignedDuration::from_hours(hour));
        let start = start.unwrap_or(day.start);
        let slot = day.slots.iter().find(|slot| slot.start == start);
        let time = tongue.clock(start);
        Bar {
            value: slot.map(|slot| slot.per_kwh * Decimal::ONE_HUNDRED),
            class: slot.map_or("", |slot| tongue.band(slot.band).0).to_owned(),
            title: slot.map_or_else(
                || tongue.say("{time}: not published", &[("time", &time)]),
                |slot| {
                    tongue.say(
                        "{time}: {price} ({band})",
                        &[
                            ("time", &time),
                            ("price", &tongue.price(slot.per_kwh, &price.currency)),
                            ("band", &tongue.band(slot.band).1),
                        ],
                    )
                },
            ),
            now: slot.is_some_and(|slot| slot.start <= now && now < slot.end),
        }
    });
    let date = tongue.day(day.date);
    let chart = Chart {
        label: tongue.say("Prices of {day}", &[("day", &date)]),
        bars: bars.collect(),
        below: ["0", "6", "12", "18", "24"].map(str::to_owned).to_vec(),
        side: &|value| tongue.number(value, 0),
        short: false,
    };
    let lowest = day.slots.iter().min_by_key(|slot| slot.per_kwh);
    let highest = day.slots.iter().max_by_key(|slot| slot.per_kwh);
    html! {
        section class="card" {
            div class="card-head" { h2 { (name) } span class="quiet" { (date) } }
            (chart.markup())
            @if let (Some(lowest), Some(highest)) = (lowest, highest) && lowest.per_kwh != highest.per_kwh {
                p class="quiet small" {
                    (tongue.say("lowest {low} at {low_time} · highest {high} at {high_time}", &[
                        ("low", &tongue.price(lowest.per_kwh, &price.currency)),
                        ("low_time", &tongue.clock(lowest.start)),
                        ("high", &tongue.price(highest.per_kwh, &price.currency)),
                        ("high_time", &tongue.clock(highest.start)),
                    ]))
                }
            }
        }
    }
}

fn best(tongue: &Tongue, run: &Run, price: &Price) -> Markup {
    let mean = tongue.price(run.best.per_kwh, &price.currency);
    html! {
        li {
            div class="row between" {
                span { (tongue.count("{count} hour", "{count} hours", run.hours)) }
                strong { (tongue.clock(run.best.start)) "–" (tongue.clock(run.best.end)) }
            }
            p class="quiet small" {
                @if let Some(saving) = run.saving_per_kwh {
                    (tongue.say("{price} per kWh, {saving} less than now", &[("price", &mean), ("saving", &tongue.price(saving, &price.currency))]))
                } @else { (tongue.say("{price} per kWh", &[("price", &mean)])) }
            }
        }
    }
}
