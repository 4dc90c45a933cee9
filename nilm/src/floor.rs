//! What is always on, and the power of the last hours minute by minute.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Minutes of a day: what the floor is read from.
const DAY: usize = 1440;
/// Minutes after which the floor is read again.
const EVERY: u32 = 10;

/// Means of the minutes of the last day, and the power that is always on.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Floor {
    /// Start of a minute (unix seconds / 60) and its mean, W.
    minutes: VecDeque<(i64, f32)>,
    open: Option<(i64, f64, f64)>,
    since: u32,
    level: f64,
}

impl Floor {
    /// Takes the mean power of the row from `start` to `end` (unix seconds).
    pub fn push(&mut self, start: f64, end: f64, power: f64) {
        let mut from = start;
        let end = end.min(start + 600.0);
        while from < end {
            let minute = (from / 60.0).floor();
            let to = end.min(minute * 60.0 + 60.0);
            #[expect(clippy::cast_possible_truncation, reason = "unix minutes")]
            let minute = minute as i64;
            match &mut self.open {
                Some((open, sum, span)) if *open == minute => {
                    *sum += power * (to - from);
                    *span += to - from;
                }
                _ => {
                    self.close();
                    self.open = Some((minute, power * (to - from), to - from));
                }
            }
            from = to;
        }
    }

    /// The power that is always on: the twentieth part of the last day's minutes lies below. W.
    #[must_use]
    pub fn level(&self) -> f64 {
        self.level
    }

    /// The minutes from `from` to `to` (unix seconds): their starts and means in W.
    pub fn between(&self, from: f64, to: f64) -> impl Iterator<Item = (f64, f64)> {
        let first = self
            .minutes
            .partition_point(|&(minute, _)| (minute as f64) * 60.0 < from);
        self.minutes
            .range(first..)
            .map(|&(minute, mean)| (minute as f64 * 60.0, f64::from(mean)))
            .take_while(move |&(start, _)| start + 60.0 <= to)
    }

    fn close(&mut self) {
        let Some((minute, sum, span)) = self.open.take() else {
            return;
        };
        if span <= 0.0 || self.minutes.back().is_some_and(|&(last, _)| last >= minute) {
            return;
        }
        if self.minutes.len() == DAY {
            self.minutes.pop_front();
        }
        #[expect(clippy::cast_possible_truncation, reason = "watts in single precision")]
        self.minutes.push_back((minute, (sum / span) as f32));
        self.since += 1;
        if self.since >= EVERY || self.minutes.len() < 30 {
            self.since = 0;
            let mut sorted: Vec<f32> = self.minutes.iter().map(|&(_, mean)| mean).collect();
            let at = sorted.len() / 20;
            let (_, level, _) = sorted.select_nth_unstable_by(at, f32::total_cmp);
            self.level = f64::from(*level);
        }
    }
}
