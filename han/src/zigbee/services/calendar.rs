//! The tariff's calendar (annex D.9): which tier holds when, day by day, for the weeks ahead.

use std::collections::BTreeMap;

use super::prices::cut;
use super::{CALENDAR, Made, number_of};
use crate::value::{Record, Value};

/// Day profiles at most.
const DAYS: usize = 32;
/// Switches of a day at most.
const ENTRIES: usize = 48;
/// Special days at most.
const SPECIALS: usize = 50;
/// Switches of one message, and special days of one, which are not fragmented.
const ENTRIES_AT_ONCE: usize = 10;
const SPECIALS_AT_ONCE: usize = 6;
/// The name has one octet of length and twelve of text.
const NAME: usize = 12;

/// When which tier holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// What the tariff is called; cut to what the message holds.
    pub name: String,
    /// From when on it holds, seconds since 2000 UTC.
    pub start: u32,
    /// The kinds of days: from which minute of the local day which tier holds. The first begins at
    /// minute 0.
    pub days: Vec<Vec<(u16, u8)>>,
    /// The kind of each day of the week from Monday on, by its place among [`Calendar::days`].
    pub week: [usize; 7],
    /// Days that are unlike the others of their weekday: year, month, day, day of the week from
    /// Monday (1), and their kind.
    pub special: Vec<(i16, i8, i8, i8, usize)>,
}

#[derive(Debug, Default)]
pub(super) struct Calendars {
    calendar: Option<Calendar>,
    told: BTreeMap<u64, u32>,
}

type Said = (u8, Record);

impl Calendars {
    pub(super) fn set(&mut self, calendar: Option<Calendar>) {
        let fits = |one: &Calendar| {
            let is_day = |day: &usize| *day < one.days.len();
            one.days.len() <= DAYS
                && one
                    .days
                    .iter()
                    .all(|day| (1..=ENTRIES).contains(&day.len()))
                && one.week.iter().all(is_day)
                && one.special.len() <= SPECIALS
                && one.special.iter().all(|(.., day)| is_day(day))
        };
        self.calendar = calendar.filter(fits);
    }

    pub(super) fn forget(&mut self, ieee: u64) {
        self.told.remove(&ieee);
    }

    /// Everybody is told that there is another calendar; what is in it they ask.
    pub(super) fn pass(&mut self, displays: &[u64]) -> Vec<Made> {
        let Some(calendar) = &self.calendar else {
            return Vec::new();
        };
        let id = id_of(calendar);
        let mut made = Vec::new();
        for ieee in displays {
            if self.told.insert(*ieee, id) != Some(id) {
                made.push(Made {
                    ieee: *ieee,
                    cluster: CALENDAR,
                    command: 0x00,
                    fields: summary(calendar),
                });
            }
        }
        made
    }

    /// The answer to a question; empty where there is nothing to tell, `None` when it is another
    /// question.
    pub(super) fn answer(&self, command: u8, fields: &Record) -> Option<Vec<Said>> {
        if !matches!(command, 0x00 | 0x01 | 0x02 | 0x04) {
            return None;
        }
        let asked = fields.number("issuer_calendar_id");
        let is_meant =
            |one: &&Calendar| command == 0x00 || asked.is_none_or(|id| id == u64::from(id_of(one)));
        let Some(calendar) = self.calendar.as_ref().filter(is_meant) else {
            return Some(Vec::new());
        };
        let number = |name| {
            let number = fields.number(name).unwrap_or(0);
            usize::try_from(number).unwrap_or(0)
        };
        Some(match command {
            0x00 => vec![(0x00, summary(calendar))],
            0x01 => {
                let most = match number("number_of_days") {
                    0 => DAYS,
                    most => most,
                };
                let first = number("start_day_id").max(1);
                let days = (first..=calendar.days.len()).take(most);
                days.flat_map(|day| profile(calendar, day)).collect()
            }
            0x02 => vec![(0x02, week(calendar))],
            _ => special(calendar),
        })
    }
}

fn head(calendar: &Calendar) -> Record {
    let id = Value::Unsigned(id_of(calendar).into());
    Record::new()
        .with("provider_id", Value::Unsigned(1))
        .with("issuer_event_id", id.clone())
        .with("issuer_calendar_id", id)
}

