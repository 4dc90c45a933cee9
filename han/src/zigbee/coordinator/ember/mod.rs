//! A stick with EmberZNet, through EZSP.
//!
//! Such a stick says what network it carries only once that works: it is started first and looked
//! at then.

mod bring_up;
pub(in crate::zigbee) mod records;
pub(in crate::zigbee) mod setup;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use records::{aps_record, incoming, number16, status};

use super::radio::{Outgoing, Radio, RadioEvent};
use super::{Aps, ChannelEnergy, Join, Network, Stack};
use crate::value::{Record, Value};
use crate::zigbee::ezsp::{self, CommandError, INCOMING_MESSAGE, MESSAGE_SENT, Session, Token};

/// The key with which devices without an install code join (Base Device Behavior 13-0402, 6.1).
const WELL_KNOWN_KEY: &[u8; 16] = b"ZigBeeAlliance09";
/// Any device.
const WILDCARD: u64 = u64::MAX;
/// How long forming, resuming and leaving may take.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// The coordinator decides what comes next.
    Resting,
}

/// The stick as the coordinator sees it.
#[derive(Debug)]
pub(super) struct Ember {
    session: Session,
    stage: Stage,
    /// The answer that the stage waits for.
    asked: Option<Token>,
    due: Option<Instant>,
    eui64: u64,
    /// What the stick says of its network.
    found: Network,
    /// What is being formed, and whether it has devices already.
    forming: Option<(Network, bool)>,
    /// Reading the counter of a network that works.
    snapshot: Option<Token>,
    /// The command of an exchange of keys, and whether it is the one to use the next.
    rotation: Option<(Token, bool)>,
    scan: Vec<ChannelEnergy>,
    sends: BTreeMap<Token, u8>,
    events: VecDeque<RadioEvent>,
}

