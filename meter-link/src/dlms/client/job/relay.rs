//! The relay of a meter (IEC 62056-6-2, 4.5.8: class 70, disconnect control).

use super::{Job, JobError, Outcome, Scene, Step, attribute, get, results};
use crate::dlms::apdu::{ActionResult, GetResult, MethodDescriptor};
use crate::dlms::client::exchange::{Answer, Request};
use crate::dlms::data::Data;
use crate::model::ObisCode;

const DISCONNECT_CONTROL: u16 = 70;

/// What is to be done with a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayCommand {
    /// Look only.
    Read,
    /// Off: method 1, `remote_disconnect`.
    Disconnect,
    /// On, or ready to be switched on by hand: method 2, `remote_reconnect`.
    Reconnect,
}

/// A relay as read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayReport {
    /// What was asked for.
    pub command: RelayCommand,
    /// How the meter answered the method; `None` when none was invoked or no answer came.
    pub result: Option<ActionResult>,
    /// Attribute 2: true while the supply is connected.
    pub connected: bool,
    /// Attribute 3: 0 disconnected, 1 connected, 2 ready for reconnection.
    pub control_state: u8,
    /// Attribute 4: control mode 0 to 6.
    pub control_mode: Option<u8>,
}

/// Switches a relay and reads back what it did.
///
/// The command is sent only in a secured association. Without an answer to it, what was read back
/// tells whether it was carried out; it is never sent twice.
#[derive(Debug)]
pub struct RelayJob {
    relay: ObisCode,
    command: RelayCommand,
    result: Option<ActionResult>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Commanded,
    ReadingBack,
}

impl RelayJob {
    /// A job for the relay with this name, usually `0-0:96.3.10`.
    #[must_use]
    pub const fn new(relay: ObisCode, command: RelayCommand) -> Self {
        Self {
            relay,
            command,
            result: None,
            state: State::Start,
        }
    }

    fn read_back(&mut self) -> Step {
        self.state = State::ReadingBack;
        get([2, 3, 4].map(|number| attribute(DISCONNECT_CONTROL, self.relay, number)))
    }

    fn report(&self, results: &[GetResult]) -> Result<RelayReport, JobError> {
        let at = |index: usize, number: i8| match results.get(index) {
            Some(GetResult::Data(data)) => Ok(data),
            Some(GetResult::Error(result)) => Err(JobError::Access {
                object: self.relay,
                attribute: number,
                result: *result,
            }),
            None => Err(self.content(number, "a value")),
        };
        let Data::Boolean(connected) = *at(0, 2)? else {
            return Err(self.content(2, "a boolean"));
        };
        let Data::Enum(control_state) = *at(1, 3)? else {
            return Err(self.content(3, "an enum"));
        };
        let control_mode = match at(2, 4) {
            Ok(Data::Enum(mode)) => Some(*mode),
            _ => None,
        };
        Ok(RelayReport {
            command: self.command,
            result: self.result,
            connected,
            control_state,
            control_mode,
        })
    }

    const fn content(&self, attribute: i8, rule: &'static str) -> JobError {
        JobError::Content {
            object: self.relay,
            attribute,
            rule,
        }
    }

    fn judge(&self, report: RelayReport) -> Step {
        let method = match self.command {
            RelayCommand::Read => return Step::Done(Outcome::Relay(report)),
            RelayCommand::Disconnect => 1,
            RelayCommand::Reconnect => 2,
        };
        // After a reconnection a hand may still have to press a button: state 2.
        let done = match self.command {
            RelayCommand::Disconnect => !report.connected && report.control_state != 1,
            _ => report.control_state != 0,
        };
        match (self.result, done) {
            (Some(ActionResult::Success) | None, true) => Step::Done(Outcome::Relay(report)),
            (Some(ActionResult::Success) | None, false) => {
                Step::Failed(JobError::NotDone { object: self.relay })
            }
            (Some(result), _) => Step::Failed(JobError::Method {
                object: self.relay,
                method,
                result,
            }),
        }
    }
}

impl Job for RelayJob {
    fn step(&mut self, answer: Option<Answer>, scene: &Scene) -> Step {
        match self.state {
            State::Start => {
                let method = match self.command {
                    RelayCommand::Read => return self.read_back(),
                    RelayCommand::Disconnect => 1,
                    RelayCommand::Reconnect => 2,
                };
                if !scene.secured {
                    return Step::Failed(JobError::NotSecured);
                }
                self.state = State::Commanded;
                let method = MethodDescriptor {
                    class: DISCONNECT_CONTROL,
                    instance: self.relay,
                    method,
                };
                Step::Ask(Request::Action(vec![(method, Some(Data::Int8(0)))]))
            }
            State::Commanded => {
                if let Some(Answer::Action(results)) = answer {
                    self.result = results.first().map(|result| result.result);
                }
                self.read_back()
            }
            State::ReadingBack => {
                let report = results(answer).and_then(|results| self.report(&results));
                report.map_or_else(Step::Failed, |report| self.judge(report))
            }
        }
    }
}
