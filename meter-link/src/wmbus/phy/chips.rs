//! Finding frames in chips, and making chips of frames.

use super::mode::{Coding, Direction, LinkMode, Parameters, Sync};
use super::{manchester, three_of_six};
use crate::wmbus::frame::{self, Crcs, FrameError, FrameFormat};

/// A frame that was received, its CRCs checked and taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// L, C, M, A, CI …; L counts what follows it.
    pub bytes: Vec<u8>,
    /// The frame format.
    pub format: FrameFormat,
    /// Place of the first chip of the L field.
    pub at_chip: usize,
}

/// Why chips hold no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PhyError {
    /// The mode's synchronisation word is nowhere in them.
    #[error("no synchronisation word of mode {mode}")]
    NoSync {
        /// The mode.
        mode: LinkMode,
    },
    /// Chips that the line code does not have.
    #[error("chip {chip} begins no code word of mode {mode}")]
    Code {
        /// The mode.
        mode: LinkMode,
        /// Place of the code word.
        chip: usize,
    },
    /// The chips end inside the frame.
    #[error("the chips end after byte {there} of the {announced} that the L field announces")]
    Truncated {
        /// Bytes of the whole frame, CRCs included; 1 when not even L is there.
        announced: usize,
        /// Whole bytes there.
        there: usize,
    },
    /// The frame itself is wrong.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl PhyError {
    /// How much of a frame was there: of several failures the furthest one is told.
    const fn rank(self) -> u8 {
        match self {
            Self::NoSync { .. } => 0,
            Self::Code { .. } => 1,
            Self::Truncated { .. } => 2,
            Self::Frame(_) => 3,
        }
    }
}

/// Finds the first sound frame that a meter sent in a mode. `chips` holds eight in a byte, the
/// first one in the highest bit; what stands before the synchronisation word and behind the frame
/// does not matter.
///
/// # Errors
/// [`PhyError`], of the place that came nearest to a frame.
pub fn receive(mode: LinkMode, chips: &[u8]) -> Result<Received, PhyError> {
    let parameters = mode.parameters(Direction::FromMeter);
    let mut error = PhyError::NoSync { mode };
    let mut window = 0u32;
    for at in 0..8 * chips.len() {
        window = window << 1 | u32::from(chip(chips, at));
        for sync in parameters.sync {
            if at + 1 < usize::from(sync.length) || window & mask(sync.length) != sync.word {
                continue;
            }
            match frame_at(mode, &parameters, *sync, chips, at + 1) {
                Ok(received) => return Ok(received),
                Err(found) if found.rank() > error.rank() => error = found,
                Err(_) => {}
            }
        }
    }
    Err(error)
}

fn frame_at(
    mode: LinkMode,
    parameters: &Parameters,
    sync: Sync,
    chips: &[u8],
    at_chip: usize,
) -> Result<Received, PhyError> {
    let (width, decode): (usize, fn(u16) -> Option<u8>) = match parameters.coding {
        Coding::Manchester => (16, manchester::decode),
        Coding::ThreeOfSix => (12, three_of_six::decode),
        Coding::Nrz => (8, |chips| u8::try_from(chips).ok()),
    };
    let mut sent = Vec::new();
    let mut announced = 1;
    while sent.len() < announced {
        let at = at_chip + width * sent.len();
        if at + width > 8 * chips.len() {
            let there = sent.len();
            return Err(PhyError::Truncated { announced, there });
        }
        let word = (at..at + width).fold(0u16, |word, at| word << 1 | u16::from(chip(chips, at)));
        let byte = decode(word).ok_or(PhyError::Code { mode, chip: at })?;
        sent.push(byte);
        if sent.len() == 1 {
            announced = match sync.format {
                FrameFormat::A => frame::length_a(byte),
                FrameFormat::B => usize::from(byte) + 1,
            };
        }
    }
    let stripped = frame::strip(&sent, Crcs::Present(sync.format))?;
    Ok(Received {
        bytes: stripped.bytes.into_owned(),
        format: sync.format,
        at_chip,
    })
}

