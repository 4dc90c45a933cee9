//! What devices of the Smart Energy profile do: they come to a key with the coordinator, ask for
//! prices, events, messages and the time, and act on them.

mod events;
mod says;
mod tunnel;

use std::collections::BTreeMap;

pub use tunnel::Tunnel;

use han::zigbee::key_establishment::{Exchange, Identity};
use han::zigbee::zcl::clusters::id::{
    CALENDAR, KEY_ESTABLISHMENT, LOAD_CONTROL, MESSAGING, METERING, PREPAYMENT, PRICE, TIME,
    TUNNELING,
};
use han::zigbee::zcl::{Direction, FrameType, Message};
use han::{Record, Value};

use super::authority::random;
use super::device::{Aps, Sent};

/// A device tries again to come to a key after so many seconds.
const AGAIN_S: u32 = 60;

/// A status of an event that a device has told (Smart Energy 07-5356, D.2.3.3.1).
pub const RECEIVED: u8 = 1;
/// The event has begun.
pub const STARTED: u8 = 2;
/// It has ended as planned.
pub const COMPLETED: u8 = 3;
/// The user does not take part.
pub const OPTED_OUT: u8 = 4;
/// The user takes part again.
pub const OPTED_IN: u8 = 5;
/// It was called off.
pub const CANCELLED: u8 = 6;
/// A later one has taken its place.
pub const SUPERSEDED: u8 = 7;

/// An event that a device was told.
#[derive(Clone, Debug)]
pub struct ToldEvent {
    /// Its number.
    pub id: u32,
    /// When it begins here, seconds since 2000 UTC, after the random delay.
    pub start: u32,
    /// When it ends.
    pub end: u32,
    /// The last status that was reported.
    pub status: u8,
    /// All of it, as it came.
    pub fields: Record,
}

/// The client's side of the Smart Energy profile.
#[derive(Clone, Debug, Default)]
pub struct EnergyServices {
    wants_prices: bool,
    classes: Option<u16>,
    /// Its certificate; without one it asks in the clear.
    pub identity: Option<Identity>,
    /// Its user does not want to take part.
    pub opts_out: bool,
    /// Its user confirms messages.
    pub confirms: bool,
    /// It acknowledges prices.
    pub acknowledges: bool,
    /// Prices that came, as they came, and when.
    pub prices: Vec<(u32, Record)>,
    /// Messages that came.
    pub messages: Vec<Record>,
    /// Numbers of messages that were taken back.
    pub taken_back: Vec<u32>,
    /// What came of the block tariff: commands and fields.
    pub blocks: Vec<(u8, Record)>,
    /// What came of the calendar.
    pub calendar: Vec<(u8, Record)>,
    /// Its tunnel, where it wants one.
    pub tunnel: Option<Tunnel>,
    /// Events that came.
    pub events: Vec<ToldEvent>,
    /// Attributes that were read, by cluster and number.
    pub attributes: BTreeMap<(u16, u16), Value>,
    /// Statuses of answers that were no success, by cluster.
    pub refusals: Vec<(u16, u8)>,
    /// The key that it and the coordinator have come to.
    pub link_key: Option<[u8; 16]>,
    exchange: Option<Exchange>,
    tried: Option<u32>,
    /// It has asked for what it wants.
    asked: bool,
}

impl EnergyServices {
    /// A display: prices and messages.
    #[must_use]
    pub fn display() -> Self {
        Self {
            wants_prices: true,
            confirms: true,
            acknowledges: true,
            ..Self::default()
        }
    }

    /// A device of these classes that can shed its load.
    #[must_use]
    pub fn load_control(classes: u16) -> Self {
        Self {
            classes: Some(classes),
            ..Self::default()
        }
    }

    /// The same with a certificate.
    #[must_use]
    pub fn with(mut self, identity: Option<Identity>) -> Self {
        self.identity = identity;
        self
    }

