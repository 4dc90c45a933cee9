//! ACCESS (IEC 62056-5-3, 6.12): several reads, writes and invocations in one message.

use super::notification::{date_time, put_date_time};
use super::parts::{MethodDescriptor, SelectiveAccess, choice};
use super::{ActionResult, DataAccessResult, tag};
use crate::dlms::axdr::{Error, Reader, put_list, put_optional};
use crate::dlms::data::{AttributeDescriptor, Data, DateTime};

/// One of the things asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessSpecification {
    /// Read an attribute.
    Get(AttributeDescriptor),
    /// Write an attribute.
    Set(AttributeDescriptor),
    /// Invoke a method.
    Action(MethodDescriptor),
    /// Read a part of an attribute.
    GetSelected(AttributeDescriptor, SelectiveAccess),
    /// Write a part of an attribute.
    SetSelected(AttributeDescriptor, SelectiveAccess),
}

/// How one of them ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessResult {
    /// A read.
    Get(DataAccessResult),
    /// A write.
    Set(DataAccessResult),
    /// An invocation.
    Action(ActionResult),
}

/// ACCESS.request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRequest {
    /// Long invoke-id and priority.
    pub invoke: u32,
    /// When it was made.
    pub at: Option<DateTime>,
    /// What is asked for.
    pub specifications: Vec<AccessSpecification>,
    /// One value or parameter for each, null where none is needed.
    pub data: Vec<Data>,
}

/// ACCESS.response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessResponse {
    /// Long invoke-id and priority.
    pub invoke: u32,
    /// When it was made.
    pub at: Option<DateTime>,
    /// What was asked for, if the server repeats it.
    pub specifications: Option<Vec<AccessSpecification>>,
    /// One value for each, null where there is none.
    pub data: Vec<Data>,
    /// How each ended.
    pub results: Vec<AccessResult>,
}

impl AccessSpecification {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        Ok(match reader.u8()? {
            1 => Self::Get(AttributeDescriptor::read(reader)?),
            2 => Self::Set(AttributeDescriptor::read(reader)?),
            3 => Self::Action(MethodDescriptor::read(reader)?),
            4 => Self::GetSelected(
                AttributeDescriptor::read(reader)?,
                SelectiveAccess::read(reader)?,
            ),
            5 => Self::SetSelected(
                AttributeDescriptor::read(reader)?,
                SelectiveAccess::read(reader)?,
            ),
            value => return Err(choice(&start, "request of ACCESS", value)),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Get(attribute) => {
                out.push(1);
                attribute.write(out);
            }
            Self::Set(attribute) => {
                out.push(2);
                attribute.write(out);
            }
            Self::Action(method) => {
                out.push(3);
                method.write(out);
            }
            Self::GetSelected(attribute, access) => {
                out.push(4);
                attribute.write(out);
                access.write(out);
            }
            Self::SetSelected(attribute, access) => {
                out.push(5);
                attribute.write(out);
                access.write(out);
            }
        }
    }
}

impl AccessRequest {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            invoke: reader.u32()?,
            at: date_time(reader)?,
            specifications: reader.list(AccessSpecification::read)?,
            data: reader.list(Data::read)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::ACCESS_REQUEST);
        out.extend_from_slice(&self.invoke.to_be_bytes());
        put_date_time(out, self.at);
        put_list(out, &self.specifications, |out, one| one.write(out));
        put_list(out, &self.data, |out, data| data.encode(out));
    }
}

impl AccessResponse {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let result = |reader: &mut Reader<'_>| {
            let start = reader.clone();
            let (kind, code) = (reader.u8()?, reader.u8()?);
            Ok(match kind {
                1 => AccessResult::Get(DataAccessResult::from_code(code)),
                2 => AccessResult::Set(DataAccessResult::from_code(code)),
                3 => AccessResult::Action(ActionResult::from_code(code)),
                value => return Err(choice(&start, "response of ACCESS", value)),
            })
        };
        Ok(Self {
            invoke: reader.u32()?,
            at: date_time(reader)?,
            specifications: reader.optional(|reader| reader.list(AccessSpecification::read))?,
            data: reader.list(Data::read)?,
            results: reader.list(result)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::ACCESS_RESPONSE);
        out.extend_from_slice(&self.invoke.to_be_bytes());
        put_date_time(out, self.at);
        put_optional(out, self.specifications.as_ref(), |out, list| {
            put_list(out, list, |out, one| one.write(out));
        });
        put_list(out, &self.data, |out, data| data.encode(out));
        put_list(out, &self.results, |out, result| {
            out.extend_from_slice(&match result {
                AccessResult::Get(code) => [1, code.code()],
                AccessResult::Set(code) => [2, code.code()],
                AccessResult::Action(code) => [3, code.code()],
            });
        });
    }
}