/// The chips of a frame with its CRCs as a meter sends it: the shortest preamble, the
/// synchronisation word and the coded frame; the last byte is filled up with zeros. `None` when
/// the mode has no such format.
#[must_use]
pub fn encode(mode: LinkMode, format: FrameFormat, frame: &[u8]) -> Option<Vec<u8>> {
    let parameters = mode.parameters(Direction::FromMeter);
    let sync = parameters.sync.iter().find(|sync| sync.format == format)?;
    let mut out = Writer::default();
    for _ in 0..parameters.preamble_pairs {
        out.push(0b01, 2);
    }
    out.push(sync.word, sync.length);
    for &byte in frame {
        match parameters.coding {
            Coding::Manchester => out.push(manchester::encode(byte).into(), 16),
            Coding::ThreeOfSix => out.push(three_of_six::encode(byte).into(), 12),
            Coding::Nrz => out.push(byte.into(), 8),
        }
    }
    Some(out.bytes)
}

const fn mask(length: u8) -> u32 {
    if length >= 32 {
        u32::MAX
    } else {
        (1 << length) - 1
    }
}

/// The chip at a place: 0 or 1.
fn chip(chips: &[u8], at: usize) -> u8 {
    chips.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1)
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    used: usize,
}

impl Writer {
    fn push(&mut self, word: u32, length: u8) {
        for bit in (0..length).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if word >> bit & 1 == 1
                && let Some(last) = self.bytes.last_mut()
            {
                *last |= 0x80 >> (self.used % 8);
            }
            self.used += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::octets;

    /// OMS Specification Volume 2, Annex N.2.1, with CRCs as printed.
    const SENT: &str = "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A";

    const MODES: [(LinkMode, FrameFormat); 7] = [
        (LinkMode::S1, FrameFormat::A),
        (LinkMode::T1, FrameFormat::A),
        (LinkMode::C1, FrameFormat::A),
        (LinkMode::C2, FrameFormat::B),
        (LinkMode::R2, FrameFormat::A),
        (LinkMode::N1, FrameFormat::A),
        (LinkMode::N2, FrameFormat::B),
    ];

    fn sent(format: FrameFormat) -> (Vec<u8>, Vec<u8>) {
        let sent = octets(SENT).unwrap();
        let plain = frame::strip(&sent, Crcs::Auto).unwrap().bytes.into_owned();
        (frame::with_crcs(&plain, format).unwrap(), plain)
    }

    #[test]
    fn every_mode_there_and_back_at_any_place() {
        for (mode, format) in MODES {
            let (sent, plain) = sent(format);
            let chips = encode(mode, format, &sent).unwrap();
            for shift in 0..8 {
                // A stream is not cut at the bytes of a frame.
                let mut moved = vec![0u8; chips.len() + 1];
                for at in 0..8 * chips.len() {
                    let to = at + shift;
                    moved[to / 8] |= chip(&chips, at) << (7 - to % 8);
                }
                let received = receive(mode, &moved).unwrap();
                assert_eq!(
                    (&received.bytes, received.format),
                    (&plain, format),
                    "{mode}"
                );
            }
        }
    }

    #[test]
    fn every_flipped_chip_is_noticed_or_harmless() {
        for (mode, format) in MODES {
            let (sent, plain) = sent(format);
            let chips = encode(mode, format, &sent).unwrap();
            for at in 0..8 * chips.len() {
                let mut damaged = chips.clone();
                damaged[at / 8] ^= 0x80 >> (at % 8);
                match receive(mode, &damaged) {
                    Ok(received) => assert_eq!(received.bytes, plain),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }

    #[test]
    fn what_is_cut_is_called_so() {
        let (sent, _) = sent(FrameFormat::A);
        let chips = encode(LinkMode::T1, FrameFormat::A, &sent).unwrap();
        let error = receive(LinkMode::T1, &chips[..chips.len() - 8]).unwrap_err();
        assert!(matches!(error, PhyError::Truncated { .. }), "{error}");
        let none = PhyError::NoSync { mode: LinkMode::T1 };
        assert_eq!(receive(LinkMode::T1, &[0x55; 40]), Err(none));
        assert_eq!(receive(LinkMode::T1, &[]), Err(none));
    }

    proptest! {
        #[test]
        fn any_chips_are_survived(chips in proptest::collection::vec(any::<u8>(), 0..600)) {
            for mode in LinkMode::ALL {
                let _ = receive(mode, &chips);
            }
        }
    }
}
