//! Meters: those that are read, those in radio reach with taking one on, receivers, powerline.

use axum::extract::{Extension, Query, State as Shared};
use axum::routing::{get, post};
use axum::{Form, Router};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{
    AdoptMeter, AdoptedMeter, Caller, HeardMeter, KeyCheck, Meter, Receiver, SecretText,
};

use super::super::{Api, Problem};
use super::{Shown, frame, words};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/devices", get(show))
        .route("/devices/adopt", post(adopt))
}

#[derive(Default, Deserialize)]
struct Search {
    #[serde(default)]
    number: String,
}

#[derive(Deserialize)]
struct Taken {
    id: String,
    name: String,
    #[serde(default)]
    key: String,
}

async fn show(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Query(search): Query<Search>,
) -> Markup {
    devices(&api, &caller, &search.number, None)
}

async fn adopt(
    Shared(api): Shared<Api>,
    Extension(caller): Extension<Caller>,
    Form(Taken { id, name, key }): Form<Taken>,
) -> Shown {
    let key = SecretText(key.trim().to_owned());
    let request = AdoptMeter {
        id: id.clone(),
        name: name.trim().to_owned(),
        medium: None,
        key: (!key.0.is_empty()).then_some(key),
        calorific_value: None,
        correction: None,
    };
    let handle = api.radio.as_ref();
    let handle = handle.ok_or_else(|| Problem::not_found("no [[receiver]] is configured"))?;
    let asked = handle.adopt(request).await.map_err(Problem::from)?;
    let said = match asked {
        Ok(adopted) => taken(&adopted),
        Err(error) => {
            let text = Problem::from(error).text;
            frame::said("alarm", &html! { (id) ": " (text) })
        }
    };
    Ok(devices(&api, &caller, "", Some(&said)))
}

fn taken(adopted: &AdoptedMeter) -> Markup {
    let (kind, text) = match adopted.key {
        KeyCheck::Right => ("good", "The key is right: its last telegram opens."),
        KeyCheck::Wrong => (
            "alarm",
            "The key does not open its last telegram; it was not kept.",
        ),
        KeyCheck::NotNeeded => ("good", "It needs no key."),
        KeyCheck::Missing => (
            "warning",
            "It is encrypted and has no key yet; ask the supplier for it.",
        ),
        _ => (
            "info",
            "The key is kept; it will show with the next telegram.",
        ),
    };
    frame::said(
        kind,
        &html! {
            strong { (adopted.name) } " (" (adopted.id) ") was taken on. " (text)
            @if adopted.telegrams_read > 0 { " " (adopted.telegrams_read) " earlier telegrams were read." }
        },
    )
}

fn devices(api: &Api, caller: &Caller, number: &str, said: Option<&Markup>) -> Markup {
    let now = api.clock.now();
    let state = api.state.borrow().clone();
    let body = html! {
        div class="head" { h1 { "Meters" } }
        @if let Some(said) = said { (said) }
        @for notice in state.notices.iter().filter(|notice| notice.meter.is_some()) {
            (frame::said("warning", &html! { (notice.text) }))
        }
        @if state.meters.is_empty() {
            div class="card" {
                p { "No meter is configured." }
                p class="quiet" { "Wired meters stand in the configuration; " span class="mono" { "wattle probe" } " finds out which meter is at a port. Radio meters are taken on below." }
            }
        }
        div class="grid two" { @for meter in &state.meters { (card(meter, now)) } }
        @if let Some(radio) = &api.radio {
            (heard(&radio.heard(), number, now))
            (receivers(&radio.receivers(), now))
        }
        (powerline(api, now))
    };
    frame::page(caller, "/devices", "Meters", &body)
}

fn card(meter: &Meter, now: Timestamp) -> Markup {
    let (class, word) = words::medium(meter.medium);
    html! {
        section class="card" {
            div class="card-head" {
                h2 class="row" { span class=(format!("dot b-{class}")) {} (meter.name) }
                span class="quiet" { (meter.received_at.map_or_else(|| "not heard yet".to_owned(), |at| words::ago(at, now))) }
            }
            p class="quiet small" {
                (word) " · " (meter.protocol)
                @if let Some(id) = &meter.id { " · " (id) }
                @if let Some(maker) = &meter.manufacturer { " · " (maker) }
            }
            @if !meter.registers.is_empty() {
                details {
                    summary { (meter.registers.len()) " registers" }
                    div class="scroll" tabindex="0" role="group" aria-label="Table" { table { tbody {
                        @for register in &meter.registers {
                            tr { td class="mono" { (register.obis) } td class="num" { (register.value) " " (register.unit) } }
                        }
                    } } }
                }
            }
            @if !meter.fields.is_empty() {
                details {
                    summary { (meter.fields.len()) " fields" }
                    div class="scroll" tabindex="0" role="group" aria-label="Table" { table { tbody {
                        @for field in &meter.fields {
                            tr { td { (field.name) } td class="num" { (field.value.as_deref().unwrap_or(words::MISSING)) } }
                        }
                    } } }
                }
            }
            p class="quiet small" { (meter.telegrams) " good messages, " (meter.rejected) " rejected since the start" }
        }
    }
}

