//! Registers by their logical names: classes 1, 3, 4, 5 and 8.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Job, JobError, Outcome, Scale, Scene, Step, attribute, get, results, value};
use crate::dlms::apdu::{DataAccessResult, GetResult};
use crate::dlms::client::exchange::Answer;
use crate::dlms::data::{Data, DateTime};
use crate::model::{MeterTime, ObisCode, RegisterValue};

const DATA: u16 = 1;
const REGISTER: u16 = 3;
const EXTENDED_REGISTER: u16 = 4;
const DEMAND_REGISTER: u16 = 5;
const CLOCK: u16 = 8;

/// Registers asked for in one message. A request of ten with their scalers stays below 256 bytes.
const AT_ONCE: usize = 10;

/// A register to be read.
///
/// ```
/// use meter_link::dlms::client::job::RegisterSpec;
/// let short: RegisterSpec = "1-0:1.8.0".parse()?;
/// assert_eq!((short.class, short.attribute), (None, 2));
/// let long: RegisterSpec = "5/1-0:1.4.0*255/3".parse()?;
/// assert_eq!((long.class, long.attribute), (Some(5), 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterSpec {
    /// Interface class; found out when `None`.
    pub class: Option<u16>,
    /// Logical name.
    pub register: ObisCode,
    /// Attribute, 2 for the value of most classes.
    pub attribute: i8,
}

/// A text that names no register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an OBIS code nor of the form CLASS/OBIS/ATTRIBUTE")]
pub struct ParseRegisterError(String);

impl From<ObisCode> for RegisterSpec {
    fn from(register: ObisCode) -> Self {
        Self {
            class: None,
            register,
            attribute: 2,
        }
    }
}

impl FromStr for RegisterSpec {
    type Err = ParseRegisterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match *text.split('/').collect::<Vec<_>>() {
            [register] => register.parse::<ObisCode>().ok().map(Self::from),
            [class, register, attribute] => {
                match (class.parse(), register.parse(), attribute.parse()) {
                    (Ok(class), Ok(register), Ok(attribute)) => Some(Self {
                        class: Some(class),
                        register,
                        attribute,
                    }),
                    _ => None,
                }
            }
            _ => None,
        };
        parsed.ok_or_else(|| ParseRegisterError(text.chars().take(64).collect()))
    }
}

/// What was learned of registers: it does not change while the meter stays the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    classes: BTreeMap<ObisCode, u16>,
    scales: BTreeMap<(u16, ObisCode), Scale>,
}

/// Registers that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistersRead {
    /// Their values in the order asked for; those without a value are left out.
    pub values: Vec<RegisterValue>,
    /// The meter's clock, where it was among them.
    pub time: Option<MeterTime>,
    /// What the meter refused.
    pub refused: Vec<JobError>,
    /// For the next job with this meter.
    pub catalogue: Catalogue,
}

/// Reads registers, in lists where the meter takes such.
#[derive(Debug)]
pub struct RegistersJob {
    specs: Vec<RegisterSpec>,
    /// Index of the first that is not read.
    next: usize,
    asked: Vec<Asked>,
    /// Classes that were tried in vain for the first spec of the chunk.
    tried: BTreeMap<ObisCode, Vec<u16>>,
    found: BTreeMap<usize, Found>,
    read: RegistersRead,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    index: usize,
    class: u16,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Value,
    Scale,
    CaptureTime,
}

#[derive(Debug)]
struct Found {
    class: u16,
    value: Data,
    captured_at: Option<MeterTime>,
}

impl RegistersJob {
    /// A job for these registers, with what was learned before.
    #[must_use]
    pub fn new(specs: Vec<RegisterSpec>, catalogue: Catalogue) -> Self {
        Self {
            specs,
            next: 0,
            asked: Vec::new(),
            tried: BTreeMap::new(),
            found: BTreeMap::new(),
            read: RegistersRead {
                catalogue,
                ..RegistersRead::default()
            },
        }
    }

    /// The class to try; `None` when all were.
    fn class(&self, spec: &RegisterSpec) -> Option<u16> {
        let tried = self.tried.get(&spec.register);
        let untried = |class: &u16| tried.is_none_or(|tried| !tried.contains(class));
        if let Some(class) = spec.class {
            return Some(class).filter(untried);
        }
        if let Some(class) = self.read.catalogue.classes.get(&spec.register) {
            return Some(*class).filter(untried);
        }
        likely_classes(spec.register).into_iter().find(untried)
    }

    fn ask(&mut self) -> Step {
        let mut descriptors = Vec::new();
        self.asked.clear();
        let end = (self.next + AT_ONCE).min(self.specs.len());
        for index in self.next..end {
            let Some(spec) = self.specs.get(index).copied() else {
                break;
            };
            if self.found.contains_key(&index) {
                continue;
            }
            let Some(class) = self.class(&spec) else {
                continue;
            };
            let mut ask = |what, number| {
                self.asked.push(Asked { index, class, what });
                descriptors.push(attribute(class, spec.register, number));
            };
            ask(What::Value, spec.attribute);
            let known = self
                .read
                .catalogue
                .scales
                .contains_key(&(class, spec.register));
            if let (Some(number), false) = (scale_attribute(class, spec.attribute), known) {
                ask(What::Scale, number);
            }
            if class == EXTENDED_REGISTER && spec.attribute == 2 {
                ask(What::CaptureTime, 5);
            }
        }
        if descriptors.is_empty() {
            if end == self.specs.len() {
                return Step::Done(Outcome::Registers(self.finish()));
            }
            self.next = end;
            return self.ask();
        }
        get(descriptors)
    }

