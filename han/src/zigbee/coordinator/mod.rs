//! The coordinator: the network of a stick is formed, carried on or restored, devices are let in,
//! messages go out and come in. It is told octets and the time, and asked what to send.
//!
//! A network that is not the known one is never touched: [`Event::Foreign`] says so, and nothing
//! more happens until [`Coordinator::start`] is called with [`Policy::replace`]. Frame counters
//! never go back: a network that is restored begins some thousand frames further on.

mod network;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use network::COUNTER_MARGIN;
pub use network::{ChannelEnergy, Network, advise};

use super::ezsp::{self, CommandError, INCOMING_MESSAGE, MESSAGE_SENT, Session, Token};
use crate::value::{Record, Value};

/// The key with which devices without an install code join (Base Device Behavior 13-0402, 6.1).
const WELL_KNOWN_KEY: &[u8; 16] = b"ZigBeeAlliance09";
/// Any device.
const WILDCARD: u64 = u64::MAX;
/// How long forming, resuming and leaving may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages that may be under way at once.
const UNDER_WAY: usize = 8;
/// Messages that wait at most.
const WAITING: usize = 256;
/// An acknowledged message may take so long: a sleeper is held for 7.5 s, over several hops.
const DELIVERY: Duration = Duration::from_secs(15);
/// Retry and route discovery (UG100, EmberApsOption).
const APS_OPTIONS: u64 = 0x0140;

/// What is to be done with the network of a stick.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The network that is carried on or, on an empty stick, restored.
    pub known: Option<Network>,
    /// The network that is formed where none is known.
    pub fresh: Network,
    /// A network that is neither may be erased.
    pub replace: bool,
}

/// Where a message of the application goes or comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aps {
    /// The profile.
    pub profile: u16,
    /// The cluster.
    pub cluster: u16,
    /// The endpoint here.
    pub own_endpoint: u8,
    /// The endpoint there.
    pub endpoint: u8,
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Who sent it: the address in the network.
    pub nwk: u16,
    /// Where.
    pub aps: Aps,
    /// What it says.
    pub payload: Vec<u8>,
    /// How well it was heard, 0 to 255.
    pub lqi: u8,
}

/// Which message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

/// How a device came into the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// It is new, or has been reset.
    New,
    /// It has come back.
    Again,
    /// It has gone.
    Left,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The network works; keep what makes it.
    Up {
        /// The network.
        network: Network,
        /// It was formed or restored just now.
        formed: bool,
    },
    /// The stick carries a network that is not ours; it is left alone.
    Foreign {
        /// Its 64-bit name.
        extended_pan: u64,
        /// Its 16-bit name.
        pan: u16,
        /// Its channel.
        channel: u8,
    },
    /// The stick is lost or does not do what it should; [`Coordinator::start`] begins anew.
    Lost(String),
    /// A device came or went.
    Device {
        /// Its address for life.
        ieee: u64,
        /// Its address in the network.
        nwk: u16,
        /// How.
        join: Join,
    },
    /// A message came.
    Incoming(Incoming),
    /// A message of ours has been acknowledged, or not.
    Sent {
        /// Which one.
        tag: Tag,
        /// Whether the device has it.
        delivered: bool,
    },
    /// How busy the channels are.
    Energy(Vec<ChannelEnergy>),
    /// What makes the network, with its counter as it stands.
    Snapshot(Network),
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

#[derive(Debug)]
struct Waiting {
    tag: Tag,
    nwk: u16,
    aps: Aps,
    payload: Vec<u8>,
}

#[derive(Debug)]
struct UnderWay {
    tag: Tag,
    command: Option<Token>,
    due: Instant,
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

