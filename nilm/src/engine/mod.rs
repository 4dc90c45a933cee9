//! The online decoder: rows in, decided rows out.
//!
//! A row waits until its delay is over; then everything that was seen up to now says what ran in
//! it, and it is never revised. Candidates are decided when the rows they begin in are, those of
//! programmes a little earlier, so that the pump before the first heating is not missed.
//!
//! Here rows come in; `look` decides whose the candidates are, `likely` how likely that is, and
//! `row` what each appliance took in a row. `plug` is what plugs tell, `correct` what the
//! household says, `live` what runs now.

mod correct;
mod likely;
mod live;
mod look;
mod plug;
mod row;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::candidate::{Candidate, Programmes};
use crate::correction::Corrected;
use crate::dictionary::Dictionary;
pub use crate::dictionary::SLOTS;
use crate::floor::Floor;
use crate::habits::Habits;
use crate::ingest::{Arrival, Rhythm, Sample};
use crate::kind::column_order;
use crate::library::Library;
use crate::personal::Personal;
use crate::pulse::Pairing;
use crate::segment::{Segmenter, Step};
use correct::Remembered;
pub use live::{Running, Unnamed};
pub(crate) use look::gate;
use look::{Group, Guess, Run};
use plug::Plug;
use row::Waiting;
pub use row::{Decided, Part};

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

/// From here on a candidate is an appliance's.
const ACCEPT: f64 = 0.5;
/// Before any row; finite, so that it can be written down.
const LONG_AGO: f64 = -1e18;
/// Runs in slots of the dictionary stand behind the columns.
const SLOT: usize = 100_000;

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

    /// The same decoder with a library, after it was read back.
    #[must_use]
    pub fn with_library(mut self, library: Arc<Library>) -> Self {
        self.library = library;
        self
    }

    /// Says what the household owns.
    pub fn own(&mut self, owned: &[String]) {
        for name in owned {
            // A name that is no name is not owned.
            let _ = self.column_for(name);
        }
        self.settings.owned = owned.to_vec();
    }

    /// Says which appliances have a plug. What an appliance without one learnt from its plug stays.
    pub fn plug_in(&mut self, plugged: &[String]) {
        for name in plugged {
            // A name that is no name has no plug.
            let _ = self.column_for(name);
        }
        self.settings.plugged = plugged.to_vec();
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
