//! Who a meter is: maker, identification number, version and device type (EN 13757-3, clause 5).

use std::fmt;

/// The maker's three letters, five bits each (clause 5.5, FLAG association).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Manufacturer(pub u16);

impl Manufacturer {
    /// The maker of three capital letters.
    #[must_use]
    pub fn from_letters(letters: &str) -> Option<Self> {
        let letters = <[u8; 3]>::try_from(letters.as_bytes()).ok()?;
        letters.iter().all(u8::is_ascii_uppercase).then(|| {
            Self(
                letters
                    .iter()
                    .fold(0, |code, letter| code << 5 | u16::from(letter & 0x1F)),
            )
        })
    }

    /// The letters; codes that are none give characters between `@` and `_`.
    #[must_use]
    pub fn letters(self) -> [u8; 3] {
        [10, 5, 0].map(|shift| (self.0 >> shift & 0x1F).to_le_bytes()[0] | 0x40)
    }
}

impl fmt::Display for Manufacturer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters()
            .iter()
            .try_for_each(|&letter| write!(f, "{}", char::from(letter)))
    }
}

/// Eight digits that name a meter, as sent: least significant byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identification(pub [u8; 4]);

impl Identification {
    /// Reads eight hex digits, most significant first, as they are printed on a meter.
    #[must_use]
    pub fn from_digits(digits: &str) -> Option<Self> {
        let octets = crate::key::octets(digits)?;
        let mut octets = <[u8; 4]>::try_from(octets).ok()?;
        octets.reverse();
        Some(Self(octets))
    }
}

impl fmt::Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_le_bytes(self.0))
    }
}

/// What a device measures or is (clause 5.7, table 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceType(pub u8);

impl DeviceType {
    /// Its name in plain words.
    #[must_use]
    pub const fn medium(self) -> &'static str {
        match self.0 {
            0x00 => "other",
            0x01 => "oil",
            0x02 => "electricity",
            0x03 => "gas",
            0x04 => "heat",
            0x05 => "steam",
            0x06 => "warm water",
            0x07 => "water",
            0x08 => "heat cost allocation",
            0x09 => "compressed air",
            0x0A => "cooling load volume at outlet",
            0x0B => "cooling load volume at inlet",
            0x0C => "heat volume at inlet",
            0x0D => "heat/cooling load",
            0x0E => "bus/system component",
            0x0F => "unknown",
            0x15 => "hot water",
            0x16 => "cold water",
            0x17 => "hot/cold water",
            0x18 => "pressure",
            0x19 => "a/d converter",
            0x1A => "smoke detector",
            0x1B => "room sensor",
            0x1C => "gas detector",
            0x20 => "breaker",
            0x21 => "valve",
            0x25 => "customer unit (display device)",
            0x28 => "waste water",
            0x29 => "garbage",
            0x36 => "radio converter (system side)",
            0x37 => "radio converter (meter side)",
            0x10..=0x14 | 0x1D..=0x1F | 0x22..=0x24 | 0x26..=0x27 | 0x2A..=0x35 | 0x38..=0x3F => {
                "reserved"
            }
            _ => "unknown",
        }
    }

    /// True for meters of heat or cold, whose index is an energy.
    #[must_use]
    pub const fn is_heat(self) -> bool {
        matches!(self.0, 0x04 | 0x0A..=0x0D)
    }
}

/// A meter's or radio's full address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceAddress {
    /// Maker.
    pub manufacturer: Manufacturer,
    /// Identification number.
    pub identification: Identification,
    /// Version, a number of the maker's.
    pub version: u8,
    /// Device type.
    pub device_type: DeviceType,
}

impl DeviceAddress {
    /// The order of the link layer: M, identification, version, type.
    #[must_use]
    pub const fn from_link(octets: [u8; 8]) -> Self {
        let [m0, m1, i0, i1, i2, i3, version, device_type] = octets;
        Self {
            manufacturer: Manufacturer(u16::from_le_bytes([m0, m1])),
            identification: Identification([i0, i1, i2, i3]),
            version,
            device_type: DeviceType(device_type),
        }
    }

    /// The order of the long header: identification, M, version, type.
    #[must_use]
    pub const fn from_long_header(octets: [u8; 8]) -> Self {
        let [i0, i1, i2, i3, m0, m1, version, device_type] = octets;
        Self::from_link([m0, m1, i0, i1, i2, i3, version, device_type])
    }

    /// In the order of the link layer.
    #[must_use]
    pub const fn to_link(self) -> [u8; 8] {
        let [m0, m1] = self.manufacturer.0.to_le_bytes();
        let [i0, i1, i2, i3] = self.identification.0;
        [m0, m1, i0, i1, i2, i3, self.version, self.device_type.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_example() {
        // OMS Specification Volume 2, Annex N.2.1: ELS, 12345678, version 51, gas.
        let address = DeviceAddress::from_link([0x93, 0x15, 0x78, 0x56, 0x34, 0x12, 0x33, 0x03]);
        assert_eq!(address.manufacturer.to_string(), "ELS");
        assert_eq!(address.identification.to_string(), "12345678");
        assert_eq!(address.device_type.medium(), "gas");
        assert_eq!(
            Manufacturer::from_letters("ELS"),
            Some(address.manufacturer)
        );
        assert_eq!(
            Identification::from_digits("12345678"),
            Some(address.identification)
        );
        assert_eq!(DeviceAddress::from_link(address.to_link()), address);
    }
}
