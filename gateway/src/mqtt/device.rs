//! A meter as a thing: a point per register and per text.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meter_link::model::{Indications, ObisCode, Unit};
use rust_decimal::Decimal;

use super::entity::{self, Entity};
use super::indication::{Text, texts};
use super::thing::{Kind, Point, Thing, Topics, Values, identifier, meter_path, text};
use crate::zigbee::RELAY;

/// Name of the command that asks a meter again.
pub(super) const READ: &str = "read";

/// A meter as home automations see it.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) serial: String,
    pub(super) manufacturer: Option<String>,
    /// Seconds after which a power value is no longer true.
    pub(super) expire_after_s: u64,
    /// True for a meter that is asked, and can be asked at once.
    pub(super) is_asked: bool,
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

    /// Its topics below the gateway's.
    pub(super) fn path(&self) -> String {
        meter_path(&self.serial)
    }

    /// All values. Numbers are written exactly as the meter gave them.
    pub(super) fn state(&self) -> Values {
        let mut values = vec![("ts".to_owned(), text(&self.received_at.to_string()))];
        // An exact decimal prints as JSON writes numbers.
        values.extend(
            self.entities()
                .map(|(_, entity, value)| (entity.key, value.to_string())),
        );
        let texts = texts(&self.indications).into_iter();
        values.extend(texts.map(|text| (text.key, text.value.to_string())));
        values
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

    /// What home automations are told of it.
    pub(super) fn thing(&self, topics: &Topics) -> Thing {
        let numbers = self
            .entities()
            .map(|(obis, entity, _)| self.number(obis, &entity));
        let told = texts(&self.indications);
        let mut points: Vec<Point> = numbers.chain(told.iter().map(told_point)).collect();
        if self.is_asked {
            points.push(Point {
                diagnostic: true,
                ..Point::new(Kind::Button(READ), READ, "Read now")
            });
        }
        if self.indications.states.contains_key(RELAY) {
            let (on, off) = ("switch-on", "switch-off");
            points.push(Point {
                id: "switch".to_owned(),
                object: "switch".to_owned(),
                ..Point::new(Kind::Switch { on, off }, "state_relay", "Switch")
            });
        }
        Thing {
            path: self.path(),
            ident: format!("{}_{}", topics.node(), identifier(&self.serial)),
            name: self.name.clone(),
            manufacturer: self.manufacturer.clone(),
            model: None,
            serial: Some(self.serial.clone()),
            relies_on: Some(self.path()),
            points,
        }
    }

    fn number(&self, obis: ObisCode, entity: &Entity) -> Point {
        let object = entity.key.rsplit_once('_').map_or("", |(front, _)| front);
        Point {
            id: entity::slug(obis),
            object: object.to_owned(),
            device_class: entity.device_class,
            state_class: Some(entity.state_class),
            unit: (!entity.unit.is_empty()).then(|| entity.unit.to_owned()),
            precision: Some(entity.precision),
            expire_after_s: (entity.device_class == Some("power")).then_some(self.expire_after_s),
            ..Point::new(Kind::Sensor, &entity.key, &entity.name)
        }
    }
}

