//! The master of a wired M-Bus: jobs in, steps and outcomes out.
//!
//! The owner gives jobs with [`Master::start`] and then calls, as often as it likes:
//! [`Master::handle_input`] with bytes that came or [`Master::handle_timeout`] once the instant of
//! [`Master::poll_timeout`] has passed, then [`Master::poll_step`] and [`Master::poll_outcome`]
//! until both return `None`.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::address::{Pattern, SecondaryAddress};
use super::exchange::{Ended, Exchange, Reply, Timing};
use super::frame::{Frame, control};
use super::speed_ci;
use crate::mbus::Records;
use crate::session::Line;

/// The slave that was selected by its secondary address.
const SELECTED: u8 = 0xFD;
/// Control information: select by secondary address.
const CI_SELECT: u8 = 0x52;
/// Control information: data for the slave.
const CI_DATA: u8 = 0x51;
/// Control information: the slave's data with a long header.
const CI_LONG_HEADER: u8 = 0x72;
/// Length of that header.
const LONG_HEADER: usize = 12;
/// The record that sets the primary address: 8 bits, bus address.
const SET_ADDRESS: [u8; 2] = [0x01, 0x7A];
/// Highest primary address of a slave.
const HIGHEST: u8 = 250;

/// How the master behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Speed of the line, one of [`SPEEDS`](super::SPEEDS).
    pub baud: u32,
    /// How often a request is sent until it counts as unanswered; the standard has 3.
    pub tries: u8,
    /// What a converter, USB or a network adds to a slave's time to answer.
    pub slack: Duration,
    /// Most telegrams that one slave is asked for in one readout.
    pub most_telegrams: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            baud: 2_400,
            tries: 3,
            slack: Duration::from_millis(100),
            most_telegrams: 32,
        }
    }
}

/// Whom a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A primary address, 0 to 250; 254 is for a line with one slave.
    Primary(u8),
    /// The slave that a pattern selects.
    Secondary(Pattern),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Read all telegrams of a slave.
    Read(Target),
    /// Try primary addresses one after the other.
    Scan(RangeInclusive<u8>),
    /// Find all slaves that match, by secondary address.
    Search(Pattern),
    /// Give a slave another primary address, 0 to 250.
    SetAddress(Target, u8),
    /// Set a slave, and then the line, to another speed.
    SetSpeed(Target, u32),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A slave's telegrams, in order.
    Read {
        /// The slave.
        target: Target,
        /// Its frames.
        frames: Vec<Frame>,
    },
    /// A slave was found.
    Found {
        /// Its primary address as it says.
        primary: Option<u8>,
        /// Its secondary address, if it tells one.
        secondary: Option<SecondaryAddress>,
    },
    /// Several slaves answer here and cannot be told apart.
    Collision(Target),
    /// The job is done; of searches, with all that was found told before.
    Done(Job),
    /// The job has failed.
    Failed(Job, Failure),
}

/// Why a job has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing came, however often it was asked.
    #[error("no slave answers")]
    Silence,
    /// What came was no frame: damage, or several slaves at once.
    #[error("the answer is damaged, or several slaves answer at once")]
    Garbled,
    /// The slave acknowledges and sends no data.
    #[error("the slave has no data")]
    NoData,
    /// Another slave has the address.
    #[error("another slave has the address {0}")]
    AddressTaken(u8),
    /// The address or speed is none.
    #[error("{0} is no address (0 to 250) or speed (300 to 38400) of M-Bus")]
    Invalid(u32),
    /// The slave acknowledged and then did not answer under its new address or at its new speed.
    #[error("the slave acknowledged the change and does not answer since")]
    Unconfirmed,
}

/// What the owner of the line is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Change the line once everything has left.
    SetLine(Line),
}

/// Where a job is.
#[derive(Debug)]
enum Stage {
    /// SND-NKE before a readout, its reply does not matter.
    Initialise,
    /// Is the new address free?
    Probe,
    /// The slave is being selected.
    Select,
    /// Data are asked for, or the change is told.
    Request,
    /// Does the slave answer since?
    Confirm,
}

#[derive(Debug)]
struct Task {
    job: Job,
    stage: Stage,
    exchange: Exchange,
    frames: Vec<Frame>,
    /// Patterns still to be tried; the last is the one being tried.
    patterns: Vec<Pattern>,
    /// The primary address being tried.
    at: u8,
    /// The frame count bit of the request.
    fcb: bool,
}

