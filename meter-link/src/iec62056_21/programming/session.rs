//! The conversation: sign-on, password, commands one after the other, break.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::super::encode;
use super::super::identification::{Identification, Mode};
use super::super::session::Config;
use super::super::sets::{self, DataSet};
use super::super::sign_on::{Agreement, Purpose, Terms, sending_time, step_down};
use super::super::splitter::Splitter;
use super::frame::{Frame, Frames};
use crate::session::{Action, Line, Rejected, Session};

const ACK: u8 = 0x06;
const NAK: u8 = 0x15;

/// A password. It is not shown, and wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password of 1 to 32 printable characters without brackets; `None` for anything else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_graphic() && !b"()*/!".contains(&byte);
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(legal);
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// With what the reader gets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Without a password: some meters let everybody read.
    Open,
    /// `P1`, the password itself.
    P1(Password),
    /// `P2`, what the maker's algorithm makes of password and operand.
    P2(Password),
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// `R1` to `R6`: a data set to be read, with its brackets: `1.8.0()`, `P.01(;)`.
    Read {
        /// 1 to 6.
        kind: u8,
        /// The data set.
        set: String,
    },
    /// `W1` to `W5`: a data set to be written, with its brackets: `0.9.1(123456)`.
    Write {
        /// 1 to 5.
        kind: u8,
        /// The data set.
        set: String,
    },
}

impl Task {
    /// The load profile `P.01` from one time to another, as the meter writes times, in blocks
    /// (`R6`) or in one piece (`R5`). An empty text means from the oldest, up to the newest.
    #[must_use]
    pub fn profile(in_blocks: bool, from: &str, to: &str) -> Self {
        Self::Read {
            kind: if in_blocks { 6 } else { 5 },
            set: format!("P.01({from};{to})"),
        }
    }

    /// True for a task that a meter can understand: its kind is one there is, its set printable,
    /// with brackets.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let (kinds, kind, set) = match self {
            Self::Read { kind, set } => (1..=6, kind, set),
            Self::Write { kind, set } => (1..=5, kind, set),
        };
        let legal = |byte: u8| matches!(byte, b' '..=b'~') && !b"/!".contains(&byte);
        kinds.contains(kind)
            && set.len() <= 1_000
            && set.bytes().all(legal)
            && set.ends_with(')')
            && set.contains('(')
    }

    fn command(&self) -> Vec<u8> {
        match self {
            Self::Read { kind, set } => encode::command(&format!("R{kind}"), set),
            Self::Write { kind, set } => encode::command(&format!("W{kind}"), set),
        }
    }
}

/// Why a task came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The meter answered with an error of its own.
    #[error("the meter refuses: {code}")]
    Error {
        /// As sent, such as `ER05`.
        code: String,
    },
    /// The meter did not understand the command, however often it was sent.
    #[error("the meter does not take the command")]
    NotTaken,
    /// The meter ended the conversation.
    #[error("the meter has ended the conversation: is the password right?")]
    Ended,
    /// The meter refused the password.
    #[error("the meter refuses the password")]
    Password,
    /// Nothing came, or not all.
    #[error("no answer came")]
    Silence,
    /// The block check stayed wrong after all repeats.
    #[error("the block check stayed wrong")]
    Damaged,
    /// The sign-on came to nothing.
    #[error("the meter does not go into programming mode: {reason}")]
    SignOn {
        /// How far it came.
        reason: &'static str,
    },
    /// The task is none that a meter can understand.
    #[error("this is no command")]
    Unsound,
}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The task by its place, from 0.
    pub task: usize,
    /// What was read, empty for what was written; or why not.
    pub result: Result<Vec<DataSet>, Refusal>,
}

/// A [`Session`] that carries out tasks and ends. [`Session::restart`] starts it; what came of the
/// tasks is asked for with [`Programming::poll_outcome`]. A lost port begins the unfinished ones
/// again.
pub struct Programming {
    config: Config,
    access: Access,
    tasks: Vec<Task>,
    /// The task at hand.
    at: usize,
    state: State,
    signing: Splitter,
    frames: Frames,
    actions: VecDeque<Action>,
    outcomes: VecDeque<Outcome>,
    deadline: Option<Instant>,
    /// The line as agreed on.
    line: Line,
    speed_limit: u32,
    attempts: u8,
    operand: Option<String>,
    /// What was sent last, for a repetition.
    sent: Zeroizing<Vec<u8>>,
    repeats: u8,
    /// Blocks of an answer so far.
    data: Vec<u8>,
}

/// Without the frames, in which the password stands.
impl fmt::Debug for Programming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programming")
            .field("state", &self.state)
            .field("task", &self.at)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Resting,
    Asked,
    Switching(Line),
    /// The meter is to send `P0`.
    Entering,
    /// The password was sent.
    Knocking,
    Working,
    Over,
}

