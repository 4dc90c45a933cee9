//! The session with a receiver: find it, set it up, listen, and notice when it has gone silent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::dialogue::{Expect, ModeSet, Step};
use super::splitter::{Event, Splitter};
use super::{Answer, Damage, Found, Kind};
use crate::session::{Action, Line, Rejected, Session};

/// How often a question is asked before it counts as unanswered.
const TRIES: u8 = 3;
/// A message that is half there for so long is given up.
const HALF: Duration = Duration::from_secs(2);
/// How long until a receiver that answers nothing is looked for again.
const SEARCH_AGAIN: Duration = Duration::from_secs(60);
/// The silence after which the receiver is asked whether it lives, at the latest.
const PING_AFTER: Duration = Duration::from_secs(300);
/// Bounds of the silence after which something must be wrong.
const LEAST_PATIENCE: Duration = Duration::from_secs(600);
const MOST_PATIENCE: Duration = Duration::from_secs(6 * 3_600);
/// So many times the longest pause there was.
const PATIENCE_FACTOR: u32 = 5;

/// How a receiver is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is at the port; found by asking when `None`.
    pub kind: Option<Kind>,
    /// Speed, where the device has been set to another than its own.
    pub baud: Option<u32>,
    /// What to listen to.
    pub modes: ModeSet,
    /// Silence after which the household is told and the receiver is reset, until the home's own
    /// rhythm is known; 10 minutes to 6 hours are sensible.
    pub patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kind: None,
            baud: None,
            modes: ModeSet::default(),
            patience: Duration::from_secs(1_800),
        }
    }
}

/// How a receiver is doing. Each is told once, when it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// It answered and listens.
    Ready {
        /// What it says it is.
        identity: String,
        /// Its kind.
        kind: Kind,
    },
    /// It does not answer; frames that come are taken all the same.
    Mute,
    /// No radio frame for long, though the receiver may be well. It was reset or opened anew.
    Silent {
        /// For how long.
        silence: Duration,
    },
    /// Frames come again.
    Hearing,
}

/// Where the conversation is.
#[derive(Debug)]
enum Stage {
    /// Asking what is there; the place in [`Kind::PROBED`] when that is open.
    Probe(usize),
    /// Setting it up.
    Configure,
    /// Listening.
    Listen,
    /// Asking whether it lives.
    Ping,
    /// Starting it anew; its answer may or may not come.
    Reset,
}

/// A [`Session`] with a radio receiver.
///
/// It gives [`Action::Frame`] for each radio frame, [`Action::Condition`] when something changes,
/// and [`Action::Reopen`] when the receiver has died.
#[derive(Debug)]
pub struct Listener {
    config: Config,
    kind: Kind,
    splitter: Splitter,
    actions: VecDeque<Action>,
    stage: Stage,
    /// Commands to come; the first is the one being asked.
    steps: VecDeque<Step>,
    tries: u8,
    identity: Option<String>,
    /// The next thing to do if nothing comes.
    due: Option<Instant>,
    /// Since when a message has been half there.
    half_since: Option<Instant>,
    last_frame: Option<Instant>,
    /// The last frame, reset or opening, from which patience is counted.
    quiet_since: Option<Instant>,
    longest_pause: Duration,
    mute: bool,
    silent: bool,
    /// Frames heard since the receiver was reset for silence.
    reset_done: bool,
}

