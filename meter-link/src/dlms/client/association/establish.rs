//! From the way to the meter to an association (IEC 62056-5-3, 5.2 and 7): the public client for the
//! invocation counter, then AARQ and AARE as ourselves.

use std::time::Instant;

use super::{Client, ClientEvent, Random, Role, Stage};
use crate::dlms::apdu::{
    Aare, Aarq, Apdu, AssociationResult, Authentication, Conformance, Context, Diagnostic,
    GetResult, InitiateRequest, Mechanism,
};
use crate::dlms::client::blocks::Blocks;
use crate::dlms::client::config::{
    ClientAuthentication, Envelope, INVOCATION_COUNTER, PUBLIC_CLIENT, Referencing,
    short_name_conformance,
};
use crate::dlms::client::error::ClientError;
use crate::dlms::client::exchange::{Answer, Exchange, Limits, Next, Request};
use crate::dlms::client::hls::Handshake;
use crate::dlms::client::names::{OBJECT_LIST, ShortNames};
use crate::dlms::client::protection::Protection;
use crate::dlms::data::AttributeDescriptor;
use crate::key::Key;

/// Octets of a challenge; the standard allows 8 to 64, and wants 32 at least where it is signed.
const CHALLENGE: usize = 16;
/// Version of the protocol (IEC 62056-5-3, 6.2).
const VERSION: u8 = 6;

impl Client {
    /// Starts with the public client where the counter must be read first.
    pub(super) fn begin(&mut self, now: Instant) {
        let ciphering = self.config.ciphering.as_ref();
        let object = ciphering.and_then(|ciphering| ciphering.counter_object);
        self.role = match object {
            Some(_) if !self.counter_known => Role::Public,
            _ => Role::Own,
        };
        self.connect(now);
    }

    pub(super) fn connect(&mut self, now: Instant) {
        let client = match self.role {
            Role::Public => PUBLIC_CLIENT,
            Role::Own => self.config.client,
        };
        self.protection = None;
        self.blocks = Blocks::default();
        self.outgoing = None;
        self.stage = Stage::Connecting;
        self.carrier.connect(client, now);
    }

