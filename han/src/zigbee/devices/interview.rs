//! The interview of a device: what it is and how it measures, in as few messages as it allows.
//!
//! A plain plug takes six: its endpoints, its descriptor, its names in one read, what a meter's
//! register and what its measurement means in one read each, and the state of its relay. A device
//! that does not answer a read of several attributes is asked for the needed ones singly.

use std::collections::{BTreeMap, VecDeque};

use crate::zigbee::coordinator::Aps;
use crate::zigbee::zcl::clusters::id::{
    BASIC, ELECTRICAL_MEASUREMENT, METERING, ON_OFF, TEMPERATURE, THERMOSTAT,
};
use crate::zigbee::zcl::write::{Reporting, configure_reporting, read_attributes};
use crate::zigbee::zdo;
use crate::{Record, Value};

/// One question to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Endpoints,
    Descriptor(u8),
    Read {
        endpoint: u8,
        cluster: u16,
        attributes: Vec<u16>,
    },
    Bind {
        endpoint: u8,
        cluster: u16,
    },
    Report {
        endpoint: u8,
        cluster: u16,
    },
}

/// An endpoint as its descriptor says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its number.
    pub id: u8,
    /// Its profile: 0104 home automation, 0109 Smart Energy.
    pub profile: u16,
    /// What it is.
    pub device: u16,
    /// Clusters whose attributes it has.
    pub inputs: Vec<u16>,
    /// Clusters that it uses.
    pub outputs: Vec<u16>,
}

/// A plug that is on tells its power at least so often, also when that stays the same.
pub const REPORT_EVERY_S: u16 = 60;

/// Names and power source, for any device.
const NAMES: &[u16] = &[0x0004, 0x0005, 0x0007, 0x4000];
/// What is read of each cluster: what it means first, what it says next.
const READS: &[(u16, &[u16])] = &[
    (METERING, &[0x0300, 0x0301, 0x0302, 0x0000, 0x0400]),
    (
        ELECTRICAL_MEASUREMENT,
        &[
            0x0600, 0x0601, 0x0602, 0x0603, 0x0604, 0x0605, 0x0505, 0x050B,
        ],
    ),
    (ON_OFF, &[0x0000]),
    (THERMOSTAT, &[0x0000, 0x0011, 0x0012, 0x001C]),
    (TEMPERATURE, &[0x0000]),
];

/// What follows when a device's endpoints are known.
pub(super) fn after_descriptors(endpoints: &BTreeMap<u8, Endpoint>) -> VecDeque<Ask> {
    let mut asks = VecDeque::new();
    let has = |endpoint: &&Endpoint| endpoint.inputs.contains(&BASIC);
    if let Some(endpoint) = endpoints.values().find(has) {
        asks.push_back(Ask::Read {
            endpoint: endpoint.id,
            cluster: BASIC,
            attributes: NAMES.to_vec(),
        });
    }
    for endpoint in endpoints.values() {
        for (cluster, attributes) in READS {
            if endpoint.inputs.contains(cluster) {
                asks.push_back(Ask::Read {
                    endpoint: endpoint.id,
                    cluster: *cluster,
                    attributes: attributes.to_vec(),
                });
            }
        }
    }
    asks
}

/// How each cluster is to be reported, when the interview is over.
pub(super) fn reporting(endpoints: &BTreeMap<u8, Endpoint>) -> VecDeque<Ask> {
    let mut asks = VecDeque::new();
    for endpoint in endpoints.values() {
        for cluster in [
            ON_OFF,
            METERING,
            ELECTRICAL_MEASUREMENT,
            TEMPERATURE,
            THERMOSTAT,
        ] {
            if endpoint.inputs.contains(&cluster) {
                asks.push_back(Ask::Bind {
                    endpoint: endpoint.id,
                    cluster,
                });
                asks.push_back(Ask::Report {
                    endpoint: endpoint.id,
                    cluster,
                });
            }
        }
    }
    asks
}

