//! The host's side of EZSP: the version is agreed, commands go one after the other, callbacks come
//! in between. It is told octets and the time, and asked what to send.
//!
//! A session ends with [`Event::Lost`] and is begun again with [`Session::start`]; commands that
//! were waiting end with [`CommandError::Lost`], so that whoever asked is always answered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Frame, FrameKind, HeaderForm, INVALID_COMMAND, VERSION, VERSIONS};
use crate::layout::Unwritable;
use crate::value::Record;
use crate::zigbee::ash::{Link, LinkEvent, LinkFailure, Side};

/// How long an answer may take; the slowest, forming a network, stay below three seconds.
const ANSWER: Duration = Duration::from_secs(10);
/// After so long a silence the coprocessor is asked whether it still is there.
const IDLE: Duration = Duration::from_secs(10);
/// Commands that wait at most.
const WAITING: usize = 256;
/// Asks nothing (`nop`).
const NOP: u16 = 0x0005;

/// Which command an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Commands can be asked.
    Ready {
        /// The protocol version, one of [`VERSIONS`].
        version: u8,
        /// The stack's version, a nibble per part: 0x7450 is 7.4.5.0.
        stack: u16,
    },
    /// A command has ended.
    Answer {
        /// Which one.
        token: Token,
        /// What was answered.
        answer: Result<Record, CommandError>,
    },
    /// The coprocessor reports something.
    Callback {
        /// What kind ([`super::name`]).
        id: u16,
        /// What it says.
        fields: Record,
    },
    /// The session is over.
    Lost(Failure),
}

/// Why a command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The session ended before the answer.
    #[error("the radio stick was lost before it answered")]
    Lost,
    /// The coprocessor does not know the command, or does not allow it now.
    #[error("the radio stick refuses the command, status {0:02x}")]
    Refused(u8),
    /// The answer was shorter than its layout.
    #[error("the radio stick gave half an answer")]
    Malformed,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The link below is lost.
    #[error(transparent)]
    Link(#[from] LinkFailure),
    /// A protocol version whose layouts are not known.
    #[error(
        "the radio stick speaks EZSP {0}; 13 to 19 (EmberZNet 7.4 to 9) are understood: install other firmware"
    )]
    Version(u8),
    /// A command was acknowledged and not answered.
    #[error("the radio stick takes commands and does not answer them")]
    Unanswered,
}

/// A command cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no session, or too many commands wait.
    #[error("the radio stick is not there, or has too much to do")]
    NotReady,
    /// A field is missing or does not fit.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

#[derive(Debug)]
struct Command {
    token: Token,
    id: u16,
    parameters: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Resetting,
    /// The version was asked for, in the old form or the new.
    Agreeing,
    Ready,
}

/// The host's end of a session.
#[derive(Debug)]
pub struct Session {
    link: Link,
    state: State,
    version: u8,
    sequence: u8,
    next_token: u64,
    waiting: VecDeque<Command>,
    under_way: Option<(Command, Instant)>,
    /// When the last octets came.
    heard: Option<Instant>,
    events: VecDeque<Event>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            link: Link::new(Side::Host),
            state: State::Idle,
            version: 13,
            sequence: 0,
            next_token: 0,
            waiting: VecDeque::new(),
            under_way: None,
            heard: None,
            events: VecDeque::new(),
        }
    }
}

impl Session {
    /// Begins anew at `now`: the coprocessor is asked to start again.
    pub fn start(&mut self, now: Instant) {
        self.drop_commands();
        self.state = State::Resetting;
        self.heard = None;
        self.link.reset(0, now);
    }