impl Programming {
    /// A conversation about `tasks`. Of `config`, period and push are without meaning; a failed
    /// sign-on is tried as often as a block is repeated, each time a step slower.
    #[must_use]
    pub fn new(config: Config, access: Access, tasks: Vec<Task>) -> Self {
        Self {
            speed_limit: config.max_baud,
            line: config.line,
            config,
            access,
            tasks,
            at: 0,
            state: State::Resting,
            signing: Splitter::new(),
            frames: Frames::default(),
            actions: VecDeque::new(),
            outcomes: VecDeque::new(),
            deadline: None,
            attempts: 0,
            operand: None,
            sent: Zeroizing::new(Vec::new()),
            repeats: 0,
            data: Vec::new(),
        }
    }

    /// What came of the next task.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// True once every task has its outcome and the break was sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Over && self.actions.is_empty()
    }

    /// The operand of the meter's `P0`, from which makers compute P2 passwords.
    #[must_use]
    pub fn operand(&self) -> Option<&str> {
        self.operand.as_deref()
    }

    fn ask(&mut self, now: Instant) {
        self.signing = Splitter::new();
        self.line = self.config.line;
        let request = encode::request(&self.config.address);
        let sending = sending_time(request.len() + 48, self.line.baud);
        self.actions.push_back(Action::SetLine(self.line));
        self.actions.push_back(Action::Send(request));
        self.state = State::Asked;
        self.deadline = Some(now + sending + self.config.answer_timeout);
    }

    fn identified(&mut self, identification: &Identification, now: Instant) {
        if !matches!(identification.mode, Mode::C | Mode::E) {
            return self.give_up("it is no meter of mode C or E", now);
        }
        let terms = Terms {
            line: self.config.line,
            max_baud: self.speed_limit,
            switch_gap: self.config.switch_gap,
        };
        let agreement = Agreement::new(identification, Purpose::Programming, &terms);
        self.frames.expect(&agreement.acknowledgement);
        self.actions
            .push_back(Action::Send(agreement.acknowledgement));
        self.deadline = Some(now + agreement.after);
        self.state = State::Switching(agreement.line);
    }

    /// Sends and waits for the answer.
    fn send(&mut self, bytes: Vec<u8>, now: Instant) {
        self.frames.expect(&bytes);
        let sending = sending_time(bytes.len(), self.line.baud);
        self.deadline = Some(now + sending + self.config.answer_timeout);
        self.actions.push_back(Action::Send(bytes));
    }

    fn command(&mut self, bytes: Vec<u8>, now: Instant) {
        self.sent = Zeroizing::new(bytes.clone());
        self.repeats = 0;
        self.data.clear();
        self.send(bytes, now);
    }

    fn enter(&mut self, now: Instant) {
        let (name, password) = match &self.access {
            Access::Open => return self.work(now),
            Access::P1(password) => ("P1", password),
            Access::P2(password) => ("P2", password),
        };
        let bytes = encode::command(name, &format!("({})", password.0.as_str()));
        self.state = State::Knocking;
        self.command(bytes, now);
    }

    /// The next task, or the end.
    fn work(&mut self, now: Instant) {
        self.state = State::Working;
        while let Some(task) = self.tasks.get(self.at) {
            if task.is_sound() {
                return self.command(task.command(), now);
            }
            self.finish(Err(Refusal::Unsound));
        }
        self.part();
    }

    fn finish(&mut self, result: Result<Vec<DataSet>, Refusal>) {
        let task = self.at;
        self.outcomes.push_back(Outcome { task, result });
        self.at += 1;
    }

    /// All that is left comes to nothing.
    fn end(&mut self, refusal: &Refusal) {
        while self.at < self.tasks.len() {
            self.finish(Err(refusal.clone()));
        }
        self.part();
    }

    /// Takes leave; the meter would otherwise wait a minute for more.
    fn part(&mut self) {
        if !matches!(self.state, State::Asked | State::Resting) {
            self.actions
                .push_back(Action::Send(encode::command("B0", "")));
        }
        self.sent = Zeroizing::new(Vec::new());
        self.state = State::Over;
        self.deadline = None;
    }

    /// A sign-on that failed: again, slower if a speed was agreed on.
    fn give_up(&mut self, reason: &'static str, now: Instant) {
        self.actions.push_back(Action::Rejected(Rejected {
            reason: reason.to_owned(),
            length: 0,
        }));
        if matches!(self.state, State::Entering | State::Knocking) {
            let (sign_on, fastest) = (self.config.line.baud, self.config.max_baud);
            self.speed_limit = step_down(self.line.baud, sign_on, fastest);
        }
        self.attempts += 1;
        if self.attempts > self.config.repeats {
            self.state = State::Asked;
            return self.end(&Refusal::SignOn { reason });
        }
        self.state = State::Resting;
        self.deadline = Some(now + self.config.retry_after);
    }

    fn again(&mut self, bytes: Vec<u8>, refusal: Refusal, now: Instant) {
        if self.repeats < self.config.repeats {
            self.repeats += 1;
            return self.send(bytes, now);
        }
        match (&self.state, refusal) {
            (State::Entering, _) => self.give_up("what it sends first stays damaged", now),
            (State::Knocking, refusal) => self.end(&refusal),
            (_, refusal) => {
                self.finish(Err(refusal));
                self.work(now);
            }
        }
    }

    fn found(&mut self, frame: Frame, now: Instant) {
        match (&self.state, frame) {
            (_, Frame::Command(name, _)) if name == "B0" => self.end(&Refusal::Ended),
            (State::Entering, Frame::Command(name, data)) if name == "P0" => {
                self.operand = Some(text(&data));
                self.enter(now);
            }
            (State::Entering, Frame::Ack) if self.access == Access::Open => self.work(now),
            (State::Knocking, Frame::Ack) => self.work(now),
            (State::Knocking, Frame::Block { data, .. }) => match error_code(&data) {
                Some(code) => self.end(&Refusal::Error { code }),
                None => self.work(now),
            },
            (State::Working, Frame::Ack) => {
                if matches!(self.tasks.get(self.at), Some(Task::Write { .. })) {
                    self.finish(Ok(Vec::new()));
                    self.work(now);
                }
            }
            (State::Working, Frame::Block { data, more }) => self.block(&data, more, now),
            (State::Knocking | State::Working, Frame::Nak) => {
                let refusal = match self.state {
                    State::Knocking => Refusal::Password,
                    _ => Refusal::NotTaken,
                };
                let bytes = self.sent.to_vec();
                self.again(bytes, refusal, now);
            }
            (
                State::Entering | State::Knocking | State::Working,
                Frame::Damaged | Frame::TooLong,
            ) => {
                self.again(vec![NAK], Refusal::Damaged, now);
            }
            _ => {}
        }
    }

    fn block(&mut self, data: &[u8], more: bool, now: Instant) {
        if self.data.len() + data.len() > 4 * super::frame::MAX_BLOCK {
            self.finish(Err(Refusal::Damaged));
            return self.work(now);
        }
        self.data.extend_from_slice(data);
        if more {
            self.repeats = 0;
            return self.send(vec![ACK], now);
        }
        let result = match error_code(&self.data) {
            Some(code) => Err(Refusal::Error { code }),
            None => {
                let (sets, _) = sets::parse(&self.data, false);
                Ok(sets)
            }
        };
        self.finish(result);
        self.work(now);
    }
}

