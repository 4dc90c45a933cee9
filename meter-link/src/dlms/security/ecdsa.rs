//! Signatures of suites 1 (ECDSA on P-256 with SHA-256) and 2 (P-384 with SHA-384), as r and s of
//! the same length side by side (IEC 62056-5-3, 5.3.4.3). They protect messages (general-signing)
//! and prove who the sides of an association are (mechanism 7).

use std::fmt;

use p256::ecdsa as p256_ecdsa;
use p256::ecdsa::signature::{Signer, Verifier};
use p384::ecdsa as p384_ecdsa;
use zeroize::Zeroizing;

use super::SystemTitle;
use super::public_key::PublicKey;
use crate::dlms::apdu::{GeneralHeader, GeneralSigning};

/// A private key for signing. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct SigningKey(PrivateKey);

#[derive(Clone)]
enum PrivateKey {
    P256(Box<p256_ecdsa::SigningKey>),
    P384(Box<p384_ecdsa::SigningKey>),
}

/// A public key for checking signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey(PublicKey);

/// Octets that are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of P-256 has 32 octets (64 the public one), of P-384 48 (96)")]
pub struct WrongKey;

impl SigningKey {
    /// A private key of 32 octets (P-256) or 48 (P-384), big endian.
    ///
    /// # Errors
    /// It has another length, or is no number below the order of the curve.
    pub fn from_octets(octets: &[u8]) -> Result<Self, WrongKey> {
        let key = match octets.len() {
            32 => p256_ecdsa::SigningKey::from_slice(octets)
                .map(|key| PrivateKey::P256(Box::new(key))),
            48 => p384_ecdsa::SigningKey::from_slice(octets)
                .map(|key| PrivateKey::P384(Box::new(key))),
            _ => return Err(WrongKey),
        };
        key.map(Self).map_err(|_| WrongKey)
    }

    /// The public key to it.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(match &self.0 {
            PrivateKey::P256(key) => PublicKey::P256(Box::new(key.verifying_key().into())),
            PrivateKey::P384(key) => PublicKey::P384(Box::new(key.verifying_key().into())),
        })
    }

    /// The key, big endian: 32 octets or 48.
    #[must_use]
    pub fn to_octets(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(match &self.0 {
            PrivateKey::P256(key) => key.to_bytes().to_vec(),
            PrivateKey::P384(key) => key.to_bytes().to_vec(),
        })
    }

    /// The security suite it belongs to.
    #[must_use]
    pub const fn suite(&self) -> u8 {
        match self.0 {
            PrivateKey::P256(_) => 1,
            PrivateKey::P384(_) => 2,
        }
    }

    /// Signs, without any randomness (RFC 6979).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            PrivateKey::P256(key) => {
                let signature: p256_ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            PrivateKey::P384(key) => {
                let signature: p384_ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
        }
    }

    /// A signed message.
    #[must_use]
    pub fn general_signing(&self, header: GeneralHeader, content: Vec<u8>) -> GeneralSigning {
        let unsigned = GeneralSigning {
            header,
            content,
            signature: Vec::new(),
        };
        GeneralSigning {
            signature: self.sign(&unsigned.signed(false)),
            ..unsigned
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(suite {})", self.suite())
    }
}

impl VerifyingKey {
    /// A public key: both coordinates, 64 octets (P-256) or 96 (P-384), big endian, with or
    /// without the 04 of an uncompressed point in front.
    ///
    /// # Errors
    /// It has another length, or is no point of the curve.
    pub fn from_octets(octets: &[u8]) -> Result<Self, WrongKey> {
        PublicKey::from_octets(octets).map(Self)
    }

