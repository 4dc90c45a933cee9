//! Billing determinants: what each tariff register gained, from counter readings or intervals and
//! a calendar of tariffs (tariff use case 2 of TR-03109-1).
//!
//! Between two neighbouring counter readings the difference belongs to the tariff that holds at
//! the local time of the first. Over a gap the time of use is not known: the whole difference
//! goes to the calendar's error register, where it has one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::readings::{Reading, SeriesKind, SeriesReadings, SourceTime};
use crate::tariff::Tariff;
use crate::tariff::switching::Switching;
use crate::xml::{self, Element, XmlError};

/// Says which tariff holds at which time.
#[derive(Clone, Debug)]
pub enum TariffCalendar {
    /// A supplier's document.
    Supplier(SupplierCalendar),
    /// Bands of a tariff file, in its zone.
    Bands {
        /// The bands' names and labels.
        names: Vec<(String, String)>,
        /// When they hold.
        switching: Switching,
        /// Whose days count.
        zone: TimeZone,
    },
}

/// The tariff use case of a VDE-AR-E 2418-6 supplier document (`AnalysisProfile`).
#[derive(Clone, Debug, Default)]
pub struct SupplierCalendar {
    /// Tariff number, description and OBIS code (12 hex digits) of each stage.
    pub stages: Vec<(u16, String, String)>,
    /// What holds where nothing else is said.
    pub default_tariff: u16,
    /// Day profiles.
    pub days: Vec<DayProfile>,
    /// Dates with their day profile; the first match counts.
    pub special_days: Vec<SpecialDay>,
    /// First instant and day profiles from Monday to Sunday.
    pub seasons: Vec<(Timestamp, [Option<u16>; 7])>,
}

/// The tariffs of a day.
#[derive(Clone, Debug, Default)]
pub struct DayProfile {
    /// Identifiers by which it is named.
    pub ids: Vec<u16>,
    /// Second of the day and tariff number, in order of time.
    pub entries: Vec<(u32, u16)>,
}

/// A date with a day profile of its own; a part that is `None` matches any.
#[derive(Clone, Copy, Debug)]
pub struct SpecialDay {
    /// The year.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: Option<i8>,
    /// 1 to 31.
    pub day: Option<i8>,
    /// Its day profile.
    pub day_id: u16,
}

impl SpecialDay {
    fn is(&self, date: Date) -> bool {
        self.year.is_none_or(|year| year == date.year())
            && self.month.is_none_or(|month| month == date.month())
            && self.day.is_none_or(|day| day == date.day())
    }
}

/// Why a calendar cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// It is no XML that is read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Something that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value is not what its place asks for.
    #[error("line {line}: {element}: {text:?} is not {expected}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// Where.
        element: String,
        /// What is there.
        text: String,
        /// What should be.
        expected: &'static str,
    },
}

