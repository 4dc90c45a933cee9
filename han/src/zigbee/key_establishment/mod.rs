//! Certificate-based key establishment (Smart Energy 07-5356 19, annex C): implicit certificates
//! (ECQV), key agreement (ECMQV with cofactor), key derivation and confirmation, in both suites, and
//! the [`Exchange`] of messages in which two devices come to a key.
//!
//! Certificates of production come from the alliance's authority alone; [`TestAuthority`] issues
//! such that only tests take. The arithmetic is not in constant time.

mod curve;
mod exchange;
mod identity;
mod refusal;

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::mmo::matyas_meyer_oseas;
use curve::{Curve, Number, Point, SECT163K1, SECT283K1};
pub use exchange::{Exchange, STEP_S, Step};
pub use identity::{Identity, Random, TestAuthority};
pub use refusal::Refusal;

/// A cryptographic suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// sect163k1, certificates of 48 octets.
    One,
    /// sect283k1, certificates of 74 octets.
    Two,
}

/// Why a key is not established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A public key or a certificate is no point of the curve, or has another length.
    #[error("the public key or certificate is no point of the suite's curve")]
    Point,
    /// A private key is 0 or not below the order.
    #[error("the private key is out of range")]
    Private,
    /// The keys agree on the point at infinity.
    #[error("the keys agree on nothing")]
    Infinity,
    /// A private key does not belong to the certificate beside it.
    #[error("the private key does not belong to the certificate, or the authority is another")]
    NotItsOwner,
    /// There are no random numbers to be had.
    #[error("there are no random numbers to be had")]
    Random,
}

/// One side's pair for one exchange or for life.
#[derive(Clone)]
pub struct KeyPair {
    private: Zeroizing<Vec<u8>>,
    public: Vec<u8>,
}

/// What two sides have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Zeroizing<Vec<u8>>);

/// The keys that follow from it.
#[derive(Clone, PartialEq, Eq)]
pub struct EstablishedKeys {
    /// Confirms the exchange.
    pub mac_key: Zeroizing<[u8; 16]>,
    /// Joins the two sides from then on.
    pub link_key: Zeroizing<[u8; 16]>,
}

/// Who confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirms {
    /// The side that began (MACU).
    Initiator,
    /// The side that answered (MACV).
    Responder,
}

/// A side as the other sees it.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// Its address for life.
    pub ieee: u64,
    /// Its ephemeral public key, compressed.
    pub ephemeral: &'a [u8],
}

