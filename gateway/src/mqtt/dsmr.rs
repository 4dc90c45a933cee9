//! The topics of DSMR-reader, `dsmr/reading/…`, for programs that listen to those.
//!
//! Values are plain texts in kWh, kW, V, A and m³. Tariff 1 is the low one, 2 the normal one; what
//! a meter without tariffs counts is under the normal one. What is not measured is not said.

use std::collections::BTreeMap;

use meter_link::model::{ObisCode, Quality, Unit};
use rust_decimal::Decimal;
use wattle_api::State;

use super::thing::Message;
use crate::store::{StoredTelegram, StoredValue};

/// The registers of the electricity meter, by DSMR-reader's name: code, name, and whether it is in
/// thousandths of the meter's unit.
const READINGS: [([u8; 3], &str, bool); 18] = [
    ([1, 8, 1], "reading/electricity_delivered_1", true),
    ([1, 8, 2], "reading/electricity_delivered_2", true),
    ([2, 8, 1], "reading/electricity_returned_1", true),
    ([2, 8, 2], "reading/electricity_returned_2", true),
    ([1, 7, 0], "reading/electricity_currently_delivered", true),
    ([2, 7, 0], "reading/electricity_currently_returned", true),
    ([21, 7, 0], "reading/phase_currently_delivered_l1", true),
    ([41, 7, 0], "reading/phase_currently_delivered_l2", true),
    ([61, 7, 0], "reading/phase_currently_delivered_l3", true),
    ([22, 7, 0], "reading/phase_currently_returned_l1", true),
    ([42, 7, 0], "reading/phase_currently_returned_l2", true),
    ([62, 7, 0], "reading/phase_currently_returned_l3", true),
    ([32, 7, 0], "reading/phase_voltage_l1", false),
    ([52, 7, 0], "reading/phase_voltage_l2", false),
    ([72, 7, 0], "reading/phase_voltage_l3", false),
    ([31, 7, 0], "reading/phase_power_current_l1", false),
    ([51, 7, 0], "reading/phase_power_current_l2", false),
    ([71, 7, 0], "reading/phase_power_current_l3", false),
];
/// Net powers, whose sign says the direction: code, and the names of both.
const NET: [([u8; 3], &str, &str); 4] = [
    (
        [16, 7, 0],
        "reading/electricity_currently_delivered",
        "reading/electricity_currently_returned",
    ),
    (
        [36, 7, 0],
        "reading/phase_currently_delivered_l1",
        "reading/phase_currently_returned_l1",
    ),
    (
        [56, 7, 0],
        "reading/phase_currently_delivered_l2",
        "reading/phase_currently_returned_l2",
    ),
    (
        [76, 7, 0],
        "reading/phase_currently_delivered_l3",
        "reading/phase_currently_returned_l3",
    ),
];

/// The convention, and what was said by it.
#[derive(Debug)]
pub(super) struct Dsmr {
    /// Name of the electricity meter at the grid.
    grid: Option<String>,
    said: BTreeMap<String, String>,
    /// The registers of tariffs are there, so the total is not said in their place.
    has_tariffs: bool,
}

impl Dsmr {
    pub(super) fn new(grid: Option<String>) -> Self {
        Self {
            grid,
            said: BTreeMap::new(),
            has_tariffs: false,
        }
    }

    /// What is to be said of a telegram. All of it is said each time, as DSMR-reader does.
    pub(super) fn take(&mut self, telegram: &StoredTelegram) -> Vec<Message> {
        let mut told = Vec::new();
        let is_grid = self.grid.as_ref() == Some(&telegram.name);
        let at = telegram.received_at.to_string();
        // Before the first of them is said: the normal tariff must not begin with the total.
        let of_tariff = |value: &StoredValue| matches!(value.obis.0, [1, _, 1 | 2, 8, 1..=4, _]);
        self.has_tariffs |= is_grid && telegram.values.iter().any(of_tariff);
        for value in &telegram.values {
            if value.quality != Quality::Measured {
                continue;
            }
            let ObisCode([medium, _, c, d, e, _]) = value.obis;
            let is_gas = medium == 7 && value.obis.is_cumulative();
            if is_gas && matches!(value.unit, Unit::CubicMetre | Unit::CorrectedCubicMetre) {
                let volume = value.value.to_string();
                told.extend([
                    ("reading/extra_device_delivered", volume.clone()),
                    ("reading/extra_device_timestamp", at.clone()),
                    ("consumption/gas/delivered", volume),
                    ("consumption/gas/read_at", at.clone()),
                ]);
            }
            if is_grid && medium == 1 {
                told.extend(self.reading([c, d, e], value.value));
            }
        }
        if is_grid {
            told.push(("reading/timestamp", at));
            let tariff = telegram.indications.tariff.as_ref();
            if let Some(number) = tariff.and_then(|tariff| tariff.number) {
                told.push(("meter-stats/electricity_tariff", number.to_string()));
            }
        }
        self.say(told, true)
    }

