//! Pulses: what came on and went off again, by a beam of hypotheses.
//!
//! Which fall in power belongs to which rise is not known when two loads overlap. Up to
//! [`BEAM`] explanations are kept side by side, each with a cost; whatever lies far enough in the
//! past is read from the cheapest one. A rise may open a load, or raise one that runs; a fall may
//! close one load or two, lower one, or stay unexplained. In long rows one load may also take the
//! place of another. No explanation may claim more than the meter shows.

use serde::{Deserialize, Serialize};

use crate::segment::Step;

/// Explanations kept.
pub const BEAM: usize = 32;
/// Loads that may be on at once in one explanation.
const OPEN: usize = 10;
/// How long a load that is run up takes to its power. s.
const RAMP_S: f64 = 300.0;
/// Cost of a load that loses a part of its power.
const LOWERED: f64 = 3.0;
/// A motor draws a multiple of its power for no longer than this, and an edge that a meter follows
/// in several readings lasts no longer. s.
const TRANSIENT_S: f64 = 9.0;
/// In rows of this length two loads of a kitchen may change places within one. s.
const COARSE_S: f64 = 30.0;
/// A load gives its place to another only after so short a time, s, and only a strong one, W: a kettle
/// boils, and the microwave starts in the same minute.
const BRIEF_S: f64 = 420.0;
const STRONG_W: f64 = 1500.0;
/// What comes in its place, W; at most the share.
const SUCCESSOR_W: f64 = 400.0;
const SUCCESSOR: f64 = 0.8;
/// Cost of two steps in one row.
const SWAPPED: f64 = 3.0;
/// A load is taken as part of the base after this long. s.
const LONGEST_S: f64 = 12.0 * 3600.0;

/// The end of a load that is on; finite, so that it can be written down.
pub const RUNNING: f64 = 1e18;

/// A load that was on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Pulse {
    /// Number of the rise that began it.
    pub id: u64,
    /// When it came on, unix seconds.
    pub on: f64,
    /// When it went off, unix seconds; [`RUNNING`] while it is on.
    pub off: f64,
    /// Its power, W.
    pub power: f64,
    /// Its power when it came on, W.
    pub first: f64,
    /// Power of the home before it came on, W.
    pub before: f64,
    /// How far its first seconds lay above its power, W.
    pub overshoot: f64,
    /// Whether its end was seen as its own.
    pub closed: bool,
    /// What it last lost without going off, W, and when.
    #[serde(default)]
    pub lost: (f64, f64),
}

