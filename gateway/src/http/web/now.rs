//! The first page: what is going on at this moment.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use maud::{Markup, html};
use rust_decimal::Decimal;
use wattle_api::{Advice, Appliances, Caller, Freshness, Medium, Price, State, Supply};

use super::super::{Api, Follower, Problem, seen_by};
use super::chart::{Bar, Chart};
use super::tongue::Tongue;
use super::words::MISSING;
use super::{frame, notices};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(now))
        .route("/live", get(live))
        .route("/more", get(more))
}

async fn now(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    let state = api.state_for(&caller, false);
    let t = |text| tongue.t(text);
    let body = html! {
        div class="head" {
            h1 { (t("Now")) }
            span id="lost" class="pill" hidden { (t("The gateway does not answer")) }
        }
        div id="live" class="grid" { (fragment(&tongue, &state)) }
    };
    frame::page(&tongue, &caller, "/", t("Now"), &body)
}

async fn more(
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    let t = |text| tongue.t(text);
    let body = html! {
        div class="head" { h1 { (t("More")) } }
        div class="card" { (frame::more(&tongue, &caller)) }
        form method="post" action="/logout" { button class="plain" { (tongue.say("Log out {name}", &[("name", &caller.name)])) } }
    };
    frame::page(&tongue, &caller, "/more", t("More"), &body)
}

