//! The energy services interface: what devices of the Smart Energy profile (07-5356 19) get from
//! the gateway: prices, load control, messages, the time, and the meter's registers.
//!
//! Prices, events and messages go only to devices that have come to a key with the gateway
//! ([`super::key_establishment`]), and only encrypted with that key; what comes without it is
//! refused with NOT_AUTHORIZED. It is as pure as the rest: messages and the time, seconds since
//! 2000-01-01 UTC, go in, messages and events come out.
//!
//! Left out: block tariffs and calendars, prepayment, tunnels.

mod attributes;
mod keys;
mod load_control;
mod messages;
mod prices;
mod said;

use std::collections::{BTreeMap, VecDeque};

pub use attributes::{LocalTime, Mirror};
pub use load_control::{EventStatus, LoadEvent};
pub use messages::{Importance, Notice};
pub use prices::{Price, Tier};
pub use said::{Event, Outgoing};

use super::coordinator::{Aps, Incoming};
use super::key_establishment::{Identity, Random};
use super::zcl::write::{cluster, default_response, read_attributes_response};
use super::zcl::{Direction, Frame, FrameType, Message, write_command};
use crate::value::{Record, Value};
use attributes::Attributes;
use keys::Keys;
use load_control::LoadControl;
use messages::Messages;
use prices::Prices;
use said::{Made, Pending, number_of, number32};

/// The endpoint of the energy services interface.
pub const ENDPOINT: u8 = 2;
pub(super) const PROFILE: u16 = 0x0109;
const TIME: u16 = 0x000A;
const PRICE: u16 = 0x0700;
const LOAD_CONTROL: u16 = 0x0701;
const METERING: u16 = 0x0702;
const MESSAGING: u16 = 0x0703;
const KEY_ESTABLISHMENT: u16 = 0x0800;
/// Statuses of answers (Zigbee Cluster Library, 2.6.3).
const SUCCESS: u8 = 0x00;
const NOT_AUTHORIZED: u8 = 0x7E;
const MALFORMED: u8 = 0x80;
const UNSUPPORTED_COMMAND: u8 = 0x81;
const NOT_FOUND: u8 = 0x8B;

/// A device that uses the services.
#[derive(Clone, Debug)]
struct Partner {
    endpoint: u8,
    clusters: Vec<u16>,
}

/// The energy services interface.
#[derive(Debug, Default)]
pub struct Services {
    partners: BTreeMap<u64, Partner>,
    keys: Keys,
    prices: Prices,
    load_control: LoadControl,
    messages: Messages,
    attributes: Attributes,
    tsn: u8,
    out: VecDeque<Outgoing>,
    events: VecDeque<Event>,
}

impl Services {
    /// Lets devices come to keys with this identity; without one, nobody is served.
    pub fn identify(&mut self, identity: Identity, random: Random) {
        self.attributes.suite = Some(identity.suite());
        self.keys.identify(identity, random);
    }

    /// Says which devices came to keys with this stick before, by their place in its table; 0 is a
    /// free place.
    pub fn remember(&mut self, secured: &[u64]) {
        self.keys.secured = secured.to_vec();
    }

    /// The devices that have a key, by their place in the stick's table.
    #[must_use]
    pub fn secured(&self) -> &[u64] {
        &self.keys.secured
    }

    /// The stick is another one, and has no keys: all devices must come to new ones.
    pub fn forget_keys(&mut self) {
        self.keys.secured.clear();
    }

