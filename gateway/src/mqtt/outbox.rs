//! What waits for the broker.
//!
//! Messages leave in the order in which they came. Of a retained topic only the newest waits, in
//! the place of the oldest. While there is no broker only what must not be lost is kept: events,
//! and retained messages that are to be taken back. Everything else is published anew once the
//! broker is back. What was sent and not acknowledged goes back into the queue.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::thing::Message;

/// Messages that are on their way to the broker and not acknowledged.
const UNDERWAY: usize = 32;
/// Topics of which a retained message may wait.
const TOPICS: usize = 20_000;
/// Events that may wait; the oldest make room.
const EVENTS: usize = 1_000;

/// Where the broker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// There is none at the moment.
    #[default]
    Nobody,
    /// In the house.
    House,
    /// Outside it.
    Outside,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    queue: BTreeMap<u64, Message>,
    /// Places of retained topics in the queue.
    places: HashMap<String, u64>,
    next: u64,
    events: usize,
    /// Given to the link, which has not numbered them yet.
    handed: VecDeque<Message>,
    /// By packet identifier.
    underway: BTreeMap<u16, Message>,
    reach: Reach,
    closed: bool,
    dropped: u64,
}

impl Outbox {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        let done = act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
        done
    }

    /// Puts a message into the queue.
    pub(super) fn push(&self, message: Message) {
        self.with(|inner| inner.push(message));
    }

    /// There is a broker.
    pub(super) fn connected(&self, reach: Reach) {
        self.with(|inner| inner.reach = reach);
    }

    /// Who gets what is put in.
    pub(super) fn reach(&self) -> Reach {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.reach
    }

    /// The connection was lost.
    pub(super) fn lost(&self) {
        self.with(Inner::lost);
    }

    /// Nothing comes any more: once everything has left, [`Self::next`] says so.
    pub(super) fn close(&self) {
        self.with(|inner| inner.closed = true);
    }

    /// The link has given the oldest message that it was handed this packet identifier; 0 where
    /// nobody acknowledges it.
    pub(super) fn numbered(&self, packet: u16) {
        self.with(|inner| {
            if let Some(message) = inner.handed.pop_front()
                && packet != 0
            {
                inner.underway.insert(packet, message);
            }
        });
    }

    /// The broker has it.
    pub(super) fn acknowledged(&self, packet: u16) {
        self.with(|inner| drop(inner.underway.remove(&packet)));
    }

    /// The next message to send; `None` when all is said and the outbox closed. Waits for it.
    pub(super) async fn next(&self) -> Option<Message> {
        loop {
            let woken = self.wake.notified();
            {
                let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
                if inner.handed.len() + inner.underway.len() < UNDERWAY
                    && let Some(message) = inner.take()
                {
                    inner.handed.push_back(message.clone());
                    return Some(message);
                }
                if inner.closed && inner.is_done() {
                    return None;
                }
            }
            woken.await;
        }
    }
}

impl Inner {
    fn push(&mut self, message: Message) {
        if self.reach == Reach::Nobody && !message.keep {
            return;
        }
        if message.retain {
            if let Some(waiting) = self
                .places
                .get(&message.topic)
                .and_then(|place| self.queue.get_mut(place))
                && !message.in_order
            {
                *waiting = message;
                return;
            }
            if self.places.len() >= TOPICS {
                self.drop_one(&message.topic);
                return;
            }
            self.places.insert(message.topic.clone(), self.next);
        } else {
            if self.events >= EVENTS {
                let oldest = self.queue.iter().find(|(_, message)| !message.retain);
                if let Some(place) = oldest.map(|(place, _)| *place)
                    && let Some(oldest) = self.queue.remove(&place)
                {
                    self.events -= 1;
                    self.drop_one(&oldest.topic);
                }
            }
            self.events += 1;
        }
        self.queue.insert(self.next, message);
        self.next += 1;
    }

