//! What decided rows add up to: energy per appliance and day, cycles, what is always on, the rest.
//!
//! Energy is counted in whole millijoules, so that the parts and the rest add up to what the meter
//! measured, always and exactly.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::cycles::{Cycle, Cycles};
use crate::engine::Decided;
use crate::kind::{Kind, kind_of};

/// Millijoules in a kilowatt-hour.
const MJ_PER_KWH: i128 = 3_600_000_000;
/// Half the width of a 90 % interval, in standard deviations.
const NINETY: f64 = 1.645;
/// Error of the power of an appliance that was recognised, as a share.
const POWER_ERROR: f64 = 0.06;
/// Cycles kept by default.
const CYCLES: usize = 200_000;

/// Energy in millijoules.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Energy(pub i128);

impl Energy {
    /// Adds the power of a row, mW over s.
    pub fn add(&mut self, power_mw: i64, seconds: i64) {
        self.0 = self
            .0
            .saturating_add(i128::from(power_mw).saturating_mul(i128::from(seconds)));
    }

    /// Watt-hours, rounded; exact sums are made before.
    #[must_use]
    pub fn watt_hours(self) -> i128 {
        let half = MJ_PER_KWH / 2000;
        let sign = if self.0 < 0 { -half } else { half };
        (self.0 + sign) / (MJ_PER_KWH / 1000)
    }

    /// Kilowatt-hours with three decimals.
    #[must_use]
    pub fn kwh(self) -> String {
        kwh_text(self.watt_hours())
    }
}

/// Watt-hours as kilowatt-hours with three decimals.
#[must_use]
pub fn kwh_text(watt_hours: i128) -> String {
    let sign = if watt_hours < 0 { "-" } else { "" };
    let size = watt_hours.unsigned_abs();
    format!("{sign}{}.{:03}", size / 1000, size % 1000)
}

/// One day of an appliance.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Day {
    /// Energy.
    pub energy: Energy,
    /// Cycles that began.
    pub cycles: u32,
    /// Variance of the energy by doubt about its cycles, kJ squared.
    doubt: f64,
    /// Energy that cycles which were not taken for the appliance's may have had, kJ.
    missed: f64,
}

impl Day {
    /// The 90 % interval.
    #[must_use]
    pub fn interval(&self) -> (Energy, Energy) {
        let kilojoules = self.energy.0 as f64 / 1e6;
        let spread = NINETY * (self.doubt + (POWER_ERROR * kilojoules).powi(2)).sqrt();
        let at = |kj: f64| {
            #[expect(clippy::cast_possible_truncation, reason = "energy of a home")]
            Energy((kj.max(0.0) * 1e6) as i128)
        };
        (
            at(kilojoules - spread),
            at(kilojoules + spread + self.missed),
        )
    }
}

/// One appliance.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Tally {
    /// All its energy.
    pub energy: Energy,
    /// Its cycles so far.
    pub cycles: u32,
    /// Days by their number since 1970, UTC.
    pub days: BTreeMap<i64, Day>,
    /// Start of its first cycle, unix seconds.
    pub first: Option<i64>,
    /// When that was known, unix seconds.
    pub first_named: Option<i64>,
    confidence: (f64, f64),
    tracker: Cycles,
    /// Mean power of the rows in which it was on, W.
    typical_w: f64,
}

