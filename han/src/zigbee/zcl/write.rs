//! Writing: values of attributes (Zigbee Cluster Library, 2.6.2) and the global commands that a
//! gateway sends (2.5).

use super::{Direction, Frame, FrameType, types};
use crate::layout::Unwritable;
use crate::value::Value;

/// An attribute with its value, as a report or a write request carries it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Which one.
    pub id: u16,
    /// Its data type.
    pub type_id: u8,
    /// Its value.
    pub value: Value,
}

/// How an attribute is to be reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Reporting {
    /// Which one.
    pub id: u16,
    /// Its data type.
    pub type_id: u8,
    /// No report before so many seconds have passed.
    pub min_s: u16,
    /// A report at the latest after so many seconds.
    pub max_s: u16,
    /// The least change that is reported; for analogue types alone.
    pub change: Value,
}

/// The value of a type as octets: integers, enumerations, bitmaps, booleans, strings, times,
/// addresses and keys.
///
/// # Errors
/// When the value does not fit the type, or the type is none of these.
pub fn value(type_id: u8, value: &Value) -> Result<Vec<u8>, Unwritable> {
    let wrong = Unwritable { field: "value" };
    let integer = |octets: usize| {
        let number = value.as_u64().ok_or(wrong.clone())?;
        fit(number, octets).ok_or(wrong.clone())
    };
    match type_id {
        0x08..=0x0F | 0x18..=0x27 => integer(usize::from(type_id & 7) + 1),
        0x10 => integer(1),
        0x28..=0x2F => {
            let octets = usize::from(type_id & 7) + 1;
            let number = match *value {
                Value::Signed(number) => number,
                ref other => other
                    .as_u64()
                    .and_then(|number| i64::try_from(number).ok())
                    .ok_or(wrong.clone())?,
            };
            let room = 64 - 8 * u32::try_from(octets).unwrap_or(8);
            if (number << room) >> room != number {
                return Err(wrong);
            }
            Ok(number.to_le_bytes().into_iter().take(octets).collect())
        }
        0x30 => integer(1),
        0x31 | 0xE8 | 0xE9 => integer(2),
        0xE2 => integer(4),
        0xF0 => integer(8),
        0x41 | 0x42 => {
            let octets: &[u8] = match value {
                Value::Null => return Ok(vec![0xFF]),
                Value::Text(text) => text.as_bytes(),
                Value::Octets(octets) => octets,
                _ => return Err(wrong),
            };
            let length = u8::try_from(octets.len())
                .ok()
                .filter(|length| *length < 0xFF);
            Ok([&[length.ok_or(wrong)?], octets].concat())
        }
        0xF1 => match value {
            Value::Octets(octets) if octets.len() == 16 => Ok(octets.clone()),
            _ => Err(wrong),
        },
        _ => Err(wrong),
    }
}

fn fit(number: u64, octets: usize) -> Option<Vec<u8>> {
    let wire = number.to_le_bytes();
    let (kept, over) = wire.split_at_checked(octets)?;
    over.iter().all(|octet| *octet == 0).then(|| kept.to_vec())
}

/// A global command to the other end of a cluster.
#[must_use]
pub fn global(tsn: u8, direction: Direction, command: u8, payload: &[u8]) -> Vec<u8> {
    let frame = Frame {
        frame_type: FrameType::Global,
        direction,
        disable_default_response: true,
        manufacturer: None,
        tsn,
        command,
        payload,
    };
    frame.to_octets()
}

/// A command of a cluster.
#[must_use]
pub fn cluster(tsn: u8, direction: Direction, command: u8, quiet: bool, payload: &[u8]) -> Vec<u8> {
    let frame = Frame {
        frame_type: FrameType::Cluster,
        direction,
        disable_default_response: quiet,
        manufacturer: None,
        tsn,
        command,
        payload,
    };
    frame.to_octets()
}

/// A request for attributes (2.5.1).
#[must_use]
pub fn read_attributes(tsn: u8, attributes: &[u16]) -> Vec<u8> {
    let payload: Vec<u8> = attributes.iter().flat_map(|id| id.to_le_bytes()).collect();
    global(tsn, Direction::ClientToServer, 0x00, &payload)
}

