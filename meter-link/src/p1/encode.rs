//! What a meter sends: telegrams, and frames around them.

use super::cipher::{CipheredFrame, SystemTitle};
use crate::crc;
use crate::dlms::security::{Cipher, CipherError, SecurityControl};
use crate::key::Key;

/// A telegram with its CRC. `identification` stands behind the `/`; `lines` are the data lines
/// with their ends.
#[must_use]
pub fn telegram(identification: &str, lines: &str) -> Vec<u8> {
    let mut bytes = format!("/{identification}\r\n\r\n{lines}!").into_bytes();
    let check = crc::arc(&bytes);
    bytes.extend_from_slice(format!("{check:04X}\r\n").as_bytes());
    bytes
}

/// A telegram without CRC, as before DSMR 4.
#[must_use]
pub fn telegram_without_crc(identification: &str, lines: &str) -> Vec<u8> {
    format!("/{identification}\r\n\r\n{lines}!\r\n").into_bytes()
}

/// How a frame is ciphered.
#[derive(Clone, Copy, Debug)]
pub struct Ciphering<'a> {
    /// The sender's title, or none in the frame (`in_frame` false) but in the nonce.
    pub title: SystemTitle,
    /// Whether the frame carries the title.
    pub in_frame: bool,
    /// 30 encrypted and authenticated, 20 encrypted, 10 authenticated; suite in the low bits.
    pub security_control: u8,
    /// Counts up with every frame.
    pub invocation_counter: u32,
    /// Encryption key.
    pub key: &'a Key,
    /// Authentication key.
    pub auth_key: &'a Key,
}

/// A frame around `plaintext`.
///
/// # Errors
/// The key does not fit the suite, or the text is longer than a frame can be.
pub fn ciphered(plaintext: &[u8], with: &Ciphering<'_>) -> Result<Vec<u8>, CipherError> {
    let cipher = Cipher {
        encryption: with.key,
        authentication: with.auth_key,
    };
    let control = SecurityControl(with.security_control);
    let body = cipher
        .seal(control, with.title, with.invocation_counter, plaintext)?
        .to_vec();
    let mut frame = vec![CipheredFrame::TAG];
    if with.in_frame {
        frame.push(8);
        frame.extend_from_slice(&with.title);
    } else {
        frame.push(0);
    }
    let length =
        u16::try_from(body.len()).map_err(|_| CipherError::Unsupported("a text of this length"))?;
    frame.push(0x82);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}
