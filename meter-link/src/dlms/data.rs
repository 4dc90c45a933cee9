//! The data of COSEM attributes as a typed tree (IEC 62056-5-3, clause 8, `Data`; IEC 62056-6-2,
//! 4.1.5, common data types).

use rust_decimal::Decimal;

use super::axdr::{Error, Fault, Reader, put_length, put_octets};
pub use super::compact::{CompactArray, TypeDescription};
pub use super::datetime::{ClockStatus, Date, DateTime, Time};
use crate::model::{ObisCode, plain};

/// How deep arrays and structures may be nested. Load profiles need four levels.
pub const MAX_DEPTH: usize = 24;

/// Which attribute of which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeDescriptor {
    /// Interface class.
    pub class: u16,
    /// Logical name of the object.
    pub instance: ObisCode,
    /// Attribute; 1 is the logical name, 0 all of them.
    pub attribute: i8,
}

impl AttributeDescriptor {
    /// Reads nine octets: class (2), logical name (6), attribute.
    ///
    /// # Errors
    /// There are fewer.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            class: reader.u16()?,
            instance: ObisCode(reader.array()?),
            attribute: i8::from_be_bytes(reader.array()?),
        })
    }

    /// Writes the nine octets.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.class.to_be_bytes());
        out.extend_from_slice(&self.instance.0);
        out.extend_from_slice(&self.attribute.to_be_bytes());
    }
}

/// Bits, the first one in the highest bit of the first octet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitString {
    bits: usize,
    octets: Vec<u8>,
}

impl BitString {
    /// `bits` bits out of as many octets as they need; `None` when there are more or fewer.
    #[must_use]
    pub fn new(bits: usize, octets: Vec<u8>) -> Option<Self> {
        (bits.div_ceil(8) == octets.len()).then_some(Self { bits, octets })
    }

    /// The number of bits.
    #[must_use]
    pub const fn bits(&self) -> usize {
        self.bits
    }

    /// The octets that hold them.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// A value of a COSEM attribute.
///
/// Floating point numbers are kept as the bits that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing.
    Null,
    /// A sequence of values of one type.
    Array(Vec<Self>),
    /// A sequence of values of any types.
    Structure(Vec<Self>),
    /// Yes or no.
    Boolean(bool),
    /// Bits.
    BitString(BitString),
    /// double-long.
    Int32(i32),
    /// double-long-unsigned.
    Uint32(u32),
    /// Octets.
    OctetString(Vec<u8>),
    /// ASCII, as sent.
    VisibleString(Vec<u8>),
    /// UTF-8, as sent.
    Utf8String(Vec<u8>),
    /// Two decimal digits.
    Bcd(u8),
    /// integer.
    Int8(i8),
    /// long.
    Int16(i16),
    /// unsigned.
    Uint8(u8),
    /// long-unsigned.
    Uint16(u16),
    /// An array that says once what its elements are.
    CompactArray(Box<CompactArray>),
    /// long64.
    Int64(i64),
    /// long64-unsigned.
    Uint64(u64),
    /// One of an enumeration.
    Enum(u8),
    /// IEEE 754 single precision.
    Float32(u32),
    /// IEEE 754 double precision.
    Float64(u64),
    /// A date and time.
    DateTime(DateTime),
    /// A date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// Difference to the element before, signed 8 bits.
    DeltaInt8(i8),
    /// Likewise, 16 bits.
    DeltaInt16(i16),
    /// Likewise, 32 bits.
    DeltaInt32(i32),
    /// Likewise, unsigned 8 bits.
    DeltaUint8(u8),
    /// Likewise, 16 bits.
    DeltaUint16(u16),
    /// Likewise, 32 bits.
    DeltaUint32(u32),
    /// Any value will do.
    DontCare,
    /// An attribute descriptor that stands without a tag where a value should be: pushes of some
    /// makers begin each row so.
    Attribute(AttributeDescriptor),
}

