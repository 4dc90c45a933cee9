//! Prepayment as a state machine, in the words of SMETS2 (clauses 4.6 and 5.7).
//!
//! Told of money used, of top-ups and of the time; says what the supply should do and what
//! changed. It switches nothing itself. Amounts are in minor or major units as the caller likes,
//! exact either way; the balance falls below zero only by emergency credit and by what is used
//! while disconnection is not allowed.

mod snapshot;
#[cfg(test)]
mod tests;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::exact::{Exact, TooLarge};
use crate::toml_file;
pub use snapshot::Snapshot;

/// What a supplier sets.
#[derive(Clone, Debug)]
pub struct Terms {
    /// At or below this balance emergency credit may be activated ("Emergency Credit Threshold").
    pub emergency_threshold: Decimal,
    /// How much of it there is ("Emergency Credit Limit").
    pub emergency_limit: Decimal,
    /// At or below this balance the household is told ("Low Credit Threshold").
    pub low_credit: Decimal,
    /// At or below this balance the supply is cut ("Disablement Threshold").
    pub disablement: Decimal,
    /// Hours in which it is not cut ("Non-Disablement Calendar", friendly hours).
    pub friendly: Vec<FriendlyHours>,
    /// The household's clock.
    pub zone: TimeZone,
    /// Debts and how they are recovered.
    pub debts: Vec<Debt>,
    /// Most that top-ups pay towards debts within seven days ("Debt Recovery Rate Cap").
    pub weekly_cap: Option<Decimal>,
}

/// Wall times without disconnection; an end at or before the start wraps over midnight.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FriendlyHours {
    /// On which days it begins (`mon`, `tue`, …); every day when empty.
    #[serde(default, deserialize_with = "toml_file::days")]
    pub days: Vec<Weekday>,
    /// From when.
    pub from: Time,
    /// To when.
    pub to: Time,
}

/// A debt register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debt {
    /// What is owed.
    pub owed: Decimal,
    /// How it is recovered.
    pub recovery: Recovery,
}

/// How a debt is recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// So much a local day, out of the balance ("time-based").
    PerDay(Decimal),
    /// So large a share of each top-up, 0 to 1 ("payment-based").
    Share(Decimal),
}

/// State of the supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// On.
    Enabled,
    /// Off for want of credit.
    Disabled,
    /// May be switched on by the person at the meter.
    Armed,
}

