//! The powerline network: adapters, how well they hear each other, and what ails them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET` answers a list of [`Powerline`], one for each configured interface.
pub const POWERLINE_PATH: &str = "/api/v1/home-network/powerline";

/// The powerline network at an Ethernet interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Powerline {
    /// The Ethernet interface.
    pub interface: String,
    /// How it stands.
    pub status: PowerlineStatus,
    /// What the system said, when the interface cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Identifier of the network, 14 hex digits; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nid: Option<String>,
    /// When an adapter answered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// Every adapter that was seen within the last week, the one at the interface first.
    pub adapters: Vec<Adapter>,
}

/// How a powerline network stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PowerlineStatus {
    /// Not asked yet.
    Starting,
    /// The adapter answers and is in a network.
    Up,
    /// The adapter answers and is in no network.
    NoNetwork,
    /// Nothing answers: no adapter, a silent one, or one of another kind (G.hn).
    NoAdapter,
    /// The interface is missing, down, or may not be used.
    NoInterface,
}

/// An adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Adapter {
    /// Its address, with colons.
    pub mac: String,
    /// The name given in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// True for the one at the own interface; its rates are not told.
    pub local: bool,
    /// A host that was seen behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridged_mac: Option<String>,
    /// All hosts that are known behind it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Rate to it in Mbit/s when it was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_mbit: Option<u16>,
    /// Rate from it in Mbit/s when it was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_mbit: Option<u16>,
    /// When it was seen last.
    pub seen_at: Timestamp,
    /// What ails it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<AdapterAlarm>,
    /// Its rates hour by hour, at most a week, the oldest first. Hours in which it was not seen are
    /// missing.
    pub hours: Vec<RateHour>,
}

/// What ails an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdapterAlarm {
    /// What it is.
    pub kind: AdapterAlarmKind,
    /// Since when.
    pub since: Timestamp,
}

/// A kind of ailment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AdapterAlarmKind {
    /// It is not seen any more.
    Gone,
    /// Its rate has fallen far below what it was.
    Slow,
}

/// An hour of an adapter's rates: the smaller of both directions, in Mbit/s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateHour {
    /// When the hour began.
    pub start: Timestamp,
    /// The lowest rate.
    pub lowest: u16,
    /// The mean rate, rounded.
    pub mean: u16,
    /// The highest rate.
    pub highest: u16,
    /// How often it was asked for.
    pub samples: u16,
}
