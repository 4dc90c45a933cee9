//! The key of the network is exchanged for a fresh one while the network works (05-3474, 4.6.3.4):
//! devices are told the next key, and later that it is used. Whoever missed it comes back through
//! the trust centre, which knows its link key.
//!
//! [`Event::NextKey`] comes before the key is used, so that it is kept by then: after a crash in
//! between the stick's network is known by either key.

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::records::{key_context, status};
use super::{Coordinator, Event, Network, Stage};
use crate::value::{Record, Value};
use crate::zigbee::ezsp::{CommandError, Token};

/// So long the next key spreads: routers hand it to sleepers when these wake.
const SPREAD: Duration = Duration::from_secs(30);
/// The stick itself uses it after so long.
const SETTLE: Duration = Duration::from_secs(2);

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotation {
    Telling(Token),
    Spreading(Instant),
    Switching(Token),
    Settling(Instant),
}

impl Coordinator {
    /// Exchanges the network's key for this one; [`Event::Up`] tells the network with it, after half
    /// a minute. False when there is no network, or an exchange is under way.
    pub fn rotate_key(&mut self, key: &[u8; 16], now: Instant) -> bool {
        if self.stage != Stage::Up || self.rotation.is_some() {
            return false;
        }
        let fields = Record::new().with("key", Value::Octets(key.to_vec()));
        let Some(token) = self.ask(0x0073, &fields, now) else {
            return false;
        };
        self.policy.next = Some(Network {
            key: Zeroizing::new(*key),
            key_sequence: self.found.key_sequence.wrapping_add(1),
            // Frames are counted anew under a new key.
            frame_counter: 0,
            ..self.found.clone()
        });
        self.rotation = Some(Rotation::Telling(token));
        true
    }

    /// Leaves the key as it is, when the next one could not be kept.
    pub fn keep_key(&mut self) {
        (self.rotation, self.policy.next) = (None, None);
    }

    /// Takes the answer to a step; false when the answer is to something else.
    pub(super) fn take_rotation(
        &mut self,
        token: Token,
        answer: &Result<Record, CommandError>,
        now: Instant,
    ) -> bool {
        let Some(rotation) = self.rotation else {
            return false;
        };
        if rotation != Rotation::Telling(token) && rotation != Rotation::Switching(token) {
            return false;
        }
        let done = answer.as_ref().is_ok_and(|answer| status(answer) == 0);
        match (rotation, self.policy.next.clone()) {
            (Rotation::Telling(_), Some(next)) if done => {
                self.rotation = Some(Rotation::Spreading(now + SPREAD));
                self.events.push_back(Event::NextKey(next));
            }
            (Rotation::Switching(_), _) if done => {
                self.rotation = Some(Rotation::Settling(now + SETTLE));
            }
            _ => {
                self.give_key_up();
            }
        }
        true
    }

    fn give_key_up(&mut self) {
        self.keep_key();
        self.events.push_back(Event::KeyStays);
    }

    pub(super) fn rotation_due(&self) -> Option<Instant> {
        match self.rotation? {
            Rotation::Spreading(until) | Rotation::Settling(until) => Some(until),
            Rotation::Telling(_) | Rotation::Switching(_) => None,
        }
    }

    /// Goes on when it is time to.
    pub(super) fn go_on_rotating(&mut self, now: Instant) {
        if self.stage != Stage::Up || self.rotation_due().is_none_or(|due| now < due) {
            return;
        }
        match self.rotation {
            Some(Rotation::Spreading(_)) => match self.ask(0x0074, &Record::new(), now) {
                Some(token) => self.rotation = Some(Rotation::Switching(token)),
                None => self.give_key_up(),
            },
            _ => {
                self.rotation = None;
                // What the stick says of its network now is looked at as after a start.
                self.formed = false;
                self.enter(Stage::Key, 0x0114, &key_context(1), now);
            }
        }
    }
}
