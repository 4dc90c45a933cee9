//! SML transport protocol version 1 (SML 1.04, clause 8): telegrams in a stream of bytes.

use std::borrow::Cow;

use crate::crc;

const ESCAPE: [u8; 4] = [0x1B; 4];
const START: [u8; 8] = [0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1];
const END: u8 = 0x1A;

/// Longest telegram read, marks and escapes included, in bytes. Meters send 200 to 800.
pub const MAX_FRAME: usize = 16 * 1024;

/// How many bytes of the input are looked at in one go: little enough to move cheaply.
const TAKE: usize = 1024;

/// One telegram whose transport check is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Place of the first start mark byte in the stream.
    pub offset: u64,
    /// All bytes from the start mark to the check, as received.
    pub raw: &'a [u8],
    escaped: bool,
}

impl<'a> Frame<'a> {
    /// The messages: marks, fill bytes and check taken off, doubled escapes undone.
    #[must_use]
    pub fn content(&self) -> Cow<'a, [u8]> {
        let fill = self
            .raw
            .len()
            .checked_sub(3)
            .and_then(|at| self.raw.get(at));
        let end = self
            .raw
            .len()
            .saturating_sub(8 + usize::from(fill.copied().unwrap_or(0)));
        let inner = self.raw.get(START.len()..end).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(inner);
        }
        let mut plain = Vec::with_capacity(inner.len());
        let mut rest = inner;
        while let Some(at) = find_escape(rest) {
            let (before, after) = rest.split_at(at);
            plain.extend_from_slice(before);
            plain.extend_from_slice(&ESCAPE);
            rest = after.get(8..).unwrap_or_default();
        }
        plain.extend_from_slice(rest);
        Cow::Owned(plain)
    }
}

/// Why a stretch of the stream gave no telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No start mark: noise, or the tail of a telegram.
    #[error("no start mark 1B1B1B1B 01010101{}", if *.end_seen { ": the tail of a telegram" } else { "" })]
    StartMissing {
        /// True when an end mark was among the bytes.
        end_seen: bool,
    },
    /// The stream ended, or the next telegram began, before the end mark.
    #[error("the telegram ends before its end mark 1B1B1B1B 1A")]
    EndMissing,
    /// An escape sequence that version 1 does not know.
    #[error("escape sequence {0:02X?} is not one of transport version 1")]
    Escape([u8; 4]),
    /// More than three fill bytes, or more than there are bytes.
    #[error("{0} fill bytes where 0 to 3 are allowed")]
    Fill(u8),
    /// The check is wrong.
    #[error("transport CRC is {received:04X}, computed {computed:04X}")]
    Crc {
        /// As sent.
        received: u16,
        /// Over the bytes as received.
        computed: u16,
    },
    /// No end mark within [`MAX_FRAME`] bytes.
    #[error("no end mark within {MAX_FRAME} bytes")]
    TooLong,
}

/// A stretch of the stream that gave no telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// Its length in bytes, up to the next start mark.
    pub length: u64,
    /// Why.
    pub fault: Fault,
}

/// What a [`Deframer`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A telegram whose transport check is right.
    Frame(Frame<'a>),
    /// Bytes that were given up.
    Skipped(Skipped),
}

/// Cuts telegrams out of a stream given in slices of any size.
///
/// It resynchronises at every start mark, inside a broken telegram and behind a run of 1B bytes,
/// too, and never holds more than [`MAX_FRAME`] bytes.
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that belong to the event returned last.
    consumed: usize,
    /// Place of `buffer[0]` in the stream.
    base: u64,
    /// Where the search goes on, an index of `buffer`.
    scan: usize,
    /// True once `buffer` begins with a start mark.
    in_frame: bool,
    escaped: bool,
    /// The stretch being skipped.
    skipping: Option<Skipped>,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

enum Step {
    More,
    Again,
    Skipped(Skipped),
    Frame(usize),
}

