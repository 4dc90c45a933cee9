//! The configuration: what the installer wrote, checked before anything runs.
//!
//! Order of precedence, later wins: the main file, `conf.d/*.toml` beside it in name order,
//! `WATTLE__SECTION__KEY` in the environment. `[[meter]]` tables add up over all files.

mod c12;
mod c1222_server;
mod disconnect;
mod dlms;
mod dlms_server;
mod framing;
mod http;
mod load;
mod mdns;
mod modbus;
mod mqtt;
mod openadr;
mod powerline;
mod prepay;
mod receiver;
mod secret;
mod sep2;
mod served;
mod supply;
mod upstream;
mod upstream_link;
mod wired;
mod zigbee;

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::tz::TimeZone;
use meter_link::dlms::security::{Keys, parse_title};
use meter_link::driver::HeadPower;
use meter_link::key::Key;
use meter_link::mbus;
use meter_link::modbus::RegisterMap;
use meter_link::profile::dlms::{self as profile, Profile};
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_api::Medium;

use crate::channel;
pub use c12::{C12Config, SourceConfig};
pub use c1222_server::C1222ServerConfig;
pub use disconnect::DisconnectConfig;
pub use dlms::{DlmsAuthentication, DlmsClock, DlmsConfig, DlmsLink};
pub use dlms_server::DlmsServerConfig;
pub use framing::Framing;
pub use http::HttpConfig;
pub use load::{ConfigError, load};
pub use mdns::MdnsConfig;
pub use mqtt::{Discovery, MqttCommand, MqttConfig, MqttMode, MqttVersion};
pub use openadr::OpenadrConfig;
pub use powerline::{OutletConfig, PowerlineConfig};
pub use prepay::PrepayConfig;
pub use receiver::{ReceiverConfig, ReceiverPort};
pub use secret::Secret;
pub use sep2::Sep2Config;
pub use supply::SupplyConfig;
pub use upstream::{SealForm, Taf, UpstreamConfig, UpstreamStream};
pub use upstream_link::UpstreamLink;
pub use wired::{MbusAddress, mbus_line, mbus_master};
pub use zigbee::{ZigbeeConfig, ZigbeeLoadConfig};

/// Where the configuration is looked for when none is named.
pub const DEFAULT_PATH: &str = "/etc/wattle/wattle.toml";

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The gateway itself.
    pub gateway: GatewayConfig,
    /// The API's socket.
    pub api: ApiConfig,
    /// The web page and the API on the network.
    pub http: HttpConfig,
    /// The meters, in the order written.
    #[serde(rename = "meter")]
    pub meters: Vec<MeterConfig>,
    /// The powerline adapters, by the Ethernet interface at which they are.
    #[serde(rename = "powerline")]
    pub powerlines: Vec<PowerlineConfig>,
    /// The receivers of wireless meters.
    #[serde(rename = "receiver")]
    pub receivers: Vec<ReceiverConfig>,
    /// The tariff of the electricity.
    pub tariff: TariffConfig,
    /// What gas costs.
    pub gas: Option<SupplyConfig>,
    /// What water costs.
    pub water: Option<SupplyConfig>,
    /// The Zigbee stick.
    pub zigbee: ZigbeeConfig,
    /// The utility's event server.
    pub openadr: OpenadrConfig,
    /// The utility's server of IEEE 2030.5.
    pub sep2: Sep2Config,
    /// `[dlms_server]`: somebody reads this gateway over DLMS; nobody when left out.
    pub dlms_server: Option<DlmsServerConfig>,
    /// `[disconnect]`: the utility may have the supply switched off; it may not when left out.
    pub disconnect: Option<DisconnectConfig>,
    /// `[c1222_server]`: somebody reads this gateway over C12.22; nobody when left out.
    pub c1222_server: Option<C1222ServerConfig>,
    /// The MQTT broker.
    pub mqtt: MqttConfig,
    /// Being found in the network.
    pub mdns: MdnsConfig,
    /// The store.
    pub store: StoreConfig,
    /// Limits of the rules by which readings are validated.
    pub vee: Option<wattle_billing::vee::Config>,
    /// The relay to the utility's head-end; off when left out.
    pub upstream: Option<UpstreamConfig>,
    /// Finding appliances in the power.
    pub appliances: AppliancesConfig,
    /// Paying in advance.
    pub prepay: Option<PrepayConfig>,
}

