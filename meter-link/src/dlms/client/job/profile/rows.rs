//! Rows of a profile: their times, their values, and what is missing between them.

use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, civil};

use super::cell::Cell;
use super::{Column, RowError};
use crate::dlms::axdr::Reader;
use crate::dlms::data::DateTime;
use crate::model::{ObisCode, Value};

/// Tags of what holds other values.
const ARRAY: u8 = 1;
const STRUCTURE: u8 = 2;

/// How the times of rows become instants.
#[derive(Clone, Debug, Default)]
pub struct RowInstants {
    /// The zone of a meter that tells no deviation from UTC; without it such times are taken as
    /// they are, which finds gaps but no instants.
    pub zone: Option<TimeZone>,
}

impl RowInstants {
    /// The instant of a time; `None` when it cannot be known.
    #[must_use]
    pub fn of(&self, at: DateTime) -> Option<Timestamp> {
        let civil = at.civil()?;
        if let Some(minutes) = at.deviation() {
            let offset = Offset::from_seconds(-60 * i32::from(minutes)).ok()?;
            return offset.to_timestamp(civil).ok();
        }
        let zone = self.zone.as_ref()?;
        let ambiguous = zone.to_ambiguous_timestamp(civil);
        let offset = match (ambiguous.offset(), at.status().summer()) {
            (AmbiguousOffset::Unambiguous { offset }, _) => offset,
            // The hour that comes twice: summer time first.
            (AmbiguousOffset::Fold { before, .. }, Some(true)) => before,
            (AmbiguousOffset::Fold { after, .. }, Some(false)) => after,
            (AmbiguousOffset::Fold { .. }, None) => return None,
            // The hour that never was: the meter has not changed its clock yet.
            (AmbiguousOffset::Gap { before, .. }, _) => before,
        };
        offset.to_timestamp(civil).ok()
    }
}

/// Seconds on an axis on which rows can be compared.
fn seconds(at: DateTime, instant: Option<Timestamp>) -> Option<i64> {
    let known = instant.map(Timestamp::as_second);
    known.or_else(|| Some(Offset::UTC.to_timestamp(at.civil()?).ok()?.as_second()))
}

/// A row of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRow {
    /// The time as the meter sent it: the end of the row's period.
    pub at: DateTime,
    /// The same as an instant, where it can be known.
    pub instant: Option<Timestamp>,
    /// The status of the row, bits by the meter's maker; often the EDIS status of DIN 43863.
    pub status: Option<u64>,
    /// The value of each column, scaled; `None` for the clock, the status and what is not there.
    pub values: Vec<Option<Value>>,
    seconds: Option<i64>,
}

impl ProfileRow {
    /// A row of which only the time is known.
    pub(super) fn known(at: DateTime) -> Self {
        Self {
            at,
            instant: None,
            status: None,
            values: Vec::new(),
            seconds: seconds(at, RowInstants::default().of(at)),
        }
    }
}

/// Something between two rows that is not one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Time of the row before.
    pub after: DateTime,
    /// Time of the row behind.
    pub before: DateTime,
    /// Seconds between them; negative where the clock went back.
    pub seconds: i64,
    /// Rows that are missing.
    pub missing: u32,
    /// The clock was set: the time went back, or off the grid of periods.
    pub clock_changed: bool,
    /// Status of the row behind, which tells of a power failure or a change of the clock.
    pub status: Option<u64>,
}

/// Rows that were missing, and what is still missing between them.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileRows {
    /// Which profile.
    pub profile: ObisCode,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Seconds from one row to the next; 0 for rows that are caused by events.
    pub period_s: u32,
    /// The rows in the order of the meter.
    pub rows: Vec<ProfileRow>,
    /// Where rows do not follow each other by one period.
    pub gaps: Vec<Gap>,
}

impl ProfileRows {
    /// Drops what is known: up to and with the last row that is, or everything before its time
    /// when the meter has it no more.
    pub(super) fn skip_known(&mut self, last: &ProfileRow) {
        let same = |row: &ProfileRow| row.at.0 == last.at.0;
        if let Some(place) = self.rows.iter().position(same) {
            self.rows.drain(..=place);
        } else if let Some(known) = last.seconds {
            let later = |row: &ProfileRow| row.seconds.is_some_and(|seconds| seconds > known);
            self.rows.retain(later);
        }
    }

    pub(super) fn find_gaps(&mut self, last: Option<&ProfileRow>) {
        let period = i64::from(self.period_s);
        if period == 0 {
            return;
        }
        let mut before = last;
        for row in &self.rows {
            if let Some(gap) = before.and_then(|before| gap(before, row, period)) {
                self.gaps.push(gap);
            }
            before = Some(row);
        }
    }
}

fn gap(before: &ProfileRow, row: &ProfileRow, period: i64) -> Option<Gap> {
    // A known row was stored without its zone: compare both without.
    let seconds = match before.instant {
        Some(_) => row.seconds? - before.seconds?,
        None => {
            let plain = |at| seconds(at, RowInstants::default().of(at));
            plain(row.at)? - plain(before.at)?
        }
    };
    (seconds != period).then(|| Gap {
        after: before.at,
        before: row.at,
        seconds,
        missing: u32::try_from(seconds / period - 1).unwrap_or_default(),
        clock_changed: seconds <= 0 || seconds % period != 0,
        status: row.status,
    })
}

/// Makes rows. What a meter leaves out (null-data) is the value of the row before, and a time one
/// period later.
pub(super) struct Builder<'a> {
    columns: &'a [Column],
    period_s: u32,
    instants: &'a RowInstants,
    rows: Vec<ProfileRow>,
}

impl<'a> Builder<'a> {
    pub(super) const fn new(
        columns: &'a [Column],
        period_s: u32,
        instants: &'a RowInstants,
    ) -> Self {
        Self {
            columns,
            period_s,
            instants,
            rows: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Vec<ProfileRow> {
        self.rows
    }

    /// Reads a row where it lies.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), RowError> {
        const RULE: RowError =
            RowError::Rule("rows with as many values as there are captured objects");
        if !matches!(reader.u8()?, ARRAY | STRUCTURE) || reader.length()? != self.columns.len() {
            return Err(RULE);
        }
        let before = self.rows.last();
        let mut at = None;
        let mut status = None;
        let mut values = Vec::with_capacity(self.columns.len());
        for (index, column) in self.columns.iter().enumerate() {
            let cell = Cell::read(reader)?;
            let unchanged = cell == Cell::Null;
            if column.is_clock() && column.index == 0 {
                at = match unchanged {
                    true => before.and_then(|row| later(row.at, self.period_s)),
                    false => cell.date_time(),
                };
                values.push(None);
            } else if column.is_status() {
                status = match unchanged {
                    true => before.and_then(|row| row.status),
                    false => cell.status(),
                };
                values.push(None);
            } else if unchanged {
                values.push(before.and_then(|row| row.values.get(index).cloned().flatten()));
            } else {
                values.push(cell.value(column.scale));
            }
        }
        let at = at.ok_or(RowError::Rule("rows with their time"))?;
        let instant = self.instants.of(at);
        self.rows.push(ProfileRow {
            at,
            instant,
            status,
            values,
            seconds: seconds(at, instant),
        });
        Ok(())
    }
}

fn later(at: DateTime, period_s: u32) -> Option<DateTime> {
    let civil: civil::DateTime = at.civil()?;
    let later = civil.checked_add(SignedDuration::from_secs(period_s.into()));
    Some(DateTime::new(later.ok()?, at.deviation(), at.status()))
}