    /// The protocol version that was agreed.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.version
    }

    /// Whether commands can be asked.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Asks a command; the answer comes as an event.
    ///
    /// # Errors
    /// When there is no session, too many commands wait, or a field does not fit.
    pub fn command(&mut self, id: u16, fields: &Record, now: Instant) -> Result<Token, Refusal> {
        if self.state != State::Ready || self.waiting.len() >= WAITING {
            return Err(Refusal::NotReady);
        }
        let parameters = super::write_request(id, self.version, fields)?;
        let token = self.enqueue(id, parameters);
        self.next(now);
        Ok(token)
    }

    /// Takes octets that came at `now`.
    pub fn handle_octets(&mut self, octets: &[u8], now: Instant) {
        self.heard = Some(now);
        self.link.handle_octets(octets, now);
        self.take_link_events(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(now);
        self.take_link_events(now);
        let is_over = |due: Instant| now >= due;
        if self
            .under_way
            .as_ref()
            .is_some_and(|(_, due)| is_over(*due))
        {
            self.lose(Failure::Unanswered);
        }
        if self.idle_until().is_some_and(is_over) {
            self.heard = Some(now);
            self.enqueue(NOP, Vec::new());
            self.next(now);
        }
    }

    /// The next octets to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.link.poll_transmit()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let answer = self.under_way.as_ref().map(|(_, due)| *due);
        [self.link.poll_timeout(), answer, self.idle_until()]
            .into_iter()
            .flatten()
            .min()
    }

    fn idle_until(&self) -> Option<Instant> {
        let is_idle = self.state == State::Ready && self.under_way.is_none();
        self.heard.filter(|_| is_idle).map(|heard| heard + IDLE)
    }

    fn enqueue(&mut self, id: u16, parameters: Vec<u8>) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.waiting.push_back(Command {
            token,
            id,
            parameters,
        });
        token
    }

    /// Sends the next command when none is under way.
    fn next(&mut self, now: Instant) {
        if self.under_way.is_some() {
            return;
        }
        let Some(command) = self.waiting.pop_front() else {
            return;
        };
        self.sequence = self.sequence.wrapping_add(1);
        let form = HeaderForm::Extended;
        let frame = super::command(self.sequence, command.id, &command.parameters, form);
        self.transmit(command, frame, now);
    }

    fn transmit(&mut self, command: Command, frame: Vec<u8>, now: Instant) {
        let token = command.token;
        if self.link.send(frame, now).is_err() {
            self.answer(token, Err(CommandError::Lost));
            return;
        }
        self.under_way = Some((command, now + ANSWER));
    }

    fn answer(&mut self, token: Token, answer: Result<Record, CommandError>) {
        self.events.push_back(Event::Answer { token, answer });
    }

    fn take_link_events(&mut self, now: Instant) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Connected { .. } => self.ask_version(HeaderForm::Unknown, now),
                LinkEvent::Received(octets) => self.receive(&octets, now),
                LinkEvent::Lost(failure) => self.lose(failure.into()),
            }
        }
    }

    fn ask_version(&mut self, form: HeaderForm, now: Instant) {
        self.state = State::Agreeing;
        if form == HeaderForm::Unknown {
            (self.version, self.sequence) = (*VERSIONS.start(), 0);
        } else {
            self.sequence = self.sequence.wrapping_add(1);
        }
        let command = Command {
            token: Token(self.next_token),
            id: VERSION,
            parameters: vec![self.version],
        };
        self.next_token += 1;
        let frame = super::command(self.sequence, VERSION, &command.parameters, form);
        self.transmit(command, frame, now);
    }

    fn receive(&mut self, octets: &[u8], now: Instant) {
        let form = match self.state {
            State::Ready => HeaderForm::Extended,
            _ => HeaderForm::Unknown,
        };
        let Ok(frame) = Frame::parse(octets, form) else {
            return;
        };
        match frame.kind {
            FrameKind::Command => {}
            FrameKind::Callback => self.take_callback(&frame),
            FrameKind::Response => self.take_response(&frame, now),
        }
    }

    fn take_callback(&mut self, frame: &Frame<'_>) {
        if self.state != State::Ready {
            return;
        }
        let read = super::read_response(frame.id, self.version, frame.parameters);
        if let Some(Ok(fields)) = read {
            let id = frame.id;
            self.events.push_back(Event::Callback { id, fields });
        }
    }

    fn take_response(&mut self, frame: &Frame<'_>, now: Instant) {
        let Some((command, due)) = self.under_way.take() else {
            return;
        };
        let is_answer = frame.sequence == self.sequence
            && (frame.id == command.id || frame.id == INVALID_COMMAND);
        if !is_answer {
            self.under_way = Some((command, due));
            return;
        }
        if self.state == State::Agreeing {
            self.take_version(frame, now);
            return;
        }
        let read = super::read_response(frame.id, self.version, frame.parameters);
        let answer = match read {
            Some(Ok(fields)) if frame.id == INVALID_COMMAND => {
                let status = fields.number("status").unwrap_or_default();
                Err(CommandError::Refused(
                    u8::try_from(status & 0xFF).unwrap_or(0),
                ))
            }
            Some(Ok(fields)) => Ok(fields),
            _ => Err(CommandError::Malformed),
        };
        if command.id != NOP {
            self.answer(command.token, answer);
        }
        self.next(now);
    }

    fn take_version(&mut self, frame: &Frame<'_>, now: Instant) {
        let read = super::read_response(VERSION, self.version, frame.parameters);
        let Some(Ok(fields)) = read else {
            self.lose(Failure::Unanswered);
            return;
        };
        let number = |name| u16::try_from(fields.number(name).unwrap_or(0)).unwrap_or(0);
        let version = u8::try_from(number("version")).unwrap_or(0);
        if !VERSIONS.contains(&version) {
            self.lose(Failure::Version(version));
        } else if frame.form == HeaderForm::Legacy || version != self.version {
            self.version = version;
            self.ask_version(HeaderForm::Extended, now);
        } else {
            self.state = State::Ready;
            let stack = number("stack_version");
            self.events.push_back(Event::Ready { version, stack });
            self.next(now);
        }
    }

    fn lose(&mut self, failure: Failure) {
        self.drop_commands();
        self.link = Link::new(Side::Host);
        self.state = State::Idle;
        self.events.push_back(Event::Lost(failure));
    }

    fn drop_commands(&mut self) {
        let under_way = self.under_way.take().map(|(command, _)| command);
        let dropped: Vec<Command> = under_way
            .into_iter()
            .chain(self.waiting.drain(..))
            .collect();
        if self.state == State::Ready {
            for command in dropped.into_iter().filter(|command| command.id != NOP) {
                self.answer(command.token, Err(CommandError::Lost));
            }
        }
    }
}
