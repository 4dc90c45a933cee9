//! The conversation: open, ask, close (IEC 62056-5-3, clauses 5.2, 6 and 7).

use std::collections::VecDeque;
use std::time::Instant;

use super::blocks::Blocks;
use super::carrier::{Carrier, CarrierEvent};
use super::config::{ClientAuthentication, ClientConfig, PUBLIC_CLIENT};
use super::counter::{Counter, CounterStore};
use super::error::ClientError;
use super::exchange::{Answer, Exchange, Limits, Next, Request};
use super::hls;
use super::protection::{OVERHEAD, Protection};
use crate::dlms::apdu::{
    Aare, Aarq, ActionResult, Apdu, AssociationResult, Authentication, Conformance, Context,
    Diagnostic, ExceptionResponse, GetResult, InitiateRequest, Mechanism, MethodDescriptor, Rlrq,
    ServiceException,
};
use crate::dlms::data::{AttributeDescriptor, Data};
use crate::dlms::hdlc::LinkCounts;
use crate::dlms::security::{CipherError, SecurityControl};
use crate::key::Key;
use crate::model::ObisCode;
use crate::session::{Action, Line};

/// `0-0:40.0.0.255`: the association that is open.
const CURRENT_ASSOCIATION: ObisCode = ObisCode([0, 0, 40, 0, 0, 255]);
/// Octets of a challenge; the standard allows 8 to 64.
const CHALLENGE: usize = 16;
/// How often the meter may correct our counter before it is given up.
const CORRECTIONS: u8 = 2;
/// Version of the protocol (IEC 62056-5-3, 6.2).
const VERSION: u8 = 6;

/// Fills a slice with numbers that nobody can foretell.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// What a client tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The association is open: requests may be made.
    Opened {
        /// Services that both sides have.
        conformance: Conformance,
    },
    /// The answer to a request.
    Answer(Answer),
    /// The conversation is over; `None` when that was asked for.
    Closed(Option<ClientError>),
}

/// A request cannot be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the association is not open, or waits for an answer")]
pub struct Busy;

/// As whom the meter is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// As the public client, for the invocation counter.
    Public,
    /// As ourselves.
    Own,
}

enum Stage {
    Closed,
    Connecting,
    /// AARQ was sent.
    Associating,
    /// The request for the invocation counter was sent.
    ReadingCounter(Box<Exchange>),
    /// The proof was sent.
    Proving(Box<Exchange>),
    Open,
    Asking(Box<Exchange>),
    /// RLRQ was sent.
    Releasing,
    Disconnecting,
}

/// A client of one meter, without input or output of its own.
pub struct Client {
    config: ClientConfig,
    carrier: Carrier,
    counter: Counter,
    random: Random,
    stage: Stage,
    role: Role,
    protection: Option<Protection>,
    limits: Limits,
    challenge: Vec<u8>,
    challenge_of_server: Vec<u8>,
    server_title: Vec<u8>,
    blocks: Blocks,
    /// The meter has told its view of our counter.
    counter_known: bool,
    corrections: u8,
    attempts: u8,
    invoke: u8,
    error: Option<ClientError>,
    events: VecDeque<ClientEvent>,
    stray: u64,
}

impl Client {
    /// A client that does nothing until [`Client::open`].
    #[must_use]
    pub fn new(config: ClientConfig, counters: Box<dyn CounterStore>, random: Random) -> Self {
        Self {
            carrier: Carrier::new(&config.carrier),
            counter: Counter::new(counters),
            random,
            stage: Stage::Closed,
            role: Role::Own,
            protection: None,
            limits: Limits {
                conformance: Conformance::default(),
                send: 0,
            },
            challenge: Vec::new(),
            challenge_of_server: Vec::new(),
            server_title: Vec::new(),
            blocks: Blocks::default(),
            counter_known: false,
            corrections: 0,
            attempts: 0,
            invoke: 0,
            error: None,
            events: VecDeque::new(),
            stray: 0,
            config,
        }
    }