impl Listener {
    /// A session that does nothing until [`Session::restart`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        let kind = config.kind.unwrap_or(Kind::Im871a);
        Self {
            kind,
            splitter: Splitter::new(kind),
            config,
            actions: VecDeque::new(),
            stage: Stage::Probe(0),
            steps: VecDeque::new(),
            tries: 0,
            identity: None,
            due: None,
            half_since: None,
            last_frame: None,
            quiet_since: None,
            longest_pause: Duration::ZERO,
            mute: false,
            silent: false,
            reset_done: false,
        }
    }

    /// The kind of receiver, once it has been found or if it was configured.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self.stage {
            Stage::Probe(_) => self.config.kind,
            _ => Some(self.kind),
        }
    }

    /// Sends a radio frame (L, C, M, A, CI …, no CRCs). False when the receiver cannot.
    pub fn transmit(&mut self, frame: &[u8]) -> bool {
        let bytes = self.kind().and_then(|kind| kind.transmit(frame));
        let sent = bytes.is_some();
        self.actions.extend(bytes.map(Action::Send));
        sent
    }

    fn take(&mut self, event: Event, now: Instant) {
        let length = usize::try_from(event.length).unwrap_or(usize::MAX);
        match event.found {
            Ok(Found::Frame(frame)) => {
                self.heard(now);
                self.actions.push_back(Action::Frame(Box::new(frame)));
            }
            Ok(Found::Answer(answer)) => self.answered(&answer, now),
            // Before it is known what is at the port, its bytes are judged by the wrong rules.
            Err(_) if matches!(self.stage, Stage::Probe(_)) && self.config.kind.is_none() => {}
            Err(Damage::Noise) if matches!(self.stage, Stage::Probe(_) | Stage::Reset) => {}
            Err(damage) => self.actions.push_back(Action::Rejected(Rejected {
                reason: damage.to_string(),
                length,
            })),
        }
    }

    fn heard(&mut self, now: Instant) {
        if let Some(before) = self.last_frame.replace(now) {
            let pause = now.saturating_duration_since(before);
            self.longest_pause = self.longest_pause.max(pause.min(MOST_PATIENCE));
        }
        self.quiet_since = Some(now);
        self.reset_done = false;
        if std::mem::take(&mut self.silent) {
            self.actions
                .push_back(Action::Condition(Condition::Hearing));
        }
        if matches!(self.stage, Stage::Listen) && !self.mute {
            self.due = Some(now + self.next_ping());
        }
    }

    fn patience(&self) -> Duration {
        if self.longest_pause.is_zero() {
            return self.config.patience;
        }
        (self.longest_pause * PATIENCE_FACTOR).clamp(LEAST_PATIENCE, MOST_PATIENCE)
    }

    fn next_ping(&self) -> Duration {
        if self.kind.ping().is_some() && !self.mute {
            self.patience().min(PING_AFTER)
        } else {
            self.patience()
        }
    }

    fn answered(&mut self, answer: &Answer, now: Instant) {
        let Some(step) = self.steps.front() else {
            return;
        };
        if !step.is_answered_by(answer) {
            return;
        }
        match self.stage {
            Stage::Probe(_) => {
                let Some(identity) = self.kind.identity(answer) else {
                    return;
                };
                self.identity = Some(identity);
                self.mute = false;
                self.steps = self.kind.configure(self.config.modes, Some(answer)).into();
                self.stage = Stage::Configure;
                self.ask(now);
            }
            Stage::Configure => {
                if let Some(identity) = self.kind.identity(answer) {
                    self.identity = Some(identity);
                }
                self.steps.pop_front();
                self.ask(now);
            }
            Stage::Ping => {
                self.steps.clear();
                self.alive(now);
            }
            Stage::Reset => self.search(now),
            Stage::Listen => {}
        }
    }

    /// Asks the next step, or is done with them.
    fn ask(&mut self, now: Instant) {
        self.tries = 0;
        while self
            .steps
            .front()
            .is_some_and(|step| step.expect == Expect::Nothing)
        {
            let sent = self.steps.pop_front().map(|step| Action::Send(step.send));
            self.actions.extend(sent);
        }
        if self.steps.is_empty() {
            return self.listen(now);
        }
        self.send(now);
    }

    fn send(&mut self, now: Instant) {
        let Some(step) = self.steps.front() else {
            return;
        };
        self.splitter.expect_answer(match step.expect {
            Expect::Unframed(length) => Some(length),
            _ => None,
        });
        self.actions.push_back(Action::Send(step.send.clone()));
        self.tries += 1;
        self.due = Some(now + step.within);
    }

    fn listen(&mut self, now: Instant) {
        self.splitter.expect_answer(None);
        if let (Stage::Configure, Some(identity)) = (&self.stage, &self.identity) {
            self.actions.push_back(Action::Condition(Condition::Ready {
                identity: identity.clone(),
                kind: self.kind,
            }));
        }
        self.stage = Stage::Listen;
        self.due = Some(now + self.next_ping());
    }

    /// The receiver lives. If the silence has lasted too long all the same, it may have forgotten
    /// what it was told.
    fn alive(&mut self, now: Instant) {
        if self.quiet(now) < self.patience() {
            return self.listen(now);
        }
        self.tell_silence(now);
        if std::mem::replace(&mut self.reset_done, true) {
            // A reset did not help; a port that is closed and opened resets what is on USB.
            return self.reopen(Self::NO_FRAME.to_owned());
        }
        self.quiet_since = Some(now);
        match self.kind.reset() {
            Some(step) => {
                self.stage = Stage::Reset;
                self.steps = [step].into();
                self.ask(now);
            }
            None => self.search(now),
        }
    }

    const NO_FRAME: &str = "no radio frame for a long time";

    fn quiet(&self, now: Instant) -> Duration {
        self.quiet_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn tell_silence(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.silent, true) {
            let silence = self
                .last_frame
                .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
            self.actions
                .push_back(Action::Condition(Condition::Silent { silence }));
        }
    }

    fn reopen(&mut self, reason: String) {
        self.due = None;
        self.steps.clear();
        self.actions.push_back(Action::Reopen(reason));
    }

    /// Asks from the beginning what is at the port.
    fn search(&mut self, now: Instant) {
        match self.config.kind {
            Some(kind) => self.try_kind(0, kind, now),
            None => self.try_kind(
                0,
                Kind::PROBED.first().copied().unwrap_or(Kind::Im871a),
                now,
            ),
        }
    }

    fn try_kind(&mut self, place: usize, kind: Kind, now: Instant) {
        let before = self.line();
        self.kind = kind;
        self.splitter = Splitter::new(kind);
        self.half_since = None;
        self.stage = Stage::Probe(place);
        if self.line() != before {
            self.actions.push_back(Action::SetLine(self.line()));
        }
        match kind.probe() {
            Some(step) => {
                self.steps = [step].into();
                self.tries = 0;
                self.send(now);
            }
            None => {
                self.steps.clear();
                self.listen(now);
            }
        }
    }

    /// The question has been asked often enough.
    fn unanswered(&mut self, now: Instant) {
        self.steps.clear();
        self.splitter.expect_answer(None);
        match self.stage {
            Stage::Probe(place) if self.config.kind.is_none() => {
                match Kind::PROBED.get(place + 1) {
                    Some(kind) => self.try_kind(place + 1, *kind, now),
                    None => self.not_found(now),
                }
            }
            Stage::Probe(_) | Stage::Configure => self.not_found(now),
            Stage::Ping => {
                self.reopen("the receiver does not answer any more".to_owned());
            }
            Stage::Reset => self.search(now),
            Stage::Listen => {}
        }
    }

    /// Nothing answers. A receiver whose line to it is not connected is listened to; one that is
    /// not known is looked for again.
    fn not_found(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.mute, true) {
            self.actions.push_back(Action::Condition(Condition::Mute));
        }
        self.stage = match self.config.kind {
            Some(_) => Stage::Listen,
            None => Stage::Probe(Kind::PROBED.len()),
        };
        self.due = Some(now + SEARCH_AGAIN);
    }

    fn overdue(&mut self, now: Instant) {
        if !self.steps.is_empty() {
            if self.tries < TRIES {
                return self.send(now);
            }
            return self.unanswered(now);
        }
        match self.stage {
            // Nothing was found last time.
            Stage::Probe(_) => self.search(now),
            Stage::Listen if self.mute => {
                if self.quiet(now) >= self.patience() {
                    self.tell_silence(now);
                }
                self.search(now);
            }
            Stage::Listen => match self.kind.ping() {
                Some(step) => {
                    self.stage = Stage::Ping;
                    self.steps = [step].into();
                    self.ask(now);
                }
                None => {
                    let left = self.patience().saturating_sub(self.quiet(now));
                    if !left.is_zero() {
                        self.due = Some(now + left);
                        return;
                    }
                    self.tell_silence(now);
                    self.reopen(Self::NO_FRAME.to_owned());
                }
            },
            Stage::Configure | Stage::Ping | Stage::Reset => self.search(now),
        }
    }
}

