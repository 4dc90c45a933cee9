//! The household dictionary: loads that come back and that no appliance explains.
//!
//! Loads that were left over are kept for thirty days and clustered once a day by their power and
//! the time they are on (DBSCAN, `linfa-clustering`), each feature measured in what it varies by
//! in one appliance. A cluster takes the slot of the nearest one before it, so that a slot, and
//! the name it may have got, survives; only clusters with a share of the energy get a slot.

use std::collections::VecDeque;

use linfa::traits::Transformer;
use linfa_clustering::Dbscan;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Slots for loads without a name.
pub const SLOTS: usize = 8;
/// Loads kept.
const RESERVOIR: usize = 2000;
/// How long loads are kept. s.
const KEPT_S: f64 = 30.0 * 86400.0;
/// Loads that make a cluster.
const CLUSTER: usize = 6;
/// Spread of the logarithm of the power of one appliance.
const POWER: f64 = 0.05;
/// Spread of the logarithm of the time on of one appliance.
const SECONDS: f64 = 0.5;
/// A slot is worth this share of what the dictionary holds.
const SHARE: f64 = 0.03;

/// A load that was left over.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Left {
    at: f64,
    power: f64,
    seconds: f64,
}

/// A load that comes back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Slot {
    /// Its power, W.
    pub power_w: f64,
    /// How long it is on, s.
    pub typical_s: f64,
    /// How often it came in the time that was looked at.
    pub count: f64,
    /// Days that were looked at.
    pub days: f64,
    /// What it may be: the column and how likely, faded.
    pub guesses: Vec<(usize, f64)>,
    /// The column that the household gave it.
    pub named: Option<usize>,
}

/// The dictionary.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Dictionary {
    left: VecDeque<Left>,
    slots: Vec<Slot>,
    fitted_at: Option<f64>,
}

impl Dictionary {
    /// Takes a load that was left over.
    pub fn add(&mut self, at: f64, power: f64, seconds: f64) {
        if power < 40.0 || seconds < 20.0 || !power.is_finite() || !seconds.is_finite() {
            return;
        }
        if self.left.len() >= RESERVOIR {
            self.left.pop_front();
        }
        self.left.push_back(Left { at, power, seconds });
    }

    /// Clusters again where a day has passed.
    pub fn refit(&mut self, now: f64) {
        match self.fitted_at {
            None => self.fitted_at = Some(now),
            Some(before) if now - before >= 86400.0 => {
                self.fitted_at = Some(now);
                self.left.retain(|load| now - load.at < KEPT_S);
                self.cluster(now);
            }
            Some(_) => {}
        }
    }

