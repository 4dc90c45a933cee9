//! What an authority wants to find in a request for a certificate: CsrAttrs of RFC 7030, 4.5.2, as
//! RFC 8951, 4 writes it, with values for extensions after RFC 9908, 3.2.
//!
//! Left out: templates of whole requests (RFC 9908, 3.4), and what is to be told of the device's
//! hardware. What is not known is ignored, as the clause demands, and can be told.

use std::fmt::Write as _;

use crate::certificate::{EC_PUBLIC_KEY, SUBJECT_ALTERNATIVE_NAME};
use crate::cms::{SIGNATURES, by_oid};
use crate::curve::{Curve, Hash};
use crate::der::{self, Reader};
use crate::issue::EXTENSION_REQUEST;
use crate::refusal::Refusal;

/// 1.2.840.113549.1.9.7
const CHALLENGE_PASSWORD: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07];
/// 1.2.840.113549.1.1, to which RSA's keys and signatures belong.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// Unknown wishes that are kept to be told.
const TOLD: usize = 16;

/// What a key is wanted to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    /// On this curve, or on whichever.
    Elliptic(Option<Curve>),
    /// On a curve, or of a kind, that is not served.
    Foreign,
}

/// What an authority wants in a request. The empty one wants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    keys: Vec<Key>,
    /// None for one that is not served.
    signatures: Vec<Option<Hash>>,
    /// Whole Extension elements, each with whether it is the one of other names.
    extensions: Vec<(bool, Vec<u8>)>,
    challenge: bool,
    ignored: Vec<String>,
}

impl Wishes {
    /// Those of an answer in DER.
    ///
    /// # Errors
    /// It is no CsrAttrs.
    pub fn read(octets: &[u8]) -> Result<Self, Refusal> {
        let mut all = Reader::new(octets);
        let mut list = all.sequence()?;
        all.end()?;
        let mut wishes = Self::default();
        while !list.is_empty() {
            if list.at(der::OID) {
                wishes.named(list.oid()?);
                continue;
            }
            let mut attribute = list.sequence()?;
            let kind = attribute.oid()?;
            let values = attribute.set()?;
            attribute.end()?;
            wishes.valued(kind, values)?;
        }
        Ok(wishes)
    }

    /// An identifier alone.
    fn named(&mut self, oid: &[u8]) {
        if oid == CHALLENGE_PASSWORD {
            self.challenge = true;
        } else if oid == EC_PUBLIC_KEY {
            self.keys.push(Key::Elliptic(None));
        } else if let Some(signature) = by_oid(SIGNATURES, oid) {
            self.signatures.push(Some(signature.value));
        } else if oid == [PKCS1, &[1]].concat() {
            self.keys.push(Key::Foreign);
        } else if oid.starts_with(PKCS1) {
            self.signatures.push(None);
        } else {
            self.ignore(oid);
        }
    }

    /// An identifier with values.
    fn valued(&mut self, kind: &[u8], mut values: Reader<'_>) -> Result<(), Refusal> {
        if kind == EC_PUBLIC_KEY {
            while !values.is_empty() {
                let curve = Curve::of_oid(values.oid()?);
                let wanted = curve.map_or(Key::Foreign, |curve| Key::Elliptic(Some(curve)));
                self.keys.push(wanted);
            }
        } else if kind == EXTENSION_REQUEST {
            while !values.is_empty() {
                if values.at(der::OID) {
                    // An extension without a value, of which this device has none to give.
                    self.ignore(values.oid()?);
                } else {
                    self.extended(values.sequence()?)?;
                }
            }
        } else {
            self.named(kind);
        }
        Ok(())
    }

    /// Extensions, whose values the authority sets where it gives them.
    fn extended(&mut self, mut extensions: Reader<'_>) -> Result<(), Refusal> {
        while !extensions.is_empty() {
            let whole = extensions.take(der::SEQUENCE, "an extension was expected")?;
            let mut parts = whole.inside();
            let oid = parts.oid()?;
            parts.optional(der::BOOLEAN)?;
            let value = parts.octets()?;
            parts.end()?;
            if value.is_empty() {
                self.ignore(oid);
            } else {
                let names = oid == SUBJECT_ALTERNATIVE_NAME;
                self.extensions.push((names, whole.whole.to_vec()));
            }
        }
        Ok(())
    }

    fn ignore(&mut self, oid: &[u8]) {
        if self.ignored.len() < TOLD {
            self.ignored.push(dotted(oid));
        }
    }

