//! The segmenter: power over time becomes levels and the steps between them.
//!
//! A level holds as long as rows stay within a threshold that follows the noise: the largest of
//! a fixed 20 W, a share of the level, and four times the spread seen on it. A single row between
//! two levels in the same direction is no level of its own but an edge that the meter averaged;
//! the step then lies inside that row, where its mean says. A spike of a few seconds before a new
//! level is the overshoot of a motor or a transformer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A threshold below this finds the noise of meters, not loads. W.
const FLOOR_W: f64 = 20.0;
/// Share of the level that rows may differ by.
const SHARE: f64 = 0.03;
/// Rows that make the running mean of a level.
const MEMORY: f64 = 20.0;
/// Rows that make the level at which a segment begins.
const HEAD: u32 = 3;
/// A ramp or an overshoot is over within this many seconds, or within one row. s.
const TRANSIENT_S: f64 = 6.0;

/// A stretch of steady power.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Level {
    start: f64,
    end: f64,
    /// Mean of the first rows, W.
    head: f64,
    /// Running mean at its end, W.
    tail: f64,
    rows: u32,
    /// Mean absolute deviation of its rows, W.
    spread: f64,
}

impl Level {
    fn new(start: f64, end: f64, power: f64, spread: f64) -> Self {
        Self {
            start,
            end,
            head: power,
            tail: power,
            rows: 1,
            spread,
        }
    }

    /// How long its rows are, s.
    fn row_s(&self) -> f64 {
        (self.end - self.start) / f64::from(self.rows)
    }

    fn threshold(&self) -> f64 {
        let share = SHARE * self.tail.abs();
        // Texture may raise the threshold, but never so far that a kettle hides in it.
        let noise = (5.0 * self.spread).min(60.0 + 2.0 * share);
        FLOOR_W.max(share).max(noise)
    }

    fn takes(&self, power: f64) -> bool {
        (power - self.tail).abs() <= self.threshold()
    }

    fn add(&mut self, end: f64, power: f64) {
        self.rows = self.rows.saturating_add(1);
        self.end = end;
        let n = f64::from(self.rows);
        if self.rows <= HEAD {
            self.head += (power - self.head) / n;
        }
        let off = (power - self.tail).abs();
        self.tail += (power - self.tail) / n.min(MEMORY);
        self.spread += (off - self.spread) / MEMORY;
    }
}

/// A change from one level to another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// When, in unix seconds; inside a row where the meter averaged the edge.
    pub at: f64,
    /// Level before, W.
    pub from: f64,
    /// Level after, W.
    pub to: f64,
    /// The averaged row between the two, if there was one: its start and its mean in W. It may
    /// also have been a level of its own.
    pub between: Option<(f64, f64)>,
    /// How far the first seconds lay above the new level, W.
    pub overshoot: f64,
    /// Spread of the rows before, W.
    pub noise: f64,
    /// How long the row is in which it lies, s.
    pub row_s: f64,
}

impl Step {
    /// The change, W; positive when something came on.
    #[must_use]
    pub fn delta(&self) -> f64 {
        self.to - self.from
    }
}

/// Finds the steps in a series of rows.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Segmenter {
    /// The level up to which steps have been told, short ones that may be no levels, and last the
    /// one that rows go to.
    chain: VecDeque<Level>,
}

/// Short levels that may wait for one that lasts: the rows of a motor's start, and it.
const WAITING: usize = 4;

impl Segmenter {
    /// Takes the mean power of the row from `start` to `end` (unix seconds) and adds to `out` the
    /// steps that are certain by now.
    pub fn push(&mut self, start: f64, end: f64, power: f64, out: &mut Vec<Step>) {
        let spread = self.chain.front().map_or(2.0, |base| base.spread);
        match self.chain.back_mut() {
            Some(now) if now.takes(power) => {
                now.add(end, power);
                if now.rows == 2 {
                    while self.chain.len() > 1 {
                        self.resolve(out);
                    }
                }
            }
            _ => {
                self.chain.push_back(Level::new(start, end, power, spread));
                while self.chain.len() > WAITING + 1 {
                    self.resolve(out);
                }
            }
        }
    }

    /// Tells the steps that are still held back, and forgets everything.
    pub fn finish(&mut self, out: &mut Vec<Step>) {
        while self.chain.len() > 1 {
            self.resolve(out);
        }
        self.chain.clear();
    }

    /// The level that rows go to now: its start in unix seconds, its mean in W, its rows.
    #[must_use]
    pub fn current(&self) -> Option<(f64, f64, u32)> {
        self.chain.back().map(|now| (now.start, now.tail, now.rows))
    }

    /// The last level whose beginning has been told, W.
    #[must_use]
    pub fn told(&self) -> Option<f64> {
        self.chain.front().map(|base| base.tail)
    }

    /// Decides what the first level after the told one is, and tells the step to it.
    fn resolve(&mut self, out: &mut Vec<Step>) {
        let Some(base) = self.chain.pop_front() else {
            return;
        };
        if self.inrush(&base, out) {
            return;
        }
        let (Some(&first), second) = (self.chain.front(), self.chain.get(1).copied()) else {
            return;
        };
        let Some(second) = second.filter(|_| first.rows == 1) else {
            out.push(Step {
                at: first.start,
                from: base.tail,
                to: first.head,
                between: None,
                overshoot: 0.0,
                noise: base.spread,
                row_s: first.row_s(),
            });
            return;
        };
        let (total, part) = (second.head - base.tail, first.head - base.tail);
        let brief = first.end - first.start <= TRANSIENT_S;
        let mut joined = Step {
            at: first.start,
            from: base.tail,
            to: second.head,
            between: None,
            overshoot: 0.0,
            noise: base.spread,
            row_s: first.row_s(),
        };
        if total.abs() > base.threshold() && part * total > 0.0 {
            if part.abs() < total.abs() {
                // The row's mean says when in it the step came.
                joined.at = first.end - (first.end - first.start) * (part / total).clamp(0.0, 1.0);
                joined.between = Some((first.start, first.head));
                out.push(joined);
                self.chain.pop_front();
                return;
            }
            if brief && total > 0.0 {
                joined.overshoot = first.head - second.head;
                out.push(joined);
                self.chain.pop_front();
                return;
            }
        }
        joined.to = first.head;
        out.push(joined);
    }

    /// The start of a motor that lies in several rows: tells the step to the level that lasts, with
    /// how far the first seconds lay above it.
    fn inrush(&mut self, base: &Level, out: &mut Vec<Step>) -> bool {
        let rows = self.chain.iter().take_while(|level| level.rows == 1);
        let brief = rows.count();
        let (Some(first), Some(lasting)) = (self.chain.front(), self.chain.get(brief)) else {
            return false;
        };
        let row = first.end - first.start;
        let (from, total) = (first.start, lasting.head - base.tail);
        let spike = self.chain.iter().take(brief).map(|level| level.head);
        let (peak, least) = spike.fold((0.0_f64, f64::INFINITY), |(most, least), head| {
            (most.max(head), least.min(head))
        });
        // A motor of a few hundred watts has started in TRANSIENT_S; its rows begin and end outside.
        let is_start = brief >= 2
            && row <= TRANSIENT_S
            && lasting.start - from <= TRANSIENT_S + row
            && total > base.threshold()
            && least > base.tail + base.threshold()
            && peak - lasting.head > lasting.threshold();
        if !is_start {
            return false;
        }
        out.push(Step {
            at: from,
            from: base.tail,
            to: lasting.head,
            between: None,
            overshoot: peak - lasting.head,
            noise: base.spread,
            row_s: row,
        });
        self.chain.drain(..brief);
        true
    }
}
