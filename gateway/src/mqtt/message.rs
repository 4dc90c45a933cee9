//! Topics and payloads.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meter_link::model::{Indications, ObisCode, Unit};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::entity::{self, Entity};
use super::indication::{Text, texts};

/// A message for the broker. All are retained, so that whoever comes later finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: String,
}

/// The first levels of the gateway's topics.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    pub(super) topic_prefix: String,
    pub(super) discovery_prefix: String,
    pub(super) gateway: String,
}

impl Topics {
    /// `online` or, by the last will, `offline`.
    pub(super) fn gateway_status(&self) -> String {
        format!("{}/{}/status", self.topic_prefix, self.gateway)
    }

    /// Home Assistant says `online` here when it has started.
    pub(super) fn birth(&self) -> String {
        format!("{}/status", self.discovery_prefix)
    }

    /// A topic of the radio part.
    pub(super) fn radio(&self, leaf: &str) -> String {
        format!("{}/{}/radio/{leaf}", self.topic_prefix, self.gateway)
    }

    pub(super) fn meter(&self, serial: &str, leaf: &str) -> String {
        format!(
            "{}/{}/meter/{}/{leaf}",
            self.topic_prefix,
            self.gateway,
            level(serial)
        )
    }

    /// Whether a meter is heard.
    pub(super) fn meter_status(&self, serial: &str, online: bool) -> Message {
        Message {
            topic: self.meter(serial, "status"),
            payload: if online { "online" } else { "offline" }.to_owned(),
        }
    }
}

/// A meter as home automations see it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) serial: String,
    pub(super) manufacturer: Option<String>,
    /// Seconds after which a power value is no longer true.
    pub(super) expire_after_s: u64,
    /// The last believed value of every register.
    pub(super) values: BTreeMap<(ObisCode, Unit), Decimal>,
    /// What it told last beside its numbers.
    pub(super) indications: Indications,
    pub(super) received_at: Timestamp,
}

impl Device {
    fn entities(&self) -> impl Iterator<Item = (ObisCode, Entity, Decimal)> {
        self.values.iter().filter_map(|((obis, unit), value)| {
            let entity = entity::entity(*obis, *unit)?;
            let value = entity.value(*value);
            Some((*obis, entity, value))
        })
    }

    /// One JSON message with all values. Numbers are written exactly as the meter gave them.
    pub(super) fn state(&self, topics: &Topics) -> Message {
        let mut payload = format!("{{\"ts\":\"{}\"", self.received_at);
        for (_, entity, value) in self.entities() {
            // A key is made of letters, digits and underscores, a decimal prints as JSON writes
            // numbers: nothing needs to be escaped.
            payload.push_str(&format!(",\"{}\":{value}", entity.key));
        }
        for text in texts(&self.indications) {
            payload.push_str(&format!(",\"{}\":{}", text.key, text.value));
        }
        payload.push('}');
        Message {
            topic: topics.meter(&self.serial, "state"),
            payload,
        }
    }

    /// Takes what a telegram tells beside its numbers: true when something of it is new and has to
    /// be announced. A telegram that tells nothing changes nothing.
    pub(super) fn indicate(&mut self, told: &Indications) -> bool {
        if told.is_empty() || self.indications == *told {
            return false;
        }
        let keys = |told: &Indications| -> Vec<String> {
            texts(told).into_iter().map(|text| text.key).collect()
        };
        let before = keys(&self.indications);
        self.indications.clone_from(told);
        keys(told).iter().any(|key| !before.contains(key))
    }

    /// One discovery message per register and per text.
    pub(super) fn discovery(&self, topics: &Topics) -> Vec<Message> {
        let numbers = self
            .entities()
            .map(|(obis, entity, _)| self.announce(topics, obis, &entity));
        let texts = texts(&self.indications);
        let texts = texts.iter().map(|text| self.announce_text(topics, text));
        numbers.chain(texts).collect()
    }

