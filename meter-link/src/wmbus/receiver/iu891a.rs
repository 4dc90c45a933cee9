//! IMST iU891A-XL: SLIP frames of service, message, payload and CRC.

use super::dialogue::{ModeSet, Step};
use super::look::Look;
use super::{Answer, Damage, Found, RadioFrame};
use crate::crc;
use crate::wmbus::frame::Crcs;

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const ESCAPED_END: u8 = 0xDC;
const ESCAPED_ESCAPE: u8 = 0xDD;
/// A frame that does not end within so many bytes is none.
const LONGEST: usize = 600;
const DEVICE: u8 = 0x01;
const GATEWAY: u8 = 0x09;
const RECEIVED: u8 = 0x20;
/// Time stamp, status and signal strength in front of a received frame.
const HEADER: usize = 8;

/// Code of the answer with the configuration.
const CONFIG: u16 = 0x0902;
const CONFIGURED: u16 = 0x0904;
const PONG: u16 = 0x0102;
const RESET: u16 = 0x0108;

pub(super) fn look(bytes: &[u8]) -> Look {
    let Some((&END, rest)) = bytes.split_first() else {
        return Look::Strange;
    };
    let Some(end) = rest.iter().take(LONGEST).position(|byte| *byte == END) else {
        if rest.len() >= LONGEST {
            return Look::Strange;
        }
        return Look::Short(Damage::Truncated {
            announced: bytes.len() + 1,
            there: bytes.len(),
        });
    };
    if end == 0 {
        // The end of one frame and the start of the next.
        return Look::Idle(1);
    }
    let total = end + 2;
    let Some(content) = unescape(rest.get(..end).unwrap_or_default()) else {
        return Look::Refused(total - 1, Damage::Checksum);
    };
    match content.split_last_chunk::<2>() {
        Some((checked @ [service, message, payload @ ..], sent))
            if crc::x25(checked) == u16::from_le_bytes(*sent) =>
        {
            Look::Sound(total, found(*service, *message, payload))
        }
        // The second END may be the start of a frame whose predecessor lost its own.
        _ => Look::Refused(total - 1, Damage::Checksum),
    }
}

fn found(service: u8, message: u8, payload: &[u8]) -> Found {
    if (service, message) == (GATEWAY, RECEIVED)
        && let Some((header, frame)) = payload.split_at_checked(HEADER)
        && !frame.is_empty()
    {
        return Found::Frame(RadioFrame {
            bytes: frame.to_vec(),
            crcs: Crcs::None,
            rssi_dbm: header.last().map(|dbm| dbm.cast_signed().into()),
            rssi_raw: None,
            link_mode: None,
            stamp: None,
        });
    }
    Found::Answer(Answer {
        code: u16::from_be_bytes([service, message]),
        payload: payload.to_vec(),
    })
}

fn unescape(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(bytes.len());
    let mut bytes = bytes.iter();
    while let Some(&byte) = bytes.next() {
        content.push(match byte {
            ESCAPE => match bytes.next() {
                Some(&ESCAPED_END) => END,
                Some(&ESCAPED_ESCAPE) => ESCAPE,
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(content)
}

fn message(service: u8, number: u8, payload: &[u8]) -> Vec<u8> {
    let mut content = vec![service, number];
    content.extend_from_slice(payload);
    content.extend_from_slice(&crc::x25(&content).to_le_bytes());
    let mut slip = vec![END];
    for byte in content {
        match byte {
            END => slip.extend([ESCAPE, ESCAPED_END]),
            ESCAPE => slip.extend([ESCAPE, ESCAPED_ESCAPE]),
            byte => slip.push(byte),
        }
    }
    slip.push(END);
    slip
}

/// Asks for the radio's configuration, which only this receiver has.
pub(super) fn probe() -> Step {
    Step::new(message(GATEWAY, 0x01, &[]), CONFIG)
}

pub(super) fn ping() -> Step {
    Step::new(message(DEVICE, 0x01, &[]), PONG)
}

pub(super) fn reset() -> Step {
    Step::new(message(DEVICE, 0x07, &[]), RESET)
}

/// Link mode and options; what the light does and how often the radio calibrates stay.
pub(super) fn configure(modes: ModeSet, config: Option<&Answer>) -> Vec<Step> {
    let mode = match modes {
        ModeSet::S => 1,
        ModeSet::T => 2,
        ModeSet::CAndT | ModeSet::N => 3,
        ModeSet::C => 5,
    };
    // No filter (bit 0 clear), and each received frame told at once.
    let mut payload = vec![mode, 0x06, 0x00];
    let kept = config
        .and_then(|config| config.payload.get(4..12))
        .unwrap_or(&[0; 8]);
    payload.extend_from_slice(kept);
    vec![Step::new(message(GATEWAY, 0x03, &payload), CONFIGURED)]
}

pub(super) fn identity(config: &Answer) -> Option<String> {
    (config.code == CONFIG && config.payload.first() == Some(&0)).then(|| "iU891A".to_owned())
}

/// The receiver's side, for simulators.
pub mod encode {
    use super::{GATEWAY, RECEIVED, message};

    /// A received frame (L, C, M, A, CI …, no CRCs) and its signal strength in dBm.
    #[must_use]
    pub fn received(time_s: u32, frame: &[u8], dbm: i8) -> Vec<u8> {
        let mut payload = time_s.to_le_bytes().to_vec();
        payload.extend([0x00, 0x00, 0x02, dbm.cast_unsigned()]);
        payload.extend_from_slice(frame);
        message(GATEWAY, RECEIVED, &payload)
    }

    /// An answer to a command, with its status.
    #[must_use]
    pub fn answer(service: u8, number: u8, status: u8, payload: &[u8]) -> Vec<u8> {
        message(service, number, &[&[status], payload].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_strength() {
        let frame = [
            0x0A, 0x44, 0xC0, 0x15, 0xDB, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78,
        ];
        let sent = encode::received(0x00C0_DB01, &frame, -58);
        let Look::Sound(length, Found::Frame(found)) = look(&sent) else {
            panic!("no frame");
        };
        assert_eq!((length, found.rssi_dbm), (sent.len(), Some(-58)));
        assert_eq!(found.bytes, frame);
    }

    #[test]
    fn a_lost_end_costs_one_frame() {
        let frame = [
            0x0A, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78,
        ];
        let one = encode::received(1, &frame, -58);
        let stream = [&one[1..], one.as_slice(), one.as_slice()].concat();
        let mut splitter = super::super::Splitter::new(super::super::Kind::Iu891a);
        let mut input = stream.as_slice();
        let mut sound = 0;
        while let Some(event) = splitter.pull(&mut input) {
            sound += u32::from(matches!(event.found, Ok(Found::Frame(_))));
        }
        assert_eq!(sound, 2);
    }
}
