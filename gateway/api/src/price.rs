//! Prices of the next hours.

use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A band of the price within the known 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// Using energy earns money.
    PaidToUse,
    /// At or below the 33rd percentile.
    Cheap,
    /// In between, or all prices are nearly equal.
    Normal,
    /// At or above the 67th percentile.
    Dear,
}

/// The price of electricity, all taxes included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Price {
    /// ISO 4217 code of every price below.
    pub currency: String,
    /// Name of the tariff.
    pub tariff: String,
    /// The slot that holds now; absent when now has no published price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Slot>,
    /// The next slot with another price than now's, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Slot>,
    /// Hourly slots in order, from the start of the current local hour over 24 hours. An hour
    /// without a published price is missing.
    pub slots: Vec<Slot>,
    /// The cheapest contiguous stretch of two hours among `slots`; absent when all prices are
    /// nearly equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cheapest: Option<Window>,
    /// Today and tomorrow by the home's clock, in the bands of `slots`. A day of which no hour has
    /// a published price is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<PriceDay>,
    /// When a run of one, two, three or four hours is cheapest, the shortest first; empty when all
    /// prices are nearly equal. A run that does not fit into the known prices is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// What a kWh from the grid emits; absent where the prices' document does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carbon: Option<Carbon>,
}

/// Carbon dioxide of a kWh from the grid, in grams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Carbon {
    /// Now; absent when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now_g: Option<Decimal>,
    /// The hour of the next 24 that emits least; absent when all are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanest: Option<CleanHour>,
}

/// An hour and what a kWh emits in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CleanHour {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// Time-weighted mean in grams per kWh.
    pub g_per_kwh: Decimal,
}

/// The prices of a local day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PriceDay {
    /// The local date.
    pub date: civil::Date,
    /// Its midnight.
    pub start: Timestamp,
    /// The next midnight: 23, 24 or 25 hours later.
    pub end: Timestamp,
    /// Hourly slots in order. An hour without a published price is missing.
    pub slots: Vec<Slot>,
}

/// The cheapest time within the next 24 hours for something that runs without a break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Run {
    /// How long it runs.
    pub hours: u8,
    /// When it is cheapest; a start at once is among the choices. Ties go to the earliest.
    pub best: Window,
    /// Mean price per kWh when it starts now; absent where that is not wholly published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now_per_kwh: Option<Decimal>,
    /// What waiting saves per kWh against starting now; absent below 0.05, where it is not worth
    /// the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saving_per_kwh: Option<Decimal>,
}

/// A stretch of time with one price, half-open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Slot {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// Price per kWh in the major unit.
    pub per_kwh: Decimal,
    /// Its band.
    pub band: Band,
}

/// A stretch of time and its mean price, half-open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Window {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// Mean price per kWh in the major unit.
    pub per_kwh: Decimal,
}
