//! Home Assistant's convention: discovery, one JSON state per thing, `online` and `offline`.
//!
//! Keys follow its MQTT discovery; the abbreviations are those that versions from 2023 on know.
//! `obj_id` and its successor `def_ent_id` are both sent: each version passes over the other's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::thing::{Kind, Message, Point, Thing, Topics, Update};
use crate::config::{Discovery, MqttCommand};

/// The convention, and what was said by it.
#[derive(Debug)]
pub(super) struct HomeAssistant {
    topics: Topics,
    form: Discovery,
    /// The form of an earlier run whose messages the broker may still have.
    former: Option<Discovery>,
    commands: Vec<MqttCommand>,
    /// What each thing was announced with.
    announced: BTreeMap<String, BTreeSet<String>>,
}

impl HomeAssistant {
    /// With `commands`, points that take some are announced.
    pub(super) fn new(topics: Topics, form: Discovery, commands: &[MqttCommand]) -> Self {
        Self {
            topics,
            form,
            former: None,
            commands: commands.to_vec(),
            announced: BTreeMap::new(),
        }
    }

    /// An earlier run announced in this form.
    pub(super) fn was(&mut self, former: Discovery) {
        if former != self.form {
            self.former = Some(former);
        }
    }

    /// The messages for something that is to be said.
    pub(super) fn messages(&mut self, update: &Update) -> Vec<Message> {
        match update {
            Update::Thing(thing) => self.announce(thing),
            Update::State(path, values) => {
                let members: Vec<String> = values
                    .iter()
                    .map(|(key, value)| format!("{}:{value}", json!(key)))
                    .collect();
                let payload = format!("{{{}}}", members.join(","));
                vec![Message::retained(self.below(path, "state"), payload)]
            }
            Update::Attributes(path, name, value) => {
                vec![Message::retained(self.below(path, name), value.to_string())]
            }
            Update::Status(path, online) => {
                vec![Message::retained(
                    self.below(path, "status"),
                    status(*online),
                )]
            }
            Update::Gone(path) => self.withdraw(path),
            Update::Event(event) => {
                vec![Message::event(self.topics.at("event"), event.to_string())]
            }
        }
    }

    fn below(&self, path: &str, leaf: &str) -> String {
        format!("{}/{leaf}", self.topics.at(path))
    }

    fn withdraw(&mut self, path: &str) -> Vec<Message> {
        let mut gone: Vec<Message> = self
            .announced
            .remove(path)
            .into_iter()
            .flatten()
            .map(Message::taken_back)
            .collect();
        gone.push(Message::taken_back(self.below(path, "state")));
        gone
    }

    /// Entities that were announced in another form are told to come in this one, and keep their
    /// history; then the old messages are taken back.
    fn announce(&mut self, thing: &Thing) -> Vec<Message> {
        let now = self.announcements(self.form, thing);
        self.announced
            .entry(thing.path.clone())
            .or_default()
            .extend(now.iter().map(|message| message.topic.clone()));
        let former = self
            .former
            .map(|form| self.announcements(form, thing))
            .unwrap_or_default();
        let migrate = former.iter().map(|message| {
            let order = r#"{"migrate_discovery":true}"#.to_owned();
            Message {
                in_order: true,
                ..Message::retained(message.topic.clone(), order)
            }
        });
        let empty = former
            .iter()
            .map(|message| Message::taken_back(message.topic.clone()));
        migrate.chain(now).chain(empty).collect()
    }

    fn announcements(&self, form: Discovery, thing: &Thing) -> Vec<Message> {
        match form {
            Discovery::Component => self.components(thing),
            Discovery::Device => vec![self.device_message(thing)],
        }
    }

    fn points<'a>(&'a self, thing: &'a Thing) -> impl Iterator<Item = &'a Point> {
        let allowed = |command: &str| self.commands.iter().any(|one| one.takes(command));
        thing.points.iter().filter(move |point| match point.kind {
            Kind::Button(command) | Kind::Switch { on: command, .. } | Kind::Update(command) => {
                allowed(command)
            }
            _ => true,
        })
    }

    /// One message per point.
    fn components(&self, thing: &Thing) -> Vec<Message> {
        let of = |point| {
            let mut config = self.entity(thing, point);
            config.insert("dev".to_owned(), self.device(thing));
            config.insert("o".to_owned(), origin());
            let topic = format!(
                "{}/{}/{}_{}/config",
                self.topics.discovery_prefix,
                component(point.kind),
                thing.ident,
                point.id
            );
            Message::retained(topic, Value::Object(config).to_string())
        };
        self.points(thing).map(of).collect()
    }

    /// One message for the whole thing; Home Assistant 2024.12 and later.
    fn device_message(&self, thing: &Thing) -> Message {
        let of = |point: &Point| {
            let mut config = Map::new();
            config.insert("p".to_owned(), json!(component(point.kind)));
            config.extend(self.entity(thing, point));
            (point.id.clone(), Value::Object(config))
        };
        let components: Map<String, Value> = self.points(thing).map(of).collect();
        let message = json!({
            "dev": self.device(thing),
            "o": origin(),
            "cmps": components,
        });
        let topic = format!(
            "{}/device/{}/config",
            self.topics.discovery_prefix, thing.ident
        );
        Message::retained(topic, message.to_string())
    }

