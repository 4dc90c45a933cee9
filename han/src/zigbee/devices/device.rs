//! A device: what it is, what was asked, what it has measured.

mod reading;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use reading::POWER_EVERY;

use super::Measured;
use super::energy::Register;
use super::interview::{self, Ask, Endpoint};
use crate::zigbee::coordinator::Aps;
use crate::zigbee::zcl::clusters::id::{BASIC, ELECTRICAL_MEASUREMENT, METERING};
use crate::zigbee::zcl::{FrameType, Message};
use crate::zigbee::zdo;
use crate::{Record, Value};

/// How long an answer may take: a sleeper wakes within 7.5 s.
const ANSWER: Duration = Duration::from_secs(12);
/// Attempts before a question is put off.
const ATTEMPTS: u8 = 3;
/// A device that does not answer is left alone for so long.
const REST: Duration = Duration::from_secs(60);
/// A plug that has reported nothing for so long is asked, and so often from then on.
const UNREPORTED: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_secs(30);

/// What a device calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its maker.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its firmware.
    pub firmware: Option<String>,
    /// It runs on a battery.
    pub battery: bool,
}

/// How far the interview is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Endpoints and their clusters.
    Descriptors,
    /// Names, scales and present values.
    Reading,
    /// All is known.
    Known,
}

/// A device of the network.
#[derive(Debug)]
pub struct Device {
    /// Its address for life.
    pub ieee: u64,
    /// Its address in the network; FFFF while it is not known.
    pub nwk: u16,
    /// What it calls itself.
    pub names: Names,
    /// How well it was heard last, 0 to 255.
    pub lqi: Option<u8>,
    /// When it was heard last.
    pub last_heard: Option<Instant>,
    /// What its register has counted.
    pub energy: Register,
    endpoints: BTreeMap<u8, Endpoint>,
    asks: VecDeque<Ask>,
    under_way: Option<(u8, Instant)>,
    attempts: u8,
    /// What was asked has reached it.
    reached: bool,
    rests_until: Option<Instant>,
    unicasts: u32,
    phase: Phase,
    tells_interview: bool,
    /// Multipliers and divisors, by their attribute.
    scales: BTreeMap<u16, u64>,
    /// Since when it could have been heard.
    there_since: Option<Instant>,
    called: Option<Instant>,
    reported: Option<Instant>,
    polled: Option<Instant>,
    power_told: Option<Instant>,
    power: Option<Decimal>,
    measured: Vec<Measured>,
}

impl Device {
    pub(super) fn new(ieee: u64, nwk: u16) -> Self {
        Self {
            ieee,
            nwk,
            names: Names::default(),
            lqi: None,
            last_heard: None,
            energy: Register::default(),
            endpoints: BTreeMap::new(),
            asks: VecDeque::from([Ask::Endpoints]),
            under_way: None,
            attempts: 0,
            reached: false,
            rests_until: None,
            unicasts: 0,
            phase: Phase::Descriptors,
            tells_interview: false,
            scales: BTreeMap::new(),
            there_since: None,
            called: None,
            reported: None,
            polled: None,
            power_told: None,
            power: None,
            measured: Vec::new(),
        }
    }

    /// Its endpoints, as far as they are known.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// Whether its interview is complete.
    #[must_use]
    pub fn is_interviewed(&self) -> bool {
        self.phase == Phase::Known
    }

    /// The first of its endpoints that has a cluster.
    #[must_use]
    pub fn endpoint_with(&self, cluster: u16) -> Option<u8> {
        let found = self
            .endpoints
            .values()
            .find(|one| one.inputs.contains(&cluster));
        Some(found?.id)
    }

    /// It is there: after a join all that it was told is told again.
    pub(super) fn joined(&mut self, is_new: bool, now: Instant) {
        (self.attempts, self.rests_until) = (0, None);
        if is_new && self.is_interviewed() {
            self.asks = interview::reporting(&self.endpoints);
        }
        self.under_way = None;
        self.last_heard = Some(now);
        self.there_since = Some(now);
        self.reported.get_or_insert(now);
    }

