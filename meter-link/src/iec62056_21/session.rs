//! The conversation with a meter in modes A to C and E, and listening in mode D (clause 6.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::encode;
use super::identification::{Identification, Mode};
use super::interpret::telegram;
use super::sign_on::{Agreement, Purpose, Terms, sending_time, step_down};
use super::splitter::{BlockCheck, Event, Fault, MAX_MESSAGE, Message, Readout, Splitter};
use crate::session::{Action, Line, Rejected, Session};

const NAK: u8 = 0x15;

/// How a meter is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The meter's address on a shared line; empty for the only meter.
    pub address: String,
    /// True for a meter that pushes (mode D): it is never asked.
    pub push: bool,
    /// Line of the request and the identification, 300 7E1 by the standard; 2400 7E1 in mode D.
    pub line: Line,
    /// From the start of one readout to the start of the next.
    pub period: Duration,
    /// From the last bit of the acknowledgement to the change of speed, 0 to 500 ms. `None`: what
    /// the identification asks for, 200 ms or 20 ms less a margin.
    pub switch_gap: Option<Duration>,
    /// The fastest speed agreed to, in bits per second.
    pub max_baud: u32,
    /// Longest silence before the identification and within the data.
    pub answer_timeout: Duration,
    /// How often a block with a wrong check is asked for again.
    pub repeats: u8,
    /// From a failed readout to the next request. A meter needs a while to forget a reader.
    pub retry_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: String::new(),
            push: false,
            line: Line::seven_even(300),
            period: Duration::from_secs(60),
            switch_gap: None,
            max_baud: 19_200,
            answer_timeout: Duration::from_millis(2_000),
            repeats: 2,
            retry_after: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// A meter that pushes at 2400 7E1 (mode D).
    #[must_use]
    pub fn push() -> Self {
        Self {
            push: true,
            line: Line::seven_even(2400),
            ..Self::default()
        }
    }
}

/// Characters of the longest identification line.
const LONGEST_LINE: usize = 48;

/// A [`Session`] that reads a meter out, again and again. [`Session::restart`] starts it.
#[derive(Debug)]
pub struct ReadoutReader {
    config: Config,
    splitter: Splitter,
    actions: VecDeque<Action>,
    state: State,
    deadline: Option<Instant>,
    next_readout: Option<Instant>,
    /// When a readout has taken longer than the longest message could.
    give_up: Option<Instant>,
    /// After failures: the fastest speed that is still tried.
    speed_limit: u32,
}

#[derive(Debug)]
enum State {
    /// Nothing to do before the deadline.
    Resting,
    /// The request was sent.
    Asked,
    /// The acknowledgement was sent and leaves at the old speed; then the line changes.
    Switching(Identification, u32),
    /// Data is due.
    Reading {
        identification: Option<Identification>,
        repeats: u8,
        baud: u32,
    },
}

