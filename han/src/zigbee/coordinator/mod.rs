//! The coordinator: the network of a stick is formed, carried on or restored, devices are let in,
//! messages go out and come in. It is told octets and the time, and asked what to send.
//!
//! A network that is not the known one is never touched: [`Event::Foreign`] says so, and nothing
//! more happens until [`Coordinator::start`] is called with [`Policy::replace`]. Frame counters
//! never go back: a network that is restored begins some thousand frames further on.

pub(super) mod ember;
pub(super) mod endpoint;
mod event;
mod judge;
mod messages;
mod network;
mod probe;
mod radio;
mod rotation;
mod zstack;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use ember::Ember;
use endpoint::{ENDPOINTS, Endpoint};
pub use event::{Aps, Event, Incoming, Join, Tag};
use messages::{UnderWay, Waiting};
pub use network::{ChannelEnergy, LinkKey, Network, Stack, advise};
use probe::Probe;
use radio::{Radio, RadioEvent};
use rotation::Rotation;
use zstack::ZStack;

/// Devices whose own link keys a stick has room for.
pub(super) const LINK_KEYS: u8 = 12;

/// What is to be done with the network of a stick.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The network that is carried on or, on an empty stick, restored.
    pub known: Option<Network>,
    /// The same network under the key that devices were told last, in case that is used by now.
    pub next: Option<Network>,
    /// The network that is formed where none is known.
    pub fresh: Network,
    /// A network that is neither may be erased.
    pub replace: bool,
    /// Whose firmware the stick runs; `None`: it is found out.
    pub stack: Option<Stack>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    /// The stick says what network it carries.
    Starting,
    /// What is wanted has been asked for.
    BringingUp,
    Up,
    /// The network is a stranger's.
    Refused,
}

/// The coordinator of a network.
#[derive(Debug)]
pub struct Coordinator {
    radio: Box<dyn Radio>,
    /// Whether it is a stick of the other kind, until it has told what network it carries.
    probe: Option<Probe>,
    policy: Policy,
    stage: Stage,
    /// What the stick says of its network.
    found: Network,
    formed: bool,
    rotation: Option<Rotation>,
    waiting: VecDeque<Waiting>,
    under_way: BTreeMap<u8, UnderWay>,
    next_tag: u64,
    next_wire_tag: u8,
    events: VecDeque<Event>,
}

