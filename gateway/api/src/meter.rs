//! A meter and what it tells.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Freshness;

/// A meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Meter {
    /// The name given in the configuration.
    pub name: String,
    /// Serial number as the meter sends it; absent until it was heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it measures.
    pub medium: Medium,
    /// The maker's three letters, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The protocol it is read by, as the configuration names it.
    pub protocol: String,
    /// The port it is read from.
    pub port: String,
    /// When its last good message came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Timestamp>,
    /// How old that is; absent when it was never heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Good messages since the daemon was started.
    pub telegrams: u64,
    /// Stretches of input that were rejected since the daemon was started.
    pub rejected: u64,
    /// The last value of every register, in the order of their codes.
    pub registers: Vec<Register>,
    /// Radio and bus meters: everything they told, by name, in the order told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The tariff in force by the meter's own word; absent when it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<MeterTariff>,
    /// States of the meter by name, such as `breaker`: `closed`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, String>,
    /// The meter's own log of power failures, the order of the meter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
}

/// The tariff that holds by a meter's own word. Members are absent where it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeterTariff {
    /// Number of the tariff, as in the energy register that counts: 2 means `1-0:1.8.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
    /// The meter's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Colour of today's tariff day: `blue`, `white` or `red` (Tempo).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_today: Option<String>,
    /// Colour of tomorrow, once it was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_tomorrow: Option<String>,
    /// True while a movable peak holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<bool>,
    /// True while the next movable peak has been announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_announced: Option<bool>,
}

/// A power failure that a meter has logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outage {
    /// When the power came back, by the meter's wall clock.
    pub ended_at: civil::DateTime,
    /// How long it was away.
    pub seconds: u64,
}

/// Something that a meter told, by the name it has in dashboards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Field {
    /// The name; that of a number ends in its unit: `total_m3`, `flow_temperature_c`.
    pub name: String,
    /// The value: an exact number, a date, a text; absent when the meter says that it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When the telegram came that told it.
    pub received_at: Timestamp,
    /// What the meter told since and is not believed, with the reason; `value` is the last that
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<String>,
}

/// What a meter measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Electricity.
    #[default]
    Electricity,
    /// Gas.
    Gas,
    /// Water.
    Water,
    /// Heat.
    Heat,
}

/// The last value of a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Register {
    /// OBIS code `A-B:C.D.E*F`.
    pub obis: String,
    /// The exact value.
    pub value: Decimal,
    /// Its unit, COSEM symbol.
    pub unit: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// `measured` or `suspect`.
    pub quality: String,
    /// How its telegram was checked: `none`, `known-bytes`, `checksum`, `crc`, `mac`, `tag`.
    pub check: String,
}