fn heard(meters: &[HeardMeter], number: &str, now: Timestamp) -> Markup {
    let digits = number.trim().to_lowercase();
    let found: Vec<&HeardMeter> = meters
        .iter()
        .filter(|meter| meter.id.contains(&digits))
        .collect();
    let strangers = found
        .iter()
        .filter(|meter| meter.name.is_none() || meter.status != "ok");
    html! {
        section class="card" id="heard" {
            div class="card-head" { h2 { "Meters in radio reach" } span class="quiet" { (found.len()) " heard" } }
            p class="quiet" { "Yours has its number printed on it; the others are your neighbours'. A key is tried at once, kept sealed, and never shown again." }
            form method="get" action="/devices" class="row" {
                label { "Digits on the meter" input name="number" inputmode="numeric" maxlength="8" value=(number); }
                button class="plain" { "Search" }
            }
            ul class="list" {
                @for meter in strangers.take(if digits.is_empty() { 30 } else { 200 }) { (stranger(meter, now)) }
            }
            @let known: Vec<_> = found.iter().filter(|meter| meter.name.is_some() && meter.status == "ok").collect();
            @if !known.is_empty() {
                details {
                    summary { (known.len()) " that are read" }
                    ul class="list" { @for meter in known {
                        li { div class="row between" { span { (meter.name.as_deref().unwrap_or_default()) " " span class="quiet" { (meter.id) } } span class="quiet" { (words::ago(meter.last_heard, now)) } } }
                    } }
                }
            }
        }
    }
}

fn stranger(meter: &HeardMeter, now: Timestamp) -> Markup {
    html! {
        li {
            div class="row between" {
                span class="row" { strong { (meter.id) } span class="quiet" { (meter.manufacturer) " · " (meter.medium) } }
                span class="row" {
                    @if meter.encrypted { span class="pill" { "encrypted" } }
                    @if let Some(rssi) = meter.rssi_dbm { span class="pill" { (rssi) " dBm" } }
                    span class="quiet small" { (words::ago(meter.last_heard, now)) }
                }
            }
            @if let (Some(value), Some(unit)) = (&meter.value, &meter.unit) { p { (value) " " (unit) } }
            @if let Some(reason) = &meter.reason { p class="quiet small" { (frame::sentence(reason)) } }
            details {
                summary { (if meter.name.is_some() { "Give it a key" } else { "This is mine" }) }
                form method="post" action="/devices/adopt" autocomplete="off" {
                    input type="hidden" name="id" value=(meter.id);
                    label { "A name for it" input name="name" required maxlength="40" value=(meter.name.as_deref().unwrap_or_default()) placeholder=(meter.medium); }
                    @if meter.encrypted {
                        label {
                            "Its key, 32 hex digits from the supplier"
                            input name="key" type="password" autocomplete="off" spellcheck="false" pattern="[0-9a-fA-F ]{32,48}" maxlength="48";
                        }
                    }
                    div class="row" { button { "Try it and take the meter on" } }
                }
            }
        }
    }
}

fn receivers(receivers: &[Receiver], now: Timestamp) -> Markup {
    html! {
        section class="card" {
            h2 { "Receivers" }
            ul class="list" {
                @for receiver in receivers {
                    li {
                        div class="row between" { span { (receiver.name) " " span class="quiet" { (receiver.identity.as_deref().unwrap_or(&receiver.port)) } } span class="quiet" { (receiver.frames) " frames" } }
                        @if let Some(trouble) = &receiver.trouble { p { (frame::sentence(trouble)) } }
                        @else if let Some(at) = receiver.last_frame { p class="quiet small" { "last " (words::ago(at, now)) } }
                    }
                }
            }
        }
    }
}

fn powerline(api: &Api, now: Timestamp) -> Markup {
    let networks = api.powerline.all();
    html! {
        @for network in &networks {
            section class="card" {
                h2 { "Powerline at " (network.interface) }
                @if let Some(trouble) = &network.trouble { p { (frame::sentence(trouble)) } }
                ul class="list" {
                    @for adapter in &network.adapters {
                        li { div class="row between" {
                            span { (adapter.name.as_deref().unwrap_or(&adapter.mac)) }
                            span class="quiet" {
                                @if let (Some(to), Some(from)) = (adapter.tx_mbit, adapter.rx_mbit) { (to) " / " (from) " Mbit/s · " }
                                (words::ago(adapter.seen_at, now))
                            }
                        } }
                    }
                }
            }
        }
    }
}
