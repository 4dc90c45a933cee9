//! The Zigbee network of the home.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `GET` answers [`Zigbee`].
pub const ZIGBEE_PATH: &str = "/api/v1/zigbee";
/// `POST` takes a [`ZigbeeJoin`]: devices are let in.
pub const ZIGBEE_JOIN_PATH: &str = "/api/v1/zigbee/join";
/// `POST` takes a [`ZigbeeSwitch`]: a relay is switched.
pub const ZIGBEE_SWITCH_PATH: &str = "/api/v1/zigbee/switch";
/// `POST` without a body: the energy of all channels is measured, and routers tell whom they hear.
pub const ZIGBEE_SURVEY_PATH: &str = "/api/v1/zigbee/survey";
/// `POST` without a body: the network's key is exchanged for a fresh one within a minute.
pub const ZIGBEE_KEY_PATH: &str = "/api/v1/zigbee/rotate-key";
/// `POST` takes a [`ZigbeeUpgrade`]: a device gets firmware from the folder that the configuration names.
pub const ZIGBEE_UPGRADE_PATH: &str = "/api/v1/zigbee/upgrade";
/// `POST` takes a [`ZigbeeReplace`]: a foreign network on the stick is given up.
pub const ZIGBEE_REPLACE_PATH: &str = "/api/v1/zigbee/replace";

/// The network and its devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Zigbee {
    /// How the network is.
    pub state: ZigbeeState,
    /// Why it is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its channel, 11 to 26.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<u8>,
    /// Its 16-bit name, four hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pan: Option<String>,
    /// Its 64-bit name, 16 hex digits; also that of a foreign network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_pan: Option<String>,
    /// The number of its key; each exchange of the key has the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_sequence: Option<u8>,
    /// Until when devices are let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joining_until: Option<Timestamp>,
    /// The devices, by address.
    pub devices: Vec<ZigbeeDevice>,
    /// Loads that may be shed; absent where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand: Option<ZigbeeDemand>,
    /// Thermostats that are not as the household has set them, since they follow the price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comfort: Vec<ZigbeeComfort>,
    /// How busy the channels were when that was measured last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<ZigbeeChannels>,
    /// Who heard whom when that was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<ZigbeeMap>,
    /// The firmware of the devices that take it over the air.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firmware: Vec<ZigbeeFirmware>,
    /// The firmware files in the folder, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firmware_files: Vec<ZigbeeFirmwareFile>,
    /// The utility's meter whose network the stick joins; absent where the stick leads a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utility: Option<ZigbeeUtility>,
}

/// A utility's meter that is read through its own Zigbee network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeUtility {
    /// The stick's address, 16 hex digits: the utility registers it with the install code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stick: Option<String>,
    /// What is in the way of reading the meter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// The networks that were heard when they were looked for last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<ZigbeeNetwork>,
    /// The stick and the meter have come to a key from certificates.
    pub has_key: bool,
    /// The meter's number, as it tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The utility's name for the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The meter's status octet; 0 all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
    /// When it told something last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<Timestamp>,
    /// So many seconds its clock is ahead of the gateway's; it sets nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<i64>,
    /// The price that the utility published last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<ZigbeePrice>,
}

/// A network that was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeNetwork {
    /// Its 64-bit name, 16 hex digits.
    pub extended_pan: String,
    /// Its channel, 11 to 26.
    pub channel: u8,
    /// Whether it lets devices in.
    pub permits_joining: bool,
    /// How well it is heard, 0 to 255.
    pub lqi: u8,
}

/// A price that the utility published through its meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeePrice {
    /// Its name.
    pub label: String,
    /// Per kWh.
    pub per_kwh: Decimal,
    /// The currency: its code, or its number in ISO 4217 where the code is not known here.
    pub currency: String,
    /// The tier, 1 to 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<u8>,
    /// From when, by the gateway's clock.
    pub from: Timestamp,
    /// Until when; absent where it holds until another is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A firmware file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeFirmwareFile {
    /// Its name in the folder.
    pub file: String,
    /// The maker's code, four hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The maker's number for the kind of device, four hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_type: Option<String>,
    /// Its version, eight hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Octets of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Why it is not given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The firmware of a device that takes it over the air.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeFirmware {
    /// The device's address for life, 16 hex digits.
    pub ieee: String,
    /// The version that it runs, eight hex digits, once it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<String>,
    /// The newest version in the folder, if it is newer than what it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<String>,
    /// The version that it is to get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// How far that is.
    pub stage: ZigbeeUpgradeStage,
    /// Octets that it has fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub octets: Option<u32>,
    /// Octets in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// Why it did not get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How far new firmware is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ZigbeeUpgradeStage {
    /// Nothing is asked for.
    #[default]
    Idle,
    /// It waits for its turn, or the device does not answer.
    Waiting,
    /// The device was told that there is something for it.
    Called,
    /// The device fetches it.
    Fetching,
    /// The device has all of it, and installs it.
    Installing,
    /// The device did not get it.
    Failed,
}

