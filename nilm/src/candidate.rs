//! Candidates: pulses and groups of like pulses, told in numbers.
//!
//! The numbers say what the candidate is (power, times, number of plateaus), what surrounds it
//! (texture before, between and after, loads near it) and how it lies to the habits of the home.
//! They are the same at any rate of the meter, so that a model fitted at one rate holds at another.

use serde::{Deserialize, Serialize};

use crate::floor::Floor;
use crate::forest::Features;
use crate::habits::Habits;
use crate::kind::KINDS;
use crate::pulse::Pulse;

/// Heating plateaus of a programme are at least this long. s.
pub const PLATEAU_S: f64 = 200.0;
/// And at most. s.
const LONGEST_PLATEAU_S: f64 = 3000.0;
/// Power of a heater of a washing machine or a dishwasher. W.
const HEATER_W: (f64, f64) = (1400.0, 3300.0);
/// A heating that pauses no longer than this is one. s.
const PAUSE_S: f64 = 150.0;
/// And if it is on for this share of its time.
const DUTY: f64 = 0.7;
/// Plateaus of one programme lie at most this far apart. s.
pub const APART_S: f64 = 3600.0;
/// And within this of the first. s.
const WITHIN_S: f64 = 5400.0;
/// Plateaus of one heater differ by at most this share.
pub const ALIKE: f64 = 0.08;
/// Kinds whose habits are among the features.
const REFERENCES: [&str; 6] = [
    "kettle",
    "microwave",
    "toaster",
    "coffee_maker",
    "fridge",
    "boiler",
];

/// Where features stand.
pub(crate) mod place {
    pub(crate) const POWER: usize = 0;
    pub(crate) const SECONDS: usize = 1;
    pub(crate) const PLATEAUS: usize = 3;
    pub(crate) const LONGEST: usize = 4;
    pub(crate) const SHORTEST: usize = 5;
    pub(crate) const GAP: usize = 6;
    pub(crate) const CLOSED: usize = 7;
    pub(crate) const OVERSHOOT: usize = 9;
    pub(crate) const SAME: usize = 10;
    pub(crate) const SHORTS: usize = 11;
    pub(crate) const CLOSE: usize = 14;
    pub(crate) const RUNNING: usize = 16;
    pub(crate) const CYCLE: usize = 17;
    pub(crate) const BURSTS: usize = 18;
    pub(crate) const BEFORE: usize = 20;
    pub(crate) const AFTER: usize = 23;
    pub(crate) const LATER: usize = 26;
    pub(crate) const BETWEEN: usize = 29;
    pub(crate) const ALIKE: usize = 55;
}

/// A stretch of heating: one pulse, or some of the same power with short pauses, as where a
/// thermostat or a turning drum interrupts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    /// All of it as one pulse, with the number of the first.
    pub whole: Pulse,
    /// Its pulses.
    pub pulses: Vec<Pulse>,
    /// Seconds that they are on.
    seconds: f64,
}

/// A pulse, or the plateaus of one programme.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its pulses or plateaus, the first one first.
    pub pulses: Vec<Pulse>,
    /// The pulses that they are made of.
    pub members: Vec<Pulse>,
    /// Whether it is to be judged as a programme.
    pub grouped: bool,
    /// Its features.
    pub features: Features,
}

impl Candidate {
    /// The pulse that begins it.
    #[must_use]
    pub fn first(&self) -> Option<&Pulse> {
        self.pulses.first()
    }

    /// When it begins, unix seconds.
    #[must_use]
    pub fn start(&self) -> f64 {
        self.first().map_or(0.0, |pulse| pulse.on)
    }

    /// When its last pulse goes off, unix seconds.
    #[must_use]
    pub fn end(&self) -> f64 {
        self.pulses
            .iter()
            .map(|pulse| pulse.off)
            .fold(0.0, f64::max)
    }

    /// Seconds that its load is on.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.pulses.iter().map(Pulse::seconds).sum()
    }
}

