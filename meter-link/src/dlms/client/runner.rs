//! Runs jobs with one meter: opens the association, asks what the jobs ask, asks again what was
//! lost, and closes.

use std::collections::VecDeque;
use std::time::Instant;

use jiff::Timestamp;

use super::association::{Client, ClientEvent};
use super::error::ClientError;
use super::exchange::{Answer, Request};
use super::job::{Job, JobError, Outcome, Scene, Step};
use crate::session::Action;

/// How often a conversation is opened again without any answer between.
const REOPENINGS: u8 = 3;

/// Tells the wall clock's time at an instant.
pub type WallClock = Box<dyn Fn(Instant) -> Timestamp + Send>;

/// What a runner tells its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum RunnerEvent {
    /// Something came out of the job under way.
    Outcome(Outcome),
    /// The job under way could not be done; the next one follows.
    JobFailed(JobError),
    /// All jobs are done and the conversation is closed; or it failed for good, and the jobs that
    /// were left are dropped.
    Finished(Option<ClientError>),
}

/// Runs jobs with one meter.
pub struct Runner {
    client: Client,
    wall: WallClock,
    jobs: VecDeque<Box<dyn Job>>,
    /// The request under way, which is made again after a conversation was opened anew.
    request: Option<Request>,
    running: bool,
    /// Openings without an answer.
    reopened: u8,
    events: VecDeque<RunnerEvent>,
}

impl Runner {
    /// A runner that does nothing until [`Runner::start`].
    #[must_use]
    pub fn new(client: Client, wall: WallClock) -> Self {
        Self {
            client,
            wall,
            jobs: VecDeque::new(),
            request: None,
            running: false,
            reopened: 0,
            events: VecDeque::new(),
        }
    }

    /// The client that is run.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Runs these jobs one after the other; [`RunnerEvent::Finished`] comes last. Jobs that are
    /// under way are dropped.
    pub fn start(&mut self, jobs: impl IntoIterator<Item = Box<dyn Job>>, now: Instant) {
        self.jobs = jobs.into_iter().collect();
        self.request = None;
        self.running = true;
        self.reopened = 0;
        if self.client.is_open() {
            self.next(None, now);
        } else if self.client.is_closed() {
            self.client.open(now);
        }
        self.pump(now);
    }