impl SupplierCalendar {
    /// Reads a supplier's document.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn read(text: &str) -> Result<Self, CalendarError> {
        let root = xml::parse(text)?;
        let profile = root
            .find("AnalysisProfile")
            .ok_or(CalendarError::Missing("AnalysisProfile"))?;
        let mut calendar = Self::default();
        for stage in profile.all("TariffStage") {
            let number = parsed(
                stage
                    .child("tariffNumber")
                    .ok_or(CalendarError::Missing("tariffNumber"))?,
            )?;
            let text = |name: &str| stage.text_of(name).unwrap_or_default().to_owned();
            calendar
                .stages
                .push((number, text("description"), text("obisCode")));
        }
        let default = profile
            .child("defaultTariffNumber")
            .ok_or(CalendarError::Missing("defaultTariffNumber"))?;
        calendar.default_tariff = parsed(default)?;
        let triggers = profile
            .all("TariffChangeTrigger")
            .filter_map(|trigger| trigger.child("TimeTrigger"));
        for trigger in triggers {
            calendar.time_trigger(trigger)?;
        }
        calendar.seasons.sort_by_key(|(start, _)| *start);
        Ok(calendar)
    }

    fn time_trigger(&mut self, trigger: &Element) -> Result<(), CalendarError> {
        for day in trigger.all("DayProfile") {
            let ids = day
                .all("dayId")
                .map(parsed)
                .collect::<Result<Vec<u16>, _>>()?;
            let mut entries = Vec::new();
            for entry in day.all("DayTimeProfile") {
                let start = entry
                    .child("startTime")
                    .ok_or(CalendarError::Missing("startTime"))?;
                let part = |name: &str| start.child(name).map_or(Ok(0), parsed::<u32>);
                let second = part("hour")? * 3600 + part("minute")? * 60 + part("second")?;
                let number = entry
                    .child("tariffNumber")
                    .ok_or(CalendarError::Missing("tariffNumber"))?;
                entries.push((second, parsed(number)?));
            }
            entries.sort_by_key(|(second, _)| *second);
            self.days.push(DayProfile { ids, entries });
        }
        for special in trigger.all("SpecialDayProfile") {
            let date = special
                .child("specialDayDate")
                .ok_or(CalendarError::Missing("specialDayDate"))?;
            let part = |name: &str| date.child(name).map(parsed::<i8>).transpose();
            let year = date.child("year").map(parsed::<i16>).transpose()?;
            let day = special
                .child("dayId")
                .ok_or(CalendarError::Missing("dayId"))?;
            self.special_days.push(SpecialDay {
                year,
                month: part("month")?,
                day: part("day_of_month")?,
                day_id: parsed(day)?,
            });
        }
        let weeks: Vec<&Element> = trigger.all("WeekProfile").collect();
        for season in trigger.all("SeasonProfile") {
            let start = season
                .child("seasonStart")
                .ok_or(CalendarError::Missing("seasonStart"))?;
            let at = SourceTime::parse(&start.text)
                .ok_or_else(|| wrong(start, "a time with its offset"))?;
            let name = season.text_of("weekProfileName");
            let named = weeks
                .iter()
                .copied()
                .find(|week| week.text_of("weekProfileName") == name);
            let week = season
                .child("WeekProfile")
                .or(named)
                .ok_or(CalendarError::Missing("WeekProfile"))?;
            let mut days = [None; 7];
            let names = [
                "monday",
                "tuesday",
                "wednesday",
                "thursday",
                "friday",
                "saturday",
                "sunday",
            ];
            for (slot, name) in days.iter_mut().zip(names) {
                *slot = week.child(name).map(parsed).transpose()?;
            }
            self.seasons.push((at.at, days));
        }
        Ok(())
    }

    /// The tariff at an instant that a clock showed as `local`.
    #[must_use]
    pub fn tariff(&self, at: Timestamp, local: DateTime) -> u16 {
        let second = crate::tariff::calendar::wall_second(local);
        let profile = self.day_id(at, local.date());
        let profile = profile.and_then(|id| self.days.iter().find(|day| day.ids.contains(&id)));
        let before = |day: &DayProfile| {
            let holds = day.entries.iter().rev().find(|(start, _)| *start <= second);
            holds.map(|(_, tariff)| *tariff)
        };
        profile.and_then(before).unwrap_or(self.default_tariff)
    }

    fn day_id(&self, at: Timestamp, date: Date) -> Option<u16> {
        if let Some(special) = self.special_days.iter().find(|special| special.is(date)) {
            return Some(special.day_id);
        }
        let (_, week) = self.seasons.iter().rev().find(|(start, _)| *start <= at)?;
        let weekday: Weekday = date.weekday();
        let place = usize::try_from(weekday.to_monday_zero_offset()).ok()?;
        week.get(place).copied().flatten()
    }

    /// The stage whose OBIS value group E is 63.
    fn error_register(&self) -> Option<u16> {
        let is = |code: &str| {
            code.get(8..10)
                .is_some_and(|e| e.eq_ignore_ascii_case("3f"))
        };
        self.stages
            .iter()
            .find(|(_, _, code)| is(code))
            .map(|(number, ..)| *number)
    }
}

impl TariffCalendar {
    /// The bands of a tariff file; `None` for a list of prices, which has no registers.
    #[must_use]
    pub fn of_tariff(tariff: &Tariff) -> Option<Self> {
        let crate::tariff::Energy::Bands(switching) = &tariff.energy else {
            return None;
        };
        Some(Self::Bands {
            names: tariff
                .bands
                .iter()
                .map(|band| (band.name.clone(), band.label.clone()))
                .collect(),
            switching: switching.clone(),
            zone: tariff.zone.clone(),
        })
    }

    fn local(&self, time: SourceTime, zone: Option<&TimeZone>) -> DateTime {
        match (self, zone) {
            (_, Some(zone)) => zone.to_datetime(time.at),
            (Self::Bands { zone, .. }, None) => zone.to_datetime(time.at),
            (Self::Supplier(_), None) => time.local(),
        }
    }

    fn tariff(&self, time: SourceTime, local: DateTime) -> String {
        match self {
            Self::Supplier(calendar) => calendar.tariff(time.at, local).to_string(),
            Self::Bands {
                names, switching, ..
            } => {
                let band = switching.band(time.at).and_then(|band| names.get(band));
                band.map_or_else(|| "none".to_owned(), |(name, _)| name.clone())
            }
        }
    }