impl Deframer {
    /// A deframer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(1024),
            consumed: 0,
            base: 0,
            scan: 0,
            in_frame: false,
            escaped: false,
            skipping: None,
        }
    }

    /// Takes bytes off the front of `input` until something is found; `None` once `input` is
    /// empty and nothing more can be said.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Event<'_>> {
        self.release();
        loop {
            match self.step() {
                Step::Again => {}
                Step::Skipped(skipped) => return Some(Event::Skipped(skipped)),
                Step::Frame(length) => return Some(self.hand_out(length)),
                Step::More if input.is_empty() => return None,
                Step::More => {
                    let room = MAX_FRAME.saturating_sub(self.buffer.len());
                    if room == 0 {
                        self.give_up(self.buffer.len(), Fault::TooLong);
                        continue;
                    }
                    let (taken, rest) = input.split_at(room.min(TAKE).min(input.len()));
                    self.buffer.extend_from_slice(taken);
                    *input = rest;
                }
            }
        }
    }

    /// Ends the stream: call until it returns `None`. The deframer may be used again afterwards.
    pub fn finish(&mut self) -> Option<Event<'_>> {
        self.release();
        loop {
            match self.step() {
                Step::Again => {}
                Step::Skipped(skipped) => return Some(Event::Skipped(skipped)),
                Step::Frame(length) => return Some(self.hand_out(length)),
                Step::More if self.in_frame => {
                    self.give_up(self.buffer.len(), Fault::EndMissing);
                }
                Step::More => {
                    self.skip(self.buffer.len());
                    return self.skipping.take().map(Event::Skipped);
                }
            }
        }
    }

    /// How many bytes have been skipped since the last event and not been told yet.
    #[must_use]
    pub fn skipping(&self) -> u64 {
        self.skipping.map_or(0, |skipped| skipped.length)
    }

    /// Tells the stretch being skipped before its end is known, so that endless noise is noticed.
    pub fn take_skipped(&mut self) -> Option<Skipped> {
        self.skipping.take()
    }

    fn release(&mut self) {
        if self.consumed > 0 {
            self.buffer.drain(..self.consumed);
            self.base += self.consumed as u64;
            self.scan = self.scan.saturating_sub(self.consumed);
            self.consumed = 0;
        }
    }

    fn hand_out(&mut self, length: usize) -> Event<'_> {
        self.consumed = length;
        self.scan = length;
        self.in_frame = false;
        Event::Frame(Frame {
            offset: self.base,
            raw: self.buffer.get(..length).unwrap_or_default(),
            escaped: std::mem::take(&mut self.escaped),
        })
    }

    fn step(&mut self) -> Step {
        let rest = self.buffer.get(self.scan..).unwrap_or_default();
        let Some(at) = find_escape(rest) else {
            // A run of up to three 1B at the end may be the head of an escape.
            let head = rest
                .iter()
                .rev()
                .take(3)
                .take_while(|&&b| b == 0x1B)
                .count();
            self.scan = self.buffer.len() - head;
            if !self.in_frame {
                self.skip(self.scan);
            }
            return Step::More;
        };
        let at = self.scan + at;
        let Some(&sequence) = self.buffer.get(at + 4..).and_then(<[u8]>::first_chunk::<4>) else {
            self.scan = at;
            if !self.in_frame {
                self.skip(at);
            }
            return Step::More;
        };
        if self.in_frame {
            self.escape(at, sequence)
        } else {
            self.seek(at, sequence)
        }
    }

    /// An escape outside of a telegram.
    fn seek(&mut self, at: usize, sequence: [u8; 4]) -> Step {
        if sequence != [1; 4] {
            let end_seen = sequence.first() == Some(&END);
            self.skip(at + 1);
            if let Some(Skipped {
                fault: Fault::StartMissing { end_seen: seen },
                ..
            }) = &mut self.skipping
            {
                *seen |= end_seen;
            }
            return Step::Again;
        }
        self.skip(at);
        self.in_frame = true;
        self.escaped = false;
        self.scan = START.len();
        self.skipping.take().map_or(Step::Again, Step::Skipped)
    }

    /// An escape inside a telegram.
    fn escape(&mut self, at: usize, sequence: [u8; 4]) -> Step {
        match sequence {
            ESCAPE => {
                self.escaped = true;
                self.scan = at + 8;
            }
            [1, 1, 1, 1] => self.give_up(at, Fault::EndMissing),
            [END, fill, low, high] => {
                let computed = crc::x25(self.buffer.get(..at + 6).unwrap_or_default());
                let received = u16::from_le_bytes([low, high]);
                if computed != received {
                    self.give_up(at + 5, Fault::Crc { received, computed });
                } else if fill > 3 || at < START.len() + usize::from(fill) {
                    self.give_up(at + 5, Fault::Fill(fill));
                } else {
                    return Step::Frame(at + 8);
                }
            }
            other => self.give_up(at + 1, Fault::Escape(other)),
        }
        Step::Again
    }

    /// Gives up the telegram in the buffer, of which `length` bytes were looked at.
    ///
    /// A telegram cut off within an escape and the start mark of the next one look like a doubled
    /// escape, so a start mark among its own bytes gets a second chance: the last one, which
    /// keeps the work linear.
    fn give_up(&mut self, length: usize, fault: Fault) {
        let body = self.buffer.get(1..length).unwrap_or_default();
        let again = body
            .windows(START.len())
            .rposition(|window| window == START);
        self.skipping = Some(Skipped {
            offset: self.base,
            length: 0,
            fault,
        });
        self.in_frame = false;
        self.skip(again.map_or(length, |at| at + 1));
    }

    /// Drops `length` bytes at the front and counts them.
    fn skip(&mut self, length: usize) {
        if length == 0 {
            return;
        }
        let skipped = self.skipping.get_or_insert(Skipped {
            offset: self.base,
            length: 0,
            fault: Fault::StartMissing { end_seen: false },
        });
        skipped.length += length as u64;
        self.buffer.drain(..length);
        self.base += length as u64;
        self.scan = self.scan.saturating_sub(length);
        if !self.in_frame {
            self.scan = 0;
        }
    }
}