    /// Whether there is somebody to serve.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.partners.is_empty()
    }

    /// A device uses services: on this endpoint, of these clusters.
    pub(super) fn meet(&mut self, ieee: u64, endpoint: u8, clusters: &[u16]) {
        let clusters = clusters.to_vec();
        self.partners.insert(ieee, Partner { endpoint, clusters });
        self.tell_anew(ieee);
    }

    /// A device has gone.
    pub(super) fn part(&mut self, ieee: u64) {
        self.partners.remove(&ieee);
        self.keys.part(ieee);
        self.tell_anew(ieee);
    }

    /// The network works again: everybody is told what is true now.
    pub(super) fn network_up(&mut self) {
        let all: Vec<u64> = self.partners.keys().copied().collect();
        for ieee in all {
            self.tell_anew(ieee);
        }
    }

    fn tell_anew(&mut self, ieee: u64) {
        self.prices.forget(ieee);
        self.load_control.forget(ieee);
        self.messages.forget(ieee);
    }

    /// Sets the prices from now on, in order and without overlap. `currency` is the number of ISO
    /// 4217.
    pub fn set_prices(&mut self, currency: u16, prices: Vec<Price>, now: u32) {
        self.prices.set(currency, prices, now);
    }

    /// Sets the events that are asked for now and later; those that are left out are called off.
    pub fn set_events(&mut self, events: Vec<LoadEvent>, now: u32) {
        let partners = self.clients(LOAD_CONTROL);
        let made = self.load_control.set(events, &partners, now);
        self.send(made);
    }

    /// Sets the messages to show now and later; those that are left out are taken back.
    pub fn set_messages(&mut self, messages: Vec<Notice>, now: u32) {
        let partners = self.clients(MESSAGING);
        let made = self.messages.set(messages, &partners, now);
        self.send(made);
    }

    /// Sets what the meter shows.
    pub fn set_mirror(&mut self, mirror: Mirror) {
        self.attributes.mirror = mirror;
    }

    /// Sets the zone of the home.
    pub fn set_local_time(&mut self, local: LocalTime) {
        self.attributes.local = local;
    }

    /// Takes a message of a device; false when it is not for the services.
    pub(super) fn take(&mut self, ieee: u64, incoming: &Incoming, now: u32) -> bool {
        let aps = incoming.aps;
        if !is_served(aps.cluster, aps.own_endpoint) {
            return false;
        }
        let message = match Message::decode(aps.cluster, &incoming.payload) {
            Ok(message) => message,
            Err(_) => {
                if let Ok(frame) = Frame::parse(&incoming.payload) {
                    self.refuse(ieee, aps, &frame, MALFORMED);
                }
                return true;
            }
        };
        let frame = message.frame;
        let is_open = matches!(aps.cluster, 0x0000 | KEY_ESTABLISHMENT)
            || (aps.cluster == TIME && aps.own_endpoint != ENDPOINT);
        if frame.frame_type == FrameType::Global {
            // Only reading: nothing of ours can be written.
            if frame.command != 0x00 {
                return false;
            }
            if is_open || self.trusts(ieee, aps) {
                self.read(ieee, aps, &message, now);
            } else {
                self.refuse(ieee, aps, &frame, NOT_AUTHORIZED);
            }
            return true;
        }
        if aps.cluster == KEY_ESTABLISHMENT {
            self.take_key_message(ieee, aps, &message, now);
        } else if frame.direction == Direction::ServerToClient {
            return false;
        } else if !self.trusts(ieee, aps) {
            self.refuse(ieee, aps, &frame, NOT_AUTHORIZED);
        } else {
            self.serve(ieee, aps, &message, now);
        }
        true
    }

    fn trusts(&self, ieee: u64, aps: Aps) -> bool {
        aps.secured && self.keys.secured.contains(&ieee)
    }

    fn serve(&mut self, ieee: u64, aps: Aps, message: &Message<'_>, now: u32) {
        let frame = message.frame;
        let fields = &message.fields;
        let found: Option<Vec<Record>> = match (aps.cluster, frame.command) {
            (PRICE, 0x00) => Some(self.prices.current(now).into_iter().collect()),
            (PRICE, 0x01) => Some(self.prices.scheduled(fields, now)),
            (LOAD_CONTROL, 0x01) => Some(self.load_control.scheduled(fields, now)),
            (MESSAGING, 0x00) => Some(self.messages.last(now).into_iter().collect()),
            _ => None,
        };
        if let Some(found) = found {
            if found.is_empty() {
                self.refuse(ieee, aps, &frame, NOT_FOUND);
            }
            for fields in found {
                self.answer(ieee, aps, frame.tsn, 0x00, &fields);
            }
            return;
        }
        let event = match (aps.cluster, frame.command) {
            (PRICE, 0x02) => self.prices.acknowledged(ieee, fields),
            (LOAD_CONTROL, 0x00) => self.load_control.reported(ieee, fields),
            (MESSAGING, 0x01) => self.messages.confirmed(ieee, fields),
            _ => {
                self.refuse(ieee, aps, &frame, UNSUPPORTED_COMMAND);
                return;
            }
        };
        self.events.extend(event);
        if !frame.disable_default_response {
            self.refuse(ieee, aps, &frame, SUCCESS);
        }
    }

    fn take_key_message(&mut self, ieee: u64, aps: Aps, message: &Message<'_>, now: u32) {
        let frame = message.frame;
        if frame.direction == Direction::ServerToClient {
            return;
        }
        let taken = self.keys.take(ieee, frame.command, &message.fields, now);
        let told = match taken {
            Ok(step) => {
                if let Some((place, link_key)) = step.established {
                    self.tell_anew(ieee);
                    self.events.push_back(Event::KeyEstablished {
                        ieee,
                        place,
                        link_key,
                    });
                }
                step.send
            }
            Err(refusal) => {
                self.events.push_back(Event::KeyRefused { ieee, refusal });
                refusal.status().map(|status| {
                    let fields = Record::new()
                        .with("status", Value::Unsigned(status.into()))
                        .with("wait_time", Value::Unsigned(10))
                        .with("suite", Value::Unsigned(self.keys.suite_number().into()));
                    (0x03, fields)
                })
            }
        };
        if let Some((command, fields)) = told {
            self.answer(ieee, aps, frame.tsn, command, &fields);
        }
    }

    fn read(&mut self, ieee: u64, aps: Aps, message: &Message<'_>, now: u32) {
        let wanted = match message.fields.field("attributes") {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        let ids = wanted.iter().filter_map(Value::as_u64);
        let records: Vec<_> = ids
            .filter_map(|id| u16::try_from(id).ok())
            .map(|id| (id, self.attributes.read(aps.cluster, id, now)))
            .collect();
        if let Ok(payload) = read_attributes_response(message.frame.tsn, &records) {
            self.out.push_back(Outgoing { ieee, aps, payload });
        }
    }

    /// The devices with keys that use a cluster.
    fn clients(&self, cluster: u16) -> Vec<u64> {
        let uses = |(ieee, partner): (&u64, &Partner)| {
            let is_one = partner.clusters.contains(&cluster) && self.keys.secured.contains(ieee);
            is_one.then_some(*ieee)
        };
        self.partners.iter().filter_map(uses).collect()
    }

    /// Lets the time pass: what is due is sent.
    pub(super) fn pass(&mut self, now: u32) {
        self.keys.expire(now);
        let (prices, loads, messages) = (
            self.clients(PRICE),
            self.clients(LOAD_CONTROL),
            self.clients(MESSAGING),
        );
        let mut made = self.prices.pass(&prices, now);
        made.extend(self.load_control.pass(&loads, now));
        made.extend(self.messages.pass(&messages, now));
        self.send(made);
    }

    pub(super) fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn send(&mut self, made: Vec<Made>) {
        for one in made {
            let Some(endpoint) = self.partners.get(&one.ieee).map(|one| one.endpoint) else {
                continue;
            };
            let aps = Aps {
                profile: PROFILE,
                cluster: one.cluster,
                own_endpoint: ENDPOINT,
                endpoint,
                secured: true,
            };
            self.tsn = self.tsn.wrapping_add(1);
            // The upper half: the lower is that of the interviews.
            let tsn = self.tsn | 0x80;
            self.answer(one.ieee, aps, tsn, one.command, &one.fields);
        }
    }

    fn answer(&mut self, ieee: u64, aps: Aps, tsn: u8, command: u8, fields: &Record) {
        let direction = Direction::ServerToClient;
        // What the layouts do not take is a fault of ours, and goes to nobody.
        if let Ok(written) = write_command(aps.cluster, direction, command, fields) {
            let payload = cluster(tsn, direction, command, true, &written);
            self.out.push_back(Outgoing { ieee, aps, payload });
        }
    }

    fn refuse(&mut self, ieee: u64, aps: Aps, frame: &Frame<'_>, status: u8) {
        let direction = Direction::ServerToClient;
        let payload = default_response(frame.tsn, direction, frame.command, status);
        self.out.push_back(Outgoing { ieee, aps, payload });
    }
}

/// Whether a cluster is served at an endpoint: Basic and Time at both, the rest at the second.
fn is_served(cluster: u16, own_endpoint: u8) -> bool {
    match cluster {
        0x0000 | TIME => true,
        PRICE | LOAD_CONTROL | METERING | MESSAGING | KEY_ESTABLISHMENT => own_endpoint == ENDPOINT,
        _ => false,
    }
}
