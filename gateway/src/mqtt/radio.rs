//! The radio part over MQTT: the meters heard, taking one on, and telegrams that come by MQTT.

use std::sync::Arc;
use std::time::Duration;

use meter_link::wmbus::receiver::{self, Line};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use wattle_api::{AdoptMeter, HeardMeter};

use super::thing::{Message, Topics};
use crate::clock::SharedClock;
use crate::config::{ReceiverConfig, ReceiverPort};
use crate::radio::Handle;

/// The list of meters heard is published at most this often.
const EVERY: Duration = Duration::from_secs(10);
/// The nearest so many are in it.
const LISTED: usize = 100;

/// The radio part as MQTT sees it.
pub(super) struct Radio {
    handle: Handle,
    heard: watch::Receiver<Arc<Vec<HeardMeter>>>,
    published: Option<Instant>,
    /// Topics on which telegrams come, and the receivers they stand for.
    telegrams: Vec<(String, String)>,
}

impl Radio {
    pub(super) fn new(handle: Handle, receivers: &[ReceiverConfig]) -> Self {
        let telegrams = receivers
            .iter()
            .filter_map(|receiver| match receiver.place() {
                ReceiverPort::Mqtt(topic) => Some((topic, receiver.name.clone())),
                _ => None,
            });
        Self {
            heard: handle.watch_heard(),
            handle,
            published: None,
            telegrams: telegrams.collect(),
        }
    }

    /// Topics to listen to.
    pub(super) fn subscriptions(&self, topics: &Topics) -> Vec<String> {
        let telegrams = self.telegrams.iter().map(|(topic, _)| topic.clone());
        telegrams.chain([topics.radio("adopt")]).collect()
    }

    /// The list of meters heard, when it is time for another.
    pub(super) fn list(&mut self, topics: &Topics) -> Option<Message> {
        let due = self.published.is_none_or(|at| at.elapsed() >= EVERY);
        if !due || !(self.heard.has_changed().unwrap_or(false) || self.published.is_none()) {
            return None;
        }
        self.published = Some(Instant::now());
        let heard = Arc::clone(&self.heard.borrow_and_update());
        let nearest: Vec<&HeardMeter> = heard.iter().take(LISTED).collect();
        Some(Message::retained(
            topics.radio("heard"),
            json!(nearest).to_string(),
        ))
    }

    /// Publishes the list again at the next opportunity.
    pub(super) fn forget(&mut self) {
        self.published = None;
    }

    /// Takes what was published by others; the answer to a request.
    pub(super) async fn take(
        &self,
        topics: &Topics,
        topic: &str,
        payload: &[u8],
        clock: &SharedClock,
    ) -> Option<Message> {
        if topic == topics.radio("adopt") {
            let answer = match serde_json::from_slice::<AdoptMeter>(payload) {
                // It may hold a key, so it is not repeated.
                Err(_) => {
                    json!({ "error": "the payload is not the JSON of a meter to be taken on" })
                }
                Ok(request) => match self.handle.adopt(request).await {
                    Ok(Ok(adopted)) => json!(adopted),
                    Ok(Err(refused)) => json!({ "error": refused.to_string() }),
                    Err(unavailable) => json!({ "error": unavailable.to_string() }),
                },
            };
            return Some(Message::answer(topics.radio("adopted"), answer.to_string()));
        }
        let matches = |filter: &str| topic_matches(filter, topic);
        let receiver = self.telegrams.iter().find(|(filter, _)| matches(filter));
        if let (Some((_, receiver)), Ok(text)) = (receiver, std::str::from_utf8(payload)) {
            for line in text.lines() {
                if let Ok(Line::Frame(frame)) = receiver::line(line) {
                    self.handle.frame(receiver, clock.now(), frame).await;
                }
            }
        }
        None
    }
}

/// Whether a topic is one of a filter's, with `+` and `#` (MQTT 3.1.1, clause 4.7).
fn topic_matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (part, Some(level)) if part == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for (filter, topic, want) in [
            ("wmbus/raw", "wmbus/raw", true),
            ("wmbus/+/raw", "wmbus/attic/raw", true),
            ("wmbus/#", "wmbus/attic/raw", true),
            ("wmbus/+", "wmbus/attic/raw", false),
            ("wmbus/raw/x", "wmbus/raw", false),
        ] {
            assert_eq!(topic_matches(filter, topic), want, "{filter} {topic}");
        }
    }
}
