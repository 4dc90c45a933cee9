//! What runs now, and what comes back without a name.

use super::{ACCEPT, Disaggregator, SLOT, gate};
use crate::candidate::Surroundings;
use crate::kind::{Family, KINDS, kind_of};

/// A load that is on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Running {
    /// The column of the appliance, where one is likely enough.
    pub column: Option<usize>,
    /// Its power, W.
    pub power_w: f64,
    /// When it came on, unix seconds.
    pub since: f64,
    /// How likely it is the appliance, 0 to 1.
    pub likely: f64,
}

/// A load that comes back and has no name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unnamed {
    /// Its slot, from 0.
    pub slot: usize,
    /// Its power, W.
    pub power_w: f64,
    /// How long it is on, s.
    pub typical_s: f64,
    /// How often a week.
    pub per_week: f64,
    /// What it may be, and how likely.
    pub guesses: Vec<(String, f64)>,
}

impl Disaggregator {
    /// Loads that come back and have no name.
    #[must_use]
    pub fn unnamed(&self) -> Vec<Unnamed> {
        let slots = self.dictionary.slots().iter().enumerate();
        slots
            .filter(|(_, slot)| slot.named.is_none())
            .map(|(i, slot)| {
                let mut guesses: Vec<(String, f64)> = slot
                    .guesses
                    .iter()
                    .filter(|guess| guess.1 >= 0.05)
                    .filter_map(|&(column, likely)| {
                        Some((self.columns.get(column)?.clone(), likely))
                    })
                    .collect();
                guesses.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
                guesses.truncate(3);
                Unnamed {
                    slot: i,
                    power_w: slot.power_w,
                    typical_s: slot.typical_s,
                    per_week: 7.0 * slot.count / slot.days.max(1.0),
                    guesses,
                }
            })
            .collect()
    }

    /// What is on now, as far as the rows that are not decided yet show: the column, its power in
    /// W, since when (unix seconds), and how likely.
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        let Some(now) = self.rhythm.last().map(|last| last as f64) else {
            return Vec::new();
        };
        let pulses = self.pairing.best(now - 2.0 * 3600.0);
        let around = Surroundings {
            pulses: &pulses,
            floor: &self.floor,
            habits: &self.habits,
            programmes: &self.programmes,
            now: now + self.rhythm.period_s() as f64,
        };
        let mut running = Vec::new();
        for pulse in pulses
            .iter()
            .filter(|pulse| pulse.is_running() && pulse.power >= 30.0)
        {
            let mut best: (f64, Option<usize>) = (0.0, None);
            for (column, name) in self.columns.iter().enumerate() {
                let kind = kind_of(name);
                let index = KINDS.iter().position(|other| other.name == kind.name);
                let Some(habit) = index.map(|index| self.habits.of(index)) else {
                    continue;
                };
                // How long it will be on is not known yet: as long as such loads usually are.
                let mut whole = *pulse;
                whole.off = (pulse.on + habit.seconds).max(around.now);
                let candidate = around.single(&whole);
                let likely = if kind.family == Family::Programme {
                    continue;
                } else if gate(&kind, &candidate, self.rhythm.period_s() as f64, whole.off) {
                    self.likely(name, &kind, &candidate)
                } else {
                    continue;
                };
                if likely > best.0 {
                    best = (likely, Some(column));
                }
            }
            let known = self
                .runs
                .iter()
                .find(|run| run.pulses.iter().any(|mine| mine.id == pulse.id));
            let (likely, column) = match known.filter(|run| run.column < SLOT) {
                Some(run) => (run.confidence, Some(self.shown(run.column))),
                None => (
                    best.0,
                    best.1
                        .filter(|_| best.0 >= ACCEPT)
                        .map(|column| self.shown(column)),
                ),
            };
            running.push(Running {
                column,
                power_w: pulse.power,
                since: pulse.on,
                likely,
            });
        }
        running
    }
}