    /// What every sensor of the meter has in common.
    fn sensor(
        &self,
        topics: &Topics,
        id: &str,
        object: &str,
        name: &str,
        key: &str,
    ) -> Map<String, Value> {
        let mut config = Map::new();
        let mut put = |key: &str, value: Value| drop(config.insert(key.to_owned(), value));
        put("name", json!(name));
        put("uniq_id", json!(id));
        put("obj_id", json!(object));
        put("def_ent_id", json!(format!("sensor.{object}")));
        put("stat_t", json!(topics.meter(&self.serial, "state")));
        put("val_tpl", json!(format!("{{{{ value_json.{key} }}}}")));
        let status = topics.meter(&self.serial, "status");
        put(
            "avty",
            json!([{ "t": topics.gateway_status() }, { "t": status }]),
        );
        put("avty_mode", json!("all"));
        put("dev", self.device(topics));
        put(
            "o",
            json!({ "name": "wattle", "sw": env!("CARGO_PKG_VERSION") }),
        );
        config
    }

    fn announce_text(&self, topics: &Topics, text: &Text) -> Message {
        let node = format!("wattle_{}", topics.gateway);
        let id = format!("{node}_{}_{}", identifier(&self.serial), text.key);
        let object = format!("{}_{}", identifier(&self.name), text.key);
        let mut config = self.sensor(topics, &id, &object, &text.name, &text.key);
        if text.diagnostic {
            config.insert("ent_cat".to_owned(), json!("diagnostic"));
        }
        Message {
            topic: format!("{}/sensor/{id}/config", topics.discovery_prefix),
            payload: Value::Object(config).to_string(),
        }
    }

    fn announce(&self, topics: &Topics, obis: ObisCode, entity: &Entity) -> Message {
        let node = format!("wattle_{}", topics.gateway);
        let id = format!("{node}_{}_{}", identifier(&self.serial), entity::slug(obis));
        let object = format!(
            "{}_{}",
            identifier(&self.name),
            entity.key.trim_end_matches(&suffix(&entity.key))
        );
        let mut config = self.sensor(topics, &id, &object, &entity.name, &entity.key);
        let mut put = |key: &str, value: Value| drop(config.insert(key.to_owned(), value));
        if let Some(class) = entity.device_class {
            put("dev_cla", json!(class));
        }
        put("stat_cla", json!(entity.state_class));
        if !entity.unit.is_empty() {
            put("unit_of_meas", json!(entity.unit));
        }
        put("sug_dsp_prc", json!(entity.precision));
        if entity.device_class == Some("power") {
            put("exp_aft", json!(self.expire_after_s));
        }
        Message {
            topic: format!("{}/sensor/{id}/config", topics.discovery_prefix),
            payload: Value::Object(config).to_string(),
        }
    }

    fn device(&self, topics: &Topics) -> Value {
        let mut device = Map::new();
        let gateway = format!("wattle_{}", topics.gateway);
        device.insert(
            "ids".to_owned(),
            json!([format!("{gateway}_{}", identifier(&self.serial))]),
        );
        device.insert("name".to_owned(), json!(self.name));
        if let Some(manufacturer) = &self.manufacturer {
            device.insert("mf".to_owned(), json!(manufacturer));
        }
        device.insert("sn".to_owned(), json!(self.serial));
        device.insert("via_device".to_owned(), json!(gateway));
        Value::Object(device)
    }
}

/// The gateway's own entity: whether it is connected. It makes the device that meters refer to.
pub(super) fn gateway_discovery(topics: &Topics) -> Message {
    let id = format!("wattle_{}", topics.gateway);
    let config = json!({
        "name": "Connection",
        "uniq_id": format!("{id}_status"),
        "obj_id": format!("{id}_connection"),
        "def_ent_id": format!("binary_sensor.{id}_connection"),
        "stat_t": topics.gateway_status(),
        "pl_on": "online",
        "pl_off": "offline",
        "dev_cla": "connectivity",
        "ent_cat": "diagnostic",
        "dev": {
            "ids": [id],
            "name": format!("Wattle {}", topics.gateway.to_uppercase()),
            "mf": "wattle",
            "mdl": "Home energy gateway",
            "sw": env!("CARGO_PKG_VERSION"),
        },
        "o": { "name": "wattle", "sw": env!("CARGO_PKG_VERSION") },
    });
    Message {
        topic: format!(
            "{}/binary_sensor/{id}_status/config",
            topics.discovery_prefix
        ),
        payload: config.to_string(),
    }
}

