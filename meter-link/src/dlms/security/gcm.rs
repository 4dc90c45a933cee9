//! AES in Galois/counter mode with tags of twelve octets (IEC 62056-5-3, 5.3.5).

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::{Aes128, Aes256};
use zeroize::Zeroizing;

use super::SystemTitle;
use crate::dlms::axdr::{Error, Reader};
use crate::key::Key;

/// Octets of a tag.
pub const TAG_LENGTH: usize = 12;

/// What was done to a message: bits 0 to 3 the suite, 4 authenticated, 5 encrypted, 6 with the
/// broadcast key, 7 compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecurityControl(pub u8);

impl SecurityControl {
    /// Suite 0, authenticated.
    pub const AUTHENTICATED: Self = Self(0x10);
    /// Suite 0, encrypted.
    pub const ENCRYPTED: Self = Self(0x20);
    /// Suite 0, authenticated and encrypted.
    pub const AUTHENTICATED_ENCRYPTED: Self = Self(0x30);

    /// The security suite.
    #[must_use]
    pub const fn suite(self) -> u8 {
        self.0 & 0x0F
    }

    /// The same protection in another suite.
    #[must_use]
    pub const fn in_suite(self, suite: u8) -> Self {
        Self(self.0 & 0xF0 | suite & 0x0F)
    }

    /// True when there is a tag.
    #[must_use]
    pub const fn is_authenticated(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// True when the content is encrypted.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// True when the broadcast key was used.
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// True when the content is compressed.
    #[must_use]
    pub const fn is_compressed(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// Why a message cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CipherError {
    /// No key, or none for this sender.
    #[error("the message is ciphered and there is no key for it")]
    NoKey,
    /// The message does not name its sender.
    #[error("the message carries no system title: it must be configured")]
    NoTitle,
    /// It has a tag that cannot be checked.
    #[error("the message is authenticated and there is no authentication key for it")]
    NoAuthKey,
    /// The tag does not verify, or the plaintext makes no sense.
    #[error("the key, the authentication key or the message is wrong: {0}")]
    WrongKey(&'static str),
    /// It has no tag, and unauthenticated messages were not allowed.
    #[error("the message is not authenticated, which has not been allowed")]
    Unauthenticated,
    /// It is plain although there is a key.
    #[error("the message is not ciphered although there is a key")]
    NotCiphered,
    /// A form that is not read here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

/// What a ciphered message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// What was done.
    pub control: SecurityControl,
    /// Counts up with every message under the same key.
    pub invocation_counter: u32,
    /// Ciphertext, or the plain message when it is only authenticated.
    pub content: Vec<u8>,
    /// The tag of an authenticated message.
    pub tag: Option<[u8; TAG_LENGTH]>,
}

impl Protected {
    /// Takes security control, counter, content and tag apart.
    ///
    /// # Errors
    /// There are too few octets for what the security control says.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let control = SecurityControl(reader.u8()?);
        let invocation_counter = reader.u32()?;
        let tag_length = if control.is_authenticated() {
            TAG_LENGTH
        } else {
            0
        };
        let length = reader.rest().len().checked_sub(tag_length);
        let short = reader.error(crate::dlms::axdr::Fault::Short);
        let content = reader.take(length.ok_or(short)?)?.to_vec();
        let tag = control
            .is_authenticated()
            .then(|| reader.array())
            .transpose()?;
        Ok(Self {
            control,
            invocation_counter,
            content,
            tag,
        })
    }

    /// Puts them together.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.control.0);
        out.extend_from_slice(&self.invocation_counter.to_be_bytes());
        out.extend_from_slice(&self.content);
        out.extend(self.tag.iter().flatten());
    }

    /// The same as new bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// The keys of one direction between two sides.
///
/// ```
/// use meter_link::dlms::security::{Cipher, SecurityControl};
/// use meter_link::key::Key;
/// let key = Key::from_hex("000102030405060708090a0b0c0d0e0f")?;
/// let auth_key = Key::from_hex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")?;
/// let cipher = Cipher { encryption: &key, authentication: &auth_key };
/// let control = SecurityControl::AUTHENTICATED_ENCRYPTED;
/// let sealed = cipher.seal(control, *b"WSM00001", 1, b"plain")?;
/// assert_eq!(cipher.open(*b"WSM00001", &sealed)?, b"plain");
/// assert!(cipher.open(*b"WSM00002", &sealed).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cipher<'a> {
    /// Block cipher key: global unicast, global broadcast or dedicated.
    pub encryption: &'a Key,
    /// Authentication key.
    pub authentication: &'a Key,
}

impl Cipher<'_> {
    /// Seals a message of `title` as `control` says.
    ///
    /// The counter must never have been used with this key and title before.
    ///
    /// # Errors
    /// The key's length does not fit the suite, or the suite is unknown.
    pub fn seal(
        &self,
        control: SecurityControl,
        title: SystemTitle,
        counter: u32,
        plaintext: &[u8],
    ) -> Result<Protected, CipherError> {
        let prepared = PreparedKey::new(control.suite(), self.encryption)?;
        prepared.seal(self.authentication, &[], control, title, counter, plaintext)
    }

    /// Opens an authenticated message of `title`.
    ///
    /// # Errors
    /// It has no tag or a wrong one, is compressed, or the key does not fit its suite.
    pub fn open(&self, title: SystemTitle, message: &Protected) -> Result<Vec<u8>, CipherError> {
        let prepared = PreparedKey::new(message.control.suite(), self.encryption)?;
        prepared.open(self.authentication, &[], title, message.clone())
    }
}

