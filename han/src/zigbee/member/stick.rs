//! A stick with EmberZNet as an end device of another's network (UG100): what network it is in, what
//! networks there are, joining one, finding it again.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::{FoundNetwork, Membership};
use crate::value::{Record, Value};
use crate::zigbee::coordinator::ember::records::{aps_record, incoming, number16, status};
use crate::zigbee::coordinator::ember::setup::endpoint;
use crate::zigbee::coordinator::endpoint::Endpoint;
use crate::zigbee::coordinator::{Aps, Incoming};
use crate::zigbee::ezsp::{self, CommandError, INCOMING_MESSAGE, MESSAGE_SENT, Session, Token};

/// How long one step of starting may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long looking at all channels may take: 16 channels of 2^3 + 1 superframes, 0.14 s each, and
/// what the stick takes for itself.
const SCAN: Duration = Duration::from_secs(20);
/// How long joining, or finding the network again, may take until it must be told how it went.
const JOIN: Duration = Duration::from_secs(60);
/// Networks that one look tells at most.
const NETWORKS: usize = 32;

/// EmberNodeType: an end device. It hears at all times, but passes nothing on.
const END_DEVICE: u64 = 3;
/// The bits of the initial security state (UG100, EmberInitialSecurityBitmask) of one that joins: a
/// preconfigured link key, and the network's key encrypted with it alone.
const SECURITY: u64 = 0x0100 | 0x0800;
/// The frame counters are not begun anew.
const KEEP_COUNTERS: u64 = 0x1000;
/// The parent is asked every 10 s, in quarters of a second, and missed after the third time.
const POLL: (u64, u64, u64) = (40, 2, 3);

/// The host's own endpoint: an in-home display (07-5356, 6.4).
pub(super) const DISPLAY: Endpoint = Endpoint {
    id: 1,
    profile: 0x0109,
    device: 0x0502,
    inputs: &[0x0000, 0x0800],
    outputs: &[0x000A, 0x0700, 0x0702, 0x0703, 0x0800],
};

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
    Address,
    Security,
    /// Nothing is under way: in the network, or in none.
    Resting,
    Scanning,
    /// The security state of one that joins.
    Securing,
    Joining,
    Rejoining,
    AwaitRejoin,
}

/// What a stick tells.
#[derive(Debug)]
pub(super) enum StickEvent {
    /// It is in no network.
    Alone,
    /// It is in this network; `leads` when it is the network's coordinator.
    In { network: Membership, leads: bool },
    /// The networks that it hears.
    Scanned(Vec<FoundNetwork>),
    /// It was not let in: the stack's status, or none when it said nothing in time.
    NotIn(Option<u64>),
    /// The network was not found again.
    NotFound,
    /// The parent does not answer, or the stack has lost the network.
    ParentLost,
    /// Whether it has taken the key.
    KeyTaken(bool),
    /// What became of a message.
    Sent { tag: u8, delivered: bool },
    /// A message came.
    Incoming(Incoming),
    /// It does not do what it should.
    Lost(String),
}

/// The stick.
#[derive(Debug)]
pub(super) struct Stick {
    session: Session,
    stage: Stage,
    asked: Option<Token>,
    due: Option<Instant>,
    pub(super) eui64: u64,
    leads: bool,
    found: Membership,
    networks: Vec<FoundNetwork>,
    joining: Option<FoundNetwork>,
    key: Option<Token>,
    sends: BTreeMap<Token, u8>,
    events: VecDeque<StickEvent>,
}

