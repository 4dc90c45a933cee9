//! Würth (Amber) AMB8465, AMB3665 and Metis modules: `FF`, command, length, data, exclusive or.
//!
//! Received frames come as command 03. With the RSSI switched on, as this crate sets it, the
//! length counts the RSSI byte behind the frame. In the transparent mode, in which some modules
//! leave the factory, bare frames come whose L counts the RSSI byte and which carry no checksum.

use super::dialogue::{ModeSet, Step};
use super::look::Look;
use super::rc1180::begins_frame;
use super::{Answer, Damage, Found, RadioFrame};
use crate::wmbus::frame::Crcs;

const START: u8 = 0xFF;
const RECEIVED: u8 = 0x03;
const SET_MODE: u8 = 0x04;
const RESET: u8 = 0x05;
const GET: u8 = 0x0A;
const SET: u8 = 0x09;
/// The highest command number and its answer.
const COMMANDS: std::ops::RangeInclusive<u8> = 0x00..=0x12;

pub(super) fn look(bytes: &[u8]) -> Look {
    match bytes.first() {
        Some(&START) => command(bytes),
        _ => transparent(bytes),
    }
}

fn command(bytes: &[u8]) -> Look {
    let short = |announced| {
        Look::Short(Damage::Truncated {
            announced,
            there: bytes.len(),
        })
    };
    let Some(&number) = bytes.get(1) else {
        return short(4);
    };
    if !COMMANDS.contains(&(number & 0x7F)) {
        return Look::Strange;
    }
    let Some(&length) = bytes.get(2) else {
        return short(4);
    };
    let total = 4 + usize::from(length);
    let Some((checked, sum)) = bytes
        .get(..total)
        .and_then(<[u8]>::split_last)
        .map(|(sum, checked)| (checked, *sum))
    else {
        return short(total);
    };
    if checksum(checked) != sum {
        return Look::Damaged(total, Damage::Checksum);
    }
    let content = checked.get(3..).unwrap_or_default();
    let found = match content.split_last() {
        Some((rssi, frame)) if number == RECEIVED => {
            Found::Frame(received(length - 1, frame, *rssi))
        }
        _ => Found::Answer(Answer {
            code: number.into(),
            payload: content.to_vec(),
        }),
    };
    Look::Sound(total, found)
}

/// Without any checksum: only what begins like a frame of a meter is taken for one.
fn transparent(bytes: &[u8]) -> Look {
    match begins_frame(bytes) {
        None => Look::Short(Damage::Noise),
        Some(false) => Look::Strange,
        Some(true) => {
            let total = 1 + bytes.first().map_or(0, |length| usize::from(*length));
            match bytes.get(..total).and_then(<[u8]>::split_last) {
                Some((rssi, [length, frame @ ..])) => {
                    Look::Sound(total, Found::Frame(received(length - 1, frame, *rssi)))
                }
                _ => Look::Short(Damage::Truncated {
                    announced: total,
                    there: bytes.len(),
                }),
            }
        }
    }
}

fn received(length: u8, frame: &[u8], rssi: u8) -> RadioFrame {
    RadioFrame {
        bytes: [&[length], frame].concat(),
        crcs: Crcs::None,
        rssi_dbm: Some(dbm(rssi)),
        rssi_raw: None,
        link_mode: None,
        stamp: None,
    }
}

