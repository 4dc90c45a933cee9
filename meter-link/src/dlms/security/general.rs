//! general-ciphering: messages that tell by which key they are sealed (IEC 62056-5-3, 5.3.5.4 and
//! annex I).

use zeroize::Zeroizing;

use super::agreement::{AgreementKey, AgreementPublicKey};
use super::ecdsa::{SigningKey, VerifyingKey};
use super::{CipherError, PreparedKey, Protected, SecurityControl, SystemTitle, key_wrap};
use crate::dlms::apdu::{GeneralCiphering, GeneralHeader, KeyInfo};
use crate::dlms::axdr::put_octets;
use crate::key::Key;

/// Fills a slice with numbers that nobody can foretell.
pub type RandomSource<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Global unicast encryption key, and master key, in the lists of keys.
const FIRST_KEY: u8 = 0;
/// One-pass Diffie-Hellman, C(1e, 1s).
const ONE_PASS: u8 = 1;
/// Static unified model, C(0e, 2s).
const STATIC: u8 = 2;

/// By which key messages to one peer and from it are sealed.
#[derive(Clone, Debug)]
pub enum KeyChoice {
    /// The global unicast encryption key, which both know.
    Identified,
    /// A new key for each message, wrapped with the master key.
    Wrapped {
        /// The master key (KEK), which both know.
        master: Key,
    },
    /// A key that both agree on for each message: one-pass Diffie-Hellman, C(1e, 1s). The sender makes
    /// a pair of keys for it and signs the public one.
    OnePass {
        /// Our static private key, for messages to us.
        own: AgreementKey,
        /// The peer's static public key.
        peer: AgreementPublicKey,
        /// Signs the public keys that we make.
        signing: SigningKey,
        /// Checks those of the peer.
        verifying: VerifyingKey,
    },
    /// A key that both agree on for each message: static unified model, C(0e, 2s). The number of the
    /// transaction makes it another one.
    Static {
        /// Our private key.
        own: AgreementKey,
        /// The peer's public key.
        peer: AgreementPublicKey,
    },
}

impl KeyChoice {
    /// True when each message has a key of its own, so that its counter need not rise. What was sent
    /// before is then told apart by the number of the transaction alone.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        !matches!(self, Self::Identified)
    }

    /// Octets that telling the key takes in a message of this suite, at most.
    #[must_use]
    pub const fn length(&self, suite: u8) -> usize {
        let coordinate = if suite == 2 { 48 } else { 32 };
        match self {
            Self::Identified => 3,
            Self::Wrapped { .. } => 4 + 40,
            Self::Static { .. } => 5,
            // A point and a signature.
            Self::OnePass { .. } => 6 + 4 * coordinate,
        }
    }
}

/// What one side knows for sealing messages to a peer and opening the peer's.
#[derive(Clone, Copy, Debug)]
pub struct GeneralCipher<'a> {
    /// By which key.
    pub choice: &'a KeyChoice,
    /// Global unicast encryption key (EK).
    pub encryption: &'a Key,
    /// Authentication key (AK).
    pub authentication: &'a Key,
}

