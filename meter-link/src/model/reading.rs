//! Telegrams: what came, about which meter, when, and how it was checked.

use std::fmt;

use jiff::{Timestamp, civil};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Check, Indications, ObisCode, Unit};

/// A meter's identity: the serial number on its nameplate, in the form of its protocol
/// (DIN 43863-5 `1EMH0012345678` where the meter sends a server identification of that form,
/// lower-case hex of the identification otherwise).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MeterId(String);

impl MeterId {
    /// Longest identity kept, in bytes; longer ones are cut.
    pub const MAX_LEN: usize = 64;

    /// An identity from the printable characters of `text`; `None` when none are left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let kept: String = text
            .trim()
            .chars()
            .filter(char::is_ascii_graphic)
            .take(Self::MAX_LEN)
            .collect();
        (!kept.is_empty()).then_some(Self(kept))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The value of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An exact number in the unit given beside it.
    Number(Decimal),
    /// Octets: an identification, a key, a text.
    Octets(Vec<u8>),
    /// A text, from protocols that send characters.
    Text(String),
    /// A yes or no.
    Flag(bool),
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// A time as the meter's own clock gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeterTime {
    /// Seconds since the meter was started; says nothing about the date.
    SecondsIndex(u32),
    /// An instant.
    Utc(Timestamp),
    /// A wall clock time; `dst` tells summer time where the meter says so.
    Wall {
        /// Date and time as sent.
        at: civil::DateTime,
        /// True in summer time, false in winter time, `None` when the meter does not say.
        dst: Option<bool>,
    },
}

/// One register of one telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterValue {
    /// Which register.
    pub register: ObisCode,
    /// Its value, scaled and corrected.
    pub value: Value,
    /// The unit of a number; `None` when the meter gave none.
    pub unit: Option<Unit>,
    /// The meter's status word for this value, as sent.
    pub status: Option<u64>,
    /// When the meter took the value, if it says so apart from the telegram's time.
    pub captured_at: Option<MeterTime>,
    /// Identifier of the correction that was applied, if any.
    pub quirk: Option<&'static str>,
}

/// What a telegram tells beside its values, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hint {
    /// The meter sends its reduced data set: the householder's PIN has not been entered, so
    /// there is no power and no decimals of energy.
    PinLocked,
}

impl Hint {
    /// A sentence for the household or the installer.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::PinLocked => {
                "the meter shows only its reduced data set: enter the PIN from your grid operator and switch InF on"
            }
        }
    }
}

/// What a meter measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Electric energy.
    Electricity,
    /// Gas.
    Gas,
    /// Water, cold or warm.
    Water,
    /// Heat or cold.
    Heat,
}

impl Medium {
    /// The medium of a register by its value group A (IEC 62056-6-1, clause 5.2); `None` for
    /// abstract registers and media that are not metered in a home.
    #[must_use]
    pub const fn of(register: ObisCode) -> Option<Self> {
        match register.medium() {
            1 => Some(Self::Electricity),
            5 | 6 => Some(Self::Heat),
            7 => Some(Self::Gas),
            8 | 9 => Some(Self::Water),
            _ => None,
        }
    }

    /// The name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Gas => "gas",
            Self::Water => "water",
            Self::Heat => "heat",
        }
    }
}

/// The place of a meter that reports through another one, such as a gas meter behind an
/// electricity meter with a P1 port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The channel by the number the other meter gives it.
    pub number: u8,
    /// What is measured there.
    pub medium: Medium,
    /// 1 for the first channel of this medium, 2 for the second.
    pub place: u8,
}

/// A message of a meter that passed its check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telegram {
    /// The meter's identity, if the message carries one.
    pub meter: Option<MeterId>,
    /// The maker's three letters (FLAG association), if the message tells.
    pub manufacturer: Option<String>,
    /// The meter's clock.
    pub time: Option<MeterTime>,
    /// The registers in the order sent.
    pub values: Vec<RegisterValue>,
    /// How the message was checked.
    pub check: Check,
    /// What else it tells.
    pub hints: Vec<Hint>,
    /// The tariff in force, states and power failures.
    pub indications: Indications,
    /// The bytes of the message as they were received, for the raw ring.
    pub raw: Vec<u8>,
    /// Where the meter is, if another one reports for it; `None` for the meter that sends.
    pub channel: Option<Channel>,
}
