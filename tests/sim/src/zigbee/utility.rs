//! The network of a utility's meter, which a stick can join: the meter is its trust centre and its
//! energy services interface. It knows who may join by the keys of install codes, comes to a key
//! from certificates, and serves metering, prices, messages and the time with that key alone.

use std::collections::BTreeMap;

use han::zigbee::key_establishment::{Exchange, Identity, Suite};
use han::zigbee::zcl::write::{cluster, default_response, read_attributes_response};
use han::zigbee::zcl::{Direction, FrameType, Message, write_command};
use han::{Record, Value};

use super::authority::{identity, random};
use super::device::{Aps, Curve, Device, Endpoint, Load, Sent};
use super::mesh::Heard;

const KEY_ESTABLISHMENT: u16 = 0x0800;
const PRICE: u16 = 0x0700;
const MESSAGING: u16 = 0x0703;
const METERING: u16 = 0x0702;
const TIME: u16 = 0x000A;
/// The status of what is asked without the key (Zigbee Cluster Library, 2.6.3).
const NOT_AUTHORIZED: u8 = 0x7E;

/// A meter with its network.
#[derive(Debug)]
pub struct Utility {
    /// The network's 64-bit name.
    pub extended_pan: u64,
    /// Its 16-bit name.
    pub pan: u16,
    /// Its channel.
    pub channel: u8,
    /// Whether it lets devices in.
    pub permits_joining: bool,
    /// Whether it can be heard.
    pub is_there: bool,
    /// The link keys of install codes that are registered, by the device's address.
    pub registered: BTreeMap<u64, [u8; 16]>,
    /// The meter: endpoint 1, its attributes, and the load behind it.
    pub meter: Device,
    /// Its certificate.
    pub identity: Option<Identity>,
    /// It ends every exchange with this status.
    pub refuses_with: Option<u8>,
    /// Its clock is ahead by so many seconds.
    pub clock_ahead_s: u32,
    /// The price that it has published last, as a PublishPrice command.
    pub price: Option<Record>,
    /// Its last message, as a DisplayMessage command.
    pub message: Option<Record>,
    /// Messages that were confirmed.
    pub confirmed: Vec<u64>,
    /// Prices that were acknowledged.
    pub acknowledged: Vec<u64>,
    /// The device that has joined, with its address in the network.
    pub member: Option<(u64, u16)>,
    /// The key that the device and it have come to.
    pub established: Option<[u8; 16]>,
    /// How often a device associated, with the right key or not.
    pub associations: u32,
    /// How often it came to a key.
    pub exchanges: u32,
    /// Questions that were refused because the key was missing.
    pub refused: u32,
    /// Frames with a counter that it had seen.
    pub replays: u32,
    /// All application messages, when a list is there to take them; those to it have address 0.
    pub heard: Option<Vec<Heard>>,
    counter: Option<u32>,
    exchange: Option<Exchange>,
    tsn: u8,
    out: Vec<(u64, Aps, Vec<u8>)>,
}

/// The network's key; nothing is encrypted with it here.
pub(super) const NETWORK_KEY: [u8; 16] = *b"key of a utility";
/// The address that a device gets.
pub(super) const MEMBER_NWK: u16 = 0x6E21;

