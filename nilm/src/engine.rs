//! The online decoder: rows in, decided rows out.
//!
//! A row waits until its delay is over; then everything that was seen up to now says what ran in
//! it, and it is never revised. Candidates are decided when the rows they begin in are, those of
//! programmes a little earlier, so that the pump before the first heating is not missed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::candidate::{
    ALIKE, APART_S, Candidate, Plateau, Programmes, Surroundings, place, plateaus,
};
use crate::correction::{Corrected, Correction, CorrectionError};
use crate::dictionary::Dictionary;
pub use crate::dictionary::SLOTS;
use crate::fit::relevant;
use crate::floor::Floor;
use crate::grammar::{log_odds, shift};
use crate::habits::Habits;
use crate::ingest::{Arrival, Rhythm, Sample};
use crate::kind::{Family, KINDS, Kind, column_order, kind_of};
use crate::library::Library;
use crate::personal::{Personal, Point};
use crate::prior;
use crate::pulse::{Pairing, Pulse};
use crate::segment::{Segmenter, Step};

/// How a home is to be decoded.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Settings {
    /// How long a decision may wait, s.
    pub delay_s: i64,
    /// What the household says it owns.
    pub owned: Vec<String>,
    /// Appliances that plugs report.
    pub plugged: Vec<String>,
    /// Keep the candidates, for fitting.
    pub observe: bool,
}

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

/// A cycle that was decided to be an appliance's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct Run {
    column: usize,
    pulses: Vec<Pulse>,
    fill: Option<Fill>,
    confidence: f64,
}

/// What a programme draws while it does not heat.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Fill {
    from: f64,
    to: f64,
    /// What runs beside it, W.
    beside: f64,
    /// At least, W.
    least: f64,
    /// At most, W.
    most: f64,
}

/// A group of plateaus that has been looked at.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Group {
    start: f64,
    end: f64,
    power: f64,
    /// The last pulse of the run it became.
    run: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Waiting {
    ts: i64,
    aggregate_mw: Option<i64>,
    /// What the loads took, W.
    load: Option<f64>,
}

/// A guess about a pulse, right or wrong.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Guess {
    column: usize,
    on: f64,
    off: f64,
    likely: f64,
}

/// A plug: the power it told, by the time it told it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Plug {
    readings: VecDeque<(i64, i64)>,
}

/// A plug that has been silent this long tells nothing. s.
const PLUG_S: i64 = 600;

impl Plug {
    /// Mean power from `from` to `to`, mW; `None` where it was silent.
    fn mean(&self, from: f64, to: f64) -> Option<f64> {
        let mut at = self
            .readings
            .partition_point(|&(ts, _)| ts as f64 <= from)
            .checked_sub(1)?;
        let (mut sum, mut span) = (0.0, 0.0);
        while let Some(&(ts, power)) = self.readings.get(at) {
            if ts as f64 >= to {
                break;
            }
            let next = self.readings.get(at + 1).map_or(i64::MAX, |next| next.0);
            let until = next.min(ts.saturating_add(PLUG_S)) as f64;
            let lasting = until.min(to) - (ts as f64).max(from);
            if lasting > 0.0 {
                sum += power as f64 * lasting;
                span += lasting;
            }
            at += 1;
        }
        (span > 0.5 * (to - from)).then(|| sum / span)
    }
}

/// How far programmes are decided ahead of their rows. s.
const LEAD_S: f64 = 1500.0;
/// A programme lasts no longer. s.
const PROGRAMME_S: f64 = 4.0 * 3600.0;
/// From here on a candidate is an appliance's.
const ACCEPT: f64 = 0.5;

/// Before any row; finite, so that it can be written down.
const LONG_AGO: f64 = -1e18;
/// Runs in slots of the dictionary stand behind the columns.
const SLOT: usize = 100_000;
/// Cycles that corrections can speak of.
const REMEMBERED: usize = 3000;
/// What a person says weighs as much as this many cycles of a plug.
const SAID: f32 = 40.0;
/// Columns at most.
const COLUMNS: usize = 64;

