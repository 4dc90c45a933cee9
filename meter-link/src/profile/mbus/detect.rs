//! Which meters a driver is for.

use super::error::DriverError;
use crate::key::octets;
use crate::mbus::{DeviceAddress, Manufacturer};

/// Maker, version and device type: `SEN,68,07`; a star is any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detect {
    manufacturer: Manufacturer,
    version: Option<u8>,
    device_type: u8,
}

impl Detect {
    pub(super) fn read(text: &str) -> Result<Self, DriverError> {
        let error = || DriverError::Value(text.to_owned(), "of the form MAN,VV,TT");
        let byte = |text: &str| -> Option<u8> {
            let octets = octets(text)?;
            let [byte] = *octets.as_slice() else {
                return None;
            };
            Some(byte)
        };
        let mut parts = text.split(',');
        let (Some(letters), Some(version), Some(device_type), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error());
        };
        Ok(Self {
            manufacturer: Manufacturer::from_letters(letters).ok_or_else(error)?,
            version: match version {
                "*" => None,
                version => Some(byte(version).ok_or_else(error)?),
            },
            device_type: byte(device_type).ok_or_else(error)?,
        })
    }

    pub(super) fn is(&self, address: DeviceAddress) -> bool {
        self.manufacturer == address.manufacturer
            && self.device_type == address.device_type.0
            && self
                .version
                .is_none_or(|version| version == address.version)
    }
}
