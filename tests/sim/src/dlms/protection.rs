//! What the simulated meter does to messages: ciphering of each kind, and signatures.

use meter_link::dlms::apdu::{
    Apdu, Ciphered, Ciphering, GeneralCiphering, GeneralHeader, ServiceException,
};
use meter_link::dlms::security::agreement::AgreementKey;
use meter_link::dlms::security::ecdsa::SigningKey;
use meter_link::dlms::security::{Cipher, GeneralCipher, KeyChoice, Protected, SecurityControl};
use meter_link::key::Key;

use super::meter::{Meter, Refused, random};
use super::{Config, lock};

/// Which key each message of an association is sealed by, and whether it is signed.
#[derive(Clone, Debug)]
pub struct MessageKeys {
    /// By which key, from the meter's side.
    pub choice: KeyChoice,
    /// The meter's private key and the client's, by which messages are signed.
    pub signing: Option<(SigningKey, SigningKey)>,
}

/// How a request was protected, so that its answer is.
#[derive(Default)]
pub(super) struct Like {
    pub(super) ciphering: Option<Ciphering>,
    keyed: Option<GeneralHeader>,
}

/// Private keys of meter and client for agreeing on keys, in this suite.
///
/// # Panics
/// Never: both are numbers below the order of either curve.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "both are numbers below the order of either curve"
)]
pub fn agreement_keys(suite: u8) -> (AgreementKey, AgreementKey) {
    let length = if suite == 2 { 48 } else { 32 };
    let key = |octet: u8| AgreementKey::from_octets(&vec![octet; length]).expect("a key");
    (key(0x41), key(0x42))
}

const DAMAGED: Refused = Refused(ServiceException::DecipheringError);

impl Meter {
    const fn cipher<'a>(&'a self, key: &'a Key) -> Cipher<'a> {
        Cipher {
            encryption: key,
            authentication: &self.config().auth_key,
        }
    }

