//! COSE_Sign1 (RFC 9052, 4.2).

use zeroize::Zeroizing;

use super::{ALGORITHM, Context, KEY_ID, Message, SealError};
use crate::cbor::{Reader, Writer};
use crate::certificate::{PrivateKey, PublicKey};
use crate::curve::Curve;
use crate::refusal::Refusal;

pub(super) const SIGN1: u64 = 18;
const CONTENT_FORMAT: i64 = 3;
const BOUND: &str = "b";

const fn signature_algorithm(curve: Curve) -> Option<i64> {
    match curve {
        Curve::P256 => Some(-7),
        Curve::P384 => Some(-35),
        Curve::BrainpoolP256 | Curve::BrainpoolP384 => None,
    }
}

/// Signs a message for its context, in clear: the inner part of a sealed one.
///
/// # Errors
/// The key signs nothing in COSE, or the context is out of bounds.
pub fn sign(message: Message<'_>, signer: &PrivateKey) -> Result<Vec<u8>, SealError> {
    if !message.context.is_sound() {
        return Err(SealError::Context);
    }
    let algorithm = signature_algorithm(signer.public().curve).ok_or(SealError::Curve)?;
    let mut protected = Writer::default();
    protected.map(3 + usize::from(message.format.is_some()));
    protected.int(ALGORITHM).int(algorithm);
    if let Some(format) = message.format {
        protected.int(CONTENT_FORMAT).unsigned(format.into());
    }
    protected.int(KEY_ID).bytes(&signer.public().thumbprint());
    protected.text(BOUND).bytes(&message.context.digest());
    let protected = protected.into_octets();
    let signature = signer
        .sign(&signed_structure(&protected, message.payload))
        .ok_or(SealError::Cipher)?;
    let mut out = Writer::default();
    out.tag(SIGN1).array(4).bytes(&protected).map(0);
    out.bytes(message.payload).bytes(&signature);
    Ok(out.into_octets())
}

/// Sig_structure of RFC 9052, 4.4.
fn signed_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.array(4)
        .text("Signature1")
        .bytes(protected)
        .bytes(&[])
        .bytes(payload);
    out.into_octets()
}

/// A signed message whose signature fits.
#[derive(Debug)]
pub struct Signed {
    /// Which of the trusted signed it, by its place.
    pub signer: usize,
    /// Name of the signature.
    pub signature: &'static str,
    /// The payload's CoAP content format, where it is told.
    pub format: Option<u16>,
    /// The payload.
    pub payload: Zeroizing<Vec<u8>>,
}

/// Verifies that one of `trusted` signed it for this context.
///
/// # Errors
/// It has not the form, or nobody of them did.
pub fn verify(octets: &[u8], context: &Context, trusted: &[PublicKey]) -> Result<Signed, Refusal> {
    let not_signed = |_| Refusal::NotSigned;
    let mut outer = Reader::new(octets);
    if outer.tag().map_err(not_signed)? != SIGN1 {
        return Err(Refusal::NotSigned);
    }
    outer.array_of(4).map_err(not_signed)?;
    let protected = outer.bytes()?;
    if outer.map()? != 0 {
        return Err(Refusal::Unsupported("headers that nothing protects"));
    }
    let (payload, signature) = (outer.bytes()?, outer.bytes()?);
    outer.end()?;
    let headers = headers_of(protected)?;
    let known = |key: &PublicKey| key.thumbprint() == headers.signer;
    let signer = trusted
        .iter()
        .position(known)
        .ok_or(Refusal::UntrustedSigner)?;
    let key = trusted.get(signer).ok_or(Refusal::UntrustedSigner)?;
    let hash = key
        .curve
        .hash()
        .digest(&signed_structure(protected, payload));
    let fits = Some(headers.algorithm) == signature_algorithm(key.curve)
        && headers.bound == context.digest()
        && key.curve.verify(&key.point, &hash, signature);
    if !fits {
        return Err(Refusal::BadSignature);
    }
    Ok(Signed {
        signer,
        signature: if key.curve == Curve::P256 {
            "ecdsa-sha256"
        } else {
            "ecdsa-sha384"
        },
        format: headers.format,
        payload: Zeroizing::new(payload.to_vec()),
    })
}

struct Headers<'a> {
    algorithm: i64,
    format: Option<u16>,
    signer: &'a [u8],
    bound: &'a [u8],
}

fn headers_of(protected: &[u8]) -> Result<Headers<'_>, Refusal> {
    let unknown = Refusal::Unsupported("a header of the signature that is not known");
    let mut headers = Reader::new(protected);
    let told = match headers.map()? {
        3 => false,
        4 => true,
        _ => return Err(unknown),
    };
    let want = |headers: &mut Reader<'_>, label: i64| match headers.int()? {
        found if found == label => Ok(()),
        _ => Err(unknown),
    };
    want(&mut headers, ALGORITHM)?;
    let algorithm = headers.int()?;
    let mut format = None;
    if told {
        want(&mut headers, CONTENT_FORMAT)?;
        let number = u16::try_from(headers.unsigned()?);
        format = Some(number.map_err(|_| Refusal::Malformed("a content format"))?);
    }
    want(&mut headers, KEY_ID)?;
    let signer = headers.bytes()?;
    if headers.text()? != BOUND {
        return Err(unknown);
    }
    let bound = headers.bytes()?;
    headers.end()?;
    Ok(Headers {
        algorithm,
        format,
        signer,
        bound,
    })
}