/// Place of the first of four 1B bytes in a row.
fn find_escape(bytes: &[u8]) -> Option<usize> {
    let mut at = 3;
    loop {
        if *bytes.get(at)? != 0x1B {
            at += 4;
            continue;
        }
        // Of any four in a row, one is looked at: walk back to the first of its run.
        let run = bytes.get(at - 3..at).unwrap_or_default();
        let before = run.iter().rev().take_while(|&&b| b == 0x1B).count();
        let first = at - before;
        let window = bytes.get(first..first + 4)?;
        match window.iter().position(|&b| b != 0x1B) {
            None => return Some(first),
            Some(other) => at = first + other + 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    fn run(stream: &[u8], slice: usize) -> (Vec<Vec<u8>>, Vec<Skipped>) {
        let (mut frames, mut skipped) = (Vec::new(), Vec::new());
        let mut deframer = Deframer::new();
        let mut take = |event: Event<'_>| match event {
            Event::Frame(frame) => frames.push(frame.content().into_owned()),
            Event::Skipped(stretch) => skipped.push(stretch),
        };
        for mut part in stream.chunks(slice) {
            while let Some(event) = deframer.pull(&mut part) {
                take(event);
            }
        }
        while let Some(event) = deframer.finish() {
            take(event);
        }
        (frames, skipped)
    }

    #[test]
    fn find_escape_is_the_plain_search() {
        for bits in 0..1u32 << 14 {
            let bytes: Vec<u8> = (0..14)
                .map(|i| if bits >> i & 1 == 1 { 0x1B } else { 7 })
                .collect();
            let plain = bytes.windows(4).position(|w| w == ESCAPE);
            assert_eq!(find_escape(&bytes), plain, "{bytes:02x?}");
        }
    }

    /// Framing of SML 1.04, clause 8, computed by sml-rs 0.4.0's encoder.
    #[test]
    fn escapes_padding_and_check_as_the_second_implementation() {
        for content in [
            &b""[..],
            b"a",
            b"\x12\x34\x56\x78",
            b"\x1b\x1b\x1b\x1b\x00",
            b"\x01\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x02",
            b"\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x01\x01\x01\x01",
        ] {
            let theirs = sml_rs::transport::encode::<Vec<u8>>(content.iter().copied()).unwrap();
            let mut ours = Vec::new();
            frame(content, &mut ours);
            assert_eq!(ours, theirs, "{content:02x?}");
            for slice in 1..=ours.len() {
                assert_eq!(run(&ours, slice), (vec![content.to_vec()], vec![]));
            }
        }
    }

    #[test]
    fn resynchronises() {
        let mut good = Vec::new();
        frame(b"\x76\x05\x00\x00\x00\x01\x00", &mut good);
        let cut = &good[..13];
        let joined = |parts: &[&[u8]]| parts.concat();
        let cases: &[(Vec<u8>, usize, u64)] = &[
            (joined(&[b"noise", &good, &good]), 2, 5),
            (joined(&[cut, &good]), 1, 13),
            (joined(&[&good, b"\x1b\x1b", &good]), 2, 2),
            (joined(&[cut, b"\x1b\x1b", &good]), 1, 15),
            (joined(&[cut, b"\x1b\x1b\x1b\x1b", &good]), 1, 17),
            (joined(&[cut, &[0x1B; 11], &good]), 1, 24),
            (joined(&[&good[..good.len() - 1], &good]), 1, 23),
            (joined(&[&good, &good[3..]]), 1, 21),
        ];
        for (stream, frames, lost) in cases {
            for slice in [1, 3, 8, stream.len()] {
                let (found, skipped) = run(stream, slice);
                assert_eq!(found.len(), *frames, "{stream:02x?} in slices of {slice}");
                let total: u64 = skipped.iter().map(|s| s.length).sum();
                assert_eq!(
                    (skipped.len(), total),
                    (1, *lost),
                    "{stream:02x?} {skipped:?}"
                );
            }
        }
    }

    #[test]
    fn a_telegram_without_end_is_given_up_at_the_bound() {
        let mut stream = START.to_vec();
        stream.resize(5 * MAX_FRAME, 0);
        let (frames, skipped) = run(&stream, 4096);
        assert!(frames.is_empty());
        assert_eq!(skipped.len(), 1);
        assert_eq!(
            (skipped[0].fault, skipped[0].length),
            (Fault::TooLong, stream.len() as u64)
        );
    }
}
