//! What the household says: names, merges, splits, "that was not it", and taking it back.

use serde::{Deserialize, Serialize};

use super::Disaggregator;
use crate::candidate::Candidate;
use crate::correction::{Corrected, Correction, CorrectionError};
use crate::personal::Point;

/// Cycles that corrections can speak of.
const REMEMBERED: usize = 3000;
/// What a person says weighs as much as this many cycles of a plug.
const SAID: f32 = 40.0;
/// Columns at most.
const COLUMNS: usize = 64;

/// A run that corrections can speak of.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Remembered {
    pub(super) column: usize,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) point: Point,
}

impl Disaggregator {
    /// Carries out a correction; what is decided from now on follows it.
    ///
    /// # Errors
    /// What it speaks of is not known.
    pub fn correct(&mut self, correction: Correction) -> Result<u64, CorrectionError> {
        let id = self.next_correction;
        let mut before = None;
        match &correction {
            Correction::Name { slot, appliance } => {
                if *slot >= self.dictionary.slots().len() {
                    return Err(CorrectionError::Slot);
                }
                let column = self.column_for(appliance)?;
                before = self.dictionary.name(*slot, Some(column));
            }
            Correction::Reject { appliance, at } => {
                let (column, point) = self.recall(appliance, *at)?;
                self.personal
                    .entry(column)
                    .or_default()
                    .learn(point, false, SAID, id);
            }
            Correction::Split {
                appliance,
                at,
                into,
            } => {
                let (column, point) = self.recall(appliance, *at)?;
                let other = self.column_for(into)?;
                self.personal
                    .entry(column)
                    .or_default()
                    .learn(point, false, SAID, id);
                self.personal
                    .entry(other)
                    .or_default()
                    .learn(point, true, SAID, id);
            }
            Correction::Merge { appliance, into } => {
                let column = self.position(appliance).ok_or(CorrectionError::Appliance)?;
                let into = self.position(into).ok_or(CorrectionError::Appliance)?;
                if column == into || self.merged.contains_key(&into) {
                    return Err(CorrectionError::Appliance);
                }
                self.merged.insert(column, into);
            }
        }
        self.next_correction += 1;
        self.corrections.push(Corrected {
            id,
            correction,
            before,
        });
        Ok(id)
    }

    /// Takes a correction back.
    ///
    /// # Errors
    /// There is no such correction.
    pub fn undo(&mut self, id: u64) -> Result<(), CorrectionError> {
        let at = self.corrections.iter().position(|made| made.id == id);
        let made = at
            .map(|at| self.corrections.remove(at))
            .ok_or(CorrectionError::Correction)?;
        match &made.correction {
            Correction::Name { slot, .. } => {
                self.dictionary.name(*slot, made.before);
            }
            Correction::Reject { .. } | Correction::Split { .. } => {
                for personal in self.personal.values_mut() {
                    personal.forget(id);
                }
            }
            Correction::Merge { appliance, .. } => {
                if let Some(column) = self.position(appliance) {
                    self.merged.remove(&column);
                }
            }
        }
        Ok(())
    }

    /// The corrections in force.
    #[must_use]
    pub fn corrections(&self) -> &[Corrected] {
        &self.corrections
    }

    /// Forgets all that was learnt of an appliance.
    ///
    /// # Errors
    /// There is no such appliance.
    pub fn erase(&mut self, appliance: &str) -> Result<(), CorrectionError> {
        let column = self.position(appliance).ok_or(CorrectionError::Appliance)?;
        self.personal.remove(&column);
        self.habitual.remove(&column);
        self.plugs.remove(&column);
        self.dictionary.forget(column);
        self.remembered.retain(|run| run.column != column);
        self.guesses.retain(|guess| guess.column != column);
        Ok(())
    }

    /// Keeps in mind what a run was, for corrections.
    pub(super) fn note(&mut self, column: usize, candidate: &Candidate, now: f64) {
        if self.remembered.len() >= REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(Remembered {
            column,
            from: candidate.start(),
            to: candidate.end().min(now),
            point: Point::of(candidate),
        });
    }

    /// What is likely enough, one way or the other, speaks for what is like it.
    pub(super) fn remember(&mut self, candidate: &Candidate, judged: &[(usize, f64)]) {
        for &(column, likely) in judged {
            if !(0.2..=0.8).contains(&likely) {
                let point = Point::of(candidate);
                self.habitual
                    .entry(column)
                    .or_default()
                    .learn(point, likely > 0.5, 0.1, 0);
            }
        }
    }

    /// The column of an appliance, a new one at the end where there is none.
    pub(super) fn column_for(&mut self, appliance: &str) -> Result<usize, CorrectionError> {
        if let Some(column) = self.position(appliance) {
            return Ok(column);
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if appliance.is_empty() || appliance.len() > 40 || !appliance.bytes().all(plain) {
            return Err(CorrectionError::Name);
        }
        if self.columns.len() >= COLUMNS {
            return Err(CorrectionError::TooMany);
        }
        self.columns.push(appliance.to_owned());
        Ok(self.columns.len() - 1)
    }

    fn position(&self, appliance: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == appliance)
    }

    fn recall(&self, appliance: &str, at: i64) -> Result<(usize, Point), CorrectionError> {
        let column = self.position(appliance).ok_or(CorrectionError::Appliance)?;
        let at = at as f64;
        let near = |run: &&Remembered| {
            self.shown(run.column) == column && run.from - 300.0 <= at && at <= run.to + 300.0
        };
        let run = self
            .remembered
            .iter()
            .rev()
            .find(near)
            .ok_or(CorrectionError::Cycle)?;
        Ok((run.column, run.point))
    }
}
