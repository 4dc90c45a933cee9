//! Keys that two sides agree on without telling them (IEC 62056-5-3, 5.3.4.6 and annex I): elliptic
//! curve Diffie-Hellman on P-256 in suite 1 and on P-384 in suite 2, and the key derivation of NIST
//! SP 800-56A over it.

use std::fmt;

use p256::elliptic_curve::point::AffineCoordinates;
use zeroize::Zeroizing;

use super::CipherError;
use super::ecdsa::WrongKey;
use super::public_key::PublicKey;
use crate::key::Key;

/// Tries at a random number below the order of a curve; one in 4,000 million fails.
const TRIES: usize = 8;

const OTHER_CURVE: CipherError =
    CipherError::WrongKey("the two sides' key agreement keys are of different curves");

/// A private key for agreeing on keys. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct AgreementKey(Private);

#[derive(Clone)]
enum Private {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
}

/// The other side's public key for agreeing on keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementPublicKey(PublicKey);

impl AgreementKey {
    /// A private key of 32 octets (P-256) or 48 (P-384), big endian.
    ///
    /// # Errors
    /// It has another length, or is no number below the order of the curve.
    pub fn from_octets(octets: &[u8]) -> Result<Self, WrongKey> {
        let key = match octets.len() {
            32 => p256::SecretKey::from_slice(octets).map(Private::P256),
            48 => p384::SecretKey::from_slice(octets).map(Private::P384),
            _ => return Err(WrongKey),
        };
        key.map(Self).map_err(|_| WrongKey)
    }

    /// A new key of a suite, out of numbers that nobody can foretell.
    ///
    /// # Errors
    /// The suite has no curve, or the numbers are not random.
    pub fn generate(suite: u8, random: &mut dyn FnMut(&mut [u8])) -> Result<Self, CipherError> {
        let length = match suite {
            1 => 32,
            2 => 48,
            _ => return Err(CipherError::Unsupported("key agreement in this suite")),
        };
        let mut octets = Zeroizing::new(vec![0; length]);
        for _ in 0..TRIES {
            random(&mut octets);
            if let Ok(key) = Self::from_octets(&octets) {
                return Ok(key);
            }
        }
        Err(CipherError::WrongKey("there are no random numbers"))
    }

    /// The public key to it.
    #[must_use]
    pub fn public_key(&self) -> AgreementPublicKey {
        AgreementPublicKey(match &self.0 {
            Private::P256(key) => PublicKey::P256(Box::new(key.public_key())),
            Private::P384(key) => PublicKey::P384(Box::new(key.public_key())),
        })
    }

    /// The security suite it belongs to.
    #[must_use]
    pub const fn suite(&self) -> u8 {
        match self.0 {
            Private::P256(_) => 1,
            Private::P384(_) => 2,
        }
    }

    /// What both sides come to: the x coordinate of the product.
    fn shared(&self, other: &AgreementPublicKey) -> Result<Zeroizing<Vec<u8>>, CipherError> {
        Ok(Zeroizing::new(match (&self.0, &other.0) {
            (Private::P256(own), PublicKey::P256(other)) => {
                let scalar = Zeroizing::new(own.to_nonzero_scalar());
                let product = (other.to_projective() * **scalar).to_affine();
                product.x().to_vec()
            }
            (Private::P384(own), PublicKey::P384(other)) => {
                let scalar = Zeroizing::new(own.to_nonzero_scalar());
                let product = (other.to_projective() * **scalar).to_affine();
                product.x().to_vec()
            }
            _ => return Err(OTHER_CURVE),
        }))
    }

    /// The encryption key for one message. `sender` and `receiver` are the parties' parts of what is
    /// hashed: their system titles, the receiver's with the transaction's number in front where
    /// neither side made a key for this message.
    ///
    /// # Errors
    /// The keys are of different curves.
    pub(super) fn agree(
        &self,
        other: &AgreementPublicKey,
        sender: &[u8],
        receiver: &[u8],
    ) -> Result<Key, CipherError> {
        use sha2::Digest;
        let shared = self.shared(other)?;
        // One round of the hash makes more octets than a key has.
        let hashed = |algorithm: u8| {
            [
                &[0, 0, 0, 1],
                &shared[..],
                &[0x60, 0x85, 0x74, 0x05, 0x08, 0x03, algorithm],
                sender,
                receiver,
            ]
            .concat()
        };
        let (digest, length) = match self.suite() {
            // AES-GCM-128
            1 => (sha2::Sha256::digest(Zeroizing::new(hashed(0))).to_vec(), 16),
            // AES-GCM-256
            _ => (sha2::Sha384::digest(Zeroizing::new(hashed(1))).to_vec(), 32),
        };
        let digest = Zeroizing::new(digest);
        let key = digest.get(..length).and_then(Key::from_octets);
        key.ok_or(CipherError::WrongKey("the derived key is too short"))
    }
}

impl fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgreementKey(suite {})", self.suite())
    }
}

