//! The energy services interface: what devices of the Smart Energy profile (07-5356 19) get from
//! the gateway: prices, load control, messages, the time, and the meter's registers.
//!
//! Prices, events and messages go only to devices that have come to a key with the gateway
//! ([`super::key_establishment`]), and only encrypted with that key; what comes without it is
//! refused with NOT_AUTHORIZED. It is as pure as the rest: messages and the time, seconds since
//! 2000-01-01 UTC, go in, messages and events come out.
//!
mod attributes;
mod blocks;
mod calendar;
mod keys;
mod load_control;
mod messages;
mod prices;
mod said;
mod serve;
mod tunnels;

use std::collections::{BTreeMap, VecDeque};

pub use attributes::{Account, LocalTime, Mirror};
pub use blocks::{Block, BlockTariff, BlockTier};
pub use calendar::Calendar;
pub use load_control::{EventStatus, LoadEvent};
pub use messages::{Importance, Notice};
pub use prices::{Price, Tier};
pub use said::{Event, Outgoing};

use super::coordinator::Aps;
use super::key_establishment::{Identity, Random};
use super::zcl::write::cluster;
use super::zcl::{Direction, write_command};
use crate::value::Record;
use crate::zigbee::zcl::clusters::id::{
    CALENDAR, KEY_ESTABLISHMENT, LOAD_CONTROL, MESSAGING, METERING, PREPAYMENT, PRICE, TIME,
    TUNNELING,
};
use attributes::Attributes;
use blocks::Blocks;
use calendar::Calendars;
use keys::Keys;
use load_control::LoadControl;
use messages::Messages;
use prices::Prices;
use said::{Made, Pending, number_of, number32};
use tunnels::Tunnels;

/// The endpoint of the energy services interface.
pub const ENDPOINT: u8 = 2;
pub(super) const PROFILE: u16 = 0x0109;

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
    blocks: Blocks,
    calendars: Calendars,
    tunnels: Tunnels,
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
        self.events.extend(self.tunnels.part(ieee));
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
        self.blocks.forget(ieee);
        self.calendars.forget(ieee);
        self.load_control.forget(ieee);
        self.messages.forget(ieee);
    }

    /// Sets the prices from now on, in order and without overlap. `currency` is the number of ISO
    /// 4217.
    pub fn set_prices(&mut self, currency: u16, prices: Vec<Price>, now: u32) {
        self.attributes.currency = currency;
        self.prices.set(currency, prices, now);
    }

    /// Sets the tariff whose price depends on how much was used, if it is one. `currency` is the
    /// number of ISO 4217.
    pub fn set_blocks(&mut self, currency: u16, tariff: Option<BlockTariff>) {
        self.blocks.set(currency, tariff);
        self.prices.thresholds = self.blocks.thresholds();
    }

    /// Sets when which tier holds, where that is known for weeks.
    pub fn set_calendar(&mut self, calendar: Option<Calendar>) {
        self.calendars.set(calendar);
    }

    /// Sets what a household that pays in advance has; `None` where it does not.
    pub fn set_account(&mut self, account: Option<Account>) {
        self.attributes.account = account;
    }

    /// Lets devices have tunnels of this protocol (D.6.2.4.1: 0 is DLMS/COSEM), or none.
    pub fn offer_tunnels(&mut self, protocol: Option<u8>) {
        self.tunnels.offer(protocol);
    }

    /// Sends octets to the device of a tunnel; false when the tunnel is no more.
    pub fn tunnel_send(&mut self, tunnel: u16, octets: &[u8], now: u32) -> bool {
        let (is_open, made) = self.tunnels.send(tunnel, octets, now);
        self.send(made);
        is_open
    }

    /// Closes a tunnel.
    pub fn close_tunnel(&mut self, tunnel: u16) {
        let made = self.tunnels.close(tunnel);
        self.send(made);
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
        made.extend(self.blocks.pass(&prices));
        made.extend(self.calendars.pass(&self.clients(CALENDAR)));
        let (tunnelled, closed) = self.tunnels.pass(now);
        made.extend(tunnelled);
        self.events.extend(closed);
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
}
