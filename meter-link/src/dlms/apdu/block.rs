//! General block transfer (IEC 62056-5-3, 6.18): a piece of any message.

use super::tag;
use crate::dlms::axdr::{Error, Reader, put_octets};

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTransfer {
    /// No more follow.
    pub last: bool,
    /// More follow without being asked for.
    pub streaming: bool,
    /// How many blocks the sender takes at once, 0 to 63; 0 when it wants no answer.
    pub window: u8,
    /// From 1 on.
    pub number: u16,
    /// The last block received from the other side.
    pub acknowledged: u16,
    /// The octets.
    pub octets: Vec<u8>,
}

impl BlockTransfer {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let control = reader.u8()?;
        Ok(Self {
            last: control & 0x80 != 0,
            streaming: control & 0x40 != 0,
            window: control & 0x3F,
            number: reader.u16()?,
            acknowledged: reader.u16()?,
            octets: reader.octets()?.to_vec(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let last = if self.last { 0x80 } else { 0 };
        let streaming = if self.streaming { 0x40 } else { 0 };
        out.extend_from_slice(&[
            tag::GENERAL_BLOCK_TRANSFER,
            last | streaming | (self.window & 0x3F),
        ]);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.acknowledged.to_be_bytes());
        put_octets(out, &self.octets);
    }
}
