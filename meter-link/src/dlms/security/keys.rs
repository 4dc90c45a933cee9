//! Keys of several senders, and what is taken without a right tag.

use super::SystemTitle;
use super::gcm::{Cipher, CipherError, Protected, decipher};
use crate::key::Key;

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

/// What is known for opening messages.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Encryption keys (EK).
    pub encryption: KeyChain,
    /// Authentication keys (AK).
    pub authentication: KeyChain,
    /// Take messages whose tag is wrong, not there or cannot be checked, too. Whoever opens them
    /// must find another proof that the key was right, and mark what they say.
    pub no_auth: bool,
    /// The title of a sender that leaves it out.
    pub system_title: Option<SystemTitle>,
}

/// How far a message's content may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is neither encrypted nor authenticated.
    None,
    /// Its tag is right.
    Authenticated,
    /// Its tag was not checked, is wrong, or is not there.
    Unauthenticated,
}

/// What a message held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The plaintext.
    pub plaintext: Vec<u8>,
    /// How far it may be believed.
    pub verdict: Verdict,
    /// The tag was checked and is wrong, which was allowed.
    pub wrong_tag: bool,
}

impl Keys {
    /// Opens a message of `title`, or of the configured one where the message has none.
    ///
    /// Of an unauthenticated message nothing proves that the key was right: the caller must find
    /// that the plaintext makes sense.
    ///
    /// # Errors
    /// [`CipherError`]: keys are missing or wrong, or what the message lacks was not allowed.
    pub fn open(
        &self,
        title: Option<SystemTitle>,
        message: &Protected,
    ) -> Result<Opened, CipherError> {
        if message.control.is_compressed() {
            return Err(CipherError::Unsupported("compression"));
        }
        if message.tag.is_none() && !message.control.is_encrypted() {
            return match self.encryption.is_empty() {
                true => Ok(Opened {
                    plaintext: message.content.clone(),
                    verdict: Verdict::None,
                    wrong_tag: false,
                }),
                false => Err(CipherError::NotCiphered),
            };
        }
        if self.encryption.is_empty() {
            return Err(CipherError::NoKey);
        }
        let title = title.or(self.system_title).ok_or(CipherError::NoTitle)?;
        let encryption = self.encryption.of(title).ok_or(CipherError::NoKey)?;
        let unauthenticated = |wrong_tag| {
            Ok(Opened {
                plaintext: decipher(encryption, title, message)?,
                verdict: Verdict::Unauthenticated,
                wrong_tag,
            })
        };
        if message.tag.is_none() {
            return match self.no_auth {
                true => unauthenticated(false),
                false => Err(CipherError::Unauthenticated),
            };
        }
        let Some(authentication) = self.authentication.of(title) else {
            return match self.no_auth {
                true => unauthenticated(false),
                false => Err(CipherError::NoAuthKey),
            };
        };
        let cipher = Cipher {
            encryption,
            authentication,
        };
        match cipher.open(title, message) {
            Ok(plaintext) => Ok(Opened {
                plaintext,
                verdict: Verdict::Authenticated,
                wrong_tag: false,
            }),
            Err(CipherError::WrongKey(_)) if self.no_auth => unauthenticated(true),
            Err(error) => Err(error),
        }
    }
}
