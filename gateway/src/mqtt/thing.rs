//! The home as home automations see it, before any convention of theirs: things with points, what
//! their values are, and whether they can be relied on.

use serde_json::{Value, json};

/// Where everything of this gateway goes.
#[derive(Clone, Debug)]
pub(super) struct Topics {
    pub(super) topic_prefix: String,
    pub(super) discovery_prefix: String,
    pub(super) gateway: String,
}

impl Topics {
    /// The topic at a path below the gateway's.
    pub(super) fn at(&self, path: &str) -> String {
        match path {
            "" => format!("{}/{}", self.topic_prefix, self.gateway),
            path => format!("{}/{}/{path}", self.topic_prefix, self.gateway),
        }
    }

    /// `online` or, by the last will, `offline`.
    pub(super) fn gateway_status(&self) -> String {
        self.at("status")
    }

    /// Home Assistant says `online` here when it has started.
    pub(super) fn birth(&self) -> String {
        format!("{}/status", self.discovery_prefix)
    }

    /// A topic of the radio part.
    pub(super) fn radio(&self, leaf: &str) -> String {
        self.at(&format!("radio/{leaf}"))
    }

    /// What the gateway's unique ids begin with.
    pub(super) fn node(&self) -> String {
        format!("wattle_{}", self.gateway)
    }
}

/// A message for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: String,
    /// The broker gives it to whoever comes later.
    pub(super) retain: bool,
    /// It must reach the broker however long that is away: nobody says it again.
    pub(super) keep: bool,
    /// One step of several: a later message of the topic comes after it, not in its place.
    pub(super) in_order: bool,
    /// How surely it is to arrive.
    pub(super) qos: Qos,
}

/// How surely a message is to arrive (MQTT 5, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qos {
    /// At most once.
    Zero,
    /// At least once.
    One,
    /// Exactly once.
    Two,
}

impl Message {
    /// A value that holds until the next one.
    pub(super) fn retained(topic: String, payload: String) -> Self {
        Self {
            topic,
            payload,
            retain: true,
            keep: false,
            in_order: false,
            qos: Qos::One,
        }
    }

    /// Something that has happened.
    pub(super) fn event(topic: String, payload: String) -> Self {
        Self {
            retain: false,
            keep: true,
            ..Self::retained(topic, payload)
        }
    }

    /// The answer to somebody who waits for it.
    pub(super) fn answer(topic: String, payload: String) -> Self {
        Self {
            retain: false,
            ..Self::retained(topic, payload)
        }
    }

    /// Takes back what is retained.
    pub(super) fn taken_back(topic: String) -> Self {
        Self {
            keep: true,
            in_order: true,
            ..Self::retained(topic, String::new())
        }
    }
}

/// A device of the home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thing {
    /// Its topics below the gateway's, such as `meter/1EMH0012345678`; empty for the gateway.
    pub(super) path: String,
    /// What its unique ids begin with, `wattle_0a1b2c_1emh0012345678`.
    pub(super) ident: String,
    /// Its name for people.
    pub(super) name: String,
    /// Its maker.
    pub(super) manufacturer: Option<String>,
    /// What it is.
    pub(super) model: Option<String>,
    /// Its serial number.
    pub(super) serial: Option<String>,
    /// Beside the gateway itself, whose status says whether this can be relied on: its own path,
    /// or that of what it is derived from.
    pub(super) relies_on: Option<String>,
    /// What it tells and takes.
    pub(super) points: Vec<Point>,
}

/// What kind of entity a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number or a text.
    Sensor,
    /// `ON` or `OFF`.
    Binary,
    /// Whether the gateway is connected: its status topic.
    Connection,
    /// Things that happen, on the topic `event`, of these types.
    Event(&'static [&'static str]),
    /// Something that can be asked for with this command.
    Button(&'static str),
    /// Firmware that can be brought up to date with this command; the topic of its attributes says
    /// what there is and how far it is.
    Update(&'static str),
    /// A relay, `on` or `off`, that is switched with these commands.
    Switch {
        /// Switches it on.
        on: &'static str,
        /// Switches it off.
        off: &'static str,
    },
}

/// Something that a thing tells or takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) kind: Kind,
    /// Member of the state message.
    pub(super) key: String,
    /// End of the unique id.
    pub(super) id: String,
    /// End of the entity's id.
    pub(super) object: String,
    /// Name for people, without the thing's.
    pub(super) name: String,
    /// Home Assistant's device class, where one fits.
    pub(super) device_class: Option<&'static str>,
    /// `total_increasing`, `total` or `measurement`.
    pub(super) state_class: Option<&'static str>,
    /// Unit in Home Assistant's spelling.
    pub(super) unit: Option<String>,
    /// Decimals worth showing.
    pub(super) precision: Option<u8>,
    /// Seconds after which the value is no longer true.
    pub(super) expire_after_s: Option<u64>,
    /// Of interest only when something is wrong.
    pub(super) diagnostic: bool,
    /// Member of the state message with the instant from which a `total` counts.
    pub(super) last_reset: Option<&'static str>,
    /// Topic, below the thing's, of a JSON object that says more.
    pub(super) attributes: Option<&'static str>,
    /// The values of an enumeration.
    pub(super) options: &'static [&'static str],
}

impl Point {
    /// A sensor; unique id and entity id end in the key.
    pub(super) fn new(kind: Kind, key: &str, name: &str) -> Self {
        Self {
            kind,
            key: key.to_owned(),
            id: key.to_owned(),
            object: key.to_owned(),
            name: name.to_owned(),
            device_class: None,
            state_class: None,
            unit: None,
            precision: None,
            expire_after_s: None,
            diagnostic: false,
            last_reset: None,
            attributes: None,
            options: &[],
        }
    }
}

/// Values by key, each as JSON.
pub(super) type Values = Vec<(String, String)>;

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// There is a thing, or there is more to it.
    Thing(Thing),
    /// All present values of the thing at a path.
    State(String, Values),
    /// A JSON object that says more about a point of the thing at a path, under this name.
    Attributes(String, &'static str, Value),
    /// Whether the thing at a path is heard.
    Status(String, bool),
    /// The thing at a path is no more.
    Gone(String),
    /// Something has happened; `event_type` says what.
    Event(Value),
}

/// A JSON text.
pub(super) fn text(text: &str) -> String {
    json!(text).to_string()
}

/// A serial number as a topic level: `+`, `#` and `/` have a meaning there.
pub(super) fn level(serial: &str) -> String {
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

/// The path of a meter.
pub(super) fn meter_path(serial: &str) -> String {
    format!("meter/{}", level(serial))
}

/// A configured name as a title: its first letter large.
pub(super) fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
