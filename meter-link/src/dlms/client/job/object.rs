//! All attributes of an object, by the table of its class.

use super::{Job, Outcome, Scene, Step, attribute, get, results};
use crate::dlms::apdu::{DataAccessResult, GetResult};
use crate::dlms::class::Class;
use crate::dlms::client::exchange::Answer;
use crate::dlms::data::Data;
use crate::model::ObisCode;

/// What a meter has told of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectRead {
    /// Interface class.
    pub class: u16,
    /// Logical name.
    pub instance: ObisCode,
    /// Each attribute by its number: what it holds, or why it is not told.
    pub attributes: Vec<(i8, Result<Data, DataAccessResult>)>,
}

/// Reads an object, attribute by attribute: one that is refused hides no other.
#[derive(Debug)]
pub struct ObjectJob {
    class: &'static Class,
    read: ObjectRead,
}

impl ObjectJob {
    /// A job for an object of a class.
    #[must_use]
    pub const fn new(class: &'static Class, instance: ObisCode) -> Self {
        Self {
            class,
            read: ObjectRead {
                class: class.id,
                instance,
                attributes: Vec::new(),
            },
        }
    }
}

impl Job for ObjectJob {
    fn step(&mut self, answer: Option<Answer>, _: &Scene) -> Step {
        let asked = self.class.attributes.get(self.read.attributes.len());
        if let (Some(asked), true) = (asked, answer.is_some()) {
            let result = match results(answer) {
                Ok(results) => results.into_iter().next(),
                Err(error) => return Step::Failed(error),
            };
            let told = match result {
                Some(GetResult::Data(data)) => Ok(data),
                Some(GetResult::Error(result)) => Err(result),
                None => Err(DataAccessResult::OtherReason),
            };
            self.read.attributes.push((asked.number, told));
        }
        match self.class.attributes.get(self.read.attributes.len()) {
            Some(next) => get([attribute(self.class.id, self.read.instance, next.number)]),
            None => Step::Done(Outcome::Object(self.read.clone())),
        }
    }
}