/// A programme that was seen: what tells a later one alike.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Programme {
    start: f64,
    power: f64,
    seconds: f64,
    plateaus: usize,
}

/// Programmes of the last weeks.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Programmes(Vec<Programme>);

/// How long programmes are remembered. s.
const REMEMBERED_S: f64 = 40.0 * 86400.0;

impl Programmes {
    /// Remembers a group.
    pub fn add(&mut self, group: &Candidate) {
        let start = group.start();
        self.0.retain(|seen| start - seen.start < REMEMBERED_S);
        if self.0.len() >= 2000 {
            self.0.remove(0);
        }
        self.0.push(Programme {
            start,
            power: group.first().map_or(0.0, |pulse| pulse.power),
            seconds: group.seconds(),
            plateaus: group.pulses.len(),
        });
    }

    /// How many of them are like this, and how many there are.
    fn like(&self, power: f64, seconds: f64, plateaus: usize) -> (f64, f64) {
        let alike = self
            .0
            .iter()
            .filter(|seen| {
                (seen.power / power - 1.0).abs() < 0.06
                    && (seen.seconds / seconds).ln().abs() < 0.25
                    && seen.plateaus == plateaus
            })
            .count();
        (alike as f64, self.0.len() as f64)
    }
}

/// What candidates are seen in.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Pulses of the last hours, by the time they came on.
    pub pulses: &'a [Pulse],
    /// The power of the last hours.
    pub floor: &'a Floor,
    /// Habits of the home.
    pub habits: &'a Habits,
    /// Programmes of the home.
    pub programmes: &'a Programmes,
    /// The last instant that is known, unix seconds.
    pub now: f64,
}

/// The heating plateaus among pulses that are in the order in which they came on.
#[must_use]
pub fn plateaus(pulses: &[Pulse], now: f64) -> Vec<Plateau> {
    let mut all: Vec<Plateau> = Vec::new();
    for pulse in pulses {
        let seconds = pulse.off.min(now) - pulse.on;
        if !(HEATER_W.0..=HEATER_W.1).contains(&pulse.power) || seconds < 30.0 {
            continue;
        }
        let before = all.iter_mut().rev().find(|plateau| {
            let pause = pulse.on - plateau.whole.off;
            let on = plateau.seconds + seconds;
            (0.0..=PAUSE_S).contains(&pause)
                && (pulse.power / plateau.whole.power - 1.0).abs() < 0.12
                && on > DUTY * (pulse.off.min(now) - plateau.whole.on)
        });
        if let Some(plateau) = before {
            let on = plateau.seconds + seconds;
            plateau.whole.power =
                (plateau.whole.power * plateau.seconds + pulse.power * seconds) / on;
            plateau.whole.off = pulse.off;
            plateau.whole.closed &= pulse.closed;
            plateau.seconds = on;
            plateau.pulses.push(*pulse);
        } else {
            all.push(Plateau {
                whole: *pulse,
                pulses: vec![*pulse],
                seconds,
            });
        }
    }
    all.retain(|plateau| (PLATEAU_S..LONGEST_PLATEAU_S).contains(&plateau.seconds));
    all
}

