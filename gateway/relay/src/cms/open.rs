//! Opening.

use aes_gcm_next::aead::{Aead, Payload};
use aes_gcm_next::{Aes128Gcm, Aes256Gcm, KeyInit, Nonce};
use aes_next::{Aes128, Aes256};
use cbc_next::cipher::block_padding::Pkcs7;
use cbc_next::cipher::{BlockModeDecrypt, KeyIvInit};
use zeroize::Zeroizing;

use super::signed::{self, Verified};
use super::{
    AGREEMENTS, AUTH_ENVELOPED_DATA, CBC, DATA, ENVELOPED_DATA, GCM, Named, SIGNED_DATA, WRAPS,
    by_oid, wrapping_key,
};
use crate::certificate::{Certificate, EC_PUBLIC_KEY, PrivateKey};
use crate::curve::{Curve, Hash};
use crate::der::{self, Reader};
use crate::refusal::Refusal;

/// In which order it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The signature is inside the envelope; so we send.
    SignThenEncrypt,
    /// The envelope is inside the signature.
    EncryptThenSign,
}

impl Order {
    /// Its name in what `wattle upstream open` prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignThenEncrypt => "sign_then_encrypt",
            Self::EncryptThenSign => "encrypt_then_sign",
        }
    }
}

/// With what a batch is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The recipient's certificate and key.
    pub recipient: Option<(&'a Certificate, &'a PrivateKey)>,
    /// The signers that are accepted.
    pub trusted: &'a [Certificate],
    /// Whether old archives without a tag are opened too.
    pub allow_cbc: bool,
}

/// What was opened: decrypted, and signed by one of the trusted.
#[derive(Debug)]
pub struct Opened {
    /// In which order it was made.
    pub order: Order,
    /// Name of the cipher of the content.
    pub content_encryption: &'static str,
    /// Name of the key agreement.
    pub key_agreement: &'static str,
    /// Which of the trusted signed it, by its place.
    pub signer: usize,
    /// Name of the signature.
    pub signature: &'static str,
    /// The payload.
    pub payload: Zeroizing<Vec<u8>>,
}

/// Opens a batch and verifies its signature.
///
/// # Errors
/// Whatever keeps it from being opened; nothing of the content is told.
pub fn open(octets: &[u8], options: Options<'_>) -> Result<Opened, Refusal> {
    let (kind, body) = whole(octets)?;
    match kind {
        SIGNED_DATA => {
            let outer = signed::parse(body)?;
            if !matches!(outer.content_type, AUTH_ENVELOPED_DATA | ENVELOPED_DATA) {
                return Err(Refusal::NotEncrypted);
            }
            let verified = outer.verify(options.trusted)?;
            let (kind, body) = inner(outer.content, outer.content_type)?;
            let clear = decrypt(kind, body, options)?;
            if clear.content_type != DATA {
                return Err(Refusal::Unsupported("content of an unknown type"));
            }
            Ok(opened(
                Order::EncryptThenSign,
                verified,
                clear.names,
                clear.octets,
            ))
        }
        AUTH_ENVELOPED_DATA | ENVELOPED_DATA => {
            let clear = decrypt(kind, body, options)?;
            let (kind, body) = inner(&clear.octets, SIGNED_DATA).map_err(|_| Refusal::NotSigned)?;
            if kind != SIGNED_DATA {
                return Err(Refusal::NotSigned);
            }
            let signed = signed::parse(body)?;
            let verified = signed.verify(options.trusted)?;
            if signed.content_type != DATA {
                return Err(Refusal::Unsupported("content of an unknown type"));
            }
            let payload = Zeroizing::new(signed.content.to_vec());
            Ok(opened(
                Order::SignThenEncrypt,
                verified,
                clear.names,
                payload,
            ))
        }
        DATA => Err(Refusal::NotEncrypted),
        _ => Err(Refusal::Unsupported("another kind of CMS")),
    }
}

type Names = (&'static str, &'static str);

fn opened(order: Order, verified: Verified, names: Names, payload: Zeroizing<Vec<u8>>) -> Opened {
    Opened {
        order,
        content_encryption: names.0,
        key_agreement: names.1,
        signer: verified.signer,
        signature: verified.signature,
        payload,
    }
}

/// A ContentInfo that fills the octets: its type, and what stands inside its SEQUENCE.
///
/// Only the outermost length tells a cut from disorder: within, whatever does not fit is malformed.
fn whole(octets: &[u8]) -> Result<(&[u8], Reader<'_>), Refusal> {
    // The shortest thing that may still become a ContentInfo begins with a SEQUENCE.
    if octets.first().is_some_and(|first| *first != der::SEQUENCE) {
        return Err(Refusal::Malformed("CMS begins with a SEQUENCE"));
    }
    let mut outer = Reader::new(octets);
    let mut info = outer.sequence()?;
    outer.end()?;
    content_info(&mut info)
}

