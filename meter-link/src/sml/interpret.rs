//! From a list as sent to registers: scaled, corrected, named.

use std::fmt;

use jiff::Timestamp;

use super::message::{File, GetListResponse, ListEntry, Scalar, Time};
use crate::key::hex;
use crate::model::{
    Check, Hint, MeterId, MeterTime, ObisCode, RegisterValue, ScaleError, Telegram, Unit, Value,
    scaled,
};
use crate::profile::{Quirk, QuirkSet, Rule, reduced_data_set};

const IDENTIFICATION: ObisCode = ObisCode([1, 0, 96, 1, 0, 255]);
const MANUFACTURER: [ObisCode; 2] = [
    ObisCode([1, 0, 96, 50, 1, 1]),
    ObisCode([129, 129, 199, 130, 3, 255]),
];

/// A server identification in the form of DIN 43863-5: `0A 01 EMH 00 0012D687` for the meter
/// with `1 EMH 00 01234567` on its nameplate.
///
/// ```
/// use meter_link::sml::ServerId;
/// let id = ServerId::parse(b"\x0a\x01DZG\x00\x02\x82\x22\x5e").map(|id| id.to_string());
/// assert_eq!(id.as_deref(), Some("1DZG0042082910"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerId {
    manufacturer: [u8; 3],
    block: u8,
    serial: u32,
}

impl ServerId {
    /// Reads the ten octets; `None` for any other form.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let [9 | 10, 1, m1, m2, m3, block, s1, s2, s3, s4] = *octets else {
            return None;
        };
        let manufacturer = [m1, m2, m3];
        let serial = u32::from_be_bytes([s1, s2, s3, s4]);
        let plausible = manufacturer.iter().all(u8::is_ascii_uppercase) && serial <= 99_999_999;
        plausible.then_some(Self {
            manufacturer,
            block,
            serial,
        })
    }

    /// The maker's three letters (FLAG association).
    #[must_use]
    pub fn manufacturer(&self) -> &str {
        std::str::from_utf8(&self.manufacturer).unwrap_or_default()
    }

    /// The number after the manufacturer: fabrication block and serial, as five octets.
    #[must_use]
    pub fn number(&self) -> u64 {
        u64::from(self.block) << 32 | u64::from(self.serial)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (maker, block, serial) = (self.manufacturer(), self.block, self.serial);
        write!(f, "1{maker}{block:02X}{serial:08}")
    }
}

/// An entry that is not among the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Omitted {
    /// Its name is no OBIS code.
    #[error("entry {index}: a name of {length} octets is no OBIS code")]
    Name {
        /// Place in the list, from 0.
        index: usize,
        /// Octets of the name.
        length: usize,
    },
    /// Its number is beyond an exact decimal.
    #[error("{register}: {error}")]
    Scale {
        /// Which register.
        register: ObisCode,
        /// The number.
        error: ScaleError,
    },
    /// Its value is a list of a kind that no meter is known to send.
    #[error("{register}: a value that is a list")]
    List {
        /// Which register.
        register: ObisCode,
    },
}

/// Makes registers of one list.
#[derive(Debug)]
pub struct Interpreter<'l, 'a> {
    list: &'l GetListResponse<'a>,
    server: Option<ServerId>,
    manufacturer: Option<&'a str>,
    corrections: Vec<&'static Quirk>,
}

impl<'l, 'a> Interpreter<'l, 'a> {
    /// Looks at who sent the list, and which corrections it needs.
    #[must_use]
    pub fn new(list: &'l GetListResponse<'a>, quirks: &QuirkSet) -> Self {
        let named = |code: ObisCode| {
            let entry = list.entries.iter().find(|entry| entry.name == code.0)?;
            match entry.value {
                Some(Scalar::Octets(octets)) => Some(octets),
                _ => None,
            }
        };
        let server =
            ServerId::parse(list.server_id).or_else(|| ServerId::parse(named(IDENTIFICATION)?));
        let manufacturer = MANUFACTURER
            .into_iter()
            .filter_map(named)
            .find_map(three_letters)
            .or_else(|| three_letters(list.server_id.get(2..5)?).filter(|_| server.is_some()));
        let corrections = quirks
            .for_meter(manufacturer, server.as_ref().map(ServerId::number))
            .collect();
        Self {
            list,
            server,
            manufacturer,
            corrections,
        }
    }

    /// The server identification, if it is one of DIN 43863-5.
    #[must_use]
    pub const fn server(&self) -> Option<ServerId> {
        self.server
    }