impl AgreementPublicKey {
    /// A public key: both coordinates, 64 octets (P-256) or 96 (P-384), big endian, with or
    /// without the 04 of an uncompressed point in front.
    ///
    /// # Errors
    /// It has another length, or is no point of the curve.
    pub fn from_octets(octets: &[u8]) -> Result<Self, WrongKey> {
        PublicKey::from_octets(octets).map(Self)
    }

    /// Both coordinates, big endian.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        self.0.to_octets()
    }

    /// The security suite it belongs to.
    #[must_use]
    pub const fn suite(&self) -> u8 {
        self.0.suite()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::octets;

    const CLIENT: &[u8] = b"MMM\0\0\xBCaN";
    const SERVER: &[u8] = b"MMM\0\0\0\0\x01";

    fn private(text: &str) -> AgreementKey {
        AgreementKey::from_octets(&octets(text).unwrap()).unwrap()
    }

    /// The example of the Green Book (edition 8, one-pass Diffie-Hellman): each side's private key, the
    /// other's public one, the shared secret and the key for a message.
    #[test]
    fn keys_of_the_green_book() {
        let ephemeral = private("47DAB03842E5B6E74828EF4F449B378D7DD1A5DAE1FFCA5AE0B0BE0AD18EC57E");
        let server = private("AAD3FD0732E991CF52A74C66C1F2827DDC53522A2E0A169D7C4FFCC0FB5D6A4D");
        let public = "C323C2BD45711DE4688637D919F92E9DB8FB2DFC213A88D21C9DC8DCBA917D81\
                      70511DE1BADB360D50058F794B0960AE11FA28D392CFF907A62D13E3357B1DC0";
        assert_eq!(ephemeral.public_key().to_octets(), octets(public).unwrap());
        let shared = "0D4385BA0DD756CBCAB9887EB538396EE8F090A14C1079B4359F115B977F4615";
        let key = Key::from_hex("59A71FD81C929A86A99438DA17A66C05").unwrap();
        for (own, other) in [(&ephemeral, &server), (&server, &ephemeral)] {
            let other = other.public_key();
            assert_eq!(*own.shared(&other).unwrap(), octets(shared).unwrap());
            assert_eq!(own.agree(&other, CLIENT, SERVER).unwrap(), key);
        }
        // The server's answer, with a key of its own.
        let client = private("A51C16FF5C498FCC89323D4A9267CD71BF81FD6F6A891CD240DA7F3D6F283E65");
        let public = "6439724714B47CD9CB988897D8424AB946DCD083D37A954637616011B9C23787\
                      73295F0F850D8DAFD1BBE9FE666E53E4F097CD10B38B69622152724A90987444";
        let public = AgreementPublicKey::from_octets(&octets(public).unwrap()).unwrap();
        let key = Key::from_hex("F0184BDA9466BFA4601A64A7EF46504A").unwrap();
        assert_eq!(client.agree(&public, SERVER, CLIENT).unwrap(), key);
    }

    /// P-384 by the Python package cryptography (its ECDH, hashlib's SHA-384), with a transaction's
    /// number in front of the receiver's title.
    #[test]
    fn a_key_of_another_implementation() {
        let own = private(
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
             96D5724E4C70A825F872C9EA60D2EDF5",
        );
        let other = AgreementKey::from_octets(&[0x11; 48]).unwrap();
        let receiver = [&[8, 1, 2, 3, 4, 5, 6, 7, 8], SERVER].concat();
        let key = own.agree(&other.public_key(), CLIENT, &receiver).unwrap();
        let want = Key::from_hex(P384).unwrap();
        assert_eq!(key, want);
        assert_eq!(
            other.agree(&own.public_key(), CLIENT, &receiver).unwrap(),
            want
        );
        assert!(
            own.agree(&private(&"1".repeat(64)).public_key(), CLIENT, SERVER)
                .is_err()
        );
    }

    const P384: &str = "680CBA4C5B7B894F5B7EE6D2712FB9BB601C8F6AF3EE728664778DFC61D8C94E";

    #[test]
    fn what_is_no_key() {
        for length in [0, 16, 31, 33, 47, 49, 64] {
            assert!(AgreementKey::from_octets(&vec![1; length]).is_err());
        }
        for length in [0, 32, 63, 65, 95, 97] {
            assert!(AgreementPublicKey::from_octets(&vec![1; length]).is_err());
        }
        // Neither is a point that is not on the curve, or a number above its order.
        assert!(AgreementPublicKey::from_octets(&[1; 64]).is_err());
        assert!(AgreementKey::from_octets(&[0xFF; 48]).is_err());
        assert!(AgreementKey::generate(1, &mut |octets| octets.fill(0xFF)).is_err());
        assert!(AgreementKey::generate(0, &mut |octets| octets.fill(1)).is_err());
        let key = AgreementKey::generate(2, &mut |octets| octets.fill(1)).unwrap();
        assert_eq!(format!("{key:?}"), "AgreementKey(suite 2)");
    }
}
