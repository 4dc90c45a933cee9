//! Ciphered frames: general-glo-ciphering of DLMS around a telegram (Green Book, 9.2.7.2).

use super::splitter::{Event, Fault, Message, Splitter};
use super::telegram::{LineCheck, Telegram};
use crate::dlms::security::{self, Protected, SecurityControl, TAG_LENGTH};
pub use crate::dlms::security::{KeyChain, Keys, SystemTitle, Verdict, parse_title};

/// Security control and invocation counter.
const SECURITY_HEADER: usize = 5;
const AUTHENTICATED: u8 = 0x10;
const ENCRYPTED: u8 = 0x20;

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

/// Why a frame gives no telegram.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It could not be opened.
    #[error(transparent)]
    Cipher(#[from] security::CipherError),
    /// The content is authentic and no whole telegram.
    #[error("inside of the frame: {0}")]
    Content(Fault),
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
    /// [`OpenError`]: keys are missing or wrong, or the content is no telegram.
    pub fn open(&self, keys: &Keys) -> Result<Opened, OpenError> {
        let protected = Protected {
            control: SecurityControl(self.security_control),
            invocation_counter: self.invocation_counter,
            content: self.content.clone(),
            tag: self.tag,
        };
        let security::Opened {
            plaintext,
            verdict,
            wrong_tag,
        } = keys.open(self.system_title, &protected)?;
        let inside = whole_telegram(&plaintext);
        let telegram = match (inside, verdict) {
            (Ok(telegram), Verdict::Unauthenticated) if telegram.check == LineCheck::Absent => {
                let why = "the telegram inside has no CRC";
                return Err(security::CipherError::WrongKey(why).into());
            }
            (Ok(telegram), _) => telegram,
            (Err(_), Verdict::Unauthenticated) => {
                let why = "the plaintext is no telegram with a right CRC";
                return Err(security::CipherError::WrongKey(why).into());
            }
            (Err(fault), _) => return Err(OpenError::Content(fault)),
        };
        Ok(Opened {
            telegram,
            verdict,
            wrong_tag,
            plaintext,
        })
    }
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