impl Pulse {
    /// Whether it is on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.off >= RUNNING
    }

    /// How long it was on, s.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.off - self.on
    }

    /// The share of a row that it was on.
    #[must_use]
    pub fn share(&self, start: f64, end: f64) -> f64 {
        let span = (end.min(self.off) - start.max(self.on)).max(0.0);
        if end > start {
            span / (end - start)
        } else {
            0.0
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Hypothesis {
    cost: f64,
    open: Vec<Pulse>,
    /// The last pulse that ended, in `Pairing::ended`.
    last: Option<u32>,
}

/// The beam.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Pairing {
    beam: Vec<Hypothesis>,
    /// Pulses that ended, each with the one that ended before it in its explanation.
    ended: Vec<(Pulse, Option<u32>)>,
    next_id: u64,
    /// Nodes after the last clearing.
    kept: usize,
}

impl Default for Pairing {
    fn default() -> Self {
        Self {
            beam: vec![Hypothesis::default()],
            ended: Vec::new(),
            next_id: 0,
            kept: 0,
        }
    }
}

impl Pairing {
    /// Takes a step. `floor` is the power in W that is always on; `bounded` says that the loads
    /// cannot exceed what the meter shows, which generation behind the meter breaks.
    pub fn step(&mut self, step: &Step, floor: f64, bounded: bool) {
        let mut next: Vec<Hypothesis> = Vec::with_capacity(self.beam.len() * 4);
        let id = self.next_id;
        self.next_id += 2;
        for hypothesis in std::mem::take(&mut self.beam) {
            if let Some((start, level)) = step.between {
                // The averaged row may have been two steps after all.
                let mut halfway = Vec::new();
                let first = Step {
                    at: start,
                    to: level,
                    between: None,
                    ..*step
                };
                let end = step.at.max(start);
                let second = Step {
                    at: end,
                    from: level,
                    between: None,
                    ..*step
                };
                let mut split = hypothesis.clone();
                split.cost += 2.0;
                self.expand(split, &first, id, &mut halfway);
                halfway.sort_by(|a, b| a.cost.total_cmp(&b.cost));
                halfway.truncate(4);
                for half in halfway {
                    self.expand(half, &second, id + 1, &mut next);
                }
            }
            self.expand(hypothesis, step, id, &mut next);
        }
        if bounded {
            let room = step.to - 0.7 * floor + 30.0 + 0.05 * step.to.abs();
            for hypothesis in &mut next {
                self.fit(hypothesis, room, step.at);
            }
        }
        next.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        for hypothesis in next {
            if self.beam.len() >= BEAM {
                break;
            }
            if !self.beam.iter().any(|kept| alike(kept, &hypothesis)) {
                self.beam.push(hypothesis);
            }
        }
        let least = self.beam.first().map_or(0.0, |best| best.cost);
        for hypothesis in &mut self.beam {
            hypothesis.cost -= least;
        }
        self.beam.retain(|hypothesis| hypothesis.cost < 14.0);
    }

    /// The pulses of the cheapest explanation that ended after `since`, and those that are on,
    /// by the time they came on.
    #[must_use]
    pub fn best(&self, since: f64) -> Vec<Pulse> {
        let Some(best) = self.beam.first() else {
            return Vec::new();
        };
        let mut pulses = best.open.clone();
        let mut at = best.last;
        while let Some((pulse, before)) = at.and_then(|i| self.ended.get(i as usize)) {
            if pulse.off < since {
                break;
            }
            pulses.push(*pulse);
            at = *before;
        }
        pulses.sort_by(|a, b| a.on.total_cmp(&b.on).then(a.id.cmp(&b.id)));
        pulses
    }

    /// Everything that is on ends here without an end of its own.
    pub fn cut(&mut self, at: f64) {
        let mut beam = std::mem::take(&mut self.beam);
        beam.truncate(1);
        for hypothesis in &mut beam {
            for mut pulse in std::mem::take(&mut hypothesis.open) {
                pulse.off = at;
                pulse.closed = false;
                self.end(hypothesis, pulse);
            }
        }
        self.beam = beam;
    }

    /// Forgets what ended before `since`.
    pub fn forget(&mut self, since: f64) {
        for hypothesis in &mut self.beam {
            hypothesis.open.retain(|pulse| since - pulse.on < LONGEST_S);
        }
        if self.ended.len() < 2 * self.kept + 512 {
            return;
        }
        let mut moved: Vec<Option<u32>> = vec![None; self.ended.len()];
        let mut kept: Vec<(Pulse, Option<u32>)> = Vec::new();
        let mut used = vec![false; self.ended.len()];
        for hypothesis in &self.beam {
            let mut at = hypothesis.last;
            while let Some(i) = at.map(|i| i as usize) {
                let (Some(mark), Some((pulse, before))) = (used.get_mut(i), self.ended.get(i))
                else {
                    break;
                };
                if *mark || pulse.off < since {
                    break;
                }
                *mark = true;
                at = *before;
            }
        }
        for ((node, mark), to) in self.ended.iter().zip(&used).zip(&mut moved) {
            if *mark {
                *to = u32::try_from(kept.len()).ok();
                kept.push(*node);
            }
        }
        let find = |i: Option<u32>| i.and_then(|i| moved.get(i as usize).copied().flatten());
        for (_, before) in &mut kept {
            *before = find(*before);
        }
        for hypothesis in &mut self.beam {
            hypothesis.last = find(hypothesis.last);
        }
        self.kept = kept.len();
        self.ended = kept;
    }

    fn end(&mut self, hypothesis: &mut Hypothesis, pulse: Pulse) {
        let Ok(i) = u32::try_from(self.ended.len()) else {
            return;
        };
        self.ended.push((pulse, hypothesis.last));
        hypothesis.last = Some(i);
    }

    fn expand(&mut self, from: Hypothesis, step: &Step, id: u64, out: &mut Vec<Hypothesis>) {
        let delta = step.delta();
        let size = delta.abs();
        let unexplained = 1.5 + 5.0 * (size / 150.0).min(1.0);
        if delta > 0.0 {
            for (i, load) in from.open.iter().enumerate() {
                // A motor that starts in a machine, a second heater of the same appliance.
                // A motor that is run up, and a pump behind a heater, take minutes to their power.
                let ramp = step.at - load.on < RAMP_S && size < 0.75 * load.power;
                if step.at - load.on < 2.0 * 3600.0
                    && load.power > 300.0
                    && (ramp || size < 0.6 * load.power)
                {
                    let mut raised = from.clone();
                    if let Some(load) = raised.open.get_mut(i) {
                        load.power += delta;
                    }
                    raised.cost += if ramp { 1.5 } else { 3.5 };
                    out.push(raised);
                }
            }
            let mut opened = from;
            opened.open.push(Pulse {
                id,
                on: step.at,
                off: RUNNING,
                power: delta,
                first: delta,
                before: step.from,
                overshoot: step.overshoot,
                closed: false,
                lost: (0.0, 0.0),
            });
            if opened.open.len() > OPEN {
                opened.open.remove(0);
                opened.cost += 3.0;
            }
            opened.cost += 0.5;
            out.push(opened);
            return;
        }
        if step.row_s >= COARSE_S {
            self.swap(&from, step, id, out);
        }
        for i in 0..from.open.len() {
            let Some(&one) = from.open.get(i) else {
                continue;
            };
            let z = (one.power - size) / mismatch(&one, size, step);
            if z.abs() < 3.5 {
                let mut closed = from.clone();
                closed.cost += z * z / 2.0;
                closed.open.remove(i);
                let mut power = 0.5 * (one.power + size);
                if one.lost.0 > 0.0 && step.at - one.lost.1 <= TRANSIENT_S {
                    // What it lost a moment ago was the beginning of its end.
                    closed.cost -= LOWERED - 1.0;
                    power += one.lost.0;
                }
                self.end(
                    &mut closed,
                    Pulse {
                        off: step.at,
                        power,
                        closed: true,
                        ..one
                    },
                );
                out.push(closed);
            }
            if one.power > size + 40.0 && step.at - one.on <= TRANSIENT_S {
                // The start of a motor.
                let mut settled = from.clone();
                if let Some(load) = settled.open.get_mut(i) {
                    load.power -= size;
                    load.first = load.power;
                    load.overshoot = load.overshoot.max(size);
                }
                settled.cost += 1.0;
                out.push(settled);
            } else if z.abs() >= 3.5 && one.power > size + 40.0 && size < 0.7 * one.power {
                let mut lowered = from.clone();
                if let Some(load) = lowered.open.get_mut(i) {
                    load.power -= size;
                    load.lost = (size, step.at);
                }
                lowered.cost += LOWERED;
                out.push(lowered);
            }
            for j in i + 1..from.open.len() {
                let Some(&two) = from.open.get(j) else {
                    continue;
                };
                let sum = one.power + two.power;
                let both = mismatch(&one, size, step).hypot(mismatch(&two, size, step)) / 1.4;
                let z = (sum - size) / both;
                if z.abs() < 3.0 {
                    let mut closed = from.clone();
                    closed.cost += z * z / 2.0 + 2.5;
                    closed.open.remove(j);
                    closed.open.remove(i);
                    let scale = 0.5 * (1.0 + size / sum.max(1.0));
                    for load in [one, two] {
                        let power = load.power * scale;
                        self.end(
                            &mut closed,
                            Pulse {
                                off: step.at,
                                power,
                                closed: true,
                                ..load
                            },
                        );
                    }
                    out.push(closed);
                }
            }
        }
        let mut ignored = from;
        ignored.cost += unexplained;
        out.push(ignored);
    }

    /// One load ends and another starts in the same row: the meter shows their difference.
    fn swap(&mut self, from: &Hypothesis, step: &Step, id: u64, out: &mut Vec<Hypothesis>) {
        for (i, &load) in from.open.iter().enumerate() {
            let power = load.power + step.delta();
            let successor = SUCCESSOR_W..=SUCCESSOR * load.power;
            if step.at - load.on > BRIEF_S || load.power < STRONG_W || !successor.contains(&power) {
                continue;
            }
            let mut swapped = from.clone();
            swapped.cost += SWAPPED;
            swapped.open.remove(i);
            self.end(
                &mut swapped,
                Pulse {
                    off: step.at,
                    closed: true,
                    ..load
                },
            );
            swapped.open.push(Pulse {
                id,
                on: step.at,
                off: RUNNING,
                power,
                first: power,
                before: step.from - load.power,
                overshoot: 0.0,
                closed: false,
                lost: (0.0, 0.0),
            });
            out.push(swapped);
        }
    }

    /// Ends loads until the rest fits into `room` (W).
    fn fit(&mut self, hypothesis: &mut Hypothesis, room: f64, at: f64) {
        loop {
            let sum: f64 = hypothesis.open.iter().map(|load| load.power).sum();
            let over = sum - room;
            if over <= 0.0 || hypothesis.open.is_empty() {
                return;
            }
            let closest = hypothesis
                .open
                .iter()
                .enumerate()
                .min_by(|(_, a), (_, b)| (a.power - over).abs().total_cmp(&(b.power - over).abs()))
                .map_or(0, |(i, _)| i);
            let load = hypothesis.open.remove(closest);
            hypothesis.cost += 1.5 + 5.0 * (load.power / 150.0).min(1.0);
            self.end(
                hypothesis,
                Pulse {
                    off: at,
                    closed: false,
                    ..load
                },
            );
        }
    }
}

/// How far the fall of a load may differ from its rise, one sigma, W.
fn mismatch(load: &Pulse, size: f64, step: &Step) -> f64 {
    let power = load.power.max(size);
    // A compressor and a motor draw less when they have run for a while.
    let drift = if step.at - load.on > 240.0 {
        0.08
    } else {
        0.03
    };
    let merged = if step.between.is_some() { 0.02 } else { 0.0 };
    (8.0 + 1.5 * step.noise.min(40.0)).hypot((drift + merged) * power)
}

fn alike(a: &Hypothesis, b: &Hypothesis) -> bool {
    a.open.len() == b.open.len()
        && a.open
            .iter()
            .zip(&b.open)
            .all(|(x, y)| x.id == y.id && (x.power - y.power).abs() < 25.0)
}
