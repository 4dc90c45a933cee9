//! Radio meters: receivers, the meters they hear, and taking one on.

use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::Medium;

/// `GET` answers a list of [`HeardMeter`], the strongest signal first. `?number=` keeps those
/// whose number holds these digits.
pub const HEARD_PATH: &str = "/api/v1/radio/heard";
/// `GET` answers a list of [`Receiver`].
pub const RECEIVERS_PATH: &str = "/api/v1/radio/receivers";
/// `POST` of an [`AdoptMeter`] answers an [`AdoptedMeter`], or says why not.
pub const ADOPT_PATH: &str = "/api/v1/radio/adopt";
/// `POST` of a list of [`MeterKey`] answers a list of [`KeyResult`].
pub const KEYS_PATH: &str = "/api/v1/radio/keys";

/// A meter that a receiver has heard, configured or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeardMeter {
    /// Eight digits, as printed on the meter.
    pub id: String,
    /// The maker's three letters.
    pub manufacturer: String,
    /// Version, two hex digits.
    pub version: String,
    /// Device type, two hex digits.
    pub device_type: String,
    /// What the device type says in words.
    pub medium: String,
    /// True when its last telegram was encrypted.
    pub encrypted: bool,
    /// How: security mode `5`, `7`, `10`, `ell-ctr` …; `0` for none.
    pub security_mode: String,
    /// `ok`, or why the last telegram gave no value: `no_key`, `wrong_key`, `auth_failed` …
    pub status: String,
    /// The same as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Signal strength of the last telegram in dBm, the best of all receivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rssi_dbm: Option<i16>,
    /// The receiver that heard it best.
    pub receiver: String,
    /// Link mode, where the receiver tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_mode: Option<String>,
    /// When it was heard first.
    pub first_heard: Timestamp,
    /// When it was heard last.
    pub last_heard: Timestamp,
    /// Telegrams since the daemon was started, repetitions not counted.
    pub telegrams: u64,
    /// Its name, once it was taken on or configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its main index, when it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// The unit of `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receiver {
    /// The name given in the configuration.
    pub name: String,
    /// Where it is.
    pub port: String,
    /// What it says it is, once it has answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Radio frames since the daemon was started.
    pub frames: u64,
    /// When the last one came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_frame: Option<Timestamp>,
}

/// A meter to be taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AdoptMeter {
    /// Eight digits, as printed on the meter.
    pub id: String,
    /// A name of the household's choice, unique.
    pub name: String,
    /// What it measures; as the meter says when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    /// Its key, hex digits. It is tried on the last telegram at once, and kept sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretText>,
    /// Gas: kWh per cubic metre, from the supplier's bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<String>",
            regex(pattern = r"^[0-9]{1,6}(\.[0-9]{1,6})?$")
        )
    )]
    pub calorific_value: Option<Decimal>,
    /// Gas: the correction factor from the bill, 1 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<String>",
            regex(pattern = r"^[0-9]{1,6}(\.[0-9]{1,6})?$")
        )
    )]
    pub correction: Option<Decimal>,
}

/// A meter that was taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdoptedMeter {
    /// Eight digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What came of the key.
    pub key: KeyCheck,
    /// Telegrams from before that could be read now.
    pub telegrams_read: usize,
}

/// What came of trying a key on the last telegram of its meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyCheck {
    /// It opens the telegram.
    Right,
    /// It does not; it was not kept.
    Wrong,
    /// There is no key, and none is needed.
    NotNeeded,
    /// There is no key, and one is needed.
    Missing,
    /// The meter was not heard yet, or its last telegram was not encrypted: the key is kept and
    /// will show.
    Untried,
}

/// The key of a meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MeterKey {
    /// Eight digits.
    pub id: String,
    /// Hex digits.
    pub key: SecretText,
}

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyResult {
    /// Eight digits.
    pub id: String,
    /// What came of it.
    pub check: KeyCheck,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}
