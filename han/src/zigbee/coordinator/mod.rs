//! The coordinator: the network of a stick is formed, carried on or restored, devices are let in,
//! messages go out and come in. It is told octets and the time, and asked what to send.
//!
//! A network that is not the known one is never touched: [`Event::Foreign`] says so, and nothing
//! more happens until [`Coordinator::start`] is called with [`Policy::replace`]. Frame counters
//! never go back: a network that is restored begins some thousand frames further on.

mod bring_up;
mod event;
mod messages;
mod network;
mod records;
mod rotation;
mod setup;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

pub use event::{Aps, Event, Incoming, Join, Tag};
use messages::{UnderWay, Waiting};
pub use network::{ChannelEnergy, Network, advise};
use records::{aps_record, incoming, number16, status};
use rotation::Rotation;
pub(super) use setup::LINK_KEYS;
use setup::settings;

use super::ezsp::{self, CommandError, INCOMING_MESSAGE, MESSAGE_SENT, Session, Token};
use crate::value::{Record, Value};

/// The key with which devices without an install code join (Base Device Behavior 13-0402, 6.1).
const WELL_KNOWN_KEY: &[u8; 16] = b"ZigBeeAlliance09";
/// Any device.
const WILDCARD: u64 = u64::MAX;
/// How long forming, resuming and leaving may take.
const PATIENCE: Duration = Duration::from_secs(10);

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    /// The settings that go before the network, by number.
    Configuring(usize),
    Initialising,
    /// The stack says when it is up.
    AwaitUp,
    Parameters,
    LinkKey,
    Key,
    KeyInfo,
    Leaving,
    AwaitDown,
    /// The steps that form a network, by number.
    Forming(usize),
    Up,
    /// The network is a stranger's.
    Refused,
}

/// The coordinator of a network.
#[derive(Debug)]
pub struct Coordinator {
    session: Session,
    policy: Policy,
    stage: Stage,
    /// The answer that the stage waits for.
    asked: Option<Token>,
    due: Option<Instant>,
    eui64: u64,
    /// What the stick says of its network.
    found: Network,
    formed: bool,
    /// Reading the counter of a network that works.
    snapshot: Option<Token>,
    rotation: Option<Rotation>,
    scan: Vec<ChannelEnergy>,
    waiting: VecDeque<Waiting>,
    under_way: BTreeMap<u16, UnderWay>,
    next_tag: u64,
    next_wire_tag: u8,
    events: VecDeque<Event>,
}

impl Coordinator {
    /// A coordinator at rest.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let found = policy.fresh.clone();
        Self {
            session: Session::default(),
            policy,
            stage: Stage::Idle,
            asked: None,
            due: None,
            eui64: 0,
            found,
            formed: false,
            snapshot: None,
            rotation: None,
            scan: Vec::new(),
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
        self.stage = Stage::Connecting;
        (self.asked, self.snapshot, self.formed) = (None, None, false);
        self.rotation = None;
        self.due = None;
        self.session.start(now);
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
        self.session = Session::default();
    }

    /// Whether messages can be sent.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    /// The stick's own address.
    #[must_use]
    pub fn eui64(&self) -> u64 {
        self.eui64
    }

    /// Lets devices in for so many seconds, 0 to 254; 0 ends it. Through every router, or through
    /// the one with this address. Devices without an install code join with the well-known key only
    /// while `without_code` allows it.
    pub fn permit(&mut self, seconds: u8, through: Option<u16>, without_code: bool, now: Instant) {
        if self.stage != Stage::Up {
            return;
        }
        let seconds = seconds.min(254);
        if without_code && seconds > 0 {
            self.import_key(WILDCARD, WELL_KNOWN_KEY, now);
        }
        // Significance 1: the trust centre's policy is in force (05-3474, 2.4.3.3.7).
        let request = vec![self.next_wire_tag, seconds, 1];
        let aps = Aps {
            profile: 0,
            cluster: 0x0036,
            own_endpoint: 0,
            endpoint: 0,
            secured: false,
        };
        if let Some(router) = through {
            self.send(router, aps, request, now);
            return;
        }
        let fields = Record::new().with("duration_s", Value::Unsigned(seconds.into()));
        self.ask(0x0022, &fields, now);
        let fields = Record::new()
            .with("alias", Value::id16(0xFFFF))
            .with("nwk", Value::id16(0xFFFC))
            .with("sequence", Value::Unsigned(0))
            .with("aps", Value::Record(aps_record(aps)))
            .with("radius", Value::Unsigned(0))
            .with("tag", Value::Unsigned(0))
            .with("message", Value::Octets(request));
        self.ask(0x0036, &fields, now);
        if seconds == 0 {
            self.ask(0x006B, &Record::new(), now);
        }
    }

    /// Lets one device join with the key of its install code, for as long as joining is permitted.
    pub fn allow(&mut self, ieee: u64, link_key: &[u8; 16], now: Instant) {
        if self.stage == Stage::Up {
            self.import_key(ieee, link_key, now);
        }
    }

    /// Gives the stick the key that it and one device have come to, for this place of its table.
    pub fn link_key(&mut self, place: u8, ieee: u64, link_key: &[u8; 16], now: Instant) {
        if self.stage == Stage::Up {
            let fields = Record::new()
                .with("index", Value::Unsigned(place.into()))
                .with("address", Value::ieee(ieee))
                .with("key", Value::Octets(link_key.to_vec()));
            self.ask(0x010E, &fields, now);
        }
    }

