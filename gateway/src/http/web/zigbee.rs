//! The Zigbee network on the page of the meters: its devices, and letting new ones in.

use axum::extract::{Extension, State as Shared};
use axum::routing::post;
use axum::{Form, Router};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use wattle_api::{Caller, Role, Zigbee, ZigbeeDevice, ZigbeeState};

use super::super::Api;
use super::tongue::{Tongue, english};
use super::{devices, frame};
use crate::zigbee::{JOIN_S, Request};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/devices/join", post(join))
}

#[derive(Deserialize)]
struct Join {
    /// Whether devices are let in from now on.
    #[serde(default)]
    open: bool,
}

async fn join(
    Shared(api): Shared<Api>,
    Extension(tongue): Extension<Tongue>,
    Extension(caller): Extension<Caller>,
    Form(Join { open }): Form<Join>,
) -> Markup {
    let seconds = if open { JOIN_S } else { 0 };
    let code = None;
    let said = match api.zigbee.ask(Request::Join { seconds, code }).await {
        Ok(()) if open => frame::said(
            "good",
            &html! { (tongue.t("New devices are let in for two minutes. Put the device into its pairing mode, as its leaflet says.")) },
        ),
        Ok(()) => frame::said(
            "good",
            &html! { (tongue.t("No device is let in any more.")) },
        ),
        Err(reason) => frame::said("alarm", &html! { (english(&frame::sentence(reason))) }),
    };
    devices::page(&api, &tongue, &caller, &said)
}

/// The network, where there is a stick. What devices measure is the household's alone.
pub(super) fn card(tongue: &Tongue, caller: &Caller, zigbee: &Zigbee, now: Timestamp) -> Markup {
    let is_home = caller.role == Role::Household;
    let t = |text| tongue.t(text);
    let state = match zigbee.state {
        ZigbeeState::Up => t("works"),
        ZigbeeState::Starting => t("starts"),
        ZigbeeState::Foreign => t("The stick carries somebody else's network"),
        _ => t("The stick does not answer"),
    };
    html! {
        section class="card" id="zigbee" {
            div class="card-head" { h2 { (t("Zigbee")) } span class="quiet" { (state) } }
            @if let Some(reason) = &zigbee.reason { p { (english(&frame::sentence(reason))) } }
            @if zigbee.devices.is_empty() { p class="quiet" { (t("No device has joined yet.")) } }
            ul class="list" { @for one in &zigbee.devices { (device(tongue, one, is_home, now)) } }
            @if zigbee.state == ZigbeeState::Up {
                form method="post" action="/devices/join" {
                    @if let Some(until) = zigbee.joining_until {
                        p { (tongue.say("Devices are let in for {duration} more.", &[("duration", &left(tongue, until, now))])) }
                        input type="hidden" name="open" value="false";
                        div class="row" { button class="plain" { (t("Let no more in")) } }
                    } @else {
                        input type="hidden" name="open" value="true";
                        div class="row" { button { (t("Let new devices in")) } }
                    }
                }
            }
        }
    }
}

fn left(tongue: &Tongue, until: Timestamp, now: Timestamp) -> String {
    let seconds = until.duration_since(now).as_secs().clamp(0, 254);
    tongue.duration(u32::try_from(seconds).unwrap_or_default())
}

fn device(tongue: &Tongue, device: &ZigbeeDevice, is_home: bool, now: Timestamp) -> Markup {
    let t = |text| tongue.t(text);
    html! {
        li {
            div class="row between" {
                span class="row" {
                    strong { (device.model.as_deref().unwrap_or(&device.ieee)) }
                    span class="quiet" { (device.manufacturer.as_deref().unwrap_or_default()) }
                }
                span class="row" {
                    @if !device.interviewed { span class="pill" { (t("being asked what it is")) } }
                    @if let Some(on) = device.on.filter(|_| is_home) { span class="pill" { (if on { t("on") } else { t("off") }) } }
                    @if let Some(lqi) = device.lqi { span class="pill" { (tongue.say("signal {lqi} of 255", &[("lqi", &lqi)])) } }
                    span class="quiet small" { (tongue.heard(device.last_heard, now)) }
                }
            }
            p class="quiet small" {
                span class="mono" { (device.ieee) }
                @if let Some(watts) = device.power_w.filter(|_| is_home) { @let (value, unit) = tongue.power(watts); " · " (value) "\u{a0}" (unit) }
                @if let Some(kwh) = device.energy_kwh.filter(|_| is_home) { " · " (tongue.energy(kwh)) "\u{a0}" "kWh" }
                @if let Some(celsius) = device.temperature_c.filter(|_| is_home) { " · " (tongue.exact(celsius)) "\u{a0}°C" }
            }
            @if device.energy_quarantined { p { (t("It counts, but does not say in which unit: its energy is not shown.")) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use wattle_api::format::Language;

    use super::*;

    #[test]
    fn devices_are_shown_and_what_they_measure_to_the_household_alone() {
        let network = r#"{"state":"up","devices":[{"ieee":"00124b0000000001","model":"WS-Plug",
            "interviewed":true,"lqi":200,"on":false,"power_w":"1230","energy_kwh":"4.5"}]}"#;
        let mut network: Zigbee = serde_json::from_str(network).unwrap();
        let show = |network: &Zigbee, role, language| {
            let caller = Caller {
                name: "anna".to_owned(),
                role,
                expires_at: None,
            };
            let tongue = Tongue {
                language,
                chosen: false,
                zone: jiff::tz::TimeZone::UTC,
            };
            card(&tongue, &caller, network, Timestamp::UNIX_EPOCH).into_string()
        };
        let home = show(&network, Role::Household, Language::German);
        for text in [
            "WS-Plug",
            "aus",
            "4,5",
            "Signal 200 von 255",
            "Neue Geräte einlassen",
        ] {
            assert!(home.contains(text), "{text}: {home}");
        }
        let installer = show(&network, Role::Installer, Language::English);
        assert!(installer.contains("WS-Plug") && !installer.contains("kWh"));
        network.joining_until = Timestamp::from_second(100).ok();
        let open = show(&network, Role::Household, Language::English);
        assert!(open.contains("Let no more in") && open.contains(r#"value="false""#));
        network.state = ZigbeeState::Offline;
        let gone = show(&network, Role::Household, Language::English);
        assert!(gone.contains("The stick does not answer") && !gone.contains("<form"));
    }
}
