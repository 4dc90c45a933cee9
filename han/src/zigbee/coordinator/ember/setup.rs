//! What a stick is told before its network (UG100: configuration values and policies).

use super::super::{ENDPOINTS, Endpoint, LINK_KEYS};
use crate::value::{Record, Value};

/// The settings of the stick, in order; the first asks its address.
pub(super) fn settings(step: usize) -> Option<(u16, Record)> {
    let value = |id: u64, value: u64| {
        let fields = Record::new()
            .with("config_id", Value::Unsigned(id))
            .with("value", Value::Unsigned(value));
        (0x0053, fields)
    };
    let policy = |id: u64, decision: u64| {
        let fields = Record::new()
            .with("policy_id", Value::Unsigned(id))
            .with("decision_id", Value::Unsigned(decision));
        (0x0055, fields)
    };
    Some(match step {
        0 => (0x0026, Record::new()),
        // Stack profile 2 (Zigbee PRO), security level 5.
        1 => value(0x0C, 2),
        2 => value(0x0D, 5),
        // Sleepers are held for 7,680 ms.
        3 => value(0x12, 7680),
        4 => value(0x19, 2),
        5 => value(0x11, 32),
        6 => value(0x1E, LINK_KEYS.into()),
        // Trust centre: joins and unsecured rejoins; keys are told on request, application keys not.
        7 => policy(0x00, 0x0003),
        8 => policy(0x05, 0x51),
        9 => policy(0x06, 0x60),
        10 | 11 => endpoint(ENDPOINTS.get(step - 10)?),
        12 => {
            // A concentrator of high memory: devices remember the way back (AN1233).
            let fields = Record::new()
                .with("on", Value::Unsigned(1))
                .with("concentrator_type", Value::Unsigned(0xFFF9))
                .with("min_time_s", Value::Unsigned(5))
                .with("max_time_s", Value::Unsigned(60))
                .with("route_error_threshold", Value::Unsigned(3))
                .with("delivery_failure_threshold", Value::Unsigned(1))
                .with("max_hops", Value::Unsigned(0));
            (0x0010, fields)
        }
        _ => return None,
    })
}

/// Tells the stick of one of the host's endpoints.
pub(in crate::zigbee) fn endpoint(own: &Endpoint) -> (u16, Record) {
    let list = |clusters: &[u16]| Value::List(clusters.iter().map(|id| Value::id16(*id)).collect());
    let fields = Record::new()
        .with("endpoint", Value::Unsigned(own.id.into()))
        .with("profile", Value::id16(own.profile))
        .with("device", Value::id16(own.device))
        .with("device_version", Value::Unsigned(0))
        .with("input_count", Value::Unsigned(own.inputs.len() as u64))
        .with("output_count", Value::Unsigned(own.outputs.len() as u64))
        .with("input_clusters", list(own.inputs))
        .with("output_clusters", list(own.outputs));
    (0x0002, fields)
}
