//! General block transfer, as the sender of a request (IEC 62056-5-3, 6.18): one block at a time, each
//! acknowledged, since a line belongs to one side at a time.

use super::error::ClientError;
use crate::dlms::apdu::BlockTransfer;

/// Octets of a block beside its content: tag, control, two numbers, length.
const OVERHEAD: usize = 9;
/// Acknowledgements without progress.
const REPEATS: u8 = 8;

/// A request on its way in blocks.
#[derive(Debug)]
pub(super) struct BlockSender {
    octets: Vec<u8>,
    size: usize,
    /// Blocks that have arrived.
    arrived: u16,
    repeats: u8,
}

/// What follows from a block of the meter while a request is on its way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// This is to be sent.
    Send(BlockTransfer),
    /// The request has arrived, in so many blocks.
    Arrived(u16),
}

impl BlockSender {
    /// A message for a meter that takes so many octets at once; `None` when it has more blocks than can
    /// be numbered.
    pub(super) fn new(octets: Vec<u8>, longest: usize) -> Option<Self> {
        let size = longest.checked_sub(OVERHEAD).filter(|size| *size > 0)?;
        u16::try_from(octets.len().div_ceil(size)).ok()?;
        Some(Self {
            octets,
            size,
            arrived: 0,
            repeats: 0,
        })
    }

    /// The block behind those that have arrived.
    pub(super) fn block(&self) -> BlockTransfer {
        let start = usize::from(self.arrived) * self.size;
        let rest = self.octets.get(start..).unwrap_or_default();
        let octets = rest.get(..self.size).unwrap_or(rest);
        BlockTransfer {
            last: octets.len() == rest.len(),
            streaming: false,
            window: 1,
            number: self.arrived.saturating_add(1),
            acknowledged: 0,
            octets: octets.to_vec(),
        }
    }

    /// Takes what the meter acknowledges, or the first block of its answer: whoever answers has heard
    /// the last one, whatever number stands there.
    pub(super) fn take(&mut self, block: &BlockTransfer) -> Result<Progress, ClientError> {
        let due = self.arrived.saturating_add(1);
        let answers = !block.octets.is_empty() && self.block().last;
        let acknowledged = if answers { due } else { block.acknowledged };
        let lost = ClientError::Block {
            expected: due.into(),
            got: acknowledged.into(),
        };
        if acknowledged == due {
            self.arrived = due;
            self.repeats = 0;
        } else if acknowledged == self.arrived && self.repeats < REPEATS {
            self.repeats += 1;
        } else {
            return Err(lost);
        }
        match usize::from(self.arrived) * self.size < self.octets.len() {
            true => Ok(Progress::Send(self.block())),
            false => Ok(Progress::Arrived(self.arrived)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_was_lost_is_sent_again() {
        let mut sender = BlockSender::new((0..25).collect(), 19).unwrap();
        let heard = |acknowledged, octets: &[u8]| BlockTransfer {
            last: true,
            streaming: false,
            window: 1,
            number: 1,
            acknowledged,
            octets: octets.to_vec(),
        };
        let first = sender.block();
        assert_eq!((first.number, first.last), (1, false));
        assert_eq!(first.octets, (0..10).collect::<Vec<_>>());
        assert_eq!(sender.take(&heard(0, &[])), Ok(Progress::Send(first)));
        let Ok(Progress::Send(second)) = sender.take(&heard(1, &[])) else {
            panic!("the second block is due");
        };
        assert_eq!((second.number, second.octets[0]), (2, 10));
        let Ok(Progress::Send(third)) = sender.take(&heard(2, &[])) else {
            panic!("the third block is due");
        };
        assert_eq!((third.number, third.last, third.octets.len()), (3, true, 5));
        assert!(sender.take(&heard(7, &[])).is_err());
        assert_eq!(sender.take(&heard(0, &[0xC5])), Ok(Progress::Arrived(3)));
    }

    #[test]
    fn a_meter_that_takes_nothing_is_given_up() {
        let mut sender = BlockSender::new(vec![0; 100], 19).unwrap();
        let nothing = BlockTransfer {
            octets: Vec::new(),
            ..sender.block()
        };
        let refused = (0..100).position(|_| sender.take(&nothing).is_err());
        assert_eq!(refused, Some(usize::from(REPEATS)));
        assert!(BlockSender::new(vec![0; 100], 9).is_none());
        assert!(BlockSender::new(vec![0; 70_000], 10).is_none());
    }
}
