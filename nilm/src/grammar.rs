//! What is known of programmes without any data.
//!
//! A washing machine heats once and then turns its drum for an hour; a dishwasher heats two or
//! three times, a quarter of an hour to an hour apart, and only pumps between; an oven or a hob
//! switches the same heater many times in an hour.

use crate::candidate::{Candidate, place};
use crate::forest::Features;

/// Features of programmes that are the same at any rate of the meter.
const PROGRAMME: [usize; 22] = [
    place::POWER,
    place::SECONDS,
    place::PLATEAUS,
    place::LONGEST,
    place::SHORTEST,
    place::GAP,
    place::SAME,
    place::SHORTS,
    place::BEFORE,
    place::BEFORE + 1,
    place::BEFORE + 2,
    place::AFTER,
    place::AFTER + 1,
    place::LATER,
    place::LATER + 1,
    place::BETWEEN,
    place::BETWEEN + 1,
    place::ALIKE,
    place::ALIKE + 1,
    place::OVERSHOOT,
    place::RUNNING,
    place::CLOSED,
];

/// The features that speak of programmes.
#[must_use]
pub fn of_programme(features: &[f32]) -> Features {
    PROGRAMME
        .iter()
        .map(|&i| features.get(i).copied().unwrap_or(0.0))
        .collect()
}

/// What the grammar of programmes adds to the log odds of a kind.
#[must_use]
pub fn log_odds(kind: &str, candidate: &Candidate) -> f64 {
    let feature = |i: usize| f64::from(candidate.features.get(i).copied().unwrap_or(0.0));
    // Change of power from minute to minute after the heating, beside 14 W of an idle home.
    let after = feature(place::AFTER + 1).min(60.0) + feature(place::LATER + 1).min(60.0);
    let texture = ((after + 4.0) / 28.0).ln();
    let plateaus = candidate.pulses.len() as f64;
    let (gap, longest) = (feature(place::GAP), feature(place::LONGEST));
    let mut odds = 0.0;
    if feature(place::SAME) >= 5.0 {
        odds -= 1.5;
    }
    match kind {
        "washing_machine" => {
            odds += 1.2 * texture - 0.7 * (plateaus - 1.0);
            if longest < 4.0 {
                odds -= 1.0;
            }
        }
        "dishwasher" => {
            odds -= 0.6 * texture;
            if plateaus >= 2.0 && gap > 6.0 && gap < 50.0 {
                odds += 0.8;
            } else {
                odds -= 0.3;
            }
            if longest < 5.0 {
                odds -= 1.0;
            }
        }
        _ => {}
    }
    odds
}

/// Adds log odds to a probability.
#[must_use]
pub fn shift(likely: f64, odds: f64) -> f64 {
    let p = likely.clamp(0.005, 0.995);
    1.0 / (1.0 + (-(p / (1.0 - p)).ln() - odds).exp())
}
