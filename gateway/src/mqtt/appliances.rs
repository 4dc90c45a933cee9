//! Appliances as devices of home automations, each with its confidence.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wattle_api::Appliances;

use super::message::{Message, Topics};

/// Sensors of an appliance: component, key, name, device class, state class, unit.
const SENSORS: [(&str, &str, &str, &str, &str, &str); 6] = [
    ("binary_sensor", "running", "Running", "running", "", ""),
    ("sensor", "power_w", "Power", "power", "measurement", "W"),
    (
        "sensor",
        "energy_kwh",
        "Energy",
        "energy",
        "total_increasing",
        "kWh",
    ),
    ("sensor", "cycles", "Cycles", "", "total_increasing", ""),
    ("sensor", "last_cycle_kwh", "Last cycle", "", "", "kWh"),
    ("sensor", "confidence", "Confidence", "", "measurement", "%"),
];

/// What was published of appliances.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The last state of each, by name.
    states: BTreeMap<String, String>,
}

impl Published {
    /// Messages for what has changed.
    pub(super) fn take(&mut self, topics: &Topics, now: &Appliances) -> Vec<Message> {
        let mut messages = Vec::new();
        for appliance in &now.appliances {
            let running = now
                .running
                .iter()
                .filter(|load| load.appliance.as_deref() == Some(&appliance.name));
            let power: rust_decimal::Decimal = running.clone().map(|load| load.power_w).sum();
            // Decimals print as JSON writes numbers.
            let payload = format!(
                "{{\"running\":\"{}\",\"power_w\":{power},\"energy_kwh\":{},\"cycles\":{},\"last_cycle_kwh\":{},\"confidence\":{}}}",
                if running.count() > 0 { "ON" } else { "OFF" },
                appliance.total_kwh.round_dp(3),
                appliance.cycles,
                appliance
                    .last_cycle
                    .as_ref()
                    .map_or_else(|| "null".to_owned(), |cycle| cycle.kwh.to_string()),
                (appliance.confidence * rust_decimal::Decimal::ONE_HUNDRED).round(),
            );
            let before = self.states.insert(appliance.name.clone(), payload.clone());
            if before.is_none() {
                messages.extend(discovery(topics, &appliance.name));
            }
            if before.as_ref() != Some(&payload) {
                messages.push(Message {
                    topic: state_topic(topics, &appliance.name),
                    payload,
                });
            }
        }
        messages
    }

    /// Everything again.
    pub(super) fn everything(&self, topics: &Topics) -> Vec<Message> {
        self.states
            .iter()
            .flat_map(|(name, payload)| {
                let mut messages = discovery(topics, name);
                messages.push(Message {
                    topic: state_topic(topics, name),
                    payload: payload.clone(),
                });
                messages
            })
            .collect()
    }
}

fn state_topic(topics: &Topics, name: &str) -> String {
    format!(
        "{}/{}/appliance/{name}/state",
        topics.topic_prefix, topics.gateway
    )
}

fn discovery(topics: &Topics, appliance: &str) -> Vec<Message> {
    let node = format!("wattle_{}", topics.gateway);
    let shown = appliance.replace('_', " ");
    SENSORS
        .iter()
        .map(|(component, key, name, class, state_class, unit)| {
            let id = format!("{node}_appliance_{appliance}_{key}");
            let mut config = json!({
                "name": name,
                "uniq_id": id,
                "obj_id": format!("{appliance}_{key}"),
                "stat_t": state_topic(topics, appliance),
                "val_tpl": format!("{{{{ value_json.{key} }}}}"),
                "avty_t": topics.gateway_status(),
                "dev": {
                    "ids": [format!("{node}_appliance_{appliance}")],
                    "name": shown,
                    "mf": "wattle",
                    "mdl": "Found in the meter's power",
                    "via_device": node,
                },
                "o": { "name": "wattle", "sw": env!("CARGO_PKG_VERSION") },
            });
            for (field, value) in [
                ("dev_cla", class),
                ("stat_cla", state_class),
                ("unit_of_meas", unit),
            ] {
                if let (false, Value::Object(fields)) = (value.is_empty(), &mut config) {
                    fields.insert(field.to_owned(), json!(value));
                }
            }
            Message {
                topic: format!("{}/{component}/{id}/config", topics.discovery_prefix),
                payload: config.to_string(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattle_api::Appliance;

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
        let mut published = Published::default();
        let first = published.take(&topics, &now);
        assert_eq!(first.len(), SENSORS.len() + 1);
        let state: Value = serde_json::from_str(&first.last().unwrap().payload).unwrap();
        assert_eq!(state["running"], "OFF");
        assert_eq!(state["energy_kwh"].as_f64(), Some(1.25));
        assert_eq!(state["confidence"].as_i64(), Some(81));
        assert_eq!(
            first.last().unwrap().topic,
            "wattle/0a1b2c/appliance/washing_machine/state"
        );
        for message in &first[..SENSORS.len()] {
            let config: Value = serde_json::from_str(&message.payload).unwrap();
            assert_eq!(
                config["dev"]["ids"][0],
                "wattle_0a1b2c_appliance_washing_machine"
            );
        }
        assert!(published.take(&topics, &now).is_empty());
        now.appliances[0].cycles = 3;
        assert_eq!(published.take(&topics, &now).len(), 1);
        assert_eq!(published.everything(&topics).len(), SENSORS.len() + 1);
    }
}
