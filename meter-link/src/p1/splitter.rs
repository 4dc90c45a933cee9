//! Cuts telegrams and ciphered frames out of a stream, and checks the telegrams.

use super::cipher::{CipheredFrame, Header};
use super::telegram::{LineCheck, Telegram};
use crate::crc;
use crate::window::{Stretch, Window};

/// Longest telegram or frame read, in bytes. With 13 months of peaks they have 3,000.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// Longest identification, in bytes.
const MAX_IDENTIFICATION: usize = 96;
/// Longest rest of the line with `!`, in bytes.
const MAX_REST: usize = 96;

/// Why a stretch gave no telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes that begin no telegram.
    #[error("neither a telegram nor a ciphered frame")]
    Noise,
    /// The stream ended, or the next telegram came, before the end of this one.
    #[error("the telegram ends before its end mark, or the frame before its declared length")]
    Truncated,
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

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A telegram whose check is right or that has none.
    Telegram(Telegram),
    /// A ciphered frame, complete but not opened.
    Ciphered(CipheredFrame),
    /// A stretch that gave neither.
    Rejected(Fault),
}

/// A message and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first byte in the stream.
    pub offset: u64,
    /// Its length in bytes, without the line end.
    pub length: u64,
    /// What it is.
    pub message: Message,
}

/// Cuts messages out of a stream given in slices of any size; the same messages come out however
/// it is sliced. At most [`MAX_MESSAGE`] bytes are kept.
///
/// What D0 meters send behind a telegram without CRC, lines of printable text, is passed over in
/// silence.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
    /// The last message was a telegram without CRC, and nothing but text came since.
    trailer: bool,
}

/// What the front of the buffer is.
enum Step {
    /// Too little to tell.
    More,
    /// So many bytes between messages.
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
                let length = self.window.bytes().len();
                return Some(self.message(length, Message::Rejected(Fault::TooLong)));
            }
        }
    }

    /// Ends the stream: call until it returns `None`.
    pub fn finish(&mut self) -> Option<Event> {
        self.advance(true).or_else(|| self.tell_noise())
    }

    /// True while a message has begun that is not complete.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.window.bytes().is_empty()
    }

    /// Length of the noise that has not been told yet, in bytes.
    #[must_use]
    pub fn noise(&self) -> u64 {
        self.window.noise()
    }

    /// Tells the noise so far, although its end is not known.
    pub fn tell_noise(&mut self) -> Option<Event> {
        let noise = Message::Rejected(Fault::Noise);
        Some(event(self.window.tell_noise()?, noise))
    }

    fn advance(&mut self, at_end: bool) -> Option<Event> {
        while !self.window.bytes().is_empty() {
            match front(self.window.bytes(), at_end) {
                Step::More => return None,
                Step::Pass(length) if self.window.noise() == 0 => self.window.pass(length),
                Step::Pass(length) | Step::Noise(length) => {
                    let skipped = self.window.bytes().get(..length).unwrap_or_default();
                    let text = skipped.iter().take_while(|byte| is_text(**byte)).count();
                    let passed = if self.trailer { text } else { 0 };
                    self.trailer &= passed == length;
                    self.window.give_up(length, length - passed);
                }
                Step::Message(length, message) => {
                    return self
                        .tell_noise()
                        .or_else(|| Some(self.message(length, message)));
                }
            }
        }
        None
    }

    fn message(&mut self, length: usize, message: Message) -> Event {
        self.trailer =
            matches!(&message, Message::Telegram(telegram) if telegram.check == LineCheck::Absent);
        event(self.window.take(length), message)
    }
}

const fn event(stretch: Stretch, message: Message) -> Event {
    Event {
        offset: stretch.offset,
        length: stretch.length,
        message,
    }
}

const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | b' '..=b'~')
}

fn front(bytes: &[u8], at_end: bool) -> Step {
    match bytes {
        [b'\r' | b'\n' | 0, ..] => Step::Pass(1),
        [b'/', rest @ ..] => telegram(bytes, rest, at_end),
        [CipheredFrame::TAG, ..] => ciphered(bytes, at_end),
        _ => {
            let begins = |byte: &u8| matches!(*byte, b'/' | CipheredFrame::TAG | b'\r' | b'\n' | 0);
            Step::Noise(bytes.iter().position(begins).unwrap_or(bytes.len()))
        }
    }
}

/// What stands behind a `/`.
enum Identification {
    /// An identification of so many bytes, and a line end.
    Line(usize),
    /// It may become one.
    Open,
    /// None.
    Other,
}

/// Three letters and more up to the line end. `/`, `!` and `(` do not occur in it; the control
/// character 02 does.
fn identification(rest: &[u8]) -> Identification {
    let letters = rest.iter().take(3).all(u8::is_ascii_alphabetic);
    let is_part = |byte: &u8| matches!(*byte, 2 | b' '..=b'~') && !b"/!(".contains(byte);
    let length = rest
        .iter()
        .take(MAX_IDENTIFICATION)
        .take_while(|byte| is_part(byte))
        .count();
    match rest.get(length) {
        _ if !letters => Identification::Other,
        Some(b'\r' | b'\n') if length >= 4 => Identification::Line(length),
        None => Identification::Open,
        _ => Identification::Other,
    }
}

