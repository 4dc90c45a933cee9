//! The wrapper of DLMS/COSEM over TCP and UDP (IEC 62056-47, clause 7.3.3): four 16-bit numbers,
//! most significant byte first (version 1, source port, destination port, length), then an APDU.
//!
//! ```
//! use meter_link::dlms::wrapper::{Datagram, Splitter};
//!
//! let sent = Datagram { source: 16, destination: 1, apdu: vec![0x62, 0x00] };
//! let bytes = sent.to_bytes()?;
//! assert_eq!(bytes, [0, 1, 0, 16, 0, 1, 0, 2, 0x62, 0x00]);
//! let mut input = bytes.as_slice();
//! assert_eq!(Splitter::new().pull(&mut input), Some(sent));
//! # Ok::<(), meter_link::dlms::wrapper::TooLong>(())
//! ```

use crate::window::Window;

/// Bytes of the header.
pub const HEADER: usize = 8;
/// Longest APDU the length field can tell.
pub const MAX_APDU: usize = 0xFFFF;

/// Version 1, the only one.
const VERSION: [u8; 2] = [0, 1];

/// An APDU and the wrapper ports between which it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Wrapper port of the sender: a client's number, or a server's logical device.
    pub source: u16,
    /// Wrapper port of the receiver.
    pub destination: u16,
    /// What is carried.
    pub apdu: Vec<u8>,
}

/// An APDU longer than [`MAX_APDU`] was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an APDU of {0} bytes; the wrapper's length field holds at most {MAX_APDU}")]
pub struct TooLong(pub usize);

impl Datagram {
    /// Reads a whole datagram; `None` when it is none, or more or less than one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match at_front(bytes) {
            Front::Datagram(datagram) if datagram.apdu.len() + HEADER == bytes.len() => {
                Some(datagram)
            }
            _ => None,
        }
    }

    /// The bytes as sent.
    ///
    /// # Errors
    /// [`TooLong`] when the APDU exceeds [`MAX_APDU`] bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TooLong> {
        let length = u16::try_from(self.apdu.len()).map_err(|_| TooLong(self.apdu.len()))?;
        let mut bytes = Vec::with_capacity(HEADER + self.apdu.len());
        bytes.extend(VERSION);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.apdu);
        Ok(bytes)
    }
}

/// Cuts datagrams out of a TCP stream. At most [`HEADER`] + [`MAX_APDU`] bytes are kept.
///
/// Bytes that are no header are given up one by one and counted; TCP loses none, so that this
/// happens only with a peer that speaks something else.
#[derive(Debug, Default)]
pub struct Splitter {
    window: Window,
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes off the front of `input` until a datagram is complete; `None` once `input` is
    /// empty and nothing more can be said.
    pub fn pull(&mut self, input: &mut &[u8]) -> Option<Datagram> {
        loop {
            match at_front(self.window.bytes()) {
                Front::Datagram(datagram) => {
                    self.window.pass(HEADER + datagram.apdu.len());
                    return Some(datagram);
                }
                Front::Other => self.window.give_up(1, 1),
                Front::Incomplete => {
                    if input.is_empty() || !self.window.fill(input, HEADER + MAX_APDU) {
                        return None;
                    }
                }
            }
        }
    }

    /// How many bytes were no datagram.
    #[must_use]
    pub const fn noise(&self) -> u64 {
        self.window.noise()
    }

    /// True while a datagram has begun that is not complete.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.window.bytes().is_empty()
    }

    /// Forgets a datagram that has begun.
    pub fn clear(&mut self) {
        let length = self.window.bytes().len();
        self.window.give_up(length, length);
    }
}

enum Front {
    Datagram(Datagram),
    Incomplete,
    Other,
}

fn at_front(bytes: &[u8]) -> Front {
    let begun = bytes.len().min(VERSION.len());
    if bytes.get(..begun) != VERSION.get(..begun) {
        return Front::Other;
    }
    let &[
        _,
        _,
        source_high,
        source_low,
        destination_high,
        destination_low,
        high,
        low,
        ref rest @ ..,
    ] = bytes
    else {
        return Front::Incomplete;
    };
    match rest.get(..usize::from(u16::from_be_bytes([high, low]))) {
        None => Front::Incomplete,
        Some(apdu) => Front::Datagram(Datagram {
            source: u16::from_be_bytes([source_high, source_low]),
            destination: u16::from_be_bytes([destination_high, destination_low]),
            apdu: apdu.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_any_slicing() {
        let sent = [0usize, 1, 300, MAX_APDU].map(|length| Datagram {
            source: 1,
            destination: 0x0110,
            apdu: vec![0x5A; length],
        });
        let bytes: Vec<u8> = sent
            .iter()
            .flat_map(|sent| sent.to_bytes().unwrap())
            .collect();
        for slice in [1, 9, 100_000] {
            let mut splitter = Splitter::new();
            let mut found = Vec::new();
            for part in bytes.chunks(slice) {
                let mut input = part;
                found.extend(std::iter::from_fn(|| splitter.pull(&mut input)));
            }
            assert_eq!(found, sent);
            assert_eq!(splitter.noise(), 0);
        }
        let long = Datagram {
            apdu: vec![0; MAX_APDU + 1],
            ..sent[0].clone()
        };
        assert_eq!(long.to_bytes(), Err(TooLong(MAX_APDU + 1)));
    }

    #[test]
    fn a_stream_is_found_again() {
        let sent = Datagram {
            source: 1,
            destination: 16,
            apdu: vec![9, 8],
        };
        let bytes = [&[0, 0, 7][..], &sent.to_bytes().unwrap()].concat();
        let mut input = bytes.as_slice();
        let mut splitter = Splitter::new();
        assert_eq!(splitter.pull(&mut input), Some(sent));
        assert_eq!(splitter.noise(), 3);
    }

    #[test]
    fn a_whole_one_only() {
        let bytes = [0, 1, 0, 1, 0, 16, 0, 2, 0xC4, 0x01];
        assert!(Datagram::parse(&bytes).is_some());
        for length in 0..bytes.len() {
            assert!(Datagram::parse(&bytes[..length]).is_none());
        }
        assert!(Datagram::parse(&[&bytes[..], &[0]].concat()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(0u8..3, 0..200)) {
            let mut input = bytes.as_slice();
            let mut splitter = Splitter::new();
            while splitter.pull(&mut input).is_some() {}
            let _ = Datagram::parse(&bytes);
        }
    }
}
