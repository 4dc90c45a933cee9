//! Figures out of the store: what was used and what it cost, up to the last closed quarter-hour.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;

use crate::store::{IntervalRow, QUARTER_S, Reader, RegisterKey, RegisterRow, StoreError};
use crate::tariff::Tariff;

pub(super) const WH_PER_KWH: Decimal = Decimal::ONE_THOUSAND;
/// Full scale of the ring is never less.
pub(super) const LEAST_SCALE_W: Decimal = Decimal::from_parts(3000, 0, 0, false, 0);
/// How close to midnight the first value of a complete day was read.
const CLOSE: SignedDuration = SignedDuration::from_secs(90);

/// Everything that changes only when a quarter-hour is closed.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// The local date for which they hold.
    pub(super) date: Date,
    /// Full scale of power, W.
    pub(super) scale_w: Decimal,
    pub(super) import: Option<Energy>,
    pub(super) export: Option<Energy>,
    /// Registers of other meters at local midnight, by name of the meter, in m³ or Wh.
    pub(super) openings: BTreeMap<String, Decimal>,
}

/// Energy of one direction, in Wh, closed quarter-hours only.
#[derive(Clone, Debug)]
pub(super) struct Energy {
    /// The registers that add up to it.
    pub(super) registers: Vec<RegisterKey>,
    /// Sum of their values when the open quarter-hour began.
    pub(super) open_since: Decimal,
    pub(super) today: Decimal,
    pub(super) today_cost: Option<Decimal>,
    pub(super) today_since: Timestamp,
    pub(super) month: Decimal,
    pub(super) month_cost: Option<Decimal>,
    pub(super) month_since: Timestamp,
    pub(super) change_percent: Option<i32>,
}

/// Reads the figures of the grid meter `serial` and of the `counted` registers of other meters.
pub(super) fn load(
    reader: &Reader,
    serial: Option<&str>,
    counted: &[(String, RegisterKey)],
    zone: &TimeZone,
    tariff: Option<&Tariff>,
    now: Timestamp,
) -> Result<Figures, StoreError> {
    let date = zone.to_datetime(now).date();
    let rows = reader.registers()?;
    let of = |quantity| energy_registers(&rows, serial, quantity);
    let times = Times::at(now, zone);
    let import = energy(reader, &of(1), &times, tariff)?;
    let export = energy(reader, &of(2), &times, None)?;
    let scale_w = scale(reader, &of(1), now)?;
    let mut openings = BTreeMap::new();
    for (name, key) in counted {
        let Some(row) = rows.iter().find(|row| row.key == *key) else {
            continue;
        };
        let today = reader.intervals(row.id, times.midnight, i64::MAX)?;
        // Imported amounts have no counter.
        let opening = match today.iter().find(|row| !row.is_imported()) {
            Some(first) => Some(first.opening),
            None => reader.open_since(row.id)?.map(|(value, _)| value),
        };
        openings.extend(opening.map(|opening| (name.clone(), opening)));
    }
    Ok(Figures {
        date,
        scale_w,
        import,
        export,
        openings,
    })
}

/// The total register of a direction, or all its tariff registers where there is no total.
pub(crate) fn energy_registers(
    rows: &[RegisterRow],
    serial: Option<&str>,
    quantity: u8,
) -> Vec<RegisterRow> {
    let is_energy = |row: &&RegisterRow| {
        let ObisCode([medium, _, c, d, _, f]) = row.key.obis;
        Some(row.key.serial.as_str()) == serial
            && row.key.unit == Unit::WattHour
            && (medium, c, d, f) == (1, quantity, 8, 255)
    };
    let all: Vec<RegisterRow> = rows.iter().filter(is_energy).cloned().collect();
    match all.iter().find(|row| row.key.obis.tariff() == 0) {
        Some(total) => vec![total.clone()],
        None => all,
    }
}

/// Instants around now, in seconds since 1970.
struct Times {
    midnight: i64,
    month: i64,
    /// Midnight and this time of day, one to four weeks ago.
    weeks: Vec<(i64, i64)>,
}

impl Times {
    fn at(now: Timestamp, zone: &TimeZone) -> Self {
        let zoned = now.to_zoned(zone.clone());
        let second = |date: Date| {
            date.to_zoned(zone.clone())
                .map_or(0, |start| start.timestamp().as_second())
        };
        let date = zoned.date();
        let weeks = (1..=4)
            .filter_map(|weeks| zoned.checked_sub(weeks.weeks()).ok())
            .map(|then| {
                (
                    second(then.date()),
                    then.timestamp().as_second().div_euclid(QUARTER_S) * QUARTER_S,
                )
            })
            .collect();
        Self {
            midnight: second(date),
            month: second(date.first_of_month()),
            weeks,
        }
    }
}

