//! What may be asked of the gateway over MQTT: nothing, unless the configuration names it.
//!
//! A request is a JSON object on `…/set` of a thing, not retained; the answer goes to `…/result`
//! with the request's `id`. No command disconnects a supply: that takes two signatures.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use wattle_api::OptState;

use super::household::{GRID, ZIGBEE, ZIGBEE_DEVICE};
use super::thing::{Message, Topics};
use crate::config::MqttCommand;
use crate::zigbee::{JOIN_S, LONGEST_JOIN_S};

/// Octets of the longest request.
const LONGEST: usize = 1_024;
/// A meter is asked out of turn at most this often.
const READ_EVERY: Duration = Duration::from_secs(10);

/// The commands that are taken.
#[derive(Debug)]
pub(super) struct Commands {
    topics: Topics,
    allowed: Vec<MqttCommand>,
    /// When each meter was asked out of turn.
    read: BTreeMap<String, Instant>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Read the meter at a path at once.
    Read(String),
    /// Switch the relay of the plug at a path.
    Switch {
        /// The plug's path.
        path: String,
        /// On or off.
        on: bool,
    },
    /// Let the Zigbee device of an address have its newest firmware.
    Upgrade(u64),
    /// Survey the Zigbee network.
    Survey,
    /// Exchange the key of the Zigbee network.
    RotateKey,
    /// Let Zigbee devices in for so many seconds; 0 ends it.
    Join(u8),
    /// Take part in what the utility asks for, or not: in this event, or in the next one that
    /// leaves a choice.
    Choose {
        /// Its identifier.
        event: Option<String>,
        /// The household's word.
        opt: OptState,
    },
}

/// To whom an answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    path: String,
    command: Option<String>,
    id: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    command: String,
    /// Comes back with the answer.
    #[serde(default)]
    id: Option<Value>,
    /// Which event.
    #[serde(default)]
    event: Option<String>,
    /// How long devices are let in.
    #[serde(default)]
    seconds: Option<u8>,
}

impl Commands {
    pub(super) fn new(topics: Topics, allowed: Vec<MqttCommand>) -> Self {
        Self {
            topics,
            allowed,
            read: BTreeMap::new(),
        }
    }

    /// What to listen to.
    pub(super) fn subscription(&self) -> Option<String> {
        (!self.allowed.is_empty()).then(|| self.topics.at("+/+/set"))
    }

    /// What a request asks for, or why it is refused; `None` when the topic is no place for one.
    pub(super) fn parse(
        &self,
        topic: &str,
        payload: &[u8],
    ) -> Option<(Ticket, Result<Order, &'static str>)> {
        let below = topic.strip_prefix(&self.topics.at(""))?;
        let path = below.strip_prefix('/')?.strip_suffix("/set")?;
        let mut ticket = Ticket {
            path: path.to_owned(),
            command: None,
            id: None,
        };
        if payload.len() > LONGEST {
            return Some((ticket, Err("the request is too long")));
        }
        let Ok(request) = serde_json::from_slice::<Request>(payload) else {
            let rule = r#"a request is a JSON object such as {"command":"read"}"#;
            return Some((ticket, Err(rule)));
        };
        let order = self.order(path, &request);
        ticket.command = Some(request.command);
        ticket.id = request.id;
        Some((ticket, order))
    }