impl Data {
    /// Reads one value off the front.
    ///
    /// # Errors
    /// The bytes are no value, are nested too deeply, or make too many elements out of nothing.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Walk::new(false).value(reader, 0)
    }

    /// Reads one value in which two-element structures may begin with an untagged attribute
    /// descriptor ([`Data::Attribute`]).
    ///
    /// # Errors
    /// As [`Data::read`].
    pub fn read_with_descriptors(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Walk::new(true).value(reader, 0)
    }

    /// Reads the one value that `bytes` are.
    ///
    /// # Errors
    /// As [`Data::read`], or something follows.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let data = Self::read(&mut reader)?;
        match reader.is_empty() {
            true => Ok(data),
            false => Err(reader.error(Fault::Form("bytes follow the value"))),
        }
    }

    /// Writes tag and content.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Self::Attribute(descriptor) = self {
            descriptor.write(out);
            return;
        }
        out.push(self.tag());
        match self {
            Self::CompactArray(array) => array.write(out),
            Self::Array(elements) | Self::Structure(elements) => {
                put_length(out, elements.len());
                for element in elements {
                    element.encode(out);
                }
            }
            simple => simple.put_content(out),
        }
    }

    /// Tag and content as new bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The tag of the type.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Null | Self::Attribute(_) => 0,
            Self::Array(_) => 1,
            Self::Structure(_) => 2,
            Self::Boolean(_) => 3,
            Self::BitString(_) => 4,
            Self::Int32(_) => 5,
            Self::Uint32(_) => 6,
            Self::OctetString(_) => 9,
            Self::VisibleString(_) => 10,
            Self::Utf8String(_) => 12,
            Self::Bcd(_) => 13,
            Self::Int8(_) => 15,
            Self::Int16(_) => 16,
            Self::Uint8(_) => 17,
            Self::Uint16(_) => 18,
            Self::CompactArray(_) => 19,
            Self::Int64(_) => 20,
            Self::Uint64(_) => 21,
            Self::Enum(_) => 22,
            Self::Float32(_) => 23,
            Self::Float64(_) => 24,
            Self::DateTime(_) => 25,
            Self::Date(_) => 26,
            Self::Time(_) => 27,
            Self::DeltaInt8(_) => 28,
            Self::DeltaInt16(_) => 29,
            Self::DeltaInt32(_) => 30,
            Self::DeltaUint8(_) => 31,
            Self::DeltaUint16(_) => 32,
            Self::DeltaUint32(_) => 33,
            Self::DontCare => 255,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn integer(&self) -> Option<i128> {
        Some(match self {
            Self::Int8(value) | Self::DeltaInt8(value) => i128::from(*value),
            Self::Int16(value) | Self::DeltaInt16(value) => i128::from(*value),
            Self::Int32(value) | Self::DeltaInt32(value) => i128::from(*value),
            Self::Int64(value) => i128::from(*value),
            Self::Uint8(value) | Self::DeltaUint8(value) => i128::from(*value),
            Self::Uint16(value) | Self::DeltaUint16(value) => i128::from(*value),
            Self::Uint32(value) | Self::DeltaUint32(value) => i128::from(*value),
            Self::Uint64(value) => i128::from(*value),
            _ => return None,
        })
    }

    /// The number as an exact decimal; of a floating point number the shortest decimal that
    /// stands for it. `None` for anything else and for infinities.
    #[must_use]
    pub fn decimal(&self) -> Option<Decimal> {
        match self {
            Self::Float32(_) | Self::Float64(_) => plain(&self.float_text()?),
            _ => Decimal::try_from_i128_with_scale(self.integer()?, 0).ok(),
        }
    }

    /// A floating point number as the shortest decimal that stands for it, without an exponent.
    #[must_use]
    pub fn float_text(&self) -> Option<String> {
        match self {
            Self::Float32(bits) => Some(f32::from_bits(*bits).to_string()),
            Self::Float64(bits) => Some(f64::from_bits(*bits).to_string()),
            _ => None,
        }
    }

    /// The octets of a string or of a date and time.
    #[must_use]
    pub fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::OctetString(octets) | Self::VisibleString(octets) | Self::Utf8String(octets) => {
                Some(octets)
            }
            Self::DateTime(at) => Some(&at.0),
            _ => None,
        }
    }

    /// A date and time, as such or as an octet string of twelve.
    #[must_use]
    pub fn date_time(&self) -> Option<DateTime> {
        match self {
            Self::DateTime(at) => Some(*at),
            Self::OctetString(octets) => DateTime::from_octets(octets),
            _ => None,
        }
    }

    /// The elements of an array, structure or compact array.
    #[must_use]
    pub fn elements(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) | Self::Structure(elements) => Some(elements),
            Self::CompactArray(array) => Some(&array.elements),
            _ => None,
        }
    }

    /// Writes the content of a simple type, without its tag.
    pub(super) fn put_content(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null
            | Self::DontCare
            | Self::Array(_)
            | Self::Structure(_)
            | Self::CompactArray(_)
            | Self::Attribute(_) => {}
            Self::Boolean(value) => out.push(u8::from(*value)),
            Self::BitString(value) => {
                put_length(out, value.bits);
                out.extend_from_slice(&value.octets);
            }
            Self::OctetString(value) | Self::VisibleString(value) | Self::Utf8String(value) => {
                put_octets(out, value);
            }
            Self::Int8(value) | Self::DeltaInt8(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Bcd(value) | Self::Uint8(value) | Self::Enum(value) | Self::DeltaUint8(value) => {
                out.push(*value);
            }
            Self::Int16(value) | Self::DeltaInt16(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Uint16(value) | Self::DeltaUint16(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Int32(value) | Self::DeltaInt32(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Uint32(value) | Self::DeltaUint32(value) | Self::Float32(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Int64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::Uint64(value) | Self::Float64(value) => {
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::DateTime(value) => out.extend_from_slice(&value.0),
            Self::Date(value) => out.extend_from_slice(&value.0),
            Self::Time(value) => out.extend_from_slice(&value.0),
        }
    }
}

/// Nodes that cost no byte, such as null in a compact array, are so many at most.
const MAX_FREE: usize = 16 * 1024;

/// One walk through a tree: how many nodes it may still make for nothing.
pub(super) struct Walk {
    descriptors: bool,
    free: usize,
}

impl Walk {
    const fn new(descriptors: bool) -> Self {
        Self {
            descriptors,
            free: MAX_FREE,
        }
    }

    /// Takes note of one node that cost no byte.
    pub(super) fn free(&mut self, reader: &Reader<'_>) -> Result<(), Error> {
        let free = self.free.checked_sub(1);
        self.free = free.ok_or(reader.error(Fault::Elements))?;
        Ok(())
    }

    fn value(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<Data, Error> {
        if depth > MAX_DEPTH {
            return Err(reader.error(Fault::Depth));
        }
        let start = reader.clone();
        match reader.u8()? {
            1 => {
                let count = Self::elements(reader)?;
                let elements = (0..count).map(|_| self.value(reader, depth + 1));
                Ok(Data::Array(elements.collect::<Result<_, _>>()?))
            }
            2 => {
                let count = Self::elements(reader)?;
                let descriptor = (self.descriptors && count == 2)
                    .then(|| untagged(reader))
                    .flatten();
                let mut elements = Vec::with_capacity(count);
                elements.extend(descriptor.map(Data::Attribute));
                while elements.len() < count {
                    elements.push(self.value(reader, depth + 1)?);
                }
                Ok(Data::Structure(elements))
            }
            19 => {
                let array = CompactArray::read(reader, self)?;
                Ok(Data::CompactArray(Box::new(array)))
            }
            tag => content(reader, tag).unwrap_or(Err(start.error(Fault::DataTag(tag)))),
        }
    }

    /// A count of elements, of which each has at least a tag.
    fn elements(reader: &mut Reader<'_>) -> Result<usize, Error> {
        let count = reader.length()?;
        match count <= reader.rest().len() {
            true => Ok(count),
            false => Err(reader.error(Fault::Short)),
        }
    }
}

/// The content of a simple type; `None` when no simple type has this tag.
pub(super) fn content(reader: &mut Reader<'_>, tag: u8) -> Option<Result<Data, Error>> {
    let octets = |reader: &mut Reader<'_>| reader.octets().map(<[u8]>::to_vec);
    Some(match tag {
        0 => Ok(Data::Null),
        3 => reader.flag().map(Data::Boolean),
        4 => bits(reader).map(Data::BitString),
        5 => reader.array().map(i32::from_be_bytes).map(Data::Int32),
        6 => reader.u32().map(Data::Uint32),
        9 => octets(reader).map(Data::OctetString),
        10 => octets(reader).map(Data::VisibleString),
        12 => octets(reader).map(Data::Utf8String),
        13 => reader.u8().map(Data::Bcd),
        15 => reader.array().map(i8::from_be_bytes).map(Data::Int8),
        16 => reader.array().map(i16::from_be_bytes).map(Data::Int16),
        17 => reader.u8().map(Data::Uint8),
        18 => reader.u16().map(Data::Uint16),
        20 => reader.array().map(i64::from_be_bytes).map(Data::Int64),
        21 => reader.array().map(u64::from_be_bytes).map(Data::Uint64),
        22 => reader.u8().map(Data::Enum),
        23 => reader.u32().map(Data::Float32),
        24 => reader.array().map(u64::from_be_bytes).map(Data::Float64),
        25 => reader.array().map(DateTime).map(Data::DateTime),
        26 => reader.array().map(Date).map(Data::Date),
        27 => reader.array().map(Time).map(Data::Time),
        28 => reader.array().map(i8::from_be_bytes).map(Data::DeltaInt8),
        29 => reader.array().map(i16::from_be_bytes).map(Data::DeltaInt16),
        30 => reader.array().map(i32::from_be_bytes).map(Data::DeltaInt32),
        31 => reader.u8().map(Data::DeltaUint8),
        32 => reader.u16().map(Data::DeltaUint16),
        33 => reader.u32().map(Data::DeltaUint32),
        255 => Ok(Data::DontCare),
        _ => return None,
    })
}

fn bits(reader: &mut Reader<'_>) -> Result<BitString, Error> {
    let bits = reader.length()?;
    let octets = reader.take(bits.div_ceil(8))?.to_vec();
    Ok(BitString { bits, octets })
}

/// An attribute descriptor without a tag. It is told from tagged data by its logical name, which
/// ends in FF, and its small class; nobody pushes a class of 256 and more.
fn untagged(reader: &mut Reader<'_>) -> Option<AttributeDescriptor> {
    let mut ahead = reader.clone();
    let descriptor = AttributeDescriptor::read(&mut ahead).ok()?;
    let fits = (1..256).contains(&descriptor.class)
        && descriptor.instance.billing_period() == 255
        && descriptor.attribute > 0;
    fits.then(|| {
        *reader = ahead;
        descriptor
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        crate::key::octets(&text.replace(' ', "")).unwrap()
    }

    #[test]
    fn every_type_there_and_back() {
        for (bytes, data) in [
            ("00", Data::Null),
            ("0301", Data::Boolean(true)),
            (
                "040abcc0",
                Data::BitString(BitString::new(10, vec![0xBC, 0xC0]).unwrap()),
            ),
            ("05fffffffe", Data::Int32(-2)),
            ("0680000000", Data::Uint32(1 << 31)),
            ("0903010203", Data::OctetString(vec![1, 2, 3])),
            ("0a024142", Data::VisibleString(b"AB".to_vec())),
            ("0c02c3a9", Data::Utf8String("é".as_bytes().to_vec())),
            ("0d42", Data::Bcd(0x42)),
            ("0fff", Data::Int8(-1)),
            ("108000", Data::Int16(i16::MIN)),
            ("11ff", Data::Uint8(255)),
            ("12ffff", Data::Uint16(65_535)),
            ("148000000000000000", Data::Int64(i64::MIN)),
            ("15ffffffffffffffff", Data::Uint64(u64::MAX)),
            ("1621", Data::Enum(33)),
            ("1741c80000", Data::Float32(25f32.to_bits())),
            ("184039000000000000", Data::Float64(25f64.to_bits())),
            ("1a07e60b0c06", Data::Date(Date([7, 0xE6, 11, 12, 6]))),
            ("1b10361eff", Data::Time(Time([16, 54, 30, 255]))),
            ("1cff", Data::DeltaInt8(-1)),
            ("2100000001", Data::DeltaUint32(1)),
            ("ff", Data::DontCare),
            (
                "0202 0101 1101 00",
                Data::Structure(vec![Data::Array(vec![Data::Uint8(1)]), Data::Null]),
            ),
        ] {
            let bytes = hex(bytes);
            assert_eq!(Data::decode(&bytes).unwrap(), data);
            assert_eq!(data.to_vec(), bytes);
            for cut in 0..bytes.len() {
                let error = Data::decode(&bytes[..cut]).unwrap_err();
                assert_eq!(error.fault, Fault::Short, "{data:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_row_that_begins_with_an_untagged_descriptor() {
        // The form of a Sagemcom XT211: class 1, 0-0:96.1.1, attribute 2, then the value.
        let bytes = hex("0202 0001 0000600101ff 02 0903414243");
        assert!(Data::decode(&bytes).is_err());
        let mut reader = Reader::new(&bytes);
        let data = Data::read_with_descriptors(&mut reader).unwrap();
        assert!(reader.is_empty());
        let descriptor = AttributeDescriptor {
            class: 1,
            instance: ObisCode([0, 0, 96, 1, 1, 255]),
            attribute: 2,
        };
        let row = vec![
            Data::Attribute(descriptor),
            Data::OctetString(b"ABC".to_vec()),
        ];
        assert_eq!(data, Data::Structure(row));
        assert_eq!(data.to_vec(), bytes);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = [2, 1].repeat(10_000);
        assert_eq!(Data::decode(&deep).unwrap_err().fault, Fault::Depth);
        assert_eq!(
            Data::decode(&hex("0184ffffffff00")).unwrap_err().fault,
            Fault::Short
        );
    }

    #[test]
    fn floats_are_told_as_the_shortest_decimal() {
        let text = |bits| Data::Float32(bits).decimal().map(|value| value.to_string());
        assert_eq!(text(0.1f32.to_bits()).as_deref(), Some("0.1"));
        assert_eq!(text((-230.4f32).to_bits()).as_deref(), Some("-230.4"));
        assert_eq!(text(f32::NAN.to_bits()), None);
        assert_eq!(text(f32::INFINITY.to_bits()), None);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for descriptors in [false, true] {
                let mut reader = Reader::new(&bytes);
                let read = if descriptors { Data::read_with_descriptors } else { Data::read };
                if let Ok(data) = read(&mut reader) {
                    // Lengths may be written longer than need be; the meaning comes back.
                    let again = data.to_vec();
                    let mut reader = Reader::new(&again);
                    prop_assert_eq!(read(&mut reader).unwrap(), data);
                }
            }
        }
    }
}