    /// The network works again: what was under way is asked anew.
    pub(super) fn network_up(&mut self, now: Instant) {
        self.under_way = None;
        (self.attempts, self.rests_until) = (0, None);
        self.there_since = Some(now);
        self.reported.get_or_insert(now);
    }

    pub(super) fn heard(&mut self, lqi: u8, now: Instant) {
        self.lqi = Some(lqi);
        self.last_heard = Some(now);
        self.rests_until = None;
    }

    pub(super) fn delivered(&mut self) {
        self.reached = true;
    }

    pub(super) fn undelivered(&mut self, now: Instant) {
        if let Some((_, due)) = self.under_way.as_mut() {
            // A second, so that a route can be found, and then again.
            *due = (*due).min(now + Duration::from_secs(1));
        }
    }

    /// Reads attributes before anything else is asked.
    pub(super) fn look_at(&mut self, endpoint: u8, cluster: u16, attributes: &[u16]) {
        let ask = Ask::Read {
            endpoint,
            cluster,
            attributes: attributes.to_vec(),
        };
        let behind = usize::from(self.under_way.is_some()).min(self.asks.len());
        if !self.asks.contains(&ask) {
            self.asks.insert(behind, ask);
        }
    }

    /// When it has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let told = self
            .power
            .and(self.power_told)
            .map(|told| told + POWER_EVERY);
        let asked = match (self.rests_until, self.under_way) {
            (Some(until), _) => Some(until),
            (None, Some((_, due))) => Some(due),
            (None, None) => [self.poll_due(), self.call_due()]
                .into_iter()
                .flatten()
                .min(),
        };
        [told, asked].into_iter().flatten().min()
    }

    fn poll_due(&self) -> Option<Instant> {
        if !self.is_interviewed() || self.endpoint_with(ELECTRICAL_MEASUREMENT).is_none() {
            return None;
        }
        let unreported = self.reported.map(|reported| reported + UNREPORTED);
        let polled = self.polled.map(|polled| polled + POLL);
        unreported.max(polled)
    }

    /// The next message for it, if one is due.
    pub(super) fn next(&mut self, tsn: u8, own: u64, now: Instant) -> Option<(Aps, Vec<u8>)> {
        if self.nwk == 0xFFFF || self.rests_until.is_some_and(|until| now < until) {
            return None;
        }
        self.rests_until = None;
        match self.under_way {
            Some((_, due)) if now < due => return None,
            Some(_) => self.unanswered(now),
            None => {}
        }
        if self.rests_until.is_some() {
            return None;
        }
        if self.asks.is_empty() && self.poll_due().is_some_and(|due| now >= due) {
            self.polled = Some(now);
            self.poll();
        }
        if self.asks.is_empty()
            && self.call_due().is_some_and(|due| now >= due)
            && let Some(endpoint) = self.endpoint_with(BASIC)
        {
            self.called = Some(now);
            self.look_at(endpoint, BASIC, &[0x0005]);
        }
        let ask = self.asks.front()?;
        let (is_interview, message) = (
            ask.is_interview(),
            ask.message(tsn, self.ieee, self.nwk, own),
        );
        if message.is_none() {
            self.asks.pop_front();
            return None;
        }
        if is_interview && !self.is_interviewed() {
            self.unicasts += 1;
        }
        self.under_way = Some((tsn, now + ANSWER));
        message
    }

    fn poll(&mut self) {
        for (cluster, attributes) in [
            (ELECTRICAL_MEASUREMENT, &[0x050B_u16][..]),
            (METERING, &[0x0000]),
        ] {
            if let Some(endpoint) = self.endpoint_with(cluster) {
                self.asks.push_back(Ask::Read {
                    endpoint,
                    cluster,
                    attributes: attributes.to_vec(),
                });
            }
        }
    }

    /// A question had no answer: it is asked again, in parts if it has any, and then put off.
    fn unanswered(&mut self, now: Instant) {
        self.under_way = None;
        self.attempts += 1;
        if self.attempts < ATTEMPTS {
            return;
        }
        self.attempts = 0;
        if let Some(Ask::Read {
            endpoint,
            cluster,
            attributes,
        }) = self.asks.front().cloned()
            && attributes.len() > 1
            && std::mem::take(&mut self.reached)
        {
            self.asks.pop_front();
            for attribute in attributes.into_iter().rev() {
                self.asks.push_front(Ask::Read {
                    endpoint,
                    cluster,
                    attributes: vec![attribute],
                });
            }
            return;
        }
        if std::mem::take(&mut self.reached) {
            // It has the question and does not answer it.
            self.asks.pop_front();
            self.finish();
        } else {
            self.rests_until = Some(now + REST);
        }
    }

    /// Takes a message of it; false when nothing here understands it.
    pub(super) fn take(&mut self, aps: Aps, payload: &[u8], now: Instant) -> bool {
        let tsn = self.under_way.map(|(tsn, _)| tsn);
        let is_asked = self.asks.front().is_some_and(|ask| ask.is_answered_by(aps));
        if aps.profile == 0 {
            let Ok(message) = zdo::Message::decode(aps.cluster, payload) else {
                return false;
            };
            if is_asked && Some(message.tsn) == tsn {
                self.take_descriptor(aps.cluster, &message.fields);
                self.answered();
            }
            return aps.cluster & 0x8000 != 0;
        }
        let Ok(message) = Message::decode(aps.cluster, payload) else {
            return false;
        };
        if message.frame.frame_type != FrameType::Global {
            return false;
        }
        let is_answer = is_asked && Some(message.frame.tsn) == tsn;
        match message.frame.command {
            0x01 | 0x0A => {
                for record in records(&message) {
                    self.take_attribute(aps.cluster, record, now);
                }
                if message.frame.command == 0x0A {
                    self.take_reported(aps.cluster, now);
                }
            }
            0x04 | 0x07 | 0x0B => {}
            _ => return false,
        }
        if is_answer {
            self.answered();
        }
        true
    }

    fn take_reported(&mut self, cluster: u16, now: Instant) {
        if matches!(cluster, METERING | ELECTRICAL_MEASUREMENT) {
            self.reported = Some(now);
        }
    }

    fn answered(&mut self) {
        self.asks.pop_front();
        (self.under_way, self.attempts, self.reached) = (None, 0, false);
        self.finish();
    }

    /// When the descriptors are there the rest follows; when that is there too, the reports.
    fn finish(&mut self) {
        if !self.asks.is_empty() {
            return;
        }
        if self.endpoints.is_empty() {
            // Without endpoints nothing is known: the question is asked again.
            self.asks.push_back(Ask::Endpoints);
            return;
        }
        if self.phase == Phase::Descriptors {
            self.phase = Phase::Reading;
            self.asks = interview::after_descriptors(&self.endpoints);
        }
        if self.phase == Phase::Reading && self.asks.is_empty() {
            self.phase = Phase::Known;
            self.tells_interview = true;
            self.asks = interview::reporting(&self.endpoints);
        }
    }

    /// How many messages the interview took, once it is complete.
    pub(super) fn take_interviewed(&mut self) -> Option<u32> {
        if !self.is_interviewed() || !std::mem::take(&mut self.tells_interview) {
            return None;
        }
        Some(self.unicasts)
    }
}

fn records<'m>(message: &'m Message<'_>) -> Vec<&'m Record> {
    let Some(Value::List(list)) = message.fields.field("records") else {
        return Vec::new();
    };
    let records = list.iter().filter_map(|one| match one {
        Value::Record(record) => Some(record),
        _ => None,
    });
    records.collect()
}
