//! Adapters of Broadcom's make, which answer to Ethernet type 8912 alone (Mediaxtream).
//!
//! No specification is published; frames are as the open tools pla-util and the Mediaxtream
//! dissector for Wireshark have them: version 2, message type, two octets of fragmentation, the
//! organisation 00:1F:84, a sequence number, and what the message carries. [`Discovery`] finds the
//! adapters at the own Ethernet port and beyond, and asks each for its rates.
//!
//! Tried against frames of our own alone.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::session::{Outbox, Session};
use crate::layout::{Reader, Truncated};

/// The Ethernet type of Mediaxtream.
pub const ETHERTYPE: u16 = 0x8912;

const VERSION: u8 = 2;
const OUI_BROADCOM: [u8; 3] = [0x00, 0x1F, 0x84];
const NW_STATS_REQ: u16 = 0xA02C;
const NW_STATS_CNF: u16 = 0xA02D;
const DISCOVER_REQ: u16 = 0xA070;
const DISCOVER_CNF: u16 = 0xA071;
const MINIMUM_FRAME: usize = 60;
const BROADCAST: [u8; 6] = [0xFF; 6];

/// How long an answer may take, and how often is asked.
const PATIENCE: Duration = Duration::from_millis(400);
const ROUNDS: u8 = 3;
/// Networks have at most this many stations.
const MOST_ADAPTERS: usize = 254;

/// At which side of an adapter its answer came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At its Ethernet port: it is the own one.
    Ethernet,
    /// From the power line.
    Line,
    /// Another code.
    Unknown(u8),
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its address.
    pub mac: [u8; 6],
    /// Where the question has reached it.
    pub side: Side,
    /// Its name, of the maker's or the user's choice; empty when it has none.
    pub name: String,
    /// Rates to others that it told: address, to it and from it in Mbit/s.
    pub rates: Vec<([u8; 6], u16, u16)>,
}

/// A message within its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message<'a> {
    source: [u8; 6],
    mmtype: u16,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a frame; `None` when it is not one of these.
    fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(frame);
        reader.octets(6, "destination").ok()?;
        let source = reader.octets(6, "source").ok()?.try_into().ok()?;
        let header = reader.octets(2 + 1 + 2 + 2 + 3 + 1, "header").ok()?;
        let [e0, e1, version, m0, m1, _, _, o0, o1, o2, _] = *header else {
            return None;
        };
        let is_ours = u16::from_be_bytes([e0, e1]) == ETHERTYPE
            && version == VERSION
            && [o0, o1, o2] == OUI_BROADCOM;
        is_ours.then(|| Self {
            source,
            mmtype: u16::from_le_bytes([m0, m1]),
            payload: reader.take_rest(),
        })
    }
}

fn request(source: [u8; 6], destination: [u8; 6], mmtype: u16, sequence: u8) -> Vec<u8> {
    let mut frame = Vec::with_capacity(MINIMUM_FRAME);
    frame.extend(destination);
    frame.extend(source);
    frame.extend(ETHERTYPE.to_be_bytes());
    frame.push(VERSION);
    frame.extend(mmtype.to_le_bytes());
    frame.extend([0, 0]);
    frame.extend(OUI_BROADCOM);
    frame.push(sequence);
    frame.resize(MINIMUM_FRAME, 0);
    frame
}

/// Finds the adapters, once.
#[derive(Debug)]
pub struct Discovery {
    mac: [u8; 6],
    round: u8,
    sequence: u8,
    due: Option<Instant>,
    found: BTreeMap<[u8; 6], Adapter>,
    /// Those that have told their rates.
    told: BTreeSet<[u8; 6]>,
    outbox: Outbox<Vec<Adapter>>,
}

impl Discovery {
    /// Begins at `now`, from a host with this address.
    #[must_use]
    pub fn new(mac: [u8; 6], now: Instant) -> Self {
        let mut discovery = Self {
            mac,
            round: 0,
            sequence: 0,
            due: None,
            found: BTreeMap::new(),
            told: BTreeSet::new(),
            outbox: Outbox::default(),
        };
        discovery.ask(now);
        discovery
    }

    fn ask(&mut self, now: Instant) {
        self.round += 1;
        self.send(BROADCAST, DISCOVER_REQ);
        let silent = self.found.keys().filter(|mac| !self.told.contains(*mac));
        for mac in silent.copied().collect::<Vec<_>>() {
            self.send(mac, NW_STATS_REQ);
        }
        self.due = Some(now + PATIENCE);
    }

    fn send(&mut self, destination: [u8; 6], mmtype: u16) {
        self.sequence = self.sequence.wrapping_add(1);
        let frame = request(self.mac, destination, mmtype, self.sequence);
        self.outbox.frames.push_back(frame);
    }

