//! The protection of one association's messages (IEC 62056-5-3, 5.3.5): ciphering of services or of
//! whole messages, with or without telling the key, and signatures.

mod signing;

use super::association::Random;
use super::config::{CipheringConfig, Envelope};
use super::error::ClientError;
use crate::dlms::apdu::{Apdu, Ciphered, Ciphering, GeneralCiphering, GeneralHeader};
use crate::dlms::security::{
    Cipher, CipherError, GeneralCipher, KeyChoice, PreparedKey, Protected, SecurityControl,
    SystemTitle, hls,
};
use crate::key::Key;

/// Octets by which ciphering lengthens a message: tag, lengths, title, security control, counter and
/// authentication tag.
const OVERHEAD: usize = 36;
/// Octets that general-ciphering has beside, but for the key: transaction, the other title, lengths.
const KEYED_OVERHEAD: usize = 20;

/// Keys and counters of one association.
pub(super) struct Protection {
    config: CipheringConfig,
    /// The meter's title, once it was told.
    pub(super) server: Option<SystemTitle>,
    /// The key of this association alone.
    dedicated: Option<PreparedKey>,
    global: PreparedKey,
    /// The counter of the last message taken from the meter under a key that lasts.
    last: Option<u32>,
    /// The number of the transaction that waits for its answer, where each message has its own key.
    transaction: Option<Vec<u8>>,
}

impl Protection {
    pub(super) fn new(config: &CipheringConfig) -> Result<Self, ClientError> {
        Ok(Self {
            global: PreparedKey::new(config.control.suite(), &config.encryption)?,
            config: config.clone(),
            server: None,
            dedicated: None,
            last: None,
            transaction: None,
        })
    }

    /// Agrees on a key for this association alone.
    pub(super) fn dedicate(&mut self, key: &Key) -> Result<(), ClientError> {
        let prepared = PreparedKey::new(self.config.control.suite(), key)?;
        self.dedicated = Some(prepared);
        Ok(())
    }

    pub(super) const fn config(&self) -> &CipheringConfig {
        &self.config
    }

    /// Octets by which protection lengthens a message, at most.
    pub(super) fn overhead(&self) -> usize {
        let suite = self.config.control.suite();
        let key = match &self.config.envelope {
            Envelope::Keyed(choice) => KEYED_OVERHEAD + choice.length(suite),
            Envelope::Services | Envelope::General => 0,
        };
        OVERHEAD + key + self.config.signing.as_ref().map_or(0, signing::length)
    }

