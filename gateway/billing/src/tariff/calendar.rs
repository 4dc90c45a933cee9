//! The calendar of a tariff: seasons, day types, weekdays and wall times.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Seconds of a day on the wall clock.
pub const DAY_S: u32 = 86_400;

/// A date of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthDay {
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
}

impl MonthDay {
    fn of(date: Date) -> Self {
        Self {
            month: date.month(),
            day: date.day(),
        }
    }
}

/// One date, or a date of every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// Once.
    Once(Date),
    /// Every year.
    Yearly(MonthDay),
}

/// A part of the year, both ends included; `from` after `to` wraps over New Year.
#[derive(Clone, Debug)]
pub struct Season {
    /// Its name.
    pub name: String,
    /// First day.
    pub from: MonthDay,
    /// Last day.
    pub to: MonthDay,
}

/// A kind of day: by weekday, by date, or both.
#[derive(Clone, Debug)]
pub struct DayType {
    /// Its name.
    pub name: String,
    /// Weekdays that are of it.
    pub days: Vec<Weekday>,
    /// Dates that are of it.
    pub dates: Vec<Dated>,
}

/// The clock and the calendar by which filters are read.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The clock.
    pub zone: TimeZone,
    /// Second of the wall clock at which a tariff day begins.
    pub day_starts_s: u32,
    /// First match counts.
    pub seasons: Vec<Season>,
    /// First match counts; a day that matches none is ordinary.
    pub day_types: Vec<DayType>,
}

/// When something holds. Empty lists do not restrict.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Indices into [`Calendar::seasons`].
    pub seasons: Vec<usize>,
    /// Indices into [`Calendar::day_types`]; `None` is an ordinary day.
    pub day_types: Vec<Option<usize>>,
    /// Weekdays of the tariff day.
    pub days: Vec<Weekday>,
    /// Wall seconds, half-open; an end at or before the start wraps over midnight.
    pub time: Option<(u32, u32)>,
}

impl Calendar {
    /// A calendar without seasons and day types.
    #[must_use]
    pub fn plain(zone: TimeZone) -> Self {
        Self {
            zone,
            day_starts_s: 0,
            seasons: Vec::new(),
            day_types: Vec::new(),
        }
    }

    /// True when the filter holds at an instant.
    #[must_use]
    pub fn matches(&self, filter: &Filter, at: Timestamp) -> bool {
        self.matches_local(filter, self.zone.to_datetime(at))
    }

    fn matches_local(&self, filter: &Filter, local: DateTime) -> bool {
        let second = wall_second(local);
        if let Some((from, to)) = filter.time {
            let within = if from < to {
                second >= from && second < to
            } else {
                second >= from || second < to
            };
            if !within {
                return false;
            }
        }
        let date = if second >= self.day_starts_s {
            local.date()
        } else {
            local.date().checked_sub(1.day()).unwrap_or(local.date())
        };
        (filter.days.is_empty() || filter.days.contains(&date.weekday()))
            && (filter.seasons.is_empty()
                || self
                    .season(date)
                    .is_some_and(|season| filter.seasons.contains(&season)))
            && (filter.day_types.is_empty() || filter.day_types.contains(&self.day_type(date)))
    }

    fn season(&self, date: Date) -> Option<usize> {
        let day = MonthDay::of(date);
        self.seasons.iter().position(|season| {
            if season.from <= season.to {
                season.from <= day && day <= season.to
            } else {
                season.from <= day || day <= season.to
            }
        })
    }

    fn day_type(&self, date: Date) -> Option<usize> {
        self.day_types.iter().position(|kind| {
            let on_date = |dated: &Dated| match dated {
                Dated::Once(once) => *once == date,
                Dated::Yearly(day) => *day == MonthDay::of(date),
            };
            kind.days.contains(&date.weekday()) || kind.dates.iter().any(on_date)
        })
    }
}

impl Filter {
    /// The wall seconds at which it may begin or cease to hold within a day.
    pub(super) fn edges(&self) -> impl Iterator<Item = u32> {
        self.time.into_iter().flat_map(|(from, to)| [from, to])
    }
}

/// Second of the day on the wall clock.
#[must_use]
pub fn wall_second(local: DateTime) -> u32 {
    let time = local.time();
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    u32::try_from(i32::from(hour) * 3600 + i32::from(minute) * 60 + i32::from(second)).unwrap_or(0)
}

