//! The ciphering of one association (IEC 62056-5-3, 5.3.5).

use super::config::CipheringConfig;
use super::error::ClientError;
use crate::dlms::apdu::{Apdu, Ciphered, Ciphering};
use crate::dlms::security::{Cipher, CipherError, PreparedKey, Protected, SystemTitle, hls};
use crate::key::Key;

/// Octets by which ciphering lengthens a message: tag, lengths, title, security control, counter
/// and authentication tag.
pub(super) const OVERHEAD: usize = 36;

/// Keys and counters of one association.
pub(super) struct Protection {
    config: CipheringConfig,
    /// The meter's title, once it was told.
    pub(super) server: Option<SystemTitle>,
    /// The key of this association alone.
    dedicated: Option<PreparedKey>,
    global: PreparedKey,
    /// The counter of the last message taken from the meter.
    last: Option<u32>,
}

impl Protection {
    pub(super) fn new(config: &CipheringConfig) -> Result<Self, ClientError> {
        Ok(Self {
            global: PreparedKey::new(config.control.suite(), &config.encryption)?,
            config: config.clone(),
            server: None,
            dedicated: None,
            last: None,
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

    const fn cipher(&self) -> Cipher<'_> {
        Cipher {
            encryption: &self.config.encryption,
            authentication: &self.config.authentication,
        }
    }

    /// Seals a message of our own under a counter that was never used.
    pub(super) fn seal(&self, plain: &Apdu, counter: u32) -> Result<Vec<u8>, ClientError> {
        let bytes = plain.to_vec();
        let tag = bytes.first().copied().unwrap_or_default();
        let is_initiate = matches!(plain, Apdu::InitiateRequest(_));
        // The dedicated key is agreed on by the very message that carries it.
        let dedicated = self.dedicated.as_ref().filter(|_| !is_initiate);
        let general = self.config.general && !is_initiate;
        let ciphering = match (general, dedicated) {
            (true, Some(_)) => Some(Ciphering::GeneralDed),
            (true, None) => Some(Ciphering::GeneralGlo),
            (false, Some(_)) => Ciphering::ded_of(tag),
            (false, None) => Ciphering::glo_of(tag),
        };
        let ciphering = ciphering.unwrap_or(match dedicated {
            Some(_) => Ciphering::GeneralDed,
            None => Ciphering::GeneralGlo,
        });
        let key = dedicated.unwrap_or(&self.global);
        let title = self.config.title;
        let (control, authentication) = (self.config.control, &self.config.authentication);
        let sealed = key.seal(authentication, control, title, counter, &bytes)?;
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

    /// Opens a message of the meter. One whose tag or counter is wrong gives nothing.
    pub(super) fn open(&mut self, message: &Ciphered) -> Result<Vec<u8>, ClientError> {
        let server = self.server.ok_or(ClientError::NoServerTitle)?;
        if !message.system_title.is_empty() && message.system_title != server {
            return Err(CipherError::WrongKey("the message names another system title").into());
        }
        let protected = Protected::decode(&message.content)?;
        let wanted = self.config.control;
        let weaker = wanted.is_authenticated() && !protected.control.is_authenticated()
            || wanted.is_encrypted() && !protected.control.is_encrypted();
        if weaker || protected.control.suite() != wanted.suite() {
            return Err(CipherError::Unauthenticated.into());
        }
        let dedicated = message.ciphering.is_dedicated();
        let key = match (dedicated, &self.dedicated) {
            (true, Some(key)) => key,
            (true, None) => return Err(CipherError::NoKey.into()),
            (false, _) => &self.global,
        };
        let counter = protected.invocation_counter;
        let opened = key.open(&self.config.authentication, server, protected)?;
        if let Some(last) = self.last.filter(|last| counter <= *last) {
            return Err(ClientError::Replay { counter, last });
        }
        self.last = Some(counter);
        Ok(opened)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::apdu::{GetRequest, Rlrq};
    use crate::dlms::data::AttributeDescriptor;

    fn protection(general: bool, dedicated: bool) -> Protection {
        let key = |text| Key::from_hex(text).unwrap();
        let config = CipheringConfig {
            general,
            ..CipheringConfig::new(
                *b"MMM\0\0\xBCaN",
                key("000102030405060708090A0B0C0D0E0F"),
                key("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"),
            )
        };
        let mut protection = Protection::new(&config).unwrap();
        protection.server = Some(*b"MMM\0\0\xBCaN");
        if dedicated {
            let key = key("0F0E0D0C0B0A09080706050403020100");
            protection.dedicate(&key).unwrap();
        }
        protection
    }

    /// The example of the Green Book (edition 8, table 37): a GET of the clock under SC 30,
    /// counter 01234567.
    #[test]
    fn the_green_books_request() {
        let clock = AttributeDescriptor {
            class: 8,
            instance: "0-0:1.0.0".parse().unwrap(),
            attribute: 2,
        };
        let request = Apdu::GetRequest(GetRequest::Normal {
            invoke: 0,
            attribute: clock.into(),
        });
        assert_eq!(
            request.to_vec(),
            crate::key::octets("C001000008000001 0000FF0200".replace(' ', "").as_str()).unwrap()
        );
        let sealed = protection(false, false)
            .seal(&request, 0x0123_4567)
            .unwrap();
        let want = "C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B";
        assert_eq!(sealed, crate::key::octets(want).unwrap());
    }

    #[test]
    fn each_way_of_ciphering_comes_back() {
        let request = Apdu::Rlrq(Rlrq::default());
        let get = Apdu::GetRequest(GetRequest::Next {
            invoke: 1,
            block: 2,
        });
        for (general, dedicated, message, tag) in [
            (false, false, &get, 0xC8),
            (false, true, &get, 0xD0),
            (true, false, &get, 0xDB),
            (true, true, &get, 0xDC),
            (false, false, &request, 0xDB),
        ] {
            let mut protection = protection(general, dedicated);
            let sealed = protection.seal(message, 7).unwrap();
            assert_eq!(sealed[0], tag);
            let (Apdu::Ciphered(ciphered), []) = Apdu::decode(&sealed).unwrap() else {
                panic!("not ciphered");
            };
            assert_eq!(protection.open(&ciphered).unwrap(), message.to_vec());
            let again = protection.open(&ciphered);
            let replay = ClientError::Replay {
                counter: 7,
                last: 7,
            };
            assert_eq!(again, Err(replay));
            for bit in 0..ciphered.content.len() * 8 {
                let mut damaged = ciphered.clone();
                damaged.content[bit / 8] ^= 1 << (bit % 8);
                assert!(protection.open(&damaged).is_err(), "{bit}");
            }
        }
    }
}
