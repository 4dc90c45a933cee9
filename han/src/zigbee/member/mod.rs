//! The stick as an in-home display: it joins the network that the utility's meter runs (Smart Energy
//! 07-5356 19, 5.4), comes to a key with the meter, and reads what the meter measures, the utility's
//! prices and messages, and its clock. It is told octets and the time, and asked what to send.
//!
//! Only sticks with EmberZNet are joined so. A network that the stick is in and that is not the one
//! it joined for this gateway is left alone ([`Event::Foreign`]). What the meter says is taken only
//! encrypted with the key from certificates. The interface is sought at the network's trust centre;
//! load control, which is for loads and not for displays, is left out.

mod client;
mod meter;
mod refusal;
mod stick;
mod told;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::key_establishment::{Identity, Random};
use client::{Client, Said, TRUST_CENTER};
pub use meter::MeterValue;
pub use refusal::Obstacle;
use stick::{Stick, StickEvent};
pub use told::{UtilityMessage, UtilityPrice};

/// All channels of 2.4 GHz, 11 to 26.
pub const CHANNELS: u32 = 0x07FF_F800;
/// Stack profile of Zigbee PRO, which Smart Energy runs on.
const ZIGBEE_PRO: u8 = 2;
/// A first pause after nobody let the stick in, and the longest: a utility opens its network for
/// minutes.
const LOOK: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// After the stick was refused: a meter that is asked too often shuts the door for longer.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(900));
/// Between two attempts to find the network again.
const REJOIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// How the meter's network is found and joined.
#[derive(Debug)]
pub struct Policy {
    /// The link key of the stick's install code ([`super::install_code::InstallCode::link_key`]).
    pub link_key: Zeroizing<[u8; 16]>,
    /// The network, where several are there; any that lets devices in otherwise.
    pub extended_pan: Option<u64>,
    /// The network that was joined before.
    pub known: Option<Membership>,
    /// The stick's certificate.
    pub identity: Option<Identity>,
    /// Random numbers for the exchange.
    pub random: Random,
    /// The channels that are looked at, a bit each.
    pub channels: u32,
}

/// A network that the stick is in. Nothing of it is secret: the keys are in the stick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Its 64-bit name.
    pub extended_pan: u64,
    /// Its 16-bit name.
    pub pan: u16,
    /// Its channel.
    pub channel: u8,
    /// The stick's address in it.
    pub nwk: u16,
    /// The trust centre's address for life.
    pub trust_center: u64,
    /// The stick and the trust centre have come to a key.
    pub has_key: bool,
}

/// A network that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundNetwork {
    /// Its 64-bit name.
    pub extended_pan: u64,
    /// Its 16-bit name.
    pub pan: u16,
    /// Its channel.
    pub channel: u8,
    /// Counts changes of channel and name.
    pub update_id: u8,
    /// 2 for Zigbee PRO.
    pub stack_profile: u8,
    /// Whether it lets devices in.
    pub permits_joining: bool,
    /// How well it is heard, 0 to 255.
    pub lqi: u8,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The networks that are heard.
    Found(Vec<FoundNetwork>),
    /// The stick is in the meter's network; keep it. It was joined just now, or found again.
    Up {
        /// The network.
        network: Membership,
        /// It was joined just now.
        joined: bool,
    },
    /// The stick is in a network that this gateway did not join, or leads one; it is left alone.
    Foreign(Membership),
    /// Something is in the way; it is tried again.
    Obstacle(Obstacle),
    /// The stick and the meter have come to a key; keep the membership.
    KeyEstablished(Membership),
    /// The meter answers.
    Serving,
    /// The meter cannot be reached; it is looked for, for ever.
    Gone,
    /// The meter measured something.
    Value(MeterValue),
    /// The utility published a price.
    Price(UtilityPrice),
    /// The utility has a message.
    Message(UtilityMessage),
    /// It takes the message with this number back.
    TakenBack(u32),
    /// The meter's clock, seconds since 2000 UTC; it sets nothing here.
    Clock(u32),
    /// The stick is lost; [`Member::start`] begins anew.
    Lost(String),
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// The stick says what network it is in.
    Starting,
    /// Until the next look at what networks there are.
    Waiting(Instant),
    Scanning,
    /// Joining the first of these.
    Joining(VecDeque<FoundNetwork>),
    In,
    /// Until the network is looked for again.
    Apart(Instant),
    Rejoining,
    Foreign,
}

/// A pause that doubles.
#[derive(Debug)]
struct Pause(Duration);

