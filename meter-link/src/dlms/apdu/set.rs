//! SET (IEC 62056-5-3, 6.7): writing attributes by logical name.

use super::parts::{DataBlock, Selected, choice};
use super::{DataAccessResult, tag};
use crate::dlms::axdr::{Error, Reader, put_list};
use crate::dlms::data::Data;

/// A request to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetRequest {
    /// One attribute.
    Normal {
        /// Invoke-id and priority.
        invoke: u8,
        /// The attribute.
        attribute: Selected,
        /// Its new value.
        value: Data,
    },
    /// One attribute, whose value comes in blocks.
    WithFirstBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The attribute.
        attribute: Selected,
        /// The first block.
        block: DataBlock,
    },
    /// A further block.
    WithBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The block.
        block: DataBlock,
    },
    /// Several attributes.
    WithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// The attributes.
        attributes: Vec<Selected>,
        /// Their new values in the same order.
        values: Vec<Data>,
    },
    /// Several attributes, whose values come in blocks.
    WithListAndFirstBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The attributes.
        attributes: Vec<Selected>,
        /// The first block.
        block: DataBlock,
    },
}

/// The answer to a request to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetResponse {
    /// One attribute.
    Normal {
        /// Invoke-id and priority.
        invoke: u8,
        /// How it ended.
        result: DataAccessResult,
    },
    /// A block was received.
    Block {
        /// Invoke-id and priority.
        invoke: u8,
        /// Which.
        number: u32,
    },
    /// The last block was received.
    LastBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// How it ended.
        result: DataAccessResult,
        /// Which block.
        number: u32,
    },
    /// The last block for several attributes was received.
    LastBlockWithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// How each ended.
        results: Vec<DataAccessResult>,
        /// Which block.
        number: u32,
    },
    /// Several attributes.
    WithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// How each ended.
        results: Vec<DataAccessResult>,
    },
}

impl SetRequest {
    /// Invoke-id and priority.
    #[must_use]
    pub const fn invoke(&self) -> u8 {
        match self {
            Self::Normal { invoke, .. }
            | Self::WithFirstBlock { invoke, .. }
            | Self::WithBlock { invoke, .. }
            | Self::WithList { invoke, .. }
            | Self::WithListAndFirstBlock { invoke, .. } => *invoke,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (kind, invoke) = (reader.u8()?, reader.u8()?);
        Ok(match kind {
            1 => Self::Normal {
                invoke,
                attribute: Selected::read(reader)?,
                value: Data::read(reader)?,
            },
            2 => Self::WithFirstBlock {
                invoke,
                attribute: Selected::read(reader)?,
                block: DataBlock::read(reader)?,
            },
            3 => Self::WithBlock {
                invoke,
                block: DataBlock::read(reader)?,
            },
            4 => Self::WithList {
                invoke,
                attributes: reader.list(Selected::read)?,
                values: reader.list(Data::read)?,
            },
            5 => Self::WithListAndFirstBlock {
                invoke,
                attributes: reader.list(Selected::read)?,
                block: DataBlock::read(reader)?,
            },
            _ => return Err(choice(&start, "form of SET.request", kind)),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::SET_REQUEST);
        match self {
            Self::Normal {
                invoke,
                attribute,
                value,
            } => {
                out.extend_from_slice(&[1, *invoke]);
                attribute.write(out);
                value.encode(out);
            }
            Self::WithFirstBlock {
                invoke,
                attribute,
                block,
            } => {
                out.extend_from_slice(&[2, *invoke]);
                attribute.write(out);
                block.write(out);
            }
            Self::WithBlock { invoke, block } => {
                out.extend_from_slice(&[3, *invoke]);
                block.write(out);
            }
            Self::WithList {
                invoke,
                attributes,
                values,
            } => {
                out.extend_from_slice(&[4, *invoke]);
                put_list(out, attributes, |out, attribute| attribute.write(out));
                put_list(out, values, |out, value| value.encode(out));
            }
            Self::WithListAndFirstBlock {
                invoke,
                attributes,
                block,
            } => {
                out.extend_from_slice(&[5, *invoke]);
                put_list(out, attributes, |out, attribute| attribute.write(out));
                block.write(out);
            }
        }
    }
}

fn code(reader: &mut Reader<'_>) -> Result<DataAccessResult, Error> {
    reader.u8().map(DataAccessResult::from_code)
}

impl SetResponse {
    /// Invoke-id and priority.
    #[must_use]
    pub const fn invoke(&self) -> u8 {
        match self {
            Self::Normal { invoke, .. }
            | Self::Block { invoke, .. }
            | Self::LastBlock { invoke, .. }
            | Self::LastBlockWithList { invoke, .. }
            | Self::WithList { invoke, .. } => *invoke,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (kind, invoke) = (reader.u8()?, reader.u8()?);
        Ok(match kind {
            1 => Self::Normal {
                invoke,
                result: code(reader)?,
            },
            2 => Self::Block {
                invoke,
                number: reader.u32()?,
            },
            3 => Self::LastBlock {
                invoke,
                result: code(reader)?,
                number: reader.u32()?,
            },
            4 => Self::LastBlockWithList {
                invoke,
                results: reader.list(code)?,
                number: reader.u32()?,
            },
            5 => Self::WithList {
                invoke,
                results: reader.list(code)?,
            },
            _ => return Err(choice(&start, "form of SET.response", kind)),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::SET_RESPONSE);
        match self {
            Self::Normal { invoke, result } => {
                out.extend_from_slice(&[1, *invoke, result.code()]);
            }
            Self::Block { invoke, number } => {
                out.extend_from_slice(&[2, *invoke]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::LastBlock {
                invoke,
                result,
                number,
            } => {
                out.extend_from_slice(&[3, *invoke, result.code()]);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::LastBlockWithList {
                invoke,
                results,
                number,
            } => {
                out.extend_from_slice(&[4, *invoke]);
                put_list(out, results, |out, result| out.push(result.code()));
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::WithList { invoke, results } => {
                out.extend_from_slice(&[5, *invoke]);
                put_list(out, results, |out, result| out.push(result.code()));
            }
        }
    }
}