    fn error_register(&self) -> Option<String> {
        match self {
            Self::Supplier(calendar) => calendar.error_register().map(|number| number.to_string()),
            Self::Bands { .. } => None,
        }
    }

    /// Name of a tariff for people.
    #[must_use]
    pub fn label(&self, tariff: &str) -> Option<String> {
        match self {
            Self::Supplier(calendar) => {
                let stage = calendar
                    .stages
                    .iter()
                    .find(|(number, ..)| number.to_string() == tariff);
                stage.map(|(_, description, _)| description.clone())
            }
            Self::Bands { names, .. } => names
                .iter()
                .find(|(name, _)| name == tariff)
                .map(|(_, label)| label.clone()),
        }
    }
}

/// What one register comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Determinants {
    /// How many readings.
    pub readings: usize,
    /// First and last of them.
    pub span: Option<(SourceTime, SourceTime)>,
    /// Last minus first, or the sum of the intervals.
    pub total: i128,
    /// Raw units by tariff.
    pub tariffs: BTreeMap<String, i128>,
    /// The same by local day of the first reading.
    pub days: BTreeMap<Date, BTreeMap<String, i128>>,
    /// How often each status word came.
    pub status_counts: BTreeMap<String, usize>,
    /// Neighbours further apart than one interval.
    pub gaps: usize,
}

impl Determinants {
    /// True when the tariffs add up to the total exactly.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.tariffs.values().sum::<i128>() == self.total
    }
}

/// Adds up one series. `zone` says whose local time counts; the calendar's or the source's own
/// when left out.
#[must_use]
pub fn determine(
    calendar: &TariffCalendar,
    one: &SeriesReadings,
    zone: Option<&TimeZone>,
) -> Determinants {
    let readings = &one.readings;
    let mut found = Determinants {
        readings: readings.len(),
        span: readings
            .first()
            .map(|reading| reading.time)
            .zip(readings.last().map(|reading| reading.time)),
        total: 0,
        tariffs: BTreeMap::new(),
        days: BTreeMap::new(),
        status_counts: BTreeMap::new(),
        gaps: 0,
    };
    for status in readings
        .iter()
        .filter_map(|reading| reading.status.as_ref())
    {
        *found.status_counts.entry(status.clone()).or_default() += 1;
    }
    let mut add = |time: SourceTime, amount: i128, gap: bool| {
        let local = calendar.local(time, zone);
        let error = if gap { calendar.error_register() } else { None };
        let tariff = error.unwrap_or_else(|| calendar.tariff(time, local));
        *found.tariffs.entry(tariff.clone()).or_default() += amount;
        *found
            .days
            .entry(local.date())
            .or_default()
            .entry(tariff)
            .or_default() += amount;
        found.gaps += usize::from(gap);
    };
    if one.series.kind == SeriesKind::Interval {
        for reading in readings {
            add(reading.time, i128::from(reading.raw), false);
        }
        found.total = readings.iter().map(|reading| i128::from(reading.raw)).sum();
        return found;
    }
    let step = one
        .series
        .interval_s
        .filter(|step| *step > 0)
        .or_else(|| usual_step(readings));
    for pair in readings.windows(2) {
        let [before, after] = pair else { continue };
        let apart = after.time.at.as_second() - before.time.at.as_second();
        // Half an interval late is late, not missing.
        let gap = step.is_some_and(|step| apart.saturating_mul(2) > step.saturating_mul(3));
        add(
            before.time,
            i128::from(after.raw) - i128::from(before.raw),
            gap,
        );
    }
    if let (Some(first), Some(last)) = (readings.first(), readings.last()) {
        found.total = i128::from(last.raw) - i128::from(first.raw);
    }
    found
}

/// The most frequent distance between neighbours.
fn usual_step(readings: &[Reading]) -> Option<i64> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for pair in readings.windows(2) {
        if let [before, after] = pair {
            *counts
                .entry(after.time.at.as_second() - before.time.at.as_second())
                .or_default() += 1;
        }
    }
    counts.remove(&0);
    counts
        .into_iter()
        .filter(|(step, _)| *step > 0)
        .max_by_key(|(_, count)| *count)
        .map(|(step, _)| step)
}

fn parsed<T: std::str::FromStr>(element: &Element) -> Result<T, CalendarError> {
    element.text.parse().map_err(|_| wrong(element, "a number"))
}

fn wrong(element: &Element, expected: &'static str) -> CalendarError {
    CalendarError::Value {
        line: element.line,
        element: element.name.clone(),
        text: element.text.clone(),
        expected,
    }
}