/// `[appliances]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppliancesConfig {
    /// Whether appliances are looked for.
    pub enabled: bool,
    /// What the household owns: `kettle`, `dishwasher`, … It is found sooner and more surely.
    pub owned: Vec<String>,
}

impl Default for AppliancesConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            owned: Vec::new(),
        }
    }
}

/// `[gateway]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// IANA name of the home's time zone; the system's when left out.
    pub time_zone: Option<String>,
    /// Folder of the store.
    pub state_dir: PathBuf,
    /// Folder of the installer's own drivers of M-Bus meters, `*.toml`; it need not be there.
    pub drivers_dir: PathBuf,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            time_zone: None,
            state_dir: PathBuf::from("/var/lib/wattle"),
            drivers_dir: PathBuf::from("/etc/wattle/drivers"),
        }
    }
}

impl GatewayConfig {
    /// The home's time zone.
    ///
    /// # Errors
    /// The name is not in the time zone database.
    pub fn zone(&self) -> Result<TimeZone, jiff::Error> {
        self.time_zone
            .as_deref()
            .map_or_else(|| Ok(TimeZone::system()), TimeZone::get)
    }
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Path of the Unix socket on which the API answers. Its mode is 0660: who may open it is
    /// a matter of the folder and the group.
    pub socket: PathBuf,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/run/wattle/api.sock"),
        }
    }
}

/// `[[meter]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterConfig {
    /// A name of the installer's choice, unique.
    pub name: String,
    /// What it measures.
    #[serde(default = "electricity")]
    pub medium: Medium,
    /// How it is read.
    pub protocol: Protocol,
    /// The serial port's device file, with Modbus and DLMS/COSEM also `tcp:host:port`; none for a
    /// wireless meter, which any receiver may hear.
    #[serde(default)]
    pub port: PathBuf,
    /// Speed in bits per second, where the protocol's own does not fit. TIC: the speed tried
    /// first, 1200 or 9600; the other follows by itself.
    pub baud: Option<u32>,
    /// P1 and Modbus: data bits, parity and stop bit, such as `8N1`. A P1 meter's speed and framing
    /// are searched for when both are left out; Modbus meters have 8N1.
    pub framing: Option<Framing>,
    /// Which modem lines power the optical head.
    #[serde(default)]
    pub head_power: HeadPower,
    /// What it stands for.
    #[serde(default)]
    pub role: Role,
    /// IEC 62056-21: device address in the request; empty addresses any meter. Wired M-Bus: primary
    /// address, `5`, or secondary one, `12345678` or `12345678-KAM-1B-04`.
    #[serde(default)]
    pub address: String,
    /// IEC 62056-21: true for a meter that pushes its readout unasked (mode D).
    #[serde(default)]
    pub push: bool,
    /// Seconds from one readout's start to the next: IEC 62056-21 and wired M-Bus 5 to 86400, C12.18 and C12.21 10
    /// to 86400, Modbus 1 to 86400.
    #[serde(default = "sixty")]
    pub period_s: u32,
    /// IEC 62056-21: milliseconds between the acknowledgement and the change of speed, 0 to 500;
    /// what the meter's identification promises when left out.
    pub switch_gap_ms: Option<u16>,
    /// Modbus: the meter's unit number, 1 to 247.
    pub unit: Option<u8>,
    /// Modbus: name of a register map that comes with the program, such as `sdm630`.
    pub map: Option<String>,
    /// Modbus: a register map of the installer's own.
    pub own_map: Option<Box<RegisterMap>>,
    /// P1, DLMS pushes and wireless M-Bus: encryption key of a ciphered meter, 32 hex digits, as
    /// `file:/path` or
    /// `credential:name`.
    pub key: Option<Secret>,
    /// P1 and DLMS pushes: its authentication key, likewise.
    pub auth_key: Option<Secret>,
    /// P1 and DLMS pushes: take ciphered telegrams whose tag is wrong or cannot be checked, if
    /// what is inside is whole: some grid operators do not tell the authentication key.
    #[serde(default)]
    pub no_auth: bool,
    /// P1 and DLMS pushes: system title of a ciphered meter that does not send it, 16 hex digits.
    pub system_title: Option<String>,
    /// DLMS pushes: a file that says what the meter's lists mean, in the form of
    /// `meter-link/src/profile/dlms.toml`, relative to the file that names it.
    pub profile: Option<PathBuf>,
    /// DLMS/COSEM: everything else about it.
    pub dlms: Option<Box<DlmsConfig>>,
    /// Wireless M-Bus: the meter's number, eight digits. Zigbee: the plug's address, 16 hex digits.
    pub id: Option<String>,
    /// M-Bus: the driver that reads it; chosen by its address when left out.
    pub driver: Option<String>,
    /// Electricity: the one appliance that this meter measures, such as `heat_pump`: its power is
    /// known exactly and teaches what the appliance looks like at the grid. For a submeter.
    pub appliance: Option<String>,
    /// Gas: kWh per cubic metre, from the supplier's bill, as a text.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub calorific_value: Option<Decimal>,
    /// Gas: the correction factor from the bill, as a text; 1 when left out.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub correction: Option<Decimal>,
    /// C12.18 and C12.21: how the meter is entered.
    pub c12: Option<C12Config>,
}

