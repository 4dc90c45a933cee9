//! Spans of UTC time, local days and months.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A half-open span `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
}

impl Span {
    /// The span, or `None` when it would be empty.
    #[must_use]
    pub fn new(start: Timestamp, end: Timestamp) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// Whole seconds; instants of prices and intervals are whole seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.end.as_second() - self.start.as_second()
    }

    /// What both have in common.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// True when the instant lies in it.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    /// Year.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
}

impl Month {
    /// The month of a date.
    #[must_use]
    pub fn of(date: Date) -> Self {
        Self {
            year: date.year(),
            month: date.month(),
        }
    }

    /// The month before.
    #[must_use]
    pub fn before(self) -> Self {
        if self.month > 1 {
            Self {
                month: self.month - 1,
                ..self
            }
        } else {
            Self {
                year: self.year.saturating_sub(1),
                month: 12,
            }
        }
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// The local date of an instant.
#[must_use]
pub fn local_date(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

/// The instant at which a local date begins: local midnight, or the first instant after it where
/// midnight is skipped.
#[must_use]
pub fn day_start(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone())
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// Every local date that a span touches, in order.
#[must_use]
pub fn days_touched(span: &Span, zone: &TimeZone) -> Vec<Date> {
    let last_instant = span
        .end
        .checked_sub(SignedDuration::from_nanos(1))
        .unwrap_or(span.end);
    let (mut date, last) = (local_date(span.start, zone), local_date(last_instant, zone));
    let mut days = Vec::new();
    while date <= last {
        days.push(date);
        let Ok(next) = date.checked_add(1.day()) else {
            break;
        };
        date = next;
    }
    days
}

/// Quarter-hours of a local day: 92, 96 or 100, and 94 or 98 where the clock moves by half an
/// hour (Lord Howe Island).
#[must_use]
pub fn quarter_hours(date: Date, zone: &TimeZone) -> Option<u16> {
    let start = day_start(date, zone)?;
    let end = day_start(date.tomorrow().ok()?, zone)?;
    u16::try_from((end.as_second() - start.as_second()) / 900).ok()
}

/// Reads RFC 3339, seconds optional, any offset or `Z`.
#[must_use]
pub fn instant(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}

/// Reads an ISO 8601 duration of weeks, days, hours, minutes and seconds as seconds. Years and
/// months have no fixed length and are refused unless there are none of them.
#[must_use]
pub fn duration_s(text: &str) -> Option<i64> {
    let mut rest = text.trim().strip_prefix('P')?;
    let mut total: i64 = 0;
    let mut in_time = false;
    let mut parts = 0;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T').filter(|_| !in_time) {
            (rest, in_time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..end)?.parse().ok()?;
        let unit = rest.get(end..)?.chars().next()?;
        let seconds = match (unit, in_time) {
            // OpenLEADR writes P0Y0M0DT1H0M0S.
            ('Y' | 'M', false) if number == 0 => 0,
            ('W', false) => 604_800,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = rest.get(end + 1..)?;
        parts += 1;
    }
    (parts > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_quarter_hours_of_their_zone() {
        for (zone, date, want) in [
            ("Europe/Berlin", "2026-03-29", 92),
            ("Europe/Berlin", "2026-10-25", 100),
            ("Europe/London", "2026-03-29", 92),
            ("Europe/London", "2026-10-25", 100),
            ("America/New_York", "2026-03-08", 92),
            ("America/New_York", "2026-11-01", 100),
            ("Australia/Lord_Howe", "2026-10-04", 94),
            ("Australia/Lord_Howe", "2026-04-05", 98),
            ("Australia/Lord_Howe", "2026-06-01", 96),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(quarter_hours(date.parse().unwrap(), &zone), Some(want));
        }
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("PT15M", Some(900)),
            ("PT1H", Some(3600)),
            ("P1D", Some(86_400)),
            ("P1DT2H30M5S", Some(95_405)),
            ("P1M", None),
            ("P0Y0M0DT1H0M0S", Some(3600)),
            ("P", None),
            ("PT", None),
            ("1H", None),
            ("PT99999999999999999999H", None),
        ] {
            assert_eq!(duration_s(text), want, "{text}");
        }
    }
}
