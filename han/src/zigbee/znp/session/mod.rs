//! The host's side of ZNP: the stick is started anew, requests go one after the other, indications
//! come in between. It is told octets and the time, and asked what to send.
//!
//! An answer names the command that it belongs to and nothing more, so that the answer to a request
//! that was sent twice could be taken for that to the next one of its kind. Answers come in order:
//! when one fails to come the stick is pinged first, and only when it answers that is the request
//! sent again. What would do harm when it is done twice is never repeated.
//!
//! A session ends with [`Event::Lost`] and is begun again with [`Session::start`]; requests that
//! were waiting end with [`RequestError::Lost`], so that whoever asked is always answered.

mod event;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use event::{Event, Failure, NotTaken, RequestError, Token, Version};

use super::{Frame, FrameKind, Splitter};

/// The stick runs on from its boot loader with this octet; a stick that runs already skips it.
const RUN_ON: u8 = 0xEF;
const RESET: u16 = 0x0100;
const RESET_IND: u16 = 0x0180;
const PING: u16 = 0x0101;
const VERSION: u16 = 0x0102;
/// A command or subsystem is not known (SWRA198, 2.1.1.2).
const RPC_ERROR: u16 = 0x0000;
/// The release whose memory is understood: Z-Stack 3.x.0.
const PRODUCT: u8 = 1;

/// Time to start, and how often the stick is asked to.
const RESTART: Duration = Duration::from_millis(2500);
const RESTARTS: u8 = 4;
/// How long an answer may take; a network is scanned for before that to its start.
const ANSWER: Duration = Duration::from_secs(3);
const ANSWER_TO_START: Duration = Duration::from_secs(40);
/// How long a ping may take, and how many in a row may be lost.
const PONG: Duration = Duration::from_secs(1);
const PINGS: u8 = 3;
/// How often a request is sent at most.
const ATTEMPTS: u8 = 3;
/// After so long a silence the stick is asked whether it still is there.
const IDLE: Duration = Duration::from_secs(10);
/// A frame's octets follow one another; a pause ends what has begun.
const PAUSE: Duration = Duration::from_millis(300);
/// Requests that wait at most.
const WAITING: usize = 256;

#[derive(Debug)]
struct Request {
    /// Nobody waits for the answer to a ping of the session's own.
    token: Option<Token>,
    id: u16,
    wire: Vec<u8>,
}

#[derive(Debug)]
struct UnderWay {
    request: Request,
    due: Instant,
    attempts: u8,
    /// So many pings were sent since.
    pings: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    /// A reset was asked for so often.
    Resetting {
        asked: u8,
    },
    /// The version was asked for.
    Asking,
    Ready,
}

/// The host's end of a session.
#[derive(Debug)]
pub struct Session {
    state: State,
    splitter: Splitter,
    due: Option<Instant>,
    next_token: u64,
    waiting: VecDeque<Request>,
    under_way: Option<UnderWay>,
    /// When the last octets came.
    heard: Option<Instant>,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            state: State::Idle,
            splitter: Splitter::default(),
            due: None,
            next_token: 0,
            waiting: VecDeque::new(),
            under_way: None,
            heard: None,
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }
}

impl Session {
    /// Begins anew at `now`: the stick is asked to start again.
    pub fn start(&mut self, now: Instant) {
        self.drop_requests();
        self.splitter = Splitter::default();
        self.heard = None;
        self.out.clear();
        self.ask_reset(0, now);
    }

