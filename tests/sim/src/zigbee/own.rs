//! What a coprocessor answers for its own device objects, whatever it speaks to its host.

use han::{Record, Value};

use super::mesh::Mesh;

/// The coprocessor as the device objects describe it.
pub(super) struct Own<'a> {
    /// Its address for life.
    pub(super) eui64: u64,
    /// Its maker's number.
    pub(super) manufacturer: u16,
    /// Its endpoints, as simple descriptors.
    pub(super) endpoints: &'a [Record],
    /// What it hears.
    pub(super) mesh: &'a Mesh,
}

impl Own<'_> {
    /// The answer to a question; `None` where it has none.
    pub(super) fn answer(&self, cluster: u16, question: &Record) -> Option<Record> {
        let ok = Record::new()
            .with("status", Value::Unsigned(0))
            .with("nwk", Value::id16(0));
        Some(match cluster {
            0x0000 | 0x0001 => Record::new()
                .with("status", Value::Unsigned(0))
                .with("ieee", Value::ieee(self.eui64))
                .with("nwk", Value::id16(0)),
            0x0002 => ok
                .with("logical_type", Value::Unsigned(0))
                .with("capability", Value::Unsigned(0x8F))
                .with("manufacturer", Value::id16(self.manufacturer))
                .with("max_buffer", Value::Unsigned(82))
                .with("max_incoming", Value::Unsigned(128))
                .with("server_mask", Value::Unsigned(0x2C41))
                .with("max_outgoing", Value::Unsigned(128)),
            0x0004 => {
                let wanted = question.number("endpoint");
                let mut endpoints = self.endpoints.iter();
                match endpoints.find(|one| one.number("endpoint") == wanted) {
                    Some(endpoint) => endpoint
                        .fields()
                        .fold(ok, |record, (name, value)| record.with(name, value.clone())),
                    None => Record::new()
                        .with("status", Value::Unsigned(0x83))
                        .with("nwk", Value::id16(0)),
                }
            }
            0x0005 => {
                let numbers = self.endpoints.iter();
                let numbers = numbers.filter_map(|one| one.field("endpoint").cloned());
                ok.with("endpoints", Value::List(numbers.collect()))
            }
            0x0031 => self.neighbors(question.number("start_index").unwrap_or(0)),
            0x0036 | 0x0021 | 0x0022 => Record::new().with("status", Value::Unsigned(0)),
            _ => return None,
        })
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
