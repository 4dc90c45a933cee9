//! The exchange of messages (annex C.3 and C.7): one side begins, the other answers, each proves
//! that it has the same key.

use super::{Confirms, EstablishedKeys, Identity, KeyError, KeyPair, Party, Random, Refusal};
use crate::{Record, Value};
use zeroize::Zeroizing;

/// Seconds that each step may take, as each side tells the other.
pub const STEP_S: u8 = 10;

/// What follows from a message.
#[derive(Debug)]
pub struct Step {
    /// What is to be sent: the command and its fields.
    pub send: Option<(u8, Record)>,
    /// The key, when both sides have proved that they have it.
    pub link_key: Option<Zeroizing<[u8; 16]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Identity,
    Ephemeral,
    Confirmation,
    Over,
}

/// One exchange, seen from one side.
#[derive(Clone, Debug)]
pub struct Exchange {
    identity: Identity,
    is_initiator: bool,
    other: u64,
    stage: Stage,
    ephemeral: KeyPair,
    other_certificate: Vec<u8>,
    other_ephemeral: Vec<u8>,
    keys: Option<EstablishedKeys>,
}

impl Exchange {
    /// Begins one with the device of this address; the command and fields that begin it.
    ///
    /// # Errors
    /// There are no random numbers to be had.
    pub fn begin(
        identity: Identity,
        other: u64,
        random: Random,
    ) -> Result<(Self, (u8, Record)), KeyError> {
        let exchange = Self::new(identity, true, other, random)?;
        let first = (0x00, exchange.introduction());
        Ok((exchange, first))
    }

    /// Waits for the device of this address to begin one.
    ///
    /// # Errors
    /// There are no random numbers to be had.
    pub fn await_from(identity: Identity, other: u64, random: Random) -> Result<Self, KeyError> {
        Self::new(identity, false, other, random)
    }

    fn new(
        identity: Identity,
        is_initiator: bool,
        other: u64,
        random: Random,
    ) -> Result<Self, KeyError> {
        let ephemeral = identity.suite().random_pair(random)?;
        Ok(Self {
            identity,
            is_initiator,
            other,
            stage: Stage::Identity,
            ephemeral,
            other_certificate: Vec::new(),
            other_ephemeral: Vec::new(),
            keys: None,
        })
    }

    /// The other side's ephemeral key, once it has told it: none is taken twice.
    #[must_use]
    pub fn other_ephemeral(&self) -> &[u8] {
        &self.other_ephemeral
    }

    /// Takes a command of the other side.
    ///
    /// # Errors
    /// The exchange is over; [`Refusal::status`] is for the other side.
    pub fn take(&mut self, command: u8, fields: &Record) -> Result<Step, Refusal> {
        let taken = match command {
            0x00 => self.take_identity(fields),
            0x01 => self.take_ephemeral(fields),
            0x02 => self.take_confirmation(fields),
            0x03 => Err(Refusal::ByOther(
                u8::try_from(fields.number("status").unwrap_or(0)).unwrap_or(0),
            )),
            _ => Err(Refusal::BadMessage),
        };
        if taken.is_err() {
            self.stage = Stage::Over;
        }
        taken
    }

    fn take_identity(&mut self, fields: &Record) -> Result<Step, Refusal> {
        let suite = self.identity.suite();
        self.is_at(Stage::Identity)?;
        if fields.number("suite") != Some(suite.number().into()) {
            return Err(Refusal::UnsupportedSuite);
        }
        let certificate = octets(fields, "identity")?;
        let issuer = suite.issuer(certificate);
        if suite.subject(certificate) != Some(self.other) {
            return Err(Refusal::InvalidCertificate);
        }
        if issuer != suite.issuer(self.identity.certificate()) {
            return Err(Refusal::UnknownIssuer);
        }
        self.other_certificate = certificate.to_vec();
        self.stage = Stage::Ephemeral;
        Ok(Step {
            send: Some(if self.is_initiator {
                (0x01, self.own_ephemeral())
            } else {
                (0x00, self.introduction())
            }),
            link_key: None,
        })
    }

