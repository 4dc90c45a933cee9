//! The Zigbee Cluster Library (07-5123 revision 8) and the Smart Energy profile (07-5356 19):
//! frames, data types, global commands, and the commands of clusters.
//!
//! [`Frame`] reads and writes the header (2.4.1). [`Message::decode`] reads a whole APS payload:
//! global commands from [`global`], cluster commands by the tables in [`clusters`].
//!
//! ```
//! use han::zigbee::zcl::Message;
//! // A meter reports 1.234567 million raw units delivered.
//! let octets = [0x18, 62, 0x0A, 0, 0, 0x25, 0x87, 0xD6, 0x12, 0, 0, 0];
//! let message = Message::decode(0x0702, &octets)?;
//! assert_eq!(message.name, Some("ReportAttributes"));
//! # Ok::<(), han::zigbee::zcl::ZclError>(())
//! ```

pub mod clusters;
pub mod global;
pub mod types;
pub mod write;

use crate::layout::{Reader, Truncated, Unwritable, write};
use crate::value::Record;

/// Why a payload gives no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZclError {
    /// It ends within a field that must be there.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A frame type that the library reserves.
    #[error("frame type {0} is reserved")]
    FrameType(u8),
    /// A value of a data type that nobody defines, so that nothing after it can be read.
    #[error("data type {type_id:02x} of attribute {attribute:04x} is not defined")]
    DataType {
        /// The attribute.
        attribute: u16,
        /// Its type.
        type_id: u8,
    },
    /// Collections within collections, deeper than any device has.
    #[error("collections nest deeper than {0}")]
    TooDeep(usize),
}

/// Which end of a cluster sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the end that uses the cluster.
    ClientToServer,
    /// From the end that has its attributes.
    ServerToClient,
}

/// Whether a command belongs to every cluster or to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// Reading, writing, reporting and discovering attributes.
    Global,
    /// A command of its cluster.
    Cluster,
}

/// A frame with its payload unread (2.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whose command it is.
    pub frame_type: FrameType,
    /// Which end sent it.
    pub direction: Direction,
    /// No answer is wanted when all went well.
    pub disable_default_response: bool,
    /// The maker who defines the command or the attributes, if the library does not.
    pub manufacturer: Option<u16>,
    /// The number that request and answer have in common.
    pub tsn: u8,
    /// The command.
    pub command: u8,
    /// What follows the header.
    pub payload: &'a [u8],
}

const MANUFACTURER_SPECIFIC: u8 = 0x04;
const FROM_SERVER: u8 = 0x08;
const DISABLE_DEFAULT_RESPONSE: u8 = 0x10;

impl<'a> Frame<'a> {
    /// Reads the header of an APS payload.
    ///
    /// # Errors
    /// When it ends within the header, or its frame type is reserved.
    pub fn parse(octets: &'a [u8]) -> Result<Self, ZclError> {
        let mut reader = Reader::new(octets);
        let control = octet(&mut reader, "frame control")?;
        let frame_type = match control & 0x03 {
            0 => FrameType::Global,
            1 => FrameType::Cluster,
            reserved => return Err(ZclError::FrameType(reserved)),
        };
        let manufacturer = if control & MANUFACTURER_SPECIFIC == 0 {
            None
        } else {
            Some(id16(&mut reader, "manufacturer")?)
        };
        Ok(Self {
            frame_type,
            direction: if control & FROM_SERVER == 0 {
                Direction::ClientToServer
            } else {
                Direction::ServerToClient
            },
            disable_default_response: control & DISABLE_DEFAULT_RESPONSE != 0,
            manufacturer,
            tsn: octet(&mut reader, "tsn")?,
            command: octet(&mut reader, "command")?,
            payload: reader.take_rest(),
        })
    }

    /// The frame as an APS payload.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let mut control = match self.frame_type {
            FrameType::Global => 0,
            FrameType::Cluster => 1,
        };
        if self.direction == Direction::ServerToClient {
            control |= FROM_SERVER;
        }
        if self.disable_default_response {
            control |= DISABLE_DEFAULT_RESPONSE;
        }
        let mut octets = vec![control];
        if let Some(manufacturer) = self.manufacturer {
            octets = vec![control | MANUFACTURER_SPECIFIC];
            octets.extend(manufacturer.to_le_bytes());
        }
        octets.extend([self.tsn, self.command]);
        octets.extend_from_slice(self.payload);
        octets
    }
}

/// A frame and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Message<'a> {
    /// Its header.
    pub frame: Frame<'a>,
    /// The name of its command, if a table knows it.
    pub name: Option<&'static str>,
    /// Its fields in order; none when the command is not known.
    pub fields: Record,
    /// Octets after a complete command: later revisions append fields.
    pub extra: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads an APS payload of a cluster.
    ///
    /// The commands that a maker defines for himself are not read, nor those that no table knows:
    /// they have no name, and all their octets are in the frame's payload.
    ///
    /// # Errors
    /// When it is cut off or not a frame, or an attribute's type is not defined.
    pub fn decode(cluster: u16, octets: &'a [u8]) -> Result<Self, ZclError> {
        let frame = Frame::parse(octets)?;
        let mut reader = Reader::new(frame.payload);
        let (name, fields) = match frame.frame_type {
            FrameType::Global => global::decode(frame.command, cluster, &mut reader)?,
            FrameType::Cluster if frame.manufacturer.is_some() => Default::default(),
            FrameType::Cluster => {
                match clusters::command(cluster, frame.direction, frame.command) {
                    Some(command) => (Some(command.name), reader.record(command.fields)?),
                    None => Default::default(),
                }
            }
        };
        let extra = if name.is_some() { reader.rest() } else { &[] };
        Ok(Self {
            frame,
            name,
            fields,
            extra,
        })
    }
}

