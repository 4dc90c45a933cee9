//! What used the power: today by appliance, what is on, and loads that want a name.

use axum::extract::{Extension, State as Shared};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_api::{
    Appliance, ApplianceCorrection, ApplianceDay, ApplianceNote, Caller, UnnamedLoad,
};

use super::super::{Api, Problem};
use super::{Done, chart, frame, words};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/appliances", get(show))
        .route("/appliances/name", post(name))
}

#[derive(Deserialize)]
struct Named {
    slot: usize,
    appliance: String,
}

async fn name(Shared(api): Shared<Api>, Form(Named { slot, appliance }): Form<Named>) -> Done {
    let appliance = appliance.trim().to_lowercase().replace([' ', '-'], "_");
    let said = ApplianceCorrection::Name { slot, appliance };
    api.appliances.correct(said).map_err(Problem::from)?;
    Ok(Redirect::to("/appliances"))
}

async fn show(Shared(api): Shared<Api>, Extension(caller): Extension<Caller>) -> Markup {
    let now = api.clock.now();
    let found = api.appliances.appliances(now).unwrap_or_default();
    let zone = &api.home.zone;
    let body = html! {
        div class="head" {
            h1 { "Appliances" }
            @if let Some(until) = found.decided_until { span class="quiet" { "decided until " (words::clock(until, zone)) } }
        }
        @for note in &found.notes { (frame::said("info", &html! { (noted(note)) })) }
        @match &found.today {
            Some(day) => (today(day)),
            None => div class="card" { p { "Nothing is known yet." } p class="quiet" { "Appliances are found in the power of the meter at the grid; the first ones show after some hours." } },
        }
        @if !found.unnamed.is_empty() { (unnamed(&found.unnamed)) }
        @if !found.appliances.is_empty() { (all(&found.appliances, zone, now)) }
    };
    frame::page(&caller, "/appliances", "Appliances", &body)
}

fn today(day: &ApplianceDay) -> Markup {
    let other = day.rest_kwh - day.always_on_kwh;
    let cost = |share: &wattle_api::ApplianceShare| share.cost.as_ref().map(words::money);
    let mut shares: Vec<_> = day.appliances.iter().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.kwh));
    let whole = day.import_kwh.max(Decimal::new(1, 3));
    html! {
        section class="card" {
            div class="card-head" { h2 { "Today" } span class="quiet" { (words::amount(day.import_kwh)) " kWh in all" } }
            ul class="list" {
                @for share in shares {
                    li {
                        div class="row between" {
                            span { (words::appliance(&share.name)) }
                            span { strong { (words::amount(share.kwh)) " kWh" } @if let Some(cost) = cost(share) { span class="quiet" { " · " (cost) } } }
                        }
                        (chart::filled(share.kwh, whole, ""))
                        p class="quiet small" { (times(share.cycles)) ", most likely " (words::amount(share.kwh_low)) " to " (words::amount(share.kwh_high)) " kWh" }
                    }
                }
                @for (label, kwh) in [("Loads without a name", day.unnamed_kwh), ("Always on", day.always_on_kwh), ("Other", other)] {
                    @if !kwh.is_zero() {
                        li {
                            div class="row between" { span { (label) } strong { (words::amount(kwh)) " kWh" } }
                            (chart::filled(kwh, whole, ""))
                        }
                    }
                }
            }
            p class="quiet small" { "The parts add up to what the meter counted." }
        }
    }
}

fn times(cycles: u32) -> String {
    match cycles {
        0 => "not ended yet".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn unnamed(loads: &[UnnamedLoad]) -> Markup {
    html! {
        section class="card" {
            h2 { "What are these?" }
            p class="quiet" { "Loads that come back and have no name. A name is learnt from." }
            ul class="list" {
                @for load in loads {
                    @let (number, unit) = words::power(load.power_w);
                    li {
                        div class="row between" {
                            span { strong { (number) " " (unit) } ", about " (minutes(load.typical_s)) }
                            span class="quiet" { (words::round(load.per_week, 0)) " a week" }
                        }
                        form class="inline" method="post" action="/appliances/name" {
                            input type="hidden" name="slot" value=(load.slot);
                            input name="appliance" required maxlength="40" aria-label=(format!("Name of the load of {number} {unit}")) value=(load.guesses.first().map_or("", |guess| guess.appliance.as_str())) placeholder="kettle";
                            button class="plain" { "That is it" }
                        }
                    }
                }
            }
        }
    }
}

fn minutes(seconds: u32) -> String {
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h", (seconds + 1800) / 3600),
    }
}

fn all(appliances: &[Appliance], zone: &TimeZone, now: Timestamp) -> Markup {
    html! {
        section class="card" {
            h2 { "All that were found" }
            div class="scroll" tabindex="0" role="group" aria-label="Table" {
                table {
                    thead { tr { th { "Appliance" } th class="num" { "Total" } th class="num" { "Sure" } th { "Last" } } }
                    tbody {
                        @for one in appliances {
                            tr {
                                td { (words::appliance(&one.name)) }
                                td class="num" { (words::amount(one.total_kwh)) " kWh" }
                                td class="num" { (words::round(one.confidence * Decimal::ONE_HUNDRED, 0)) " %" }
                                td {
                                    @match &one.last_cycle {
                                        Some(cycle) => { (words::ago(cycle.end, now)) " " span class="quiet" { "(" (words::clock(cycle.start, zone)) ", " (words::amount(cycle.kwh)) " kWh)" } },
                                        None => (words::MISSING),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn noted(note: &ApplianceNote) -> String {
    match note {
        ApplianceNote::RunsMore { appliance, percent } => format!(
            "{} runs {percent} % longer than it used to.",
            words::appliance(appliance)
        ),
        ApplianceNote::NeverOff { appliance } => {
            format!(
                "{} has been on for more than a day.",
                words::appliance(appliance)
            )
        }
        ApplianceNote::AlwaysOnRose { percent } => {
            format!("What is always on has risen by {percent} % within a week.")
        }
    }
}