    /// Opens an association; [`ClientEvent::Opened`] or [`ClientEvent::Closed`] follows.
    pub fn open(&mut self, now: Instant) {
        self.corrections = 0;
        self.attempts = 0;
        self.error = None;
        self.begin(now);
        self.pump(now);
    }

    /// Makes a request; [`ClientEvent::Answer`] or [`ClientEvent::Closed`] follows.
    ///
    /// # Errors
    /// [`Busy`] unless the association is open and the last request was answered.
    pub fn ask(&mut self, request: Request, now: Instant) -> Result<(), Busy> {
        if !matches!(self.stage, Stage::Open) {
            return Err(Busy);
        }
        self.attempts = 0;
        self.invoke = (self.invoke + 1) & 0x0F;
        let exchange = Exchange::new(request, self.limits, self.invoke_byte());
        self.stage = Stage::Asking(Box::new(exchange));
        self.ask_again(now);
        self.pump(now);
        Ok(())
    }

    /// Ends the association and the link; [`ClientEvent::Closed`] follows.
    pub fn close(&mut self, now: Instant) {
        self.end(None, now);
        self.pump(now);
    }

    /// True while a request may be made.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// True when nothing is under way and nothing is open.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// True in an association whose messages are authenticated.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        let control = self.protection.as_ref().map(|keys| keys.config().control);
        self.role == Role::Own && control.is_some_and(SecurityControl::is_authenticated)
    }

    /// The line with which the port is to be opened.
    #[must_use]
    pub fn line(&self) -> Line {
        self.carrier.line()
    }

    /// What went wrong on the line so far.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        self.carrier.counts()
    }

    /// Octets behind whole messages and values so far: some servers add such.
    #[must_use]
    pub const fn stray_octets(&self) -> u64 {
        self.stray
    }

    /// Forgets the conversation: the port was opened anew.
    pub fn restart(&mut self) {
        self.carrier.restart();
        self.events.clear();
        self.protection = None;
        self.stage = Stage::Closed;
    }

    /// Takes bytes that were received at `now`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.carrier.handle_input(bytes, now);
        self.pump(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.carrier.handle_timeout(now);
        self.pump(now);
    }

    /// The next thing to do: bytes to send or a change of the line.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.carrier.poll_action()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When [`Client::handle_timeout`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.carrier.poll_timeout()
    }

    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.carrier.poll_event() {
            match event {
                CarrierEvent::Connected => self.connected(now),
                CarrierEvent::Apdu(bytes) => {
                    if let Err(error) = self.message(&bytes, now) {
                        self.failed(error, now);
                    }
                    // A message that was no answer leaves us waiting for one.
                    if !matches!(
                        self.stage,
                        Stage::Closed | Stage::Open | Stage::Connecting | Stage::Disconnecting
                    ) {
                        self.carrier.listen(now);
                    }
                }
                CarrierEvent::Silence => self.failed(ClientError::NoAnswer, now),
                CarrierEvent::Closed(reason) => self.closed(reason, now),
            }
        }
    }

    fn invoke_byte(&self) -> u8 {
        // High priority, confirmed.
        0xC0 | self.invoke
    }

    /// Starts with the public client where the counter must be read first.
    fn begin(&mut self, now: Instant) {
        let ciphering = self.config.ciphering.as_ref();
        let object = ciphering.and_then(|ciphering| ciphering.counter_object);
        self.role = match object {
            Some(_) if !self.counter_known => Role::Public,
            _ => Role::Own,
        };
        self.connect(now);
    }

    fn connect(&mut self, now: Instant) {
        let client = match self.role {
            Role::Public => PUBLIC_CLIENT,
            Role::Own => self.config.client,
        };
        self.protection = None;
        self.blocks = Blocks::default();
        self.stage = Stage::Connecting;
        self.carrier.connect(client, now);
    }

    fn connected(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Connecting)
            && let Err(error) = self.associate(now)
        {
            self.end(Some(error), now);
        }
    }

    fn associate(&mut self, now: Instant) -> Result<(), ClientError> {
        let mut request = InitiateRequest {
            dedicated_key: None,
            response_allowed: true,
            quality_of_service: None,
            version: VERSION,
            conformance: self.config.conformance,
            max_pdu_size: self.config.max_pdu_size,
        };
        let mut aarq = Aarq {
            context: Context::LogicalName,
            title: None,
            certificate: None,
            user: None,
            authentication: None,
            information: None,
        };
        self.limits = Limits {
            conformance: self.config.conformance,
            send: usize::from(u16::MAX),
        };
        let mut initiate = None;
        if self.role == Role::Own {
            aarq.authentication = self.shown();
            if let Some(config) = &self.config.ciphering {
                let mut protection = Protection::new(config);
                if config.general {
                    request.conformance = request.conformance | Conformance::GENERAL_PROTECTION;
                }
                if config.dedicated {
                    let key = random_key(&mut self.random, config.encryption.octets().len());
                    request.dedicated_key.clone_from(&key);
                    protection.dedicated = key;
                }
                aarq.context = Context::LogicalNameCiphered;
                aarq.title = Some(config.title.to_vec());
                let counter = self.counter.take()?;
                let sealed = protection.seal(&Apdu::InitiateRequest(request.clone()), counter)?;
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
                self.challenge = vec![0; CHALLENGE];
                (self.random)(&mut self.challenge);
                let mechanism = match high {
                    ClientAuthentication::High(mechanism, _) => *mechanism,
                    _ => Mechanism::Gmac,
                };
                (mechanism, self.challenge.clone())
            }
        };
        Some(Authentication {
            mechanism,
            value: Some(value),
        })
    }

    /// Takes a message off the carrier.
    fn message(&mut self, bytes: &[u8], now: Instant) -> Result<(), ClientError> {
        let (mut apdu, rest) = Apdu::decode(bytes)?;
        self.stray += rest.len() as u64;
        if let Apdu::BlockTransfer(block) = apdu {
            let next = self.blocks.take(&block)?;
            if let Some(answer) = next.answer {
                self.carrier
                    .send(&Apdu::BlockTransfer(answer).to_vec(), now);
            }
            let Some(whole) = next.whole else {
                return Ok(());
            };
            apdu = Apdu::decode(&whole)?.0;
        }
        let ciphered = matches!(apdu, Apdu::Ciphered(_));
        if let Apdu::Ciphered(message) = &apdu {
            let protection = self.protection.as_mut();
            let keys = protection.ok_or(CipherError::NoKey)?;
            let opened = keys.open(message)?;
            let (inner, rest) = Apdu::decode(&opened)?;
            self.stray += rest.len() as u64;
            apdu = inner;
        }
        let plain_allowed = matches!(
            apdu,
            Apdu::Aare(_)
                | Apdu::Rlre(_)
                | Apdu::ExceptionResponse(_)
                | Apdu::ConfirmedServiceError(_)
        );
        if self.protection.is_some() && !ciphered && !plain_allowed {
            return Err(ClientError::Unprotected(apdu.name()));
        }
        self.dispatch(apdu, now)
    }

    fn dispatch(&mut self, apdu: Apdu, now: Instant) -> Result<(), ClientError> {
        match (&mut self.stage, apdu) {
            // What a meter pushes is for a listener.
            (_, Apdu::DataNotification(_) | Apdu::EventNotification(_)) => Ok(()),
            (Stage::Releasing, _) => {
                self.disconnect(now);
                Ok(())
            }
            (Stage::Associating, Apdu::Aare(aare)) => self.answered(&aare, now),
            (Stage::Closed | Stage::Connecting | Stage::Open | Stage::Disconnecting, _) => Ok(()),
            (_, Apdu::ExceptionResponse(exception)) => self.exception(exception, now),
            (_, Apdu::ConfirmedServiceError(error)) => Err(ClientError::Service(error)),
            (Stage::Associating, other) => Err(ClientError::Unexpected {
                asked: "aarq",
                got: other.name(),
            }),
            (
                Stage::ReadingCounter(exchange)
                | Stage::Proving(exchange)
                | Stage::Asking(exchange),
                apdu,
            ) => match exchange.take(apdu)? {
                Next::Send(request) => self.send(&request, now),
                Next::Stale => Ok(()),
                Next::Done(answer) => {
                    self.stray += exchange.trailing as u64;
                    self.done(answer, now)
                }
            },
        }
    }

    /// Sends a message of the association, ciphered where it is to be.
    fn send(&mut self, apdu: &Apdu, now: Instant) -> Result<(), ClientError> {
        let bytes = match &self.protection {
            Some(protection) => protection.seal(apdu, self.counter.take()?)?,
            None => apdu.to_vec(),
        };
        self.carrier.send(&bytes, now);
        Ok(())
    }

    /// The AARE has come.
    fn answered(&mut self, aare: &Aare, now: Instant) -> Result<(), ClientError> {
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
            let own = self.config.conformance | Conformance::GENERAL_PROTECTION;
            self.limits.conformance = own & response.conformance;
            let overhead = self.protection.as_ref().map_or(0, |_| OVERHEAD);
            self.limits.send = match response.max_pdu_size {
                0 => usize::from(u16::MAX) - overhead,
                size => usize::from(size).saturating_sub(overhead),
            };
        }
        match self.role {
            Role::Public => self.read_counter(now),
            Role::Own => {
                let high = match &self.config.authentication {
                    ClientAuthentication::None | ClientAuthentication::Low(_) => false,
                    ClientAuthentication::High(..) | ClientAuthentication::Gmac => true,
                };
                match (high, pending) {
                    (true, true) => self.prove(aare, now),
                    (true, false) => Err(ClientError::HighLevelSecurity(
                        "the meter does not ask for our proof and so gives none of its own",
                    )),
                    (false, true) => Err(ClientError::HighLevelSecurity(
                        "the meter asks for it, and it is not configured",
                    )),
                    (false, false) => {
                        self.opened();
                        Ok(())
                    }
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
            instance: instance.unwrap_or(super::config::INVOCATION_COUNTER),
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

    /// Proves that we know the secret (passes 3 and 4, IEC 62056-5-3, 5.2.2.2.2).
    fn prove(&mut self, aare: &Aare, now: Instant) -> Result<(), ClientError> {
        let shown = aare.authentication.as_ref();
        let challenge = shown.and_then(|shown| shown.value.clone());
        let no_challenge = ClientError::HighLevelSecurity("the meter sends no challenge");
        let theirs = challenge.filter(|challenge| (8..=64).contains(&challenge.len()));
        let theirs = theirs.ok_or(no_challenge)?;
        if theirs == self.challenge {
            return Err(ClientError::HighLevelSecurity(
                "the meter sends our own challenge back",
            ));
        }
        let proof = self.proof(aare, &theirs)?;
        let method = MethodDescriptor {
            class: 15,
            instance: CURRENT_ASSOCIATION,
            method: 1,
        };
        let request = Request::Action(vec![(method, Some(Data::OctetString(proof)))]);
        let invoke = self.invoke_byte();
        let mut exchange = Exchange::new(request, self.limits, invoke);
        let next = exchange.ask(invoke)?;
        self.stage = Stage::Proving(Box::new(exchange));
        // The proofs of mechanism 6 are over both challenges and both titles.
        self.challenge_of_server = theirs;
        self.server_title = aare.title.clone().unwrap_or_default();
        match next {
            Next::Send(apdu) => self.send(&apdu, now),
            _ => Ok(()),
        }
    }

    fn proof(&mut self, aare: &Aare, theirs: &[u8]) -> Result<Vec<u8>, ClientError> {
        match &self.config.authentication {
            ClientAuthentication::Gmac => {
                let protection = self.protection.as_ref().ok_or(NO_KEYS)?;
                let counter = self.counter.take()?;
                protection.gmac(counter, theirs)
            }
            ClientAuthentication::High(mechanism, secret) => {
                let own = self.own_title();
                let server = aare.title.clone().unwrap_or_default();
                hls::proof(
                    *mechanism,
                    secret,
                    &hls::Sides {
                        sender: &own,
                        receiver: &server,
                        to_sender: theirs,
                        to_receiver: &self.challenge,
                    },
                )
            }
            _ => Err(NO_KEYS),
        }
    }

    fn own_title(&self) -> Vec<u8> {
        let ciphering = self.config.ciphering.as_ref();
        ciphering.map_or_else(Vec::new, |ciphering| ciphering.title.to_vec())
    }

    /// Whether the meter's answer to our proof proves that it knows the secret as well.
    fn proven(&self, proof: &[u8]) -> Result<bool, ClientError> {
        match &self.config.authentication {
            ClientAuthentication::Gmac => {
                let protection = self.protection.as_ref().ok_or(NO_KEYS)?;
                protection.proves(proof, &self.challenge)
            }
            ClientAuthentication::High(mechanism, secret) => {
                let own = self.own_title();
                let sides = hls::Sides {
                    sender: &self.server_title,
                    receiver: &own,
                    to_sender: &self.challenge,
                    to_receiver: &self.challenge_of_server,
                };
                let want = hls::proof(*mechanism, secret, &sides)?;
                Ok(hls::same(&want, proof))
            }
            _ => Ok(false),
        }
    }

    fn opened(&mut self) {
        self.stage = Stage::Open;
        self.attempts = 0;
        self.events.push_back(ClientEvent::Opened {
            conformance: self.limits.conformance,
        });
    }

    /// A service has ended.
    fn done(&mut self, answer: Answer, now: Instant) -> Result<(), ClientError> {
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::ReadingCounter(_) => {
                let next = match &answer {
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
            Stage::Proving(_) => {
                let Answer::Action(results) = &answer else {
                    return Err(ClientError::HighLevelSecurity("no proof came"));
                };
                let token = match results.as_slice() {
                    [result] if result.result == ActionResult::Success => match &result.returned {
                        Some(GetResult::Data(data)) => data.octets(),
                        _ => None,
                    },
                    _ => None,
                };
                let refused = "the meter does not accept our proof: the key or secret is wrong";
                let token = token.ok_or(ClientError::HighLevelSecurity(refused))?;
                if !self.proven(token)? {
                    let wrong = "the meter's proof is wrong: it does not know the secret";
                    return Err(ClientError::HighLevelSecurity(wrong));
                }
                self.opened();
                Ok(())
            }
            _ => {
                self.attempts = 0;
                self.events.push_back(ClientEvent::Answer(answer));
                Ok(())
            }
        }
    }

    fn exception(&mut self, found: ExceptionResponse, now: Instant) -> Result<(), ClientError> {
        if let ServiceException::InvocationCounterError(lowest) = found.service
            && self.protection.is_some()
            && self.corrections < CORRECTIONS
        {
            self.corrections += 1;
            self.counter.raise_to(lowest)?;
            match &self.stage {
                // The association request itself was too low: it is made anew.
                Stage::Associating => return self.associate(now),
                Stage::Asking(_) => {
                    self.ask_again(now);
                    return Ok(());
                }
                _ => {}
            }
        }
        if let Stage::Asking(exchange) = &mut self.stage {
            if exchange.split_list() {
                self.ask_again(now);
                return Ok(());
            }
            if !matches!(found.service, ServiceException::InvocationCounterError(_)) {
                self.interrupted(ClientError::Exception(found));
                return Ok(());
            }
        }
        Err(ClientError::Exception(found))
    }

    /// Sends the request under way from its start.
    fn ask_again(&mut self, now: Instant) {
        self.invoke = (self.invoke + 1) & 0x0F;
        let invoke = self.invoke_byte();
        let Stage::Asking(exchange) = &mut self.stage else {
            return;
        };
        let sent = match exchange.ask(invoke) {
            Ok(Next::Send(apdu)) => self.send(&apdu, now),
            Ok(Next::Done(answer)) => self.done(answer, now),
            Ok(Next::Stale) => Ok(()),
            Err(error) => {
                self.interrupted(error);
                Ok(())
            }
        };
        if let Err(error) = sent {
            self.end(Some(error), now);
        }
    }

    /// Answers the request under way with what there is.
    fn interrupted(&mut self, error: ClientError) {
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Asking(exchange) => {
                let answer = exchange.interrupt(error);
                self.events.push_back(ClientEvent::Answer(answer));
            }
            other => self.stage = other,
        }
    }

    /// Something failed that may go better again.
    fn failed(&mut self, error: ClientError, now: Instant) {
        let passing = error.is_passing();
        match &self.stage {
            Stage::Closed | Stage::Open | Stage::Disconnecting => {}
            Stage::Releasing => self.disconnect(now),
            Stage::Asking(exchange) => {
                self.attempts += 1;
                if !passing || self.attempts > self.config.repeats {
                    self.end(Some(error), now);
                } else if exchange.is_repeatable() {
                    self.ask_again(now);
                } else {
                    self.interrupted(error);
                }
            }
            Stage::Connecting
            | Stage::Associating
            | Stage::ReadingCounter(_)
            | Stage::Proving(_) => {
                self.attempts += 1;
                if passing && self.attempts <= self.config.repeats {
                    self.connect(now);
                } else {
                    self.end(Some(error), now);
                }
            }
        }
    }

    /// Ends the conversation: releases the association, closes the link.
    fn end(&mut self, error: Option<ClientError>, now: Instant) {
        if self.error.is_none() {
            self.error = error;
        }
        match std::mem::replace(&mut self.stage, Stage::Disconnecting) {
            Stage::Closed => {
                self.stage = Stage::Closed;
                self.events
                    .push_back(ClientEvent::Closed(self.error.take()));
            }
            Stage::Connecting | Stage::Disconnecting => self.disconnect(now),
            // After a refusal or without an answer there may be an association all the same.
            _ => {
                if let Some(error) = &self.error
                    && self.role == Role::Own
                    && matches!(error, ClientError::Link(_))
                {
                    return self.disconnect(now);
                }
                self.release(now);
            }
        }
    }

    fn release(&mut self, now: Instant) {
        self.stage = Stage::Releasing;
        let request = Rlrq {
            reason: Some(0),
            information: None,
        };
        self.carrier.send(&Apdu::Rlrq(request).to_vec(), now);
    }

    fn disconnect(&mut self, now: Instant) {
        self.stage = Stage::Disconnecting;
        self.carrier.disconnect(now);
    }

    /// The carrier has closed.
    fn closed(&mut self, reason: ClientError, now: Instant) {
        let stage = std::mem::replace(&mut self.stage, Stage::Closed);
        let finished = matches!(stage, Stage::Disconnecting | Stage::Releasing);
        if finished && self.role == Role::Public && self.error.is_none() && self.counter_known {
            self.role = Role::Own;
            self.attempts = 0;
            return self.connect(now);
        }
        if let Stage::Asking(exchange) = stage {
            let answer = exchange.interrupt(reason.clone());
            self.events.push_back(ClientEvent::Answer(answer));
        }
        if !finished && self.error.is_none() {
            self.error = Some(reason);
        }
        self.protection = None;
        self.events
            .push_back(ClientEvent::Closed(self.error.take()));
    }
}

const NO_KEYS: ClientError = ClientError::HighLevelSecurity("there are no keys for it");

fn random_key(random: &mut Random, length: usize) -> Option<Key> {
    let mut octets = zeroize::Zeroizing::new(vec![0; length]);
    random(&mut octets);
    Key::from_octets(&octets)
}
