//! Radiocrafts RC1180-MBUS: bare frames (L, C, M, A, CI … without CRCs), with an RSSI byte behind
//! where the module is set so. Nothing marks their start and nothing checks them, so only what
//! begins like a frame of a meter is taken for one, and the bytes behind it tell whether there is
//! an RSSI.
//!
//! In its configuration mode the module answers `>` and bytes without any framing.

use super::dialogue::Step;
use super::look::Look;
use super::{Answer, Damage, Found, RadioFrame};
use crate::wmbus::frame::Crcs;

/// A byte of memory that is 0 while no RSSI is sent.
const RSSI_MODE: usize = 0x05;
/// Manufacturer and identification number of the module itself.
const MANUFACTURER: usize = 0x19;
const IDENTIFICATION: usize = 0x1B;
/// The memory and the prompt behind it.
const MEMORY: usize = 257;

pub(super) fn look(bytes: &[u8]) -> Look {
    match begins_frame(bytes) {
        None => return Look::Short(Damage::Noise),
        Some(false) => return Look::Strange,
        Some(true) => {}
    }
    let announced = 1 + bytes.first().map_or(0, |length| usize::from(*length));
    let Some((frame, behind)) = bytes.split_at_checked(announced) else {
        return Look::Short(Damage::Truncated {
            announced,
            there: bytes.len(),
        });
    };
    let found = |rssi: Option<u8>| {
        Found::Frame(RadioFrame {
            bytes: frame.to_vec(),
            crcs: Crcs::None,
            // Half a dB a step, without a sign.
            rssi_dbm: rssi.map(|raw| -i16::from(raw) / 2),
            rssi_raw: None,
            link_mode: None,
            stamp: None,
        })
    };
    match behind {
        [] => Look::Perhaps(announced, found(None)),
        [rssi, next @ ..] => match (begins_frame(behind), begins_frame(next)) {
            (Some(true), _) => Look::Sound(announced, found(None)),
            (Some(false), Some(_)) => Look::Sound(announced + 1, found(Some(*rssi))),
            _ => Look::Perhaps(announced + 1, found(Some(*rssi))),
        },
    }
}

/// Whether bytes begin like a frame that a meter sends: a length with room for an address, the
/// control field of a meter, a manufacturer of three letters. `None` while there are too few.
pub(super) fn begins_frame(bytes: &[u8]) -> Option<bool> {
    let length = *bytes.first()?;
    if length < 10 {
        return Some(false);
    }
    // SND-NR, SND-IR, ACC-NR, ACC-DMD and RSP-UD.
    let control = match bytes.get(1) {
        Some(control) => *control,
        None => return None,
    };
    if !matches!(
        control,
        0x44 | 0x46 | 0x47 | 0x48 | 0x08 | 0x18 | 0x28 | 0x38
    ) {
        return Some(false);
    }
    let manufacturer = u16::from_le_bytes([*bytes.get(2)?, *bytes.get(3)?]);
    let letter = |shift: u16| (1..=26).contains(&(manufacturer >> shift & 0x1F));
    Some(manufacturer >> 15 == 0 && letter(0) && letter(5) && letter(10))
}

/// An answer without framing.
pub(super) fn look_answer(bytes: &[u8], length: usize) -> Look {
    match bytes.get(..length) {
        Some(payload) => Look::Sound(
            length,
            Found::Answer(Answer {
                code: 0,
                payload: payload.to_vec(),
            }),
        ),
        None => Look::Short(Damage::Truncated {
            announced: length,
            there: bytes.len(),
        }),
    }
}

/// Enters the configuration mode.
pub(super) fn probe() -> Step {
    Step::unframed(&[0x00], 1)
}

/// Reads the memory and leaves the configuration mode. Nothing is written: it is flash.
pub(super) fn configure() -> Vec<Step> {
    vec![Step::unframed(b"0", MEMORY), Step::unanswered("X")]
}

/// What the memory tells of the module.
pub(super) fn identity(memory: &Answer) -> Option<String> {
    match memory.payload.as_slice() {
        [b'>'] => Some("RC1180".to_owned()),
        memory if memory.len() == MEMORY => {
            let id = memory.get(IDENTIFICATION..IDENTIFICATION + 4)?;
            let maker = memory.get(MANUFACTURER..MANUFACTURER + 2)?;
            let hex = |bytes: &[u8]| -> String {
                bytes
                    .iter()
                    .rev()
                    .map(|byte| format!("{byte:02x}"))
                    .collect()
            };
            let rssi = match memory.get(RSSI_MODE) {
                Some(0) => ", no signal strength",
                _ => "",
            };
            Some(format!(
                "RC1180 maker {} number {}{rssi}",
                hex(maker),
                hex(id)
            ))
        }
        _ => None,
    }
}

/// The receiver's side, for simulators.
pub mod encode {
    /// A received frame (L, C, M, A, CI …, no CRCs), with an RSSI byte if the module is set so.
    #[must_use]
    pub fn received(frame: &[u8], rssi: Option<u8>) -> Vec<u8> {
        frame.iter().copied().chain(rssi).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wmbus::receiver::{Kind, Splitter};

    const FRAME: [u8; 11] = [
        0x0A, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78,
    ];

    fn frames(stream: &[u8]) -> Vec<RadioFrame> {
        let mut splitter = Splitter::new(Kind::Rc1180);
        let mut input = stream;
        let mut frames = Vec::new();
        while let Some(event) = splitter.pull(&mut input).or_else(|| splitter.finish()) {
            if let Ok(Found::Frame(frame)) = event.found {
                frames.push(frame);
            }
        }
        frames
    }

    #[test]
    fn with_and_without_strength_and_noise() {
        for rssi in [None, Some(0x80)] {
            let one = encode::received(&FRAME, rssi);
            let stream = [&[0x00, 0x3E][..], &one, &one, &one].concat();
            let found = frames(&stream);
            assert_eq!(found.len(), 3, "{rssi:?}");
            for frame in found {
                assert_eq!(frame.bytes, FRAME);
                assert_eq!(frame.rssi_dbm, rssi.map(|_| -64));
            }
        }
    }
}
