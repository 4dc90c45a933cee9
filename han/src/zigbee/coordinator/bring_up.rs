//! From the stick's first word to a network that works: settings, start, whose network it is, and
//! forming one.

use std::time::Instant;

use super::network::COUNTER_MARGIN;
use super::records::{key, key_context, number16, status};
use super::{Coordinator, Event, Network, PATIENCE, Stage, settings};
use crate::value::{Record, Value};

impl Coordinator {
    /// Asks the command of a stage and waits for its answer.
    pub(super) fn enter(&mut self, stage: Stage, id: u16, fields: &Record, now: Instant) {
        self.stage = stage;
        self.due = Some(now + PATIENCE);
        match self.session.command(id, fields, now) {
            Ok(token) => self.asked = Some(token),
            Err(refusal) => self.lose(refusal.to_string()),
        }
    }

    pub(super) fn configure(&mut self, step: usize, now: Instant) {
        match settings(step) {
            Some((id, fields)) => self.enter(Stage::Configuring(step), id, &fields, now),
            None => {
                let fields = Record::new().with("bitmask", Value::Unsigned(0));
                self.enter(Stage::Initialising, 0x0017, &fields, now);
            }
        }
    }

    pub(super) fn advance(&mut self, answer: &Record, now: Instant) {
        match self.stage {
            Stage::Configuring(step) => {
                if let Some(eui64) = answer.number("eui64") {
                    self.eui64 = eui64;
                }
                self.configure(step + 1, now);
            }
            Stage::Initialising => match status(answer) {
                0 => self.stage = Stage::AwaitUp,
                0x93 | 0x17 => self.form(0, now),
                other => self.lose(format!(
                    "the radio stick does not start its network, status {other:02x}"
                )),
            },
            Stage::Parameters => {
                self.take_parameters(answer);
                self.enter(Stage::Key, 0x0114, &key_context(1), now);
            }
            Stage::Key => {
                self.found.key = key(answer);
                self.enter(Stage::LinkKey, 0x0114, &key_context(2), now);
            }
            Stage::LinkKey => {
                self.found.link_key = key(answer);
                self.enter(Stage::KeyInfo, 0x0116, &Record::new(), now);
            }
            Stage::KeyInfo => {
                self.take_key_info(answer);
                self.judge(now);
            }
            Stage::Leaving => self.stage = Stage::AwaitDown,
            Stage::Forming(step) => {
                if status(answer) != 0 && step != 0 {
                    let number = status(answer);
                    self.lose(format!(
                        "the radio stick does not form the network, status {number:02x}"
                    ));
                } else {
                    self.form(step + 1, now);
                }
            }
            _ => {}
        }
    }

    /// The stick's network is known by now: is it ours?
    pub(super) fn judge(&mut self, now: Instant) {
        let expected = if self.formed {
            Some(self.wanted().clone())
        } else {
            self.policy.known.clone()
        };
        let is_found = |network: &Network| network.is(&self.found);
        let is_next = !self.formed && self.policy.next.as_ref().is_some_and(is_found);
        let is_ours = is_next || expected.as_ref().is_some_and(is_found);
        let is_behind = !is_next
            && expected.is_some_and(|known| self.found.frame_counter < known.frame_counter);
        if is_ours && (self.formed || !is_behind) {
            self.stage = Stage::Up;
            self.due = None;
            self.policy.known = Some(self.found.clone());
            (self.policy.next, self.policy.replace) = (None, false);
            let network = self.found.clone();
            let formed = self.formed;
            self.events.push_back(Event::Up { network, formed });
        } else if (is_ours || self.policy.replace) && !self.formed {
            // Ours with a counter that has gone back is formed again with a higher one.
            let fields = Record::new().with("options", Value::Unsigned(0));
            self.enter(Stage::Leaving, 0x0020, &fields, now);
        } else {
            self.stage = Stage::Refused;
            self.due = None;
            let (extended_pan, pan, channel) =
                (self.found.extended_pan, self.found.pan, self.found.channel);
            self.events.push_back(Event::Foreign {
                extended_pan,
                pan,
                channel,
            });
        }
    }

    pub(super) fn wanted(&self) -> &Network {
        self.policy.known.as_ref().unwrap_or(&self.policy.fresh)
    }

    pub(super) fn form(&mut self, step: usize, now: Instant) {
        self.formed = true;
        let restored = self.policy.known.is_some();
        let mut network = self.wanted().clone();
        if restored {
            network.frame_counter = network.frame_counter.saturating_add(COUNTER_MARGIN);
        }
        let stage = Stage::Forming(step);
        match step {
            // EzspValueId NWK_FRAME_COUNTER.
            0 => {
                let fields = Record::new().with("value_id", Value::Unsigned(0x23)).with(
                    "value",
                    Value::Octets(network.frame_counter.to_le_bytes().to_vec()),
                );
                self.enter(stage, 0x00AB, &fields, now);
            }
            1 => self.enter(stage, 0x0068, &network.security(restored), now),
            2 => self.enter(stage, 0x001E, &network.parameters(), now),
            _ => {
                self.stage = Stage::AwaitUp;
                self.due = Some(now + PATIENCE);
            }
        }
    }

    pub(super) fn take_parameters(&mut self, answer: &Record) {
        let Some(Value::Record(parameters)) = answer.field("parameters") else {
            return;
        };
        let octet = |name| u8::try_from(number16(parameters, name)).unwrap_or(0);
        self.found.extended_pan = parameters.number("extended_pan").unwrap_or(0);
        self.found.pan = number16(parameters, "pan");
        self.found.channel = octet("channel");
        self.found.update_id = octet("update_id");
        self.found.coordinator = self.eui64;
    }

    pub(super) fn take_key_info(&mut self, answer: &Record) {
        let Some(Value::Record(info)) = answer.field("network_key_info") else {
            return;
        };
        let number = |name| info.number(name).unwrap_or(0);
        self.found.key_sequence = u8::try_from(number("network_key_sequence_number")).unwrap_or(0);
        self.found.frame_counter =
            u32::try_from(number("network_key_frame_counter")).unwrap_or(u32::MAX);
    }
}
