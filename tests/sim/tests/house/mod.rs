//! A coordinator and its devices on the simulated stick, in virtual time.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "every test file uses a part of it; a helper that fails is a test that fails"
)]

use std::time::{Duration, Instant};

use han::zigbee::coordinator::{self, Coordinator, Network, Policy};
use han::zigbee::devices::{Event, Home, Measured};
use rust_decimal::Decimal;
use wattle_sim::zigbee::device::Device;
use wattle_sim::zigbee::{Coprocessor, Ncp, mesh::Mesh};

pub(crate) const PLUG: u64 = 0x0012_4B00_0000_0001;
/// When the mesh starts, seconds since 2000 UTC.
pub(crate) const UTC: u32 = 800_000_000;

pub(crate) struct House<C = Ncp> {
    pub(crate) home: Home,
    pub(crate) ncp: C,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) events: Vec<(Instant, Event)>,
}

pub(crate) fn policy(known: Option<Network>) -> Policy {
    Policy {
        known,
        next: None,
        fresh: Network::from_random(15, &[0x5A; 42]),
        replace: false,
        stack: None,
    }
}

impl House {
    pub(crate) fn new(version: u8, devices: Vec<Device>) -> Self {
        let start = Instant::now();
        Self::fresh(Ncp::new(version, Mesh::new(devices, UTC), start), start)
    }

    pub(crate) fn with_plug(version: u8, plug: Device) -> Self {
        Self::new(version, vec![plug]).joined()
    }
}

pub(crate) fn is_up(event: &Event) -> bool {
    matches!(event, Event::Network(coordinator::Event::Up { .. }))
}

pub(crate) fn is_foreign(event: &Event) -> bool {
    matches!(event, Event::Network(coordinator::Event::Foreign { .. }))
}

impl<C: Coprocessor> House<C> {
    /// This stick with a coordinator that knows nothing yet.
    pub(crate) fn fresh(ncp: C, start: Instant) -> Self {
        Self::with(ncp, policy(None), &[], start, start)
    }

    /// The plug behind the stick, let in and asked what it is.
    pub(crate) fn joined(mut self) -> Self {
        self.up();
        self.permit();
        self.interviewed(PLUG);
        self
    }

    /// The same stick and devices with a coordinator that knows this network and the plug.
    pub(crate) fn restarted(self, known: Network) -> Self {
        let known = policy(Some(known));
        Self::with(self.ncp, known, &[(PLUG, 0x1A01)], self.start, self.now)
    }

    pub(crate) fn with(
        ncp: C,
        policy: Policy,
        known: &[(u64, u16)],
        start: Instant,
        now: Instant,
    ) -> Self {
        let mut home = Home::new(Coordinator::new(policy), known);
        home.set_clock(UTC, start);
        home.start(now);
        Self {
            home,
            ncp,
            start,
            now,
            events: Vec::new(),
        }
    }

    /// Moves octets and time until an event is the wanted one; the event, or nothing after so long.
    pub(crate) fn wait(
        &mut self,
        patience_s: u64,
        wanted: impl Fn(&Event) -> bool,
    ) -> Option<Event> {
        let end = self.now + Duration::from_secs(patience_s);
        loop {
            loop {
                let (out, back) = (self.home.poll_transmit(), self.ncp.poll_transmit());
                if out.is_none() && back.is_none() {
                    break;
                }
                self.ncp.handle_octets(&out.unwrap_or_default(), self.now);
                let back = back.unwrap_or_default();
                if !back.is_empty() {
                    self.home.handle_octets(&back, self.now);
                }
            }
            let mut found = None;
            while let Some(event) = self.home.poll_event() {
                if found.is_none() && wanted(&event) {
                    found = Some(event.clone());
                }
                self.events.push((self.now, event));
            }
            if found.is_some() {
                return found;
            }
            let due = [self.home.poll_timeout(), self.ncp.poll_timeout()];
            let due = due.into_iter().flatten().min().unwrap_or(end).max(self.now);
            if due >= end {
                self.now = end;
                self.ncp.handle_timeout(end);
                self.home.handle_timeout(end);
                return None;
            }
            self.now = due;
            self.ncp.handle_timeout(due);
            self.home.handle_timeout(due);
        }
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        self.wait(seconds, |_| false);
    }

    pub(crate) fn up(&mut self) -> Network {
        match self.wait(30, is_up) {
            Some(Event::Network(coordinator::Event::Up { network, .. })) => network,
            _ => panic!("the network does not come up: {:?}", self.events),
        }
    }

    /// A copy of the network, as a backup has it.
    pub(crate) fn backup(&mut self) -> Network {
        self.home.coordinator.snapshot(self.now);
        let event = self.wait(5, |event| {
            matches!(event, Event::Network(coordinator::Event::Snapshot(_)))
        });
        match event {
            Some(Event::Network(coordinator::Event::Snapshot(network))) => network,
            _ => panic!("there is no snapshot: {:?}", self.events),
        }
    }

    pub(crate) fn permit(&mut self) {
        self.home.coordinator.permit(200, None, true, self.now);
    }

    pub(crate) fn interviewed(&mut self, ieee: u64) -> u32 {
        let event = self.wait(
            120,
            |event| matches!(event, Event::Interviewed { ieee: of, .. } if *of == ieee),
        );
        match event {
            Some(Event::Interviewed { unicasts, .. }) => unicasts,
            _ => panic!("{ieee:x} is not interviewed: {:?}", self.events),
        }
    }

    pub(crate) fn device(&mut self) -> &mut Device {
        self.ncp.mesh().device_mut(PLUG).expect("there is one")
    }

    pub(crate) fn powers(&self) -> Vec<(Instant, Decimal)> {
        let powers = self.events.iter().filter_map(|(at, event)| match event {
            Event::Measured {
                measured: Measured::PowerW(power),
                ..
            } => Some((*at, *power)),
            _ => None,
        });
        powers.collect()
    }

    pub(crate) fn energies(&self) -> Vec<Decimal> {
        let energies = self.events.iter().filter_map(|(_, event)| match event {
            Event::Measured {
                measured: Measured::EnergyKwh(energy),
                ..
            } => Some(*energy),
            _ => None,
        });
        energies.collect()
    }
}
