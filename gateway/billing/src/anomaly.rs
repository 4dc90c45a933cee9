//! Notes about what is unusual, each with its evidence.
//!
//! Integers in, words and numbers out; a note is a reason to look, never a reading.

use jiff::{SignedDuration, Timestamp};

use crate::time::Span;

/// Something unusual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Water ran through every hour of so many nights.
    NightFlow {
        /// Nights in a row.
        nights: usize,
        /// Least flow of an hour in them, litres.
        litres_per_hour: i64,
        /// From the first to the last of them.
        span: Span,
    },
    /// The power that is always drawn has risen.
    BaseLoadRisen {
        /// Mean of the nights before, W.
        before_w: i64,
        /// Mean of the last nights, W.
        now_w: i64,
        /// The nights that are "now".
        span: Span,
    },
    /// A heat pump starts too often.
    ShortCycling {
        /// Starts.
        starts: usize,
        /// Mean run in seconds.
        mean_run_s: i64,
        /// When.
        span: Span,
    },
    /// Nothing was heard of a meter.
    MeterSilent {
        /// Last message.
        since: Timestamp,
        /// Usual distance of messages in seconds.
        usual_s: i64,
    },
}

/// The lowest hour of a night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Night {
    /// The hours that were looked at, usually 02:00 to 05:00.
    pub span: Span,
    /// Least of an hour: litres of water, or mean watts.
    pub least: i64,
}

/// Nights of flow before it is told.
const FLOW_NIGHTS: usize = 3;
/// Nights that are "now" and before, and by how much the base load must have risen.
const BASE_NIGHTS: usize = 7;
const BASE_BEFORE: usize = 21;
const BASE_RISE_W: i64 = 30;
const BASE_RISE_PERCENT: i64 = 25;
/// More starts within the time, and shorter runs, than a heat pump should have.
const CYCLING_S: i64 = 6 * 3600;
const CYCLING_STARTS: usize = 18;
const CYCLING_RUN_S: i64 = 10 * 60;
/// A meter is silent after so many usual distances, and at least so many seconds.
const SILENT_PERIODS: i64 = 10;
const SILENT_S: i64 = 600;

/// Water in every hour of each of the last nights.
#[must_use]
pub fn night_flow(nights: &[Night]) -> Option<Note> {
    let flowing = nights
        .iter()
        .rev()
        .take_while(|night| night.least > 0)
        .count();
    if flowing < FLOW_NIGHTS {
        return None;
    }
    let run = nights.get(nights.len() - flowing..)?;
    Some(Note::NightFlow {
        nights: flowing,
        litres_per_hour: run.iter().map(|night| night.least).min()?,
        span: Span::new(run.first()?.span.start, run.last()?.span.end)?,
    })
}

/// The last week's nights against the three weeks before, by medians, so that one guest does not
/// count.
#[must_use]
pub fn base_load(nights: &[Night]) -> Option<Note> {
    let split = nights.len().checked_sub(BASE_NIGHTS)?;
    let first = split.checked_sub(BASE_BEFORE)?;
    let (before, now) = (nights.get(first..split)?, nights.get(split..)?);
    let (before_w, now_w) = (median(before)?, median(now)?);
    let risen =
        now_w - before_w >= BASE_RISE_W && (now_w - before_w) * 100 >= before_w * BASE_RISE_PERCENT;
    let span = Span::new(now.first()?.span.start, now.last()?.span.end)?;
    risen.then_some(Note::BaseLoadRisen {
        before_w,
        now_w,
        span,
    })
}

fn median(nights: &[Night]) -> Option<i64> {
    let mut sorted: Vec<i64> = nights.iter().map(|night| night.least).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Runs of a heat pump, oldest first: many short ones within six hours.
#[must_use]
pub fn short_cycling(runs: &[Span]) -> Option<Note> {
    let last = runs.last()?;
    let since = last
        .end
        .checked_sub(SignedDuration::from_secs(CYCLING_S))
        .ok()?;
    let recent: Vec<&Span> = runs.iter().filter(|run| run.start >= since).collect();
    let starts = recent.len();
    let total: i64 = recent.iter().map(|run| run.seconds()).sum();
    let mean_run_s = total.checked_div(i64::try_from(starts).ok()?)?;
    let span = Span::new(recent.first()?.start, last.end)?;
    (starts >= CYCLING_STARTS && mean_run_s < CYCLING_RUN_S).then_some(Note::ShortCycling {
        starts,
        mean_run_s,
        span,
    })
}

/// A meter that usually sends every `usual_s` seconds.
#[must_use]
pub fn silent(last: Timestamp, usual_s: i64, now: Timestamp) -> Option<Note> {
    let quiet_s = now.as_second().saturating_sub(last.as_second());
    let limit = usual_s.max(1).saturating_mul(SILENT_PERIODS).max(SILENT_S);
    (quiet_s > limit).then_some(Note::MeterSilent {
        since: last,
        usual_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn nights(least: &[i64]) -> Vec<Night> {
        let night = |(day, least): (i64, &i64)| Night {
            span: Span::new(at(day * 86_400), at(day * 86_400 + 3600)).unwrap(),
            least: *least,
        };
        (0..).zip(least).map(night).collect()
    }

    #[test]
    fn water_at_night_is_told_after_three_nights() {
        assert_eq!(night_flow(&nights(&[5, 5, 0, 4, 6])), None);
        let Some(Note::NightFlow {
            nights,
            litres_per_hour,
            ..
        }) = night_flow(&nights(&[0, 5, 4, 6]))
        else {
            panic!()
        };
        assert_eq!((nights, litres_per_hour), (3, 4));
    }

    #[test]
    fn a_base_load_that_rose() {
        let mut least = vec![100; 21];
        least.extend([140; 7]);
        assert!(matches!(
            base_load(&nights(&least)),
            Some(Note::BaseLoadRisen {
                before_w: 100,
                now_w: 140,
                ..
            })
        ));
        // One guest, or too little, is nothing.
        least[21..].copy_from_slice(&[100, 100, 400, 400, 100, 100, 100]);
        assert_eq!(base_load(&nights(&least)), None);
        least[21..].fill(120);
        assert_eq!(base_load(&nights(&least)), None);
        assert_eq!(base_load(&nights(&[100; 20])), None);
    }

    #[test]
    fn a_heat_pump_that_starts_too_often() {
        let runs = |period: i64, run: i64| -> Vec<Span> {
            (0..60)
                .map(|n| Span::new(at(n * period), at(n * period + run)).unwrap())
                .collect()
        };
        assert!(matches!(
            short_cycling(&runs(900, 300)),
            Some(Note::ShortCycling {
                mean_run_s: 300,
                ..
            })
        ));
        assert_eq!(short_cycling(&runs(3600, 1800)), None);
        assert_eq!(short_cycling(&[]), None);
    }

    #[test]
    fn a_meter_is_silent_after_ten_of_its_periods() {
        assert_eq!(silent(at(0), 10, at(600)), None);
        assert!(silent(at(0), 10, at(601)).is_some());
        assert_eq!(silent(at(0), 900, at(9000)), None);
    }
}
