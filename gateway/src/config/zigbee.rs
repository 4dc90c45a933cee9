//! `[zigbee]`

use std::path::PathBuf;

use han::zigbee::coordinator::Stack;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::secret::Secret;
use super::zigbee_display::ZigbeeRole;
use super::{MeterConfig, in_range};

/// The Zigbee stick.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ZigbeeConfig {
    /// A device file, or `tcp://HOST:PORT`; there is no Zigbee while it is empty.
    pub port: String,
    /// What it is in its network.
    pub role: ZigbeeRole,
    /// A display's own install code, as `file:/path` or `credential:name`; the utility must have it.
    pub install_code: Option<Secret>,
    /// The 64-bit name of the meter's network, 16 hex digits; any that lets the stick in otherwise.
    pub extended_pan: Option<String>,
    /// What the stick speaks; it is found out where nothing is said.
    pub protocol: Option<ZigbeeProtocol>,
    /// The speed of a serial port.
    pub baud: u32,
    /// The stick uses RTS and CTS.
    pub flow_control: bool,
    /// The channel of a network that is formed, 11 to 26.
    pub channel: u8,
    /// The gateway's certificate for Smart Energy with its private key, as `file:/path` or
    /// `credential:name` of a JSON object; no device gets prices, events or messages without.
    pub certificate: Option<Secret>,
    /// Devices with keys may speak with the DLMS server of `[dlms_server]` through tunnels.
    pub tunnels: bool,
    /// No more than this is drawn from the grid in the mean of a quarter-hour, kW, as a text: loads
    /// are shed for it.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub import_limit_kw: Option<Decimal>,
    /// Between two loads that come back, seconds, 1 to 600: they do not start all at once.
    pub restore_pause_s: u16,
    /// A folder with firmware files for devices; none is given out unasked.
    pub firmware: Option<PathBuf>,
    /// A device gets so many blocks of 48 octets in a second, 1 to 20.
    pub firmware_blocks_per_s: u8,
    /// What may be shed; nothing else ever is.
    #[serde(rename = "load")]
    pub loads: Vec<ZigbeeLoadConfig>,
    /// Thermostats that follow the price.
    pub comfort: Vec<ZigbeeComfortConfig>,
}

/// What a Zigbee stick speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZigbeeProtocol {
    /// Sticks with Silicon Labs' chips: EmberZNet.
    Ezsp,
    /// Sticks with Texas Instruments' chips: Z-Stack 3.
    Znp,
}

impl ZigbeeProtocol {
    /// Whose firmware speaks it.
    #[must_use]
    pub const fn stack(self) -> Stack {
        match self {
            Self::Ezsp => Stack::EmberZnet,
            Self::Znp => Stack::ZStack,
        }
    }
}

/// `[[zigbee.comfort]]`: a thermostat that is set a little warmer while energy is cheap, and a
/// little cooler while it is dear.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZigbeeComfortConfig {
    /// Its address, 16 hex digits.
    pub id: String,
    /// It is never set below this, degrees Celsius, as a text.
    #[serde(with = "rust_decimal::serde::str")]
    pub lowest: Decimal,
    /// Nor above this.
    #[serde(with = "rust_decimal::serde::str")]
    pub highest: Decimal,
    /// By so much, 0.5 to 5 degrees, as a text.
    #[serde(default = "degree", with = "rust_decimal::serde::str")]
    pub shift: Decimal,
}

fn degree() -> Decimal {
    Decimal::ONE
}

impl ZigbeeComfortConfig {
    /// Its address for life.
    #[must_use]
    pub fn address(&self) -> Option<u64> {
        address(&self.id)
    }

    fn check(&self, found: &mut Vec<String>) {
        let at = format!("zigbee.comfort {:?}", self.id);
        if self.address().is_none() {
            found.push(format!("{at}: id is the address, 16 hex digits"));
        }
        let bounds = Decimal::from(5)..=Decimal::from(30);
        if !bounds.contains(&self.lowest)
            || !bounds.contains(&self.highest)
            || self.lowest > self.highest
        {
            found.push(format!(
                "{at}: lowest and highest: 5 to 30 degrees Celsius, the lower one first"
            ));
        }
        if !(Decimal::new(5, 1)..=Decimal::from(5)).contains(&self.shift) {
            found.push(format!("{at}: shift: 0.5 to 5 degrees"));
        }
    }
}

