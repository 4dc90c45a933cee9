//! Homie 5: the gateway as root device, every thing of the home as its child.
//!
//! After the convention of 2025-05 (v5.0.0): a description changes only while `$state` is `init`,
//! values are retained with QoS 2, the last will is on the root alone, a child whose meter is not
//! heard is `lost`. A value that is not known has no topic: an empty payload takes it away.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::thing::{Kind, Message, Point, Qos, Thing, Topics, Update, Values};
use crate::clock::SharedClock;
use crate::config::MqttCommand;

/// Payload that presses a button.
pub(super) const PRESS: &str = "press";

/// The convention, and what was said by it.
pub(super) struct Homie {
    root: String,
    commands: Vec<MqttCommand>,
    devices: BTreeMap<String, Device>,
    /// Paths that are heard, where that is known.
    online: BTreeMap<String, bool>,
    alerts: BTreeSet<String>,
    /// Everything is being said: the root is described at the end of it.
    begins: bool,
    version: i64,
    clock: SharedClock,
}

#[derive(Debug)]
struct Device {
    thing: Thing,
    /// Announced, and waiting for its first values.
    waits: bool,
}

impl Homie {
    /// With `commands`, points that take some are announced.
    pub(super) fn new(topics: &Topics, commands: &[MqttCommand], clock: SharedClock) -> Self {
        Self {
            root: format!("wattle-{}", slug(&topics.gateway)),
            commands: commands.to_vec(),
            devices: BTreeMap::new(),
            online: BTreeMap::new(),
            alerts: BTreeSet::new(),
            begins: false,
            version: 0,
            clock,
        }
    }

    /// The messages for something that is to be said.
    pub(super) fn messages(&mut self, update: &Update) -> Vec<Message> {
        match update {
            Update::Thing(thing) => self.announce(thing),
            Update::State(path, values) => self.values(path, values),
            Update::Attributes(path, name, value) => {
                let mut messages = vec![self.property(path, name, value.to_string())];
                if path.is_empty() {
                    messages.extend(self.alerts(value));
                }
                messages
            }
            Update::Status(path, online) => {
                self.online.insert(path.clone(), *online);
                let relies = |device: &&Device| device.thing.relies_on.as_ref() == Some(path);
                let of_them = self.devices.values().filter(relies);
                of_them
                    .map(|device| self.state(&device.thing.path, self.word(&device.thing)))
                    .collect()
            }
            Update::Gone(path) => self.remove(path),
            Update::Event(event) => {
                // Momentary: not retained, at most once.
                let mut message = self.property("", "event", event.to_string());
                (message.retain, message.qos) = (false, Qos::Zero);
                vec![message]
            }
        }
    }

    /// What the broker says when the connection is lost.
    pub(super) fn last_will(&self) -> Message {
        self.state("", "lost")
    }

    /// Begins anew with a broker: everything comes behind this.
    pub(super) fn begin(&mut self) -> Vec<Message> {
        self.begins = true;
        vec![self.state("", "init")]
    }

    /// Everything was said.
    pub(super) fn ready(&mut self) -> Vec<Message> {
        self.begins = false;
        vec![self.describe_root(), self.state("", "ready")]
    }

    /// The goodbye: a child's own state would otherwise stay as it is.
    pub(super) fn farewell(&self) -> Vec<Message> {
        let children = self.devices.keys().filter(|path| !path.is_empty());
        let mut messages: Vec<Message> = children
            .map(|path| self.state(path, "disconnected"))
            .collect();
        messages.push(self.state("", "disconnected"));
        messages
    }

    /// Where requests come.
    pub(super) fn subscription(&self) -> Option<String> {
        (!self.commands.is_empty()).then(|| "homie/5/+/+/+/set".to_owned())
    }

    /// The path and the command of a topic on which a request came.
    pub(super) fn request(&self, topic: &str) -> Option<(String, String)> {
        let mut levels = topic.strip_prefix("homie/5/")?.split('/');
        let (device, _node) = (levels.next()?, levels.next()?);
        let (property, set) = (levels.next()?, levels.next()?);
        let (path, known) = self
            .devices
            .iter()
            .find(|(path, _)| self.id(path) == device)?;
        let is_it = |point: &&Point| slug(&point.key) == property;
        let point = known.thing.points.iter().find(is_it)?;
        match point.kind {
            Kind::Button(command) if set == "set" => Some((path.clone(), command.to_owned())),
            _ => None,
        }
    }

