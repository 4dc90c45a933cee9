//! Certificates that a device makes for its own key, and requests for one of an authority's.

use crate::certificate::{Certificate, KeyError, PrivateKey};
use crate::cms::{SIGNATURES, oid_of, signature_to_der};
use crate::curve::Hash;
use crate::der;

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.14
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];

fn name(common_name: &str) -> Vec<u8> {
    let value = der::element(0x0C, &[common_name.as_bytes()]);
    let pair = der::sequence(&[&der::oid(COMMON_NAME), &value]);
    der::sequence(&[&der::element(der::SET, &[&pair])])
}

fn signed(body: &[u8], key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let algorithm = der::sequence(&[&oid_of(SIGNATURES, &key.public().curve.hash())]);
    let signature = key.sign(body).ok_or(KeyError::Random)?;
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
    Certificate::read(&signed(&body, key)?)
}

/// A request for a certificate (PKCS#10, RFC 2986), in DER.
///
/// # Errors
/// The key does not sign.
pub fn request(key: &PrivateKey, common_name: &str) -> Result<Vec<u8>, KeyError> {
    let body = der::sequence(&[
        &der::unsigned(&[0]),
        &name(common_name),
        &key.public().to_der(),
        &der::element(der::context(0), &[]),
    ]);
    signed(&body, key)
}