impl Utility {
    /// A meter of this load, which has counted so many Wh drawn and fed in before.
    #[must_use]
    pub fn new(curve: Curve, import_wh: u32, export_wh: u32) -> Self {
        const IEEE: u64 = 0x0013_5001_00AA_BB01;
        let mut meter = Device::new(IEEE, 0)
            .with(1, KEY_ESTABLISHMENT, 0x0000, 0x19, Value::Unsigned(1))
            .with(1, TIME, 0x0000, 0xE2, Value::Unsigned(0))
            .with(1, METERING, 0x0000, 0x25, Value::Unsigned(0))
            .with(1, METERING, 0x0001, 0x25, Value::Unsigned(export_wh.into()))
            .with(1, METERING, 0x0200, 0x18, Value::Unsigned(0))
            .with(1, METERING, 0x0300, 0x30, Value::Unsigned(0))
            .with(1, METERING, 0x0301, 0x22, Value::Unsigned(1))
            .with(1, METERING, 0x0302, 0x22, Value::Unsigned(1000))
            .with(
                1,
                METERING,
                0x0307,
                0x41,
                Value::Octets(b"Elm Street 12".to_vec()),
            )
            .with(
                1,
                METERING,
                0x0308,
                0x41,
                Value::Octets(b"LG-00471123".to_vec()),
            )
            .with(1, METERING, 0x0400, 0x2A, Value::Signed(0));
        let mut load = Load::new(curve);
        load.offset = import_wh.into();
        meter.load = Some(load);
        meter.joined = true;
        meter.endpoints = vec![Endpoint {
            id: 1,
            profile: 0x0109,
            device: 0x0500,
            inputs: vec![0x0000, TIME, PRICE, METERING, MESSAGING, KEY_ESTABLISHMENT],
            outputs: vec![KEY_ESTABLISHMENT],
        }];
        Self {
            extended_pan: 0x0013_5001_0000_0042,
            pan: 0x2A17,
            channel: 20,
            permits_joining: true,
            is_there: true,
            registered: BTreeMap::new(),
            meter,
            identity: identity(Suite::One, IEEE),
            refuses_with: None,
            clock_ahead_s: 0,
            price: None,
            message: None,
            confirmed: Vec::new(),
            acknowledged: Vec::new(),
            member: None,
            established: None,
            associations: 0,
            exchanges: 0,
            refused: 0,
            replays: 0,
            heard: None,
            counter: None,
            exchange: None,
            tsn: 0,
            out: Vec::new(),
        }
    }

    /// The same with certificates of this suite.
    #[must_use]
    pub fn with_suite(mut self, suite: Suite) -> Self {
        self.identity = identity(suite, self.meter.ieee);
        let bit = Value::Unsigned(1 << (suite.number() - 1));
        self.meter.set(1, KEY_ESTABLISHMENT, 0x0000, bit);
        self
    }

    /// What the meter shows at its own display: kWh drawn, in its unit of a Wh.
    #[must_use]
    pub fn import_wh(&self) -> u64 {
        self.meter.load.as_ref().map_or(0, Load::register)
    }

    /// Publishes a price: its number, its name, and what a kWh costs in units of the fifth digit;
    /// the currency is the Canadian dollar. It holds from now on.
    pub fn publish(&mut self, id: u32, label: &str, price_e5: u32, tier: u8, ms: u64, utc: u32) {
        let unsigned = |number: u64| Value::Unsigned(number);
        let price = Record::new()
            .with("provider_id", unsigned(7))
            .with("rate_label", Value::Text(label.to_owned()))
            .with("issuer_event_id", unsigned(id.into()))
            .with("current_time", unsigned(self.clock(utc).into()))
            .with("unit_of_measure", unsigned(0))
            .with("currency", unsigned(124))
            .with("trailing_digit", unsigned(5))
            .with("price_tier", unsigned(tier.into()))
            .with("number_of_price_tiers", unsigned(3))
            .with("register_tier", unsigned(tier.into()))
            .with("start_time", unsigned(0))
            .with("duration_min", unsigned(0xFFFF))
            .with("price", unsigned(price_e5.into()))
            .with("price_ratio", unsigned(0xFF))
            .with("generation_price", unsigned(0xFFFF_FFFF))
            .with("generation_price_ratio", unsigned(0xFF))
            .with("alternate_cost_delivered", unsigned(0xFFFF_FFFF))
            .with("alternate_cost_unit", unsigned(0xFF))
            .with("alternate_cost_trailing_digit", unsigned(0xFF))
            .with("number_of_block_thresholds", unsigned(0))
            .with("price_control", unsigned(1));
        self.price = Some(price);
        self.say_price(None, ms);
    }

    /// Has a message for people, who are to confirm it.
    pub fn display(&mut self, id: u32, text: &str, ms: u64) {
        let message = Record::new()
            .with("message_id", Value::Unsigned(id.into()))
            // Importance high, to be confirmed.
            .with("message_control", Value::Unsigned(0x88))
            .with("start_time", Value::Unsigned(0))
            .with("duration_min", Value::Unsigned(0xFFFF))
            .with("message", Value::Text(text.to_owned()));
        self.message = Some(message);
        self.say_message(None, ms);
    }