const fn electricity() -> Medium {
    Medium::Electricity
}

const fn sixty() -> u32 {
    60
}

/// How a meter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// Smart Message Language, pushed by the meter.
    #[serde(rename = "sml")]
    Sml,
    /// IEC 62056-21, modes A to D.
    #[serde(rename = "iec62056-21")]
    Iec62056_21,
    /// TIC, pushed by French meters through their customer port.
    #[serde(rename = "tic")]
    Tic,
    /// P1, the customer port, pushed by the meter.
    #[serde(rename = "p1")]
    P1,
    /// DLMS messages that the meter pushes through its customer port, in HDLC frames or over
    /// wired M-Bus.
    #[serde(rename = "dlms-push")]
    DlmsPush,
    /// DLMS/COSEM, asked through HDLC, mode E or the wrapper.
    #[serde(rename = "dlms")]
    Dlms,
    /// Wireless M-Bus, heard by any `[[receiver]]`.
    #[serde(rename = "wmbus")]
    Wmbus,
    /// ANSI C12.18, through an optical head of type 2.
    #[serde(rename = "c12.18")]
    C12_18,
    /// ANSI C12.21, through a modem.
    #[serde(rename = "c12.21")]
    C12_21,
    /// ANSI C12.22, over TCP.
    #[serde(rename = "c12.22")]
    C12_22,
    /// Modbus, over RS-485 or TCP.
    #[serde(rename = "modbus")]
    Modbus,
    /// Wired M-Bus, through a level converter or over TCP.
    #[serde(rename = "mbus")]
    Mbus,
    /// A Zigbee plug or meter in the network of `[zigbee]`.
    #[serde(rename = "zigbee")]
    Zigbee,
}

impl Protocol {
    /// The name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sml => "sml",
            Self::Iec62056_21 => "iec62056-21",
            Self::Tic => "tic",
            Self::P1 => "p1",
            Self::DlmsPush => "dlms-push",
            Self::Dlms => "dlms",
            Self::Wmbus => "wmbus",
            Self::C12_18 => "c12.18",
            Self::C12_21 => "c12.21",
            Self::C12_22 => "c12.22",
            Self::Modbus => "modbus",
            Self::Mbus => "mbus",
            Self::Zigbee => "zigbee",
        }
    }
}

/// What a meter stands for in the home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The meter at the connection to the grid, or the home's only meter of its medium: its
    /// figures are the home's.
    #[default]
    Grid,
    /// A meter behind it, whose energy the grid meter counts as well.
    Submeter,
}

