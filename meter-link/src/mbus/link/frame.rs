//! Frames of the wired link layer (EN 13757-2, clause 5; format class FT 1.2 of IEC 60870-5-2).

/// The single character that acknowledges.
const ACK: u8 = 0xE5;
const SHORT: u8 = 0x10;
const LONG: u8 = 0x68;
const STOP: u8 = 0x16;
/// Start, twice the length, start.
const HEAD: usize = 4;
/// Checksum and stop.
const TAIL: usize = 2;

/// Control fields (EN 13757-2, table 6).
pub mod control {
    /// Initialise the link of a slave.
    pub const SND_NKE: u8 = 0x40;
    /// Send data to a slave; [`FCB`] may be added.
    pub const SND_UD: u8 = 0x53;
    /// Ask for class 1 data (alarms); [`FCB`] may be added.
    pub const REQ_UD1: u8 = 0x5A;
    /// Ask for class 2 data; [`FCB`] may be added.
    pub const REQ_UD2: u8 = 0x5B;
    /// A slave's data.
    pub const RSP_UD: u8 = 0x08;
    /// The frame count bit: it alternates from one new request to the next.
    pub const FCB: u8 = 0x20;

    /// True for a slave's data, whatever its access demand and flow control bits say.
    #[must_use]
    pub const fn is_response(control: u8) -> bool {
        control & 0xCF == RSP_UD
    }
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// The single character E5.
    Ack,
    /// `10 C A CS 16`.
    Short {
        /// Control field.
        control: u8,
        /// Address field.
        address: u8,
    },
    /// `68 03 03 68 C A CI CS 16`.
    Control {
        /// Control field.
        control: u8,
        /// Address field.
        address: u8,
        /// Control information.
        ci: u8,
    },
    /// `68 L L 68 C A CI … CS 16`.
    Long {
        /// Control field.
        control: u8,
        /// Address field.
        address: u8,
        /// Control information.
        ci: u8,
        /// User data behind the control information, 1 to 252 bytes.
        data: Vec<u8>,
    },
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No frame begins so.
    #[error("{byte:02X} is not the start of a frame (E5, 10 or 68)")]
    Start {
        /// The first byte.
        byte: u8,
    },
    /// Fewer bytes than the frame has.
    #[error("the frame has {announced} bytes and {there} are there")]
    Truncated {
        /// Bytes of the whole frame, or of its head while that is not whole.
        announced: usize,
        /// Bytes there.
        there: usize,
    },
    /// The head of a long frame is not `68 L L 68`.
    #[error(
        "the two length bytes {first:02X} and {second:02X} of a long frame differ, or no second 68 follows"
    )]
    Head {
        /// First length byte.
        first: u8,
        /// Second length byte.
        second: u8,
    },
    /// The length leaves no room for control, address and control information.
    #[error("a length of {length} leaves no room for the fields C, A and CI")]
    Length {
        /// The length byte.
        length: u8,
    },
    /// The sum over control field to last data byte is another one.
    #[error("the checksum is {sent:02X}, the sum of the bytes is {computed:02X}")]
    Checksum {
        /// As sent.
        sent: u8,
        /// As it should be.
        computed: u8,
    },
    /// The frame does not end with 16.
    #[error("the frame ends with {byte:02X} and not with 16")]
    Stop {
        /// The byte at its end.
        byte: u8,
    },
}

impl Frame {
    /// A short frame.
    #[must_use]
    pub const fn short(control: u8, address: u8) -> Self {
        Self::Short { control, address }
    }

