//! The digest of TS 104 001, known as the OMA digest. It is broken; see the module.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Octets of a block; the last is filled up with zeros.
const BLOCK: usize = 144;
/// Octets of a digest, and of the state.
const STATE: usize = 8;
/// Octets of a key.
const KEY: usize = 12;

/// A digest.
pub type Digest = [u8; STATE];

/// The key of a digest. Its `Debug` does not show it.
#[derive(Clone)]
pub struct OmaKey(Zeroizing<[u8; KEY]>);

/// A text that is no key. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of the OSGP digest has 24 hex digits")]
pub struct OmaKeyError;

impl OmaKey {
    /// Reads 24 hex digits; outer white space is no part of them.
    ///
    /// # Errors
    /// [`OmaKeyError`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, OmaKeyError> {
        let octets = Zeroizing::new(crate::key::octets(text.trim()).ok_or(OmaKeyError)?);
        let octets: &[u8; KEY] = octets.as_slice().try_into().map_err(|_| OmaKeyError)?;
        Ok(Self(Zeroizing::new(*octets)))
    }
}

impl fmt::Debug for OmaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OmaKey(..)")
    }
}

/// The digest of a message.
///
/// Each bit of the key steers one step, in which an octet of the state takes in its neighbour, an
/// octet of the message, and the complement of itself and its place, rotated: to the left and added
/// for a one, to the right and taken away for a zero.
#[must_use]
pub fn digest(key: &OmaKey, message: &[u8]) -> Digest {
    let mut state = [0u8; STATE];
    for block in message.chunks(BLOCK) {
        let mut octets = block.iter().copied().chain(std::iter::repeat(0));
        for key_octet in key.0.iter().cycle().take(BLOCK / STATE) {
            // From place 7 down to 0; the neighbour of 7 is 0.
            let mut neighbour = state.first().copied().unwrap_or_default();
            for (place, own) in (0u8..8).zip(state.iter_mut()).rev() {
                let taken = neighbour.wrapping_add(octets.next().unwrap_or_default());
                let turned = !own.wrapping_add(place);
                *own = if key_octet >> (7 - place) & 1 == 1 {
                    taken.wrapping_add(turned.rotate_left(1))
                } else {
                    taken.wrapping_sub(turned.rotate_right(1))
                };
                neighbour = *own;
            }
        }
    }
    state
}

/// Whether `sent` is the digest of a message.
#[must_use]
pub fn verify(key: &OmaKey, message: &[u8], sent: &Digest) -> bool {
    digest(key, message).ct_eq(sent).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector published with osgp-oma-digest.
    #[test]
    fn the_published_vector() {
        let key = OmaKey::from_hex(&"df".repeat(12)).unwrap();
        let message = "0202003000037f30ea6d0000000d0020980031c30008000000000011";
        let message = crate::key::octets(message).unwrap();
        let want = [0xDB, 0xE5, 0xCD, 0xE5, 0x07, 0xB1, 0xCB, 0x3D];
        assert_eq!(digest(&key, &message), want);
        assert!(verify(&key, &message, &want));
        let mut changed = message.clone();
        changed[3] ^= 1;
        assert!(!verify(&key, &changed, &want));
        // Zeros at the end of a block change nothing: one of the digest's faults.
        assert!(verify(&key, &[&message[..], &[0; 4]].concat(), &want));
    }

    #[test]
    fn keys() {
        assert!(OmaKey::from_hex("00").is_err());
        let key = OmaKey::from_hex(&"5a".repeat(12)).unwrap();
        assert_eq!(format!("{key:?}"), "OmaKey(..)");
    }
}
