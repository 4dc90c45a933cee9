//! When to run an appliance that can wait.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Money;

/// `GET ?finish_by=` (a time; 24 hours from now when left out, 48 at the most) answers a list of
/// [`RunAdvice`], the appliance that runs most often first, at most four.
pub const RUN_ADVICE_PATH: &str = "/api/v1/run-advice";

/// The cheapest time for an appliance of the home, by what was learnt of it and the published prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunAdvice {
    /// The appliance.
    pub appliance: String,
    /// How long it usually runs: the median of its cycles, minutes.
    pub minutes: u32,
    /// What it usually takes: the median of its cycles, kWh.
    pub kwh: Decimal,
    /// Cycles of the last 60 days that this was learnt from, at least 2.
    pub cycles: u32,
    /// When it is cheapest; a start at once is among the choices, ties go to the earliest. Absent
    /// when it does not fit between now and the end of the known prices, or of `finish_by`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<BestRun>,
}

/// A start, and what it is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BestRun {
    /// When to start.
    pub start: Timestamp,
    /// When it is over.
    pub end: Timestamp,
    /// What it costs then, taxes included.
    pub cost: Money,
    /// What it costs when it starts now; absent where that is not wholly published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_now: Option<Money>,
    /// What waiting saves; absent below 0.05, where it is not worth the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saving: Option<Money>,
}
