//! `[meter.dlms]`: how a DLMS/COSEM meter is reached, what is proven to it, and what is read.

use anyhow::Context;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use meter_link::dlms::apdu::{Conformance, Mechanism};
use meter_link::dlms::client::job::{ClockPolicy, ProfileQuery, RegisterSpec, RowInstants};
use meter_link::dlms::client::{
    CarrierConfig, CipheringConfig, ClientAuthentication, ClientConfig, HdlcConfig,
    INVOCATION_COUNTER, Opening, Password, Referencing, WrapperConfig,
};
use meter_link::dlms::hdlc::{Address, Parameters};
use meter_link::dlms::security::{SecurityControl, parse_title};
use meter_link::key::Key;
use meter_link::model::ObisCode;
use meter_link::session::Line;
use serde::Deserialize;
use std::time::Duration;

use super::dlms_messages::MessagesConfig;
use super::{MeterConfig, Secret};

/// `[meter.dlms]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DlmsConfig {
    /// What carries the messages.
    pub link: DlmsLink,
    /// The client's number, 1 to 127; the public client 16 when left out.
    pub client: Option<u8>,
    /// The meter's logical device; 1 when left out.
    pub logical: Option<u16>,
    /// HDLC: the meter's physical device, where it has one.
    pub physical: Option<u16>,
    /// HDLC: length of the meter's address in bytes, 1, 2 or 4; the shortest when left out.
    pub address_bytes: Option<u8>,
    /// HDLC: longest information field, 16 to 2030 bytes; 1024 when left out.
    pub frame: Option<u16>,
    /// HDLC: frames sent and taken without an answer, 1 to 7; 1 when left out.
    pub window: Option<u8>,
    /// The meter knows its objects by short names (Read and Write) in place of logical ones.
    pub short_names: bool,
    /// What is proven.
    pub authentication: DlmsAuthentication,
    /// Password of `low`, secret of `md5`, `sha1` and `sha256`.
    pub password: Option<Secret>,
    /// Encryption key (global unicast), 32 hex digits, 64 in suite 2.
    pub key: Option<Secret>,
    /// Authentication key, likewise.
    pub auth_key: Option<Secret>,
    /// Our private key for `ecdsa`, and for signing messages and keys: 64 hex digits (P-256), 96
    /// (P-384).
    pub signing_key: Option<Secret>,
    /// The meter's public key for `ecdsa`, likewise: 128 hex digits, 192.
    pub meter_public_key: Option<Secret>,
    /// Security suite, 0 to 2.
    pub suite: u8,
    /// The client's own system title, 16 hex digits. Made of the meter's name when left out; some
    /// meters take only one that they know.
    pub system_title: Option<String>,
    /// Agree on a key of each association's own.
    pub dedicated_key: bool,
    /// Cipher messages as a whole in place of each service in its own way.
    pub general_ciphering: bool,
    /// Requests that are longer than what the meter takes go in general blocks.
    pub general_blocks: bool,
    /// Messages tell by which key they are ciphered, and may be signed.
    pub messages: Option<MessagesConfig>,
    /// The object with the meter's view of our invocation counter, `0-0:43.1.0` when left out;
    /// empty when the meter has none.
    pub invocation_counter: Option<String>,
    /// Registers that are read each period, as OBIS codes or `class/OBIS/attribute`.
    pub registers: Vec<String>,
    /// The load profile whose missing rows are read.
    pub profile: Option<ObisCode>,
    /// Seconds from one reading of the profile to the next, 60 to 86400; 900 when left out.
    pub profile_period_s: Option<u32>,
    /// IANA zone of a meter whose times do not tell their deviation from UTC.
    pub zone: Option<String>,
    /// What is done about the meter's clock, each time the profile is due.
    pub clock: DlmsClock,
    /// Seconds by which the clock may be off with `clock = "keep"`; 10 when left out.
    pub clock_tolerance_s: Option<u32>,
    /// Seconds beyond which the clock is left alone with `clock = "keep"`; 900 when left out.
    pub clock_limit_s: Option<u32>,
    /// The tariff calendar (classes 20 and 11) is read at first and once a day, for `[tariff] meter`.
    pub calendar: bool,
    /// The relay, `0-0:96.3.10` when left out.
    pub relay: Option<ObisCode>,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DlmsLink {
    /// HDLC from the first byte on.
    #[default]
    Hdlc,
    /// HDLC behind an opening at 300 Bd, through the optical head.
    ModeE,
    /// The wrapper, over TCP or UDP.
    Wrapper,
}

/// What is proven to the meter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DlmsAuthentication {
    /// Nothing.
    #[default]
    None,
    /// A password is told.
    Low,
    /// MD5 over a challenge (HLS 3).
    Md5,
    /// SHA-1 over a challenge (HLS 4).
    Sha1,
    /// GMAC over a challenge (HLS 5).
    Gmac,
    /// SHA-256 over both challenges (HLS 6).
    Sha256,
    /// A signature over both challenges (HLS 7).
    Ecdsa,
}

