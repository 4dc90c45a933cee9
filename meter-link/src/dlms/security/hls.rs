//! High level security: how the two sides of an association prove to each other that they know
//! the secret (IEC 62056-5-3, 5.3.6 and 5.7.4).

use subtle::ConstantTimeEq;

use super::gcm::{Cipher, CipherError, SecurityControl};
use super::{Protected, SystemTitle};

/// Octets of a GMAC token: security control, counter, tag.
pub const GMAC_TOKEN: usize = 17;

/// Mechanism 5, the answer of `title` to `challenge`: security control, counter and the GMAC over
/// security control, authentication key and challenge.
///
/// # Errors
/// The key's length does not fit the suite.
pub fn gmac(
    cipher: &Cipher<'_>,
    suite: u8,
    title: SystemTitle,
    counter: u32,
    challenge: &[u8],
) -> Result<Vec<u8>, CipherError> {
    let control = SecurityControl::AUTHENTICATED.in_suite(suite);
    let sealed = cipher.seal(control, title, counter, challenge)?;
    Ok(Protected {
        content: Vec::new(),
        ..sealed
    }
    .to_vec())
}

/// True when `token` is the answer of `title` to `challenge`.
#[must_use]
pub fn verify_gmac(
    cipher: &Cipher<'_>,
    title: SystemTitle,
    token: &[u8],
    challenge: &[u8],
) -> bool {
    let Ok(sent) = Protected::decode(token) else {
        return false;
    };
    let only_authenticated = sent.control.0 & 0xF0 == SecurityControl::AUTHENTICATED.0;
    if token.len() != GMAC_TOKEN || !only_authenticated {
        return false;
    }
    let suite = sent.control.suite();
    gmac(cipher, suite, title, sent.invocation_counter, challenge)
        .is_ok_and(|right| right.ct_eq(token).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Key, octets};

    /// Green Book, table 40: f(StoC) of the client.
    #[test]
    fn gmac_of_the_green_book() {
        let key = Key::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
        let auth_key = Key::from_hex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf").unwrap();
        let cipher = Cipher {
            encryption: &key,
            authentication: &auth_key,
        };
        let title = *b"MMM\0\0\0\0\x01";
        let token = octets("10000000011a52fe7dd3e72748973c1e28").unwrap();
        assert_eq!(gmac(&cipher, 0, title, 1, b"P6wRJ21F").unwrap(), token);
        assert!(verify_gmac(&cipher, title, &token, b"P6wRJ21F"));
        for bit in 0..8 * token.len() {
            let mut spoiled = token.clone();
            spoiled[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify_gmac(&cipher, title, &spoiled, b"P6wRJ21F"), "{bit}");
        }
        assert!(!verify_gmac(&cipher, title, &token, b"P6wRJ21G"));
        assert!(!verify_gmac(
            &cipher,
            *b"MMM\0\0\0\0\x02",
            &token,
            b"P6wRJ21F"
        ));
    }
}
