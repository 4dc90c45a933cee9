//! `[upstream]`: the relay to the utility's head-end.

use std::path::PathBuf;

use meter_link::model::ObisCode;
use serde::Deserialize;

use super::{EstConfig, MeterConfig, Secret, UpstreamLink, in_range};

/// `[upstream]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// How the head-end knows this gateway; `wattle-` and the gateway's identity when left out.
    pub device: Option<String>,
    /// The head-end's certificate, to which keys of epochs are sealed; on P-256. With CMS that of
    /// the recipient, on brainpool curves too.
    pub recipient: PathBuf,
    /// Certificates of those whose acknowledgements count.
    pub trust: PathBuf,
    /// Certificates of those who may command; nobody when left out.
    pub commanders: Option<PathBuf>,
    /// The form of what is sealed.
    #[serde(default)]
    pub seal: SealForm,
    /// [`UpstreamLink`].
    pub link: String,
    /// PEM file of the authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Certificate for mutual TLS, in PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key: `file:/path` or `credential:name`.
    pub key: Option<Secret>,
    /// Who certifies the device's own key; then that is shown in mutual TLS.
    pub est: Option<EstConfig>,
    /// First levels of MQTT's topics, `PREFIX/up/DEVICE` and `PREFIX/down/DEVICE`, and of NATS's
    /// subjects.
    #[serde(default = "prefix")]
    pub topic_prefix: String,
    /// Seconds that rows wait for others at most, 1 to 86400.
    #[serde(default = "quarter_hour")]
    pub every_s: u32,
    /// Rows of a batch at most, 1 to 4096.
    #[serde(default = "day")]
    pub rows: u16,
    /// Seconds until what was not acknowledged is sent again, 1 to 3600; doubles up to an hour.
    #[serde(default = "half_a_minute")]
    pub resend_s: u32,
    /// Thousands of rows that wait at most, 1 to 100000; those of the least use go first.
    #[serde(default = "thousands")]
    pub keep_thousand: u32,
    /// Days after which an epoch's key is replaced, 1 to 30.
    #[serde(default = "month")]
    pub rotate_days: u8,
    /// What is sent.
    #[serde(default, rename = "stream")]
    pub streams: Vec<UpstreamStream>,
}

/// The form of sealed messages, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SealForm {
    /// COSE with keys of epochs.
    #[default]
    Cose,
    /// CMS, each message with a key of its own, as smart meter gateways seal.
    Cms,
}

fn prefix() -> String {
    "wattle".to_owned()
}

const fn quarter_hour() -> u32 {
    900
}

const fn day() -> u16 {
    96
}

const fn half_a_minute() -> u32 {
    30
}

const fn thousands() -> u32 {
    1_000
}

const fn month() -> u8 {
    30
}

/// `[[upstream.stream]]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamStream {
    /// Tariff use case of TR-03109-1: 1, 2, 6, 7, 9, 10 or 14.
    pub taf: Taf,
    /// The meter's name.
    pub meter: String,
    /// Registers; what the use case is about when left out.
    #[serde(default)]
    pub registers: Vec<ObisCode>,
    /// When and by whom the household agreed. Use cases 1 and 2 need no such words.
    #[serde(default)]
    pub consent: String,
}

/// A tariff use case (TR-03109-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "u8")]
pub enum Taf {
    /// 1: the register at the turn of the month.
    DataSparing,
    /// 2: registers at the end of each day, those of tariffs among them.
    TimeVariable,
    /// 6: the newest values when they are asked for.
    OnDemand,
    /// 7: the register at every quarter-hour.
    IntervalSeries,
    /// 9: what is fed in, once a minute.
    ActualFeedIn,
    /// 10: voltages, currents and frequency, once a minute.
    GridState,
    /// 14: every reading.
    HighFrequency,
}

