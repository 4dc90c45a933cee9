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
/// Values of one answer that are taken: years of quarter-hours with ten columns.
const MAX_VALUES: usize = 2_000_000;
/// Rows for which there is room before the first has come.
const FEW: usize = 1_024;

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
    seconds: Option<i64>,
}

impl ProfileRow {
    /// A row of a meter that is no DLMS meter.
    #[must_use]
    pub fn new(at: DateTime, status: Option<u64>, instants: &RowInstants) -> Self {
        let instant = instants.of(at);
        Self {
            at,
            instant,
            status,
            seconds: seconds(at, instant),
        }
    }

    /// A row of which only the time is known.
    pub(super) fn known(at: DateTime) -> Self {
        Self {
            at,
            instant: None,
            status: None,
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
    /// Their values, row after row: those of thousands of rows are one piece of memory.
    pub(super) values: Vec<Option<Value>>,
    /// Where rows do not follow each other by one period.
    pub gaps: Vec<Gap>,
}

impl ProfileRows {
    /// No rows of a profile with these columns.
    #[must_use]
    pub const fn new(profile: ObisCode, columns: Vec<Column>, period_s: u32) -> Self {
        Self {
            profile,
            columns,
            period_s,
            rows: Vec::new(),
            values: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Adds a row with a value for each column; missing ones are not there, more are left out.
    pub fn push(&mut self, row: ProfileRow, values: impl IntoIterator<Item = Option<Value>>) {
        self.rows.push(row);
        let filled = values.into_iter().chain(std::iter::repeat(None));
        self.values.extend(filled.take(self.columns.len()));
    }

    /// Each row with the values of its columns, scaled; `None` for the clock, the status and what
    /// is not there.
    pub fn iter(&self) -> impl Iterator<Item = (&ProfileRow, &[Option<Value>])> {
        let values = self.values.chunks(self.columns.len().max(1));
        self.rows.iter().zip(values)
    }

    /// Drops what is known: up to and with the last row that is, or everything before its time
    /// when the meter has it no more.
    pub(crate) fn skip_known(&mut self, last: &ProfileRow) {
        let same = |row: &ProfileRow| row.at.0 == last.at.0;
        if let Some(place) = self.rows.iter().position(same) {
            self.rows.drain(..=place);
            self.values.drain(..(place + 1) * self.columns.len());
        } else if let Some(known) = last.seconds {
            let later = |row: &ProfileRow| row.seconds.is_some_and(|seconds| seconds > known);
            let kept: Vec<bool> = self.rows.iter().map(later).collect();
            let width = self.columns.len();
            let of_row = kept
                .iter()
                .flat_map(|kept| std::iter::repeat_n(*kept, width));
            let mut of_row = of_row.collect::<Vec<_>>().into_iter();
            self.values.retain(|_| of_row.next().unwrap_or(false));
            self.rows.retain(later);
        }
    }

    pub(crate) fn find_gaps(&mut self, last: Option<&ProfileRow>) {
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

/// What is needed to read rows.
pub(super) struct Layout<'a> {
    pub(super) columns: &'a [Column],
    pub(super) period_s: u32,
    pub(super) instants: &'a RowInstants,
}

/// Reads the rows of an encoded array, while it comes or when it has. What a meter leaves out
/// (null-data) is the value of the row before, and a time one period later.
#[derive(Debug, Default)]
pub(super) struct Reading {
    rows: Vec<ProfileRow>,
    /// Of all rows, one after the other.
    values: Vec<Option<Value>>,
    /// How far the octets are read.
    at: usize,
    /// Rows that are still to come, once that is known.
    left: Option<usize>,
    /// The last row that was taken away, and its values.
    above: Option<(ProfileRow, Vec<Option<Value>>)>,
    day: Option<Day>,
}

/// A day whose midnight is known: the next rows are of the same.
#[derive(Debug)]
struct Day {
    /// Date and deviation as sent.
    sent: ([u8; 4], [u8; 2]),
    midnight: Timestamp,
}

impl Reading {
    /// How far the octets are read.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Rows that were read and not taken away.
    pub(super) fn rows(&self) -> &[ProfileRow] {
        &self.rows
    }

    /// Reads on in what has come so far. Rows that were whole are kept when the rest is an error.
    pub(super) fn read(&mut self, layout: &Layout<'_>, octets: &[u8]) -> Result<(), RowError> {
        let mut reader = Reader::new(octets);
        reader.take(self.at)?;
        let left = match self.left {
            Some(left) => left,
            None => self.begin(layout, &mut reader)?,
        };
        for left in (0..left).rev() {
            let values = self.values.len();
            self.row(layout, &mut reader)
                .inspect_err(|_| self.values.truncate(values))?;
            self.at = reader.at();
            self.left = Some(left);
        }
        Ok(())
    }

    /// Takes the rows that were read away, and their values.
    pub(super) fn take(&mut self) -> (Vec<ProfileRow>, Vec<Option<Value>>) {
        if let Some(row) = self.rows.last() {
            let start = self.values.len() - self.values.len() / self.rows.len();
            let values = self.values.get(start..).unwrap_or_default();
            self.above = Some((row.clone(), values.to_vec()));
        }
        (
            std::mem::take(&mut self.rows),
            std::mem::take(&mut self.values),
        )
    }

    /// Reads how many rows there are.
    fn begin(&mut self, layout: &Layout<'_>, reader: &mut Reader<'_>) -> Result<usize, RowError> {
        if reader.u8()? != ARRAY {
            return Err(RowError::Rule("rows"));
        }
        let count = reader.length()?;
        // A row holds its time, instant and status beside its values.
        if count.saturating_mul(layout.columns.len() + 3) > MAX_VALUES {
            return Err(RowError::Rule("at most two million values at once"));
        }
        let few = count.min(FEW);
        self.rows.reserve(few);
        self.values.reserve(few * layout.columns.len());
        self.at = reader.at();
        self.left = Some(count);
        Ok(count)
    }

    fn row(&mut self, layout: &Layout<'_>, reader: &mut Reader<'_>) -> Result<(), RowError> {
        const RULE: RowError =
            RowError::Rule("rows with as many values as there are captured objects");
        let columns = layout.columns;
        if !matches!(reader.u8()?, ARRAY | STRUCTURE) || reader.length()? != columns.len() {
            return Err(RULE);
        }
        let above = self.above.as_ref();
        let before = self.rows.last().or(above.map(|(row, _)| row));
        let mut at = None;
        let mut status = None;
        for (index, column) in columns.iter().enumerate() {
            let cell = Cell::read(reader)?;
            let unchanged = cell == Cell::Null;
            if column.is_clock() && column.index == 0 {
                at = match unchanged {
                    true => before.and_then(|row| later(row.at, layout.period_s)),
                    false => cell.date_time(),
                };
                self.values.push(None);
            } else if column.is_status() {
                status = match unchanged {
                    true => before.and_then(|row| row.status),
                    false => cell.status(),
                };
                self.values.push(None);
            } else if unchanged {
                let before = match self.values.len().checked_sub(columns.len()) {
                    Some(place) => self.values.get(place),
                    None => above.and_then(|(_, values)| values.get(index)),
                };
                self.values.push(before.cloned().flatten());
            } else {
                self.values.push(cell.value(column.scale));
            }
        }
        let at = at.ok_or(RowError::Rule("rows with their time"))?;
        let instant = self.instant(at, layout.instants);
        self.rows.push(ProfileRow {
            at,
            instant,
            status,
            seconds: seconds(at, instant),
        });
        Ok(())
    }

    /// As [`RowInstants::of`], with a look at the calendar once a day.
    fn instant(&mut self, at: DateTime, instants: &RowInstants) -> Option<Timestamp> {
        let DateTime([y1, y0, month, day, _, hour, minute, second, _, d1, d0, _]) = at;
        let sent = ([y1, y0, month, day], [d1, d0]);
        if at.deviation().is_none() || hour > 23 || minute > 59 || second > 59 {
            return instants.of(at);
        }
        let known = self.day.take().filter(|day| day.sent == sent);
        let day = known.or_else(|| {
            let mut midnight = at;
            let [_, _, _, _, _, hour, minute, second, ..] = &mut midnight.0;
            (*hour, *minute, *second) = (0, 0, 0);
            let midnight = instants.of(midnight)?;
            Some(Day { sent, midnight })
        });
        self.day = day;
        let seconds = 3_600 * i64::from(hour) + 60 * i64::from(minute) + i64::from(second);
        let midnight = self.day.as_ref()?.midnight;
        Timestamp::from_second(midnight.as_second() + seconds).ok()
    }
}

fn later(at: DateTime, period_s: u32) -> Option<DateTime> {
    let civil: civil::DateTime = at.civil()?;
    let later = civil.checked_add(SignedDuration::from_secs(period_s.into()));
    Some(DateTime::new(later.ok()?, at.deviation(), at.status()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlms::data::{ClockStatus, Data};
    use crate::model::ObisCode;

    #[test]
    fn a_known_day_gives_the_same_instants() {
        let instants = RowInstants::default();
        let mut reading = Reading::default();
        let status = ClockStatus(0);
        for (civil, deviation) in [
            ("2026-03-29T01:45:00", Some(-60)),
            ("2026-03-29T03:00:00", Some(-120)),
            ("2026-03-29T23:59:59", Some(-120)),
            ("2026-03-30T00:00:00", Some(-120)),
            ("2026-03-29T03:00:00", Some(-60)),
            ("2026-03-30T00:00:00", None),
            ("2026-03-30T00:15:00", Some(720)),
        ] {
            let at = DateTime::new(civil.parse().unwrap(), deviation, status);
            assert_eq!(reading.instant(at, &instants), instants.of(at), "{civil}");
            let mut odd = at;
            odd.0[5] = 24;
            assert_eq!(reading.instant(odd, &instants), None);
        }
    }

    fn columns() -> [Column; 2] {
        let column = |class, register| Column {
            class,
            register,
            attribute: 2,
            index: 0,
            scale: crate::dlms::client::job::Scale::default(),
        };
        let clock = column(8, ObisCode([0, 0, 1, 0, 0, 255]));
        [clock, column(3, ObisCode::ACTIVE_ENERGY_IMPORT)]
    }

    /// Read piece by piece, and taken away in portions, rows are those of the whole.
    #[test]
    fn rows_while_they_come() {
        let columns = columns();
        let layout = Layout {
            columns: &columns,
            period_s: 900,
            instants: &RowInstants::default(),
        };
        let midnight: civil::DateTime = "2026-11-01T00:00:00".parse().unwrap();
        let rows = (0..100u8).map(|row| {
            let at = midnight + SignedDuration::from_mins(15 * i64::from(row));
            let at = DateTime::new(at, Some(-60), ClockStatus(0));
            let time = match row % 3 {
                1 => Data::Null,
                _ => Data::OctetString(at.0.to_vec()),
            };
            Data::Structure(vec![time, Data::Uint8(row)])
        });
        let octets = Data::Array(rows.collect()).to_vec();
        let mut whole = Reading::default();
        assert!(whole.read(&layout, &octets).is_ok());
        let whole = whole.take();
        assert_eq!((whole.0.len(), whole.1.len()), (100, 200));
        let mut reading = Reading::default();
        let mut taken = (Vec::new(), Vec::new());
        for length in 0..=octets.len() {
            let read = reading.read(&layout, &octets[..length]);
            assert_eq!(read.is_ok(), length == octets.len());
            if length % 17 == 0 || read.is_ok() {
                let (rows, values) = reading.take();
                taken.0.extend(rows);
                taken.1.extend(values);
            }
        }
        assert_eq!(taken, whole);
    }

    #[test]
    fn announced_rows_are_bounded() {
        let columns = columns();
        let layout = Layout {
            columns: &columns,
            period_s: 900,
            instants: &RowInstants::default(),
        };
        let mut reading = Reading::default();
        let announced = [1, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 2];
        let error = reading.read(&layout, &announced);
        assert!(matches!(error, Err(RowError::Rule(_))));
        assert_eq!(reading.rows.capacity(), 0);
    }
}