    /// The same before it was told anything.
    #[must_use]
    pub fn as_new(&self) -> Self {
        Self {
            wants_prices: self.wants_prices,
            classes: self.classes,
            identity: self.identity.clone(),
            opts_out: self.opts_out,
            confirms: self.confirms,
            acknowledges: self.acknowledges,
            tunnel: self.tunnel.as_ref().map(Tunnel::as_new),
            ..Self::default()
        }
    }

    /// Whether its load is shed now; `None` when it has none.
    #[must_use]
    pub fn sheds(&self) -> Option<bool> {
        self.classes?;
        Some(self.events.iter().any(|event| event.status == STARTED))
    }

    /// What it says of its own accord at `utc`; `other` is the coordinator's address for life.
    pub fn pass(&mut self, utc: u32, other: u64, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        if let (Some(identity), None) = (&self.identity, self.link_key) {
            if self.tried.is_some_and(|tried| utc < tried + AGAIN_S) {
                return Vec::new();
            }
            self.tried = Some(utc);
            let Ok((exchange, (number, fields))) = Exchange::begin(identity.clone(), other, random)
            else {
                return Vec::new();
            };
            self.exchange = Some(exchange);
            return self.command(KEY_ESTABLISHMENT, number, &fields, tsn());
        }
        let mut sent = Vec::new();
        if !self.asked {
            self.asked = true;
            sent.extend(self.ask(tsn));
        }
        if let Some(mut tunnel) = self.tunnel.take() {
            for (number, fields) in tunnel.pass() {
                sent.extend(self.command(TUNNELING, number, &fields, tsn()));
            }
            self.tunnel = Some(tunnel);
        }
        let mut told = Vec::new();
        for event in &mut self.events {
            let next = match event.status {
                RECEIVED | OPTED_IN | STARTED if utc >= event.end => COMPLETED,
                RECEIVED | OPTED_IN | STARTED if self.opts_out => OPTED_OUT,
                OPTED_OUT if !self.opts_out && utc < event.end => OPTED_IN,
                RECEIVED | OPTED_IN if utc >= event.start => STARTED,
                _ => continue,
            };
            event.status = next;
            told.push((event.id, next));
        }
        for (id, status) in told {
            sent.extend(self.status(id, status, utc, tsn()));
        }
        self.events
            .retain(|event| utc < event.end.saturating_add(86_400));
        sent
    }