/// Every instant in `(from, to)` at which the wall clock of `zone` shows one of `edges` (seconds
/// of the day), or at which the clock is changed. An hour that is skipped has none, one that
/// occurs twice has two. Sorted, without repeats.
#[must_use]
pub fn edge_instants(
    zone: &TimeZone,
    edges: &[u32],
    from: Timestamp,
    to: Timestamp,
) -> Vec<Timestamp> {
    let mut found = Vec::new();
    let first = zone.to_datetime(from).date();
    let last = zone.to_datetime(to).date();
    let mut date = first;
    while date <= last {
        for &second in edges {
            let Some(wall) = wall(date, second) else {
                continue;
            };
            // A wall time that the change skips is passed at the change itself, found below.
            let ambiguous = zone.to_ambiguous_timestamp(wall);
            let both = [ambiguous.earlier(), ambiguous.later()];
            found.extend(
                both.into_iter()
                    .flatten()
                    .filter(|at| zone.to_datetime(*at) == wall),
            );
        }
        let Ok(next) = date.checked_add(1.day()) else {
            break;
        };
        date = next;
    }
    let changes = zone
        .following(from)
        .map(|transition| transition.timestamp());
    found.extend(changes.take_while(|at| *at < to));
    found.retain(|at| from < *at && *at < to);
    found.sort_unstable();
    found.dedup();
    found
}

fn wall(date: Date, second: u32) -> Option<DateTime> {
    let midnight = date.to_datetime(jiff::civil::Time::midnight());
    midnight.checked_add(i64::from(second).seconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn edges_of_days_on_which_the_clock_changes() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let edges = [2 * 3600 + 1800];
        let spring = edge_instants(
            &zone,
            &edges,
            at("2026-03-28T23:00:00Z"),
            at("2026-03-29T22:00:00Z"),
        );
        assert_eq!(spring, [at("2026-03-29T01:00:00Z")], "02:30 is skipped");
        let autumn = edge_instants(
            &zone,
            &edges,
            at("2026-10-24T22:00:00Z"),
            at("2026-10-25T23:00:00Z"),
        );
        assert_eq!(
            autumn,
            [
                at("2026-10-25T00:30:00Z"),
                at("2026-10-25T01:00:00Z"),
                at("2026-10-25T01:30:00Z")
            ]
        );
    }

    #[test]
    fn a_tariff_day_that_begins_at_six() {
        let calendar = Calendar {
            day_starts_s: 6 * 3600,
            ..Calendar::plain(TimeZone::UTC)
        };
        let monday_night = Filter {
            days: vec![Weekday::Monday],
            time: Some((22 * 3600, 6 * 3600)),
            ..Filter::default()
        };
        // 2026-06-01 is a Monday.
        assert!(calendar.matches(&monday_night, at("2026-06-01T22:00:00Z")));
        assert!(calendar.matches(&monday_night, at("2026-06-02T05:59:59Z")));
        assert!(!calendar.matches(&monday_night, at("2026-06-01T05:59:59Z")));
    }

    #[test]
    fn seasons_wrap_and_the_first_day_type_counts() {
        let season = |name: &str, from, to| Season {
            name: name.to_owned(),
            from: MonthDay {
                month: from,
                day: 1,
            },
            to: MonthDay { month: to, day: 30 },
        };
        let calendar = Calendar {
            seasons: vec![season("winter", 11, 4), season("summer", 5, 10)],
            day_types: vec![DayType {
                name: "rest".to_owned(),
                days: vec![Weekday::Sunday],
                dates: vec![Dated::Yearly(MonthDay { month: 12, day: 25 })],
            }],
            ..Calendar::plain(TimeZone::UTC)
        };
        let winter = Filter {
            seasons: vec![0],
            ..Filter::default()
        };
        let ordinary = Filter {
            day_types: vec![None],
            ..Filter::default()
        };
        assert!(calendar.matches(&winter, at("2026-01-10T00:00:00Z")));
        assert!(!calendar.matches(&winter, at("2026-06-10T00:00:00Z")));
        // 2026-12-25 is a Friday.
        assert!(!calendar.matches(&ordinary, at("2026-12-25T12:00:00Z")));
        assert!(calendar.matches(&ordinary, at("2026-12-24T12:00:00Z")));
    }
}
