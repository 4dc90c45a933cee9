//! Packets of the data link layer (ANSI C12.18, clause 5.2; C12.21 uses the same).
//!
//! `EE identity control sequence length(2) data CRC(2)`; acknowledged by 06, refused by 15. The
//! header is big endian, the CRC is CRC-16/X-25 over everything from `EE` on, low octet first.

use crate::crc;

/// First octet of a packet.
pub const START: u8 = 0xEE;
/// Acknowledges a packet.
pub const ACK: u8 = 0x06;
/// Refuses a packet.
pub const NAK: u8 = 0x15;

/// Octets around the data of a packet.
pub const OVERHEAD: usize = 8;
const HEADER: usize = 6;
const LONGEST: usize = OVERHEAD + 0xFFFF;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Device the packet is for or from; 0 on an optical port.
    pub identity: u8,
    /// Control field; see the methods.
    pub control: u8,
    /// Packets that follow in the same message; 0 in the last.
    pub sequence: u8,
    /// Part of a message.
    pub data: Vec<u8>,
}

impl Packet {
    /// Bit of the control field: one of several packets of a message.
    pub const MULTIPLE: u8 = 0x80;
    /// Bit of the control field: the first of several.
    pub const FIRST: u8 = 0x40;
    /// Bit of the control field that changes from each packet to the next.
    pub const TOGGLE: u8 = 0x20;

    /// Whether this is one of several packets of a message.
    #[must_use]
    pub const fn is_multiple(&self) -> bool {
        self.control & Self::MULTIPLE != 0
    }

    /// Whether this is the first of several packets.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.control & Self::FIRST != 0
    }

    /// The toggle bit.
    #[must_use]
    pub const fn toggle(&self) -> bool {
        self.control & Self::TOGGLE != 0
    }

    /// The octets on the line. Data beyond 65,535 octets, which no caller may give, is cut.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![START, self.identity, self.control, self.sequence];
        bytes.extend(length.to_be_bytes());
        bytes.extend(self.data.iter().take(usize::from(length)));
        bytes.extend(crc::x25(&bytes).to_le_bytes());
        bytes
    }
}

/// What stands on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// The last packet was accepted.
    Ack,
    /// The last packet was not.
    Nak,
    /// A packet whose CRC is right, and that CRC.
    Packet(Packet, u16),
    /// A packet whose CRC is wrong.
    BadCrc,
    /// A packet that ends too early.
    Truncated,
    /// Octets that belong to nothing.
    Noise,
}

/// An element and its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Place of its first octet in the stream.
    pub offset: u64,
    /// Its length in octets.
    pub length: u64,
    /// What it is.
    pub element: Element,
}

/// Cuts the octets of one direction into elements. It holds at most one packet.
#[derive(Debug, Default)]
pub struct Splitter {
    bytes: Vec<u8>,
    base: u64,
    noise: u64,
}

