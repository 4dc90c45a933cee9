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
use super::tongue::{Tongue, english};
use super::words::MISSING;
use super::{Shown, frame, notices, zigbee};
use crate::radio::AdoptError;

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
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Query(search): Query<Search>,
) -> Markup {
    devices(&api, &tongue, &caller, &search.number, None)
}

async fn adopt(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
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
        Ok(adopted) => taken(&tongue, &adopted),
        Err(AdoptError::WrongKey { reason, .. }) => {
            let text = tongue.t("The key does not open its last telegram; it was not kept.");
            frame::said(
                "alarm",
                &html! { strong { (id) } " · " (text) p class="quiet small" { (english(&reason)) } },
            )
        }
        Err(error) => {
            let text = tongue.problem(&Problem::from(error));
            frame::said("alarm", &html! { strong { (id) } " · " (text) })
        }
    };
    Ok(page(&api, &tongue, &caller, &said))
}

fn taken(tongue: &Tongue, adopted: &AdoptedMeter) -> Markup {
    let t = |text| tongue.t(text);
    let (kind, text) = match adopted.key {
        KeyCheck::Right => ("good", t("The key is right: its last telegram opens.")),
        KeyCheck::Wrong => (
            "alarm",
            t("The key does not open its last telegram; it was not kept."),
        ),
        KeyCheck::NotNeeded => ("good", t("It needs no key.")),
        KeyCheck::Missing => (
            "warning",
            t("It is encrypted and has no key yet; ask the supplier for it."),
        ),
        _ => (
            "info",
            t("The key is kept; it will show with the next telegram."),
        ),
    };
    let meter = html! { strong { (adopted.name) } " (" (adopted.id) ")" };
    let earlier = adopted.telegrams_read;
    frame::said(
        kind,
        &html! {
            (tongue.say_with("{name} was taken on.", &[("name", meter)])) " " (text)
            @if earlier > 0 { " " (tongue.count("{count} earlier telegram was read.", "{count} earlier telegrams were read.", earlier)) }
        },
    )
}

/// The page, with what has just been done.
pub(super) fn page(api: &Api, tongue: &Tongue, caller: &Caller, said: &Markup) -> Markup {
    devices(api, tongue, caller, "", Some(said))
}

fn devices(
    api: &Api,
    tongue: &Tongue,
    caller: &Caller,
    number: &str,
    said: Option<&Markup>,
) -> Markup {
    let t = |text| tongue.t(text);
    let now = api.clock.now();
    let state = api.state.borrow().clone();
    let command = html! { span class="mono" { "wattle probe" } };
    let body = html! {
        div class="head" { h1 { (t("Meters")) } }
        @if let Some(said) = said { (said) }
        @for notice in state.notices.iter().filter(|notice| notice.meter.is_some()) {
            (notices::strip(tongue, notice))
        }
        @if state.meters.is_empty() {
            div class="card" {
                p { (t("No meter is configured.")) }
                p class="quiet" { (tongue.say_with("Wired meters stand in the configuration; {command} finds out which meter is at a port. Radio meters are taken on below.", &[("command", command)])) }
            }
        }
        div class="grid two" { @for meter in &state.meters { (card(tongue, meter, now)) } }
        @if let Some(radio) = &api.radio {
            (heard(tongue, &radio.heard(), number, now))
            (receivers(tongue, &radio.receivers(), now))
        }
        @if api.zigbee.is_used() { (zigbee::card(tongue, caller, &api.zigbee.zigbee(now), now)) }
        (powerline(tongue, api, now))
    };
    frame::page(tongue, caller, "/devices", t("Meters"), &body)
}

fn card(tongue: &Tongue, meter: &Meter, now: Timestamp) -> Markup {
    let (class, word) = tongue.medium(meter.medium);
    html! {
        section class="card" {
            div class="card-head" {
                h2 class="row" { span class=(format!("dot b-{class}")) {} (meter.name) }
                span class="quiet" { (tongue.heard(meter.received_at, now)) }
            }
            p class="quiet small" {
                (word) " · " (meter.protocol)
                @if let Some(id) = &meter.id { " · " (id) }
                @if let Some(maker) = &meter.manufacturer { " · " (maker) }
            }
            @if !meter.registers.is_empty() {
                details {
                    summary { (tongue.count("{count} register", "{count} registers", meter.registers.len())) }
                    (frame::table(tongue, None, &html! { tbody {
                        @for register in &meter.registers {
                            tr { td class="mono" { (register.obis) } td class="num" { (tongue.exact(register.value)) "\u{a0}" (register.unit) } }
                        }
                    } }))
                }
            }
            @if !meter.fields.is_empty() {
                details {
                    summary { (tongue.count("{count} field", "{count} fields", meter.fields.len())) }
                    (frame::table(tongue, None, &html! { tbody {
                        @for field in &meter.fields {
                            tr { td { (english(&field.name)) } td class="num" { (field.value.as_deref().unwrap_or(MISSING)) } }
                        }
                    } }))
                }
            }
            p class="quiet small" { (tongue.say("Since the start: good messages {good}, rejected {rejected}", &[("good", &meter.telegrams), ("rejected", &meter.rejected)])) }
        }
    }
}

