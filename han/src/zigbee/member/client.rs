//! The conversation with the meter's energy services interface: where its clusters are, a key from
//! certificates, and then what it has to say. One question at a time, each with an end.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::meter::{Meter, MeterValue};
use super::stick::DISPLAY;
use super::{Obstacle, UtilityMessage, UtilityPrice};
use crate::value::{Record, Value};
use crate::zigbee::coordinator::{Aps, Incoming};
use crate::zigbee::key_establishment::{Exchange, Identity, Random, STEP_S};
use crate::zigbee::zcl::clusters::id::{KEY_ESTABLISHMENT, MESSAGING, METERING, PRICE, TIME};
use crate::zigbee::zcl::{Direction, FrameType, Message, write, write_command};
use crate::zigbee::zdo;

/// The trust centre's address in the network; a meter's interface is on it.
pub(super) const TRUST_CENTER: u16 = 0;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Questions without an answer in a row until the meter counts as gone.
const MISSED: u32 = 3;
/// Endpoints that are looked at.
const ENDPOINTS: usize = 8;
/// A first pause after an exchange without a key, and the longest.
const KEY_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// What is asked of the interface, the more urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    Endpoints,
    Descriptor(u8),
    Suites,
    Exchange,
    Scale,
    Demand,
    Registers,
    Price,
    Message,
    Clock,
    Names,
}

/// How often each is asked once there is a key.
const EVERY: [(Question, Duration); 7] = [
    (Question::Scale, Duration::from_secs(3600)),
    (Question::Demand, Duration::from_secs(10)),
    (Question::Registers, Duration::from_secs(60)),
    (Question::Price, Duration::from_secs(300)),
    (Question::Message, Duration::from_secs(900)),
    (Question::Clock, Duration::from_secs(3600)),
    (Question::Names, Duration::from_secs(3600)),
];
/// While the scale is not known nothing can be told, and it is asked more often.
const SCALE: Duration = Duration::from_secs(30);

/// What comes of the conversation.
#[derive(Debug)]
pub(super) enum Said {
    /// Something keeps it from going on; it is tried again.
    Obstacle(Obstacle),
    /// The key that both have come to.
    Key(Zeroizing<[u8; 16]>),
    /// The meter answers with the key, for the first time since it was found.
    Serving,
    Value(MeterValue),
    Price(UtilityPrice),
    Message(UtilityMessage),
    TakenBack(u32),
    /// The meter's clock, seconds since 2000 UTC.
    Clock(u32),
    /// It does not answer any more.
    Gone,
}

/// A message to the interface; tag 0: nobody waits for it.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) tag: u8,
    pub(super) aps: Aps,
    pub(super) payload: Vec<u8>,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    tsn: u8,
    due: Instant,
}

/// One interface.
#[derive(Debug)]
pub(super) struct Client {
    identity: Option<Identity>,
    random: Random,
    own: u64,
    trust_center: u64,
    /// Both have a key from certificates.
    pub(super) has_key: bool,
    /// The meter has answered with that key since it was found.
    is_proved: bool,
    endpoints: BTreeMap<u16, u8>,
    unseen: VecDeque<u8>,
    has_meter: bool,
    suites: Option<u64>,
    exchange: Option<Exchange>,
    key_pause: Duration,
    due: BTreeMap<Question, Instant>,
    asked: Option<Asked>,
    missed: u32,
    tsn: u8,
    utc: Option<(u32, Instant)>,
    meter: Meter,
    letters: VecDeque<Letter>,
    said: VecDeque<Said>,
}

impl Client {
    pub(super) fn new(identity: Option<Identity>, random: Random) -> Self {
        Self {
            identity,
            random,
            own: 0,
            trust_center: 0,
            has_key: false,
            is_proved: false,
            endpoints: BTreeMap::new(),
            unseen: VecDeque::new(),
            has_meter: false,
            suites: None,
            exchange: None,
            key_pause: KEY_PAUSE.0,
            due: BTreeMap::new(),
            asked: None,
            missed: 0,
            tsn: 0,
            utc: None,
            meter: Meter::default(),
            letters: VecDeque::new(),
            said: VecDeque::new(),
        }
    }

    /// The stick is in the network: the interface is looked for.
    pub(super) fn begin(&mut self, own: u64, trust_center: u64, has_key: bool, now: Instant) {
        if self.trust_center != trust_center {
            self.meter = Meter::default();
        }
        (self.own, self.trust_center, self.has_key) = (own, trust_center, has_key);
        (self.is_proved, self.has_meter, self.missed) = (false, false, 0);
        (self.asked, self.exchange, self.suites) = (None, None, None);
        self.endpoints.clear();
        self.unseen.clear();
        self.letters.clear();
        self.due = BTreeMap::from([(Question::Endpoints, now)]);
    }

