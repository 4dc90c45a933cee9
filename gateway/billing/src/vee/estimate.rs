//! Estimates for what is missing, and their closure with the counter.

use std::collections::HashMap;

use jiff::ToSpan;
use jiff::civil::DateTime;
use serde::Serialize;

use super::Config;
use super::grid::Grid;
use super::register::Counter;
use crate::readings::{ReadingQuality, SourceTime};

/// An estimated interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The series.
    pub series: u64,
    /// Start of the interval.
    pub time: SourceTime,
    /// Raw units.
    pub raw: i64,
    /// The exact value, filled in where it is printed.
    pub value: Option<String>,
    /// Always estimated.
    pub quality: ReadingQuality,
    /// `linear` or `like_day`; `…_closed` when scaled to the counter.
    pub method: &'static str,
    /// Place on the grid.
    #[serde(skip)]
    pub(super) cell: usize,
}

pub(super) fn estimates(grid: &Grid<'_>, config: &Config) -> Vec<Estimate> {
    let mut found = Vec::new();
    let mut like = None;
    for (first, count) in grid.gaps() {
        if let Some(line) = straight(grid, first, count, config) {
            found.extend(line);
            continue;
        }
        let values: &HashMap<DateTime, i64> = like.get_or_insert_with(|| by_clock(grid));
        found
            .extend((first..first + count).filter_map(|cell| like_day(grid, cell, values, config)));
    }
    found
}

/// California VEE Rev 2.0: up to two hours a straight line between the neighbours, none of which
/// may have an outage. raw_k = round(a + (b - a) k / (n + 1)).
fn straight(grid: &Grid<'_>, first: usize, count: usize, config: &Config) -> Option<Vec<Estimate>> {
    if grid.seconds(count) > config.linear_gap_s {
        return None;
    }
    let before = (*grid.cells.get(first.checked_sub(1)?)?)?;
    let after = (*grid.cells.get(first + count)?)?;
    if before.outage || after.outage {
        return None;
    }
    let (a, b, n) = (
        i128::from(before.raw),
        i128::from(after.raw),
        i128::try_from(count).ok()?,
    );
    let estimate = |k: usize| {
        let raw = rounded(a * (n + 1) + (b - a) * i128::try_from(k).ok()?, n + 1)?;
        made(grid, first + k - 1, raw, "linear")
    };
    (1..=count).map(estimate).collect()
}

/// Actual values by what the household's clock showed; of an hour that occurs twice the first.
fn by_clock(grid: &Grid<'_>) -> HashMap<DateTime, i64> {
    let mut values = HashMap::new();
    for (place, cell) in grid.cells.iter().enumerate() {
        if let (Some(reading), Some(local)) = (cell, grid.local(place)) {
            values.entry(local).or_insert(reading.raw);
        }
    }
    values
}

/// Mean of the actual values at the same time of the same weekday in the weeks before.
fn like_day(
    grid: &Grid<'_>,
    cell: usize,
    values: &HashMap<DateTime, i64>,
    config: &Config,
) -> Option<Estimate> {
    let local = grid.local(cell)?;
    let weeks = (1..=i64::from(config.like_days))
        .filter_map(|week| local.checked_sub((7 * week).days()).ok());
    let found: Vec<i128> = weeks
        .filter_map(|then| values.get(&then))
        .map(|raw| i128::from(*raw))
        .collect();
    let raw = rounded(found.iter().sum(), i128::try_from(found.len()).ok()?)?;
    made(grid, cell, raw, "like_day")
}

fn made(grid: &Grid<'_>, cell: usize, raw: i64, method: &'static str) -> Option<Estimate> {
    Some(Estimate {
        series: grid.series,
        time: *grid.times.get(cell)?,
        raw,
        value: None,
        quality: ReadingQuality::Estimated,
        method,
        cell,
    })
}

/// A quotient rounded half away from zero; the divisor is positive.
fn rounded(dividend: i128, divisor: i128) -> Option<i64> {
    if divisor <= 0 {
        return None;
    }
    let twice = dividend.checked_mul(2)?;
    let away = if dividend < 0 { -divisor } else { divisor };
    i64::try_from(twice.checked_add(away)? / divisor.checked_mul(2)?).ok()
}

/// Scales the estimates between two counter readings so that, with the metered intervals, they
/// add up to exactly what the counter gained. Where the counter gained less than was metered, or
/// something stays missing, they are left as they are.
pub(super) fn close(grid: &Grid<'_>, estimates: &mut [Estimate], counters: &[Counter]) {
    let Some(counter) = counters.first() else {
        return;
    };
    for pair in counter.pairs(grid) {
        let first = estimates.partition_point(|estimate| estimate.cell < pair.first);
        let last = estimates.partition_point(|estimate| estimate.cell < pair.last);
        let within = estimates.get_mut(first..last).unwrap_or_default();
        let cells = grid.cells.get(pair.first..pair.last).unwrap_or_default();
        let missing = cells.iter().filter(|cell| cell.is_none()).count();
        if within.is_empty() || missing != within.len() {
            continue;
        }
        let metered: i128 = cells
            .iter()
            .flatten()
            .map(|reading| i128::from(reading.raw))
            .sum();
        let rest = pair.gained - metered;
        if rest >= 0 {
            share_out(within, rest);
        }
    }
}

/// Shares an amount out in proportion to the estimates, or evenly when they are all zero; what
/// rounding leaves goes to the largest remainders, the earliest first.
fn share_out(estimates: &mut [Estimate], amount: i128) {
    let mut weights: Vec<i128> = estimates
        .iter()
        .map(|estimate| i128::from(estimate.raw.max(0)))
        .collect();
    if weights.iter().all(|weight| *weight == 0) {
        weights.fill(1);
    }
    let total: i128 = weights.iter().sum();
    let shares = weights.iter().map(|weight| {
        amount
            .checked_mul(*weight)
            .map(|product| (product / total, product % total))
    });
    let Some(shares) = shares.collect::<Option<Vec<(i128, i128)>>>() else {
        return;
    };
    let given: i128 = shares.iter().map(|(share, _)| share).sum();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|place| {
        (
            std::cmp::Reverse(shares.get(*place).map(|(_, rest)| *rest)),
            *place,
        )
    });
    let extra = usize::try_from(amount - given).unwrap_or(0);
    let lucky: std::collections::HashSet<usize> = order.into_iter().take(extra).collect();
    let whole =
        |place: usize, share: i128| i64::try_from(share + i128::from(lucky.contains(&place))).ok();
    let Some(raws) = shares
        .iter()
        .enumerate()
        .map(|(place, (share, _))| whole(place, *share))
        .collect::<Option<Vec<i64>>>()
    else {
        return;
    };
    for (estimate, raw) in estimates.iter_mut().zip(raws) {
        estimate.raw = raw;
        estimate.method = if estimate.method.starts_with("linear") {
            "linear_closed"
        } else {
            "like_day_closed"
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_away_from_zero() {
        for (a, b, want) in [(5, 2, 3), (-5, 2, -3), (4, 3, 1), (-4, 3, -1), (0, 7, 0)] {
            assert_eq!(rounded(a, b), Some(want));
        }
        assert_eq!(rounded(1, 0), None);
    }
}
