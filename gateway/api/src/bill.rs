//! Bills.

use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{BlockGauge, DemandGauge};

/// The bill of a period as far as it has been metered, and what it may become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BillToDate {
    /// First local date.
    pub from: civil::Date,
    /// Last local date.
    pub to: civil::Date,
    /// End of the last quarter-hour that was metered and is in the bill.
    pub until: Timestamp,
    /// What it comes to so far.
    pub bill: Bill,
    /// What it will come to at the end of the period; absent when the period has ended, when
    /// there is too little history, or when prices until then are not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast: Option<BillForecast>,
    /// The period of the same length before it, metered as far; absent when nothing of it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Bill>,
    /// What the household means to spend; absent without a budget, and for anything but a calendar month
    /// of electricity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The block of a tiered price that the next kilowatt-hour falls into. Told for the present
    /// month, where blocks begin again each month or day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockGauge>,
    /// The peaks that demand charges count. Told for the present month.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demand: Vec<DemandGauge>,
}

/// A bill. The total is the sum of the lines, unrounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bill {
    /// ISO 4217 code of every amount.
    pub currency: String,
    /// The sum; absent when some of the energy has no published price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Decimal>,
    /// Imported energy in kWh.
    pub import_kwh: Decimal,
    /// Exported energy in kWh.
    pub export_kwh: Decimal,
    /// Energy, adders, standing, power, demand, minimum, export, taxes and credits.
    pub lines: Vec<BillLine>,
}

/// A line of a bill. Quantity × rate is the amount where there is a rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BillLine {
    /// `energy`, `adder`, `standing`, `power`, `demand`, `minimum`, `export`, `tax`, `credit`.
    pub kind: String,
    /// The charge's identifier; absent for energy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name for people.
    pub label: String,
    /// Name of the band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// Block from 1, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<u32>,
    /// The month it is for, `YYYY-MM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// How much.
    pub quantity: Decimal,
    /// Of what: `kWh`, `day`, `month`, `kW`, `kW_day`, `kW_month`, or the currency.
    pub unit: String,
    /// At which price; absent when it varied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Decimal>,
    /// In the currency's major unit, unrounded.
    pub amount: Decimal,
}

/// What a bill will come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BillForecast {
    /// Expected total.
    pub total: Decimal,
    /// In one of ten cases it is less.
    pub low: Decimal,
    /// In one of ten cases it is more.
    pub high: Decimal,
    /// Expected import of the whole period in kWh.
    pub import_kwh: Decimal,
}

/// A month's budget, in the bill's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Budget {
    /// All of it.
    pub amount: Decimal,
    /// What is left of it; negative when more was spent.
    pub left: Decimal,
    /// The share that is spent, in thousandths, 0 to 1000: what a bar shows.
    pub spent_permille: u16,
    /// The share that the month may come to, in thousandths, 0 to 1000; absent without a forecast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_permille: Option<u16>,
}