    fn order(&self, path: &str, request: &Request) -> Result<Order, &'static str> {
        let command = request.command.as_str();
        if !MqttCommand::ALL.iter().any(|known| known.takes(command)) {
            return Err("there is no such command");
        }
        if !self.allowed.iter().any(|allowed| allowed.takes(command)) {
            return Err("mqtt.commands does not allow it");
        }
        if request.event.is_some() && path != GRID {
            return Err("event is for the events of the grid");
        }
        if request.seconds.is_some() && command != "permit-join" {
            return Err("seconds is for permit-join");
        }
        let choose = |opt| Order::Choose {
            event: request.event.clone(),
            opt,
        };
        match (command, path) {
            ("opt-out", GRID) => Ok(choose(OptState::Out)),
            ("opt-in", GRID) => Ok(choose(OptState::In)),
            ("permit-join", ZIGBEE) => match request.seconds.unwrap_or(JOIN_S) {
                seconds @ 1..=LONGEST_JOIN_S => Ok(Order::Join(seconds)),
                _ => Err("seconds: 1 to 254"),
            },
            ("end-join", ZIGBEE) => Ok(Order::Join(0)),
            ("survey", ZIGBEE) => Ok(Order::Survey),
            ("rotate-key", ZIGBEE) => Ok(Order::RotateKey),
            ("switch-on" | "switch-off", _) => Ok(Order::Switch {
                path: path.to_owned(),
                on: command == "switch-on",
            }),
            ("update", path) => {
                let ieee = path.strip_prefix(ZIGBEE_DEVICE).filter(|id| id.len() == 16);
                let ieee = ieee.and_then(|id| u64::from_str_radix(id, 16).ok());
                ieee.map(Order::Upgrade).ok_or("it is not for this topic")
            }
            ("read", _) => Ok(Order::Read(path.to_owned())),
            _ => Err("it is not for this topic"),
        }
    }

    /// Whether a meter may be asked out of turn now.
    pub(super) fn may_read(&mut self, meter: &str, now: Instant) -> Result<(), &'static str> {
        let before = self.read.get(meter);
        if before.is_some_and(|at| now.duration_since(*at) < READ_EVERY) {
            return Err("it was asked within the last ten seconds");
        }
        self.read.insert(meter.to_owned(), now);
        Ok(())
    }

    /// The answer to a request.
    pub(super) fn answer(&self, ticket: &Ticket, done: &Result<(), String>) -> Message {
        let answer = json!({
            "command": ticket.command,
            "id": ticket.id,
            "ok": done.is_ok(),
            "error": done.as_ref().err(),
        });
        let topic = format!("{}/result", self.topics.at(&ticket.path));
        Message::answer(topic, answer.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(allowed: &[MqttCommand]) -> Commands {
        let topics = Topics {
            topic_prefix: "wattle".to_owned(),
            discovery_prefix: "homeassistant".to_owned(),
            gateway: "0a1b2c".to_owned(),
        };
        Commands::new(topics, allowed.to_vec())
    }

    #[test]
    fn only_what_is_allowed_and_well_formed_is_done() {
        let open = commands(&MqttCommand::ALL);
        let ask = |commands: &Commands, path: &str, payload: &str| {
            let topic = format!("wattle/0a1b2c/{path}/set");
            let (ticket, order) = commands.parse(&topic, payload.as_bytes())?;
            let done = order.clone().map(drop).map_err(str::to_owned);
            let answer = commands.answer(&ticket, &done);
            assert_eq!(answer.topic, format!("wattle/0a1b2c/{path}/result"));
            assert!(!answer.retain);
            let answer: Value = serde_json::from_str(&answer.payload).unwrap();
            assert_eq!(answer["ok"], order.is_ok());
            Some((order.ok(), answer["id"].clone()))
        };
        let read = r#"{"command":"read","id":7}"#;
        let out = r#"{"command":"opt-out","event":"openadr:e1"}"#;
        let chosen = Order::Choose {
            event: Some("openadr:e1".to_owned()),
            opt: OptState::Out,
        };
        let order = Order::Read("meter/A1".to_owned());
        let join = |seconds| (Some(Order::Join(seconds)), Value::Null);
        let none = (None, Value::Null);
        let off = Order::Switch {
            path: "meter/A1".to_owned(),
            on: false,
        };
        for (path, payload, want) in [
            ("meter/A1", read, (Some(order), json!(7))),
            (
                "meter/A1",
                r#"{"command":"switch-off"}"#,
                (Some(off), Value::Null),
            ),
            (GRID, out, (Some(chosen), Value::Null)),
            (ZIGBEE, r#"{"command":"permit-join"}"#, join(120)),
            (
                ZIGBEE,
                r#"{"command":"permit-join","seconds":254}"#,
                join(254),
            ),
            (
                ZIGBEE,
                r#"{"command":"permit-join","seconds":255}"#,
                none.clone(),
            ),
            (
                ZIGBEE,
                r#"{"command":"permit-join","seconds":0}"#,
                none.clone(),
            ),
            (
                ZIGBEE,
                r#"{"command":"permit-join","seconds":-1}"#,
                none.clone(),
            ),
            (ZIGBEE, r#"{"command":"end-join"}"#, join(0)),
            (
                ZIGBEE,
                r#"{"command":"end-join","seconds":9}"#,
                none.clone(),
            ),
            (
                "zigbee/00124b0000000001",
                r#"{"command":"update"}"#,
                (Some(Order::Upgrade(0x0012_4B00_0000_0001)), Value::Null),
            ),
            ("zigbee/1", r#"{"command":"update"}"#, none.clone()),
            (
                ZIGBEE,
                r#"{"command":"survey"}"#,
                (Some(Order::Survey), Value::Null),
            ),
            (
                ZIGBEE,
                r#"{"command":"rotate-key"}"#,
                (Some(Order::RotateKey), Value::Null),
            ),
            ("meter/A1", r#"{"command":"rotate-key"}"#, none.clone()),
            ("meter/A1", r#"{"command":"permit-join"}"#, none),
            ("meter/A1", out, (None, Value::Null)),
            (
                "meter/A1",
                r#"{"command":"disconnect"}"#,
                (None, Value::Null),
            ),
            (
                "meter/A1",
                r#"{"command":"read","to":1}"#,
                (None, Value::Null),
            ),
            ("meter/A1", "ON", (None, Value::Null)),
        ] {
            assert_eq!(ask(&open, path, payload), Some(want), "{path} {payload}");
        }
        let closed = commands(&[]);
        assert_eq!(closed.subscription(), None);
        assert_eq!(ask(&closed, "meter/A1", read), Some((None, json!(7))));
        let one = commands(&[MqttCommand::Read]);
        assert_eq!(ask(&one, GRID, out), Some((None, Value::Null)));
        assert_eq!(open.parse("other/0a1b2c/meter/A1/set", b"{}"), None);
    }

    #[test]
    fn a_meter_is_not_asked_again_and_again() {
        let mut commands = commands(&[MqttCommand::Read]);
        let now = Instant::now();
        assert!(commands.may_read("house", now).is_ok());
        assert!(commands.may_read("house", now + READ_EVERY / 2).is_err());
        assert!(commands.may_read("garage", now).is_ok());
        assert!(commands.may_read("house", now + READ_EVERY).is_ok());
    }
}