impl Pause {
    fn next(&mut self, (first, last): (Duration, Duration)) -> Duration {
        let pause = self.0.clamp(first, last);
        self.0 = (pause * 2).min(last);
        pause
    }

    fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }
}

/// The stick in the meter's network.
#[derive(Debug)]
pub struct Member {
    stick: Stick,
    client: Client,
    policy: Policy,
    stage: Stage,
    network: Membership,
    pause: Pause,
    /// Whether the network is looked for with the key that the stick has.
    by_key: bool,
    events: VecDeque<Event>,
}

impl Member {
    /// A stick at rest.
    #[must_use]
    pub fn new(mut policy: Policy) -> Self {
        let client = Client::new(policy.identity.take(), policy.random);
        Self {
            stick: Stick::new(),
            client,
            policy,
            stage: Stage::Idle,
            network: Membership::default(),
            pause: Pause(Duration::ZERO),
            by_key: true,
            events: VecDeque::new(),
        }
    }

    /// Begins anew at `now`, after the port was opened.
    pub fn start(&mut self, now: Instant) {
        self.client.end();
        self.stage = Stage::Starting;
        self.stick.start(now);
    }

    /// The port is gone.
    pub fn port_lost(&mut self) {
        self.client.end();
        self.stage = Stage::Idle;
        self.stick = Stick::new();
    }

    /// The stick's own address, 0 until it has told it: what the utility must know beside the
    /// install code.
    #[must_use]
    pub const fn eui64(&self) -> u64 {
        self.stick.eui64
    }

    /// Whether the stick is in the meter's network.
    #[must_use]
    pub const fn is_in(&self) -> bool {
        matches!(self.stage, Stage::In)
    }

    /// Tells the time, seconds since 2000 UTC: it stands in what the meter is told.
    pub fn set_clock(&mut self, utc: u32, now: Instant) {
        self.client.set_clock(utc, now);
    }