/// `[tariff]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TariffConfig {
    /// The tariff's file, relative to the file that names it; no prices when left out.
    pub file: Option<PathBuf>,
    /// Addresses (http or https) of price documents in the form that the tariff's `[source]`
    /// names, in place of its `file`. `{today:%Y-%m-%d}` and `{tomorrow:…}` stand for dates.
    pub urls: Vec<String>,
    /// Folder whose files are such documents.
    pub folder: Option<PathBuf>,
    /// MQTT topic on which such documents come, at most 64 KiB each.
    pub topic: Option<String>,
    /// Prices are events of the utility's server in `[openadr]`.
    pub openadr: bool,
    /// The electricity meter at the grid tells which tariff holds, as with DSMR; the tariff's bands
    /// name its numbers.
    pub meter: bool,
    /// Prices are commands that come down the relay, `[upstream]`.
    pub relay: bool,
    /// Seconds between two looks at the addresses, 60 to 86400.
    pub every_s: u32,
    /// Value of the header `Authorization`: `file:/path` or `credential:name`.
    pub authorization: Option<Secret>,
    /// PEM file of the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for TariffConfig {
    fn default() -> Self {
        Self {
            file: None,
            urls: Vec::new(),
            folder: None,
            topic: None,
            openadr: false,
            meter: false,
            relay: false,
            every_s: 1800,
            authorization: None,
            ca_file: None,
        }
    }
}

impl TariffConfig {
    /// True when documents come from elsewhere than the file that the tariff names.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        !self.urls.is_empty()
            || self.folder.is_some()
            || self.topic.is_some()
            || self.openadr
            || self.meter
            || self.relay
    }

    fn check(&self, mqtt: &MqttConfig, found: &mut Vec<String>) {
        if self.is_fetched() && self.file.is_none() {
            found.push(
                "tariff: urls, folder, topic, openadr, meter and relay need file, which says what the documents are"
                    .to_owned(),
            );
        }
        for url in &self.urls {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                let place = url.split('?').next().unwrap_or_default();
                found.push(format!(
                    "tariff.urls: {place:?} is no http or https address"
                ));
            }
        }
        if self.topic.is_some() && mqtt.host.is_empty() {
            found.push("tariff.topic: has no effect without mqtt.host".to_owned());
        }
        if self
            .topic
            .as_deref()
            .is_some_and(|topic| topic.is_empty() || topic.contains(['+', '#', '\0']))
        {
            found.push("tariff.topic: a topic has no + or #".to_owned());
        }
        if let Some(Err(error)) = self.authorization.as_ref().map(Secret::reveal) {
            found.push(format!("tariff.authorization: {error}"));
        }
        in_range("tariff.every_s", u64::from(self.every_s), 60, 86_400, found);
    }
}

/// `[store]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Days for which every single reading is kept, 1 to 366. Days are kept for ever.
    pub readings_days: u16,
    /// Days for which quarter-hours are kept, 400 to 36500, for ever when left out; hours take their
    /// place. Bills of a time need its quarter-hours.
    pub quarter_hours_days: Option<u16>,
    /// Megabytes of raw telegrams kept for service, the oldest making room, 0 to 1024.
    pub raw_megabytes: u16,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            readings_days: 7,
            quarter_hours_days: None,
            raw_megabytes: 16,
        }
    }
}

impl Config {
    /// Name of the electricity meter at the grid.
    #[must_use]
    pub fn grid_meter(&self) -> Option<String> {
        let grid =
            |meter: &&MeterConfig| meter.medium == Medium::Electricity && meter.role == Role::Grid;
        self.meters
            .iter()
            .find(grid)
            .map(|meter| meter.name.clone())
    }

