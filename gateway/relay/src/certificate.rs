//! Certificates (X.509) and private keys, of what is given as PEM or DER.

use zeroize::Zeroizing;

use crate::curve::{Curve, Hash};
use crate::der::{self, Reader};
use crate::name;
use crate::pem::pem;
use crate::refusal::Refusal;

/// Why a certificate or a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is neither PEM nor DER of what was expected.
    #[error("it holds no {0}")]
    Absent(&'static str),
    /// Its key is on no curve that is served.
    #[error("its key is on none of P-256, P-384, brainpoolP256r1 and brainpoolP384r1")]
    Curve,
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

impl From<Refusal> for KeyError {
    fn from(_: Refusal) -> Self {
        Self::Absent("certificate or key in the form of DER")
    }
}

/// Content octets of id-ecPublicKey.
pub(crate) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// Content octets of subjectKeyIdentifier.
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
/// Content octets of subjectAltName.
pub(crate) const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A certificate, as much of it as is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// The issuer's name in DER.
    pub(crate) issuer: Vec<u8>,
    /// Content octets of the serial number.
    pub(crate) serial: Vec<u8>,
    subject: String,
    /// The subject's name in DER.
    pub(crate) subject_name: Vec<u8>,
    /// The extension that holds its other names, if there is one.
    pub(crate) other_names: Option<Vec<u8>>,
    pub(crate) key_id: Option<Vec<u8>>,
    public: PublicKey,
    not_before: String,
    not_after: String,
}

impl Certificate {
    /// One certificate, of DER or PEM.
    ///
    /// # Errors
    /// There is none, or its key is on no curve that is served.
    pub fn read(octets: &[u8]) -> Result<Self, KeyError> {
        let mut all = Self::read_all(octets)?;
        all.truncate(1);
        all.pop().ok_or(KeyError::Absent("certificate"))
    }

    /// Every certificate of DER or PEM.
    ///
    /// # Errors
    /// There is none, or the key of one is on no curve that is served.
    pub fn read_all(octets: &[u8]) -> Result<Vec<Self>, KeyError> {
        let ders = match pem(octets, "CERTIFICATE") {
            Some(found) => found,
            None => vec![Zeroizing::new(octets.to_vec())],
        };
        if ders.is_empty() {
            return Err(KeyError::Absent("certificate"));
        }
        ders.iter().map(|der| Self::of_der(der)).collect()
    }

    fn of_der(octets: &[u8]) -> Result<Self, KeyError> {
        let mut outer = Reader::new(octets);
        let mut whole = outer.sequence()?;
        outer.end()?;
        let mut body = whole.sequence()?;
        body.optional(der::context(0))?;
        let serial = body.integer()?.to_vec();
        body.sequence()?;
        let issuer = body.take(der::SEQUENCE, "an issuer")?.whole.to_vec();
        let mut validity = body.sequence()?;
        let mut time = || -> Result<String, KeyError> {
            let element = validity.next()?;
            let text = String::from_utf8_lossy(element.content).into_owned();
            Ok(if element.tag == 0x17 {
                century(&text)
            } else {
                text
            })
        };
        let (not_before, not_after) = (time()?, time()?);
        let subject_name = body.take(der::SEQUENCE, "a subject")?;
        let subject = name::text(subject_name.inside())?;
        let public = PublicKey::of_der(body.take(der::SEQUENCE, "a public key")?.whole)?;
        body.optional(der::primitive(1))?;
        body.optional(der::primitive(2))?;
        let (key_id, other_names) = match body.optional(der::context(3))? {
            Some(extensions) => (
                key_identifier(extensions.inside())?,
                extension(extensions.inside(), SUBJECT_ALTERNATIVE_NAME)?.map(<[u8]>::to_vec),
            ),
            None => (None, None),
        };
        Ok(Self {
            der: octets.to_vec(),
            issuer,
            serial,
            subject,
            subject_name: subject_name.whole.to_vec(),
            other_names,
            key_id,
            public,
            not_before,
            not_after,
        })
    }

    /// All of it in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its subject as RFC 4514 writes names.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// From when it holds, written `YYYYMMDDHHMMSSZ` in UTC.
    #[must_use]
    pub fn not_before(&self) -> &str {
        &self.not_before
    }

    /// Until when it holds, written the same.
    #[must_use]
    pub fn not_after(&self) -> &str {
        &self.not_after
    }

    /// True at a time, written `YYYYMMDDHHMMSSZ` in UTC, within its validity.
    #[must_use]
    pub fn is_valid_at(&self, time: &str) -> bool {
        self.not_before.as_str() <= time && time <= self.not_after.as_str()
    }
}

/// A UTCTime with its century (RFC 5280, 4.1.2.5.1).
fn century(text: &str) -> String {
    let past = text.get(..2).is_some_and(|year| year >= "50");
    format!("{}{text}", if past { "19" } else { "20" })
}

fn key_identifier(extensions: Reader<'_>) -> Result<Option<Vec<u8>>, KeyError> {
    let Some(found) = extension(extensions, SUBJECT_KEY_IDENTIFIER)? else {
        return Ok(None);
    };
    let mut found = Reader::new(found).sequence()?;
    found.oid()?;
    found.optional(0x01)?;
    Ok(Some(Reader::new(found.octets()?).octets()?.to_vec()))
}

/// All of an extension, if it is there.
/// Issuer and subject of a certificate in DER, as names in DER, whatever its key is; no signature is
/// verified.
#[must_use]
pub fn names_of(certificate: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut body = Reader::new(certificate).sequence().ok()?.sequence().ok()?;
    body.optional(der::context(0)).ok()?;
    body.integer().ok()?;
    body.sequence().ok()?;
    let issuer = body.take(der::SEQUENCE, "an issuer").ok()?.whole.to_vec();
    body.sequence().ok()?;
    let subject = body.take(der::SEQUENCE, "a subject").ok()?.whole.to_vec();
    Some((issuer, subject))
}

