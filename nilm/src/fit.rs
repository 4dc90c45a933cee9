//! Fitting the signature library to labelled homes.
//!
//! The decoder runs over each home and tells the candidates it saw; the sub-meters say whose they
//! were. A home takes part in the fit of a kind only if the kind was metered there. Every number
//! comes from the given homes alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::candidate::Candidate;
use crate::cycles::Cycles;
use crate::engine::{Disaggregator, Settings, gate};
use crate::forest::{Features, Forest, Growth, Sample as Example};
use crate::grammar::of_programme;
use crate::ingest::Sample;
use crate::kind::{Family, KINDS, Kind, base_name, kind_of};
use crate::library::{FORMAT, Library, Signature, Source};

/// A home with sub-meters.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// Where it came from; `rows` and `appliances` are filled in by the fit.
    pub source: Source,
    /// Its rows.
    pub samples: Vec<Sample>,
    /// Sub-meters by appliance: power in each row, W.
    pub labels: BTreeMap<String, Vec<f32>>,
}

/// A candidate and whose it was.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the decoder saw.
    pub candidate: Candidate,
    /// The kind of the appliance that took most of its energy.
    pub owner: Option<String>,
}

/// What there is to learn from one home.
#[derive(Clone, Debug, Default)]
pub struct Lesson {
    source: Source,
    /// Its candidates.
    pub seen: Vec<Seen>,
    period: f64,
    cycles: BTreeMap<&'static str, u32>,
    programmes: BTreeMap<&'static str, Vec<[f64; 3]>>,
}

impl Lesson {
    /// Runs the decoder over a home and reads its sub-meters.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        let mut lesson = Self {
            source: home.source.clone(),
            seen: look(home),
            period: period(&home.samples),
            ..Self::default()
        };
        lesson.source.rows = home.samples.len() as u64;
        for (name, power) in &home.labels {
            let base = base_name(name);
            let Some(kind) = KINDS.iter().find(|kind| kind.name == base) else {
                continue;
            };
            let count = lesson.metered(home, kind, power);
            lesson.source.appliances.insert(name.clone(), count);
            *lesson.cycles.entry(kind.name).or_default() += count;
        }
        lesson
    }

    /// Whether a candidate says anything about a kind.
    #[must_use]
    pub fn concerns(&self, kind: &Kind, seen: &Seen) -> bool {
        let grouped = kind.family == Family::Programme;
        seen.candidate.grouped == grouped
            && (grouped || gate(kind, &seen.candidate, self.period, f64::INFINITY))
    }

    /// Counts the cycles of a sub-meter and learns how programmes run beside their heating.
    fn metered(&mut self, home: &Home, kind: &'static Kind, power: &[f32]) -> u32 {
        let mut cycles = Cycles::default();
        let mut found = Vec::new();
        for (sample, &watts) in home.samples.iter().zip(power) {
            if !sample.valid {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "whole milliwatts")]
            let (power_mw, seconds) = ((f64::from(watts) * 1000.0) as i64, self.period as i64);
            found.extend(cycles.push(kind, sample.ts, seconds, power_mw, 1.0));
        }
        found.extend(cycles.finish(kind));
        if kind.family == Family::Programme {
            let laws = self.programmes.entry(kind.name).or_default();
            let step = (found.len() / 60).max(1);
            for cycle in found.iter().step_by(step) {
                let from = home
                    .samples
                    .partition_point(|sample| sample.ts < cycle.start);
                let to = home.samples.partition_point(|sample| sample.ts < cycle.end);
                laws.extend(programme_law(home, power, from, to));
            }
        }
        u32::try_from(found.len()).unwrap_or(u32::MAX)
    }
}

/// Gathers homes and fits the library.
#[derive(Debug, Default)]
pub struct Fit {
    seed: u64,
    sources: Vec<Source>,
    examples: BTreeMap<&'static str, Vec<Vec<Example>>>,
    cycles: BTreeMap<&'static str, u32>,
    programmes: BTreeMap<&'static str, Vec<[f64; 3]>>,
}

impl Fit {
    /// Nothing gathered yet; all chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// Takes what there is to learn from a home.
    pub fn add(&mut self, lesson: &Lesson) {
        self.sources.push(lesson.source.clone());
        for (name, laws) in &lesson.programmes {
            self.programmes.entry(name).or_default().extend(laws);
        }
        for (name, count) in &lesson.cycles {
            *self.cycles.entry(name).or_default() += count;
            let kind = kind_of(name);
            let mine: Vec<&Seen> = lesson
                .seen
                .iter()
                .filter(|seen| lesson.concerns(&kind, seen))
                .collect();
            // Homes weigh by the root of their size, or the largest would be the library.
            let weight = (mine.len().max(1) as f64).powf(-0.5);
            let examples = mine
                .iter()
                .map(|seen| Example {
                    features: relevant(&kind, &seen.candidate.features),
                    of_kind: seen.owner.as_deref() == Some(*name),
                    weight,
                })
                .collect();
            self.examples.entry(kind.name).or_default().push(examples);
        }
    }