impl Taf {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::DataSparing => 1,
            Self::TimeVariable => 2,
            Self::OnDemand => 6,
            Self::IntervalSeries => 7,
            Self::ActualFeedIn => 9,
            Self::GridState => 10,
            Self::HighFrequency => 14,
        }
    }

    /// How fine what it sends is, for the privacy ledger.
    #[must_use]
    pub const fn resolution(self) -> &'static str {
        match self {
            Self::DataSparing => "once a month",
            Self::TimeVariable => "once a day",
            Self::OnDemand => "when asked",
            Self::IntervalSeries => "15 min",
            Self::ActualFeedIn | Self::GridState => "1 min",
            Self::HighFrequency => "every telegram",
        }
    }

    /// That of a stream, whose name begins with its number.
    #[must_use]
    pub fn of_stream(name: &str) -> Option<Self> {
        let (number, _) = name.split_once('/')?;
        Self::try_from(number.parse::<u8>().ok()?).ok()
    }

    /// True where one reading a minute is enough.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::ActualFeedIn | Self::GridState)
    }

    /// True for what bills are made of, which needs no consent of its own.
    const fn is_billing(self) -> bool {
        matches!(self, Self::DataSparing | Self::TimeVariable)
    }
}

impl TryFrom<u8> for Taf {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        let all = crate::store::SHEDDING;
        let found = all.into_iter().find(|taf| taf.number() == number);
        found.ok_or_else(|| "a use case is one of 1, 2, 6, 7, 9, 10 and 14".to_owned())
    }
}

impl UpstreamStream {
    /// True when a register is part of it.
    #[must_use]
    pub fn wants(&self, obis: ObisCode) -> bool {
        if !self.registers.is_empty() {
            return self.registers.contains(&obis);
        }
        let [medium, _, c, d, ..] = obis.0;
        match self.taf {
            Taf::ActualFeedIn => {
                medium == 1 && ((c == 2 && d == 8) || (matches!(c, 2 | 16) && d == 7))
            }
            // L1 to L3: currents and voltages; frequency.
            Taf::GridState => {
                medium == 1 && d == 7 && matches!(c, 14 | 31 | 32 | 51 | 52 | 71 | 72)
            }
            Taf::HighFrequency => true,
            _ => obis.is_cumulative(),
        }
    }
}

impl UpstreamConfig {
    pub(super) fn check(&self, meters: &[MeterConfig], found: &mut Vec<String>) {
        let at = "upstream";
        if let Err(wrong) = self.link.parse::<UpstreamLink>() {
            found.push(format!("{at}.link: {wrong}"));
        }
        if let Some(est) = &self.est {
            est.check(found);
        }
        if self.certificate.is_some() != self.key.is_some() {
            found.push(format!("{at}: certificate and key go together"));
        }
        if let Some(device) = &self.device {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if device.is_empty() || device.len() > 64 || !device.chars().all(legal) {
                found.push(format!(
                    "{at}.device: 1 to 64 letters, digits, '-', '_' and '.'"
                ));
            }
        }
        in_range("upstream.every_s", self.every_s.into(), 1, 86_400, found);
        in_range("upstream.rows", self.rows.into(), 1, 4_096, found);
        in_range("upstream.resend_s", self.resend_s.into(), 1, 3_600, found);
        in_range(
            "upstream.keep_thousand",
            self.keep_thousand.into(),
            1,
            100_000,
            found,
        );
        in_range(
            "upstream.rotate_days",
            self.rotate_days.into(),
            1,
            30,
            found,
        );
        for (index, stream) in self.streams.iter().enumerate() {
            let at = format!("upstream.stream {}", index + 1);
            if !meters.iter().any(|meter| meter.name == stream.meter) {
                found.push(format!("{at}: there is no meter {:?}", stream.meter));
            }
            if !stream.taf.is_billing() && stream.consent.trim().is_empty() {
                found.push(format!(
                    "{at}: use case {} needs consent, such as \"2026-05-01, Ms Example\": without the household's word nothing but use cases 1 and 2 leaves the home",
                    stream.taf.number()
                ));
            }
        }
    }
}
