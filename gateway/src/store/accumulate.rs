//! Quarter-hours and days out of a cumulative register's readings.
//!
//! The value at a boundary is the reading **nearest** to it, of the last one before and the first
//! one after; nothing is interpolated. It closes one quarter-hour and opens the next, so that the
//! amounts of all quarter-hours add up to what the register gained, whatever was missed between.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use rust_decimal::Decimal;

use super::{QUARTER_S, quarter_start};

/// A reading of the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) value: Decimal,
    pub(super) at: Timestamp,
}

/// A quarter-hour that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClosedInterval {
    pub(super) start_s: i64,
    pub(super) opening: Point,
    pub(super) closing: Point,
    pub(super) complete: bool,
}

/// A local day that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClosedDay {
    pub(super) date: Date,
    pub(super) opening: Decimal,
    pub(super) closing: Decimal,
}

/// What a reading brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) interval: Option<ClosedInterval>,
    pub(super) day: Option<ClosedDay>,
}

/// What is open of a cumulative register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accumulator {
    /// Value that opened the quarter-hour of `last`.
    pub(super) opening: Point,
    /// Value that opened the day of `last`.
    pub(super) day_opening: Decimal,
    /// The newest reading that counts.
    pub(super) last: Point,
}

impl Accumulator {
    /// Begins with a register's first reading.
    pub(super) const fn new(first: Point) -> Self {
        Self {
            opening: first,
            day_opening: first.value,
            last: first,
        }
    }

    /// True when the reading fell below the newest one, which a register of one meter never does.
    pub(super) fn falls(&self, value: Decimal) -> bool {
        value < self.last.value
    }

    /// Takes the next reading, which must not fall. A reading that is not newer than the last one
    /// (the clock was set back) counts for the quarter-hour that is open.
    pub(super) fn add(&mut self, next: Point, zone: &TimeZone) -> Closed {
        let start_s = quarter_start(self.last.at);
        let end_s = start_s + QUARTER_S;
        if next.at.as_second() < end_s {
            self.last = Point {
                value: next.value,
                at: next.at.max(self.last.at),
            };
            return Closed::default();
        }
        let boundary = nearest(self.last, next, end_s);
        let closed = ClosedInterval {
            start_s,
            opening: self.opening,
            closing: boundary,
            complete: is_close(self.opening.at, start_s) && is_close(boundary.at, end_s),
        };
        let date = zone.to_datetime(self.last.at).date();
        let new_date = zone.to_datetime(next.at).date();
        let day = (new_date != date).then(|| {
            let opening = std::mem::replace(&mut self.day_opening, boundary.value);
            ClosedDay {
                date,
                opening,
                closing: boundary.value,
            }
        });
        self.opening = boundary;
        self.last = next;
        Closed {
            interval: Some(closed),
            day,
        }
    }
}

fn nearest(before: Point, after: Point, boundary_s: i64) -> Point {
    if distance(after.at, boundary_s) < distance(before.at, boundary_s) {
        after
    } else {
        before
    }
}

fn distance(at: Timestamp, boundary_s: i64) -> u128 {
    (at.as_microsecond() - boundary_s * 1_000_000)
        .unsigned_abs()
        .into()
}

/// Within a tenth of a quarter-hour: what lies between belongs to the neighbour by at most that.
fn is_close(at: Timestamp, boundary_s: i64) -> bool {
    distance(at, boundary_s) <= 90_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: &str, value: i64) -> Point {
        Point {
            value: Decimal::from(value),
            at: at.parse().unwrap(),
        }
    }

    fn run(
        points: &[Point],
        zone: &TimeZone,
    ) -> (Vec<ClosedInterval>, Vec<ClosedDay>, Accumulator) {
        let mut open = Accumulator::new(points[0]);
        let closed: Vec<Closed> = points[1..]
            .iter()
            .map(|next| open.add(*next, zone))
            .collect();
        let intervals = closed.iter().filter_map(|c| c.interval).collect();
        (
            intervals,
            closed.iter().filter_map(|c| c.day).collect(),
            open,
        )
    }

    #[test]
    fn the_boundary_is_the_nearest_reading() {
        let points = [
            point("2026-11-22T10:00:01Z", 100),
            point("2026-11-22T10:14:10Z", 190),
            point("2026-11-22T10:15:02Z", 200),
            point("2026-11-22T10:30:00Z", 260),
        ];
        let (intervals, _, open) = run(&points, &TimeZone::UTC);
        assert_eq!(intervals[0].closing.value, Decimal::from(200));
        assert!(intervals[0].complete);
        assert_eq!(intervals[1].opening.value, Decimal::from(200));
        assert_eq!(intervals[1].closing.value, Decimal::from(260));
        assert_eq!(open.opening.value, Decimal::from(260));
    }

    #[test]
    fn amounts_add_up_across_a_gap_and_say_so() {
        let points = [
            point("2026-11-22T10:00:00Z", 100),
            point("2026-11-22T10:05:00Z", 150),
            point("2026-11-22T14:10:00Z", 900),
            point("2026-11-22T14:15:00Z", 910),
        ];
        let (intervals, _, open) = run(&points, &TimeZone::UTC);
        assert_eq!(intervals.len(), 2);
        assert!(intervals.iter().all(|i| !i.complete));
        let sum: Decimal = intervals
            .iter()
            .map(|i| i.closing.value - i.opening.value)
            .sum();
        assert_eq!(
            sum + (open.last.value - open.opening.value),
            Decimal::from(810)
        );
    }

    #[test]
    fn days_end_at_local_midnight_on_both_days_of_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (midnight_before, quarters) in
            [("2026-03-28T23:00:00Z", 92), ("2026-10-24T22:00:00Z", 100)]
        {
            let start: Timestamp = midnight_before.parse().unwrap();
            let points: Vec<Point> = (0..=quarters)
                .map(|n| Point {
                    value: Decimal::from(n),
                    at: start + jiff::SignedDuration::from_secs(n * QUARTER_S),
                })
                .collect();
            let (intervals, days, _) = run(&points, &zone);
            assert_eq!(intervals.len(), usize::try_from(quarters).unwrap());
            assert_eq!(days.len(), 1);
            assert_eq!(days[0].closing - days[0].opening, Decimal::from(quarters));
        }
    }

    #[test]
    fn a_clock_set_back_loses_nothing() {
        let points = [
            point("2026-11-22T10:00:00Z", 100),
            point("2026-11-22T10:16:00Z", 200),
            point("2026-11-22T10:02:00Z", 210),
            point("2026-11-22T10:31:00Z", 300),
        ];
        let (intervals, _, open) = run(&points, &TimeZone::UTC);
        assert_eq!(intervals.len(), 2);
        let sum: Decimal = intervals
            .iter()
            .map(|i| i.closing.value - i.opening.value)
            .sum();
        assert_eq!(
            sum + (open.last.value - open.opening.value),
            Decimal::from(200)
        );
    }
}
