//! From a telegram to readings of each meter in it.
//!
//! A P1 telegram speaks of several meters: the one that sends it and those on its M-Bus channels.
//! A channel n whose device type (0-n:24.1.0) is known becomes a reading of its own, in which the
//! channel's main register has the OBIS code that its medium has everywhere else:
//!
//! | device type | line | register |
//! |---|---|---|
//! | 2 electricity | 0-n:24.2.1, 0-n:24.2.2 | 1-0:1.8.0, 1-0:2.8.0 |
//! | 3 gas | 0-n:24.2.x | 7-0:3.0.0 |
//! | 4, 12, 13 heat | 0-n:24.2.x | 6-0:1.0.0 |
//! | 6, 21 warm water | 0-n:24.2.x | 9-0:1.0.0 |
//! | 7, 22 water | 0-n:24.2.x | 8-0:1.0.0 |
//!
//! The first number of x = 0 to 9 counts (Fluvius sends x = 3, gas not converted to base
//! conditions; the others 1); further ones, valves (0-n:24.4.0) and the like stay as they are.
//! Rows of logs are events of the past and no registers. Those of power failures (1-0:99.97.0) and
//! the tariff in force (0-0:96.14.0) are told beside the registers, as indications; monthly peaks
//! are left out. Counts of power failures, voltage sags and swells (DSMR 5.0.2, 6.12) are numbers
//! without a unit.

use super::lines::{Entry, WallTime};
use super::telegram::{Channel, LineCheck, Telegram};
use crate::iec62056_21::quantity;
use crate::model::{
    self, Check, Indications, Medium, MeterId, MeterTime, ObisCode, Outage, RegisterValue,
    TariffIndication, Telegram as Reading, Unit, Value, plain,
};

/// The readings of a telegram: the meter's own first, then one per channel that has a number to
/// tell. `authentic` says that the tag of the frame around it was right.
#[must_use]
pub fn readings(telegram: &Telegram, authentic: bool) -> Vec<Reading> {
    let check = match telegram.check {
        _ if authentic => Check::Tag,
        LineCheck::Crc => Check::Crc,
        LineCheck::Absent => Check::None,
    };
    let channels = telegram.channels();
    let known: Vec<(&Channel, Medium)> = channels
        .iter()
        .filter_map(|channel| Some((channel, channel.medium()?)))
        .collect();
    let mut own = Vec::new();
    let mut passed: Vec<Vec<RegisterValue>> = vec![Vec::new(); known.len()];
    for entry in &telegram.entries {
        let Some(value) = register(entry) else {
            continue;
        };
        let [medium, number, ..] = value.register.0;
        let at = known
            .iter()
            .position(|(channel, _)| medium == 0 && channel.number == number);
        match at.and_then(|at| Some((known.get(at)?.0, passed.get_mut(at)?))) {
            Some((channel, values)) => values.push(named(value, channel, values)),
            None => own.push(value),
        }
    }
    let mut readings = vec![Reading {
        meter: telegram.meter_id().as_deref().and_then(MeterId::new),
        manufacturer: Some(telegram.manufacturer().to_owned()),
        time: telegram.time().map(WallTime::into),
        values: own,
        check,
        indications: indications(telegram),
        raw: telegram.raw.clone(),
        ..Reading::default()
    }];
    for ((channel, medium), values) in known.iter().zip(passed) {
        // A meter that was taken away goes on being listed, without a number.
        if !values.iter().any(|value| value.value.number().is_some()) {
            continue;
        }
        let same =
            |reading: &&Reading| reading.channel.is_some_and(|other| other.medium == *medium);
        let place = readings.iter().filter(same).count() + 1;
        // When the channel's meter took the value, which may be an hour ago.
        let captured_at = values.iter().find_map(|value| value.captured_at);
        readings.push(Reading {
            meter: channel.meter_id.as_deref().and_then(MeterId::new),
            manufacturer: None,
            time: captured_at.or(telegram.time().map(WallTime::into)),
            values,
            check,
            channel: Some(model::Channel {
                number: channel.number,
                medium: *medium,
                place: u8::try_from(place).unwrap_or(u8::MAX),
            }),
            // The bytes are kept once, with the meter that sent them.
            ..Reading::default()
        });
    }
    readings
}

