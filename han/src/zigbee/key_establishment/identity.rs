//! Certificates with the private keys of their owners, and an authority for tests.

use super::curve;
use super::{KeyError, KeyPair, Suite};
use crate::zigbee::mmo::matyas_meyer_oseas;

/// Fills octets with random ones; false when there are none to be had.
pub type Random = fn(&mut [u8]) -> bool;

/// A certificate, the private key of its owner, and the public key of the authority.
#[derive(Clone, Debug)]
pub struct Identity {
    suite: Suite,
    certificate: Vec<u8>,
    pair: KeyPair,
    authority: Vec<u8>,
}

impl Identity {
    /// An identity of these parts.
    ///
    /// # Errors
    /// The private key is not the one of the certificate, or one of the parts is no key.
    pub fn new(
        suite: Suite,
        certificate: &[u8],
        private: &[u8],
        authority: &[u8],
    ) -> Result<Self, KeyError> {
        let pair = suite.key_pair(private)?;
        if suite.public_key(certificate, authority)? != pair.public() {
            return Err(KeyError::NotItsOwner);
        }
        Ok(Self {
            suite,
            certificate: certificate.to_vec(),
            pair,
            authority: authority.to_vec(),
        })
    }

    /// Its suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Whom it names: the owner's address for life.
    #[must_use]
    pub fn subject(&self) -> u64 {
        self.suite.subject(&self.certificate).unwrap_or(0)
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(super) const fn pair(&self) -> &KeyPair {
        &self.pair
    }

    pub(super) fn authority(&self) -> &[u8] {
        &self.authority
    }
}

impl Suite {
    /// The number by which messages name it (annex C.3.1.2.2.1).
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// Whom a certificate names (annex C.4.2.2.1 and C.4.2.3.2).
    #[must_use]
    pub fn subject(self, certificate: &[u8]) -> Option<u64> {
        self.address(certificate, [22, 28])
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(self, certificate: &[u8]) -> Option<u64> {
        self.address(certificate, [30, 11])
    }

    fn address(self, certificate: &[u8], [one, two]: [usize; 2]) -> Option<u64> {
        let (at, length) = match self {
            Self::One => (one, 48),
            Self::Two => (two, 74),
        };
        let octets = certificate.get(at..at + 8)?.try_into().ok()?;
        (certificate.len() == length).then_some(u64::from_be_bytes(octets))
    }

    /// A fresh pair.
    ///
    /// # Errors
    /// There are no random numbers to be had.
    pub fn random_pair(self, random: Random) -> Result<KeyPair, KeyError> {
        // Below the order, which begins with the bit that is cut here.
        let (length, top) = match self {
            Self::One => (21, 0x03),
            Self::Two => (36, 0x00),
        };
        let mut private = zeroize::Zeroizing::new(vec![0; length]);
        if !random(&mut private) {
            return Err(KeyError::Random);
        }
        if let Some(first) = private.first_mut() {
            *first &= top;
        }
        self.key_pair(&private)
    }
}

/// An authority that issues certificates for tests. Those of production come from the alliance's
/// alone, and no device of production takes these.
#[derive(Clone, Debug)]
pub struct TestAuthority {
    suite: Suite,
    pair: KeyPair,
    ieee: u64,
}

impl TestAuthority {
    /// An authority of this name with this private key.
    ///
    /// # Errors
    /// The private key is out of range.
    pub fn new(suite: Suite, ieee: u64, private: &[u8]) -> Result<Self, KeyError> {
        let pair = suite.key_pair(private)?;
        Ok(Self { suite, pair, ieee })
    }

    /// Its public key.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.pair.public()
    }

    /// Issues a certificate for the owner of an address (SEC 4, 2.3): its octets and the owner's
    /// private key.
    ///
    /// # Errors
    /// There are no random numbers to be had.
    pub fn issue(
        &self,
        subject: u64,
        random: Random,
    ) -> Result<(Vec<u8>, zeroize::Zeroizing<Vec<u8>>), KeyError> {
        let curve = self.suite.curve();
        let (asked, own) = (
            self.suite.random_pair(random)?,
            self.suite.random_pair(random)?,
        );
        let point = curve.sum(
            &Some(self.suite.point(asked.public())?),
            &Some(self.suite.point(own.public())?),
        );
        let point = curve.compress(&point.ok_or(KeyError::Infinity)?);
        let certificate = match self.suite {
            Suite::One => [
                &point[..],
                &subject.to_be_bytes(),
                &self.ieee.to_be_bytes(),
                &[0; 10],
            ]
            .concat(),
            Suite::Two => [
                // An implicit certificate with serial number 1, of this curve and hash, for ever,
                // for key agreement.
                &[0x00, 0, 0, 0, 0, 0, 0, 0, 1, 0x0D, 0x08][..],
                &self.ieee.to_be_bytes(),
                &[0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF],
                &subject.to_be_bytes(),
                &[0x08],
                &point,
            ]
            .concat(),
        };
        let hash = matyas_meyer_oseas(&certificate).and_then(|hash| curve::number(&hash));
        let hash = hash.ok_or(KeyError::Point)?;
        let scalar = |pair: &KeyPair| self.suite.private(&pair.private);
        let signed = curve.add_scalars(
            &curve.multiply_scalars(&hash, &scalar(&own)?),
            &scalar(&self.pair)?,
        );
        let private = curve.add_scalars(&curve.multiply_scalars(&hash, &scalar(&asked)?), &signed);
        Ok((
            certificate,
            zeroize::Zeroizing::new(curve.to_octets(&private)),
        ))
    }

    /// The same as an [`Identity`].
    ///
    /// # Errors
    /// There are no random numbers to be had.
    pub fn identity(&self, subject: u64, random: Random) -> Result<Identity, KeyError> {
        let (certificate, private) = self.issue(subject, random)?;
        Identity::new(self.suite, &certificate, &private, self.public())
    }
}
