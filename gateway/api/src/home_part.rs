//! What makes, keeps or takes much power and has a meter of its own.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Freshness;

/// Which part of the home a submeter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HomePartKind {
    /// Solar modules behind their inverter.
    Solar,
    /// A battery of the house.
    Battery,
    /// The charging station of a car.
    Car,
    /// A part that this version does not know.
    #[serde(other)]
    Other,
}

/// Such a part as it is now, by its submeter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HomePart {
    /// What it is.
    pub kind: HomePartKind,
    /// Configured name of the meter.
    pub meter: String,
    /// Power in W. Solar: what is made, whichever way the meter is wired. Battery and car: charging is
    /// positive, giving back is negative. Absent when the meter tells none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<Decimal>,
    /// Energy since local midnight in kWh: what solar modules made, what a battery or car was charged
    /// with. Absent when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today_kwh: Option<Decimal>,
    /// When the newest value was received.
    pub received_at: Timestamp,
    /// How fresh it is.
    pub freshness: Freshness,
}
