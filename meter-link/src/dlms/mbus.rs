//! Wired M-Bus as a transport of DLMS messages (EN 13757-2, 5.5, long frames; EN 13757-3 and
//! IEC 62056-7-3, segments): `68 L L 68`, control, address, control information, two transport
//! addresses, a segment of a message, checksum, `16`.

use crate::window::Window;

/// First and fourth byte of a long frame.
const START: u8 = 0x68;
/// Last byte of a frame.
const STOP: u8 = 0x16;
/// Counted bytes of the shortest frame: the header and one byte of a message.
const SHORTEST: usize = 6;
/// Bytes around what the length counts.
const AROUND: usize = 6;
/// Longest frame, of a meter whose length byte does not tell its length.
const MAX_FRAME: usize = 1024;
/// Most bytes a message of segments can have: sixteen of the longest frames.
pub const MAX_MESSAGE: usize = 16 * MAX_FRAME;

/// A view of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The length byte as sent. One meter sends the length modulo 256.
    pub length: u8,
    /// Control field; 53 for data of a meter that pushes.
    pub control: u8,
    /// Address field; FF for all.
    pub address: u8,
    /// Control information: bits 0 to 3 the number of the segment, bit 4 set on the last one.
    pub information: u8,
    /// True when the sum of all bytes from the control field on is right.
    pub checksum_ok: bool,
    /// What follows the two transport addresses.
    pub segment: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame from its `68` to its `16`; `None` when it has another form.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [START, length, again, START, body @ .., checksum, STOP] = bytes else {
            return None;
        };
        let [control, address, information, _, _, segment @ ..] = body else {
            return None;
        };
        (length == again).then_some(Self {
            length: *length,
            control: *control,
            address: *address,
            information: *information,
            checksum_ok: sum(body) == *checksum,
            segment,
        })
    }

    /// The number of the segment, 0 to 15.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.information & 0x0F
    }

    /// True for the last segment of a message.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.information & 0x10 != 0
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Cuts a message into frames of at most 255 counted bytes.
#[must_use]
pub fn encode(message: &[u8], address: u8, transport: [u8; 2]) -> Vec<u8> {
    const SEGMENT: usize = 245;
    let mut out = Vec::new();
    let count = message.chunks(SEGMENT).len();
    for ((number, segment), place) in (0u8..).zip(message.chunks(SEGMENT)).zip(1..) {
        let last = if place == count { 0x10 } else { 0 };
        let mut body = vec![0x53, address, last | (number & 0x0F)];
        body.extend_from_slice(&transport);
        body.extend_from_slice(segment);
        let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[START, length, length, START]);
        out.extend_from_slice(&body);
        out.extend_from_slice(&[sum(&body), STOP]);
    }
    out
}

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it is.
    pub kind: PieceKind,
}

/// What a piece of a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// The bytes of a frame; [`Frame::parse`] reads them, their checksum may be wrong.
    Frame(Vec<u8>),
    /// The beginning of a frame at the end of the stream.
    Cut,
    /// Bytes that are no frame.
    Noise,
}

/// Cuts frames out of a stream given in slices of any size; keeps at most a kilobyte.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
}

enum Step {
    More,
    Noise(usize),
    Frame(usize),
    Cut(usize),
}

impl Splitter {
    /// Takes bytes off the front of `input` until a piece is complete; `None` once `input` is
    /// empty. Noise is told before the frame that follows it.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Piece> {
        loop {
            if let Some(piece) = self.advance(false) {
                return Some(piece);
            }
            if input.is_empty() || !self.window.fill(input, MAX_FRAME + 4) {
                return None;
            }
        }
    }

    /// Ends the stream, or a burst after which the line fell silent: call until it returns `None`.
    pub fn finish(&mut self) -> Option<Piece> {
        self.advance(true).or_else(|| self.noise_piece())
    }

    /// Length of the noise that has not been told yet, in bytes.
    #[must_use]
    pub const fn noise(&self) -> u64 {
        self.window.noise()
    }

    /// Tells the noise so far.
    pub(super) fn noise_piece(&mut self) -> Option<Piece> {
        let stretch = self.window.tell_noise()?;
        Some(Piece {
            offset: stretch.offset,
            length: stretch.length,
            kind: PieceKind::Noise,
        })
    }

    /// True while a frame has begun.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.window.bytes().is_empty()
    }

    fn advance(&mut self, ended: bool) -> Option<Piece> {
        loop {
            let (length, is_frame) = match step(self.window.bytes(), ended) {
                Step::More => return None,
                Step::Noise(length) => {
                    self.window.give_up(length, length);
                    continue;
                }
                Step::Frame(_) | Step::Cut(_) if self.window.noise() > 0 => {
                    return self.noise_piece();
                }
                Step::Frame(length) => (length, true),
                Step::Cut(length) => (length, false),
            };
            let bytes = self.window.bytes().get(..length)?.to_vec();
            let stretch = self.window.take(length);
            return Some(Piece {
                offset: stretch.offset,
                length: stretch.length,
                kind: match is_frame {
                    true => PieceKind::Frame(bytes),
                    false => PieceKind::Cut,
                },
            });
        }
    }
}

