//! ASH version 2, the serial link to a Silicon Labs coprocessor (UG101, sections 2 to 4).
//!
//! [`Splitter`] cuts a stream of octets into frames and checks them; [`Frame::encode`] is its
//! inverse. [`Link`] is a session over them: reset, acknowledgement and repetition.

mod link;

pub use link::{Link, LinkEvent, LinkFailure, NotTaken, Side};

/// Octets with a meaning of their own on the wire (UG101, 4.2).
const FLAG: u8 = 0x7E;
const ESCAPE: u8 = 0x7D;
const XON: u8 = 0x11;
const XOFF: u8 = 0x13;
const SUBSTITUTE: u8 = 0x18;
pub(crate) const CANCEL: u8 = 0x1A;

/// The longest frame: control, 128 octets of data, check sequence.
const LONGEST: usize = 1 + 128 + 2;

/// A frame whose check sequence was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Data of the layer above, in the clear.
    Data {
        /// Its number, 0 to 7.
        number: u8,
        /// The number of the frame that is expected next.
        acknowledged: u8,
        /// Whether it is sent again.
        retransmitted: bool,
        /// An EZSP frame.
        payload: Vec<u8>,
    },
    /// Everything up to a number has come.
    Ack {
        /// The number of the frame that is expected next.
        acknowledged: u8,
        /// The receiver cannot take more callbacks at present.
        not_ready: bool,
    },
    /// A frame was damaged or out of order.
    Nak {
        /// The number of the frame that is expected next.
        acknowledged: u8,
        /// The receiver cannot take more callbacks at present.
        not_ready: bool,
    },
    /// The host asks the coprocessor to start again.
    Reset,
    /// The coprocessor has started again.
    ResetAck {
        /// The version of ASH, 2.
        version: u8,
        /// Why it started.
        code: u8,
    },
    /// The coprocessor has given up and waits for a reset.
    Error {
        /// The version of ASH, 2.
        version: u8,
        /// Why.
        code: u8,
    },
}

/// Why octets between two flags are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Its check sequence is wrong.
    #[error("check sequence {found:04x} where {computed:04x} was due")]
    Checksum {
        /// As sent.
        found: u16,
        /// Of what came.
        computed: u16,
    },
    /// The driver of the port put in a mark for an octet that it lost.
    #[error("the serial port lost octets")]
    Substitute,
    /// Fewer octets than a control octet and a check sequence, or the stream ended within it.
    #[error("{0} octets are too few for a frame")]
    Truncated(usize),
    /// More octets than any frame has.
    #[error("longer than the longest frame, 131 octets")]
    TooLong,
    /// A frame that does not exist, or has a length that its kind never has.
    #[error("control octet {control:02x} with {length} octets of data is no frame of ASH 2")]
    Unknown {
        /// Its control octet.
        control: u8,
        /// The octets after it.
        length: usize,
    },
}

/// What is said by a reset code (UG101, table 4-2).
#[must_use]
pub const fn reset_name(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "unknown",
        0x01 => "external",
        0x02 => "power_on",
        0x03 => "watchdog",
        0x06 => "assert",
        0x09 => "bootloader",
        0x0B => "software",
        0x51 => "max_retransmissions",
        0x52 => "max_ack_timeouts",
        _ => return None,
    })
}

/// Cuts a stream into frames. Holds at most one frame.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    octets: Vec<u8>,
    escaped: bool,
    lost: bool,
    overlong: bool,
}

impl Splitter {
    /// Takes the next octet of the stream; gives a frame when it was its last.
    pub fn push(&mut self, octet: u8) -> Option<Result<Frame, Damage>> {
        match octet {
            FLAG => return self.end(),
            CANCEL => self.clear(),
            XON | XOFF => {}
            SUBSTITUTE => self.lost = true,
            ESCAPE => self.escaped = true,
            _ => {
                let octet = if std::mem::take(&mut self.escaped) {
                    octet ^ 0x20
                } else {
                    octet
                };
                if self.octets.len() < LONGEST {
                    self.octets.push(octet);
                } else {
                    self.overlong = true;
                }
            }
        }
        None
    }

    /// Takes the end of the stream: what has begun and not ended is told.
    pub fn finish(&mut self) -> Option<Damage> {
        let length = self.octets.len();
        let begun = length > 0 || self.lost;
        self.clear();
        begun.then_some(Damage::Truncated(length))
    }

    fn clear(&mut self) {
        self.octets.clear();
        self.escaped = false;
        self.lost = false;
        self.overlong = false;
    }

    fn end(&mut self) -> Option<Result<Frame, Damage>> {
        let found = if self.lost {
            Some(Err(Damage::Substitute))
        } else if self.overlong {
            Some(Err(Damage::TooLong))
        } else if self.octets.is_empty() {
            None
        } else {
            Some(Frame::parse(&self.octets))
        };
        self.clear();
        found
    }
}

