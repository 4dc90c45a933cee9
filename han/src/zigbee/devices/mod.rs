//! The devices of a network: interviewed, told how to report, asked where they do not, and measured
//! exactly. It sits on the [`Coordinator`] and is as pure: octets and the time go in.
//!
//! - [`energy`]: what a plug's register has counted.
//!
//! One question is under way per device. A device that does not answer is asked again after a
//! while, for ever; what it has answered is kept, so that an interview goes on where it stopped,
//! also over a reset of the stick.

mod device;
pub mod energy;
mod event;
mod incoming;
mod interview;
mod strangers;
mod topology;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

pub use device::{Device, Names};
pub use event::{Event, Measured};
pub use interview::{Endpoint, REPORT_EVERY_S};
use strangers::Strangers;
pub use topology::Link;
use topology::Survey;

use super::coordinator::{Aps, Coordinator, Tag};
use super::services::{self, Services};
use super::upgrade::Upgrades;
use super::zcl::Direction;
use super::zcl::clusters::id;
use super::zcl::write::{Attribute, attributes, cluster};
use crate::Value;

/// Devices that are kept at most: more than a stick has room for.
const DEVICES: usize = 250;

/// A coordinator with its devices.
#[derive(Debug)]
pub struct Home {
    /// The coordinator: to permit joins, to scan, to take a snapshot.
    pub coordinator: Coordinator,
    /// What devices of the Smart Energy profile get; nothing before [`Home::set_clock`].
    pub services: Services,
    /// Firmware for devices; nothing is given out before [`Home::set_clock`].
    pub upgrades: Upgrades,
    survey: Option<Survey>,
    strangers: Strangers,
    /// An instant, and the seconds since 2000 UTC at it.
    clock: Option<(Instant, u32)>,
    passed: Option<u32>,
    devices: BTreeMap<u64, Device>,
    /// What was sent for which device.
    sent: BTreeMap<Tag, u64>,
    tsn: u8,
    events: VecDeque<Event>,
}

impl Home {
    /// A home whose known devices have these addresses, for life and in the network.
    #[must_use]
    pub fn new(coordinator: Coordinator, known: &[(u64, u16)]) -> Self {
        let device = |&(ieee, nwk): &(u64, u16)| (ieee, Device::new(ieee, nwk));
        Self {
            coordinator,
            services: Services::default(),
            upgrades: Upgrades::default(),
            survey: None,
            strangers: Strangers::default(),
            clock: None,
            passed: None,
            devices: known.iter().take(DEVICES).map(device).collect(),
            sent: BTreeMap::new(),
            tsn: 0,
            events: VecDeque::new(),
        }
    }

    /// All devices, by their address for life.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// The device of an address for life.
    #[must_use]
    pub fn device(&self, ieee: u64) -> Option<&Device> {
        self.devices.get(&ieee)
    }

    /// Says what the time is, seconds since 2000 UTC.
    pub fn set_clock(&mut self, utc: u32, now: Instant) {
        self.clock = Some((now, utc));
    }

