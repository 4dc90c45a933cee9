//! Data types of attributes (Zigbee Cluster Library, 2.6.2).

use super::{ZclError, id16, octet};
use crate::layout::{Reader, signed, text};
use crate::value::{Record, Value};

/// How deep collections may nest; devices go to two.
const DEEPEST: usize = 8;

/// Whether a change of a value of this type can be smaller or greater (2.6.2, table 2-10), so that
/// reporting has a reportable change.
#[must_use]
pub const fn is_analogue(type_id: u8) -> bool {
    matches!(type_id, 0x20..=0x2F | 0x38..=0x3A | 0xE0..=0xE2)
}

/// Reads a value of a type.
///
/// Booleans other than 0 and 1 stay the number that they are; strings end at their first NUL;
/// invalid strings and collections are [`Value::Null`]; other invalid values stay the number that
/// marks them. Floating-point numbers are their shortest decimal form as text. Arrays, sets and
/// bags are `{type, items}`, structures lists of `{type, value}`.
///
/// # Errors
/// When the message ends within the value or nobody defines the type.
pub fn value(reader: &mut Reader<'_>, type_id: u8, attribute: u16) -> Result<Value, ZclError> {
    nested(reader, type_id, attribute, 0)
}

fn nested(
    reader: &mut Reader<'_>,
    type_id: u8,
    attribute: u16,
    depth: usize,
) -> Result<Value, ZclError> {
    if depth > DEEPEST {
        return Err(ZclError::TooDeep(DEEPEST));
    }
    let name = "value";
    Ok(match type_id {
        0x00 | 0xFF => Value::Null,
        0x10 => match octet(reader, name)? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            other => Value::Unsigned(other.into()),
        },
        // Data, bitmaps and unsigned integers of 1 to 8 octets.
        0x08..=0x0F | 0x18..=0x1F | 0x20..=0x27 => {
            Value::Unsigned(reader.unsigned((type_id & 7) + 1, name)?)
        }
        0x28..=0x2F => {
            let octets = (type_id & 7) + 1;
            Value::Signed(signed(reader.unsigned(octets, name)?, octets))
        }
        0x30 | 0x31 => Value::Unsigned(reader.unsigned(type_id - 0x2F, name)?),
        0x38 => Value::Text(half(id16(reader, name)?).to_string()),
        0x39 => {
            let octets = reader.octets(4, name)?;
            Value::Text(f32::from_le_bytes(octets.try_into().unwrap_or_default()).to_string())
        }
        0x3A => {
            let octets = reader.octets(8, name)?;
            Value::Text(f64::from_le_bytes(octets.try_into().unwrap_or_default()).to_string())
        }
        0x41 | 0x42 => match octet(reader, name)? {
            0xFF => Value::Null,
            length => string(reader.octets(length.into(), name)?, type_id == 0x42),
        },
        0x43 | 0x44 => match id16(reader, name)? {
            0xFFFF => Value::Null,
            length => string(reader.octets(length.into(), name)?, type_id == 0x44),
        },
        0x48 | 0x50 | 0x51 => {
            let item = octet(reader, name)?;
            let mut items = Vec::new();
            let items = match id16(reader, name)? {
                0xFFFF => Value::Null,
                // Items of no octets, of which a short message could claim thousands.
                _ if matches!(item, 0x00 | 0xFF) => Value::List(items),
                count => {
                    for _ in 0..count {
                        items.push(nested(reader, item, attribute, depth + 1)?);
                    }
                    Value::List(items)
                }
            };
            Value::Record(Record::new().with("type", id8(item)).with("items", items))
        }
        0x4C => match id16(reader, name)? {
            0xFFFF => Value::Null,
            count => {
                let mut members = Vec::new();
                for _ in 0..count {
                    let item = octet(reader, name)?;
                    let value = nested(reader, item, attribute, depth + 1)?;
                    let member = Record::new().with("type", id8(item)).with("value", value);
                    members.push(Value::Record(member));
                }
                Value::List(members)
            }
        },
        // Time of day and date: an octet per part.
        0xE0 | 0xE1 => Value::Octets(reader.octets(4, name)?.to_vec()),
        // Seconds since 2000-01-01 UTC; a BACnet object.
        0xE2 | 0xEA => Value::Unsigned(reader.unsigned(4, name)?),
        0xE8 | 0xE9 => Value::id16(id16(reader, name)?),
        0xF0 => Value::ieee(reader.unsigned(8, name)?),
        0xF1 => Value::Octets(reader.octets(16, name)?.to_vec()),
        _ => return Err(ZclError::DataType { attribute, type_id }),
    })
}