    /// Takes its message back.
    pub fn take_back(&mut self, ms: u64) {
        if let Some(message) = self.message.take() {
            let fields = Record::new()
                .with(
                    "message_id",
                    Value::Unsigned(message.number("message_id").unwrap_or(0)),
                )
                .with("message_control", Value::Unsigned(0));
            self.say(None, MESSAGING, 0x01, &fields, ms);
        }
    }

    fn clock(&self, utc: u32) -> u32 {
        utc.saturating_add(self.clock_ahead_s)
    }

    /// The link key under which a device's encrypted messages are read.
    pub(super) fn link_key(&self, ieee: u64) -> Option<[u8; 16]> {
        let established = self.established;
        established.or_else(|| self.registered.get(&ieee).copied())
    }

    /// A device associates with this key; whether it comes to the network's key.
    pub(super) fn associate(&mut self, ieee: u64, key: [u8; 16]) -> bool {
        self.associations += 1;
        if self.registered.get(&ieee) != Some(&key) {
            return false;
        }
        self.member = Some((ieee, MEMBER_NWK));
        self.established = None;
        true
    }

    /// Whether it has not seen this counter, or a higher one, before.
    pub(super) fn accepts(&mut self, counter: u32) -> bool {
        if self.counter.is_some_and(|seen| counter <= seen) {
            self.replays += 1;
            return false;
        }
        self.counter = Some(counter);
        true
    }

    pub(super) fn pass(&mut self, ms: u64, utc: u32) {
        self.meter.pass(ms, utc, 0);
    }

    /// Takes a message of the device; its answers go out later.
    pub(super) fn take(&mut self, aps: Aps, payload: &[u8], ms: u64, utc: u32) {
        self.note(0, aps, payload, ms);
        if aps.profile == 0 {
            let answers = self.meter.take(aps, payload, ms, utc);
            self.post(answers, ms);
            return;
        }
        let Ok(message) = Message::decode(aps.cluster, payload) else {
            return;
        };
        if aps.cluster == KEY_ESTABLISHMENT {
            self.take_key_message(aps, &message, payload, ms, utc);
        } else if !aps.secured || self.established.is_none() {
            self.refused += 1;
            let direction = Direction::ServerToClient;
            let frame = message.frame;
            let no = default_response(frame.tsn, direction, frame.command, NOT_AUTHORIZED);
            let aps = Aps {
                secured: false,
                ..aps.back()
            };
            self.post_one(aps, no, ms);
        } else {
            self.take_service(aps, &message, payload, ms, utc);
        }
    }

    fn take_service(&mut self, aps: Aps, message: &Message<'_>, payload: &[u8], ms: u64, utc: u32) {
        let frame = message.frame;
        let number = |name: &str| message.fields.number(name).unwrap_or(0);
        match (aps.cluster, frame.frame_type, frame.command) {
            (PRICE, FrameType::Cluster, 0x00) if self.price.is_some() => {
                self.say_price(Some(frame.tsn), ms);
            }
            (MESSAGING, FrameType::Cluster, 0x00) if self.message.is_some() => {
                self.say_message(Some(frame.tsn), ms);
            }
            (PRICE | MESSAGING, FrameType::Cluster, 0x00) => {
                // NOT_FOUND.
                let direction = Direction::ServerToClient;
                let none = default_response(frame.tsn, direction, 0x00, 0x8B);
                self.post_one(aps.back(), none, ms);
            }
            (PRICE, FrameType::Cluster, 0x02) => self.acknowledged.push(number("issuer_event_id")),
            (MESSAGING, FrameType::Cluster, 0x01) => self.confirmed.push(number("message_id")),
            _ => {
                let clock = Value::Unsigned(self.clock(utc).into());
                self.meter.set(1, TIME, 0x0000, clock);
                let answers = self.meter.take(aps, payload, ms, utc);
                self.post(answers, ms);
            }
        }
    }