/// The unit at the end of a key, with its underscore.
fn suffix(key: &str) -> String {
    key.rsplit_once('_')
        .map_or_else(String::new, |(_, unit)| format!("_{unit}"))
}

/// A serial number as a topic level: `+`, `#` and `/` have a meaning there.
fn level(serial: &str) -> String {
    serial
        .chars()
        .map(|c| if matches!(c, '+' | '#' | '/') { '_' } else { c })
        .collect()
}

/// A text as part of an identifier: letters, digits and underscores.
pub(super) fn identifier(text: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    text.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        }
    }

    fn device() -> Device {
        let value =
            |obis: &str, unit, value: &str| ((obis.parse().unwrap(), unit), value.parse().unwrap());
        Device {
            name: "Electricity meter".to_owned(),
            serial: "1EMH0012345678".to_owned(),
            manufacturer: Some("EMH".to_owned()),
            expire_after_s: 15,
            values: BTreeMap::from([
                value("1-0:1.8.0", Unit::WattHour, "12345678.0"),
                value("1-0:16.7.0", Unit::Watt, "-105.50"),
            ]),
            indications: Indications::default(),
            received_at: "2026-11-22T10:00:00.25Z".parse().unwrap(),
        }
    }

    #[test]
    fn the_state_is_json_with_exact_numbers() {
        let message = device().state(&topics());
        assert_eq!(message.topic, "wattle/0a1b2c/meter/1EMH0012345678/state");
        assert_eq!(
            message.payload,
            r#"{"ts":"2026-11-22T10:00:00.25Z","energy_import_kwh":12345.6780,"power_w":-105.50}"#
        );
    }

    #[test]
    fn discovery_follows_the_rules_that_home_assistant_enforces() {
        let messages = device().discovery(&topics());
        assert_eq!(messages.len(), 2);
        let import: Value = serde_json::from_str(&messages[0].payload).unwrap();
        assert_eq!(
            messages[0].topic,
            "homeassistant/sensor/wattle_0a1b2c_1emh0012345678_1_0_1_8_0/config"
        );
        assert_eq!(import["obj_id"], "electricity_meter_energy_import");
        assert_eq!(
            import["def_ent_id"],
            "sensor.electricity_meter_energy_import"
        );
        assert_eq!(
            (&import["dev_cla"], &import["stat_cla"]),
            (&json!("energy"), &json!("total_increasing"))
        );
        assert_eq!(import["val_tpl"], "{{ value_json.energy_import_kwh }}");
        assert_eq!(import["avty_mode"], "all");
        assert!(import.get("exp_aft").is_none());
        let power: Value = serde_json::from_str(&messages[1].payload).unwrap();
        assert_eq!(power["exp_aft"], 15);
        // An unknown key inside `dev` makes Home Assistant refuse the whole entity.
        let known = [
            "ids",
            "cns",
            "mf",
            "mdl",
            "name",
            "hw",
            "sw",
            "sn",
            "via_device",
            "sa",
            "cu",
        ];
        for message in messages.iter().chain([&gateway_discovery(&topics())]) {
            let config: Value = serde_json::from_str(&message.payload).unwrap();
            assert!(
                config["dev"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .all(|key| known.contains(&key.as_str()))
            );
        }
    }

    #[test]
    fn a_serial_number_cannot_break_a_topic() {
        let mut odd = device();
        odd.serial = "a/b+c#".to_owned();
        assert_eq!(
            odd.state(&topics()).topic,
            "wattle/0a1b2c/meter/a_b_c_/state"
        );
        assert!(
            odd.discovery(&topics())[0]
                .topic
                .starts_with("homeassistant/sensor/wattle_0a1b2c_a_b_c__")
        );
    }
}
