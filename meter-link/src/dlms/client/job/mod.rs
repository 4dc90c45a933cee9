//! What is done with a meter in an association, step by step: each job says what to ask, takes
//! the answer, and in the end says what came out.

mod calendar;
mod clock;
mod object;
mod objects;
mod profile;
mod registers;
mod relay;

use jiff::Timestamp;

use super::error::ClientError;
use super::exchange::{Answer, Request};
use crate::dlms::apdu::{ActionResult, DataAccessResult, GetResult};
use crate::dlms::data::{AttributeDescriptor, Data};
use crate::model::{ObisCode, ScaleError, Unit, Value, scaled};

pub use calendar::{CalendarDate, CalendarJob, DayProfile, Season, TariffCalendar, Week};
pub use clock::{ClockJob, ClockPolicy, ClockReport};
pub use object::{ObjectJob, ObjectRead};
pub use objects::{ObjectInfo, ObjectsJob};
pub use profile::{Column, Gap, ProfileJob, ProfileQuery, ProfileRow, ProfileRows, RowInstants};
pub use registers::{Catalogue, ParseRegisterError, RegisterSpec, RegistersJob, RegistersRead};
pub use relay::{RelayCommand, RelayJob, RelayReport};

/// What a job knows of the world at a step.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The wall clock.
    pub now: Timestamp,
    /// Messages of the association are authenticated.
    pub secured: bool,
}

/// What a job wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask the meter this.
    Ask(Request),
    /// Take this; there is more. The next step comes without an answer.
    Yield(Outcome),
    /// Take this; the job is done.
    Done(Outcome),
    /// The job cannot be done.
    Failed(JobError),
}

/// What came out of a job.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Registers that were read.
    Registers(RegistersRead),
    /// The objects of the association.
    Objects(Vec<ObjectInfo>),
    /// An object, attribute by attribute.
    Object(ObjectRead),
    /// Rows of a profile.
    Profile(ProfileRows),
    /// The clock, and what was done about it.
    Clock(ClockReport),
    /// When tariffs are switched.
    Calendar(TariffCalendar),
    /// The relay, and what was done with it.
    Relay(RelayReport),
    /// No more comes, and why if that was not intended.
    Finished(Option<ClientError>),
}

/// Why a job cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The meter refuses access.
    #[error("{object} attribute {attribute}: {result}")]
    Access {
        /// Which object.
        object: ObisCode,
        /// Which attribute.
        attribute: i8,
        /// What it says.
        result: DataAccessResult,
    },
    /// The meter refuses to invoke a method.
    #[error("{object} method {method}: {result}")]
    Method {
        /// Which object.
        object: ObisCode,
        /// Which method.
        method: i8,
        /// What it says.
        result: ActionResult,
    },
    /// An attribute holds something else than its class says.
    #[error("{object} attribute {attribute}: {rule}")]
    Content {
        /// Which object.
        object: ObisCode,
        /// Which attribute.
        attribute: i8,
        /// What was expected.
        rule: &'static str,
    },
    /// The conversation failed.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Only a secured association may do this.
    #[error("the relay is switched only in an association whose messages are authenticated")]
    NotSecured,
    /// The clock is so far off that it is not set without being asked to.
    #[error("the meter's clock is off by {0} s, more than is set without being told to")]
    ClockTooFar(i64),
    /// The meter did what was asked, and its state says otherwise.
    #[error("{object}: the state read back is not the one asked for")]
    NotDone {
        /// Which object.
        object: ObisCode,
    },
}

/// One thing to do in an association.
pub trait Job: Send {
    /// Takes the answer to the last request, `None` at first and after a [`Step::Yield`], and
    /// says what comes next.
    fn step(&mut self, answer: Option<Answer>, scene: &Scene) -> Step;

    /// Looks at what has come so far of a [`Request::GetEncoded`], while the meter gets the rest
    /// ready, and says what has come out. Fewer octets than before mean that the meter has begun anew.
    fn look_ahead(&mut self, _octets: &[u8]) -> Option<Outcome> {
        None
    }
}

/// The attribute of an object.
pub(super) const fn attribute(
    class: u16,
    instance: ObisCode,
    attribute: i8,
) -> AttributeDescriptor {
    AttributeDescriptor {
        class,
        instance,
        attribute,
    }
}

/// The request to read some attributes.
pub(super) fn get(descriptors: impl IntoIterator<Item = AttributeDescriptor>) -> Step {
    Step::Ask(Request::Get(
        descriptors.into_iter().map(Into::into).collect(),
    ))
}

/// The results of a request to read.
pub(super) fn results(answer: Option<Answer>) -> Result<Vec<GetResult>, JobError> {
    match answer {
        Some(Answer::Get(results)) => Ok(results),
        Some(Answer::Interrupted { error, .. }) => Err(error.into()),
        _ => Err(ClientError::Unexpected {
            asked: "get_request",
            got: "something else",
        }
        .into()),
    }
}

/// A scaler and unit (IEC 62056-6-2, `scal_unit_type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// Power of ten.
    pub scaler: i8,
    /// Unit; `None` for 255, "no unit".
    pub unit: Option<Unit>,
}

impl Scale {
    /// Reads a structure of scaler and unit.
    #[must_use]
    pub fn from_data(data: &Data) -> Option<Self> {
        let [scaler, unit] = data.elements()? else {
            return None;
        };
        let scaler = i8::try_from(scaler.integer()?).ok()?;
        match unit {
            Data::Enum(code) => Some(Self {
                scaler,
                unit: Unit::from_code(*code),
            }),
            _ => None,
        }
    }

    /// The exact value of a number.
    ///
    /// # Errors
    /// The number does not fit an exact decimal.
    pub fn apply(self, number: i128) -> Result<rust_decimal::Decimal, ScaleError> {
        scaled(number, self.scaler)
    }
}

/// A value of the model, scaled where it is a number; `None` for nothing and for what has no form
/// in the model, such as a structure.
#[must_use]
pub fn value(data: &Data, scale: Scale) -> Option<Value> {
    Some(match data {
        Data::Boolean(flag) => Value::Flag(*flag),
        Data::VisibleString(text) | Data::Utf8String(text) => {
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
        Data::Enum(code) => Value::Number((*code).into()),
        Data::BitString(bits) => Value::Octets(bits.octets().to_vec()),
        Data::OctetString(octets) => Value::Octets(octets.clone()),
        Data::DateTime(at) => Value::Octets(at.0.to_vec()),
        Data::Float32(_) | Data::Float64(_) => {
            let number = data.decimal()?;
            let factor = scaled(1, scale.scaler).ok()?;
            Value::Number(number.checked_mul(factor)?)
        }
        other => Value::Number(scale.apply(other.integer()?).ok()?),
    })
}
