//! Load profiles (IEC 62056-6-2, 4.3.6: class 7, profile generic): only the rows that are missing.

mod cell;
mod rows;

use jiff::civil;
use jiff::{SignedDuration, ToSpan};

use super::registers::scale_attribute;
use super::{Job, JobError, Outcome, Scale, Scene, Step, attribute, get, results};
use crate::dlms::apdu::{GetResult, Selected, SelectiveAccess};
use crate::dlms::axdr::{self, Reader};
use crate::dlms::client::error::ClientError;
use crate::dlms::client::exchange::{Answer, Request};
use crate::dlms::data::{Data, DateTime};
use crate::model::ObisCode;

pub use rows::{Gap, ProfileRow, ProfileRows, RowInstants};
use rows::{Layout, Reading};

const PROFILE: u16 = 7;
const CLOCK_CLASS: u16 = 8;
const BUFFER: i8 = 2;
const CAPTURE_OBJECTS: i8 = 3;
const CAPTURE_PERIOD: i8 = 4;
const ENTRIES_IN_USE: i8 = 7;

/// So much before the last row that is known is asked for again: after a clock was set back, new
/// rows have earlier times than old ones.
const OVERLAP: SignedDuration = SignedDuration::from_hours(3);
/// Longest stretch asked for at once.
const STRETCH: SignedDuration = SignedDuration::from_hours(40 * 24);
/// How far the meter's clock may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);
/// Requests without a single new row before it is given up.
const PATIENCE: u8 = 5;
/// Columns of a profile that are read.
const MAX_COLUMNS: usize = 64;
/// So many rows are handed over at once while the rest still comes: what was read is not lost with
/// the process, and a long profile takes no more memory than a short one.
const PORTION: usize = 512;
/// Tag of a compact array.
const COMPACT_ARRAY: u8 = 19;

/// What is wanted of a profile.
#[derive(Clone, Debug)]
pub struct ProfileQuery {
    /// Logical name of the profile, usually `1-0:99.1.0`.
    pub profile: ObisCode,
    /// The time of the last row that is known, as the meter sent it; all rows when `None`.
    pub since: Option<DateTime>,
    /// The end, in the meter's own wall time; up to now when `None`.
    pub until: Option<civil::DateTime>,
    /// How the times of rows become instants.
    pub instants: RowInstants,
}

impl ProfileQuery {
    /// All rows of a profile.
    #[must_use]
    pub const fn all(profile: ObisCode) -> Self {
        Self {
            profile,
            since: None,
            until: None,
            instants: RowInstants { zone: None },
        }
    }
}

/// A column of a profile (IEC 62056-6-2, `capture_object_definition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Interface class of the captured object.
    pub class: u16,
    /// Its logical name.
    pub register: ObisCode,
    /// Which attribute.
    pub attribute: i8,
    /// Which element of the attribute; 0 for all of it.
    pub index: u16,
    /// Scaler and unit, where the value is a number that has them.
    pub scale: Scale,
}

impl Column {
    fn from_data(data: &Data) -> Option<Self> {
        let [class, register, attribute, index] = data.elements()? else {
            return None;
        };
        Some(Self {
            class: u16::try_from(class.integer()?).ok()?,
            register: ObisCode(register.octets()?.try_into().ok()?),
            attribute: i8::try_from(attribute.integer()?).ok()?,
            index: u16::try_from(index.integer()?).ok()?,
            scale: Scale::default(),
        })
    }

    fn to_data(self) -> Data {
        Data::Structure(vec![
            Data::Uint16(self.class),
            Data::OctetString(self.register.0.to_vec()),
            Data::Int8(self.attribute),
            Data::Uint16(self.index),
        ])
    }

    /// True for the column that holds the time of the row.
    #[must_use]
    pub const fn is_clock(&self) -> bool {
        self.class == CLOCK_CLASS && self.attribute == 2
    }

    /// True for a column that holds a status of the row (`0-b:96.10.e`).
    #[must_use]
    pub const fn is_status(&self) -> bool {
        let ObisCode([_, _, quantity, processing, ..]) = self.register;
        self.class == 1 && quantity == 96 && processing == 10
    }
}

