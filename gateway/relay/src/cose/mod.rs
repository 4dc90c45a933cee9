//! The profile `cose`: COSE_Sign1 inside COSE_Encrypt0 (RFC 9052), in deterministic CBOR.
//!
//! ```text
//! 16([ << {1: alg, 4: epoch, 5: IV, "r": [device, stream, first, last]} >>, {},
//!      AES-GCM( 18([ << {1: alg, ?3: format, 4: signer, "b": context} >>, {}, payload, signature ]) ) ])
//! ```
//! The epoch is written in decimal digits, the IV is its four octets and a counter of eight that is
//! used once (SP 800-38D, 8.2.1). `signer` is [`PublicKey::thumbprint`](crate::PublicKey::thumbprint);
//! `context` holds the first 16 octets of the SHA-256 of the device, stream and sequence, so that a
//! signed payload cannot be sealed again as another's by who knows the epoch's key.

mod sign;

pub use sign::{Signed, sign, verify};

use aes_gcm_next::aead::{Aead, KeyInit, Payload};
use aes_gcm_next::{Aes128Gcm, Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use crate::cbor::{Reader, Writer};
use crate::certificate::{Certificate, PrivateKey, PublicKey};
use crate::curve::Hash;
use crate::refusal::Refusal;

const ENCRYPT0: u64 = 16;
const ALGORITHM: i64 = 1;
const KEY_ID: i64 = 4;
const IV: i64 = 5;
/// Our own labels are texts of a letter: those for private use have five octets.
const CONTEXT: &str = "r";
/// Octets of a name of a device or a stream at most.
const NAME: usize = 128;

/// Whose batch it is, and which rows it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The device that sealed it.
    pub device: String,
    /// The stream, such as a register of a meter.
    pub stream: String,
    /// Sequence number of its first row.
    pub first: u64,
    /// Sequence number of its last row.
    pub last: u64,
}

impl Context {
    fn write(&self, to: &mut Writer) {
        to.array(4)
            .text(&self.device)
            .text(&self.stream)
            .unsigned(self.first)
            .unsigned(self.last);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Refusal> {
        from.array_of(4)?;
        let context = Self {
            device: from.text()?.to_owned(),
            stream: from.text()?.to_owned(),
            first: from.unsigned()?,
            last: from.unsigned()?,
        };
        if context.is_sound() {
            Ok(context)
        } else {
            Err(Refusal::Malformed(
                "a device, stream or sequence out of bounds",
            ))
        }
    }

    fn is_sound(&self) -> bool {
        let named = |name: &str| !name.is_empty() && name.len() <= NAME;
        named(&self.device) && named(&self.stream) && self.first <= self.last
    }

    fn digest(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.write(&mut writer);
        let mut hash = Hash::Sha256.digest(&writer.into_octets());
        hash.truncate(16);
        hash
    }
}

/// The key of an epoch.
#[derive(Clone)]
pub struct EpochKey {
    /// The epoch's number.
    pub epoch: u32,
    /// 16 octets (AES-128) or 32 (AES-256).
    key: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EpochKey({})", self.epoch)
    }
}

impl EpochKey {
    /// A key of 16 or 32 octets; `None` for another length.
    #[must_use]
    pub fn new(epoch: u32, key: &[u8]) -> Option<Self> {
        let key = Zeroizing::new(key.to_vec());
        matches!(key.len(), 16 | 32).then_some(Self { epoch, key })
    }

