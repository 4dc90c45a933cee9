//! What devices say to the services, and what they get for it.

use super::{
    CALENDAR, ENDPOINT, Event, KEY_ESTABLISHMENT, LOAD_CONTROL, MESSAGING, METERING, Outgoing,
    PREPAYMENT, PRICE, Partner, Services, TIME, TUNNELING,
};
use crate::value::{Record, Value};
use crate::zigbee::coordinator::{Aps, Incoming};
use crate::zigbee::zcl::write::{default_response, read_attributes_response};
use crate::zigbee::zcl::{Direction, Frame, FrameType, Message};

/// Statuses of answers (Zigbee Cluster Library, 2.6.3).
const SUCCESS: u8 = 0x00;
const NOT_AUTHORIZED: u8 = 0x7E;
const MALFORMED: u8 = 0x80;
const UNSUPPORTED_COMMAND: u8 = 0x81;
const NOT_FOUND: u8 = 0x8B;

impl Services {
    /// Takes a message of a device; false when it is not for the services.
    pub(in crate::zigbee) fn take(&mut self, ieee: u64, incoming: &Incoming, now: u32) -> bool {
        let aps = incoming.aps;
        if !is_served(aps.cluster, aps.own_endpoint) {
            return false;
        }
        let message = match Message::decode(aps.cluster, &incoming.payload) {
            Ok(message) => message,
            Err(_) => {
                if let Ok(frame) = Frame::parse(&incoming.payload) {
                    self.refuse(ieee, aps, &frame, MALFORMED);
                }
                return true;
            }
        };
        let frame = message.frame;
        let is_open = matches!(aps.cluster, 0x0000 | KEY_ESTABLISHMENT)
            || (aps.cluster == TIME && aps.own_endpoint != ENDPOINT);
        if frame.frame_type == FrameType::Global {
            // Only reading: nothing of ours can be written.
            if frame.command != 0x00 {
                return false;
            }
            if is_open || self.trusts(ieee, aps) {
                self.read(ieee, aps, &message, now);
            } else {
                self.refuse(ieee, aps, &frame, NOT_AUTHORIZED);
            }
            return true;
        }
        if aps.cluster == KEY_ESTABLISHMENT {
            self.take_key_message(ieee, aps, &message, now);
        } else if frame.direction == Direction::ServerToClient {
            return false;
        } else if !self.trusts(ieee, aps) {
            self.refuse(ieee, aps, &frame, NOT_AUTHORIZED);
        } else {
            self.serve(ieee, aps, &message, now);
        }
        true
    }

    fn trusts(&self, ieee: u64, aps: Aps) -> bool {
        aps.secured && self.keys.secured.contains(&ieee)
    }

    fn serve(&mut self, ieee: u64, aps: Aps, message: &Message<'_>, now: u32) {
        let frame = message.frame;
        let fields = &message.fields;
        let found: Option<Vec<Record>> = match (aps.cluster, frame.command) {
            (PRICE, 0x00) => Some(self.prices.current(now).into_iter().collect()),
            (PRICE, 0x01) => Some(self.prices.scheduled(fields, now)),
            (LOAD_CONTROL, 0x01) => Some(self.load_control.scheduled(fields, now)),
            (MESSAGING, 0x00) => Some(self.messages.last(now).into_iter().collect()),
            _ => None,
        };
        let plain = |found: Vec<Record>| found.into_iter().map(|fields| (0x00, fields)).collect();
        let found: Option<Vec<(u8, Record)>> = match aps.cluster {
            _ if found.is_some() => found.map(plain),
            PRICE => self.blocks.answer(frame.command, fields),
            CALENDAR => self.calendars.answer(frame.command, fields),
            _ => None,
        };
        if let Some(found) = found {
            if found.is_empty() {
                self.refuse(ieee, aps, &frame, NOT_FOUND);
            }
            for (command, fields) in found {
                self.answer(ieee, aps, frame.tsn, command, &fields);
            }
            return;
        }
        if aps.cluster == TUNNELING
            && let Some((answers, events)) = self.tunnels.take(ieee, frame.command, fields, now)
        {
            self.meet_tunnel(ieee, aps);
            for (command, fields) in answers {
                self.answer(ieee, aps, frame.tsn, command, &fields);
            }
            self.events.extend(events);
            return;
        }
        let event = match (aps.cluster, frame.command) {
            (PRICE, 0x02) => self.prices.acknowledged(ieee, fields),
            (LOAD_CONTROL, 0x00) => self.load_control.reported(ieee, fields),
            (MESSAGING, 0x01) => self.messages.confirmed(ieee, fields),
            _ => {
                self.refuse(ieee, aps, &frame, UNSUPPORTED_COMMAND);
                return;
            }
        };
        self.events.extend(event);
        if !frame.disable_default_response {
            self.refuse(ieee, aps, &frame, SUCCESS);
        }
    }

    fn take_key_message(&mut self, ieee: u64, aps: Aps, message: &Message<'_>, now: u32) {
        let frame = message.frame;
        if frame.direction == Direction::ServerToClient {
            return;
        }
        let taken = self.keys.take(ieee, frame.command, &message.fields, now);
        let told = match taken {
            Ok(step) => {
                if let Some((place, link_key)) = step.established {
                    self.tell_anew(ieee);
                    self.events.push_back(Event::KeyEstablished {
                        ieee,
                        place,
                        link_key,
                    });
                }
                step.send
            }
            Err(refusal) => {
                self.events.push_back(Event::KeyRefused { ieee, refusal });
                refusal.status().map(|status| {
                    let fields = Record::new()
                        .with("status", Value::Unsigned(status.into()))
                        .with("wait_time", Value::Unsigned(10))
                        .with("suite", Value::Unsigned(self.keys.suite_number().into()));
                    (0x03, fields)
                })
            }
        };
        if let Some((command, fields)) = told {
            self.answer(ieee, aps, frame.tsn, command, &fields);
        }
    }

    fn read(&mut self, ieee: u64, aps: Aps, message: &Message<'_>, now: u32) {
        let wanted = match message.fields.field("attributes") {
            Some(Value::List(list)) => list.as_slice(),
            _ => &[],
        };
        let ids = wanted.iter().filter_map(Value::as_u64);
        let records: Vec<_> = ids
            .filter_map(|id| u16::try_from(id).ok())
            .map(|id| (id, self.attributes.read(aps.cluster, id, now)))
            .collect();
        if let Ok(payload) = read_attributes_response(message.frame.tsn, &records) {
            self.out.push_back(Outgoing { ieee, aps, payload });
        }
    }

    /// Who has a tunnel is reached at the endpoint from which it speaks.
    fn meet_tunnel(&mut self, ieee: u64, aps: Aps) {
        let endpoint = aps.endpoint;
        let clusters = Vec::new();
        let partner = Partner { endpoint, clusters };
        self.partners.entry(ieee).or_insert(partner);
    }

    fn refuse(&mut self, ieee: u64, aps: Aps, frame: &Frame<'_>, status: u8) {
        let direction = Direction::ServerToClient;
        let payload = default_response(frame.tsn, direction, frame.command, status);
        self.out.push_back(Outgoing { ieee, aps, payload });
    }
}

/// Whether a cluster is served at an endpoint: Basic and Time at both, the rest at the second.
fn is_served(cluster: u16, own_endpoint: u8) -> bool {
    match cluster {
        0x0000 | TIME => true,
        PRICE | LOAD_CONTROL | METERING | MESSAGING | TUNNELING | PREPAYMENT | CALENDAR
        | KEY_ESTABLISHMENT => own_endpoint == ENDPOINT,
        _ => false,
    }
}
