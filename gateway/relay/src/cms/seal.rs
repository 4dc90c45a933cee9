//! Sealing.

use aes_gcm_next::aead::{Aead, Payload};
use aes_gcm_next::{Aes128Gcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use super::{
    AGREEMENTS, AUTH_ENVELOPED_DATA, DATA, DIGESTS, GCM, SIGNATURES, SIGNED_DATA, WRAPS, oid_of,
    signature_to_der, wrapping_key,
};
use crate::certificate::{Certificate, EC_PUBLIC_KEY, PrivateKey};
use crate::cose::SealError;
use crate::der;

/// Whether the signer's certificate goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Included {
    /// It goes along, as `openssl cms -verify` wants it.
    Certificate,
    /// The recipient has it: some 450 octets less.
    Nothing,
}

/// Signs and seals for one recipient: ephemeral ECDH on the recipient's curve, AES-128 key wrap,
/// AES-128-GCM. The content's key is used once, so that its nonce may be drawn.
///
/// # Errors
/// The system gave no random numbers, or the recipient's point is none of its curve.
pub fn seal(
    payload: &[u8],
    signer: (&Certificate, &PrivateKey),
    included: Included,
    recipient: &Certificate,
) -> Result<Vec<u8>, SealError> {
    let signed = Zeroizing::new(sign(payload, signer, included)?);
    let mut key = Zeroizing::new([0; 16]);
    let mut nonce = [0; 12];
    getrandom::fill(key.as_mut_slice()).map_err(|_| SealError::Random)?;
    getrandom::fill(&mut nonce).map_err(|_| SealError::Random)?;
    let cipher = Aes128Gcm::new_from_slice(key.as_slice()).map_err(|_| SealError::Cipher)?;
    let sealed = cipher
        .encrypt(
            &Nonce::from(nonce),
            Payload {
                msg: &signed,
                aad: &[],
            },
        )
        .map_err(|_| SealError::Cipher)?;
    let (sealed, tag) = sealed.split_at(sealed.len().saturating_sub(16));
    let parameters = der::sequence(&[
        &der::element(der::OCTET_STRING, &[&nonce]),
        &der::unsigned(&[16]),
    ]);
    let content = der::sequence(&[
        &der::oid(DATA),
        &der::sequence(&[&oid_of(GCM, &16), &parameters]),
        &der::element(der::primitive(0), &[sealed]),
    ]);
    let body = der::sequence(&[
        &der::unsigned(&[0]),
        &der::element(der::SET, &[&key_agreement(key.as_slice(), recipient)?]),
        &content,
        &der::element(der::OCTET_STRING, &[tag]),
    ]);
    Ok(content_info(AUTH_ENVELOPED_DATA, &body))
}

fn content_info(kind: &[u8], body: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::oid(kind), &der::element(der::context(0), &[body])])
}

fn sign(
    payload: &[u8],
    (certificate, key): (&Certificate, &PrivateKey),
    included: Included,
) -> Result<Vec<u8>, SealError> {
    let hash = key.public().curve.hash();
    let signature = key.sign(payload).ok_or(SealError::Cipher)?;
    let digest = der::sequence(&[&oid_of(DIGESTS, &hash)]);
    let (version, id) = match certificate
        .key_id
        .as_deref()
        .filter(|_| included == Included::Nothing)
    {
        Some(key_id) => (3, der::element(der::primitive(0), &[key_id])),
        None => (1, issuer_and_serial(certificate)),
    };
    let info = der::sequence(&[
        &der::unsigned(&[version]),
        &id,
        &digest,
        &der::sequence(&[&oid_of(SIGNATURES, &hash)]),
        &der::element(der::OCTET_STRING, &[&signature_to_der(&signature)]),
    ]);
    let certificates = match included {
        Included::Certificate => der::element(der::context(0), &[certificate.der()]),
        Included::Nothing => Vec::new(),
    };
    let octets = der::element(der::OCTET_STRING, &[payload]);
    let body = der::sequence(&[
        &der::unsigned(&[version]),
        &der::element(der::SET, &[&digest]),
        &der::sequence(&[&der::oid(DATA), &der::element(der::context(0), &[&octets])]),
        &certificates,
        &der::element(der::SET, &[&info]),
    ]);
    Ok(content_info(SIGNED_DATA, &body))
}

fn issuer_and_serial(certificate: &Certificate) -> Vec<u8> {
    der::sequence(&[
        &certificate.issuer,
        &der::element(der::INTEGER, &[&certificate.serial]),
    ])
}

fn key_agreement(content_key: &[u8], recipient: &Certificate) -> Result<Vec<u8>, SealError> {
    let public = recipient.public();
    let ephemeral = PrivateKey::generate(public.curve).map_err(|_| SealError::Random)?;
    let secret = ephemeral.agree(&public.point).ok_or(SealError::Cipher)?;
    let wrap = der::sequence(&[&oid_of(WRAPS, &16)]);
    let hash = public.curve.hash();
    let wrapping = wrapping_key(hash, &secret, &wrap, None, 16);
    let mut wrapped = [0; 24];
    aes_kw_next::KwAes128::new_from_slice(&wrapping)
        .map_err(|_| SealError::Cipher)?
        .wrap_key(content_key, &mut wrapped)
        .map_err(|_| SealError::Cipher)?;
    let originator = der::element(
        der::context(1),
        &[
            &der::sequence(&[&der::oid(EC_PUBLIC_KEY)]),
            &der::element(der::BIT_STRING, &[&[0], &ephemeral.public().point]),
        ],
    );
    let id = match &recipient.key_id {
        Some(key_id) => der::element(
            der::context(0),
            &[&der::element(der::OCTET_STRING, &[key_id])],
        ),
        None => issuer_and_serial(recipient),
    };
    let keys = der::sequence(&[&der::sequence(&[
        &id,
        &der::element(der::OCTET_STRING, &[&wrapped]),
    ])]);
    Ok(der::element(
        der::context(1),
        &[
            &der::unsigned(&[3]),
            &der::element(der::context(0), &[&originator]),
            &der::sequence(&[&oid_of(AGREEMENTS, &hash), &wrap]),
            &keys,
        ],
    ))
}
