//! Ciphered frames: general-glo-ciphering of DLMS around a telegram (Green Book, 9.2.7.2).

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::{Aes128, Aes256};
use zeroize::Zeroizing;

use super::splitter::{Event, Fault, Message, Splitter};
use super::telegram::{LineCheck, Telegram};
use crate::key::Key;

/// The eight octets that name the sender.
pub type SystemTitle = [u8; 8];

/// A system title of 16 hex digits.
#[must_use]
pub fn parse_title(text: &str) -> Option<SystemTitle> {
    crate::key::octets(text.trim())?.try_into().ok()
}

const TAG_LENGTH: usize = 12;
/// Security control and invocation counter.
const SECURITY_HEADER: usize = 5;
const AUTHENTICATED: u8 = 0x10;
const ENCRYPTED: u8 = 0x20;
const COMPRESSED: u8 = 0x80;

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CipheredFrame {
    /// The sender's title; `None` when the frame leaves it out.
    pub system_title: Option<SystemTitle>,
    /// Bit 4 authenticated, bit 5 encrypted, bits 0 to 3 the security suite.
    pub security_control: u8,
    /// Counts up with every frame.
    pub invocation_counter: u32,
    /// Ciphertext, or the plain telegram when it is not encrypted.
    pub content: Vec<u8>,
    /// The tag of an authenticated frame.
    pub tag: Option<[u8; TAG_LENGTH]>,
    /// All bytes of the frame.
    pub raw: Vec<u8>,
}

/// How far a frame's content may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is neither encrypted nor authenticated.
    None,
    /// Its tag is right.
    Authenticated,
    /// Its tag was not checked, is wrong, or is not there; the telegram's own CRC is right.
    Unauthenticated,
}

/// Why a frame gives no telegram.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CipherError {
    /// No key, or none for this sender.
    #[error("the frame is ciphered and there is no key for it")]
    NoKey,
    /// The frame does not name its sender.
    #[error("the frame carries no system title: it must be configured")]
    NoTitle,
    /// It has a tag that cannot be checked.
    #[error("the frame is authenticated and there is no authentication key for it")]
    NoAuthKey,
    /// The tag does not verify, or the plaintext is no telegram.
    #[error("the key, the authentication key or the frame is wrong: {0}")]
    WrongKey(&'static str),
    /// It has no tag, and unauthenticated frames were not allowed.
    #[error("the frame is not authenticated, which has not been allowed")]
    Unauthenticated,
    /// It is plain although there is a key.
    #[error("the telegram is not ciphered although there is a key")]
    NotCiphered,
    /// A form that is not read here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// The content is authentic and no whole telegram.
    #[error("inside of the frame: {0}")]
    Content(Fault),
}

/// Keys by the sender's title, and one for all others.
#[derive(Clone, Debug, Default)]
pub struct KeyChain {
    any: Option<Key>,
    titled: Vec<(SystemTitle, Key)>,
}

impl KeyChain {
    /// Adds a key for a sender, or for all that have none of their own; a later one replaces it.
    pub fn insert(&mut self, title: Option<SystemTitle>, key: Key) {
        match title {
            None => self.any = Some(key),
            Some(title) => {
                self.titled.retain(|(known, _)| *known != title);
                self.titled.push((title, key));
            }
        }
    }

    /// The key for a sender.
    #[must_use]
    pub fn of(&self, title: SystemTitle) -> Option<&Key> {
        let own = self.titled.iter().find(|(known, _)| *known == title);
        own.map(|(_, key)| key).or(self.any.as_ref())
    }

    /// True when there is no key at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.any.is_none() && self.titled.is_empty()
    }
}

/// What is known for opening frames.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Encryption keys (EK).
    pub encryption: KeyChain,
    /// Authentication keys (AK).
    pub authentication: KeyChain,
    /// Take frames whose tag cannot be checked, too: real meters in Luxembourg sign with a key
    /// that is not the published one. The telegram's CRC must be right then.
    pub no_auth: bool,
    /// The title of a sender that leaves it out.
    pub system_title: Option<SystemTitle>,
}

/// What a frame held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The telegram, its check right.
    pub telegram: Telegram,
    /// How far it may be believed.
    pub verdict: Verdict,
    /// The tag was checked and is wrong, which was allowed.
    pub wrong_tag: bool,
    /// The plaintext.
    pub plaintext: Vec<u8>,
}

/// What stands in front of the security control: title and length.
pub(super) struct Header<'a> {
    bytes: &'a [u8],
    title: Option<SystemTitle>,
    /// Place of the security control.
    body: usize,
    /// Bytes from there on.
    length: usize,
}

/// Bytes that begin no frame.
pub(super) struct NoFrame;

