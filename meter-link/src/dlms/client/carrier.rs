//! What carries APDUs: an HDLC link, with or without an opening, or the wrapper.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::{CarrierConfig, HdlcConfig, WrapperConfig};
use super::error::ClientError;
use super::sign_on::{SignOn, Signed, sending_time};
use crate::dlms::hdlc::{Address, Disconnected, Link, LinkConfig, LinkCounts, LinkEvent};
use crate::dlms::wrapper::{Datagram, Splitter};
use crate::session::{Action, Line};

/// What a carrier tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CarrierEvent {
    Connected,
    Apdu(Vec<u8>),
    /// No answer came in time; the carrier is still open.
    Silence,
    /// Closed, as asked or not.
    Closed(ClientError),
}

pub(super) struct Carrier {
    kind: Kind,
    actions: VecDeque<Action>,
    events: VecDeque<CarrierEvent>,
}

enum Kind {
    Hdlc(Box<Hdlc>),
    Wrapper(Wrapper),
}

impl Carrier {
    pub(super) fn new(config: &CarrierConfig) -> Self {
        let kind = match config {
            CarrierConfig::Hdlc(config) => Kind::Hdlc(Box::new(Hdlc::new(config.clone()))),
            CarrierConfig::Wrapper(config) => Kind::Wrapper(Wrapper::new(*config)),
        };
        Self {
            kind,
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The line with which the port is to be opened.
    pub(super) fn line(&self) -> Line {
        match &self.kind {
            Kind::Hdlc(hdlc) => {
                let opening = hdlc.config.opening.as_ref();
                opening.map_or(hdlc.config.line, |opening| opening.line)
            }
            Kind::Wrapper(_) => Line::eight_none(9_600),
        }
    }

    /// Opens the way to the meter for a client; [`CarrierEvent::Connected`] or `Closed` follows.
    pub(super) fn connect(&mut self, client: u8, now: Instant) {
        match &mut self.kind {
            Kind::Hdlc(hdlc) => hdlc.connect(client, &mut self.actions, now),
            Kind::Wrapper(wrapper) => {
                wrapper.client = u16::from(client);
                wrapper.splitter.clear();
                wrapper.deadline = None;
                self.events.push_back(CarrierEvent::Connected);
            }
        }
        self.pump(now);
    }

    /// Sends an APDU to which an answer is due.
    pub(super) fn send(&mut self, apdu: &[u8], now: Instant) {
        match &mut self.kind {
            Kind::Hdlc(hdlc) => {
                if hdlc.link.send(apdu, now).is_err() {
                    let closed = CarrierEvent::Closed(Disconnected::Refused.into());
                    self.events.push_back(closed);
                }
            }
            Kind::Wrapper(wrapper) => match wrapper.datagram(apdu, now) {
                Some(bytes) => self.actions.push_back(Action::Send(bytes)),
                None => {
                    let closed = CarrierEvent::Closed(ClientError::RequestTooLong(0xFFFF));
                    self.events.push_back(closed);
                }
            },
        }
        self.pump(now);
    }

    /// Goes on waiting where what came was not the answer.
    pub(super) fn listen(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Hdlc(hdlc) => hdlc.link.listen(now),
            Kind::Wrapper(wrapper) => {
                let until = now + wrapper.config.response_timeout;
                let until = wrapper.latest.map_or(until, |latest| until.min(latest));
                wrapper.deadline.get_or_insert(until);
            }
        }
        self.pump(now);
    }

    /// Closes; [`CarrierEvent::Closed`] follows.
    pub(super) fn disconnect(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Hdlc(hdlc) => {
                hdlc.plans.clear();
                if hdlc.sign_on.take().is_some() {
                    let closed = CarrierEvent::Closed(Disconnected::Asked.into());
                    self.events.push_back(closed);
                } else {
                    hdlc.link.disconnect(now);
                }
            }
            Kind::Wrapper(wrapper) => {
                wrapper.deadline = None;
                let closed = CarrierEvent::Closed(Disconnected::Asked.into());
                self.events.push_back(closed);
            }
        }
        self.pump(now);
    }

