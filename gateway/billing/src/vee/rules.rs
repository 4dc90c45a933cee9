//! Rules about single intervals, runs and days.

use std::collections::VecDeque;

use jiff::civil::Date;

use super::grid::{Grid, single};
use super::{Config, Finding, Rule, Severity};
use crate::readings::{SeriesReadings, SourceTime};

pub(super) fn findings(grid: &Grid<'_>, one: &SeriesReadings, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for reading in grid.cells.iter().flatten() {
        if reading.duration_s != grid.step_s {
            let detail = format!(
                "the interval is {} s long, the series has {} s",
                reading.duration_s, grid.step_s
            );
            found.push(single(
                grid.series,
                Rule::IntervalSize,
                Severity::Fail,
                reading.time,
                detail,
            ));
        }
        if reading.raw < 0 {
            let detail = format!("{} is below zero", reading.raw);
            found.push(single(
                grid.series,
                Rule::Negative,
                Severity::Fail,
                reading.time,
                detail,
            ));
        }
    }
    found.extend(zero_runs(grid, config));
    found.extend(days(grid, config));
    if let Some(limit) = config.clock_drift {
        for reading in &one.readings {
            let Some(captured) = reading.captured_at else {
                continue;
            };
            let seconds = captured.at.as_second() - reading.time.at.as_second();
            if seconds.abs() > limit.seconds {
                let detail = format!(
                    "the meter's clock differs by {seconds} s, at most {} s are allowed",
                    limit.seconds
                );
                found.push(single(
                    grid.series,
                    Rule::ClockDrift,
                    Severity::Warning,
                    reading.time,
                    detail,
                ));
            }
        }
    }
    found
}

fn zero_runs(grid: &Grid<'_>, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut start = 0;
    for place in 0..=grid.len() {
        let zero = grid
            .cells
            .get(place)
            .is_some_and(|cell| cell.is_some_and(|reading| reading.raw == 0));
        if zero {
            continue;
        }
        let count = place - start;
        if count > 0 && grid.seconds(count) >= config.zero_run_s {
            let ends = grid.times.get(start).zip(grid.times.get(place - 1));
            if let Some((from, last)) = ends {
                let detail = format!("{count} intervals without a break show nothing");
                let to = last.after_s(grid.step_s);
                found.push(Finding {
                    series: grid.series,
                    rule: Rule::ZeroRun,
                    severity: Severity::Warning,
                    from: *from,
                    to,
                    count,
                    detail,
                });
            }
        }
        start = place + 1;
    }
    found
}

/// One calendar day of the grid.
struct Day {
    date: Date,
    values: Vec<(SourceTime, i64)>,
    cells: usize,
}

fn days(grid: &Grid<'_>, config: &Config) -> Vec<Finding> {
    let mut days: Vec<Day> = Vec::new();
    for (place, cell) in grid.cells.iter().enumerate() {
        let Some(date) = grid.local(place).map(jiff::civil::DateTime::date) else {
            continue;
        };
        if days.last().is_none_or(|day| day.date != date) {
            days.push(Day {
                date,
                values: Vec::new(),
                cells: 0,
            });
        }
        if let Some(day) = days.last_mut() {
            day.cells += 1;
            day.values
                .extend(cell.map(|reading| (reading.time, reading.raw)));
        }
    }
    let mut found: Vec<Finding> = days
        .iter()
        .filter_map(|day| spike(grid, day, config))
        .collect();
    let mut before: VecDeque<i128> = VecDeque::new();
    let longest = config
        .high_usage
        .map_or(0, |limit| limit.days)
        .max(config.low_usage.map_or(0, |limit| limit.days));
    for day in &days {
        let total: i128 = day.values.iter().map(|(_, raw)| i128::from(*raw)).sum();
        found.extend(usage(grid, day, total, &before, config));
        // Only whole days say what is usual.
        if day.values.len() == day.cells {
            before.push_front(total);
            before.truncate(usize::from(longest));
        }
    }
    found
}

/// California VEE Rev 2.0, spike check: the highest against the third highest of a day.
fn spike(grid: &Grid<'_>, day: &Day, config: &Config) -> Option<Finding> {
    let mut sorted: Vec<i64> = day.values.iter().map(|(_, raw)| *raw).collect();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let (highest, third) = (i128::from(*sorted.first()?), i128::from(*sorted.get(2)?));
    if third <= 0 || (highest - third) * 100 <= i128::from(config.spike_percent) * third {
        return None;
    }
    let (time, _) = day
        .values
        .iter()
        .find(|(_, raw)| i128::from(*raw) == highest)?;
    let detail = format!(
        "{highest} is more than {} % above {third}, the third highest of {}",
        config.spike_percent, day.date
    );
    Some(single(
        grid.series,
        Rule::Spike,
        Severity::Fail,
        *time,
        detail,
    ))
}

fn usage(
    grid: &Grid<'_>,
    day: &Day,
    total: i128,
    before: &VecDeque<i128>,
    config: &Config,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some((time, _)) = day.values.first() else {
        return found;
    };
    let mut tell = |rule, severity, detail| {
        let (from, count) = (*time, day.values.len());
        let to = from.after_s(grid.seconds(day.cells));
        found.push(Finding {
            series: grid.series,
            rule,
            severity,
            from,
            to,
            count,
            detail,
        });
    };
    // `total` of n days against their sum: no division, nothing lost.
    let compared = |days: u16| -> Option<(i128, i128)> {
        let counted: Vec<i128> = before.iter().take(usize::from(days)).copied().collect();
        let n = i128::try_from(counted.len()).ok().filter(|n| *n > 0)?;
        Some((counted.iter().sum(), n))
    };
    if let Some(limit) = config.high_usage
        && let Some((sum, n)) = compared(limit.days)
        && total * n * 100 > sum * i128::from(100 + limit.percent)
    {
        let detail = format!(
            "{total} on {} is more than {} % above the mean of the {n} days before",
            day.date, limit.percent
        );
        tell(Rule::HighUsage, Severity::Warning, detail);
    }
    if let Some(limit) = config.low_usage
        && day.values.len() == day.cells
        && let Some((sum, n)) = compared(limit.days)
        && total * n * 100 < sum * i128::from(100_u32.saturating_sub(limit.percent))
    {
        let detail = format!(
            "{total} on {} is more than {} % below the mean of the {n} days before",
            day.date, limit.percent
        );
        tell(Rule::LowUsage, Severity::Warning, detail);
    }
    if let Some(limit) = config.inactive
        && total > i128::from(limit.raw_per_day)
    {
        let detail = format!("a meter without a customer shows {total} on {}", day.date);
        tell(Rule::Inactive, Severity::Warning, detail);
    }
    found
}
