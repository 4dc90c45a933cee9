//! Public keys of the two curves as octets, whatever they are for.

use p256::elliptic_curve::sec1::ToEncodedPoint;

use super::ecdsa::WrongKey;

/// A point of P-256 (suite 1) or P-384 (suite 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PublicKey {
    P256(Box<p256::PublicKey>),
    P384(Box<p384::PublicKey>),
}

impl PublicKey {
    /// Both coordinates, 64 octets or 96, big endian, with or without the 04 of an uncompressed
    /// point in front.
    pub(super) fn from_octets(octets: &[u8]) -> Result<Self, WrongKey> {
        let point = match octets.len() {
            64 | 96 => [&[0x04], octets].concat(),
            _ => octets.to_vec(),
        };
        let key = match point.len() {
            65 => p256::PublicKey::from_sec1_bytes(&point).map(|key| Self::P256(Box::new(key))),
            97 => p384::PublicKey::from_sec1_bytes(&point).map(|key| Self::P384(Box::new(key))),
            _ => return Err(WrongKey),
        };
        key.map_err(|_| WrongKey)
    }

    /// Both coordinates, big endian.
    pub(super) fn to_octets(&self) -> Vec<u8> {
        let mut point = match self {
            Self::P256(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.to_encoded_point(false).as_bytes().to_vec(),
        };
        // In front stands how the point is written.
        point.drain(..1);
        point
    }

    /// The security suite it belongs to.
    pub(super) const fn suite(&self) -> u8 {
        match self {
            Self::P256(_) => 1,
            Self::P384(_) => 2,
        }
    }
}
