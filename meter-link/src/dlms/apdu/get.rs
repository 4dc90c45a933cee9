//! GET (IEC 62056-5-3, 6.6): reading attributes by logical name.

use super::parts::{GetResult, Selected, choice};
use super::{DataAccessResult, tag};
use crate::dlms::axdr::{Error, Reader, put_list, put_octets};

/// A request to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetRequest {
    /// One attribute.
    Normal {
        /// Invoke-id and priority.
        invoke: u8,
        /// The attribute.
        attribute: Selected,
    },
    /// The next block of an answer.
    Next {
        /// Invoke-id and priority.
        invoke: u8,
        /// The last block received.
        block: u32,
    },
    /// Several attributes.
    WithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// The attributes.
        attributes: Vec<Selected>,
    },
}

/// The answer to a request to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetResponse {
    /// One attribute.
    Normal {
        /// Invoke-id and priority.
        invoke: u8,
        /// Its value, or why there is none.
        result: GetResult,
    },
    /// A block of an answer.
    WithBlock {
        /// Invoke-id and priority.
        invoke: u8,
        /// No more blocks follow.
        last: bool,
        /// From 1 on.
        number: u32,
        /// The octets, or why there are none.
        result: Result<Vec<u8>, DataAccessResult>,
    },
    /// Several attributes.
    WithList {
        /// Invoke-id and priority.
        invoke: u8,
        /// Values in the order asked for.
        results: Vec<GetResult>,
    },
}

impl GetRequest {
    /// Invoke-id (bits 0 to 3) and priority (bit 7), with service class confirmed (bit 6).
    #[must_use]
    pub const fn invoke(&self) -> u8 {
        match self {
            Self::Normal { invoke, .. }
            | Self::Next { invoke, .. }
            | Self::WithList { invoke, .. } => *invoke,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (kind, invoke) = (reader.u8()?, reader.u8()?);
        Ok(match kind {
            1 => Self::Normal {
                invoke,
                attribute: Selected::read(reader)?,
            },
            2 => Self::Next {
                invoke,
                block: reader.u32()?,
            },
            3 => Self::WithList {
                invoke,
                attributes: reader.list(Selected::read)?,
            },
            _ => return Err(choice(&start, "form of GET.request", kind)),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::GET_REQUEST);
        match self {
            Self::Normal { invoke, attribute } => {
                out.extend_from_slice(&[1, *invoke]);
                attribute.write(out);
            }
            Self::Next { invoke, block } => {
                out.extend_from_slice(&[2, *invoke]);
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::WithList { invoke, attributes } => {
                out.extend_from_slice(&[3, *invoke]);
                put_list(out, attributes, |out, attribute| attribute.write(out));
            }
        }
    }
}

impl GetResponse {
    /// Invoke-id and priority.
    #[must_use]
    pub const fn invoke(&self) -> u8 {
        match self {
            Self::Normal { invoke, .. }
            | Self::WithBlock { invoke, .. }
            | Self::WithList { invoke, .. } => *invoke,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        let (kind, invoke) = (reader.u8()?, reader.u8()?);
        Ok(match kind {
            1 => Self::Normal {
                invoke,
                result: GetResult::read(reader)?,
            },
            2 => {
                let (last, number) = (reader.flag()?, reader.u32()?);
                let start = reader.clone();
                let result = match reader.u8()? {
                    0 => Ok(reader.octets()?.to_vec()),
                    1 => Err(DataAccessResult::from_code(reader.u8()?)),
                    value => return Err(choice(&start, "result of a block", value)),
                };
                Self::WithBlock {
                    invoke,
                    last,
                    number,
                    result,
                }
            }
            3 => Self::WithList {
                invoke,
                results: reader.list(GetResult::read)?,
            },
            _ => return Err(choice(&start, "form of GET.response", kind)),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::GET_RESPONSE);
        match self {
            Self::Normal { invoke, result } => {
                out.extend_from_slice(&[1, *invoke]);
                result.write(out);
            }
            Self::WithBlock {
                invoke,
                last,
                number,
                result,
            } => {
                out.extend_from_slice(&[2, *invoke]);
                out.push(u8::from(*last));
                out.extend_from_slice(&number.to_be_bytes());
                match result {
                    Ok(octets) => {
                        out.push(0);
                        put_octets(out, octets);
                    }
                    Err(code) => out.extend_from_slice(&[1, code.code()]),
                }
            }
            Self::WithList { invoke, results } => {
                out.extend_from_slice(&[3, *invoke]);
                put_list(out, results, |out, result| result.write(out));
            }
        }
    }
}
