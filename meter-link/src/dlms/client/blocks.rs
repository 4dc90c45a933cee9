//! General block transfer, as the receiver of an answer (IEC 62056-5-3, 6.18).

use super::error::ClientError;
use super::exchange::MAX_VALUE;
use crate::dlms::apdu::BlockTransfer;

/// Blocks taken without an answer.
const WINDOW: u8 = 8;

/// Puts an answer together out of blocks.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    octets: Vec<u8>,
    /// The last block that came in order.
    received: u16,
    /// Blocks of our own.
    sent: u16,
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
    pub(super) fn take(&mut self, block: &BlockTransfer) -> Result<Taken, ClientError> {
        if block.number == 1 && self.received != 0 {
            *self = Self {
                sent: self.sent,
                ..Self::default()
            };
        }
        if block.number == self.received + 1 {
            if self.octets.len() + block.octets.len() > MAX_VALUE {
                return Err(ClientError::TooLong(MAX_VALUE));
            }
            self.octets.extend_from_slice(&block.octets);
            self.received = block.number;
            if block.last {
                let whole = std::mem::take(&mut self.octets);
                *self = Self::default();
                return Ok(Taken {
                    whole: Some(whole),
                    answer: None,
                });
            }
        }
        if self.received == u16::MAX {
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
                acknowledged: self.received,
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
