//! Cuts frames out of a stream (IEC 62056-46, clause 6.4.2.1).
//!
//! A flag may stand inside a frame, one flag may close a frame and open the next, and a meter may
//! leave one out. So a frame's length comes from its length field, and is believed once the header
//! check sequence agrees.

use super::FLAG;
use super::frame::{Frame, Header, MAX_FRAME, declared};
use crate::crc;
use crate::window::Window;

/// Shortest frame in bytes: format, two addresses of one byte, control and check.
const MIN_FRAME: usize = 7;

/// A piece of the stream and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Place of its first byte in the stream, the opening flag for a frame.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it is.
    pub kind: PieceKind,
}

/// What a piece of the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// The bytes of a frame without its flags. [`Frame::parse`] never fails on them; the check
    /// sequences may be wrong.
    Frame(Vec<u8>),
    /// Bytes that are no frame.
    Noise,
}

impl Piece {
    /// The bytes of a frame without its flags, if it is one.
    #[must_use]
    pub fn frame(&self) -> Option<&[u8]> {
        match &self.kind {
            PieceKind::Frame(bytes) => Some(bytes),
            PieceKind::Noise => None,
        }
    }
}

/// Cuts frames out of a stream given in slices of any size. At most [`MAX_FRAME`] + 2 bytes are
/// kept.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
    ended: bool,
}