fn energy(
    reader: &Reader,
    rows: &[RegisterRow],
    times: &Times,
    tariff: Option<&Tariff>,
) -> Result<Option<Energy>, StoreError> {
    let mut open_since = Decimal::ZERO;
    let mut opened_at = None;
    let mut month = Vec::new();
    for row in rows {
        let Some((value, at)) = reader.open_since(row.id)? else {
            return Ok(None);
        };
        open_since += value;
        opened_at = Some(at);
        month.extend(reader.intervals(row.id, times.month, i64::MAX)?);
    }
    let Some(opened_at) = opened_at else {
        return Ok(None);
    };
    let (_, today): (Vec<_>, Vec<_>) = month
        .iter()
        .partition(|interval| interval.start_s < times.midnight);
    let today_sum = sum(today.iter().copied());
    Ok(Some(Energy {
        registers: rows.iter().map(|row| row.key.clone()).collect(),
        open_since,
        today: today_sum,
        today_cost: tariff.and_then(|tariff| cost(today.iter().copied(), tariff)),
        today_since: since(
            today.first().map_or(opened_at, |first| first.opening_at),
            times.midnight,
        ),
        month: sum(month.iter()),
        month_cost: tariff.and_then(|tariff| cost(month.iter(), tariff)),
        month_since: since(
            month.first().map_or(opened_at, |first| first.opening_at),
            times.month,
        ),
        change_percent: change(reader, rows, times, today_sum)?,
    }))
}

fn sum<'a>(intervals: impl Iterator<Item = &'a IntervalRow>) -> Decimal {
    intervals.map(IntervalRow::amount).sum()
}

/// Each quarter-hour at the price of its start; `None` when one of them has no price.
fn cost<'a>(intervals: impl Iterator<Item = &'a IntervalRow>, tariff: &Tariff) -> Option<Decimal> {
    let mut total = Decimal::ZERO;
    for interval in intervals {
        let start = Timestamp::from_second(interval.start_s).ok()?;
        total += interval.amount() / WH_PER_KWH * tariff.per_kwh(start)?;
    }
    Some(total)
}

/// `from` itself, unless the first value was read at some distance from it.
fn since(opening_at: Timestamp, from_s: i64) -> Timestamp {
    let from = Timestamp::from_second(from_s).unwrap_or(opening_at);
    if opening_at.duration_since(from).abs() <= CLOSE {
        from
    } else {
        opening_at
    }
}

/// Change against the mean of the same weekday up to the same quarter-hour, in per cent.
fn change(
    reader: &Reader,
    rows: &[RegisterRow],
    times: &Times,
    today: Decimal,
) -> Result<Option<i32>, StoreError> {
    let mut earlier = Vec::new();
    for (from, to) in &times.weeks {
        let mut intervals = Vec::new();
        for row in rows {
            intervals.extend(reader.intervals(row.id, *from, *to)?);
        }
        if intervals.iter().any(|interval| interval.complete) {
            earlier.push(sum(intervals.iter()));
        }
    }
    if earlier.is_empty() {
        return Ok(None);
    }
    let mean = earlier.iter().sum::<Decimal>() / Decimal::from(earlier.len());
    if mean.is_zero() {
        return Ok(None);
    }
    let percent = ((today - mean) * Decimal::ONE_HUNDRED / mean).round();
    Ok(i32::try_from(percent.mantissa()).ok())
}

/// The 95th percentile of the quarter-hours' mean power over 30 days, at least 3 kW.
fn scale(reader: &Reader, rows: &[RegisterRow], now: Timestamp) -> Result<Decimal, StoreError> {
    let from = now.as_second() - 30 * 86_400;
    let mut means = Vec::new();
    for row in rows {
        let complete = reader
            .intervals(row.id, from, i64::MAX)?
            .into_iter()
            .filter(|interval| interval.complete);
        means.extend(complete.map(|interval| interval.amount() * Decimal::from(4)));
    }
    means.sort();
    let rank = (means.len() * 95).div_ceil(100).max(1);
    Ok(means
        .get(rank - 1)
        .copied()
        .unwrap_or_default()
        .max(LEAST_SCALE_W))
}