    /// Its octets, to be sealed and stored.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.key
    }

    /// The key of the way down in the same epoch. Both ways have keys of their own, so that
    /// neither end has to know which IVs the other one used.
    #[must_use]
    pub fn down(&self) -> Self {
        let mut key = Zeroizing::new(vec![0; self.key.len()]);
        let hkdf = hkdf::Hkdf::<sha2_next::Sha256>::new(None, &self.key);
        // 16 and 32 octets are within what HKDF can give.
        let _ = hkdf.expand(b"wattle relay: to the device", &mut key);
        Self {
            epoch: self.epoch,
            key,
        }
    }

    fn algorithm(&self) -> i64 {
        if self.key.len() == 16 { 1 } else { 3 }
    }

    fn seal(&self, iv: &[u8; 12], message: Payload<'_, '_>) -> Option<Vec<u8>> {
        let nonce = Nonce::from(*iv);
        if self.key.len() == 16 {
            Aes128Gcm::new_from_slice(&self.key)
                .ok()?
                .encrypt(&nonce, message)
                .ok()
        } else {
            Aes256Gcm::new_from_slice(&self.key)
                .ok()?
                .encrypt(&nonce, message)
                .ok()
        }
    }

    fn open(&self, iv: &[u8; 12], message: Payload<'_, '_>) -> Option<Zeroizing<Vec<u8>>> {
        let nonce = Nonce::from(*iv);
        let opened = if self.key.len() == 16 {
            Aes128Gcm::new_from_slice(&self.key)
                .ok()?
                .decrypt(&nonce, message)
        } else {
            Aes256Gcm::new_from_slice(&self.key)
                .ok()?
                .decrypt(&nonce, message)
        };
        opened.ok().map(Zeroizing::new)
    }
}

/// What is to be sealed.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Whose it is.
    pub context: &'a Context,
    /// The payload's CoAP content format, where it is to be told.
    pub format: Option<u16>,
    /// The payload.
    pub payload: &'a [u8],
}

/// Why something was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// COSE has no such signature.
    #[error("COSE signs with keys on P-256 and P-384 alone")]
    Curve,
    /// Device, stream or sequence are out of bounds.
    #[error("a device and a stream have 1 to 128 octets, and a sequence does not fall")]
    Context,
    /// The cipher or the signature failed.
    #[error("the cipher failed")]
    Cipher,
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

/// The IV of a counter in an epoch.
#[must_use]
pub fn iv(epoch: u32, counter: u64) -> [u8; 12] {
    let mut iv = [0; 12];
    let octets = epoch.to_be_bytes().into_iter().chain(counter.to_be_bytes());
    iv.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
    iv
}

/// Signs and seals. No `iv` may be used twice with the same key.
///
/// # Errors
/// The key signs nothing in COSE, or the context is out of bounds.
pub fn seal(
    message: Message<'_>,
    signer: &PrivateKey,
    key: &EpochKey,
    iv: [u8; 12],
) -> Result<Vec<u8>, SealError> {
    if !message.context.is_sound() {
        return Err(SealError::Context);
    }
    let signed = sign(message, signer)?;
    let mut protected = Writer::default();
    protected.map(4).int(ALGORITHM).int(key.algorithm());
    protected
        .int(KEY_ID)
        .bytes(key.epoch.to_string().as_bytes());
    protected.int(IV).bytes(&iv).text(CONTEXT);
    message.context.write(&mut protected);
    let protected = protected.into_octets();
    let aad = encrypted_structure(&protected);
    let sealed = key
        .seal(
            &iv,
            Payload {
                msg: &signed,
                aad: &aad,
            },
        )
        .ok_or(SealError::Cipher)?;
    let mut out = Writer::default();
    out.tag(ENCRYPT0)
        .array(3)
        .bytes(&protected)
        .map(0)
        .bytes(&sealed);
    Ok(out.into_octets())
}

/// Enc_structure of RFC 9052, 5.3.
fn encrypted_structure(protected: &[u8]) -> Vec<u8> {
    let mut out = Writer::default();
    out.array(3).text("Encrypt0").bytes(protected).bytes(&[]);
    out.into_octets()
}

/// What was opened: decrypted, and signed by one of the trusted.
#[derive(Debug)]
pub struct Opened {
    /// Whose it is.
    pub context: Context,
    /// The epoch of its key.
    pub epoch: u32,
    /// Which of the trusted signed it, by its place.
    pub signer: usize,
    /// Name of the cipher.
    pub content_encryption: &'static str,
    /// Name of the signature.
    pub signature: &'static str,
    /// The payload's CoAP content format, where it is told.
    pub format: Option<u16>,
    /// The payload.
    pub payload: Zeroizing<Vec<u8>>,
}

/// The routing part of a sealed message, **which nobody has vouched for**: to find its key by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Whose it says it is.
    pub context: Context,
    /// The epoch it says it belongs to.
    pub epoch: u32,
}

struct Sealed<'a> {
    protected: &'a [u8],
    algorithm: i64,
    label: Label,
    iv: [u8; 12],
    sealed: &'a [u8],
}

