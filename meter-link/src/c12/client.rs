//! A reader's side of the application layer in virtual time: it opens a session, asks one request
//! at a time, and takes its leave (C12.18, clause 5.3.2; C12.21, clause 5).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::link::{self, Failure, Link};
use super::service::{Identification, Password, Request, ResponseCode, Timing, USER_LENGTH, baud};
use crate::dlms::client::CounterError;

/// Which standard's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Optical port.
    C12_18,
    /// Modem: times are agreed on before sizes, and the session ends with hanging up.
    C12_21,
}

/// How a session is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which standard.
    pub dialect: Dialect,
    /// Number of the device; 0 on an optical port.
    pub identity: u8,
    /// The user's number.
    pub user_id: u16,
    /// The user's name, at most ten characters; they are filled up with blanks.
    pub user: String,
    /// The password, if tables are to be read that need one.
    pub password: Option<Password>,
    /// Octets of the longest packet that is proposed.
    pub packet_size: u16,
    /// Packets of the longest message that is proposed.
    pub packets: u8,
    /// Code of the speed that is proposed; see [`baud`]. `None` keeps the speed.
    pub baud_code: Option<u8>,
    /// C12.21: times that are proposed.
    pub timing: Timing,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dialect: Dialect::C12_18,
            identity: 0,
            user_id: 0,
            user: "wattle".to_owned(),
            password: None,
            packet_size: 512,
            packets: 64,
            baud_code: None,
            timing: Timing {
                traffic_s: 30,
                inter_character_s: 1,
                response_s: 5,
                retries: 3,
            },
        }
    }
}

/// Why a session ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The link failed.
    #[error(transparent)]
    Link(#[from] Failure),
    /// The device does not let us in.
    #[error("{service}: the meter answered {}: {}", code.name().unwrap_or("?"), code.reason())]
    Refused {
        /// Which service.
        service: &'static str,
        /// What it said.
        code: ResponseCode,
    },
    /// The device wants a proof by DES, which proves nothing today.
    #[error(
        "the meter lets nobody in without the authentication service, whose cipher is DES: that \
         is not supported, because DES protects nothing"
    )]
    DesOnly,
    /// The answer is not one of its service.
    #[error("{0}: the answer is not understood")]
    Answer(&'static str),
    /// C12.22: a message has no answer.
    #[error("{failure}{}", dropped.as_ref().map(|why| format!("; what came was dropped: {why}")).unwrap_or_default())]
    Network {
        /// Why.
        failure: super::net::client::Failure,
        /// Why what came last was no answer.
        dropped: Option<String>,
    },
    /// C12.22: there is no number for another message.
    #[error(transparent)]
    Number(#[from] CounterError),
}

/// What a client wants done, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Send these octets.
    Send(Vec<u8>),
    /// Change the speed once everything has left.
    SetBaud(u32),
    /// The session is open; requests may come.
    Opened(Identification),
    /// The request given last was answered.
    Answer {
        /// What was asked.
        request: Request,
        /// How it went.
        code: ResponseCode,
        /// What followed.
        payload: Vec<u8>,
    },
    /// The session has ended as it should.
    Closed,
    /// The session has ended because of this.
    Failed(Error),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Identify,
    TimingSetup,
    Negotiate,
    Logon,
    Security,
    Open,
    Asking(Request),
    /// The device was busy; the request goes out again then.
    Pausing(Request, Instant),
    Logoff,
    Leaving,
}

/// How often a busy device is asked again, and after what pause.
const BUSY_RETRIES: u8 = 5;
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// Silence after which an optical port forgets its reader is 6 s (C12.18, clause 5.2.7); a pause
/// that long comes between an unclean end and the next session.
pub const FORGET: Duration = Duration::from_secs(7);

/// A reader's side of a session. Call order: see [`crate::session`].
#[derive(Debug)]
pub struct Client {
    config: Config,
    link: Link,
    events: VecDeque<Event>,
    state: State,
    identification: Option<Identification>,
    /// Octets of the longest message agreed on.
    max_message: usize,
    busy: u8,
}

