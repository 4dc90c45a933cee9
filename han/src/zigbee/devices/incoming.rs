//! What comes from the network: joins, messages of devices, and those of strangers.

use std::time::Instant;

use super::{DEVICES, Device, Event, Home};
use crate::zigbee::coordinator::{Event as NetworkEvent, Incoming, Join};
use crate::zigbee::zcl::clusters::id::OTA_UPGRADE;
use crate::zigbee::zcl::write::{Attribute, read_attributes_response};
use crate::zigbee::zcl::{FrameType, Message};
use crate::zigbee::zdo;
use crate::{Record, Value};

impl Home {
    pub(super) fn take_events(&mut self, now: Instant) {
        while let Some(event) = self.coordinator.poll_event() {
            match event {
                NetworkEvent::Device { ieee, nwk, join } => {
                    self.take_join(ieee, nwk, join, now);
                    self.events
                        .push_back(Event::Network(NetworkEvent::Device { ieee, nwk, join }));
                }
                NetworkEvent::Incoming(incoming) => self.take_message(incoming, now),
                NetworkEvent::Sent { tag, delivered } => {
                    let ieee = self.sent.remove(&tag);
                    if let Some(device) = ieee.and_then(|ieee| self.devices.get_mut(&ieee)) {
                        if delivered {
                            device.delivered();
                        } else {
                            device.undelivered(now);
                        }
                    }
                }
                NetworkEvent::Up { network, formed } => {
                    if formed {
                        self.services.forget_keys();
                    }
                    self.services.network_up();
                    for device in self.devices.values_mut() {
                        device.network_up(now);
                    }
                    self.events
                        .push_back(Event::Network(NetworkEvent::Up { network, formed }));
                }
                other => self.events.push_back(Event::Network(other)),
            }
        }
    }

    pub(super) fn take_join(&mut self, ieee: u64, nwk: u16, join: Join, now: Instant) {
        if join == Join::Left {
            if self.devices.remove(&ieee).is_some() {
                self.services.part(ieee);
                self.upgrades.part(ieee);
                self.events.push_back(Event::Left { ieee });
            }
            return;
        }
        if !self.devices.contains_key(&ieee) && self.devices.len() >= DEVICES {
            return;
        }
        // An address in the network belongs to one device.
        for other in self
            .devices
            .values_mut()
            .filter(|other| other.nwk == nwk && other.ieee != ieee)
        {
            other.nwk = 0xFFFF;
        }
        let device = self
            .devices
            .entry(ieee)
            .or_insert_with(|| Device::new(ieee, nwk));
        device.nwk = nwk;
        device.joined(join == Join::New, now);
    }

    pub(super) fn take_message(&mut self, incoming: Incoming, now: Instant) {
        let aps = incoming.aps;
        if (aps.profile, aps.cluster) == (0, 0x0013) {
            self.take_announcement(&incoming, now);
            return;
        }
        let is_survey = (aps.profile, aps.cluster) == (0, 0x8031);
        if is_survey
            && self
                .survey
                .as_mut()
                .is_some_and(|survey| survey.take(incoming.nwk, &incoming.payload))
        {
            self.survey(now);
            return;
        }
        let found = self
            .devices
            .values_mut()
            .find(|device| device.nwk == incoming.nwk);
        let Some(device) = found else {
            self.meet_stranger(&incoming, now);
            return;
        };
        device.heard(incoming.lqi, now);
        let ieee = device.ieee;
        let taken = device.take(aps, &incoming.payload, now);
        for measured in device.take_measured(now) {
            self.events.push_back(Event::Measured { ieee, measured });
        }
        let utc = self.utc(now);
        let asks = (aps.cluster, aps.own_endpoint) == (OTA_UPGRADE, 1);
        if asks && utc.is_some_and(|utc| self.upgrades.take(ieee, &incoming, utc, now)) {
            self.send_upgrades(now);
            self.go_on(ieee, now);
            return;
        }
        let is_served =
            |home: &mut Self| utc.is_some_and(|utc| home.services.take(ieee, &incoming, utc));
        if !taken && !is_served(self) && !self.answer(ieee, &incoming, now) {
            self.events.push_back(Event::Message { ieee, incoming });
        }
        self.send_services(now);
        self.go_on(ieee, now);
    }

    /// Somebody who has the network's key and is not known: who is it?
    pub(super) fn meet_stranger(&mut self, incoming: &Incoming, now: Instant) {
        if let Some(ieee) = self.strangers.answered(incoming) {
            self.take_join(ieee, incoming.nwk, Join::Again, now);
            self.go_on(ieee, now);
            return;
        }
        // While the stick starts it hears already and sends nothing yet.
        if !self.coordinator.is_up() {
            return;
        }
        let tsn = self.next_tsn();
        if let Some((aps, payload)) = self.strangers.ask(incoming.nwk, tsn, now) {
            self.coordinator.send(incoming.nwk, aps, payload, now);
        }
    }

    pub(super) fn take_announcement(&mut self, incoming: &Incoming, now: Instant) {
        let Ok(message) = zdo::Message::decode(0x0013, &incoming.payload) else {
            return;
        };
        let nwk = message
            .fields
            .number("nwk")
            .and_then(|nwk| u16::try_from(nwk).ok());
        if let (Some(nwk), Some(ieee)) = (nwk, message.fields.number("ieee")) {
            self.take_join(ieee, nwk, Join::Again, now);
            self.go_on(ieee, now);
        }
    }

    /// Answers a read of attributes of ours: there are none here.
    pub(super) fn answer(&mut self, ieee: u64, incoming: &Incoming, now: Instant) -> bool {
        let Ok(message) = Message::decode(incoming.aps.cluster, &incoming.payload) else {
            return false;
        };
        let frame = message.frame;
        let asks = frame.frame_type == FrameType::Global && frame.command == 0x00;
        let is_zcl = incoming.aps.profile != 0;
        if !asks || !is_zcl {
            return false;
        }
        let unsupported: Vec<(u16, Option<Attribute>)> =
            asked(&message.fields).map(|id| (id, None)).collect();
        let Ok(payload) = read_attributes_response(frame.tsn, &unsupported) else {
            return false;
        };
        self.transmit(ieee, incoming.nwk, incoming.aps, payload, now)
    }
}

fn asked(fields: &Record) -> impl Iterator<Item = u16> {
    let list = match fields.field("attributes") {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    list.iter()
        .filter_map(Value::as_u64)
        .filter_map(|id| u16::try_from(id).ok())
}