    pub(super) fn connected(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Connecting)
            && let Err(error) = self.associate(now)
        {
            self.end(Some(error), now);
        }
    }

    pub(super) fn associate(&mut self, now: Instant) -> Result<(), ClientError> {
        let mut request = InitiateRequest {
            dedicated_key: None,
            response_allowed: true,
            quality_of_service: None,
            version: VERSION,
            conformance: self.proposed(),
            max_pdu_size: self.config.max_pdu_size,
        };
        let mut aarq = Aarq {
            context: match self.config.referencing {
                Referencing::LogicalNames => Context::LogicalName,
                Referencing::ShortNames => Context::ShortName,
            },
            title: None,
            certificate: None,
            user: None,
            authentication: None,
            information: None,
        };
        self.names = match self.config.referencing {
            Referencing::LogicalNames => None,
            Referencing::ShortNames => Some(ShortNames::default()),
        };
        self.limits = Limits {
            conformance: self.proposed(),
            send: usize::from(u16::MAX),
            pdu: usize::from(u16::MAX),
        };
        let mut initiate = None;
        if self.role == Role::Own {
            aarq.authentication = self.shown();
            if let Some(config) = &self.config.ciphering {
                let mut protection = Protection::new(config)?;
                if !matches!(config.envelope, Envelope::Services) || config.signing.is_some() {
                    request.conformance = request.conformance | Conformance::GENERAL_PROTECTION;
                }
                if config.dedicated {
                    let key = random_key(&mut self.random, config.encryption.octets().len());
                    if let Some(key) = &key {
                        protection.dedicate(key)?;
                    }
                    request.dedicated_key = key;
                }
                aarq.context = match self.config.referencing {
                    Referencing::LogicalNames => Context::LogicalNameCiphered,
                    Referencing::ShortNames => Context::ShortNameCiphered,
                };
                aarq.title = Some(config.title.to_vec());
                let counter = self.counter.take()?;
                let sealed =
                    protection.seal_initiate(&Apdu::InitiateRequest(request.clone()), counter)?;
                initiate = Some(sealed);
                self.protection = Some(protection);
            }
        }
        let initiate = initiate.unwrap_or_else(|| Apdu::InitiateRequest(request).to_vec());
        aarq.information = Some(initiate);
        self.stage = Stage::Associating;
        self.carrier.send(&Apdu::Aarq(aarq).to_vec(), now);
        Ok(())
    }

    /// What the AARQ shows of us: a password, or a challenge.
    fn shown(&mut self) -> Option<Authentication> {
        let (mechanism, value) = match &self.config.authentication {
            ClientAuthentication::None => return None,
            ClientAuthentication::Low(password) => (Mechanism::Low, password.octets().to_vec()),
            high => {
                let is_signed = matches!(high, ClientAuthentication::Ecdsa { .. });
                let mut challenge = vec![0; if is_signed { 2 * CHALLENGE } else { CHALLENGE }];
                (self.random)(&mut challenge);
                self.handshake = Handshake::begun(challenge.clone());
                let mechanism = match high {
                    ClientAuthentication::High(mechanism, _) => *mechanism,
                    ClientAuthentication::Ecdsa { .. } => Mechanism::Ecdsa,
                    _ => Mechanism::Gmac,
                };
                (mechanism, challenge)
            }
        };
        Some(Authentication {
            mechanism,
            value: Some(value),
        })
    }

    /// The AARE has come.
    pub(super) fn answered(&mut self, aare: &Aare, now: Instant) -> Result<(), ClientError> {
        if let (Some(protection), Some(title)) = (&mut self.protection, &aare.title) {
            protection.server = title.as_slice().try_into().ok();
        }
        let pending = aare.diagnostic == Diagnostic::User(14);
        if aare.result != AssociationResult::Accepted {
            return Err(ClientError::Refused {
                result: aare.result,
                diagnostic: aare.diagnostic,
            });
        }
        let initiate = self.initiated(aare.information.as_deref())?;
        if let Some(Apdu::InitiateResponse(response)) = initiate {
            let own = self.proposed() | Conformance::GENERAL_PROTECTION;
            self.limits.conformance = own & response.conformance;
            let overhead = self.protection.as_ref().map_or(0, Protection::overhead);
            self.limits.pdu = match response.max_pdu_size {
                0 => usize::from(u16::MAX),
                size => usize::from(size),
            };
            self.limits.send = self.limits.pdu.saturating_sub(overhead);
        }
        match self.role {
            Role::Public => self.accepted(now),
            Role::Own => {
                let high = match &self.config.authentication {
                    ClientAuthentication::None | ClientAuthentication::Low(_) => false,
                    ClientAuthentication::High(..)
                    | ClientAuthentication::Gmac
                    | ClientAuthentication::Ecdsa { .. } => true,
                };
                match (high, pending) {
                    (true, true) => self.prove(aare, now),
                    (true, false) => Err(ClientError::HighLevelSecurity(
                        "the meter does not ask for our proof and so gives none of its own",
                    )),
                    (false, true) => Err(ClientError::HighLevelSecurity(
                        "the meter asks for it, and it is not configured",
                    )),
                    (false, false) => self.accepted(now),
                }
            }
        }
    }

    /// What the information field of an AARE holds, opened.
    fn initiated(&mut self, information: Option<&[u8]>) -> Result<Option<Apdu>, ClientError> {
        let Some(information) = information else {
            return Ok(None);
        };
        let (apdu, _) = Apdu::decode(information)?;
        let apdu = match (&apdu, &mut self.protection) {
            (Apdu::Ciphered(message), Some(protection)) => {
                Apdu::decode(&protection.open(message)?)?.0
            }
            _ => apdu,
        };
        match apdu {
            Apdu::ConfirmedServiceError(error) => Err(ClientError::Service(error)),
            apdu => Ok(Some(apdu)),
        }
    }

    fn read_counter(&mut self, now: Instant) -> Result<(), ClientError> {
        let ciphering = self.config.ciphering.as_ref();
        let instance = ciphering.and_then(|ciphering| ciphering.counter_object);
        let descriptor = AttributeDescriptor {
            class: 1,
            instance: instance.unwrap_or(INVOCATION_COUNTER),
            attribute: 2,
        };
        let request = Request::Get(vec![descriptor.into()]);
        let invoke = self.invoke_byte();
        let mut exchange = Exchange::new(request, self.limits, invoke);
        let next = exchange.ask(invoke)?;
        self.stage = Stage::ReadingCounter(Box::new(exchange));
        match next {
            Next::Send(apdu) => self.send(&apdu, now),
            _ => Ok(()),
        }
    }

    /// Services proposed to the meter.
    fn proposed(&self) -> Conformance {
        match self.config.referencing {
            Referencing::LogicalNames => self.config.conformance,
            Referencing::ShortNames => short_name_conformance(),
        }
    }

    /// The meter has accepted us; where objects have short names, these are read first.
    pub(super) fn accepted(&mut self, now: Instant) -> Result<(), ClientError> {
        if self.names.is_none() {
            return self.named(now);
        }
        let invoke = self.invoke_byte();
        let request = Request::GetEncoded(OBJECT_LIST.into());
        let mut exchange = Exchange::new(request, self.limits, invoke);
        let next = exchange.ask(invoke)?;
        self.stage = Stage::Listing(Box::new(exchange));
        match next {
            Next::Send(apdu) => self.send(&apdu, now),
            _ => Ok(()),
        }
    }

    /// The object list has come.
    pub(super) fn listed(&mut self, answer: &Answer, now: Instant) -> Result<(), ClientError> {
        let (Answer::Encoded(list), Some(names)) = (answer, &mut self.names) else {
            return Err(ClientError::Unexpected {
                asked: "the list of objects",
                got: "a refusal",
            });
        };
        names.learn(list)?;
        self.named(now)
    }

    /// Objects can be named.
    fn named(&mut self, now: Instant) -> Result<(), ClientError> {
        match self.role {
            Role::Public => self.read_counter(now),
            Role::Own => {
                self.opened();
                Ok(())
            }
        }
    }

    /// The meter has told its view of our counter.
    pub(super) fn counter_read(
        &mut self,
        answer: &Answer,
        now: Instant,
    ) -> Result<(), ClientError> {
        let next = match answer {
            Answer::Get(results) => match results.as_slice() {
                [GetResult::Data(value)] => value.integer(),
                _ => None,
            },
            _ => None,
        };
        // A meter that does not tell it may still take what we have kept.
        if let Some(counter) = next.and_then(|counter| u32::try_from(counter).ok()) {
            self.counter.raise_to(counter.saturating_add(1))?;
        }
        self.counter_known = true;
        self.release(now);
        Ok(())
    }

    pub(super) fn opened(&mut self) {
        self.stage = Stage::Open;
        self.attempts = 0;
        self.events.push_back(ClientEvent::Opened {
            conformance: self.limits.conformance,
        });
    }
}

fn random_key(random: &mut Random, length: usize) -> Option<Key> {
    let mut octets = zeroize::Zeroizing::new(vec![0; length]);
    random(&mut octets);
    Key::from_octets(&octets)
}