    const fn cipher(&self) -> Cipher<'_> {
        Cipher {
            encryption: &self.config.encryption,
            authentication: &self.config.authentication,
        }
    }

    const fn general<'a>(&'a self, choice: &'a KeyChoice) -> GeneralCipher<'a> {
        GeneralCipher {
            choice,
            encryption: &self.config.encryption,
            authentication: &self.config.authentication,
        }
    }

    /// The request that an AARQ carries: under the global key, which the AARQ's title goes with.
    pub(super) fn seal_initiate(&self, plain: &Apdu, counter: u32) -> Result<Vec<u8>, ClientError> {
        // The dedicated key is agreed on by the very message that carries it.
        let bytes = plain.to_vec();
        let ciphering = bytes.first().copied().and_then(Ciphering::glo_of);
        let ciphering = ciphering.unwrap_or(Ciphering::GeneralGlo);
        self.ciphered(&bytes, ciphering, counter)
    }

    /// Protects a message of our own under a counter that was never used.
    pub(super) fn seal(
        &mut self,
        plain: &Apdu,
        counter: u32,
        random: &mut Random,
    ) -> Result<Vec<u8>, ClientError> {
        let mut bytes = plain.to_vec();
        if self.config.signing.as_ref().is_some_and(|own| own.inside) {
            bytes = self.sign(bytes)?;
        }
        let bytes = match &self.config.envelope {
            Envelope::Keyed(choice) => {
                let transaction = u64::from(counter).to_be_bytes().to_vec();
                let header = GeneralHeader {
                    transaction_id: transaction.clone(),
                    ..self.header()?
                };
                let control = self.config.control;
                let cipher = self.general(choice);
                let sealed = cipher.seal(header, control, counter, &bytes, random)?;
                self.transaction = Some(transaction);
                Apdu::GeneralCiphering(sealed).to_vec()
            }
            envelope => {
                let tag = bytes.first().copied().unwrap_or_default();
                let whole = matches!(envelope, Envelope::General);
                let (dedicated, general) = match &self.dedicated {
                    Some(_) => (Ciphering::ded_of(tag), Ciphering::GeneralDed),
                    None => (Ciphering::glo_of(tag), Ciphering::GeneralGlo),
                };
                let ciphering = dedicated.filter(|_| !whole).unwrap_or(general);
                self.ciphered(&bytes, ciphering, counter)?
            }
        };
        match &self.config.signing {
            Some(own) if !own.inside => self.sign(bytes),
            _ => Ok(bytes),
        }
    }

    fn ciphered(
        &self,
        bytes: &[u8],
        ciphering: Ciphering,
        counter: u32,
    ) -> Result<Vec<u8>, ClientError> {
        let key = match &self.dedicated {
            Some(key) if ciphering.is_dedicated() => key,
            _ => &self.global,
        };
        let title = self.config.title;
        let (control, authentication) = (self.config.control, &self.config.authentication);
        let sealed = key.seal(authentication, &[], control, title, counter, bytes)?;
        let system_title = match ciphering {
            Ciphering::GeneralGlo | Ciphering::GeneralDed => title.to_vec(),
            Ciphering::Glo(_) | Ciphering::Ded(_) => Vec::new(),
        };
        let ciphered = Ciphered {
            ciphering,
            system_title,
            content: sealed.to_vec(),
        };
        Ok(Apdu::Ciphered(ciphered).to_vec())
    }

    /// From us to the meter.
    fn header(&self) -> Result<GeneralHeader, ClientError> {
        let server = self.server.ok_or(ClientError::NoServerTitle)?;
        Ok(GeneralHeader {
            originator: self.config.title.to_vec(),
            recipient: server.to_vec(),
            ..GeneralHeader::default()
        })
    }

    /// What a message of the meter holds, and how many stray octets follow it. One that is protected
    /// in another way than ours, or whose signature, tag or counter is wrong, gives nothing; what a
    /// meter says in plain before or beside an association comes as it is.
    pub(super) fn unprotect(&mut self, apdu: Apdu) -> Result<(Apdu, usize), ClientError> {
        if is_plain_allowed(&apdu) {
            return Ok((apdu, 0));
        }
        let inside = self.config.signing.as_ref().map(|signing| signing.inside);
        let mut stray = 0;
        let mut next = |bytes: &[u8]| -> Result<Apdu, ClientError> {
            let (apdu, rest) = Apdu::decode(bytes)?;
            stray += rest.len();
            Ok(apdu)
        };
        let apdu = match inside {
            Some(false) => next(&self.verified(apdu)?)?,
            _ => apdu,
        };
        let apdu = next(&self.opened(apdu)?)?;
        let apdu = match inside {
            Some(true) => next(&self.verified(apdu)?)?,
            _ => apdu,
        };
        Ok((apdu, stray))
    }

    fn opened(&mut self, apdu: Apdu) -> Result<Vec<u8>, ClientError> {
        let keyed = matches!(self.config.envelope, Envelope::Keyed(_));
        match apdu {
            Apdu::Ciphered(message) if !keyed => self.open(&message),
            Apdu::GeneralCiphering(message) if keyed => self.open_keyed(&message),
            other => Err(ClientError::Unprotected(other.name())),
        }
    }

    /// Opens a message of the meter under the global or dedicated key. One whose tag or counter is
    /// wrong gives nothing.
    pub(super) fn open(&mut self, message: &Ciphered) -> Result<Vec<u8>, ClientError> {
        let server = self.server.ok_or(ClientError::NoServerTitle)?;
        if !message.system_title.is_empty() && message.system_title != server {
            return Err(CipherError::WrongKey("the message names another system title").into());
        }
        let protected = self.decoded(&message.content)?;
        let dedicated = message.ciphering.is_dedicated();
        let key = match (dedicated, &self.dedicated) {
            (true, Some(key)) => key,
            (true, None) => return Err(CipherError::NoKey.into()),
            (false, _) => &self.global,
        };
        let counter = protected.invocation_counter;
        let opened = key.open(&self.config.authentication, &[], server, protected)?;
        self.rises(counter)?;
        Ok(opened)
    }

    fn open_keyed(&mut self, message: &GeneralCiphering) -> Result<Vec<u8>, ClientError> {
        let Envelope::Keyed(choice) = &self.config.envelope else {
            return Err(CipherError::NoKey.into());
        };
        let (header, told) = (&message.header, message.key.as_ref());
        self.is_for_us(header)?;
        let fresh = choice.is_fresh();
        if fresh && self.transaction.as_ref() != Some(&header.transaction_id) {
            return Err(ClientError::OtherTransaction);
        }
        let protected = self.decoded(&message.content)?;
        let counter = protected.invocation_counter;
        let opened = self.general(choice).open(header, told, protected)?;
        if fresh {
            // Whatever comes with this number from now on was there before.
            self.transaction = None;
        } else {
            self.rises(counter)?;
        }
        Ok(opened)
    }

    /// The message is from this meter to us.
    fn is_for_us(&self, header: &GeneralHeader) -> Result<(), ClientError> {
        let server = self.server.ok_or(ClientError::NoServerTitle)?;
        match header.originator == server && header.recipient == self.config.title {
            true => Ok(()),
            false => Err(CipherError::WrongKey("the message names other system titles").into()),
        }
    }

    /// Ciphered content that is protected no less than our own.
    fn decoded(&self, content: &[u8]) -> Result<Protected, ClientError> {
        let protected = Protected::decode(content)?;
        let (wanted, found) = (self.config.control, protected.control);
        let weaker = |by: fn(SecurityControl) -> bool| by(wanted) && !by(found);
        if weaker(SecurityControl::is_authenticated)
            || weaker(SecurityControl::is_encrypted)
            || found.suite() != wanted.suite()
        {
            return Err(CipherError::Unauthenticated.into());
        }
        Ok(protected)
    }

    fn rises(&mut self, counter: u32) -> Result<(), ClientError> {
        if let Some(last) = self.last.filter(|last| counter <= *last) {
            return Err(ClientError::Replay { counter, last });
        }
        self.last = Some(counter);
        Ok(())
    }

    /// The proof over a challenge (mechanism 5), made by ourselves.
    pub(super) fn gmac(&self, counter: u32, challenge: &[u8]) -> Result<Vec<u8>, ClientError> {
        let cipher = self.cipher();
        let suite = self.config.control.suite();
        let title = self.config.title;
        Ok(hls::gmac(&cipher, suite, title, counter, challenge)?)
    }

    /// Whether a token of the meter proves that it has the keys.
    pub(super) fn proves(&self, token: &[u8], challenge: &[u8]) -> Result<bool, ClientError> {
        let server = self.server.ok_or(ClientError::NoServerTitle)?;
        let cipher = self.cipher();
        Ok(hls::verify_gmac(&cipher, server, token, challenge))
    }
}

/// What a meter may say in plain in an association that is not.
const fn is_plain_allowed(apdu: &Apdu) -> bool {
    matches!(
        apdu,
        Apdu::Aare(_) | Apdu::Rlre(_) | Apdu::ExceptionResponse(_) | Apdu::ConfirmedServiceError(_)
    )
}

#[cfg(test)]
mod tests;