    /// What is wrong beyond the form: each a sentence that names the key and the rule.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Err(error) = self.gateway.zone() {
            found.push(format!("gateway.time_zone: {error}"));
        }
        if let Some(Err(problem)) = self.prepay.as_ref().map(PrepayConfig::check) {
            found.push(problem);
        }
        for (index, meter) in self.meters.iter().enumerate() {
            meter.check(index, &mut found);
            let same_name = self
                .meters
                .iter()
                .take(index)
                .any(|other| other.name == meter.name);
            if same_name {
                found.push(format!("meter {:?}: the name is used twice", meter.name));
            }
            let through = |other: &&MeterConfig| {
                other.protocol == Protocol::P1
                    && channel::medium(&other.name, &meter.name).is_some()
            };
            if let Some(other) = self.meters.iter().find(through) {
                found.push(format!(
                    "meter {:?}: the name belongs to a meter that {:?} may report for",
                    meter.name, other.name
                ));
            }
            let has_port = !matches!(meter.protocol, Protocol::Wmbus | Protocol::Zigbee);
            if meter.protocol == Protocol::Zigbee && !self.zigbee.is_on() {
                found.push(format!(
                    "meter {:?}: a Zigbee plug needs the stick's port in [zigbee]",
                    meter.name
                ));
            }
            let same_port = has_port
                && self
                    .meters
                    .iter()
                    .take(index)
                    .any(|other| other.port == meter.port && !may_share(other, meter));
            if same_port {
                found.push(format!(
                    "meter {:?}: port {} belongs to another meter",
                    meter.name,
                    meter.port.display()
                ));
            }
        }
        for (index, receiver) in self.receivers.iter().enumerate() {
            receiver.check(index, &mut found);
            let others = || self.receivers.iter().take(index);
            if others().any(|other| other.name == receiver.name) {
                found.push(format!(
                    "receiver {:?}: the name is used twice",
                    receiver.name
                ));
            }
            let port = PathBuf::from(&receiver.port);
            if others().any(|other| other.port == receiver.port)
                || self.meters.iter().any(|meter| meter.port == port)
            {
                found.push(format!(
                    "receiver {:?}: port {} is used twice",
                    receiver.name, receiver.port
                ));
            }
        }
        for medium in [
            Medium::Electricity,
            Medium::Gas,
            Medium::Water,
            Medium::Heat,
        ] {
            let grid = |meter: &&MeterConfig| meter.medium == medium && meter.role == Role::Grid;
            if self.meters.iter().filter(grid).count() > 1 {
                found.push(format!(
                    "more than one {medium:?} meter has role = \"grid\": give role = \"submeter\" to those behind it"
                ));
            }
        }
        in_range(
            "store.readings_days",
            u64::from(self.store.readings_days),
            1,
            366,
            &mut found,
        );
        for (name, supply) in [("gas", &self.gas), ("water", &self.water)] {
            if let Some(supply) = supply {
                supply.check(name, name == "gas", &mut found);
            }
        }
        if let Some(days) = self.store.quarter_hours_days {
            let key = "store.quarter_hours_days";
            in_range(key, u64::from(days), 400, 36_500, &mut found);
        }
        if let Some(Err(error)) = self.vee.as_ref().map(wattle_billing::vee::Config::zone) {
            found.push(format!("vee.zone: {error}"));
        }
        in_range(
            "store.raw_megabytes",
            u64::from(self.store.raw_megabytes),
            0,
            1024,
            &mut found,
        );
        powerline::check(&self.powerlines, &mut found);
        self.http.check(&mut found);
        self.mqtt.check(&mut found);
        self.openadr.check(&mut found);
        self.sep2.check(&mut found);
        if let Some(server) = &self.dlms_server {
            server.check(&self.meters, &mut found);
        }
        if let Some(disconnect) = &self.disconnect {
            let commanded = self
                .upstream
                .as_ref()
                .is_some_and(|upstream| upstream.commanders.is_some());
            disconnect.check(&self.meters, commanded, &mut found);
        }
        if let Some(server) = &self.c1222_server {
            server.check(&self.meters, &mut found);
        }
        self.zigbee.check(&mut found);
        let commands = |upstream: &UpstreamConfig| upstream.commanders.is_some();
        if self.tariff.relay && !self.upstream.as_ref().is_some_and(commands) {
            found.push("tariff.relay: has no effect without upstream.commanders".to_owned());
        }
        if self.tariff.openadr && !self.openadr.is_on() {
            found.push("tariff.openadr: has no effect without openadr.vtn".to_owned());
        }
        self.mdns.check(&mut found);
        if let Some(upstream) = &self.upstream {
            upstream.check(&self.meters, &mut found);
        }
        self.tariff.check(&self.mqtt, &mut found);
        found
    }
}

