//! `[[meter]]`: a meter, how it is reached and what it is in the home.

use std::path::PathBuf;

use anyhow::Context;
use meter_link::dlms::security::{Keys, parse_title};
use meter_link::driver::HeadPower;
use meter_link::key::Key;
use meter_link::mbus;
use meter_link::modbus::RegisterMap;
use meter_link::profile::dlms::{self as profile, Profile};
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_api::Medium;

use super::{
    C12Config, DlmsConfig, Framing, ProgrammingConfig, Secret, dlms, in_range, modbus, programming,
    wired, zigbee,
};

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
    /// Electricity: the part of the home that this meter stands for: `solar`, `battery` or `car`. For
    /// a submeter.
    pub part: Option<Part>,
    /// Gas: kWh per cubic metre, from the supplier's bill, as a text.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub calorific_value: Option<Decimal>,
    /// Gas: the correction factor from the bill, as a text; 1 when left out.
    #[serde(default, with = "rust_decimal::serde::str_option")]
    pub correction: Option<Decimal>,
    /// C12.18 and C12.21: how the meter is entered.
    pub c12: Option<C12Config>,
    /// IEC 62056-21: how single data sets and the load profile are read.
    pub programming: Option<ProgrammingConfig>,
}

impl MeterConfig {
    pub(super) fn check(&self, index: usize, found: &mut Vec<String>) {
        let at = format!("meter {} ({:?})", index + 1, self.name);
        if self.name.is_empty() || self.name.len() > 40 {
            found.push(format!("{at}: a name has 1 to 40 characters"));
        }
        if self.protocol == Protocol::Wmbus {
            self.check_wireless(&at, found);
        } else if self.protocol == Protocol::Zigbee {
            zigbee::check_meter(self, &at, found);
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
        if self.part.is_some()
            && (self.role != Role::Submeter || self.medium != Medium::Electricity)
        {
            found.push(format!(
                "{at}: part is for an electricity meter with role = \"submeter\""
            ));
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
        programming::check(self, &at, found);
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

    /// True for a meter that is read over a port of its own or on a line that it shares; false for one that
    /// receivers or sticks hear.
    #[must_use]
    pub const fn has_line(&self) -> bool {
        !matches!(self.protocol, Protocol::Wmbus | Protocol::Zigbee)
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

/// A part of the home that is shown by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Solar modules behind their inverter.
    Solar,
    /// A battery of the house.
    Battery,
    /// The charging station of a car.
    Car,
}

const fn electricity() -> Medium {
    Medium::Electricity
}

const fn sixty() -> u32 {
    60
}
