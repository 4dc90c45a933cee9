//! Keys on their way, wrapped with the master key: AES key wrap (RFC 3394), with AES-128 in suites
//! 0 and 1 and AES-256 in suite 2 (IEC 62056-5-3, 5.3.3.8).

use aes_kw::{KekAes128, KekAes256};
use zeroize::Zeroizing;

use super::CipherError;
use crate::key::Key;

const LENGTH: CipherError =
    CipherError::WrongKey("a wrapped key is eight octets longer than a key");

/// Octets that wrapping adds.
const OVERHEAD: usize = 8;

/// Wraps `key` with `master`.
///
/// # Errors
/// The master key has neither 16 nor 32 octets.
pub fn wrap(master: &Key, key: &Key) -> Result<Vec<u8>, CipherError> {
    let mut out = vec![0; key.octets().len() + OVERHEAD];
    let wrapped = match kek(master)? {
        Kek::Short(kek) => kek.wrap(key.octets(), &mut out),
        Kek::Long(kek) => kek.wrap(key.octets(), &mut out),
    };
    wrapped.map(|()| out).map_err(|_| LENGTH)
}

/// The key that was wrapped with `master`.
///
/// # Errors
/// The master key is wrong or of a wrong length, or the octets are no wrapped key.
pub fn unwrap(master: &Key, wrapped: &[u8]) -> Result<Key, CipherError> {
    let length = wrapped.len().checked_sub(OVERHEAD).ok_or(LENGTH)?;
    let mut out = Zeroizing::new(vec![0; length]);
    let unwrapped = match kek(master)? {
        Kek::Short(kek) => kek.unwrap(wrapped, &mut out),
        Kek::Long(kek) => kek.unwrap(wrapped, &mut out),
    };
    unwrapped.map_err(|_| CipherError::WrongKey("the wrapped key does not verify"))?;
    Key::from_octets(&out).ok_or(LENGTH)
}

enum Kek {
    Short(Box<KekAes128>),
    Long(Box<KekAes256>),
}

fn kek(master: &Key) -> Result<Kek, CipherError> {
    let octets = master.octets();
    let wrong = |_| CipherError::WrongKey("a master key has 16 or 32 octets");
    match octets.len() {
        16 => KekAes128::try_from(octets).map(|kek| Kek::Short(Box::new(kek))),
        _ => {
            return KekAes256::try_from(octets)
                .map(|kek| Kek::Long(Box::new(kek)))
                .map_err(wrong);
        }
    }
    .map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::octets;

    /// RFC 3394, 4.1, 4.3 and 4.6: master key, key, wrapped key.
    #[test]
    fn keys_of_rfc_3394() {
        for (master, key, wrapped) in [
            (
                "000102030405060708090A0B0C0D0E0F",
                "00112233445566778899AABBCCDDEEFF",
                "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5",
            ),
            (
                "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
                "00112233445566778899AABBCCDDEEFF",
                "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7",
            ),
            (
                "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
                "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
                "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43B\
                 FB988B9B7A02DD21",
            ),
        ] {
            let [master, key] = [master, key].map(|text| Key::from_hex(text).unwrap());
            let wrapped = octets(wrapped).unwrap();
            assert_eq!(wrap(&master, &key).unwrap(), wrapped);
            assert_eq!(unwrap(&master, &wrapped).unwrap(), key);
            assert!(unwrap(&key, &wrapped).is_err());
            let mut spoiled = wrapped.clone();
            spoiled[3] ^= 1;
            assert!(unwrap(&master, &spoiled).is_err());
            for cut in 0..wrapped.len() {
                assert!(unwrap(&master, &wrapped[..cut]).is_err(), "{cut}");
            }
        }
        let odd = Key::from_hex(&"1".repeat(48)).unwrap();
        assert!(wrap(&odd, &odd).is_err());
    }
}