impl Tally {
    /// Mean probability of its cycles.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        if self.confidence.1 > 0.0 {
            self.confidence.0 / self.confidence.1
        } else {
            0.0
        }
    }

    /// The 90 % interval of all its energy.
    #[must_use]
    pub fn interval(&self) -> (Energy, Energy) {
        let mut all = Day {
            energy: self.energy,
            ..Day::default()
        };
        for day in self.days.values() {
            all.doubt += day.doubt;
            all.missed += day.missed;
        }
        all.interval()
    }

    fn push(&mut self, kind: &Kind, row: &Decided, power_mw: i64, on: f64) -> Option<Cycle> {
        self.energy.add(power_mw, row.seconds);
        let day = self.days.entry(row.ts.div_euclid(86400)).or_default();
        day.energy.add(power_mw, row.seconds);
        if power_mw > 0 {
            let watts = power_mw as f64 / 1000.0;
            self.typical_w +=
                (watts - self.typical_w) * 0.01_f64.max(f64::from(self.typical_w <= 0.0));
        } else if on > 0.1 {
            day.missed += on * self.typical_w * row.seconds as f64 / 1000.0;
        }
        let over = self.tracker.push(kind, row.ts, row.seconds, power_mw, on);
        if power_mw as f64 >= kind.on_w * 1000.0 && self.first.is_none() {
            self.first = Some(row.ts);
            self.first_named = Some(row.final_ts);
        }
        over.inspect(|cycle| self.count(cycle))
    }

    fn count(&mut self, cycle: &Cycle) {
        self.cycles = self.cycles.saturating_add(1);
        self.confidence.0 += cycle.confidence;
        self.confidence.1 += 1.0;
        if let Some(day) = self.days.get_mut(&cycle.start.div_euclid(86400)) {
            day.cycles += 1;
            let kilojoules = cycle.energy_mj as f64 / 1e6;
            let p = cycle.confidence.clamp(0.0, 1.0);
            day.doubt += p * (1.0 - p) * kilojoules * kilojoules;
        }
    }
}

/// What all rows add up to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Totals {
    /// By column of the decoder.
    pub appliances: Vec<Tally>,
    /// What the meter measured.
    pub aggregate: Energy,
    /// What was always on; a part of the rest.
    pub base: Energy,
    /// Loads that come back and have no name, by slot.
    pub unnamed: Vec<Energy>,
    /// The last cycles, with their column, by the time they ended.
    pub cycles: VecDeque<(usize, Cycle)>,
    /// The largest delay of a row, s.
    pub delay_s: i64,
    kinds: Vec<String>,
}

impl Totals {
    /// Nothing yet, for the columns of a decoder.
    #[must_use]
    pub fn new(columns: &[String]) -> Self {
        Self {
            appliances: vec![Tally::default(); columns.len()],
            kinds: columns.to_vec(),
            ..Self::default()
        }
    }

    /// Takes a decided row; returns the cycles that are over by it.
    pub fn push(&mut self, row: &Decided) -> Vec<(usize, Cycle)> {
        self.delay_s = self.delay_s.max(row.final_ts.saturating_sub(row.ts));
        let (Some(aggregate), Some(parts)) = (row.aggregate_mw, &row.parts) else {
            return Vec::new();
        };
        self.aggregate.add(aggregate, row.seconds);
        self.base.add(row.base_mw, row.seconds);
        let mut over = Vec::new();
        for (column, (tally, part)) in self.appliances.iter_mut().zip(parts).enumerate() {
            let kind = self
                .kinds
                .get(column)
                .map_or_else(|| kind_of(""), |name| kind_of(name));
            if let Some(cycle) = tally.push(&kind, row, part.power_mw, part.on) {
                over.push((column, cycle));
            }
        }
        self.unnamed.resize(
            self.unnamed.len().max(row.unnamed_mw.len()),
            Energy::default(),
        );
        for (energy, &power) in self.unnamed.iter_mut().zip(&row.unnamed_mw) {
            energy.add(power, row.seconds);
        }
        self.keep(&over);
        over
    }

    /// The input has ended: ends the open cycles.
    pub fn finish(&mut self) -> Vec<(usize, Cycle)> {
        let mut over = Vec::new();
        for (column, tally) in self.appliances.iter_mut().enumerate() {
            let kind = self
                .kinds
                .get(column)
                .map_or_else(|| kind_of(""), |name| kind_of(name));
            if let Some(cycle) = tally.tracker.finish(&kind) {
                tally.count(&cycle);
                over.push((column, cycle));
            }
        }
        self.keep(&over);
        over
    }

    /// Energy of all named appliances.
    #[must_use]
    pub fn named(&self) -> Energy {
        Energy(self.appliances.iter().map(|tally| tally.energy.0).sum())
    }

    /// Energy of the loads without a name.
    #[must_use]
    pub fn unnamed_sum(&self) -> Energy {
        Energy(self.unnamed.iter().map(|energy| energy.0).sum())
    }

    fn keep(&mut self, over: &[(usize, Cycle)]) {
        self.cycles.extend(over);
        while self.cycles.len() > CYCLES {
            self.cycles.pop_front();
        }
    }
}
