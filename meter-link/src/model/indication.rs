//! What a telegram tells that is no number: the tariff in force, switches, power failures.

use std::collections::BTreeMap;

use jiff::civil;
use serde::{Deserialize, Serialize};

/// Colour of a day of France's Tempo tariff (Enedis-NOI-CPT_54E, status register).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayColor {
    /// Cheap.
    Blue,
    /// Between.
    White,
    /// Dear.
    Red,
}

impl DayColor {
    /// In English: `blue`, `white`, `red`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::White => "white",
            Self::Red => "red",
        }
    }
}

/// The tariff that holds by the meter's own word. Members are `None` where it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TariffIndication {
    /// Number of the tariff: value group E of the energy register that counts, so that 2 means
    /// 1-0:1.8.2. What a number stands for differs: 1 is the low tariff in the Netherlands and
    /// the normal one in Belgium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
    /// The meter's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Colour of today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color_today: Option<DayColor>,
    /// Colour of tomorrow, once it was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color_tomorrow: Option<DayColor>,
    /// True while a movable peak holds (`pointe mobile`, EJP).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak: Option<bool>,
    /// True while the next movable peak has been announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_announced: Option<bool>,
}

/// A power failure that the meter has logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// When the power came back, the meter's wall clock.
    pub ended_at: civil::DateTime,
    /// How long it was away, in seconds.
    pub seconds: u64,
}

/// All of it. Of a meter that tells none of this, all members are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Indications {
    /// The tariff in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff: Option<TariffIndication>,
    /// States of the meter by name, in lower case with underscores: `breaker` → `closed`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, String>,
    /// The log of power failures as the meter sends it, a few rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
}

impl Indications {
    /// True when the meter told none of this.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tariff.is_none() && self.states.is_empty() && self.outages.is_empty()
    }

    /// Sets a state.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.states.insert(name.to_owned(), value.into());
    }
}
