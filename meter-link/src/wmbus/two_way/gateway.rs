//! The gateway's side: what waits for which meter, and what is sent when.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::message::{Message, access, control, response_window};
use crate::mbus::{DeviceAddress, Header, Identification};
use crate::wmbus::ell::ExtendedLink;
use crate::wmbus::phy::LinkMode;

/// How often a message is sent until it counts as unanswered.
const TRIES: u8 = 3;
/// An answer comes within this time after its request was sent, or not at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// Messages that may wait for one meter, and meters for which some wait.
const MOST_WAITING: usize = 16;
const MOST_METERS: usize = 256;

/// Whose installation is confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Install {
    /// Nobody's.
    #[default]
    Nobody,
    /// These meters'.
    These(Vec<Identification>),
    /// Everybody's, until an instant.
    AnyoneUntil(Instant),
}

/// What a meter is to be told or asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Its class 2 data: the usual ones (REQ-UD2).
    Read,
    /// Its class 1 data: alarms (REQ-UD1).
    ReadAlarms,
    /// Data for it (SND-UD): from the CI field on, with its address, sealed if need be.
    Send(Vec<u8>),
}

/// A frame to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// L, C, M, A, CI … without link-layer CRCs.
    pub frame: Vec<u8>,
    /// How long after the end of the meter's telegram it must begin.
    pub delay: RangeInclusive<Duration>,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A meter's installation was confirmed.
    Installed(DeviceAddress),
    /// A meter has asked to be asked; it will be.
    Demanded(DeviceAddress),
    /// The answer to a request: a frame with data, still sealed.
    Answered {
        /// The meter.
        meter: DeviceAddress,
        /// What it was asked.
        command: Command,
        /// Its frame.
        frame: Vec<u8>,
    },
    /// A meter has acknowledged what it was told.
    Acknowledged {
        /// The meter.
        meter: DeviceAddress,
        /// What it was told.
        command: Command,
    },
    /// A meter has left a message unanswered, however often it was sent.
    Unanswered {
        /// The meter's number.
        meter: Identification,
        /// What it was asked or told.
        command: Command,
    },
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Command>,
    /// The first of those was sent, so many times; its answer is due.
    sent: Option<Instant>,
    tries: u8,
    /// The frame count bit of the next new request.
    fcb: bool,
}

/// Keeps what waits for meters.
#[derive(Debug)]
pub struct Gateway {
    own: DeviceAddress,
    install: Install,
    lines: BTreeMap<Identification, Line>,
    transmissions: VecDeque<Transmission>,
    events: VecDeque<Event>,
}

