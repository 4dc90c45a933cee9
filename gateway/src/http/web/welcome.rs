//! The page after the set-up: what is done, and what comes next.

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::routing::get;
use maud::{Markup, html};
use wattle_api::{Caller, Price, Role, State};

use super::super::Api;
use super::frame;
use super::tongue::Tongue;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/welcome", get(welcome))
}

async fn welcome(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
) -> Markup {
    let t = |text| tongue.t(text);
    let state = api.state_for(&caller, false);
    let heard = state.meters.iter().any(|meter| meter.id.is_some());
    let household = caller.role == Role::Household;
    let step = |done: bool| if done { "done" } else { "" };
    let body = html! {
        div class="head" { h1 { (tongue.say("Welcome, {name}", &[("name", &caller.name)])) } }
        ol class="steps" aria-hidden="true" { li class="done" {} li class=(step(heard)) {} li class=(step(state.price.is_some())) {} }
        div class="grid" {
            section class="card" {
                div class="card-head" { h2 { "1 · " (t("You are in")) } span class="pill" { (t("done")) } }
                p class="quiet" { (t("Nobody else gets in without a new code from the display, or from you under Settings.")) }
            }
            (meters(&tongue, &state, heard))
            @if household { (tariff(&tongue, state.price.as_ref())) }
            div class="row" { a class="button" href="/" { (t("To the first page")) } }
        }
    };
    frame::page(&tongue, &caller, "/", t("Welcome"), &body)
}

fn meters(tongue: &Tongue, state: &State, heard: bool) -> Markup {
    let t = |text| tongue.t(text);
    let command = html! { code class="mono" { "wattle probe" } };
    html! {
        section class="card" {
            div class="card-head" { h2 { "2 · " (t("Meters")) } span class="pill" { (if heard { t("done") } else { t("waiting") }) } }
            @if state.meters.is_empty() {
                p { (tongue.say_with("No meter is configured yet. Radio meters are taken on here; wired ones stand in the configuration: {command} finds them.", &[("command", command)])) }
            } @else {
                ul class="list" {
                    @for meter in &state.meters {
                        @let (class, word) = tongue.medium(meter.medium);
                        li { div class="row between" {
                            span class="row" { span class=(format!("dot b-{class}")) {} (meter.name) span class="quiet" { (word) } }
                            span class="quiet" { (tongue.heard(meter.received_at, state.at)) }
                        } }
                    }
                }
            }
            div class="row" { a class="button plain" href="/devices" { (t("Meters in reach and their keys")) } }
        }
    }
}

fn tariff(tongue: &Tongue, price: Option<&Price>) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        section class="card" {
            div class="card-head" { h2 { "3 · " (t("Tariff")) } span class="pill" { (if price.is_some() { t("done") } else { t("open") }) } }
            p class="quiet" {
                @if let Some(price) = price { (tongue.say("In force: {tariff}.", &[("tariff", &price.tariff)])) }
                @else { (t("With your tariff the page shows money beside energy.")) }
            }
            div class="row" { a class="button plain" href="/tariff" { (if price.is_some() { t("Look at it") } else { t("Enter it") }) } }
        }
    }
}