    /// Sends a message to a device; [`Event::Sent`] tells how it went. `None` when there is no
    /// network or too many messages wait.
    pub fn send(&mut self, nwk: u16, aps: Aps, payload: Vec<u8>, now: Instant) -> Option<Tag> {
        if self.stage != Stage::Up || self.waiting.len() >= WAITING {
            return None;
        }
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.waiting.push_back(Waiting {
            tag,
            nwk,
            aps,
            payload,
        });
        self.send_waiting(now);
        Some(tag)
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
        if self.stage == Stage::Up {
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
        [self.session.poll_timeout(), self.due, messages]
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

    fn give_up_messages(&mut self) {
        let under_way = std::mem::take(&mut self.under_way);
        let waiting = std::mem::take(&mut self.waiting);
        let tags = under_way
            .into_values()
            .map(|one| one.tag)
            .chain(waiting.into_iter().map(|one| one.tag));
        self.events.extend(tags.map(|tag| Event::Sent {
            tag,
            delivered: false,
        }));
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

    fn sent(&mut self, wire_tag: u16, delivered: bool) {
        if let Some(one) = self.under_way.remove(&wire_tag) {
            let tag = one.tag;
            self.events.push_back(Event::Sent { tag, delivered });
        }
    }

    fn send_waiting(&mut self, now: Instant) {
        while self.stage == Stage::Up && self.under_way.len() < UNDER_WAY {
            let Some(message) = self.waiting.pop_front() else {
                return;
            };
            // 0 is for messages of which nobody wants to know.
            self.next_wire_tag = self.next_wire_tag % 255 + 1;
            let wire_tag = u16::from(self.next_wire_tag);
            let fields = Record::new()
                .with("message_type", Value::Unsigned(0))
                .with("nwk", Value::id16(message.nwk))
                .with("aps", Value::Record(aps_record(message.aps)))
                .with("tag", Value::Unsigned(wire_tag.into()))
                .with("message", Value::Octets(message.payload));
            let command = self.ask(0x0034, &fields, now);
            let one = UnderWay {
                tag: message.tag,
                command,
                due: now + DELIVERY,
            };
            let is_asked = command.is_some();
            self.under_way.insert(wire_tag, one);
            if !is_asked {
                self.sent(wire_tag, false);
            }
        }
    }

    /// Asks the command of a stage and waits for its answer.
    fn enter(&mut self, stage: Stage, id: u16, fields: &Record, now: Instant) {
        self.stage = stage;
        self.due = Some(now + PATIENCE);
        match self.session.command(id, fields, now) {
            Ok(token) => self.asked = Some(token),
            Err(refusal) => self.lose(refusal.to_string()),
        }
    }

    fn configure(&mut self, step: usize, now: Instant) {
        match settings(step) {
            Some((id, fields)) => self.enter(Stage::Configuring(step), id, &fields, now),
            None => {
                let fields = Record::new().with("bitmask", Value::Unsigned(0));
                self.enter(Stage::Initialising, 0x0017, &fields, now);
            }
        }
    }

    fn advance(&mut self, answer: &Record, now: Instant) {
        match self.stage {
            Stage::Configuring(step) => {
                if let Some(eui64) = answer.number("eui64") {
                    self.eui64 = eui64;
                }
                self.configure(step + 1, now);
            }
            Stage::Initialising => match status(answer) {
                0 => self.stage = Stage::AwaitUp,
                0x93 | 0x17 => self.form(0, now),
                other => self.lose(format!(
                    "the radio stick does not start its network, status {other:02x}"
                )),
            },
            Stage::Parameters => {
                self.take_parameters(answer);
                self.enter(Stage::Key, 0x0114, &key_context(1), now);
            }
            Stage::Key => {
                self.found.key = key(answer);
                self.enter(Stage::LinkKey, 0x0114, &key_context(2), now);
            }
            Stage::LinkKey => {
                self.found.link_key = key(answer);
                self.enter(Stage::KeyInfo, 0x0116, &Record::new(), now);
            }
            Stage::KeyInfo => {
                self.take_key_info(answer);
                self.judge(now);
            }
            Stage::Leaving => self.stage = Stage::AwaitDown,
            Stage::Forming(step) => {
                if status(answer) != 0 && step != 0 {
                    let number = status(answer);
                    self.lose(format!(
                        "the radio stick does not form the network, status {number:02x}"
                    ));
                } else {
                    self.form(step + 1, now);
                }
            }
            _ => {}
        }
    }

    /// The stick's network is known by now: is it ours?
    fn judge(&mut self, now: Instant) {
        let expected = if self.formed {
            Some(self.wanted().clone())
        } else {
            self.policy.known.clone()
        };
        let is_ours = expected.as_ref().is_some_and(|known| known.is(&self.found));
        let is_behind =
            expected.is_some_and(|known| self.found.frame_counter < known.frame_counter);
        if is_ours && (self.formed || !is_behind) {
            self.stage = Stage::Up;
            self.due = None;
            self.policy.known = Some(self.found.clone());
            self.policy.replace = false;
            let network = self.found.clone();
            let formed = self.formed;
            self.events.push_back(Event::Up { network, formed });
        } else if (is_ours || self.policy.replace) && !self.formed {
            // Ours with a counter that has gone back is formed again with a higher one.
            let fields = Record::new().with("options", Value::Unsigned(0));
            self.enter(Stage::Leaving, 0x0020, &fields, now);
        } else {
            self.stage = Stage::Refused;
            self.due = None;
            let (extended_pan, pan, channel) =
                (self.found.extended_pan, self.found.pan, self.found.channel);
            self.events.push_back(Event::Foreign {
                extended_pan,
                pan,
                channel,
            });
        }
    }

    fn wanted(&self) -> &Network {
        self.policy.known.as_ref().unwrap_or(&self.policy.fresh)
    }

    fn form(&mut self, step: usize, now: Instant) {
        self.formed = true;
        let restored = self.policy.known.is_some();
        let mut network = self.wanted().clone();
        if restored {
            network.frame_counter = network.frame_counter.saturating_add(COUNTER_MARGIN);
        }
        let stage = Stage::Forming(step);
        match step {
            // EzspValueId NWK_FRAME_COUNTER.
            0 => {
                let fields = Record::new().with("value_id", Value::Unsigned(0x23)).with(
                    "value",
                    Value::Octets(network.frame_counter.to_le_bytes().to_vec()),
                );
                self.enter(stage, 0x00AB, &fields, now);
            }
            1 => self.enter(stage, 0x0068, &network.security(restored), now),
            2 => self.enter(stage, 0x001E, &network.parameters(), now),
            _ => {
                self.stage = Stage::AwaitUp;
                self.due = Some(now + PATIENCE);
            }
        }
    }

    fn take_parameters(&mut self, answer: &Record) {
        let Some(Value::Record(parameters)) = answer.field("parameters") else {
            return;
        };
        let octet = |name| u8::try_from(number16(parameters, name)).unwrap_or(0);
        self.found.extended_pan = parameters.number("extended_pan").unwrap_or(0);
        self.found.pan = number16(parameters, "pan");
        self.found.channel = octet("channel");
        self.found.update_id = octet("update_id");
        self.found.coordinator = self.eui64;
    }

    fn take_key_info(&mut self, answer: &Record) {
        let Some(Value::Record(info)) = answer.field("network_key_info") else {
            return;
        };
        let number = |name| info.number(name).unwrap_or(0);
        self.found.key_sequence = u8::try_from(number("network_key_sequence_number")).unwrap_or(0);
        self.found.frame_counter =
            u32::try_from(number("network_key_frame_counter")).unwrap_or(u32::MAX);
    }
}

/// The settings of the stick, in order; the first asks its address.
fn settings(step: usize) -> Option<(u16, Record)> {
    let value = |id: u64, value: u64| {
        let fields = Record::new()
            .with("config_id", Value::Unsigned(id))
            .with("value", Value::Unsigned(value));
        (0x0053, fields)
    };
    let policy = |id: u64, decision: u64| {
        let fields = Record::new()
            .with("policy_id", Value::Unsigned(id))
            .with("decision_id", Value::Unsigned(decision));
        (0x0055, fields)
    };
    Some(match step {
        0 => (0x0026, Record::new()),
        // Stack profile 2 (Zigbee PRO), security level 5.
        1 => value(0x0C, 2),
        2 => value(0x0D, 5),
        // Sleepers are held for 7,680 ms.
        3 => value(0x12, 7680),
        4 => value(0x19, 2),
        5 => value(0x11, 32),
        // Trust centre: joins and unsecured rejoins; keys are told on request, application keys not.
        6 => policy(0x00, 0x0003),
        7 => policy(0x05, 0x51),
        8 => policy(0x06, 0x60),
        9 => endpoint(
            1,
            0x0104,
            0x0005,
            &[0x0000, 0x000A, 0x0019],
            &[0x0003, 0x0006, 0x0008, 0x0201, 0x0402, 0x0702, 0x0B04],
        ),
        10 => endpoint(
            2,
            0x0109,
            0x0500,
            &[0x0000, 0x000A, 0x0700, 0x0701, 0x0702, 0x0703, 0x0800],
            &[0x0800],
        ),
        11 => {
            // A concentrator of high memory: devices remember the way back (AN1233).
            let fields = Record::new()
                .with("on", Value::Unsigned(1))
                .with("concentrator_type", Value::Unsigned(0xFFF9))
                .with("min_time_s", Value::Unsigned(5))
                .with("max_time_s", Value::Unsigned(60))
                .with("route_error_threshold", Value::Unsigned(3))
                .with("delivery_failure_threshold", Value::Unsigned(1))
                .with("max_hops", Value::Unsigned(0));
            (0x0010, fields)
        }
        _ => return None,
    })
}

fn endpoint(id: u64, profile: u16, device: u16, inputs: &[u16], outputs: &[u16]) -> (u16, Record) {
    let list = |clusters: &[u16]| Value::List(clusters.iter().map(|id| Value::id16(*id)).collect());
    let fields = Record::new()
        .with("endpoint", Value::Unsigned(id))
        .with("profile", Value::id16(profile))
        .with("device", Value::id16(device))
        .with("device_version", Value::Unsigned(0))
        .with("input_count", Value::Unsigned(inputs.len() as u64))
        .with("output_count", Value::Unsigned(outputs.len() as u64))
        .with("input_clusters", list(inputs))
        .with("output_clusters", list(outputs));
    (0x0002, fields)
}

fn aps_record(aps: Aps) -> Record {
    Record::new()
        .with("profile", Value::id16(aps.profile))
        .with("cluster", Value::id16(aps.cluster))
        .with("src_endpoint", Value::Unsigned(aps.own_endpoint.into()))
        .with("dst_endpoint", Value::Unsigned(aps.endpoint.into()))
        .with("options", Value::Unsigned(APS_OPTIONS))
        .with("group", Value::id16(0))
        .with("sequence", Value::Unsigned(0))
}

fn incoming(fields: &Record) -> Option<Incoming> {
    let (Some(Value::Record(aps)), Some(Value::Octets(payload))) =
        (fields.field("aps"), fields.field("message"))
    else {
        return None;
    };
    let octet = |record: &Record, name| u8::try_from(number16(record, name)).unwrap_or(0);
    Some(Incoming {
        nwk: number16(fields, "nwk"),
        aps: Aps {
            profile: number16(aps, "profile"),
            cluster: number16(aps, "cluster"),
            own_endpoint: octet(aps, "dst_endpoint"),
            endpoint: octet(aps, "src_endpoint"),
        },
        payload: payload.clone(),
        lqi: octet(fields, "lqi"),
    })
}

/// Which key is meant: 1 the network's, 2 the trust centre's.
fn key_context(kind: u64) -> Record {
    let context = Record::new()
        .with("core_key_type", Value::Unsigned(kind))
        .with("key_index", Value::Unsigned(0))
        .with("derived_type", Value::Unsigned(0))
        .with("eui64", Value::ieee(0))
        .with("multi_network_index", Value::Unsigned(0))
        .with("flags", Value::Unsigned(0))
        .with("psa_key_alg_permission", Value::Unsigned(0));
    Record::new().with("context", Value::Record(context))
}

fn key(answer: &Record) -> zeroize::Zeroizing<[u8; 16]> {
    match answer.field("key") {
        Some(Value::Octets(octets)) => {
            zeroize::Zeroizing::new(octets.as_slice().try_into().unwrap_or_default())
        }
        _ => zeroize::Zeroizing::default(),
    }
}

/// The status in an answer: 0 when all went well, in every version.
fn status(answer: &Record) -> u64 {
    answer.number("status").unwrap_or(0)
}

fn number16(record: &Record, name: &str) -> u16 {
    u16::try_from(record.number(name).unwrap_or(0)).unwrap_or(0)
}
