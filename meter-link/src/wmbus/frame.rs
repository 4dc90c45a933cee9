//! The link layer's frame formats A and B and their CRCs (EN 13757-4, clauses 11.3 and 11.4).
//!
//! Receivers hand on telegrams with or without the CRCs, and some append signal figures. Here every
//! form becomes the same bytes: L, C, M, A, CI … without CRCs, L counting what follows it.
//!
//! ```
//! use meter_link::wmbus::frame::{self, Crcs, FrameFormat};
//! let sent = [0x09, 0x44, 0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03];
//! let crc = meter_link::crc::en13757(&sent).to_be_bytes();
//! let sent = [&sent[..], &crc].concat();
//! let frame = frame::strip(&sent, Crcs::Auto)?;
//! assert_eq!(frame.format, Some(FrameFormat::A));
//! assert_eq!(frame.bytes.len(), 10);
//! # Ok::<(), frame::FrameError>(())
//! ```

use std::borrow::Cow;

use crate::crc;

/// Bytes of the first block of format A: L, C, M and A.
const FIRST_BLOCK: usize = 10;
/// Bytes of the other blocks of format A, but for the last.
const BLOCK: usize = 16;
/// Bytes in front of the first CRC of a long frame of format B.
const FIRST_PART_B: usize = 126;
const CRC: usize = 2;
/// Shortest L field: control field, manufacturer and address.
const SHORTEST_L: u8 = 9;

/// How the link layer's CRCs stand between the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameFormat {
    /// A CRC after the first 10 bytes and after every 16 bytes that follow; L counts none of them.
    A,
    /// One CRC at the end, two in frames of more than 128 bytes; L counts them.
    B,
}

impl FrameFormat {
    /// `"A"` or `"B"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// What is known about the CRCs of received bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Crcs {
    /// Nothing: see [`strip`].
    #[default]
    Auto,
    /// The receiver has taken them out.
    None,
    /// They are there, in this format, and must be right.
    Present(FrameFormat),
}

/// A link-layer frame without its CRCs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripped<'a> {
    /// L, C, M, A, CI …; L counts the bytes that follow it.
    pub bytes: Cow<'a, [u8]>,
    /// The format whose CRCs were found right; `None` when there were none.
    pub format: Option<FrameFormat>,
    /// What stood behind the frame: signal strength and quality, mostly.
    pub trailing: &'a [u8],
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Fewer bytes than the L field announces.
    #[error("the L field announces {announced} bytes and {there} are there")]
    Truncated {
        /// Bytes of the whole frame, CRCs included where they are known to be there.
        announced: usize,
        /// Bytes received.
        there: usize,
    },
    /// The L field is too small for an address.
    #[error("an L field of {length} leaves no room for control field and address")]
    TooShort {
        /// The L field.
        length: u8,
    },
    /// A CRC of the link layer is wrong.
    #[error("the CRC of block {block} (format {}) is wrong", format.name())]
    Checksum {
        /// The block, from 1.
        block: usize,
        /// The format in which it was checked.
        format: FrameFormat,
    },
}

/// Takes the CRCs and what stands behind the frame off received bytes.
///
/// With [`Crcs::Auto`], in this order: bytes as many as format A makes of L carry its CRCs, which
/// must be right; format A followed by other bytes, or format B, are taken when their CRCs are
/// right; everything else carries none.
///
/// # Errors
/// [`FrameError`]; with CRCs [`Crcs::Present`], also when they are not there.
pub fn strip(bytes: &[u8], crcs: Crcs) -> Result<Stripped<'_>, FrameError> {
    let Some(&length) = bytes.first() else {
        return Err(FrameError::Truncated {
            announced: usize::from(SHORTEST_L) + 1,
            there: 0,
        });
    };
    if length < SHORTEST_L {
        return Err(FrameError::TooShort { length });
    }
    match crcs {
        Crcs::None => plain(bytes, length),
        Crcs::Present(FrameFormat::A) => format_a(bytes, length),
        Crcs::Present(FrameFormat::B) => format_b(bytes, length),
        Crcs::Auto => {
            if bytes.len() == length_a(length) {
                return format_a(bytes, length);
            }
            format_a(bytes, length)
                .or_else(|_| format_b(bytes, length))
                .or_else(|_| plain(bytes, length))
        }
    }
}

/// Bytes of a whole frame of format A with this L field, CRCs included.
#[must_use]
pub const fn length_a(length: u8) -> usize {
    let total = length as usize + 1;
    let blocks = 1 + total.saturating_sub(FIRST_BLOCK).div_ceil(BLOCK);
    total + CRC * blocks
}

/// Puts the CRCs of a format into a frame without any (L, C, M, A, CI …), as a sender does.
///
/// `None` when the bytes are not as many as their L field says, or when L has no room for the CRCs
/// of format B.
#[must_use]
pub fn with_crcs(bytes: &[u8], format: FrameFormat) -> Option<Vec<u8>> {
    let length = *bytes.first()?;
    if length < SHORTEST_L || bytes.len() != usize::from(length) + 1 {
        return None;
    }
    let mut sent = Vec::with_capacity(length_a(length));
    let mut block = |part: &[u8]| {
        sent.extend_from_slice(part);
        sent.extend_from_slice(&crc::en13757(part).to_be_bytes());
    };
    match format {
        FrameFormat::A => {
            let (first, rest) = bytes.split_at_checked(FIRST_BLOCK)?;
            block(first);
            rest.chunks(BLOCK).for_each(block);
        }
        FrameFormat::B => {
            let crcs = if bytes.len() > FIRST_PART_B { 2 } else { 1 } * CRC;
            let length = u8::try_from(bytes.len() - 1 + crcs).ok()?;
            let mut counted = bytes.to_vec();
            *counted.first_mut()? = length;
            counted.chunks(FIRST_PART_B).for_each(block);
        }
    }
    Some(sent)
}

