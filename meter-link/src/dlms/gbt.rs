//! Puts general block transfer together (IEC 62056-5-3, 6.18).

use super::apdu::BlockTransfer;

/// Why blocks give no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// A block did not come.
    #[error("block {expected} is missing, block {found} came")]
    Missing {
        /// Which should have come.
        expected: u16,
        /// Which came.
        found: u16,
    },
    /// The message has grown longer than can be kept.
    #[error("the blocks are more than {limit} bytes")]
    TooLong {
        /// Most bytes that are kept of it.
        limit: usize,
    },
}

/// Most bytes that are kept of one message that is pushed.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// Blocks of one message: in order, none twice. A sender that pushes repeats none; the client, who can
/// ask for one again, gives only what is [expected](Blocks::expected).
///
/// ```
/// use meter_link::dlms::apdu::BlockTransfer;
/// use meter_link::dlms::gbt::Blocks;
/// let block = |number, last, octets: &[u8]| BlockTransfer {
///     last, streaming: false, window: 0, number, acknowledged: 0, octets: octets.to_vec(),
/// };
/// let mut blocks = Blocks::default();
/// assert_eq!(blocks.take(&block(1, false, &[1, 2]))?, None);
/// assert_eq!(blocks.take(&block(2, true, &[3]))?, Some(vec![1, 2, 3]));
/// # Ok::<(), meter_link::dlms::gbt::BlockError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Blocks {
    octets: Vec<u8>,
    taken: u16,
    limit: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self::up_to(MAX_MESSAGE)
    }
}

impl Blocks {
    /// Blocks of a message of at most so many bytes.
    #[must_use]
    pub const fn up_to(limit: usize) -> Self {
        Self {
            octets: Vec::new(),
            taken: 0,
            limit,
        }
    }

    /// Likewise, behind so many blocks that said nothing.
    #[must_use]
    pub const fn after(limit: usize, taken: u16) -> Self {
        Self {
            octets: Vec::new(),
            taken,
            limit,
        }
    }

    /// Takes the next block; gives the message with the last one.
    ///
    /// # Errors
    /// [`BlockError`]: the message is lost, and the next one begins with block 1.
    pub fn take(&mut self, block: &BlockTransfer) -> Result<Option<Vec<u8>>, BlockError> {
        let expected = self.taken.wrapping_add(1);
        if block.number != expected {
            *self = Self::up_to(self.limit);
            return Err(BlockError::Missing {
                expected,
                found: block.number,
            });
        }
        if self.octets.len() + block.octets.len() > self.limit {
            let limit = self.limit;
            *self = Self::up_to(limit);
            return Err(BlockError::TooLong { limit });
        }
        self.taken = expected;
        self.octets.extend_from_slice(&block.octets);
        let whole = block.last.then(|| std::mem::take(&mut self.octets));
        if whole.is_some() {
            self.taken = 0;
        }
        Ok(whole)
    }

    /// True while a message has begun.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.taken > 0
    }

    /// The block that should come next.
    #[must_use]
    pub const fn expected(&self) -> u16 {
        self.taken.wrapping_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_block_costs_the_message() {
        let block = |number, last| BlockTransfer {
            last,
            streaming: true,
            window: 1,
            number,
            acknowledged: 0,
            octets: vec![0; 10],
        };
        let mut blocks = Blocks::default();
        assert_eq!(blocks.take(&block(1, false)), Ok(None));
        let missing = BlockError::Missing {
            expected: 2,
            found: 3,
        };
        assert_eq!(blocks.take(&block(3, true)), Err(missing));
        assert!(!blocks.is_inside());
        assert_eq!(blocks.take(&block(1, true)), Ok(Some(vec![0; 10])));
        assert!(blocks.take(&block(2, true)).is_err());
    }
}