fn told_point(text: &Text) -> Point {
    Point {
        diagnostic: text.diagnostic,
        ..Point::new(Kind::Sensor, &text.key, &text.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::home_assistant::HomeAssistant;
    use super::super::thing::{Message, Update};
    use super::*;
    use crate::config::{Discovery, MqttCommand};

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
            is_asked: false,
            values: BTreeMap::from([
                value("1-0:1.8.0", Unit::WattHour, "12345678.0"),
                value("1-0:16.7.0", Unit::Watt, "-105.50"),
            ]),
            indications: Indications::default(),
            received_at: "2026-11-22T10:00:00.25Z".parse().unwrap(),
        }
    }

    fn said(form: Discovery, update: &Update) -> Vec<Message> {
        HomeAssistant::new(topics(), form, &[]).messages(update)
    }

    fn state(device: &Device) -> Message {
        let update = Update::State(device.path(), device.state());
        said(Discovery::Component, &update).remove(0)
    }

    #[test]
    fn the_state_is_json_with_exact_numbers() {
        let message = state(&device());
        assert_eq!(message.topic, "wattle/0a1b2c/meter/1EMH0012345678/state");
        assert_eq!(
            message.payload,
            r#"{"ts":"2026-11-22T10:00:00.25Z","energy_import_kwh":12345.6780,"power_w":-105.50}"#
        );
    }

    #[test]
    fn discovery_follows_the_rules_that_home_assistant_enforces() {
        let thing = Update::Thing(device().thing(&topics()));
        let messages = said(Discovery::Component, &thing);
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
        for message in &messages {
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

    /// No Home Assistant that knows this form runs in the tests: its rules, as they are written in
    /// `components/mqtt/discovery.py` and `schemas.py` of 2026.11, stand here.
    #[test]
    fn the_device_form_has_what_home_assistant_requires() {
        let thing = Update::Thing(device().thing(&topics()));
        let messages = said(Discovery::Device, &thing);
        assert_eq!(messages.len(), 1);
        assert_eq!(
            messages[0].topic,
            "homeassistant/device/wattle_0a1b2c_1emh0012345678/config"
        );
        let config: Value = serde_json::from_str(&messages[0].payload).unwrap();
        assert_eq!(config["o"]["name"], "wattle");
        assert_eq!(config["dev"]["ids"][0], "wattle_0a1b2c_1emh0012345678");
        let components = config["cmps"].as_object().unwrap();
        assert_eq!(components.len(), 2);
        let single: Vec<Value> = said(Discovery::Component, &thing)
            .iter()
            .map(|message| serde_json::from_str(&message.payload).unwrap())
            .collect();
        for (id, component) in components {
            let is_legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            assert!(id.bytes().all(is_legal), "{id}");
            assert_eq!(component["p"], "sensor");
            // The same entity as in the other form, so that its history goes on.
            let same = single
                .iter()
                .find(|config| config["uniq_id"] == component["uniq_id"])
                .unwrap();
            for key in ["stat_t", "val_tpl", "dev_cla", "stat_cla", "unit_of_meas"] {
                assert_eq!(component[key], same[key], "{key}");
            }
        }
    }

    #[test]
    fn a_change_of_the_form_moves_the_entities_and_takes_the_old_messages_back() {
        let thing = Update::Thing(device().thing(&topics()));
        let old = said(Discovery::Component, &thing);
        let mut new = HomeAssistant::new(topics(), Discovery::Device, &[]);
        new.was(Discovery::Component);
        let payload = |message: &Message| match message.payload.as_str() {
            "" => "",
            payload if payload.contains("migrate_discovery") => "migrate",
            _ => "new",
        };
        let messages = new.messages(&thing);
        let said: Vec<&str> = messages.iter().map(payload).collect();
        assert_eq!(said, ["migrate", "migrate", "new", "", ""]);
        for place in [0, 3] {
            assert_eq!(messages[place].topic, old[0].topic);
        }
        assert!(messages.iter().all(|message| message.retain));
        let mut same = HomeAssistant::new(topics(), Discovery::Device, &[]);
        same.was(Discovery::Device);
        assert_eq!(same.messages(&thing).len(), 1);
    }

    #[test]
    fn commands_are_announced_only_where_they_are_taken() {
        let mut asked = device();
        asked.is_asked = true;
        let thing = Update::Thing(asked.thing(&topics()));
        assert_eq!(said(Discovery::Component, &thing).len(), 2);
        let with = HomeAssistant::new(topics(), Discovery::Component, &[MqttCommand::Read])
            .messages(&thing);
        let button: Value = serde_json::from_str(&with[2].payload).unwrap();
        assert!(with[2].topic.starts_with("homeassistant/button/"));
        assert_eq!(button["cmd_t"], "wattle/0a1b2c/meter/1EMH0012345678/set");
        assert_eq!(button["pl_prs"], r#"{"command":"read"}"#);
    }

    #[test]
    fn a_serial_number_cannot_break_a_topic() {
        let mut odd = device();
        odd.serial = "a/b+c#".to_owned();
        assert_eq!(state(&odd).topic, "wattle/0a1b2c/meter/a_b_c_/state");
        let thing = Update::Thing(odd.thing(&topics()));
        assert!(
            said(Discovery::Component, &thing)[0]
                .topic
                .starts_with("homeassistant/sensor/wattle_0a1b2c_a_b_c__")
        );
    }
}