fn summary(calendar: &Calendar) -> Record {
    let name = cut(&calendar.name, NAME).to_owned();
    head(calendar)
        .with("start_time", Value::Unsigned(calendar.start.into()))
        // Of what is delivered, in local time.
        .with("calendar_type", Value::Unsigned(0))
        .with("calendar_time_reference", Value::Unsigned(2))
        .with("calendar_name", Value::Text(name))
        // It holds for the weeks ahead: no season has begun another week by then.
        .with("number_of_seasons", Value::Unsigned(0))
        .with("number_of_week_profiles", Value::Unsigned(1))
        .with(
            "number_of_day_profiles",
            Value::Unsigned(calendar.days.len() as u64),
        )
}

/// A kind of days, by its place from 1.
fn profile(calendar: &Calendar, day: usize) -> Vec<Said> {
    let none = Vec::new();
    let place = day.checked_sub(1);
    let entries = place
        .and_then(|place| calendar.days.get(place))
        .unwrap_or(&none);
    let chunks: Vec<&[(u16, u8)]> = entries.chunks(ENTRIES_AT_ONCE).collect();
    let total = chunks.len() as u64;
    let said = chunks.into_iter().zip(0_u64..).map(|(chunk, index)| {
        let entry = |(minute, tier): &(u16, u8)| {
            let entry = Record::new()
                .with("start_time_min", Value::Unsigned((*minute).into()))
                .with("price_tier", Value::Unsigned((*tier).into()));
            Value::Record(entry)
        };
        let fields = head(calendar)
            .with("day_id", Value::Unsigned(day as u64))
            .with(
                "total_number_of_schedule_entries",
                Value::Unsigned(entries.len() as u64),
            )
            .with("command_index", Value::Unsigned(index))
            .with("total_number_of_commands", Value::Unsigned(total))
            .with("calendar_type", Value::Unsigned(0))
            .with("entries", Value::List(chunk.iter().map(entry).collect()));
        (0x01, fields)
    });
    said.collect()
}

fn week(calendar: &Calendar) -> Record {
    const NAMES: [&str; 7] = [
        "day_id_ref_monday",
        "day_id_ref_tuesday",
        "day_id_ref_wednesday",
        "day_id_ref_thursday",
        "day_id_ref_friday",
        "day_id_ref_saturday",
        "day_id_ref_sunday",
    ];
    let mut week = head(calendar).with("week_id", Value::Unsigned(1));
    for (name, day) in NAMES.iter().zip(calendar.week) {
        week.push(name, Value::Unsigned(day as u64 + 1));
    }
    week
}

fn special(calendar: &Calendar) -> Vec<Said> {
    let days = &calendar.special;
    let chunks: Vec<_> = days.chunks(SPECIALS_AT_ONCE).collect();
    let total = chunks.len() as u64;
    let said = chunks.into_iter().zip(0_u64..).map(|(chunk, index)| {
        let entry = |(year, month, day, weekday, kind): &(i16, i8, i8, i8, usize)| {
            // Years from 1900 on.
            let year = u8::try_from(year.saturating_sub(1900)).unwrap_or(0xFF);
            let number = |value: i8| Value::Unsigned(u8::try_from(value).unwrap_or(0xFF).into());
            let entry = Record::new()
                .with("year", Value::Unsigned(year.into()))
                .with("month", number(*month))
                .with("month_day", number(*day))
                .with("week_day", number(*weekday))
                .with("day_id_ref", Value::Unsigned(*kind as u64 + 1));
            Value::Record(entry)
        };
        let fields = head(calendar)
            .with("start_time", Value::Unsigned(calendar.start.into()))
            .with("calendar_type", Value::Unsigned(0))
            .with(
                "total_number_of_special_days",
                Value::Unsigned(days.len() as u64),
            )
            .with("command_index", Value::Unsigned(index))
            .with("total_number_of_commands", Value::Unsigned(total))
            .with("days", Value::List(chunk.iter().map(entry).collect()));
        (0x04, fields)
    });
    said.collect()
}

/// The number that devices know it by.
fn id_of(calendar: &Calendar) -> u32 {
    let text = format!("{calendar:?}");
    number_of(&[text.as_bytes()])
}
