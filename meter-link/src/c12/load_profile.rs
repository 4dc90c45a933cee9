//! Reads a load profile in a session that is open (C12.19, decade 6): only the rows that are missing.
//!
//! A profile is a ring of blocks, each with the time of its last interval. From the newest block on
//! times are looked at until one is known; from there on blocks are read, oldest first, in as many
//! pieces as answers are long. Table 63 is read again behind a block that may have changed in the
//! meantime, and what changed is read again.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, civil};
use rust_decimal::Decimal;

use super::interpret::{Assignments, Knowledge, Processing};
use super::service::{Request, ResponseCode, table_data};
use super::table::{FIRST_DATA_TABLE, ProfileLayout, ProfileRow as Interval, Table, Tables};
use crate::dlms::client::job::{Column, ProfileRow, ProfileRows, RowInstants, Scale};
use crate::dlms::data::{ClockStatus, DateTime};
use crate::model::{ObisCode, Value};

/// Octets of the longest block that is read.
const MAX_BLOCK: usize = 64 * 1024;
/// Columns that are read.
const MAX_CHANNELS: usize = 64;
/// How often reading begins anew because the meter has gone on.
const PATIENCE: u8 = 5;
/// So much before the last row that is known is looked at again: after a clock was set back, new
/// rows have earlier times than old ones.
const OVERLAP: SignedDuration = SignedDuration::from_hours(3);
/// Channels whose status is told with a row.
const TOLD_CHANNELS: usize = 15;
/// Class and attribute of a register's value.
const REGISTER: (u16, i8) = (3, 2);

/// What is wanted of a load profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Number of its data table, 64 to 67.
    pub table: u16,
    /// The time of the last row that is known; all rows when `None`.
    pub since: Option<DateTime>,
    /// Zone of a meter whose times do not tell their deviation from UTC.
    pub zone: Option<TimeZone>,
    /// From one reading to the next.
    pub period: Duration,
}

impl Config {
    /// All rows of table `table`, every quarter of an hour.
    #[must_use]
    pub const fn new(table: u16) -> Self {
        Self {
            table,
            since: None,
            zone: None,
            period: Duration::from_secs(900),
        }
    }

    /// The logical name under which the rows are told: load profile with recording period 1, and
    /// the place of the table as value group E.
    #[must_use]
    pub fn profile(&self) -> ObisCode {
        let place = self.table.saturating_sub(FIRST_DATA_TABLE);
        ObisCode([1, 0, 99, 1, u8::try_from(place).unwrap_or(u8::MAX), 255])
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Ask this, and take the answer.
    Ask(Request),
    /// These rows are new, oldest first.
    Rows(Box<ProfileRows>),
    /// There is no more.
    Done,
}

#[derive(Clone, Debug)]
enum Step {
    /// Tables that describe the profile are read.
    Describing,
    /// The time of the block of this age is looked at.
    Looking(usize),
    /// The block of this age is read.
    Reading(usize, Vec<u8>),
    /// The block of this age is here; table 63 says whether it has changed.
    Checking(usize, Vec<u8>),
    Finished,
}

/// Reads the missing rows. Call [`ProfileReader::poll`]; after each request the answer.
#[derive(Debug)]
pub struct ProfileReader {
    config: Config,
    assigned: Assignments,
    tables: Tables,
    due: VecDeque<u16>,
    step: Step,
    layout: Option<ProfileLayout>,
    /// Octets of a block.
    size: usize,
    /// The whole table, of a meter that gives no parts of it.
    whole: Option<Vec<u8>>,
    wants_whole: bool,
    last: Option<ProfileRow>,
    /// Rows that are known are passed: what comes now is new.
    caught_up: bool,
    begun_anew: u8,
    asked: Option<Request>,
    failed: Option<String>,
}

impl ProfileReader {
    /// A reader that knows the tables that were read before: 00, and those that say what sources
    /// measure.
    #[must_use]
    pub fn new(config: Config, tables: Tables, assigned: Assignments) -> Self {
        let used = tables.general().map(|general| general.std_tables_used);
        let used = used.unwrap_or_default();
        let due = [52, 53].into_iter().filter(|table| used.contains(table));
        let instants = RowInstants {
            zone: config.zone.clone(),
        };
        Self {
            last: config.since.map(|at| ProfileRow::new(at, None, &instants)),
            due: due.chain([61, 62, 63]).collect(),
            config,
            assigned,
            tables,
            step: Step::Describing,
            layout: None,
            size: 0,
            whole: None,
            wants_whole: false,
            caught_up: false,
            begun_anew: 0,
            asked: None,
            failed: None,
        }
    }

