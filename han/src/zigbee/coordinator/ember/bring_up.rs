//! From the stick's first word to a network that works: settings, start, what network that is, and
//! forming one.

use std::time::Instant;

use super::records::{key, key_context, number16, parameters, security, status};
use super::setup::settings;
use super::{Ember, PATIENCE, RadioEvent, Stage};
use crate::value::{Record, Value};

impl Ember {
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
                0x93 | 0x17 => self.rest(RadioEvent::Found(None)),
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
                let found = self.found.clone();
                let event = match self.forming.take() {
                    Some(_) => RadioEvent::Up(found),
                    None => RadioEvent::Found(Some(found)),
                };
                self.rest(event);
            }
            Stage::Leaving => self.stage = Stage::AwaitDown,
            Stage::Forming(step) => {
                if status(answer) != 0 && step != 0 {
                    let number = status(answer);
                    self.lose(format!(
                        "the radio stick does not form the network, status {number:02x}"
                    ));
                } else {
                    self.form_step(step + 1, now);
                }
            }
            _ => {}
        }
    }

    fn rest(&mut self, event: RadioEvent) {
        self.stage = Stage::Resting;
        self.due = None;
        self.events.push_back(event);
    }

    pub(super) fn form_step(&mut self, step: usize, now: Instant) {
        let Some((network, restored)) = self.forming.clone() else {
            return;
        };
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
            1 => self.enter(stage, 0x0068, &security(&network, restored), now),
            2 => self.enter(stage, 0x001E, &parameters(&network), now),
            _ => {
                self.stage = Stage::AwaitUp;
                self.due = Some(now + PATIENCE);
            }
        }
    }

    fn take_parameters(&mut self, answer: &Record) {
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
