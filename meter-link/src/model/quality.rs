//! How far a reading may be believed.

use serde::{Deserialize, Serialize};

/// What proved that the bytes of a message are the ones the meter sent.
///
/// A message whose check **fails** never yields a value, so there is no such variant.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The protocol carries no check, and parity was all there was.
    #[default]
    None,
    /// Known plaintext bytes came out of the decryption, which has no other check.
    KnownBytes,
    /// A block check character or arithmetic checksum of 8 bits.
    Checksum,
    /// A cyclic redundancy check of 16 bits or more.
    Crc,
    /// A message authentication code over the ciphertext (CMAC).
    Mac,
    /// The tag of an authenticated cipher (GCM, EAX', CCM*).
    Tag,
}

/// What the gateway thinks of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Quality {
    /// Sent by the meter and plausible.
    Measured,
    /// Sent by the meter and not believed, for instance a cumulative register that fell. It is
    /// stored as it came and enters no total.
    Suspect,
}