impl<'a> Header<'a> {
    /// Reads tag, title, length and security control; `None` when there are too few bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Result<Self, NoFrame>> {
        let (title, after) = match bytes.get(1)? {
            0 => (None, 2),
            8 => (Some(bytes.get(2..10)?.try_into().ok()?), 10),
            _ => return Some(Err(NoFrame)),
        };
        let octet = |at: usize| bytes.get(at).copied().map(usize::from);
        let (length, body) = match octet(after)? {
            short @ 0..=0x7F => (short, after + 1),
            0x81 => (octet(after + 1)?, after + 2),
            0x82 => (256 * octet(after + 1)? + octet(after + 2)?, after + 3),
            _ => return Some(Err(NoFrame)),
        };
        let control = *bytes.get(body)?;
        let tag = if control & AUTHENTICATED == 0 {
            0
        } else {
            TAG_LENGTH
        };
        // Suites 0 to 2 are all there are.
        let fits = control & 0x0F <= 2 && length > SECURITY_HEADER + tag;
        Some(
            fits.then_some(Self {
                bytes,
                title,
                body,
                length,
            })
            .ok_or(NoFrame),
        )
    }

    /// Length of the frame.
    pub(super) const fn total(&self) -> usize {
        self.body + self.length
    }

    /// True when ciphertext follows.
    pub(super) fn is_encrypted(&self) -> bool {
        let control = self.bytes.get(self.body);
        control.is_some_and(|control| control & ENCRYPTED != 0)
    }

    /// The octets by which the same meter's next frame is known: tag and title, or, without a
    /// title, everything up to the security control.
    pub(super) fn start(&self) -> &'a [u8] {
        let length = if self.title.is_some() {
            10
        } else {
            self.body + 1
        };
        self.bytes.get(..length).unwrap_or(self.bytes)
    }
}

impl CipheredFrame {
    /// The first byte: general-glo-ciphering.
    pub const TAG: u8 = 0xDB;

    /// Reads a frame of which all bytes are there.
    pub(super) fn read(header: &Header<'_>, bytes: &[u8]) -> Option<Self> {
        let (&security_control, body) = bytes.get(header.body..)?.split_first()?;
        let (counter, body) = body.split_first_chunk::<4>()?;
        let (content, tag) = match security_control & AUTHENTICATED {
            0 => (body, None),
            _ => body
                .split_last_chunk::<TAG_LENGTH>()
                .map(|(content, tag)| (content, Some(*tag)))?,
        };
        Some(Self {
            system_title: header.title,
            security_control,
            invocation_counter: u32::from_be_bytes(*counter),
            content: content.to_vec(),
            tag,
            raw: bytes.to_vec(),
        })
    }

    /// The security suite.
    #[must_use]
    pub const fn suite(&self) -> u8 {
        self.security_control & 0x0F
    }

