//! Units out of a TCP stream, and long ones out of their segments (C12.22, clauses 5.3.3 and
//! 5.4).

use std::collections::BTreeMap;

use super::apdu::{Apdu, ApduError, Body, MAX_APDU, TAG};
use super::ber::{self, BerError};
use super::title::ApTitle;
use crate::window::Window;

/// What stands in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// A whole unit, segment or not.
    Apdu(Box<Apdu>, Vec<u8>),
    /// Octets that begin like a unit and are none.
    Rejected(ApduError),
    /// Octets that belong to none.
    Noise,
}

/// An element and its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first octet.
    pub offset: u64,
    /// Its length.
    pub length: u64,
    /// What it is.
    pub element: Element,
}

/// Longest unit and the octets in front of its contents.
const LIMIT: usize = MAX_APDU + 6;

/// Cuts a stream into units. It holds at most one.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
}

/// What the window begins with.
enum Front {
    Whole(usize),
    More,
    Not,
}

impl Splitter {
    /// A splitter at the start of its stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets off the front of `input` until an element is complete.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            self.skip();
            match front(self.window.bytes()) {
                Front::Whole(length) => return Some(self.take(length)),
                Front::Not if !self.window.bytes().is_empty() => self.window.give_up(1, 1),
                Front::Not | Front::More => {
                    if input.is_empty() || !self.window.fill(input, LIMIT) {
                        return None;
                    }
                }
            }
        }
    }

    /// Takes the end of the stream; call until it gives nothing more.
    pub fn finish(&mut self) -> Option<Event> {
        loop {
            self.skip();
            let bytes = self.window.bytes();
            match front(bytes) {
                Front::Whole(length) => return Some(self.take(length)),
                // A cut unit begins with an element that a unit may begin with.
                Front::More if self.window.noise() == 0 && looks_right(bytes) => {
                    let stretch = self.window.take(bytes.len());
                    return Some(Event {
                        offset: stretch.offset,
                        length: stretch.length,
                        element: Element::Rejected(ApduError::Truncated),
                    });
                }
                Front::More if self.window.noise() > 0 && looks_right(bytes) => {
                    return self.noise();
                }
                Front::More | Front::Not if !bytes.is_empty() => self.window.give_up(1, 1),
                Front::More | Front::Not => return self.noise(),
            }
        }
    }

    fn noise(&mut self) -> Option<Event> {
        let stretch = self.window.tell_noise()?;
        Some(Event {
            offset: stretch.offset,
            length: stretch.length,
            element: Element::Noise,
        })
    }

    fn skip(&mut self) {
        let bytes = self.window.bytes();
        let junk = bytes.iter().take_while(|byte| **byte != TAG).count();
        self.window.give_up(junk, junk);
    }

    fn take(&mut self, length: usize) -> Event {
        if let Some(noise) = self.noise() {
            return noise;
        }
        let octets = self
            .window
            .bytes()
            .get(..length)
            .unwrap_or_default()
            .to_vec();
        let stretch = self.window.take(length);
        let element = match Apdu::parse(&octets) {
            Ok(apdu) => Element::Apdu(Box::new(apdu), octets),
            Err(error) => Element::Rejected(error),
        };
        Event {
            offset: stretch.offset,
            length: stretch.length,
            element,
        }
    }
}

/// Whether what follows the length may begin a unit.
fn looks_right(bytes: &[u8]) -> bool {
    let behind = bytes.split_first().map(|(_, rest)| ber::length(rest));
    match behind {
        // A unit has at least its user information.
        Some(Ok((0, _))) => false,
        Some(Ok((_, [tag, ..]))) => matches!(tag, 0xA1..=0xA8 | 0x8B | 0xAC | 0xBE),
        // Nothing to look at yet.
        Some(Ok((_, [])) | Err(BerError::Short)) => true,
        _ => false,
    }
}

fn front(bytes: &[u8]) -> Front {
    let Some((&TAG, rest)) = bytes.split_first() else {
        return Front::Not;
    };
    match ber::length(rest) {
        Err(BerError::Short) => Front::More,
        Err(BerError::Length) => Front::Not,
        Ok((length, _)) if length > MAX_APDU => Front::Not,
        Ok(_) if !looks_right(bytes) => Front::Not,
        Ok((length, contents)) if contents.len() < length => Front::More,
        Ok((length, contents)) => Front::Whole(bytes.len() - contents.len() + length),
    }
}

/// Units that may be put together at the same time; the oldest makes room.
const MAX_OPEN: usize = 8;

/// Who sent a segmented unit, and its number.
type Sender = (Option<ApTitle>, Option<u32>);

#[derive(Debug)]
struct Open {
    sender: Sender,
    total: usize,
    parts: BTreeMap<usize, Vec<u8>>,
}

/// Puts segments together.
#[derive(Debug, Default)]
pub struct Reassembler {
    open: Vec<Open>,
}

impl Reassembler {
    /// Nothing to put together yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a unit: gives the whole one that it completes, or `None` while segments are missing.
    /// Units that are no segments come back as they are.
    ///
    /// # Errors
    /// Segments contradict each other, or what they make up is no unit. What was collected of
    /// that unit is given up.
    pub fn push(&mut self, apdu: Apdu) -> Result<Option<Apdu>, ApduError> {
        let Body::Segment {
            total,
            offset,
            data,
        } = apdu.body
        else {
            return Ok(Some(apdu));
        };
        let sender = (apdu.calling, apdu.calling_invocation_id);
        let index = match self.open.iter().position(|open| open.sender == sender) {
            Some(index) => index,
            None => {
                if self.open.len() >= MAX_OPEN {
                    self.open.remove(0);
                }
                self.open.push(Open {
                    sender,
                    total,
                    parts: BTreeMap::new(),
                });
                self.open.len() - 1
            }
        };
        let Some(open) = self.open.get_mut(index) else {
            return Ok(None);
        };
        let same = open.total == total && open.parts.get(&offset).is_none_or(|part| *part == data);
        if !same || offset + data.len() > total || data.is_empty() {
            self.open.remove(index);
            return Err(ApduError::Malformed("the segments contradict each other"));
        }
        open.parts.insert(offset, data);
        let mut whole = Vec::new();
        for (offset, part) in &open.parts {
            if *offset < whole.len() {
                self.open.remove(index);
                return Err(ApduError::Malformed("the segments overlap"));
            }
            if *offset > whole.len() {
                return Ok(None);
            }
            whole.extend_from_slice(part);
        }
        if whole.len() < total {
            return Ok(None);
        }
        self.open.remove(index);
        let apdu = Apdu::parse(&whole)?;
        if matches!(apdu.body, Body::Segment { .. }) {
            return Err(ApduError::Malformed("a segment of a segment"));
        }
        Ok(Some(apdu))
    }

    /// Units of which segments are missing.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.open.len()
    }
}
