//! General block transfer, as the receiver of an answer (IEC 62056-5-3, 6.18).

use super::error::ClientError;
use super::exchange::MAX_VALUE;
use crate::dlms::apdu::BlockTransfer;
use crate::dlms::gbt;

/// Blocks taken without an answer.
const WINDOW: u8 = 8;

/// Puts an answer together out of blocks, and asks for those that are missing.
#[derive(Debug)]
pub(super) struct Blocks {
    message: gbt::Blocks,
    /// Blocks of our own.
    sent: u16,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            message: gbt::Blocks::up_to(MAX_VALUE),
            sent: 0,
        }
    }
}

/// What follows from a block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// To be sent to the meter.
    pub(super) answer: Option<BlockTransfer>,
    /// The message, when this was its last block.
    pub(super) whole: Option<Vec<u8>>,
}

impl Blocks {
    /// The answer to a request that went out in blocks itself: the meter has sent `taken` blocks that
    /// only acknowledged, we have sent `sent`.
    pub(super) const fn after(taken: u16, sent: u16) -> Self {
        Self {
            message: gbt::Blocks::after(MAX_VALUE, taken),
            sent,
        }
    }

    pub(super) fn take(&mut self, block: &BlockTransfer) -> Result<Taken, ClientError> {
        if block.number == 1 && self.message.is_inside() {
            self.message = gbt::Blocks::up_to(MAX_VALUE);
        }
        if block.number == self.message.expected() {
            let whole = self.message.take(block);
            let whole = whole.map_err(|_| ClientError::TooLong(MAX_VALUE))?;
            if whole.is_some() {
                self.sent = 0;
                return Ok(Taken {
                    whole,
                    answer: None,
                });
            }
        }
        // The last block that came in order; numbers do not begin anew.
        let received = self.message.expected().wrapping_sub(1);
        if received == u16::MAX {
            return Err(ClientError::TooLong(MAX_VALUE));
        }
        // More comes by itself while the meter streams. Otherwise it waits to hear what came; a
        // block that was lost is asked for by the number of the one before.
        if block.streaming {
            return Ok(Taken::default());
        }
        self.sent = self.sent.wrapping_add(1);
        Ok(Taken {
            answer: Some(BlockTransfer {
                last: true,
                streaming: false,
                window: WINDOW,
                number: self.sent,
                acknowledged: received,
                octets: Vec::new(),
            }),
            whole: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u16, last: bool, streaming: bool) -> BlockTransfer {
        BlockTransfer {
            last,
            streaming,
            window: 1,
            number,
            acknowledged: 1,
            octets: vec![u8::try_from(number).unwrap()],
        }
    }

    #[test]
    fn a_lost_block_is_asked_for_again() {
        let mut blocks = Blocks::default();
        assert_eq!(
            blocks.take(&block(1, false, true)).unwrap(),
            Taken::default()
        );
        let answer = blocks.take(&block(3, false, false)).unwrap().answer;
        assert_eq!(answer.map(|answer| answer.acknowledged), Some(1));
        blocks.take(&block(2, false, true)).unwrap();
        let answer = blocks.take(&block(3, false, false)).unwrap().answer;
        assert_eq!(answer.map(|answer| answer.acknowledged), Some(3));
        let whole = blocks.take(&block(4, true, false)).unwrap().whole;
        assert_eq!(whole, Some(vec![1, 2, 3, 4]));
    }
}
