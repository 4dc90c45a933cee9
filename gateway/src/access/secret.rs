//! Random keys and codes, and what is kept of them and of passwords.

use crate::hex;
use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Memory in KiB, passes and lanes of Argon2id.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// What is kept of a password.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PasswordHash {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    hash: String,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// A key of 256 random bits.
pub(super) fn key() -> anyhow::Result<String> {
    Ok(format!("wattle_{}", hex::encode(&random::<32>()?)))
}

/// An identifier that opens nothing.
pub(super) fn id() -> anyhow::Result<String> {
    Ok(hex::encode(&random::<8>()?))
}

/// Eight random digits, all equally likely.
pub(super) fn code() -> anyhow::Result<String> {
    const CODES: u32 = 100_000_000;
    loop {
        let number = u32::from_be_bytes(random::<4>()?);
        if number < u32::MAX - u32::MAX % CODES {
            return Ok(format!("{:08}", number % CODES));
        }
    }
}

/// What is kept of a key. It has 256 random bits, so that a plain hash is enough.
pub(super) fn hash_key(key: &str) -> String {
    hex::encode(&Sha256::digest(key.as_bytes()))
}

pub(super) fn hash_password(password: &str) -> anyhow::Result<PasswordHash> {
    let salt = random::<16>()?;
    let hash = derive(password, &salt, COST)
        .ok_or_else(|| anyhow::anyhow!("the password could not be hashed"))?;
    Ok(kept(&salt, &hash))
}

/// The hash of no password, as costly as any.
pub(super) fn nobody() -> PasswordHash {
    kept(&[0; 16], &[0; 32])
}

fn kept(salt: &[u8], hash: &[u8]) -> PasswordHash {
    let (memory_kib, passes, lanes) = COST;
    PasswordHash {
        memory_kib,
        passes,
        lanes,
        salt: hex::encode(salt),
        hash: hex::encode(hash),
    }
}

pub(super) fn check_password(password: &str, kept: &PasswordHash) -> bool {
    let cost = (kept.memory_kib, kept.passes, kept.lanes);
    let Some(hash) = hex::decode(&kept.salt).and_then(|salt| derive(password, &salt, cost)) else {
        return false;
    };
    hex::encode(&hash)
        .as_bytes()
        .ct_eq(kept.hash.as_bytes())
        .into()
}

fn derive(password: &str, salt: &[u8], cost: (u32, u32, u32)) -> Option<[u8; 32]> {
    let (memory_kib, passes, lanes) = cost;
    // A file that was tampered with must not take all memory.
    if memory_kib > 65_536 || passes > 10 || password.len() > 4096 {
        return None;
    }
    let params = Params::new(memory_kib, passes, lanes, Some(32)).ok()?;
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .ok()?;
    Some(hash)
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)
        .map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_reference_implementation_s() {
        // The same by the reference implementation in C (argon2-cffi).
        let hash = derive("correct horse battery", b"saltsaltsaltsalt", COST).unwrap();
        assert_eq!(
            hex::encode(&hash),
            "88f390e5fd8edb516c8e706fa3502215c0ee4977220a7294ad714efb27e03683"
        );
    }

    #[test]
    fn a_password_opens_its_own_hash_alone() {
        let kept = hash_password("correct horse battery").unwrap();
        assert!(check_password("correct horse battery", &kept));
        assert!(!check_password("correct horse batterz", &kept));
        assert!(!check_password("", &nobody()));
        assert_eq!(format!("{kept:?}"), "PasswordHash");
    }

    #[test]
    fn codes_have_eight_digits_and_keys_differ() {
        let code = code().unwrap();
        assert!(code.len() == 8 && code.bytes().all(|digit| digit.is_ascii_digit()));
        assert_ne!(key().unwrap(), key().unwrap());
        assert_eq!(hex::decode("00ff1"), None);
        assert_eq!(hex::decode("00ff"), Some(vec![0, 255]));
    }
}