    /// Measures how busy the channels are; [`Event::Energy`] tells. The network is deaf meanwhile.
    pub fn scan(&mut self, now: Instant) {
        if self.stage == Stage::Up {
            self.scan.clear();
            let fields = Record::new()
                .with("scan_type", Value::Unsigned(0))
                .with("channels", Value::Unsigned(0x07FF_F800))
                .with("duration", Value::Unsigned(3));
            self.ask(0x001A, &fields, now);
        }
    }

    /// Reads the frame counter; [`Event::Snapshot`] tells the network with it.
    pub fn snapshot(&mut self, now: Instant) {
        // While the key is exchanged the network as it stands is not the one to be kept.
        if self.stage == Stage::Up && self.rotation.is_none() {
            self.snapshot = self.session.command(0x0116, &Record::new(), now).ok();
        }
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.session.handle_octets(octets, now);
        self.take_events(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.take_events(now);
        if self.due.is_some_and(|due| now >= due) {
            self.lose("the radio stick does not bring its network up".to_owned());
        }
        let over: Vec<u16> = self
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
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.session.poll_transmit()
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
        [self.session.poll_timeout(), self.due, messages, rotation]
            .into_iter()
            .flatten()
            .min()
    }

    fn import_key(&mut self, ieee: u64, key: &[u8; 16], now: Instant) {
        let fields = Record::new()
            .with("eui64", Value::ieee(ieee))
            .with("key", Value::Octets(key.to_vec()))
            .with("flags", Value::Unsigned(0));
        self.ask(0x0111, &fields, now);
    }

    fn ask(&mut self, id: u16, fields: &Record, now: Instant) -> Option<Token> {
        self.session.command(id, fields, now).ok()
    }

    fn lose(&mut self, reason: String) {
        self.give_up_messages();
        self.stage = Stage::Idle;
        self.due = None;
        self.session = Session::default();
        self.events.push_back(Event::Lost(reason));
    }

    fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            match event {
                ezsp::Event::Ready { .. } => self.configure(0, now),
                ezsp::Event::Lost(failure) => self.lose(failure.to_string()),
                ezsp::Event::Callback { id, fields } => self.take_callback(id, &fields, now),
                ezsp::Event::Answer { token, answer } => self.take_answer(token, answer, now),
            }
        }
    }

    fn take_answer(&mut self, token: Token, answer: Result<Record, CommandError>, now: Instant) {
        if self.take_rotation(token, &answer, now) {
            return;
        }
        if self.asked == Some(token) {
            self.asked = None;
            match answer {
                Ok(answer) => self.advance(&answer, now),
                // Settings that this firmware does not know keep its own value.
                Err(CommandError::Refused(_)) if matches!(self.stage, Stage::Configuring(_)) => {
                    self.advance(&Record::new(), now);
                }
                Err(CommandError::Lost) => {}
                Err(error) => self.lose(error.to_string()),
            }
        } else if self.snapshot == Some(token) {
            self.snapshot = None;
            if let Ok(answer) = answer {
                self.take_key_info(&answer);
                self.events.push_back(Event::Snapshot(self.found.clone()));
            }
        } else {
            let refused = answer.map_or(true, |answer| status(&answer) != 0);
            let of = self
                .under_way
                .iter()
                .find(|(_, one)| one.command == Some(token));
            if let (true, Some((&tag, _))) = (refused, of) {
                self.sent(tag, false);
                self.send_waiting(now);
            }
        }
    }

    fn take_callback(&mut self, id: u16, fields: &Record, now: Instant) {
        match id {
            0x0019 => match (self.stage, status(fields)) {
                (Stage::AwaitUp, 0x90 | 0x15) => {
                    self.enter(Stage::Parameters, 0x0028, &Record::new(), now);
                }
                (Stage::AwaitDown, 0x91 | 0x16) => self.form(0, now),
                (Stage::Up, 0x91 | 0x16) => {
                    self.lose("the radio stick has left the network".to_owned());
                }
                _ => {}
            },
            0x0024 => {
                let join = match fields.number("update") {
                    Some(1) => Join::New,
                    Some(2) => Join::Left,
                    _ => Join::Again,
                };
                let ieee = fields.number("eui64").unwrap_or(0);
                let nwk = number16(fields, "nwk");
                self.events.push_back(Event::Device { ieee, nwk, join });
            }
            0x0048 => {
                let energy = match fields.field("rssi_dbm") {
                    Some(Value::Signed(energy)) => i8::try_from(*energy).ok(),
                    _ => None,
                };
                let channel = u8::try_from(number16(fields, "channel")).unwrap_or(0);
                if let Some(energy_dbm) = energy.filter(|_| self.scan.len() < 32) {
                    self.scan.push(ChannelEnergy {
                        channel,
                        energy_dbm,
                    });
                }
            }
            0x001C => self
                .events
                .push_back(Event::Energy(std::mem::take(&mut self.scan))),
            MESSAGE_SENT => {
                let tag = number16(fields, "tag");
                self.sent(tag, status(fields) == 0);
                self.send_waiting(now);
            }
            INCOMING_MESSAGE => {
                if let Some(incoming) = incoming(fields) {
                    self.events.push_back(Event::Incoming(incoming));
                }
            }
            _ => {}
        }
    }
}