fn text(data: &[u8]) -> String {
    data.iter().copied().map(char::from).collect()
}

/// `(ER05)` and the like: the only set, without an address.
fn error_code(data: &[u8]) -> Option<String> {
    let text = text(data);
    let code = text.trim().strip_prefix('(')?.strip_suffix(')')?;
    let is_error = code.starts_with("ER") && code.len() <= 40 && !code.contains(['(', ')']);
    is_error.then(|| code.to_owned())
}

impl Session for Programming {
    fn line(&self) -> Line {
        self.config.line
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        match self.state {
            State::Resting | State::Over | State::Switching(_) => {}
            State::Asked => {
                let mut input = bytes;
                while self.signing.pull(&mut input).is_some() {}
                if let Some(identification) = self.signing.identification() {
                    self.identified(&identification, now);
                }
            }
            State::Entering | State::Knocking | State::Working => {
                self.frames.push(bytes);
                // A block that goes on coming is not late.
                self.deadline = Some(now + self.config.answer_timeout);
                while let Some(frame) = self.frames.pull() {
                    self.found(frame, now);
                    if self.state == State::Over {
                        return;
                    }
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.state {
            State::Over => self.deadline = None,
            State::Resting => self.ask(now),
            State::Asked => self.give_up("it does not identify itself", now),
            State::Switching(line) => {
                self.line = line;
                self.actions.push_back(Action::SetLine(line));
                self.state = State::Entering;
                self.sent.clear();
                self.repeats = 0;
                self.deadline = Some(now + self.config.answer_timeout);
            }
            State::Entering if self.access == Access::Open => self.work(now),
            State::Entering => self.give_up("it does not ask for the password", now),
            State::Knocking => self.give_up("it does not answer to the password", now),
            State::Working => {
                let bytes = match self.data.is_empty() {
                    true => self.sent.to_vec(),
                    false => vec![NAK],
                };
                self.again(bytes, Refusal::Silence, now);
            }
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn restart(&mut self, now: Instant) {
        self.actions.clear();
        if self.state != State::Over {
            self.state = State::Resting;
            self.deadline = Some(now + Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests;
