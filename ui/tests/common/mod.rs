//! Recorded states, for every test.

#![allow(dead_code)] // each test uses a part

pub(crate) mod scenes;

use std::path::PathBuf;
use ui::bind::Answers;
use wattle_api::State;

/// Every recorded state, by the name of its file.
pub(crate) const FIXTURES: [&str; 20] = [
    "normal",
    "zero",
    "absent",
    "stale",
    "exporting",
    "large",
    "negative_price",
    "cheapest_now",
    "no_tariff",
    "lost",
    "pin_locked",
    "no_power",
    "prices_unknown",
    "prepay",
    "alarm",
    "event",
    "pairing",
    "joining",
    "tiers",
    "two_events",
];

/// Reads a recorded state.
pub(crate) fn fixture(name: &str) -> State {
    let path = folder("fixtures").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// A folder beside the tests.
pub(crate) fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", name].iter().collect()
}

/// What the gateway of a recorded state answers to the other screens.
pub(crate) fn answers(name: &str) -> Answers {
    let read = |kind: &str| {
        let path = folder("fixtures").join(format!("{kind}-{name}.json"));
        let text = std::fs::read_to_string(path).ok()?;
        Some(text)
    };
    let weeks = |text: Option<String>| {
        text.map(|text| serde_json::from_str(&text).unwrap())
            .unwrap_or_default()
    };
    Answers {
        zigbee: read("zigbee").map(|text| serde_json::from_str(&text).unwrap()),
        powerline: read("powerline").map(|text| serde_json::from_str(&text).unwrap()),
        usage: read("usage").map(|text| serde_json::from_str(&text).unwrap()),
        gas_weeks: weeks(read("gas_weeks")),
        water_weeks: weeks(read("water_weeks")),
        bill: read("bill").map(|text| serde_json::from_str(&text).unwrap()),
        runs: read("runs").map(|text| serde_json::from_str(&text).unwrap()),
        heard: read("heard").map(|text| serde_json::from_str(&text).unwrap()),
        told: read("told").map(|text| serde_json::from_str(&text).unwrap()),
        consents: read("consents").map(|text| serde_json::from_str(&text).unwrap()),
        messages: read("messages").map(|text| serde_json::from_str(&text).unwrap()),
        supply: read("supply").map(|text| serde_json::from_str(&text).unwrap()),
    }
}
