//! Load forecast for the next days from the household's own history.
//!
//! For each coming slot the same time of day of earlier days is weighed: recent days more than
//! older ones, the same weekday more than another day of its kind (workday or weekend), and, where
//! there is history for it, the same fortnight of last year. Out of these come a mean (what energy
//! to expect), a median (what the slot usually shows) and a range. A level factor carries on what
//! the last days used above or below their own forecast.
//!
//! Statistics, not metering: these are floats, and nothing here ever becomes a reading.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Days of history that count.
const DAYS: i64 = 42;
/// After so many days a day counts half.
const HALF_LIFE_DAYS: f64 = 14.0;
/// Weight of the same weekday, and of a day of the same kind, against any other.
const SAME_WEEKDAY: f64 = 4.0;
const SAME_KIND: f64 = 2.0;
/// A forecast needs so many earlier days.
const LEAST_DAYS: usize = 3;
/// The level of the last days moves the forecast by at most this factor.
const LEVEL: std::ops::RangeInclusive<f64> = 0.7..=1.4;

/// Energy of past slots.
#[derive(Clone, Debug)]
pub struct History {
    step_s: i64,
    zone: TimeZone,
    /// Wh by start of the slot, seconds since 1970.
    slots: BTreeMap<i64, f64>,
}

/// What a coming slot is expected to use, in Wh.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Start of the slot.
    pub start: Timestamp,
    /// Mean: adds up to the energy to expect.
    pub mean_wh: f64,
    /// Median: what the slot usually shows.
    pub median_wh: f64,
    /// One in ten such slots used less.
    pub low_wh: f64,
    /// One in ten such slots used more.
    pub high_wh: f64,
}

impl History {
    /// An empty history of slots of `step_s` seconds (at least a minute).
    #[must_use]
    pub fn new(step_s: i64, zone: TimeZone) -> Self {
        Self {
            step_s: step_s.max(60),
            zone,
            slots: BTreeMap::new(),
        }
    }

    /// Adds a slot that was metered.
    pub fn add(&mut self, start: Timestamp, wh: f64) {
        if wh.is_finite() {
            self.slots.insert(start.as_second(), wh);
        }
    }

    /// What was metered in a slot.
    #[must_use]
    pub fn metered(&self, start: Timestamp) -> Option<f64> {
        self.slots.get(&start.as_second()).copied()
    }

    /// What the same slot showed a week before: the forecast that others are measured against.
    #[must_use]
    pub fn week_before(&self, start: Timestamp) -> Option<f64> {
        self.same_clock(start, 7)
    }

    /// Slots from `from` on; one without enough history is left out. Only what lies before `from`
    /// is looked at.
    #[must_use]
    pub fn forecast(&self, from: Timestamp, slots: usize) -> Vec<Expected> {
        let level = self.level(from);
        let starts = (0_i64..).take(slots).filter_map(|n| {
            from.checked_add(SignedDuration::from_secs(n * self.step_s))
                .ok()
        });
        starts
            .filter_map(|start| self.expected(start, from, level))
            .collect()
    }

    fn expected(&self, start: Timestamp, known_until: Timestamp, level: f64) -> Option<Expected> {
        let mut samples = self.samples(start, known_until);
        if samples.len() < LEAST_DAYS {
            return None;
        }
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = samples.iter().map(|(_, weight)| weight).sum();
        let mean = samples.iter().map(|(wh, weight)| wh * weight).sum::<f64>() / total;
        let quantile = |share: f64| {
            let mut reached = 0.0;
            let found = samples.iter().find(|(_, weight)| {
                reached += weight;
                reached >= share * total
            });
            found.or(samples.last()).map_or(mean, |(wh, _)| *wh)
        };
        Some(Expected {
            start,
            mean_wh: mean * level,
            median_wh: quantile(0.5) * level,
            low_wh: quantile(0.1),
            high_wh: quantile(0.9),
        })
    }