    /// The keys of the meter's own.
    pub(super) const fn global(&self) -> Cipher<'_> {
        self.cipher(&self.config().key)
    }

    /// What a protected message holds.
    pub(super) fn unprotect(&self, apdu: Apdu) -> Result<(Apdu, Like), Refused> {
        let keys = self.config().message_keys.as_ref();
        let signed = keys.and_then(|keys| keys.signing.as_ref());
        let apdu = match (apdu, signed) {
            (Apdu::GeneralSigning(message), Some((_, client))) => {
                if !client.verifying_key().verifies(&message) {
                    return Err(DAMAGED);
                }
                Apdu::decode(&message.content).map_err(|_| DAMAGED)?.0
            }
            (_, Some(_)) => return Err(DAMAGED),
            (apdu, None) => apdu,
        };
        let (opened, like) = match (apdu, keys) {
            (Apdu::GeneralCiphering(message), Some(keys)) => {
                let protected = Protected::decode(&message.content).map_err(|_| DAMAGED)?;
                let counter = protected.invocation_counter;
                let cipher = self.general(&keys.choice);
                let opened = cipher.open(&message.header, message.key.as_ref(), protected);
                self.heard(counter)?;
                let keyed = Some(message.header);
                let like = Like {
                    keyed,
                    ..Like::default()
                };
                (opened.map_err(|_| DAMAGED)?, like)
            }
            (Apdu::Ciphered(message), _) => {
                let ciphering = Some(message.ciphering);
                let like = Like {
                    ciphering,
                    ..Like::default()
                };
                (self.open(&message)?, like)
            }
            _ => return Err(Refused(ServiceException::OperationNotPossible)),
        };
        Ok((Apdu::decode(&opened).map_err(|_| DAMAGED)?.0, like))
    }

    const fn general<'a>(&'a self, choice: &'a KeyChoice) -> GeneralCipher<'a> {
        GeneralCipher {
            choice,
            encryption: &self.config().key,
            authentication: &self.config().auth_key,
        }
    }

    /// An answer, protected as its request was.
    pub(super) fn protect(&self, answer: &Apdu, like: Like) -> Result<Vec<u8>, Refused> {
        let (Some(keys), Some(asked)) = (&self.config().message_keys, like.keyed) else {
            let sealed = self.seal(answer, like.ciphering)?;
            return Ok(self.signed(sealed));
        };
        let header = GeneralHeader {
            originator: asked.recipient,
            recipient: asked.originator,
            ..asked
        };
        let sealed = self
            .general(&keys.choice)
            .seal(
                header,
                self.control()?,
                self.next_counter(),
                &answer.to_vec(),
                &mut random_into,
            )
            .map_err(|_| Refused(ServiceException::OtherReason))?;
        Ok(self.signed(Apdu::GeneralCiphering(GeneralCiphering { ..sealed }).to_vec()))
    }

    fn signed(&self, content: Vec<u8>) -> Vec<u8> {
        let keys = self.config().message_keys.as_ref();
        let Some((own, _)) = keys.and_then(|keys| keys.signing.as_ref()) else {
            return content;
        };
        let header = GeneralHeader {
            originator: self.config().title.to_vec(),
            recipient: self.title().to_vec(),
            ..GeneralHeader::default()
        };
        Apdu::GeneralSigning(own.general_signing(header, content)).to_vec()
    }

    fn control(&self) -> Result<SecurityControl, Refused> {
        let suite = self.config().security.suite();
        let suite = suite.ok_or(Refused(ServiceException::OtherReason))?;
        Ok(SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(suite))
    }

    pub(super) fn open(&self, message: &Ciphered) -> Result<Vec<u8>, Refused> {
        let protected = Protected::decode(&message.content).map_err(|_| DAMAGED)?;
        let key = match (message.ciphering.is_dedicated(), self.dedicated()) {
            (true, Some(key)) => key,
            (true, None) => return Err(DAMAGED),
            (false, _) => &self.config().key,
        };
        let opened = self.cipher(key).open(self.title(), &protected);
        let opened = opened.map_err(|_| DAMAGED)?;
        self.heard(protected.invocation_counter)?;
        Ok(opened)
    }

    pub(super) fn seal(&self, apdu: &Apdu, like: Option<Ciphering>) -> Result<Vec<u8>, Refused> {
        if self.config().security.suite().is_none() {
            return Ok(apdu.to_vec());
        }
        let bytes = apdu.to_vec();
        let tag = bytes.first().copied().unwrap_or(0);
        let ciphering = match like {
            Some(Ciphering::Ded(_)) => Ciphering::ded_of(tag),
            Some(general @ (Ciphering::GeneralGlo | Ciphering::GeneralDed)) => Some(general),
            _ => Ciphering::glo_of(tag),
        };
        let ciphering = ciphering.unwrap_or(Ciphering::GeneralGlo);
        let key = match (ciphering.is_dedicated(), self.dedicated()) {
            (true, Some(key)) => key,
            _ => &self.config().key,
        };
        let title = self.config().title;
        let sealed = self
            .cipher(key)
            .seal(self.control()?, title, self.next_counter(), &bytes)
            .map_err(|_| Refused(ServiceException::OtherReason))?;
        let general = matches!(ciphering, Ciphering::GeneralGlo | Ciphering::GeneralDed);
        Ok(Apdu::Ciphered(Ciphered {
            ciphering,
            system_title: if general { title.to_vec() } else { Vec::new() },
            content: sealed.to_vec(),
        })
        .to_vec())
    }

    /// Writes a counter down, and refuses one that is too low.
    fn heard(&self, counter: u32) -> Result<(), Refused> {
        let mut state = lock(self.state());
        state.seen.counters.push((self.title(), counter));
        let lowest = state.lowest.entry(self.title()).or_default();
        if counter < *lowest {
            return Err(Refused(ServiceException::InvocationCounterError(*lowest)));
        }
        *lowest = counter + 1;
        Ok(())
    }

    fn next_counter(&self) -> u32 {
        lock(self.state()).next_counter()
    }
}

fn random_into(octets: &mut [u8]) {
    for chunk in octets.chunks_mut(16) {
        for (place, octet) in chunk.iter_mut().zip(random()) {
            *place = octet;
        }
    }
}

impl Config {
    /// The private keys of meter and client, of the suite's curve, by which they sign.
    #[must_use]
    pub fn signing_keys(&self) -> Option<(SigningKey, SigningKey)> {
        let length = match self.security.suite()? {
            2 => 48,
            _ => 32,
        };
        let key = |octet: u8| SigningKey::from_octets(&vec![octet; length]).ok();
        key(0x31).zip(key(0x32))
    }
}
