//! Cuts readouts, command frames and answers out of a stream, and checks them.

use super::encode::block_check;
use super::identification::{Front, Identification, Mode};
use super::sets::{self, DataSet};
use crate::crc;
use crate::window::{Stretch, Window};

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;

/// Longest message read, in bytes. Readouts with a year of past values have 10,000.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Longest request or acknowledgement, in bytes: `/?`, 32 characters of address, `!`, line end.
const MAX_REQUEST: usize = 40;

/// Why a stretch gave no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes that begin no message.
    #[error("neither an identification line nor a command frame")]
    Noise,
    /// The stream ended, or the next identification came, before the end of the message.
    #[error("the message ends before its end mark and check")]
    Truncated,
    /// The block check is wrong.
    #[error("block check is {received:02X}, computed {computed:02X}")]
    BlockCheck {
        /// As sent, seven bits.
        received: u8,
        /// Over the bytes as received.
        computed: u8,
    },
    /// The CRC behind the `!` is wrong.
    #[error("CRC is {received:04X}, computed {computed:04X}")]
    Crc {
        /// As sent.
        received: u16,
        /// Over the bytes as received.
        computed: u16,
    },
    /// No end within [`MAX_MESSAGE`] bytes.
    #[error("no end within {MAX_MESSAGE} bytes")]
    TooLong,
}

/// A stretch that gave no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The identification, if it was a readout.
    pub identification: Option<Identification>,
    /// Why.
    pub fault: Fault,
}

/// How a readout was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockCheck {
    /// Not at all: there was no start of text and no CRC.
    Absent,
    /// By its block check character.
    Character,
    /// By a CRC-16/ARC.
    Crc,
}

/// A readout whose check is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readout {
    /// Who sent it. The mode is D when the form says so.
    pub identification: Identification,
    /// Its data sets in the order sent.
    pub sets: Vec<DataSet>,
    /// How it was checked.
    pub check: BlockCheck,
    /// Lines that are no data sets.
    pub strange_lines: Vec<String>,
    /// All bytes from the identification to the check, as received.
    pub raw: Vec<u8>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A readout whose check is right or that has none.
    Readout(Readout),
    /// A command of programming mode, such as `R1`.
    Command {
        /// Letter and digit.
        command: String,
        /// Its data sets, often with an empty address or value.
        sets: Vec<DataSet>,
    },
    /// A block of data without an identification: the answer to a command or to a repeat request.
    Answer {
        /// Its data sets.
        sets: Vec<DataSet>,
        /// All its bytes, as received.
        raw: Vec<u8>,
    },
    /// A stretch that gave no message.
    Rejected(Rejection),
}

/// A message and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it is.
    pub message: Message,
}

/// Cuts messages out of a stream given in slices of any size. Requests, acknowledgements and
/// repeated identifications are passed over in silence.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
}