impl Gateway {
    /// A gateway with its own radio address.
    #[must_use]
    pub const fn new(own: DeviceAddress) -> Self {
        Self {
            own,
            install: Install::Nobody,
            lines: BTreeMap::new(),
            transmissions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Says whose installation is confirmed from now on.
    pub fn set_install(&mut self, install: Install) {
        self.install = install;
    }

    /// Keeps a message until the meter listens. False when too many wait already.
    pub fn command(&mut self, meter: Identification, command: Command) -> bool {
        if self.lines.len() >= MOST_METERS && !self.lines.contains_key(&meter) {
            return false;
        }
        let line = self.lines.entry(meter).or_insert_with(|| Line {
            fcb: true,
            ..Line::default()
        });
        let room = line.waiting.len() < MOST_WAITING;
        if room {
            line.waiting.push_back(command);
        }
        room
    }

    /// Takes a frame (L, C, M, A, CI … without CRCs) that a meter has sent in `mode`, at the
    /// instant of its end.
    pub fn handle_frame(&mut self, frame: &[u8], mode: LinkMode, now: Instant) {
        let Some(heard) = Heard::read(frame) else {
            return;
        };
        let (access, fast) = access(frame);
        self.take_answer(&heard, frame);
        let Some(delay) = response_window(mode, fast) else {
            return;
        };
        // Who is installed or demands access listens for the answer, whatever else it says.
        let meter = heard.meter;
        match heard.control {
            control::SND_IR if self.may_install(meter.identification, now) => {
                self.transmit(&heard, control::CNF_IR, Vec::new(), delay);
                self.events.push_back(Event::Installed(meter));
            }
            control::SND_IR => {}
            control::ACC_DMD => {
                self.transmit(&heard, control::ACK, Vec::new(), delay);
                self.events.push_back(Event::Demanded(meter));
                let asked = self.lines.get(&meter.identification);
                let asked = asked.is_some_and(|line| !line.waiting.is_empty());
                if !asked {
                    self.command(meter.identification, Command::ReadAlarms);
                }
            }
            answer if heard.is_answer() || (is_spontaneous(answer) && access.is_now()) => {
                self.send_next(&heard, delay, now);
            }
            _ => {}
        }
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut over = Vec::new();
        for (meter, line) in &mut self.lines {
            if line.sent.is_some_and(|sent| now >= sent + ANSWER_WITHIN) {
                line.sent = None;
                if line.tries >= TRIES {
                    line.tries = 0;
                    line.fcb = true;
                    if let Some(command) = line.waiting.pop_front() {
                        let meter = *meter;
                        over.push(Event::Unanswered { meter, command });
                    }
                }
            }
        }
        self.events.extend(over);
        self.lines.retain(|_, line| !line.waiting.is_empty());
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sent = self.lines.values().filter_map(|line| line.sent);
        sent.min().map(|sent| sent + ANSWER_WITHIN)
    }

    /// The next frame to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmission> {
        self.transmissions.pop_front()
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn may_install(&self, meter: Identification, now: Instant) -> bool {
        match &self.install {
            Install::Nobody => false,
            Install::These(meters) => meters.contains(&meter),
            Install::AnyoneUntil(until) => now < *until,
        }
    }

    fn take_answer(&mut self, heard: &Heard, frame: &[u8]) {
        let meter = heard.meter;
        let Some(line) = self.lines.get_mut(&meter.identification) else {
            return;
        };
        if line.sent.is_none() || !heard.is_answer() {
            return;
        }
        let is_data = heard.control & control::ANSWER_MASK == control::RSP_UD;
        let wants_data = !matches!(line.waiting.front(), Some(Command::Send(_)));
        // An acknowledgement of a request for data says that there are none.
        if is_data && !wants_data {
            return;
        }
        let Some(command) = line.waiting.pop_front() else {
            return;
        };
        line.sent = None;
        line.tries = 0;
        line.fcb = !line.fcb;
        self.events.push_back(if is_data {
            Event::Answered {
                meter,
                command,
                frame: frame.to_vec(),
            }
        } else {
            Event::Acknowledged { meter, command }
        });
    }

    /// Sends what waits for this meter; when nothing does any more, ends the exchange.
    fn send_next(&mut self, heard: &Heard, delay: RangeInclusive<Duration>, now: Instant) {
        let id = heard.meter.identification;
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let Some(command) = line.waiting.front() else {
            self.lines.remove(&id);
            return self.transmit(heard, control::SND_NKE, Vec::new(), delay);
        };
        let fcb = if line.fcb { control::FCB } else { 0 };
        let (request, body) = match command {
            Command::Read => (control::REQ_UD2, Vec::new()),
            Command::ReadAlarms => (control::REQ_UD1, Vec::new()),
            Command::Send(body) => (control::SND_UD, body.clone()),
        };
        line.tries = line.tries.saturating_add(1);
        line.sent = Some(now);
        self.transmit(heard, request | fcb, body, delay);
    }

    fn transmit(
        &mut self,
        heard: &Heard,
        control: u8,
        body: Vec<u8>,
        delay: RangeInclusive<Duration>,
    ) {
        let message = Message {
            control,
            gateway: self.own,
            meter: heard.meter,
            access_number: heard.access_number,
            body,
        };
        let frame = message.to_frame();
        self.transmissions
            .extend(frame.map(|frame| Transmission { frame, delay }));
    }
}

const fn is_spontaneous(control: u8) -> bool {
    matches!(control, control::SND_NR | control::ACC_NR)
}

/// Who has sent a frame.
struct Heard {
    control: u8,
    meter: DeviceAddress,
    access_number: u8,
}

impl Heard {
    fn read(frame: &[u8]) -> Option<Self> {
        let [_, control, address @ ..] = *frame.first_chunk::<10>()?;
        let sender = DeviceAddress::from_link(address);
        let mut rest = frame.get(10..)?;
        let mut access_number = 0;
        if let Some(Ok(extended)) = ExtendedLink::read(rest) {
            access_number = extended.access_number;
            rest = rest.get(extended.length..).unwrap_or_default();
        }
        let header = Header::read(rest);
        Some(Self {
            control,
            meter: header.and_then(|header| header.meter).unwrap_or(sender),
            access_number: header
                .and_then(|header| header.access_number)
                .unwrap_or(access_number),
        })
    }

    const fn is_answer(&self) -> bool {
        matches!(
            self.control & control::ANSWER_MASK,
            control::RSP_UD | control::ACK
        )
    }
}

#[cfg(test)]
mod tests;
