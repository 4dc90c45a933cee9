//! What is in the home's network.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET` answers [`Network`].
pub const NETWORK_PATH: &str = "/api/v1/network";

/// What the gateway says and hears by mDNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Network {
    /// The names under which the gateway's own services are found, after any change because
    /// another had the name; empty while nothing of it can be reached through the network.
    pub advertised: Vec<String>,
    /// What was found and not taken away since, in the order of kinds and names.
    pub services: Vec<FoundService>,
}

/// A service in the home's network that the gateway can use or be used by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FoundService {
    /// What it is.
    pub kind: FoundKind,
    /// Its name, as it was given by whoever set it up.
    pub name: String,
    /// Its host, ending in `.local`.
    pub host: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its port.
    pub port: u16,
    /// What it tells beside that.
    pub properties: BTreeMap<String, String>,
    /// Where it answers, as far as it can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Lines for the configuration that make use of it; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// When it was found.
    pub since: Timestamp,
}

/// What a service in the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FoundKind {
    /// An MQTT broker, without TLS.
    MqttBroker,
    /// An MQTT broker with TLS.
    SecureMqttBroker,
    /// Home Assistant.
    HomeAssistant,
    /// A VTN of OpenADR 3.
    #[serde(rename = "openadr_vtn")]
    OpenAdrVtn,
    /// A server of IEEE 2030.5.
    #[serde(rename = "ieee2030_5")]
    Ieee2030_5,
    /// A device that speaks EEBUS (SHIP): a charging station, heat pump, battery, inverter.
    Eebus,
    /// A device that answers to Modbus/TCP.
    ModbusTcp,
    /// A Zigbee radio with a network socket.
    ZigbeeRadio,
    /// Something that a newer gateway knows of.
    #[serde(other)]
    Other,
}
