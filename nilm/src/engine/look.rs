//! Whose the candidates are: programmes by their groups of heatings, the rest pulse by pulse.

use serde::{Deserialize, Serialize};

use super::likely::Fill;
use super::{ACCEPT, Disaggregator, SLOT};
use crate::candidate::{ALIKE, APART_S, Candidate, Plateau, Surroundings, place, plateaus};
use crate::kind::{Family, Kind, kind_of};
use crate::pulse::Pulse;

/// How far programmes are decided ahead of their rows. s.
const LEAD_S: f64 = 1500.0;
/// A programme lasts no longer. s.
const PROGRAMME_S: f64 = 4.0 * 3600.0;

/// A cycle that was decided to be an appliance's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Run {
    pub(super) column: usize,
    pub(super) pulses: Vec<Pulse>,
    pub(super) fill: Option<Fill>,
    pub(super) confidence: f64,
}

/// A group of plateaus that has been looked at.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Group {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) power: f64,
    /// The last pulse of the run it became.
    pub(super) run: Option<u64>,
}

/// A guess about a pulse, right or wrong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Guess {
    pub(super) column: usize,
    pub(super) on: f64,
    pub(super) off: f64,
    pub(super) likely: f64,
}

impl Disaggregator {
    /// Decides the candidates that begin before `until`.
    pub(super) fn decide(&mut self, until: f64, now: f64) {
        let ahead = if self.settings.delay_s >= 300 {
            60.0
        } else {
            0.0
        };
        let until = until + ahead;
        let pulses = self.pairing.best(until - 2.0 * 3600.0 - LEAD_S);
        self.habits.refresh();
        self.follow(&pulses, now);
        let lead = LEAD_S.min(self.settings.delay_s as f64 / 3.0);
        let heating = plateaus(&pulses, now);
        for plateau in &heating {
            if plateau.whole.on < until + lead && !self.grouped.contains_key(&plateau.whole.id) {
                self.look_at_group(plateau, &heating, &pulses, now);
            }
        }
        for pulse in &pulses {
            if pulse.on < until && !self.done.contains_key(&pulse.id) {
                self.look_at_pulse(pulse, &pulses, now);
            }
        }
        let old = until - 8.0 * 3600.0;
        self.runs.retain(|run| {
            run.pulses.iter().any(|pulse| pulse.off > old)
                || run.fill.is_some_and(|fill| fill.to > old)
        });
        self.groups.retain(|group| group.end > old);
        self.guesses.retain(|guess| guess.off > old);
        let forgotten = until - 14.0 * 3600.0;
        self.done.retain(|_, on| *on > forgotten);
        self.grouped.retain(|_, on| *on > forgotten);
        self.pairing.forget(until - 4.0 * 3600.0);
        self.dictionary.refit(until);
    }

    /// Brings the pulses of running cycles up to date.
    fn follow(&mut self, pulses: &[Pulse], now: f64) {
        for run in &mut self.runs {
            for mine in &mut run.pulses {
                if !mine.is_running() && mine.closed {
                    continue;
                }
                match pulses.iter().find(|pulse| pulse.id == mine.id) {
                    Some(pulse) => *mine = *pulse,
                    None if mine.is_running() => mine.off = now,
                    None => {}
                }
            }
        }
    }

    fn look_at_group(
        &mut self,
        plateau: &Plateau,
        heating: &[Plateau],
        pulses: &[Pulse],
        now: f64,
    ) {
        let first = &plateau.whole;
        for pulse in &plateau.pulses {
            self.grouped.insert(pulse.id, pulse.on);
        }
        // A further plateau of a group that has been looked at.
        if let Some(group) = self.groups.iter_mut().rev().find(|group| {
            (first.power / group.power - 1.0).abs() < ALIKE
                && first.on >= group.end - 60.0
                && first.on - group.end < APART_S
                && first.on - group.start < PROGRAMME_S
        }) {
            group.end = first.off.min(now);
            if let Some(id) = group.run {
                group.run = plateau.pulses.last().map(|pulse| pulse.id);
                if let Some(run) = self
                    .runs
                    .iter_mut()
                    .find(|run| run.pulses.iter().any(|p| p.id == id))
                {
                    run.pulses.extend(&plateau.pulses);
                    if let Some(fill) = &mut run.fill {
                        fill.to = fill.to.max(first.off.min(now) + 300.0);
                    }
                    self.done
                        .extend(plateau.pulses.iter().map(|pulse| (pulse.id, pulse.on)));
                }
            }
            return;
        }
        let around = Surroundings {
            pulses,
            floor: &self.floor,
            habits: &self.habits,
            programmes: &self.programmes,
            now,
        };
        let candidate = around.group(plateau, heating, |id| self.grouped.contains_key(&id));
        let (owner, lessons) = self.plugged(&candidate, now);
        let (mut best, mut sure) = ((0.0, None), Vec::new());
        for (column, name) in self.columns.iter().enumerate() {
            let kind = kind_of(name);
            let has_plug = self.has_plug(column, candidate.start(), candidate.start() + 60.0);
            if kind.family == Family::Programme && owner.is_none() && !has_plug {
                let likely = self.likely(name, &kind, &candidate);
                sure.push((column, likely));
                if likely > best.0 {
                    best = (likely, Some(column));
                }
                self.guesses.push(Guess {
                    column,
                    on: candidate.start(),
                    off: candidate.end().min(now),
                    likely,
                });
            }
        }
        let mut group = Group {
            start: candidate.start(),
            end: candidate.end().min(now),
            power: first.power,
            run: None,
        };
        if let (likely, Some(column)) = best
            && likely >= ACCEPT
        {
            let fill = self.fill(column, &candidate, &around);
            self.note(column, &candidate, now);
            group.run = candidate.members.last().map(|pulse| pulse.id);
            for pulse in &candidate.members {
                self.done.insert(pulse.id, pulse.on);
            }
            self.runs.push(Run {
                column,
                pulses: candidate.members.clone(),
                fill: Some(fill),
                confidence: likely,
            });
        }
        for pulse in &candidate.members {
            self.grouped.insert(pulse.id, pulse.on);
        }
        self.learn(&candidate, &lessons);
        self.remember(&candidate, &sure);
        self.groups.push(group);
        self.programmes.add(&candidate);
        if self.settings.observe {
            self.observed.push(candidate);
        }
    }