    /// Tells the utility that somebody has read a message.
    pub fn confirm(&mut self, message: u32, now: Instant) {
        if self.is_in() {
            self.client.confirm(message, now);
            self.send(now);
        }
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.stick.handle_octets(octets, now);
        self.go_on(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.stick.handle_timeout(now);
        match self.stage {
            Stage::Waiting(due) if now >= due => self.scan(now),
            Stage::Apart(due) if now >= due => {
                self.stage = Stage::Rejoining;
                self.stick.rejoin(self.by_key, self.policy.channels, now);
                // The next time the other way: the network's key may have been exchanged.
                self.by_key = !self.by_key;
            }
            Stage::In => self.client.handle_timeout(now),
            _ => {}
        }
        self.go_on(now);
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.stick.poll_transmit()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.stage {
            Stage::Waiting(due) | Stage::Apart(due) => Some(due),
            Stage::In => self.client.poll_timeout(),
            _ => None,
        };
        [self.stick.poll_timeout(), own].into_iter().flatten().min()
    }

    fn go_on(&mut self, now: Instant) {
        loop {
            self.send(now);
            if let Some(event) = self.stick.poll_event() {
                self.take(event, now);
            } else if let Some(said) = self.client.poll_said() {
                self.take_said(said, now);
            } else {
                return;
            }
        }
    }

    fn send(&mut self, now: Instant) {
        while let Some(letter) = self.client.poll_letter() {
            self.stick
                .send(letter.tag, TRUST_CENTER, letter.aps, letter.payload, now);
        }
    }

    fn scan(&mut self, now: Instant) {
        self.stage = Stage::Scanning;
        self.stick.scan(self.policy.channels, now);
    }

    fn is_ours(&self, network: &Membership) -> bool {
        let known = self.policy.known.as_ref();
        known.is_some_and(|known| known.extended_pan == network.extended_pan)
            || self.policy.extended_pan == Some(network.extended_pan)
    }

    fn take(&mut self, event: StickEvent, now: Instant) {
        match event {
            StickEvent::Alone => self.scan(now),
            StickEvent::In { network, leads } => {
                let joined = matches!(self.stage, Stage::Joining(_));
                if leads || !(joined || self.is_ours(&network)) {
                    self.stage = Stage::Foreign;
                    self.events.push_back(Event::Foreign(network));
                } else {
                    self.up(network, joined, now);
                }
            }
            StickEvent::Scanned(networks) => self.choose(networks, now),
            StickEvent::NotIn(status) => self.not_in(Obstacle::of_status(status), now),
            StickEvent::NotFound if matches!(self.stage, Stage::Rejoining | Stage::Starting) => {
                self.apart(now);
            }
            StickEvent::ParentLost if self.is_in() => {
                self.pause.reset();
                self.apart(now);
            }
            StickEvent::KeyTaken(is_taken) => {
                self.client.key_taken(is_taken, now);
                if is_taken {
                    self.network.has_key = true;
                    self.policy.known = Some(self.network.clone());
                    self.events
                        .push_back(Event::KeyEstablished(self.network.clone()));
                }
            }
            StickEvent::Sent { tag, delivered } => self.client.sent(tag, delivered, now),
            StickEvent::Incoming(incoming) if self.is_in() => self.client.take(&incoming, now),
            StickEvent::Lost(reason) => {
                self.client.end();
                self.stage = Stage::Idle;
                self.events.push_back(Event::Lost(reason));
            }
            _ => {}
        }
    }

    fn up(&mut self, mut network: Membership, joined: bool, now: Instant) {
        // Who joins anew comes with the key of the install code.
        let known = self.policy.known.as_ref().filter(|_| !joined);
        network.has_key = known.is_some_and(|known| {
            known.has_key
                && (known.extended_pan, known.trust_center)
                    == (network.extended_pan, network.trust_center)
        });
        self.stage = Stage::In;
        self.pause.reset();
        self.by_key = true;
        self.network = network.clone();
        self.policy.known = Some(network.clone());
        self.client
            .begin(self.stick.eui64, network.trust_center, network.has_key, now);
        self.events.push_back(Event::Up { network, joined });
    }

    /// The network is there no more: it is looked for.
    fn apart(&mut self, now: Instant) {
        self.client.end();
        if matches!(self.stage, Stage::In | Stage::Starting) {
            self.events.push_back(Event::Gone);
        }
        self.stage = Stage::Apart(now + self.pause.next(REJOIN));
    }

    fn choose(&mut self, networks: Vec<FoundNetwork>, now: Instant) {
        self.events.push_back(Event::Found(networks.clone()));
        let heard = networks.len();
        let wanted = self.policy.extended_pan;
        let is_wanted = |one: &FoundNetwork| wanted.is_none_or(|wanted| wanted == one.extended_pan);
        let obstacle = if heard == 0 {
            Some(Obstacle::NobodyThere)
        } else if !networks.iter().any(is_wanted) {
            Some(Obstacle::NotAmong(heard))
        } else {
            None
        };
        let mut open: Vec<FoundNetwork> = networks
            .into_iter()
            .filter(is_wanted)
            .filter(|one| one.permits_joining && one.stack_profile == ZIGBEE_PRO)
            .collect();
        open.sort_by_key(|one| std::cmp::Reverse(one.lqi));
        if open.is_empty() {
            let obstacle = obstacle.unwrap_or(Obstacle::NobodyPermits(heard));
            self.events.push_back(Event::Obstacle(obstacle));
            self.stage = Stage::Waiting(now + self.pause.next(LOOK));
        } else {
            self.stage = Stage::Joining(open.into());
            self.join(now);
        }
    }

    fn join(&mut self, now: Instant) {
        let Stage::Joining(networks) = &self.stage else {
            return;
        };
        let Some(network) = networks.front().copied() else {
            return;
        };
        let known = self.policy.known.as_ref();
        let was_there = known.is_some_and(|known| known.extended_pan == network.extended_pan);
        self.stick
            .join(network, &self.policy.link_key, was_there, now);
    }

    fn not_in(&mut self, obstacle: Obstacle, now: Instant) {
        let Stage::Joining(networks) = &mut self.stage else {
            return;
        };
        networks.pop_front();
        self.events.push_back(Event::Obstacle(obstacle));
        if networks.is_empty() {
            self.stage = Stage::Waiting(now + self.pause.next(REFUSED));
        } else {
            self.join(now);
        }
    }

    fn take_said(&mut self, said: Said, now: Instant) {
        let event = match said {
            Said::Key(key) => {
                self.stick.take_key(&key, now);
                return;
            }
            Said::Gone => {
                self.apart(now);
                return;
            }
            Said::Obstacle(obstacle) => Event::Obstacle(obstacle),
            Said::Serving => Event::Serving,
            Said::Value(value) => Event::Value(value),
            Said::Price(price) => Event::Price(price),
            Said::Message(message) => Event::Message(message),
            Said::TakenBack(id) => Event::TakenBack(id),
            Said::Clock(utc) => Event::Clock(utc),
        };
        self.events.push_back(event);
    }
}
