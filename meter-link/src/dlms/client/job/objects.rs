//! The object list of the association (IEC 62056-6-2, 4.4.4: class 15, attribute 2).

use super::{Job, JobError, Outcome, Scene, Step, attribute, get, results};
use crate::dlms::apdu::GetResult;
use crate::dlms::client::exchange::Answer;
use crate::dlms::data::Data;
use crate::model::ObisCode;

const CURRENT_ASSOCIATION: ObisCode = ObisCode([0, 0, 40, 0, 0, 255]);

/// An object of a meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Interface class.
    pub class: u16,
    /// Version of the class.
    pub version: u8,
    /// Logical name.
    pub instance: ObisCode,
    /// Attributes with their access mode: 0 none, 1 read, 2 write, 3 both; from version 3 of the
    /// association on, bits.
    pub attributes: Vec<(i8, u8)>,
    /// Methods with their access mode: 0 none, 1 access, 2 authenticated access.
    pub methods: Vec<(i8, u8)>,
}

impl ObjectInfo {
    /// Reads one element of the list.
    #[must_use]
    pub fn from_data(data: &Data) -> Option<Self> {
        let [class, version, name, rights] = data.elements()? else {
            return None;
        };
        let instance = ObisCode(name.octets()?.try_into().ok()?);
        let (attributes, methods) = match rights.elements() {
            Some([attributes, methods]) => (access(attributes), access(methods)),
            _ => (Vec::new(), Vec::new()),
        };
        Some(Self {
            class: u16::try_from(class.integer()?).ok()?,
            version: u8::try_from(version.integer()?).ok()?,
            instance,
            attributes,
            methods,
        })
    }
}

fn access(list: &Data) -> Vec<(i8, u8)> {
    let items = list.elements().unwrap_or_default().iter();
    let item = |item: &Data| {
        let [number, mode, ..] = item.elements()? else {
            return None;
        };
        let mode = match mode {
            Data::Enum(mode) => *mode,
            Data::Boolean(allowed) => u8::from(*allowed),
            _ => return None,
        };
        Some((i8::try_from(number.integer()?).ok()?, mode))
    };
    items.filter_map(item).collect()
}

/// Reads the object list.
#[derive(Debug, Default)]
pub struct ObjectsJob {}

impl ObjectsJob {
    /// A job for the association that is open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Job for ObjectsJob {
    fn step(&mut self, answer: Option<Answer>, _: &Scene) -> Step {
        if answer.is_none() {
            return get([attribute(15, CURRENT_ASSOCIATION, 2)]);
        }
        let results = match results(answer) {
            Ok(results) => results,
            Err(error) => return Step::Failed(error),
        };
        match results.into_iter().next() {
            Some(GetResult::Data(list)) => {
                let elements = list.elements().unwrap_or_default().iter();
                let objects = elements.filter_map(ObjectInfo::from_data).collect();
                Step::Done(Outcome::Objects(objects))
            }
            Some(GetResult::Error(result)) => Step::Failed(JobError::Access {
                object: CURRENT_ASSOCIATION,
                attribute: 2,
                result,
            }),
            None => Step::Failed(JobError::Content {
                object: CURRENT_ASSOCIATION,
                attribute: 2,
                rule: "a list of objects",
            }),
        }
    }
}
