//! IMST iM871A-USB and iM170A (WMBus HCI): `A5`, control and endpoint, message, length, payload,
//! then time stamp, RSSI and CRC where the control field says so.

use super::dialogue::{ModeSet, Step};
use super::look::Look;
use super::{Answer, Damage, Found, RadioFrame};
use crate::crc;
use crate::wmbus::frame::Crcs;

const START: u8 = 0xA5;
const WITH_TIME: u8 = 0x20;
const WITH_RSSI: u8 = 0x40;
const WITH_CRC: u8 = 0x80;
const DEVICE: u8 = 1;
const RADIO: u8 = 2;
/// Message: a frame was received.
const RECEIVED: u8 = 3;

/// Code of the answer to the request for device information.
pub(super) const INFO: u16 = 0x0110;
/// Code of the answer to a ping.
pub(super) const PONG: u16 = 0x0102;
/// Code of the answer to a change of the configuration.
const CONFIGURED: u16 = 0x0104;
/// Code of the answer to a reset.
const RESET: u16 = 0x0108;

pub(super) fn look(bytes: &[u8]) -> Look {
    let Some((&START, rest)) = bytes.split_first() else {
        return Look::Strange;
    };
    let short = |announced| {
        Look::Short(Damage::Truncated {
            announced,
            there: bytes.len(),
        })
    };
    let Some(&control) = rest.first() else {
        return short(4);
    };
    let endpoint = control & 0x0F;
    if !(DEVICE..=4).contains(&endpoint) {
        return Look::Strange;
    }
    let (Some(&message), Some(&length)) = (rest.get(1), rest.get(2)) else {
        return short(4);
    };
    if message == 0 || message > 0x30 {
        return Look::Strange;
    }
    let payload = 3 + usize::from(length);
    let time = if control & WITH_TIME == 0 { 0 } else { 4 };
    let rssi = usize::from(control & WITH_RSSI != 0);
    let checked = payload + time + rssi;
    let total = checked + if control & WITH_CRC == 0 { 0 } else { 2 };
    let Some(body) = rest.get(..total) else {
        return short(1 + total);
    };
    let (checked, sent) = body.split_at(checked);
    if let Ok(sent) = <[u8; 2]>::try_from(sent)
        && crc::x25(checked) != u16::from_le_bytes(sent)
    {
        return Look::Damaged(1 + total, Damage::Checksum);
    }
    let content = checked.get(3..payload).unwrap_or_default();
    let found = if endpoint == RADIO && message == RECEIVED {
        let raw = checked.last().filter(|_| rssi == 1).copied();
        Found::Frame(RadioFrame {
            bytes: [&[length], content].concat(),
            crcs: Crcs::None,
            rssi_dbm: raw.map(dbm),
            rssi_raw: None,
            link_mode: None,
            stamp: None,
        })
    } else {
        Found::Answer(Answer {
            code: u16::from_be_bytes([endpoint, message]),
            payload: content.to_vec(),
        })
    };
    Look::Sound(1 + total, found)
}

/// -100 dBm at 45, half a dB a step, cut towards zero; 0 dBm from 230 on.
fn dbm(raw: u8) -> i16 {
    if raw >= 230 {
        return 0;
    }
    (i16::from(raw) - 45 - 200) / 2
}

fn request(endpoint: u8, message: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap_or(u8::MAX);
    let kept = payload.iter().take(length.into()).copied();
    [START, endpoint, message, length]
        .into_iter()
        .chain(kept)
        .collect()
}

pub(super) fn probe() -> Step {
    Step::new(request(DEVICE, 0x0F, &[]), INFO)
}

pub(super) fn ping() -> Step {
    Step::new(request(DEVICE, 0x01, &[]), PONG)
}

pub(super) fn reset() -> Step {
    Step::new(request(DEVICE, 0x07, &[]), RESET)
}