    /// Both coordinates, 64 octets or 96, big endian.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        self.0.to_octets()
    }

    /// True when `signature` is this key's over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            PublicKey::P256(key) => {
                p256_ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                    let key = p256_ecdsa::VerifyingKey::from(&**key);
                    key.verify(message, &signature).is_ok()
                })
            }
            PublicKey::P384(key) => {
                p384_ecdsa::Signature::from_slice(signature).is_ok_and(|signature| {
                    let key = p384_ecdsa::VerifyingKey::from(&**key);
                    key.verify(message, &signature).is_ok()
                })
            }
        }
    }

    /// True when the message's signature is this key's, over either form of what is signed. Both say
    /// the same: the content is what is left behind the header.
    #[must_use]
    pub fn verifies(&self, message: &GeneralSigning) -> bool {
        [false, true]
            .into_iter()
            .any(|length| self.verify(&message.signed(length), &message.signature))
    }
}

/// What a side signs with mechanism 7: its title, the other's title, the challenge it received
/// and the challenge it sent (IEC 62056-5-3, table 22).
#[must_use]
pub fn challenge(signer: SystemTitle, other: SystemTitle, received: &[u8], sent: &[u8]) -> Vec<u8> {
    [&signer[..], &other, received, sent].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::octets;

    /// RFC 6979, A.2.5 and A.2.6: private key, signature of "sample".
    const VECTORS: [(&str, &str); 2] = [
        (
            "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
             F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
             96D5724E4C70A825F872C9EA60D2EDF5",
            "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
             81A648152E44ACF96E36DD1E80FABE46\
             99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F\
             A329C145786E679E7B82C71A38628AC8",
        ),
    ];

    #[test]
    fn signatures_of_rfc_6979() {
        for (suite, (private, signature)) in (1..).zip(VECTORS) {
            let key = SigningKey::from_octets(&octets(private).unwrap()).unwrap();
            let signature = octets(signature).unwrap();
            assert_eq!(key.suite(), suite);
            assert_eq!(key.sign(b"sample"), signature);
            assert!(key.verifying_key().verify(b"sample", &signature));
            for bit in (0..8 * signature.len()).step_by(61) {
                let mut spoiled = signature.clone();
                spoiled[bit / 8] ^= 1 << (bit % 8);
                assert!(!key.verifying_key().verify(b"sample", &spoiled), "{bit}");
            }
            assert!(!key.verifying_key().verify(b"simple", &signature));
            assert!(!format!("{key:?}").contains("C9"));
        }
    }

    #[test]
    fn a_signed_message() {
        let private = octets(VECTORS[0].0).unwrap();
        let key = SigningKey::from_octets(&private).unwrap();
        let header = GeneralHeader {
            transaction_id: vec![1],
            originator: b"WSM00001".to_vec(),
            ..GeneralHeader::default()
        };
        let signed = key.general_signing(header, vec![0xD8, 1, 1]);
        assert!(key.verifying_key().verifies(&signed));
        let mut other = signed.clone();
        other.header.originator = b"WSM00002".to_vec();
        assert!(!key.verifying_key().verifies(&other));
        let mut other = signed.clone();
        other.content[2] = 2;
        assert!(!key.verifying_key().verifies(&other));
        let whole = GeneralSigning {
            signature: key.sign(&signed.signed(true)),
            ..signed
        };
        assert!(key.verifying_key().verifies(&whole));
    }

    #[test]
    fn what_is_no_key() {
        // RFC 6979, A.2.5.
        let point = "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
                     7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";
        let mut point = octets(point).unwrap();
        let key = SigningKey::from_octets(&octets(VECTORS[0].0).unwrap()).unwrap();
        assert_eq!(VerifyingKey::from_octets(&point), Ok(key.verifying_key()));
        assert_eq!(key.verifying_key().to_octets(), point);
        assert_eq!(*key.to_octets(), octets(VECTORS[0].0).unwrap());
        point[63] ^= 1;
        assert_eq!(VerifyingKey::from_octets(&point), Err(WrongKey));
        for length in [0, 1, 31, 33, 47, 63, 65, 95, 97, 200] {
            assert!(VerifyingKey::from_octets(&vec![1; length]).is_err());
        }
        for length in [0, 16, 31, 33, 64] {
            assert!(SigningKey::from_octets(&vec![1; length]).is_err());
        }
        assert!(SigningKey::from_octets(&[0xFF; 32]).is_err());
    }
}