impl Surroundings<'_> {
    /// The group of plateaus that begins with one.
    #[must_use]
    pub fn group(
        &self,
        first: &Plateau,
        all: &[Plateau],
        taken: impl Fn(u64) -> bool,
    ) -> Candidate {
        let mut pulses = vec![first.whole];
        let mut members = first.pulses.clone();
        let mut end = first.whole.off;
        for Plateau {
            whole,
            pulses: parts,
            ..
        } in all
        {
            let later = whole.on >= end - 60.0 && whole.on - end < APART_S;
            if later
                && whole.on - first.whole.on < WITHIN_S
                && (whole.power / first.whole.power - 1.0).abs() < ALIKE
                && whole.id != first.whole.id
                && !taken(whole.id)
            {
                pulses.push(*whole);
                members.extend(parts);
                end = whole.off;
            }
        }
        self.describe(pulses, members, true)
    }

    /// A pulse alone.
    #[must_use]
    pub fn single(&self, pulse: &Pulse) -> Candidate {
        self.describe(vec![*pulse], vec![*pulse], false)
    }

    fn describe(&self, pulses: Vec<Pulse>, members: Vec<Pulse>, grouped: bool) -> Candidate {
        let mut features = Vec::with_capacity(64);
        if let Some(first) = pulses.first() {
            self.own(&pulses, &mut features);
            self.near(first, &mut features);
            self.texture(&pulses, &mut features);
            self.habit(&pulses, first, &mut features);
        }
        for feature in &mut features {
            if !feature.is_finite() {
                *feature = 0.0;
            }
        }
        Candidate {
            pulses,
            members,
            grouped,
            features,
        }
    }

    fn lasting(&self, pulse: &Pulse) -> f64 {
        (pulse.off.min(self.now) - pulse.on).max(1.0)
    }

    /// What the candidate itself is.
    fn own(&self, pulses: &[Pulse], out: &mut Features) {
        let Some(first) = pulses.first() else { return };
        let seconds: Vec<f64> = pulses.iter().map(|pulse| self.lasting(pulse)).collect();
        let all: f64 = seconds.iter().sum();
        let longest = seconds.iter().copied().fold(0.0, f64::max);
        let shortest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let mut gaps: Vec<f64> = pulses
            .windows(2)
            .filter_map(|pair| Some(pair.get(1)?.on - pair.first()?.off))
            .collect();
        gaps.sort_by(f64::total_cmp);
        let gap = gaps.get(gaps.len() / 2).map_or(-1.0, |gap| gap / 60.0);
        put(
            out,
            &[
                first.power.max(1.0).ln(),
                all.ln(),
                (first.power.max(1.0) * all).ln(),
                pulses.len() as f64,
                longest / 60.0,
                shortest / 60.0,
                gap,
                f64::from(u8::from(first.closed)),
                first.first / first.power.max(1.0),
                (first.overshoot / first.power.max(1.0)).clamp(-1.0, 20.0),
            ],
        );
    }

    /// What ran near it.
    fn near(&self, first: &Pulse, out: &mut Features) {
        let mut counts = [0.0_f64; 9];
        let [
            same,
            shorts,
            small,
            mid,
            close,
            alike,
            running,
            cycle,
            bursts,
        ] = &mut counts;
        let mut last_alike = f64::NEG_INFINITY;
        for pulse in self.pulses {
            if pulse.id == first.id && pulse.on.total_cmp(&first.on).is_eq() {
                continue;
            }
            let lasting = self.lasting(pulse);
            let after = pulse.on - first.on;
            let ratio = (pulse.power / first.power.max(1.0) - 1.0).abs();
            if after > 0.0 && after < WITHIN_S {
                if lasting < PLATEAU_S && pulse.power > 400.0 {
                    *shorts += 1.0;
                    *same += f64::from(u8::from(ratio < 0.15));
                }
                *small += f64::from(u8::from(pulse.power > 50.0 && pulse.power < 600.0));
                *mid += f64::from(u8::from((600.0..1400.0).contains(&pulse.power)));
            }
            let burst =
                lasting < 120.0 && (0.4..2.5).contains(&(pulse.power / first.power.max(1.0)));
            *bursts += f64::from(u8::from(
                burst && pulse.power > 200.0 && after.abs() < 600.0,
            ));
            if pulse.power > 300.0 {
                *close += f64::from(u8::from(after.abs() < 600.0));
                *running += f64::from(u8::from(pulse.on < first.off && pulse.off > first.on));
            }
            if ratio < 0.12 && after > -7200.0 && after < 3600.0 {
                *alike += 1.0;
                if after < 0.0 {
                    last_alike = last_alike.max(pulse.off);
                }
            }
            if ratio < 0.25
                && (lasting / self.lasting(first)).ln().abs() < 0.6
                && after.abs() < 14400.0
            {
                *cycle += 1.0;
            }
        }
        for count in &mut counts {
            *count = count.min(60.0);
        }
        put(out, &counts);
        put(out, &[((first.on - last_alike) / 60.0).clamp(0.0, 240.0)]);
    }

    /// Power of the home before, between and after, less the loads above 500 W.
    fn texture(&self, pulses: &[Pulse], out: &mut Features) {
        let (Some(first), Some(last)) = (pulses.first(), pulses.last()) else {
            return;
        };
        let end = last.off.min(self.now);
        for (from, to) in [
            (first.on - 1200.0, first.on - 60.0),
            (end + 60.0, end + 900.0),
            (end + 900.0, end + 2400.0),
        ] {
            let rest = self.rest(from, to);
            let (middle, change, part) = texture(&rest, self.floor.level());
            put(out, &[middle, change, part]);
        }
        let mut between = Vec::new();
        for pair in pulses.windows(2) {
            if let [one, two] = pair {
                between.extend(self.rest(one.off + 60.0, two.on - 60.0));
            }
        }
        if between.len() > 2 {
            let (middle, change, _) = texture(&between, self.floor.level());
            put(out, &[middle, change]);
        } else {
            put(out, &[-1.0, -1.0]);
        }
    }

    /// The minutes from `from` to `to`, less the loads above 500 W.
    #[must_use]
    pub fn rest(&self, from: f64, to: f64) -> Vec<f64> {
        let strong = |pulse: &&Pulse| {
            pulse.power > 500.0
                && pulse.off > from - 60.0
                && pulse.on < to + 60.0
                && pulse.off.min(self.now) - pulse.on < 9000.0
        };
        let strong: Vec<&Pulse> = self.pulses.iter().filter(strong).collect();
        self.floor
            .between(from, to)
            .map(|(start, mean)| {
                let loads: f64 = strong
                    .iter()
                    .map(|pulse| pulse.power * pulse.share(start, start + 60.0))
                    .sum();
                mean - loads
            })
            .collect()
    }

    /// How it lies to the home's habits.
    fn habit(&self, pulses: &[Pulse], first: &Pulse, out: &mut Features) {
        let seconds: f64 = pulses.iter().map(|pulse| self.lasting(pulse)).sum();
        for name in REFERENCES {
            let index = KINDS.iter().position(|kind| kind.name == name).unwrap_or(0);
            let habit = self.habits.of(index);
            if habit.count >= 2.0 {
                put(
                    out,
                    &[
                        (first.power.max(1.0) / habit.power).ln().clamp(-3.0, 3.0),
                        (seconds / habit.seconds).ln().clamp(-4.0, 4.0),
                        habit.share,
                        self.habits.share_near(index, first.power),
                    ],
                );
            } else {
                put(out, &[-4.0, -5.0, 0.0, 0.0]);
            }
        }
        let (alike, all) = self.programmes.like(first.power, seconds, pulses.len());
        put(out, &[alike, alike / all.max(1.0)]);
    }
}

fn put(out: &mut Features, values: &[f64]) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "features are of single precision"
    )]
    out.extend(values.iter().map(|&value| value as f32));
}

/// Median above the floor, mean change from minute to minute, share of minutes above 30 W.
fn texture(rest: &[f64], floor: f64) -> (f64, f64, f64) {
    if rest.len() < 2 {
        return (0.0, 0.0, 0.0);
    }
    let change: f64 = rest
        .windows(2)
        .filter_map(|pair| Some((pair.get(1)? - pair.first()?).abs().min(400.0)))
        .sum();
    let mut above: Vec<f64> = rest
        .iter()
        .map(|mean| (mean - floor).clamp(-200.0, 800.0))
        .collect();
    above.sort_by(f64::total_cmp);
    let middle = above.get(above.len() / 2).copied().unwrap_or(0.0);
    let part = above.iter().filter(|&&watts| watts > 30.0).count();
    (
        middle,
        change / (rest.len() - 1) as f64,
        part as f64 / rest.len() as f64,
    )
}