    fn entity(&self, thing: &Thing, point: &Point) -> Map<String, Value> {
        let mut config = Map::new();
        let mut put = |key: &str, value: Value| drop(config.insert(key.to_owned(), value));
        let object = format!("{}_{}", super::thing::identifier(&thing.name), point.object);
        put("name", json!(point.name));
        put("uniq_id", json!(format!("{}_{}", thing.ident, point.id)));
        put("obj_id", json!(object));
        put(
            "def_ent_id",
            json!(format!("{}.{object}", component(point.kind))),
        );
        let state = self.below(&thing.path, "state");
        match point.kind {
            Kind::Connection => {
                put("stat_t", json!(self.topics.gateway_status()));
                put("pl_on", json!("online"));
                put("pl_off", json!("offline"));
            }
            Kind::Event(types) => {
                put("stat_t", json!(self.topics.at("event")));
                put("evt_typ", json!(types));
            }
            Kind::Button(command) => {
                put("cmd_t", json!(self.below(&thing.path, "set")));
                put("pl_prs", json!(json!({ "command": command }).to_string()));
                put("qos", json!(1));
            }
            Kind::Update(command) => {
                let said = point.attributes.unwrap_or(&point.key);
                put("stat_t", json!(self.below(&thing.path, said)));
                put("cmd_t", json!(self.below(&thing.path, "set")));
                put("pl_inst", json!(json!({ "command": command }).to_string()));
                put("qos", json!(1));
            }
            Kind::Switch { on, off } => {
                put("cmd_t", json!(self.below(&thing.path, "set")));
                put("pl_on", json!(json!({ "command": on }).to_string()));
                put("pl_off", json!(json!({ "command": off }).to_string()));
                put("stat_on", json!("on"));
                put("stat_off", json!("off"));
                put("qos", json!(1));
                put("stat_t", json!(state));
                put("val_tpl", json!(template(&point.key)));
            }
            Kind::Sensor | Kind::Binary => {
                put("stat_t", json!(state));
                put("val_tpl", json!(template(&point.key)));
            }
        }
        if let Some(member) = point.last_reset {
            put("lrst_val_tpl", json!(template(member)));
        }
        if let Some(name) = point.attributes {
            put("json_attr_t", json!(self.below(&thing.path, name)));
        }
        for (key, value) in [
            ("dev_cla", point.device_class.map(Value::from)),
            ("stat_cla", point.state_class.map(Value::from)),
            ("unit_of_meas", point.unit.clone().map(Value::from)),
            ("sug_dsp_prc", point.precision.map(Value::from)),
            ("exp_aft", point.expire_after_s.map(Value::from)),
            ("ent_cat", point.diagnostic.then(|| json!("diagnostic"))),
            (
                "ops",
                (!point.options.is_empty()).then(|| json!(point.options)),
            ),
        ] {
            if let Some(value) = value {
                put(key, value);
            }
        }
        // That the gateway is gone is what its connection says; it is never itself unavailable.
        if point.kind != Kind::Connection {
            let status = self.topics.gateway_status();
            let own = thing.relies_on.as_ref();
            let own = own.map(|path| json!({ "t": self.below(path, "status") }));
            let all: Vec<Value> = [json!({ "t": status })].into_iter().chain(own).collect();
            put("avty", json!(all));
            put("avty_mode", json!("all"));
        }
        config
    }

    /// Only keys that every version knows: one that it does not know inside `dev` makes Home
    /// Assistant refuse the whole entity.
    fn device(&self, thing: &Thing) -> Value {
        let node = self.topics.node();
        let mut device = Map::new();
        let mut put = |key: &str, value: Value| drop(device.insert(key.to_owned(), value));
        put("ids", json!([thing.ident]));
        put("name", json!(thing.name));
        for (key, value) in [
            ("mf", &thing.manufacturer),
            ("mdl", &thing.model),
            ("sn", &thing.serial),
        ] {
            if let Some(value) = value {
                put(key, json!(value));
            }
        }
        if thing.ident == node {
            put("sw", json!(env!("CARGO_PKG_VERSION")));
        } else {
            put("via_device", json!(node));
        }
        Value::Object(device)
    }
}

/// The payload of a status topic.
pub(super) fn status(online: bool) -> String {
    if online { "online" } else { "offline" }.to_owned()
}

/// A word without an underscore may be the name of something else in a template, such as `items`.
fn template(key: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if key.contains('_')
        && key.bytes().all(is_plain)
        && !key.starts_with(|c: char| c.is_ascii_digit())
    {
        return format!("{{{{ value_json.{key} }}}}");
    }
    // A key may come from a meter; a quote would end the text.
    let kept = |c: &char| !matches!(c, '\'' | '\\' | '{' | '}' | '%');
    let key: String = key.chars().filter(kept).collect();
    format!("{{{{ value_json['{key}'] }}}}")
}

const fn component(kind: Kind) -> &'static str {
    match kind {
        Kind::Sensor => "sensor",
        Kind::Binary | Kind::Connection => "binary_sensor",
        Kind::Event(_) => "event",
        Kind::Button(_) => "button",
        Kind::Switch { .. } => "switch",
        Kind::Update(_) => "update",
    }
}

fn origin() -> Value {
    json!({ "name": "wattle", "sw": env!("CARGO_PKG_VERSION") })
}
