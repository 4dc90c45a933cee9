//! The coprocessor's tables: children, addresses and keys.

use han::{Record, Value};

use super::commands::{NO_ENTRY, NOT_FOUND, NOT_JOINED, WILDCARD};
use super::ncp::Ncp;

impl Ncp {
    pub(super) fn child(&self, index: u64) -> Record {
        let children = || {
            self.mesh
                .devices
                .iter()
                .filter(|device| device.joined && !device.router)
        };
        let found = usize::try_from(index)
            .ok()
            .and_then(|index| children().nth(index));
        let status = if found.is_some() {
            self.status(0)
        } else {
            self.code(NOT_JOINED)
        };
        let child = Record::new()
            .with("eui64", Value::ieee(found.map_or(0, |device| device.ieee)))
            .with(
                "node_type",
                Value::Unsigned(if found.is_some_and(super::device::Device::is_sleepy) {
                    4
                } else {
                    3
                }),
            )
            .with(
                "nwk",
                Value::id16(found.map_or(0xFFFF, |device| device.nwk)),
            )
            .with("phy", Value::Unsigned(0))
            .with("power", Value::Unsigned(0))
            .with("timeout", Value::Unsigned(0))
            .with("timeout_remaining", Value::Unsigned(0));
        status.with("child", Value::Record(child))
    }

    pub(super) fn nwk_of(&self, ieee: u64) -> Record {
        let found = self
            .mesh
            .device(ieee)
            .filter(|device| device.joined)
            .map(|device| device.nwk);
        let found = found.or((ieee == self.eui64).then_some(0));
        let status = if found.is_some() {
            self.status(0)
        } else {
            self.code(NOT_FOUND)
        };
        status.with("nwk", Value::id16(found.unwrap_or(0xFFFF)))
    }

    pub(super) fn eui64_of(&self, nwk: u64) -> Record {
        let nwk = u16::try_from(nwk).unwrap_or(0xFFFF);
        let found = self.mesh.by_nwk(nwk).map(|device| device.ieee);
        let found = found.or((nwk == 0).then_some(self.eui64));
        let status = if found.is_some() {
            self.status(0)
        } else {
            self.code(NOT_FOUND)
        };
        status.with("eui64", Value::ieee(found.unwrap_or(WILDCARD)))
    }

    pub(super) fn export_key(&self, fields: &Record) -> Record {
        let context = fields.field("context").cloned().unwrap_or(Value::Null);
        let kind = match &context {
            Value::Record(context) => context.number("core_key_type"),
            _ => None,
        };
        let key = match (kind, &self.network) {
            (Some(1), Some(network)) => Some(network.key),
            (Some(2), Some(network)) => Some(network.trust_center_key),
            _ => None,
        };
        self.status(if key.is_some() { 0 } else { NO_ENTRY })
            .with("key", Value::Octets(key.unwrap_or_default().to_vec()))
            .with("context", context)
    }
}

pub(super) fn exported(status: Record, found: Option<(u64, [u8; 16])>) -> Record {
    let (ieee, key) = found.unwrap_or_default();
    let context = Record::new()
        .with("core_key_type", Value::Unsigned(0))
        .with("key_index", Value::Unsigned(0))
        .with("derived_type", Value::Unsigned(0))
        .with("eui64", Value::ieee(ieee))
        .with("multi_network_index", Value::Unsigned(0))
        .with("flags", Value::Unsigned(0))
        .with("psa_key_alg_permission", Value::Unsigned(0));
    let data = Record::new()
        .with("bitmask", Value::Unsigned(0))
        .with("outgoing_frame_counter", Value::Unsigned(0))
        .with("incoming_frame_counter", Value::Unsigned(0))
        .with("ttl_in_seconds", Value::Unsigned(0));
    status
        .with("eui64", Value::ieee(ieee))
        .with("context", Value::Record(context))
        .with("key", Value::Octets(key.to_vec()))
        .with("key_data", Value::Record(data))
}

pub(super) fn parameters(_none: &Record) -> Value {
    Value::Record(
        Record::new()
            .with("extended_pan", Value::ieee(0))
            .with("pan", Value::id16(0xFFFF))
            .with("power_dbm", Value::Signed(0))
            .with("channel", Value::Unsigned(0))
            .with("join_method", Value::Unsigned(0))
            .with("manager", Value::id16(0))
            .with("update_id", Value::Unsigned(0))
            .with("channels", Value::Unsigned(0)),
    )
}
