//! Appliances as devices of home automations, each with its confidence.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use wattle_api::{Appliance, Appliances, RunningLoad};

use super::thing::{Kind, Point, Thing, Topics, Update, Values};

/// What was published of appliances.
#[derive(Debug)]
pub(super) struct Published {
    topics: Topics,
    /// The last state of each, by name.
    states: BTreeMap<String, Values>,
    /// Path of the meter that they are found with.
    meter: Option<String>,
}

impl Published {
    pub(super) fn new(topics: Topics) -> Self {
        Self {
            topics,
            states: BTreeMap::new(),
            meter: None,
        }
    }

    /// What is to be said of what has changed. `meter` is the path of the meter that they are
    /// found with: while it is not heard, what they do is not known.
    pub(super) fn take(&mut self, now: &Appliances, meter: Option<String>) -> Vec<Update> {
        let moved = meter != self.meter;
        self.meter = meter;
        let mut updates = Vec::new();
        let known = |name: &String| now.appliances.iter().any(|one| one.name == *name);
        let gone: Vec<String> = self
            .states
            .keys()
            .filter(|name| !known(name))
            .cloned()
            .collect();
        for name in gone {
            self.states.remove(&name);
            updates.push(Update::Gone(path(&name)));
        }
        for appliance in &now.appliances {
            let values = state(appliance, &now.running);
            let before = self.states.insert(appliance.name.clone(), values.clone());
            if before.is_none() || moved {
                updates.push(Update::Thing(self.thing(&appliance.name)));
            }
            if before.as_ref() != Some(&values) {
                updates.push(Update::State(path(&appliance.name), values));
            }
        }
        updates
    }

    /// Everything again.
    pub(super) fn everything(&self) -> Vec<Update> {
        let things = self
            .states
            .keys()
            .map(|name| Update::Thing(self.thing(name)));
        let states = self
            .states
            .iter()
            .map(|(name, values)| Update::State(path(name), values.clone()));
        things.chain(states).collect()
    }

    fn thing(&self, name: &str) -> Thing {
        Thing {
            path: path(name),
            ident: format!("{}_appliance_{name}", self.topics.node()),
            name: name.replace('_', " "),
            manufacturer: Some("wattle".to_owned()),
            model: Some("Found in the meter's power".to_owned()),
            serial: None,
            relies_on: self.meter.clone(),
            points: points(),
        }
    }
}

fn path(name: &str) -> String {
    format!("appliance/{name}")
}

fn points() -> Vec<Point> {
    let sensor = |key: &str, name: &str, class, state_class, unit: &str| Point {
        device_class: class,
        state_class,
        unit: (!unit.is_empty()).then(|| unit.to_owned()),
        ..Point::new(Kind::Sensor, key, name)
    };
    let measured = Some("measurement");
    vec![
        Point {
            device_class: Some("running"),
            ..Point::new(Kind::Binary, "running", "Running")
        },
        sensor("power_w", "Power", Some("power"), measured, "W"),
        // "That was not it" makes it less. A `total_increasing` that falls would be taken for an
        // exchanged meter and counted anew.
        sensor("energy_kwh", "Energy", Some("energy"), Some("total"), "kWh"),
        sensor("cycles", "Cycles", None, Some("total"), ""),
        sensor("last_cycle_kwh", "Last cycle", Some("energy"), None, "kWh"),
        sensor("confidence", "Confidence", None, measured, "%"),
    ]
}

fn state(appliance: &Appliance, running: &[RunningLoad]) -> Values {
    let running = running
        .iter()
        .filter(|load| load.appliance.as_deref() == Some(&appliance.name));
    let power: Decimal = running.clone().map(|load| load.power_w).sum();
    let last = appliance.last_cycle.as_ref();
    let on = if running.count() > 0 { "ON" } else { "OFF" };
    // Decimals print as JSON writes numbers.
    [
        ("running", format!("\"{on}\"")),
        ("power_w", power.to_string()),
        ("energy_kwh", appliance.total_kwh.round_dp(3).to_string()),
        ("cycles", appliance.cycles.to_string()),
        (
            "last_cycle_kwh",
            last.map_or_else(|| "null".to_owned(), |cycle| cycle.kwh.to_string()),
        ),
        (
            "confidence",
            (appliance.confidence * Decimal::ONE_HUNDRED)
                .round()
                .to_string(),
        ),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appliance_is_announced_once_and_told_when_it_changes() {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        let mut now = Appliances {
            appliances: vec![Appliance {
                name: "washing_machine".to_owned(),
                total_kwh: "1.25".parse().unwrap(),
                cycles: 2,
                confidence: "0.81".parse().unwrap(),
                last_cycle: None,
            }],
            ..Appliances::default()
        };
        let meter = Some("meter/1EMH".to_owned());
        let mut published = Published::new(topics);
        let first = published.take(&now, meter.clone());
        let [Update::Thing(thing), Update::State(path, values)] = &first[..] else {
            panic!("{first:?}");
        };
        assert_eq!(path, "appliance/washing_machine");
        assert_eq!(thing.ident, "wattle_0a1b2c_appliance_washing_machine");
        assert_eq!(thing.relies_on, meter);
        let value = |key: &str| {
            let found = values.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("running"), Some("\"OFF\""));
        assert_eq!(value("energy_kwh"), Some("1.25"));
        assert_eq!(value("confidence"), Some("81"));
        assert!(published.take(&now, meter.clone()).is_empty());
        now.appliances[0].cycles = 3;
        assert_eq!(published.take(&now, meter.clone()).len(), 1);
        assert_eq!(published.everything().len(), 2);
        now.appliances.clear();
        let gone = published.take(&now, meter);
        assert_eq!(gone, [Update::Gone("appliance/washing_machine".to_owned())]);
        assert!(published.everything().is_empty());
    }
}