    /// The stick is in no network any more.
    pub(super) fn end(&mut self) {
        self.due.clear();
        self.letters.clear();
        (self.asked, self.exchange) = (None, None);
    }

    pub(super) fn set_clock(&mut self, utc: u32, now: Instant) {
        self.utc = Some((utc, now));
    }

    /// Tells the utility that somebody has read a message.
    pub(super) fn confirm(&mut self, id: u32, now: Instant) {
        let fields = Record::new()
            .with("message_id", Value::Unsigned(id.into()))
            .with("confirmation_time", Value::Unsigned(self.now_utc(now)));
        self.command(0, MESSAGING, 0x01, &fields);
    }

    fn now_utc(&self, now: Instant) -> u64 {
        self.utc.map_or(0, |(utc, at)| {
            u64::from(utc) + now.saturating_duration_since(at).as_secs()
        })
    }

    /// The stick has the key, or does not take it.
    pub(super) fn key_taken(&mut self, is_taken: bool, now: Instant) {
        if !is_taken {
            self.no_key(Obstacle::KeyNotTaken, now);
            return;
        }
        self.has_key = true;
        self.key_pause = KEY_PAUSE.0;
        self.serve(now);
    }

    fn serve(&mut self, now: Instant) {
        self.due = EVERY
            .iter()
            .filter(|(question, _)| self.endpoints.contains_key(&cluster(*question)))
            .map(|(question, _)| (*question, now))
            .collect();
    }

