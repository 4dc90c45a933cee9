//! The profile `cms`: SignedData inside AuthEnvelopedData (RFC 5652, 5083, 5084, 5753), as smart
//! meter gateways seal for their market parties and stock `openssl cms` reads and writes it.
//!
//! We send sign-then-encrypt with one signer and one recipient; encrypt-then-sign is understood as
//! well. Left out: RSA, several signers, attributes outside the signature, indefinite lengths.

mod certificates;
mod message;
mod open;
mod seal;
mod signed;

pub use certificates::certificates;
pub use message::{is_cms, open_message, seal_message, signed_by};
pub use open::{Opened, Options, Order, open};
pub use seal::{Included, seal};

use zeroize::Zeroizing;

use crate::curve::{Curve, Hash};
use crate::der;

/// Content octets of 1.2.840.113549.1.7.1 and its kin.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
/// 1.2.840.113549.1.9.16.1.23
const AUTH_ENVELOPED_DATA: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17,
];

/// An algorithm, its object identifier and its name.
pub(crate) struct Named<T: 'static> {
    oid: &'static [u8],
    name: &'static str,
    pub(crate) value: T,
}

pub(crate) fn by_oid<T: Copy>(table: &'static [Named<T>], oid: &[u8]) -> Option<&'static Named<T>> {
    table.iter().find(|row| row.oid == oid)
}

pub(crate) fn oid_of<T: PartialEq>(table: &'static [Named<T>], value: &T) -> Vec<u8> {
    let row = table.iter().find(|row| row.value == *value);
    der::oid(row.map_or(&[], |row| row.oid))
}

const DIGESTS: &[Named<Hash>] = &[
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        name: "sha256",
        value: Hash::Sha256,
    },
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
        name: "sha384",
        value: Hash::Sha384,
    },
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
        name: "sha512",
        value: Hash::Sha512,
    },
];

pub(crate) const SIGNATURES: &[Named<Hash>] = &[
    Named {
        oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
        name: "ecdsa-sha256",
        value: Hash::Sha256,
    },
    Named {
        oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
        name: "ecdsa-sha384",
        value: Hash::Sha384,
    },
    Named {
        oid: &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
        name: "ecdsa-sha512",
        value: Hash::Sha512,
    },
];

/// dhSinglePass-stdDH of SEC 1 with the hash of its key derivation.
const AGREEMENTS: &[Named<Hash>] = &[
    Named {
        oid: &[0x2b, 0x81, 0x04, 0x01, 0x0b, 0x01],
        name: "dhSinglePass-stdDH-sha256kdf",
        value: Hash::Sha256,
    },
    Named {
        oid: &[0x2b, 0x81, 0x04, 0x01, 0x0b, 0x02],
        name: "dhSinglePass-stdDH-sha384kdf",
        value: Hash::Sha384,
    },
    Named {
        oid: &[0x2b, 0x81, 0x04, 0x01, 0x0b, 0x03],
        name: "dhSinglePass-stdDH-sha512kdf",
        value: Hash::Sha512,
    },
];

/// AES key wrap, with the octets of its key.
const WRAPS: &[Named<usize>] = &[
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x05],
        name: "aes-128-wrap",
        value: 16,
    },
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d],
        name: "aes-256-wrap",
        value: 32,
    },
];

/// AES-GCM, with the octets of its key.
const GCM: &[Named<usize>] = &[
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x06],
        name: "aes-128-gcm",
        value: 16,
    },
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2e],
        name: "aes-256-gcm",
        value: 32,
    },
];

/// AES-CBC, with the octets of its key.
const CBC: &[Named<usize>] = &[
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x02],
        name: "aes-128-cbc",
        value: 16,
    },
    Named {
        oid: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a],
        name: "aes-256-cbc",
        value: 32,
    },
];

/// The key that wraps the content's key: X9.63 with ECC-CMS-SharedInfo (RFC 5753, 7.2).
///
/// `wrap` is the whole AlgorithmIdentifier of the key wrap as it is sent.
fn wrapping_key(
    hash: Hash,
    secret: &[u8],
    wrap: &[u8],
    ukm: Option<&[u8]>,
    octets: usize,
) -> Zeroizing<Vec<u8>> {
    let bits = u32::try_from(octets * 8).unwrap_or(0).to_be_bytes();
    let ukm = ukm.map_or_else(Vec::new, |ukm| {
        der::element(der::context(0), &[&der::element(der::OCTET_STRING, &[ukm])])
    });
    let public = der::element(
        der::context(2),
        &[&der::element(der::OCTET_STRING, &[&bits])],
    );
    let info = der::sequence(&[wrap, &ukm, &public]);
    // The shortest hash has 32 octets and the longest key too: one round does.
    let mut key = Zeroizing::new(hash.digest(&[secret, &1_u32.to_be_bytes(), &info].concat()));
    key.truncate(octets);
    key
}

/// r and s from DER, each of the curve's size.
fn signature_of_der(octets: &[u8], curve: Curve) -> Option<Vec<u8>> {
    let mut outer = der::Reader::new(octets);
    let mut pair = outer.sequence().ok()?;
    outer.end().ok()?;
    let mut out = Vec::with_capacity(2 * curve.size());
    for _ in 0..2 {
        let number = pair.integer().ok()?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        out.resize(out.len() + curve.size().checked_sub(number.len())?, 0);
        out.extend(number);
    }
    pair.end().ok()?;
    Some(out)
}

pub(crate) fn signature_to_der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    der::sequence(&[&der::unsigned(r), &der::unsigned(s)])
}