/// The payload of a cluster command with these fields.
///
/// # Errors
/// When a field is missing or does not fit, or no table knows the command.
pub fn write_command(
    cluster: u16,
    direction: Direction,
    command: u8,
    fields: &Record,
) -> Result<Vec<u8>, Unwritable> {
    let command = clusters::command(cluster, direction, command);
    let command = command.ok_or(Unwritable { field: "command" })?;
    let mut payload = Vec::new();
    write(command.fields, fields, &mut payload)?;
    Ok(payload)
}

fn octet(reader: &mut Reader<'_>, field: &'static str) -> Result<u8, Truncated> {
    let octets = reader.octets(1, field)?;
    Ok(octets.first().copied().unwrap_or_default())
}

fn id16(reader: &mut Reader<'_>, field: &'static str) -> Result<u16, Truncated> {
    let octets = reader.octets(2, field)?;
    Ok(u16::from_le_bytes(octets.try_into().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Value;

    fn decode(cluster: u16, octets: &[u8]) -> Message<'_> {
        Message::decode(cluster, octets).expect("it is a message")
    }

    #[test]
    fn a_price_is_read_and_written() {
        let octets = [
            0x19, 0x00, 0x00, 0x78, 0x56, 0x34, 0x12, 0x08, b'O', b'f', b'f', b'-', b'P', b'e',
            b'a', b'k', 0x00, 0xA0, 0xC1, 0x2E, 0x00, 0xA0, 0xC1, 0x2E, 0x00, 0xD2, 0x03, 0x22,
            0x42, 0x3C, 0xA0, 0xC1, 0x2E, 0x0F, 0x00, 0x8C, 0x12, 0x00, 0x00, 0xFF, 0xFF, 0xFF,
            0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00,
        ];
        let message = decode(0x0700, &octets);
        assert_eq!(message.name, Some("PublishPrice"));
        let number = |name: &str| message.fields.number(name);
        assert_eq!(
            (number("currency"), number("price")),
            (Some(978), Some(0x128C))
        );
        assert_eq!(
            (number("trailing_digit"), number("price_tier")),
            (Some(2), Some(2))
        );
        assert_eq!(number("duration_min"), Some(15));
        let direction = Direction::ServerToClient;
        let payload = write_command(0x0700, direction, 0, &message.fields);
        assert_eq!(payload.as_deref(), Ok(message.frame.payload));
        assert_eq!(message.frame.to_octets(), octets);
        // The alternate cost comes whole or not at all.
        let without = octets.get(..octets.len() - 8).unwrap_or_default();
        assert!(Message::decode(0x0700, without).is_ok());
        let part = octets.get(..octets.len() - 3).unwrap_or_default();
        assert!(matches!(
            Message::decode(0x0700, part),
            Err(ZclError::Truncated(_))
        ));
    }

    #[test]
    fn commands_of_makers_and_unknown_ones_keep_their_octets() {
        let own = decode(0x0006, &[0x05, 0x7C, 0x11, 9, 0x01, 7]);
        assert_eq!((own.name, own.frame.payload), (None, &[7][..]));
        assert_eq!(own.frame.manufacturer, Some(0x117C));
        let unknown = decode(0xFC03, &[0x01, 9, 0x33, 7]);
        assert_eq!((unknown.name, unknown.fields.is_empty()), (None, true));
        let longer = decode(0x0004, &[0x01, 9, 2, 0, 0]);
        assert_eq!(
            (longer.name, longer.extra),
            (Some("GetGroupMembership"), &[0][..])
        );
        let wrong = Message::decode(0x0006, &[0x03, 1, 2]);
        assert_eq!(wrong, Err(ZclError::FrameType(3)));
    }

    #[test]
    fn setpoints_are_signed() {
        let octets = [
            0x19, 0x16, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x3C, 0, 3, 0xFF, 0x0F, 0, 0x80, 0,
            0x80, 0xEC, 0, 3,
        ];
        let message = decode(0x0701, &octets);
        let field = |name: &str| message.fields.field(name);
        assert_eq!(field("cooling_setpoint"), Some(&Value::Signed(-32_768)));
        assert_eq!(field("average_load_adjustment"), Some(&Value::Signed(-20)));
        for length in 0..octets.len() {
            let short = octets.get(..length).unwrap_or_default();
            assert!(Message::decode(0x0701, short).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(
            cluster in prop_oneof![
                Just(0x0000_u16), Just(0x0004), Just(0x0019), Just(0x0500), Just(0x0700),
                Just(0x0701), Just(0x0702), Just(0x0703), Just(0x0704), Just(0x0800), any::<u16>(),
            ],
            octets in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = Message::decode(cluster, &octets);
        }
    }
}
