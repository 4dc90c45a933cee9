//! Appliances: what used the power.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Money;

/// `GET` answers [`Appliances`].
pub const APPLIANCES_PATH: &str = "/api/v1/appliances";
/// `GET ?from=&to=` (dates) answers a list of [`ApplianceDay`], the oldest first.
pub const APPLIANCE_DAYS_PATH: &str = "/api/v1/appliances/days";
/// `GET ?from=&to=` (dates) answers a list of [`ApplianceCycle`], the oldest first.
pub const APPLIANCE_CYCLES_PATH: &str = "/api/v1/appliances/cycles";
/// `POST` a [`ApplianceCorrection`], answers [`Corrected`]; `GET` answers those in force;
/// `DELETE …/{id}` takes one back.
pub const APPLIANCE_CORRECTIONS_PATH: &str = "/api/v1/appliances/corrections";
/// `PUT …/{name}` an [`ApplianceLabel`]: what the household calls an appliance; `DELETE …/{name}`
/// gives it its own name back.
pub const APPLIANCE_LABELS_PATH: &str = "/api/v1/appliances/labels";
/// `GET` answers all that was learnt of the home, as JSON of no fixed form; `DELETE …/{name}`
/// erases what was learnt of one appliance.
pub const APPLIANCE_LEARNT_PATH: &str = "/api/v1/appliances/learnt";

/// What used the power, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Appliances {
    /// Up to when it is decided what ran; what came after is in the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_until: Option<Timestamp>,
    /// Power that is always on, W.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_on_w: Option<Decimal>,
    /// What is on now; a guess that may be revised.
    pub running: Vec<RunningLoad>,
    /// The present day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub today: Option<ApplianceDay>,
    /// Every appliance that was found.
    pub appliances: Vec<Appliance>,
    /// Loads that come back and have no name yet.
    pub unnamed: Vec<UnnamedLoad>,
    /// What may want attention.
    pub notes: Vec<ApplianceNote>,
    /// What the household calls appliances, by name; those it gave no other name are missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The cycles of the present day that are over, the oldest first, at most 40.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycles: Vec<ApplianceCycle>,
}

/// What the household calls an appliance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ApplianceLabel {
    /// 1 to 40 characters on one line.
    pub label: String,
}

/// A load that is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunningLoad {
    /// The appliance; absent while none is likely enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appliance: Option<String>,
    /// Its power, W.
    pub power_w: Decimal,
    /// When it came on.
    pub since: Timestamp,
    /// How likely it is the appliance, 0 to 1.
    pub confidence: Decimal,
}

/// An appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Appliance {
    /// Its name: small letters, digits, underscores.
    pub name: String,
    /// All its energy since it was found, kWh.
    pub total_kwh: Decimal,
    /// All its cycles.
    pub cycles: u32,
    /// Mean confidence of its cycles, 0 to 1.
    pub confidence: Decimal,
    /// Its last cycle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_cycle: Option<ApplianceCycle>,
}

/// One day, local time. The appliances, the loads without a name and the rest add up to the import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplianceDay {
    /// The day.
    pub date: Date,
    /// What the meter's register gained, or, where it has none, its power over time, kWh. Less the
    /// export, where that is metered.
    pub import_kwh: Decimal,
    /// By appliance.
    pub appliances: Vec<ApplianceShare>,
    /// Loads that come back and have no name, kWh.
    pub unnamed_kwh: Decimal,
    /// All that is not explained, what is always on included, kWh.
    pub rest_kwh: Decimal,
    /// What was always on; a part of the rest, kWh.
    pub always_on_kwh: Decimal,
    /// Loads without a name and the rest, less what is always on, kWh: with it and the appliances
    /// it adds up to the import.
    #[serde(default)]
    pub other_kwh: Decimal,
    /// What the part that is always on cost; absent without a tariff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always_on_cost: Option<Money>,
    /// What the other part cost: the day's cost less that of the appliances and of what is always
    /// on. Absent when they are not known, and where they come to more than the day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_cost: Option<Money>,
}

/// An appliance's share of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplianceShare {
    /// Its name.
    pub name: String,
    /// Energy, kWh.
    pub kwh: Decimal,
    /// Lower end of the 90 % interval, kWh.
    pub kwh_low: Decimal,
    /// Upper end, kWh.
    pub kwh_high: Decimal,
    /// At the price of each quarter-hour, taxes included; absent without a tariff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// Cycles that ended.
    pub cycles: u32,
}

/// One cycle of an appliance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApplianceCycle {
    /// Whose.
    pub appliance: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Energy, kWh.
    pub kwh: Decimal,
    /// At the price of each quarter-hour, taxes included; absent without a tariff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// How likely it was the appliance's, 0 to 1.
    pub confidence: Decimal,
}

/// A load that comes back and has no name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnnamedLoad {
    /// Its slot, from 1; corrections speak of it.
    pub slot: usize,
    /// Its power, W.
    pub power_w: Decimal,
    /// How long it is on, s.
    pub typical_s: u32,
    /// How often a week.
    pub per_week: Decimal,
    /// What it may be.
    pub guesses: Vec<Guess>,
}

/// What a load may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Guess {
    /// The appliance.
    pub appliance: String,
    /// How likely, 0 to 1.
    pub p: Decimal,
}

/// Something about an appliance that may want attention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ApplianceNote {
    /// It runs longer than it used to.
    RunsMore {
        /// The appliance.
        appliance: String,
        /// By how much in per cent, the last three days beside the two weeks before.
        percent: i32,
    },
    /// It has been on for more than a day.
    NeverOff {
        /// The appliance.
        appliance: String,
    },
    /// More is always on than a week ago.
    AlwaysOnRose {
        /// By how much, per cent.
        percent: i32,
    },
}

/// What the household says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum ApplianceCorrection {
    /// The load in a slot is this appliance.
    Name {
        /// The slot, from 1.
        slot: usize,
        /// The appliance.
        appliance: String,
    },
    /// The cycle at an instant was not the appliance's.
    Reject {
        /// The appliance.
        appliance: String,
        /// An instant within the cycle.
        at: Timestamp,
    },
    /// The cycle at an instant was another's, and what is like it.
    Split {
        /// The appliance.
        appliance: String,
        /// An instant within the cycle.
        at: Timestamp,
        /// Whose it was.
        into: String,
    },
    /// Two appliances are one.
    Merge {
        /// The one that is no more.
        appliance: String,
        /// The one that takes its cycles.
        into: String,
    },
}

/// A correction in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Corrected {
    /// Its number.
    pub id: u64,
    /// What was said.
    pub correction: ApplianceCorrection,
}