impl GeneralCipher<'_> {
    /// Seals a message. The counter must never have been used before; the header's originator and
    /// recipient are the titles of both sides.
    ///
    /// # Errors
    /// A key does not fit the suite, or the header names no originator.
    pub fn seal(
        &self,
        header: GeneralHeader,
        control: SecurityControl,
        counter: u32,
        plaintext: &[u8],
        random: RandomSource<'_>,
    ) -> Result<GeneralCiphering, CipherError> {
        let title = originator(&header)?;
        let (key, told) = self.key_for(&header, control.suite(), random)?;
        let prepared = PreparedKey::new(control.suite(), &key)?;
        let fields = fields(&header);
        let sealed = prepared.seal(
            self.authentication,
            &fields,
            control,
            title,
            counter,
            plaintext,
        )?;
        Ok(GeneralCiphering {
            header,
            key: Some(told),
            content: sealed.to_vec(),
        })
    }

    /// Opens a message whose content was [decoded](Protected::decode). Who sent it, to whom, and
    /// whether it came before is the caller's to check.
    ///
    /// # Errors
    /// The key is told in another way than agreed on, a signature or the tag does not verify.
    pub fn open(
        &self,
        header: &GeneralHeader,
        told: Option<&KeyInfo>,
        content: Protected,
    ) -> Result<Vec<u8>, CipherError> {
        let title = originator(header)?;
        let key = self.key_of(header, told)?;
        let prepared = PreparedKey::new(content.control.suite(), &key)?;
        prepared.open(self.authentication, &fields(header), title, content)
    }

    fn key_for(
        &self,
        header: &GeneralHeader,
        suite: u8,
        random: RandomSource<'_>,
    ) -> Result<(Key, KeyInfo), CipherError> {
        Ok(match self.choice {
            KeyChoice::Identified => (self.encryption.clone(), KeyInfo::Identified(FIRST_KEY)),
            KeyChoice::Wrapped { master } => {
                let mut octets = Zeroizing::new(vec![0; self.encryption.octets().len()]);
                random(&mut octets);
                let key = Key::from_octets(&octets).ok_or(CipherError::NoKey)?;
                let wrapped = key_wrap::wrap(master, &key)?;
                (key, KeyInfo::Wrapped(FIRST_KEY, wrapped))
            }
            KeyChoice::OnePass { peer, signing, .. } => {
                let ephemeral = AgreementKey::generate(suite, random)?;
                let key = ephemeral.agree(peer, &header.originator, &header.recipient)?;
                let mut told = ephemeral.public_key().to_octets();
                told.extend(signing.sign(&told));
                (key, KeyInfo::Agreed(vec![ONE_PASS], told))
            }
            KeyChoice::Static { own, peer } => {
                let key = own.agree(peer, &header.originator, &numbered(header))?;
                (key, KeyInfo::Agreed(vec![STATIC], Vec::new()))
            }
        })
    }

    fn key_of(&self, header: &GeneralHeader, told: Option<&KeyInfo>) -> Result<Key, CipherError> {
        match (self.choice, told) {
            (KeyChoice::Identified, None | Some(KeyInfo::Identified(FIRST_KEY))) => {
                Ok(self.encryption.clone())
            }
            (KeyChoice::Wrapped { master }, Some(KeyInfo::Wrapped(FIRST_KEY, wrapped))) => {
                key_wrap::unwrap(master, wrapped)
            }
            (KeyChoice::OnePass { own, verifying, .. }, Some(KeyInfo::Agreed(scheme, told)))
                if scheme[..] == [ONE_PASS] =>
            {
                let public = signed_point(verifying, told)?;
                own.agree(&public, &header.originator, &header.recipient)
            }
            (KeyChoice::Static { own, peer }, Some(KeyInfo::Agreed(scheme, told)))
                if scheme[..] == [STATIC] && told.is_empty() =>
            {
                own.agree(peer, &header.originator, &numbered(header))
            }
            _ => Err(CipherError::WrongKey(
                "the message is sealed by another kind of key than agreed on",
            )),
        }
    }
}

/// The public key that the sender made for this message, once its signature is found right. Some sign
/// it with the number of the scheme in front.
fn signed_point(verifying: &VerifyingKey, told: &[u8]) -> Result<AgreementPublicKey, CipherError> {
    let wrong = CipherError::WrongKey("the sender's key for this message is not signed by it");
    // Point and signature have the same length.
    let (point, signature) = told.split_at_checked(told.len() / 2).ok_or(wrong)?;
    let with_scheme = [&[ONE_PASS], point].concat();
    if !verifying.verify(point, signature) && !verifying.verify(&with_scheme, signature) {
        return Err(wrong);
    }
    AgreementPublicKey::from_octets(point).map_err(|_| wrong)
}

fn originator(header: &GeneralHeader) -> Result<SystemTitle, CipherError> {
    header
        .originator
        .as_slice()
        .try_into()
        .map_err(|_| CipherError::NoTitle)
}

/// The fields that the tag is over, each with its length.
fn fields(header: &GeneralHeader) -> Vec<u8> {
    let mut out = Vec::new();
    header.write(&mut out);
    out
}

/// The transaction's number with its length, and the receiver's title.
fn numbered(header: &GeneralHeader) -> Vec<u8> {
    let mut out = Vec::new();
    put_octets(&mut out, &header.transaction_id);
    out.extend_from_slice(&header.recipient);
    out
}

#[cfg(test)]
mod tests;
