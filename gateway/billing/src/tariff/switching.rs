//! Which band holds when: rules of a tariff file, a matrix of hours, or a switching table.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::calendar::{Calendar, DAY_S, Filter, edge_instants, wall_second};
use crate::time::Span;

/// A stretch of time with one band; `band` is an index into the tariff's bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When.
    pub span: Span,
    /// Which band.
    pub band: usize,
}

/// Which band holds when.
#[derive(Clone, Debug)]
pub enum Switching {
    /// Filters, the first match counts.
    Rules(Rules),
    /// Hours of the local wall clock by month, as the URDB states them.
    Hours(HourMatrix, TimeZone),
    /// Day, week and season profiles with special days, as meters keep them.
    Table(SwitchingTable),
}

/// Filters with the band they name.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How the filters are read.
    pub calendar: Calendar,
    /// Band and filter, the first match counts.
    pub rules: Vec<(usize, Filter)>,
    /// Announced events; the first that holds replaces the band.
    pub events: Vec<Stretch>,
}

/// Index of a rate period by month and hour, for workdays and for Saturday and Sunday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourMatrix {
    /// Monday to Friday: 12 months of 24 hours.
    pub weekday: Vec<Vec<usize>>,
    /// Saturday and Sunday.
    pub weekend: Vec<Vec<usize>>,
}

/// A table as DLMS activity calendars (class 20) and SMETS meters have it.
#[derive(Clone, Debug)]
pub struct SwitchingTable {
    /// The meter's clock.
    pub zone: TimeZone,
    /// Entries of each day profile: second of the day and band, in order of time. An entry holds
    /// until the next one; before the first one of a day the day before goes on.
    pub days: Vec<Vec<(u32, usize)>>,
    /// Day profiles (indices into `days`) from Monday to Sunday.
    pub weeks: Vec<[usize; 7]>,
    /// Start date and week profile (index into `weeks`).
    pub seasons: Vec<(TableDate, usize)>,
    /// Date and day profile; the first match counts, before the week.
    pub special_days: Vec<(TableDate, usize)>,
}

/// A date of a switching table; without a year it is every year's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDate {
    /// The year, if it is one year's.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

impl Switching {
    /// The same with other bands: `places` has the new index of each old one.
    #[must_use]
    pub(super) fn renumbered(mut self, places: &[usize]) -> Self {
        let new = |band: &mut usize| *band = places.get(*band).copied().unwrap_or(*band);
        match &mut self {
            Self::Rules(rules) => {
                rules.rules.iter_mut().for_each(|(band, _)| new(band));
                rules
                    .events
                    .iter_mut()
                    .for_each(|event| new(&mut event.band));
            }
            Self::Hours(matrix, _) => {
                let periods = matrix.weekday.iter_mut().chain(&mut matrix.weekend);
                periods.flatten().for_each(new);
            }
            Self::Table(table) => {
                let entries = table.days.iter_mut().flatten();
                entries.for_each(|(_, band)| new(band));
            }
        }
        self
    }

    /// The band at an instant.
    #[must_use]
    pub fn band(&self, at: Timestamp) -> Option<usize> {
        match self {
            Self::Rules(rules) => rules.band(at),
            Self::Hours(matrix, zone) => matrix.period(zone, at),
            Self::Table(table) => table.band(at),
        }
    }

    /// The stretches of one band within a span, in order; where none holds there is none.
    #[must_use]
    pub fn stretches(&self, span: &Span) -> Vec<Stretch> {
        let mut edges: Vec<u32> = match self {
            Self::Rules(rules) => {
                let filters = rules.rules.iter().flat_map(|(_, filter)| filter.edges());
                filters.chain([rules.calendar.day_starts_s]).collect()
            }
            Self::Hours(..) => (0..24).map(|hour| hour * 3600).collect(),
            Self::Table(table) => table
                .days
                .iter()
                .flatten()
                .map(|(second, _)| *second)
                .collect(),
        };
        edges.push(0);
        edges.retain(|second| *second < DAY_S);
        edges.sort_unstable();
        edges.dedup();
        let mut instants = edge_instants(self.zone(), &edges, span.start, span.end);
        if let Self::Rules(rules) = self {
            let ends = rules
                .events
                .iter()
                .flat_map(|event| [event.span.start, event.span.end]);
            instants.extend(ends.filter(|at| span.start < *at && *at < span.end));
            instants.sort_unstable();
            instants.dedup();
        }
        let starts = [span.start].into_iter().chain(instants.iter().copied());
        let ends = instants.iter().copied().chain([span.end]);
        let mut found: Vec<Stretch> = Vec::new();
        for (start, end) in starts.zip(ends) {
            let (Some(span), Some(band)) = (Span::new(start, end), self.band(start)) else {
                continue;
            };
            match found
                .last_mut()
                .filter(|last| last.band == band && last.span.end == start)
            {
                Some(last) => last.span.end = end,
                None => found.push(Stretch { span, band }),
            }
        }
        found
    }