fn heard(tongue: &Tongue, meters: &[HeardMeter], number: &str, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
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
            div class="card-head" { h2 { (t("Wireless meters that are heard")) } span class="quiet" { (found.len()) } }
            p class="quiet" { (t("Yours has its number printed on it; the others are your neighbours'. A key is tried at once, kept sealed, and never shown again.")) }
            form method="get" action="/devices" class="row" {
                label { (t("Digits on the meter")) input name="number" inputmode="numeric" maxlength="8" value=(number); }
                button class="plain" { (t("Search")) }
            }
            ul class="list" {
                @for meter in strangers.take(if digits.is_empty() { 30 } else { 200 }) { (stranger(tongue, meter, now)) }
            }
            @let known: Vec<_> = found.iter().filter(|meter| meter.name.is_some() && meter.status == "ok").collect();
            @if !known.is_empty() {
                details {
                    summary { (tongue.count("{count} that is read", "{count} that are read", known.len())) }
                    ul class="list" { @for meter in known {
                        li { div class="row between" { span { (meter.name.as_deref().unwrap_or_default()) " " span class="quiet" { (meter.id) } } span class="quiet" { (tongue.ago(meter.last_heard, now)) } } }
                    } }
                }
            }
        }
    }
}

fn stranger(tongue: &Tongue, meter: &HeardMeter, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        li {
            div class="row between" {
                span class="row" { strong { (meter.id) } span class="quiet" { (meter.manufacturer) " · " (tongue.word(&meter.medium)) } }
                span class="row" {
                    @if meter.encrypted { span class="pill" { (t("encrypted")) } }
                    @if let Some(rssi) = meter.rssi_dbm { span class="pill" { (rssi) " dBm" } }
                    span class="quiet small" { (tongue.ago(meter.last_heard, now)) }
                }
            }
            @if let (Some(value), Some(unit)) = (meter.value, &meter.unit) { p { (tongue.exact(value)) "\u{a0}" (unit) } }
            @if let Some(reason) = &meter.reason { p class="quiet small" { (english(&frame::sentence(reason))) } }
            details {
                summary { (if meter.name.is_some() { t("Give it a key") } else { t("This is mine") }) }
                form method="post" action="/devices/adopt" autocomplete="off" {
                    input type="hidden" name="id" value=(meter.id);
                    label { (t("A name for it")) input name="name" required maxlength="40" value=(meter.name.as_deref().unwrap_or_default()); }
                    @if meter.encrypted {
                        label {
                            (t("Its key, 32 hex digits from the supplier"))
                            input name="key" type="password" autocomplete="off" spellcheck="false" pattern="[0-9a-fA-F ]{32,48}" maxlength="48";
                        }
                    }
                    div class="row" { button { (t("Try it and take the meter on")) } }
                }
            }
        }
    }
}

fn receivers(tongue: &Tongue, receivers: &[Receiver], now: Timestamp) -> Markup {
    html! {
        section class="card" {
            h2 { (tongue.t("Receivers")) }
            ul class="list" {
                @for receiver in receivers {
                    li {
                        div class="row between" { span { (receiver.name) " " span class="quiet" { (receiver.identity.as_deref().unwrap_or(&receiver.port)) } } span class="quiet" { (tongue.count("{count} frame", "{count} frames", receiver.frames)) } }
                        @if let Some(trouble) = &receiver.trouble { p { (english(&frame::sentence(trouble))) } }
                        @else if let Some(at) = receiver.last_frame { p class="quiet small" { (tongue.say("Last heard {ago}.", &[("ago", &tongue.ago(at, now))])) } }
                    }
                }
            }
        }
    }
}

fn powerline(tongue: &Tongue, api: &Api, now: Timestamp) -> Markup {
    let networks = api.powerline.all();
    html! {
        @for network in &networks {
            section class="card" {
                h2 { (tongue.t("Powerline")) " · " (network.interface) }
                @if let Some(trouble) = &network.trouble { p { (english(&frame::sentence(trouble))) } }
                ul class="list" {
                    @for adapter in &network.adapters {
                        li { div class="row between" {
                            span { (adapter.name.as_deref().unwrap_or(&adapter.mac)) }
                            span class="quiet" {
                                @if let (Some(to), Some(from)) = (adapter.tx_mbit, adapter.rx_mbit) { (to) " / " (from) " Mbit/s · " }
                                (tongue.ago(adapter.seen_at, now))
                            }
                        } }
                    }
                }
            }
        }
    }
}
