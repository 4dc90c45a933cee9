//! ZNP, the serial protocol of Texas Instruments' coprocessors (SWRA198, Z-Stack 3 monitor and
//! test interface).
//!
//! A frame is FE, the length of its payload, two command octets, the payload, and the exclusive or
//! of all but the FE. [`Splitter`] cuts a stream into frames; [`fields`] reads those that matter;
//! [`Session`] is the host's end; [`nv`] is what a stick keeps of its network.

mod layouts;
mod names;
pub mod nv;
mod session;

pub use layouts::fields;

pub use session::{Event, Failure, NotTaken, RequestError, Session, Token, Version};

const START: u8 = 0xFE;

/// A frame whose check octet was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is of an exchange.
    pub kind: FrameKind,
    /// Subsystem in the high octet, command in the low one.
    pub id: u16,
    /// At most 255 octets.
    pub payload: Vec<u8>,
}

/// What a frame is of an exchange; the three highest bits of its first command octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A poll.
    Poll,
    /// A request that is answered at once.
    SynchronousRequest,
    /// A message without an answer.
    Asynchronous,
    /// The answer to a request.
    SynchronousResponse,
    /// Another value, 4 to 7.
    Unknown(u8),
}

/// Why octets are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The check octet is wrong.
    #[error("check octet {found:02x} where {computed:02x} was due")]
    Checksum {
        /// As sent.
        found: u8,
        /// Of what came.
        computed: u8,
    },
    /// The stream ended within the frame.
    #[error("ends after {0} octets of a frame")]
    Truncated(usize),
}

impl FrameKind {
    /// Its short name: SREQ.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "POLL",
            Self::SynchronousRequest => "SREQ",
            Self::Asynchronous => "AREQ",
            Self::SynchronousResponse => "SRSP",
            Self::Unknown(_) => "unknown",
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Poll => 0,
            Self::SynchronousRequest => 1,
            Self::Asynchronous => 2,
            Self::SynchronousResponse => 3,
            Self::Unknown(bits) => bits & 7,
        }
    }

    const fn of(bits: u8) -> Self {
        match bits {
            0 => Self::Poll,
            1 => Self::SynchronousRequest,
            2 => Self::Asynchronous,
            3 => Self::SynchronousResponse,
            other => Self::Unknown(other),
        }
    }
}

impl Frame {
    /// The name of its subsystem.
    #[must_use]
    pub const fn subsystem(&self) -> Option<&'static str> {
        Some(match self.id >> 8 {
            0x00 => "RPC_ERROR",
            0x01 => "SYS",
            0x02 => "MAC",
            0x03 => "NWK",
            0x04 => "AF",
            0x05 => "ZDO",
            0x06 => "SAPI",
            0x07 => "UTIL",
            0x08 => "DEBUG",
            0x09 => "APP",
            0x0D => "SBL",
            0x0F => "APP_CNF",
            0x15 => "GREENPOWER",
            _ => return None,
        })
    }

    /// The name of its command.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        let table = match self.kind {
            FrameKind::Asynchronous => names::INDICATIONS,
            _ => names::REQUESTS,
        };
        let index = table.binary_search_by_key(&self.id, |(known, _)| *known);
        let found = table.get(index.ok()?)?;
        Some(found.1)
    }

    /// The frame as it is sent; `None` if its payload has more than 255 octets.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let [subsystem, command] = self.id.to_be_bytes();
        let length = u8::try_from(self.payload.len()).ok()?;
        let mut wire = vec![
            START,
            length,
            self.kind.bits() << 5 | subsystem & 0x1F,
            command,
        ];
        wire.extend_from_slice(&self.payload);
        wire.push(check(wire.get(1..)?));
        Some(wire)
    }
}

fn check(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |check, octet| check ^ octet)
}

/// Cuts a stream into frames. Octets before an FE are skipped. Holds at most one frame.
#[derive(Clone, Debug, Default)]
pub struct Splitter(Vec<u8>);

impl Splitter {
    /// Takes the next octet of the stream; gives a frame when it was its last.
    pub fn push(&mut self, octet: u8) -> Option<Result<Frame, Damage>> {
        if self.0.is_empty() && octet != START {
            return None;
        }
        self.0.push(octet);
        let length = usize::from(*self.0.get(1)?);
        if self.0.len() < length + 5 {
            return None;
        }
        let wire = std::mem::take(&mut self.0);
        let (&found, checked) = wire.get(1..)?.split_last()?;
        let computed = check(checked);
        if found != computed {
            return Some(Err(Damage::Checksum { found, computed }));
        }
        let (&[_, first, command], payload) = checked.split_first_chunk::<3>()?;
        Some(Ok(Frame {
            kind: FrameKind::of(first >> 5),
            id: u16::from_be_bytes([first & 0x1F, command]),
            payload: payload.to_vec(),
        }))
    }

    /// Takes the end of the stream: what has begun and not ended is told.
    pub fn finish(&mut self) -> Option<Damage> {
        let begun = std::mem::take(&mut self.0);
        (!begun.is_empty()).then_some(Damage::Truncated(begun.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(wire: &[u8]) -> Vec<Result<Frame, Damage>> {
        let mut splitter = Splitter::default();
        wire.iter()
            .filter_map(|&octet| splitter.push(octet))
            .collect()
    }

    #[test]
    fn ping_is_written_and_noise_skipped() {
        let ping = Frame {
            kind: FrameKind::SynchronousRequest,
            id: 0x0101,
            payload: Vec::new(),
        };
        assert_eq!(ping.encode(), Some(vec![0xFE, 0x00, 0x21, 0x01, 0x20]));
        assert_eq!(
            (ping.name(), ping.subsystem()),
            (Some("SYS_PING"), Some("SYS"))
        );
        let noisy = [0x00, 0xFF, 0xFE, 0x00, 0x21, 0x01, 0x20];
        assert_eq!(frames(&noisy), [Ok(ping)]);
    }

    #[test]
    fn a_wrong_check_octet_costs_its_frame() {
        let wire = [0xFE, 0x00, 0x21, 0x01, 0x21, 0xFE, 0x00, 0x21, 0x01, 0x20];
        let found = frames(&wire);
        assert!(matches!(*found, [Err(Damage::Checksum { .. }), Ok(_)]));
        for table in [names::REQUESTS, names::INDICATIONS] {
            assert!(table.is_sorted_by_key(|(id, _)| *id));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(id in 0_u16..0x2000, payload in proptest::collection::vec(any::<u8>(), 0..=255)) {
            let frame = Frame { kind: FrameKind::Asynchronous, id, payload };
            let wire = frame.encode().expect("it is short enough");
            prop_assert_eq!(frames(&wire), [Ok(frame)]);
        }

        #[test]
        fn any_stream_is_cut_into_frames(wire in proptest::collection::vec(any::<u8>(), 0..600)) {
            for frame in frames(&wire).into_iter().flatten() {
                let _ = fields(&frame);
            }
        }
    }
}