/// What the front of the buffer is.
enum Step {
    /// Too little to tell.
    More,
    /// So many bytes that mean nothing to a reader of values.
    Pass(usize),
    /// So many bytes that begin no message.
    Noise(usize),
    /// A message of so many bytes.
    Message(usize, Message),
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` until a message is complete; `None` once `input` is
    /// empty and nothing more can be said.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            if let Some(event) = self.advance(false) {
                return Some(event);
            }
            if input.is_empty() {
                return None;
            }
            if !self.window.fill(input, MAX_MESSAGE) {
                let rejection = Rejection {
                    identification: self.identification(),
                    fault: Fault::TooLong,
                };
                let length = self.window.bytes().len();
                return Some(event(
                    self.window.take(length),
                    Message::Rejected(rejection),
                ));
            }
        }
    }

    /// Ends the stream: call until it returns `None`.
    pub fn finish(&mut self) -> Option<Event> {
        self.advance(true).or_else(|| self.tell_noise())
    }

    /// The identification of the message that has begun but is not complete.
    #[must_use]
    pub fn identification(&self) -> Option<Identification> {
        match Identification::at_front(self.window.bytes()) {
            Front::Line(identification, _) => Some(identification),
            _ => None,
        }
    }

    fn advance(&mut self, at_end: bool) -> Option<Event> {
        while !self.window.bytes().is_empty() {
            match front(self.window.bytes(), at_end) {
                Step::More => return None,
                Step::Pass(length) if self.window.noise() == 0 => self.window.pass(length),
                Step::Pass(length) | Step::Noise(length) => self.window.give_up(length, length),
                Step::Message(length, message) => {
                    return self
                        .tell_noise()
                        .or_else(|| Some(event(self.window.take(length), message)));
                }
            }
        }
        None
    }

    /// The noise in front of the window, once.
    fn tell_noise(&mut self) -> Option<Event> {
        let noise = Message::Rejected(Rejection {
            identification: None,
            fault: Fault::Noise,
        });
        Some(event(self.window.tell_noise()?, noise))
    }
}

const fn event(stretch: Stretch, message: Message) -> Event {
    Event {
        offset: stretch.offset,
        length: stretch.length,
        message,
    }
}

fn front(bytes: &[u8], at_end: bool) -> Step {
    match bytes {
        [b'\r' | b'\n' | 0 | NAK, ..] => Step::Pass(1),
        [b'/', b'?', ..] => request(bytes, at_end),
        [b'/', ..] => readout(bytes, at_end),
        [ACK, ..] => acknowledgement(bytes, at_end),
        [SOH, rest @ ..] => command(rest, at_end),
        [STX, rest @ ..] => answer(rest, at_end),
        _ => {
            let begins = |byte: &u8| matches!(*byte, b'/' | SOH | STX | ACK | b'\r' | b'\n');
            Step::Noise(bytes.iter().position(begins).unwrap_or(bytes.len()))
        }
    }
}

fn request(bytes: &[u8], at_end: bool) -> Step {
    let line = bytes.iter().take(MAX_REQUEST);
    match line.clone().position(|&byte| byte == b'!') {
        Some(end) => Step::Pass(end + 1),
        None if at_end || line.len() == MAX_REQUEST => Step::Noise(1),
        None => Step::More,
    }
}

/// ACK, up to three characters, line end; or a lone ACK.
fn acknowledgement(bytes: &[u8], at_end: bool) -> Step {
    let line = |byte: &u8| byte.is_ascii_alphanumeric();
    let length = bytes
        .iter()
        .skip(1)
        .take(3)
        .take_while(|byte| line(byte))
        .count();
    match bytes.get(1 + length) {
        Some(b'\r' | b'\n') => Step::Pass(1 + length),
        None if !at_end => Step::More,
        _ => Step::Pass(1),
    }
}

fn readout(bytes: &[u8], at_end: bool) -> Step {
    let (mut identification, head) = match Identification::at_front(bytes) {
        Front::Line(identification, length) => (identification, length),
        Front::Incomplete if at_end => {
            let fault = Fault::Truncated;
            return rejected(bytes.len(), None, fault);
        }
        Front::Incomplete => return Step::More,
        Front::Other => return Step::Noise(1),
    };
    let after = bytes.get(head..).unwrap_or_default();
    // Line ends and the echo of the acknowledgement stand between identification and data.
    let mut start = head;
    loop {
        match bytes.get(start..) {
            Some([b'\r' | b'\n', ..]) => start += 1,
            Some(rest @ [ACK, ..]) => {
                let echo = rest
                    .iter()
                    .skip(1)
                    .take(3)
                    .take_while(|b| !b"\r\n".contains(b));
                start += 1 + echo.count();
            }
            _ => break,
        }
    }
    let next = next_identification(after).map(|at| head + at);
    if next == Some(start) {
        // Asked twice, it identified itself twice.
        return Step::Pass(start);
    }
    let body = bytes.get(start..).unwrap_or_default();
    let mark = end_or_text(body);
    let checked = mark.is_some_and(|mark| body.get(mark) == Some(&STX));
    let end = match mark {
        Some(mark) if checked => body
            .iter()
            .skip(mark)
            .position(|&b| b == ETX)
            .map(|at| mark + at),
        mark => mark,
    };
    // An identification holds neither ETX nor `!`, so one that begins before the end is whole
    // before the end, and the same message comes out however the stream is sliced.
    if let Some(next) = next.filter(|next| end.is_none_or(|end| *next < start + end)) {
        return rejected(next, Some(identification), Fault::Truncated);
    }
    let found = match mark {
        Some(mark) if checked => checked_block(body.get(mark + 1..).unwrap_or_default(), at_end),
        Some(mark) => {
            let covered = bytes.get(..start + mark + 1).unwrap_or_default();
            unchecked_block(body, mark, covered, at_end)
        }
        None if at_end => Found::Fault(Fault::Truncated, 0),
        None => Found::More,
    };
    let mark = mark.unwrap_or(0);
    let (block, check, length) = match found {
        Found::More => return Step::More,
        Found::Fault(Fault::Truncated, _) => {
            return rejected(bytes.len(), Some(identification), Fault::Truncated);
        }
        Found::Fault(fault, length) => {
            let length = start + mark + 1 + length;
            return rejected(length, Some(identification), fault);
        }
        Found::Block(block, check, length) => (block, check, start + mark + 1 + length),
    };
    if check != BlockCheck::Character && identification.baud_char == '3' {
        identification.mode = Mode::D;
    }
    let (sets, strange_lines) = sets::parse(block, check == BlockCheck::Absent);
    let raw = bytes.get(..length).unwrap_or_default().to_vec();
    let readout = Readout {
        identification,
        sets,
        check,
        strange_lines,
        raw,
    };
    Step::Message(length, Message::Readout(readout))
}

/// Place of the STX, or of the `!` of a readout without one. A change of speed makes noise in
/// front of the STX, in which a `!` means nothing; a readout without STX has data in front of it.
fn end_or_text(body: &[u8]) -> Option<usize> {
    let mut data = false;
    body.iter().enumerate().position(|(at, byte)| {
        data |= *byte == b'(';
        match *byte {
            STX => true,
            b'!' => data || at == 0,
            _ => false,
        }
    })
}

/// A block behind its mark: its text, its check, and how many bytes behind the mark it takes.
enum Found<'a> {
    More,
    Fault(Fault, usize),
    Block(&'a [u8], BlockCheck, usize),
}

/// From behind STX to the block check.
fn checked_block(bytes: &[u8], cut: bool) -> Found<'_> {
    let end = bytes.iter().position(|&byte| byte == ETX);
    let Some((end, check)) = end.and_then(|end| Some((end, *bytes.get(end + 1)?))) else {
        return match cut {
            true => Found::Fault(Fault::Truncated, bytes.len()),
            false => Found::More,
        };
    };
    let computed = block_check(bytes.get(..=end).unwrap_or_default());
    let received = check & 0x7F;
    if received != computed {
        // A readout cut off at its check ends in the first byte of the next one.
        let length = if check == b'/' { end + 1 } else { end + 2 };
        return Found::Fault(Fault::BlockCheck { received, computed }, length);
    }
    let block = bytes.get(..end).unwrap_or_default();
    Found::Block(block, BlockCheck::Character, end + 2)
}

/// Up to `!`, and four hex digits that may stand behind it.
fn unchecked_block<'a>(body: &'a [u8], mark: usize, covered: &[u8], cut: bool) -> Found<'a> {
    let block = body.get(..mark).unwrap_or_default();
    let tail = body.get(mark + 1..).unwrap_or_default();
    let digits = tail
        .iter()
        .take(4)
        .take_while(|b| b.is_ascii_hexdigit())
        .count();
    let ends = matches!(tail.get(digits), Some(b'\r' | b'\n'));
    if !cut && tail.len() == digits {
        return Found::More;
    }
    if digits < 4 || !(ends || tail.len() == digits) {
        return Found::Block(block, BlockCheck::Absent, 0);
    }
    let text = tail
        .get(..4)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    let received = text
        .and_then(|text| u16::from_str_radix(text, 16).ok())
        .unwrap_or(0);
    let computed = crc::arc(covered);
    if received == computed {
        Found::Block(block, BlockCheck::Crc, 4)
    } else {
        Found::Fault(Fault::Crc { received, computed }, 4)
    }
}

/// Place of the next whole identification line.
fn next_identification(bytes: &[u8]) -> Option<usize> {
    let mut slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.find_map(|(at, _)| match Identification::at_front(bytes.get(at..)?) {
        Front::Line(..) => Some(at),
        _ => None,
    })
}

/// Behind SOH: letter, digit, and data between STX and ETX if there is any.
fn command(rest: &[u8], at_end: bool) -> Step {
    let [letter, digit, ..] = *rest else {
        return unfinished(at_end);
    };
    if !b"PRWBE".contains(&letter) || !digit.is_ascii_digit() {
        return Step::Noise(1);
    }
    let frame = match printable_block(rest.get(2..).unwrap_or_default(), true) {
        Printable::More => return unfinished(at_end),
        Printable::Other => return Step::Noise(1),
        Printable::Until(end) => end + 2,
    };
    let (Some(covered), Some(check)) = (rest.get(..=frame), rest.get(frame + 1)) else {
        return unfinished(at_end);
    };
    let computed = block_check(covered);
    let received = check & 0x7F;
    let length = 1 + frame + 2;
    if received != computed {
        return rejected(length, None, Fault::BlockCheck { received, computed });
    }
    let data = covered.get(3..frame).unwrap_or_default();
    let (sets, _) = sets::parse(data, false);
    let command = String::from_iter([char::from(letter), char::from(digit)]);
    Step::Message(length, Message::Command { command, sets })
}

/// Behind an STX without an identification.
fn answer(rest: &[u8], at_end: bool) -> Step {
    let end = match printable_block(rest, false) {
        Printable::More => return unfinished(at_end),
        Printable::Other => return Step::Noise(1),
        Printable::Until(end) => end,
    };
    let (sets, strange) = sets::parse(rest.get(..end).unwrap_or_default(), true);
    // Two bytes of noise may well look like STX and ETX: only data sets make an answer.
    if sets.is_empty() || !strange.is_empty() {
        return Step::Noise(1);
    }
    let Some(check) = rest.get(end + 1) else {
        return unfinished(at_end);
    };
    let computed = block_check(rest.get(..=end).unwrap_or_default());
    let received = check & 0x7F;
    let length = 1 + end + 2;
    if received != computed {
        return rejected(length, None, Fault::BlockCheck { received, computed });
    }
    // STX and everything behind it; the caller holds the bytes from STX on.
    let mut raw = vec![STX];
    raw.extend_from_slice(rest.get(..end + 2).unwrap_or_default());
    Step::Message(length, Message::Answer { sets, raw })
}

enum Printable {
    More,
    Other,
    /// Place of the ETX.
    Until(usize),
}

/// Printable characters and line ends up to ETX, with an STX in front if it is a command's.
fn printable_block(bytes: &[u8], after_command: bool) -> Printable {
    for (at, byte) in bytes.iter().enumerate() {
        match *byte {
            ETX => return Printable::Until(at),
            STX if after_command && at == 0 => {}
            b'\r' | b'\n' | b' '..=b'~' => {}
            _ => return Printable::Other,
        }
    }
    Printable::More
}

fn unfinished(at_end: bool) -> Step {
    match at_end {
        true => Step::Noise(1),
        false => Step::More,
    }
}

fn rejected(length: usize, identification: Option<Identification>, fault: Fault) -> Step {
    let rejection = Rejection {
        identification,
        fault,
    };
    Step::Message(length, Message::Rejected(rejection))
}

#[cfg(test)]
mod tests;