    /// The maker's three letters.
    #[must_use]
    pub const fn manufacturer(&self) -> Option<&'a str> {
        self.manufacturer
    }

    /// The registers in the order sent, and what could not be made one. Entries without a value
    /// are neither.
    #[must_use]
    pub fn registers(&self) -> (Vec<RegisterValue>, Vec<Omitted>) {
        let mut registers = Vec::with_capacity(self.list.entries.len());
        let mut omitted = Vec::new();
        for (index, entry) in self.list.entries.iter().enumerate() {
            match self.register(index, entry) {
                Ok(register) => registers.extend(register),
                Err(reason) => omitted.push(reason),
            }
        }
        (registers, omitted)
    }

    /// One register; `None` when the entry has no value. `index` is for the error only.
    ///
    /// # Errors
    /// [`Omitted`] when the entry is no register.
    pub fn register(
        &self,
        index: usize,
        entry: &ListEntry<'a>,
    ) -> Result<Option<RegisterValue>, Omitted> {
        let Some(sent) = &entry.value else {
            return Ok(None);
        };
        let length = entry.name.len();
        let name = <[u8; 6]>::try_from(entry.name).map_err(|_| Omitted::Name { index, length })?;
        let register = ObisCode(name);
        let (value, quirk) = match *sent {
            Scalar::Flag(flag) => (Value::Flag(flag), None),
            Scalar::Octets(octets) => (Value::Octets(octets.to_vec()), None),
            Scalar::List(_) => return Err(Omitted::List { register }),
            Scalar::Signed(value, size) => {
                let quirk = self.sign_quirk(register, value, size);
                let value = match quirk {
                    Some(_) => i128::from(value) + (1i128 << (8 * u32::from(size))),
                    None => i128::from(value),
                };
                (number(register, value, entry.scaler)?, quirk)
            }
            Scalar::Unsigned(value, _) => {
                (number(register, i128::from(value), entry.scaler)?, None)
            }
        };
        let unit = entry.unit.and_then(|code| u8::try_from(code).ok());
        Ok(Some(RegisterValue {
            register,
            value,
            unit: unit.and_then(Unit::from_code),
            status: entry.status,
            captured_at: entry.time.map(Time::to_meter_time),
            quirk,
        }))
    }

    /// The correction that makes a negative number the positive one that was meant.
    fn sign_quirk(&self, register: ObisCode, value: i64, size: u8) -> Option<&'static str> {
        let quirk = self.corrections.iter().find(|quirk| {
            value < 0
                && (quirk.obis.is_empty() || quirk.obis.contains(&register))
                && quirk.max_bytes.is_none_or(|most| size <= most)
        })?;
        Some(&quirk.id)
    }

    /// What the list tells beside its values.
    #[must_use]
    pub fn hints(&self) -> Vec<Hint> {
        let reduced = reduced_data_set();
        let has = |codes: &[ObisCode], entry: &ListEntry<'_>| {
            codes.iter().any(|code| code.0 == entry.name)
        };
        let entries = &self.list.entries;
        let locked = self.server.is_some()
            && entries.iter().any(|entry| has(&reduced.energy, entry))
            && entries
                .iter()
                .all(|entry| has(&reduced.energy, entry) || has(&reduced.identity, entry));
        if locked {
            vec![Hint::PinLocked]
        } else {
            Vec::new()
        }
    }

    /// The whole list as a telegram; `raw` are the bytes it came in.
    #[must_use]
    pub fn telegram(&self, raw: &[u8]) -> (Telegram, Vec<Omitted>) {
        let (values, omitted) = self.registers();
        let meter = match self.server {
            Some(server) => MeterId::new(&server.to_string()),
            None => MeterId::new(&hex(self.list.server_id)),
        };
        let telegram = Telegram {
            meter,
            manufacturer: self.manufacturer.map(str::to_owned),
            time: self.list.sensor_time.map(Time::to_meter_time),
            values,
            check: Check::Crc,
            hints: self.hints(),
            raw: raw.to_vec(),
            ..Telegram::default()
        };
        (telegram, omitted)
    }
}

impl File<'_> {
    /// Names of the corrections of the encoding that were needed.
    pub fn quirks(&self) -> impl Iterator<Item = &'static str> {
        let used = self.wire_quirks;
        [
            (used.kermit, Rule::KermitCrc),
            (used.bare_time, Rule::BareTime),
            (used.time_list, Rule::TimeList),
        ]
        .into_iter()
        .filter(|(used, _)| *used)
        .filter_map(|(_, rule)| QuirkSet::name_of(rule))
    }
}

impl Time {
    /// The same in the model's terms. A local time is the instant it names.
    #[must_use]
    pub fn to_meter_time(self) -> MeterTime {
        match self {
            Self::SecondsIndex(seconds) => MeterTime::SecondsIndex(seconds),
            Self::Timestamp(seconds) | Self::Local { seconds, .. } => {
                // Every u32 is within the years a timestamp can hold.
                MeterTime::Utc(Timestamp::from_second(i64::from(seconds)).unwrap_or_default())
            }
        }
    }
}

fn number(register: ObisCode, value: i128, scaler: Option<i8>) -> Result<Value, Omitted> {
    scaled(value, scaler.unwrap_or(0))
        .map(Value::Number)
        .map_err(|error| Omitted::Scale { register, error })
}

fn three_letters(octets: &[u8]) -> Option<&str> {
    let letters = octets.len() == 3 && octets.iter().all(u8::is_ascii_alphabetic);
    letters.then(|| std::str::from_utf8(octets).ok()).flatten()
}