impl Suite {
    const fn curve(self) -> &'static Curve {
        match self {
            Self::One => &SECT163K1,
            Self::Two => &SECT283K1,
        }
    }

    /// Octets of a compressed public key.
    #[must_use]
    pub const fn public_key_length(self) -> usize {
        self.curve().octets + 1
    }

    /// The public key of a certificate's owner (SEC 4, 3.5): the hash of the certificate times its
    /// point, and the authority's public key.
    ///
    /// # Errors
    /// When the certificate or the authority's key holds no point.
    pub fn public_key(self, certificate: &[u8], authority: &[u8]) -> Result<Vec<u8>, KeyError> {
        let curve = self.curve();
        let (length, at) = match self {
            Self::One => (48, 0),
            Self::Two => (74, 37),
        };
        if certificate.len() != length {
            return Err(KeyError::Point);
        }
        let point = certificate
            .get(at..at + self.public_key_length())
            .unwrap_or_default();
        let point = self.point(point)?;
        let hash = matyas_meyer_oseas(certificate).and_then(|hash| curve::number(&hash));
        let hash = hash.ok_or(KeyError::Point)?;
        let sum = curve.sum(
            &curve.times(&hash, &Some(point)),
            &Some(self.point(authority)?),
        );
        sum.map(|point| curve.compress(&point))
            .ok_or(KeyError::Infinity)
    }

    fn point(self, compressed: &[u8]) -> Result<(Number, Number), KeyError> {
        let curve = self.curve();
        let point = curve.decompress(compressed).ok_or(KeyError::Point)?;
        // A point of small order gives the private key away.
        match curve.times(&curve.order(), &Some(point)) {
            None => Ok(point),
            Some(_) => Err(KeyError::Point),
        }
    }

    fn private(self, octets: &[u8]) -> Result<Number, KeyError> {
        let number = curve::number(octets).filter(|number| self.curve().is_private(number));
        number.ok_or(KeyError::Private)
    }

    /// A pair of this private key.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn key_pair(self, private: &[u8]) -> Result<KeyPair, KeyError> {
        let curve = self.curve();
        let number = self.private(private)?;
        let public = curve
            .times(&number, &curve.base())
            .ok_or(KeyError::Infinity)?;
        Ok(KeyPair {
            private: Zeroizing::new(private.to_vec()),
            public: curve.compress(&public),
        })
    }

    /// What this side and the other agree on (SEC 1, 3.4): the x of s times the other's implicit
    /// point, s being this side's.
    ///
    /// # Errors
    /// When a key of the other is no point.
    pub fn agree(
        self,
        own: &KeyPair,
        own_ephemeral: &KeyPair,
        other: &[u8],
        other_ephemeral: &[u8],
    ) -> Result<SharedSecret, KeyError> {
        let curve = self.curve();
        let private = self.private(&own.private)?;
        let ephemeral = self.private(&own_ephemeral.private)?;
        let weight = self.weight(self.point(&own_ephemeral.public)?);
        let product = curve.multiply_scalars(&weight, &private);
        let signature = curve.add_scalars(&ephemeral, &product);

        let ephemeral: Point = Some(self.point(other_ephemeral)?);
        let weight = self.weight(self.point(other_ephemeral)?);
        let implicit = curve.sum(&ephemeral, &curve.times(&weight, &Some(self.point(other)?)));
        let cofactor = [curve.cofactor, 0, 0, 0, 0];
        let shared = curve.times(&cofactor, &curve.times(&signature, &implicit));
        let shared = shared.ok_or(KeyError::Infinity)?;
        Ok(SharedSecret(Zeroizing::new(curve.to_octets(&shared.0))))
    }

    /// The lower half of a point's x, with the bit above it.
    fn weight(self, (x, _): (Number, Number)) -> Number {
        let bits = match self {
            Self::One => 82,
            Self::Two => 141,
        };
        let mut weight = [0; 5];
        for (index, (place, word)) in weight.iter_mut().zip(x).enumerate() {
            let from = 64 * index;
            *place = match bits {
                bits if bits >= from + 64 => word,
                bits if bits > from => word & ((1 << (bits - from)) - 1) | 1 << (bits - from),
                bits if bits == from => 1,
                _ => 0,
            };
        }
        weight
    }
}

impl KeyPair {
    /// The public key, compressed.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }
}

impl SharedSecret {
    /// The keys that follow (annex C.4.2.2.2).
    #[must_use]
    pub fn keys(&self) -> EstablishedKeys {
        let derived = |counter: u8| {
            let message = Zeroizing::new([&self.0[..], &[0, 0, 0, counter]].concat());
            Zeroizing::new(matyas_meyer_oseas(&message).unwrap_or_default())
        };
        EstablishedKeys {
            mac_key: derived(1),
            link_key: derived(2),
        }
    }
}

impl EstablishedKeys {
    /// The confirmation that a side sends.
    #[must_use]
    pub fn confirmation(
        &self,
        by: Confirms,
        initiator: Party<'_>,
        responder: Party<'_>,
    ) -> [u8; 16] {
        let (mark, first, second) = match by {
            Confirms::Initiator => (2, initiator, responder),
            Confirms::Responder => (3, responder, initiator),
        };
        let mut message = vec![mark];
        message.extend(first.ieee.to_be_bytes());
        message.extend(second.ieee.to_be_bytes());
        message.extend_from_slice(first.ephemeral);
        message.extend_from_slice(second.ephemeral);
        keyed_hash(&self.mac_key, &message)
    }

    /// Whether a confirmation that came is the one of that side.
    #[must_use]
    pub fn confirms(
        &self,
        mac: &[u8; 16],
        by: Confirms,
        initiator: Party<'_>,
        responder: Party<'_>,
    ) -> bool {
        self.confirmation(by, initiator, responder)
            .ct_eq(mac)
            .into()
    }
}

/// HMAC over the hash of Zigbee (annex B.1.4 of 05-3474).
fn keyed_hash(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    let padded = |pad: u8| key.map(|octet| octet ^ pad);
    let inner = matyas_meyer_oseas(&[&padded(0x36)[..], message].concat()).unwrap_or_default();
    matyas_meyer_oseas(&[padded(0x5C), inner].concat()).unwrap_or_default()
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

impl fmt::Debug for EstablishedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EstablishedKeys(..)")
    }
}