/// Reads the rows of a profile that are missing.
///
/// An answer that breaks off is not lost: its whole rows are taken, and the next request begins
/// behind them.
#[derive(Debug)]
pub struct ProfileJob {
    query: ProfileQuery,
    columns: Vec<Column>,
    period_s: u32,
    entries: u32,
    state: State,
    /// The last row that is known.
    last: Option<ProfileRow>,
    /// End of the stretch asked for, in the meter's wall time; `None` when all was asked for.
    asked_until: Option<civil::DateTime>,
    in_vain: u8,
    by_entry: bool,
    /// The rows of the answer that is coming.
    reading: Reading,
    /// Rows that are known are passed: what comes now is new.
    caught_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Describing,
    Scaling,
    /// A request for rows was sent, or the next is to be sent.
    Reading,
    Finished,
}

impl ProfileJob {
    /// A job for the rows that a query asks for.
    #[must_use]
    pub fn new(query: ProfileQuery) -> Self {
        Self {
            last: query.since.map(ProfileRow::known),
            query,
            columns: Vec::new(),
            period_s: 0,
            entries: 0,
            state: State::Start,
            asked_until: None,
            in_vain: 0,
            by_entry: false,
            reading: Reading::default(),
            caught_up: false,
        }
    }

    fn content(&self, attribute: i8, rule: &'static str) -> JobError {
        JobError::Content {
            object: self.query.profile,
            attribute,
            rule,
        }
    }

    fn describe(&mut self, results: &[GetResult]) -> Result<Step, JobError> {
        let columns = match results.first() {
            Some(GetResult::Data(data)) => data.elements().unwrap_or_default(),
            Some(GetResult::Error(result)) => {
                return Err(JobError::Access {
                    object: self.query.profile,
                    attribute: CAPTURE_OBJECTS,
                    result: *result,
                });
            }
            None => &[],
        };
        let columns: Option<Vec<_>> = columns.iter().map(Column::from_data).collect();
        let columns = columns.filter(|columns| (1..=MAX_COLUMNS).contains(&columns.len()));
        let rule = "a list of up to 64 captured objects";
        self.columns = columns.ok_or_else(|| self.content(CAPTURE_OBJECTS, rule))?;
        let number = |index: usize| match results.get(index) {
            Some(GetResult::Data(data)) => data.integer().and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        self.period_s = number(1).unwrap_or_default();
        self.entries = number(2).unwrap_or_default();
        let scaled: Vec<_> = self.scaled().map(|(_, descriptor)| descriptor).collect();
        if scaled.is_empty() {
            self.state = State::Reading;
            return Ok(Step::Ask(Request::Get(Vec::new())));
        }
        self.state = State::Scaling;
        Ok(get(scaled))
    }

    /// Columns with a scaler, and where it is.
    fn scaled(&self) -> impl Iterator<Item = (usize, crate::dlms::data::AttributeDescriptor)> + '_ {
        let columns = self.columns.iter().enumerate();
        columns.filter_map(|(index, column)| {
            let number = scale_attribute(column.class, column.attribute)?;
            Some((index, attribute(column.class, column.register, number)))
        })
    }

    fn scale(&mut self, results: &[GetResult]) -> Result<(), JobError> {
        let scaled: Vec<_> = self.scaled().collect();
        for ((index, descriptor), result) in scaled.into_iter().zip(results) {
            // Numbers whose scaler is unknown are no values.
            let scale = match result {
                GetResult::Data(data) => Scale::from_data(data).ok_or(JobError::Content {
                    object: descriptor.instance,
                    attribute: descriptor.attribute,
                    rule: "a scaler and a unit",
                })?,
                GetResult::Error(result) => {
                    return Err(JobError::Access {
                        object: descriptor.instance,
                        attribute: descriptor.attribute,
                        result: *result,
                    });
                }
            };
            if let Some(column) = self.columns.get_mut(index) {
                column.scale = scale;
            }
        }
        Ok(())
    }