    fn take_key_message(
        &mut self,
        aps: Aps,
        message: &Message<'_>,
        payload: &[u8],
        ms: u64,
        utc: u32,
    ) {
        let frame = message.frame;
        if frame.frame_type == FrameType::Global {
            let answers = self.meter.take(aps, payload, ms, utc);
            self.post(answers, ms);
            return;
        }
        if let Some(status) = self.refuses_with {
            return self.terminate(frame.tsn, status, ms);
        }
        let Some(((ieee, _), identity)) = self.member.zip(self.identity.clone()) else {
            return self.terminate(frame.tsn, 4, ms);
        };
        if frame.command == 0x00 {
            self.exchange = Exchange::await_from(identity, ieee, random).ok();
        }
        let Some(exchange) = self.exchange.as_mut() else {
            return;
        };
        match exchange.take(frame.command, &message.fields) {
            Ok(step) => {
                if let Some((command, fields)) = step.send {
                    self.say(Some(frame.tsn), KEY_ESTABLISHMENT, command, &fields, ms);
                }
                if let Some(key) = step.link_key {
                    self.established = Some(*key);
                    self.exchanges += 1;
                    self.exchange = None;
                }
            }
            Err(refusal) => {
                self.exchange = None;
                if let Some(status) = refusal.status() {
                    self.terminate(frame.tsn, status, ms);
                }
            }
        }
    }

    fn terminate(&mut self, tsn: u8, status: u8, ms: u64) {
        let fields = Record::new()
            .with("status", Value::Unsigned(status.into()))
            .with("wait_time", Value::Unsigned(10))
            .with("suite", Value::Unsigned(1));
        self.say(Some(tsn), KEY_ESTABLISHMENT, 0x03, &fields, ms);
    }

    fn say_price(&mut self, tsn: Option<u8>, ms: u64) {
        if let Some(price) = self.price.clone() {
            self.say(tsn, PRICE, 0x00, &price, ms);
        }
    }

    fn say_message(&mut self, tsn: Option<u8>, ms: u64) {
        if let Some(message) = self.message.clone() {
            self.say(tsn, MESSAGING, 0x00, &message, ms);
        }
    }

    /// A command, as an answer with its number or of its own accord.
    fn say(&mut self, tsn: Option<u8>, to: u16, command: u8, fields: &Record, ms: u64) {
        let is_key = to == KEY_ESTABLISHMENT;
        if !is_key && self.established.is_none() {
            return;
        }
        let direction = Direction::ServerToClient;
        let Ok(payload) = write_command(to, direction, command, fields) else {
            return;
        };
        let tsn = tsn.unwrap_or_else(|| {
            self.tsn = self.tsn.wrapping_add(1);
            self.tsn
        });
        let aps = Aps {
            profile: 0x0109,
            cluster: to,
            src_endpoint: 1,
            dst_endpoint: 1,
            secured: !is_key,
        };
        self.post_one(aps, cluster(tsn, direction, command, true, &payload), ms);
    }

    fn post(&mut self, answers: Vec<Sent>, ms: u64) {
        for one in answers {
            self.note(MEMBER_NWK, one.aps, &one.payload, ms);
            self.out.push((ms + one.after_ms, one.aps, one.payload));
        }
    }

    fn post_one(&mut self, aps: Aps, payload: Vec<u8>, ms: u64) {
        let after_ms = 20;
        self.post(
            vec![Sent {
                after_ms,
                aps,
                payload,
            }],
            ms,
        );
    }

    fn note(&mut self, nwk: u16, aps: Aps, payload: &[u8], ms: u64) {
        if let Some(heard) = self.heard.as_mut().filter(|_| aps.profile == 0x0109) {
            heard.push(Heard {
                at_ms: ms,
                nwk,
                aps,
                payload: payload.to_vec(),
            });
        }
    }

    /// What it has said until `ms`.
    pub(super) fn said(&mut self, ms: u64) -> Vec<(Aps, Vec<u8>)> {
        let (due, later): (Vec<_>, Vec<_>) = self.out.drain(..).partition(|(at, ..)| *at <= ms);
        self.out = later;
        let due = due.into_iter().filter(|_| self.is_there);
        due.map(|(_, aps, payload)| (aps, payload)).collect()
    }

    /// Says something in the clear, as anybody in the network can: the register with this value.
    pub fn impostor(&mut self, register: u64, ms: u64) {
        let attribute = han::zigbee::zcl::write::Attribute {
            id: 0x0000,
            type_id: 0x25,
            value: Value::Unsigned(register),
        };
        let payload = read_attributes_response(9, &[(0x0000, Some(attribute))]);
        let aps = Aps {
            profile: 0x0109,
            cluster: METERING,
            src_endpoint: 1,
            dst_endpoint: 1,
            secured: false,
        };
        self.post_one(aps, payload.unwrap_or_default(), ms);
    }
}