fn telegram(bytes: &[u8], rest: &[u8], at_end: bool) -> Step {
    let head = match identification(rest) {
        Identification::Line(length) => length,
        Identification::Other => return Step::Noise(1),
        Identification::Open if !at_end => return Step::More,
        Identification::Open if rest.len() < 4 => return Step::Noise(1),
        Identification::Open => return rejected(bytes.len(), Fault::Truncated),
    };
    let end = mark(rest, head);
    let next = next_telegram(rest, head).filter(|next| end.is_none_or(|end| *next < end));
    if let Some(next) = next {
        return rejected(1 + next, Fault::Truncated);
    }
    let Some(end) = end else {
        return unfinished(bytes.len(), at_end);
    };
    // The CRC is over everything from `/` to `!`, both with it.
    let covered = bytes.get(..end + 2).unwrap_or_default();
    let behind = rest.get(end + 1..).unwrap_or_default();
    let rest_of_line = behind.iter().take(MAX_REST);
    let line = rest_of_line
        .take_while(|byte| !matches!(byte, b'\r' | b'\n'))
        .count();
    if behind.len() == line && !at_end && line < MAX_REST {
        return Step::More;
    }
    let ended = behind.len() > line;
    let length = covered.len() + line;
    let sent = check_digits(behind.get(..line).unwrap_or_default());
    let check = match sent {
        Some(received) => {
            let computed = crc::arc(covered);
            if received != computed {
                // At the end of the stream digits may be missing.
                let fault = match ended || line == 4 {
                    true => Fault::Crc { received, computed },
                    false => Fault::Truncated,
                };
                return rejected(length, fault);
            }
            LineCheck::Crc
        }
        // Without its line end nobody knows whether there was to be a CRC.
        None if !ended && line < MAX_REST => return rejected(length, Fault::Truncated),
        None => LineCheck::Absent,
    };
    let body = rest.get(..end).unwrap_or_default();
    let raw = bytes.get(..length).unwrap_or_default();
    let telegram = Telegram::read(body, head, check, raw);
    Step::Message(length, Message::Telegram(telegram))
}

/// Place of the `!` that begins a line and has no bracket behind it. Any other is damage, which
/// the CRC shows.
fn mark(rest: &[u8], head: usize) -> Option<usize> {
    let begins_line = |at: &usize| {
        let around = (rest.get(at.wrapping_sub(1)), rest.get(*at));
        matches!(around, (Some(b'\r' | b'\n'), Some(b'!')))
    };
    let is_data = |at: &usize| {
        let line = rest.iter().skip(*at).take(MAX_REST);
        line.take_while(|byte| !matches!(byte, b'\r' | b'\n'))
            .any(|byte| *byte == b'(')
    };
    (head..rest.len()).find(|at| begins_line(at) && !is_data(at))
}

/// Place of the next `/` with a whole identification line.
fn next_telegram(rest: &[u8], head: usize) -> Option<usize> {
    let mut slashes = rest
        .iter()
        .enumerate()
        .skip(head)
        .filter(|(_, byte)| **byte == b'/');
    slashes
        .find(|(at, _)| {
            let behind = rest.get(at + 1..).unwrap_or_default();
            matches!(identification(behind), Identification::Line(_))
        })
        .map(|(at, _)| at)
}

/// One to four hex digits and nothing else; some meters leave out leading zeros.
fn check_digits(line: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = (1..=4).contains(&line.len()) && line.iter().all(u8::is_ascii_hexdigit);
    digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

fn ciphered(bytes: &[u8], at_end: bool) -> Step {
    let header = match Header::read(bytes) {
        Some(Ok(header)) => header,
        None if !at_end => return Step::More,
        _ => return Step::Noise(1),
    };
    let total = header.total();
    if total > MAX_MESSAGE {
        return Step::Noise(1);
    }
    match start_inside(bytes, &header) {
        Inside::Start(next) => return rejected(next, Fault::Truncated),
        Inside::Open if !at_end => return Step::More,
        Inside::Open | Inside::Nothing => {}
    }
    let Some(frame) = bytes.get(..total) else {
        return unfinished(bytes.len(), at_end);
    };
    match CipheredFrame::read(&header, frame) {
        Some(frame) => Step::Message(total, Message::Ciphered(frame)),
        None => Step::Noise(1),
    }
}

/// What is found inside of what should be one frame.
enum Inside {
    Nothing,
    /// Its last bytes may be the first of the next message.
    Open,
    /// The next message begins there: bytes of this one were lost.
    Start(usize),
}

/// Looks for the next message inside of what should be one frame: the octets with which this one
/// begins or, in ciphertext, a plain telegram with its empty line. By chance neither happens once
/// in a million years.
fn start_inside(bytes: &[u8], header: &Header<'_>) -> Inside {
    let plain = |rest: &[u8]| match rest {
        [b'/', rest @ ..] => match identification(rest) {
            Identification::Line(length) => rest
                .get(length..)
                .is_some_and(|lines| lines.starts_with(b"\r\n\r\n")),
            _ => false,
        },
        _ => false,
    };
    let frame = bytes.get(..header.total()).unwrap_or(bytes);
    for at in 1..frame.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let within = frame.get(at..).unwrap_or_default();
        if rest.starts_with(header.start()) || (header.is_encrypted() && plain(within)) {
            return Inside::Start(at);
        }
        if header.start().starts_with(rest) {
            return Inside::Open;
        }
    }
    Inside::Nothing
}

fn unfinished(length: usize, at_end: bool) -> Step {
    match at_end {
        true => rejected(length, Fault::Truncated),
        false => Step::More,
    }
}

fn rejected(length: usize, fault: Fault) -> Step {
    Step::Message(length, Message::Rejected(fault))
}