impl Coordinator {
    /// A coordinator at rest.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        // The kind that carried the network before is the likeliest.
        let known = policy.known.as_ref().map(|known| known.stack);
        Self {
            radio: radio(policy.stack.or(known).unwrap_or_default()),
            probe: None,
            policy,
            stage: Stage::Idle,
            found: Network::default(),
            formed: false,
            rotation: None,
            waiting: VecDeque::new(),
            under_way: BTreeMap::new(),
            next_tag: 0,
            next_wire_tag: 0,
            events: VecDeque::new(),
        }
    }

    /// Begins anew at `now`, after the port was opened.
    pub fn start(&mut self, now: Instant) {
        self.give_up_messages();
        self.stage = Stage::Starting;
        (self.formed, self.rotation) = (false, None);
        let is_unknown = self.policy.stack.is_none();
        self.probe = is_unknown.then(|| Probe::beside(self.radio.stack(), now));
        self.radio.start(now);
    }

    /// Lets the network of a stick be erased and the known or a fresh one take its place, at the
    /// next [`Coordinator::start`].
    pub fn replace(&mut self) {
        self.policy.replace = true;
    }

    /// The port is gone.
    pub fn port_lost(&mut self) {
        self.give_up_messages();
        self.stage = Stage::Idle;
        self.probe = None;
        self.radio = radio(self.radio.stack());
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// The stick's own address.
    #[must_use]
    pub fn eui64(&self) -> u64 {
        self.found.coordinator
    }

    /// Lets devices in for so many seconds, 0 to 254; 0 ends it. Through every router, or through
    /// the one with this address. Devices without an install code join with the well-known key only
    /// while `without_code` allows it.
    pub fn permit(&mut self, seconds: u8, through: Option<u16>, without_code: bool, now: Instant) {
        if self.is_up() {
            self.radio
                .permit(seconds.min(254), through, without_code, now);
        }
    }

    /// Lets one device join with the key of its install code, for as long as joining is permitted.
    pub fn allow(&mut self, ieee: u64, link_key: &[u8; 16], now: Instant) {
        if self.is_up() {
            self.radio.allow(ieee, link_key, now);
        }
    }

    /// Gives the stick the key that it and one device have come to, for this place of its table.
    /// The device is named by its addresses, for life and in the network.
    pub fn link_key(&mut self, place: u8, device: (u64, u16), link_key: &[u8; 16], now: Instant) {
        if self.is_up() {
            self.radio.link_key(place, device, link_key, now);
        }
    }

    /// Measures how busy the channels are; [`Event::Energy`] tells. The network is deaf meanwhile.
    pub fn scan(&mut self, now: Instant) {
        if self.is_up() {
            self.radio.scan(now);
        }
    }

    /// Reads the frame counter; [`Event::Snapshot`] tells the network with it.
    pub fn snapshot(&mut self, now: Instant) {
        // While the key is exchanged the network as it stands is not the one to be kept.
        if self.is_up() && self.rotation.is_none() {
            self.radio.snapshot(now);
        }
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        let probe = self.probe.as_mut();
        if let Some(other) = probe.and_then(|probe| probe.handle_octets(octets)) {
            self.probe = None;
            self.radio = radio(other);
            self.radio.start(now);
            return;
        }
        self.radio.handle_octets(octets, now);
        self.take_events(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(probe) = &mut self.probe {
            probe.handle_timeout(now);
        }
        self.radio.handle_timeout(now);
        self.take_events(now);
        let over: Vec<u8> = self
            .under_way
            .iter()
            .filter(|(_, one)| now >= one.due)
            .map(|(tag, _)| *tag)
            .collect();
        for tag in over {
            self.sent(tag, false);
        }
        self.send_waiting(now);
        self.go_on_rotating(now);
        self.take_events(now);
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let greeting = self.probe.as_mut().and_then(Probe::poll_transmit);
        greeting.or_else(|| self.radio.poll_transmit())
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let messages = self.under_way.values().map(|one| one.due).min();
        let rotation = self.rotation_due();
        let probe = self.probe.as_ref().map(Probe::poll_timeout);
        [self.radio.poll_timeout(), probe, messages, rotation]
            .into_iter()
            .flatten()
            .min()
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.radio.poll_event() {
            self.take_event(event, now);
        }
    }

    fn take_event(&mut self, event: RadioEvent, now: Instant) {
        match event {
            RadioEvent::Found(found) => {
                self.probe = None;
                match found {
                    Some(network) => self.judge(network, now),
                    None => self.form(now),
                }
            }
            RadioEvent::Erased => self.form(now),
            RadioEvent::Up(network) => self.up(network),
            RadioEvent::Snapshot(network) => {
                self.found = network.clone();
                self.events.push_back(Event::Snapshot(network));
            }
            RadioEvent::KeyTold(done) => self.key_told(done, now),
            RadioEvent::KeyUsed(done) => self.key_used(done, now),
            RadioEvent::Sent { tag, delivered } => {
                self.sent(tag, delivered);
                self.send_waiting(now);
            }
            RadioEvent::Incoming(incoming) => self.events.push_back(Event::Incoming(incoming)),
            RadioEvent::Device { ieee, nwk, join } => {
                self.events.push_back(Event::Device { ieee, nwk, join });
            }
            RadioEvent::Energy(found) => self.events.push_back(Event::Energy(found)),
            RadioEvent::Lost(reason) => self.lose(reason),
        }
    }

    fn lose(&mut self, reason: String) {
        self.give_up_messages();
        self.stage = Stage::Idle;
        (self.probe, self.rotation) = (None, None);
        self.events.push_back(Event::Lost(reason));
    }
}

fn radio(stack: Stack) -> Box<dyn Radio> {
    match stack {
        Stack::EmberZnet => Box::new(Ember::new()),
        Stack::ZStack => Box::new(ZStack::new()),
    }
}
