//! What comes in programming mode: acknowledgements, commands, blocks (clause 6.3.4 to 6.3.8).

use super::super::encode::block_check;

const SOH: u8 = 0x01;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const EOT: u8 = 0x04;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;

/// Longest block read, in bytes: a load profile of a month that comes in one piece.
pub(super) const MAX_BLOCK: usize = 256 * 1024;

/// Something whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Done.
    Ack,
    /// Not understood: to be sent again.
    Nak,
    /// A command of the meter: `P0` with its operand, `B0`.
    Command(String, Vec<u8>),
    /// Data; more of it comes when the block ends with EOT.
    Block {
        /// What stands between STX and ETX or EOT.
        data: Vec<u8>,
        /// Whether another block follows.
        more: bool,
    },
    /// A command or block whose check is wrong.
    Damaged,
    /// No end within [`MAX_BLOCK`].
    TooLong,
}

/// Cuts frames out of what comes.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// What was sent and may come back from an optical head that hears itself.
    echo: Vec<u8>,
}

impl Frames {
    /// Forgets what came, and expects an echo of `sent`.
    pub(super) fn expect(&mut self, sent: &[u8]) {
        self.bytes.clear();
        self.echo = sent.to_vec();
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = MAX_BLOCK.saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
    }

    /// The next frame.
    pub(super) fn pull(&mut self) -> Option<Frame> {
        if !self.echo.is_empty() {
            if self.bytes.len() < self.echo.len() && self.echo.starts_with(&self.bytes) {
                // A lone ACK or NAK is whole, and may be an answer as well as an echo's beginning.
                return None;
            }
            if self.bytes.starts_with(&self.echo) {
                self.bytes.drain(..self.echo.len());
            }
            self.echo.clear();
        }
        loop {
            let (length, frame) = match self.bytes.as_slice() {
                [] => return None,
                [ACK, ..] => (1, Some(Frame::Ack)),
                [NAK, ..] => (1, Some(Frame::Nak)),
                [SOH, rest @ ..] => match checked(rest) {
                    Checked::More => return self.unfinished(),
                    Checked::Damaged(length) => (1 + length, Some(Frame::Damaged)),
                    Checked::Whole(covered, length) => (1 + length, command(covered)),
                },
                [STX, rest @ ..] => match checked(rest) {
                    Checked::More => return self.unfinished(),
                    Checked::Damaged(length) => (1 + length, Some(Frame::Damaged)),
                    Checked::Whole(covered, length) => {
                        let (end, data) = covered.split_last().unwrap_or((&ETX, &[]));
                        let block = Frame::Block {
                            data: data.to_vec(),
                            more: *end == EOT,
                        };
                        (1 + length, Some(block))
                    }
                },
                _ => (1, None),
            };
            self.bytes.drain(..length);
            if frame.is_some() {
                return frame;
            }
        }
    }

    fn unfinished(&mut self) -> Option<Frame> {
        if self.bytes.len() < MAX_BLOCK {
            return None;
        }
        self.bytes.clear();
        Some(Frame::TooLong)
    }
}

enum Checked<'a> {
    More,
    /// So many bytes, check included.
    Damaged(usize),
    /// What the check covers up to ETX or EOT, and so many bytes with the check.
    Whole(&'a [u8], usize),
}

/// From behind SOH or STX to the block check.
fn checked(rest: &[u8]) -> Checked<'_> {
    let Some(end) = rest.iter().position(|byte| matches!(*byte, ETX | EOT)) else {
        return Checked::More;
    };
    let (Some(covered), Some(check)) = (rest.get(..=end), rest.get(end + 1)) else {
        return Checked::More;
    };
    if block_check(covered) == check & 0x7F {
        Checked::Whole(covered, end + 2)
    } else {
        Checked::Damaged(end + 2)
    }
}

fn command(covered: &[u8]) -> Option<Frame> {
    let (name, rest) = covered.split_at_checked(2)?;
    let name = name.iter().copied().map(char::from).collect();
    let data = match rest {
        [STX, data @ .., _] => data,
        _ => &[],
    };
    Some(Frame::Command(name, data.to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::encode;
    use super::*;

    fn all(frames: &mut Frames) -> Vec<Frame> {
        std::iter::from_fn(|| frames.pull()).collect()
    }

    /// Frames and their checks from a second implementation (see `encode`).
    #[test]
    fn whatever_may_come() {
        let mut frames = Frames::default();
        frames.push(b"\xFF\x06\x15\x01P0\x02(ABC)\x03");
        frames.push(&[block_check(b"P0\x02(ABC)\x03")]);
        frames.push(b"\x01B0\x03q\x021.8.0(1*kWh)\x04");
        frames.push(&[block_check(b"1.8.0(1*kWh)\x04"), 0x02]);
        frames.push(b"(ER01)\x03z");
        let block = |data: &[u8], more| Frame::Block {
            data: data.to_vec(),
            more,
        };
        assert_eq!(
            all(&mut frames),
            [
                Frame::Ack,
                Frame::Nak,
                Frame::Command("P0".to_owned(), b"(ABC)".to_vec()),
                Frame::Command("B0".to_owned(), Vec::new()),
                block(b"1.8.0(1*kWh)", true),
                Frame::Damaged,
            ]
        );
    }

    #[test]
    fn a_head_that_hears_itself() {
        let sent = encode::command("R1", "1.8.0()");
        let mut frames = Frames::default();
        frames.expect(&sent);
        for byte in sent.iter().chain(b"\x06") {
            frames.push(&[*byte]);
        }
        assert_eq!(all(&mut frames), [Frame::Ack]);
        frames.expect(&sent);
        frames.push(b"\x15");
        assert_eq!(all(&mut frames), [Frame::Nak]);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_slices(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(b"\x01\x02\x03\x04\x06\x15P0(1)".to_vec())],
                0..300,
            ),
            step in 1..40usize,
        ) {
            let mut whole = Frames::default();
            whole.push(&bytes);
            let mut sliced = Frames::default();
            let mut found = Vec::new();
            for chunk in bytes.chunks(step) {
                sliced.push(chunk);
                found.extend(all(&mut sliced));
            }
            prop_assert_eq!(all(&mut whole), found);
        }
    }
}