/// What is done about the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DlmsClock {
    /// Nothing.
    #[default]
    Ignore,
    /// It is read, and how far it is off is logged.
    Read,
    /// It is set when it is off by more than a tolerance.
    Keep,
}

impl DlmsConfig {
    /// The client's number.
    #[must_use]
    pub fn client_number(&self) -> u8 {
        self.client.unwrap_or(16)
    }

    /// What the library needs to reach the meter.
    ///
    /// # Errors
    /// An address, key or title is none, or a secret cannot be read. No secret is repeated.
    pub fn client(&self, meter: &MeterConfig) -> anyhow::Result<ClientConfig> {
        let client = self.client_number();
        anyhow::ensure!((1..=127).contains(&client), "dlms.client is 1 to 127");
        let mut config = ClientConfig::new(self.carrier(meter)?, client);
        config.ciphering = self.ciphering(&meter.name)?;
        config.authentication = self.authentication()?;
        if self.general_blocks {
            config.conformance = config.conformance | Conformance::GENERAL_BLOCK_TRANSFER;
        }
        if self.short_names {
            config.referencing = Referencing::ShortNames;
        }
        Ok(config)
    }

    fn carrier(&self, meter: &MeterConfig) -> anyhow::Result<CarrierConfig> {
        let logical = self.logical.unwrap_or(1);
        if self.link == DlmsLink::Wrapper {
            return Ok(CarrierConfig::Wrapper(WrapperConfig::new(logical)));
        }
        let server = Address::server(logical, self.physical, self.address_bytes);
        let server = server.context(
            "dlms.logical, physical and address_bytes: 1 byte holds a logical device up to 127, 2 bytes both up to 127, 4 bytes both up to 16383",
        )?;
        let size = self.frame.unwrap_or(1_024);
        anyhow::ensure!(
            (16..=Parameters::MAX_INFO).contains(&size),
            "dlms.frame is 16 to 2030"
        );
        let window = self.window.unwrap_or(1);
        anyhow::ensure!((1..=7).contains(&window), "dlms.window is 1 to 7");
        let opening = (self.link == DlmsLink::ModeE).then(|| Opening {
            address: meter.address.clone(),
            switch_gap: meter
                .switch_gap_ms
                .map(|gap| Duration::from_millis(u64::from(gap))),
            ..Opening::default()
        });
        Ok(CarrierConfig::Hdlc(HdlcConfig {
            parameters: Parameters {
                max_info_transmit: size,
                max_info_receive: size,
                window_transmit: window,
                window_receive: window,
            },
            line: Line::eight_none(meter.baud.unwrap_or(9_600)),
            opening,
            ..HdlcConfig::new(server)
        }))
    }

    fn authentication(&self) -> anyhow::Result<ClientAuthentication> {
        let password = || {
            let secret = self.password.as_ref();
            let secret = secret.context("dlms.password is missing for this authentication")?;
            let text = secret.reveal().context("dlms.password")?;
            anyhow::Ok(Password::new(text.as_bytes()))
        };
        Ok(match self.authentication {
            DlmsAuthentication::None => ClientAuthentication::None,
            DlmsAuthentication::Low => ClientAuthentication::Low(password()?),
            DlmsAuthentication::Md5 => ClientAuthentication::High(Mechanism::Md5, password()?),
            DlmsAuthentication::Sha1 => ClientAuthentication::High(Mechanism::Sha1, password()?),
            DlmsAuthentication::Sha256 => {
                ClientAuthentication::High(Mechanism::Sha256, password()?)
            }
            DlmsAuthentication::Ecdsa => self.signatures()?,
            DlmsAuthentication::Gmac => {
                anyhow::ensure!(
                    self.key.is_some(),
                    "dlms.authentication = \"gmac\" needs dlms.key and dlms.auth_key"
                );
                ClientAuthentication::Gmac
            }
        })
    }

    /// The keys of HLS 7.
    fn signatures(&self) -> anyhow::Result<ClientAuthentication> {
        let (own, meter) = self.signing_keys("ecdsa")?;
        anyhow::ensure!(
            self.key.is_some() && self.auth_key.is_some(),
            "dlms.authentication = \"ecdsa\" needs dlms.key and dlms.auth_key, by which messages are ciphered"
        );
        Ok(ClientAuthentication::Ecdsa { own, meter })
    }