/// What stands at the front of the window.
enum Step {
    /// Too little to tell.
    More,
    /// So many bytes to give up, of which so many are noise and not flags between frames.
    Skip(usize, usize),
    /// A frame of so many bytes behind its flag.
    Frame(usize),
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` until a frame is complete; `None` once `input` is
    /// empty and nothing more can be said. Noise is told before the frame that follows it.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Piece> {
        self.ended = false;
        loop {
            if let Some(piece) = self.advance() {
                return Some(piece);
            }
            if input.is_empty() || !self.window.fill(input, MAX_FRAME + 2) {
                return None;
            }
        }
    }

    /// Ends the stream: call until it returns `None`.
    pub fn finish(&mut self) -> Option<Piece> {
        self.ended = true;
        self.advance().or_else(|| {
            let noise = self.window.tell_noise()?;
            Some(Piece {
                offset: noise.offset,
                length: noise.length,
                kind: PieceKind::Noise,
            })
        })
    }

    /// Forgets a frame that has begun, after a silence within which it should have ended.
    pub fn clear(&mut self) {
        let length = self.window.bytes().len();
        self.window.give_up(length, length);
    }

    /// Length of the noise that has not been told yet, in bytes.
    #[must_use]
    pub const fn noise(&self) -> u64 {
        self.window.noise()
    }

    fn advance(&mut self) -> Option<Piece> {
        loop {
            match step(self.window.bytes(), self.ended) {
                Step::More => return None,
                Step::Skip(length, noise) => self.window.give_up(length, noise),
                Step::Frame(_) if self.window.noise() > 0 => {
                    let noise = self.window.tell_noise()?;
                    return Some(Piece {
                        offset: noise.offset,
                        length: noise.length,
                        kind: PieceKind::Noise,
                    });
                }
                Step::Frame(length) => {
                    let bytes = self.window.bytes().get(1..=length)?.to_vec();
                    // The closing flag stays: it may open the next frame.
                    let stretch = self.window.take(1 + length);
                    return Some(Piece {
                        offset: stretch.offset,
                        length: stretch.length,
                        kind: PieceKind::Frame(bytes),
                    });
                }
            }
        }
    }
}

fn step(bytes: &[u8], ended: bool) -> Step {
    let Some(start) = bytes.iter().position(|&byte| byte == FLAG) else {
        return match bytes.len() {
            0 => Step::More,
            length => Step::Skip(length, length),
        };
    };
    if start > 0 {
        return Step::Skip(start, start);
    }
    let frame = bytes.get(1..).unwrap_or_default();
    let length = match frame {
        [] | [0xA0..=0xAF] if !ended => return Step::More,
        [format, low, ..] => declared([*format, *low]).filter(|length| *length >= MIN_FRAME),
        _ => None,
    };
    let Some(length) = length else {
        // A flag that opens nothing: between frames there may be any number of them.
        return Step::Skip(1, 0);
    };
    let whole = frame.get(..length);
    if let Some(whole) = whole
        && Frame::parse(whole).is_ok_and(|frame| frame.fcs_ok())
    {
        return Step::Frame(length);
    }
    if whole.is_none() && !ended && believable(frame) != Some(false) {
        return Step::More;
    }
    // Not a frame as it stands. One that begins within its length must not be lost with it.
    let extent = frame.get(..length.min(frame.len())).unwrap_or_default();
    let next = (0..extent.len()).find(|&at| {
        let rest = frame.get(at + 1..).unwrap_or_default();
        extent.get(at) == Some(&FLAG) && believable(rest) == Some(true)
    });
    if let Some(next) = next {
        return Step::Skip(next + 1, next + 1);
    }
    match whole {
        Some(whole) if frame.get(length) == Some(&FLAG) && Frame::parse(whole).is_ok() => {
            Step::Frame(length)
        }
        // The closing flag is not there yet.
        Some(_) if frame.len() == length && !ended => Step::More,
        None if !ended => Step::More,
        _ => Step::Skip(1, 1),
    }
}

/// Whether the header check of the frame that begins here is right; `None` while it has not come.
/// A frame without information has no header check apart from its frame check.
fn believable(frame: &[u8]) -> Option<bool> {
    let &[format, low, ..] = frame else {
        return None;
    };
    let Some(length) = declared([format, low]).filter(|length| *length >= MIN_FRAME) else {
        return Some(false);
    };
    let Some(header) = Header::at_front(frame) else {
        // Addresses of four bytes each end within ten.
        return (frame.len() > 10).then_some(false);
    };
    if length < header.length + 2 {
        return Some(false);
    }
    let hcs = frame.get(header.length..header.length + 2)?;
    let head = frame.get(..header.length)?;
    Some(crc::x25(head).to_le_bytes() == *hcs)
}

#[cfg(test)]
mod tests {
    use super::super::{Address, Control, encode};
    use super::*;

    fn frame(information: &[u8]) -> Vec<u8> {
        let server = Address::server(1, None, None).unwrap();
        let control = Control::Ui { poll: true };
        encode(&Address::client(1), &server, control, false, information).unwrap()
    }

    fn frames(bytes: &[u8], slice: usize) -> (Vec<Vec<u8>>, u64) {
        let mut splitter = Splitter::new();
        let mut pieces = Vec::new();
        for part in bytes.chunks(slice) {
            let mut input = part;
            pieces.extend(std::iter::from_fn(|| splitter.pull(&mut input)));
        }
        pieces.extend(std::iter::from_fn(|| splitter.finish()));
        let noise = pieces.iter().filter(|piece| piece.frame().is_none());
        let noise = noise.map(|piece| piece.length).sum();
        let good = pieces.iter().filter_map(Piece::frame);
        let good = good.filter(|bytes| Frame::parse(bytes).unwrap().fcs_ok());
        (good.map(<[u8]>::to_vec).collect(), noise)
    }

    #[test]
    fn shared_missing_and_extra_flags() {
        let one = frame(&[1, 0x7E, 3]);
        let two = frame(&[]);
        let inner = |bytes: &[u8]| bytes[1..bytes.len() - 1].to_vec();
        let want = vec![inner(&one), inner(&two)];
        let shared = [&one[..], &two[1..]].concat();
        let separate = [&[0x7E, 0x7E][..], &one, &[0x7E], &two, &[0x7E]].concat();
        for slice in [1, 2, 5, 1000] {
            assert_eq!(frames(&shared, slice), (want.clone(), 0));
            assert_eq!(frames(&separate, slice), (want.clone(), 0));
            let unclosed = &shared[..shared.len() - 1];
            assert_eq!(frames(unclosed, slice), (want.clone(), 0));
        }
    }

    #[test]
    fn noise_is_counted_and_passed() {
        let one = frame(&[1, 2, 3]);
        let noisy = [&[1, 2, 3][..], &one, &[0x7E, 0xA0], &one, &[9]].concat();
        for slice in [1, 7, 1000] {
            let (found, noise) = frames(&noisy, slice);
            assert_eq!(found.len(), 2);
            assert!((5..=6).contains(&noise), "{noise}");
        }
    }

    /// One byte deleted, inserted or changed costs at most that frame; two where a flag dies.
    #[test]
    fn damage_costs_no_more_than_its_frame() {
        let one = frame(&(0..40).collect::<Vec<u8>>());
        let bytes = one.repeat(3);
        for at in 0..bytes.len() {
            let mut deleted = bytes.clone();
            deleted.remove(at);
            let mut inserted = bytes.clone();
            inserted.insert(at, 0xA0);
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            for damaged in [deleted, inserted, changed] {
                for slice in [1, 1000] {
                    assert!(frames(&damaged, slice).0.len() >= 2, "{at}");
                }
            }
        }
    }

    /// A frame whose check is wrong is told as such when it ends where it says.
    #[test]
    fn a_wrong_check_is_told() {
        let mut bytes = frame(&[1, 2, 3]);
        bytes[9] ^= 1;
        let mut input = bytes.as_slice();
        let piece = Splitter::new().pull(&mut input).unwrap();
        let frame = Frame::parse(piece.frame().unwrap()).unwrap();
        assert!(frame.hcs_ok() && !frame.fcs_ok());
    }

    proptest::proptest! {
        #[test]
        fn every_byte_is_accounted_for(
            bytes in proptest::collection::vec(proptest::prelude::prop_oneof![
                proptest::prelude::Just(FLAG), proptest::prelude::Just(0xA0), 0u8..12, 0u8..
            ], 0..300),
            slice in 1usize..40,
        ) {
            let mut splitter = Splitter::new();
            let mut end = 0;
            for part in bytes.chunks(slice) {
                let mut input = part;
                while let Some(piece) = splitter.pull(&mut input) {
                    proptest::prop_assert!(piece.offset >= end);
                    end = piece.offset + piece.length;
                    if let Some(frame) = piece.frame() {
                        proptest::prop_assert!(Frame::parse(frame).is_ok());
                    }
                }
            }
            while splitter.finish().is_some() {}
        }
    }
}