fn step(bytes: &[u8], ended: bool) -> Step {
    match bytes.iter().position(|byte| *byte == START) {
        Some(0) => {}
        Some(start) => return Step::Noise(start),
        None if bytes.is_empty() => return Step::More,
        None => return Step::Noise(bytes.len()),
    }
    let Some(start) = bytes.first_chunk::<4>() else {
        return if ended {
            Step::Noise(bytes.len())
        } else {
            Step::More
        };
    };
    let Some(counted) = begins(*start) else {
        return Step::Noise(1);
    };
    let whole = bytes.get(..counted + AROUND);
    let stops = whole.filter(|whole| whole.last() == Some(&STOP));
    let right = |frame: &[u8]| Frame::parse(frame).is_some_and(|frame| frame.checksum_ok);
    if stops.is_some_and(right) {
        return Step::Frame(counted + AROUND);
    }
    if whole.is_none() && !ended {
        return Step::More;
    }
    match closing(bytes, counted, ended) {
        Some(length) => Step::Frame(length),
        // The checksum is wrong, or the length.
        None if stops.is_some_and(|whole| Frame::parse(whole).is_some()) => {
            Step::Frame(counted + AROUND)
        }
        None if !ended && bytes.len() < MAX_FRAME + 4 => Step::More,
        None if whole.is_none() && ended && !starts_inside(bytes) => Step::Cut(bytes.len()),
        None => Step::Noise(1),
    }
}

/// The counted bytes, where a frame begins.
fn begins(start: [u8; 4]) -> Option<usize> {
    match start {
        [START, length, again, START] if length == again => Some(usize::from(length)),
        _ => None,
    }
}

fn starts_inside(bytes: &[u8]) -> bool {
    let mut starts = bytes.windows(4).skip(1);
    starts.any(|start| {
        start
            .first_chunk()
            .is_some_and(|start| begins(*start).is_some())
    })
}

/// Length of a frame whose length byte cannot be its length (Sagemcom T210-D): it tells less than
/// every frame has, or the length modulo 256. The frame ends with a `16` behind a right checksum,
/// with nothing or the next frame behind it. A byte that was lost makes no such frame.
fn closing(bytes: &[u8], told: usize, ended: bool) -> Option<usize> {
    let cannot_be = |counted: usize| told < SHORTEST || (counted > 255 && counted % 256 == told);
    let mut sum = 0u8;
    let mut body = bytes.iter().enumerate().skip(4).take(MAX_FRAME - 4);
    body.find_map(|(at, byte)| {
        let [next, behind @ ..] = bytes.get(at + 1..)? else {
            return None;
        };
        let found = *next == STOP
            && at >= 4 + SHORTEST
            && cannot_be(at - 4)
            && sum == *byte
            && match behind {
                [] => ended,
                _ => behind
                    .first_chunk()
                    .is_some_and(|start| begins(*start).is_some()),
            };
        sum = sum.wrapping_add(*byte);
        found.then_some(at + 2)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(bytes: &[u8], slice: usize) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut pieces = Vec::new();
        for part in bytes.chunks(slice) {
            let mut input = part;
            pieces.extend(std::iter::from_fn(|| splitter.pull(&mut input)));
        }
        pieces.extend(std::iter::from_fn(|| splitter.finish()));
        pieces
    }

    fn segments(bytes: &[u8], slice: usize) -> Vec<(u8, bool, Vec<u8>)> {
        let frames = pieces(bytes, slice);
        let frames = frames.iter().filter_map(|piece| match &piece.kind {
            PieceKind::Frame(bytes) => Frame::parse(bytes),
            _ => None,
        });
        let right = frames.filter(|frame| frame.checksum_ok);
        right
            .map(|frame| (frame.number(), frame.is_last(), frame.segment.to_vec()))
            .collect()
    }

    fn message() -> Vec<u8> {
        (0..251).cycle().take(400).collect()
    }

    #[test]
    fn two_segments() {
        let bytes = encode(&message(), 0xFF, [1, 0x67]);
        assert_eq!(bytes[..9], [0x68, 250, 250, 0x68, 0x53, 0xFF, 0, 1, 0x67]);
        let want = vec![
            (0, false, message()[..245].to_vec()),
            (1, true, message()[245..].to_vec()),
        ];
        for slice in [1, 3, 1000] {
            assert_eq!(segments(&bytes, slice), want);
            let noisy = [&[1, 0x68, 5, 5, 3][..], &bytes].concat();
            assert_eq!(segments(&noisy, slice), want);
        }
    }

    #[test]
    fn a_length_byte_that_tells_less() {
        // One frame of 300 counted bytes, whose length byte says 300 - 256 or next to nothing.
        let mut body = vec![0x53, 0xFF, 0, 1, 0x67];
        body.extend((0..20).cycle().take(295));
        for length in [44, 1] {
            let mut bytes = vec![0x68, length, length, 0x68];
            bytes.extend(&body);
            bytes.extend([sum(&body), 0x16]);
            for count in [1, 2] {
                let found = segments(&bytes.repeat(count), 7);
                assert_eq!(found, vec![(0, false, body[5..].to_vec()); count]);
            }
        }
    }

    #[test]
    fn damage_is_seen_and_costs_one_frame() {
        let one = encode(&message()[..100], 1, [1, 0x67]);
        let bytes = one.repeat(3);
        let want = segments(&one, 9)[0].clone();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            let mut deleted = bytes.clone();
            deleted.remove(at);
            for damaged in [changed, deleted] {
                let found = segments(&damaged, 1000);
                assert!(found.len() >= 2, "{at}");
                assert!(found.iter().all(|segment| *segment == want), "{at}");
            }
        }
        let cut = pieces(&one[..50], 9);
        assert_eq!(cut.len(), 1);
        assert_eq!((cut[0].length, &cut[0].kind), (50, &PieceKind::Cut));
    }

    proptest! {
        #[test]
        fn every_byte_is_accounted_for(
            bytes in proptest::collection::vec(prop_oneof![Just(0x68u8), Just(0x16), 0u8..9, 0u8..], 0..300),
            slice in 1usize..40,
        ) {
            let mut end = 0;
            for piece in pieces(&bytes, slice) {
                prop_assert_eq!(piece.offset, end);
                end += piece.length;
            }
            prop_assert_eq!(end, bytes.len() as u64);
        }
    }
}
