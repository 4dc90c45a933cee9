//! Wrong tries are counted by who makes them, and cost more and more time.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::AccessError;

/// Wrong tries before the first pause.
const FREE: u32 = 5;
const FIRST_PAUSE_S: i64 = 60;
const LONGEST_PAUSE_S: i64 = 3600;
/// How many are remembered.
const REMEMBERED: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Lockout(HashMap<String, Tries>);

#[derive(Clone, Copy, Debug)]
struct Tries {
    wrong: u32,
    last: Timestamp,
}

impl Tries {
    /// Seconds for which no further try is taken.
    fn pause_s(&self, now: Timestamp) -> i64 {
        if self.wrong < FREE {
            return 0;
        }
        let doublings = (self.wrong - FREE).min(16);
        let pause = (FIRST_PAUSE_S << doublings).min(LONGEST_PAUSE_S);
        // A clock that was set back locks nobody out for longer than the pause.
        (pause - now.duration_since(self.last).as_secs()).clamp(0, pause)
    }
}

impl Lockout {
    /// Whether `who` may try.
    pub(super) fn admits(&self, who: &str, now: Timestamp) -> Result<(), AccessError> {
        match self.0.get(who).map_or(0, |tries| tries.pause_s(now)) {
            0 => Ok(()),
            seconds => Err(AccessError::Locked(seconds.unsigned_abs())),
        }
    }

    pub(super) fn failed(&mut self, who: &str, now: Timestamp) {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(who) {
            let oldest = self.0.iter().min_by_key(|(_, tries)| tries.last);
            if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                self.0.remove(&oldest);
            }
        }
        let tries = self.0.entry(who.to_owned()).or_insert(Tries {
            wrong: 0,
            last: now,
        });
        let quiet = now.duration_since(tries.last) > SignedDuration::from_hours(24);
        tries.wrong = if quiet {
            1
        } else {
            tries.wrong.saturating_add(1)
        };
        tries.last = now;
    }

    pub(super) fn succeeded(&mut self, who: &str) {
        self.0.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn five_tries_are_free_and_the_pauses_double_up_to_an_hour() {
        let mut lockout = Lockout::default();
        for _ in 0..4 {
            lockout.failed("a", at(0));
            assert!(lockout.admits("a", at(0)).is_ok());
        }
        let mut now = 0;
        for pause in [60, 120, 240, 480, 960, 1920, 3600, 3600] {
            lockout.failed("a", at(now));
            assert!(lockout.admits("a", at(now + pause - 1)).is_err(), "{pause}");
            assert!(lockout.admits("b", at(now)).is_ok());
            now += pause;
            assert!(lockout.admits("a", at(now)).is_ok(), "{pause}");
        }
        lockout.succeeded("a");
        lockout.failed("a", at(now));
        assert!(lockout.admits("a", at(now)).is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let mut lockout = Lockout::default();
        for number in 0..3000 {
            lockout.failed(&number.to_string(), at(number));
        }
        assert_eq!(lockout.0.len(), REMEMBERED);
        assert!(lockout.0.contains_key("2999"));
    }
}
