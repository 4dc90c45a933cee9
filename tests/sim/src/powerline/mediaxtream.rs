//! What adapters of Broadcom's make answer: discovery, and rates to the others.
//!
//! The messages are as `han::homeplug::mediaxtream` asks for them; no adapter was there to compare
//! with.

use han::homeplug::mediaxtream::ETHERTYPE;

use super::modem::Modem;

const DISCOVER_REQ: u16 = 0xA070;
const NW_STATS_REQ: u16 = 0xA02C;
/// Destination, source and Ethernet type.
const ETHERNET: usize = 14;
/// Version, message type, fragmentation, organisation and sequence number.
const HEADER: usize = 9;
const BROADCAST: [u8; 6] = [0xFF; 6];
const AT_ETHERNET: u8 = 1;
const FROM_LINE: u8 = 2;

/// Who sent a frame of this make.
pub(super) fn source(frame: &[u8]) -> Option<[u8; 6]> {
    let is_ours = frame.get(12..ETHERNET)? == ETHERTYPE.to_be_bytes();
    let source = frame.get(6..12)?.try_into().ok()?;
    is_ours.then_some(source)
}

/// The answers of all adapters that a frame reaches, at the port that it came from.
pub(super) fn answers(
    modems: &[Modem],
    port: usize,
    host: [u8; 6],
    frame: &[u8],
    rate_mbit: u16,
) -> Vec<(usize, Vec<u8>)> {
    let Some(header) = frame.get(ETHERNET..ETHERNET + HEADER) else {
        return Vec::new();
    };
    let destination = frame.get(..6).unwrap_or_default();
    let mmtype = match header {
        [_, low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => return Vec::new(),
    };
    let mut out = Vec::new();
    for (index, modem) in modems.iter().enumerate() {
        if destination != modem.mac && destination != BROADCAST {
            continue;
        }
        let body = match mmtype {
            DISCOVER_REQ => {
                let side = if index == port {
                    AT_ETHERNET
                } else {
                    FROM_LINE
                };
                let name = format!("adapter {}", modem.tei);
                let length = u8::try_from(name.len()).unwrap_or_default();
                [&[side, length], name.as_bytes()].concat()
            }
            NW_STATS_REQ => {
                let others = modems.iter().filter(|other| other.mac != modem.mac);
                let mut body = vec![u8::try_from(modems.len() - 1).unwrap_or_default()];
                for other in others {
                    body.extend(other.mac);
                    body.extend(rate_mbit.to_le_bytes());
                    body.extend(rate_mbit.to_le_bytes());
                }
                body
            }
            _ => continue,
        };
        let mut answer = [&host[..], &modem.mac, &ETHERTYPE.to_be_bytes(), header].concat();
        // A confirmation has the type of its request and one more.
        if let Some(low) = answer.get_mut(ETHERNET + 1) {
            *low |= 1;
        }
        answer.extend(body);
        answer.resize(answer.len().max(60), 0);
        out.push((port, answer));
    }
    out
}
