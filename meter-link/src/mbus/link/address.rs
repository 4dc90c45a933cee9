//! Secondary addresses and patterns of them (EN 13757-3, clause 11.3).

use std::fmt;
use std::str::FromStr;

use crate::mbus::DeviceAddress;

/// A slave's secondary address: identification number, manufacturer, version and device type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecondaryAddress {
    /// Eight digits as sent, the lowest two in the first byte.
    pub identification: [u8; 4],
    /// Manufacturer as sent.
    pub manufacturer: [u8; 2],
    /// Version.
    pub version: u8,
    /// Device type (medium).
    pub device_type: u8,
}

impl SecondaryAddress {
    /// The first eight bytes of a long header (CI 72).
    #[must_use]
    pub fn from_header(header: &[u8]) -> Option<Self> {
        let [i0, i1, i2, i3, m0, m1, version, device_type, ..] = *header else {
            return None;
        };
        Some(Self {
            identification: [i0, i1, i2, i3],
            manufacturer: [m0, m1],
            version,
            device_type,
        })
    }
}

impl From<DeviceAddress> for SecondaryAddress {
    fn from(address: DeviceAddress) -> Self {
        Self {
            identification: address.identification.0,
            manufacturer: address.manufacturer.0.to_le_bytes(),
            version: address.version,
            device_type: address.device_type.0,
        }
    }
}

/// A pattern of secondary addresses: digits of the identification number may be left open, and
/// manufacturer, version and device type as a whole.
///
/// It is written `12FFFFFF`, or in full `12FFFFFF-KAM-1B-04` with `*` for what is open.
///
/// ```
/// use meter_link::mbus::link::Pattern;
/// let pattern: Pattern = "1234FFFF-*-*-07".parse().map_err(|()| "no pattern")?;
/// assert_eq!(pattern.to_bytes(), [0xFF, 0xFF, 0x34, 0x12, 0xFF, 0xFF, 0xFF, 0x07]);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Digits from the highest on; `None` matches any.
    digits: [Option<u8>; 8],
    manufacturer: Option<[u8; 2]>,
    version: Option<u8>,
    device_type: Option<u8>,
}

/// Nothing given: every slave.
impl Default for Pattern {
    fn default() -> Self {
        Self {
            digits: [None; 8],
            manufacturer: None,
            version: None,
            device_type: None,
        }
    }
}

impl From<SecondaryAddress> for Pattern {
    fn from(address: SecondaryAddress) -> Self {
        let mut digits = [None; 8];
        let sent = address.identification.iter().rev();
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(sent) {
            *pair = [byte >> 4, byte & 0x0F].map(|digit| (digit != 0x0F).then_some(digit));
        }
        Self {
            digits,
            manufacturer: Some(address.manufacturer),
            version: Some(address.version),
            device_type: Some(address.device_type),
        }
    }
}

