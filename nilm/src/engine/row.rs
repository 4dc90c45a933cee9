//! Rows: from waiting to decided, and what each appliance took in one.

use serde::{Deserialize, Serialize};

use super::{Disaggregator, SLOT, SLOTS, milliwatts};
use crate::kind::kind_of;

/// What one appliance took in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// Mean power, mW; a multiple of 100.
    pub power_mw: i64,
    /// How likely it was on, 0 to 1.
    pub on: f64,
}

/// A row that will not change any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// Start of the row, unix seconds UTC.
    pub ts: i64,
    /// The last row that had been read.
    pub final_ts: i64,
    /// How long the row holds, s.
    pub seconds: i64,
    /// The value that holds, mW; `None` before the first.
    pub aggregate_mw: Option<i64>,
    /// One part per column; `None` where there was no reading.
    pub parts: Option<Vec<Part>>,
    /// Loads that come back and have no name, by slot, mW.
    pub unnamed_mw: Vec<i64>,
    /// What is always on, mW; a part of the rest.
    pub base_mw: i64,
}

impl Decided {
    /// What no part explains, mW; with the parts it is the aggregate, exactly.
    #[must_use]
    pub fn rest_mw(&self) -> Option<i64> {
        let parts: i64 = self.parts.as_ref()?.iter().map(|part| part.power_mw).sum();
        let unnamed: i64 = self.unnamed_mw.iter().sum();
        Some(
            self.aggregate_mw?
                .saturating_sub(parts)
                .saturating_sub(unnamed),
        )
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Waiting {
    pub(super) ts: i64,
    pub(super) aggregate_mw: Option<i64>,
    /// What the loads took, W.
    pub(super) load: Option<f64>,
}

impl Disaggregator {
    /// Decides the rows that begin at `until` or before.
    pub(super) fn commit(&mut self, now: i64, until: i64, out: &mut Vec<Decided>) {
        while let Some(row) = self.waiting.front().copied().filter(|row| row.ts <= until) {
            let next = self.waiting.get(1).map(|next| next.ts);
            let period = self.rhythm.period_s();
            let seconds = match next {
                Some(next) if self.rhythm.is_regular() => (next - row.ts).min(period),
                Some(next) => next - row.ts,
                None if self.rhythm.is_regular() => period,
                None => 1,
            };
            let end = row.ts.saturating_add(seconds);
            if end as f64 > self.decided_until {
                let known = now.saturating_add(period) as f64;
                self.decide(end as f64, known);
                // Looking at each minute is enough where rows come faster, if they can wait.
                let ahead = if self.settings.delay_s >= 300 {
                    60.0
                } else {
                    0.0
                };
                self.decided_until = end as f64 + ahead;
            }
            self.waiting.pop_front();
            let (parts, unnamed_mw) = match row.load {
                Some(load) => {
                    let (parts, unnamed) = self.parts(&row, end, load);
                    (Some(parts), unnamed)
                }
                None => (None, vec![0; SLOTS]),
            };
            out.push(Decided {
                ts: row.ts,
                final_ts: now,
                seconds,
                aggregate_mw: row.aggregate_mw,
                unnamed_mw,
                base_mw: base_mw(&row, parts.as_deref(), self.floor.level()),
                parts,
            });
        }
    }

    /// What each appliance took in a row.
    fn parts(&self, row: &Waiting, end: i64, load: f64) -> (Vec<Part>, Vec<i64>) {
        let (from, to) = (row.ts as f64, end as f64);
        let mut parts = vec![Part::default(); self.columns.len()];
        let mut powers = vec![0.0_f64; self.columns.len()];
        let mut order: Vec<(f64, usize)> = Vec::new();
        for guess in &self.guesses {
            if guess.on < to
                && guess.off > from
                && let Some(part) = parts.get_mut(guess.column)
            {
                part.on = part.on.max(guess.likely);
            }
        }
        let (mut heats, mut slots) = (0.0, [0.0_f64; SLOTS]);
        for run in &self.runs {
            let heat: f64 = run
                .pulses
                .iter()
                .map(|pulse| pulse.power * pulse.share(from, to))
                .sum();
            heats += heat;
            let column = self.shown(run.column);
            if let Some(power) = powers.get_mut(column) {
                *power += heat;
                order.push((run.confidence, column));
            } else if let Some(power) = column
                .checked_sub(SLOT)
                .and_then(|slot| slots.get_mut(slot))
            {
                *power += heat;
            }
        }
        for run in &self.runs {
            let Some(fill) = run.fill.filter(|fill| fill.from < to && fill.to > from) else {
                continue;
            };
            let heating = run.pulses.iter().any(|pulse| pulse.share(from, to) > 0.0);
            let left = load - fill.beside - heats;
            let idle = if heating {
                0.0
            } else {
                left.clamp(fill.least, fill.most)
            };
            let column = self.shown(run.column);
            if let (Some(power), Some(part)) = (powers.get_mut(column), parts.get_mut(column)) {
                *power += idle;
                part.on = part.on.max(run.confidence);
            }
        }
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        // What a plug measured comes first, then the surest, and nobody takes more than there is.
        let aggregate = row.aggregate_mw.unwrap_or(0);
        let mut left = if aggregate < 0 {
            milliwatts(load).max(0)
        } else {
            aggregate
        };
        for (&column, plug) in &self.plugs {
            if let (Some(mean), Some(part), Some(power)) = (
                plug.mean(from, to),
                parts.get_mut(column),
                powers.get_mut(column),
            ) {
                #[expect(clippy::cast_possible_truncation, reason = "milliwatts of a plug")]
                let told = (mean as i64).clamp(0, left) / 100 * 100;
                let name = self.columns.get(column).map_or("", String::as_str);
                *part = Part {
                    power_mw: told,
                    on: f64::from(u8::from(mean >= kind_of(name).on_w * 1000.0)),
                };
                *power = 0.0;
                left -= told;
            }
        }
        for (_, column) in order {
            if let (Some(power), Some(part)) = (powers.get_mut(column), parts.get_mut(column)) {
                let wanted = milliwatts(*power).clamp(0, left) / 100 * 100;
                part.power_mw += wanted;
                left -= wanted;
                *power = 0.0;
            }
        }
        let unnamed = slots
            .iter()
            .map(|&power| {
                let wanted = milliwatts(power).clamp(0, left) / 100 * 100;
                left -= wanted;
                wanted
            })
            .collect();
        (parts, unnamed)
    }

    /// The column that a column's cycles are shown in.
    pub(super) fn shown(&self, column: usize) -> usize {
        self.merged.get(&column).copied().unwrap_or(column)
    }
}

/// The part of the rest that is always on, mW.
fn base_mw(row: &Waiting, parts: Option<&[Part]>, floor: f64) -> i64 {
    let (Some(aggregate), Some(parts)) = (row.aggregate_mw, parts) else {
        return 0;
    };
    let rest = parts
        .iter()
        .fold(aggregate, |rest, part| rest.saturating_sub(part.power_mw));
    milliwatts(floor).clamp(0, rest.max(0))
}
