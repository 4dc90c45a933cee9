//! What of an account is kept while the gateway is off.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Account, Supply, Terms};

/// An account without its terms, which the supplier may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    balance: Decimal,
    emergency_used: Option<Decimal>,
    supply: Supply,
    told_low: bool,
    told_emergency: bool,
    told_friendly: bool,
    last_day: Option<Date>,
    owed: Vec<Decimal>,
    paid: Vec<(Timestamp, Decimal)>,
    codes: Vec<String>,
}

impl Account {
    /// What is kept of it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            balance: self.balance,
            emergency_used: self.emergency_used,
            supply: self.supply,
            told_low: self.told_low,
            told_emergency: self.told_emergency,
            told_friendly: self.told_friendly,
            last_day: self.last_day,
            owed: self.terms.debts.iter().map(|debt| debt.owed).collect(),
            paid: self.paid.clone(),
            codes: self.codes.clone(),
        }
    }

    /// Goes on from what was kept. Debts are told apart by their place in the terms: what is owed of
    /// one that was there is kept, a new one counts as the terms state it.
    #[must_use]
    pub fn resume(terms: Terms, kept: Snapshot) -> Self {
        let mut account = Self::new(terms, kept.balance);
        for (debt, owed) in account.terms.debts.iter_mut().zip(kept.owed) {
            debt.owed = owed;
        }
        Self {
            emergency_used: kept.emergency_used,
            supply: kept.supply,
            told_low: kept.told_low,
            told_emergency: kept.told_emergency,
            told_friendly: kept.told_friendly,
            last_day: kept.last_day,
            paid: kept.paid,
            codes: kept.codes,
            ..account
        }
    }
}