/// What changed, to be shown, said or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The balance is low.
    LowCredit,
    /// Emergency credit may be activated now.
    EmergencyAvailable,
    /// It was activated.
    EmergencyActivated,
    /// The balance is used up, but it is a friendly hour.
    Friendly,
    /// Switch the supply off.
    Disable,
    /// The supply may be switched on by hand.
    Arm,
    /// Switch the supply on: the person asked for it.
    Enable,
    /// A top-up was taken: so much went to the balance.
    ToppedUp {
        /// To the balance.
        credit: Decimal,
        /// To debts.
        debt: Decimal,
        /// To emergency credit that had been used.
        emergency: Decimal,
    },
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrepayError {
    /// The code has not 20 digits.
    #[error("a top-up code has 20 digits")]
    Digits,
    /// It was entered before.
    #[error("this code was used before")]
    Used,
    /// Emergency credit cannot be activated now.
    #[error("emergency credit is for a balance at or below its threshold, once until it is repaid")]
    NoEmergency,
    /// The supply is not armed.
    #[error("the supply cannot be switched on: it is not armed")]
    NotArmed,
    /// The amount is not above zero.
    #[error("the amount must be above zero")]
    Amount,
    /// A number is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// The account.
#[derive(Clone, Debug)]
pub struct Account {
    terms: Terms,
    balance: Decimal,
    /// Activated and not yet repaid.
    emergency_used: Option<Decimal>,
    supply: Supply,
    told_low: bool,
    told_emergency: bool,
    told_friendly: bool,
    last_day: Option<jiff::civil::Date>,
    /// When and how much top-ups paid towards debts.
    paid: Vec<(Timestamp, Decimal)>,
    codes: Vec<String>,
}

/// How many used codes are remembered.
const CODES: usize = 400;

impl Account {
    /// An account with a balance and the supply on.
    #[must_use]
    pub fn new(terms: Terms, balance: Decimal) -> Self {
        Self {
            terms,
            balance,
            emergency_used: None,
            supply: Supply::Enabled,
            told_low: false,
            told_emergency: false,
            told_friendly: false,
            last_day: None,
            paid: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// Credit on the meter; emergency credit is not part of it.
    #[must_use]
    pub const fn balance(&self) -> Decimal {
        self.balance
    }

    /// Emergency credit that is still there, once activated.
    #[must_use]
    pub fn emergency_left(&self) -> Option<Decimal> {
        self.emergency_used
            .map(|used| (self.terms.emergency_limit - used).max(Decimal::ZERO))
    }

    /// True when emergency credit may be activated.
    #[must_use]
    pub fn emergency_offered(&self) -> bool {
        self.emergency_used.is_none() && self.balance <= self.terms.emergency_threshold
    }

    /// True when the household should be told that the balance is low.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.balance <= self.terms.low_credit
    }

    /// The supply.
    #[must_use]
    pub const fn supply(&self) -> Supply {
        self.supply
    }

    /// What is owed in all.
    #[must_use]
    pub fn debt(&self) -> Decimal {
        self.terms.debts.iter().map(|debt| debt.owed).sum()
    }

    /// Takes what was used since the last call. Standing charges come the same way.
    ///
    /// # Errors
    /// [`PrepayError::TooLarge`].
    pub fn used(&mut self, amount: Decimal, now: Timestamp) -> Result<Vec<Event>, PrepayError> {
        self.spend(amount)?;
        self.at(now)
    }

    /// Takes the time: debts by day, friendly hours, thresholds.
    ///
    /// # Errors
    /// [`PrepayError::TooLarge`].
    pub fn at(&mut self, now: Timestamp) -> Result<Vec<Event>, PrepayError> {
        let today = self.terms.zone.to_datetime(now).date();
        if let Some(mut day) = self.last_day {
            while day < today {
                let Ok(next) = day.checked_add(1.day()) else {
                    break;
                };
                day = next;
                self.recover_day()?;
            }
        }
        self.last_day = self.last_day.max(Some(today));
        Ok(self.judge(now))
    }

    /// Activates emergency credit.
    ///
    /// # Errors
    /// The balance is above its threshold, or it is in use.
    pub fn activate_emergency(&mut self, now: Timestamp) -> Result<Vec<Event>, PrepayError> {
        if !self.emergency_offered() {
            return Err(PrepayError::NoEmergency);
        }
        // What was overdrawn counts as used already.
        let overdrawn = (self.terms.disablement - self.balance).max(Decimal::ZERO);
        self.balance = self.balance.max(self.terms.disablement);
        self.emergency_used = Some(overdrawn);
        let mut events = vec![Event::EmergencyActivated];
        events.extend(self.judge(now));
        Ok(events)
    }

    /// Takes a top-up code that was typed: 20 digits, blanks and dashes passed over, none entered
    /// twice. Whether its digits are right and what it is worth only the meter or the supplier
    /// knows; [`Account::top_up`] takes that.
    ///
    /// # Errors
    /// [`PrepayError`] says what is wrong with it.
    pub fn enter_code(&mut self, typed: &str) -> Result<String, PrepayError> {
        let code: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect();
        if code.len() != 20 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PrepayError::Digits);
        }
        if self.codes.contains(&code) {
            return Err(PrepayError::Used);
        }
        if self.codes.len() >= CODES {
            self.codes.remove(0);
        }
        self.codes.push(code.clone());
        Ok(code)
    }

    /// Takes money: first the shares of debts, then emergency credit that was used, the rest to
    /// the balance.
    ///
    /// # Errors
    /// The amount is not above zero or too large.
    pub fn top_up(&mut self, amount: Decimal, now: Timestamp) -> Result<Vec<Event>, PrepayError> {
        if amount <= Decimal::ZERO {
            return Err(PrepayError::Amount);
        }
        let mut left = amount;
        let debt = self.recover_share(amount, now)?;
        left = left.minus(debt)?;
        let used = self.emergency_used.unwrap_or_default();
        let emergency = used.min(left);
        left = left.minus(emergency)?;
        if let Some(used) = self.emergency_used {
            let rest = used.minus(emergency)?;
            self.emergency_used = (!rest.is_zero()).then_some(rest);
        }
        self.balance = self.balance.plus(left)?;
        let mut events = vec![Event::ToppedUp {
            credit: left,
            debt,
            emergency,
        }];
        events.extend(self.judge(now));
        Ok(events)
    }

    /// The person at the meter asks for the supply.
    ///
    /// # Errors
    /// It is not armed.
    pub fn switch_on(&mut self) -> Result<Event, PrepayError> {
        if self.supply != Supply::Armed {
            return Err(PrepayError::NotArmed);
        }
        self.supply = Supply::Enabled;
        Ok(Event::Enable)
    }

    fn spend(&mut self, amount: Decimal) -> Result<(), PrepayError> {
        let Some(used) = self.emergency_used else {
            self.balance = self.balance.minus(amount)?;
            return Ok(());
        };
        // The balance first, down to where the supply would be cut; then emergency credit.
        let own = (self.balance - self.terms.disablement)
            .max(Decimal::ZERO)
            .min(amount);
        self.balance = self.balance.minus(own)?;
        self.emergency_used = Some(used.plus(amount.minus(own)?)?);
        Ok(())
    }

    fn recover_day(&mut self) -> Result<(), PrepayError> {
        let mut taken = Decimal::ZERO;
        for debt in &mut self.terms.debts {
            if let Recovery::PerDay(rate) = debt.recovery {
                let part = rate.min(debt.owed).max(Decimal::ZERO);
                debt.owed = debt.owed.minus(part)?;
                taken = taken.plus(part)?;
            }
        }
        self.spend(taken)
    }

    fn recover_share(&mut self, amount: Decimal, now: Timestamp) -> Result<Decimal, PrepayError> {
        let week = now
            .checked_sub(jiff::SignedDuration::from_hours(7 * 24))
            .unwrap_or(Timestamp::MIN);
        self.paid.retain(|(at, _)| *at > week);
        let already: Decimal = self.paid.iter().map(|(_, paid)| *paid).sum();
        let mut room = match self.terms.weekly_cap {
            Some(cap) => cap.minus(already)?.max(Decimal::ZERO).min(amount),
            None => amount,
        };
        let mut taken = Decimal::ZERO;
        for debt in &mut self.terms.debts {
            if let Recovery::Share(share) = debt.recovery {
                let part = amount
                    .times(share)?
                    .min(debt.owed)
                    .min(room)
                    .max(Decimal::ZERO);
                debt.owed = debt.owed.minus(part)?;
                taken = taken.plus(part)?;
                room = room.minus(part)?;
            }
        }
        if !taken.is_zero() {
            self.paid.push((now, taken));
        }
        Ok(taken)
    }

    /// What follows from balance and time.
    fn judge(&mut self, now: Timestamp) -> Vec<Event> {
        let mut events = Vec::new();
        let mut once = |told: &mut bool, holds: bool, event: Event| {
            if holds && !*told {
                events.push(event);
            }
            *told = holds;
        };
        once(
            &mut self.told_low,
            self.balance <= self.terms.low_credit,
            Event::LowCredit,
        );
        let offered =
            self.emergency_used.is_none() && self.balance <= self.terms.emergency_threshold;
        once(&mut self.told_emergency, offered, Event::EmergencyAvailable);
        let empty = match self.emergency_used {
            Some(used) => {
                self.balance <= self.terms.disablement && used >= self.terms.emergency_limit
            }
            None => self.balance <= self.terms.disablement,
        };
        let friendly = self.is_friendly(now);
        let on = self.supply == Supply::Enabled;
        once(
            &mut self.told_friendly,
            empty && friendly && on,
            Event::Friendly,
        );
        match self.supply {
            Supply::Enabled if empty && !friendly => {
                self.supply = Supply::Disabled;
                events.push(Event::Disable);
            }
            Supply::Disabled if !empty => {
                self.supply = Supply::Armed;
                events.push(Event::Arm);
            }
            Supply::Armed if empty => self.supply = Supply::Disabled,
            _ => {}
        }
        events
    }

    /// True when the supply is not cut at `now`, whatever the balance.
    #[must_use]
    pub fn is_friendly(&self, now: Timestamp) -> bool {
        let local = self.terms.zone.to_datetime(now);
        let time = local.time();
        self.terms.friendly.iter().any(|hours| {
            let on = |day: Weekday| hours.days.is_empty() || hours.days.contains(&day);
            if hours.from < hours.to {
                return on(local.weekday()) && hours.from <= time && time < hours.to;
            }
            let evening = on(local.weekday()) && time >= hours.from;
            let morning = on(local.weekday().previous()) && time < hours.to;
            evening || morning
        })
    }
}
