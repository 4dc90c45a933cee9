//! What the store knows that the decoder has not seen: after a start, or after events were missed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;

use crate::store::{Reader, RegisterRow, StoreError};

/// Readings of one register asked for at once.
const PORTION: u32 = 20_000;

/// Values that came at one instant.
pub(super) type Values = Vec<(ObisCode, Unit, Decimal)>;

/// Values of a meter after an instant (microseconds), in the order in which they came, and whether
/// there may be more.
///
/// # Errors
/// The store cannot be read.
pub(super) fn after(
    reader: &Reader,
    meter: &str,
    from_us: i64,
) -> Result<(BTreeMap<i64, Values>, bool), StoreError> {
    let registers = reader.registers()?;
    let own = registers
        .iter()
        .filter(|row| row.name.as_deref() == Some(meter) && wanted(row));
    let (mut found, mut horizon) = (BTreeMap::<i64, Values>::new(), i64::MAX);
    for row in own {
        let readings = reader.readings(row.id, from_us, PORTION)?;
        if readings.len() >= PORTION as usize
            && let Some((last, ..)) = readings.last()
        {
            horizon = horizon.min(*last);
        }
        for (at_us, value, quality) in readings {
            if quality == "measured" {
                found
                    .entry(at_us)
                    .or_default()
                    .push((row.key.obis, row.key.unit, value));
            }
        }
    }
    // What lies beyond the last reading of a register that has more comes with the next portion.
    if horizon < i64::MAX {
        found.split_off(&(horizon + 1));
    }
    Ok((found, horizon < i64::MAX))
}

/// What meters of single appliances told after an instant, up to another, by time and appliance.
///
/// # Errors
/// The store cannot be read.
pub(super) fn plugs(
    reader: &Reader,
    meters: &BTreeMap<String, String>,
    from_us: i64,
    until_us: Option<i64>,
) -> Result<BTreeMap<(i64, String), Values>, StoreError> {
    let mut found = BTreeMap::new();
    let Some(until_us) = until_us else {
        return Ok(found);
    };
    for (meter, appliance) in meters {
        let mut from_us = from_us;
        loop {
            let (told, more) = after(reader, meter, from_us)?;
            let last = told.keys().next_back().copied();
            let within = told.into_iter().take_while(|(at_us, _)| *at_us <= until_us);
            found.extend(within.map(|(at_us, values)| ((at_us, appliance.clone()), values)));
            match last {
                Some(last) if more && last <= until_us => from_us = last,
                _ => break,
            }
        }
    }
    Ok(found)
}

/// The power that a meter tells, W: net, or import less export.
pub(super) fn power(value: impl Fn(ObisCode, Unit) -> Option<Decimal>) -> Option<Decimal> {
    let watts = |obis| value(obis, Unit::Watt);
    watts(ObisCode::ACTIVE_POWER_NET).or_else(|| {
        let export = watts(ObisCode::ACTIVE_POWER_EXPORT).unwrap_or_default();
        Some(watts(ObisCode::ACTIVE_POWER_IMPORT)? - export)
    })
}

fn wanted(row: &RegisterRow) -> bool {
    is_power(row.key.obis, row.key.unit) || direction(row.key.obis, row.key.unit).is_some()
}

/// Whether a register is the power at the grid.
pub(super) fn is_power(obis: ObisCode, unit: Unit) -> bool {
    unit == Unit::Watt
        && [
            ObisCode::ACTIVE_POWER_NET,
            ObisCode::ACTIVE_POWER_IMPORT,
            ObisCode::ACTIVE_POWER_EXPORT,
        ]
        .contains(&obis)
}

/// 1 for a register of imported energy, -1 for exported.
pub(super) fn direction(obis: ObisCode, unit: Unit) -> Option<i8> {
    let text = obis.to_string();
    if unit != Unit::WattHour {
        return None;
    }
    // 1-0:1.8.0 and its tariffs; 1-0:2.8.0 likewise.
    let (_, rest) = text.split_once(':')?;
    if rest.starts_with("1.8.") {
        Some(1)
    } else if rest.starts_with("2.8.") {
        Some(-1)
    } else {
        None
    }
}

/// The instant of a store's time in microseconds.
pub(super) fn instant(at_us: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(at_us).ok()
}
