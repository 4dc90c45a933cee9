//! Messages that the host sends: to devices, to all, and to the coprocessor's own device objects.

use han::zigbee::zdo;
use han::{Record, Value};

use super::commands::{APS_ENCRYPTION, DELIVERY_FAILED, INVALID, LIMIT};
use super::device::Aps;
use super::ncp::Ncp;
use super::own::Own;

impl Ncp {
    pub(super) fn unicast(&mut self, fields: &Record) -> Record {
        if self.faults.message_limit {
            return self.code(LIMIT).with("sequence", Value::Unsigned(0));
        }
        let (Some(Value::Record(frame)), Some(Value::Octets(message))) =
            (fields.field("aps"), fields.field("message"))
        else {
            return self.code(INVALID).with("sequence", Value::Unsigned(0));
        };
        let nwk = u16::try_from(fields.number("nwk").unwrap_or(0)).unwrap_or(0);
        let aps = aps_of(frame);
        self.count_frame();
        let delivered = if self.is_member() {
            self.deliver_to_utility(nwk, aps, message)
        } else if nwk == 0 {
            self.answer_zdo(aps, message);
            true
        } else {
            let permits = aps.profile == 0 && aps.cluster == 0x0036;
            if let (true, Some(seconds)) = (permits, message.get(1)) {
                self.permit(nwk, (*seconds).into());
            }
            let secured = self
                .network
                .as_ref()
                .map(|network| (network.key, network.frame_counter));
            let accepted = secured.is_some_and(|(key, counter)| self.mesh.accepts(key, counter));
            let has_key = !aps.secured || self.has_key_of(nwk);
            accepted && has_key && self.mesh.deliver(nwk, aps, message, self.now_ms)
        };
        let latency = self.mesh.by_nwk(nwk).map_or(5, |device| device.latency_ms);
        let status = if delivered {
            0
        } else {
            self.either(DELIVERY_FAILED)
        };
        let sent = Record::new()
            .with("status", Value::Unsigned(status))
            .with("message_type", Value::Unsigned(0))
            .with("nwk", Value::id16(nwk))
            .with("aps", Value::Record(frame.clone()))
            .with("tag", Value::Unsigned(fields.number("tag").unwrap_or(0)))
            .with("message", Value::Octets(Vec::new()));
        self.tell(latency, han::zigbee::ezsp::MESSAGE_SENT, sent);
        self.status(0).with("sequence", Value::Unsigned(1))
    }

    pub(super) fn broadcast(&mut self, id: u16, fields: &Record) -> Record {
        self.count_frame();
        if let (Some(Value::Record(frame)), Some(Value::Octets(message))) =
            (fields.field("aps"), fields.field("message"))
        {
            let aps = aps_of(frame);
            let to_all: Vec<u16> = self
                .mesh
                .devices
                .iter()
                .filter(|device| device.joined)
                .map(|device| device.nwk)
                .collect();
            for nwk in to_all {
                if aps.profile == 0 && aps.cluster == 0x0036 {
                    if let Some(seconds) = message.get(1) {
                        self.permit(nwk, (*seconds).into());
                    }
                } else if aps.profile != 0 {
                    self.mesh.deliver(nwk, aps, message, self.now_ms);
                }
            }
            let sent = Record::new()
                .with("status", Value::Unsigned(0))
                .with(
                    "message_type",
                    Value::Unsigned(if id == 0x0036 { 6 } else { 3 }),
                )
                .with("nwk", Value::id16(0xFFFC))
                .with("aps", Value::Record(frame.clone()))
                .with("tag", Value::Unsigned(fields.number("tag").unwrap_or(0)))
                .with("message", Value::Octets(Vec::new()));
            self.tell(5, han::zigbee::ezsp::MESSAGE_SENT, sent);
        }
        self.status(0).with("sequence", Value::Unsigned(1))
    }

    fn count_frame(&mut self) {
        if let Some(network) = self.network.as_mut() {
            network.frame_counter = network.frame_counter.saturating_add(1);
        }
    }

    /// Questions to the coordinator's own device objects.
    fn answer_zdo(&mut self, aps: Aps, payload: &[u8]) {
        if aps.profile != 0 {
            return;
        }
        let Ok(message) = zdo::Message::decode(aps.cluster, payload) else {
            return;
        };
        if aps.cluster == 0x0036 {
            self.permit(0, message.fields.number("duration").unwrap_or(0));
        }
        let own = Own {
            eui64: self.eui64,
            manufacturer: 0x1049,
            endpoints: &self.endpoints,
            mesh: &self.mesh,
        };
        if let Some(fields) = own.answer(aps.cluster, &message.fields) {
            self.loop_back(aps, aps.cluster | 0x8000, message.tsn, &fields);
        }
    }
}

fn aps_of(frame: &Record) -> Aps {
    let number = |name: &str| u16::try_from(frame.number(name).unwrap_or(0)).unwrap_or(0);
    let octet = |name: &str| u8::try_from(number(name)).unwrap_or(0);
    Aps {
        profile: number("profile"),
        cluster: number("cluster"),
        src_endpoint: octet("src_endpoint"),
        dst_endpoint: octet("dst_endpoint"),
        secured: number("options") & APS_ENCRYPTION != 0,
    }
}