    /// What is to be done next. `max_message` is the longest answer in octets.
    ///
    /// # Errors
    /// The meter refused, or an answer is not understood; in words. It is over then.
    pub fn poll(&mut self, max_message: usize) -> Result<Progress, String> {
        let next = self.next(max_message);
        match &next {
            Ok(Progress::Ask(request)) => self.asked = Some(request.clone()),
            Ok(Progress::Rows(_)) => {}
            Ok(Progress::Done) | Err(_) => self.step = Step::Finished,
        }
        next
    }

    /// Takes the answer to what was asked.
    pub fn answer(&mut self, code: ResponseCode, payload: &[u8]) {
        if let Some(request) = self.asked.take()
            && let Err(reason) = self.take(&request, code, payload)
        {
            self.failed = Some(reason);
        }
    }

    fn next(&mut self, max_message: usize) -> Result<Progress, String> {
        loop {
            if let Some(reason) = self.failed.take() {
                return Err(reason);
            }
            if let Some(table) = self.due.front() {
                return Ok(Progress::Ask(Request::Read { table: *table }));
            }
            if self.wants_whole {
                let table = self.config.table;
                return Ok(Progress::Ask(Request::Read { table }));
            }
            match std::mem::replace(&mut self.step, Step::Finished) {
                Step::Describing => self.described()?,
                Step::Looking(age) => {
                    self.step = Step::Looking(age);
                    let time = self.time_octets()?;
                    match self.part(age, 0, time)? {
                        Ok(octets) => self.looked(age, &octets)?,
                        Err(request) => return Ok(Progress::Ask(request)),
                    }
                }
                Step::Reading(age, octets) if octets.len() >= self.size => {
                    self.step = Step::Checking(age, octets);
                    if self.may_have_changed(age)? {
                        self.due.push_back(63);
                    }
                }
                Step::Reading(age, octets) => {
                    let at = octets.len();
                    // Code, count and checksum of the answer take four octets.
                    let fitting = max_message.saturating_sub(4).clamp(1, 0xFFFF);
                    let part = self.part(age, at, fitting.min(self.size - at))?;
                    self.step = Step::Reading(age, octets);
                    match part {
                        Ok(part) => self.append(&part)?,
                        Err(request) => return Ok(Progress::Ask(request)),
                    }
                }
                Step::Checking(age, octets) => {
                    if let Some(rows) = self.checked(age, octets)? {
                        return Ok(Progress::Rows(Box::new(rows)));
                    }
                }
                Step::Finished => return Ok(Progress::Done),
            }
        }
    }

    fn take(
        &mut self,
        request: &Request,
        code: ResponseCode,
        payload: &[u8],
    ) -> Result<(), String> {
        let table = request.table().unwrap_or_default();
        let is_part = matches!(request, Request::ReadOffset { .. });
        // Not supported, not possible, inappropriate: it gives tables as a whole alone.
        if is_part && matches!(code.0, 0x02 | 0x04 | 0x05) {
            self.wants_whole = true;
            return Ok(());
        }
        if code != ResponseCode::OK {
            return Err(format!("table {table}: {}", code.reason()));
        }
        let data = table_data(payload).map_err(|error| format!("table {table}: {error}"))?;
        if is_part {
            return match self.step {
                Step::Looking(age) => self.looked(age, data),
                _ => self.append(data),
            };
        }
        if self.due.front() == Some(&table) {
            self.due.pop_front();
            self.tables.insert(table, data.to_vec());
        } else {
            self.wants_whole = false;
            self.whole = Some(data.to_vec());
        }
        Ok(())
    }

    fn layout(&self) -> Result<&ProfileLayout, String> {
        self.layout.as_ref().ok_or_else(|| "no layout".to_owned())
    }

