//! `[prepay]`: the terms of a home that pays in advance.

use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_billing::prepay::{Debt, FriendlyHours, Recovery, Terms};

/// `[prepay]`. Amounts are texts in the tariff's currency, so that they stay exact.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrepayConfig {
    /// The balance at the first start; later it is what the account says.
    pub balance: Decimal,
    /// At or below this the household is told that the credit is low.
    pub low_credit: Decimal,
    /// At or below this emergency credit may be activated.
    pub emergency_threshold: Decimal,
    /// How much emergency credit there is.
    pub emergency_limit: Decimal,
    /// At or below this the supply is cut; 0 when left out.
    #[serde(default)]
    pub disablement: Decimal,
    /// `[[prepay.friendly]]`: hours in which it is not.
    #[serde(default)]
    pub friendly: Vec<FriendlyHours>,
    /// What is owed, and how it is recovered.
    #[serde(default, rename = "debt")]
    pub debts: Vec<DebtConfig>,
    /// Most that top-ups pay towards debts within seven days.
    pub weekly_cap: Option<Decimal>,
}

/// `[[prepay.debt]]`: with `per_day` or `share`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebtConfig {
    /// What is owed at the first start.
    pub owed: Decimal,
    /// So much a local day, out of the balance.
    pub per_day: Option<Decimal>,
    /// So large a share of each top-up, 0 to 1.
    pub share: Option<Decimal>,
}

impl PrepayConfig {
    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, amount) in [
            ("low_credit", self.low_credit),
            ("emergency_threshold", self.emergency_threshold),
            ("disablement", self.disablement),
        ] {
            if amount.is_sign_negative() && !amount.is_zero() {
                return Err(format!("prepay.{name} is below zero"));
            }
        }
        if self.emergency_limit.is_sign_negative() {
            return Err("prepay.emergency_limit is below zero".to_owned());
        }
        if self.disablement > self.emergency_threshold {
            return Err(
                "prepay.disablement is above prepay.emergency_threshold: emergency credit would come \
                 after the supply is cut"
                    .to_owned(),
            );
        }
        for debt in &self.debts {
            debt.recovery()?;
        }
        Ok(())
    }

    /// The terms of the account.
    ///
    /// # Errors
    /// A debt says not, or in two ways, how it is recovered.
    pub fn terms(&self, zone: &TimeZone) -> Result<Terms, String> {
        let debt = |debt: &DebtConfig| {
            Ok(Debt {
                owed: debt.owed,
                recovery: debt.recovery()?,
            })
        };
        Ok(Terms {
            emergency_threshold: self.emergency_threshold,
            emergency_limit: self.emergency_limit,
            low_credit: self.low_credit,
            disablement: self.disablement,
            friendly: self.friendly.clone(),
            zone: zone.clone(),
            debts: self.debts.iter().map(debt).collect::<Result<_, String>>()?,
            weekly_cap: self.weekly_cap,
        })
    }
}

impl DebtConfig {
    fn recovery(&self) -> Result<Recovery, String> {
        if self.owed.is_sign_negative() {
            return Err("prepay.debt: owed is below zero".to_owned());
        }
        match (self.per_day, self.share) {
            (Some(per_day), None) if !per_day.is_sign_negative() => Ok(Recovery::PerDay(per_day)),
            (None, Some(share)) if (Decimal::ZERO..=Decimal::ONE).contains(&share) => {
                Ok(Recovery::Share(share))
            }
            (Some(_), None) => Err("prepay.debt: per_day is below zero".to_owned()),
            (None, Some(_)) => Err("prepay.debt: share is not from 0 to 1".to_owned()),
            _ => Err("prepay.debt: say either per_day or share".to_owned()),
        }
    }
}
