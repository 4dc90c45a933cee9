//! When intervals begin and how long they are.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, de};

use crate::time::{duration_s, instant};

/// A start of this day means "now" (User Guide).
const NOW: &str = "0001-01-01";
/// A duration that means "without end" (User Guide).
const FOREVER: &str = "P9999Y";

/// Start and length of one or more intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// When it begins.
    pub start: Start,
    /// How long each interval is.
    pub duration: Option<Duration>,
    /// The receiver is to begin by chance up to this much later.
    pub randomize_start: Option<Duration>,
}

/// When a period begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// When it is received.
    Now,
    /// At this instant.
    At(Timestamp),
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duration {
    /// So many seconds, 0 or more.
    Seconds(i64),
    /// Without end.
    Forever,
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with(NOW) {
            return Ok(Self::Now);
        }
        let wrong = || de::Error::custom(format!("{text:?} is no time with its offset (RFC 3339)"));
        instant(&text).map(Self::At).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with(FOREVER) {
            return Ok(Self::Forever);
        }
        let wrong = || de::Error::custom(format!("{text:?} is no duration such as PT1H"));
        duration_s(&text).map(Self::Seconds).ok_or_else(wrong)
    }
}

/// An instant so many seconds later; `None` beyond the calendar.
pub(super) fn after(start: Timestamp, seconds: i64) -> Option<Timestamp> {
    start.checked_add(SignedDuration::from_secs(seconds)).ok()
}