    fn id(&self, path: &str) -> String {
        match path {
            "" => self.root.clone(),
            path => format!("{}-{}", self.root, slug(path)),
        }
    }

    fn attribute(&self, path: &str, attribute: &str, payload: String) -> Message {
        Message {
            qos: Qos::Two,
            ..Message::retained(format!("homie/5/{}/{attribute}", self.id(path)), payload)
        }
    }

    fn state(&self, path: &str, state: &str) -> Message {
        Message {
            in_order: true,
            ..self.attribute(path, "$state", state.to_owned())
        }
    }

    fn property(&self, path: &str, key: &str, payload: String) -> Message {
        self.attribute(path, &format!("{}/{}", node(path), slug(key)), payload)
    }

    /// What a child is, by the word of what it relies on.
    fn word(&self, thing: &Thing) -> &'static str {
        let online = thing.relies_on.as_ref();
        match online.and_then(|path| self.online.get(path)) {
            Some(false) => "lost",
            _ => "ready",
        }
    }

    fn announce(&mut self, thing: &Thing) -> Vec<Message> {
        let path = thing.path.clone();
        let device = Device {
            thing: thing.clone(),
            waits: true,
        };
        let is_new = self.devices.insert(path.clone(), device).is_none();
        if path.is_empty() {
            return self.redescribe_root();
        }
        let description = self.description(thing);
        let mut messages = vec![
            self.state(&path, "init"),
            Message {
                in_order: true,
                ..self.attribute(&path, "$description", description.to_string())
            },
        ];
        if is_new {
            messages.extend(self.redescribe_root());
        }
        messages
    }

    fn redescribe_root(&mut self) -> Vec<Message> {
        if self.begins {
            return Vec::new();
        }
        vec![
            self.state("", "init"),
            self.describe_root(),
            self.state("", "ready"),
        ]
    }

    fn describe_root(&mut self) -> Message {
        let mut description = match self.devices.get("") {
            Some(root) => {
                let thing = root.thing.clone();
                self.description(&thing)
            }
            None => Map::from_iter([
                ("homie".to_owned(), json!("5.0")),
                ("version".to_owned(), json!(self.next_version())),
            ])
            .into(),
        };
        let children = self.devices.keys().filter(|path| !path.is_empty());
        let children: Vec<String> = children.map(|path| self.id(path)).collect();
        if let Value::Object(members) = &mut description {
            members.insert("children".to_owned(), json!(children));
        }
        Message {
            in_order: true,
            ..self.attribute("", "$description", description.to_string())
        }
    }

    /// Higher than every one before: the milliseconds of the clock, or one more.
    fn next_version(&mut self) -> i64 {
        self.version = (self.version + 1).max(self.clock.now().as_millisecond());
        self.version
    }

    fn description(&mut self, thing: &Thing) -> Value {
        let mut properties = Map::new();
        for point in &thing.points {
            if let Some(property) = property(point, &self.commands) {
                properties.insert(slug(&point.key), property);
            }
            if let Some(name) = point.attributes {
                let more = json!({ "name": title(name), "datatype": "json" });
                properties.insert(slug(name), more);
            }
        }
        let mut description = json!({
            "homie": "5.0",
            "version": self.next_version(),
            "name": thing.name,
            "nodes": { node(&thing.path): { "name": thing.name, "properties": properties } },
        });
        if let (false, Value::Object(members)) = (thing.path.is_empty(), &mut description) {
            members.insert("root".to_owned(), json!(self.root));
        }
        description
    }

    fn values(&mut self, path: &str, values: &Values) -> Vec<Message> {
        let Some(device) = self.devices.get(path) else {
            return Vec::new();
        };
        let of = |point: &Point| {
            let value = values.iter().find(|(key, _)| *key == point.key);
            let value: Value = serde_json::from_str(&value?.1).ok()?;
            let raw = values.iter().find(|(key, _)| *key == point.key)?.1.clone();
            Some(self.property(path, &point.key, payload(point, &value, raw)))
        };
        let mut messages: Vec<Message> = device.thing.points.iter().filter_map(of).collect();
        if device.waits {
            // A thing that has a status of its own waits for that.
            let own = device.thing.relies_on.as_deref() == Some(path);
            if !own && !path.is_empty() {
                messages.push(self.state(path, self.word(&device.thing)));
            }
            if let Some(device) = self.devices.get_mut(path) {
                device.waits = false;
            }
        }
        messages
    }

    fn remove(&mut self, path: &str) -> Vec<Message> {
        let Some(device) = self.devices.remove(path) else {
            return Vec::new();
        };
        let gone = |mut message: Message| {
            message.payload.clear();
            message.keep = true;
            message
        };
        // First its state: with that the device ceases to be.
        let mut messages = vec![
            gone(self.state(path, "")),
            gone(self.attribute(path, "$description", String::new())),
        ];
        for point in &device.thing.points {
            messages.push(gone(self.property(path, &point.key, String::new())));
        }
        messages.extend(self.redescribe_root());
        messages
    }

    /// What is wrong with the home, as alerts of the root.
    fn alerts(&mut self, notices: &Value) -> Vec<Message> {
        let notices = notices.get("notices").and_then(Value::as_array);
        let alert = |notice: &Value| {
            let word = |key: &str| notice.get(key).and_then(Value::as_str);
            let id = [word("code")?, word("meter").unwrap_or_default()].join("-");
            Some((slug(&id), word("text")?.to_owned()))
        };
        let now: BTreeMap<String, String> =
            notices.into_iter().flatten().filter_map(alert).collect();
        let over: Vec<String> = self
            .alerts
            .iter()
            .filter(|id| !now.contains_key(*id))
            .cloned()
            .collect();
        self.alerts = now.keys().cloned().collect();
        let said = now
            .into_iter()
            .chain(over.into_iter().map(|id| (id, String::new())));
        said.map(|(id, text)| self.attribute("", &format!("$alert/{id}"), text))
            .collect()
    }
}