/// The master.
#[derive(Debug)]
pub struct Master {
    config: Config,
    baud: u32,
    jobs: VecDeque<Job>,
    task: Option<Task>,
    steps: VecDeque<Step>,
    outcomes: VecDeque<Outcome>,
}

impl Master {
    /// A master without anything to do.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self {
            baud: config.baud,
            config,
            jobs: VecDeque::new(),
            task: None,
            steps: VecDeque::new(),
            outcomes: VecDeque::new(),
        }
    }

    /// The line: 8 data bits, even parity.
    #[must_use]
    pub const fn line(&self) -> Line {
        self.timing().line()
    }

    /// True while there is nothing to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.task.is_none() && self.jobs.is_empty()
    }

    /// Gives a job; it is begun when those given before are done.
    pub fn start(&mut self, job: Job, now: Instant) {
        self.jobs.push_back(job);
        if self.task.is_none() {
            self.next_job(now);
        }
    }

    /// Takes bytes that were received at `now`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        if let Some(task) = &mut self.task {
            task.exchange.input(bytes, now);
        }
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(mut task) = self.task.take() else {
            return;
        };
        if now < task.exchange.due() {
            self.task = Some(task);
            return;
        }
        match task.exchange.timeout(now) {
            None => {
                let again = Step::Send(task.exchange.request().to_vec());
                self.steps.push_back(again);
                self.task = Some(task);
            }
            Some(ended) => match self.advance(task, ended, now) {
                Some(task) => {
                    let request = Step::Send(task.exchange.request().to_vec());
                    self.steps.push_back(request);
                    self.task = Some(task);
                }
                None => self.next_job(now),
            },
        }
    }

    /// The next thing to do.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// The next thing that has come out.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// When `handle_timeout` must be called at the latest; `None` while there is nothing to do.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.task.as_ref().map(|task| task.exchange.due())
    }

    /// Forgets all jobs and goes back to the configured speed, the line having been opened anew.
    pub fn restart(&mut self) {
        *self = Self::new(self.config);
    }

    const fn timing(&self) -> Timing {
        Timing {
            baud: self.baud,
            slack: self.config.slack,
        }
    }

    fn next_job(&mut self, now: Instant) {
        while let Some(job) = self.jobs.pop_front() {
            match self.begin(job.clone(), now) {
                Ok(task) => {
                    let request = Step::Send(task.exchange.request().to_vec());
                    self.steps.push_back(request);
                    self.task = Some(task);
                    return;
                }
                Err(failure) => self.outcomes.push_back(Outcome::Failed(job, failure)),
            }
        }
    }

    fn begin(&self, job: Job, now: Instant) -> Result<Task, Failure> {
        let (stage, patterns, at) = match &job {
            Job::Read(_) => (Stage::Initialise, Vec::new(), 0),
            Job::Scan(range) if *range.end() > HIGHEST => {
                return Err(Failure::Invalid((*range.end()).into()));
            }
            Job::Scan(range) => (Stage::Probe, Vec::new(), *range.start()),
            Job::Search(pattern) => (Stage::Initialise, vec![*pattern], SELECTED),
            Job::SetAddress(_, address) if *address > HIGHEST => {
                return Err(Failure::Invalid((*address).into()));
            }
            Job::SetAddress(_, address) => (Stage::Probe, Vec::new(), *address),
            Job::SetSpeed(_, baud) if speed_ci(*baud).is_none() => {
                return Err(Failure::Invalid(*baud));
            }
            Job::SetSpeed(..) => (Stage::Initialise, Vec::new(), 0),
        };
        let at = match &job {
            Job::Read(target) | Job::SetSpeed(target, _) => target.address(),
            _ => at,
        };
        // Who does not know this request stays silent, and so does a slave that is not there; the
        // address that is to be given away is asked more often, since silence is what is hoped for.
        let tries = match stage {
            Stage::Initialise => 1,
            _ => 2,
        };
        Ok(Task {
            exchange: self.exchange(&Frame::short(control::SND_NKE, at), Reply::Ack, tries, now),
            stage,
            frames: Vec::new(),
            patterns,
            at,
            fcb: true,
            job,
        })
    }

    fn exchange(&self, request: &Frame, reply: Reply, tries: u8, now: Instant) -> Exchange {
        Exchange::new(request, reply, tries, self.timing(), now)
    }

    fn select(&self, pattern: Pattern, tries: u8, now: Instant) -> Exchange {
        let select = Frame::long(control::SND_UD, SELECTED, CI_SELECT, &pattern.to_bytes());
        self.exchange(&select, Reply::Ack, tries, now)
    }

    fn ask(&self, address: u8, fcb: bool, tries: u8, now: Instant) -> Exchange {
        let fcb = if fcb { control::FCB } else { 0 };
        let from = (address <= HIGHEST).then_some(address);
        let request = Frame::short(control::REQ_UD2 | fcb, address);
        self.exchange(&request, Reply::Data(from), tries, now)
    }

    fn done(&mut self, task: Task) -> Option<Task> {
        self.outcomes.push_back(Outcome::Done(task.job));
        None
    }

    fn failed(&mut self, task: Task, failure: Failure) -> Option<Task> {
        self.outcomes.push_back(Outcome::Failed(task.job, failure));
        None
    }

    /// Takes the end of an exchange; the task with its next one, or `None` when it is over.
    fn advance(&mut self, task: Task, ended: Ended, now: Instant) -> Option<Task> {
        match task.job {
            Job::Read(target) => self.advance_read(task, target, ended, now),
            Job::Scan(_) => self.advance_scan(task, ended, now),
            Job::Search(_) => self.advance_search(task, ended, now),
            Job::SetAddress(target, address) => {
                let data = [&SET_ADDRESS[..], &[address]].concat();
                self.advance_change(task, target, (CI_DATA, &data), ended, now)
            }
            Job::SetSpeed(target, baud) => {
                let ci = speed_ci(baud).unwrap_or_default();
                self.advance_change(task, target, (ci, &[]), ended, now)
            }
        }
    }

    fn advance_read(
        &mut self,
        mut task: Task,
        target: Target,
        ended: Ended,
        now: Instant,
    ) -> Option<Task> {
        let tries = self.config.tries;
        match (&task.stage, target, ended) {
            (Stage::Initialise, Target::Secondary(pattern), _) => {
                task.stage = Stage::Select;
                task.exchange = self.select(pattern, tries, now);
                Some(task)
            }
            (Stage::Initialise, ..) | (Stage::Select, _, Ended::Ack) => {
                task.stage = Stage::Request;
                task.exchange = self.ask(task.at, task.fcb, tries, now);
                Some(task)
            }
            (Stage::Request, _, Ended::Data(frame)) => {
                // A slave that does not heed the frame count bit says the same for ever.
                let stuck = task.frames.last() == Some(&frame);
                let more = !stuck
                    && more_follows(&frame)
                    && task.frames.len() + 1 < usize::from(self.config.most_telegrams);
                if !stuck {
                    task.frames.push(frame);
                }
                if more {
                    task.fcb = !task.fcb;
                    task.exchange = self.ask(task.at, task.fcb, tries, now);
                    return Some(task);
                }
                let frames = std::mem::take(&mut task.frames);
                self.outcomes.push_back(Outcome::Read { target, frames });
                self.done(task)
            }
            (Stage::Request, _, Ended::Ack) => self.failed(task, Failure::NoData),
            (_, _, Ended::Silence) => self.failed(task, Failure::Silence),
            _ => self.failed(task, Failure::Garbled),
        }
    }

    fn advance_scan(&mut self, mut task: Task, ended: Ended, now: Instant) -> Option<Task> {
        match (&task.stage, ended) {
            (Stage::Probe, Ended::Silence) => {}
            (Stage::Probe, _) => {
                task.stage = Stage::Request;
                task.exchange = self.ask(task.at, true, self.config.tries, now);
                return Some(task);
            }
            (_, Ended::Data(frame)) => self.found(&frame),
            (_, Ended::Garbled) => {
                let target = Target::Primary(task.at);
                self.outcomes.push_back(Outcome::Collision(target));
            }
            // It acknowledged before, so it is there.
            (_, Ended::Ack | Ended::Silence) => self.outcomes.push_back(Outcome::Found {
                primary: Some(task.at),
                secondary: None,
            }),
        }
        let last = match &task.job {
            Job::Scan(range) => *range.end(),
            _ => 0,
        };
        if task.at >= last {
            return self.done(task);
        }
        task.at += 1;
        task.stage = Stage::Probe;
        let request = Frame::short(control::SND_NKE, task.at);
        task.exchange = self.exchange(&request, Reply::Ack, 2, now);
        Some(task)
    }

    /// The patterns are tried depth first. Where more than one slave answers, the pattern is parted.
    fn advance_search(&mut self, mut task: Task, ended: Ended, now: Instant) -> Option<Task> {
        let collides = match (&task.stage, ended) {
            (Stage::Initialise, _) => {
                task.stage = Stage::Select;
                return self.try_pattern(task, now);
            }
            (Stage::Select, Ended::Ack) => {
                task.stage = Stage::Request;
                task.exchange = self.ask(SELECTED, true, 2, now);
                return Some(task);
            }
            (Stage::Select, Ended::Silence) => false,
            (Stage::Request, Ended::Data(frame)) => {
                self.found(&frame);
                false
            }
            _ => true,
        };
        if let (Some(pattern), true) = (task.patterns.pop(), collides) {
            let parts = pattern.refine();
            if parts.is_empty() {
                let target = Target::Secondary(pattern);
                self.outcomes.push_back(Outcome::Collision(target));
            }
            task.patterns.extend(parts.into_iter().rev());
        }
        task.stage = Stage::Select;
        self.try_pattern(task, now)
    }

    fn try_pattern(&mut self, mut task: Task, now: Instant) -> Option<Task> {
        let Some(pattern) = task.patterns.last() else {
            return self.done(task);
        };
        task.exchange = self.select(*pattern, 2, now);
        Some(task)
    }

    fn found(&mut self, frame: &Frame) {
        self.outcomes.push_back(Outcome::Found {
            primary: frame.address().filter(|address| *address <= HIGHEST),
            secondary: secondary(frame),
        });
    }

    /// Telling a slave its new address or speed, and whether it has understood.
    fn advance_change(
        &mut self,
        mut task: Task,
        target: Target,
        (ci, data): (u8, &[u8]),
        ended: Ended,
        now: Instant,
    ) -> Option<Task> {
        let tries = self.config.tries;
        match (&task.stage, ended) {
            (Stage::Probe, Ended::Ack | Ended::Garbled | Ended::Data(_)) => {
                let taken = task.at;
                self.failed(task, Failure::AddressTaken(taken))
            }
            (Stage::Probe | Stage::Initialise, _) => match target {
                Target::Secondary(pattern) => {
                    task.stage = Stage::Select;
                    task.exchange = self.select(pattern, tries, now);
                    Some(task)
                }
                Target::Primary(_) => Some(self.tell(task, target, ci, data, now)),
            },
            (Stage::Select, Ended::Ack) => Some(self.tell(task, target, ci, data, now)),
            (Stage::Request, Ended::Ack) => {
                task.stage = Stage::Confirm;
                if let Job::SetSpeed(_, baud) = task.job {
                    self.baud = baud;
                    self.steps.push_back(Step::SetLine(self.line()));
                }
                // A change of the address may undo the selection, one of the speed does not.
                let address = match task.job {
                    Job::SetAddress(_, address) => address,
                    _ => target.address(),
                };
                let request = Frame::short(control::SND_NKE, address);
                task.exchange = self.exchange(&request, Reply::Ack, tries, now);
                Some(task)
            }
            (Stage::Confirm, Ended::Ack) => self.done(task),
            (Stage::Confirm, _) => {
                if let Job::SetSpeed(..) = task.job {
                    // A slave that hears nothing at the new speed goes back to the old one.
                    self.baud = self.config.baud;
                    self.steps.push_back(Step::SetLine(self.line()));
                }
                self.failed(task, Failure::Unconfirmed)
            }
            (_, Ended::Silence) => self.failed(task, Failure::Silence),
            _ => self.failed(task, Failure::Garbled),
        }
    }

    fn tell(&self, mut task: Task, target: Target, ci: u8, data: &[u8], now: Instant) -> Task {
        task.stage = Stage::Request;
        let request = Frame::long(control::SND_UD, target.address(), ci, data);
        task.exchange = self.exchange(&request, Reply::Ack, self.config.tries, now);
        task
    }
}

impl Target {
    /// The address field of requests to it, once it has been selected.
    const fn address(self) -> u8 {
        match self {
            Self::Primary(address) => address,
            Self::Secondary(_) => SELECTED,
        }
    }
}

/// The secondary address in a slave's telegram.
fn secondary(frame: &Frame) -> Option<SecondaryAddress> {
    match frame {
        Frame::Long {
            ci: CI_LONG_HEADER,
            data,
            ..
        } => SecondaryAddress::from_header(data),
        _ => None,
    }
}

/// True when the telegram says that another one follows (DIF 1F).
fn more_follows(frame: &Frame) -> bool {
    let Frame::Long {
        ci: CI_LONG_HEADER,
        data,
        ..
    } = frame
    else {
        return false;
    };
    let mut records = Records::new(data.get(LONG_HEADER..).unwrap_or_default());
    while let Some(Ok(_)) = records.next() {}
    records
        .manufacturer_data()
        .is_some_and(|data| data.more_follows)
}

#[cfg(test)]
mod tests;