fn extension<'a>(mut extensions: Reader<'a>, wanted: &[u8]) -> Result<Option<&'a [u8]>, KeyError> {
    let mut list = extensions.sequence()?;
    while !list.is_empty() {
        let found = list.take(der::SEQUENCE, "an extension was expected")?;
        if found.inside().oid()? == wanted {
            return Ok(Some(found.whole));
        }
    }
    Ok(None)
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its curve.
    pub curve: Curve,
    /// Its point in the form of SEC 1.
    pub point: Vec<u8>,
}

impl PublicKey {
    /// A SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// It is none, or on no curve that is served.
    pub fn of_der(octets: &[u8]) -> Result<Self, KeyError> {
        let mut outer = Reader::new(octets);
        let mut info = outer.sequence()?;
        outer.end()?;
        let mut algorithm = info.sequence()?;
        if algorithm.oid()? != EC_PUBLIC_KEY {
            return Err(KeyError::Curve);
        }
        let curve = Curve::of_oid(algorithm.oid()?).ok_or(KeyError::Curve)?;
        let point = info.bits()?.to_vec();
        Ok(Self { curve, point })
    }

    /// Its SubjectPublicKeyInfo.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let algorithm = der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::oid(self.curve.oid())]);
        let point = der::element(der::BIT_STRING, &[&[0], &self.point]);
        der::sequence(&[&algorithm, &point])
    }

    /// The first octets of the SHA-256 of its SubjectPublicKeyInfo, by which batches name it.
    #[must_use]
    pub fn thumbprint(&self) -> [u8; 8] {
        let hash = crate::curve::Hash::Sha256.digest(&self.to_der());
        let mut print = [0; 8];
        print.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        print
    }
}

/// A private key; never printed.
#[derive(Clone)]
pub struct PrivateKey {
    curve: Curve,
    secret: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({:?})", self.curve)
    }
}

impl PrivateKey {
    /// A key of PEM or DER, in the form of PKCS#8 or SEC 1.
    ///
    /// # Errors
    /// There is none, or it is on no curve that is served.
    pub fn read(octets: &[u8]) -> Result<Self, KeyError> {
        let absent = KeyError::Absent("private key in the form of PKCS#8 or SEC 1");
        let in_pem = ["PRIVATE KEY", "EC PRIVATE KEY"]
            .iter()
            .find_map(|label| pem(octets, label)?.into_iter().next());
        let der = match in_pem {
            Some(found) => found,
            None if octets.starts_with(b"-----") => return Err(absent),
            None => Zeroizing::new(octets.to_vec()),
        };
        let mut outer = Reader::new(&der);
        let mut info = outer.sequence().map_err(|_| absent)?;
        outer.end().map_err(|_| absent)?;
        match info.small().map_err(|_| absent)? {
            0 => {
                let mut algorithm = info.sequence()?;
                if algorithm.oid()? != EC_PUBLIC_KEY {
                    return Err(KeyError::Curve);
                }
                let curve = Curve::of_oid(algorithm.oid()?).ok_or(KeyError::Curve)?;
                let mut inner = Reader::new(info.octets()?).sequence()?;
                if inner.small()? != 1 {
                    return Err(absent);
                }
                Self::of(curve, inner.octets()?)
            }
            1 => {
                let secret = info.octets()?;
                let curve = info.optional(der::context(0))?.ok_or(KeyError::Curve)?;
                let curve = Curve::of_oid(curve.inside().oid()?).ok_or(KeyError::Curve)?;
                Self::of(curve, secret)
            }
            _ => Err(absent),
        }
    }

    /// A key of its scalar.
    ///
    /// # Errors
    /// It is no scalar of the curve.
    pub fn of(curve: Curve, secret: &[u8]) -> Result<Self, KeyError> {
        let point = curve
            .public(secret)
            .ok_or(KeyError::Absent("scalar of its curve"))?;
        Ok(Self {
            curve,
            secret: Zeroizing::new(secret.to_vec()),
            public: PublicKey { curve, point },
        })
    }

    /// A new key.
    ///
    /// # Errors
    /// The system gave no random numbers.
    pub fn generate(curve: Curve) -> Result<Self, KeyError> {
        Self::of(curve, &curve.generate().ok_or(KeyError::Random)?)
    }

    /// Its public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its scalar, to be sealed and stored.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.secret
    }

    /// It in the form of PKCS#8, with its public key, for those who speak TLS.
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let point = der::element(der::BIT_STRING, &[&[0], &self.public.point]);
        let inner = Zeroizing::new(der::sequence(&[
            &der::unsigned(&[1]),
            &der::element(der::OCTET_STRING, &[&self.secret]),
            &der::element(der::context(1), &[&point]),
        ]));
        let algorithm = der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::oid(self.curve.oid())]);
        Zeroizing::new(der::sequence(&[
            &der::unsigned(&[0]),
            &algorithm,
            &der::element(der::OCTET_STRING, &[&inner]),
        ]))
    }

    /// Signs with the hash of its curve's strength; r and s.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.sign_with(self.curve.hash(), message)
    }

    /// Signs with a hash of any strength, cut to the curve's order (FIPS 186-5, 6.4); r and s.
    pub(crate) fn sign_with(&self, hash: Hash, message: &[u8]) -> Option<Vec<u8>> {
        self.curve.sign(&self.secret, &hash.digest(message))
    }

    pub(crate) fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.curve.agree(&self.secret, point)
    }
}
