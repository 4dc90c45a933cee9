//! The hash of Zigbee: Matyas-Meyer-Oseas over AES-128 (Zigbee specification 05-3474, annex B.6).

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};

const BLOCK: usize = 16;

/// The hash of a message shorter than 8 KiB; `None` for a longer one.
///
/// ```
/// // Specification, annex C.5.1.
/// let hash = han::zigbee::matyas_meyer_oseas(&[0xC0]);
/// assert_eq!(hash.map(|hash| hash[..4].to_vec()), Some(vec![0xAE, 0x3A, 0x10, 0x2A]));
/// ```
#[must_use]
pub fn matyas_meyer_oseas(message: &[u8]) -> Option<[u8; BLOCK]> {
    let bits = u16::try_from(message.len().checked_mul(8)?).ok()?;
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % BLOCK != BLOCK - 2 {
        padded.push(0);
    }
    padded.extend(bits.to_be_bytes());
    let (blocks, _) = padded.as_chunks::<BLOCK>();
    let mut hash = [0; BLOCK];
    for block in blocks {
        let cipher = Aes128::new(&hash.into());
        let mut output = (*block).into();
        cipher.encrypt_block(&mut output);
        for ((octet, sealed), clear) in hash.iter_mut().zip(output).zip(block) {
            *octet = sealed ^ clear;
        }
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_equal_the_published_ones() {
        // Specification, annex C.5.1 and C.5.2.
        let one = matyas_meyer_oseas(&[0xC0]).map(u128::from_be_bytes);
        assert_eq!(one, Some(0xAE3A_102A_28D4_3EE0_D4A0_9E22_788B_206C));
        let block: Vec<u8> = (0xC0..=0xCF).collect();
        let whole = matyas_meyer_oseas(&block).map(u128::from_be_bytes);
        assert_eq!(whole, Some(0xA797_7E88_BC0B_61E8_2108_2710_9A22_8F2D));
        assert_eq!(matyas_meyer_oseas(&[0; 8192]), None);
    }
}