    fn take_ephemeral(&mut self, fields: &Record) -> Result<Step, Refusal> {
        self.is_at(Stage::Ephemeral)?;
        let suite = self.identity.suite();
        let key = octets(fields, "ephemeral_data")?;
        if key.len() != suite.public_key_length() {
            return Err(Refusal::BadMessage);
        }
        self.other_ephemeral = key.to_vec();
        let public = suite.public_key(&self.other_certificate, self.identity.authority())?;
        let shared = suite
            .agree(self.identity.pair(), &self.ephemeral, &public, key)
            .map_err(|_| Refusal::BadMessage)?;
        self.keys = Some(shared.keys());
        self.stage = Stage::Confirmation;
        Ok(Step {
            send: Some(if self.is_initiator {
                (0x02, self.own_confirmation())
            } else {
                (0x01, self.own_ephemeral())
            }),
            link_key: None,
        })
    }

    fn take_confirmation(&mut self, fields: &Record) -> Result<Step, Refusal> {
        self.is_at(Stage::Confirmation)?;
        let mac = octets(fields, "mac")?;
        let mac = mac.try_into().map_err(|_| Refusal::BadMessage)?;
        let by = self.side(!self.is_initiator);
        let (initiator, responder) = self.parties();
        let keys = self.keys.as_ref().ok_or(Refusal::BadMessage)?;
        if !keys.confirms(mac, by, initiator, responder) {
            return Err(Refusal::BadKeyConfirm);
        }
        let link_key = keys.link_key.clone();
        self.stage = Stage::Over;
        Ok(Step {
            send: (!self.is_initiator).then(|| (0x02, self.own_confirmation())),
            link_key: Some(link_key),
        })
    }

    fn is_at(&self, stage: Stage) -> Result<(), Refusal> {
        if self.stage == stage {
            Ok(())
        } else {
            Err(Refusal::BadMessage)
        }
    }

    fn side(&self, is_initiator: bool) -> Confirms {
        if is_initiator {
            Confirms::Initiator
        } else {
            Confirms::Responder
        }
    }

    fn parties(&self) -> (Party<'_>, Party<'_>) {
        let own = Party {
            ieee: self.identity.subject(),
            ephemeral: self.ephemeral.public(),
        };
        let other = Party {
            ieee: self.other,
            ephemeral: &self.other_ephemeral,
        };
        if self.is_initiator {
            (own, other)
        } else {
            (other, own)
        }
    }

    fn introduction(&self) -> Record {
        Record::new()
            .with(
                "suite",
                Value::Unsigned(self.identity.suite().number().into()),
            )
            .with(
                "ephemeral_data_generate_time",
                Value::Unsigned(STEP_S.into()),
            )
            .with("confirm_key_generate_time", Value::Unsigned(STEP_S.into()))
            .with(
                "identity",
                Value::Octets(self.identity.certificate().to_vec()),
            )
    }

    fn own_ephemeral(&self) -> Record {
        let key = self.ephemeral.public().to_vec();
        Record::new().with("ephemeral_data", Value::Octets(key))
    }

    fn own_confirmation(&self) -> Record {
        let (initiator, responder) = self.parties();
        let mac = self.keys.as_ref().map_or([0; 16], |keys| {
            keys.confirmation(self.side(self.is_initiator), initiator, responder)
        });
        Record::new().with("mac", Value::Octets(mac.to_vec()))
    }
}