    /// The time, seconds since 2000 UTC, once it was said.
    #[must_use]
    pub fn utc(&self, now: Instant) -> Option<u32> {
        let (at, utc) = self.clock?;
        let passed = now.saturating_duration_since(at).as_secs();
        Some(utc.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX)))
    }

    /// Goes on counting a known device's energy from what was kept at an instant.
    pub fn restore_energy(&mut self, ieee: u64, kept: energy::Kept, at: Instant) {
        if let Some(device) = self.devices.get_mut(&ieee) {
            device.energy.restore(kept, at);
        }
    }

    /// Begins anew, after the port was opened.
    pub fn start(&mut self, now: Instant) {
        self.coordinator.start(now);
        self.take_events(now);
    }

    /// The port is gone.
    pub fn port_lost(&mut self, now: Instant) {
        self.coordinator.port_lost();
        self.take_events(now);
    }

    /// Switches a relay; false when the device has none or there is no network. What it then is
    /// comes as [`Measured::On`].
    pub fn switch(&mut self, ieee: u64, on: bool, now: Instant) -> bool {
        let Some((nwk, endpoint)) = self.place(ieee, id::ON_OFF) else {
            return false;
        };
        let tsn = self.next_tsn();
        let payload = cluster(tsn, Direction::ClientToServer, on.into(), false, &[]);
        let aps = Aps {
            profile: 0x0104,
            cluster: id::ON_OFF,
            own_endpoint: 1,
            endpoint,
            secured: false,
        };
        let is_sent = self.transmit(ieee, nwk, aps, payload, now);
        if let (true, Some(device)) = (is_sent, self.devices.get_mut(&ieee)) {
            // What it has counted until now is exact at once, not at its next report.
            if let Some(metering) = device.endpoint_with(id::METERING) {
                device.look_at(metering, id::METERING, &[0]);
            }
            device.look_at(endpoint, id::ON_OFF, &[0]);
            self.go_on(ieee, now);
        }
        is_sent
    }

    /// Asks the coordinator and every router whom they hear; [`Event::Topology`] tells.
    pub fn look_around(&mut self, now: Instant) {
        let mains = |device: &&Device| device.nwk != 0xFFFF && !device.names.battery;
        let routers = self.devices.values().filter(mains);
        self.survey = Some(Survey::begin(routers.map(|device| device.nwk)));
        self.survey(now);
    }

    fn survey(&mut self, now: Instant) {
        if !self.coordinator.is_up() {
            return;
        }
        let tsn = self.next_tsn();
        let Some(survey) = self.survey.as_mut() else {
            return;
        };
        if let Some((nwk, aps, payload)) = survey.next(tsn, now) {
            self.coordinator.send(nwk, aps, payload, now);
        } else if let Some(links) = survey.done() {
            self.events.push_back(Event::Topology(links.to_vec()));
            self.survey = None;
        }
    }

    /// Sets the temperature to which a thermostat heats, °C; false when it cannot be sent.
    pub fn heat_to(&mut self, ieee: u64, celsius: Decimal, now: Instant) -> bool {
        let hundredths = i64::try_from((celsius * Decimal::from(100)).round());
        let (Some((nwk, endpoint)), Ok(hundredths)) =
            (self.place(ieee, id::THERMOSTAT), hundredths)
        else {
            return false;
        };
        let tsn = self.next_tsn();
        let setpoint = Attribute {
            id: 0x0012,
            type_id: 0x29,
            value: Value::Signed(hundredths),
        };
        let Ok(payload) = attributes(tsn, Direction::ClientToServer, 0x02, &[setpoint]) else {
            return false;
        };
        let aps = Aps {
            profile: 0x0104,
            cluster: id::THERMOSTAT,
            own_endpoint: 1,
            endpoint,
            secured: false,
        };
        let is_sent = self.transmit(ieee, nwk, aps, payload, now);
        if let (true, Some(device)) = (is_sent, self.devices.get_mut(&ieee)) {
            device.look_at(endpoint, id::THERMOSTAT, &[0x0012]);
            self.go_on(ieee, now);
        }
        is_sent
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.coordinator.handle_octets(octets, now);
        self.take_events(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.coordinator.handle_timeout(now);
        self.take_events(now);
        let all: Vec<u64> = self.devices.keys().copied().collect();
        for ieee in all {
            self.go_on(ieee, now);
        }
        self.survey(now);
        self.serve(now);
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.coordinator.poll_transmit()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let is_up = self.coordinator.is_up();
        let devices = self
            .devices
            .values()
            .filter(|_| is_up)
            .filter_map(Device::due)
            .min();
        let services = (is_up && self.services.is_used())
            .then(|| self.next_second())
            .flatten();
        let survey = self.survey.as_ref().filter(|_| is_up).and_then(Survey::due);
        let has_time = is_up && self.clock.is_some();
        let upgrades = has_time.then(|| self.upgrades.due()).flatten();
        [
            self.coordinator.poll_timeout(),
            devices,
            services,
            survey,
            upgrades,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When the second after the one that the services have seen begins.
    fn next_second(&self) -> Option<Instant> {
        let (at, utc) = self.clock?;
        let seconds = self.passed?.saturating_add(1).saturating_sub(utc);
        Some(at + Duration::from_secs(seconds.into()))
    }

    /// Lets the services say what is due.
    fn serve(&mut self, now: Instant) {
        let Some(utc) = self.utc(now) else { return };
        if self.coordinator.is_up() && self.passed != Some(utc) {
            self.services.pass(utc);
        }
        self.passed = Some(utc);
        self.send_services(now);
        if self.coordinator.is_up() {
            let busy = self.coordinator.is_busy();
            self.upgrades.pass(utc, busy, now);
            self.send_upgrades(now);
        }
    }

    pub(super) fn send_upgrades(&mut self, now: Instant) {
        while let Some(message) = self.upgrades.poll_outgoing() {
            if let Some(device) = self.devices.get(&message.ieee) {
                self.coordinator
                    .send(device.nwk, message.aps, message.payload, now);
            }
        }
        while let Some(event) = self.upgrades.poll_event() {
            self.events.push_back(Event::Upgrade(event));
        }
    }

    fn send_services(&mut self, now: Instant) {
        while let Some(message) = self.services.poll_outgoing() {
            if let Some(device) = self.devices.get(&message.ieee) {
                self.coordinator
                    .send(device.nwk, message.aps, message.payload, now);
            }
        }
        while let Some(event) = self.services.poll_event() {
            if let services::Event::KeyEstablished {
                ieee,
                place,
                link_key,
            } = &event
            {
                let nwk = self.devices.get(ieee).map_or(0xFFFE, |device| device.nwk);
                self.coordinator
                    .link_key(*place, (*ieee, nwk), link_key, now);
            }
            self.events.push_back(Event::Service(event));
        }
    }

    fn place(&self, ieee: u64, cluster: u16) -> Option<(u16, u8)> {
        let device = self.devices.get(&ieee)?;
        Some((device.nwk, device.endpoint_with(cluster)?))
    }

    fn next_tsn(&mut self) -> u8 {
        self.tsn = self.tsn.wrapping_add(1) & 0x7F;
        self.tsn
    }

    fn transmit(&mut self, ieee: u64, nwk: u16, aps: Aps, payload: Vec<u8>, now: Instant) -> bool {
        let tag = self.coordinator.send(nwk, aps, payload, now);
        if let Some(tag) = tag {
            self.sent.insert(tag, ieee);
        }
        tag.is_some()
    }

    /// Asks a device the next question, when it is due.
    fn go_on(&mut self, ieee: u64, now: Instant) {
        if !self.coordinator.is_up() {
            return;
        }
        let own = self.coordinator.eui64();
        let tsn = self.next_tsn();
        let Some(device) = self.devices.get_mut(&ieee) else {
            return;
        };
        let nwk = device.nwk;
        let message = device.next(tsn, own, now);
        for measured in device.take_measured(now) {
            self.events.push_back(Event::Measured { ieee, measured });
        }
        if let Some(unicasts) = device.take_interviewed() {
            let user = device
                .endpoints()
                .find(|one| one.profile == services::PROFILE);
            if let Some(user) = user {
                self.services.meet(ieee, user.id, &user.outputs);
            }
            let mut endpoints = device.endpoints();
            if let Some(one) = endpoints.find(|one| one.outputs.contains(&id::OTA_UPGRADE)) {
                self.upgrades.meet(ieee, one.id);
            }
            self.events.push_back(Event::Interviewed { ieee, unicasts });
        }
        if let Some((aps, payload)) = message {
            self.transmit(ieee, nwk, aps, payload, now);
        }
    }
}