impl Client {
    /// A client that does nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let link = Link::reader(Self::first_link(&config));
        Self {
            config,
            link,
            events: VecDeque::new(),
            state: State::Closed,
            identification: None,
            max_message: 64 - super::packet::OVERHEAD,
            busy: 0,
        }
    }

    fn first_link(config: &Config) -> link::Config {
        let timing = config.timing;
        match config.dialect {
            Dialect::C12_18 => link::Config {
                identity: config.identity,
                ..link::Config::default()
            },
            // What holds on a modem before times are agreed on (C12.21, clause 5.2.7).
            Dialect::C12_21 => link::Config {
                identity: config.identity,
                ack_timeout: Duration::from_secs(u64::from(timing.response_s.max(4))),
                character_timeout: Duration::from_secs(1),
                response_timeout: Duration::from_secs(u64::from(timing.traffic_s.max(10))),
                ..link::Config::default()
            },
        }
    }

    /// Octets of the longest answer the device can give.
    #[must_use]
    pub const fn max_message(&self) -> usize {
        self.max_message
    }

    /// Whether a request may be given.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether nothing goes on.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Opens a session, whatever went on before.
    pub fn open(&mut self, now: Instant) {
        *self = Self::new(self.config.clone());
        self.go(State::Identify, &Request::Identify, now);
    }

    /// Asks something of the device; false when no session is open or a request is under way.
    pub fn request(&mut self, request: Request, now: Instant) -> bool {
        if self.state != State::Open {
            return false;
        }
        self.busy = 0;
        self.ask(request, now);
        true
    }

    /// Takes leave; a session that is not open just ends.
    pub fn close(&mut self, now: Instant) {
        if self.state == State::Open {
            self.go(State::Logoff, &Request::Logoff, now);
        } else if self.state != State::Closed {
            self.state = State::Closed;
            self.link.reset();
            self.events.push_back(Event::Closed);
        }
        self.pump(now);
    }

    fn ask(&mut self, request: Request, now: Instant) {
        let message = request.to_bytes();
        self.state = State::Asking(request);
        self.link.send(&message, now);
        self.pump(now);
    }

    fn go(&mut self, state: State, request: &Request, now: Instant) {
        self.state = state;
        self.link.send(&request.to_bytes(), now);
        self.pump(now);
    }

    fn fail(&mut self, error: Error) {
        self.link.reset();
        self.state = State::Closed;
        self.events.push_back(Event::Failed(error));
    }

    /// Takes octets that came at `now`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        if self.state == State::Closed {
            return;
        }
        self.link.handle_input(bytes, now);
        self.pump(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let State::Pausing(request, until) = &self.state
            && *until <= now
        {
            let request = request.clone();
            return self.ask(request, now);
        }
        self.link.handle_timeout(now);
        self.pump(now);
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Pausing(_, until) => Some(until),
            _ => self.link.poll_timeout(),
        }
    }

    /// The next thing to do or to know.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.link.poll() {
            match event {
                link::Event::Send(octets) => self.events.push_back(Event::Send(octets)),
                link::Event::Delivered => {}
                link::Event::Failed(failure) if self.state == State::Leaving => {
                    // Whoever has said goodbye needs no answer.
                    let _ = failure;
                    self.state = State::Closed;
                    self.events.push_back(Event::Closed);
                }
                link::Event::Failed(failure) => self.fail(failure.into()),
                link::Event::Message(message) => self.answered(&message, now),
            }
        }
    }

    fn answered(&mut self, message: &[u8], now: Instant) {
        let Some((code, payload)) = message.split_first() else {
            return self.fail(Error::Answer("the meter"));
        };
        let code = ResponseCode(*code);
        let ok = code == ResponseCode::OK;
        let refused = |service| Error::Refused { service, code };
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Open | State::Pausing(..) => {
                self.fail(Error::Answer("an answer that nobody asked for"));
            }
            State::Identify if ok => match Identification::parse(payload) {
                Some(found) => {
                    self.identification = Some(found);
                    match self.config.dialect {
                        Dialect::C12_18 => self.negotiate(now),
                        Dialect::C12_21 => {
                            let request = Request::TimingSetup(self.config.timing);
                            self.go(State::TimingSetup, &request, now);
                        }
                    }
                }
                None => self.fail(Error::Answer("identify")),
            },
            State::Identify => self.fail(refused("identify")),
            State::TimingSetup => {
                // A device that knows no such service keeps what the standard says.
                if let Some(timing) = Timing::parse(payload).filter(|_| ok) {
                    let seconds = |seconds: u8| Duration::from_secs(u64::from(seconds.max(1)));
                    let config = self.link.config_mut();
                    config.character_timeout = seconds(timing.inter_character_s);
                    config.ack_timeout = seconds(timing.response_s);
                    config.response_timeout = seconds(timing.traffic_s);
                    config.retries = timing.retries;
                }
                self.negotiate(now);
            }
            State::Negotiate => {
                if ok {
                    self.negotiated(payload);
                }
                self.logon(now);
            }
            State::Logon if ok => match &self.config.password {
                Some(password) => {
                    let password = password.clone();
                    let request = Request::Security {
                        password,
                        user_id: None,
                    };
                    self.go(State::Security, &request, now);
                }
                None => self.opened(),
            },
            State::Logon => self.fail(refused("logon")),
            State::Security if ok => self.opened(),
            State::Security if self.wants_des() => self.fail(Error::DesOnly),
            State::Security => self.fail(refused("security")),
            State::Asking(request) => {
                // Busy, or the data is not ready yet.
                if matches!(code.0, 0x06 | 0x07) && self.busy < BUSY_RETRIES {
                    self.busy += 1;
                    self.state = State::Pausing(request, now + BUSY_PAUSE);
                    return;
                }
                self.state = State::Open;
                self.events.push_back(Event::Answer {
                    request,
                    code,
                    payload: payload.to_vec(),
                });
            }
            State::Logoff => {
                let request = match self.config.dialect {
                    Dialect::C12_18 => Request::Terminate,
                    Dialect::C12_21 => Request::Disconnect,
                };
                self.go(State::Leaving, &request, now);
            }
            State::Leaving => self.events.push_back(Event::Closed),
        }
    }

    fn wants_des(&self) -> bool {
        let found = self.identification.as_ref();
        found.is_some_and(|found| found.authentication.is_some())
    }

    fn negotiate(&mut self, now: Instant) {
        let request = Request::Negotiate {
            packet_size: self.config.packet_size,
            packets: self.config.packets,
            bauds: self.config.baud_code.into_iter().collect(),
        };
        self.go(State::Negotiate, &request, now);
    }

    /// What both sides use from now on. A device that refused keeps what the standard says.
    fn negotiated(&mut self, payload: &[u8]) {
        let Some((&[high, low, packets], rest)) = payload.split_first_chunk::<3>() else {
            return;
        };
        let size = usize::from(u16::from_be_bytes([high, low]));
        let size = size.clamp(super::packet::OVERHEAD + 1, self.config.packet_size.into());
        self.link.config_mut().packet_size = size;
        self.max_message = (size - super::packet::OVERHEAD) * usize::from(packets.max(1));
        let agreed = rest
            .first()
            .filter(|code| self.config.baud_code == Some(**code));
        if let Some(speed) = agreed.and_then(|code| baud(*code)) {
            self.events.push_back(Event::SetBaud(speed));
        }
    }

    fn logon(&mut self, now: Instant) {
        let mut user = [b' '; USER_LENGTH];
        for (place, octet) in user.iter_mut().zip(self.config.user.bytes()) {
            *place = octet;
        }
        let request = Request::Logon {
            user_id: self.config.user_id,
            user,
            idle_timeout_s: None,
        };
        self.go(State::Logon, &request, now);
    }

    fn opened(&mut self) {
        self.state = State::Open;
        if let Some(found) = self.identification.clone() {
            self.events.push_back(Event::Opened(found));
        }
    }
}
