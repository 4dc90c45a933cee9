//! What devices of the Smart Energy profile do with prices, events and messages.

use han::zigbee::zcl::write::cluster;
use han::zigbee::zcl::{Direction, Message, write_command};
use han::{Record, Value};

use super::device::{Aps, Sent};

const PRICE: u16 = 0x0700;
const LOAD_CONTROL: u16 = 0x0701;
const MESSAGING: u16 = 0x0703;

/// A status of an event that a device has told (Smart Energy 07-5356, D.2.3.3.1).
pub const RECEIVED: u8 = 1;
/// The event has begun.
pub const STARTED: u8 = 2;
/// It has ended as planned.
pub const COMPLETED: u8 = 3;
/// The user does not take part.
pub const OPTED_OUT: u8 = 4;
/// It was called off.
pub const CANCELLED: u8 = 6;

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
}

/// The client's side of Price, Demand Response and Messaging.
#[derive(Clone, Debug)]
pub struct EnergyServices {
    wants_prices: bool,
    classes: Option<u16>,
    /// Its user does not want to take part.
    pub opts_out: bool,
    /// Its user confirms messages.
    pub confirms: bool,
    /// Prices that came, as they came.
    pub prices: Vec<Record>,
    /// Messages that came.
    pub messages: Vec<Record>,
    /// Events that came.
    pub events: Vec<ToldEvent>,
    /// It has asked for the price and the events.
    asked: bool,
}

impl EnergyServices {
    /// A display: prices and messages.
    #[must_use]
    pub fn display() -> Self {
        Self {
            wants_prices: true,
            classes: None,
            opts_out: false,
            confirms: true,
            prices: Vec::new(),
            messages: Vec::new(),
            events: Vec::new(),
            asked: false,
        }
    }

    /// A device of these classes that can shed its load.
    #[must_use]
    pub fn load_control(classes: u16) -> Self {
        Self {
            wants_prices: false,
            classes: Some(classes),
            ..Self::display()
        }
    }

    /// Whether its load is shed now; `None` when it has none.
    #[must_use]
    pub fn sheds(&self) -> Option<bool> {
        self.classes?;
        Some(self.events.iter().any(|event| event.status == STARTED))
    }

    /// What it says of its own accord at `utc`.
    pub fn pass(&mut self, utc: u32, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        let mut sent = Vec::new();
        if !self.asked {
            self.asked = true;
            if self.wants_prices {
                sent.push(command(PRICE, 0x00, &[0x01], tsn()));
                sent.push(command(MESSAGING, 0x00, &[], tsn()));
            } else {
                sent.push(command(LOAD_CONTROL, 0x01, &[0, 0, 0, 0, 0], tsn()));
            }
        }
        for event in &mut self.events {
            let next = match event.status {
                RECEIVED if utc >= event.end => COMPLETED,
                RECEIVED if utc >= event.start => STARTED,
                STARTED if utc >= event.end => COMPLETED,
                _ => continue,
            };
            event.status = next;
            sent.push(status(event.id, next, utc, tsn()));
        }
        self.events
            .retain(|event| utc < event.end.saturating_add(86_400));
        sent
    }

    /// Takes a command of one of its clusters.
    pub fn take(
        &mut self,
        aps: Aps,
        message: &Message<'_>,
        utc: u32,
        tsn: &mut dyn FnMut() -> u8,
    ) -> Vec<Sent> {
        if message.frame.direction != Direction::ServerToClient {
            return Vec::new();
        }
        let fields = &message.fields;
        let number = |name: &str| u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        match (aps.cluster, message.frame.command) {
            (PRICE, 0x00) if self.wants_prices => {
                self.prices.push(fields.clone());
                // Bit 0 of the price control asks for an acknowledgement (D.4.2.4.1).
                if number("price_control") & 1 == 0 {
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
                answer(PRICE, 0x02, &told, tsn())
            }
            (LOAD_CONTROL, 0x00) => self.take_event(fields, utc, tsn),
            (LOAD_CONTROL, 0x01) => {
                let id = number("issuer_event_id");
                let Some(event) = self.events.iter_mut().find(|event| event.id == id) else {
                    return vec![status(id, 0xFD, utc, tsn())];
                };
                event.status = CANCELLED;
                vec![status(id, CANCELLED, utc, tsn())]
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
                answer(MESSAGING, 0x01, &told, tsn())
            }
            _ => Vec::new(),
        }
    }

    fn take_event(&mut self, fields: &Record, utc: u32, tsn: &mut dyn FnMut() -> u8) -> Vec<Sent> {
        let Some(classes) = self.classes else {
            return Vec::new();
        };
        let number = |name: &str| u32::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        if number("device_class") & u32::from(classes) == 0 {
            return Vec::new();
        }
        let id = number("issuer_event_id");
        if self.events.iter().any(|event| event.id == id) {
            return Vec::new();
        }
        let start = match number("start_time") {
            0 => utc,
            start => start,
        };
        // Bit 0 of the event control lets each device begin at a time of its own (D.2.2.3.1.1.1).
        let delay = if number("event_control") & 1 == 1 {
            id % 60
        } else {
            0
        };
        let length = number("duration_min") * 60;
        if utc >= start.saturating_add(length) {
            return vec![status(id, 0xFB, utc, tsn())];
        }
        let told = if self.opts_out { OPTED_OUT } else { RECEIVED };
        self.events.push(ToldEvent {
            id,
            start: start.saturating_add(delay),
            end: start.saturating_add(length),
            status: told,
        });
        let mut sent = vec![status(id, RECEIVED, utc, tsn())];
        if self.opts_out {
            sent.push(status(id, OPTED_OUT, utc, tsn()));
        }
        sent
    }
}

fn place(cluster: u16) -> Aps {
    Aps {
        profile: 0x0109,
        cluster,
        src_endpoint: 1,
        dst_endpoint: 2,
    }
}

fn command(id: u16, command: u8, payload: &[u8], tsn: u8) -> Sent {
    Sent {
        after_ms: 20,
        aps: place(id),
        payload: cluster(tsn, Direction::ClientToServer, command, true, payload),
    }
}

fn answer(id: u16, number: u8, fields: &Record, tsn: u8) -> Vec<Sent> {
    let payload = write_command(id, Direction::ClientToServer, number, fields);
    payload.map_or_else(
        |_| Vec::new(),
        |payload| vec![command(id, number, &payload, tsn)],
    )
}

/// A status of an event, without a signature.
fn status(event: u32, status: u8, utc: u32, tsn: u8) -> Sent {
    let fields = Record::new()
        .with("issuer_event_id", Value::Unsigned(event.into()))
        .with("event_status", Value::Unsigned(status.into()))
        .with("event_status_time", Value::Unsigned(utc.into()))
        .with("criticality_level_applied", Value::Unsigned(1))
        .with("cooling_setpoint_applied", Value::Signed(-0x8000))
        .with("heating_setpoint_applied", Value::Signed(-0x8000))
        .with("average_load_adjustment_applied", Value::Signed(-0x80))
        .with("duty_cycle_applied", Value::Unsigned(0xFF))
        .with("event_control", Value::Unsigned(0))
        .with("signature_type", Value::Unsigned(0))
        .with("signature", Value::Octets(vec![0xFF; 42]));
    let payload = write_command(LOAD_CONTROL, Direction::ClientToServer, 0x00, &fields);
    command(LOAD_CONTROL, 0x00, &payload.unwrap_or_default(), tsn)
}
