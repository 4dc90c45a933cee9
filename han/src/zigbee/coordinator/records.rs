//! Records of commands and callbacks as the coordinator means them.

use super::event::{Aps, Incoming};
use crate::value::{Record, Value};

/// Retry and route discovery (UG100, EmberApsOption).
const APS_OPTIONS: u64 = 0x0140;
/// Encrypted with the link key, in the same bitmap.
const APS_ENCRYPTION: u64 = 0x0020;

pub(super) fn aps_record(aps: Aps) -> Record {
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

pub(super) fn incoming(fields: &Record) -> Option<Incoming> {
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
pub(super) fn key_context(kind: u64) -> Record {
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
pub(super) fn status(answer: &Record) -> u64 {
    answer.number("status").unwrap_or(0)
}

pub(super) fn number16(record: &Record, name: &str) -> u16 {
    u16::try_from(record.number(name).unwrap_or(0)).unwrap_or(0)
}