    fn take(&mut self, results: Vec<GetResult>) {
        for (asked, result) in std::mem::take(&mut self.asked).into_iter().zip(results) {
            let Some(spec) = self.specs.get(asked.index).copied() else {
                continue;
            };
            match (asked.what, result) {
                (What::Value, GetResult::Data(value)) => {
                    self.read
                        .catalogue
                        .classes
                        .insert(spec.register, asked.class);
                    let found = Found {
                        class: asked.class,
                        value,
                        captured_at: None,
                    };
                    self.found.insert(asked.index, found);
                }
                (What::Value, GetResult::Error(result)) => {
                    self.tried
                        .entry(spec.register)
                        .or_default()
                        .push(asked.class);
                    let elsewhere = matches!(
                        result,
                        DataAccessResult::ObjectUndefined
                            | DataAccessResult::ObjectClassInconsistent
                            | DataAccessResult::ObjectUnavailable
                            | DataAccessResult::TypeUnmatched
                    );
                    if !elsewhere {
                        // It is there, and not for us: other classes need not be tried.
                        let all = self.tried.entry(spec.register).or_default();
                        all.extend(likely_classes(spec.register));
                    }
                    if self.class(&spec).is_none() {
                        self.read.refused.push(JobError::Access {
                            object: spec.register,
                            attribute: spec.attribute,
                            result,
                        });
                    }
                }
                (What::Scale, GetResult::Data(data)) => {
                    if let Some(scale) = Scale::from_data(&data) {
                        let key = (asked.class, spec.register);
                        self.read.catalogue.scales.insert(key, scale);
                    }
                }
                (What::CaptureTime, GetResult::Data(data)) => {
                    if let Some(found) = self.found.get_mut(&asked.index) {
                        found.captured_at = data.date_time().and_then(DateTime::meter_time);
                    }
                }
                (What::Scale | What::CaptureTime, GetResult::Error(_)) => {}
            }
        }
    }

    fn finish(&mut self) -> RegistersRead {
        for (index, found) in std::mem::take(&mut self.found) {
            let Some(spec) = self.specs.get(index) else {
                continue;
            };
            if found.class == CLOCK && spec.attribute == 2 {
                self.read.time = found.value.date_time().and_then(DateTime::meter_time);
                continue;
            }
            let needs_scale = scale_attribute(found.class, spec.attribute).is_some();
            let scale = self
                .read
                .catalogue
                .scales
                .get(&(found.class, spec.register));
            // A number whose scaler is unknown is no value.
            let value = match (needs_scale, scale) {
                (true, None) => None,
                (_, scale) => value(&found.value, scale.copied().unwrap_or_default()),
            };
            match value {
                Some(value) => self.read.values.push(RegisterValue {
                    register: spec.register,
                    value,
                    unit: scale.and_then(|scale| scale.unit),
                    status: None,
                    captured_at: found.captured_at,
                    quirk: None,
                }),
                None if found.value == Data::Null => {}
                None => self.read.refused.push(JobError::Content {
                    object: spec.register,
                    attribute: spec.attribute,
                    rule: "a simple value, and a scaler where it is a number",
                }),
            }
        }
        std::mem::take(&mut self.read)
    }
}

impl Job for RegistersJob {
    fn step(&mut self, answer: Option<Answer>, _: &Scene) -> Step {
        if answer.is_some() {
            match results(answer) {
                Ok(results) => self.take(results),
                Err(error) => return Step::Failed(error),
            }
        }
        self.ask()
    }
}

/// The attribute with scaler and unit of a value (IEC 62056-6-2, 4.3.2 to 4.3.4).
pub(super) const fn scale_attribute(class: u16, attribute: i8) -> Option<i8> {
    match (class, attribute) {
        (REGISTER | EXTENDED_REGISTER, 2) => Some(3),
        (DEMAND_REGISTER, 2 | 3) => Some(4),
        _ => None,
    }
}

/// Classes that an object of this name is likely to have, the likeliest first.
fn likely_classes(register: ObisCode) -> Vec<u16> {
    let ObisCode([medium, _, quantity, processing, ..]) = register;
    match (medium, quantity, processing) {
        (0, 1, 0) => vec![CLOCK, DATA],
        (0, ..) | (_, 96 | 0, _) => vec![DATA, REGISTER],
        // Maximum demand with the time it occurred; mean over a demand period.
        (_, _, 2 | 6) => vec![EXTENDED_REGISTER, REGISTER, DATA],
        (_, _, 4 | 5) => vec![DEMAND_REGISTER, REGISTER, DATA],
        _ => vec![REGISTER, DATA, EXTENDED_REGISTER, DEMAND_REGISTER],
    }
}