/// A thermostat that follows the price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeComfort {
    /// Its address for life, 16 hex digits.
    pub ieee: String,
    /// What the household has set, °C; it comes back to that.
    pub set_c: Decimal,
    /// What it was told for the price of the moment, °C.
    pub told_c: Decimal,
}

/// How busy the channels are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeChannels {
    /// When it was measured.
    pub measured_at: Timestamp,
    /// The channel that disturbs least, and is disturbed least; the network stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<u8>,
    /// Channel by channel.
    pub energy: Vec<ZigbeeChannel>,
}

/// How busy a channel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeChannel {
    /// 11 to 26.
    pub channel: u8,
    /// The strongest signal that was heard there, dBm.
    pub dbm: i8,
}

/// Who hears whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeMap {
    /// When it was asked.
    pub asked_at: Timestamp,
    /// The links, as the coordinator and the routers tell them.
    pub links: Vec<ZigbeeLink>,
}

/// A link as one of its ends sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeLink {
    /// Who hears: the address for life, 16 hex digits; absent for the coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Whom.
    pub ieee: String,
    /// How well, 0 to 255.
    pub lqi: u8,
    /// It is the parent through which the other one speaks.
    pub child: bool,
}

/// Loads that are shed for an event or a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeDemand {
    /// No more than this is drawn from the grid in the mean of a quarter-hour, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_w: Option<Decimal>,
    /// The loads.
    pub loads: Vec<ZigbeeLoad>,
}

/// A load that may be shed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeLoad {
    /// Its address for life, 16 hex digits.
    pub ieee: String,
    /// 1 what nobody misses, 2 what can wait, 3 what is shed last.
    pub class: u8,
    /// Since when it is shed; absent when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shed_since: Option<Timestamp>,
    /// What it drew before, W, where that is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_w: Option<Decimal>,
    /// Its power has fallen, or it drew nothing; a thermostat has taken the setpoint.
    #[serde(default)]
    pub proved: bool,
    /// It was told to shed and did not.
    #[serde(default)]
    pub stuck: bool,
}

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ZigbeeState {
    /// The stick cannot be reached; it is tried again for ever.
    #[default]
    Offline,
    /// The stick starts.
    Starting,
    /// The network works.
    Up,
    /// The stick carries the network of somebody else, which is left alone.
    Foreign,
}

/// A device of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ZigbeeDevice {
    /// Its address for life, 16 hex digits.
    pub ieee: String,
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether all is known of it.
    pub interviewed: bool,
    /// When it was heard last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heard: Option<Timestamp>,
    /// It has been silent for longer than it should: half an hour on mains, 25 hours on a battery.
    #[serde(default)]
    pub missed: bool,
    /// How well it is heard, 0 to 255.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lqi: Option<u8>,
    /// Whether its relay is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<bool>,
    /// What it draws, W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<Decimal>,
    /// What it has counted, kWh. It does not fall while the gateway runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_kwh: Option<Decimal>,
    /// It counts, but does not say in which units: its energy is not shown.
    #[serde(default)]
    pub energy_quarantined: bool,
    /// Voltage, V.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage_v: Option<Decimal>,
    /// Temperature, °C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<Decimal>,
    /// The temperature to which is heated, °C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heating_setpoint_c: Option<Decimal>,
}

/// Lets devices in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ZigbeeJoin {
    /// For so many seconds, 0 to 254; 0 ends it.
    pub seconds: u8,
    /// Address of the one device that may join, 16 hex digits, with `install_code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ieee: Option<String>,
    /// The code on its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_code: Option<String>,
}

impl std::fmt::Debug for ZigbeeJoin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZigbeeJoin")
            .field("seconds", &self.seconds)
            .field("ieee", &self.ieee)
            .finish_non_exhaustive()
    }
}

/// Switches a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ZigbeeSwitch {
    /// The device's address, 16 hex digits.
    pub ieee: String,
    /// On or off.
    pub on: bool,
}

/// Lets a device have firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ZigbeeUpgrade {
    /// The device's address, 16 hex digits.
    pub ieee: String,
    /// The version, eight hex digits; the newest that there is for it where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version may be older than what the device runs.
    #[serde(default)]
    pub downgrade: bool,
    /// It is to get nothing any more.
    #[serde(default)]
    pub cancel: bool,
}

/// Gives a foreign network on the stick up: its devices must join anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ZigbeeReplace {
    /// The 64-bit name of the network that is given up, as [`Zigbee::extended_pan`] says it.
    pub extended_pan: String,
}
