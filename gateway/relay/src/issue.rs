//! Certificates that a device makes for its own key, and requests for one of an authority's.

use crate::certificate::{Certificate, KeyError, PrivateKey};
use crate::cms::{SIGNATURES, oid_of, signature_to_der};
use crate::curve::Hash;
use crate::der;
use crate::wishes::Wishes;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 1.2.840.113549.1.9.14
pub(crate) const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
/// 2.5.29.14
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];

fn name(common_name: &str) -> Vec<u8> {
    let value = der::element(0x0C, &[common_name.as_bytes()]);
    let pair = der::sequence(&[&der::oid(COMMON_NAME), &value]);
    der::sequence(&[&der::element(der::SET, &[&pair])])
}

fn signed(body: &[u8], key: &PrivateKey, hash: Hash) -> Result<Vec<u8>, KeyError> {
    let algorithm = der::sequence(&[&oid_of(SIGNATURES, &hash)]);
    let signature = key.sign_with(hash, body).ok_or(KeyError::Random)?;
    let signature = der::element(der::BIT_STRING, &[&[0], &signature_to_der(&signature)]);
    Ok(der::sequence(&[body, &algorithm, &signature]))
}

/// A certificate of a key for itself. Times are UTC, written `YYYYMMDDHHMMSSZ`.
///
/// # Errors
/// The system gave no random numbers.
pub fn self_signed(
    key: &PrivateKey,
    common_name: &str,
    not_before: &str,
    not_after: &str,
) -> Result<Certificate, KeyError> {
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|_| KeyError::Random)?;
    // Positive, and not shorter than it seems.
    serial[0] = serial[0] & 0x3F | 0x40;
    let public = key.public().to_der();
    let mut key_id = Hash::Sha256.digest(&public);
    key_id.truncate(20);
    let extension = der::sequence(&[
        &der::oid(SUBJECT_KEY_IDENTIFIER),
        &der::element(
            der::OCTET_STRING,
            &[&der::element(der::OCTET_STRING, &[&key_id])],
        ),
    ]);
    let time = |text: &str| der::element(0x18, &[text.as_bytes()]);
    let body = der::sequence(&[
        &der::element(der::context(0), &[&der::unsigned(&[2])]),
        &der::unsigned(&serial),
        &der::sequence(&[&oid_of(SIGNATURES, &key.public().curve.hash())]),
        &name(common_name),
        &der::sequence(&[&time(not_before), &time(not_after)]),
        &name(common_name),
        &public,
        &der::element(der::context(3), &[&der::sequence(&[&extension])]),
    ]);
    Certificate::read(&signed(&body, key, key.public().curve.hash())?)
}

/// A request for a device's first certificate (PKCS#10, RFC 2986), in DER, as an authority wants it.
///
/// # Errors
/// The key does not sign.
pub fn request(key: &PrivateKey, common_name: &str, wishes: &Wishes) -> Result<Vec<u8>, KeyError> {
    requested(key, &name(common_name), &wishes.extensions(true), wishes)
}

/// A request for the next certificate in the place of one: the same subject, and the same other names
/// (RFC 7030, 4.2.2), whatever else the authority wants.
///
/// # Errors
/// The key does not sign.
pub fn renewal(
    key: &PrivateKey,
    present: &Certificate,
    wishes: &Wishes,
) -> Result<Vec<u8>, KeyError> {
    let mut extensions = present.other_names.clone().unwrap_or_default();
    extensions.extend(wishes.extensions(false));
    requested(key, &present.subject_name, &extensions, wishes)
}

fn requested(
    key: &PrivateKey,
    subject: &[u8],
    extensions: &[u8],
    wishes: &Wishes,
) -> Result<Vec<u8>, KeyError> {
    let attributes = if extensions.is_empty() {
        Vec::new()
    } else {
        let values = der::element(der::SET, &[&der::sequence(&[extensions])]);
        der::sequence(&[&der::oid(EXTENSION_REQUEST), &values])
    };
    let body = der::sequence(&[
        &der::unsigned(&[0]),
        subject,
        &key.public().to_der(),
        &der::element(der::context(0), &[&attributes]),
    ]);
    signed(&body, key, wishes.hash(key.public().curve))
}
