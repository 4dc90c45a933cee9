//! `[gas]` and `[water]`: what the home pays for them.

use std::path::PathBuf;

use rust_decimal::Decimal;
use serde::Deserialize;

/// What a supply beside electricity costs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplyConfig {
    /// The tariff's file, relative to the file that names it. Gas is priced per kWh, water in the
    /// place of a kWh per cubic metre.
    pub tariff: PathBuf,
    /// Name of the meter; of one behind a P1 port the name that it has there, as in "house gas".
    pub meter: String,
    /// Gas: kWh per cubic metre, from the bill, as a text.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub calorific_value: Option<Decimal>,
    /// Gas: the correction factor from the bill, as a text; 1 when left out.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub correction: Option<Decimal>,
}

impl SupplyConfig {
    /// The energy of a cubic metre of gas in kWh, correction included.
    #[must_use]
    pub fn kwh_per_m3(&self) -> Option<Decimal> {
        crate::mbus::gas_kwh_per_m3(self.calorific_value, self.correction)
    }

    /// What is wrong, for gas or for another supply.
    pub(super) fn check(&self, name: &str, is_gas: bool, found: &mut Vec<String>) {
        let factors = [self.calorific_value, self.correction];
        if factors
            .iter()
            .flatten()
            .any(|factor| *factor <= Decimal::ZERO)
        {
            found.push(format!(
                "{name}: calorific_value and correction are above 0"
            ));
        }
        if is_gas && self.kwh_per_m3().is_none() {
            found.push(format!(
                "{name}.calorific_value: is missing; the bill says it, in kWh per cubic metre"
            ));
        }
        if !is_gas && factors.iter().any(Option::is_some) {
            found.push(format!(
                "{name}: calorific_value and correction are for gas"
            ));
        }
    }
}