/// A run that corrections can speak of.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Remembered {
    column: usize,
    from: f64,
    to: f64,
    point: Point,
}

/// The decoder.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Disaggregator {
    #[serde(skip)]
    library: Arc<Library>,
    settings: Settings,
    columns: Vec<String>,
    rhythm: Rhythm,
    held: Option<(i64, bool)>,
    generated: bool,
    waiting: VecDeque<Waiting>,
    segmenter: Segmenter,
    pairing: Pairing,
    floor: Floor,
    habits: Habits,
    programmes: Programmes,
    runs: Vec<Run>,
    groups: Vec<Group>,
    guesses: Vec<Guess>,
    /// Pulses that need no further look, with the time they came on.
    done: BTreeMap<u64, f64>,
    grouped: BTreeMap<u64, f64>,
    decided_until: f64,
    /// The last load and since when it holds.
    last_load: Option<(i64, f64)>,
    /// Up to here the segmenter has been told.
    told_until: f64,
    plugs: BTreeMap<usize, Plug>,
    personal: BTreeMap<usize, Personal>,
    /// What the decoder itself was sure of.
    habitual: BTreeMap<usize, Personal>,
    dictionary: Dictionary,
    remembered: VecDeque<Remembered>,
    corrections: Vec<Corrected>,
    next_correction: u64,
    /// Appliances that were said to be another.
    merged: BTreeMap<usize, usize>,
    #[serde(skip)]
    observed: Vec<Candidate>,
}

impl Disaggregator {
    /// A decoder that knows nothing of the home yet.
    #[must_use]
    pub fn new(library: Arc<Library>, settings: Settings) -> Self {
        let mut columns: Vec<String> = library.kinds.keys().cloned().collect();
        columns.extend(["shower", "ev_charger"].map(str::to_owned));
        columns.extend(settings.owned.iter().cloned());
        columns.extend(settings.plugged.iter().cloned());
        columns.sort_by_key(|name| column_order(name));
        columns.dedup();
        Self {
            library,
            settings,
            columns,
            rhythm: Rhythm::default(),
            held: None,
            generated: false,
            waiting: VecDeque::new(),
            segmenter: Segmenter::default(),
            pairing: Pairing::default(),
            floor: Floor::default(),
            habits: Habits::default(),
            programmes: Programmes::default(),
            runs: Vec::new(),
            groups: Vec::new(),
            guesses: Vec::new(),
            done: BTreeMap::new(),
            grouped: BTreeMap::new(),
            decided_until: LONG_AGO,
            last_load: None,
            told_until: LONG_AGO,
            plugs: BTreeMap::new(),
            personal: BTreeMap::new(),
            habitual: BTreeMap::new(),
            dictionary: Dictionary::default(),
            remembered: VecDeque::new(),
            corrections: Vec::new(),
            next_correction: 1,
            merged: BTreeMap::new(),
            observed: Vec::new(),
        }
    }

    /// Says what the household owns.
    pub fn own(&mut self, owned: &[String]) {
        for name in owned {
            // A name that is no name is not owned.
            let _ = self.column_for(name);
        }
        self.settings.owned = owned.to_vec();
    }

