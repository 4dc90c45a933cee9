//! Who hears whom: the lists of neighbours of the coordinator and of every router, page by page
//! (05-3474, 2.4.3.3.2 Mgmt_Lqi_req).

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::value::{Record, Value};
use crate::zigbee::coordinator::Aps;
use crate::zigbee::zdo;

/// An answer may take so long.
const ANSWER: Duration = Duration::from_secs(5);
/// Times that a router is asked for one page.
const TRIES: u8 = 2;
/// Routers at most, and links at most: more than a stick has room for.
const ROUTERS: usize = 250;
const LINKS: usize = 4096;

/// A link as one of its ends sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who hears: the address in the network; 0 is the coordinator.
    pub at: u16,
    /// Whom: the address for life.
    pub ieee: u64,
    /// Whom: the address in the network.
    pub nwk: u16,
    /// 1 a router, 2 an end device, 0 the coordinator.
    pub device_type: u8,
    /// 0 its parent, 1 its child, 2 a sibling.
    pub relationship: u8,
    /// How well it is heard, 0 to 255.
    pub lqi: u8,
}

/// A look around, until all have answered.
#[derive(Debug)]
pub(super) struct Survey {
    to_ask: VecDeque<(u16, u8)>,
    known: BTreeSet<u16>,
    under_way: Option<(u16, u8, u8, Instant)>,
    tries: u8,
    links: Vec<Link>,
}

impl Survey {
    /// Begins at the coordinator and those that may be routers; others are found on the way.
    pub(super) fn begin(routers: impl Iterator<Item = u16>) -> Self {
        let known: BTreeSet<u16> = std::iter::once(0).chain(routers).take(ROUTERS).collect();
        Self {
            to_ask: known.iter().map(|nwk| (*nwk, 0)).collect(),
            known,
            under_way: None,
            tries: 0,
            links: Vec::new(),
        }
    }

    /// The links, once nobody is left to ask.
    pub(super) fn done(&self) -> Option<&[Link]> {
        (self.to_ask.is_empty() && self.under_way.is_none()).then_some(&self.links)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.under_way.map(|(.., due)| due)
    }

    /// The next question, with the node it is for.
    pub(super) fn next(&mut self, tsn: u8, now: Instant) -> Option<(u16, Aps, Vec<u8>)> {
        if let Some((nwk, start, _, due)) = self.under_way {
            if now < due {
                return None;
            }
            self.under_way = None;
            self.tries += 1;
            if self.tries < TRIES {
                self.to_ask.push_front((nwk, start));
            } else {
                self.tries = 0;
            }
        }
        let (nwk, start) = self.to_ask.pop_front()?;
        let fields = Record::new().with("start_index", Value::Unsigned(start.into()));
        let payload = zdo::encode(0x0031, tsn, &fields).ok()?;
        self.under_way = Some((nwk, start, tsn, now + ANSWER));
        let aps = Aps {
            profile: 0,
            cluster: 0x0031,
            own_endpoint: 0,
            endpoint: 0,
            secured: false,
        };
        Some((nwk, aps, payload))
    }

    /// Takes an answer; false when it is none.
    pub(super) fn take(&mut self, nwk: u16, payload: &[u8]) -> bool {
        let Ok(message) = zdo::Message::decode(0x8031, payload) else {
            return false;
        };
        let Some((asked, start, tsn, _)) = self.under_way else {
            return false;
        };
        if (asked, tsn) != (nwk, message.tsn) {
            return false;
        }
        (self.under_way, self.tries) = (None, 0);
        let Some(Value::List(neighbors)) = message.fields.field("neighbors") else {
            return true;
        };
        let octet = |record: &Record, name: &str| {
            u8::try_from(record.number(name).unwrap_or(0)).unwrap_or(0)
        };
        for neighbor in neighbors {
            let Value::Record(neighbor) = neighbor else {
                continue;
            };
            let link = Link {
                at: nwk,
                ieee: neighbor.number("ieee").unwrap_or(0),
                nwk: u16::try_from(neighbor.number("nwk").unwrap_or(0)).unwrap_or(0),
                device_type: octet(neighbor, "device_type"),
                relationship: octet(neighbor, "relationship"),
                lqi: octet(neighbor, "lqi"),
            };
            let is_router = link.device_type == 1 && self.known.len() < ROUTERS;
            if is_router && self.known.insert(link.nwk) {
                self.to_ask.push_back((link.nwk, 0));
            }
            if self.links.len() < LINKS {
                self.links.push(link);
            }
        }
        let read = start.saturating_add(u8::try_from(neighbors.len()).unwrap_or(u8::MAX));
        // A page without entries would be asked for for ever.
        if !neighbors.is_empty() && read < octet(&message.fields, "entries") {
            self.to_ask.push_front((nwk, read));
        }
        true
    }
}
