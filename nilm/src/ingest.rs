//! Rows as the meter gave them: their period, their gaps, the value that holds.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Silence of less than this is no gap. s.
const GAP_S: i64 = 600;
/// Where rows come on change, a silence is a gap from here on. s.
const GAP_ON_CHANGE_S: i64 = 3600;
/// Intervals that the period is read from.
const INTERVALS: usize = 101;

/// One row of a meter.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Sample {
    /// Start of the row, unix seconds UTC.
    pub ts: i64,
    /// Mean power over the row, or from then on, mW; import is positive. `None`: not reported in
    /// this row, the last value holds.
    pub power_mw: Option<i64>,
    /// `false`: the meter gave no reading, and its power must not be used.
    pub valid: bool,
    /// Power that the home's own generation gives, mW, where it has a meter of its own.
    pub generated_mw: Option<i64>,
    /// Power that flows out, mW, where the meter tells it apart from import.
    pub export_mw: Option<i64>,
    /// Reactive power, var.
    pub reactive_var: Option<f64>,
}

/// What a sample is to those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// It goes on from the last one.
    Next,
    /// A silence lies before it.
    AfterGap,
    /// Its time does not rise; it is not used.
    Dropped,
}

/// Learns the period and finds the gaps.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Rhythm {
    last: Option<i64>,
    intervals: VecDeque<i64>,
    sorted: Vec<i64>,
}

impl Rhythm {
    /// Takes the time of a row.
    pub fn arrive(&mut self, ts: i64) -> Arrival {
        let Some(last) = self.last else {
            self.last = Some(ts);
            return Arrival::Next;
        };
        let Some(silence) = ts.checked_sub(last).filter(|&silence| silence > 0) else {
            return Arrival::Dropped;
        };
        self.last = Some(ts);
        if silence > self.gap_s() {
            return Arrival::AfterGap;
        }
        if self.intervals.len() == INTERVALS
            && let Some(old) = self.intervals.pop_front()
            && let Ok(at) = self.sorted.binary_search(&old)
        {
            self.sorted.remove(at);
        }
        self.intervals.push_back(silence);
        let at = self.sorted.partition_point(|&other| other < silence);
        self.sorted.insert(at, silence);
        Arrival::Next
    }

    /// The usual interval between rows, s; 60 until one is known.
    #[must_use]
    pub fn period_s(&self) -> i64 {
        self.sorted
            .get(self.sorted.len() / 2)
            .copied()
            .unwrap_or(60)
    }

    /// Whether rows come at a period, and not when something changes.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        let period = self.period_s();
        let near = |bound: i64| self.sorted.partition_point(|&interval| interval < bound);
        let alike = near(period + 1 + period / 8) - near(period - period / 8);
        alike * 5 >= self.sorted.len() * 4
    }

    /// A silence longer than this is a gap. s.
    #[must_use]
    pub fn gap_s(&self) -> i64 {
        if self.is_regular() {
            GAP_S.max(self.period_s().saturating_mul(3))
        } else {
            GAP_ON_CHANGE_S
        }
    }

    /// Time of the last row that was used, unix seconds.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.last
    }
}