    /// True from [`Runner::start`] until [`RunnerEvent::Finished`].
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running
    }

    /// Ends what is under way and closes the conversation.
    pub fn stop(&mut self, now: Instant) {
        self.jobs.clear();
        self.request = None;
        self.client.close(now);
        self.pump(now);
    }

    /// Forgets the conversation: the port was opened anew.
    pub fn restart(&mut self) {
        self.client.restart();
        self.jobs.clear();
        self.request = None;
        self.running = false;
        self.events.clear();
    }

    /// Takes bytes that were received at `now`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.client.handle_input(bytes, now);
        self.pump(now);
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
        self.pump(now);
    }

    /// The next thing to do: bytes to send or a change of the line.
    ///
    /// Once there is nothing more to send, the job under way looks at what has come, at a time when
    /// the meter works as well.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.client.poll_action();
        if action.is_none()
            && let (Some(job), Some(octets)) = (self.jobs.front_mut(), self.client.so_far())
        {
            let outcome = job.look_ahead(octets);
            self.events.extend(outcome.map(RunnerEvent::Outcome));
        }
        action
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<RunnerEvent> {
        self.events.pop_front()
    }

    /// When [`Runner::handle_timeout`] must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Opened { .. } => match self.request.take() {
                    Some(request) => self.ask(request, now),
                    None => self.next(None, now),
                },
                ClientEvent::Answer(answer) => self.answered(answer, now),
                ClientEvent::Closed(error) => self.closed(error, now),
            }
        }
    }

    fn answered(&mut self, answer: Answer, now: Instant) {
        if let Answer::Interrupted { octets, error } = &answer {
            // Nothing came of a read: it is asked for again once the way is open.
            let lost = octets.is_empty() && error.is_passing();
            let read = matches!(self.request, Some(Request::Get(_) | Request::GetEncoded(_)));
            if lost && read && !self.client.is_open() {
                return;
            }
        } else {
            self.reopened = 0;
        }
        self.request = None;
        if self.jobs.is_empty() {
            return;
        }
        self.next(Some(answer), now);
    }

    /// Lets the job under way take a step, and the ones after it when it is done.
    fn next(&mut self, mut answer: Option<Answer>, now: Instant) {
        while let Some(job) = self.jobs.front_mut() {
            let scene = Scene {
                now: (self.wall)(now),
                secured: self.client.is_secured(),
            };
            match job.step(answer.take(), &scene) {
                Step::Ask(request) => return self.ask(request, now),
                Step::Yield(outcome) => self.events.push_back(RunnerEvent::Outcome(outcome)),
                Step::Done(outcome) => {
                    self.events.push_back(RunnerEvent::Outcome(outcome));
                    self.jobs.pop_front();
                }
                Step::Failed(error) => {
                    self.events.push_back(RunnerEvent::JobFailed(error));
                    self.jobs.pop_front();
                }
            }
        }
        if self.client.is_open() {
            self.client.close(now);
        }
    }

    fn ask(&mut self, request: Request, now: Instant) {
        // While the conversation is being opened anew, the request waits.
        if self.client.is_open() {
            self.request = Some(request.clone());
            // Open means that it may be asked.
            let _ = self.client.ask(request, now);
        } else {
            self.request = Some(request);
        }
    }

    fn closed(&mut self, error: Option<ClientError>, now: Instant) {
        if !self.running {
            return;
        }
        let unfinished = !self.jobs.is_empty();
        match error {
            Some(error) if unfinished && error.is_passing() && self.reopened < REOPENINGS => {
                self.reopened += 1;
                self.client.open(now);
            }
            error => {
                self.running = false;
                self.jobs.clear();
                self.request = None;
                self.events.push_back(RunnerEvent::Finished(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::client::job::{Catalogue, RegistersJob};
    use crate::dlms::client::{
        CarrierConfig, ClientConfig, MemoryCounters, Referencing, WrapperConfig,
    };
    use crate::dlms::wrapper::Datagram;
    use crate::model::ObisCode;

    /// An AARE that accepts without conditions, and a refusal to read the object list.
    const ACCEPTED: &str =
        "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000121d04000007";
    const REFUSED: &str = "0c010103";

    #[test]
    fn a_refused_object_list_ends_the_conversation() {
        let mut config = ClientConfig::new(CarrierConfig::Wrapper(WrapperConfig::new(1)), 1);
        config.referencing = Referencing::ShortNames;
        let random = Box::new(|octets: &mut [u8]| octets.fill(7));
        let client = Client::new(config, Box::new(MemoryCounters::default()), random);
        let mut runner = Runner::new(client, Box::new(|_| jiff::Timestamp::UNIX_EPOCH));
        let specs = vec![ObisCode::ACTIVE_ENERGY_IMPORT.into()];
        let now = Instant::now();
        runner.start(
            [Box::new(RegistersJob::new(specs, Catalogue::default())) as Box<dyn Job>],
            now,
        );
        for answer in [ACCEPTED, REFUSED] {
            let apdu = crate::key::octets(answer).unwrap();
            let datagram = Datagram {
                source: 1,
                destination: 1,
                apdu,
            };
            runner.handle_input(&datagram.to_bytes().unwrap(), now);
        }
        // The way is tried a few times more, and nobody answers.
        let mut now = now;
        let mut told = Vec::new();
        for _ in 0..200 {
            while runner.poll_action().is_some() {}
            told.extend(std::iter::from_fn(|| runner.poll_event()));
            let Some(due) = runner.poll_timeout() else {
                break;
            };
            now = due.max(now);
            runner.handle_timeout(now);
        }
        assert!(!runner.is_running());
        assert!(
            matches!(told.last(), Some(RunnerEvent::Finished(Some(_)))),
            "{told:?}"
        );
    }
}
