//! How likely a candidate is a cycle of an appliance, and what a programme draws beside its heatings.

use serde::{Deserialize, Serialize};

use super::Disaggregator;
use crate::candidate::{Candidate, Surroundings};
use crate::fit::relevant;
use crate::grammar::{log_odds, shift};
use crate::kind::{Family, KINDS, Kind, kind_of};
use crate::prior;

/// What a programme draws while it does not heat.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Fill {
    pub(super) from: f64,
    pub(super) to: f64,
    /// What runs beside it, W.
    pub(super) beside: f64,
    /// At least, W.
    pub(super) least: f64,
    /// At most, W.
    pub(super) most: f64,
}

impl Disaggregator {
    /// How likely a candidate is a cycle of an appliance.
    pub(super) fn likely(&self, name: &str, kind: &Kind, candidate: &Candidate) -> f64 {
        let index = KINDS.iter().position(|other| other.name == kind.name);
        let plain = index.map_or(0.0, |index| {
            prior::likely(
                kind,
                candidate,
                &self.habits.of(index),
                self.rhythm.period_s() as f64,
            )
        });
        let owned = self.settings.owned.iter().any(|owned| owned == name);
        let likely = match self.library.kinds.get(kind.name) {
            Some(fitted) => {
                // What one home taught need not hold in another.
                let homes = f64::from(fitted.homes).powi(2);
                let homes = homes / (homes + 2.0);
                let weight = homes * f64::from(fitted.cycles) / (f64::from(fitted.cycles) + 10.0);
                weight
                    * fitted
                        .forest
                        .likelihood(&relevant(kind, &candidate.features))
                    + (1.0 - weight) * plain
            }
            None => plain,
        };
        let likely = if kind.family == Family::Programme {
            shift(likely, log_odds(kind.name, candidate))
        } else {
            likely
        };
        let prior = if owned || matches!(kind.name, "shower" | "ev_charger") {
            likely
        } else {
            // The same evidence says less where the household did not name it.
            likely * likely
        };
        let column = self.columns.iter().position(|column| column == name);
        let mut likely = prior;
        if let Some(habitual) = column.and_then(|column| self.habitual.get(&column)) {
            likely = if kind.family == Family::Programme {
                habitual.moved(candidate, likely)
            } else {
                habitual.likely(candidate, likely)
            };
        }
        if let Some(taught) = column.and_then(|column| self.personal.get(&column)) {
            likely = taught.moved(candidate, likely);
        }
        likely
    }

    /// What a programme draws beside its heating.
    pub(super) fn fill(
        &self,
        column: usize,
        candidate: &Candidate,
        around: &Surroundings<'_>,
    ) -> Fill {
        let name = self.columns.get(column).map_or("", String::as_str);
        let (start, end) = (candidate.start(), candidate.end().min(around.now));
        let signature = self.library.kinds.get(kind_of(name).name);
        let before = signature.map_or(300.0, |signature| signature.before_s);
        let after = signature.map_or(1800.0, |signature| signature.after_s);
        let idle = signature.map_or(60.0, |signature| signature.idle_w);
        let low = |from: f64, to: f64| {
            let mut rest = around.rest(from, to);
            rest.sort_by(f64::total_cmp);
            rest.get(rest.len() / 4).copied()
        };
        let first = low(start - 3600.0, start - before - 300.0);
        let last = low(end + after + 300.0, end + after + 3000.0);
        let beside = match (first, last) {
            (Some(first), Some(last)) => first.min(last),
            (one, other) => one.or(other).unwrap_or(self.floor.level()),
        };
        // It begins and ends where the power shows it, within what such programmes do.
        let earlier: Vec<f64> = around.rest(start - 1.3 * before - 300.0, start - 30.0);
        let later: Vec<f64> = around.rest(end + 30.0, end + 1.4 * after + 300.0);
        let runs_s = |minutes: &mut dyn Iterator<Item = &f64>| {
            let (mut quiet, mut lasted, mut last) = (0, 0, None);
            for (i, &mean) in minutes.enumerate() {
                let moved = last.is_some_and(|last: f64| (mean - last).abs() > 20.0);
                last = Some(mean);
                if moved || mean - beside > 25.0 {
                    quiet = 0;
                    lasted = i + 1;
                } else {
                    quiet += 1;
                }
                if quiet >= 10 {
                    break;
                }
            }
            lasted as f64 * 60.0
        };
        let before = runs_s(&mut earlier.iter().rev());
        let after = if later.len() < 5 {
            after
        } else {
            runs_s(&mut later.iter())
        };
        Fill {
            from: start - before,
            to: end + after,
            beside,
            least: (0.7 * idle).clamp(31.0, 60.0),
            most: (2.0 * idle).clamp(60.0, 280.0),
        }
    }
}
