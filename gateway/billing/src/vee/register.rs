//! Counter readings: beside intervals, and by themselves.

use super::grid::{Grid, single};
use super::{Config, Finding, Rule, Severity};
use crate::exact::shift;
use crate::readings::{Reading, SeriesKind, SeriesReadings};

/// Counter readings of the same meter, unit and direction, in order of time, in the raw unit of
/// the intervals.
pub(super) struct Counter {
    readings: Vec<(jiff::Timestamp, i128, crate::readings::SourceTime)>,
}

impl Counter {
    /// Two neighbouring readings: first and last cell in between, and what the counter gained.
    pub(super) fn pairs<'a>(&'a self, grid: &'a Grid<'_>) -> impl Iterator<Item = Pair> + 'a {
        self.readings.windows(2).filter_map(|pair| {
            let [(from, before, from_time), (to, after, to_time)] = pair else {
                return None;
            };
            let (first, last) = (grid.cell_at(*from)?, grid.cell_at(*to)?);
            (first < last).then_some(Pair {
                first,
                last,
                gained: after - before,
                from: *from_time,
                to: *to_time,
            })
        })
    }
}

/// A stretch of the grid between two counter readings.
pub(super) struct Pair {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) gained: i128,
    from: crate::readings::SourceTime,
    to: crate::readings::SourceTime,
}

pub(super) fn matching(one: &SeriesReadings, all: &[SeriesReadings]) -> Vec<Counter> {
    let own = &one.series;
    let fits = |other: &&SeriesReadings| {
        let series = &other.series;
        series.kind == SeriesKind::Register
            && series.meter == own.meter
            && series.unit == own.unit
            && series.flow == own.flow
    };
    let in_raw = |other: &SeriesReadings, reading: &Reading| -> Option<i128> {
        let places = other.series.scaler.checked_sub(own.scaler)?;
        let value = shift(rust_decimal::Decimal::from(reading.raw), places)?;
        // A finer counter than the intervals has no whole number in their unit.
        let whole = value.fract().is_zero().then(|| value.normalize())?;
        (whole.scale() == 0).then(|| whole.mantissa())
    };
    let counter = |other: &SeriesReadings| {
        let reading =
            |reading: &Reading| Some((reading.time.at, in_raw(other, reading)?, reading.time));
        let mut readings: Vec<_> = other.readings.iter().filter_map(reading).collect();
        readings.sort_by_key(|(at, ..)| *at);
        readings.dedup_by_key(|(at, ..)| *at);
        Counter { readings }
    };
    // A meter with tariff registers has several counters of one direction: the one of the same code counts.
    let same = |other: &&SeriesReadings| own.obis.is_some() && other.series.obis == own.obis;
    match all.iter().filter(fits).find(same) {
        Some(own) => vec![counter(own)],
        None => all.iter().filter(fits).map(counter).collect(),
    }
}

/// |intervals - counter| against the tolerance, wherever metered values cover the time.
pub(super) fn sum_check(grid: &Grid<'_>, counters: &[Counter], config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for pair in counters.iter().flat_map(|counter| counter.pairs(grid)) {
        let cells = grid.cells.get(pair.first..pair.last).unwrap_or_default();
        let Some(sum) = cells
            .iter()
            .map(|cell| cell.map(|reading| i128::from(reading.raw)))
            .sum::<Option<i128>>()
        else {
            continue;
        };
        let share = pair.gained * i128::from(config.sum_tolerance_per_mille) / 1000;
        let tolerance = share.max(i128::from(config.sum_tolerance_raw));
        if (sum - pair.gained).abs() > tolerance {
            let detail = format!(
                "the intervals add up to {sum}, the register gained {}; {tolerance} are tolerated",
                pair.gained
            );
            found.push(Finding {
                series: grid.series,
                rule: Rule::SumCheck,
                severity: Severity::Fail,
                from: pair.from,
                to: pair.to,
                count: cells.len(),
                detail,
            });
        }
    }
    found
}

/// Unit or scaler of the same register of the same meter in another series.
pub(super) fn unit_change(
    one: &SeriesReadings,
    all: &[SeriesReadings],
    config: &Config,
) -> Vec<Finding> {
    let own = &one.series;
    let other = |other: &&SeriesReadings| {
        let series = &other.series;
        config.unit_change
            && series.series < own.series
            && (&series.meter, &series.register) == (&own.meter, &own.register)
            && (&series.unit, series.scaler) != (&own.unit, own.scaler)
    };
    let (Some(before), Some(first)) = (all.iter().rfind(other), one.readings.first()) else {
        return Vec::new();
    };
    let detail = format!(
        "from here on {} × 10^{}, before it was {} × 10^{}",
        own.unit, own.scaler, before.series.unit, before.series.scaler
    );
    vec![single(
        own.series,
        Rule::UnitChange,
        Severity::Warning,
        first.time,
        detail,
    )]
}

/// Rules about a series of counter readings alone; off unless configured.
pub(super) fn findings(
    one: &SeriesReadings,
    all: &[SeriesReadings],
    config: &Config,
) -> Vec<Finding> {
    let id = one.series.series;
    let mut found = unit_change(one, all, config);
    let mut ordered: Vec<&Reading> = one.readings.iter().collect();
    ordered.sort_by_key(|reading| reading.time.at);
    let limit = config
        .rollover
        .and_then(|dials| 10_i64.checked_pow(dials.digits));
    for pair in ordered.windows(2) {
        let [before, after] = pair else { continue };
        if after.raw >= before.raw {
            continue;
        }
        // Past its highest value when it stood in its last tenth and now stands in its first.
        let rolled =
            limit.filter(|limit| before.raw >= limit - limit / 10 && after.raw < limit / 10);
        if let Some(limit) = rolled {
            let gained = i128::from(limit) - i128::from(before.raw) + i128::from(after.raw);
            let detail = format!("the counter passed {}: it gained {gained}", limit - 1);
            found.push(single(
                id,
                Rule::Rollover,
                Severity::Info,
                after.time,
                detail,
            ));
        } else if config.registers {
            let detail = format!("the counter fell from {} to {}", before.raw, after.raw);
            found.push(single(
                id,
                Rule::Decreasing,
                Severity::Fail,
                after.time,
                detail,
            ));
        }
    }
    if config.registers {
        found.extend(exchange(one, all));
    }
    found
}

/// Another meter's series of the same register that begins after the last of this one's
/// predecessors ended.
fn exchange(one: &SeriesReadings, all: &[SeriesReadings]) -> Option<Finding> {
    let own = &one.series;
    let first = one.readings.iter().min_by_key(|reading| reading.time.at)?;
    let before = all.iter().find(|other| {
        let series = &other.series;
        let ended = other.readings.iter().map(|reading| reading.time.at).max();
        series.meter != own.meter
            && series.meter.is_some()
            && series.obis.is_some()
            && series.obis == own.obis
            && ended.is_some_and(|ended| ended <= first.time.at)
    })?;
    let name = |meter: &Option<String>| meter.clone().unwrap_or_else(|| "unknown".to_owned());
    let detail = format!(
        "meter {} follows meter {}; their counters are not subtracted",
        name(&own.meter),
        name(&before.series.meter)
    );
    Some(single(
        own.series,
        Rule::MeterExchange,
        Severity::Info,
        first.time,
        detail,
    ))
}