fn parse(octets: &[u8]) -> Result<Sealed<'_>, Refusal> {
    let mut outer = Reader::new(octets);
    match outer.tag()? {
        ENCRYPT0 => {}
        sign::SIGN1 => return Err(Refusal::NotEncrypted),
        _ => return Err(Refusal::Malformed("COSE_Encrypt0 has the tag 16")),
    }
    outer.array_of(3)?;
    let protected = outer.bytes()?;
    if outer.map()? != 0 {
        return Err(Refusal::Unsupported("headers that nothing protects"));
    }
    let sealed = outer.bytes()?;
    outer.end()?;
    let mut headers = Reader::new(protected);
    let inner = |refusal| match refusal {
        Refusal::Truncated | Refusal::TrailingData => {
            Refusal::Malformed("headers that do not fill their place")
        }
        other => other,
    };
    let (algorithm, epoch, iv, context) = headers_of(&mut headers).map_err(inner)?;
    headers.end().map_err(inner)?;
    Ok(Sealed {
        protected,
        algorithm,
        label: Label { context, epoch },
        iv,
        sealed,
    })
}

fn headers_of(headers: &mut Reader<'_>) -> Result<(i64, u32, [u8; 12], Context), Refusal> {
    let want = |headers: &mut Reader<'_>, label: i64| match headers.int()? {
        found if found == label => Ok(()),
        _ => Err(Refusal::Unsupported(
            "other headers than 1, 4, 5 and \"r\", in this order",
        )),
    };
    if headers.map()? != 4 {
        return Err(Refusal::Unsupported("other headers than 1, 4, 5 and \"r\""));
    }
    want(headers, ALGORITHM)?;
    let algorithm = headers.int()?;
    if !matches!(algorithm, 1 | 3) {
        return Err(Refusal::Unsupported("another cipher than AES-GCM"));
    }
    want(headers, KEY_ID)?;
    let epoch =
        decimal(headers.bytes()?).ok_or(Refusal::Malformed("an epoch in decimal digits"))?;
    want(headers, IV)?;
    let iv = headers.bytes()?;
    let iv = <[u8; 12]>::try_from(iv).map_err(|_| Refusal::Malformed("an IV of 12 octets"))?;
    if headers.text()? != CONTEXT {
        return Err(Refusal::Unsupported(
            "another header than \"r\" in its place",
        ));
    }
    Ok((algorithm, epoch, iv, Context::read(headers)?))
}

/// A number in decimal digits, without idle zeros.
fn decimal(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    let number: u32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Reads whose a sealed message says it is.
///
/// # Errors
/// It has not the form.
pub fn label(octets: &[u8]) -> Result<Label, Refusal> {
    parse(octets).map(|sealed| sealed.label)
}

/// Opens with the key that `keys` has for the epoch, and checks that one of `trusted` signed.
///
/// # Errors
/// Whatever keeps it from being opened; nothing of the content is told.
pub fn open(
    octets: &[u8],
    keys: impl Fn(u32) -> Option<EpochKey>,
    trusted: &[PublicKey],
) -> Result<Opened, Refusal> {
    let parsed = parse(octets)?;
    let key = keys(parsed.label.epoch).ok_or(Refusal::NoKey)?;
    if key.algorithm() != parsed.algorithm {
        return Err(Refusal::DecryptFailed);
    }
    let aad = encrypted_structure(parsed.protected);
    let signed = key
        .open(
            &parsed.iv,
            Payload {
                msg: parsed.sealed,
                aad: &aad,
            },
        )
        .ok_or(Refusal::DecryptFailed)?;
    let signed = verify(&signed, &parsed.label.context, trusted)?;
    Ok(Opened {
        context: parsed.label.context,
        epoch: parsed.label.epoch,
        signer: signed.signer,
        content_encryption: if parsed.algorithm == 1 {
            "aes-128-gcm"
        } else {
            "aes-256-gcm"
        },
        signature: signed.signature,
        format: signed.format,
        payload: signed.payload,
    })
}

/// The public keys of certificates.
#[must_use]
pub fn keys_of(certificates: &[Certificate]) -> Vec<PublicKey> {
    certificates
        .iter()
        .map(|certificate| certificate.public().clone())
        .collect()
}