fn octets<'r>(fields: &'r Record, name: &str) -> Result<&'r [u8], Refusal> {
    match fields.field(name) {
        Some(Value::Octets(octets)) => Ok(octets),
        _ => Err(Refusal::BadMessage),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::zigbee::key_establishment::{Suite, TestAuthority};

    const SUITES: [Suite; 2] = [Suite::One, Suite::Two];

    /// Octets that differ at every call.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the signature of a source that may fail"
    )]
    fn random(octets: &mut [u8]) -> bool {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let mut seed = SEED.fetch_add(1, Ordering::Relaxed) << 17 | 0x9E37_79B9;
        for octet in octets {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            *octet = seed.to_be_bytes()[3];
        }
        true
    }

    fn authority(suite: Suite, seed: u8) -> TestAuthority {
        TestAuthority::new(suite, 0x00DE_ADBE_EF00_0001, &[seed, 2, 3, 4, 5, 6, 7]).unwrap()
    }

    fn sides(suite: Suite) -> (Exchange, (u8, Record), Exchange) {
        let authority = authority(suite, 1);
        let (one, two) = (
            authority.identity(0xA1, random).unwrap(),
            authority.identity(0xB2, random).unwrap(),
        );
        let (initiator, first) = Exchange::begin(one, 0xB2, random).unwrap();
        (
            initiator,
            first,
            Exchange::await_from(two, 0xA1, random).unwrap(),
        )
    }

    #[test]
    fn r17_both_sides_have_the_same_key_in_both_suites() {
        for suite in SUITES {
            let (mut initiator, mut next, mut responder) = sides(suite);
            let mut keys = Vec::new();
            let mut count = 0;
            loop {
                count += 1;
                let answer = responder.take(next.0, &next.1).unwrap();
                keys.extend(answer.link_key);
                let answer = answer.send.unwrap();
                let step = initiator.take(answer.0, &answer.1).unwrap();
                keys.extend(step.link_key);
                match step.send {
                    Some(send) => next = send,
                    None => break,
                }
            }
            assert_eq!(count, 3);
            assert_eq!(keys.len(), 2);
            assert_eq!(keys[0], keys[1]);
        }
    }

    #[test]
    fn r17_a_wrong_confirmation_ends_it() {
        for suite in SUITES {
            let (mut initiator, first, mut responder) = sides(suite);
            let hello = responder.take(first.0, &first.1).unwrap().send.unwrap();
            let key = initiator.take(hello.0, &hello.1).unwrap().send.unwrap();
            let theirs = responder.take(key.0, &key.1).unwrap().send.unwrap();
            let proof = initiator.take(theirs.0, &theirs.1).unwrap().send.unwrap();
            let mut mac = octets(&proof.1, "mac").unwrap().to_vec();
            mac[7] ^= 0x10;
            let wrong = Record::new().with("mac", Value::Octets(mac));
            assert_eq!(
                responder.take(2, &wrong).unwrap_err(),
                Refusal::BadKeyConfirm
            );
            // It is over: the right one comes too late.
            assert_eq!(
                responder.take(2, &proof.1).unwrap_err(),
                Refusal::BadMessage
            );
        }
    }

    #[test]
    fn r17_another_authority_and_another_name_are_refused() {
        for suite in SUITES {
            let stranger = authority(suite, 9).identity(0xA1, random).unwrap();
            let own = authority(suite, 1).identity(0xB2, random).unwrap();
            // Its name is the same, its key is not: the confirmation cannot be right.
            let (mut initiator, first) = Exchange::begin(stranger, 0xB2, random).unwrap();
            let mut responder = Exchange::await_from(own.clone(), 0xA1, random).unwrap();
            let hello = responder.take(first.0, &first.1).unwrap().send.unwrap();
            let key = initiator.take(hello.0, &hello.1).unwrap().send.unwrap();
            let theirs = responder.take(key.0, &key.1).unwrap().send.unwrap();
            let proof = initiator.take(theirs.0, &theirs.1).unwrap().send.unwrap();
            let refused = responder.take(proof.0, &proof.1).unwrap_err();
            assert_eq!(refused, Refusal::BadKeyConfirm);

            let named = TestAuthority::new(suite, 7, &[1, 2, 3]).unwrap();
            let other = named.identity(0xA1, random).unwrap();
            let (_, first) = Exchange::begin(other, 0xB2, random).unwrap();
            let mut responder = Exchange::await_from(own.clone(), 0xA1, random).unwrap();
            assert_eq!(
                responder.take(0, &first.1).unwrap_err(),
                Refusal::UnknownIssuer
            );
            let mut responder = Exchange::await_from(own, 0xC3, random).unwrap();
            assert_eq!(
                responder.take(0, &first.1).unwrap_err(),
                Refusal::InvalidCertificate
            );
        }
    }

    #[test]
    fn messages_out_of_order_and_another_suite_are_refused() {
        let (_, first, mut responder) = sides(Suite::One);
        assert_eq!(
            responder.take(2, &Record::new()).unwrap_err(),
            Refusal::BadMessage
        );
        let (.., mut responder) = sides(Suite::Two);
        assert_eq!(
            responder.take(0, &first.1).unwrap_err(),
            Refusal::UnsupportedSuite
        );
        let (_, first, mut responder) = sides(Suite::One);
        responder.take(0, &first.1).unwrap();
        let nothing = Record::new().with("ephemeral_data", Value::Octets(vec![2; 22]));
        assert_eq!(
            responder.take(1, &nothing).unwrap_err(),
            Refusal::BadMessage
        );
        let status = Record::new().with("status", Value::Unsigned(4));
        let ended = responder.take(3, &status).unwrap_err();
        assert_eq!((ended, ended.status()), (Refusal::ByOther(4), None));
    }
}
