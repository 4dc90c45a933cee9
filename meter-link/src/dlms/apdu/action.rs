//! ACTION (IEC 62056-5-3, 6.8): invoking methods by logical name.

use super::parts::{DataBlock, GetResult, MethodDescriptor, choice};
use super::{ActionResult, tag};
use crate::dlms::axdr::{Error, Reader, put_list, put_optional};
use crate::dlms::data::Data;

/// A request to invoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionRequest {
    /// One method.
    Normal {
        /// Invoke-id and priority.
        invoke: u8,
        /// The method.
        method: MethodDescriptor,
        /// Its parameter.
        parameter: Option<Data>,
    },
    /// The next block of an answer.
    NextBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The last block received.
        block: u32,
    },
    /// Several methods.
    WithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// The methods.
        methods: Vec<MethodDescriptor>,
        /// Their parameters in the same order.
        parameters: Vec<Data>,
    },
    /// One method, whose parameter comes in blocks.
    WithFirstBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The method.
        method: MethodDescriptor,
        /// The first block.
        block: DataBlock,
    },
    /// Several methods, whose parameters come in blocks.
    WithListAndFirstBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The methods.
        methods: Vec<MethodDescriptor>,
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
}

/// What one method gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodResult {
    /// How it ended.
    pub result: ActionResult,
    /// What it returned.
    pub returned: Option<GetResult>,
}

/// The answer to a request to invoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionResponse {
    /// One method.
    Normal {
        /// Invoke-id and priority.
        invoke: u8,
        /// What it gave.
        result: MethodResult,
    },
    /// A block of an answer.
    WithBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// The block.
        block: DataBlock,
    },
    /// Several methods.
    WithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// What each gave.
        results: Vec<MethodResult>,
    },
    /// A block of the request was received.
    NextBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// Which.
        block: u32,
    },
}

impl ActionRequest {
    /// Invoke-id and priority.
    #[must_use]
    pub const fn invoke(&self) -> u8 {
        match self {
            Self::Normal { invoke, .. }
            | Self::NextBlock { invoke, .. }
            | Self::WithList { invoke, .. }
            | Self::WithFirstBlock { invoke, .. }
            | Self::WithListAndFirstBlock { invoke, .. }
            | Self::WithBlock { invoke, .. } => *invoke,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (kind, invoke) = (reader.u8()?, reader.u8()?);
        Ok(match kind {
            1 => Self::Normal {
                invoke,
                method: MethodDescriptor::read(reader)?,
                parameter: reader.optional(Data::read)?,
            },
            2 => Self::NextBlock {
                invoke,
                block: reader.u32()?,
            },
            3 => Self::WithList {
                invoke,
                methods: reader.list(MethodDescriptor::read)?,
                parameters: reader.list(Data::read)?,
            },
            4 => Self::WithFirstBlock {
                invoke,
                method: MethodDescriptor::read(reader)?,
                block: DataBlock::read(reader)?,
            },
            5 => Self::WithListAndFirstBlock {
                invoke,
                methods: reader.list(MethodDescriptor::read)?,
                block: DataBlock::read(reader)?,
            },
            6 => Self::WithBlock {
                invoke,
                block: DataBlock::read(reader)?,
            },
            _ => return Err(choice(&start, "form of ACTION.request", kind)),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::ACTION_REQUEST);
        match self {
            Self::Normal {
                invoke,
                method,
                parameter,
            } => {
                out.extend_from_slice(&[1, *invoke]);
                method.write(out);
                put_optional(out, parameter.as_ref(), |out, data| data.encode(out));
            }
            Self::NextBlock { invoke, block } => {
                out.extend_from_slice(&[2, *invoke]);
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::WithList {
                invoke,
                methods,
                parameters,
            } => {
                out.extend_from_slice(&[3, *invoke]);
                put_list(out, methods, |out, method| method.write(out));
                put_list(out, parameters, |out, data| data.encode(out));
            }
            Self::WithFirstBlock {
                invoke,
                method,
                block,
            } => {
                out.extend_from_slice(&[4, *invoke]);
                method.write(out);
                block.write(out);
            }
            Self::WithListAndFirstBlock {
                invoke,
                methods,
                block,
            } => {
                out.extend_from_slice(&[5, *invoke]);
                put_list(out, methods, |out, method| method.write(out));
                block.write(out);
            }
            Self::WithBlock { invoke, block } => {
                out.extend_from_slice(&[6, *invoke]);
                block.write(out);
            }
        }
    }
}

impl MethodResult {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            result: ActionResult::from_code(reader.u8()?),
            returned: reader.optional(GetResult::read)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.result.code());
        put_optional(out, self.returned.as_ref(), |out, returned| {
            returned.write(out);
        });
    }
}

impl ActionResponse {
    /// Invoke-id and priority.
    #[must_use]
    pub const fn invoke(&self) -> u8 {
        match self {
            Self::Normal { invoke, .. }
            | Self::WithBlock { invoke, .. }
            | Self::WithList { invoke, .. }
            | Self::NextBlock { invoke, .. } => *invoke,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (kind, invoke) = (reader.u8()?, reader.u8()?);
        Ok(match kind {
            1 => Self::Normal {
                invoke,
                result: MethodResult::read(reader)?,
            },
            2 => Self::WithBlock {
                invoke,
                block: DataBlock::read(reader)?,
            },
            3 => Self::WithList {
                invoke,
                results: reader.list(MethodResult::read)?,
            },
            4 => Self::NextBlock {
                invoke,
                block: reader.u32()?,
            },
            _ => return Err(choice(&start, "form of ACTION.response", kind)),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::ACTION_RESPONSE);
        match self {
            Self::Normal { invoke, result } => {
                out.extend_from_slice(&[1, *invoke]);
                result.write(out);
            }
            Self::WithBlock { invoke, block } => {
                out.extend_from_slice(&[2, *invoke]);
                block.write(out);
            }
            Self::WithList { invoke, results } => {
                out.extend_from_slice(&[3, *invoke]);
                put_list(out, results, |out, result| result.write(out));
            }
            Self::NextBlock { invoke, block } => {
                out.extend_from_slice(&[4, *invoke]);
                out.extend_from_slice(&block.to_be_bytes());
            }
        }
    }
}