    /// Forgets everything: the port was opened anew.
    pub(super) fn restart(&mut self) {
        self.actions.clear();
        self.events.clear();
        match &mut self.kind {
            Kind::Hdlc(hdlc) => **hdlc = Hdlc::new(hdlc.config.clone()),
            Kind::Wrapper(wrapper) => *wrapper = Wrapper::new(wrapper.config),
        }
    }

    pub(super) fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        match &mut self.kind {
            Kind::Hdlc(hdlc) => hdlc.handle_input(bytes, &mut self.actions, now),
            Kind::Wrapper(wrapper) => wrapper.handle_input(bytes, &mut self.events, now),
        }
        self.pump(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Hdlc(hdlc) => hdlc.handle_timeout(&mut self.actions, now),
            Kind::Wrapper(wrapper) => {
                if wrapper.deadline.is_some_and(|deadline| deadline <= now) {
                    wrapper.deadline = None;
                    wrapper.splitter.clear();
                    self.events.push_back(CarrierEvent::Silence);
                }
            }
        }
        self.pump(now);
    }

    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<CarrierEvent> {
        self.events.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Hdlc(hdlc) => match &hdlc.sign_on {
                Some(sign_on) => Some(sign_on.deadline()),
                None => hdlc.link.poll_timeout(),
            },
            Kind::Wrapper(wrapper) => wrapper.deadline,
        }
    }

    /// What went wrong on the line so far.
    pub(super) fn counts(&self) -> LinkCounts {
        match &self.kind {
            Kind::Hdlc(hdlc) => hdlc.counts(),
            Kind::Wrapper(wrapper) => LinkCounts {
                noise: wrapper.splitter.noise(),
                ..LinkCounts::default()
            },
        }
    }

    /// Carries what the link has to say to the outside.
    fn pump(&mut self, now: Instant) {
        let Kind::Hdlc(hdlc) = &mut self.kind else {
            return;
        };
        while let Some(event) = hdlc.link.poll_event() {
            self.events.push_back(match event {
                LinkEvent::Connected(_) => {
                    hdlc.signed_on = true;
                    hdlc.plans.clear();
                    CarrierEvent::Connected
                }
                LinkEvent::Apdu(apdu) => CarrierEvent::Apdu(apdu),
                // What a meter pushes is for a listener.
                LinkEvent::Unnumbered(_) => continue,
                LinkEvent::Disconnected(Disconnected::NoAnswer) if !hdlc.plans.is_empty() => {
                    hdlc.next_plan(&mut self.actions, now);
                    continue;
                }
                LinkEvent::Disconnected(reason) => CarrierEvent::Closed(reason.into()),
            });
        }
        if let Some(failed) = hdlc.failed.take() {
            self.events.push_back(CarrierEvent::Closed(failed));
        }
        while let Some(bytes) = hdlc.link.poll_transmit() {
            self.actions.push_back(Action::Send(bytes));
        }
    }
}

/// A way to get HDLC going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// Through the opening.
    SignOn,
    /// At once: the meter may still be where an earlier conversation left it.
    Direct,
}

struct Hdlc {
    config: HdlcConfig,
    link: Link,
    client: u8,
    sign_on: Option<SignOn>,
    /// The meter has been in HDLC since the port was opened.
    signed_on: bool,
    line: Line,
    plans: VecDeque<Plan>,
    failed: Option<ClientError>,
    /// Counts of the links before this one.
    before: LinkCounts,
}

impl Hdlc {
    fn new(config: HdlcConfig) -> Self {
        let client = 0;
        Self {
            link: Link::new(link_config(&config, client, config.line, config.repeats)),
            client,
            sign_on: None,
            signed_on: false,
            line: config.line,
            plans: VecDeque::new(),
            failed: None,
            before: LinkCounts::default(),
            config,
        }
    }

    fn counts(&self) -> LinkCounts {
        let LinkCounts {
            damaged,
            noise,
            repeated,
        } = self.link.counts();
        LinkCounts {
            damaged: self.before.damaged + damaged,
            noise: self.before.noise + noise,
            repeated: self.before.repeated + repeated,
        }
    }