    /// Takes a message of one of its clusters.
    pub fn take(
        &mut self,
        aps: Aps,
        message: &Message<'_>,
        utc: u32,
        tsn: &mut dyn FnMut() -> u8,
    ) -> Vec<Sent> {
        let frame = message.frame;
        if frame.direction != Direction::ServerToClient {
            return Vec::new();
        }
        if frame.frame_type == FrameType::Global {
            self.take_answer(aps, message);
            return Vec::new();
        }
        let fields = &message.fields;
        let number = |name: &str| u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        if aps.cluster == KEY_ESTABLISHMENT {
            return self.take_key_message(frame.command, fields, tsn);
        }
        // Who has a key takes nothing without it.
        if self.link_key.is_some() && !aps.secured {
            return Vec::new();
        }
        match (aps.cluster, frame.command) {
            (PRICE, 0x00) if self.wants_prices => {
                self.prices.push((utc, fields.clone()));
                // Bit 0 of the price control asks for an acknowledgement (D.4.2.4.1).
                if number("price_control") & 1 == 0 || !self.acknowledges {
                    return Vec::new();
                }
                let told = Record::new()
                    .with("provider_id", Value::Unsigned(number("provider_id").into()))
                    .with(
                        "issuer_event_id",
                        Value::Unsigned(number("issuer_event_id").into()),
                    )
                    .with("price_ack_time", Value::Unsigned(utc.into()))
                    .with("control", Value::Unsigned(1));
                self.command(PRICE, 0x02, &told, tsn())
            }
            (PRICE, command) if self.wants_prices => {
                self.blocks.push((command, fields.clone()));
                Vec::new()
            }
            (CALENDAR, command) => {
                self.calendar.push((command, fields.clone()));
                if command == 0x00 {
                    return self.ask_calendar(fields, tsn);
                }
                Vec::new()
            }
            (TUNNELING, command) => {
                let Some(mut tunnel) = self.tunnel.take() else {
                    return Vec::new();
                };
                let said = tunnel.take(command, fields).into_iter();
                let sent = said
                    .flat_map(|(number, fields)| self.command(TUNNELING, number, &fields, tsn()))
                    .collect();
                self.tunnel = Some(tunnel);
                sent
            }
            (LOAD_CONTROL, 0x00) => self.take_event(fields, utc, tsn),
            (LOAD_CONTROL, 0x01) => {
                let id = number("issuer_event_id");
                let Some(event) = self.events.iter_mut().find(|event| event.id == id) else {
                    return self.status(id, 0xFD, utc, tsn());
                };
                event.status = CANCELLED;
                self.status(id, CANCELLED, utc, tsn())
            }
            (LOAD_CONTROL, 0x02) => {
                let open = |event: &&mut ToldEvent| matches!(event.status, RECEIVED | STARTED);
                let mut ended = Vec::new();
                for event in self.events.iter_mut().filter(open) {
                    event.status = CANCELLED;
                    ended.push(event.id);
                }
                let told = ended.into_iter();
                told.flat_map(|id| self.status(id, CANCELLED, utc, tsn()))
                    .collect()
            }
            (MESSAGING, 0x00) => {
                self.messages.push(fields.clone());
                // Bit 7 of the message control asks for a confirmation (D.5.2.3.1).
                if !self.confirms || number("message_control") & 0x80 == 0 {
                    return Vec::new();
                }
                let told = Record::new()
                    .with("message_id", Value::Unsigned(number("message_id").into()))
                    .with("confirmation_time", Value::Unsigned(utc.into()));
                self.command(MESSAGING, 0x01, &told, tsn())
            }
            (MESSAGING, 0x01) => {
                self.taken_back.push(number("message_id"));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn take_answer(&mut self, aps: Aps, message: &Message<'_>) {
        match message.frame.command {
            0x01 => {
                for record in super::device::groups(message, "records") {
                    let id = u16::try_from(record.number("attribute").unwrap_or(0)).unwrap_or(0);
                    if let Some(value) = record.field("value") {
                        self.attributes.insert((aps.cluster, id), value.clone());
                    }
                }
            }
            0x0B => {
                let status = message.fields.number("status").unwrap_or(0);
                let status = u8::try_from(status).unwrap_or(0xFF);
                if status != 0 {
                    self.refusals.push((aps.cluster, status));
                }
            }
            _ => {}
        }
    }

    fn take_key_message(
        &mut self,
        command: u8,
        fields: &Record,
        tsn: &mut dyn FnMut() -> u8,
    ) -> Vec<Sent> {
        let Some(exchange) = self.exchange.as_mut() else {
            return Vec::new();
        };
        match exchange.take(command, fields) {
            Ok(step) => {
                if let Some(key) = step.link_key {
                    self.link_key = Some(*key);
                    self.exchange = None;
                }
                match step.send {
                    Some((number, fields)) => {
                        self.command(KEY_ESTABLISHMENT, number, &fields, tsn())
                    }
                    None => Vec::new(),
                }
            }
            Err(refusal) => {
                self.exchange = None;
                let Some(status) = refusal.status() else {
                    return Vec::new();
                };
                let fields = Record::new()
                    .with("status", Value::Unsigned(status.into()))
                    .with("wait_time", Value::Unsigned(10))
                    .with("suite", Value::Unsigned(1));
                self.command(KEY_ESTABLISHMENT, 0x03, &fields, tsn())
            }
        }
    }
}
