//! SignedData (RFC 5652, 5).

use super::{DATA, DIGESTS, SIGNATURES, by_oid, signature_of_der};
use crate::certificate::Certificate;
use crate::curve::Hash;
use crate::der::{self, Element, Reader};
use crate::refusal::Refusal;

/// 1.2.840.113549.1.9.3
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// A SignedData that was read and not yet verified.
pub(super) struct SignedData<'a> {
    version: u8,
    digest: &'a [u8],
    /// Object identifier of what it holds.
    pub(super) content_type: &'a [u8],
    /// What it holds.
    pub(super) content: &'a [u8],
    certificates: Vec<&'a [u8]>,
    signer: Signer<'a>,
}

struct Signer<'a> {
    version: u8,
    id: SignerId<'a>,
    hash: Hash,
    digest: &'a [u8],
    attributes: Option<Element<'a>>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

enum SignerId<'a> {
    Issuer { name: &'a [u8], serial: &'a [u8] },
    KeyId(&'a [u8]),
}

/// Who signed, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verified {
    /// The signer's place among the trusted.
    pub(super) signer: usize,
    /// The signature's name.
    pub(super) signature: &'static str,
}

/// Reads what stands inside the SEQUENCE of a SignedData.
pub(super) fn parse(mut body: Reader<'_>) -> Result<SignedData<'_>, Refusal> {
    let version = body.small()?;
    let mut digests = body.set()?;
    let digest = algorithm(&mut digests)?;
    let one = "other than one signer";
    digests.end().map_err(|_| Refusal::Unsupported(one))?;
    let mut encapsulated = body.sequence()?;
    let content_type = encapsulated.oid()?;
    let content = encapsulated
        .optional(der::context(0))?
        .ok_or(Refusal::Unsupported("a signature apart from its content"))?;
    encapsulated.end()?;
    let mut explicit = content.inside();
    let content = explicit.octets()?;
    explicit.end()?;
    let mut certificates = Vec::new();
    if let Some(set) = body.optional(der::context(0))? {
        let mut set = set.inside();
        while !set.is_empty() {
            certificates.push(set.take(der::SEQUENCE, "a certificate was expected")?.whole);
        }
    }
    if body.at(der::context(1)) {
        return Err(Refusal::Unsupported("revocation lists inside"));
    }
    let mut signers = body.set()?;
    body.end()?;
    if signers.is_empty() {
        return Err(Refusal::NotSigned);
    }
    let signer = signer_info(signers.sequence()?)?;
    signers.end().map_err(|_| Refusal::Unsupported(one))?;
    Ok(SignedData {
        version,
        digest,
        content_type,
        content,
        certificates,
        signer,
    })
}

/// The object identifier of an AlgorithmIdentifier without parameters.
fn algorithm<'a>(from: &mut Reader<'a>) -> Result<&'a [u8], Refusal> {
    let mut identifier = from.sequence()?;
    let oid = identifier.oid()?;
    identifier.no_parameters()?;
    Ok(oid)
}

fn signer_info(mut info: Reader<'_>) -> Result<Signer<'_>, Refusal> {
    let version = info.small()?;
    let id = match info.optional(der::primitive(0))? {
        Some(key_id) => SignerId::KeyId(key_id.content),
        None => {
            let mut id = info.sequence()?;
            let name = id.take(der::SEQUENCE, "an issuer was expected")?.whole;
            let serial = id.integer()?;
            id.end()?;
            SignerId::Issuer { name, serial }
        }
    };
    let digest = algorithm(&mut info)?;
    let hash = by_oid(DIGESTS, digest).ok_or(Refusal::Unsupported("a digest other than SHA-2"))?;
    let attributes = info.optional(der::context(0))?;
    let algorithm = algorithm(&mut info)?;
    let signature = info.octets()?;
    if !info.is_empty() {
        return Err(Refusal::Unsupported("attributes that nothing signs"));
    }
    Ok(Signer {
        version,
        id,
        hash: hash.value,
        digest,
        attributes,
        algorithm,
        signature,
    })
}

impl SignedData<'_> {
    /// Verifies that one of `trusted` signed it.
    pub(super) fn verify(&self, trusted: &[Certificate]) -> Result<Verified, Refusal> {
        // A certificate inside proves nothing; one that is not trusted is somebody else's, or was
        // altered on the way.
        let known = |der: &&[u8]| trusted.iter().any(|one| one.der() == *der);
        if !self.certificates.iter().all(known) {
            return Err(Refusal::UntrustedSigner);
        }
        let signer = trusted
            .iter()
            .position(|one| self.signer.is(one))
            .ok_or(Refusal::UntrustedSigner)?;
        let certificate = trusted.get(signer).ok_or(Refusal::UntrustedSigner)?;
        let algorithm = by_oid(SIGNATURES, self.signer.algorithm).ok_or(Refusal::Unsupported(
            "a signature other than ECDSA with SHA-2",
        ))?;
        let by_issuer = matches!(self.signer.id, SignerId::Issuer { .. });
        let versions = (
            if by_issuer { 1 } else { 3 },
            if by_issuer && self.content_type == DATA {
                1
            } else {
                3
            },
        );
        if (self.signer.version, self.version) != versions {
            return Err(Refusal::Malformed(
                "a version that does not fit what is inside",
            ));
        }
        if self.digest != self.signer.digest || algorithm.value != self.signer.hash {
            return Err(Refusal::BadSignature);
        }
        let hash = self.signed_hash()?;
        let key = certificate.public();
        let signature =
            signature_of_der(self.signer.signature, key.curve).ok_or(Refusal::BadSignature)?;
        if !key.curve.verify(&key.point, &hash, &signature) {
            return Err(Refusal::BadSignature);
        }
        Ok(Verified {
            signer,
            signature: algorithm.name,
        })
    }

    /// The hash that is signed: of the attributes where there are some, which must then tell the
    /// content's type and digest, or else of the content.
    fn signed_hash(&self) -> Result<Vec<u8>, Refusal> {
        let content = self.signer.hash.digest(self.content);
        let Some(attributes) = self.signer.attributes else {
            if self.content_type != DATA {
                return Err(Refusal::Malformed(
                    "content of another type is signed through attributes",
                ));
            }
            return Ok(content);
        };
        let (mut kind, mut digest) = (None, None);
        let mut list = attributes.inside();
        while !list.is_empty() {
            let mut attribute = list.sequence()?;
            let name = attribute.oid()?;
            let mut values = attribute.set()?;
            let place = match name {
                CONTENT_TYPE => &mut kind,
                MESSAGE_DIGEST => &mut digest,
                _ => continue,
            };
            let value = values.next()?;
            values.end()?;
            if place.replace(value.content).is_some() {
                return Err(Refusal::Malformed("an attribute that stands twice"));
            }
        }
        if kind != Some(self.content_type) || digest != Some(content.as_slice()) {
            return Err(Refusal::BadSignature);
        }
        // They are signed with the tag of a SET (RFC 5652, 5.4).
        let mut signed = attributes.whole.to_vec();
        if let Some(tag) = signed.first_mut() {
            *tag = der::SET;
        }
        Ok(self.signer.hash.digest(&signed))
    }
}

impl Signer<'_> {
    fn is(&self, certificate: &Certificate) -> bool {
        match self.id {
            SignerId::Issuer { name, serial } => {
                certificate.issuer == name && certificate.serial == serial
            }
            SignerId::KeyId(id) => certificate.key_id.as_deref() == Some(id),
        }
    }
}
