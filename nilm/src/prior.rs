//! How likely a candidate is a cycle of a kind by physics and by the home's habits, without any
//! labelled home: log odds that are written down, not fitted.

use crate::candidate::{Candidate, place};
use crate::habits::{Habit, fits};
use crate::kind::{Family, Kind};

/// Rated powers of car chargers, W.
const CHARGERS_W: [f64; 6] = [1400.0, 2300.0, 3700.0, 7400.0, 11000.0, 22000.0];

/// Rows up to this long show the bursts of a magnetron one by one. s.
const FINE_S: f64 = 10.0;

/// The probability by the plain prior.
#[must_use]
pub fn likely(kind: &Kind, candidate: &Candidate, habit: &Habit, period: f64) -> f64 {
    let Some(first) = candidate.first() else {
        return 0.0;
    };
    let feature = |i: usize| f64::from(candidate.features.get(i).copied().unwrap_or(0.0));
    let seconds = feature(place::SECONDS).exp();
    let (power, running) = (first.power, feature(place::RUNNING));
    // A load that was on for parts of rows shows less power than it draws.
    let least = if kind.family == Family::Bursts {
        0.3
    } else {
        0.5
    };
    let part = seconds < 2.2 * period
        && power < habit.power
        && power > least * habit.power
        && kind.name != "shower";
    // Bursts shorter than rows show a part of the power: all of it shows when the load heats up.
    let full = kind.family == Family::Bursts
        && period <= FINE_S
        && (1.0..3.0 * period).contains(&habit.seconds)
        && seconds > 4.0 * period
        && power > habit.power
        && power < 2.2 * habit.power;
    let within = part || fits(kind, power, seconds);
    let at_home = |sigma: f64| {
        if part || full {
            0.3
        } else {
            at_home(habit, power, sigma)
        }
    };
    let odds = match kind.name {
        // Nothing else in a home draws so much so briefly.
        "shower" if within => 2.2,
        "ev_charger" if within => {
            let near = CHARGERS_W
                .iter()
                .any(|watts| (power / watts - 1.0).abs() < 0.05);
            if near { 0.8 } else { -0.8 }
        }
        "shower" | "ev_charger" => return 0.0,
        _ => match kind.family {
            Family::Single => {
                let (low, high) = core(kind.name, kind);
                let usual = (low..=high).contains(&power);
                let (brief, long) = usual_seconds(kind);
                // At part power a magnetron switches every few seconds: its own bursts are no neighbours.
                let own = if kind.name == "microwave" && period <= FINE_S {
                    feature(place::BURSTS)
                } else {
                    0.0
                };
                at_home(0.06)
                    + alone((feature(place::CLOSE) - own).max(0.0))
                    + if running > 0.0 { -0.7 } else { 0.0 }
                    + if usual || part { 0.3 } else { -0.4 }
                    + if (brief..=long).contains(&seconds) {
                        0.3
                    } else {
                        -0.7
                    }
                    - 0.3
            }
            Family::Bursts => {
                let bursts = feature(place::BURSTS) >= 3.0 && seconds < 120.0;
                at_home(0.08) + if bursts { 1.6 } else { -0.2 } - 0.8
                    + if within { 0.0 } else { -1.0 }
            }
            Family::Cyclic => {
                let again = feature(place::CYCLE);
                let lasting = if habit.seconds > 0.0 {
                    (seconds / habit.seconds).ln().abs()
                } else {
                    1.0
                };
                let round_the_clock = if kind.name == "boiler" {
                    if again >= 3.0 { -1.0 } else { 0.2 }
                } else if again >= 2.0 {
                    0.8
                } else if again >= 1.0 {
                    0.2
                } else {
                    -0.6
                };
                at_home(0.12)
                    + round_the_clock
                    + if lasting < 0.7 { 0.6 } else { -0.6 }
                    + if within { 0.0 } else { -1.5 }
                    - 0.4
            }
            Family::Plateau => at_home(0.1) + if within { -0.3 } else { -2.0 },
            Family::Programme => -0.3,
        },
    };
    1.0 / (1.0 + (-odds).exp())
}

/// How the power lies to where the home's loads of this kind come back.
fn at_home(habit: &Habit, power: f64, sigma: f64) -> f64 {
    if habit.count < 3.0 {
        return -0.6;
    }
    let off = (power / habit.power).ln().abs() / sigma;
    if off < 1.0 {
        0.5 + habit.share.min(0.6)
    } else if off < 2.0 {
        0.1
    } else {
        -0.3 - (0.15 * off).min(1.2)
    }
}

/// A kettle or a microwave runs by itself; hobs and machines switch again and again.
fn alone(close: f64) -> f64 {
    match close {
        c if c < 1.0 => 0.9,
        c if c < 2.0 => 0.3,
        c if c < 3.0 => -0.3,
        _ => -1.2,
    }
}

/// The powers that most of a kind have, W.
fn core(name: &str, kind: &Kind) -> (f64, f64) {
    match name {
        "kettle" => (1700.0, 3100.0),
        "microwave" => (800.0, 1500.0),
        "toaster" => (650.0, 1300.0),
        _ => kind.power_w,
    }
}

/// How long most of a kind are on, s.
fn usual_seconds(kind: &Kind) -> (f64, f64) {
    match kind.name {
        "kettle" => (40.0, 300.0),
        "microwave" => (20.0, 300.0),
        "toaster" => (70.0, 260.0),
        _ => kind.load_s,
    }
}
