//! Messages that the host sends: to devices, to all, and to the coprocessor's own device objects.

use han::zigbee::zdo;
use han::{Record, Value};

use super::commands::{APS_ENCRYPTION, DELIVERY_FAILED, INVALID, LIMIT};
use super::device::Aps;
use super::ncp::Ncp;

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
        let delivered = if nwk == 0 {
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
        let ok = Record::new()
            .with("status", Value::Unsigned(0))
            .with("nwk", Value::id16(0));
        let fields = match aps.cluster {
            0x0000 | 0x0001 => Record::new()
                .with("status", Value::Unsigned(0))
                .with("ieee", Value::ieee(self.eui64))
                .with("nwk", Value::id16(0)),
            0x0002 => ok
                .with("logical_type", Value::Unsigned(0))
                .with("capability", Value::Unsigned(0x8F))
                .with("manufacturer", Value::id16(0x1049))
                .with("max_buffer", Value::Unsigned(82))
                .with("max_incoming", Value::Unsigned(128))
                .with("server_mask", Value::Unsigned(0x2C41))
                .with("max_outgoing", Value::Unsigned(128)),
            0x0004 => {
                let wanted = message.fields.number("endpoint");
                match self
                    .endpoints
                    .iter()
                    .find(|one| one.number("endpoint") == wanted)
                {
                    Some(endpoint) => endpoint
                        .fields()
                        .fold(ok, |record, (name, value)| record.with(name, value.clone())),
                    None => Record::new()
                        .with("status", Value::Unsigned(0x83))
                        .with("nwk", Value::id16(0)),
                }
            }
            0x0005 => {
                let numbers = self
                    .endpoints
                    .iter()
                    .filter_map(|one| one.field("endpoint").cloned());
                ok.with("endpoints", Value::List(numbers.collect()))
            }
            0x0031 => self.neighbors(message.fields.number("start_index").unwrap_or(0)),
            0x0036 | 0x0021 | 0x0022 => {
                if aps.cluster == 0x0036 {
                    self.permit(0, message.fields.number("duration").unwrap_or(0));
                }
                Record::new().with("status", Value::Unsigned(0))
            }
            _ => return,
        };
        self.loop_back(aps, aps.cluster | 0x8000, message.tsn, &fields);
    }

    fn neighbors(&self, start: u64) -> Record {
        let near: Vec<_> = self
            .mesh
            .devices
            .iter()
            .filter(|device| device.joined && device.parent == 0)
            .collect();
        let page = near
            .iter()
            .skip(usize::try_from(start).unwrap_or(0))
            .take(3)
            .map(|device| {
                Value::Record(
                    Record::new()
                        .with("ext_pan", Value::ieee(0))
                        .with("ieee", Value::ieee(device.ieee))
                        .with("nwk", Value::id16(device.nwk))
                        .with("device_type", Value::Unsigned(device.logical_type().into()))
                        .with(
                            "rx_on_when_idle",
                            Value::Unsigned(u64::from(!device.is_sleepy())),
                        )
                        .with("relationship", Value::Unsigned(1))
                        .with("permit_joining", Value::Unsigned(0))
                        .with("depth", Value::Unsigned(1))
                        .with("lqi", Value::Unsigned(device.lqi.into())),
                )
            });
        Record::new()
            .with("status", Value::Unsigned(0))
            .with("entries", Value::Unsigned(near.len() as u64))
            .with("start_index", Value::Unsigned(start))
            .with("neighbors", Value::List(page.collect()))
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
