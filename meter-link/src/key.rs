//! Keys of ciphered meters: wiped from memory, never printed.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A key of 16, 24 or 32 octets.
///
/// Its `Debug` says how long it is and nothing else.
///
/// ```
/// use meter_link::key::Key;
/// let key = Key::from_hex("000102030405060708090A0B0C0D0E0F")?;
/// assert_eq!(format!("{key:?}"), "Key(16 octets)");
/// # Ok::<(), meter_link::key::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

/// Why a text is no key. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has 32, 48 or 64 hex digits")]
pub struct KeyError;

impl Key {
    /// Reads 32, 48 or 64 hex digits; outer white space is no part of them.
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let octets = Zeroizing::new(octets(text.trim()).ok_or(KeyError)?);
        matches!(octets.len(), 16 | 24 | 32)
            .then_some(Self(octets))
            .ok_or(KeyError)
    }

    /// A key of 16, 24 or 32 octets; `None` for any other number.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        matches!(octets.len(), 16 | 24 | 32).then(|| Self(Zeroizing::new(octets.to_vec())))
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// In a time that does not depend on where two keys differ.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} octets)", self.0.len())
    }
}

/// Octets in small hex digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Hex digits as octets; `None` for an odd number of them or anything else.
#[must_use]
pub fn octets(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let octet = |[high, low]: &[u8; 2]| u8::try_from(16 * digit(*high)? + digit(*low)?).ok();
    // The length is known, so that no part of a key is left behind in a smaller buffer.
    let mut octets = Vec::with_capacity(pairs.len());
    for pair in pairs {
        octets.push(octet(pair)?);
    }
    rest.is_empty().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_digits() {
        for (digits, right) in [
            (32, true),
            (48, true),
            (64, true),
            (0, false),
            (30, false),
            (33, false),
        ] {
            assert_eq!(
                Key::from_hex(&"a".repeat(digits)).is_ok(),
                right,
                "{digits}"
            );
        }
        let error = Key::from_hex(&"zz".repeat(16)).unwrap_err();
        assert!(!error.to_string().contains("zz"));
    }
}
