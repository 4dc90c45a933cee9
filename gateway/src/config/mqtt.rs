//! `[mqtt]`: the broker, and what is said to it by which convention.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Secret;

/// `[mqtt]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MqttConfig {
    /// Name or address of the broker; MQTT is off while it is empty.
    pub host: String,
    /// Port; 1883, or 8883 with TLS, when left out.
    pub port: Option<u16>,
    /// User name, if the broker asks for one.
    pub username: String,
    /// Password: `file:/path` or `credential:name` (a systemd credential).
    pub password: Option<Secret>,
    /// Use TLS.
    pub tls: bool,
    /// With TLS: PEM file of the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// With TLS: PEM file of the gateway's own certificate, if the broker asks for one.
    pub client_cert: Option<PathBuf>,
    /// With TLS: its private key in PEM, `file:/path` or `credential:name`.
    pub client_key: Option<Secret>,
    /// Version of the protocol.
    pub version: MqttVersion,
    /// Lets a broker outside the house have every telegram; it gets one value of each meter in a
    /// quarter of an hour otherwise.
    pub live_outside: bool,
    /// What is said: one or more conventions.
    pub modes: Vec<MqttMode>,
    /// The form of Home Assistant's discovery.
    pub discovery: Discovery,
    /// What may be asked of the gateway over MQTT; nothing when left out.
    pub commands: Vec<MqttCommand>,
    /// First level of Home Assistant's discovery topics.
    pub discovery_prefix: String,
    /// First level of all other topics of Home Assistant's convention.
    pub topic_prefix: String,
}

/// Version of MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum MqttVersion {
    /// 5, and 3.1.1 with a broker that does not know it.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// Only 5.
    #[serde(rename = "5")]
    V5,
    /// Only 3.1.1.
    #[serde(rename = "3.1.1")]
    V3_1_1,
}

/// A convention for topics and payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MqttMode {
    /// Home Assistant's discovery.
    HomeAssistant,
    /// Homie 5.
    Homie,
    /// The topics of DSMR-reader, `dsmr/reading/...`.
    Dsmr,
}

/// The form of Home Assistant's discovery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discovery {
    /// One message per entity: every version.
    #[default]
    Component,
    /// One message per device: Home Assistant 2024.12 and later.
    Device,
}

/// Something that may be asked for over MQTT. No command disconnects a supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MqttCommand {
    /// Reading a meter at once: `read`.
    Read,
    /// The household's word on what the utility asks for: `opt-out` and `opt-in`.
    OptOut,
    /// Switching a Zigbee plug: `switch-on` and `switch-off`.
    Switch,
    /// Letting Zigbee devices in for a while: `permit-join` and `end-join`.
    PermitJoin,
    /// New firmware for a Zigbee device: `update`.
    Update,
    /// Measuring how busy the Zigbee channels are, and asking who hears whom: `survey`.
    Survey,
    /// Exchanging the key of the Zigbee network: `rotate-key`.
    RotateKey,
}

impl MqttCommand {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::OptOut,
        Self::Switch,
        Self::PermitJoin,
        Self::Update,
        Self::Survey,
        Self::RotateKey,
    ];

    /// Whether a command, by its name in a request, is this one's.
    #[must_use]
    pub fn takes(self, command: &str) -> bool {
        match self {
            Self::Read => command == "read",
            Self::OptOut => matches!(command, "opt-out" | "opt-in"),
            Self::Switch => matches!(command, "switch-on" | "switch-off"),
            Self::PermitJoin => matches!(command, "permit-join" | "end-join"),
            Self::Update => command == "update",
            Self::Survey => command == "survey",
            Self::RotateKey => command == "rotate-key",
        }
    }
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            username: String::new(),
            password: None,
            tls: false,
            ca_file: None,
            client_cert: None,
            client_key: None,
            version: MqttVersion::default(),
            live_outside: false,
            modes: vec![MqttMode::HomeAssistant],
            discovery: Discovery::default(),
            commands: Vec::new(),
            discovery_prefix: "homeassistant".to_owned(),
            topic_prefix: "wattle".to_owned(),
        }
    }
}

impl MqttConfig {
    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 8883 } else { 1883 })
    }

    pub(super) fn check(&self, found: &mut Vec<String>) {
        for (key, prefix) in [
            ("discovery_prefix", &self.discovery_prefix),
            ("topic_prefix", &self.topic_prefix),
        ] {
            if prefix.is_empty()
                || prefix.contains(['+', '#', '\0'])
                || prefix.starts_with('/')
                || prefix.ends_with('/')
            {
                found.push(format!(
                    "mqtt.{key}: {prefix:?} is not a topic level (no + # or outer /)"
                ));
            }
        }
        for (key, is_set) in [
            ("ca_file", self.ca_file.is_some()),
            ("client_cert", self.client_cert.is_some()),
            ("client_key", self.client_key.is_some()),
        ] {
            if is_set && !self.tls {
                found.push(format!("mqtt.{key}: has no effect without tls = true"));
            }
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            found.push("mqtt.client_cert and mqtt.client_key belong together".to_owned());
        }
        for (key, secret) in [
            ("password", &self.password),
            ("client_key", &self.client_key),
        ] {
            if let Some(Err(error)) = secret.as_ref().map(Secret::reveal) {
                found.push(format!("mqtt.{key}: {error}"));
            }
        }
        if self.modes.is_empty() {
            found.push(
                "mqtt.modes: at least one of \"home-assistant\", \"homie\" and \"dsmr\"".to_owned(),
            );
        }
        let has = |mode| self.modes.contains(&mode);
        if has(MqttMode::Homie) && has(MqttMode::HomeAssistant) {
            found.push(
                "mqtt.modes: \"homie\" and \"home-assistant\" both need the one last will of the connection; choose one"
                    .to_owned(),
            );
        }
    }
}