impl Splitter {
    /// A splitter at the start of its stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Octets of an unfinished packet that are held.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.bytes.len()
    }

    /// Whether everything taken has been told.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.noise == 0
    }

    /// Takes octets off the front of `input` until an element is complete.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Event> {
        loop {
            if let Some(event) = self.scan() {
                return Some(event);
            }
            let room = LONGEST.saturating_sub(self.bytes.len());
            let (taken, rest) = input.split_at(room.min(input.len()));
            if taken.is_empty() {
                return None;
            }
            self.bytes.extend_from_slice(taken);
            *input = rest;
        }
    }

    /// Gives up what is held: the line was silent, or the other side speaks.
    pub fn flush(&mut self) -> Option<Event> {
        if let Some(event) = self.scan() {
            return Some(event);
        }
        let length = self.bytes.len();
        match length {
            0 => self.tell_noise(),
            _ if self.noise > 0 => self.tell_noise(),
            _ => Some(self.take(length, Element::Truncated)),
        }
    }

    fn scan(&mut self) -> Option<Event> {
        loop {
            match self.bytes.first().copied() {
                None => return None,
                Some(ACK | NAK | START) if self.noise > 0 => return self.tell_noise(),
                Some(ACK) => return Some(self.take(1, Element::Ack)),
                Some(NAK) => return Some(self.take(1, Element::Nak)),
                Some(START) => break,
                Some(_) => {
                    let next = self
                        .bytes
                        .iter()
                        .position(|byte| matches!(*byte, ACK | NAK | START))
                        .unwrap_or(self.bytes.len());
                    self.drop_front(next);
                    self.noise += next as u64;
                }
            }
        }
        let (packet, length) = match *self.bytes.as_slice() {
            [_, identity, control, sequence, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let data = rest.get(..length)?;
                let packet = Packet {
                    identity,
                    control,
                    sequence,
                    data: data.to_vec(),
                };
                (packet, HEADER + length)
            }
            _ => return None,
        };
        let sent: [u8; 2] = self.bytes.get(length..length + 2)?.try_into().ok()?;
        let computed = crc::x25(self.bytes.get(..length)?);
        let element = if u16::from_le_bytes(sent) == computed {
            Element::Packet(packet, computed)
        } else {
            Element::BadCrc
        };
        Some(self.take(length + 2, element))
    }

    fn tell_noise(&mut self) -> Option<Event> {
        let length = std::mem::take(&mut self.noise);
        (length > 0).then(|| Event {
            offset: self.base - length,
            length,
            element: Element::Noise,
        })
    }

    fn take(&mut self, length: usize, element: Element) -> Event {
        let offset = self.base;
        self.drop_front(length);
        Event {
            offset,
            length: length as u64,
            element,
        }
    }

    fn drop_front(&mut self, length: usize) {
        self.bytes.drain(..length.min(self.bytes.len()));
        self.base += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        crate::key::octets(text).unwrap()
    }

    fn read(mut input: &[u8]) -> Vec<Element> {
        let mut splitter = Splitter::new();
        let mut found = Vec::new();
        while let Some(event) = splitter.pull(&mut input) {
            found.push(event.element);
        }
        while let Some(event) = splitter.flush() {
            found.push(event.element);
        }
        found
    }

    /// The request packets are those that termineter 1.0.6 sends.
    #[test]
    fn packets_there_and_back() {
        for (control, data, want) in [
            (0, "20", "ee0000000001201310"),
            (0, "21", "ee0000000001219a01"),
            (0x20, "6102000206", "ee0020000005610200020624dd"),
            (
                0,
                "50000230303030202020202020",
                "ee000000000d50000230303030202020202020549e",
            ),
            (0, "3f00170000000020", "ee00000000083f00170000000020f974"),
        ] {
            let packet = Packet {
                identity: 0,
                control,
                sequence: 0,
                data: unhex(data),
            };
            assert_eq!(packet.to_bytes(), unhex(want));
            let found = read(&unhex(want));
            assert!(matches!(&found[..], [Element::Packet(found, _)] if *found == packet));
        }
    }

    #[test]
    fn what_surrounds_a_packet() {
        let found = read(&unhex(
            "06ee00000000012013100015aaee00000000012413 10"
                .replace(' ', "")
                .as_str(),
        ));
        assert!(matches!(
            &found[..],
            [
                Element::Ack,
                Element::Packet(..),
                Element::Noise,
                Element::Nak,
                Element::Noise,
                Element::BadCrc
            ]
        ));
        assert_eq!(read(&unhex("ee0000000001")), [Element::Truncated]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_accounted_for(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0usize..600) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut splitter = Splitter::new();
            let mut total = 0;
            for mut part in [first, second] {
                while let Some(event) = splitter.pull(&mut part) {
                    prop_assert_eq!(event.offset, total);
                    total += event.length;
                }
            }
            while let Some(event) = splitter.flush() {
                prop_assert_eq!(event.offset, total);
                total += event.length;
            }
            prop_assert_eq!(total, bytes.len() as u64);
        }
    }
}