/// An encryption key that is ready for many messages of one suite. Its rounds are wiped when it is
/// dropped.
pub(crate) struct PreparedKey {
    suite: u8,
    gcm: Gcm,
}

impl PreparedKey {
    pub(crate) fn new(suite: u8, key: &Key) -> Result<Self, CipherError> {
        let gcm = Gcm::new(suite, key)?;
        Ok(Self { suite, gcm })
    }

    /// As [`Cipher::seal`]; `header` is what else the tag is over.
    pub(crate) fn seal(
        &self,
        authentication: &Key,
        header: &[u8],
        control: SecurityControl,
        title: SystemTitle,
        counter: u32,
        plaintext: &[u8],
    ) -> Result<Protected, CipherError> {
        self.fits(control)?;
        let mut content = plaintext.to_vec();
        let nonce = nonce(title, counter);
        let tag = if control.is_encrypted() {
            let aad = additional(control, authentication, header, &[]);
            self.gcm.encrypt(&nonce, &aad, &mut content)?
        } else {
            let aad = additional(control, authentication, header, plaintext);
            self.gcm.encrypt(&nonce, &aad, &mut [])?
        };
        Ok(Protected {
            control,
            invocation_counter: counter,
            content,
            tag: control.is_authenticated().then_some(tag),
        })
    }

    /// As [`Cipher::open`], in the place where the message lies; `header` is what else the tag is
    /// over.
    pub(crate) fn open(
        &self,
        authentication: &Key,
        header: &[u8],
        title: SystemTitle,
        message: Protected,
    ) -> Result<Vec<u8>, CipherError> {
        let control = message.control;
        if control.is_compressed() {
            return Err(CipherError::Unsupported("compression"));
        }
        self.fits(control)?;
        let tag = message.tag.ok_or(CipherError::Unauthenticated)?;
        let nonce = nonce(title, message.invocation_counter);
        let mut text = message.content;
        let right = if control.is_encrypted() {
            let aad = additional(control, authentication, header, &[]);
            self.gcm.decrypt(&nonce, &aad, &mut text, tag)
        } else {
            let aad = additional(control, authentication, header, &text);
            self.gcm.decrypt(&nonce, &aad, &mut [], tag)
        };
        match right {
            true => Ok(text),
            false => Err(CipherError::WrongKey("the tag does not verify")),
        }
    }

    fn fits(&self, control: SecurityControl) -> Result<(), CipherError> {
        match control.suite() == self.suite {
            true => Ok(()),
            false => Err(CipherError::Unsupported(
                "another security suite than agreed on",
            )),
        }
    }
}

/// The content without a look at the tag. GCM encrypts and decrypts alike, by exclusive-or with
/// the key stream.
pub(super) fn decipher(
    key: &Key,
    title: SystemTitle,
    message: &Protected,
) -> Result<Vec<u8>, CipherError> {
    let mut text = message.content.clone();
    if message.control.is_encrypted() {
        let nonce = nonce(title, message.invocation_counter);
        Gcm::new(message.control.suite(), key)?.encrypt(&nonce, &[], &mut text)?;
    }
    Ok(text)
}

type Nonce = GenericArray<u8, U12>;

enum Gcm {
    Short(Box<aes_gcm::AesGcm<Aes128, U12, U12>>),
    Long(Box<aes_gcm::AesGcm<Aes256, U12, U12>>),
}

impl Gcm {
    /// Suites 0 and 1 use AES-128, suite 2 AES-256 (IEC 62056-5-3, table 15).
    fn new(suite: u8, key: &Key) -> Result<Self, CipherError> {
        let wrong = |_| CipherError::WrongKey("the key's length does not fit the security suite");
        match suite {
            0 | 1 => KeyInit::new_from_slice(key.octets())
                .map(|gcm| Self::Short(Box::new(gcm)))
                .map_err(wrong),
            2 => KeyInit::new_from_slice(key.octets())
                .map(|gcm| Self::Long(Box::new(gcm)))
                .map_err(wrong),
            _ => Err(CipherError::Unsupported("this security suite")),
        }
    }

    fn encrypt(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LENGTH], CipherError> {
        let tag = match self {
            Self::Short(gcm) => gcm.encrypt_in_place_detached(nonce, aad, text),
            Self::Long(gcm) => gcm.encrypt_in_place_detached(nonce, aad, text),
        };
        tag.map(Into::into)
            .map_err(|_| CipherError::Unsupported("a text of this length"))
    }

    fn decrypt(&self, nonce: &Nonce, aad: &[u8], text: &mut [u8], tag: [u8; TAG_LENGTH]) -> bool {
        let tag = GenericArray::from_slice(&tag);
        match self {
            Self::Short(gcm) => gcm.decrypt_in_place_detached(nonce, aad, text, tag),
            Self::Long(gcm) => gcm.decrypt_in_place_detached(nonce, aad, text, tag),
        }
        .is_ok()
    }
}

/// The sender's title and its invocation counter (IEC 62056-5-3, 5.3.3.7.3).
fn nonce(title: SystemTitle, counter: u32) -> Nonce {
    title.into_iter().chain(counter.to_be_bytes()).collect()
}

/// Security control, authentication key, what else is to be authenticated and, where it is not
/// encrypted, the content.
fn additional(
    control: SecurityControl,
    key: &Key,
    header: &[u8],
    content: &[u8],
) -> Zeroizing<Vec<u8>> {
    // Its full length at once: growing would leave a copy of the key behind.
    let length = 1 + key.octets().len() + header.len() + content.len();
    let mut aad = Zeroizing::new(Vec::with_capacity(length));
    aad.push(control.0);
    aad.extend_from_slice(key.octets());
    aad.extend_from_slice(header);
    aad.extend_from_slice(content);
    aad
}
