//! Access over the network: users, sessions, tokens and pairing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SecretText;

/// `POST` of a [`Login`] answers [`Caller`] and sets the cookie of a session; `GET` answers the
/// [`Caller`]; `DELETE` ends the session.
pub const SESSION_PATH: &str = "/api/v1/session";
/// `POST` of a [`Pair`] makes a user with the code that the display shows, answers [`Caller`] and
/// sets the cookie of a session.
pub const PAIR_PATH: &str = "/api/v1/pair";
/// Over the gateway's own socket alone: `POST` of an [`OpenPairing`] answers a [`Pairing`];
/// `DELETE` takes it back.
pub const PAIRING_PATH: &str = "/api/v1/pairing";
/// `GET` answers a list of [`User`]; `DELETE …/{name}` removes one with all its tokens.
pub const USERS_PATH: &str = "/api/v1/users";
/// `GET` answers a list of [`Grant`]; `POST` of a [`NewToken`] answers an [`IssuedToken`];
/// `DELETE …/{id}` takes one back.
pub const TOKENS_PATH: &str = "/api/v1/tokens";

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who lives here: everything.
    Household,
    /// Who looks after the meters: meters, keys, devices, tariff and logs, but neither the usage
    /// nor the bills nor the privacy of the home.
    Installer,
    /// A program that collects figures on how the gateway runs: `/metrics` and `/health`.
    Metrics,
}

impl Role {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Household => "household",
            Self::Installer => "installer",
            Self::Metrics => "metrics",
        }
    }
}

/// How the gateway is reached over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebAccess {
    /// Addresses of the web page; empty while it is switched off.
    pub urls: Vec<String>,
    /// SHA-256 fingerprint of the certificate, hex digits in pairs with colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// How many users there are.
    pub users: usize,
    /// A pairing that is open. It is told over the gateway's own socket alone, so that only
    /// somebody in front of the display learns the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairing: Option<Pairing>,
}

/// A pairing that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pairing {
    /// Eight digits; good once.
    pub code: SecretText,
    /// What the new user may do.
    pub role: Role,
    /// Until when.
    pub expires_at: Timestamp,
    /// Address of the set-up page with the code in it, for a QR code; absent while the web page is
    /// switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SecretText>,
}

/// Opens a pairing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenPairing {
    /// What the new user may do; `metrics` is no role for people.
    pub role: Role,
}

/// Makes a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The eight digits on the display; blanks and dashes in between do no harm.
    pub code: SecretText,
    /// A name of one's choice: 1 to 40 characters.
    pub name: String,
    /// A password of one's choice: 10 to 200 characters.
    pub password: SecretText,
}

/// Logs a user in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: SecretText,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Caller {
    /// The user's name.
    pub name: String,
    /// What may be done.
    pub role: Role,
    /// When this session or token ends by itself; absent over the gateway's own socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct User {
    /// The name.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was made.
    pub made_at: Timestamp,
}

/// A session or a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Grant {
    /// Its identifier, 16 hex digits. It opens nothing.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What may be done with it.
    pub role: Role,
    /// What it is for, in the user's words; `browser` for sessions.
    pub label: String,
    /// True for the session of a browser.
    pub session: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was used last, to the minute.
    pub used_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Asks for a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for: 1 to 60 characters.
    pub label: String,
    /// What may be done with it: not more than whoever asks.
    pub role: Role,
    /// Days until it ends by itself: 1 to 3660.
    pub days: u16,
}

/// A token that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IssuedToken {
    /// The token, told this once.
    pub token: SecretText,
    /// What is kept of it.
    pub grant: Grant,
}