    fn take(&mut self, message: &Message<'_>) -> Result<(), Truncated> {
        let mut reader = Reader::new(message.payload);
        let mac = message.source;
        match message.mmtype {
            DISCOVER_CNF if self.found.len() < MOST_ADAPTERS => {
                let [side, length] = *reader.octets(2, "discovery")? else {
                    return Ok(());
                };
                let name = reader.octets(usize::from(length), "name")?;
                let name = name.split(|octet| *octet == 0).next().unwrap_or_default();
                let adapter = Adapter {
                    mac,
                    side: match side {
                        1 => Side::Ethernet,
                        2 => Side::Line,
                        other => Side::Unknown(other),
                    },
                    name: String::from_utf8_lossy(name).into_owned(),
                    rates: Vec::new(),
                };
                if let Entry::Vacant(unknown) = self.found.entry(mac) {
                    unknown.insert(adapter);
                    self.send(mac, NW_STATS_REQ);
                }
            }
            NW_STATS_CNF => {
                let count = reader.octets(1, "stations")?.first().copied();
                let mut rates = Vec::new();
                for _ in 0..count.unwrap_or_default() {
                    let station = reader.octets(10, "station")?;
                    let [m0, m1, m2, m3, m4, m5, t0, t1, r0, r1] = *station else {
                        break;
                    };
                    // The upper bits tell over how many wires it goes.
                    let rate = |octets| u16::from_le_bytes(octets) & 0x07FF;
                    rates.push(([m0, m1, m2, m3, m4, m5], rate([t0, t1]), rate([r0, r1])));
                }
                if let Some(adapter) = self.found.get_mut(&mac) {
                    adapter.rates = rates;
                    self.told.insert(mac);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Session for Discovery {
    type Event = Vec<Adapter>;

    /// Takes an Ethernet frame of type 8912. Others, and damaged ones, are ignored.
    fn handle_frame(&mut self, frame: &[u8], _now: Instant) {
        if self.due.is_none() {
            return;
        }
        if let Some(message) = Message::parse(frame) {
            // One that ends too early tells nothing.
            let _ = self.take(&message);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_none_or(|due| now < due) {
            return;
        }
        if self.round < ROUNDS {
            return self.ask(now);
        }
        self.due = None;
        let found = std::mem::take(&mut self.found).into_values().collect();
        self.outbox.events.push_back(found);
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outbox.frames.pop_front()
    }

    fn poll_event(&mut self) -> Option<Vec<Adapter>> {
        self.outbox.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const LOCAL: [u8; 6] = [4, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [4, 0, 0, 0, 0, 2];

    fn answer(source: [u8; 6], mmtype: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = request(source, HOST, mmtype, 1);
        frame.truncate(23);
        frame.extend_from_slice(payload);
        frame.resize(frame.len().max(MINIMUM_FRAME), 0);
        frame
    }

    fn asked(discovery: &mut Discovery) -> Vec<([u8; 6], u16)> {
        let frames = std::iter::from_fn(|| discovery.poll_transmit());
        frames
            .map(|frame| {
                let mmtype = u16::from_le_bytes([frame[15], frame[16]]);
                (frame[..6].try_into().unwrap(), mmtype)
            })
            .collect()
    }

    #[test]
    fn adapters_are_found_and_asked_for_their_rates() {
        let mut now = Instant::now();
        let mut discovery = Discovery::new(HOST, now);
        assert_eq!(asked(&mut discovery), [(BROADCAST, DISCOVER_REQ)]);
        let named = [&[1, 5][..], b"attic"].concat();
        discovery.handle_frame(&answer(LOCAL, DISCOVER_CNF, &named), now);
        discovery.handle_frame(&answer(OTHER, DISCOVER_CNF, &[2, 0]), now);
        assert_eq!(
            asked(&mut discovery),
            [(LOCAL, NW_STATS_REQ), (OTHER, NW_STATS_REQ)]
        );
        // 422 Mbit/s over two wires, 274 Mbit/s.
        let rates = [&[1][..], &OTHER, &[0xA6, 0x21, 0x12, 0x01]].concat();
        discovery.handle_frame(&answer(LOCAL, NW_STATS_CNF, &rates), now);
        // One that promises more stations than it has tells nothing.
        discovery.handle_frame(&answer(OTHER, NW_STATS_CNF, &[200]), now);
        while let Some(due) = discovery.poll_timeout() {
            now = due;
            discovery.handle_timeout(now);
        }
        let found = discovery.poll_event().unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].name.as_str(), found[0].side),
            ("attic", Side::Ethernet)
        );
        assert_eq!(found[0].rates, [(OTHER, 422, 274)]);
        assert_eq!((found[1].side, found[1].rates.len()), (Side::Line, 0));
    }

    proptest! {
        #[test]
        fn any_frame_is_read_or_ignored(body in proptest::collection::vec(any::<u8>(), 0..120), mmtype in any::<bool>()) {
            let now = Instant::now();
            let mut discovery = Discovery::new(HOST, now);
            discovery.handle_frame(&answer(LOCAL, DISCOVER_CNF, &[1, 0]), now);
            let mmtype = if mmtype { DISCOVER_CNF } else { NW_STATS_CNF };
            discovery.handle_frame(&answer(LOCAL, mmtype, &body), now);
            discovery.handle_frame(&body, now);
        }
    }
}
