//! The key of the network is exchanged for a fresh one while the network works (05-3474, 4.6.3.4):
//! devices are told the next key, and later that it is used. Whoever missed it comes back through
//! the trust centre, which knows its link key.
//!
//! [`Event::NextKey`] comes before the key is used, so that it is kept by then: after a crash in
//! between the stick's network is known by either key.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Coordinator, Event, Network, Stage};

/// So long the next key spreads: routers hand it to sleepers when these wake.
const SPREAD: Duration = Duration::from_secs(30);
/// The stick itself uses it after so long.
const SETTLE: Duration = Duration::from_secs(2);

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    Telling,
    Spreading(Instant),
    Switching,
    Settling(Instant),
}

impl Coordinator {
    /// Exchanges the network's key for this one; [`Event::Up`] tells the network with it, after half
    /// a minute. False when there is no network, or an exchange is under way.
    pub fn rotate_key(&mut self, key: &[u8; 16], now: Instant) -> bool {
        if self.stage != Stage::Up || self.rotation.is_some() {
            return false;
        }
        let key_sequence = self.found.key_sequence.wrapping_add(1);
        if !self.radio.tell_key(key, key_sequence, now) {
            return false;
        }
        self.policy.next = Some(Network {
            key: Zeroizing::new(*key),
            key_sequence,
            // Frames are counted anew under a new key.
            frame_counter: 0,
            ..self.found.clone()
        });
        self.rotation = Some(Rotation::Telling);
        true
    }

    /// Leaves the key as it is, when the next one could not be kept.
    pub fn keep_key(&mut self) {
        (self.rotation, self.policy.next) = (None, None);
    }

    pub(super) fn key_told(&mut self, done: bool, now: Instant) {
        if self.rotation != Some(Rotation::Telling) {
            return;
        }
        match self.policy.next.clone().filter(|_| done) {
            Some(next) => {
                self.rotation = Some(Rotation::Spreading(now + SPREAD));
                self.events.push_back(Event::NextKey(next));
            }
            None => self.give_key_up(),
        }
    }

    pub(super) fn key_used(&mut self, done: bool, now: Instant) {
        if self.rotation != Some(Rotation::Switching) {
            return;
        }
        if done {
            self.rotation = Some(Rotation::Settling(now + SETTLE));
        } else {
            self.give_key_up();
        }
    }

    fn give_key_up(&mut self) {
        self.keep_key();
        self.events.push_back(Event::KeyStays);
    }

    pub(super) fn rotation_due(&self) -> Option<Instant> {
        match self.rotation? {
            Rotation::Spreading(until) | Rotation::Settling(until) => Some(until),
            Rotation::Telling | Rotation::Switching => None,
        }
    }

    /// Goes on when it is time to.
    pub(super) fn go_on_rotating(&mut self, now: Instant) {
        if self.stage != Stage::Up || self.rotation_due().is_none_or(|due| now < due) {
            return;
        }
        match self.rotation {
            Some(Rotation::Spreading(_)) => {
                if self
                    .radio
                    .use_key(self.found.key_sequence.wrapping_add(1), now)
                {
                    self.rotation = Some(Rotation::Switching);
                } else {
                    self.give_key_up();
                }
            }
            _ => {
                self.rotation = None;
                // What the stick says of its network now is looked at as after a start.
                self.formed = false;
                self.stage = Stage::Starting;
                self.radio.look(now);
            }
        }
    }
}
