//! The configuration: what the installer wrote, checked before anything runs.
//!
//! Order of precedence, later wins: the main file, `conf.d/*.toml` beside it in name order,
//! `WATTLE__SECTION__KEY` in the environment. `[[meter]]` tables add up over all files.

mod bearer;
mod c12;
mod c1222_server;
mod disconnect;
mod dlms;
mod dlms_messages;
mod dlms_server;
mod framing;
mod http;
mod load;
mod load_limit;
mod mdns;
mod meter;
mod modbus;
mod mqtt;
mod openadr;
mod powerline;
mod prepay;
mod programming;
mod receiver;
mod secret;
mod sep2;
mod served;
mod supply;
mod upstream;
mod upstream_est;
mod upstream_link;
mod wired;
mod zigbee;
mod zigbee_display;

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::Deserialize;
use wattle_api::Medium;

use crate::channel;
pub use bearer::BearerConfig;
pub use c12::{C12Config, SourceConfig};
pub use c1222_server::C1222ServerConfig;
pub use disconnect::DisconnectConfig;
pub use dlms::{DlmsAuthentication, DlmsClock, DlmsConfig, DlmsLink};
pub use dlms_server::DlmsServerConfig;
pub use framing::Framing;
pub use http::HttpConfig;
pub use load::{ConfigError, load};
pub use load_limit::LoadLimitConfig;
pub use mdns::MdnsConfig;
pub use meter::{MeterConfig, Part, Protocol, Role};
pub use mqtt::{Discovery, MqttCommand, MqttConfig, MqttMode, MqttVersion};
pub use openadr::OpenadrConfig;
pub use powerline::{OutletConfig, PowerlineConfig};
pub use prepay::PrepayConfig;
pub use programming::ProgrammingConfig;
pub use receiver::{ReceiverConfig, ReceiverPort};
pub use secret::Secret;
pub use sep2::Sep2Config;
pub use supply::SupplyConfig;
pub use upstream::{SealForm, Taf, UpstreamConfig, UpstreamStream};
pub use upstream_est::EstConfig;
pub use upstream_link::UpstreamLink;
pub use wired::{MbusAddress, mbus_line, mbus_master};
pub use zigbee::{ZigbeeComfortConfig, ZigbeeConfig, ZigbeeLoadConfig, ZigbeeProtocol};
pub use zigbee_display::ZigbeeRole;

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
    /// Limits on what the home draws are taken from the relay.
    pub load_limit: Option<LoadLimitConfig>,
    /// Ways out of the house for the relay; where the system's routes lead when there are none.
    #[serde(default, rename = "bearer")]
    pub bearers: Vec<BearerConfig>,
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
    /// What the household means to spend on electricity in a month, in the tariff's currency, as a
    /// text.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub monthly_budget: Option<rust_decimal::Decimal>,
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
            monthly_budget: None,
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
        if self
            .monthly_budget
            .is_some_and(|budget| budget <= rust_decimal::Decimal::ZERO)
        {
            found.push("tariff.monthly_budget: is above 0".to_owned());
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
        let commands = |upstream: &UpstreamConfig| upstream.commanders.is_some();
        let commanded = self.upstream.as_ref().is_some_and(commands);
        if let Some(disconnect) = &self.disconnect {
            disconnect.check(&self.meters, commanded, &mut found);
        }
        if let Some(limit) = &self.load_limit {
            limit.check(commanded, &mut found);
        }
        if let Some(server) = &self.c1222_server {
            server.check(&self.meters, &mut found);
        }
        self.zigbee.check(&mut found);
        self.zigbee.check_meters(&self.meters, &mut found);
        if self.tariff.relay && !commanded {
            found.push("tariff.relay: has no effect without upstream.commanders".to_owned());
        }
        if self.tariff.openadr && !self.openadr.is_on() {
            found.push("tariff.openadr: has no effect without openadr.vtn".to_owned());
        }
        self.mdns.check(&mut found);
        bearer::check(&self.bearers, self.upstream.as_ref(), &mut found);
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
