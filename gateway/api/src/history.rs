//! History of a register: quarter-hours, hours, days and months, what validation found, days and
//! months by the bands of the tariff, and exchanged meters.

use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// A quarter-hour of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interval {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
    /// What the register gained, in its unit.
    pub amount: Decimal,
    /// True when the register was read close to both ends, so that nothing of it belongs to a
    /// neighbour.
    pub complete: bool,
    /// `actual`; `suspect` when it holds energy of another time; `estimated`; or what an import says.
    pub quality: String,
    /// How it was estimated (`linear_closed`, `like_day_closed`: the counter says what passed in the
    /// gap) or imported (`import`, `import_spread`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The rules of validation that it met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// An hour of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hour {
    /// First instant.
    pub start: Timestamp,
    /// What the register gained, in its unit.
    pub amount: Decimal,
    /// How many of its four quarter-hours are known.
    pub quarter_hours: u8,
    /// How many of them were measured.
    pub measured: u8,
}

/// What a rule of validation found. Readings are never changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// The rule: `missing`, `spike`, `zero_run`, `high_usage` and so on.
    pub rule: String,
    /// `info`, `warning`, or `fail` for what cannot be billed as it is.
    pub severity: String,
    /// First instant.
    pub from: Timestamp,
    /// First instant after it, or the same for a single reading.
    pub to: Timestamp,
    /// How many readings.
    pub count: i64,
    /// In words.
    pub detail: String,
}

/// How long the stretches are that are told by bands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BandsPer {
    /// Local days.
    #[default]
    Day,
    /// Local months.
    Month,
}

/// A day or a month of an energy register in one band of the tariff that held then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BandTotal {
    /// The local date, or the first of the month.
    pub from: civil::Date,
    /// Name of the band; empty when the tariff has none or none is known for that time.
    pub band: String,
    /// What the register gained, in its unit.
    pub amount: Decimal,
    /// What that cost (import) or brought (export), taxes on energy included, without standing
    /// charges; absent when some of it had no price or currencies differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// ISO 4217 code of the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Quarter-hours in this band.
    pub quarter_hours: u32,
    /// How many of them were measured; the others are estimated, imported, or hold energy of a gap.
    pub measured: u32,
}

/// A meter took the place of another of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeterExchange {
    /// The name in the configuration.
    pub meter: String,
    /// First telegram of the new one.
    pub at: Timestamp,
    /// Serial number of the old one.
    pub before: String,
    /// Serial number of the new one.
    pub after: String,
}

/// A day total of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Day {
    /// The local date.
    pub date: civil::Date,
    /// What the register gained, in its unit.
    pub amount: Decimal,
    /// How many quarter-hours the day has: 92, 96 or 100.
    pub quarter_hours: u16,
    /// How many of them were measured.
    pub measured: u16,
    /// How many others were estimated or imported.
    #[serde(default)]
    pub supplied: u16,
}

/// A month of a register: the sum of its days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MonthTotal {
    /// The first of the local month.
    pub month: civil::Date,
    /// What the register gained in those days, in its unit.
    pub amount: Decimal,
    /// How many days are in it.
    pub days: u16,
    /// How many quarter-hours those days have.
    pub quarter_hours: u16,
    /// How many of them were measured.
    pub measured: u16,
    /// How many others were estimated or imported.
    #[serde(default)]
    pub supplied: u16,
}