impl Stick {
    pub(super) fn new() -> Self {
        Self {
            session: Session::default(),
            stage: Stage::Idle,
            asked: None,
            due: None,
            eui64: 0,
            leads: false,
            found: Membership::default(),
            networks: Vec::new(),
            joining: None,
            key: None,
            sends: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Begins anew, after the port was opened; [`StickEvent::In`] or [`StickEvent::Alone`] tells.
    pub(super) fn start(&mut self, now: Instant) {
        *self = Self {
            stage: Stage::Connecting,
            session: std::mem::take(&mut self.session),
            ..Self::new()
        };
        self.session.start(now);
    }

    /// Looks for networks on these channels; [`StickEvent::Scanned`] tells.
    pub(super) fn scan(&mut self, channels: u32, now: Instant) {
        self.networks.clear();
        let fields = Record::new()
            .with("scan_type", Value::Unsigned(1))
            .with("channels", Value::Unsigned(channels.into()))
            .with("duration", Value::Unsigned(3));
        self.enter(Stage::Scanning, 0x001A, &fields, SCAN, now);
    }

    /// Joins a network with a link key of its own; [`StickEvent::In`] or [`StickEvent::NotIn`]
    /// tells. In a network where it was before, its counters go on.
    pub(super) fn join(
        &mut self,
        network: FoundNetwork,
        link_key: &[u8; 16],
        was_there: bool,
        now: Instant,
    ) {
        let keep = if was_there { KEEP_COUNTERS } else { 0 };
        self.joining = Some(network);
        let fields = Record::new()
            .with("bitmask", Value::Unsigned(SECURITY | keep))
            .with("preconfigured_key", Value::Octets(link_key.to_vec()))
            .with("network_key", Value::Octets(vec![0; 16]))
            .with("network_key_sequence_number", Value::Unsigned(0))
            .with("trust_center", Value::ieee(0));
        self.enter(Stage::Securing, 0x0068, &fields, PATIENCE, now);
    }

    /// Finds its network again, with the network's key or, where that may have changed, through the
    /// trust centre; [`StickEvent::In`] or [`StickEvent::NotFound`] tells.
    pub(super) fn rejoin(&mut self, has_key: bool, channels: u32, now: Instant) {
        let fields = Record::new()
            .with("have_network_key", Value::Unsigned(has_key.into()))
            .with("channels", Value::Unsigned(channels.into()))
            .with("reason", Value::Unsigned(0))
            .with("node_type", Value::Unsigned(END_DEVICE));
        self.enter(Stage::Rejoining, 0x0021, &fields, JOIN, now);
    }

    /// Takes the key that it and the trust centre have come to, in place of the one with which it
    /// joined; [`StickEvent::KeyTaken`] tells.
    pub(super) fn take_key(&mut self, key: &[u8; 16], now: Instant) {
        // sl_zb_sec_man_key_type_t: the trust centre's link key.
        let fields = crate::zigbee::coordinator::ember::records::key_context(2)
            .with("key", Value::Octets(key.to_vec()));
        self.key = self.session.command(0x0115, &fields, now).ok();
        if self.key.is_none() {
            self.events.push_back(StickEvent::KeyTaken(false));
        }
    }

    /// Sends a message; [`StickEvent::Sent`] tells how it went, for tags above 0.
    pub(super) fn send(&mut self, tag: u8, nwk: u16, aps: Aps, payload: Vec<u8>, now: Instant) {
        let fields = Record::new()
            .with("message_type", Value::Unsigned(0))
            .with("nwk", Value::id16(nwk))
            .with("aps", Value::Record(aps_record(aps)))
            .with("tag", Value::Unsigned(tag.into()))
            .with("message", Value::Octets(payload));
        match self.session.command(0x0034, &fields, now) {
            Ok(token) => drop(self.sends.insert(token, tag)),
            Err(_) => self.not_sent(tag),
        }
    }

    fn not_sent(&mut self, tag: u8) {
        let delivered = false;
        self.events.push_back(StickEvent::Sent { tag, delivered });
    }

    fn enter(&mut self, stage: Stage, id: u16, fields: &Record, patience: Duration, now: Instant) {
        self.stage = stage;
        self.due = Some(now + patience);
        match self.session.command(id, fields, now) {
            Ok(token) => self.asked = Some(token),
            Err(refusal) => self.lose(refusal.to_string()),
        }
    }

    fn rest(&mut self, event: StickEvent) {
        self.stage = Stage::Resting;
        self.due = None;
        self.events.push_back(event);
    }

    fn lose(&mut self, reason: String) {
        let events = std::mem::take(&mut self.events);
        *self = Self::new();
        self.events = events;
        self.events.push_back(StickEvent::Lost(reason));
    }

    fn configure(&mut self, step: usize, now: Instant) {
        let (id, fields) = match settings(step) {
            Some(setting) => setting,
            None => {
                let fields = Record::new().with("bitmask", Value::Unsigned(0));
                self.enter(Stage::Initialising, 0x0017, &fields, PATIENCE, now);
                return;
            }
        };
        self.enter(Stage::Configuring(step), id, &fields, PATIENCE, now);
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
                0x93 | 0x17 => self.rest(StickEvent::Alone),
                other => self.lose(format!(
                    "the radio stick does not start its network, status {other:02x}"
                )),
            },
            Stage::Parameters => {
                self.take_parameters(answer);
                self.enter(Stage::Address, 0x0027, &Record::new(), PATIENCE, now);
            }
            Stage::Address => {
                self.found.nwk = number16(answer, "nwk");
                self.enter(Stage::Security, 0x0069, &Record::new(), PATIENCE, now);
            }
            Stage::Security => {
                if let Some(Value::Record(state)) = answer.field("state") {
                    self.found.trust_center = state.number("trust_center").unwrap_or(0);
                }
                self.poll_parent(now);
                let (network, leads) = (self.found.clone(), self.leads);
                self.rest(StickEvent::In { network, leads });
            }
            Stage::Securing => match (status(answer), self.joining) {
                (0, Some(network)) => {
                    let parameters =
                        parameters(network).with("node_type", Value::Unsigned(END_DEVICE));
                    self.enter(Stage::Joining, 0x001F, &parameters, JOIN, now);
                }
                (other, _) => self.rest(StickEvent::NotIn(Some(other))),
            },
            // What comes of it is told by the stack's status.
            Stage::Joining if status(answer) != 0 => {
                self.rest(StickEvent::NotIn(Some(status(answer))));
            }
            Stage::Rejoining => match status(answer) {
                0 => self.stage = Stage::AwaitRejoin,
                _ => self.rest(StickEvent::NotFound),
            },
            Stage::Scanning if status(answer) != 0 => {
                self.rest(StickEvent::Scanned(Vec::new()));
            }
            _ => {}
        }
    }

