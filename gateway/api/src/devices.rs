//! Every device of the home that the gateway knows of, whatever carries it: Zigbee, the powerline,
//! the network.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `GET` answers a list of [`Device`], by kind and name.
pub const DEVICES_PATH: &str = "/api/v1/devices";
/// `GET` answers a list of [`Outlet`], by name.
pub const OUTLETS_PATH: &str = "/api/v1/home-network/outlets";

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// It stays the same: `zigbee:…`, `mdns:…`, `mac:…` or `meter:…`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// What carries it.
    pub via: DeviceVia,
    /// The powerline adapter behind which it is, by name or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its addresses in the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// When it was heard last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// The configured meter that reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// What it draws, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<Decimal>,
    /// What it has counted, kWh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_kwh: Option<Decimal>,
    /// Lines for the configuration that make use of it; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeviceKind {
    /// Charges a car.
    ChargingStation,
    /// A car at one of the gateway's own outlets.
    Car,
    /// Heats with electricity.
    HeatPump,
    /// Stores electricity.
    Battery,
    /// Turns what the sun or a battery gives into alternating current.
    Inverter,
    /// Looks after energy for others.
    EnergyManager,
    /// Answers to Modbus: a meter, or a device with registers.
    Modbus,
    /// A server of IEEE 2030.5.
    #[serde(rename = "ieee2030_5")]
    Ieee2030Dot5,
    /// Switches, and may count.
    Switch,
    /// Keeps a temperature.
    Thermostat,
    /// A powerline adapter.
    PowerlineAdapter,
    /// A host of which nothing more is known.
    Host,
    /// Something else.
    #[serde(other)]
    Other,
}

/// What carries a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeviceVia {
    /// The Zigbee network.
    Zigbee,
    /// The powerline.
    Powerline,
    /// The network, by whatever cable or radio.
    Network,
    /// Something that a newer gateway knows of.
    #[serde(other)]
    Other,
}

/// A charging outlet at which the gateway finds out which car it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outlet {
    /// Its configured name.
    pub name: String,
    /// The car at it; absent when there is none, or it has not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub car: Option<PluggedCar>,
    /// What a car may draw there at most, kW.
    pub max_kw: Decimal,
    /// What a car may draw by what the utility asks for at present, kW; all cars at outlets share
    /// a limit of the home evenly. It is told to whoever controls the charging; nothing here
    /// switches.
    pub limit_kw: Decimal,
    /// The event of the utility that limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
}

/// A car at an outlet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PluggedCar {
    /// Its address on the powerline, with colons.
    pub mac: String,
    /// How weakly it is heard, dB.
    pub attenuation_db: u8,
    /// Since when.
    pub since: Timestamp,
}