/// The value under the code its medium has everywhere.
fn named(value: RegisterValue, channel: &Channel, before: &[RegisterValue]) -> RegisterValue {
    let [_, _, quantity, processing, storage, _] = value.register.0;
    let is_reading = (quantity, processing) == (24, 2) && storage <= 9;
    let register = match (channel.kind, storage) {
        (2, 1) => Some(ObisCode::ACTIVE_ENERGY_IMPORT),
        (2, 2) => Some(ObisCode::ACTIVE_ENERGY_EXPORT),
        (3, _) => Some(ObisCode([7, 0, 3, 0, 0, 255])),
        (4 | 12 | 13, _) => Some(ObisCode([6, 0, 1, 0, 0, 255])),
        (6 | 21, _) => Some(ObisCode([9, 0, 1, 0, 0, 255])),
        (7 | 22, _) => Some(ObisCode([8, 0, 1, 0, 0, 255])),
        _ => None,
    };
    let is_number = value.value.number().is_some();
    match register {
        Some(register)
            if is_reading
                && is_number
                && !before.iter().any(|other| other.register == register) =>
        {
            RegisterValue { register, ..value }
        }
        _ => value,
    }
}

/// `None` for an address that is no full OBIS code, and for the heads of logs.
fn register(entry: &Entry) -> Option<RegisterValue> {
    let register: ObisCode = entry.obis.parse().ok()?;
    if !entry.rows.is_empty() {
        return None;
    }
    let known = entry
        .unit
        .as_deref()
        .and_then(|unit| quantity(&entry.value, unit));
    let (value, unit): (Value, Option<Unit>) = match (known, &entry.unit) {
        (Some((number, unit)), _) => (Value::Number(number), Some(unit)),
        (None, Some(unit)) => (Value::Text(format!("{}*{unit}", entry.value)), None),
        (None, None) => match plain(&entry.value).filter(|_| is_count(register)) {
            Some(count) => (Value::Number(count), Some(Unit::Unitless)),
            None => (Value::Text(entry.value.clone()), None),
        },
    };
    Some(RegisterValue {
        register,
        value,
        unit,
        status: None,
        captured_at: entry.captured_at.map(MeterTime::from),
        quirk: None,
    })
}

/// Counts of power failures (0-0:96.7.21, long ones 96.7.9), and for each phase of voltage sags
/// (32, 52, 72, processing 32) and swells (36).
const fn is_count(register: ObisCode) -> bool {
    matches!(
        register.0,
        [0, 0, 96, 7, 9 | 21, 255] | [1, 0, 32 | 52 | 72, 32 | 36, 0, 255]
    )
}

/// Longest log of power failures kept; DSMR allows ten rows.
const MAX_OUTAGES: usize = 20;

fn indications(telegram: &Telegram) -> Indications {
    let named = |obis: &str| telegram.entries.iter().find(|entry| entry.obis == obis);
    let number = named("0-0:96.14.0*255").and_then(|entry| entry.value.parse().ok());
    let outage = |row: &Entry| {
        Some(Outage {
            ended_at: row.captured_at?.at,
            seconds: row
                .value
                .parse()
                .ok()
                .filter(|_| row.unit.as_deref() == Some("s"))?,
        })
    };
    let log = named("1-0:99.97.0*255").map_or(&[][..], |entry| &entry.rows);
    Indications {
        tariff: number.map(|number| TariffIndication {
            number: Some(number),
            ..TariffIndication::default()
        }),
        outages: log.iter().filter_map(outage).take(MAX_OUTAGES).collect(),
        ..Indications::default()
    }
}

impl From<WallTime> for MeterTime {
    fn from(WallTime { at, dst }: WallTime) -> Self {
        Self::Wall { at, dst }
    }
}