impl Ember {
    pub(super) fn new() -> Self {
        Self {
            session: Session::default(),
            stage: Stage::Idle,
            asked: None,
            due: None,
            eui64: 0,
            found: Network::default(),
            forming: None,
            snapshot: None,
            rotation: None,
            scan: Vec::new(),
            sends: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    fn ask(&mut self, id: u16, fields: &Record, now: Instant) -> Option<Token> {
        self.session.command(id, fields, now).ok()
    }

    fn import_key(&mut self, ieee: u64, key: &[u8; 16], now: Instant) {
        let fields = Record::new()
            .with("eui64", Value::ieee(ieee))
            .with("key", Value::Octets(key.to_vec()))
            .with("flags", Value::Unsigned(0));
        self.ask(0x0111, &fields, now);
    }

    fn unicast(
        &mut self,
        tag: u8,
        nwk: u16,
        aps: Aps,
        payload: Vec<u8>,
        now: Instant,
    ) -> Option<Token> {
        let fields = Record::new()
            .with("message_type", Value::Unsigned(0))
            .with("nwk", Value::id16(nwk))
            .with("aps", Value::Record(aps_record(aps)))
            .with("tag", Value::Unsigned(tag.into()))
            .with("message", Value::Octets(payload));
        self.ask(0x0034, &fields, now)
    }

    fn lose(&mut self, reason: String) {
        self.stage = Stage::Idle;
        self.due = None;
        self.sends.clear();
        self.session = Session::default();
        self.events.push_back(RadioEvent::Lost(reason));
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
        if let Some((_, is_used)) = self.rotation.take_if(|(asked, _)| *asked == token) {
            let done = answer.is_ok_and(|answer| status(&answer) == 0);
            self.events.push_back(if is_used {
                RadioEvent::KeyUsed(done)
            } else {
                RadioEvent::KeyTold(done)
            });
        } else if self.asked == Some(token) {
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
                self.events
                    .push_back(RadioEvent::Snapshot(self.found.clone()));
            }
        } else if let Some(tag) = self.sends.remove(&token)
            && answer.map_or(true, |answer| status(&answer) != 0)
        {
            self.events.push_back(RadioEvent::Sent {
                tag,
                delivered: false,
            });
        }
    }

    fn take_callback(&mut self, id: u16, fields: &Record, now: Instant) {
        match id {
            0x0019 => match (self.stage, status(fields)) {
                (Stage::AwaitUp, 0x90 | 0x15) => {
                    self.enter(Stage::Parameters, 0x0028, &Record::new(), now);
                }
                (Stage::AwaitDown, 0x91 | 0x16) => {
                    self.stage = Stage::Resting;
                    self.due = None;
                    self.events.push_back(RadioEvent::Erased);
                }
                (Stage::Resting, 0x91 | 0x16) => {
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
                self.events
                    .push_back(RadioEvent::Device { ieee, nwk, join });
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
            0x001C => {
                let scan = std::mem::take(&mut self.scan);
                self.events.push_back(RadioEvent::Energy(scan));
            }
            MESSAGE_SENT => {
                if let (tag @ 1.., delivered) = (number16(fields, "tag"), status(fields) == 0)
                    && let Ok(tag) = u8::try_from(tag)
                {
                    self.events.push_back(RadioEvent::Sent { tag, delivered });
                }
            }
            INCOMING_MESSAGE => {
                self.events
                    .extend(incoming(fields).map(RadioEvent::Incoming));
            }
            _ => {}
        }
    }
}

impl Radio for Ember {
    fn stack(&self) -> Stack {
        Stack::EmberZnet
    }

    fn start(&mut self, now: Instant) {
        self.stage = Stage::Connecting;
        (self.asked, self.snapshot, self.rotation) = (None, None, None);
        (self.due, self.forming) = (None, None);
        self.sends.clear();
        self.session.start(now);
    }

    fn look(&mut self, now: Instant) {
        self.enter(Stage::Key, 0x0114, &records::key_context(1), now);
    }

    fn carry_on(&mut self, _now: Instant) {
        self.events.push_back(RadioEvent::Up(self.found.clone()));
    }

    fn erase(&mut self, now: Instant) {
        let fields = Record::new().with("options", Value::Unsigned(0));
        self.enter(Stage::Leaving, 0x0020, &fields, now);
    }

    fn form(&mut self, network: &Network, restored: bool, now: Instant) {
        self.forming = Some((network.clone(), restored));
        self.form_step(0, now);
    }

    fn snapshot(&mut self, now: Instant) {
        self.snapshot = self.ask(0x0116, &Record::new(), now);
    }

    fn send(&mut self, message: Outgoing, now: Instant) -> bool {
        let Outgoing {
            tag,
            nwk,
            aps,
            payload,
        } = message;
        let token = self.unicast(tag, nwk, aps, payload, now);
        self.sends.extend(token.map(|token| (token, tag)));
        token.is_some()
    }

    fn permit(&mut self, seconds: u8, through: Option<u16>, without_code: bool, now: Instant) {
        if without_code && seconds > 0 {
            self.import_key(WILDCARD, WELL_KNOWN_KEY, now);
        }
        // Significance 1: the trust centre's policy is in force (05-3474, 2.4.3.3.7).
        let request = vec![0, seconds, 1];
        let aps = Aps {
            profile: 0,
            cluster: 0x0036,
            own_endpoint: 0,
            endpoint: 0,
            secured: false,
        };
        if let Some(router) = through {
            self.unicast(0, router, aps, request, now);
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

    fn allow(&mut self, ieee: u64, key: &[u8; 16], now: Instant) {
        self.import_key(ieee, key, now);
    }

    fn link_key(&mut self, place: u8, (ieee, _): (u64, u16), key: &[u8; 16], now: Instant) {
        let fields = Record::new()
            .with("index", Value::Unsigned(place.into()))
            .with("address", Value::ieee(ieee))
            .with("key", Value::Octets(key.to_vec()));
        self.ask(0x010E, &fields, now);
    }

    fn scan(&mut self, now: Instant) {
        self.scan.clear();
        let fields = Record::new()
            .with("scan_type", Value::Unsigned(0))
            .with("channels", Value::Unsigned(0x07FF_F800))
            .with("duration", Value::Unsigned(3));
        self.ask(0x001A, &fields, now);
    }

    fn tell_key(&mut self, key: &[u8; 16], _sequence: u8, now: Instant) -> bool {
        let fields = Record::new().with("key", Value::Octets(key.to_vec()));
        self.rotation = self.ask(0x0073, &fields, now).map(|token| (token, false));
        self.rotation.is_some()
    }

    fn use_key(&mut self, _sequence: u8, now: Instant) -> bool {
        self.rotation = self
            .ask(0x0074, &Record::new(), now)
            .map(|token| (token, true));
        self.rotation.is_some()
    }

    fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.session.handle_octets(octets, now);
        self.take_events(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.take_events(now);
        if self.due.is_some_and(|due| now >= due) {
            self.lose("the radio stick does not bring its network up".to_owned());
        }
    }

    fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.session.poll_transmit()
    }

    fn poll_event(&mut self) -> Option<RadioEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.session.poll_timeout(), self.due]
            .into_iter()
            .flatten()
            .min()
    }
}
