//! Values, tokens and settings of the coprocessor.

use han::{Record, Value};

use super::commands::UNKNOWN_ID;
use super::ncp::Ncp;

impl Ncp {
    pub(super) fn set_value(&mut self, fields: &Record) {
        // The network's outgoing frame counter, before it is formed.
        if let (Some(0x23), Some(Value::Octets(octets))) =
            (fields.number("value_id"), fields.field("value"))
            && let Ok(octets) = octets.as_slice().try_into()
        {
            self.next_counter = u32::from_le_bytes(octets);
        }
    }

    pub(super) fn value(&self, id: u8) -> Record {
        let (major, minor) = self.firmware();
        let value = match id {
            0x11 => vec![0, 0, major, minor, 2, 0, 0xAA],
            0x03 => vec![200, 0],
            0x0C => vec![0, 0],
            0x23 => self
                .network
                .as_ref()
                .map_or(0, |network| network.frame_counter)
                .to_le_bytes()
                .to_vec(),
            0x24 => vec![0; 4],
            _ => {
                return self
                    .code(UNKNOWN_ID)
                    .with("value", Value::Octets(Vec::new()));
            }
        };
        self.status(0).with("value", Value::Octets(value))
    }
}

/// What the maker has written: nothing but the names.
pub(super) fn token(id: u8) -> Vec<u8> {
    let padded = |text: &str| {
        let mut octets = text.as_bytes().to_vec();
        octets.resize(16, 0);
        octets
    };
    match id {
        0x01 => padded("wattle"),
        0x02 => padded("simulated stick"),
        0x00 => vec![0xFF; 8],
        _ => vec![0xFF; 16],
    }
}

pub(super) fn default_config(id: u8) -> Option<u16> {
    Some(match id {
        0x0D => 5,
        0x0C => 2,
        0x1E => 12,
        0x11 => 32,
        0x05 => 8,
        0x06 => 8,
        0x01 => 75,
        0x02 => 26,
        0x03 => 10,
        0x04 => 0,
        0x19 => 2,
        0x1A => 7,
        0x07 | 0x08 => 16,
        0x10 => 30,
        0x12 => 3000,
        0x13 => 8,
        0x17 | 0x18 | 0x1C..=0x29 | 0x2A..=0x40 => 0,
        _ => return None,
    })
}