/// An identifier of one octet.
pub(super) fn id8(id: u8) -> Value {
    Value::Id {
        id: id.into(),
        octets: 1,
    }
}

fn string(octets: &[u8], is_text: bool) -> Value {
    if is_text {
        Value::Text(text(octets))
    } else {
        Value::Octets(octets.to_vec())
    }
}

/// IEEE 754 binary16 as the single-precision number that it is.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1F);
    let fraction = u32::from(bits & 0x03FF);
    match exponent {
        0 => {
            // Zero and subnormal numbers: fraction times 2^-24.
            let magnitude = f32::from(bits & 0x03FF) / 16_777_216.0;
            if sign == 0 { magnitude } else { -magnitude }
        }
        0x1F => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(type_id: u8, octets: &[u8]) -> Result<Value, ZclError> {
        value(&mut Reader::new(octets), type_id, 0)
    }

    #[test]
    fn numbers_of_all_sizes() {
        assert_eq!(
            read(0x25, &[0x40, 0xE2, 1, 0, 0, 0]),
            Ok(Value::Unsigned(123_456))
        );
        assert_eq!(read(0x2A, &[0xAF, 0xFF, 0xFF]), Ok(Value::Signed(-81)));
        assert_eq!(
            read(0x2C, &[0, 0, 0, 0, 0x80]),
            Ok(Value::Signed(-549_755_813_888))
        );
        assert_eq!(read(0x10, &[0x81]), Ok(Value::Unsigned(0x81)));
        assert_eq!(read(0x31, &[1, 2]), Ok(Value::Unsigned(0x0201)));
        assert_eq!(
            read(0xF0, &[1, 0, 0, 0, 0, 0, 0, 2]),
            Ok(Value::ieee(0x0200_0000_0000_0001))
        );
    }

    #[test]
    fn floating_point_numbers_in_their_shortest_form() {
        let text = |text: &str| Ok(Value::Text(text.to_owned()));
        assert_eq!(read(0x39, &0.1_f32.to_le_bytes()), text("0.1"));
        assert_eq!(read(0x3A, &(-2.5e-3_f64).to_le_bytes()), text("-0.0025"));
        // Binary16: 1.5, the smallest subnormal number, minus infinity.
        assert_eq!(read(0x38, &[0x00, 0x3E]), text("1.5"));
        assert_eq!(read(0x38, &[0x01, 0x00]), text("0.000000059604645"));
        assert_eq!(read(0x38, &[0x00, 0xFC]), text("-inf"));
    }

    #[test]
    fn strings_and_collections() {
        assert_eq!(read(0x42, &[0xFF]), Ok(Value::Null));
        assert_eq!(read(0x42, &[3, b'a', 0, b'b']), Ok(Value::Text("a".into())));
        assert_eq!(read(0x41, &[2, 1, 0xAB]), Ok(Value::Octets(vec![1, 0xAB])));
        let array = read(0x48, &[0x20, 2, 0, 7, 9]).expect("it is whole");
        assert_eq!(array.to_string(), "{type: 20, items: [7, 9]}");
        let structure = read(0x4C, &[2, 0, 0x20, 7, 0x10, 1]).expect("it is whole");
        assert_eq!(
            structure.to_string(),
            "[{type: 20, value: 7}, {type: 10, value: true}]"
        );
        assert!(matches!(
            read(0x48, &[0x20, 3, 0, 7, 9]),
            Err(ZclError::Truncated(_))
        ));
        let undefined = ZclError::DataType {
            attribute: 0,
            type_id: 0x77,
        };
        assert_eq!(read(0x77, &[1]), Err(undefined));
    }

    #[test]
    fn nesting_ends() {
        let deep: Vec<u8> = [0x4C, 1, 0].repeat(40);
        assert_eq!(
            read(0x4C, deep.get(1..).unwrap_or_default()),
            Err(ZclError::TooDeep(DEEPEST))
        );
        let many = read(0x48, &[0x00, 0xFE, 0xFF]).expect("it is whole");
        assert_eq!(many.to_string(), "{type: 00, items: []}");
    }
}