    /// Asks for the rows behind the last one that is known.
    fn ask(&mut self, scene: &Scene) -> Step {
        self.begin();
        let descriptor = attribute(PROFILE, self.query.profile, BUFFER);
        let known = self
            .last
            .as_ref()
            .and_then(|row| Some((row, row.at.civil()?)));
        let clock = self.columns.iter().find(|column| column.is_clock());
        let access = match (known, clock) {
            (Some((last, at)), Some(clock)) if !self.by_entry => {
                let end = self.end(last.at, scene);
                let overlap = match self.asked_until {
                    // The rest of a stretch that broke off, or the stretch behind it.
                    Some(_) => SignedDuration::ZERO,
                    None => OVERLAP,
                };
                let from = at.saturating_sub(overlap);
                let from = self.asked_until.map_or(from, |until| from.max(until));
                let to = end.min(from.saturating_add(STRETCH));
                self.asked_until = Some(to).filter(|to| *to < end);
                Some(by_range(*clock, last.at, from, to))
            }
            (Some((last, _)), _) => Some(self.by_entry(last, scene)),
            (None, _) => None,
        };
        Step::Ask(Request::GetEncoded(Selected { descriptor, access }))
    }

    /// The end of what is wanted, in the meter's wall time.
    fn end(&self, last: DateTime, scene: &Scene) -> civil::DateTime {
        self.query.until.unwrap_or_else(|| {
            let now = scene.now.saturating_add(AHEAD).unwrap_or(scene.now);
            let seconds = last
                .deviation()
                .map_or(0, |minutes| -60 * i64::from(minutes));
            let offset = jiff::tz::Offset::UTC;
            offset.to_datetime(now).saturating_add(seconds.seconds())
        })
    }

    /// For meters that do not select by range: so many of the newest entries as may be missing.
    fn by_entry(&self, last: &ProfileRow, scene: &Scene) -> SelectiveAccess {
        let instant = self.query.instants.of(last.at);
        let missing = instant.map(|instant| scene.now.duration_since(instant) + AHEAD);
        let seconds = missing.map_or(i64::MAX, |missing| missing.as_secs().max(0));
        let period = i64::from(self.period_s.max(1));
        let rows = u32::try_from(seconds / period).unwrap_or(u32::MAX);
        let first = self.entries.saturating_sub(rows.saturating_add(2)).max(1);
        SelectiveAccess {
            selector: 2,
            parameters: Data::Structure(vec![
                Data::Uint32(first),
                Data::Uint32(0),
                Data::Uint16(1),
                Data::Uint16(0),
            ]),
        }
    }

    /// An answer begins.
    fn begin(&mut self) {
        self.reading = Reading::default();
        self.caught_up = self.last.is_none();
    }

    /// Reads on in the octets of an answer, whole or not.
    fn read_on(&mut self, octets: &[u8]) -> Result<(), RowError> {
        if octets.len() < self.reading.at() {
            self.begin();
        }
        let layout = Layout {
            columns: &self.columns,
            period_s: self.period_s,
            instants: &self.query.instants,
        };
        self.reading.read(&layout, octets)
    }

    /// Reads the rows of a whole answer.
    fn read(&mut self, octets: &[u8]) -> Result<(), JobError> {
        let read = match octets.first() {
            // A compact array holds its rows in another form.
            Some(&COMPACT_ARRAY) => Data::read(&mut Reader::new(octets))
                .map_err(RowError::Message)
                .and_then(|whole| {
                    let rows = whole.elements().unwrap_or_default();
                    self.read_on(&Data::Array(rows.to_vec()).to_vec())
                }),
            _ => self.read_on(octets),
        };
        read.map_err(|error| match error {
            RowError::Rule(rule) => self.content(BUFFER, rule),
            RowError::Message(error) => ClientError::Message(error).into(),
        })
    }

    /// Takes the rows that were read; false when there was nothing new in them.
    fn take(&mut self) -> (ProfileRows, bool) {
        let (rows, values) = self.reading.take();
        let mut rows = ProfileRows {
            profile: self.query.profile,
            columns: self.columns.clone(),
            period_s: self.period_s,
            rows,
            values,
            gaps: Vec::new(),
        };
        if let Some(last) = self.last.as_ref().filter(|_| !self.caught_up) {
            rows.skip_known(last);
        }
        self.caught_up = true;
        rows.find_gaps(self.last.as_ref());
        let new = !rows.rows.is_empty();
        if let Some(row) = rows.rows.last() {
            self.last = Some(row.clone());
        }
        (rows, new)
    }

