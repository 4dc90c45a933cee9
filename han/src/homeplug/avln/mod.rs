//! The powerline network of an adapter: who is in it, and joining one (HomePlug AV 1.1, 11.5; the
//! vendor messages of Qualcomm Atheros).
//!
//! [`Survey`] asks the adapter at the own Ethernet port, and through it all others, once. [`Join`]
//! gives that adapter the key of a network and finds out whether it worked: the adapter's own
//! confirmation says nothing (it reports success and failure alike), so what counts is the network
//! in which it finds itself afterwards, and with whom.

mod join;
mod survey;

use std::time::Duration;

use super::mme::{Fragment, Mme, OUI_QUALCOMM};
use super::mmtype::MmType;
use crate::value::{Record, Value};

pub use join::{Join, JoinEvent};
pub use survey::{Survey, SurveyEvent};

/// The address to which the adapter at the own port answers, whatever its own.
pub const LOCAL_ADAPTER: [u8; 6] = [0x00, 0xB0, 0x52, 0x00, 0x00, 0x01];

const SW_VER_REQ: MmType = MmType(0xA000);
const SW_VER_CNF: MmType = MmType(0xA001);
const NW_INFO_REQ: MmType = MmType(0xA038);
pub(super) const NW_INFO_CNF: MmType = MmType(0xA039);

/// How long an answer may take, and how often is asked.
const PATIENCE: Duration = Duration::from_millis(400);
const ROUNDS: u8 = 3;

/// What a station does in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing but its own traffic.
    Station,
    /// It speaks for the coordinator to those who do not hear it.
    ProxyCoordinator,
    /// It gives out the time on the line.
    Coordinator,
    /// Another code.
    Unknown(u8),
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its address.
    pub mac: [u8; 6],
    /// Its number in the network, 0 for none.
    pub tei: u8,
    /// Whether it is the one at the own Ethernet port. Its rates are not told.
    pub is_local: bool,
    /// A host that was seen behind it.
    pub bridged_mac: Option<[u8; 6]>,
    /// All hosts that are known behind it.
    pub hosts: Vec<[u8; 6]>,
    /// Physical rate to it in Mbit/s; none for the local one.
    pub tx_mbit: Option<u16>,
    /// Physical rate from it in Mbit/s; none for the local one.
    pub rx_mbit: Option<u16>,
    /// The text of its firmware's version, if it told.
    pub version: Option<String>,
}

/// The network of an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its identifier.
    pub nid: [u8; 7],
    /// Its short identifier.
    pub snid: u8,
    /// What the local adapter does in it.
    pub role: Role,
    /// Its coordinator.
    pub coordinator: [u8; 6],
    /// All adapters that are known, the local one first.
    pub stations: Vec<Station>,
}

fn version_request(source: [u8; 6], destination: [u8; 6]) -> Vec<u8> {
    let mme = Mme {
        destination,
        source,
        mmv: 0,
        mmtype: SW_VER_REQ,
        fragment: None,
        oui: Some(OUI_QUALCOMM),
        payload: &[],
    };
    mme.to_frame()
}

pub(super) fn network_request(source: [u8; 6]) -> Vec<u8> {
    let mme = Mme {
        destination: LOCAL_ADAPTER,
        source,
        mmv: 1,
        mmtype: NW_INFO_REQ,
        fragment: Some(Fragment::default()),
        oui: Some(OUI_QUALCOMM),
        payload: &[],
    };
    mme.to_frame()
}

fn local_station(mac: [u8; 6], tei: u8) -> Station {
    Station {
        mac,
        tei,
        is_local: true,
        bridged_mac: None,
        hosts: Vec::new(),
        tx_mbit: None,
        rx_mbit: None,
        version: None,
    }
}

/// The first network in an adapter's answer: adapters are in one at most.
pub(super) fn network(fields: &Record, local: [u8; 6]) -> Option<Network> {
    let Some(Value::List(networks)) = fields.field("networks") else {
        return None;
    };
    let Some(Value::Record(found)) = networks.first() else {
        return None;
    };
    let small = |record: &Record, name: &str| {
        let number = record.number(name).unwrap_or_default();
        u8::try_from(number).unwrap_or_default()
    };
    let Some(Value::Octets(nid)) = found.field("nid") else {
        return None;
    };
    let mut stations = vec![local_station(local, small(found, "tei"))];
    if let Some(Value::List(others)) = found.field("stations") {
        let others = others.iter().filter_map(|station| match station {
            Value::Record(station) => Some(Station {
                mac: mac(station, "mac")?,
                tei: small(station, "tei"),
                is_local: false,
                bridged_mac: mac(station, "bridged_mac").filter(|mac| *mac != [0; 6]),
                hosts: Vec::new(),
                tx_mbit: rate(station, "tx_rate"),
                rx_mbit: rate(station, "rx_rate"),
                version: None,
            }),
            _ => None,
        });
        stations.extend(others);
    }
    Some(Network {
        nid: nid.as_slice().try_into().ok()?,
        snid: small(found, "snid"),
        role: match small(found, "role") {
            0 => Role::Station,
            1 => Role::ProxyCoordinator,
            2 => Role::Coordinator,
            other => Role::Unknown(other),
        },
        coordinator: mac(found, "cco_mac")?,
        stations,
    })
}

fn mac(fields: &Record, name: &str) -> Option<[u8; 6]> {
    match fields.field(name)? {
        Value::Mac(mac) => Some(*mac),
        _ => None,
    }
}

fn rate(fields: &Record, name: &str) -> Option<u16> {
    u16::try_from(fields.number(name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const HOST: [u8; 6] = [2, 0, 0, 0, 0, 1];
    pub(super) const LOCAL: [u8; 6] = [4, 0, 0, 0, 0, 1];
    pub(super) const OTHER: [u8; 6] = [4, 0, 0, 0, 0, 2];

    pub(super) fn version_answer(source: [u8; 6]) -> Vec<u8> {
        Mme {
            destination: HOST,
            source,
            mmv: 0,
            mmtype: SW_VER_CNF,
            fragment: None,
            oui: Some(OUI_QUALCOMM),
            payload: &[0, 0x22, 3, b'Q', b'C', b'A'],
        }
        .to_frame()
    }

    /// An adapter's answer with a second station when it is not alone.
    pub(super) fn network_answer(nid: [u8; 7], alone: bool) -> Vec<u8> {
        let mut payload = vec![0, 0, 0x3A, 0, 0, 1];
        payload.extend(nid);
        payload.extend([0, 0, 4, 1, 0, 0, 0, 0, 2]);
        payload.extend(LOCAL);
        payload.extend([1, 0, 0, 0, u8::from(!alone), 0, 0, 0, 0, 0]);
        if !alone {
            payload.extend(OTHER);
            payload.extend([2, 0, 0, 0, 8, 0, 0, 0, 0, 9, 90, 0, 0, 0, 80, 0, 0, 0]);
        }
        Mme {
            destination: HOST,
            source: LOCAL,
            mmv: 1,
            mmtype: NW_INFO_CNF,
            fragment: Some(Fragment::default()),
            oui: Some(OUI_QUALCOMM),
            payload: &payload,
        }
        .to_frame()
    }

    pub(super) fn asked(session: &mut impl crate::homeplug::Session) -> Vec<(MmType, [u8; 6])> {
        let frames = std::iter::from_fn(|| session.poll_transmit());
        let asked = frames.filter_map(|frame| {
            let mme = Mme::parse(&frame).ok()?;
            Some((mme.mmtype, mme.destination))
        });
        asked.collect()
    }
}
