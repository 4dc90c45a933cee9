//! The ways out of the house that the relay may take.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET` answers a list of [`Bearer`], in the order of preference.
pub const BEARERS_PATH: &str = "/api/v1/bearers";

/// A way out of the house: an interface that carries IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bearer {
    /// Its name in the configuration.
    pub name: String,
    /// The interface, as the system calls it.
    pub interface: String,
    /// What it is.
    pub kind: BearerKind,
    /// Whether what goes over it costs money.
    pub metered: bool,
    /// How it is.
    pub state: BearerState,
    /// True when the relay goes over it now.
    pub in_use: bool,
    /// Octets sent over the interface since this gateway looks at it, by whomever.
    pub sent_octets: u64,
    /// Octets received, the same.
    pub received_octets: u64,
    /// What may go over it in a month, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BearerBudget>,
    /// The modem behind it, of a cellular one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modem: Option<Modem>,
    /// What is wrong with it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a bearer is. All of them are interfaces with IP; `plc` and `wi_sun` say that there is a border
/// router behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BearerKind {
    /// A cable.
    Ethernet,
    /// Wi-Fi.
    Wifi,
    /// LTE-M, NB-IoT, GPRS or another mobile network.
    Cellular,
    /// A border router of a powerline network.
    Plc,
    /// A border router of a Wi-SUN network.
    WiSun,
    /// Something that a newer gateway knows of.
    #[serde(other)]
    Other,
}

/// How a bearer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BearerState {
    /// There is no such interface.
    Absent,
    /// It has no carrier, or is switched off.
    Down,
    /// It has a carrier and no address.
    NoAddress,
    /// It could carry.
    Ready,
    /// The head-end could not be reached over it; it is tried again later.
    Failing,
    /// Something that a newer gateway knows of.
    #[serde(other)]
    Other,
}

/// What may go over a metered bearer in a calendar month (UTC), and what has gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BearerBudget {
    /// Octets of a month, both ways.
    pub octets: u64,
    /// Octets that the interface has carried in this month, both ways.
    pub used_octets: u64,
    /// Use cases (TAF) that wait for another bearer or the next month.
    pub held_back: Vec<u8>,
    /// When the next month begins.
    pub renews: Timestamp,
}

/// A modem, as ModemManager tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Modem {
    /// Maker and model.
    pub model: String,
    /// How far it has come: `locked`, `registered`, `connected` …
    pub state: String,
    /// Whether the network takes it: `home`, `roaming`, `searching`, `denied` …
    pub registration: String,
    /// The network's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// How it talks to it: `lte`, `lte_m`, `nb_iot`, `gprs` …
    pub technologies: Vec<String>,
    /// Quality of the signal, per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_percent: Option<u32>,
    /// The access point of its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apn: Option<String>,
}