    /// A control frame without, a long one with data. Data beyond 252 bytes are left off.
    #[must_use]
    pub fn long(control: u8, address: u8, ci: u8, data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::Control {
                control,
                address,
                ci,
            };
        }
        Self::Long {
            control,
            address,
            ci,
            data: data.iter().take(252).copied().collect(),
        }
    }

    /// Reads the frame at the front of `bytes`, and how many bytes it takes.
    ///
    /// # Errors
    /// [`LinkError`] when none is there, or not all of it.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), LinkError> {
        let there = bytes.len();
        let short_of = |announced| LinkError::Truncated { announced, there };
        match *bytes {
            [ACK, ..] => Ok((Self::Ack, 1)),
            [SHORT, control, address, sum, stop, ..] => {
                check(&[control, address], sum, stop)?;
                Ok((Self::Short { control, address }, 5))
            }
            [SHORT, ..] => Err(short_of(5)),
            [LONG, first, second, start, ..] => {
                if first != second || start != LONG {
                    return Err(LinkError::Head { first, second });
                }
                if first < 3 {
                    return Err(LinkError::Length { length: first });
                }
                let total = HEAD + usize::from(first) + TAIL;
                let frame = bytes.get(..total).ok_or(short_of(total))?;
                let content = frame.get(HEAD..).unwrap_or_default();
                let Some((content, [sum, stop])) = content.split_last_chunk::<TAIL>() else {
                    return Err(short_of(total));
                };
                check(content, *sum, *stop)?;
                match content {
                    [control, address, ci, data @ ..] => {
                        Ok((Self::long(*control, *address, *ci, data), total))
                    }
                    _ => Err(LinkError::Length { length: first }),
                }
            }
            [LONG, first, second] if first != second => Err(LinkError::Head { first, second }),
            [LONG, ..] => Err(short_of(HEAD)),
            [byte, ..] => Err(LinkError::Start { byte }),
            [] => Err(short_of(1)),
        }
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let with_head = |content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
            let mut bytes = vec![LONG, length, length, LONG];
            bytes.extend_from_slice(content);
            bytes.extend([sum(content), STOP]);
            bytes
        };
        match self {
            Self::Ack => vec![ACK],
            Self::Short { control, address } => {
                vec![SHORT, *control, *address, sum(&[*control, *address]), STOP]
            }
            Self::Control {
                control,
                address,
                ci,
            } => with_head(&[*control, *address, *ci]),
            Self::Long {
                control,
                address,
                ci,
                data,
            } => with_head(&[&[*control, *address, *ci], data.as_slice()].concat()),
        }
    }

    /// The address field, of frames that have one.
    #[must_use]
    pub const fn address(&self) -> Option<u8> {
        match self {
            Self::Ack => None,
            Self::Short { address, .. }
            | Self::Control { address, .. }
            | Self::Long { address, .. } => Some(*address),
        }
    }

    /// The control field, of frames that have one.
    #[must_use]
    pub const fn control(&self) -> Option<u8> {
        match self {
            Self::Ack => None,
            Self::Short { control, .. }
            | Self::Control { control, .. }
            | Self::Long { control, .. } => Some(*control),
        }
    }
}

fn sum(content: &[u8]) -> u8 {
    content.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

fn check(content: &[u8], sent: u8, stop: u8) -> Result<(), LinkError> {
    let computed = sum(content);
    if sent != computed {
        return Err(LinkError::Checksum { sent, computed });
    }
    if stop != STOP {
        return Err(LinkError::Stop { byte: stop });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_as_published() {
        // The M-Bus: A Documentation, clause 5.4 and 6.4: set the address to 8; select a slave.
        for (bytes, frame) in [
            (vec![0xE5], Frame::Ack),
            (vec![0x10, 0x40, 0x01, 0x41, 0x16], Frame::short(0x40, 1)),
            (
                vec![0x68, 0x03, 0x03, 0x68, 0x53, 0xFE, 0xBD, 0x0E, 0x16],
                Frame::long(0x53, 0xFE, 0xBD, &[]),
            ),
            (
                vec![
                    0x68, 0x06, 0x06, 0x68, 0x53, 0xFE, 0x51, 0x01, 0x7A, 0x08, 0x25, 0x16,
                ],
                Frame::long(0x53, 0xFE, 0x51, &[0x01, 0x7A, 0x08]),
            ),
        ] {
            assert_eq!(frame.to_bytes(), bytes);
            assert_eq!(Frame::decode(&bytes), Ok((frame, bytes.len())));
            for cut in 0..bytes.len() {
                let error = Frame::decode(&bytes[..cut]).unwrap_err();
                assert!(matches!(error, LinkError::Truncated { .. }), "{error}");
            }
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = Frame::long(0x08, 5, 0x72, &[1, 2, 3, 4]).to_bytes();
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Frame::decode(&damaged).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok((frame, length)) = Frame::decode(&bytes) {
                prop_assert_eq!(frame.to_bytes(), bytes[..length].to_vec());
            }
        }
    }
}
