//! Keys of a powerline network from what people type (HomePlug AV 1.1, 7.10.7 and 4.4.3.1).

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Salt and rounds of the key derivation, PBKDF1 with SHA-256.
const NMK_SALT: [u8; 8] = [0x08, 0x85, 0x6D, 0xAF, 0x7C, 0xF5, 0x81, 0x86];
const DAK_SALT: [u8; 8] = [0x08, 0x85, 0x6D, 0xAF, 0x7C, 0xF5, 0x81, 0x85];
const KEY_ROUNDS: u32 = 1000;
const NID_ROUNDS: u32 = 5;

/// A key of 16 octets. It never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey(Zeroizing<[u8; 16]>);

impl NetworkKey {
    /// A key as it stands in a message.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Its octets, for whoever has a reason to see them.
    #[must_use]
    pub fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey(..)")
    }
}

/// How stations may join a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityLevel {
    /// With the push button or the password.
    #[default]
    SimpleConnect,
    /// Only with the password.
    Secure,
}

/// What in a password HomePlug does not foresee. Adapters take it all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusualPassword {
    /// Fewer than 8 or more than 64 characters.
    #[error("a password has 8 to 64 characters, this one {0}")]
    Length(usize),
    /// A character that is not printable ASCII.
    #[error("character {0} is not printable ASCII")]
    Character(usize),
}

/// Says what in a password not every adapter will take.
///
/// # Errors
/// When it is unusual.
pub fn check_password(password: &str) -> Result<(), UnusualPassword> {
    let strange = password
        .chars()
        .position(|character| !matches!(character, ' '..='~'));
    if let Some(index) = strange {
        return Err(UnusualPassword::Character(index + 1));
    }
    match password.len() {
        8..=64 => Ok(()),
        length => Err(UnusualPassword::Length(length)),
    }
}

/// The network membership key (NMK) of a network's password.
#[must_use]
pub fn network_membership_key(password: &str) -> NetworkKey {
    derive(password, NMK_SALT)
}

/// The device access key (DAK) of the password on a device's label.
#[must_use]
pub fn device_access_key(password: &str) -> NetworkKey {
    derive(password, DAK_SALT)
}

/// The network identifier (NID) that follows from a key.
///
/// ```
/// use han::homeplug::keys::{SecurityLevel, network_identifier, network_membership_key};
/// let key = network_membership_key("HomePlugAV");
/// let nid = network_identifier(&key, SecurityLevel::SimpleConnect);
/// assert_eq!(nid, [0xB0, 0xF2, 0xE6, 0x95, 0x66, 0x6B, 0x03]);
/// ```
#[must_use]
pub fn network_identifier(key: &NetworkKey, level: SecurityLevel) -> [u8; 7] {
    let hash = hashed(key.octets(), &[], NID_ROUNDS);
    let mut nid: [u8; 7] = hash.first_chunk().copied().unwrap_or_default();
    if let Some(last) = nid.last_mut() {
        *last >>= 4;
        *last |= match level {
            SecurityLevel::SimpleConnect => 0,
            SecurityLevel::Secure => 1 << 4,
        };
    }
    nid
}

fn derive(password: &str, salt: [u8; 8]) -> NetworkKey {
    let hash = hashed(password.as_bytes(), &salt, KEY_ROUNDS);
    NetworkKey::new(hash.first_chunk().copied().unwrap_or_default())
}

fn hashed(octets: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<[u8; 32]> {
    let first = Sha256::new().chain_update(octets).chain_update(salt);
    let mut hash = Zeroizing::new(<[u8; 32]>::from(first.finalize()));
    for _ in 1..rounds {
        *hash = Sha256::digest(*hash).into();
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_equal_those_of_open_plc_utils() {
        // hpavkey -M HomePlugAV
        let key = network_membership_key("HomePlugAV");
        let expected = 0x50D3_E493_3F85_5B70_4078_4DF8_15AA_8DB7_u128;
        assert_eq!(*key.octets(), expected.to_be_bytes());
        // hpavkey -D, -N -L 1: HomePlugAV0123
        let dak = device_access_key("HomePlugAV0123");
        let expected = 0xF084_B4E8_F606_9FF1_300C_9BDB_8123_67FF_u128;
        assert_eq!(*dak.octets(), expected.to_be_bytes());
        let key = network_membership_key("HomePlugAV0123");
        let nid = network_identifier(&key, SecurityLevel::Secure);
        assert_eq!(nid, [0x02, 0x6B, 0xCB, 0xA5, 0x35, 0x4E, 0x18]);
    }

    #[test]
    fn unusual_passwords_are_named_and_keys_never_printed() {
        assert_eq!(check_password("short"), Err(UnusualPassword::Length(5)));
        assert_eq!(
            check_password("Zählerschrank"),
            Err(UnusualPassword::Character(2))
        );
        assert_eq!(check_password("Zaehlerschrank-7"), Ok(()));
        let shown = format!("{:?}", network_membership_key("HomePlugAV"));
        assert_eq!(shown, "NetworkKey(..)");
    }
}
