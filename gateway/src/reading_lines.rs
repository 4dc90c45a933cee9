//! Readings of the store as the lines that all commands about readings exchange.
//!
//! Each register gives two series: what its counter stood at where quarter-hours meet, and what each
//! quarter-hour came to. A quarter-hour whose ends were not read closely holds energy of another
//! time: its amount is `suspect`, and its counter is not told at a time at which nobody read it. One
//! that was estimated or imported says so, and how.

use jiff::Timestamp;
use meter_link::model::ObisCode;
use rust_decimal::Decimal;
use wattle_billing::readings::{
    Flow, Reading, ReadingQuality, Series, SeriesKind, SeriesReadings, SourceTime,
};

use crate::store::{IntervalRow, QUARTER_S, Reader, RegisterRow, StoreError};

/// Quarter-hours that start in `[from, to)` of every register, or of those of one meter: its serial
/// number or its configured name.
///
/// # Errors
/// The store cannot be read, or a value is too large for a line.
pub fn lines(
    reader: &Reader,
    meter: Option<&str>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Result<Vec<SeriesReadings>, StoreError> {
    let from_s = from.map_or(i64::MIN, Timestamp::as_second);
    let to_s = to.map_or(i64::MAX, Timestamp::as_second);
    every(reader, meter, |row| reader.intervals(row.id, from_s, to_s))
}

/// Wholly metered quarter-hours, without estimates and imports.
///
/// # Errors
/// The store cannot be read, or a value is too large for a line.
pub fn metered(reader: &Reader, meter: Option<&str>) -> Result<Vec<SeriesReadings>, StoreError> {
    every(reader, meter, |row| {
        let rows = reader.metered(row.id, i64::MIN, i64::MAX)?;
        Ok(rows.into_iter().filter(|row| row.complete).collect())
    })
}

fn every(
    reader: &Reader,
    meter: Option<&str>,
    quarters_of: impl Fn(&RegisterRow) -> Result<Vec<IntervalRow>, StoreError>,
) -> Result<Vec<SeriesReadings>, StoreError> {
    let wanted = |row: &RegisterRow| {
        meter.is_none_or(|meter| row.key.serial == meter || row.name.as_deref() == Some(meter))
    };
    let mut all = Vec::new();
    for row in reader.registers()?.iter().filter(|row| wanted(row)) {
        let quarters = quarters_of(row)?;
        if !quarters.is_empty() {
            all.push(counter(row, &quarters, number(&all))?);
            all.push(amounts(row, &quarters, number(&all))?);
        }
    }
    Ok(all)
}

/// The two series of one register's wholly metered quarter-hours, and how many decimals they have.
///
/// # Errors
/// A value is too large for a line.
pub fn examined(
    row: &RegisterRow,
    whole: &[IntervalRow],
) -> Result<(Vec<SeriesReadings>, u32), StoreError> {
    let series = vec![counter(row, whole, 1)?, amounts(row, whole, 2)?];
    Ok((series, scale_of(whole)))
}

fn number(all: &[SeriesReadings]) -> u64 {
    all.len() as u64 + 1
}

fn series(row: &RegisterRow, kind: SeriesKind, scale: u32, number: u64) -> Series {
    let ObisCode([medium, _, quantity, ..]) = row.key.obis;
    let flow = match (medium, quantity) {
        (1, 1) => Some(Flow::Import),
        (1, 2) => Some(Flow::Export),
        _ => None,
    };
    Series {
        series: number,
        meter: Some(row.key.serial.clone()),
        register: row.key.obis.to_string(),
        obis: Some(row.key.obis.to_string()),
        kind,
        flow,
        unit: row.key.unit.to_string(),
        scaler: -i32::try_from(scale).unwrap_or(28),
        interval_s: Some(QUARTER_S),
    }
}

/// As many decimals as any of the values has.
fn scale_of<'a>(quarters: impl IntoIterator<Item = &'a IntervalRow>) -> u32 {
    let values = quarters
        .into_iter()
        .flat_map(|row| [row.opening, row.closing]);
    values.map(|value| value.scale()).max().unwrap_or(0)
}

fn counter(
    row: &RegisterRow,
    quarters: &[IntervalRow],
    number: u64,
) -> Result<SeriesReadings, StoreError> {
    let whole = || quarters.iter().filter(|quarter| quarter.complete);
    let scale = scale_of(whole());
    let mut readings: Vec<Reading> = Vec::new();
    for quarter in whole() {
        let start = quarter.start_s;
        let ends = [
            (start, quarter.opening),
            (start + QUARTER_S, quarter.closing),
        ];
        for (at, value) in ends {
            let time = time(at)?;
            // Where quarter-hours meet, one closes with what the next opens with.
            if readings.last().is_none_or(|last| last.time.at < time.at) {
                readings.push(Reading {
                    quality: Some(ReadingQuality::Actual),
                    ..Reading::new(number, time, 0, raw(value, scale)?)
                });
            }
        }
    }
    Ok(SeriesReadings {
        series: series(row, SeriesKind::Register, scale, number),
        readings,
    })
}

fn amounts(
    row: &RegisterRow,
    quarters: &[IntervalRow],
    number: u64,
) -> Result<SeriesReadings, StoreError> {
    let scale = scale_of(quarters);
    let amount = |quarter: &IntervalRow| {
        let (start, amount) = (time(quarter.start_s)?, raw(quarter.amount(), scale)?);
        Ok(Reading {
            quality: Some(quarter.quality),
            method: quarter.method.clone(),
            ..Reading::new(number, start, QUARTER_S, amount)
        })
    };
    Ok(SeriesReadings {
        series: series(row, SeriesKind::Interval, scale, number),
        readings: quarters
            .iter()
            .map(amount)
            .collect::<Result<_, StoreError>>()?,
    })
}

fn time(second: i64) -> Result<SourceTime, StoreError> {
    let at = Timestamp::from_second(second).map_err(|_| StoreError::Content {
        what: "a time",
        text: second.to_string(),
    })?;
    Ok(SourceTime::utc(at))
}

/// The value as an integer of this many decimals.
fn raw(value: Decimal, scale: u32) -> Result<i64, StoreError> {
    let too_large = || StoreError::Content {
        what: "a value too large for a line,",
        text: value.to_string(),
    };
    let mut scaled = value;
    scaled.rescale(scale);
    if scaled.scale() != scale || scaled != value {
        return Err(too_large());
    }
    i64::try_from(scaled.mantissa()).map_err(|_| too_large())
}
