//! Messages of the application: waiting, under way, and what became of them.

use std::time::{Duration, Instant};

use super::radio::Outgoing;
use super::{Aps, Coordinator, Event, Stage, Tag};

/// Messages that may be under way at once.
const UNDER_WAY: usize = 8;
/// Messages that wait at most.
const WAITING: usize = 256;
/// With more messages than this, what has time waits.
const BUSY: usize = 4;
/// An acknowledged message may take so long: a sleeper is held for 7.5 s, over several hops.
const DELIVERY: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) tag: Tag,
    pub(super) nwk: u16,
    pub(super) aps: Aps,
    pub(super) payload: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) tag: Tag,
    pub(super) due: Instant,
}

impl Coordinator {
    /// Sends a message to a device; [`Event::Sent`] tells how it went. `None` when there is no
    /// network or too many messages wait.
    pub fn send(&mut self, nwk: u16, aps: Aps, payload: Vec<u8>, now: Instant) -> Option<Tag> {
        if self.stage != Stage::Up || self.waiting.len() >= WAITING {
            return None;
        }
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.waiting.push_back(Waiting {
            tag,
            nwk,
            aps,
            payload,
        });
        self.send_waiting(now);
        Some(tag)
    }

    /// Whether so much is under way that what has time should wait.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.waiting.len() + self.under_way.len() > BUSY
    }

    pub(super) fn sent(&mut self, wire_tag: u8, delivered: bool) {
        if let Some(one) = self.under_way.remove(&wire_tag) {
            let tag = one.tag;
            self.events.push_back(Event::Sent { tag, delivered });
        }
    }

    pub(super) fn send_waiting(&mut self, now: Instant) {
        while self.stage == Stage::Up && self.under_way.len() < UNDER_WAY {
            let Some(message) = self.waiting.pop_front() else {
                return;
            };
            // 0 is for messages of which nobody wants to know.
            self.next_wire_tag = self.next_wire_tag % 255 + 1;
            let wire_tag = self.next_wire_tag;
            let one = UnderWay {
                tag: message.tag,
                due: now + DELIVERY,
            };
            self.under_way.insert(wire_tag, one);
            let outgoing = Outgoing {
                tag: wire_tag,
                nwk: message.nwk,
                aps: message.aps,
                payload: message.payload,
            };
            if !self.radio.send(outgoing, now) {
                self.sent(wire_tag, false);
            }
        }
    }

    pub(super) fn give_up_messages(&mut self) {
        let under_way = std::mem::take(&mut self.under_way);
        let waiting = std::mem::take(&mut self.waiting);
        let tags = under_way
            .into_values()
            .map(|one| one.tag)
            .chain(waiting.into_iter().map(|one| one.tag));
        self.events.extend(tags.map(|tag| Event::Sent {
            tag,
            delivered: false,
        }));
    }
}