    fn connect(&mut self, client: u8, actions: &mut VecDeque<Action>, now: Instant) {
        self.client = client;
        self.failed = None;
        self.plans = match (&self.config.opening, self.signed_on) {
            (None, _) => [Plan::Direct].into(),
            (Some(_), true) => [Plan::Direct, Plan::SignOn].into(),
            (Some(_), false) => [Plan::SignOn, Plan::Direct].into(),
        };
        self.next_plan(actions, now);
    }

    fn next_plan(&mut self, actions: &mut VecDeque<Action>, now: Instant) {
        match (self.plans.pop_front(), &self.config.opening) {
            (Some(Plan::SignOn), Some(opening)) => {
                let fastest = self.config.line.baud;
                self.sign_on = Some(SignOn::new(opening.clone(), fastest, actions, now));
            }
            (Some(_), _) => {
                actions.push_back(Action::SetLine(self.line));
                // Where there is another way, this one is not insisted on.
                let repeats = match self.plans.is_empty() {
                    true => self.config.repeats,
                    false => 2,
                };
                self.link(repeats, now);
            }
            (None, _) => self.failed = Some(ClientError::NoIdentification),
        }
    }

    fn link(&mut self, repeats: u8, now: Instant) {
        self.before = self.counts();
        let config = link_config(&self.config, self.client, self.line, repeats);
        self.link = Link::new(config);
        self.link.connect(now);
    }

    fn signed(&mut self, signed: Signed, actions: &mut VecDeque<Action>, now: Instant) {
        self.sign_on = None;
        match signed {
            Signed::On(line) => {
                self.line = line;
                self.link(self.config.repeats, now);
            }
            Signed::Failed => {
                self.line = self.config.line;
                self.next_plan(actions, now);
            }
        }
    }

    fn handle_input(&mut self, bytes: &[u8], actions: &mut VecDeque<Action>, now: Instant) {
        match &mut self.sign_on {
            Some(sign_on) => {
                if let Some(signed) = sign_on.handle_input(bytes, actions, now) {
                    self.signed(signed, actions, now);
                }
            }
            None => self.link.handle_input(bytes, now),
        }
    }

    fn handle_timeout(&mut self, actions: &mut VecDeque<Action>, now: Instant) {
        match &mut self.sign_on {
            Some(sign_on) => {
                if let Some(signed) = sign_on.handle_timeout(actions, now) {
                    self.signed(signed, actions, now);
                }
            }
            None => self.link.handle_timeout(now),
        }
    }
}

fn link_config(config: &HdlcConfig, client: u8, line: Line, repeats: u8) -> LinkConfig {
    LinkConfig {
        parameters: config.parameters,
        response_timeout: config.response_timeout,
        segment_timeout: config.segment_timeout,
        quiet: config.quiet,
        repeats,
        octet_time: sending_time(line, 1),
        ..LinkConfig::new(Address::client(client), config.server)
    }
}

struct Wrapper {
    config: WrapperConfig,
    client: u16,
    splitter: Splitter,
    deadline: Option<Instant>,
    /// Nothing that is no answer puts the deadline off beyond this.
    latest: Option<Instant>,
}

impl Wrapper {
    fn new(config: WrapperConfig) -> Self {
        Self {
            config,
            client: 0,
            splitter: Splitter::new(),
            deadline: None,
            latest: None,
        }
    }

    fn datagram(&mut self, apdu: &[u8], now: Instant) -> Option<Vec<u8>> {
        let datagram = Datagram {
            source: self.client,
            destination: self.config.server,
            apdu: apdu.to_vec(),
        };
        self.deadline = Some(now + self.config.response_timeout);
        self.latest = Some(now + self.config.response_timeout * 4);
        datagram.to_bytes().ok()
    }

    fn handle_input(&mut self, bytes: &[u8], events: &mut VecDeque<CarrierEvent>, now: Instant) {
        let mut input = bytes;
        while let Some(datagram) = self.splitter.pull(&mut input) {
            let expected = datagram.source == self.config.server
                && datagram.destination == self.client
                && self.deadline.is_some();
            if expected {
                self.deadline = None;
                events.push_back(CarrierEvent::Apdu(datagram.apdu));
            }
        }
        if let Some(deadline) = &mut self.deadline
            && self.splitter.is_inside()
        {
            *deadline = (*deadline).max(now + Duration::from_millis(500));
        }
    }
}