/// Whether two meters may hang on one port.
fn may_share(one: &MeterConfig, other: &MeterConfig) -> bool {
    modbus::may_share(one, other) || wired::may_share(one, other)
}

impl MeterConfig {
    fn check(&self, index: usize, found: &mut Vec<String>) {
        let at = format!("meter {} ({:?})", index + 1, self.name);
        if self.name.is_empty() || self.name.len() > 40 {
            found.push(format!("{at}: a name has 1 to 40 characters"));
        }
        if self.protocol == Protocol::Wmbus {
            self.check_wireless(&at, found);
        } else if self.protocol == Protocol::Zigbee {
            zigbee::check_plug(self, &at, found);
        } else if self.port.as_os_str().is_empty() {
            found.push(format!("{at}: port must name a device file"));
        }
        if let Some(appliance) = &self.appliance {
            if self.role != Role::Submeter || self.medium != Medium::Electricity {
                found.push(format!(
                    "{at}: appliance is for an electricity meter with role = \"submeter\""
                ));
            }
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !(1..=40).contains(&appliance.len()) || !appliance.chars().all(is_word) {
                found.push(format!(
                    "{at}: appliance is a name in small letters, such as heat_pump"
                ));
            }
        }
        let factors = [self.calorific_value, self.correction];
        if factors.iter().any(Option::is_some) && self.medium != Medium::Gas {
            found.push(format!("{at}: calorific_value and correction are for gas"));
        }
        if factors
            .iter()
            .flatten()
            .any(|factor| *factor <= Decimal::ZERO)
        {
            found.push(format!("{at}: calorific_value and correction are above 0"));
        }
        if let Some(baud) = self.baud {
            in_range(&format!("{at}: baud"), u64::from(baud), 300, 921_600, found);
        }
        if self.protocol == Protocol::Tic && !matches!(self.baud, None | Some(1_200 | 9_600)) {
            found.push(format!(
                "{at}: baud must be 9600 (standard mode) or 1200 (historic mode) with protocol = \"tic\""
            ));
        }
        if self.protocol == Protocol::Iec62056_21 {
            in_range(
                &format!("{at}: period_s"),
                u64::from(self.period_s),
                5,
                86_400,
                found,
            );
            in_range(
                &format!("{at}: switch_gap_ms"),
                u64::from(self.switch_gap_ms.unwrap_or(0)),
                0,
                500,
                found,
            );
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b' ';
            if self.address.len() > 32 || !self.address.bytes().all(legal) {
                found.push(format!(
                    "{at}: address has at most 32 letters and digits (IEC 62056-21, 6.14)"
                ));
            }
        }
        dlms::check(self, &at, found);
        self.check_c12(&at, found);
        modbus::check(self, &at, found);
        wired::check(self, &at, found);
        self.check_keys(&at, found);
    }

    fn check_wireless(&self, at: &str, found: &mut Vec<String>) {
        if !self.port.as_os_str().is_empty() {
            found.push(format!(
                "{at}: a wireless meter has no port; name the receiver in a [[receiver]]"
            ));
        }
        if self.number().is_none() {
            found.push(format!(
                "{at}: id must be the eight digits on the meter, \"12345678\""
            ));
        }
        match self.key.as_ref().map(Secret::reveal) {
            Some(Err(error)) => found.push(format!("{at}: key: {error}")),
            Some(Ok(text)) if meter_link::wmbus::MeterKey::from_hex(&text).is_err() => {
                found.push(format!("{at}: key: it has 32 hex digits (AES) or 16 (DES)"));
            }
            _ => {}
        }
    }