fn plain(bytes: &[u8], length: u8) -> Result<Stripped<'_>, FrameError> {
    let (frame, trailing) = split(bytes, usize::from(length) + 1)?;
    Ok(Stripped {
        bytes: Cow::Borrowed(frame),
        format: None,
        trailing,
    })
}

fn format_a(bytes: &[u8], length: u8) -> Result<Stripped<'_>, FrameError> {
    let (frame, trailing) = split(bytes, length_a(length))?;
    let (first, rest) = frame.split_at(FIRST_BLOCK + CRC);
    let blocks = std::iter::once(first).chain(rest.chunks(BLOCK + CRC));
    check_blocks(blocks.clone(), FrameFormat::A)?;
    let mut stripped = Vec::with_capacity(usize::from(length) + 1);
    for block in blocks {
        stripped.extend_from_slice(without_crc(block));
    }
    Ok(Stripped {
        bytes: Cow::Owned(stripped),
        format: Some(FrameFormat::A),
        trailing,
    })
}

fn format_b(bytes: &[u8], length: u8) -> Result<Stripped<'_>, FrameError> {
    let (frame, trailing) = split(bytes, usize::from(length) + 1)?;
    let parts = frame.chunks(FIRST_PART_B + CRC);
    let crcs = CRC * parts.len();
    check_blocks(parts.clone(), FrameFormat::B)?;
    let Some(length) = usize::from(length)
        .checked_sub(crcs)
        .and_then(|rest| u8::try_from(rest).ok())
        .filter(|&rest| rest >= SHORTEST_L)
    else {
        return Err(FrameError::TooShort { length });
    };
    let mut stripped = Vec::with_capacity(usize::from(length) + 1);
    for part in parts {
        stripped.extend_from_slice(without_crc(part));
    }
    if let Some(first) = stripped.first_mut() {
        *first = length;
    }
    Ok(Stripped {
        bytes: Cow::Owned(stripped),
        format: Some(FrameFormat::B),
        trailing,
    })
}

fn split(bytes: &[u8], announced: usize) -> Result<(&[u8], &[u8]), FrameError> {
    bytes
        .split_at_checked(announced)
        .ok_or(FrameError::Truncated {
            announced,
            there: bytes.len(),
        })
}

fn check_blocks<'a>(
    blocks: impl Iterator<Item = &'a [u8]>,
    format: FrameFormat,
) -> Result<(), FrameError> {
    for (index, block) in blocks.enumerate() {
        let right = block.split_last_chunk::<CRC>().is_some_and(|(part, sent)| {
            !part.is_empty() && crc::en13757(part) == u16::from_be_bytes(*sent)
        });
        if !right {
            return Err(FrameError::Checksum {
                block: index + 1,
                format,
            });
        }
    }
    Ok(())
}

fn without_crc(block: &[u8]) -> &[u8] {
    block
        .split_last_chunk::<CRC>()
        .map_or(&[], |(part, _)| part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::octets;

    /// OMS Specification Volume 2, Annex N.2.1, with CRCs as printed, and without.
    const SENT: &str = "2E44931578563412330333637A2A0020255923C95AAA26D1B2E7493BC2AD013EC4A6F6D3529B520EDFF0EA6DEFC955B29D6D69EBF3EC8A";
    const PLAIN: &str = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3";

    #[test]
    fn the_printed_example() {
        let (sent, plain) = (octets(SENT).unwrap(), octets(PLAIN).unwrap());
        for crcs in [Crcs::Auto, Crcs::Present(FrameFormat::A)] {
            let frame = strip(&sent, crcs).unwrap();
            assert_eq!(frame.bytes, plain);
            assert_eq!(frame.format, Some(FrameFormat::A));
        }
        assert_eq!(with_crcs(&plain, FrameFormat::A).unwrap(), sent);
        assert_eq!(strip(&plain, Crcs::Auto).unwrap().format, None);
        let rssi = [sent.as_slice(), &[0x5A]].concat();
        let frame = strip(&rssi, Crcs::Auto).unwrap();
        assert_eq!(
            (frame.bytes.as_ref(), frame.trailing),
            (plain.as_slice(), [0x5A].as_slice())
        );
    }

    #[test]
    fn cut_and_damaged() {
        let sent = octets(SENT).unwrap();
        for length in 0..sent.len() {
            let error = strip(&sent[..length], Crcs::Present(FrameFormat::A)).unwrap_err();
            assert!(matches!(error, FrameError::Truncated { .. }));
        }
        for bit in 8..8 * sent.len() {
            let mut damaged = sent.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = strip(&damaged, Crcs::Auto).unwrap_err();
            assert!(matches!(error, FrameError::Checksum { .. }));
        }
    }

    proptest! {
        #[test]
        fn what_is_put_in_is_taken_out(mut bytes in proptest::collection::vec(any::<u8>(), 10..250)) {
            bytes[0] = u8::try_from(bytes.len() - 1).unwrap();
            for format in [FrameFormat::A, FrameFormat::B] {
                let sent = with_crcs(&bytes, format).unwrap();
                let frame = strip(&sent, Crcs::Present(format)).unwrap();
                prop_assert_eq!(frame.bytes.as_ref(), bytes.as_slice());
                prop_assert_eq!(frame.format, Some(format));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for crcs in [
                Crcs::Auto,
                Crcs::None,
                Crcs::Present(FrameFormat::A),
                Crcs::Present(FrameFormat::B),
            ] {
                let _ = strip(&bytes, crcs);
            }
        }
    }
}