    /// Whether requests can be asked.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Asks a synchronous request; the answer comes as an event.
    ///
    /// # Errors
    /// When there is no session, too many requests wait, or the payload is too long.
    pub fn request(&mut self, id: u16, payload: Vec<u8>, now: Instant) -> Result<Token, NotTaken> {
        if self.state != State::Ready || self.waiting.len() >= WAITING {
            return Err(NotTaken);
        }
        let wire = encode(FrameKind::SynchronousRequest, id, payload).ok_or(NotTaken)?;
        let token = Token(self.next_token);
        self.next_token += 1;
        self.waiting.push_back(Request {
            token: Some(token),
            id,
            wire,
        });
        self.next(now);
        Ok(token)
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        if self.heard.is_some_and(|heard| now >= heard + PAUSE) {
            self.splitter.finish();
        }
        self.heard = Some(now);
        for &octet in octets {
            if let Some(Ok(frame)) = self.splitter.push(octet) {
                self.take(frame, now);
            }
        }
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| now >= due) {
            self.due = None;
            match self.state {
                State::Resetting { asked } if asked < RESTARTS => self.ask_reset(asked, now),
                State::Resetting { .. } => self.lose(Failure::NoReset),
                _ => {}
            }
        }
        if let Some(one) = self.under_way.as_mut().filter(|one| now >= one.due) {
            if one.pings >= PINGS {
                self.lose(Failure::Silent);
            } else {
                one.pings += 1;
                one.due = now + PONG;
                self.out.extend(ping());
            }
        }
        if self.idle_until().is_some_and(|until| now >= until) {
            self.heard = Some(now);
            self.ask_own(PING, now);
        }
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let answer = self.under_way.as_ref().map(|one| one.due);
        [self.due, answer, self.idle_until()]
            .into_iter()
            .flatten()
            .min()
    }

    fn idle_until(&self) -> Option<Instant> {
        let is_idle = self.state == State::Ready && self.under_way.is_none();
        self.heard.filter(|_| is_idle).map(|heard| heard + IDLE)
    }

    fn ask_reset(&mut self, asked: u8, now: Instant) {
        self.out.push_back(vec![RUN_ON]);
        // A reset of the processor's, by which a USB port stays.
        self.out
            .extend(encode(FrameKind::Asynchronous, RESET, vec![1]));
        self.state = State::Resetting { asked: asked + 1 };
        self.due = Some(now + RESTART);
    }

    /// Asks something that nobody else waits for.
    fn ask_own(&mut self, id: u16, now: Instant) {
        let wire = encode(FrameKind::SynchronousRequest, id, Vec::new());
        self.waiting.extend(wire.map(|wire| Request {
            token: None,
            id,
            wire,
        }));
        self.next(now);
    }

    /// Sends the next request when none is under way.
    fn next(&mut self, now: Instant) {
        if self.under_way.is_some() {
            return;
        }
        if let Some(request) = self.waiting.pop_front() {
            self.transmit(request, 1, now);
        }
    }

    fn transmit(&mut self, request: Request, attempts: u8, now: Instant) {
        self.out.push_back(request.wire.clone());
        let patience = match request.id {
            0x0540 | 0x0F05 => ANSWER_TO_START,
            _ => ANSWER,
        };
        self.under_way = Some(UnderWay {
            request,
            due: now + patience,
            attempts,
            pings: 0,
        });
    }

    fn take(&mut self, frame: Frame, now: Instant) {
        match frame.kind {
            FrameKind::SynchronousResponse => self.take_response(frame, now),
            FrameKind::Asynchronous if frame.id == RESET_IND => {
                let reason = frame.payload.first().copied().unwrap_or(0);
                match self.state {
                    State::Idle => {}
                    State::Resetting { .. } => {
                        self.state = State::Asking;
                        self.due = None;
                        self.ask_own(VERSION, now);
                    }
                    State::Asking | State::Ready => self.lose(Failure::Restarted(reason)),
                }
            }
            FrameKind::Asynchronous if self.state == State::Ready => {
                let Frame { id, payload, .. } = frame;
                self.events.push_back(Event::Indication { id, payload });
            }
            _ => {}
        }
    }

    fn take_response(&mut self, frame: Frame, now: Instant) {
        let Some(one) = self.under_way.take() else {
            return;
        };
        let [subsystem, command] = one.request.id.to_be_bytes();
        let unknown = match frame.payload.as_slice() {
            [error, of_subsystem, of_command, ..]
                if frame.id == RPC_ERROR
                    && (of_subsystem & 0x1F, *of_command) == (subsystem, command) =>
            {
                Some(*error)
            }
            _ => None,
        };
        if let Some(error) = unknown {
            self.answer(one.request.token, Err(RequestError::Unknown(error)));
            if self.state == State::Asking {
                self.lose(Failure::Version(0));
            }
        } else if frame.id == one.request.id {
            if self.state == State::Asking {
                self.take_version(&frame.payload);
            }
            self.answer(one.request.token, Ok(frame.payload));
        } else if frame.id == PING && one.pings > 0 {
            // The stick is there: the request has not reached it, or its answer not us.
            if may_repeat(one.request.id) && one.attempts < ATTEMPTS {
                self.transmit(one.request, one.attempts + 1, now);
            } else {
                self.answer(one.request.token, Err(RequestError::Unanswered));
            }
        } else {
            self.under_way = Some(one);
        }
        self.next(now);
    }

    fn take_version(&mut self, payload: &[u8]) {
        let mut octets = payload.iter().copied();
        let mut octet = || octets.next().unwrap_or(0);
        let _transport = octet();
        let product = octet();
        let release = [octet(), octet(), octet()];
        let revision = u32::from_le_bytes([octet(), octet(), octet(), octet()]);
        if product == PRODUCT {
            self.state = State::Ready;
            self.events.push_back(Event::Ready(Version {
                product,
                release,
                revision,
            }));
        } else {
            self.lose(Failure::Version(product));
        }
    }

    fn answer(&mut self, token: Option<Token>, answer: Result<Vec<u8>, RequestError>) {
        self.events
            .extend(token.map(|token| Event::Answer { token, answer }));
    }

    fn lose(&mut self, failure: Failure) {
        self.drop_requests();
        self.out.clear();
        self.state = State::Idle;
        self.due = None;
        self.events.push_back(Event::Lost(failure));
    }

    fn drop_requests(&mut self) {
        let under_way = self.under_way.take().map(|one| one.request);
        let dropped: Vec<Request> = under_way
            .into_iter()
            .chain(self.waiting.drain(..))
            .collect();
        for request in dropped {
            self.answer(request.token, Err(RequestError::Lost));
        }
    }
}

fn encode(kind: FrameKind, id: u16, payload: Vec<u8>) -> Option<Vec<u8>> {
    Frame { kind, id, payload }.encode()
}

pub(crate) fn ping() -> Option<Vec<u8>> {
    encode(FrameKind::SynchronousRequest, PING, Vec::new())
}

/// Messages and key changes would go out twice, a network be formed twice.
const fn may_repeat(id: u16) -> bool {
    !matches!(
        id,
        0x0401..=0x0403 | 0x0537 | 0x0540 | 0x054E | 0x054F | 0x0F05
    )
}

#[cfg(test)]
mod tests;