    fn zone(&self) -> &TimeZone {
        match self {
            Self::Rules(rules) => &rules.calendar.zone,
            Self::Hours(_, zone) => zone,
            Self::Table(table) => &table.zone,
        }
    }
}

impl Rules {
    fn band(&self, at: Timestamp) -> Option<usize> {
        if let Some(event) = self.events.iter().find(|event| event.span.holds(at)) {
            return Some(event.band);
        }
        let matching = self
            .rules
            .iter()
            .find(|(_, filter)| self.calendar.matches(filter, at));
        matching.map(|(band, _)| *band)
    }
}

impl HourMatrix {
    /// The rate period at an instant, by the wall clock of `zone`.
    #[must_use]
    pub fn period(&self, zone: &TimeZone, at: Timestamp) -> Option<usize> {
        let local = zone.to_datetime(at);
        let rest = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        let matrix = if rest { &self.weekend } else { &self.weekday };
        let month = usize::try_from(local.month()).ok()?.checked_sub(1)?;
        let hour = usize::try_from(local.hour()).ok()?;
        matrix.get(month)?.get(hour).copied()
    }
}

impl TableDate {
    fn is(self, date: Date) -> bool {
        self.year.is_none_or(|year| year == date.year())
            && (self.month, self.day) == (date.month(), date.day())
    }

    /// The newest such date on or before `date`.
    fn latest(self, date: Date) -> Option<Date> {
        let years = match self.year {
            Some(year) => [year, year],
            None => [date.year(), date.year().checked_sub(1)?],
        };
        let dates = years
            .into_iter()
            .filter_map(|year| Date::new(year, self.month, self.day).ok());
        dates.filter(|start| *start <= date).max()
    }
}

/// How many days a table may say nothing before the band is taken for unknown.
const LOOK_BACK_DAYS: usize = 400;

impl SwitchingTable {
    fn band(&self, at: Timestamp) -> Option<usize> {
        let local = self.zone.to_datetime(at);
        let second = wall_second(local);
        let mut date = local.date();
        let today = self
            .profile(date)?
            .iter()
            .rev()
            .find(|(start, _)| *start <= second);
        if let Some((_, band)) = today {
            return Some(*band);
        }
        for _ in 0..LOOK_BACK_DAYS {
            date = date.checked_sub(1.day()).ok()?;
            if let Some((_, band)) = self.profile(date)?.last() {
                return Some(*band);
            }
        }
        None
    }

    fn profile(&self, date: Date) -> Option<&[(u32, usize)]> {
        let special = self.special_days.iter().find(|(day, _)| day.is(date));
        let day = match special {
            Some((_, day)) => *day,
            None => {
                let latest =
                    |(start, week): &(TableDate, usize)| Some((start.latest(date)?, *week));
                let (_, week) = self
                    .seasons
                    .iter()
                    .filter_map(latest)
                    .max_by_key(|(start, _)| *start)?;
                let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).ok()?;
                *self.weeks.get(week)?.get(weekday)?
            }
        };
        self.days.get(day).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn table() -> SwitchingTable {
        let every = |month, day| TableDate {
            year: None,
            month,
            day,
        };
        SwitchingTable {
            zone: TimeZone::UTC,
            days: vec![
                vec![(5 * 3600, 0), (21 * 3600, 1)],
                vec![(8 * 3600, 2)],
                vec![],
            ],
            weeks: vec![[0, 0, 0, 0, 0, 1, 2]],
            seasons: vec![(every(4, 1), 0)],
            special_days: vec![(every(5, 4), 1)],
        }
    }

    #[test]
    fn an_entry_holds_until_the_next_one_even_over_days() {
        let table = Switching::Table(table());
        // 2026-05-02 is a Saturday, the Sunday after it has no entry at all.
        for (when, want) in [
            ("2026-05-01T06:00:00Z", 0),
            ("2026-05-02T07:59:59Z", 1),
            ("2026-05-02T08:00:00Z", 2),
            ("2026-05-03T12:00:00Z", 2),
            ("2026-05-04T09:00:00Z", 2),
            ("2026-05-05T04:00:00Z", 2),
            ("2026-01-05T06:00:00Z", 0),
        ] {
            assert_eq!(table.band(at(when)), Some(want), "{when}");
        }
    }

    #[test]
    fn stretches_cover_a_span_without_overlap() {
        let table = Switching::Table(table());
        let span = Span::new(at("2026-05-01T00:00:00Z"), at("2026-05-06T00:00:00Z")).unwrap();
        let stretches = table.stretches(&span);
        assert_eq!(stretches.first().unwrap().span.start, span.start);
        assert_eq!(stretches.last().unwrap().span.end, span.end);
        for pair in stretches.windows(2) {
            assert_eq!(pair[0].span.end, pair[1].span.start);
            assert_ne!(pair[0].band, pair[1].band);
        }
        assert_eq!(stretches.len(), 6);
    }
}
