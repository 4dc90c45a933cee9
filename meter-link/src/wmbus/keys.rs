//! Keys of meters: by their number, and those that are tried for every other meter.

use std::collections::HashMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::key::{KeyError, octets};
use crate::mbus::Identification;

/// The key of a meter. `Debug` says which cipher it is for and nothing else.
#[derive(Clone)]
pub struct MeterKey(Zeroizing<Vec<u8>>);

impl MeterKey {
    /// Reads 32 hex digits (AES-128) or 16 (DES, security modes 2 and 3).
    ///
    /// # Errors
    /// [`KeyError`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let octets = Zeroizing::new(octets(text.trim()).ok_or(KeyError)?);
        matches!(octets.len(), 8 | 16)
            .then_some(Self(octets))
            .ok_or(KeyError)
    }

    /// The key, if it is one for AES-128.
    #[must_use]
    pub fn aes(&self) -> Option<&[u8; 16]> {
        self.0.as_slice().try_into().ok()
    }

    /// The octets, 8 or 16.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The key, if it is one for DES.
    #[must_use]
    pub fn des(&self) -> Option<&[u8; 8]> {
        self.0.as_slice().try_into().ok()
    }
}

impl fmt::Debug for MeterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeterKey({} octets)", self.0.len())
    }
}

/// All keys that are known.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    own: HashMap<Identification, Vec<MeterKey>>,
    any: Vec<MeterKey>,
    /// Tried when there is no other.
    fallback: Vec<MeterKey>,
}

impl KeyRing {
    /// Adds the key of a meter, by its own number or that of its radio.
    pub fn insert(&mut self, meter: Identification, key: MeterKey) {
        self.own.entry(meter).or_default().push(key);
    }

    /// Adds a key that is tried for every meter without one of its own.
    pub fn insert_for_all(&mut self, key: MeterKey) {
        self.any.push(key);
    }

    /// Sets the keys that are tried when there is no other: those that a maker gives all meters.
    pub fn set_fallback(&mut self, keys: &[MeterKey]) {
        self.fallback = keys.to_vec();
    }

    /// True when this number has a key of its own.
    #[must_use]
    pub fn has(&self, meter: Identification) -> bool {
        self.own.contains_key(&meter)
    }

    /// The keys for a meter that is known by any of these numbers.
    #[must_use]
    pub fn of(&self, numbers: &[Identification]) -> &[MeterKey] {
        let keys = numbers
            .iter()
            .find_map(|number| self.own.get(number))
            .map_or(self.any.as_slice(), Vec::as_slice);
        if keys.is_empty() {
            &self.fallback
        } else {
            keys
        }
    }
}
