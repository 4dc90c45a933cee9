//! PEM (RFC 7468) and base64.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// What stands between the lines `-----BEGIN label-----` and its end; `None` when it is no PEM.
pub(crate) fn pem(octets: &[u8], label: &str) -> Option<Vec<Zeroizing<Vec<u8>>>> {
    let text = std::str::from_utf8(octets).ok()?;
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    text.contains("-----BEGIN ").then_some(())?;
    let blocks = text.split(begin.as_str()).skip(1);
    let decoded = blocks.map_while(|block| {
        let body: Zeroizing<String> = Zeroizing::new(
            block
                .split(end.as_str())
                .next()?
                .split_whitespace()
                .collect(),
        );
        Base64::decode_vec(&body).ok().map(Zeroizing::new)
    });
    Some(decoded.collect())
}

/// Octets in base64.
#[must_use]
pub fn base64(octets: &[u8]) -> String {
    Base64::encode_string(octets)
}

/// Octets of base64; `None` when it is none.
#[must_use]
pub fn of_base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

/// DER in PEM.
#[must_use]
pub fn to_pem(label: &str, der: &[u8]) -> String {
    let body = Base64::encode_string(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}
