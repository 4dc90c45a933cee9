//! Records of commands and callbacks as the coordinator means them.

use super::super::{Aps, Incoming, Network};
use crate::value::{Record, Value};

/// The bits of the initial security state (UG100, EmberInitialSecurityBitmask): global link key,
/// preconfigured key, network key, hashed link keys for each device, keys sent encrypted only.
const SECURITY: u64 = 0x0004 | 0x0100 | 0x0200 | 0x0084 | 0x0800;
/// The frame counters are not begun anew.
const KEEP_COUNTERS: u64 = 0x1000;

/// Retry and route discovery (UG100, EmberApsOption).
const APS_OPTIONS: u64 = 0x0140;
/// Encrypted with the link key, in the same bitmap.
const APS_ENCRYPTION: u64 = 0x0020;

pub(super) fn parameters(network: &Network) -> Record {
    let parameters = Record::new()
        .with("extended_pan", Value::ieee(network.extended_pan))
        .with("pan", Value::id16(network.pan))
        .with("power_dbm", Value::Signed(8))
        .with("channel", Value::Unsigned(network.channel.into()))
        .with("join_method", Value::Unsigned(0))
        .with("manager", Value::id16(0))
        .with("update_id", Value::Unsigned(network.update_id.into()))
        .with("channels", Value::Unsigned(0x07FF_F800));
    Record::new().with("parameters", Value::Record(parameters))
}

pub(super) fn security(network: &Network, restored: bool) -> Record {
    let keep = if restored { KEEP_COUNTERS } else { 0 };
    let link_key = network.link_key.to_vec();
    Record::new()
        .with("bitmask", Value::Unsigned(SECURITY | keep))
        .with("preconfigured_key", Value::Octets(link_key))
        .with("network_key", Value::Octets(network.key.to_vec()))
        .with(
            "network_key_sequence_number",
            Value::Unsigned(network.key_sequence.into()),
        )
        .with("trust_center", Value::ieee(0))
}

pub(in crate::zigbee) fn aps_record(aps: Aps) -> Record {
    let secured = if aps.secured { APS_ENCRYPTION } else { 0 };
    Record::new()
        .with("profile", Value::id16(aps.profile))
        .with("cluster", Value::id16(aps.cluster))
        .with("src_endpoint", Value::Unsigned(aps.own_endpoint.into()))
        .with("dst_endpoint", Value::Unsigned(aps.endpoint.into()))
        .with("options", Value::Unsigned(APS_OPTIONS | secured))
        .with("group", Value::id16(0))
        .with("sequence", Value::Unsigned(0))
}

pub(in crate::zigbee) fn incoming(fields: &Record) -> Option<Incoming> {
    let (Some(Value::Record(aps)), Some(Value::Octets(payload))) =
        (fields.field("aps"), fields.field("message"))
    else {
        return None;
    };
    let octet = |record: &Record, name| u8::try_from(number16(record, name)).unwrap_or(0);
    Some(Incoming {
        nwk: number16(fields, "nwk"),
        aps: Aps {
            profile: number16(aps, "profile"),
            cluster: number16(aps, "cluster"),
            own_endpoint: octet(aps, "dst_endpoint"),
            endpoint: octet(aps, "src_endpoint"),
            secured: aps.number("options").unwrap_or(0) & APS_ENCRYPTION != 0,
        },
        payload: payload.clone(),
        lqi: octet(fields, "lqi"),
    })
}

/// Which key is meant: 1 the network's, 2 the trust centre's.
pub(in crate::zigbee) fn key_context(kind: u64) -> Record {
    let context = Record::new()
        .with("core_key_type", Value::Unsigned(kind))
        .with("key_index", Value::Unsigned(0))
        .with("derived_type", Value::Unsigned(0))
        .with("eui64", Value::ieee(0))
        .with("multi_network_index", Value::Unsigned(0))
        .with("flags", Value::Unsigned(0))
        .with("psa_key_alg_permission", Value::Unsigned(0));
    Record::new().with("context", Value::Record(context))
}

pub(super) fn key(answer: &Record) -> zeroize::Zeroizing<[u8; 16]> {
    match answer.field("key") {
        Some(Value::Octets(octets)) => {
            zeroize::Zeroizing::new(octets.as_slice().try_into().unwrap_or_default())
        }
        _ => zeroize::Zeroizing::default(),
    }
}

/// The status in an answer: 0 when all went well, in every version.
pub(in crate::zigbee) fn status(answer: &Record) -> u64 {
    answer.number("status").unwrap_or(0)
}

pub(in crate::zigbee) fn number16(record: &Record, name: &str) -> u16 {
    u16::try_from(record.number(name).unwrap_or(0)).unwrap_or(0)
}