    /// An end device that does not ask its parent is forgotten by it, and never learns that the
    /// parent is gone.
    fn poll_parent(&mut self, now: Instant) {
        let (interval, units, failure_limit) = POLL;
        let fields = Record::new()
            .with("interval", Value::Unsigned(interval))
            .with("units", Value::Unsigned(units))
            .with("failure_limit", Value::Unsigned(failure_limit));
        // Firmware that polls by itself refuses it, which changes nothing.
        let _ = self.session.command(0x0042, &fields, now);
    }

    fn take_parameters(&mut self, answer: &Record) {
        self.leads = answer.number("node_type") == Some(1);
        let Some(Value::Record(parameters)) = answer.field("parameters") else {
            return;
        };
        self.found.extended_pan = parameters.number("extended_pan").unwrap_or(0);
        self.found.pan = number16(parameters, "pan");
        self.found.channel = u8::try_from(number16(parameters, "channel")).unwrap_or(0);
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
        let is_done = |answer: &Result<Record, CommandError>| {
            answer.as_ref().is_ok_and(|answer| status(answer) == 0)
        };
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
        } else if self.key == Some(token) {
            self.key = None;
            self.events
                .push_back(StickEvent::KeyTaken(is_done(&answer)));
        } else if let Some(tag) = self.sends.remove(&token)
            && !is_done(&answer)
        {
            self.not_sent(tag);
        }
    }

    fn take_callback(&mut self, id: u16, fields: &Record, now: Instant) {
        match id {
            0x0019 => self.take_stack_status(status(fields), now),
            0x001B => self.take_network(fields),
            0x001C if self.stage == Stage::Scanning => {
                let networks = std::mem::take(&mut self.networks);
                self.rest(StickEvent::Scanned(networks));
            }
            // The parent was polled: anything but an answer or nothing to say is a loss.
            0x0043 if self.stage == Stage::Resting && matches!(status(fields), 0x66 | 0x0C04) => {
                self.events.push_back(StickEvent::ParentLost);
            }
            MESSAGE_SENT => {
                let tag = u8::try_from(number16(fields, "tag")).unwrap_or(0);
                let delivered = status(fields) == 0;
                self.events.push_back(StickEvent::Sent { tag, delivered });
            }
            INCOMING_MESSAGE => {
                self.events
                    .extend(incoming(fields).map(StickEvent::Incoming));
            }
            _ => {}
        }
    }

    fn take_stack_status(&mut self, status: u64, now: Instant) {
        let is_up = matches!(status, 0x90 | 0x15);
        match self.stage {
            Stage::AwaitUp | Stage::Joining | Stage::AwaitRejoin if is_up => {
                self.enter(Stage::Parameters, 0x0028, &Record::new(), PATIENCE, now);
            }
            // Before it is found again it goes down.
            Stage::AwaitRejoin if matches!(status, 0x91 | 0x16) => {}
            Stage::AwaitUp | Stage::AwaitRejoin => self.rest(StickEvent::NotFound),
            Stage::Joining => self.rest(StickEvent::NotIn(Some(status))),
            Stage::Resting if !is_up => self.events.push_back(StickEvent::ParentLost),
            _ => {}
        }
    }

    fn take_network(&mut self, fields: &Record) {
        let (Some(Value::Record(network)), true) =
            (fields.field("network"), self.networks.len() < NETWORKS)
        else {
            return;
        };
        let octet = |record: &Record, name| u8::try_from(number16(record, name)).unwrap_or(0);
        let found = FoundNetwork {
            extended_pan: network.number("extended_pan").unwrap_or(0),
            pan: number16(network, "pan"),
            channel: octet(network, "channel"),
            update_id: octet(network, "update_id"),
            stack_profile: octet(network, "stack_profile"),
            permits_joining: network.number("allowing_join").unwrap_or(0) != 0,
            lqi: octet(fields, "lqi"),
        };
        // Every router answers: a network counts once, as its best one is heard.
        let same = |one: &&mut FoundNetwork| {
            (one.extended_pan, one.pan, one.channel)
                == (found.extended_pan, found.pan, found.channel)
        };
        match self.networks.iter_mut().find(same) {
            Some(known) => {
                known.permits_joining |= found.permits_joining;
                known.lqi = known.lqi.max(found.lqi);
            }
            None => self.networks.push(found),
        }
    }

    pub(super) fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.session.handle_octets(octets, now);
        self.take_events(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.take_events(now);
        if self.due.is_some_and(|due| now >= due) {
            match self.stage {
                Stage::Joining => self.rest(StickEvent::NotIn(None)),
                // The stack is in the network and does not find it.
                Stage::AwaitUp | Stage::AwaitRejoin => self.rest(StickEvent::NotFound),
                _ => self.lose("the radio stick does not do what it was asked to".to_owned()),
            }
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.session.poll_transmit()
    }

    pub(super) fn poll_event(&mut self) -> Option<StickEvent> {
        self.events.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.session.poll_timeout(), self.due]
            .into_iter()
            .flatten()
            .min()
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
    Some(match step {
        0 => (0x0026, Record::new()),
        // Stack profile 2 (Zigbee PRO), security level 5.
        1 => value(0x0C, 2),
        2 => value(0x0D, 5),
        3 => endpoint(&DISPLAY),
        _ => return None,
    })
}

fn parameters(network: FoundNetwork) -> Record {
    let parameters = Record::new()
        .with("extended_pan", Value::ieee(network.extended_pan))
        .with("pan", Value::id16(network.pan))
        .with("power_dbm", Value::Signed(8))
        .with("channel", Value::Unsigned(network.channel.into()))
        // By association, which the parent permits or not.
        .with("join_method", Value::Unsigned(0))
        .with("manager", Value::id16(0))
        .with("update_id", Value::Unsigned(network.update_id.into()))
        .with("channels", Value::Unsigned(0));
    Record::new().with("parameters", Value::Record(parameters))
}
