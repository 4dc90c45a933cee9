//! What may be asked of the gateway over MQTT: nothing, unless the configuration names it.
//!
//! A request is a JSON object on `…/set` of a thing, not retained; the answer goes to `…/result`
//! with the request's `id`. No command disconnects a supply: there is none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::thing::{Message, Topics};
use crate::bus::{Bus, Event};
use crate::config::MqttCommand;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    command: String,
    /// Comes back with the answer.
    #[serde(default)]
    id: Option<Value>,
}

impl Commands {
    pub(super) fn new(topics: Topics, allowed: Vec<MqttCommand>) -> Self {
        Self {
            topics,
            allowed,
            read: BTreeMap::new(),
        }
    }

    /// Whether any are.
    pub(super) fn any(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// What to listen to.
    pub(super) fn subscription(&self) -> Option<String> {
        self.any().then(|| self.topics.at("+/+/set"))
    }

    /// The answer to a request; `None` when the topic is no place for one. `asked_at` names the
    /// meter at a path that can be asked at once.
    pub(super) fn take(
        &mut self,
        topic: &str,
        payload: &[u8],
        asked_at: impl FnOnce(&str) -> Option<String>,
        bus: &Bus,
        now: Instant,
    ) -> Option<Message> {
        let below = topic.strip_prefix(&self.topics.at(""))?;
        let path = below.strip_prefix('/')?.strip_suffix("/set")?;
        let request = match serde_json::from_slice::<Request>(payload) {
            Ok(request) if payload.len() <= LONGEST => request,
            Ok(_) => return Some(self.answer(path, None, Err("the request is too long"))),
            Err(_) => {
                let rule = r#"a request is a JSON object such as {"command":"read"}"#;
                return Some(self.answer(path, None, Err(rule)));
            }
        };
        let done = match request.command.as_str() {
            "read" if self.allowed.contains(&MqttCommand::Read) => {
                self.read(asked_at(path), bus, now)
            }
            "read" => Err("mqtt.commands does not allow it"),
            _ => Err("there is no such command"),
        };
        Some(self.answer(path, Some(&request), done))
    }

    fn read(&mut self, meter: Option<String>, bus: &Bus, now: Instant) -> Result<(), &'static str> {
        let name = meter.ok_or("no meter here answers when asked")?;
        let before = self.read.get(&name);
        if before.is_some_and(|at| now.duration_since(*at) < READ_EVERY) {
            return Err("it was asked within the last ten seconds");
        }
        self.read.insert(name.clone(), now);
        bus.send(Event::ReadNow(name));
        Ok(())
    }

    fn answer(
        &self,
        path: &str,
        request: Option<&Request>,
        done: Result<(), &'static str>,
    ) -> Message {
        let answer = json!({
            "command": request.map(|request| &request.command),
            "id": request.and_then(|request| request.id.as_ref()),
            "ok": done.is_ok(),
            "error": done.err(),
        });
        let topic = format!("{}/result", self.topics.at(path));
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
        let bus = Bus::default();
        let mut events = bus.listen();
        let now = Instant::now();
        let meter = |path: &str| (path == "meter/A1").then(|| "house".to_owned());
        let ask = |commands: &mut Commands, path: &str, payload: &str| {
            let topic = format!("wattle/0a1b2c/{path}/set");
            let answer = commands.take(&topic, payload.as_bytes(), meter, &bus, now)?;
            assert_eq!(answer.topic, format!("wattle/0a1b2c/{path}/result"));
            assert!(!answer.retain);
            let answer: Value = serde_json::from_str(&answer.payload).unwrap();
            Some((answer["ok"].as_bool().unwrap(), answer["id"].clone()))
        };
        let mut open = commands(&[MqttCommand::Read]);
        let read = r#"{"command":"read","id":7}"#;
        let refused = Some((false, Value::Null));
        for (path, payload, want) in [
            ("meter/A1", read, Some((true, json!(7)))),
            ("meter/A1", read, Some((false, json!(7)))),
            ("meter/B2", r#"{"command":"read"}"#, refused.clone()),
            ("meter/A1", r#"{"command":"disconnect"}"#, refused.clone()),
            ("meter/A1", r#"{"command":"read","to":1}"#, refused.clone()),
            ("meter/A1", "ON", refused.clone()),
        ] {
            assert_eq!(ask(&mut open, path, payload), want, "{path} {payload}");
        }
        assert!(matches!(events.try_recv(), Ok(Event::ReadNow(name)) if name == "house"));
        assert!(events.try_recv().is_err(), "it was asked once");
        let mut closed = commands(&[]);
        assert_eq!(closed.subscription(), None);
        assert_eq!(ask(&mut closed, "meter/A1", read), Some((false, json!(7))));
        let elsewhere = closed.take("other/0a1b2c/meter/A1/set", b"{}", meter, &bus, now);
        assert_eq!(elsewhere, None);
    }
}
