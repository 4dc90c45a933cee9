//! What the home's loads look like: for each kind, the power at which loads that could be of it
//! come back again and again.
//!
//! Kettles differ between homes, but in one home the kettle always draws the same. A candidate is
//! therefore judged by how far it lies from the home's own maximum in the kind's range. Old loads
//! fade with a time constant of thirty days.

use serde::{Deserialize, Serialize};

use crate::kind::{Family, KINDS, Kind};

/// Width of a bin in the logarithm of the power.
const BIN: f64 = 0.02;
/// Lowest power, W.
const LOWEST: f64 = 15.0;
/// Bins, up to 30 kW.
const BINS: usize = 380;
/// Time constant, s.
const FADE_S: f64 = 30.0 * 86400.0;

/// Loads of one kind's range over their power.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Range {
    /// Weight in each bin, and weighted sum of the logarithm of the seconds. Empty: none yet.
    bins: Vec<(f32, f32)>,
}

/// Where a kind's loads come back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Habit {
    /// Power, W; 0 while none is known.
    pub power: f64,
    /// Typical time on, s.
    pub seconds: f64,
    /// Share of all loads in the kind's range.
    pub share: f64,
    /// Loads counted, faded.
    pub count: f64,
}

/// The habits of a home.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Habits {
    ranges: Vec<Range>,
    faded_at: f64,
    #[serde(skip)]
    known: Vec<Habit>,
    #[serde(skip)]
    stale: bool,
}

impl Habits {
    /// Counts a load that was on for `seconds` at `power` (W) and went off at `at`; `again` says
    /// that others like it came shortly before and after.
    pub fn add(&mut self, power: f64, seconds: f64, at: f64, again: bool) {
        if !(power > LOWEST && seconds > 0.0) {
            return;
        }
        self.ranges.resize_with(KINDS.len(), Range::default);
        if self.faded_at == 0.0 {
            self.faded_at = at;
        } else if at - self.faded_at > 6.0 * 3600.0 {
            #[expect(clippy::cast_possible_truncation, reason = "a factor")]
            let factor = (-(at - self.faded_at) / FADE_S).exp() as f32;
            for bin in self.ranges.iter_mut().flat_map(|range| &mut range.bins) {
                *bin = (bin.0 * factor, bin.1 * factor);
            }
            self.faded_at = at;
        }
        let Some(bin) = bin_of(power) else { return };
        for (range, kind) in self.ranges.iter_mut().zip(&KINDS) {
            // A fridge runs around the clock, a pump does not.
            let rhythm = kind.family != Family::Cyclic || again != (kind.name == "boiler");
            if !rhythm || !fits(kind, power, seconds) {
                continue;
            }
            range.bins.resize(BINS, (0.0, 0.0));
            if let Some(bin) = range.bins.get_mut(bin) {
                bin.0 += 1.0;
                #[expect(clippy::cast_possible_truncation, reason = "a logarithm")]
                {
                    bin.1 += seconds.ln() as f32;
                }
            }
        }
        self.stale = true;
    }

    /// Brings what `of` answers up to date.
    pub fn refresh(&mut self) {
        if self.stale || self.known.is_empty() {
            self.known = (0..KINDS.len())
                .map(|i| self.ranges.get(i).map_or_else(Habit::default, Range::habit))
                .collect();
            self.stale = false;
        }
    }

    /// Where the loads of the kind at `index` of [`KINDS`] come back, as of the last `refresh`.
    #[must_use]
    pub fn of(&self, index: usize) -> Habit {
        self.known.get(index).copied().unwrap_or_default()
    }

    /// The share of loads in a kind's range within 5 % of a power.
    #[must_use]
    pub fn share_near(&self, index: usize, power: f64) -> f64 {
        let (Some(range), Some(bin)) = (self.ranges.get(index), bin_of(power)) else {
            return 0.0;
        };
        let all: f32 = range.bins.iter().map(|bin| bin.0).sum();
        let near = range.window(bin).0;
        if all > 0.0 {
            f64::from(near / all)
        } else {
            0.0
        }
    }
}

impl Range {
    /// Sum over the bins around one.
    fn window(&self, bin: usize) -> (f32, f32) {
        let from = bin.saturating_sub(2);
        self.bins
            .get(from..(bin + 3).min(self.bins.len()))
            .unwrap_or_default()
            .iter()
            .fold((0.0, 0.0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1))
    }

    fn habit(&self) -> Habit {
        let all: f32 = self.bins.iter().map(|bin| bin.0).sum();
        let mut best = (0, 0.0_f32);
        for bin in 0..self.bins.len() {
            let near = self.window(bin).0;
            if near > best.1 {
                best = (bin, near);
            }
        }
        if best.1 <= 0.0 {
            return Habit::default();
        }
        let (count, seconds) = self.window(best.0);
        let from = best.0.saturating_sub(2);
        let centre: f64 = (from..best.0 + 3)
            .filter_map(|i| self.bins.get(i).map(|bin| i as f64 * f64::from(bin.0)))
            .sum::<f64>()
            / f64::from(count);
        Habit {
            power: LOWEST * ((centre + 0.5) * BIN).exp(),
            seconds: f64::from(seconds / count).exp(),
            share: f64::from(count / all),
            count: f64::from(count),
        }
    }
}

/// Whether a load could be the kind's main load.
#[must_use]
pub fn fits(kind: &Kind, power: f64, seconds: f64) -> bool {
    (kind.power_w.0..=kind.power_w.1).contains(&power)
        && (kind.load_s.0..=kind.load_s.1).contains(&seconds)
}

fn bin_of(power: f64) -> Option<usize> {
    let bin = (power / LOWEST).ln() / BIN;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (bin >= 0.0 && bin < BINS as f64).then_some(bin as usize)
}
