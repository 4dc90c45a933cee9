//! How often a meter is heard, and after how long a silence it counts as gone.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A meter is gone after three periods, at least this long.
const LEAST_PATIENCE: Duration = Duration::from_secs(15);
/// Patience with a meter that was heard once and whose period nobody has said.
const FIRST_PATIENCE: Duration = Duration::from_secs(60);
/// How many distances between telegrams are remembered.
const DISTANCES: usize = 4;

/// When a meter was heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Rhythm {
    /// The period it is asked at; `None` for a meter that sends by itself.
    agreed: Option<Duration>,
    /// How far apart what is said of it is at least.
    spacing: Duration,
    heard: Option<Instant>,
    distances: VecDeque<Duration>,
}

impl Rhythm {
    pub(super) fn new(agreed: Option<Duration>) -> Self {
        Self {
            agreed,
            ..Self::default()
        }
    }

    /// What it says is passed on so far apart at least.
    pub(super) fn space(&mut self, spacing: Duration) {
        self.spacing = spacing;
    }

    /// A telegram came.
    pub(super) fn hear(&mut self, now: Instant) {
        if let Some(before) = self.heard.replace(now) {
            self.distances.push_back(now.duration_since(before));
            if self.distances.len() > DISTANCES {
                self.distances.pop_front();
            }
        }
    }

    /// It was heard `age` ago, before this part was started. True when it is not gone: for that,
    /// its period must be known without having heard it.
    pub(super) fn recall(&mut self, age: Duration, now: Instant) -> bool {
        if self.agreed.is_none() || age > self.patience() {
            return false;
        }
        self.heard = now.checked_sub(age);
        self.heard.is_some()
    }

    /// How long it may be silent.
    pub(super) fn patience(&self) -> Duration {
        self.agreed
            .max(self.usual_distance())
            .map_or(FIRST_PATIENCE, |period| (period * 3).max(LEAST_PATIENCE))
            .max(self.spacing * 3)
    }

    /// True when it was silent for longer than that.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.heard
            .is_none_or(|heard| now.duration_since(heard) > self.patience())
    }

    /// The second largest of the last distances: one gap, such as a pulled cable, says nothing
    /// about the meter; two do.
    fn usual_distance(&self) -> Option<Duration> {
        let mut sorted: Vec<Duration> = self.distances.iter().copied().collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted.get(1).or_else(|| sorted.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(distances: &[u64]) -> Duration {
        let mut rhythm = Rhythm::default();
        let mut now = Instant::now();
        rhythm.hear(now);
        for distance in distances {
            now += Duration::from_secs(*distance);
            rhythm.hear(now);
        }
        rhythm.patience()
    }

    #[test]
    fn patience_follows_the_period() {
        for (distances, want) in [
            (&[][..], 60),
            (&[1, 1, 1], 15),
            (&[60, 61, 60], 180),
            // A cable that was out for an hour.
            (&[1, 1, 3_600, 1], 15),
            (&[1, 3_600, 1], 15),
            // A meter that has become slower.
            (&[1, 1, 60, 60], 180),
            // Two telegrams every quarter of an hour.
            (&[1, 900, 1, 900], 2_700),
        ] {
            assert_eq!(after(distances), Duration::from_secs(want), "{distances:?}");
        }
    }

    #[test]
    fn a_meter_that_is_asked_has_its_period_from_the_start() {
        let now = Instant::now();
        let mut rhythm = Rhythm::new(Some(Duration::from_secs(60)));
        assert!(rhythm.is_silent(now), "it was never heard");
        rhythm.hear(now);
        assert!(!rhythm.is_silent(now + Duration::from_secs(180)));
        assert!(rhythm.is_silent(now + Duration::from_secs(181)));
    }

    #[test]
    fn what_is_passed_on_seldom_is_missed_late() {
        let mut rhythm = Rhythm::new(Some(Duration::from_secs(10)));
        rhythm.space(Duration::from_secs(900));
        assert_eq!(rhythm.patience(), Duration::from_secs(2700));
        rhythm.space(Duration::ZERO);
        assert_eq!(rhythm.patience(), Duration::from_secs(30));
    }
}
