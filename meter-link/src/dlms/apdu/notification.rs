//! Messages that a meter sends unasked: DataNotification (IEC 62056-5-3, 6.10) and
//! EventNotification (6.9).

use super::tag;
use crate::dlms::axdr::{Error, Fault, Reader, put_octets, put_optional};
use crate::dlms::data::{AttributeDescriptor, Data, DateTime};

/// What a meter pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataNotification {
    /// Long invoke-id and priority, all 32 bits.
    pub invoke: u32,
    /// When it was made, if the meter says.
    pub at: Option<DateTime>,
    /// The pushed data.
    pub body: Data,
}

/// An event with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNotification {
    /// When it happened.
    pub at: Option<DateTime>,
    /// The attribute.
    pub attribute: AttributeDescriptor,
    /// Its value.
    pub value: Data,
}

/// A date and time as an octet string that may be empty.
pub(super) fn date_time(reader: &mut Reader<'_>) -> Result<Option<DateTime>, Error> {
    let start = reader.clone();
    match reader.octets()? {
        [] => Ok(None),
        octets => {
            let fault = Fault::Form("a date and time has twelve octets or none");
            let at = DateTime::from_octets(octets);
            at.map(Some).ok_or(start.error(fault))
        }
    }
}

pub(super) fn put_date_time(out: &mut Vec<u8>, at: Option<DateTime>) {
    put_octets(out, at.as_ref().map_or(&[], |at| &at.0));
}

impl DataNotification {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let invoke = reader.u32()?;
        // Kaifa sends the date and time with the tag of an octet string.
        if reader.rest().starts_with(&[0x09, 0x0C]) {
            reader.u8()?;
        }
        let at = date_time(reader)?;
        Ok(Self {
            invoke,
            at,
            body: body(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::DATA_NOTIFICATION);
        out.extend_from_slice(&self.invoke.to_be_bytes());
        put_date_time(out, self.at);
        self.body.encode(out);
    }
}

/// Rows that begin with an untagged attribute descriptor are tried where the bytes are no tagged
/// data to their end.
fn body(reader: &mut Reader<'_>) -> Result<Data, Error> {
    let start = reader.clone();
    let tagged = Data::read(reader);
    if tagged.is_ok() && reader.is_empty() {
        return tagged;
    }
    let mut again = start;
    match Data::read_with_descriptors(&mut again) {
        Ok(data) if again.is_empty() || tagged.is_err() => {
            *reader = again;
            Ok(data)
        }
        Err(error) => match tagged {
            // The reading that got further says better what is wrong.
            Err(first) if first.at >= error.at => Err(first),
            // There were descriptors, or both readings would have been the same.
            Ok(_) if error.fault != Fault::Short => tagged,
            _ => Err(error),
        },
        Ok(_) => tagged,
    }
}

impl EventNotification {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let at = reader.optional(date_time)?.flatten();
        Ok(Self {
            at,
            attribute: AttributeDescriptor::read(reader)?,
            value: Data::read(reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(tag::EVENT_NOTIFICATION);
        put_optional(out, self.at.as_ref(), |out, at| put_octets(out, &at.0));
        self.attribute.write(out);
        self.value.encode(out);
    }
}
