//! Does some jobs a single time, for the command line.

use std::collections::VecDeque;
use std::time::Instant;

use super::job::{Job, Outcome};
use super::runner::{Runner, RunnerEvent};
use crate::session::{Action, Line, Rejected, Session};

/// Makes the jobs, again when the port was lost before they were done.
pub type JobMaker = Box<dyn FnMut() -> Vec<Box<dyn Job>> + Send>;

/// A [`Session`] that does some jobs and then says [`Outcome::Finished`].
pub struct Once {
    runner: Runner,
    jobs: JobMaker,
    done: bool,
    actions: VecDeque<Action>,
}

impl Once {
    /// A session that does nothing until [`Session::restart`].
    #[must_use]
    pub fn new(runner: Runner, jobs: JobMaker) -> Self {
        Self {
            runner,
            jobs,
            done: false,
            actions: VecDeque::new(),
        }
    }

    fn pump(&mut self) {
        while let Some(event) = self.runner.poll_event() {
            let outcome = match event {
                RunnerEvent::Outcome(outcome) => outcome,
                RunnerEvent::JobFailed(error) => {
                    self.actions.push_back(Action::Rejected(Rejected {
                        reason: error.to_string(),
                        length: 0,
                    }));
                    continue;
                }
                RunnerEvent::Finished(error) => {
                    self.done = true;
                    Outcome::Finished(error)
                }
            };
            self.actions.push_back(Action::Found(Box::new(outcome)));
        }
    }
}

impl Session for Once {
    fn line(&self) -> Line {
        self.runner.client().line()
    }

    fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        self.runner.handle_input(bytes, now);
        self.pump();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.runner.handle_timeout(now);
        self.pump();
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.runner
            .poll_action()
            .or_else(|| self.actions.pop_front())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.runner.poll_timeout()
    }

    fn is_at_rest(&self) -> bool {
        self.done && self.actions.is_empty()
    }

    fn restart(&mut self, now: Instant) {
        if self.done {
            return;
        }
        self.runner.restart();
        self.actions.clear();
        self.runner.start((self.jobs)(), now);
        self.pump();
    }
}
