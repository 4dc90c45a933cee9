//! Protection of messages (IEC 62056-5-3, clause 5): security suites 0, 1 and 2.
//!
//! - [`Protected`] is what a ciphered message holds: security control, counter, content, tag;
//! - [`Cipher`] seals and opens it with an encryption and an authentication key;
//! - [`Keys`] are the keys of several senders, with the choice of what is taken without a tag;
//! - [`hls`] is the answer to a challenge by GMAC, [`ecdsa`] signs and checks signatures,
//!   [`key_wrap`] brings new keys, [`agreement`] finds keys that are never told;
//! - [`GeneralCipher`] seals and opens messages that tell their key;
//! - [`ReplayWindow`] refuses counters that do not rise.

pub mod agreement;
pub mod ecdsa;
mod gcm;
mod general;
pub mod hls;
pub mod key_wrap;
mod keys;
mod public_key;
mod replay;

pub(crate) use gcm::PreparedKey;
pub use gcm::{Cipher, CipherError, Protected, SecurityControl, TAG_LENGTH};
pub use general::{GeneralCipher, KeyChoice, RandomSource};
pub use keys::{KeyChain, Keys, Opened, Verdict};
pub use replay::ReplayWindow;

/// The eight octets that name a sender: three letters of its maker and a number.
pub type SystemTitle = [u8; 8];

/// A system title of 16 hex digits.
///
/// ```
/// use meter_link::dlms::security::parse_title;
/// assert_eq!(parse_title("4d4d4d0000bc614e"), Some(*b"MMM\0\0\xBCaN"));
/// assert_eq!(parse_title("4d4d4d"), None);
/// ```
#[must_use]
pub fn parse_title(text: &str) -> Option<SystemTitle> {
    crate::key::octets(text.trim())?.try_into().ok()
}