impl Session for Listener {
    fn line(&self) -> Line {
        let line = self.kind.line();
        Line::eight_none(match self.config.kind {
            Some(_) => self.config.baud.unwrap_or(line.baud),
            None => line.baud,
        })
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let mut input = bytes;
        while let Some(event) = self.splitter.pull(&mut input) {
            self.take(event, now);
        }
        self.half_since = self
            .splitter
            .is_waiting()
            .then(|| self.half_since.unwrap_or(now));
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.half_since.is_some_and(|since| now >= since + HALF) {
            self.half_since = None;
            while let Some(event) = self.splitter.finish() {
                self.take(event, now);
            }
        }
        if self.due.is_some_and(|due| now >= due) {
            self.overdue(now);
        }
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let half = self.half_since.map(|since| since + HALF);
        match (half, self.due) {
            (Some(half), Some(due)) => Some(half.min(due)),
            (half, due) => half.or(due),
        }
    }

    /// What is known of the home's rhythm stays.
    fn restart(&mut self, now: Instant) {
        self.actions.clear();
        self.splitter = Splitter::new(self.kind);
        self.last_frame.get_or_insert(now);
        self.quiet_since = Some(now);
        self.reset_done = false;
        self.search(now);
    }
}

#[cfg(test)]
mod tests;
