//! EAX' (ANSI C12.22-2008, Annex I): AES-128 with a check of four octets.
//!
//! EAX' is not EAX. Both messages of a pair whose clear text is no longer than a block can be
//! forged (Minematsu, Lucks, Morita, Iwata, "Attacks and security proofs of EAX-prime", 2012), so
//! that a clear text of up to 16 octets is refused here.

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const BLOCK: usize = 16;
type Block = [u8; BLOCK];

/// Octets of the check.
pub const MAC_LENGTH: usize = 4;

/// A check.
pub type Mac = [u8; MAC_LENGTH];

/// Why nothing was sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EaxError {
    /// The key has not 16 octets.
    #[error("a key of EAX' has 16 octets")]
    Key,
    /// The clear text is so short that the check proves nothing.
    #[error("the clear text of EAX' must be longer than 16 octets")]
    ClearText,
    /// The check is wrong.
    #[error("the EAX' check is wrong: another key, or the message was altered")]
    Check,
}

/// A key and what is derived from it.
pub struct Eax {
    cipher: Aes128,
    double: Zeroizing<Block>,
    quadruple: Zeroizing<Block>,
}

impl Eax {
    /// Takes a key of 16 octets.
    ///
    /// # Errors
    /// The key has another length.
    pub fn new(key: &[u8]) -> Result<Self, EaxError> {
        let cipher = Aes128::new_from_slice(key).map_err(|_| EaxError::Key)?;
        let double = twice(&encrypted(&cipher, [0; BLOCK]));
        Ok(Self {
            quadruple: Zeroizing::new(twice(&double)),
            double: Zeroizing::new(double),
            cipher,
        })
    }

    /// The check of a clear text whose last part, `body`, is sent as it is.
    ///
    /// # Errors
    /// The clear text is too short.
    pub fn authenticate(&self, clear: &[u8], body: &[u8]) -> Result<Mac, EaxError> {
        let whole = [clear, body].concat();
        self.nonce(clear, &whole).map(|tag| last(&tag))
    }

    /// Encrypts `body` in place and gives the check.
    ///
    /// # Errors
    /// The clear text is too short.
    pub fn seal(&self, clear: &[u8], body: &mut [u8]) -> Result<Mac, EaxError> {
        let nonce = self.nonce(clear, clear)?;
        self.count(&nonce, body);
        Ok(self.check(&nonce, body))
    }

    /// Checks a body that was sent as it is.
    ///
    /// # Errors
    /// The check is wrong, or the clear text is too short.
    pub fn verify(&self, clear: &[u8], body: &[u8], mac: &Mac) -> Result<(), EaxError> {
        let own = self.authenticate(clear, body)?;
        if bool::from(own.ct_eq(mac)) {
            Ok(())
        } else {
            Err(EaxError::Check)
        }
    }

    /// Decrypts `body`.
    ///
    /// # Errors
    /// The check is wrong, or the clear text is too short; nothing is decrypted then.
    pub fn open(&self, clear: &[u8], body: &[u8], mac: &Mac) -> Result<Vec<u8>, EaxError> {
        let nonce = self.nonce(clear, clear)?;
        if !bool::from(self.check(&nonce, body).ct_eq(mac)) {
            return Err(EaxError::Check);
        }
        let mut plain = body.to_vec();
        self.count(&nonce, &mut plain);
        Ok(plain)
    }

    fn nonce(&self, clear: &[u8], whole: &[u8]) -> Result<Block, EaxError> {
        if clear.len() <= BLOCK {
            return Err(EaxError::ClearText);
        }
        Ok(self.cmac(&self.double, whole))
    }

    fn check(&self, nonce: &Block, body: &[u8]) -> Mac {
        if body.is_empty() {
            return last(nonce);
        }
        last(&xor(nonce, &self.cmac(&self.quadruple, body)))
    }

    /// CBC from `start` on; the last block is masked with D if it is whole, with Q if it was
    /// padded.
    fn cmac(&self, start: &Block, octets: &[u8]) -> Block {
        let whole = octets.len().checked_sub(1).map_or(0, |last| last / BLOCK);
        let (front, tail) = octets.split_at(whole * BLOCK);
        let (blocks, _) = front.as_chunks::<BLOCK>();
        let state = blocks.iter().fold(*start, |state, block| {
            encrypted(&self.cipher, xor(&state, block))
        });
        let mut padded = [0; BLOCK];
        for (place, octet) in padded.iter_mut().zip(tail.iter().chain(&[0x80])) {
            *place = *octet;
        }
        let mask = if tail.len() == BLOCK {
            &self.double
        } else {
            &self.quadruple
        };
        encrypted(&self.cipher, xor(&state, &xor(&padded, mask)))
    }

    /// Counter mode. Two bits of the nonce are cleared, so that counting carries no further.
    fn count(&self, nonce: &Block, octets: &mut [u8]) {
        let mask = !(1u128 << 31 | 1 << 15);
        let mut counter = u128::from_be_bytes(*nonce) & mask;
        for chunk in octets.chunks_mut(BLOCK) {
            let stream = encrypted(&self.cipher, counter.to_be_bytes());
            for (octet, key) in chunk.iter_mut().zip(stream) {
                *octet ^= key;
            }
            counter = counter.wrapping_add(1);
        }
    }
}

impl std::fmt::Debug for Eax {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Eax(..)")
    }
}

fn encrypted(cipher: &Aes128, block: Block) -> Block {
    let mut block = aes::Block::from(block);
    cipher.encrypt_block(&mut block);
    block.into()
}

fn xor(a: &Block, b: &Block) -> Block {
    (u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b)).to_ne_bytes()
}

/// Doubling in the field of 2^128 elements, least significant octet first: the carry goes from an
/// octet into the next one.
fn twice(block: &Block) -> Block {
    let number = u128::from_le_bytes(*block);
    let carry = if number >> 127 == 1 { 0x87 } else { 0 };
    (number << 1 ^ carry).to_le_bytes()
}

fn last(block: &Block) -> Mac {
    let [.., a, b, c, d] = *block;
    [a, b, c, d]
}
