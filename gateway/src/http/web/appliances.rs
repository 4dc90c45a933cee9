//! What used the power: today by appliance, what is on, and loads that want a name.

use axum::extract::{Extension, State as Shared};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Form, Router};
use jiff::Timestamp;
use maud::{Markup, html};
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_api::{
    ApplianceCorrection, ApplianceDay, ApplianceNote, ApplianceShare, Appliances, Caller,
    UnnamedLoad,
};

use super::super::{Api, Problem};
use super::tongue::Tongue;
use super::words::MISSING;
use super::{Done, chart, frame};

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

async fn name(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Form(Named { slot, appliance }): Form<Named>,
) -> Done {
    let appliance = tongue.kind_of(&appliance);
    let said = ApplianceCorrection::Name { slot, appliance };
    api.appliances.correct(said).map_err(Problem::from)?;
    Ok(Redirect::to("/appliances"))
}

async fn show(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    let t = |text| tongue.t(text);
    let now = api.clock.now();
    let found = api.appliances.appliances(now).unwrap_or_default();
    let body = html! {
        div class="head" {
            h1 { (t("Appliances")) }
            @if let Some(until) = found.decided_until { span class="quiet" { (tongue.say("known until {time}", &[("time", &tongue.clock(until))])) } }
        }
        @for note in &found.notes { (frame::said("info", &html! { (noted(&tongue, note, &found)) })) }
        @match &found.today {
            Some(day) => (today(&tongue, day, &found)),
            None => div class="card" { p { (t("Nothing is known yet.")) } p class="quiet" { (t("Appliances are found in the power of the meter at the grid; the first ones show after some hours.")) } },
        }
        @if !found.unnamed.is_empty() { (unnamed(&tongue, &found.unnamed)) }
        @if !found.appliances.is_empty() { (all(&tongue, &found, now)) }
    };
    frame::page(&tongue, &caller, "/appliances", t("Appliances"), &body)
}

fn today(tongue: &Tongue, day: &ApplianceDay, found: &Appliances) -> Markup {
    let t = |text| tongue.t(text);
    let mut shares: Vec<_> = day.appliances.iter().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.kwh));
    let whole = day.import_kwh.max(Decimal::new(1, 3));
    let other = day.rest_kwh - day.always_on_kwh;
    let rest = [
        (t("Loads without a name"), day.unnamed_kwh),
        (t("Always on"), day.always_on_kwh),
        (t("Other"), other),
    ];
    html! {
        section class="card" {
            div class="card-head" { h2 { (t("Today")) } span class="quiet" { (tongue.say("{energy} in all", &[("energy", &tongue.energy(day.import_kwh))])) } }
            ul class="list" {
                @for share in shares {
                    li {
                        div class="row between" {
                            span { (tongue.called(&share.name, found)) }
                            span { strong { (tongue.energy(share.kwh)) } @if let Some(cost) = &share.cost { span class="quiet" { " · " (tongue.money(cost)) } } }
                        }
                        (chart::filled(share.kwh, whole, ""))
                        p class="quiet small" { (runs(tongue, share)) }
                    }
                }
                @for (label, kwh) in rest {
                    @if !kwh.is_zero() {
                        li {
                            div class="row between" { span { (label) } strong { (tongue.energy(kwh)) } }
                            (chart::filled(kwh, whole, ""))
                        }
                    }
                }
            }
            p class="quiet small" { (t("The parts add up to what the meter counted.")) }
        }
    }
}

/// How often an appliance ran, and between which bounds its energy lies.
fn runs(tongue: &Tongue, share: &ApplianceShare) -> String {
    let times = match share.cycles {
        0 => tongue.t("not ended yet").to_owned(),
        count => tongue.count("{count} run", "{count} runs", count),
    };
    let low = tongue.figures(share.kwh_low);
    let high = tongue.energy(share.kwh_high);
    tongue.say(
        "{times}, likely {low} to {high}",
        &[("times", &times), ("low", &low), ("high", &high)],
    )
}

fn unnamed(tongue: &Tongue, loads: &[UnnamedLoad]) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        section class="card" {
            h2 { (t("What are these?")) }
            p class="quiet" { (t("Loads that come back and have no name. A name is learnt from.")) }
            ul class="list" {
                @for load in loads {
                    @let (number, unit) = tongue.power(load.power_w);
                    @let power = format!("{number}\u{a0}{unit}");
                    @let guess = load.guesses.first().map(|guess| tongue.appliance(&guess.appliance));
                    li {
                        div class="row between" {
                            span { (tongue.say_with("{power}, about {duration}", &[("power", html! { strong { (power) } }), ("duration", html! { (tongue.duration(load.typical_s)) })])) }
                            span class="quiet" { (tongue.say("{count}× a week", &[("count", &tongue.number(load.per_week, 0))])) }
                        }
                        form class="inline" method="post" action="/appliances/name" {
                            input type="hidden" name="slot" value=(load.slot);
                            input name="appliance" required maxlength="40" aria-label=(tongue.say("Name of the load of {power}", &[("power", &power)])) value=(guess.unwrap_or_default()) placeholder=(t("Kettle"));
                            button class="plain" { (t("That is it")) }
                        }
                    }
                }
            }
        }
    }
}

fn all(tongue: &Tongue, found: &Appliances, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        section class="card" {
            h2 { (t("All that were found")) }
            (frame::table(tongue, None, &html! {
                thead { tr { th { (t("Appliance")) } th class="num" { (t("Total")) } th class="num" { (t("Confidence")) } th { (t("Last")) } } }
                tbody {
                    @for one in &found.appliances {
                        tr {
                            td { (tongue.called(&one.name, found)) }
                            td class="num" { (tongue.energy(one.total_kwh)) }
                            td class="num" { (tongue.percent(one.confidence * Decimal::ONE_HUNDRED)) }
                            td {
                                @match &one.last_cycle {
                                    Some(cycle) => { (tongue.ago(cycle.end, now)) " " span class="quiet" { "(" (tongue.clock(cycle.start)) ", " (tongue.energy(cycle.kwh)) ")" } },
                                    None => (MISSING),
                                }
                            }
                        }
                    }
                }
            }))
        }
    }
}

fn noted(tongue: &Tongue, note: &ApplianceNote, found: &Appliances) -> String {
    match note {
        ApplianceNote::RunsMore { appliance, percent } => tongue.say(
            "{appliance} runs {percent} longer than it used to.",
            &[
                ("appliance", &tongue.called(appliance, found)),
                ("percent", &tongue.percent(*percent)),
            ],
        ),
        ApplianceNote::NeverOff { appliance } => tongue.say(
            "{appliance} has been on for more than a day.",
            &[("appliance", &tongue.called(appliance, found))],
        ),
        ApplianceNote::AlwaysOnRose { percent } => tongue.say(
            "What is always on has risen by {percent} within a week.",
            &[("percent", &tongue.percent(*percent))],
        ),
    }
}
