//! One value of a row of a profile.

use rust_decimal::Decimal;

use crate::dlms::axdr::{Error, Reader};
use crate::dlms::client::job::{Scale, value};
use crate::dlms::data::{Data, DateTime};
use crate::model::Value;

/// A value as it lies in the message. A profile has thousands of them, so that only rare ones
/// become a tree of their own.
#[derive(Debug, PartialEq)]
pub(super) enum Cell<'a> {
    /// Null-data: as in the row before.
    Null,
    /// A whole number.
    Number(i64),
    /// An octet-string.
    Octets(&'a [u8]),
    /// Anything else.
    Other(Data),
}

impl<'a> Cell<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        let Some(tag) = reader.peek() else {
            return Err(reader.error(crate::dlms::axdr::Fault::Short));
        };
        if !matches!(tag, 0 | 5 | 6 | 9 | 15..=18 | 20 | 21) {
            return Data::read(reader).map(Cell::Other);
        }
        reader.u8()?;
        Ok(match tag {
            0 => Self::Null,
            5 => Self::Number(i32::from_be_bytes(reader.array()?).into()),
            6 => Self::Number(reader.u32()?.into()),
            15 => Self::Number(i8::from_be_bytes(reader.array()?).into()),
            16 => Self::Number(i16::from_be_bytes(reader.array()?).into()),
            17 => Self::Number(reader.u8()?.into()),
            18 => Self::Number(reader.u16()?.into()),
            20 => Self::Number(i64::from_be_bytes(reader.array()?)),
            21 => {
                let number = u64::from_be_bytes(reader.array()?);
                let large = |_| Self::Other(Data::Uint64(number));
                i64::try_from(number).map_or_else(large, Self::Number)
            }
            _ => Self::Octets(reader.octets()?),
        })
    }

    /// A date and time.
    pub(super) fn date_time(&self) -> Option<DateTime> {
        match self {
            Self::Octets(octets) => DateTime::from_octets(octets),
            Self::Other(data) => data.date_time(),
            Self::Null | Self::Number(_) => None,
        }
    }

    /// Bits by the meter's maker.
    pub(super) fn status(&self) -> Option<u64> {
        match self {
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Other(Data::BitString(bits)) => {
                let octets = bits.octets().iter().take(8);
                octets.copied().try_fold(0u64, |sum, octet| {
                    Some(sum.checked_mul(256)? + u64::from(octet))
                })
            }
            Self::Other(Data::Enum(code)) => Some((*code).into()),
            Self::Other(data) => u64::try_from(data.integer()?).ok(),
            Self::Null | Self::Octets(_) => None,
        }
    }

    /// The value of the model, scaled where it is a number.
    pub(super) fn value(&self, scale: Scale) -> Option<Value> {
        match self {
            Self::Null => None,
            Self::Number(number) => match scale.scaler {
                // What nearly all meters have.
                scaler @ -28..=0 => {
                    let places = scaler.unsigned_abs().into();
                    Some(Value::Number(Decimal::new(*number, places)))
                }
                _ => {
                    let scaled = scale.apply(i128::from(*number));
                    scaled.ok().map(Value::Number)
                }
            },
            Self::Octets(octets) => Some(Value::Octets(octets.to_vec())),
            Self::Other(data) => value(data, scale),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read here without a tree is the same as with one.
    #[test]
    fn as_the_tree_has_it() {
        let octets = b"\x07\xE6\x0B\x0C\x06\x10\x36\x00\x00\xFF\xC4\x00";
        for data in [
            Data::Null,
            Data::Int8(-128),
            Data::Int16(-2),
            Data::Int32(i32::MIN),
            Data::Int64(i64::MIN),
            Data::Uint8(255),
            Data::Uint16(65_535),
            Data::Uint32(u32::MAX),
            Data::Uint64(u64::MAX),
            Data::OctetString(octets.to_vec()),
            Data::OctetString(vec![1, 2]),
            Data::VisibleString(b"AB".to_vec()),
            Data::Enum(7),
            Data::Boolean(true),
            Data::Float32(25f32.to_bits()),
            Data::DateTime(DateTime(*octets)),
            Data::Structure(vec![Data::Uint8(1)]),
        ] {
            let encoded = data.to_vec();
            let mut reader = Reader::new(&encoded);
            let cell = Cell::read(&mut reader).unwrap();
            assert!(reader.is_empty(), "{data:?}");
            for scaler in [-29, -28, -1, 0, 1, 9, 27] {
                let scale = Scale { scaler, unit: None };
                assert_eq!(cell.value(scale), value(&data, scale), "{data:?} {scaler}");
            }
            assert_eq!(cell.date_time(), data.date_time(), "{data:?}");
            for cut in 0..encoded.len() {
                assert!(Cell::read(&mut Reader::new(&encoded[..cut])).is_err());
            }
        }
    }

    #[test]
    fn status_words() {
        let status = |data: Data| {
            Cell::read(&mut Reader::new(&data.to_vec()))
                .unwrap()
                .status()
        };
        assert_eq!(status(Data::Uint16(0x8001)), Some(0x8001));
        assert_eq!(status(Data::Int8(-1)), None);
        assert_eq!(status(Data::Enum(3)), Some(3));
        let bits = crate::dlms::data::BitString::new(12, vec![0x12, 0x30]).unwrap();
        assert_eq!(status(Data::BitString(bits)), Some(0x1230));
        assert_eq!(status(Data::OctetString(vec![1])), None);
    }
}
