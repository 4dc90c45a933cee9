//! Install codes: what stands on a device's label and gives the key with which it joins (Zigbee
//! Base Device Behavior 13-0402, 10.1; Smart Energy 07-5356, 5.4.8.1).

use std::fmt;

use zeroize::Zeroizing;

use super::mmo::matyas_meyer_oseas;

/// Octets of a code with its check sequence.
const LENGTHS: [usize; 4] = [8, 10, 14, 18];

/// A code whose check sequence is right.
#[derive(Clone, PartialEq, Eq)]
pub struct InstallCode(Zeroizing<Vec<u8>>);

/// Why a code is refused; says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstallCodeError {
    /// A character is no hex digit.
    #[error("character {0} is none of 0 to 9 and A to F: read the code again")]
    Malformed(usize),
    /// It has too many or too few digits.
    #[error("a code has 16, 20, 28 or 36 digits, this one {0}: digits are missing or too many")]
    Length(usize),
    /// Its check sequence is wrong.
    #[error("a digit is wrong: read the code again, 8 and B, 0 and D, 5 and 6 look alike")]
    Checksum,
}

impl InstallCode {
    /// Reads a code as people type it: in either case, with blanks, dashes and colons.
    ///
    /// # Errors
    /// When it is not a code or its check sequence is wrong.
    pub fn parse(text: &str) -> Result<Self, InstallCodeError> {
        let mut digits = Zeroizing::new(Vec::with_capacity(36));
        for (index, character) in text.trim().chars().enumerate() {
            match character.to_digit(16) {
                Some(digit) if digits.len() < 64 => digits.push(u8::try_from(digit).unwrap_or(0)),
                Some(_) => return Err(InstallCodeError::Length(text.chars().count())),
                None if matches!(character, ' ' | '-' | ':' | '\t') => {}
                None => return Err(InstallCodeError::Malformed(index + 1)),
            }
        }
        let (pairs, odd) = digits.as_chunks::<2>();
        let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        let octets = Zeroizing::new(octets);
        if !odd.is_empty() || !LENGTHS.contains(&octets.len()) {
            return Err(InstallCodeError::Length(digits.len()));
        }
        let (code, check) = octets.split_at(octets.len() - 2);
        if crc_x25(code).to_le_bytes() != check {
            return Err(InstallCodeError::Checksum);
        }
        Ok(Self(octets))
    }

    /// How many octets it has without the check sequence.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len() - 2
    }

    /// Its octets with the check sequence.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The link key that follows from it.
    #[must_use]
    pub fn link_key(&self) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(matyas_meyer_oseas(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for InstallCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallCode(..)")
    }
}

/// CRC-16/X-25, as in IEEE 802.15.4's relatives: reflected, from FFFF, inverted.
fn crc_x25(octets: &[u8]) -> u16 {
    let mut crc = 0xFFFF_u16;
    for &octet in octets {
        crc ^= u16::from(octet);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ 0x8408
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_code_gives_the_published_key() {
        // Base Device Behavior 13-0402, 10.1.2.
        let code = InstallCode::parse("83FE D340 7A93 9723 A5C6 39B2 6916 D505 C3B5");
        let key = code.map(|code| u128::from_be_bytes(*code.link_key()));
        assert_eq!(key, Ok(0x66B6_9009_81E1_EE3C_A420_6B6B_861C_02BB));
    }

    #[test]
    fn mistakes_are_told_apart() {
        let wrong = InstallCode::parse("83fed3407a939723a5c639b26916d505c3b6");
        assert_eq!(wrong, Err(InstallCodeError::Checksum));
        let short = InstallCode::parse("83FED3407A939723A5C639B26916D505C3");
        assert_eq!(short, Err(InstallCodeError::Length(34)));
        let strange = InstallCode::parse("83FED34O");
        assert_eq!(strange, Err(InstallCodeError::Malformed(8)));
    }
}
