//! A reader's side of C12.22 in virtual time: each message stands alone, is answered by one that
//! names its number, and is sent again when the answer does not come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::apdu::{Apdu, Keys, Outgoing, Protection, Service};
use super::stream::{Element, Reassembler, Splitter};
use super::title::ApTitle;
use crate::c12::service::ResponseCode;
use crate::key::Key;

/// How a device is asked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The device.
    pub called: ApTitle,
    /// We.
    pub calling: ApTitle,
    /// Number and key of EAX'. With one, every message is checked and encrypted, and answers that
    /// are not are refused; without, everything is in clear text and proves nothing.
    pub key: Option<(u8, Key)>,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// How often a message is sent again.
    pub retries: u8,
}

impl Config {
    /// Half a minute for an answer, two repetitions.
    #[must_use]
    pub const fn new(called: ApTitle, calling: ApTitle) -> Self {
        Self {
            called,
            calling,
            key: None,
            timeout: Duration::from_secs(30),
            retries: 2,
        }
    }
}

/// Why a message has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing came.
    #[error("no answer came after {0} messages")]
    Silence(u8),
    /// The message cannot be made.
    #[error(transparent)]
    Seal(#[from] super::eax::EaxError),
}

/// What a client wants done, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Send these octets: one unit, one datagram.
    Send(Vec<u8>),
    /// The answer to each service of the message, in order.
    Answer(Vec<(ResponseCode, Vec<u8>)>),
    /// A message came that is no answer, or whose check is wrong; it was dropped.
    Dropped(String),
    /// There is no answer.
    Failed(Failure),
}

#[derive(Debug)]
struct Waiting {
    id: u32,
    services: Vec<Service>,
    sent: u8,
    due: Instant,
}

/// A reader's side. Call order: see [`crate::session`].
#[derive(Debug)]
pub struct Client {
    config: Config,
    splitter: Splitter,
    reassembler: Reassembler,
    waiting: Option<Waiting>,
    events: VecDeque<Event>,
    next_id: u32,
    first_iv: u32,
    next_iv: u32,
    started: Option<Instant>,
}

impl Client {
    /// A client that asks nothing yet. `first_id` is the number of its first message: under one
    /// key and title no number should come twice. `first_iv` is the time of the first message in
    /// seconds since 1970; it goes on with the time, and by at least one for each message.
    #[must_use]
    pub fn new(config: Config, first_iv: u32, first_id: u32) -> Self {
        Self {
            config,
            splitter: Splitter::new(),
            reassembler: Reassembler::new(),
            waiting: None,
            events: VecDeque::new(),
            next_id: first_id.wrapping_sub(1),
            first_iv,
            next_iv: first_iv,
            started: None,
        }
    }

    /// The next message has this number, and a vector of at least this time.
    pub fn number_from(&mut self, iv: u32, id: u32) {
        self.next_id = id.wrapping_sub(1);
        self.next_iv = self.next_iv.max(iv);
    }

    /// Asks; what was asked before and not answered is given up.
    pub fn request(&mut self, services: Vec<Service>, now: Instant) {
        self.next_id = self.next_id.wrapping_add(1);
        self.waiting = Some(Waiting {
            id: self.next_id,
            services,
            sent: 0,
            due: now,
        });
        self.transmit(now);
    }

    fn transmit(&mut self, now: Instant) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        let started = *self.started.get_or_insert(now);
        let elapsed_s = now.saturating_duration_since(started).as_secs();
        let elapsed_s = u32::try_from(elapsed_s).unwrap_or(u32::MAX);
        self.next_iv = self.next_iv.max(self.first_iv.saturating_add(elapsed_s));
        waiting.sent = waiting.sent.saturating_add(1);
        waiting.due = now + self.config.timeout;
        let message = Outgoing {
            called: self.config.called.clone(),
            called_invocation_id: None,
            calling: self.config.calling.clone(),
            calling_invocation_id: waiting.id,
            services: waiting.services.clone(),
        };
        let protection = match &self.config.key {
            Some((key_id, key)) => Protection::Keyed {
                key,
                key_id: *key_id,
                iv: self.next_iv.to_be_bytes(),
                encrypt: true,
            },
            None => Protection::Clear,
        };
        self.next_iv = self.next_iv.saturating_add(1);
        match message.to_bytes(protection) {
            Ok(octets) => self.events.push_back(Event::Send(octets)),
            Err(error) => {
                self.waiting = None;
                self.events.push_back(Event::Failed(error.into()));
            }
        }
    }

    /// Takes octets of a stream.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(event) = self.splitter.pull(&mut input) {
            match event.element {
                Element::Apdu(apdu, _) => self.unit(*apdu),
                Element::Rejected(error) => self.drop_one(&error.to_string()),
                Element::Noise => self.drop_one("octets that belong to no message"),
            }
        }
    }

    /// Takes a datagram.
    pub fn handle_datagram(&mut self, datagram: &[u8]) {
        match Apdu::parse(datagram) {
            Ok(apdu) => self.unit(apdu),
            Err(error) => self.drop_one(&error.to_string()),
        }
    }

    fn drop_one(&mut self, reason: &str) {
        self.events.push_back(Event::Dropped(reason.to_owned()));
    }

    fn unit(&mut self, apdu: Apdu) {
        match self.reassembler.push(apdu) {
            Ok(Some(apdu)) => self.whole(&apdu),
            Ok(None) => {}
            Err(error) => self.drop_one(&error.to_string()),
        }
    }

    fn whole(&mut self, apdu: &Apdu) {
        let keys: Keys = self.config.key.clone().into_iter().collect();
        let opened = match apdu.open(&keys) {
            Ok(opened) => opened,
            Err(error) => return self.drop_one(&error.to_string()),
        };
        let asked = self.waiting.as_ref().map(|waiting| waiting.id);
        let ours = apdu
            .calling
            .as_ref()
            .is_some_and(|title| title.is_same(&self.config.called));
        if asked.is_none() || apdu.called_invocation_id != asked || !ours {
            // An old answer, one that was repeated, or one of somebody else.
            return self.drop_one("a message that answers nothing that was asked");
        }
        let answers = opened
            .services
            .into_iter()
            .filter_map(|service| match service {
                Service::Response { code, payload } => Some((code, payload)),
                Service::Request(_) => None,
            });
        let answers = answers.collect();
        self.waiting = None;
        self.events.push_back(Event::Answer(answers));
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(waiting) = &self.waiting else { return };
        if waiting.due > now {
            return;
        }
        if waiting.sent > self.config.retries {
            let failure = Failure::Silence(waiting.sent);
            self.waiting = None;
            self.events.push_back(Event::Failed(failure));
        } else {
            self.transmit(now);
        }
    }

    /// The next thing to do or to know.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.as_ref().map(|waiting| waiting.due)
    }
}
