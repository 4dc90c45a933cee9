//! The four curves of smart meter gateways (TR-03116-3): signatures and key agreement.

use bp256::r1::BrainpoolP256r1;
use bp384::r1::BrainpoolP384r1;
use ecdsa::elliptic_curve::{self, sec1::ToSec1Point};
use ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256_next::NistP256;
use p384_next::NistP384;
use sha2_next::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// brainpoolP256r1 of RFC 5639.
    BrainpoolP256,
    /// brainpoolP384r1 of RFC 5639.
    BrainpoolP384,
}

/// Runs `$body` with `$type` as the curve's type.
macro_rules! on {
    ($curve:expr, $type:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                type $type = NistP256;
                $body
            }
            Curve::P384 => {
                type $type = NistP384;
                $body
            }
            Curve::BrainpoolP256 => {
                type $type = BrainpoolP256r1;
                $body
            }
            Curve::BrainpoolP384 => {
                type $type = BrainpoolP384r1;
                $body
            }
        }
    };
}

/// Content octets of the curves' object identifiers.
const OIDS: [(Curve, &[u8]); 4] = [
    (
        Curve::P256,
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ),
    (Curve::P384, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
    (
        Curve::BrainpoolP256,
        &[0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
    ),
    (
        Curve::BrainpoolP384,
        &[0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b],
    ),
];

impl Curve {
    /// Octets of a coordinate, of a scalar and of half a signature.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::P256 | Self::BrainpoolP256 => 32,
            Self::P384 | Self::BrainpoolP384 => 48,
        }
    }

    /// Its name, as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::BrainpoolP256 => "brainpoolP256r1",
            Self::BrainpoolP384 => "brainpoolP384r1",
        }
    }

    /// The hash of its own strength.
    #[must_use]
    pub const fn hash(self) -> Hash {
        match self {
            Self::P256 | Self::BrainpoolP256 => Hash::Sha256,
            Self::P384 | Self::BrainpoolP384 => Hash::Sha384,
        }
    }

    pub(crate) fn of_oid(oid: &[u8]) -> Option<Self> {
        let mut known = OIDS.iter();
        known
            .find(|(_, known)| *known == oid)
            .map(|(curve, _)| *curve)
    }

    pub(crate) fn oid(self) -> &'static [u8] {
        let mut known = OIDS.iter();
        known
            .find(|(curve, _)| *curve == self)
            .map_or(&[], |(_, oid)| oid)
    }

    /// The public point of a secret, uncompressed; `None` when it is no secret of the curve.
    pub(crate) fn public(self, secret: &[u8]) -> Option<Vec<u8>> {
        on!(self, C => {
            let secret = elliptic_curve::SecretKey::<C>::from_slice(secret).ok()?;
            Some(secret.public_key().to_sec1_point(false).as_bytes().to_vec())
        })
    }

    /// Signs a hash (ECDSA, RFC 6979): r and s, each of [`Self::size`] octets.
    pub(crate) fn sign(self, secret: &[u8], hash: &[u8]) -> Option<Vec<u8>> {
        on!(self, C => {
            let key = ecdsa::SigningKey::<C>::from_slice(secret).ok()?;
            let signature: ecdsa::Signature<C> = key.sign_prehash(hash).ok()?;
            Some(signature.to_bytes().to_vec())
        })
    }

    /// True when a signature, r and s, is this point's under this hash.
    pub(crate) fn verify(self, point: &[u8], hash: &[u8], signature: &[u8]) -> bool {
        on!(self, C => {
            let Ok(key) = ecdsa::VerifyingKey::<C>::from_sec1_bytes(point) else { return false };
            let Ok(signature) = ecdsa::Signature::<C>::from_slice(signature) else { return false };
            key.verify_prehash(hash, &signature).is_ok()
        })
    }

    /// The common secret of a secret and a point (ECDH): the x coordinate.
    pub(crate) fn agree(self, secret: &[u8], point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        on!(self, C => {
            let secret = elliptic_curve::SecretKey::<C>::from_slice(secret).ok()?;
            let point = elliptic_curve::PublicKey::<C>::from_sec1_bytes(point).ok()?;
            let shared = elliptic_curve::ecdh::diffie_hellman(secret.to_nonzero_scalar(), point.as_affine());
            Some(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
        })
    }

    /// A new secret from the system's random numbers; `None` when there are none to be had.
    pub(crate) fn generate(self) -> Option<Zeroizing<Vec<u8>>> {
        // Two of five draws lie outside the order of a brainpool curve; 64 in a row never do.
        for _ in 0..64 {
            let mut secret = Zeroizing::new(vec![0; self.size()]);
            getrandom::fill(&mut secret).ok()?;
            if self.public(&secret).is_some() {
                return Some(secret);
            }
        }
        None
    }
}

/// A hash of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The hash of octets.
    #[must_use]
    pub fn digest(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(octets).to_vec(),
            Self::Sha384 => Sha384::digest(octets).to_vec(),
            Self::Sha512 => Sha512::digest(octets).to_vec(),
        }
    }
}