    fn rows(&mut self, answer: Option<Answer>, scene: &Scene) -> Result<Step, JobError> {
        match answer {
            Some(Answer::Interrupted { octets, error }) => {
                // It breaks off within a row; those before are whole.
                let _ = self.read_on(&octets);
                let (rows, new) = self.take();
                // What a single request cannot hold is asked for in stretches.
                let passing = error.is_passing() || matches!(error, ClientError::TooLong(_));
                if new && passing {
                    self.in_vain = 0;
                    self.asked_until = self.asked_until.and(self.last_civil());
                    return Ok(Step::Yield(Outcome::Profile(rows)));
                }
                self.in_vain += 1;
                if !passing || self.in_vain > PATIENCE {
                    return Err(error.into());
                }
                self.asked_until = None;
                Ok(self.ask(scene))
            }
            Some(Answer::Encoded(octets)) => {
                self.read(&octets)?;
                let (rows, _) = self.take();
                if self.asked_until.is_none() {
                    self.state = State::Finished;
                    return Ok(Step::Done(Outcome::Profile(rows)));
                }
                Ok(Step::Yield(Outcome::Profile(rows)))
            }
            answer => match results(answer)?.into_iter().next() {
                Some(GetResult::Error(_)) if self.last.is_some() && !self.by_entry => {
                    self.by_entry = true;
                    self.asked_until = None;
                    Ok(self.ask(scene))
                }
                Some(GetResult::Error(result)) => Err(JobError::Access {
                    object: self.query.profile,
                    attribute: BUFFER,
                    result,
                }),
                _ => Err(self.content(BUFFER, "rows")),
            },
        }
    }

    fn last_civil(&self) -> Option<civil::DateTime> {
        self.last.as_ref()?.at.civil()
    }

    fn advance(&mut self, answer: Option<Answer>, scene: &Scene) -> Result<Step, JobError> {
        match (self.state, &answer) {
            (State::Start, _) => {
                self.state = State::Describing;
                let numbers = [CAPTURE_OBJECTS, CAPTURE_PERIOD, ENTRIES_IN_USE];
                Ok(get(numbers.map(|number| {
                    attribute(PROFILE, self.query.profile, number)
                })))
            }
            (State::Describing, _) => {
                let step = self.describe(&results(answer)?)?;
                match self.state {
                    State::Reading => Ok(self.ask(scene)),
                    _ => Ok(step),
                }
            }
            (State::Scaling, _) => {
                self.scale(&results(answer)?)?;
                self.state = State::Reading;
                Ok(self.ask(scene))
            }
            // After a yield the rest is asked for.
            (State::Reading | State::Finished, None) => Ok(self.ask(scene)),
            (State::Reading | State::Finished, Some(_)) => self.rows(answer, scene),
        }
    }
}

impl Job for ProfileJob {
    fn step(&mut self, answer: Option<Answer>, scene: &Scene) -> Step {
        self.advance(answer, scene).unwrap_or_else(Step::Failed)
    }

    fn look_ahead(&mut self, octets: &[u8]) -> Option<Outcome> {
        if self.state != State::Reading {
            return None;
        }
        // What is wrong with it is told when the answer is whole.
        let _ = self.read_on(octets);
        let rows = self.reading.rows();
        let passed = |row: &ProfileRow| self.last.as_ref().is_some_and(|last| last.at == row.at);
        if rows.len() < PORTION || !self.caught_up && !rows.iter().any(passed) {
            return None;
        }
        let (rows, new) = self.take();
        self.in_vain = 0;
        new.then_some(Outcome::Profile(rows))
    }
}

/// Why rows cannot be read.
enum RowError {
    Rule(&'static str),
    Message(axdr::Error),
}

impl From<axdr::Error> for RowError {
    fn from(error: axdr::Error) -> Self {
        Self::Message(error)
    }
}

/// Selective access by range: rows whose time is within two times of the meter's wall clock.
fn by_range(
    clock: Column,
    like: DateTime,
    from: civil::DateTime,
    to: civil::DateTime,
) -> SelectiveAccess {
    let at = |civil| {
        let time = DateTime::new(civil, like.deviation(), like.status());
        Data::OctetString(time.0.to_vec())
    };
    SelectiveAccess {
        selector: 1,
        parameters: Data::Structure(vec![
            clock.to_data(),
            at(from),
            at(to),
            Data::Array(Vec::new()),
        ]),
    }
}

#[cfg(test)]
mod tests;