fn content_info<'a>(info: &mut Reader<'a>) -> Result<(&'a [u8], Reader<'a>), Refusal> {
    let kind = info.oid()?;
    let mut content = info
        .take(der::context(0), "a content was expected")?
        .inside();
    info.end()?;
    if kind == DATA {
        return Ok((kind, content));
    }
    let body = content.sequence()?;
    content.end()?;
    Ok((kind, body))
}

/// What is inside another layer: a ContentInfo as OpenSSL makes it, or as RFC 5652 has it the bare
/// structure of the type that is told.
fn inner<'a>(octets: &'a [u8], told: &'a [u8]) -> Result<(&'a [u8], Reader<'a>), Refusal> {
    let mut outer = Reader::new(octets);
    let mut body = outer.sequence()?;
    outer.end()?;
    if body.at(der::OID) {
        content_info(&mut body)
    } else {
        Ok((told, body))
    }
}

struct Clear<'a> {
    content_type: &'a [u8],
    names: Names,
    octets: Zeroizing<Vec<u8>>,
}

/// AuthEnvelopedData (RFC 5083) and EnvelopedData (RFC 5652, 6).
fn decrypt<'a>(
    kind: &[u8],
    mut body: Reader<'a>,
    options: Options<'_>,
) -> Result<Clear<'a>, Refusal> {
    let tagged = kind == AUTH_ENVELOPED_DATA;
    if !tagged && !options.allow_cbc {
        return Err(Refusal::Unauthenticated);
    }
    if body.small()? != if tagged { 0 } else { 2 } {
        return Err(Refusal::Unsupported("another version of the envelope"));
    }
    let mut recipients = body.set()?;
    let mut content = body.sequence()?;
    let content_type = content.oid()?;
    if !matches!(content_type, DATA | SIGNED_DATA) {
        return Err(Refusal::Unsupported("content of an unknown type"));
    }
    let mut cipher = content.sequence()?;
    let sealed = content
        .take(der::primitive(0), "the sealed content was expected")?
        .content;
    content.end()?;
    let table = if tagged { GCM } else { CBC };
    let algorithm =
        by_oid(table, cipher.oid()?).ok_or(Refusal::Unsupported("another cipher than AES"))?;
    let (key, agreement) = content_key(&mut recipients, algorithm.value, options)?;
    let names = (algorithm.name, agreement);
    let octets = if tagged {
        let mut parameters = cipher.sequence()?;
        cipher.end()?;
        let nonce = parameters.octets()?;
        if parameters.small()? != 16 {
            return Err(Refusal::Unsupported("a tag of fewer than 16 octets"));
        }
        parameters.end()?;
        if body.at(der::context(1)) {
            return Err(Refusal::Unsupported("attributes of the envelope"));
        }
        let tag = body.octets()?;
        if !body.is_empty() {
            return Err(Refusal::Unsupported("attributes that nothing protects"));
        }
        gcm(&key, nonce, &[sealed, tag].concat())?
    } else {
        let iv = cipher.octets()?;
        cipher.end()?;
        if !body.is_empty() {
            return Err(Refusal::Unsupported("attributes that nothing protects"));
        }
        cbc(&key, iv, sealed).ok_or(Refusal::DecryptFailed)?
    };
    Ok(Clear {
        content_type,
        names,
        octets,
    })
}

fn gcm(key: &[u8], nonce: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let nonce = <[u8; 12]>::try_from(nonce)
        .map_err(|_| Refusal::Unsupported("a nonce of other than 12 octets"))?;
    let (nonce, message) = (
        Nonce::from(nonce),
        Payload {
            msg: sealed,
            aad: &[],
        },
    );
    let opened = if key.len() == 16 {
        Aes128Gcm::new_from_slice(key)
            .ok()
            .and_then(|cipher| cipher.decrypt(&nonce, message).ok())
    } else {
        Aes256Gcm::new_from_slice(key)
            .ok()
            .and_then(|cipher| cipher.decrypt(&nonce, message).ok())
    };
    opened.map(Zeroizing::new).ok_or(Refusal::DecryptFailed)
}

fn cbc(key: &[u8], iv: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let opened = if key.len() == 16 {
        cbc_next::Decryptor::<Aes128>::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded_vec::<Pkcs7>(sealed)
    } else {
        cbc_next::Decryptor::<Aes256>::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded_vec::<Pkcs7>(sealed)
    };
    opened.ok().map(Zeroizing::new)
}