    fn time_octets(&self) -> Result<usize, String> {
        let general = self.tables.general().map_err(|error| error.to_string())?;
        let size = general.formats().time.short_size();
        size.ok_or_else(|| "the format of times is not assigned".to_owned())
    }

    /// Part of the block of an age: its octets, or the request for them.
    fn part(
        &self,
        age: usize,
        at: usize,
        count: usize,
    ) -> Result<Result<Vec<u8>, Request>, String> {
        let layout = self.layout()?;
        let offset = layout.status.place(&layout.set, age) * self.size + at;
        if let Some(whole) = &self.whole {
            let part = whole.get(offset..).and_then(|rest| rest.get(..count));
            let part = part.ok_or_else(|| "the table ends within a block".to_owned())?;
            return Ok(Ok(part.to_vec()));
        }
        let fits = u32::try_from(offset)
            .ok()
            .filter(|offset| *offset < 1 << 24);
        Ok(Err(Request::ReadOffset {
            table: self.config.table,
            offset: fits.ok_or_else(|| "the table is longer than can be asked for".to_owned())?,
            count: u16::try_from(count).unwrap_or(u16::MAX),
        }))
    }

    fn append(&mut self, data: &[u8]) -> Result<(), String> {
        let Step::Reading(_, octets) = &mut self.step else {
            return Ok(());
        };
        if data.is_empty() || octets.len() + data.len() > self.size {
            return Err("an answer is not as long as was asked for".to_owned());
        }
        octets.extend_from_slice(data);
        Ok(())
    }

    /// The tables that describe the profile are here: which blocks are wanted?
    fn described(&mut self) -> Result<(), String> {
        let table = self.config.table;
        let layout = self.tables.profile_layout(table);
        let layout = layout.map_err(|error| error.to_string())?;
        let size = self.tables.profile_size(table);
        (self.size, _) = size.map_err(|error| error.to_string())?;
        if self.size > MAX_BLOCK {
            return Err(format!("a block of {} octets", self.size));
        }
        let valid = layout.status.valid_blocks(&layout.set);
        self.layout = Some(layout);
        self.step = match (valid, &self.last) {
            (0, _) => Step::Finished,
            (_, Some(_)) => Step::Looking(0),
            (valid, None) => Step::Reading(valid - 1, Vec::new()),
        };
        Ok(())
    }

    /// The time of a block is here: is it known, or does one look further back?
    fn looked(&mut self, age: usize, octets: &[u8]) -> Result<(), String> {
        let layout = self.layout()?;
        let general = self.tables.general().map_err(|error| error.to_string())?;
        let formats = general.formats();
        let end = formats.time.clock(octets, formats.order);
        let known = self.last.as_ref().and_then(|row| row.at.civil());
        let is_known = match (end, known) {
            (Some(end), Some(known)) => end.saturating_add(OVERLAP) <= known,
            _ => false,
        };
        let oldest = layout.status.valid_blocks(&layout.set).saturating_sub(1);
        self.step = if is_known || age >= oldest {
            Step::Reading(age, Vec::new())
        } else {
            Step::Looking(age + 1)
        };
        Ok(())
    }

    /// The newest block grows, and the oldest of a full ring is where the next one will be.
    fn may_have_changed(&self, age: usize) -> Result<bool, String> {
        let layout = self.layout()?;
        let count = usize::from(layout.set.nbr_blks);
        Ok(self.whole.is_none() && (age == 0 || age + 1 == count))
    }