    /// Earlier slots of the same time of day with their weights.
    fn samples(&self, start: Timestamp, known_until: Timestamp) -> Vec<(f64, f64)> {
        let date = self.zone.to_datetime(start).date();
        let mut found = Vec::new();
        let last_year = 364 - 7..=364 + 7;
        for days in (1..=DAYS).chain(last_year) {
            let Some((then, wh)) = self.same_clock_slot(start, days) else {
                continue;
            };
            if then >= known_until.as_second() {
                continue;
            }
            let Ok(day) = date.checked_sub(days.days()) else {
                continue;
            };
            // Last year counts like a month ago.
            let age = if days > DAYS {
                30.0
            } else {
                f64::from(i32::try_from(days).unwrap_or(i32::MAX))
            };
            let kind = if day.weekday() == date.weekday() {
                SAME_WEEKDAY
            } else if is_weekend(day) == is_weekend(date) {
                SAME_KIND
            } else {
                1.0
            };
            found.push((wh, kind * 0.5_f64.powf(age / HALF_LIFE_DAYS)));
        }
        found
    }

    /// Use of the last two days against what had been expected of them.
    fn level(&self, from: Timestamp) -> f64 {
        let (mut used, mut expected) = (0.0, 0.0);
        let steps = 2 * 86_400 / self.step_s;
        for back in 1..=steps {
            let Ok(start) = from.checked_sub(SignedDuration::from_secs(back * self.step_s)) else {
                continue;
            };
            let Some(wh) = self.metered(start) else {
                continue;
            };
            let Some(before) = self.expected(start, start, 1.0) else {
                continue;
            };
            used += wh;
            expected += before.mean_wh;
        }
        if expected <= 0.0 {
            return 1.0;
        }
        // Half of the difference: a day above the mean is often followed by one that is not.
        let level = 1.0 + 0.5 * (used / expected - 1.0);
        level.clamp(*LEVEL.start(), *LEVEL.end())
    }

    fn same_clock(&self, start: Timestamp, days: i64) -> Option<f64> {
        self.same_clock_slot(start, days).map(|(_, wh)| wh)
    }

    /// The slot of the same wall time so many days before.
    fn same_clock_slot(&self, start: Timestamp, days: i64) -> Option<(i64, f64)> {
        let then = start
            .to_zoned(self.zone.clone())
            .checked_sub(days.days())
            .ok()?
            .timestamp()
            .as_second();
        self.slots.get(&then).map(|wh| (then, *wh))
    }
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        // 2026-03-02 is a Monday.
        Timestamp::from_second(1_772_409_600 + hours * 3600).unwrap()
    }

    #[test]
    fn a_household_that_repeats_itself_is_forecast_exactly() {
        let mut history = History::new(3600, TimeZone::UTC);
        let wh = |hour: i64| f64::from(i32::try_from(hour % 24).unwrap()) * 10.0;
        for hour in 0..24 * 21 {
            history.add(at(hour), wh(hour));
        }
        let expected = history.forecast(at(24 * 21), 48);
        assert_eq!(expected.len(), 48);
        for (slot, hour) in expected.iter().zip(24 * 21..) {
            for value in [slot.mean_wh, slot.median_wh, slot.low_wh, slot.high_wh] {
                assert!((value - wh(hour)).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn nothing_is_forecast_out_of_nothing() {
        let mut history = History::new(3600, TimeZone::UTC);
        assert!(history.forecast(at(0), 24).is_empty());
        for hour in 0..48 {
            history.add(at(hour), 1.0);
        }
        assert!(history.forecast(at(48), 24).is_empty());
    }

    #[test]
    fn what_comes_later_is_not_looked_at() {
        let mut history = History::new(3600, TimeZone::UTC);
        for hour in 0..24 * 10 {
            history.add(at(hour), if hour < 24 * 5 { 1.0 } else { 100.0 });
        }
        let forecast = history.forecast(at(24 * 5), 48);
        assert!(
            forecast
                .iter()
                .all(|slot| (slot.mean_wh - 1.0).abs() < 1e-9)
        );
    }
}