/// The same piece of the page whenever the state has changed, at most once a second.
async fn live(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let follower = Follower::new(&api)?;
    let stream = stream::unfold(
        (follower, caller, tongue, false),
        |(mut follower, caller, tongue, again)| async move {
            if again {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let (state, web) = follower.next().await?;
            let state = seen_by(state.as_ref().clone(), &caller, web, false);
            // A carriage return would end the event's line.
            let text = fragment(&tongue, &state).into_string().replace('\r', " ");
            let event = Event::default().event("now").data(text);
            Some((
                Ok::<Event, Infallible>(event),
                (follower, caller, tongue, true),
            ))
        },
    );
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Ok(Sse::new(stream).keep_alive(keep_alive).into_response())
}

fn fragment(tongue: &Tongue, state: &State) -> Markup {
    let household = state.price.is_some() || state.today.is_some();
    let gas = supply(tongue, Medium::Gas, state.gas.as_ref(), state);
    let water = supply(tongue, Medium::Water, state.water.as_ref(), state);
    html! {
        @for notice in state.notices.iter().take(4) { (notices::strip(tongue, notice)) }
        div class="grid hero-grid" {
            (power(tongue, state))
            div class="grid two tiles" {
                (today(tongue, state))
                (month(tongue, state))
                (price_now(tongue, state))
                (gas)
                (water)
                @if state.gas.is_none() || state.water.is_none() { (always_on(tongue, state)) }
                @if !household { (meters(tongue, state)) }
            }
        }
        @if let Some(price) = &state.price { (prices(tongue, price, state)) }
        @if let Some(found) = &state.appliances { (running(tongue, found)) }
    }
}

fn power(tongue: &Tongue, state: &State) -> Markup {
    let t = |text| tongue.t(text);
    let Some(power) = &state.power else {
        return html! {
            section class="card" {
                h2 { (t("Power")) }
                div class="ring" { (ring("low", 0)) div class="ring-text" { div class="hero" { (MISSING) } } }
                p class="quiet" { (t("No meter tells the power yet.")) }
            }
        };
    };
    let (number, unit) = tongue.power(power.watts);
    let (class, word) = tongue.level(power.level);
    let exporting = power.watts.is_sign_negative() && !power.watts.is_zero();
    html! {
        section class="card" {
            h2 { (if exporting { t("Giving to the grid") } else { t("Using") }) }
            div class="ring" {
                (ring(class, power.permille))
                div class="ring-text" {
                    div class="hero" { (number) small { (unit) } }
                    div class="level-word" { (word) }
                    @if let Some(cost) = &power.cost_per_hour {
                        div class="quiet" { (tongue.say("{cost} an hour", &[("cost", &tongue.money(cost))])) }
                    }
                }
            }
            @if power.freshness != Freshness::Live {
                p class="quiet" { (tongue.say("Last heard {ago}.", &[("ago", &tongue.ago(power.received_at, state.at))])) }
            }
            @if let Some(advice) = state.advice.as_ref().and_then(|advice| said(tongue, advice)) { p class="quiet" { (advice) } }
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

/// The display's own words for the advice.
fn said(tongue: &Tongue, advice: &Advice) -> Option<String> {
    let t = |text| tongue.t(text);
    Some(match advice {
        Advice::CheaperLater { window, currency } => tongue.say(
            "Cheaper {from}–{to}, at {price}. Wait if you can.",
            &[
                ("from", &tongue.clock(window.start)),
                ("to", &tongue.clock(window.end)),
                ("price", &tongue.price(window.per_kwh, currency)),
            ],
        ),
        Advice::CheapestNow { until } => tongue.say(
            "Cheapest until {time}. Good time for the washing.",
            &[("time", &tongue.clock(*until))],
        ),
        Advice::FlatPrice => t("Same price all day. Any time will do.").to_owned(),
        Advice::UseOwnPower => t("More made than used. Good time to run things.").to_owned(),
        Advice::EnterPin => t("Enter the PIN at the meter to see more.").to_owned(),
        _ => return None,
    })
}

fn today(tongue: &Tongue, state: &State) -> Markup {
    let Some(today) = &state.today else {
        return html! {};
    };
    let changed = today.change_percent.map(|change| {
        let percent = tongue.percent(change.abs());
        if change < 0 {
            tongue.say("{percent} less than usual by now", &[("percent", &percent)])
        } else {
            tongue.say("{percent} more than usual by now", &[("percent", &percent)])
        }
    });
    let beside = changed.or_else(|| tongue.age(today.freshness, today.received_at, state.at));
    html! {
        section class="card tile" {
            h2 class="label" { span class="dot b-electricity" {} (tongue.t("Today")) }
            div class="value" { (tongue.figures(today.import_kwh)) small { "kWh" } }
            @if let Some(cost) = &today.cost { p { (tongue.money(cost)) } }
            @if let Some(beside) = beside { p class="quiet small" { (beside) } }
            @if let Some(export) = today.export_kwh.filter(|kwh| !kwh.is_zero()) {
                p class="quiet small" { (tongue.say("{energy} fed into the grid", &[("energy", &tongue.energy(export))])) }
            }
        }
    }
}

fn month(tongue: &Tongue, state: &State) -> Markup {
    let Some(month) = &state.month else {
        return html! {};
    };
    let link = html! { a href="/money" { (tongue.t("the whole bill")) } };
    html! {
        section class="card tile" {
            h2 class="label" { span class="dot b-electricity" {} (tongue.t("This month")) }
            div class="value" { (tongue.figures(month.import_kwh)) small { "kWh" } }
            @if let Some(cost) = &month.cost { p { (tongue.money(cost)) } }
            p class="quiet small" { (tongue.say_with("energy only; {link}", &[("link", link)])) }
        }
    }
}

fn price_now(tongue: &Tongue, state: &State) -> Markup {
    let Some(price) = &state.price else {
        return html! {};
    };
    let now = price.now.as_ref();
    let class = now.map_or("", |slot| tongue.band(slot.band).0);
    html! {
        section class="card tile" {
            h2 class="label" { span class=(format!("dot b-{class}")) {} (tongue.t("Price now")) }
            @if let Some(slot) = now {
                div class="value" { (tongue.price(slot.per_kwh, &price.currency)) small { (tongue.t("per kWh")) } }
                p { (tongue.band(slot.band).1) }
            } @else {
                div class="value" { (MISSING) }
                p class="quiet" { (tongue.t("Not published yet.")) }
            }
            p class="quiet small" {
                @if let Some(next) = &price.next {
                    (tongue.say("from {time} {price}", &[("time", &tongue.clock(next.start)), ("price", &tongue.price(next.per_kwh, &price.currency))]))
                } @else { (price.tariff) }
            }
        }
    }
}

fn supply(tongue: &Tongue, medium: Medium, supply: Option<&Supply>, state: &State) -> Markup {
    let Some(supply) = supply else {
        return html! {};
    };
    let label = match medium {
        Medium::Water => tongue.t("Water today"),
        _ => tongue.t("Gas today"),
    };
    let (number, unit) = tongue.volume(medium, supply.volume_m3);
    html! {
        section class="card tile" {
            h2 class="label" { span class=(format!("dot b-{}", tongue.medium(medium).0)) {} (label) }
            div class="value" { (number) small { (unit) } }
            @if let Some(cost) = &supply.cost { p { (tongue.money(cost)) } }
            p class="quiet small" {
                @if let Some(kwh) = supply.energy_kwh { (tongue.energy(kwh)) " · " }
                (tongue.ago(supply.received_at, state.at))
            }
        }
    }
}

fn always_on(tongue: &Tongue, state: &State) -> Markup {
    let watts = state
        .appliances
        .as_ref()
        .and_then(|found| found.always_on_w);
    let Some(watts) = watts else {
        return html! {};
    };
    let (number, unit) = tongue.power(watts);
    let a_year = tongue.number(watts * Decimal::new(876, 2), 0);
    html! {
        section class="card tile" {
            h2 class="label" { span class="dot b-other" {} (tongue.t("Always on")) }
            div class="value" { (number) small { (unit) } }
            p class="quiet small" { (tongue.say("about {kwh} kWh a year", &[("kwh", &a_year)])) }
        }
    }
}

fn meters(tongue: &Tongue, state: &State) -> Markup {
    html! {
        section class="card tile" {
            h2 class="label" { (tongue.t("Meters")) }
            div class="value" { (state.meters.len()) }
            p class="quiet small" { a href="/devices" { (tongue.t("Look at them")) } }
        }
    }
}

fn prices(tongue: &Tongue, price: &Price, state: &State) -> Markup {
    let bars: Vec<Bar> = price
        .slots
        .iter()
        .map(|slot| Bar {
            value: Some(slot.per_kwh * Decimal::ONE_HUNDRED),
            class: tongue.band(slot.band).0.to_owned(),
            title: tongue.say(
                "{time}: {price} ({band})",
                &[
                    ("time", &tongue.clock(slot.start)),
                    ("price", &tongue.price(slot.per_kwh, &price.currency)),
                    ("band", &tongue.band(slot.band).1),
                ],
            ),
            now: slot.start <= state.at && state.at < slot.end,
        })
        .collect();
    let ends = price.slots.first().zip(price.slots.last());
    let below = ends.map_or_else(Vec::new, |(first, last)| {
        let middle = price.slots.get(price.slots.len() / 2).unwrap_or(last);
        [first.start, middle.start, last.end]
            .map(|at| tongue.clock(at))
            .to_vec()
    });
    let title = tongue.t("Prices of the next 24 hours");
    let chart = Chart {
        label: title.to_owned(),
        bars,
        below,
        side: &|value| tongue.number(value, 0),
        short: true,
    };
    html! {
        section class="card" {
            div class="card-head" {
                h2 { (title) }
                span class="quiet" {
                    @if let Some(window) = &price.cheapest {
                        (tongue.say("cheapest {from}–{to}, {price}", &[
                            ("from", &tongue.clock(window.start)),
                            ("to", &tongue.clock(window.end)),
                            ("price", &tongue.price(window.per_kwh, &price.currency)),
                        ]))
                    } @else { (price.tariff) }
                }
            }
            (chart.markup())
        }
    }
}

fn running(tongue: &Tongue, found: &Appliances) -> Markup {
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
            div class="card-head" { h2 { (tongue.t("On now")) } a class="quiet" href="/appliances" { (tongue.t("All appliances")) } }
            ul class="list" {
                @for (name, load) in on {
                    @let (number, unit) = tongue.power(load.power_w);
                    li { div class="row between" { span { (tongue.called(name, found)) } span { (number) "\u{a0}" (unit) } } }
                }
            }
        }
    }
}
