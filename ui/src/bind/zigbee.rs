//! The Zigbee network: whether devices are let in, and a line for each that is there.

use super::View;
use super::more::age;
use crate::format;
use crate::generated::{DeviceKind, DeviceRow, Heard, Network, Phrase, Say};
use wattle_api as api;
use wattle_api::{ZigbeeDevice, ZigbeeState};

/// A device that was not heard for so long is told as lost, s. Sleeping ones report once an hour.
const LOST_S: i64 = 3 * 3_600;

pub(super) fn bind(network: &Network, view: &View) {
    let zigbee = view.answers.zigbee.as_ref();
    network.set_zigbee(zigbee.is_some_and(|zigbee| zigbee.state == ZigbeeState::Up));
    let until = zigbee.and_then(|zigbee| zigbee.joining_until);
    let left = until.map(|until| until.as_second().saturating_sub(view.now.as_second()));
    network.set_joining(match left {
        Some(left @ 1..) => format!("{left}\u{a0}s").into(),
        _ => slint::SharedString::new(),
    });
}

/// A line for each device.
pub(super) fn devices(view: &View) -> impl Iterator<Item = DeviceRow> {
    let zigbee = view.answers.zigbee.iter();
    zigbee
        .flat_map(|zigbee| &zigbee.devices)
        .map(|device| row(view, device))
}

fn row(view: &View, device: &ZigbeeDevice) -> DeviceRow {
    let name = device.model.as_ref().or(device.manufacturer.as_ref());
    let power = device.power_w.map(|watts| {
        let shown = format::power(watts, view.language);
        let unit = if shown.kilowatts { "kW" } else { "W" };
        format!("{}\u{a0}{unit}", shown.text)
    });
    let about = [device.manufacturer.clone(), power];
    let since = device
        .last_heard
        .map(|at| view.now.as_second().saturating_sub(at.as_second()));
    DeviceRow {
        kind: DeviceKind::Zigbee,
        name: Phrase {
            say: Say::Plain,
            a: name.unwrap_or(&device.ieee).into(),
            ..Phrase::default()
        },
        about: about
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
            .into(),
        age: age(view, device.last_heard),
        heard: match since {
            None => Heard::Never,
            Some(seconds) if device.missed || seconds > LOST_S => Heard::Lost,
            Some(_) => Heard::Live,
        },
    }
}

/// What lets devices in for three minutes, or ends it.
pub(crate) fn join(open: bool) -> api::ZigbeeJoin {
    api::ZigbeeJoin {
        seconds: if open { 180 } else { 0 },
        ieee: None,
        install_code: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;
    use jiff::SignedDuration;

    #[test]
    fn a_device_says_what_it_is_and_what_it_draws() {
        let text = include_str!("../../tests/fixtures/normal.json");
        let mut view = View::of(serde_json::from_str(text).unwrap(), Language::German);
        let plug = |model: Option<&str>, hours: Option<i64>| ZigbeeDevice {
            ieee: "00124b0001020304".to_owned(),
            manufacturer: Some("IKEA".to_owned()),
            model: model.map(str::to_owned),
            interviewed: true,
            last_heard: hours.map(|hours| view.now - SignedDuration::from_hours(hours)),
            missed: false,
            lqi: None,
            on: Some(true),
            power_w: Some("1420".parse().unwrap()),
            energy_kwh: None,
            energy_quarantined: false,
            voltage_v: None,
            temperature_c: None,
            heating_setpoint_c: None,
        };
        let rows: Vec<DeviceRow> = [
            plug(Some("Plug"), Some(1)),
            plug(None, Some(4)),
            plug(None, None),
        ]
        .iter()
        .map(|device| row(&view, device))
        .collect();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.name.a.as_str(), row.about.as_str(), row.heard))
            .collect();
        let about = "IKEA, 1,42\u{a0}kW";
        assert_eq!(
            told,
            [
                ("Plug", about, Heard::Live),
                ("IKEA", about, Heard::Lost),
                ("IKEA", about, Heard::Never)
            ]
        );
        view.answers.zigbee = Some(api::Zigbee::default());
        assert_eq!(devices(&view).count(), 0);
    }
}
