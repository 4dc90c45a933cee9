//! CUL, nanoCUL and others with culfw: lines of text. `b` and hex is a frame of format A, `bY` and
//! hex one of format B, both with the link layer's CRCs and with link quality and RSSI behind.

use super::amb8465::dbm;
use super::dialogue::{ModeSet, Step};
use super::look::Look;
use super::{Answer, Damage, Found, RadioFrame};
use crate::key::octets;
use crate::wmbus::frame::{self, Crcs, FrameFormat};
use crate::wmbus::phy::LinkMode;

/// Link quality and RSSI.
const APPENDED: usize = 2;

pub(super) fn look(bytes: &[u8]) -> Look {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return Look::Short(Damage::Truncated {
            announced: bytes.len() + 1,
            there: bytes.len(),
        });
    };
    let line = bytes.get(..end).unwrap_or_default().trim_ascii();
    if line.is_empty() {
        return Look::Idle(end + 1);
    }
    match frame_of(line) {
        Some(Ok(frame)) => Look::Sound(end + 1, Found::Frame(frame)),
        Some(Err(damage)) => Look::Refused(end + 1, damage),
        None if line.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
            let payload = line.to_vec();
            Look::Sound(end + 1, Found::Answer(Answer { code: 0, payload }))
        }
        None => Look::Refused(end + 1, Damage::Noise),
    }
}

/// The frame of a line; `None` for a line that is something else.
fn frame_of(line: &[u8]) -> Option<Result<RadioFrame, Damage>> {
    let rest = line.strip_prefix(b"b")?;
    let (digits, format, link_mode) = match rest.strip_prefix(b"Y") {
        Some(digits) => (digits, FrameFormat::B, LinkMode::C1),
        None => (rest, FrameFormat::A, LinkMode::T1),
    };
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.len() < 2 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    if digits.len() % 2 == 1 {
        return Some(Err(Damage::OddDigits));
    }
    let bytes = octets(digits)?;
    let length = *bytes.first()?;
    let announced = match format {
        FrameFormat::A => frame::length_a(length),
        FrameFormat::B => usize::from(length) + 1,
    };
    let there = bytes.len().saturating_sub(APPENDED);
    let (Some(content), Some(rssi)) = (bytes.get(..announced), bytes.get(announced + 1)) else {
        return Some(Err(Damage::Truncated { announced, there }));
    };
    Some(Ok(RadioFrame {
        bytes: content.to_vec(),
        crcs: Crcs::Present(format),
        rssi_dbm: Some(dbm(*rssi)),
        rssi_raw: None,
        link_mode: Some(link_mode),
        stamp: None,
    }))
}

/// The version; every culfw answers it.
pub(super) fn probe() -> Step {
    Step::text("V\r\n", "V ")
}

pub(super) fn configure(modes: ModeSet) -> Vec<Step> {
    let (command, answer) = match modes {
        ModeSet::S => ("brs\r\n", "SMODE"),
        ModeSet::T => ("brt\r\n", "TMODE"),
        ModeSet::C | ModeSet::CAndT | ModeSet::N => ("brc\r\n", "CMODE"),
    };
    // Reports with link quality and RSSI; there is no answer.
    vec![Step::text(command, answer), Step::unanswered("X21\r\n")]
}

pub(super) fn identity(version: &Answer) -> Option<String> {
    let text = std::str::from_utf8(&version.payload).ok()?;
    let rest = text.strip_prefix("V ")?;
    Some(format!(
        "CUL with culfw {}",
        rest.chars().take(60).collect::<String>()
    ))
}

/// The receiver's side, for simulators.
pub mod encode {
    use crate::wmbus::frame::{FrameFormat, with_crcs};

    /// A received frame (L, C, M, A, CI …, no CRCs) as a line; `None` when it does not fit.
    #[must_use]
    pub fn received(frame: &[u8], format: FrameFormat, rssi: u8) -> Option<String> {
        let prefix = match format {
            FrameFormat::A => "b",
            FrameFormat::B => "bY",
        };
        let mut sent = with_crcs(frame, format)?;
        sent.extend([0x80, rssi]);
        let digits: String = sent.iter().map(|byte| format!("{byte:02X}")).collect();
        Some(format!("{prefix}{digits}\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; 11] = [
        0x0A, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03, 0x78,
    ];

    #[test]
    fn a_line_and_what_the_receiver_makes_of_long_ones() {
        for (format, mode) in [
            (FrameFormat::A, LinkMode::T1),
            (FrameFormat::B, LinkMode::C1),
        ] {
            let line = encode::received(&FRAME, format, 0xF0).unwrap();
            let Look::Sound(length, Found::Frame(frame)) = look(line.as_bytes()) else {
                panic!("no frame");
            };
            assert_eq!(length, line.len());
            assert_eq!(frame.strip().unwrap().bytes.as_ref(), FRAME);
            assert_eq!((frame.rssi_dbm, frame.link_mode), (Some(-82), Some(mode)));
            for cut in 4..line.trim_end().len() {
                let text = format!("{}\r\n", &line[..cut]);
                assert!(
                    matches!(
                        look(text.as_bytes()),
                        Look::Refused(_, Damage::OddDigits | Damage::Truncated { .. })
                    ),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn answers_are_text() {
        let Look::Sound(20, Found::Answer(answer)) = look(b"V 1.67 nanoCUL868 \r\nb") else {
            panic!("no answer");
        };
        assert_eq!(identity(&answer).unwrap(), "CUL with culfw 1.67 nanoCUL868");
    }
}