    /// The slots, in the order in which they were found.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The slot that a load falls into.
    #[must_use]
    pub fn find(&self, power: f64, seconds: f64) -> Option<usize> {
        self.slots
            .iter()
            .enumerate()
            .map(|(i, slot)| (i, distance(slot.power_w, slot.typical_s, power, seconds)))
            .filter(|&(_, far)| far < 2.5)
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(i, _)| i)
    }

    /// Gives a slot a name, or takes it back; returns what it had.
    pub fn name(&mut self, slot: usize, column: Option<usize>) -> Option<usize> {
        let slot = self.slots.get_mut(slot)?;
        std::mem::replace(&mut slot.named, column)
    }

    /// Takes names away from an appliance's slots.
    pub fn forget(&mut self, column: usize) {
        for slot in &mut self.slots {
            slot.named = slot.named.filter(|&named| named != column);
            slot.guesses.retain(|guess| guess.0 != column);
        }
    }

    /// Notes how likely a load of a slot was each appliance's.
    pub fn guess(&mut self, slot: usize, judged: &[(usize, f64)]) {
        let Some(slot) = self.slots.get_mut(slot) else {
            return;
        };
        for guess in &mut slot.guesses {
            guess.1 *= 0.9;
        }
        for &(column, likely) in judged {
            match slot.guesses.iter_mut().find(|guess| guess.0 == column) {
                Some(guess) => guess.1 += 0.1 * likely,
                None => slot.guesses.push((column, likely)),
            }
        }
    }

    fn cluster(&mut self, now: f64) {
        if self.left.len() < CLUSTER {
            return;
        }
        let points = Array2::from_shape_fn((self.left.len(), 2), |(row, column)| {
            self.left.get(row).map_or(0.0, |load| {
                if column == 0 {
                    load.power.ln() / POWER
                } else {
                    load.seconds.ln() / SECONDS
                }
            })
        });
        let Ok(found) = Dbscan::params(CLUSTER).tolerance(0.7).transform(&points) else {
            return;
        };
        let mut clusters: Vec<Vec<&Left>> = Vec::new();
        for (load, cluster) in self.left.iter().zip(found.iter()) {
            if let Some(cluster) = *cluster {
                if clusters.len() <= cluster {
                    clusters.resize(cluster + 1, Vec::new());
                }
                if let Some(members) = clusters.get_mut(cluster) {
                    members.push(load);
                }
            }
        }
        let energy = |load: &Left| load.power * load.seconds;
        let all: f64 = self.left.iter().map(energy).sum();
        let days = self
            .left
            .front()
            .map_or(1.0, |first| ((now - first.at) / 86400.0).max(1.0));
        let mut fresh: Vec<(f64, Slot)> = clusters
            .iter()
            .filter(|members| members.len() >= CLUSTER)
            .map(|members| {
                let n = members.len() as f64;
                let mean = |value: fn(&Left) -> f64| {
                    (members.iter().map(|load| value(load).ln()).sum::<f64>() / n).exp()
                };
                let slot = Slot {
                    power_w: mean(|load| load.power),
                    typical_s: mean(|load| load.seconds),
                    count: n,
                    days,
                    guesses: Vec::new(),
                    named: None,
                };
                (
                    members.iter().map(|load| energy(load)).sum::<f64>() / all.max(1.0),
                    slot,
                )
            })
            .collect();
        fresh.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.take_slots(fresh);
    }

    /// Pairs clusters with the slots they go on with, nearest pairs first; others get new slots.
    fn take_slots(&mut self, fresh: Vec<(f64, Slot)>) {
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (new, (_, cluster)) in fresh.iter().enumerate() {
            for (old, slot) in self.slots.iter().enumerate() {
                let far = distance(
                    slot.power_w,
                    slot.typical_s,
                    cluster.power_w,
                    cluster.typical_s,
                );
                if far < 3.0 {
                    pairs.push((far, new, old));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut taken_new = vec![false; fresh.len()];
        let mut taken_old = vec![false; self.slots.len()];
        for (_, new, old) in pairs {
            if let (Some(n), Some(o), Some((_, cluster)), Some(slot)) = (
                taken_new.get_mut(new),
                taken_old.get_mut(old),
                fresh.get(new),
                self.slots.get_mut(old),
            ) && !*n
                && !*o
            {
                (*n, *o) = (true, true);
                slot.power_w = cluster.power_w;
                slot.typical_s = cluster.typical_s;
                slot.count = cluster.count;
                slot.days = cluster.days;
            }
        }
        for ((share, cluster), taken) in fresh.into_iter().zip(taken_new) {
            if !taken && share >= SHARE && self.slots.len() < SLOTS {
                self.slots.push(cluster);
            }
        }
    }
}

/// How far two loads lie apart, in what one appliance varies by.
fn distance(power: f64, seconds: f64, other_power: f64, other_seconds: f64) -> f64 {
    let power = (power / other_power).ln() / POWER;
    let seconds = (seconds / other_seconds).ln() / SECONDS;
    (power * power + seconds * seconds).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(dictionary: &mut Dictionary, day: f64, power: f64, seconds: f64) {
        for i in 0..8 {
            let wobble = 1.0 + 0.01 * f64::from(i % 3);
            dictionary.add(
                day * 86400.0 + f64::from(i) * 3600.0,
                power * wobble,
                seconds * wobble,
            );
        }
    }

    #[test]
    fn a_slot_keeps_its_name_while_its_load_changes_a_little() {
        let mut dictionary = Dictionary::default();
        dictionary.refit(0.0);
        fill(&mut dictionary, 0.0, 1900.0, 240.0);
        fill(&mut dictionary, 0.0, 700.0, 100.0);
        dictionary.refit(86400.0);
        assert_eq!(dictionary.slots().len(), 2);
        let slot = dictionary.find(1900.0, 240.0).expect("the load is known");
        dictionary.name(slot, Some(3));
        fill(&mut dictionary, 1.5, 1960.0, 250.0);
        dictionary.refit(3.0 * 86400.0);
        assert_eq!(dictionary.find(1950.0, 245.0), Some(slot));
        assert_eq!(dictionary.slots()[slot].named, Some(3));
        assert_eq!(dictionary.find(1900.0, 5000.0), None);
    }
}