impl Frame {
    /// Reads what stands between two flags, without stuffing.
    ///
    /// # Errors
    /// When its check sequence is wrong or there is no such frame.
    pub fn parse(octets: &[u8]) -> Result<Self, Damage> {
        let Some((checked, &found)) = octets
            .split_last_chunk::<2>()
            .filter(|(checked, _)| !checked.is_empty())
        else {
            return Err(Damage::Truncated(octets.len()));
        };
        let (found, computed) = (u16::from_be_bytes(found), crc(checked));
        if found != computed {
            return Err(Damage::Checksum { found, computed });
        }
        let (&control, data) = checked.split_first().ok_or(Damage::Truncated(2))?;
        let acknowledged = control & 0x07;
        let not_ready = control & 0x08 != 0;
        match (control, data) {
            (0x00..=0x7F, _) => Ok(Self::Data {
                number: control >> 4 & 0x07,
                acknowledged,
                retransmitted: not_ready,
                payload: randomised(data),
            }),
            (0x80..=0x9F, []) => Ok(Self::Ack {
                acknowledged,
                not_ready,
            }),
            (0xA0..=0xBF, []) => Ok(Self::Nak {
                acknowledged,
                not_ready,
            }),
            (0xC0, []) => Ok(Self::Reset),
            (0xC1, &[version, code]) => Ok(Self::ResetAck { version, code }),
            (0xC2, &[version, code]) => Ok(Self::Error { version, code }),
            _ => Err(Damage::Unknown {
                control,
                length: data.len(),
            }),
        }
    }

    /// The frame as it is sent: with check sequence, stuffing and the flag at its end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let answer = |kind: u8, acknowledged: u8, not_ready: bool| {
            vec![kind | u8::from(not_ready) << 3 | acknowledged & 0x07]
        };
        let mut clear = match self {
            Self::Data {
                number,
                acknowledged,
                retransmitted,
                payload,
            } => {
                let numbers = (number & 0x07) << 4 | acknowledged & 0x07;
                let mut clear = vec![numbers | u8::from(*retransmitted) << 3];
                clear.extend(randomised(payload));
                clear
            }
            Self::Ack {
                acknowledged,
                not_ready,
            } => answer(0x80, *acknowledged, *not_ready),
            Self::Nak {
                acknowledged,
                not_ready,
            } => answer(0xA0, *acknowledged, *not_ready),
            Self::Reset => vec![0xC0],
            Self::ResetAck { version, code } => vec![0xC1, *version, *code],
            Self::Error { version, code } => vec![0xC2, *version, *code],
        };
        clear.extend(crc(&clear).to_be_bytes());
        let mut wire = Vec::with_capacity(clear.len() + 8);
        for octet in clear {
            if matches!(octet, FLAG | ESCAPE | XON | XOFF | SUBSTITUTE | CANCEL) {
                wire.extend([ESCAPE, octet ^ 0x20]);
            } else {
                wire.push(octet);
            }
        }
        wire.push(FLAG);
        wire
    }
}

/// Data with a pseudo-random sequence over it, or the other way round (UG101, 4.3).
fn randomised(data: &[u8]) -> Vec<u8> {
    let mut register = 0x42_u8;
    let mut next = |octet: &u8| {
        let out = octet ^ register;
        let carry = register & 1;
        register = (register >> 1) ^ (carry * 0xB8);
        out
    };
    data.iter().map(&mut next).collect()
}

/// CRC-16/IBM-3740: CCITT from FFFF, highest bit first.
fn crc(octets: &[u8]) -> u16 {
    octets.iter().fold(0xFFFF, |crc, &octet| {
        let mut crc = crc ^ u16::from(octet) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames(wire: &[u8]) -> Vec<Result<Frame, Damage>> {
        let mut splitter = Splitter::default();
        let mut found: Vec<_> = wire
            .iter()
            .filter_map(|&octet| splitter.push(octet))
            .collect();
        found.extend(splitter.finish().map(Err));
        found
    }

    #[test]
    fn the_frames_of_the_guide_are_read() {
        // UG101, 3.2 and 3.3.
        let reset = [0x1A, 0xC0, 0x38, 0xBC, 0x7E];
        assert_eq!(frames(&reset), [Ok(Frame::Reset)]);
        let started = [0xC1, 0x02, 0x0B, 0x0A, 0x52, 0x7E];
        let expected = Frame::ResetAck {
            version: 2,
            code: 0x0B,
        };
        assert_eq!(frames(&started), [Ok(expected)]);
    }

    #[test]
    fn marks_within_a_frame_are_obeyed() {
        assert_eq!(
            frames(&[0xC0, 0x11, 0x38, 0x13, 0xBC, 0x7E]),
            [Ok(Frame::Reset)]
        );
        assert_eq!(
            frames(&[0xC0, 0x18, 0x38, 0xBC, 0x7E]),
            [Err(Damage::Substitute)]
        );
        assert_eq!(frames(&[0x7E, 0x7E]), []);
        assert_eq!(frames(&[0xC0, 0x7E]), [Err(Damage::Truncated(1))]);
        assert_eq!(frames(&[0xC0, 0x38]), [Err(Damage::Truncated(2))]);
        let damaged = frames(&[0xC0, 0x38, 0xBD, 0x7E]);
        assert!(matches!(*damaged, [Err(Damage::Checksum { .. })]));
    }

    proptest! {
        #[test]
        fn a_frame_reads_as_it_was_written(
            number in 0_u8..8,
            acknowledged in 0_u8..8,
            retransmitted: bool,
            payload in proptest::collection::vec(any::<u8>(), 0..=128),
        ) {
            let frame = Frame::Data { number, acknowledged, retransmitted, payload };
            prop_assert_eq!(frames(&frame.encode()), [Ok(frame)]);
        }

        #[test]
        fn any_stream_is_cut_into_frames(wire in proptest::collection::vec(any::<u8>(), 0..400)) {
            let flags = wire.iter().filter(|&&octet| octet == FLAG).count();
            prop_assert!(frames(&wire).len() <= flags + 1);
        }
    }
}