    /// Why a request with a key on this curve cannot be what is wanted, in words.
    #[must_use]
    pub fn conflict(&self, own: Curve) -> Option<String> {
        let fits = |wanted: &Key| match wanted {
            Key::Elliptic(curve) => curve.is_none_or(|curve| curve == own),
            Key::Foreign => false,
        };
        if !self.keys.is_empty() && !self.keys.iter().any(fits) {
            let wanted = self.keys.iter().map(|wanted| match wanted {
                Key::Elliptic(Some(curve)) => curve.name(),
                Key::Elliptic(None) => "an elliptic curve",
                Key::Foreign => "RSA or a curve that this device does not know",
            });
            let wanted: Vec<&str> = wanted.collect();
            return Some(format!(
                "the authority certifies keys of {} alone; this device's key is of {}",
                wanted.join(", "),
                own.name()
            ));
        }
        let signs = self.signatures.is_empty() || self.signatures.iter().any(Option::is_some);
        (!signs).then(|| {
            "the authority takes requests signed with RSA alone; this device signs with ECDSA"
                .to_owned()
        })
    }

    /// Whether the request is to be bound to its TLS session by a challengePassword (RFC 7030, 3.5):
    /// the value for it, tls-unique, does not exist in TLS 1.3.
    #[must_use]
    pub const fn wants_binding(&self) -> bool {
        self.challenge
    }

    /// Identifiers in dotted form of what was not understood, sixteen at most.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The hash to sign the request with: the curve's own unless others are wanted.
    pub(crate) fn hash(&self, own: Curve) -> Hash {
        let mut wanted = self.signatures.iter().flatten().copied();
        let first = wanted.next().unwrap_or(own.hash());
        if wanted.any(|hash| hash == own.hash()) {
            own.hash()
        } else {
            first
        }
    }

    /// Extensions to be put in, with or without the one of other names.
    pub(crate) fn extensions(&self, with_names: bool) -> Vec<u8> {
        let wanted = self.extensions.iter();
        let wanted = wanted.filter(|(names, _)| with_names || !names);
        wanted.flat_map(|(_, whole)| whole.clone()).collect()
    }
}