/// The content's key, from the recipient information that names our certificate.
fn content_key(
    recipients: &mut Reader<'_>,
    octets: usize,
    options: Options<'_>,
) -> Result<(Zeroizing<Vec<u8>>, &'static str), Refusal> {
    let (certificate, key) = options.recipient.ok_or(Refusal::WrongRecipient)?;
    let mut found = None;
    while !recipients.is_empty() {
        let information = recipients.next()?;
        // Key transport and passwords are others' business.
        if information.tag != der::context(1) {
            continue;
        }
        let agreement = key_agreement(information.inside())?;
        if let Some(wrapped) = agreement.wrapped_for(certificate)? {
            found = Some((agreement, wrapped));
        }
    }
    let (agreement, wrapped) = found.ok_or(Refusal::WrongRecipient)?;
    let public = certificate.public();
    if agreement.curve.is_some_and(|curve| curve != public.curve) {
        return Err(Refusal::DecryptFailed);
    }
    let secret = key.agree(agreement.point).ok_or(Refusal::DecryptFailed)?;
    let (hash, size) = (agreement.kind.value, agreement.wrap_octets);
    let wrapping = wrapping_key(hash, &secret, agreement.wrap, agreement.ukm, size);
    let mut content = Zeroizing::new(vec![0; octets]);
    if wrapped.len() != octets + 8 {
        return Err(Refusal::DecryptFailed);
    }
    let unwrapped = if wrapping.len() == 16 {
        aes_kw_next::KwAes128::new_from_slice(&wrapping)
            .ok()
            .map(|kw| kw.unwrap_key(wrapped, &mut content).is_ok())
    } else {
        aes_kw_next::KwAes256::new_from_slice(&wrapping)
            .ok()
            .map(|kw| kw.unwrap_key(wrapped, &mut content).is_ok())
    };
    if unwrapped != Some(true) {
        return Err(Refusal::DecryptFailed);
    }
    Ok((content, agreement.kind.name))
}

/// KeyAgreeRecipientInfo (RFC 5652, 6.2.2; RFC 5753, 3.1.1).
struct KeyAgreement<'a> {
    curve: Option<Curve>,
    point: &'a [u8],
    ukm: Option<&'a [u8]>,
    kind: &'static Named<Hash>,
    wrap: &'a [u8],
    wrap_octets: usize,
    keys: Reader<'a>,
}

fn key_agreement(mut info: Reader<'_>) -> Result<KeyAgreement<'_>, Refusal> {
    if info.small()? != 3 {
        return Err(Refusal::Unsupported("another version of the key agreement"));
    }
    let mut originator = info
        .take(der::context(0), "an originator was expected")?
        .inside();
    let key = originator.next()?;
    originator.end()?;
    if key.tag != der::context(1) {
        return Err(Refusal::Unsupported(
            "an originator without a key of its own",
        ));
    }
    let mut key = key.inside();
    let mut algorithm = key.sequence()?;
    if algorithm.oid()? != EC_PUBLIC_KEY {
        return Err(Refusal::Unsupported("another key agreement than ECDH"));
    }
    let curve = if algorithm.at(der::OID) {
        let curve = Curve::of_oid(algorithm.oid()?).ok_or(Refusal::Unsupported("another curve"))?;
        algorithm.end()?;
        Some(curve)
    } else {
        algorithm.no_parameters()?;
        None
    };
    let point = key.bits()?;
    key.end()?;
    let ukm = match info.optional(der::context(1))? {
        Some(ukm) => {
            let mut ukm = ukm.inside();
            let octets = ukm.octets()?;
            ukm.end()?;
            Some(octets)
        }
        None => None,
    };
    let mut agreement = info.sequence()?;
    let kind = by_oid(AGREEMENTS, agreement.oid()?).ok_or(Refusal::Unsupported(
        "another key agreement than stdDH with SHA-2",
    ))?;
    let wrap = agreement.take(der::SEQUENCE, "a key wrap was expected")?;
    agreement.end()?;
    let mut identifier = wrap.inside();
    let wrapping = by_oid(WRAPS, identifier.oid()?)
        .ok_or(Refusal::Unsupported("another key wrap than AES"))?;
    identifier.no_parameters()?;
    let keys = info.sequence()?;
    info.end()?;
    Ok(KeyAgreement {
        curve,
        point,
        ukm,
        kind,
        wrap: wrap.whole,
        wrap_octets: wrapping.value,
        keys,
    })
}

impl<'a> KeyAgreement<'a> {
    fn wrapped_for(&self, certificate: &Certificate) -> Result<Option<&'a [u8]>, Refusal> {
        let mut keys = self.keys;
        let mut found = None;
        while !keys.is_empty() {
            let mut key = keys.sequence()?;
            let ours = match key.optional(der::context(0))? {
                Some(by_key) => {
                    let mut by_key = by_key.inside();
                    let id = by_key.octets()?;
                    by_key.end()?;
                    certificate.key_id.as_deref() == Some(id)
                }
                None => {
                    let mut id = key.sequence()?;
                    let issuer = id.take(der::SEQUENCE, "an issuer was expected")?.whole;
                    let serial = id.integer()?;
                    id.end()?;
                    certificate.issuer == issuer && certificate.serial == serial
                }
            };
            let wrapped = key.octets()?;
            key.end()?;
            if ours {
                found = Some(wrapped);
            }
        }
        Ok(found)
    }
}