    /// Names of the appliances, in the order of a row's parts.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Time of the last row that was taken, unix seconds.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.rhythm.last()
    }

    /// The usual interval between rows, s.
    #[must_use]
    pub fn period_s(&self) -> i64 {
        self.rhythm.period_s()
    }

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

    /// The power that is always on, W.
    #[must_use]
    pub fn floor_w(&self) -> f64 {
        self.floor.level()
    }

    /// Candidates that were looked at since the last call; only while observing.
    pub fn take_observed(&mut self) -> Vec<Candidate> {
        std::mem::take(&mut self.observed)
    }

    /// Takes a row and adds to `out` those that are decided by it.
    pub fn push(&mut self, sample: &Sample, out: &mut Vec<Decided>) -> Arrival {
        let before = self.rhythm.last();
        let arrival = self.rhythm.arrive(sample.ts);
        match arrival {
            Arrival::Dropped => return arrival,
            Arrival::AfterGap => {
                self.close(before.unwrap_or(sample.ts), out);
                self.last_load = None;
            }
            Arrival::Next => {}
        }
        if !self.rhythm.is_regular() {
            self.hold_until(sample.ts);
        }
        let value = sample.power_mw.or(self.held.map(|(value, _)| value));
        let usable = sample.valid && value.is_some();
        let load = value.filter(|_| usable).map(|value| {
            let generated = sample.generated_mw.unwrap_or(0).max(0);
            self.generated |= generated > 0 || value < 0;
            watts(
                value
                    .saturating_add(generated)
                    .saturating_sub(sample.export_mw.unwrap_or(0)),
            )
        });
        self.held = value.map(|value| (value, usable));
        self.waiting.push_back(Waiting {
            ts: sample.ts,
            aggregate_mw: value,
            load,
        });
        self.last_load = load.map(|load| (sample.ts, load));
        if let Some(load) = load {
            if self.rhythm.is_regular() {
                let end = sample.ts.saturating_add(self.rhythm.period_s());
                self.observe(sample.ts as f64, end as f64, load);
            }
        } else {
            self.interrupt(sample.ts as f64);
        }
        self.commit(
            sample.ts,
            sample.ts.saturating_sub(self.settings.delay_s),
            out,
        );
        arrival
    }

    /// Takes what the plug of an appliance told at `ts` (unix seconds): its power in mW. Rows and
    /// plug readings come in the order of their time.
    pub fn plug(&mut self, name: &str, ts: i64, power_mw: i64) {
        let Some(column) = self.columns.iter().position(|column| column == name) else {
            return;
        };
        let readings = &mut self.plugs.entry(column).or_default().readings;
        if readings.back().is_some_and(|&(last, _)| last >= ts) {
            return;
        }
        readings.push_back((ts, power_mw.max(0)));
        let keep = self.settings.delay_s + 6 * 3600;
        while readings
            .front()
            .is_some_and(|&(first, _)| ts.saturating_sub(first) > keep)
        {
            readings.pop_front();
        }
    }

    /// The input has ended: decides what is left.
    pub fn finish(&mut self, out: &mut Vec<Decided>) {
        if let Some(last) = self.rhythm.last() {
            self.close(last, out);
        }
    }

    /// A value that came on change held until now.
    fn hold_until(&mut self, ts: i64) {
        let Some((from, load)) = self.last_load else {
            return;
        };
        // A level that lasts counts as several rows.
        let (from, to) = ((from as f64).max(self.told_until), ts as f64);
        let mut at = from;
        for _ in 0..2 {
            if at + 2.0 <= to {
                self.observe(at, at + 1.0, load);
                at += 1.0;
            }
        }
        if at < to {
            self.observe(at, to, load);
        }
    }

    fn observe(&mut self, start: f64, end: f64, load: f64) {
        let mut steps: Vec<Step> = Vec::new();
        self.told_until = self.told_until.max(end);
        self.floor.push(start, end, load);
        self.segmenter.push(start, end, load, &mut steps);
        for step in &steps {
            self.pairing.step(step, self.floor.level(), !self.generated);
        }
    }

    /// There is no reading: what runs is not known any more.
    fn interrupt(&mut self, at: f64) {
        let mut steps = Vec::new();
        self.segmenter.finish(&mut steps);
        for step in &steps {
            self.pairing.step(step, self.floor.level(), !self.generated);
        }
        self.pairing.cut(at);
    }

    /// Decides everything, looking no further than `last`.
    fn close(&mut self, last: i64, out: &mut Vec<Decided>) {
        if !self.rhythm.is_regular() {
            self.hold_until(last);
        }
        let end = last.saturating_add(self.rhythm.period_s());
        self.interrupt(end as f64);
        self.commit(last, i64::MAX, out);
        self.decided_until = LONG_AGO;
    }

    /// Decides the rows that begin at `until` or before.
    fn commit(&mut self, now: i64, until: i64, out: &mut Vec<Decided>) {
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

    /// Decides the candidates that begin before `until`.
    fn decide(&mut self, until: f64, now: f64) {
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

    /// Whose a candidate is by the plugs, and what is to be learnt from it.
    fn plugged(&self, candidate: &Candidate, now: f64) -> (Option<usize>, Vec<(usize, bool)>) {
        let period = self.rhythm.period_s() as f64;
        let (mut owner, mut lessons) = (None, Vec::new());
        for (&column, plug) in &self.plugs {
            let (mut own, mut energy, mut told) = (0.0, 0.0, true);
            for pulse in &candidate.pulses {
                let (from, to) = (pulse.on - period, pulse.off.min(now) + period);
                let Some(mean) = plug.mean(from, to) else {
                    told = false;
                    break;
                };
                own += mean / 1000.0 * (to - from);
                energy += pulse.power * (pulse.off.min(now) - pulse.on);
            }
            if !told {
                continue;
            }
            let share = own / energy.max(1.0);
            let is_own = share > 0.5 && share < 1.9;
            if is_own {
                owner = Some(column);
            }
            let family = self.columns.get(column).map(|name| kind_of(name).family);
            if candidate.grouped == (family == Some(Family::Programme)) {
                lessons.push((column, is_own));
            }
        }
        (owner, lessons)
    }

    fn learn(&mut self, candidate: &Candidate, lessons: &[(usize, bool)]) {
        for &(column, own) in lessons {
            let point = Point::of(candidate);
            self.personal
                .entry(column)
                .or_default()
                .learn(point, own, 1.0, 0);
        }
    }

    /// Keeps in mind what a run was, for corrections.
    fn note(&mut self, column: usize, candidate: &Candidate, now: f64) {
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
    fn remember(&mut self, candidate: &Candidate, judged: &[(usize, f64)]) {
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

    /// Whether a plug tells of an appliance at this time.
    fn has_plug(&self, column: usize, from: f64, to: f64) -> bool {
        self.plugs
            .get(&column)
            .is_some_and(|plug| plug.mean(from, to).is_some())
    }

    /// How likely a candidate is a cycle of an appliance.
    fn likely(&self, name: &str, kind: &Kind, candidate: &Candidate) -> f64 {
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
            likely = habitual.likely(candidate, likely);
        }
        if let Some(taught) = column.and_then(|column| self.personal.get(&column)) {
            likely = taught.moved(candidate, likely);
        }
        likely
    }

    /// What a programme draws beside its heating.
    fn fill(&self, column: usize, candidate: &Candidate, around: &Surroundings<'_>) -> Fill {
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
    fn shown(&self, column: usize) -> usize {
        self.merged.get(&column).copied().unwrap_or(column)
    }

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

    /// The same decoder with a library, after it was read back.
    #[must_use]
    pub fn with_library(mut self, library: Arc<Library>) -> Self {
        self.library = library;
        self
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

    fn position(&self, appliance: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == appliance)
    }

    /// The column of an appliance, a new one at the end where there is none.
    fn column_for(&mut self, appliance: &str) -> Result<usize, CorrectionError> {
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

fn overlaps(run: &Run, pulse: &Pulse, now: f64) -> bool {
    run.pulses.iter().any(|other| {
        let shared = other.off.min(pulse.off).min(now) - other.on.max(pulse.on);
        shared > 0.2 * (pulse.off.min(now) - pulse.on)
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliwatts of a home")]
fn watts(milliwatts: i64) -> f64 {
    milliwatts as f64 / 1000.0
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, which is as good as any answer"
)]
fn milliwatts(watts: f64) -> i64 {
    (watts * 1000.0).round() as i64
}
