//! What several services have in common.

use super::DataAccessResult;
use crate::dlms::axdr::{Error, Fault, Reader, put_octets};
use crate::dlms::data::{AttributeDescriptor, Data};
use crate::model::ObisCode;

/// Which method of which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodDescriptor {
    /// Interface class.
    pub class: u16,
    /// Logical name of the object.
    pub instance: ObisCode,
    /// Method, from 1 on.
    pub method: i8,
}

impl MethodDescriptor {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let AttributeDescriptor {
            class,
            instance,
            attribute: method,
        } = AttributeDescriptor::read(reader)?;
        Ok(Self {
            class,
            instance,
            method,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let &Self {
            class,
            instance,
            method: attribute,
        } = self;
        AttributeDescriptor {
            class,
            instance,
            attribute,
        }
        .write(out);
    }
}

/// Which part of an attribute (selective access).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectiveAccess {
    /// Which way of selecting; for profiles 1 is by range, 2 by entry.
    pub selector: u8,
    /// What is selected.
    pub parameters: Data,
}

impl SelectiveAccess {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            selector: reader.u8()?,
            parameters: Data::read(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.selector);
        self.parameters.encode(out);
    }
}

/// An attribute or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The attribute.
    pub descriptor: AttributeDescriptor,
    /// Which part; all when `None`.
    pub access: Option<SelectiveAccess>,
}

impl From<AttributeDescriptor> for Selected {
    fn from(descriptor: AttributeDescriptor) -> Self {
        Self {
            descriptor,
            access: None,
        }
    }
}

impl Selected {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            descriptor: AttributeDescriptor::read(reader)?,
            access: reader.optional(SelectiveAccess::read)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.descriptor.write(out);
        crate::dlms::axdr::put_optional(out, self.access.as_ref(), |out, access| {
            access.write(out);
        });
    }
}

/// What reading one attribute gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GetResult {
    /// Its value.
    Data(Data),
    /// Why there is none.
    Error(DataAccessResult),
}

impl GetResult {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let start = reader.clone();
        match reader.u8()? {
            0 => Data::read(reader).map(Self::Data),
            1 => Ok(Self::Error(DataAccessResult::from_code(reader.u8()?))),
            value => Err(choice(&start, "result of a read", value)),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Data(data) => {
                out.push(0);
                data.encode(out);
            }
            Self::Error(code) => out.extend_from_slice(&[1, code.code()]),
        }
    }
}

/// A piece of something too long for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataBlock {
    /// No more follow.
    pub last: bool,
    /// From 1 on.
    pub number: u32,
    /// The octets of this block.
    pub octets: Vec<u8>,
}

impl DataBlock {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            last: reader.flag()?,
            number: reader.u32()?,
            octets: reader.octets()?.to_vec(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last));
        out.extend_from_slice(&self.number.to_be_bytes());
        put_octets(out, &self.octets);
    }
}

/// An error at `start`: `value` is no `what`.
pub(super) const fn choice(start: &Reader<'_>, what: &'static str, value: u8) -> Error {
    start.error(Fault::Choice { what, value })
}
