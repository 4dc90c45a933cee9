//! What may go over a bearer that costs money: a budget of a calendar month, and what waits when it
//! runs low.
//!
//! The kernel's counters of the interface are what is counted, since the operator counts the same;
//! others who use it use the budget up too.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::config::Taf;
use crate::files;
use crate::store::SHEDDING;

/// Per cent of the budget that must be left for a use case to go, in the order of [`SHEDDING`]: what
/// bills are made of goes while there is anything left. What has no use case, results of commands
/// first of all, always goes.
const LEFT: [u64; 7] = [50, 40, 30, 20, 10, 0, 0];

/// Which use cases may go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The first so many of the shedding order wait.
    waiting: usize,
}

impl Allowance {
    /// Everything may go.
    pub const ALL: Self = Self { waiting: 0 };

    /// What may go when so much of a budget is used.
    #[must_use]
    pub fn of(budget: u64, used: u64) -> Self {
        let left = budget.saturating_sub(used);
        // More than its share must be left, so that with nothing left nothing goes.
        let goes = |share: &&u64| u128::from(left) * 100 > u128::from(budget) * u128::from(**share);
        Self {
            waiting: LEFT.iter().take_while(|share| !goes(share)).count(),
        }
    }

    /// Whether rows of a use case may go; of none: results and the like.
    #[must_use]
    pub fn lets(self, taf: Option<Taf>) -> bool {
        let waits = |taf| SHEDDING.iter().take(self.waiting).any(|one| *one == taf);
        !taf.is_some_and(waits)
    }

    /// The numbers of the use cases that wait.
    pub(super) fn held_back(self) -> Vec<u8> {
        let waiting = SHEDDING.iter().take(self.waiting);
        waiting.map(|taf| taf.number()).collect()
    }
}

/// What the interfaces have carried in this month; outlives restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// First day of the month.
    month: Date,
    carried: BTreeMap<String, Carried>,
}

/// What one interface has carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Carried {
    /// Both ways, in this month.
    octets: u64,
    /// The kernel's count when it was looked at last.
    count: Option<u64>,
}

impl Account {
    /// That of a state folder.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(files::recall(path)?.unwrap_or_default())
    }

    pub(super) fn keep(&self, path: &Path) -> anyhow::Result<()> {
        files::keep(path, self, files::For::All)
    }

    /// Takes the kernel's count of an interface, which begins at nothing with the interface.
    pub(super) fn count(&mut self, interface: &str, count: u64, now: Timestamp) {
        let month = first_of_month(now);
        // A clock that steps back does not give a budget twice.
        if month > self.month {
            self.month = month;
            for carried in self.carried.values_mut() {
                carried.octets = 0;
            }
        }
        let carried = self.carried.entry(interface.to_owned()).or_default();
        let more = match carried.count {
            Some(before) if before <= count => count - before,
            Some(_) => count,
            // What it carried before it was looked at first is not ours to say.
            None => 0,
        };
        carried.octets = carried.octets.saturating_add(more);
        carried.count = Some(count);
    }

    /// What an interface has carried in this month.
    pub(super) fn used(&self, interface: &str) -> u64 {
        self.carried
            .get(interface)
            .map_or(0, |carried| carried.octets)
    }
}

/// When the month after this one begins.
pub(super) fn next_month(now: Timestamp) -> Timestamp {
    let next = first_of_month(now).checked_add(1.month());
    let start = next.and_then(|day| day.to_zoned(TimeZone::UTC));
    start.map_or(now, |start| start.timestamp())
}

fn first_of_month(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date().first_of_month()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn billing_waits_last_and_results_never() {
        for (used, held) in [
            (0, vec![]),
            (49, vec![]),
            (50, vec![14]),
            (60, vec![14, 10]),
            (70, vec![14, 10, 9]),
            (80, vec![14, 10, 9, 7]),
            (90, vec![14, 10, 9, 7, 6]),
            (99, vec![14, 10, 9, 7, 6]),
            (100, vec![14, 10, 9, 7, 6, 2, 1]),
            (1_000, vec![14, 10, 9, 7, 6, 2, 1]),
        ] {
            let allowance = Allowance::of(100, used);
            assert_eq!(allowance.held_back(), held, "{used} % used");
            assert!(allowance.lets(None));
            for taf in SHEDDING {
                assert_eq!(allowance.lets(Some(taf)), !held.contains(&taf.number()));
            }
        }
        let most = Allowance::of(u64::MAX, u64::MAX / 2 - 1);
        assert_eq!(most, Allowance::ALL);
    }

    #[test]
    fn counters_that_begin_again_and_months_that_end_are_counted_right() {
        let mut account = Account::default();
        let (june, july) = (at("2026-06-30T23:59:00Z"), at("2026-07-01T00:00:00Z"));
        account.count("wwan0", 5_000, june);
        assert_eq!(account.used("wwan0"), 0);
        account.count("wwan0", 5_700, june);
        // The modem was plugged in anew.
        account.count("wwan0", 40, june);
        assert_eq!(account.used("wwan0"), 740);
        account.count("wwan0", 100, july);
        assert_eq!(account.used("wwan0"), 60);
        account.count("wwan0", 101, june);
        assert_eq!(account.used("wwan0"), 61);
        assert_eq!(next_month(june), july);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bearers.json");
        account.keep(&path).unwrap();
        assert_eq!(Account::open(&path).unwrap(), account);
    }
}