    /// A block is here and was not touched while it was read; its new rows, if any.
    fn checked(&mut self, age: usize, octets: Vec<u8>) -> Result<Option<ProfileRows>, String> {
        let (table, before) = (self.config.table, self.layout()?.status.clone());
        let now = self.tables.profile_layout(table);
        let now = now.map_err(|error| error.to_string())?.status;
        let grown = age == 0 && now.nbr_valid_int != before.nbr_valid_int;
        if grown || now.last_block_seq_nbr != before.last_block_seq_nbr {
            self.begun_anew += 1;
            if self.begun_anew > PATIENCE {
                return Err("it changes faster than it can be read".to_owned());
            }
            self.step = Step::Describing;
            self.caught_up = false;
            return Ok(None);
        }
        self.step = match age {
            0 => Step::Finished,
            age => Step::Reading(age - 1, Vec::new()),
        };
        self.tables.insert(table, octets);
        let decoded = self.tables.decode(table);
        self.tables.remove(table);
        let Table::ProfileData(data) = decoded.map_err(|error| error.to_string())?.table else {
            return Ok(None);
        };
        let block = data.blocks.first().ok_or("a block without octets")?;
        let intervals = self.layout()?.rows(block, age);
        let mut rows = self.rows(&intervals)?;
        if let Some(last) = self.last.as_ref().filter(|_| !self.caught_up) {
            rows.skip_known(last);
        }
        rows.find_gaps(self.last.as_ref());
        let Some(row) = rows.rows.last() else {
            return Ok(None);
        };
        self.last = Some(row.clone());
        self.caught_up = true;
        Ok(Some(rows))
    }

    fn rows(&self, intervals: &[Interval]) -> Result<ProfileRows, String> {
        let layout = self.layout()?;
        let knowledge = Knowledge::new(&self.tables, &self.assigned);
        let entry = |source, raw| knowledge.entry(source, Processing::Interval, 0, raw, None);
        // A channel without a source is none.
        let channels = layout.control.channels.iter().enumerate();
        let channels = channels.filter_map(|(place, channel)| {
            let entry = entry(channel.lp_source_select, Decimal::ZERO)?;
            Some((place, channel.lp_source_select, entry))
        });
        let channels: Vec<_> = channels.take(MAX_CHANNELS).collect();
        let (class, attribute) = REGISTER;
        let columns = channels.iter().map(|(_, _, entry)| Column {
            class,
            register: entry.register,
            attribute,
            index: 0,
            scale: Scale {
                scaler: 0,
                unit: entry.unit,
            },
        });
        let period_s = 60 * u32::from(layout.set.max_int_time_min);
        let mut rows = ProfileRows::new(self.config.profile(), columns.collect(), period_s);
        let instants = RowInstants {
            zone: self.config.zone.clone(),
        };
        for interval in intervals {
            let end = interval.end.ok_or("a block without its time")?;
            let values = channels.iter().map(|(place, source, _)| {
                let raw = interval.channels.get(*place).copied().flatten()?;
                Some(Value::Number(entry(*source, raw)?.value))
            });
            let at = self.time(end, interval.summer());
            rows.push(ProfileRow::new(at, status(interval), &instants), values);
        }
        Ok(rows)
    }

    /// A time of the device's clock, with its deviation from UTC as far as tables 52 and 53 tell it.
    fn time(&self, at: civil::DateTime, summer: Option<bool>) -> DateTime {
        let Ok(clock) = self.tables.clock() else {
            return DateTime::new(at, None, ClockStatus(0xFF));
        };
        if clock.gmt_flag {
            return DateTime::new(at, Some(0), ClockStatus(0));
        }
        let summer = if clock.dst_applied_flag {
            summer
        } else {
            Some(false)
        };
        let minutes = || {
            let offset = self.tables.time_offset().ok()?;
            let ahead = if summer? {
                i128::from(offset.dst_time_amt_min)
            } else {
                0
            };
            let minutes = offset.time_zone_offset_min + ahead;
            i16::try_from(-minutes)
                .ok()
                .filter(|minutes| minutes.abs() <= 720)
        };
        let deviation = clock.tm_zn_applied_flag.then(minutes).flatten();
        let status = match summer {
            Some(true) => ClockStatus::SUMMER,
            Some(false) => 0,
            None => 0xFF,
        };
        DateTime::new(at, deviation, ClockStatus(status))
    }
}

/// The status word of a row: four bits of common flags, then four for each of the first 15
/// channels; `None` when the device marks nothing.
fn status(interval: &Interval) -> Option<u64> {
    let common = u64::from(interval.common_status?);
    let channels = interval.status.iter().take(TOLD_CHANNELS).zip(1u32..);
    Some(channels.fold(common, |word, (status, place)| {
        word | u64::from(*status) << (4 * place)
    }))
}

#[cfg(test)]
mod tests;