    fn look_at_pulse(&mut self, pulse: &Pulse, pulses: &[Pulse], now: f64) {
        let running = pulse.is_running();
        if !running {
            self.done.insert(pulse.id, pulse.on);
        } else if now - pulse.on > 12.0 * 3600.0 {
            return;
        }
        let around = Surroundings {
            pulses,
            floor: &self.floor,
            habits: &self.habits,
            programmes: &self.programmes,
            now,
        };
        let candidate = around.single(pulse);
        let (owner, lessons) = if running {
            (None, Vec::new())
        } else {
            self.plugged(&candidate, now)
        };
        self.learn(&candidate, &lessons);
        let period = self.rhythm.period_s() as f64;
        let (mut best, mut sure) = ((0.0, None), Vec::new());
        for (column, name) in self.columns.iter().enumerate() {
            let kind = kind_of(name);
            if kind.family == Family::Programme || !gate(&kind, &candidate, period, now) {
                continue;
            }
            if owner.is_some() || self.has_plug(column, pulse.on, pulse.on + 60.0) {
                continue;
            }
            let likely = self.likely(name, &kind, &candidate);
            sure.push((column, likely));
            self.guesses.push(Guess {
                column,
                on: pulse.on,
                off: pulse.off,
                likely,
            });
            let busy = self
                .runs
                .iter()
                .any(|run| run.column == column && overlaps(run, pulse, now));
            if likely > best.0 && !busy {
                best = (likely, Some(column));
            }
        }
        let slot = self
            .dictionary
            .find(pulse.power, pulse.off.min(now) - pulse.on);
        let named = slot.and_then(|slot| Some((slot, self.dictionary.slots().get(slot)?.named?)));
        let taken = match (best, named, slot) {
            // What the household said is stronger than what the library thinks.
            (_, Some((_, column)), _) if owner.is_none() && !running => Some((0.95, column)),
            ((likely, Some(column)), ..) if likely >= ACCEPT => Some((likely, column)),
            (_, _, Some(slot)) if owner.is_none() && !running => Some((0.5, SLOT + slot)),
            _ => None,
        };
        if let Some((likely, column)) = taken {
            self.done.insert(pulse.id, pulse.on);
            self.note(column, &candidate, now);
            self.runs.push(Run {
                column,
                pulses: candidate.pulses.clone(),
                fill: None,
                confidence: likely,
            });
        }
        if !running && owner.is_none() && taken.is_none_or(|(_, column)| column >= SLOT) {
            self.dictionary.add(pulse.on, pulse.power, pulse.seconds());
            if let Some(slot) = slot {
                self.dictionary.guess(slot, &sure);
            }
        }
        if !running {
            let whole = 1.4 * self.rhythm.period_s().min(60) as f64;
            if pulse.closed && pulse.seconds() >= whole {
                let again = candidate
                    .features
                    .get(place::CYCLE)
                    .is_some_and(|&count| count >= 2.0);
                self.habits
                    .add(pulse.power, pulse.seconds(), pulse.off, again);
            }
            if self.settings.observe {
                self.observed.push(candidate);
            }
        }
    }
}

/// Whether physics lets a candidate, seen in rows of `period` seconds, be of a kind.
pub(crate) fn gate(kind: &Kind, candidate: &Candidate, period: f64, now: f64) -> bool {
    let Some(first) = candidate.first() else {
        return false;
    };
    let seconds = first.off.min(now) - first.on;
    let (low, high) = kind.power_w;
    let (short, long) = kind.load_s;
    // A row that was on in part shows less than the load draws.
    let part = seconds < if period > 10.0 { 1.6 } else { 2.2 } * period;
    let low = if part {
        (0.4 * low).max(kind.on_w)
    } else {
        0.85 * low
    };
    first.power >= low
        && first.power <= 1.1 * high
        && seconds <= long + period
        && seconds + period >= short
}

fn overlaps(run: &Run, pulse: &Pulse, now: f64) -> bool {
    run.pulses.iter().any(|other| {
        let shared = other.off.min(pulse.off).min(now) - other.on.max(pulse.on);
        shared > 0.2 * (pulse.off.min(now) - pulse.on)
    })
}
