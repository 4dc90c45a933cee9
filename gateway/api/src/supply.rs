//! The switch of the supply, where the utility may open it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET`: [`SupplySwitch`]. For the machine itself alone.
pub const SUPPLY_PATH: &str = "/api/v1/supply";
/// `POST` without a body: the person at the home switches on again; gives [`SupplySwitch`].
pub const SUPPLY_ON_PATH: &str = "/api/v1/supply/on";

/// Where the supply stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupplyState {
    /// Connected.
    On,
    /// Its disconnection is announced.
    Announced,
    /// Disconnected.
    Off,
    /// Disconnected, and the person at the home may switch on.
    Armed,
}

/// The switch of the supply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplySwitch {
    /// Where it stands, or is to stand.
    pub state: SupplyState,
    /// When it will be opened, if that is announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The utility's reason, and whom to call.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub text: String,
    /// The relay was told to move and has not been read back yet.
    pub moving: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}
