//! The conversation: open, ask, close (IEC 62056-5-3, clauses 5.2, 6 and 7).

mod close;
mod establish;
mod messages;
mod prove;
mod trouble;

use std::collections::VecDeque;
use std::time::Instant;

use super::block_sender::BlockSender;
use super::blocks::Blocks;
use super::carrier::{Carrier, CarrierEvent};
use super::config::ClientConfig;
use super::counter::{Counter, CounterStore};
use super::error::ClientError;
use super::exchange::{Answer, Exchange, Limits, Request};
use super::hls::Handshake;
use super::names::ShortNames;
use super::protection::Protection;
use crate::dlms::apdu::Conformance;
use crate::dlms::hdlc::LinkCounts;
use crate::dlms::security::SecurityControl;
use crate::session::{Action, Line};

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
    /// The request for the object list was sent, which tells short names.
    Listing(Box<Exchange>),
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
    handshake: Handshake,
    blocks: Blocks,
    /// A request on its way in blocks.
    outgoing: Option<BlockSender>,
    /// With short names: those of this association.
    names: Option<ShortNames>,
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
                pdu: 0,
            },
            handshake: Handshake::default(),
            blocks: Blocks::default(),
            outgoing: None,
            names: None,
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

    /// What has come so far of a value that comes in blocks.
    pub(super) fn so_far(&self) -> Option<&[u8]> {
        match &self.stage {
            Stage::Asking(exchange) => exchange.so_far(),
            _ => None,
        }
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
}