/// A property's description; `None` for a point that is none here.
fn property(point: &Point, commands: &[MqttCommand]) -> Option<Value> {
    let mut property = json!({ "name": point.name });
    let Value::Object(members) = &mut property else {
        return None;
    };
    let mut put = |key: &str, value: Value| drop(members.insert(key.to_owned(), value));
    match point.kind {
        // The device's own `$state` says it.
        Kind::Connection => return None,
        // Its state is a property of its own; it is switched by wattle's own topic.
        Kind::Switch { .. } => return None,
        Kind::Button(command) if !commands.iter().any(|one| one.takes(command)) => return None,
        Kind::Binary => put("datatype", json!("boolean")),
        Kind::Event(_) => {
            put("datatype", json!("json"));
            put("retained", json!(false));
        }
        Kind::Button(_) => {
            put("datatype", json!("enum"));
            put("format", json!(PRESS));
            put("settable", json!(true));
            put("retained", json!(false));
        }
        Kind::Sensor if !point.options.is_empty() => {
            put("datatype", json!("enum"));
            put("format", json!(point.options.join(",")));
        }
        Kind::Sensor if point.device_class == Some("timestamp") => {
            put("datatype", json!("datetime"));
        }
        Kind::Sensor if is_number(point) => put("datatype", json!("float")),
        Kind::Sensor | Kind::Update(_) => put("datatype", json!("string")),
    }
    if let Some(unit) = &point.unit {
        put("unit", json!(unit));
    }
    Some(property)
}

fn is_number(point: &Point) -> bool {
    point.unit.is_some() || point.state_class.is_some()
}

/// A value as Homie writes it; empty where there is none.
fn payload(point: &Point, value: &Value, raw: String) -> String {
    match (point.kind, value) {
        (_, Value::Null) => String::new(),
        (Kind::Binary, Value::String(on)) => (on == "ON").to_string(),
        (_, Value::String(text)) if is_number(point) && !text.is_empty() => String::new(),
        (_, Value::String(text)) => text.clone(),
        // The digits as the meter gave them.
        _ => raw,
    }
}

/// The one node of the device at a path.
fn node(path: &str) -> &str {
    match path.split('/').next() {
        Some(first) if !first.is_empty() => first,
        _ => "gateway",
    }
}

