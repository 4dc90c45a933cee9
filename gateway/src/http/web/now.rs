//! The first page: what is going on at this moment.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use rust_decimal::Decimal;
use wattle_api::{Advice, Caller, Freshness, Price, Role, Severity, State, Supply};

use super::super::{Api, Follower, Problem, seen_by};
use super::chart::{Bar, Chart};
use super::{frame, words};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(now))
        .route("/live", get(live))
        .route("/more", get(more))
        .route("/welcome", get(welcome))
}

async fn now(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Markup {
    let state = api.state_for(&caller, false);
    let body = html! {
        div class="head" {
            h1 { "Now" }
            span id="lost" class="pill" hidden { "The gateway does not answer" }
        }
        div id="live" class="grid" { (fragment(&state, &api.home.zone)) }
    };
    frame::page(&caller, "/", "Now", &body)
}

async fn more(Extension(caller): Extension<Caller>) -> Markup {
    let body = html! {
        div class="head" { h1 { "More" } }
        div class="card" { (frame::more(&caller)) }
        form method="post" action="/logout" { button class="plain" { "Log out " (caller.name) } }
    };
    frame::page(&caller, "/more", "More", &body)
}

/// The same piece of the page whenever the state has changed, at most once a second.
async fn live(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let follower = Follower::new(&api)?;
    let zone = api.home.zone.clone();
    let stream = stream::unfold(
        (follower, caller, zone, false),
        |(mut follower, caller, zone, again)| async move {
            if again {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let (state, web) = follower.next().await?;
            let state = seen_by(state.as_ref().clone(), &caller, web, false);
            // A carriage return would end the event's line.
            let text = fragment(&state, &zone).into_string().replace('\r', " ");
            let event = Event::default().event("now").data(text);
            Some((
                Ok::<Event, Infallible>(event),
                (follower, caller, zone, true),
            ))
        },
    );
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

fn fragment(state: &State, zone: &TimeZone) -> Markup {
    let household = state.price.is_some() || state.today.is_some();
    html! {
        @for notice in state.notices.iter().take(4) {
            (frame::said(match notice.severity { Severity::Alarm => "alarm", Severity::Warning => "warning", Severity::Info => "info" }, &html! { (notice.text) }))
        }
        div class="grid hero-grid" {
            (power(state))
            div class="grid two tiles" {
                (today(state))
                (month(state))
                (price_now(state, zone))
                (supply("gas", "Gas today", state.gas.as_ref(), state))
                (supply("water", "Water today", state.water.as_ref(), state))
                @if state.gas.is_none() || state.water.is_none() { (always_on(state)) }
                @if !household { (meters(state)) }
            }
        }
        @if let Some(price) = &state.price { (prices(price, state, zone)) }
        (running(state))
    }
}

fn power(state: &State) -> Markup {
    let Some(power) = &state.power else {
        return html! {
            section class="card" {
                h2 { "Power" }
                div class="ring" { (ring("low", 0)) div class="ring-text" { div class="hero" { (words::MISSING) } } }
                p class="quiet" { "No meter tells the power yet." }
            }
        };
    };
    let (number, unit) = words::power(power.watts);
    let (class, word) = words::level(power.level);
    let exporting = power.watts.is_sign_negative() && !power.watts.is_zero();
    html! {
        section class="card" {
            h2 { (if exporting { "Giving to the grid" } else { "Using" }) }
            div class="ring" {
                (ring(class, power.permille))
                div class="ring-text" {
                    div class="hero" { (number) small { (unit) } }
                    div class="level-word" { (word) }
                    @if let Some(cost) = &power.cost_per_hour {
                        div class="quiet" { (words::money(cost)) " an hour" }
                    }
                }
            }
            @if power.freshness != Freshness::Live {
                p class="quiet" { "Last heard " (words::ago(power.received_at, state.at)) "." }
            }
            @if let Some(advice) = &state.advice { (said(advice)) }
        }
    }
}

/// An arc of 270° that is filled by so many thousandths.
fn ring(class: &str, permille: u16) -> Markup {
    let arc = "M 45.8 174.2 A 96 96 0 1 1 174.2 174.2";
    html! {
        svg viewBox="0 0 220 196" aria-hidden="true" {
            path class="track" d=(arc) {}
            @if permille > 0 {
                path class=(format!("s-{class}")) d=(arc) pathLength="1000" stroke-dasharray=(format!("{permille} 2000")) {}
            }
        }
    }
}

fn said(advice: &Advice) -> Markup {
    let text = match advice {
        Advice::CheaperLater { window, currency } => format!(
            "It gets cheaper: {} on average in the best two hours. Wait if it can wait.",
            words::price(window.per_kwh, currency)
        ),
        Advice::CheapestNow { .. } => "It does not get cheaper in the known prices.".to_owned(),
        Advice::FlatPrice => "The price is the same all day.".to_owned(),
        Advice::UseOwnPower => "A good time to use energy: it comes from your own roof.".to_owned(),
        Advice::EnterPin => "Enter the meter's PIN, so that it tells the power.".to_owned(),
        _ => return html! {},
    };
    html! { p class="quiet" { (text) } }
}

fn today(state: &State) -> Markup {
    let Some(today) = &state.today else {
        return html! {};
    };
    html! {
        section class="card tile" {
            h2 class="label" { span class="dot b-electricity" {} "Today" }
            div class="value" { (words::amount(today.import_kwh)) small { "kWh" } }
            @if let Some(cost) = &today.cost { p { (words::money(cost)) } }
            p class="quiet small" {
                @if let Some(percent) = today.change_percent {
                    (percent.abs()) " % " (if percent < 0 { "less" } else { "more" }) " than usual by now"
                } @else if let Some(age) = words::age(today.freshness, today.received_at, state.at) { (age) }
            }
            @if let Some(export) = today.export_kwh.filter(|kwh| !kwh.is_zero()) {
                p class="quiet small" { (words::amount(export)) " kWh given to the grid" }
            }
        }
    }
}

fn month(state: &State) -> Markup {
    let Some(month) = &state.month else {
        return html! {};
    };
    html! {
        section class="card tile" {
            h2 class="label" { span class="dot b-electricity" {} "This month" }
            div class="value" { (words::amount(month.import_kwh)) small { "kWh" } }
            @if let Some(cost) = &month.cost { p { (words::money(cost)) } }
            p class="quiet small" { "energy only; " a href="/money" { "the whole bill" } }
        }
    }
}

fn price_now(state: &State, zone: &TimeZone) -> Markup {
    let Some(price) = &state.price else {
        return html! {};
    };
    let now = price.now.as_ref();
    let class = now.map_or("", |slot| words::band(slot.band).0);
    html! {
        section class="card tile" {
            h2 class="label" { span class=(format!("dot b-{class}")) {} "Price now" }
            @if let Some(slot) = now {
                div class="value" { (words::price(slot.per_kwh, &price.currency)) small { "per kWh" } }
                p { (words::band(slot.band).1) }
            } @else {
                div class="value" { (words::MISSING) }
                p class="quiet" { "Not published." }
            }
            @if let Some(next) = &price.next {
                p class="quiet small" { "from " (words::clock(next.start, zone)) " " (words::price(next.per_kwh, &price.currency)) }
            } @else {
                p class="quiet small" { (price.tariff) }
            }
        }
    }
}

fn supply(class: &str, label: &str, supply: Option<&Supply>, state: &State) -> Markup {
    let Some(supply) = supply else {
        return html! {};
    };
    html! {
        section class="card tile" {
            h2 class="label" { span class=(format!("dot b-{class}")) {} (label) }
            div class="value" { (words::round(supply.volume_m3, 3).trim_end_matches('0').trim_end_matches('.')) small { "m³" } }
            @if let Some(cost) = &supply.cost { p { (words::money(cost)) } }
            p class="quiet small" {
                @if let Some(kwh) = supply.energy_kwh { (words::amount(kwh)) " kWh · " }
                (words::ago(supply.received_at, state.at))
            }
        }
    }
}

fn always_on(state: &State) -> Markup {
    let watts = state
        .appliances
        .as_ref()
        .and_then(|found| found.always_on_w);
    let Some(watts) = watts else {
        return html! {};
    };
    let (number, unit) = words::power(watts);
    let a_year = watts * Decimal::new(876, 2);
    html! {
        section class="card tile" {
            h2 class="label" { span class="dot b-other" {} "Always on" }
            div class="value" { (number) small { (unit) } }
            p class="quiet small" { "about " (words::round(a_year, 0)) " kWh a year" }
        }
    }
}

fn meters(state: &State) -> Markup {
    html! {
        section class="card tile" {
            h2 class="label" { "Meters" }
            div class="value" { (state.meters.len()) }
            p class="quiet small" { a href="/devices" { "Look at them" } }
        }
    }
}

fn prices(price: &Price, state: &State, zone: &TimeZone) -> Markup {
    let bars: Vec<Bar> = price
        .slots
        .iter()
        .map(|slot| Bar {
            value: Some(slot.per_kwh * Decimal::ONE_HUNDRED),
            class: words::band(slot.band).0.to_owned(),
            title: format!(
                "{}: {} ({})",
                words::clock(slot.start, zone),
                words::price(slot.per_kwh, &price.currency),
                words::band(slot.band).1
            ),
            now: slot.start <= state.at && state.at < slot.end,
        })
        .collect();
    let ends = price.slots.first().zip(price.slots.last());
    let below = ends.map_or_else(Vec::new, |(first, last)| {
        let middle = price.slots.get(price.slots.len() / 2).unwrap_or(last);
        vec![
            words::clock(first.start, zone),
            words::clock(middle.start, zone),
            words::clock(last.end, zone),
        ]
    });
    let chart = Chart {
        label: "Prices of the next 24 hours".to_owned(),
        bars,
        below,
        side: |value| words::round(value, 0),
        short: true,
    };
    html! {
        section class="card" {
            div class="card-head" {
                h2 { "Price, the next 24 hours" }
                @if let Some(window) = &price.cheapest {
                    span class="quiet" { "cheapest " (words::clock(window.start, zone)) "–" (words::clock(window.end, zone)) ", " (words::price(window.per_kwh, &price.currency)) }
                } @else { span class="quiet" { (price.tariff) } }
            }
            (chart.markup())
        }
    }
}

fn running(state: &State) -> Markup {
    let Some(found) = &state.appliances else {
        return html! {};
    };
    let on: Vec<_> = found
        .running
        .iter()
        .filter_map(|load| load.appliance.as_ref().map(|name| (name, load)))
        .collect();
    if on.is_empty() {
        return html! {};
    }
    html! {
        section class="card" {
            div class="card-head" { h2 { "On now" } a class="quiet" href="/appliances" { "All appliances" } }
            ul class="list" {
                @for (name, load) in on {
                    @let (number, unit) = words::power(load.power_w);
                    li { div class="row between" { span { (words::appliance(name)) } span { (number) " " (unit) } } }
                }
            }
        }
    }
}

async fn welcome(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Markup {
    let state = api.state_for(&caller, false);
    let heard = state
        .meters
        .iter()
        .filter(|meter| meter.id.is_some())
        .count();
    let tariff = state.price.is_some();
    let household = caller.role == Role::Household;
    let step = |done: bool| if done { "done" } else { "" };
    let body = html! {
        div class="head" { h1 { "Welcome, " (caller.name) } }
        ol class="steps" aria-hidden="true" { li class="done" {} li class=(step(heard > 0)) {} li class=(step(tariff)) {} }
        div class="grid" {
            section class="card" {
                div class="card-head" { h2 { "1 · You are in" } span class="pill" { "done" } }
                p class="quiet" { "Nobody else gets in without a new code from the display, or from you under Settings." }
            }
            section class="card" {
                div class="card-head" { h2 { "2 · Meters" } span class="pill" { (if heard > 0 { "done" } else { "waiting" }) } }
                @if state.meters.is_empty() {
                    p { "No meter is configured yet. Radio meters are taken on here; wired ones stand in the configuration: " code class="mono" { "wattle probe" } " finds them." }
                } @else {
                    ul class="list" {
                        @for meter in &state.meters {
                            @let (class, word) = words::medium(meter.medium);
                            li { div class="row between" {
                                span class="row" { span class=(format!("dot b-{class}")) {} (meter.name) span class="quiet" { (word) } }
                                span class="quiet" { (meter.received_at.map_or_else(|| "not heard yet".to_owned(), |at| words::ago(at, state.at))) }
                            } }
                        }
                    }
                }
                div class="row" { a class="button plain" href="/devices" { "Meters in reach and their keys" } }
            }
            @if household {
                section class="card" {
                    div class="card-head" { h2 { "3 · Tariff" } span class="pill" { (if tariff { "done" } else { "open" }) } }
                    p class="quiet" {
                        @if let Some(price) = &state.price { "In force: " (price.tariff) "." } @else { "With your tariff the page shows money beside energy." }
                    }
                    div class="row" { a class="button plain" href="/tariff" { (if tariff { "Look at it" } else { "Enter it" }) } }
                }
            }
            div class="row" { a class="button" href="/" { "To the first page" } }
        }
    };
    frame::page(&caller, "/", "Welcome", &body)
}