    /// True for a meter that answers when asked, and so can be asked at once.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        match self.protocol {
            Protocol::Iec62056_21 => !self.push,
            Protocol::Dlms
            | Protocol::Modbus
            | Protocol::Mbus
            | Protocol::C12_18
            | Protocol::C12_21
            | Protocol::C12_22 => true,
            Protocol::Sml
            | Protocol::Tic
            | Protocol::P1
            | Protocol::DlmsPush
            | Protocol::Wmbus
            | Protocol::Zigbee => false,
        }
    }

    /// The number of a wireless meter.
    #[must_use]
    pub fn number(&self) -> Option<mbus::Identification> {
        mbus::Identification::from_digits(self.id.as_deref()?)
    }

    fn check_keys(&self, at: &str, found: &mut Vec<String>) {
        if self.protocol == Protocol::Wmbus {
            return;
        }
        let ciphered = self.key.is_some();
        let any =
            ciphered || self.auth_key.is_some() || self.no_auth || self.system_title.is_some();
        if any && !matches!(self.protocol, Protocol::P1 | Protocol::DlmsPush) {
            found.push(format!(
                "{at}: key, auth_key, no_auth and system_title are for protocol = \"p1\" and \"dlms-push\""
            ));
        } else if any && !ciphered {
            found.push(format!(
                "{at}: auth_key, no_auth and system_title have no effect without key"
            ));
        } else if ciphered && self.auth_key.is_none() && !self.no_auth {
            found.push(format!(
                "{at}: beside key there must be auth_key, or no_auth = true where the grid operator does not tell it"
            ));
        }
        if let Err(error) = self.keys() {
            found.push(format!("{at}: {error:#}"));
        }
        if self.protocol != Protocol::DlmsPush && self.profile.is_some() {
            found.push(format!("{at}: profile is for protocol = \"dlms-push\""));
        }
        if let Err(error) = self.profiles() {
            found.push(format!("{at}: profile: {error:#}"));
        }
    }

    /// What the lists of a meter that pushes mean: its own file first, then what is known.
    ///
    /// # Errors
    /// The file cannot be read or has another form.
    pub fn profiles(&self) -> anyhow::Result<Vec<Profile>> {
        let mut profiles = Vec::new();
        if let Some(path) = &self.profile {
            let name = || path.display().to_string();
            let text = std::fs::read_to_string(path).with_context(name)?;
            profiles = profile::parse(&text).with_context(name)?;
        }
        profiles.extend_from_slice(profile::profiles());
        Ok(profiles)
    }

    /// The keys of a ciphered meter that pushes.
    ///
    /// # Errors
    /// A key cannot be read or is none, or the title is none. The key is not repeated.
    pub fn keys(&self) -> anyhow::Result<Keys> {
        let mut keys = Keys {
            no_auth: self.no_auth,
            ..Keys::default()
        };
        let read = |name: &'static str, secret: &Secret| {
            let text = secret.reveal().context(name)?;
            Key::from_hex(&text).context(name)
        };
        if let Some(secret) = &self.key {
            keys.encryption.insert(None, read("key", secret)?);
        }
        if let Some(secret) = &self.auth_key {
            keys.authentication.insert(None, read("auth_key", secret)?);
        }
        if let Some(text) = &self.system_title {
            let title = parse_title(text).context("system_title: it has 16 hex digits")?;
            keys.system_title = Some(title);
        }
        Ok(keys)
    }
}

/// The kernel's own rule: at most 15 octets, no slash and no blank (`dev_valid_name`).
fn is_interface(name: &str) -> bool {
    matches!(name.len(), 1..=15)
        && !name.contains(|character: char| character == '/' || character.is_whitespace())
}

fn in_range(key: &str, value: u64, low: u64, high: u64, found: &mut Vec<String>) {
    if !(low..=high).contains(&value) {
        found.push(format!("{key}: {value} is not within {low} to {high}"));
    }
}

/// `path` as seen from the folder of the file that names it.
#[must_use]
pub fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent()
        .map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
}
