//! One line of a bill, and sums that know whether their rate varied.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::exact::{Exact, TooLarge};
use crate::tariff::Kind;
use crate::time::Month;

/// A line of a bill. Quantity × rate is the amount wherever there is a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub kind: Kind,
    /// The charge's identifier; none for energy.
    pub id: Option<String>,
    /// Its name for people.
    pub label: String,
    /// Name of the band.
    pub band: Option<String>,
    /// Tier from 1, where there are several.
    pub tier: Option<usize>,
    /// The month it is for, where it is for one.
    pub period: Option<Month>,
    /// How much.
    pub quantity: Decimal,
    /// Of what: `kWh`, `day`, `month`, `kW`, `kW_day`, `kW_month` or the currency.
    pub unit: String,
    /// At which price; `None` when it varied.
    pub rate: Option<Decimal>,
    /// Unrounded.
    pub amount: Decimal,
}

/// A growing sum of quantity and amount, in all and by month.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub(super) quantity: Decimal,
    pub(super) amount: Decimal,
    pub(super) by_month: BTreeMap<Month, Decimal>,
    rate: Rate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rate {
    #[default]
    None,
    One(Decimal),
    Several,
}

impl Sum {
    /// Adds a quantity at a rate. Nothing at a rate leaves the rate as it was.
    pub(super) fn add(
        &mut self,
        month: Month,
        quantity: Decimal,
        rate: Decimal,
    ) -> Result<(), TooLarge> {
        if quantity.is_zero() {
            return Ok(());
        }
        self.rate = match self.rate {
            Rate::None => Rate::One(rate),
            Rate::One(one) if one == rate => Rate::One(one),
            _ => Rate::Several,
        };
        let amount = quantity.times(rate)?;
        self.quantity = self.quantity.plus(quantity)?;
        self.amount = self.amount.plus(amount)?;
        let of_month = self.by_month.entry(month).or_default();
        *of_month = of_month.plus(amount)?;
        Ok(())
    }

    /// The rate, if it was one.
    pub(super) fn rate(&self) -> Option<Decimal> {
        match self.rate {
            Rate::One(rate) => Some(rate),
            Rate::None | Rate::Several => None,
        }
    }
}