/// The reports that are wanted of a cluster: power within a second of a change of 1 W, energy once
/// a minute, all else within five minutes at the latest.
fn reports(cluster: u16) -> Vec<Reporting> {
    let report = |id, type_id, min_s, max_s, change| Reporting {
        id,
        type_id,
        min_s,
        max_s,
        change,
    };
    match cluster {
        ON_OFF => vec![report(0, 0x10, 0, 300, Value::Null)],
        METERING => vec![report(0, 0x25, 60, 300, Value::Unsigned(1))],
        ELECTRICAL_MEASUREMENT => vec![report(0x050B, 0x29, 1, REPORT_EVERY_S, Value::Signed(10))],
        TEMPERATURE => vec![report(0, 0x29, 10, 300, Value::Signed(20))],
        THERMOSTAT => vec![
            report(0, 0x29, 10, 300, Value::Signed(20)),
            report(0x0012, 0x29, 1, 300, Value::Signed(10)),
        ],
        _ => Vec::new(),
    }
}

impl Ask {
    /// Whether a device that has lost its reports is asked this again.
    pub(super) const fn is_interview(&self) -> bool {
        matches!(
            self,
            Self::Endpoints | Self::Descriptor(_) | Self::Read { .. }
        )
    }

    /// The message, with the number that question and answer have in common; `own` is the address
    /// for life of the coordinator, `ieee` and `nwk` those of the device.
    pub(super) fn message(&self, tsn: u8, ieee: u64, nwk: u16, own: u64) -> Option<(Aps, Vec<u8>)> {
        let zdo = |cluster: u16, fields: Record| {
            let aps = Aps {
                profile: 0,
                cluster,
                own_endpoint: 0,
                endpoint: 0,
                secured: false,
            };
            Some((aps, zdo::encode(cluster, tsn, &fields).ok()?))
        };
        let zcl = |endpoint: u8, cluster: u16, payload: Vec<u8>| {
            Some((
                Aps {
                    profile: 0x0104,
                    cluster,
                    own_endpoint: 1,
                    endpoint,
                    secured: false,
                },
                payload,
            ))
        };
        let of = Record::new().with("nwk", Value::id16(nwk));
        match self {
            Self::Endpoints => zdo(0x0005, of),
            Self::Descriptor(endpoint) => zdo(
                0x0004,
                of.with("endpoint", Value::Unsigned((*endpoint).into())),
            ),
            Self::Read {
                endpoint,
                cluster,
                attributes,
            } => zcl(*endpoint, *cluster, read_attributes(tsn, attributes)),
            Self::Bind { endpoint, cluster } => zdo(
                0x0021,
                Record::new()
                    .with("src_ieee", Value::ieee(ieee))
                    .with("src_endpoint", Value::Unsigned((*endpoint).into()))
                    .with("cluster", Value::id16(*cluster))
                    .with("dst_mode", Value::Unsigned(3))
                    .with("dst_ieee", Value::ieee(own))
                    .with("dst_endpoint", Value::Unsigned(1)),
            ),
            Self::Report { endpoint, cluster } => zcl(
                *endpoint,
                *cluster,
                configure_reporting(tsn, &reports(*cluster)).ok()?,
            ),
        }
    }

    /// Whether a message of this cluster with this number answers it.
    pub(super) fn is_answered_by(&self, aps: Aps) -> bool {
        match self {
            Self::Endpoints => aps.profile == 0 && aps.cluster == 0x8005,
            Self::Descriptor(_) => aps.profile == 0 && aps.cluster == 0x8004,
            Self::Bind { .. } => aps.profile == 0 && aps.cluster == 0x8021,
            Self::Read {
                endpoint, cluster, ..
            }
            | Self::Report { endpoint, cluster } => {
                aps.profile != 0 && aps.cluster == *cluster && aps.endpoint == *endpoint
            }
        }
    }
}
