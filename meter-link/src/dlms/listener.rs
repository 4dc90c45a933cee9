//! Listens to a meter that pushes DLMS messages at its customer port.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::apdu::Apdu;
use super::data::DateTime;
use super::framing::{Deframer, Found, FrameInfo, Framing};
use super::interpret::{self, Content};
use super::receive::{Received, receive};
use super::security::{Keys, ReplayWindow, Verdict};
use crate::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Value};
use crate::profile::dlms::{self as profile, Profile};
use crate::session::{Action, Line, Parity, Rejected, Session};

/// After so long a silence nothing more comes of a message that has begun. Meters send all frames
/// of a message in one go; at 2400 baud a byte takes less than five milliseconds.
pub const SILENCE: Duration = Duration::from_millis(750);

/// What a listener needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Speed and parity the listener begins with: 2400 baud 8E1 for most.
    pub line: Line,
    /// Try without parity and with even parity in turn until messages come: makers and grid
    /// operators differ.
    pub find_parity: bool,
    /// Keys of a ciphered meter, and what is taken without a right tag.
    pub keys: Keys,
    /// What lists mean that do not say it; the first that fits counts.
    pub profiles: Vec<Profile>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            line: Line {
                parity: Parity::Even,
                ..Line::eight_none(2400)
            },
            find_parity: true,
            keys: Keys::default(),
            profiles: profile::profiles().to_vec(),
        }
    }
}

/// A [`Session`] that listens: it never sends.
///
/// HDLC and wired M-Bus are told apart by themselves. With an encryption key only ciphered
/// messages count, and of authenticated ones only those whose invocation counter rises.
#[derive(Debug)]
pub struct Listener {
    config: Config,
    deframer: Deframer,
    counters: ReplayWindow,
    actions: VecDeque<Action>,
    deadline: Option<Instant>,
    /// The frames of the message that is being received, for the record.
    raw: Vec<u8>,
    /// Damaged stretches since a frame was right.
    damaged: u32,
    /// A list was understood: others that are not are not worth a word.
    understood: bool,
}

/// Bytes of a message that are kept for the record.
const MAX_RAW: usize = 64 * 1024;

/// After so many damaged bursts in a row the other parity is tried.
const DAMAGED: u32 = 3;

/// After so many bytes of noise it is told, although its end is not known.
const TELL_NOISE: u64 = 4096;

impl Listener {
    /// A listener on a line.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            deframer: Deframer::line(),
            counters: ReplayWindow::default(),
            actions: VecDeque::new(),
            deadline: None,
            raw: Vec::new(),
            damaged: 0,
            understood: false,
        }
    }

    fn drain(&mut self) {
        while let Some(found) = self.deframer.poll() {
            let length = usize::try_from(found.length).unwrap_or(usize::MAX);
            let taken = match &found.apdu {
                Err(fault) => {
                    self.damaged += 1;
                    Err(fault.to_string())
                }
                Ok(apdu) => {
                    self.damaged = 0;
                    self.message(apdu, &found)
                }
            };
            match taken {
                Ok(Some(telegram)) => {
                    self.actions.push_back(Action::Telegram(Box::new(telegram)));
                }
                Ok(None) => {}
                Err(reason) => {
                    let rejected = Rejected { reason, length };
                    self.actions.push_back(Action::Rejected(rejected));
                }
            }
        }
        if self.damaged >= DAMAGED && self.config.find_parity {
            self.damaged = 0;
            self.config.line.parity = match self.config.line.parity {
                Parity::None => Parity::Even,
                Parity::Even | Parity::Odd => Parity::None,
            };
            self.actions.push_back(Action::SetLine(self.config.line));
            self.deframer = Deframer::line();
        }
    }

    /// What a message says; `None` for a further list of a meter that says nothing by itself.
    fn message(&mut self, bytes: &[u8], found: &Found) -> Result<Option<Telegram>, String> {
        let Received { security, message } = receive(bytes, &self.config.keys);
        let message = message.map_err(|refusal| refusal.to_string())?;
        let title = security.and_then(|security| security.system_title);
        let counter = security.and_then(|security| security.invocation_counter);
        if message.verdict == Verdict::Authenticated
            && let Some(counter) = counter
            && !self.counters.accept(title, counter)
        {
            return Err(format!(
                "the invocation counter {counter} does not rise: a message was sent again"
            ));
        }
        let Apdu::DataNotification(push) = &message.apdu else {
            let name = message.apdu.name();
            return Err(format!("a {name} is no data that a meter pushes"));
        };
        let reading = interpret::read(&push.body, title, &self.config.profiles);
        if reading.entries.is_empty() {
            let unknown = "the list names no registers and no profile knows it";
            return match self.understood {
                true => Ok(None),
                false => Err(format!("{unknown}: give this meter a profile")),
            };
        }
        self.understood = true;
        let time = push.at.or(reading.time).and_then(DateTime::meter_time);
        Ok(Some(Telegram {
            meter: reading.meter_id.as_deref().and_then(MeterId::new),
            manufacturer: reading.manufacturer.clone(),
            time,
            values: registers(reading),
            check: match message.verdict {
                Verdict::Authenticated => Check::Tag,
                _ => link_check(found),
            },
            raw: std::mem::take(&mut self.raw),
            ..Telegram::default()
        }))
    }
}

/// How the frames were checked.
fn link_check(found: &Found) -> Check {
    match (found.framing, found.frames.first()) {
        (Some(Framing::Hdlc), Some(FrameInfo::Hdlc { .. })) => Check::Crc,
        (Some(Framing::Mbus), _) => Check::Checksum,
        _ => Check::None,
    }
}

/// The registers of a reading in the form of the model. A meter of one channel may number it 1
/// (Kamstrup); its registers are those of channel 0.
fn registers(reading: interpret::Reading) -> Vec<RegisterValue> {
    let numbers_channel = !reading
        .entries
        .iter()
        .any(|entry| matches!(entry.register.0, [1, 0, _, 7 | 8, ..]));
    let entries = reading.entries.into_iter();
    entries
        .filter(|entry| entry.attribute == 2)
        .map(|entry| RegisterValue {
            register: match entry.register.0 {
                [1, 1, rest @ ..] if numbers_channel => {
                    let [c, d, e, f] = rest;
                    ObisCode([1, 0, c, d, e, f])
                }
                _ => entry.register,
            },
            value: match entry.content {
                Content::Number(number) => Value::Number(number),
                Content::Octets(octets) => Value::Octets(octets),
            },
            unit: entry.unit,
            status: None,
            captured_at: None,
            quirk: None,
        })
        .collect()
}

impl Session for Listener {
    fn line(&self) -> Line {
        self.config.line
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let room = MAX_RAW.saturating_sub(self.raw.len());
        self.raw
            .extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.deframer.push(bytes);
        if self.deframer.noise() >= TELL_NOISE {
            self.deframer.finish();
        }
        self.drain();
        self.deadline = Some(now + SILENCE);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.deadline = None;
        self.deframer.finish();
        self.drain();
        self.raw.clear();
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn restart(&mut self, _now: Instant) {
        self.deframer = Deframer::line();
        self.raw.clear();
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests;