fn title(name: &str) -> String {
    super::thing::title(name)
}

/// A text as an identifier of Homie: small letters, digits and hyphens.
fn slug(text: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    text.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    fn homie() -> Homie {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        Homie::new(&topics, &[], Arc::new(SystemClock))
    }

    fn thing(path: &str, points: Vec<Point>) -> Thing {
        Thing {
            path: path.to_owned(),
            ident: String::new(),
            name: "House".to_owned(),
            manufacturer: None,
            model: None,
            serial: None,
            relies_on: Some(path.to_owned()).filter(|path| path.starts_with("meter")),
            points,
        }
    }

    fn said(messages: &[Message]) -> Vec<String> {
        let of = |message: &Message| {
            let topic = message.topic.trim_start_matches("homie/5/wattle-0a1b2c");
            match message.topic.ends_with("$description") {
                true => format!("{topic} …"),
                false => format!("{topic} {}", message.payload),
            }
        };
        messages.iter().map(of).collect()
    }

    #[test]
    fn a_description_changes_only_in_init_and_values_come_before_ready() {
        let mut homie = homie();
        let power = Point {
            unit: Some("W".to_owned()),
            ..Point::new(Kind::Sensor, "power_w", "Power")
        };
        let path = "meter/1EMH";
        let mut messages = homie.messages(&Update::Thing(thing(path, vec![power])));
        let values = vec![("power_w".to_owned(), "105.50".to_owned())];
        messages.extend(homie.messages(&Update::State(path.to_owned(), values)));
        messages.extend(homie.messages(&Update::Status(path.to_owned(), true)));
        assert_eq!(
            said(&messages),
            [
                "-meter-1emh/$state init",
                "-meter-1emh/$description …",
                "/$state init",
                "/$description …",
                "/$state ready",
                "-meter-1emh/meter/power-w 105.50",
                "-meter-1emh/$state ready",
            ]
        );
        assert!(messages.iter().all(|m| m.retain && m.qos == Qos::Two));
        let root: Value = serde_json::from_str(&messages[3].payload).unwrap();
        assert_eq!(root["children"][0], "wattle-0a1b2c-meter-1emh");
        assert!(root.get("root").is_none());
        let child: Value = serde_json::from_str(&messages[1].payload).unwrap();
        assert_eq!(child["root"], "wattle-0a1b2c");
        assert!(root["version"].as_i64() > child["version"].as_i64());
        let silent = homie.messages(&Update::Status(path.to_owned(), false));
        assert_eq!(said(&silent), ["-meter-1emh/$state lost"]);
        let gone = homie.messages(&Update::Gone(path.to_owned()));
        assert_eq!(said(&gone)[0], "-meter-1emh/$state ");
    }

    #[test]
    fn a_value_that_is_not_known_has_no_topic() {
        let mut homie = homie();
        let point = Point {
            device_class: Some("timestamp"),
            ..Point::new(Kind::Sensor, "next_start", "Next")
        };
        homie.messages(&Update::Thing(thing("price", vec![point])));
        let values = |value: &str| {
            let values = vec![("next_start".to_owned(), value.to_owned())];
            Update::State("price".to_owned(), values)
        };
        assert_eq!(
            said(&homie.messages(&values("\"2026-11-22T10:00:00Z\""))),
            [
                "-price/price/next-start 2026-11-22T10:00:00Z",
                "-price/$state ready"
            ]
        );
        assert_eq!(
            said(&homie.messages(&values("null"))),
            ["-price/price/next-start "]
        );
    }

    #[test]
    fn notices_are_alerts_until_they_are_over() {
        let mut homie = homie();
        let notices =
            |list: Value| Update::Attributes(String::new(), "notices", json!({ "notices": list }));
        let lost = json!([{ "code": "port_lost", "meter": "house", "text": "Its port is gone." }]);
        let raised = homie.messages(&notices(lost));
        assert_eq!(
            said(&raised)[1],
            "/$alert/port-lost-house Its port is gone."
        );
        let over = homie.messages(&notices(json!([])));
        assert_eq!(said(&over)[1], "/$alert/port-lost-house ");
    }
}