/// An object identifier's content as numbers with points (X.690, 8.19).
fn dotted(content: &[u8]) -> String {
    let mut out = String::new();
    let mut number = 0_u128;
    for octet in content.iter().take(64) {
        number = number << 7 | u128::from(octet & 0x7F);
        if octet & 0x80 != 0 {
            continue;
        }
        if out.is_empty() {
            let first = (number / 40).min(2);
            let _ = write!(out, "{first}.{}", number - first * 40);
        } else {
            let _ = write!(out, ".{number}");
        }
        number = 0;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue;
    use crate::{Certificate, PrivateKey, of_base64};

    fn read(text: &str) -> Wishes {
        Wishes::read(&of_base64(text).unwrap()).unwrap()
    }

    /// The example of RFC 7030, 4.5.2: challengePassword, a key on P-384, an
    /// extension with the hardware's address, a signature with SHA-384.
    const EXAMPLE: &str = "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcr\
                           BgEBAQEWBggqhkjOPQQDAw==";

    #[test]
    fn the_example_of_the_rfc_is_understood() {
        let wishes = read(EXAMPLE);
        assert!(wishes.wants_binding());
        assert_eq!(wishes.ignored(), ["1.3.6.1.1.1.1.22"]);
        assert_eq!(wishes.conflict(Curve::P384), None);
        let told = wishes.conflict(Curve::P256).unwrap();
        assert!(told.contains("of P-384 alone"), "{told}");
        assert!(told.contains("is of P-256"), "{told}");
        assert_eq!(wishes.hash(Curve::P256), Hash::Sha384);
        assert_eq!(wishes.extensions(true), Vec::<u8>::new());
    }

    #[test]
    fn one_of_several_is_enough() {
        // SEQUENCE { rsaEncryption, ecPublicKey { P-384, P-256 } }
        let keys = [
            0x30, 0x29, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x30,
            0x1c, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x31, 0x11, 0x06, 0x05,
            0x2b, 0x81, 0x04, 0x00, 0x22, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
            0x07,
        ];
        let wishes = Wishes::read(&keys).unwrap();
        assert_eq!(wishes.conflict(Curve::P256), None);
        assert!(wishes.conflict(Curve::BrainpoolP256).is_some());
        // sha256WithRSAEncryption alone, and ecdsa-with-SHA512 beside ecdsa-with-SHA256.
        let rsa = read("MAsGCSqGSIb3DQEBCw==");
        assert!(rsa.conflict(Curve::P256).unwrap().contains("RSA alone"));
        let both = read("MBQGCCqGSM49BAMEBggqhkjOPQQDAg==");
        assert_eq!(both.hash(Curve::P256), Hash::Sha256);
        assert_eq!(both.hash(Curve::P384), Hash::Sha512);
    }

    #[test]
    fn nothing_wanted_and_nothing_understood() {
        assert_eq!(read("MAA="), Wishes::default());
        assert_eq!(Wishes::default().conflict(Curve::P256), None);
        for wrong in [
            &[][..],
            &[0x30],
            &[0x30, 0, 0],
            &[0x31, 0],
            &[0x30, 2, 5, 0],
        ] {
            assert!(Wishes::read(wrong).is_err(), "{wrong:02x?}");
        }
        let example = of_base64(EXAMPLE).unwrap();
        for end in 0..example.len() {
            assert!(Wishes::read(&example[..end]).is_err(), "{end}");
        }
    }

    /// SEQUENCE { extensionRequest { Extensions { subjectAltName ..., keyUsage ... } } }
    fn with_values() -> (Wishes, Vec<u8>, Vec<u8>) {
        let extension = |oid: &[u8], critical: &[u8], value: &[u8]| {
            der::sequence(&[
                &der::oid(oid),
                critical,
                &der::element(der::OCTET_STRING, &[value]),
            ])
        };
        let names = der::sequence(&[&der::element(der::primitive(2), &[b"gw.example"])]);
        let names = extension(SUBJECT_ALTERNATIVE_NAME, &[], &names);
        // keyUsage, critical: digitalSignature.
        let usage = extension(&[0x55, 0x1d, 0x0f], &[1, 1, 0xFF], &[3, 2, 7, 0x80]);
        // extKeyUsage, for which no value is given.
        let empty = extension(&[0x55, 0x1d, 0x25], &[], &[]);
        let values = der::element(der::SET, &[&der::sequence(&[&names, &usage, &empty])]);
        let attribute = der::sequence(&[&der::oid(EXTENSION_REQUEST), &values]);
        let wishes = Wishes::read(&der::sequence(&[&attribute])).unwrap();
        (wishes, names, usage)
    }

    #[test]
    fn extensions_with_values_are_put_in() {
        let (wishes, names, usage) = with_values();
        assert_eq!(wishes.extensions(true), [names, usage.clone()].concat());
        assert_eq!(wishes.extensions(false), usage);
        assert_eq!(wishes.ignored(), ["2.5.29.37"]);
    }

    /// What openssl prints of a request, whose signature it verifies.
    fn told_by_openssl(request: &[u8]) -> Option<String> {
        use std::io::Write as _;
        let openssl = std::process::Command::new("openssl")
            .args(["req", "-inform", "DER", "-noout", "-verify", "-text"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn();
        let Ok(mut openssl) = openssl else {
            println!("skipped: openssl is not installed");
            return None;
        };
        openssl.stdin.take().unwrap().write_all(request).unwrap();
        let done = openssl.wait_with_output().unwrap();
        let told = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert!(
            done.status.success() && told.contains("verify OK"),
            "{told}"
        );
        Some(told)
    }

    #[test]
    fn openssl_reads_in_requests_what_was_wanted() {
        let key = PrivateKey::generate(Curve::P256).unwrap();
        let (mut wishes, ..) = with_values();
        wishes.signatures = vec![Some(Hash::Sha384)];
        let first = issue::request(&key, "gw-1", &wishes).unwrap();
        let Some(told) = told_by_openssl(&first) else {
            return;
        };
        for word in [
            "ecdsa-with-SHA384",
            "DNS:gw.example",
            "Key Usage: critical",
            "Digital Signature",
            "CN = gw-1",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        // A certificate without other names is renewed without, whatever is wanted.
        let held: Certificate =
            issue::self_signed(&key, "gw-2", "20260101000000Z", "20270101000000Z").unwrap();
        wishes.signatures = vec![Some(Hash::Sha512)];
        let again = issue::renewal(&key, &held, &wishes).unwrap();
        let told = told_by_openssl(&again).unwrap();
        assert!(!told.contains("gw.example"), "{told}");
        for word in ["ecdsa-with-SHA512", "Key Usage: critical", "CN = gw-2"] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}