/// `[[zigbee.load]]`: a plug or thermostat that may be shed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZigbeeLoadConfig {
    /// Its address, 16 hex digits.
    pub id: String,
    /// 1 what nobody misses, 2 what can wait, 3 what is shed last.
    pub class: u8,
    /// A thermostat: it heats to this meanwhile, degrees Celsius, as a text.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub setpoint: Option<Decimal>,
    /// It runs at least so many seconds before it is shed.
    #[serde(default)]
    pub least_on_s: u32,
    /// It rests at least so many seconds.
    #[serde(default = "minute")]
    pub least_off_s: u32,
    /// It rests at most so many seconds, and then runs as long: a fridge.
    pub longest_off_s: Option<u32>,
}

fn minute() -> u32 {
    60
}

impl ZigbeeLoadConfig {
    /// Its address for life.
    #[must_use]
    pub fn address(&self) -> Option<u64> {
        address(&self.id)
    }

    fn check(&self, found: &mut Vec<String>) {
        let at = format!("zigbee.load {:?}", self.id);
        if self.address().is_none() {
            found.push(format!("{at}: id is the address, 16 hex digits"));
        }
        in_range(&format!("{at}: class"), self.class.into(), 1, 3, found);
        let comfort = Decimal::from(5)..=Decimal::from(30);
        if self
            .setpoint
            .is_some_and(|setpoint| !comfort.contains(&setpoint))
        {
            found.push(format!("{at}: setpoint: 5 to 30 degrees Celsius"));
        }
    }
}

impl Default for ZigbeeConfig {
    fn default() -> Self {
        Self {
            port: String::new(),
            role: ZigbeeRole::Coordinator,
            install_code: None,
            extended_pan: None,
            protocol: None,
            baud: 115_200,
            flow_control: false,
            channel: 15,
            certificate: None,
            tunnels: false,
            import_limit_kw: None,
            restore_pause_s: 30,
            firmware: None,
            firmware_blocks_per_s: 4,
            loads: Vec::new(),
            comfort: Vec::new(),
        }
    }
}

impl ZigbeeConfig {
    /// Whether there is a stick.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.port.is_empty()
    }

    pub(super) fn check(&self, found: &mut Vec<String>) {
        self.check_role(found);
        in_range("zigbee.baud", self.baud.into(), 9_600, 921_600, found);
        in_range("zigbee.channel", self.channel.into(), 11, 26, found);
        let pause = self.restore_pause_s.into();
        in_range("zigbee.restore_pause_s", pause, 1, 600, found);
        let pace = self.firmware_blocks_per_s.into();
        in_range("zigbee.firmware_blocks_per_s", pace, 1, 20, found);
        for (index, load) in self.loads.iter().enumerate() {
            load.check(found);
            let before = self.loads.iter().take(index);
            if before
                .into_iter()
                .any(|other| other.address() == load.address())
            {
                found.push(format!("zigbee.load {:?}: it is named twice", load.id));
            }
        }
        for (index, thermostat) in self.comfort.iter().enumerate() {
            thermostat.check(found);
            let mut before = self.comfort.iter().take(index);
            if before.any(|other| other.address() == thermostat.address()) {
                found.push(format!(
                    "zigbee.comfort {:?}: it is named twice",
                    thermostat.id
                ));
            }
        }
        if self
            .import_limit_kw
            .is_some_and(|limit| limit <= Decimal::ZERO)
        {
            found.push("zigbee.import_limit_kw: it is above 0".to_owned());
        }
        if let Some(Err(error)) = self.certificate.as_ref().map(Secret::reveal) {
            found.push(format!("zigbee.certificate: {error}"));
        }
        let is_tcp = self.port.starts_with("tcp://");
        if is_tcp
            && self
                .port
                .rsplit_once(':')
                .is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            found.push(format!(
                "zigbee.port: {:?} is no tcp://HOST:PORT",
                self.port
            ));
        }
    }
}

pub(super) fn check_meter(meter: &MeterConfig, at: &str, found: &mut Vec<String>) {
    if meter.medium != wattle_api::Medium::Electricity {
        found.push(format!(
            "{at}: only electricity meters are read over Zigbee"
        ));
    }
    if !meter.port.as_os_str().is_empty() {
        found.push(format!(
            "{at}: a Zigbee meter has no port; [zigbee] names the stick's"
        ));
    }
}

impl MeterConfig {
    /// The address for life of a Zigbee plug.
    #[must_use]
    pub fn zigbee_address(&self) -> Option<u64> {
        address(self.id.as_deref()?)
    }
}

pub(super) fn address(id: &str) -> Option<u64> {
    let is_address = id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    u64::from_str_radix(id, 16).ok().filter(|_| is_address)
}
