//! Who asks the meter for a reader: a session over a line, or messages over a network.

use std::collections::VecDeque;
use std::time::Instant;

use super::client::{self, Client, Error, Event};
use super::net::{self, Service};
use super::service::{Identification, Request};
use crate::dlms::client::{Counter, CounterStore};

/// Tells the time in seconds since 1970.
pub type Seconds = Box<dyn Fn() -> u32 + Send>;

/// An answer of a network that takes a few datagrams at most.
const NETWORK_ANSWER: usize = 2_048;

#[derive(Debug)]
pub(super) enum Side {
    Line(Box<Client>),
    Network(Box<Network>),
}

impl Side {
    pub(super) fn line(config: &client::Config) -> Self {
        Self::Line(Box::new(Client::new(config.clone())))
    }

    pub(super) fn network(
        config: net::client::Config,
        datagrams: bool,
        counters: Box<dyn CounterStore>,
        seconds: Seconds,
    ) -> Self {
        Self::Network(Box::new(Network {
            datagrams,
            client: net::client::Client::new(config.clone(), 0, 0),
            config,
            numbers: Counter::new(counters),
            seconds,
            asked: None,
            dropped: None,
            events: VecDeque::new(),
        }))
    }

    pub(super) const fn is_network(&self) -> bool {
        matches!(self, Self::Network(_))
    }

    /// True when whoever alters or forges a message is found out.
    pub(super) const fn is_tagged(&self) -> bool {
        match self {
            Self::Line(_) => false,
            Self::Network(network) => network.config.key.is_some(),
        }
    }

    /// Octets of the longest answer that is asked for.
    pub(super) fn max_message(&self) -> usize {
        match self {
            Self::Line(client) => client.max_message(),
            Self::Network(_) => NETWORK_ANSWER,
        }
    }

    /// What was under way is lost with the port.
    pub(super) fn restart(&mut self, line: &client::Config) {
        match self {
            Self::Line(_) => *self = Self::line(line),
            Self::Network(network) => network.restart(),
        }
    }

    pub(super) fn open(&mut self, now: Instant) {
        match self {
            Self::Line(client) => client.open(now),
            // Each message stands alone: there is nothing to open.
            Self::Network(network) => network.events.push_back(Event::Opened(Identification {
                standard: 3,
                version: 1,
                revision: 0,
                authentication: None,
                features: Vec::new(),
            })),
        }
    }

    pub(super) fn request(&mut self, request: Request, now: Instant) {
        match self {
            Self::Line(client) => {
                client.request(request, now);
            }
            Self::Network(network) => network.request(request, now),
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        match self {
            Self::Line(client) => client.close(now),
            Self::Network(network) => network.events.push_back(Event::Closed),
        }
    }

    pub(super) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        match self {
            Self::Line(client) => client.handle_input(bytes, now),
            Self::Network(network) if network.datagrams => network.client.handle_datagram(bytes),
            Self::Network(network) => network.client.handle_input(bytes),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Line(client) => client.handle_timeout(now),
            Self::Network(network) => network.client.handle_timeout(now),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Line(client) => client.poll_timeout(),
            Self::Network(network) => network.client.poll_timeout(),
        }
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        match self {
            Self::Line(client) => client.poll(),
            Self::Network(network) => network.poll(),
        }
    }
}

/// Messages to one device, each with a number of its own.
pub(super) struct Network {
    /// Each input is a whole unit.
    datagrams: bool,
    config: net::client::Config,
    client: net::client::Client,
    numbers: Counter,
    seconds: Seconds,
    asked: Option<Request>,
    /// Why the message that came last was dropped.
    dropped: Option<String>,
    events: VecDeque<Event>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("called", &self.config.called)
            .finish_non_exhaustive()
    }
}

impl Network {
    fn restart(&mut self) {
        self.client = net::client::Client::new(self.config.clone(), 0, 0);
        self.asked = None;
        self.dropped = None;
        self.events.clear();
    }

    fn request(&mut self, request: Request, now: Instant) {
        match self.numbers.take() {
            Ok(number) => {
                self.client.number_from((self.seconds)(), number);
                self.client
                    .request(vec![Service::Request(request.clone())], now);
                self.asked = Some(request);
            }
            Err(error) => self.events.push_back(Event::Failed(error.into())),
        }
    }

    fn poll(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.client.poll()? {
                net::client::Event::Send(octets) => return Some(Event::Send(octets)),
                net::client::Event::Answer(answers) => {
                    self.dropped = None;
                    let request = self.asked.take()?;
                    let event = match answers.into_iter().next() {
                        Some((code, payload)) => Event::Answer {
                            request,
                            code,
                            payload,
                        },
                        None => Event::Failed(Error::Answer("C12.22")),
                    };
                    return Some(event);
                }
                net::client::Event::Dropped(reason) => self.dropped = Some(reason),
                net::client::Event::Failed(failure) => {
                    return Some(Event::Failed(Error::Network {
                        failure,
                        dropped: self.dropped.take(),
                    }));
                }
            }
        }
    }
}