/// Not kept over a power cut: link mode, RSSI with each frame and no time stamps. The firmware of
/// an iM871A before 0x14 cannot listen to C and T at once, and gets T alone.
pub(super) fn configure(modes: ModeSet, info: Option<&Answer>) -> Vec<Step> {
    let firmware = info.and_then(|info| info.payload.get(2)).copied();
    let narrow = info.is_some_and(|info| info.payload.first() == Some(&0x36));
    let mode = match modes {
        ModeSet::S => 0x00,
        ModeSet::T => 0x03,
        ModeSet::C => 0x06,
        ModeSet::CAndT if firmware.is_some_and(|firmware| firmware < 0x14) => 0x03,
        // On an iM170A the same number is N1A.
        ModeSet::CAndT | ModeSet::N => 0x0A,
    };
    let mode = if narrow { 0x0A } else { mode };
    vec![Step::new(
        request(DEVICE, 0x03, &[0x00, 0x02, mode, 0x30, 0x01, 0x00]),
        CONFIGURED,
    )]
}

/// The name of the device in the answer to [`probe`].
pub(super) fn identity(info: &Answer) -> Option<String> {
    let [kind, _, firmware, _, uid @ ..] = info.payload.as_slice() else {
        return None;
    };
    let name = match kind {
        0x33 => "iM871A",
        0x36 => "iM170A",
        _ => return None,
    };
    let uid: String = uid
        .iter()
        .take(4)
        .rev()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!(
        "{name} firmware {}.{} number {uid}",
        firmware >> 4,
        firmware & 0x0F
    ))
}

/// A message that makes the receiver send a frame from its C field on; the answer's code is 0202.
pub(super) fn transmit(frame: &[u8]) -> Vec<u8> {
    request(RADIO, 0x01, frame.get(1..).unwrap_or_default())
}

/// The receiver's side, for simulators.
pub mod encode {
    use super::{RADIO, RECEIVED, START, WITH_CRC, WITH_RSSI};
    use crate::crc;

    /// A received frame (L, C, M, A, CI …, no CRCs) with the raw figure of its signal strength.
    #[must_use]
    pub fn received(frame: &[u8], rssi: u8) -> Vec<u8> {
        let content = [frame.get(1..).unwrap_or_default(), &[rssi]].concat();
        message(RADIO | WITH_RSSI | WITH_CRC, RECEIVED, &content, 1)
    }

    /// An answer to a command.
    #[must_use]
    pub fn answer(endpoint: u8, number: u8, payload: &[u8]) -> Vec<u8> {
        message(endpoint | WITH_CRC, number, payload, 0)
    }

    fn message(control: u8, number: u8, content: &[u8], appended: usize) -> Vec<u8> {
        let length = u8::try_from(content.len().saturating_sub(appended)).unwrap_or(u8::MAX);
        let mut bytes = vec![control, number, length];
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(&crc::x25(&bytes).to_le_bytes());
        bytes.insert(0, START);
        bytes
    }

    /// The raw figure of a strength of -145 to -8 dBm.
    #[must_use]
    pub fn rssi(dbm: i16) -> u8 {
        u8::try_from(2 * (dbm + 100) + 45).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths() {
        for (raw, want) in [
            (45, -100),
            (46, -99),
            (23, -111),
            (229, -8),
            (230, 0),
            (0, -122),
        ] {
            assert_eq!(dbm(raw), want, "{raw}");
        }
        for dbm_wanted in -120..=-10 {
            assert_eq!(dbm(encode::rssi(dbm_wanted)), dbm_wanted);
        }
    }

    #[test]
    fn requests_as_published() {
        assert_eq!(probe().send, [0xA5, 0x01, 0x0F, 0x00]);
        assert_eq!(
            configure(ModeSet::CAndT, None)[0].send,
            [0xA5, 0x01, 0x03, 0x06, 0x00, 0x02, 0x0A, 0x30, 0x01, 0x00]
        );
    }

    #[test]
    fn a_damaged_length_does_not_swallow_the_next_frame() {
        let frame = [
            0x0A, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78,
        ];
        let mut stream = encode::received(&frame, 100);
        stream[3] = 0x30;
        let second = stream.len();
        for _ in 0..3 {
            stream.extend(encode::received(&frame, 101));
        }
        let mut splitter = super::super::Splitter::new(super::super::Kind::Im871a);
        let mut input = stream.as_slice();
        let first = splitter.pull(&mut input).unwrap();
        assert_eq!(first.found, Err(Damage::Checksum));
        assert_eq!(first.length, second as u64);
        for _ in 0..3 {
            assert!(matches!(
                splitter.pull(&mut input).unwrap().found,
                Ok(Found::Frame(_))
            ));
        }
    }
}
