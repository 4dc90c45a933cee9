//! What the household taught: cycles that a plug, or a person, said were an appliance's.
//!
//! Each lesson is a point (power, time on, plateaus) with what it was. A candidate is judged by
//! the lessons near it; where there are none, the library's word stands.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::grammar::shift;

/// Lessons kept of one appliance.
const LESSONS: usize = 600;
/// What the library's word weighs, in lessons.
const PRIOR: f64 = 1.0;

/// A candidate as a point.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Point {
    power: f32,
    seconds: f32,
    plateaus: f32,
}

impl Point {
    /// Where a candidate lies.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "logarithms")]
    pub fn of(candidate: &Candidate) -> Self {
        let power = candidate.first().map_or(1.0, |pulse| pulse.power);
        Self {
            power: power.max(1.0).ln() as f32,
            seconds: candidate.seconds().clamp(1.0, 1e6).ln() as f32,
            plateaus: candidate.pulses.len().min(9) as f32,
        }
    }

    fn near(&self, other: &Self) -> f64 {
        let power = f64::from(self.power - other.power) / 0.05;
        let seconds = f64::from(self.seconds - other.seconds) / 0.35;
        let plateaus = f64::from(self.plateaus - other.plateaus) / 0.6;
        (-0.5 * (power * power + seconds * seconds + plateaus * plateaus)).exp()
    }
}

/// Something that was taught.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
struct Lesson {
    point: Point,
    /// Whether it was the appliance's.
    own: bool,
    /// What it counts.
    weight: f32,
    /// Number of the correction it came from; 0 for a plug.
    from: u64,
}

/// What was taught about one appliance.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Personal {
    lessons: VecDeque<Lesson>,
}

impl Personal {
    /// Learns that a candidate was, or was not, the appliance's.
    pub fn learn(&mut self, point: Point, own: bool, weight: f32, from: u64) {
        if self.lessons.len() >= LESSONS {
            // What is said by hand stays longest.
            let oldest = self
                .lessons
                .iter()
                .position(|lesson| lesson.from == 0)
                .unwrap_or(0);
            self.lessons.remove(oldest);
        }
        self.lessons.push_back(Lesson {
            point,
            own,
            weight,
            from,
        });
    }

    /// Takes back a correction.
    pub fn forget(&mut self, from: u64) {
        self.lessons.retain(|lesson| lesson.from != from);
    }

    /// Whether anything was taught.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lessons.is_empty()
    }

    /// How likely a candidate is the appliance's, when the library says `prior`: what lies near
    /// it decides.
    #[must_use]
    pub fn likely(&self, candidate: &Candidate, prior: f64) -> f64 {
        let (own, other) = self.near(candidate);
        (own + PRIOR * prior) / (own + other + PRIOR)
    }

    /// The same, but what lies near only moves the library's word: it also looks at what surrounds
    /// a candidate, which tells alike loads apart.
    #[must_use]
    pub fn moved(&self, candidate: &Candidate, prior: f64) -> f64 {
        if prior < 0.05 {
            return self.likely(candidate, prior);
        }
        let (own, other) = self.near(candidate);
        shift(
            prior,
            (0.6 * ((own + 0.5) / (other + 0.5)).ln()).clamp(-3.0, 2.5),
        )
    }

    /// Lessons near a candidate: the appliance's own, and others.
    fn near(&self, candidate: &Candidate) -> (f64, f64) {
        let point = Point::of(candidate);
        let (mut own, mut other) = (0.0, 0.0);
        for lesson in &self.lessons {
            let near = lesson.point.near(&point) * f64::from(lesson.weight);
            if lesson.own {
                own += near;
            } else {
                other += near;
            }
        }
        (own, other)
    }
}
