//! How much of what is measured is said: everything in the house, a value of each meter in a quarter
//! of an hour outside it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::outbox::Reach;

/// How far values are apart that leave the house.
const OUTSIDE: Duration = Duration::from_secs(900);

/// When each thing was last let out.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The configuration lets everything out.
    live_outside: bool,
    told: HashMap<String, Instant>,
}

impl Pace {
    pub(super) fn new(live_outside: bool) -> Self {
        Self {
            live_outside,
            told: HashMap::new(),
        }
    }

    /// True when a value of the thing may be said now.
    pub(super) fn lets(&mut self, thing: &str, reach: Reach, now: Instant) -> bool {
        if !self.slows(reach) {
            return true;
        }
        let told = self.told.get(thing);
        let due = told.is_none_or(|told| now.duration_since(*told) >= OUTSIDE);
        if due {
            self.told.insert(thing.to_owned(), now);
        }
        due
    }

    /// How far apart the values of a meter are at least.
    pub(super) const fn spacing(&self, reach: Reach) -> Duration {
        if self.slows(reach) {
            OUTSIDE
        } else {
            Duration::ZERO
        }
    }

    /// How fine what is said is, for the privacy ledger.
    pub(super) const fn resolution(&self, reach: Reach) -> &'static str {
        if self.slows(reach) {
            "15 min"
        } else {
            "every telegram"
        }
    }

    const fn slows(&self, reach: Reach) -> bool {
        matches!(reach, Reach::Outside) && !self.live_outside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_outside_hears_of_each_meter_four_times_an_hour() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let mut heard = 0;
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            assert!(pace.lets("grid", Reach::House, now));
            heard += u32::from(pace.lets("grid", Reach::Outside, now));
        }
        assert_eq!(heard, 4);
        assert!(
            pace.lets("gas", Reach::Outside, start + OUTSIDE),
            "another meter"
        );
        assert_eq!(pace.resolution(Reach::Outside), "15 min");
        assert!(Pace::new(true).lets("grid", Reach::Outside, start));
    }
}
