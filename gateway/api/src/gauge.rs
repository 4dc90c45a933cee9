//! Where the home stands in tariffs that count: blocks and demand.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The block of a tiered price that the next kilowatt-hour falls into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockGauge {
    /// Which block, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
    /// What was used since the counter began, in kWh.
    pub used_kwh: Decimal,
    /// Where the block begins, in kWh.
    pub from_kwh: Decimal,
    /// Where it ends; absent for the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to_kwh: Option<Decimal>,
    /// What is left of it, in kWh; absent for the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_kwh: Option<Decimal>,
    /// The counter begins again each day, otherwise each month.
    pub daily: bool,
}

/// The highest power of the month that a demand charge counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DemandGauge {
    /// The charge's name for people.
    pub label: String,
    /// The peak of the month so far, in kW; absent before its first window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_kw: Option<Decimal>,
    /// Power counts now.
    pub counts_now: bool,
}
