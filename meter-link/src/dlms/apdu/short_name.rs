//! Short name referencing (IEC 62056-5-3, 6.13 to 6.17): Read, Write, UnconfirmedWrite,
//! InformationReport.

use super::parts::choice;
use super::{DataAccessResult, tag};
use crate::dlms::axdr::{Error, Reader, put_list, put_octets, put_optional};
use crate::dlms::data::Data;

/// What is read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableAccess {
    /// A variable by its short name.
    Name(u16),
    /// A part of a variable.
    Parameterized {
        /// Short name.
        name: u16,
        /// Which way of selecting.
        selector: u8,
        /// What is selected.
        parameter: Data,
    },
    /// The next block of an answer.
    BlockNumber(u16),
    /// A block of a request to read.
    ReadBlock {
        /// No more follow.
        last: bool,
        /// From 1 on.
        number: u16,
        /// The octets.
        octets: Vec<u8>,
    },
    /// A block of a request to write; its octets are the data of the request.
    WriteBlock {
        /// No more follow.
        last: bool,
        /// From 1 on.
        number: u16,
    },
}

/// What reading one variable gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult {
    /// Its value.
    Data(Data),
    /// Why there is none.
    Error(DataAccessResult),
    /// A block of it.
    Block {
        /// No more follow.
        last: bool,
        /// From 1 on.
        number: u16,
        /// The octets.
        octets: Vec<u8>,
    },
    /// A block of the request was received.
    BlockNumber(u16),
}

/// What writing one variable gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteResult {
    /// It was written.
    Success,
    /// Why not.
    Error(DataAccessResult),
    /// A block of the request was received.
    BlockNumber(u16),
}

/// Read.request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest(pub Vec<VariableAccess>);

/// Read.response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadResponse(pub Vec<ReadResult>);

/// Write.request or UnconfirmedWrite.request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    /// What is written.
    pub variables: Vec<VariableAccess>,
    /// The values in the same order.
    pub values: Vec<Data>,
}

/// Write.response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResponse(pub Vec<WriteResult>);

/// InformationReport.request: values the server sends unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InformationReport {
    /// When, as GeneralizedTime text.
    pub at: Option<Vec<u8>>,
    /// Which variables.
    pub variables: Vec<VariableAccess>,
    /// Their values in the same order.
    pub values: Vec<Data>,
}

impl VariableAccess {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        Ok(match reader.u8()? {
            2 => Self::Name(reader.u16()?),
            4 => Self::Parameterized {
                name: reader.u16()?,
                selector: reader.u8()?,
                parameter: Data::read(reader)?,
            },
            5 => Self::BlockNumber(reader.u16()?),
            6 => Self::ReadBlock {
                last: reader.flag()?,
                number: reader.u16()?,
                octets: reader.octets()?.to_vec(),
            },
            7 => Self::WriteBlock {
                last: reader.flag()?,
                number: reader.u16()?,
            },
            value => return Err(choice(&start, "access to a variable", value)),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Name(name) => {
                out.push(2);
                out.extend_from_slice(&name.to_be_bytes());
            }
            Self::Parameterized {
                name,
                selector,
                parameter,
            } => {
                out.push(4);
                out.extend_from_slice(&name.to_be_bytes());
                out.push(*selector);
                parameter.encode(out);
            }
            Self::BlockNumber(number) => {
                out.push(5);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::ReadBlock {
                last,
                number,
                octets,
            } => {
                out.extend_from_slice(&[6, u8::from(*last)]);
                out.extend_from_slice(&number.to_be_bytes());
                put_octets(out, octets);
            }
            Self::WriteBlock { last, number } => {
                out.extend_from_slice(&[7, u8::from(*last)]);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    }
}

impl ReadRequest {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        reader.list(VariableAccess::read).map(Self)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::READ_REQUEST);
        put_list(out, &self.0, |out, variable| variable.write(out));
    }
}

impl ReadResponse {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let result = |reader: &mut Reader<'_>| {
            let start = reader.clone();
            Ok(match reader.u8()? {
                0 => ReadResult::Data(Data::read(reader)?),
                1 => ReadResult::Error(DataAccessResult::from_code(reader.u8()?)),
                2 => ReadResult::Block {
                    last: reader.flag()?,
                    number: reader.u16()?,
                    octets: reader.octets()?.to_vec(),
                },
                3 => ReadResult::BlockNumber(reader.u16()?),
                value => return Err(choice(&start, "result of a read", value)),
            })
        };
        reader.list(result).map(Self)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::READ_RESPONSE);
        put_list(out, &self.0, |out, result| match result {
            ReadResult::Data(data) => {
                out.push(0);
                data.encode(out);
            }
            ReadResult::Error(code) => out.extend_from_slice(&[1, code.code()]),
            ReadResult::Block {
                last,
                number,
                octets,
            } => {
                out.extend_from_slice(&[2, u8::from(*last)]);
                out.extend_from_slice(&number.to_be_bytes());
                put_octets(out, octets);
            }
            ReadResult::BlockNumber(number) => {
                out.push(3);
                out.extend_from_slice(&number.to_be_bytes());
            }
        });
    }
}

impl WriteRequest {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            variables: reader.list(VariableAccess::read)?,
            values: reader.list(Data::read)?,
        })
    }

    /// Writes it as a Write.request (06) or UnconfirmedWrite.request (16).
    pub(super) fn write(&self, tag: u8, out: &mut Vec<u8>) {
        out.push(tag);
        put_list(out, &self.variables, |out, variable| variable.write(out));
        put_list(out, &self.values, |out, value| value.encode(out));
    }
}

impl WriteResponse {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let result = |reader: &mut Reader<'_>| {
            let start = reader.clone();
            Ok(match reader.u8()? {
                0 => WriteResult::Success,
                1 => WriteResult::Error(DataAccessResult::from_code(reader.u8()?)),
                2 => WriteResult::BlockNumber(reader.u16()?),
                value => return Err(choice(&start, "result of a write", value)),
            })
        };
        reader.list(result).map(Self)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::WRITE_RESPONSE);
        put_list(out, &self.0, |out, result| match result {
            WriteResult::Success => out.push(0),
            WriteResult::Error(code) => out.extend_from_slice(&[1, code.code()]),
            WriteResult::BlockNumber(number) => {
                out.push(2);
                out.extend_from_slice(&number.to_be_bytes());
            }
        });
    }
}

impl InformationReport {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            at: reader.optional(|reader| reader.octets().map(<[u8]>::to_vec))?,
            variables: reader.list(VariableAccess::read)?,
            values: reader.list(Data::read)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::INFORMATION_REPORT);
        put_optional(out, self.at.as_ref(), |out, at| put_octets(out, at));
        put_list(out, &self.variables, |out, variable| variable.write(out));
        put_list(out, &self.values, |out, value| value.encode(out));
    }
}