    /// The client's own system title: three letters and, unless configured, a number made of the
    /// meter's name, so that each meter has a counter of its own.
    ///
    /// # Errors
    /// The configured one has not 16 hex digits.
    pub fn title(&self, name: &str) -> anyhow::Result<[u8; 8]> {
        if let Some(text) = &self.system_title {
            return parse_title(text).context("dlms.system_title has 16 hex digits");
        }
        let mut number = 0xCBF2_9CE4_8422_2325u64;
        for byte in name.bytes() {
            number = (number ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        let [a, b, c, d, e, ..] = number.to_be_bytes();
        Ok([b'W', b'T', b'L', a, b, c, d, e])
    }

    fn ciphering(&self, name: &str) -> anyhow::Result<Option<CipheringConfig>> {
        let (Some(key), Some(auth_key)) = (&self.key, &self.auth_key) else {
            anyhow::ensure!(
                self.key.is_none() && self.auth_key.is_none(),
                "dlms.key and dlms.auth_key go together"
            );
            anyhow::ensure!(
                self.messages.is_none(),
                "dlms.messages needs dlms.key and dlms.auth_key"
            );
            return Ok(None);
        };
        anyhow::ensure!(self.suite <= 2, "dlms.suite is 0 to 2");
        let octets = if self.suite == 2 { 32 } else { 16 };
        let read = |name: &'static str, secret: &Secret| {
            let text = secret.reveal().context(name)?;
            let key = Key::from_hex(&text).context(name)?;
            anyhow::ensure!(
                key.octets().len() == octets,
                "{name}: a key of suite {} has {} hex digits",
                self.suite,
                2 * octets
            );
            anyhow::Ok(key)
        };
        let title = self.title(name)?;
        let counter_object = match self.invocation_counter.as_deref() {
            None => Some(INVOCATION_COUNTER),
            Some("") => None,
            Some(text) => Some(text.parse().context("dlms.invocation_counter")?),
        };
        let control = SecurityControl::AUTHENTICATED_ENCRYPTED.in_suite(self.suite);
        Ok(Some(CipheringConfig {
            control,
            dedicated: self.dedicated_key,
            envelope: self.envelope()?,
            signing: self.signing()?,
            counter_object,
            ..CipheringConfig::new(
                title,
                read("dlms.key", key)?,
                read("dlms.auth_key", auth_key)?,
            )
        }))
    }

    /// The registers to be read.
    ///
    /// # Errors
    /// One of them is none.
    pub fn registers(&self) -> anyhow::Result<Vec<RegisterSpec>> {
        let specs = self.registers.iter().map(|text| text.parse());
        specs.collect::<Result<_, _>>().context("dlms.registers")
    }

    /// What is asked of the profile, if one is to be read.
    ///
    /// # Errors
    /// The zone is not in the time zone database.
    pub fn query(&self, profile: Option<ObisCode>) -> anyhow::Result<Option<ProfileQuery>> {
        let Some(profile) = profile.or(self.profile) else {
            return Ok(None);
        };
        let zone = self.zone.as_deref().map(TimeZone::get).transpose();
        Ok(Some(ProfileQuery {
            instants: RowInstants {
                zone: zone.context("dlms.zone")?,
            },
            ..ProfileQuery::all(profile)
        }))
    }

    /// What is done about the clock.
    #[must_use]
    pub fn clock_policy(&self) -> Option<ClockPolicy> {
        let seconds = |given: Option<u32>, usual: u32| {
            SignedDuration::from_secs(i64::from(given.unwrap_or(usual)))
        };
        match self.clock {
            DlmsClock::Ignore => None,
            DlmsClock::Read => Some(ClockPolicy::Read),
            DlmsClock::Keep => Some(ClockPolicy::Keep {
                tolerance: seconds(self.clock_tolerance_s, 10),
                limit: seconds(self.clock_limit_s, 900),
            }),
        }
    }

    /// The relay.
    #[must_use]
    pub fn relay(&self) -> ObisCode {
        self.relay.unwrap_or(ObisCode([0, 0, 96, 3, 10, 255]))
    }
}

/// What is wrong with the DLMS part of a meter.
pub(super) fn check(meter: &MeterConfig, at: &str, found: &mut Vec<String>) {
    let is_dlms = meter.protocol == super::Protocol::Dlms;
    let Some(dlms) = &meter.dlms else {
        if is_dlms {
            found.push(format!(
                "{at}: protocol = \"dlms\" needs a table [meter.dlms]"
            ));
        }
        return;
    };
    if !is_dlms {
        found.push(format!("{at}: [meter.dlms] is for protocol = \"dlms\""));
        return;
    }
    let port = meter.port.to_string_lossy();
    let (is_tcp, is_udp) = (port.starts_with("tcp:"), port.starts_with("udp:"));
    if dlms.link == DlmsLink::Wrapper && !is_tcp && !is_udp {
        found.push(format!(
            "{at}: link = \"wrapper\" needs port = \"tcp:host:port\" or \"udp:host:port\""
        ));
    }
    if dlms.link != DlmsLink::Wrapper && is_udp {
        found.push(format!(
            "{at}: port = \"udp:host:port\" needs link = \"wrapper\""
        ));
    }
    super::in_range(
        &format!("{at}: period_s"),
        u64::from(meter.period_s),
        1,
        86_400,
        found,
    );
    super::in_range(
        &format!("{at}: dlms.profile_period_s"),
        u64::from(dlms.profile_period_s.unwrap_or(900)),
        60,
        86_400,
        found,
    );
    if dlms.registers.is_empty() && dlms.profile.is_none() {
        found.push(format!(
            "{at}: dlms.registers, such as [\"1-0:1.8.0\", \"1-0:16.7.0\"], or dlms.profile is missing"
        ));
    }
    for error in [
        dlms.client(meter).err(),
        dlms.registers().err(),
        dlms.query(None).err(),
    ]
    .into_iter()
    .flatten()
    {
        found.push(format!("{at}: {error:#}"));
    }
}