    /// What is to be said of the day.
    pub(super) fn day(&mut self, state: &State) -> Vec<Message> {
        let mut told = Vec::new();
        let mut put = |name, value: Option<Decimal>| {
            told.extend(value.map(|value| (name, value.round_dp(3).to_string())));
        };
        let today = state.today.as_ref();
        put(
            "day-consumption/electricity_merged",
            today.map(|today| today.import_kwh),
        );
        put(
            "day-consumption/electricity_returned_merged",
            today.and_then(|today| today.export_kwh),
        );
        let cost = today.and_then(|today| today.cost.as_ref());
        put(
            "day-consumption/electricity_cost_merged",
            cost.map(|cost| cost.amount),
        );
        put(
            "day-consumption/gas",
            state.gas.as_ref().map(|gas| gas.volume_m3),
        );
        self.say(told, false)
    }

    /// Everything again.
    pub(super) fn everything(&self) -> Vec<Message> {
        let said = self.said.iter();
        said.map(|(topic, value)| Message::retained(topic.clone(), value.clone()))
            .collect()
    }

    fn reading(&self, code: [u8; 3], value: Decimal) -> Vec<(&'static str, String)> {
        if let Some((_, name, scaled)) = READINGS.iter().find(|(known, ..)| *known == code) {
            let text = match scaled {
                true => thousandth(value),
                false => value.to_string(),
            };
            return vec![(name, text)];
        }
        if let Some((_, delivered, returned)) = NET.iter().find(|(known, ..)| *known == code) {
            let part = |value: Decimal| thousandth(value.max(Decimal::ZERO));
            return vec![(delivered, part(value)), (returned, part(-value))];
        }
        match code {
            [1, 8, 0] if !self.has_tariffs => {
                vec![("reading/electricity_delivered_2", thousandth(value))]
            }
            [2, 8, 0] if !self.has_tariffs => {
                vec![("reading/electricity_returned_2", thousandth(value))]
            }
            _ => Vec::new(),
        }
    }

    /// `always`, or what has changed.
    fn say(&mut self, told: Vec<(&'static str, String)>, always: bool) -> Vec<Message> {
        let mut messages = Vec::new();
        for (name, value) in told {
            let topic = format!("dsmr/{name}");
            let before = self.said.insert(topic.clone(), value.clone());
            if always || before.as_ref() != Some(&value) {
                messages.push(Message::retained(topic, value));
            }
        }
        messages
    }
}

/// With the meter's own decimals, and three more.
fn thousandth(mut value: Decimal) -> String {
    let scale = value.scale() + 3;
    match value.set_scale(scale) {
        Ok(()) => value.to_string(),
        Err(_) => (value / Decimal::ONE_THOUSAND).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use meter_link::model::{Check, Indications};

    use super::*;

    fn telegram(name: &str, values: &[(&str, Unit, &str)]) -> StoredTelegram {
        let value = |(obis, unit, value): &(&str, Unit, &str)| StoredValue {
            obis: obis.parse().unwrap(),
            unit: *unit,
            value: value.parse().unwrap(),
            quality: Quality::Measured,
            status: None,
        };
        StoredTelegram {
            name: name.to_owned(),
            serial: "A1".to_owned(),
            manufacturer: None,
            received_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            captured_at: None,
            check: Check::Crc,
            values: values.iter().map(value).collect(),
            indications: Indications::default(),
            closed_interval: false,
            doubts: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn said(messages: &[Message]) -> Vec<String> {
        let said = |message: &Message| format!("{} {}", message.topic, message.payload);
        messages.iter().map(said).collect()
    }

    #[test]
    fn tariffs_powers_and_gas() {
        let mut dsmr = Dsmr::new(Some("house".to_owned()));
        let house = telegram(
            "house",
            &[
                ("1-0:1.8.0", Unit::WattHour, "3000"),
                ("1-0:1.8.1", Unit::WattHour, "1000"),
                ("1-0:1.8.2", Unit::WattHour, "2000"),
                ("1-0:16.7.0", Unit::Watt, "-250"),
                ("1-0:32.7.0", Unit::Volt, "230.1"),
            ],
        );
        assert_eq!(
            said(&dsmr.take(&house)),
            [
                "dsmr/reading/electricity_delivered_1 1.000",
                "dsmr/reading/electricity_delivered_2 2.000",
                "dsmr/reading/electricity_currently_delivered 0.000",
                "dsmr/reading/electricity_currently_returned 0.250",
                "dsmr/reading/phase_voltage_l1 230.1",
                "dsmr/reading/timestamp 2026-11-22T10:00:00Z",
            ]
        );
        let gas = telegram("house gas", &[("7-0:3.0.0", Unit::CubicMetre, "12.345")]);
        assert_eq!(
            said(&dsmr.take(&gas))[0],
            "dsmr/reading/extra_device_delivered 12.345"
        );
    }

    #[test]
    fn a_meter_without_tariffs_counts_in_the_normal_one() {
        let mut dsmr = Dsmr::new(Some("house".to_owned()));
        let values = [("1-0:1.8.0", Unit::WattHour, "3000")];
        let messages = dsmr.take(&telegram("house", &values));
        assert_eq!(
            said(&messages)[0],
            "dsmr/reading/electricity_delivered_2 3.000"
        );
        assert!(dsmr.take(&telegram("heat-pump", &values)).is_empty());
    }
}
