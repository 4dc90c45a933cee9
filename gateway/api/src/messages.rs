//! Messages of the utility to the household.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET` answers a list of [`Message`] that are in force or to come, the newest first.
pub const MESSAGES_PATH: &str = "/api/v1/messages";
/// `POST` takes a [`MessageConfirmation`] and answers the [`Message`].
pub const MESSAGE_CONFIRM_PATH: &str = "/api/v1/messages/confirm";

/// A message of the utility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// Its name.
    pub id: String,
    /// What it says.
    pub text: String,
    /// How important its sender holds it.
    pub importance: Importance,
    /// From when it is to be shown.
    pub start: Timestamp,
    /// Until when; absent where its sender does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Whether its sender asks for a confirmation.
    pub confirm: bool,
    /// When the household confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
}

/// How important a message is (Zigbee Smart Energy 1.4, D.5.2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Good to know.
    #[default]
    Low,
    /// Worth reading.
    Medium,
    /// To be read soon.
    High,
    /// To be read now.
    Critical,
}

/// Somebody has read a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MessageConfirmation {
    /// Which.
    pub id: String,
}
