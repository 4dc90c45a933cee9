//! Records: who got what of the home, what the household allows, and the log books.

use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

/// `GET ?from=&to=` (dates) answers a list of [`Disclosure`], the newest day first; the last seven
/// days when they are left out.
pub const LEDGER_PATH: &str = "/api/v1/privacy/ledger";
/// `GET` answers a list of [`Consent`]; `PUT` of a [`ConsentChange`] answers the same.
pub const CONSENTS_PATH: &str = "/api/v1/privacy/consents";
/// `GET ?before=&limit=` on `…/{book}` answers a [`LogPage`], the newest entry first; on
/// `…/{book}/check` a [`LogCheck`].
pub const LOGS_PATH: &str = "/api/v1/logs";

/// A kind of recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecipientKind {
    /// The utility, the grid operator or a meter operator.
    Utility,
    /// The MQTT broker and whoever listens there.
    Mqtt,
    /// A user of the web page or of the API on the network.
    Web,
    /// A server that prices are fetched from.
    Prices,
}

impl RecipientKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Utility, Self::Mqtt, Self::Web, Self::Prices];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utility => "utility",
            Self::Mqtt => "mqtt",
            Self::Web => "web",
            Self::Prices => "prices",
        }
    }

    /// The one that is written so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What a recipient got in a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disclosure {
    /// The local date.
    pub date: civil::Date,
    /// What kind of recipient.
    pub kind: RecipientKind,
    /// Its name: a host, a user.
    pub recipient: String,
    /// What it got, in words.
    pub fields: String,
    /// How fine that was.
    pub resolution: String,
    /// When it got it first on that day.
    pub first: Timestamp,
    /// And last.
    pub last: Timestamp,
    /// How often.
    pub count: u64,
}

/// What the household has said about a kind of recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Consent {
    /// The kind.
    pub kind: RecipientKind,
    /// Whether it may be told.
    pub allowed: bool,
    /// When that was said; absent when nothing was said and the configuration alone decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
}

/// What the household says about a kind of recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConsentChange {
    /// The kind.
    pub kind: RecipientKind,
    /// Whether it may be told.
    pub allowed: bool,
}

/// A log book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogBook {
    /// What happened to the gateway: starts, ports, users, faults.
    System,
    /// What happened to the household's data: consents, exports, erasures, tariffs.
    Consumer,
    /// What bills rest on: software versions, meters, clock, factors.
    Calibration,
}

impl LogBook {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::System, Self::Consumer, Self::Calibration];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Consumer => "consumer",
            Self::Calibration => "calibration",
        }
    }
}

/// An entry of a log book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogEntry {
    /// The book.
    pub book: LogBook,
    /// Its number in the book, from 1, without gaps.
    pub number: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What it is, for scripts.
    pub code: String,
    /// A sentence.
    pub text: String,
    /// Hash over this entry and the hash of the one before, 64 hex digits.
    pub hash: String,
}

/// Some entries of a log book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogPage {
    /// The entries, the newest first.
    pub entries: Vec<LogEntry>,
    /// Cursor for older ones; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What came of walking the chain of a log book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogCheck {
    /// The book.
    pub book: LogBook,
    /// How many entries it holds.
    pub entries: u64,
    /// Hash of the newest entry: written down elsewhere, it vouches for all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_hash: Option<String>,
    /// The first entry that does not fit the one before it; absent when all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<u64>,
}