/// Attributes that answer a request (2.5.2); those without a value are not supported.
///
/// # Errors
/// When a value does not fit its type.
pub fn read_attributes_response(
    tsn: u8,
    records: &[(u16, Option<Attribute>)],
) -> Result<Vec<u8>, Unwritable> {
    let mut payload = Vec::new();
    for (id, found) in records {
        payload.extend(id.to_le_bytes());
        match found {
            Some(found) => {
                payload.extend([0, found.type_id]);
                payload.extend(value(found.type_id, &found.value)?);
            }
            None => payload.push(UNSUPPORTED_ATTRIBUTE),
        }
    }
    Ok(global(tsn, Direction::ServerToClient, 0x01, &payload))
}

/// The status of an attribute that a device does not have (2.6.3).
pub const UNSUPPORTED_ATTRIBUTE: u8 = 0x86;

/// Attributes that a server reports (2.5.11, command 0A) or a client writes (2.5.3, command 02).
///
/// # Errors
/// When a value does not fit its type.
pub fn attributes(
    tsn: u8,
    direction: Direction,
    command: u8,
    attributes: &[Attribute],
) -> Result<Vec<u8>, Unwritable> {
    let mut payload = Vec::new();
    for attribute in attributes {
        payload.extend(attribute.id.to_le_bytes());
        payload.push(attribute.type_id);
        payload.extend(value(attribute.type_id, &attribute.value)?);
    }
    Ok(global(tsn, direction, command, &payload))
}

/// How attributes are to be reported (2.5.7).
///
/// # Errors
/// When a change does not fit its type.
pub fn configure_reporting(tsn: u8, records: &[Reporting]) -> Result<Vec<u8>, Unwritable> {
    let mut payload = Vec::new();
    for record in records {
        payload.push(0);
        payload.extend(record.id.to_le_bytes());
        payload.push(record.type_id);
        payload.extend(record.min_s.to_le_bytes());
        payload.extend(record.max_s.to_le_bytes());
        if types::is_analogue(record.type_id) {
            payload.extend(value(record.type_id, &record.change)?);
        }
    }
    Ok(global(tsn, Direction::ClientToServer, 0x06, &payload))
}

/// The answer to a command that has none of its own (2.5.12).
#[must_use]
pub fn default_response(tsn: u8, direction: Direction, command: u8, status: u8) -> Vec<u8> {
    global(tsn, direction, 0x0B, &[command, status])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Reader;
    use crate::zigbee::zcl::Message;

    #[test]
    fn values_fit_or_are_refused() {
        assert_eq!(
            value(0x25, &Value::Unsigned(123_456)),
            Ok(vec![0x40, 0xE2, 1, 0, 0, 0])
        );
        assert_eq!(value(0x2A, &Value::Signed(-81)), Ok(vec![0xAF, 0xFF, 0xFF]));
        assert_eq!(value(0x29, &Value::Signed(-32_768)), Ok(vec![0x00, 0x80]));
        assert_eq!(
            value(0x42, &Value::Text("ab".into())),
            Ok(vec![2, b'a', b'b'])
        );
        assert!(value(0x20, &Value::Unsigned(256)).is_err());
        assert!(value(0x28, &Value::Signed(128)).is_err());
        assert!(value(0x39, &Value::Unsigned(1)).is_err());
    }

    #[test]
    fn what_is_written_is_read() {
        for (type_id, expected) in [
            (0x21_u8, Value::Unsigned(0xFFFE)),
            (0x2B, Value::Signed(-5)),
            (0x10, Value::Bool(true)),
            (0xF0, Value::ieee(0x0011_2233_4455_6677)),
            (0xE2, Value::Unsigned(700_000_000)),
        ] {
            let wire = value(type_id, &expected).expect("it fits");
            let read = types::value(&mut Reader::new(&wire), type_id, 0);
            assert_eq!(read, Ok(expected));
        }
    }

    #[test]
    fn reporting_is_asked_with_a_change_for_analogue_types_alone() {
        let power = Reporting {
            id: 0x050B,
            type_id: 0x29,
            min_s: 5,
            max_s: 300,
            change: Value::Signed(10),
        };
        let state = Reporting {
            id: 0,
            type_id: 0x10,
            min_s: 0,
            max_s: 300,
            change: Value::Null,
        };
        let wire = configure_reporting(9, &[power, state]).expect("it fits");
        let expected = [
            0x10, 9, 6, 0, 0x0B, 5, 0x29, 5, 0, 0x2C, 1, 10, 0, 0, 0, 0, 0x10, 0, 0, 0x2C, 1,
        ];
        assert_eq!(wire, expected);
        let message = Message::decode(0x0B04, &wire).expect("it is whole");
        assert_eq!(message.name, Some("ConfigureReporting"));
    }
}