    fn drop_one(&mut self, topic: &str) {
        self.dropped += 1;
        if self.dropped.is_power_of_two() {
            tracing::warn!(
                topic,
                dropped = self.dropped,
                "too much waits for the broker"
            );
        }
    }

    fn take(&mut self) -> Option<Message> {
        if self.reach == Reach::Nobody {
            return None;
        }
        let (place, message) = self.queue.pop_first()?;
        if message.retain {
            // A later message of the topic may wait as well.
            if self.places.get(&message.topic) == Some(&place) {
                self.places.remove(&message.topic);
            }
        } else {
            self.events = self.events.saturating_sub(1);
        }
        Some(message)
    }

    fn is_done(&self) -> bool {
        self.reach == Reach::Nobody
            || self.queue.is_empty() && self.handed.is_empty() && self.underway.is_empty()
    }

    fn lost(&mut self) {
        self.reach = Reach::Nobody;
        let waiting = std::mem::take(&mut self.queue).into_values();
        // Packet identifiers go round; what was sent before is queued before either way.
        let underway = std::mem::take(&mut self.underway).into_values();
        let handed = std::mem::take(&mut self.handed);
        self.places.clear();
        self.events = 0;
        for message in underway.chain(handed).chain(waiting) {
            self.push(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn state(topic: &str, payload: &str) -> Message {
        Message::retained(topic.to_owned(), payload.to_owned())
    }

    fn event(payload: &str) -> Message {
        Message::event("event".to_owned(), payload.to_owned())
    }

    /// Everything that can leave now.
    fn leaving(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.next().now_or_never().flatten())
            .map(|message| format!("{} {}", message.topic, message.payload))
            .collect()
    }

    #[test]
    fn the_newest_of_a_topic_takes_the_place_of_the_oldest() {
        let outbox = Outbox::default();
        outbox.connected(Reach::House);
        for message in [
            state("a", "1"),
            state("b", "1"),
            event("x"),
            state("a", "2"),
        ] {
            outbox.push(message);
        }
        assert_eq!(leaving(&outbox), ["a 2", "b 1", "event x"]);
    }

    #[test]
    fn events_outlive_a_lost_connection_and_states_do_not() {
        let outbox = Outbox::default();
        outbox.push(event("before"));
        outbox.push(state("a", "1"));
        assert!(leaving(&outbox).is_empty(), "nobody is there");
        outbox.connected(Reach::House);
        outbox.push(state("a", "2"));
        outbox.push(event("under way"));
        assert_eq!(leaving(&outbox), ["event before", "a 2", "event under way"]);
        // The first was acknowledged, the second not, the third was never sent.
        outbox.numbered(1);
        outbox.numbered(2);
        outbox.acknowledged(1);
        outbox.lost();
        outbox.push(event("away"));
        outbox.connected(Reach::House);
        assert_eq!(leaving(&outbox), ["event under way", "event away"]);
    }

    #[test]
    fn what_is_under_way_and_what_waits_is_bounded() {
        let outbox = Outbox::default();
        outbox.connected(Reach::House);
        for number in 0..EVENTS + 10 {
            outbox.push(event(&number.to_string()));
        }
        let first = leaving(&outbox);
        assert_eq!(first.len(), UNDERWAY);
        assert_eq!(first[0], "event 10", "the oldest made room");
        outbox.numbered(7);
        assert!(leaving(&outbox).is_empty());
        outbox.acknowledged(7);
        assert_eq!(leaving(&outbox).len(), 1);
    }

    #[test]
    fn a_closed_outbox_ends_once_all_is_acknowledged() {
        let outbox = Outbox::default();
        outbox.connected(Reach::House);
        outbox.push(state("a", "1"));
        outbox.close();
        assert!(outbox.next().now_or_never().is_some_and(|m| m.is_some()));
        assert!(outbox.next().now_or_never().is_none(), "not acknowledged");
        outbox.numbered(1);
        outbox.acknowledged(1);
        assert_eq!(outbox.next().now_or_never(), Some(None));
    }
}