    /// True when its content is encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.security_control & ENCRYPTED != 0
    }

    /// Takes the telegram out. With a right tag it must be whole, and its CRC right if it has
    /// one; without, its CRC must be there and right.
    ///
    /// # Errors
    /// [`CipherError`]: keys are missing or wrong, or the content is no telegram.
    pub fn open(&self, keys: &Keys) -> Result<Opened, CipherError> {
        if self.security_control & COMPRESSED != 0 {
            return Err(CipherError::Unsupported("compression"));
        }
        let (plaintext, verdict, wrong_tag) = self.decipher(keys)?;
        let inside = whole_telegram(&plaintext);
        let telegram = match (inside, verdict) {
            (Ok(telegram), Verdict::Unauthenticated) if telegram.check == LineCheck::Absent => {
                return Err(CipherError::WrongKey("the telegram inside has no CRC"));
            }
            (Ok(telegram), _) => telegram,
            (Err(_), Verdict::Unauthenticated) => {
                let why = "the plaintext is no telegram with a right CRC";
                return Err(CipherError::WrongKey(why));
            }
            (Err(fault), _) => return Err(CipherError::Content(fault)),
        };
        Ok(Opened {
            telegram,
            verdict,
            wrong_tag,
            plaintext,
        })
    }

    fn decipher(&self, keys: &Keys) -> Result<(Vec<u8>, Verdict, bool), CipherError> {
        if self.tag.is_none() && !self.is_encrypted() {
            return match keys.encryption.is_empty() {
                true => Ok((self.content.clone(), Verdict::None, false)),
                false => Err(CipherError::NotCiphered),
            };
        }
        if keys.encryption.is_empty() {
            return Err(CipherError::NoKey);
        }
        let title = self
            .system_title
            .or(keys.system_title)
            .ok_or(CipherError::NoTitle)?;
        let key = keys.encryption.of(title).ok_or(CipherError::NoKey)?;
        let auth_key = keys.authentication.of(title);
        let Some(tag) = self.tag else {
            if !keys.no_auth {
                return Err(CipherError::Unauthenticated);
            }
            return Ok((self.keystream(title, key)?, Verdict::Unauthenticated, false));
        };
        if let Some(auth_key) = auth_key {
            match self.verified(title, key, auth_key, tag)? {
                Some(plaintext) => return Ok((plaintext, Verdict::Authenticated, false)),
                None if !keys.no_auth => {
                    return Err(CipherError::WrongKey("the tag does not verify"));
                }
                None => {}
            }
        } else if !keys.no_auth {
            return Err(CipherError::NoAuthKey);
        }
        let plaintext = if self.is_encrypted() {
            self.keystream(title, key)?
        } else {
            self.content.clone()
        };
        Ok((plaintext, Verdict::Unauthenticated, auth_key.is_some()))
    }

    /// The plaintext when the tag is right.
    fn verified(
        &self,
        title: SystemTitle,
        key: &Key,
        auth_key: &Key,
        tag: [u8; TAG_LENGTH],
    ) -> Result<Option<Vec<u8>>, CipherError> {
        // Its full length at once: growing would leave a copy of the key behind.
        let length = 1 + auth_key.octets().len() + self.content.len();
        let mut aad = Zeroizing::new(Vec::with_capacity(length));
        aad.push(self.security_control);
        aad.extend_from_slice(auth_key.octets());
        let mut text = Vec::new();
        if self.is_encrypted() {
            text.clone_from(&self.content);
        } else {
            aad.extend_from_slice(&self.content);
        }
        let nonce = nonce(title, self.invocation_counter);
        let right = match suite_key(self.suite(), key)? {
            SuiteKey::Short(key) => key.decrypt_in_place_detached(
                &nonce,
                &aad,
                &mut text,
                GenericArray::from_slice(&tag),
            ),
            SuiteKey::Long(key) => key.decrypt_in_place_detached(
                &nonce,
                &aad,
                &mut text,
                GenericArray::from_slice(&tag),
            ),
        };
        let plaintext = if self.is_encrypted() {
            text
        } else {
            self.content.clone()
        };
        Ok(right.is_ok().then_some(plaintext))
    }

    /// The content deciphered without a look at the tag. GCM encrypts and decrypts alike, by
    /// exclusive-or with the key stream.
    fn keystream(&self, title: SystemTitle, key: &Key) -> Result<Vec<u8>, CipherError> {
        let mut text = self.content.clone();
        seal(
            self.suite(),
            key,
            &nonce(title, self.invocation_counter),
            &[],
            &mut text,
        )?;
        Ok(text)
    }
}

type Gcm<Cipher> = aes_gcm::AesGcm<Cipher, U12, U12>;
type Nonce = GenericArray<u8, U12>;

enum SuiteKey {
    Short(Box<Gcm<Aes128>>),
    Long(Box<Gcm<Aes256>>),
}

/// Suites 0 and 1 use AES-128, suite 2 AES-256 (Green Book, table 18).
fn suite_key(suite: u8, key: &Key) -> Result<SuiteKey, CipherError> {
    let wrong = |_| CipherError::WrongKey("the key's length does not fit the security suite");
    match suite {
        2 => Gcm::new_from_slice(key.octets())
            .map(|key| SuiteKey::Long(Box::new(key)))
            .map_err(wrong),
        _ => Gcm::new_from_slice(key.octets())
            .map(|key| SuiteKey::Short(Box::new(key)))
            .map_err(wrong),
    }
}

/// The sender's title and its invocation counter (Green Book, 9.2.3.3.7.3).
pub(super) fn nonce(title: SystemTitle, counter: u32) -> Nonce {
    title.into_iter().chain(counter.to_be_bytes()).collect()
}

/// Encrypts in place and gives the tag.
pub(super) fn seal(
    suite: u8,
    key: &Key,
    nonce: &Nonce,
    aad: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_LENGTH], CipherError> {
    let sealed = match suite_key(suite, key)? {
        SuiteKey::Short(key) => key.encrypt_in_place_detached(nonce, aad, text),
        SuiteKey::Long(key) => key.encrypt_in_place_detached(nonce, aad, text),
    };
    sealed
        .map(Into::into)
        .map_err(|_| CipherError::Unsupported("a text of this length"))
}

/// The one telegram that is everything in `plaintext`.
fn whole_telegram(plaintext: &[u8]) -> Result<Telegram, Fault> {
    let mut splitter = Splitter::new();
    let mut input = plaintext;
    let mut only = None;
    while let Some(Event { message, .. }) = splitter.pull(&mut input).or_else(|| splitter.finish())
    {
        match message {
            Message::Telegram(telegram) if only.is_none() => only = Some(telegram),
            Message::Rejected(fault) => return Err(fault),
            _ => return Err(Fault::Noise),
        }
    }
    only.ok_or(Fault::Noise)
}