/// Half a dB a step around -74 dBm, as in the CC1101 family; cut towards zero.
pub(super) fn dbm(raw: u8) -> i16 {
    i16::from(raw.cast_signed()) / 2 - 74
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

fn request(number: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![START, number, u8::try_from(data.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(data);
    bytes.push(checksum(&bytes));
    bytes
}

const fn answer_to(number: u8) -> u16 {
    0x80 | number as u16
}

/// All parameters: 120 bytes of an AMB8465, 128 of an AMB3665.
pub(super) fn probe() -> Step {
    Step::new(request(GET, &[0x00, 0x80]), answer_to(GET))
}

pub(super) fn ping() -> Step {
    Step::new(request(GET, &[0x46, 0x01]), answer_to(GET))
}

pub(super) fn reset() -> Step {
    Step::new(request(RESET, &[]), answer_to(RESET))
}

/// Where parameters stand.
mod parameter {
    /// Command output instead of transparent mode.
    pub(super) const UART_CMD_OUT: u8 = 0x05;
    /// Signal strength behind each frame.
    pub(super) const RSSI: u8 = 0x45;
}

/// Command output and RSSI are kept in the module's memory and become valid with a reset, so they
/// are only written where they are not as wanted; the link mode is not kept.
pub(super) fn configure(modes: ModeSet, parameters: Option<&Answer>) -> Vec<Step> {
    let mut steps = Vec::new();
    let at = |place: u8| {
        // Two bytes tell where the parameters begin and how many they are.
        let content = parameters?.payload.get(2..)?;
        content.get(usize::from(place)).copied()
    };
    for place in [parameter::UART_CMD_OUT, parameter::RSSI] {
        if at(place) == Some(0) {
            steps.push(Step::new(request(SET, &[place, 1, 1]), answer_to(SET)));
        }
    }
    if !steps.is_empty() {
        steps.push(reset());
    }
    let mode = match modes {
        ModeSet::S => 0x03,
        ModeSet::T => 0x08,
        ModeSet::C => 0x0E,
        ModeSet::CAndT => 0x09,
        // 169 MHz modules take their mode from their own parameters.
        ModeSet::N => return steps,
    };
    steps.push(Step::new(request(SET_MODE, &[mode]), answer_to(SET_MODE)));
    steps
}

pub(super) fn identity(parameters: &Answer) -> Option<String> {
    let [0x00, count, content @ ..] = parameters.payload.as_slice() else {
        return None;
    };
    if content.len() != usize::from(*count) {
        return None;
    }
    let name = match count {
        0x78 => "AMB8465",
        0x80 => "AMB3665",
        _ => return None,
    };
    let id: String = content
        .get(0x34..0x38)?
        .iter()
        .rev()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(format!("{name} number {id}"))
}

/// A command that sends a frame from its C field on.
pub(super) fn transmit(frame: &[u8]) -> Vec<u8> {
    request(0x00, frame.get(1..).unwrap_or_default())
}

/// The receiver's side, for simulators.
pub mod encode {
    use super::{RECEIVED, request};

    /// A received frame (L, C, M, A, CI …, no CRCs) in command mode with RSSI.
    #[must_use]
    pub fn received(frame: &[u8], rssi: u8) -> Vec<u8> {
        request(
            RECEIVED,
            &[frame.get(1..).unwrap_or_default(), &[rssi]].concat(),
        )
    }

    /// An answer to a command.
    #[must_use]
    pub fn answer(number: u8, payload: &[u8]) -> Vec<u8> {
        request(0x80 | number, payload)
    }

    /// The raw figure of a strength of -138 to -11 dBm.
    #[must_use]
    pub fn rssi(dbm: i16) -> u8 {
        i8::try_from(2 * (dbm + 74))
            .unwrap_or(i8::MIN)
            .cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_as_published() {
        assert_eq!(probe().send, [0xFF, 0x0A, 0x02, 0x00, 0x80, 0x77]);
        assert_eq!(reset().send, [0xFF, 0x05, 0x00, 0xFA]);
        assert_eq!(
            configure(ModeSet::CAndT, None)[0].send,
            [0xFF, 0x04, 0x01, 0x09, 0xF3]
        );
    }

    #[test]
    fn only_what_is_not_as_wanted_is_written() {
        let mut payload = vec![0x00, 0x78];
        payload.extend([1u8; 0x78]);
        let mut answer = Answer {
            code: 0x8A,
            payload,
        };
        assert_eq!(identity(&answer).unwrap(), "AMB8465 number 01010101");
        assert_eq!(configure(ModeSet::T, Some(&answer)).len(), 1);
        answer.payload[2 + 0x45] = 0;
        let steps = configure(ModeSet::T, Some(&answer));
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[0].send, [0xFF, 0x09, 0x03, 0x45, 0x01, 0x01, 0xB0]);
    }

    #[test]
    fn strengths() {
        for (raw, want) in [(0, -74), (128, -138), (255, -74), (127, -11), (0x52, -33)] {
            assert_eq!(dbm(raw), want, "{raw}");
        }
    }

    #[test]
    fn a_bare_frame_counts_its_rssi() {
        let stream = [
            0x0B, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78, 0x52,
        ];
        let Look::Sound(12, Found::Frame(frame)) = look(&stream) else {
            panic!("no frame");
        };
        assert_eq!(frame.bytes[0], 0x0A);
        assert_eq!((frame.bytes.len(), frame.rssi_dbm), (11, Some(-33)));
    }
}