impl Pattern {
    /// The eight bytes behind CI 52.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 8] {
        let digit = |digit: Option<u8>| digit.unwrap_or(0x0F);
        let mut bytes = [0xFF; 8];
        let pairs = self.digits.as_chunks::<2>().0.iter().rev();
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high) << 4 | digit(*low);
        }
        let [_, _, _, _, m0, m1, version, device_type] = &mut bytes;
        if let Some([low, high]) = self.manufacturer {
            (*m0, *m1) = (low, high);
        }
        *version = self.version.unwrap_or(0xFF);
        *device_type = self.device_type.unwrap_or(0xFF);
        bytes
    }

    /// True when the bytes of a selection (CI 52) match an address, as a slave judges it.
    #[must_use]
    pub fn selects(selection: &[u8; 8], address: &SecondaryAddress) -> bool {
        let [i0, i1, i2, i3, m0, m1, version, device_type] = *selection;
        let nibbles = |wanted: u8, own: u8| {
            [4, 0].into_iter().all(|shift| {
                let digit = wanted >> shift & 0x0F;
                digit == 0x0F || digit == own >> shift & 0x0F
            })
        };
        let own = address.identification;
        let numbers = [i0, i1, i2, i3].into_iter().zip(own);
        let byte = |wanted: u8, own: u8| wanted == 0xFF || wanted == own;
        numbers
            .into_iter()
            .all(|(wanted, own)| nibbles(wanted, own))
            && ([m0, m1] == [0xFF, 0xFF] || [m0, m1] == address.manufacturer)
            && byte(version, address.version)
            && byte(device_type, address.device_type)
    }

    /// The patterns that together match what this one matches, one open place less: the highest
    /// open digit first, then the device type, then the version. Empty when nothing is open that
    /// could be gone through.
    #[must_use]
    pub fn refine(&self) -> Vec<Self> {
        if let Some(place) = self.digits.iter().position(Option::is_none) {
            let with = |digit: u8| {
                let mut digits = self.digits;
                if let Some(slot) = digits.get_mut(place) {
                    *slot = Some(digit);
                }
                Self { digits, ..*self }
            };
            return (0..=9).map(with).collect();
        }
        if self.device_type.is_none() {
            // The types that EN 13757-3, table 13 assigns or reserves up to 3F.
            let with = |device_type| Self {
                device_type: Some(device_type),
                ..*self
            };
            return (0..=0x3F).map(with).collect();
        }
        if self.version.is_none() {
            let with = |version| Self {
                version: Some(version),
                ..*self
            };
            return (0..=0xFE).map(with).collect();
        }
        Vec::new()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in self.digits {
            write!(f, "{:X}", digit.unwrap_or(0x0F))?;
        }
        if self.manufacturer.is_none() && self.version.is_none() && self.device_type.is_none() {
            return Ok(());
        }
        match self.manufacturer.map(u16::from_le_bytes) {
            None => write!(f, "-*")?,
            Some(code) => {
                f.write_str("-")?;
                for shift in [10, 5, 0] {
                    let letter = u8::try_from(code >> shift & 0x1F).unwrap_or_default() + 64;
                    write!(f, "{}", char::from(letter))?;
                }
            }
        }
        for part in [self.version, self.device_type] {
            match part {
                None => write!(f, "-*")?,
                Some(byte) => write!(f, "-{byte:02X}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Pattern {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse(text).ok_or(())
    }
}

fn parse(text: &str) -> Option<Pattern> {
    let mut parts = text.split('-');
    let number = parts.next()?;
    let mut digits = [None; 8];
    if number.chars().count() != digits.len() {
        return None;
    }
    for (slot, c) in digits.iter_mut().zip(number.chars()) {
        *slot = match c {
            'F' | 'f' | '*' => None,
            c => Some(u8::try_from(c.to_digit(10)?).ok()?),
        };
    }
    let manufacturer = match parts.next() {
        None | Some("*") => None,
        Some(letters) => Some(maker(letters)?),
    };
    let mut byte = || match parts.next() {
        None | Some("*") => Some(None),
        Some(hex) => u8::from_str_radix(hex, 16).ok().map(Some),
    };
    let (version, device_type) = (byte()?, byte()?);
    parts.next().is_none().then_some(Pattern {
        digits,
        manufacturer,
        version,
        device_type,
    })
}

/// Three letters as EN 62056-21 codes them.
fn maker(letters: &str) -> Option<[u8; 2]> {
    if letters.len() != 3 {
        return None;
    }
    let code = letters.bytes().try_fold(0u16, |code, letter| {
        letter
            .is_ascii_uppercase()
            .then(|| code << 5 | u16::from(letter - 64))
    })?;
    Some(code.to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLAVE: SecondaryAddress = SecondaryAddress {
        identification: [0x78, 0x56, 0x34, 0x12],
        manufacturer: [0x2D, 0x2C],
        version: 0x1B,
        device_type: 0x04,
    };

    #[test]
    fn texts_there_and_back() {
        for text in [
            "12345678",
            "12FFFFFF",
            "12345678-KAM-1B-04",
            "FFFFFFFF-*-1B-*",
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), text);
            assert!(Pattern::selects(&pattern.to_bytes(), &SLAVE), "{text}");
        }
        for text in [
            "",
            "1234567",
            "1234567G",
            "12345678-K-1-2",
            "12345678-KAM-1B-04-1",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        assert_eq!(Pattern::from(SLAVE).to_string(), "12345678-KAM-1B-04");
    }

    #[test]
    fn what_differs_is_not_selected() {
        for text in [
            "22FFFFFF",
            "12345679",
            "12345678-ELS-*-*",
            "FFFFFFFF-*-1C-*",
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert!(!Pattern::selects(&pattern.to_bytes(), &SLAVE), "{text}");
        }
    }

    #[test]
    fn refinements_part_what_they_come_from() {
        let mut pattern = Pattern::default();
        let mut depth = 0;
        while let Some(next) = pattern
            .refine()
            .into_iter()
            .find(|next| Pattern::selects(&next.to_bytes(), &SLAVE))
        {
            let others = pattern.refine();
            let matching = others
                .iter()
                .filter(|other| Pattern::selects(&other.to_bytes(), &SLAVE));
            assert_eq!(matching.count(), 1);
            (pattern, depth) = (next, depth + 1);
        }
        assert_eq!(depth, 10);
    }
}
