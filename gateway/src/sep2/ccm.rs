//! The cipher suite of IEEE 2030.5, ECDHE-ECDSA with AES-128-CCM-8 (RFC 7251, RFC 6655), for rustls.
//!
//! ring has no CCM. Key agreement, signatures and the derivation of keys are ring's; only records
//! are sealed and opened here.

use std::sync::LazyLock;

use aes::Aes128;
use ccm::aead::generic_array::GenericArray;
use ccm::aead::{AeadInPlace, KeyInit};
use ccm::consts::{U8, U12};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, KeyBlockShape, MessageDecrypter,
    MessageEncrypter, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload,
    Tls12AeadAlgorithm, UnsupportedOperationError, make_tls12_aad,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, ring};
use rustls::{
    CipherSuite, ConnectionTrafficSecrets, Error, SupportedCipherSuite, Tls12CipherSuite,
};

type Ccm8 = ccm::Ccm<Aes128, U8, U12>;

/// Octets of the part of the nonce that both sides derive.
const SALT: usize = 4;
/// Octets of the part of the nonce that is sent with each record.
const EXPLICIT: usize = 8;
const TAG: usize = 8;
/// Longest plain text of a record (RFC 5246, clause 6.2.1).
const MAX_PLAIN: usize = 16 * 1024;
/// Records under one key. A check of eight octets is forged in one of 2^64 tries.
const RECORDS: u64 = 1 << 23;

/// ring's cryptography with this suite in front of those of AES-GCM.
pub(super) fn provider() -> CryptoProvider {
    let mut suites: Vec<SupportedCipherSuite> = SUITE.iter().map(|suite| (*suite).into()).collect();
    suites.extend([
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ]);
    CryptoProvider {
        cipher_suites: suites,
        kx_groups: vec![ring::kx_group::SECP256R1, ring::kx_group::SECP384R1],
        ..ring::default_provider()
    }
}

/// The suite; empty only if ring's own were not one of TLS 1.2.
static SUITE: LazyLock<Vec<&'static Tls12CipherSuite>> = LazyLock::new(|| {
    let like = ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    let SupportedCipherSuite::Tls12(like) = like else {
        return Vec::new();
    };
    let suite = Tls12CipherSuite {
        common: CipherSuiteCommon {
            suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
            hash_provider: like.common.hash_provider,
            confidentiality_limit: RECORDS,
        },
        prf_provider: like.prf_provider,
        kx: like.kx,
        sign: like.sign,
        aead_alg: &Aead,
    };
    vec![Box::leak(Box::new(suite))]
});

struct Aead;

impl Tls12AeadAlgorithm for Aead {
    fn encrypter(&self, key: AeadKey, iv: &[u8], _: &[u8]) -> Box<dyn MessageEncrypter> {
        Box::new(Records::new(&key, iv))
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Box::new(Records::new(&key, iv))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        KeyBlockShape {
            enc_key_len: 16,
            fixed_iv_len: SALT,
            explicit_nonce_len: EXPLICIT,
        }
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: &[u8],
        _: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

/// One direction of a connection.
struct Records {
    /// `None` for a key or salt of a wrong length, which rustls does not make.
    cipher: Option<(Ccm8, [u8; SALT])>,
}

impl Records {
    fn new(key: &AeadKey, salt: &[u8]) -> Self {
        let cipher = Ccm8::new_from_slice(key.as_ref()).ok();
        Self {
            cipher: cipher.zip(salt.try_into().ok()),
        }
    }
}

fn nonce(salt: [u8; SALT], explicit: [u8; EXPLICIT]) -> GenericArray<u8, U12> {
    let mut nonce = GenericArray::default();
    for (to, from) in nonce.iter_mut().zip(salt.into_iter().chain(explicit)) {
        *to = from;
    }
    nonce
}

impl MessageEncrypter for Records {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let (cipher, salt) = self.cipher.as_ref().ok_or(Error::EncryptError)?;
        let length = message.payload.len();
        // The number of the record is never the same twice under a key.
        let explicit = sequence.to_be_bytes();
        let aad = make_tls12_aad(sequence, message.typ, message.version, length);
        let mut payload = PrefixedPayload::with_capacity(self.encrypted_payload_len(length));
        payload.extend_from_slice(&explicit);
        payload.extend_from_chunks(&message.payload);
        let body = payload
            .as_mut()
            .get_mut(EXPLICIT..)
            .ok_or(Error::EncryptError)?;
        let tag = cipher
            .encrypt_in_place_detached(&nonce(*salt, explicit), &aad, body)
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(
            message.typ,
            message.version,
            payload,
        ))
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        EXPLICIT + length + TAG
    }
}

impl MessageDecrypter for Records {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let (cipher, salt) = self.cipher.as_ref().ok_or(Error::DecryptError)?;
        let (typ, version) = (message.typ, message.version);
        let payload = &mut message.payload;
        let length = payload
            .len()
            .checked_sub(EXPLICIT + TAG)
            .ok_or(Error::DecryptError)?;
        let (explicit, rest) = payload
            .split_first_chunk_mut::<EXPLICIT>()
            .ok_or(Error::DecryptError)?;
        let (body, tag) = rest
            .split_at_mut_checked(length)
            .ok_or(Error::DecryptError)?;
        let aad = make_tls12_aad(sequence, typ, version, length);
        let tag = GenericArray::from_slice(tag);
        cipher
            .decrypt_in_place_detached(&nonce(*salt, *explicit), &aad, body, tag)
            .map_err(|_| Error::DecryptError)?;
        if length > MAX_PLAIN {
            return Err(Error::PeerSentOversizedRecord);
        }
        payload.copy_within(EXPLICIT..EXPLICIT + length, 0);
        payload.truncate(length);
        Ok(message.into_plain_message())
    }
}
