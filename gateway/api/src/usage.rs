//! What was used, bar by bar: the figures of a bar chart.

use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{Band, Medium};

/// `GET` answers [`Usage`] for `span` ([`UsageSpan`]; `day` when left out), `back`, how many of
/// them before the present one (0 when left out, at most 400), and `medium` (`electricity` when left
/// out; `gas` or `water`).
pub const USAGE_PATH: &str = "/api/v1/usage";

/// A stretch of the home's calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UsageSpan {
    /// A day in hours.
    #[default]
    Day,
    /// A week from Monday, in days.
    Week,
    /// A month in days.
    Month,
    /// A year in months.
    Year,
}

impl UsageSpan {
    /// As it is written in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Electricity imported, or gas or water used, in a day, week, month or year, up to the last closed
/// quarter-hour. The total is the sum of the bars. Electricity is told in kWh, gas and water in cubic
/// metres; what is not the medium's is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// What was asked for.
    pub span: UsageSpan,
    /// What was used.
    #[serde(default)]
    pub medium: Medium,
    /// How many spans before the present one.
    pub back: u16,
    /// First local date.
    pub from: civil::Date,
    /// Last local date.
    pub to: civil::Date,
    /// Every hour, day or month of it, also those still to come.
    pub bars: Vec<UsageBar>,
    /// End of the last quarter-hour that is in the bars; absent when nothing was metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Energy of all bars in kWh; absent when nothing was metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_kwh: Option<Decimal>,
    /// Mean of the bars that are over and wholly metered, in kWh; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_kwh: Option<Decimal>,
    /// Volume of all bars in m³; absent when nothing was metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_m3: Option<Decimal>,
    /// Mean of the bars that are over and wholly metered, in m³; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_m3: Option<Decimal>,
    /// ISO 4217 code of every cost; absent without a tariff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Cost of all bars: energy at its price in each quarter-hour, taxes included, without
    /// standing charges. Absent when some of it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// The same stretch a year before; absent when nothing of it was metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year_before: Option<YearBefore>,
}

/// A stretch a year before: a day or a week begins 52 weeks earlier, so that the days of the week are
/// alike; a month or a year is that of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct YearBefore {
    /// First local date.
    pub from: civil::Date,
    /// Last local date.
    pub to: civil::Date,
    /// What was used then, for each bar: in kWh, or m³ of gas and water. `null` when nothing of it was
    /// metered, and for an hour or a day that did not exist then.
    pub amounts: Vec<Option<Decimal>>,
    /// All of that stretch, in the same unit.
    pub total: Decimal,
}

/// An hour, a day or a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageBar {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// Energy in kWh; absent when nothing of it was metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_kwh: Option<Decimal>,
    /// Volume in m³; absent when nothing of it was metered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_m3: Option<Decimal>,
    /// Its cost; absent when some of it has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// The same by the price's band on its day, the cheapest first; empty where prices are equal,
    /// in a year, and where its quarter-hours do not come to it, as when some of it was estimated
    /// or has no price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<UsageBand>,
    /// True when every quarter-hour of it was metered.
    pub complete: bool,
}

/// What of a bar was used in a band of the price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UsageBand {
    /// Which.
    pub band: Band,
    /// Energy in kWh.
    pub import_kwh: Decimal,
    /// Its cost.
    pub cost: Decimal,
}