impl ReadoutReader {
    /// A reader that does nothing until [`Session::restart`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            speed_limit: config.max_baud,
            config,
            splitter: Splitter::new(),
            actions: VecDeque::new(),
            state: State::Resting,
            deadline: None,
            next_readout: None,
            give_up: None,
        }
    }

    /// The fastest speed that is agreed to at present, in bits per second; less than configured
    /// after a meter did not follow its own proposal.
    #[must_use]
    pub const fn speed_limit(&self) -> u32 {
        self.speed_limit
    }

    fn ask(&mut self, now: Instant) {
        self.splitter = Splitter::new();
        self.next_readout = Some(now + self.config.period);
        let request = encode::request(&self.config.address);
        let sending = sending_time(request.len(), self.config.line.baud);
        self.actions.push_back(Action::SetLine(self.config.line));
        self.actions.push_back(Action::Send(request));
        self.state = State::Asked;
        let identification = sending_time(LONGEST_LINE, self.config.line.baud);
        self.deadline = Some(now + sending + self.config.answer_timeout + identification);
    }

    /// The identification has come: modes part here.
    fn identified(&mut self, identification: Identification, now: Instant) {
        let offered = identification.baud().unwrap_or(self.config.line.baud);
        match identification.mode {
            Mode::C | Mode::E => self.acknowledge(identification, now),
            Mode::B => self.switch(identification, offered, now),
            Mode::A | Mode::D => self.switch(identification, self.config.line.baud, now),
        }
    }

    fn acknowledge(&mut self, identification: Identification, now: Instant) {
        let terms = Terms {
            line: self.config.line,
            max_baud: self.speed_limit,
            switch_gap: self.config.switch_gap,
        };
        let agreement = Agreement::new(&identification, Purpose::Readout, &terms);
        self.actions
            .push_back(Action::Send(agreement.acknowledgement));
        self.deadline = Some(now + agreement.after);
        self.state = State::Switching(identification, agreement.line.baud);
    }

    /// Changes the line, if there is anything to change, and waits for data.
    fn switch(&mut self, identification: Identification, speed: u32, now: Instant) {
        if speed != self.config.line.baud {
            let line = Line {
                baud: speed,
                ..self.config.line
            };
            self.actions.push_back(Action::SetLine(line));
        }
        self.state = State::Reading {
            identification: Some(identification),
            repeats: 0,
            baud: speed,
        };
        let repeats = u32::from(self.config.repeats) + 1;
        self.give_up = Some(now + sending_time(MAX_MESSAGE, speed) * repeats);
        self.wait_for_data(now);
    }

    fn wait_for_data(&mut self, now: Instant) {
        let silence = now + self.config.answer_timeout;
        self.deadline = Some(self.give_up.map_or(silence, |latest| latest.min(silence)));
    }

    fn found(&mut self, event: Event, now: Instant) {
        match event.message {
            // Noise may look like the end of a readout that has not come yet.
            Message::Readout(readout) if readout.sets.is_empty() => {
                self.failed("a readout without a data set", now);
            }
            // After a change of speed the beginning may be lost; without its STX nothing checks the
            // rest. Only modes A and D may leave the STX out.
            Message::Readout(readout)
                if readout.check == BlockCheck::Absent
                    && !matches!(readout.identification.mode, Mode::A | Mode::D) =>
            {
                self.failed("the beginning of the readout is missing", now);
            }
            Message::Readout(readout) => self.done(&readout, now),
            Message::Answer { sets, raw } => {
                // The answer to a repeat request comes without the identification.
                if let State::Reading {
                    identification: Some(identification),
                    repeats: 1..,
                    ..
                } = &self.state
                {
                    let readout = Readout {
                        identification: identification.clone(),
                        sets,
                        check: BlockCheck::Character,
                        strange_lines: Vec::new(),
                        raw,
                    };
                    self.done(&readout, now);
                }
            }
            Message::Rejected(rejection) => {
                self.actions.push_back(Action::Rejected(Rejected {
                    reason: rejection.fault.to_string(),
                    length: usize::try_from(event.length).unwrap_or(usize::MAX),
                }));
                match rejection.fault {
                    _ if self.config.push => {}
                    Fault::BlockCheck { .. } => self.repeat(now),
                    Fault::TooLong => self.failed("the readout does not end", now),
                    _ => {}
                }
            }
            Message::Command { .. } => {}
        }
    }

    /// Asks for the block again, or gives up.
    fn repeat(&mut self, now: Instant) {
        let State::Reading { repeats, .. } = &mut self.state else {
            return;
        };
        if *repeats >= self.config.repeats {
            return self.failed("the check stayed wrong after all repeats", now);
        }
        *repeats += 1;
        self.actions.push_back(Action::Send(vec![NAK]));
        self.wait_for_data(now);
    }

    fn done(&mut self, readout: &Readout, now: Instant) {
        self.actions
            .push_back(Action::Telegram(Box::new(telegram(readout))));
        if !self.config.push {
            self.rest_until(self.next_readout.unwrap_or(now).max(now));
        }
    }

    fn failed(&mut self, reason: &str, now: Instant) {
        if self.config.push {
            return;
        }
        self.actions.push_back(Action::Rejected(Rejected {
            reason: reason.to_owned(),
            length: 0,
        }));
        if let State::Reading { baud: tried, .. } = self.state {
            let (sign_on, fastest) = (self.config.line.baud, self.config.max_baud);
            self.speed_limit = step_down(tried, sign_on, fastest);
        }
        let pause = self.config.retry_after.min(self.config.period);
        self.rest_until(now + pause);
    }

    fn rest_until(&mut self, instant: Instant) {
        self.state = State::Resting;
        self.deadline = Some(instant);
    }
}

impl Session for ReadoutReader {
    fn line(&self) -> Line {
        self.config.line
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let mut input = bytes;
        if matches!(self.state, State::Resting) {
            return;
        }
        while let Some(event) = self.splitter.pull(&mut input) {
            self.found(event, now);
        }
        if matches!(self.state, State::Asked)
            && let Some(identification) = self.splitter.identification()
        {
            self.identified(identification, now);
        } else if matches!(self.state, State::Reading { .. }) && !self.config.push {
            self.wait_for_data(now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Resting) {
            State::Resting => self.ask(now),
            State::Switching(identification, speed) => self.switch(identification, speed, now),
            State::Asked => {
                self.state = State::Asked;
                self.failed("no identification came in answer to the request", now);
            }
            reading @ State::Reading { .. } => {
                self.state = reading;
                self.failed("the data did not come or stopped", now);
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
        self.splitter = Splitter::new();
        self.actions.clear();
        if self.config.push {
            self.state = State::Reading {
                identification: None,
                repeats: 0,
                baud: self.config.line.baud,
            };
            self.deadline = None;
        } else {
            self.rest_until(now);
        }
    }
}

#[cfg(test)]
mod tests;