    /// Fits the library to what was gathered.
    #[must_use]
    pub fn finish(self, version: &str, notices: Vec<String>) -> Library {
        let mut kinds = BTreeMap::new();
        for (name, homes) in &self.examples {
            let examples: Vec<Example> = homes.iter().flatten().cloned().collect();
            let growth = Growth {
                trees: 80,
                draws: 600,
                features: 0.5,
                depth: 9,
                leaf: 4.0,
                seed: self.seed,
            };
            let Some(forest) = Forest::grow(&examples, &growth) else {
                continue;
            };
            let laws = self.programmes.get(name).cloned().unwrap_or_default();
            let law =
                |i: usize| median(laws.iter().filter_map(|law| law.get(i)).copied().collect());
            let signature = Signature {
                cycles: self.cycles.get(name).copied().unwrap_or(0),
                homes: homes
                    .iter()
                    .filter(|home| home.iter().any(|example| example.of_kind))
                    .count()
                    .try_into()
                    .unwrap_or(u32::MAX),
                forest,
                before_s: law(0).unwrap_or(0.0),
                after_s: law(1).unwrap_or(0.0),
                idle_w: law(2).unwrap_or(0.0),
            };
            kinds.insert((*name).to_owned(), signature);
        }
        Library {
            format: FORMAT,
            version: version.to_owned(),
            seed: self.seed,
            fitted_from: self.sources,
            notices,
            kinds,
        }
    }
}

/// The features that a kind's forest looks at.
pub(crate) fn relevant(kind: &Kind, features: &[f32]) -> Features {
    if kind.family == Family::Programme {
        of_programme(features)
    } else {
        features.to_vec()
    }
}

/// Seconds before the first and after the last heating, and watts between, of one programme.
fn programme_law(home: &Home, power: &[f32], from: usize, to: usize) -> Option<[f64; 3]> {
    let rows = power.get(from..to)?;
    let heats = |watts: &&f32| **watts > 1200.0;
    let first = rows.iter().position(|watts| heats(&watts))?;
    let last = rows.iter().rposition(|watts| heats(&watts))?;
    let ts = |i: usize| home.samples.get(from + i).map(|sample| sample.ts as f64);
    let idle = median(
        rows.iter()
            .filter(|watts| **watts >= 30.0 && !heats(watts))
            .map(|&watts| f64::from(watts))
            .collect(),
    )?;
    Some([ts(first)? - ts(0)?, ts(rows.len() - 1)? - ts(last)?, idle])
}

/// Runs the decoder over a home and says whose its candidates were.
fn look(home: &Home) -> Vec<Seen> {
    let settings = Settings {
        delay_s: 7200,
        observe: true,
        ..Settings::default()
    };
    let mut decoder = Disaggregator::new(Arc::new(Library::default()), settings);
    let mut candidates = Vec::new();
    let mut decided = Vec::new();
    for sample in &home.samples {
        decoder.push(sample, &mut decided);
        candidates.append(&mut decoder.take_observed());
        decided.clear();
    }
    decoder.finish(&mut decided);
    candidates.append(&mut decoder.take_observed());
    let period = period(&home.samples);
    let sums: Vec<(&str, Vec<f64>)> = home
        .labels
        .iter()
        .map(|(name, power)| {
            let mut sum = 0.0;
            let mut sums = vec![0.0];
            sums.extend(power.iter().map(|&watts| {
                sum += f64::from(watts) * period;
                sum
            }));
            (base_name(name), sums)
        })
        .collect();
    candidates
        .into_iter()
        .map(|candidate| Seen {
            owner: owner(home, &candidate, &sums, period),
            candidate,
        })
        .collect()
}

/// The appliance that took most of a candidate's energy.
fn owner(
    home: &Home,
    candidate: &Candidate,
    sums: &[(&str, Vec<f64>)],
    period: f64,
) -> Option<String> {
    let mut best = (0.5, None);
    for (name, sums) in sums {
        let (mut own, mut energy) = (0.0, 0.0);
        for pulse in &candidate.members {
            let row = |at: f64| {
                home.samples
                    .partition_point(|sample| (sample.ts as f64) < at)
            };
            // The clocks of plugs and meters differ by a row.
            let (from, to) = (row(pulse.on - period + 1.0), row(pulse.off + period - 1.0));
            own += sums.get(to)? - sums.get(from)?;
            energy += pulse.power * pulse.seconds();
        }
        let share = own / energy.max(1.0);
        if share > best.0 && share < 1.9 {
            best = (share, Some((*name).to_owned()));
        }
    }
    best.1
}

fn period(samples: &[Sample]) -> f64 {
    let intervals = samples
        .windows(2)
        .take(2000)
        .filter_map(|pair| Some((pair.get(1)?.ts - pair.first()?.ts) as f64));
    median(intervals.collect()).unwrap_or(60.0)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