    fn no_key(&mut self, obstacle: Obstacle, now: Instant) {
        self.exchange = None;
        self.asked = None;
        self.said.push_back(Said::Obstacle(obstacle));
        self.due = BTreeMap::from([(Question::Suites, now + self.key_pause)]);
        self.key_pause = (self.key_pause * 2).min(KEY_PAUSE.1);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.asked.as_ref().is_some_and(|asked| now >= asked.due) {
            self.missed(now);
        }
        if self.asked.is_none() {
            let mut due = self.due.iter().filter(|(_, at)| now >= **at);
            let question = due.next().map(|(question, _)| *question);
            if let Some(question) = question {
                self.ask(question, now);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.asked {
            Some(asked) => Some(asked.due),
            None => self.due.values().min().copied(),
        }
    }

    pub(super) fn poll_letter(&mut self) -> Option<Letter> {
        self.letters.pop_front()
    }

    pub(super) fn poll_said(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    /// What the stick says of a letter.
    pub(super) fn sent(&mut self, tag: u8, delivered: bool, now: Instant) {
        let is_asked = self.asked.as_ref().is_some_and(|asked| asked.tsn == tag);
        if is_asked && !delivered {
            self.missed(now);
        }
    }

    /// A question has no answer.
    fn missed(&mut self, now: Instant) {
        let Some(Asked { question, .. }) = self.asked.take() else {
            return;
        };
        self.missed += 1;
        if question == Question::Exchange {
            self.no_key(Obstacle::Silent, now);
        } else {
            // What is asked again and again has its next turn already.
            let again = now + Duration::from_secs(5);
            self.due.entry(question).or_insert(again);
        }
        if self.missed < MISSED {
            return;
        }
        self.missed = 0;
        if self.has_key && !self.is_proved && self.has_meter {
            // It hears what is said in the clear: the key is another by now.
            self.has_key = false;
            self.due = BTreeMap::from([(Question::Suites, now)]);
        } else {
            self.end();
            self.said.push_back(Said::Gone);
        }
    }

    fn ask(&mut self, question: Question, now: Instant) {
        self.due.remove(&question);
        // 0 is the tag of what nobody waits for.
        self.tsn = self.tsn % 255 + 1;
        let tsn = self.tsn;
        self.asked = Some(Asked {
            question,
            tsn,
            due: now + ANSWER,
        });
        if let Some((_, every)) = EVERY.iter().find(|(known, _)| *known == question) {
            let every = match question {
                Question::Scale if !self.meter.is_scaled() => SCALE,
                _ => *every,
            };
            self.due.insert(question, now + every);
        }
        let nwk = Value::id16(TRUST_CENTER);
        match question {
            Question::Endpoints => self.ask_zdo(0x0005, &Record::new().with("nwk", nwk)),
            Question::Descriptor(endpoint) => {
                let fields = Record::new()
                    .with("nwk", nwk)
                    .with("endpoint", Value::Unsigned(endpoint.into()));
                self.ask_zdo(0x0004, &fields);
            }
            Question::Suites => self.read(KEY_ESTABLISHMENT, &[0x0000]),
            Question::Exchange => self.begin_exchange(now),
            Question::Scale => self.read(METERING, &[0x0300, 0x0301, 0x0302, 0x0200]),
            Question::Demand => self.read(METERING, &[0x0400]),
            Question::Registers => self.read(METERING, &[0x0000, 0x0001]),
            Question::Names => self.read(METERING, &[0x0307, 0x0308]),
            Question::Clock => self.read(TIME, &[0x0000]),
            Question::Price => {
                // Bit 0: the receiver hears at all times (D.4.2.3.1.1.1).
                let fields = Record::new().with("command_options", Value::Unsigned(1));
                self.command(tsn, PRICE, 0x00, &fields);
            }
            Question::Message => self.command(tsn, MESSAGING, 0x00, &Record::new()),
        }
    }

    fn ask_zdo(&mut self, request: u16, fields: &Record) {
        let Ok(payload) = zdo::encode(request, self.tsn, fields) else {
            return;
        };
        self.letters.push_back(Letter {
            tag: self.tsn,
            aps: Aps {
                profile: 0,
                cluster: request,
                own_endpoint: 0,
                endpoint: 0,
                secured: false,
            },
            payload,
        });
    }

    fn read(&mut self, cluster: u16, attributes: &[u16]) {
        let payload = write::read_attributes(self.tsn, attributes);
        self.letter(self.tsn, cluster, payload);
    }

    /// A command of a cluster; with tag 0 nobody waits for its answer.
    fn command(&mut self, tag: u8, cluster: u16, command: u8, fields: &Record) {
        let direction = Direction::ClientToServer;
        let Ok(payload) = write_command(cluster, direction, command, fields) else {
            return;
        };
        let tsn = if tag == 0 {
            self.tsn = self.tsn % 255 + 1;
            self.tsn
        } else {
            tag
        };
        let payload = write::cluster(tsn, direction, command, false, &payload);
        self.letter(tag, cluster, payload);
    }

    fn letter(&mut self, tag: u8, cluster: u16, payload: Vec<u8>) {
        let Some(endpoint) = self.endpoints.get(&cluster).copied() else {
            return;
        };
        self.letters.push_back(Letter {
            tag,
            aps: Aps {
                profile: DISPLAY.profile,
                cluster,
                own_endpoint: DISPLAY.id,
                endpoint,
                // Key establishment is what gives the key.
                secured: self.has_key && cluster != KEY_ESTABLISHMENT,
            },
            payload,
        });
    }

    fn begin_exchange(&mut self, now: Instant) {
        let obstacle = match (&self.identity, self.suites) {
            (None, _) => Some(Obstacle::NoCertificate),
            (Some(identity), _) if identity.subject() != self.own => Some(Obstacle::OtherStick {
                certificate: identity.subject(),
                stick: self.own,
            }),
            (Some(identity), Some(suites))
                if suites >> (identity.suite().number() - 1) & 1 == 0 =>
            {
                Some(Obstacle::NoSuite(identity.suite().number()))
            }
            _ => None,
        };
        if let Some(obstacle) = obstacle {
            self.no_key(obstacle, now);
            return;
        }
        let Some(identity) = self.identity.clone() else {
            return;
        };
        match Exchange::begin(identity, self.trust_center, self.random) {
            Ok((exchange, (command, fields))) => {
                self.exchange = Some(exchange);
                self.say_exchange(command, &fields, now);
            }
            Err(error) => self.no_key(Obstacle::NoKey(error.into()), now),
        }
    }

    fn say_exchange(&mut self, command: u8, fields: &Record, now: Instant) {
        self.tsn = self.tsn % 255 + 1;
        self.asked = Some(Asked {
            question: Question::Exchange,
            tsn: self.tsn,
            // Both sides may take so long for a step.
            due: now + Duration::from_secs(2 * u64::from(STEP_S)),
        });
        self.command(self.tsn, KEY_ESTABLISHMENT, command, fields);
    }

    /// Takes a message of the network.
    pub(super) fn take(&mut self, incoming: &Incoming, now: Instant) {
        if incoming.nwk != TRUST_CENTER {
            return;
        }
        if incoming.aps.profile == 0 {
            self.take_zdo(incoming, now);
            return;
        }
        let Ok(message) = Message::decode(incoming.aps.cluster, &incoming.payload) else {
            return;
        };
        if message.frame.direction != Direction::ServerToClient
            || incoming.aps.profile != DISPLAY.profile
        {
            return;
        }
        if incoming.aps.cluster == KEY_ESTABLISHMENT {
            self.take_key_message(&message, now);
        } else if self.has_key {
            self.take_service(incoming, &message, now);
        }
    }

    /// The question that a message answers is no longer open.
    fn answered(&mut self, tsn: u8) -> Option<Question> {
        let asked = self.asked.take_if(|asked| asked.tsn == tsn)?;
        self.missed = 0;
        Some(asked.question)
    }

    fn take_zdo(&mut self, incoming: &Incoming, now: Instant) {
        let Ok(message) = zdo::Message::decode(incoming.aps.cluster, &incoming.payload) else {
            return;
        };
        let question = match incoming.aps.cluster {
            0x8004 | 0x8005 => self.answered(message.tsn),
            _ => None,
        };
        match question {
            Some(Question::Endpoints) => {
                let found = numbers(&message.fields, "endpoints");
                let found = found.filter_map(|one| u8::try_from(one).ok());
                self.unseen = found
                    .filter(|one| (1..=240).contains(one))
                    .take(ENDPOINTS)
                    .collect();
            }
            Some(Question::Descriptor(endpoint)) => {
                if message.fields.number("profile") == Some(DISPLAY.profile.into()) {
                    for cluster in numbers(&message.fields, "input_clusters") {
                        let cluster = u16::try_from(cluster).unwrap_or(0);
                        self.endpoints.entry(cluster).or_insert(endpoint);
                    }
                }
            }
            _ => return,
        }
        match self.unseen.pop_front() {
            Some(next) => drop(self.due.insert(Question::Descriptor(next), now)),
            None => self.found(now),
        }
    }

    /// All endpoints have been seen.
    fn found(&mut self, now: Instant) {
        self.has_meter = self.endpoints.contains_key(&METERING);
        if !self.has_meter {
            self.said.push_back(Said::Obstacle(Obstacle::NoMeter));
            let later = now + Duration::from_secs(300);
            self.due = BTreeMap::from([(Question::Endpoints, later)]);
        } else if self.has_key {
            self.serve(now);
        } else {
            self.due = BTreeMap::from([(Question::Suites, now)]);
        }
    }

    fn take_key_message(&mut self, message: &Message<'_>, now: Instant) {
        let frame = message.frame;
        if frame.frame_type == FrameType::Global {
            let question = self.answered(frame.tsn);
            if question == Some(Question::Suites) {
                // An interface that does not tell is asked with the suite that there is.
                self.suites = records(message)
                    .iter()
                    .find_map(|record| record.field("value")?.as_u64());
                self.due = BTreeMap::from([(Question::Exchange, now)]);
            }
            return;
        }
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        (self.asked, self.missed) = (None, 0);
        match exchange.take(frame.command, &message.fields) {
            Ok(step) => {
                if let Some((command, fields)) = step.send {
                    self.exchange = Some(exchange);
                    self.say_exchange(command, &fields, now);
                }
                if let Some(key) = step.link_key {
                    self.said.push_back(Said::Key(key));
                }
            }
            Err(refusal) => {
                let suite = self.identity.as_ref().map_or(1, |one| one.suite().number());
                if let Some(status) = refusal.status() {
                    let fields = Record::new()
                        .with("status", Value::Unsigned(status.into()))
                        .with("wait_time", Value::Unsigned(STEP_S.into()))
                        .with("suite", Value::Unsigned(suite.into()));
                    self.command(0, KEY_ESTABLISHMENT, 0x03, &fields);
                }
                self.no_key(Obstacle::NoKey(refusal), now);
            }
        }
    }

    fn take_service(&mut self, incoming: &Incoming, message: &Message<'_>, now: Instant) {
        let frame = message.frame;
        let is_refusal = frame.frame_type == FrameType::Global
            && frame.command == 0x0B
            && message.fields.number("status") == Some(0x7E);
        if is_refusal {
            // NOT_AUTHORIZED: the meter knows no key of this stick any more. Refusals come in the
            // clear, so that one that no question waits for changes nothing.
            if self.answered(frame.tsn).is_some() {
                self.has_key = false;
                self.due = BTreeMap::from([(Question::Suites, now)]);
            }
            return;
        }
        // What anybody in the network may have said is not taken for the meter's word.
        if !incoming.aps.secured {
            return;
        }
        self.answered(frame.tsn);
        if !self.is_proved {
            self.is_proved = true;
            self.said.push_back(Said::Serving);
        }
        match (incoming.aps.cluster, frame.frame_type, frame.command) {
            (METERING, FrameType::Global, 0x01 | 0x0A) => {
                let told = self.meter.take(&records(message), now);
                self.said.extend(told.into_iter().map(Said::Value));
            }
            (TIME, FrameType::Global, 0x01) => {
                let clock = records(message)
                    .iter()
                    .find_map(|record| record.field("value")?.as_u64())
                    .and_then(|utc| u32::try_from(utc).ok());
                // All ones: it has no clock.
                let clock = clock.filter(|utc| *utc != u32::MAX);
                self.said.extend(clock.map(Said::Clock));
            }
            (PRICE, FrameType::Cluster, 0x00) => self.take_price(&message.fields, now),
            (MESSAGING, FrameType::Cluster, 0x00) => {
                let message = UtilityMessage::read(&message.fields);
                self.said.extend(message.map(Said::Message));
            }
            (MESSAGING, FrameType::Cluster, 0x01) => {
                let id = message.fields.number("message_id");
                let id = id.and_then(|id| u32::try_from(id).ok());
                self.said.extend(id.map(Said::TakenBack));
            }
            _ => {}
        }
    }

    fn take_price(&mut self, fields: &Record, now: Instant) {
        let Some(price) = UtilityPrice::read(fields) else {
            return;
        };
        // Bit 0 of the price control asks for an acknowledgement (D.4.2.4.1).
        if fields.number("price_control").unwrap_or(0) & 1 == 1 {
            let provider = fields.number("provider_id").unwrap_or(0);
            let told = Record::new()
                .with("provider_id", Value::Unsigned(provider))
                .with("issuer_event_id", Value::Unsigned(price.id.into()))
                .with("price_ack_time", Value::Unsigned(self.now_utc(now)))
                .with("control", Value::Unsigned(1));
            self.command(0, PRICE, 0x02, &told);
        }
        self.said.push_back(Said::Price(price));
    }
}

const fn cluster(question: Question) -> u16 {
    match question {
        Question::Price => PRICE,
        Question::Message => MESSAGING,
        Question::Clock => TIME,
        _ => METERING,
    }
}

fn records<'m>(message: &'m Message<'_>) -> Vec<&'m Record> {
    let Some(Value::List(list)) = message.fields.field("records") else {
        return Vec::new();
    };
    let records = list.iter().filter_map(|one| match one {
        Value::Record(record) => Some(record),
        _ => None,
    });
    records.collect()
}

fn numbers<'r>(fields: &'r Record, name: &str) -> impl Iterator<Item = u64> + use<'r> {
    let list = match fields.field(name) {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client that has found all clusters and has a key.
    fn serving(now: Instant) -> Client {
        let mut client = Client::new(None, |_| false);
        client.begin(1, 2, true, now);
        for cluster in [TIME, PRICE, METERING, MESSAGING, KEY_ESTABLISHMENT] {
            client.endpoints.insert(cluster, 1);
        }
        client.found(now);
        client
    }

    fn from_meter(cluster: u16, secured: bool, payload: Vec<u8>) -> Incoming {
        Incoming {
            nwk: TRUST_CENTER,
            aps: Aps {
                profile: if cluster >= 0x8000 { 0 } else { 0x0109 },
                cluster,
                own_endpoint: 1,
                endpoint: 1,
                secured,
            },
            payload,
            lqi: 200,
        }
    }

    #[test]
    fn only_what_the_key_has_encrypted_is_told() {
        let now = Instant::now();
        // A report: status 0x01.
        let report = vec![0x18, 1, 0x0A, 0x00, 0x02, 0x18, 0x01];
        let mut client = serving(now);
        client.take(&from_meter(METERING, false, report.clone()), now);
        assert!(client.poll_said().is_none());
        client.take(&from_meter(METERING, true, report), now);
        assert!(matches!(client.poll_said(), Some(Said::Serving)));
        let told = client.poll_said();
        assert!(
            matches!(told, Some(Said::Value(MeterValue::Status(1)))),
            "{told:?}"
        );
    }

    proptest! {
        #[test]
        fn any_message_is_taken_or_passed_over_and_nothing_piles_up(
            messages in proptest::collection::vec(
                (
                    prop_oneof![
                        Just(TIME), Just(PRICE), Just(METERING), Just(MESSAGING),
                        Just(KEY_ESTABLISHMENT), Just(0x8004), Just(0x8005), any::<u16>(),
                    ],
                    any::<bool>(),
                    proptest::collection::vec(any::<u8>(), 0..64),
                ),
                0..24,
            ),
        ) {
            let now = Instant::now();
            let mut client = serving(now);
            for (cluster, secured, payload) in messages {
                client.handle_timeout(now);
                client.take(&from_meter(cluster, secured, payload), now);
                while client.poll_said().is_some() {}
                prop_assert!(client.letters.len() <= 64 && client.due.len() <= 16);
            }
        }
    }
}
