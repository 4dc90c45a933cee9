//! Validation and estimation of what the store holds, and the days by tariff bands made of it.
//!
//! The rules are `wattle_billing::vee`; this part runs them over the quarter-hours of every register
//! once an hour and at the start. What was metered stays as it is: findings and estimates stand beside
//! it ([`crate::store::Supplies`]). A gap is estimated only when the counter says what passed in it,
//! so that estimates add up to the register exactly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;
use tokio_util::sync::CancellationToken;
use wattle_billing::tariff::Tariff;
use wattle_billing::time::{day_start, local_date};
use wattle_billing::vee::{Config, Estimate, Finding, HighUsage, LowUsage, Severity, check};

use crate::clock::SharedClock;
use crate::prices::Current;
use crate::reading_lines::examined;
use crate::store::{
    BandDay, EXAMINED, Estimated, FindingRow, IntervalRow, QUARTER_S, Reader, Readers, RegisterRow,
    Rollups, StoreError, Supplies,
};
use crate::supervisor::Pulse;
use crate::view::figures::energy_registers;

/// How long after the start it is looked first.
const FIRST: Duration = Duration::from_secs(30);
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(3600);
/// Days whose findings and estimates are made anew each time.
const WINDOW_DAYS: i64 = 35;
/// Days before them that the rules look at: four weeks of like days and thirty of usual use.
const BEFORE_DAYS: i64 = 35;

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// Configured name of the electricity meter at the grid, whose days are told by bands.
    pub grid: Option<String>,
    /// Limits of the rules.
    pub limits: Config,
    /// Days for which quarter-hours are kept; `None` for ever.
    pub quarter_hours_days: Option<u16>,
    /// Into the store.
    pub readers: Readers,
    /// Where estimates go.
    pub supplies: Supplies,
    /// Where days by bands go.
    pub rollups: Rollups,
    /// The wall clock.
    pub clock: SharedClock,
    /// The home's time zone.
    pub zone: TimeZone,
    /// The tariff of the moment.
    pub tariff: Current,
}

/// Limits for a home: high and low use are told, and estimates close with the register.
#[must_use]
pub fn limits(configured: Option<&Config>, zone: &TimeZone) -> Config {
    let household = || Config {
        high_usage: Some(HighUsage::default()),
        low_usage: Some(LowUsage::default()),
        ..Config::default()
    };
    Config {
        zone: zone.iana_name().map(str::to_owned),
        close_with_register: true,
        ..configured.cloned().unwrap_or_else(household)
    }
}

/// Looks once an hour until told to stop.
///
/// # Errors
/// The store cannot be read or written.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let mut next = tokio::time::Instant::now() + FIRST;
    while pulse.rest(next, &stop).await {
        let looking = Arc::clone(&settings);
        // One window at a time: years of history take a while, and the part has to give signs of life.
        if !tokio::task::spawn_blocking(move || step(&looking)).await?? {
            next = tokio::time::Instant::now() + EVERY;
        }
    }
    Ok(())
}

/// Examines one window and makes days of it; true while there is more to do.
///
/// # Errors
/// The store cannot be read or written.
pub fn step(settings: &Settings) -> Result<bool, StoreError> {
    let reader = settings.readers.open()?;
    let today = local_date(settings.clock.now(), &settings.zone);
    let Some(oldest_s) = reader.oldest_interval()? else {
        return Ok(false);
    };
    let oldest = Timestamp::from_second(oldest_s).unwrap_or(Timestamp::UNIX_EPOCH);
    let done = reader
        .gateway_value(EXAMINED)?
        .and_then(|date| date.parse::<Date>().ok())
        .unwrap_or_else(|| local_date(oldest, &settings.zone));
    let last = today.checked_sub(WINDOW_DAYS.days()).unwrap_or(today);
    let first = done.min(last);
    let end = first
        .checked_add(WINDOW_DAYS.days())
        .map_or(today, |end| end.min(today));
    examine(settings, &reader, first, end)?;
    days(settings, &reader, first, end, today)?;
    let reached = if end < today { end } else { last };
    if reached != done {
        settings.rollups.remember(EXAMINED, &reached.to_string())?;
    }
    if end < today {
        return Ok(true);
    }
    let kept = settings.quarter_hours_days.map(i64::from);
    match kept.and_then(|days| today.checked_sub(days.days()).ok()) {
        Some(before) => settings.rollups.thin(second(before, &settings.zone)),
        None => Ok(false),
    }
}

/// Findings and estimates that begin on the dates from `first` to `last`.
fn examine(
    settings: &Settings,
    reader: &Reader,
    first: Date,
    last: Date,
) -> Result<(), StoreError> {
    let zone = &settings.zone;
    let history = first.checked_sub(BEFORE_DAYS.days()).unwrap_or(first);
    let span = (
        second(first, zone),
        second(last.tomorrow().unwrap_or(last), zone),
    );
    for register in reader.registers()? {
        let rows = reader.metered(register.id, second(history, zone), span.1)?;
        let (estimates, findings) = of_register(&register, &rows, &settings.limits)?;
        let within = |at: i64| span.0 <= at && at < span.1;
        let estimates: Vec<Estimated> = estimates
            .into_iter()
            .filter(|one| within(one.start_s))
            .collect();
        let findings: Vec<FindingRow> = findings
            .into_iter()
            .filter(|one| within(one.from_s))
            .collect();
        settings
            .supplies
            .replace(register.id, span, &estimates, &findings)?;
    }
    Ok(())
}

/// What the rules say of one register's metered quarter-hours. A register that is read less often than
/// every quarter-hour has another rhythm, and nothing of it is missing.
///
/// # Errors
/// A value is too large.
pub fn of_register(
    register: &RegisterRow,
    rows: &[IntervalRow],
    limits: &Config,
) -> Result<(Vec<Estimated>, Vec<FindingRow>), StoreError> {
    let whole: Vec<IntervalRow> = rows.iter().filter(|row| row.complete).cloned().collect();
    let (Some(first), Some(last)) = (whole.first(), whole.last()) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let length = (last.start_s - first.start_s) / QUARTER_S + 1;
    if i64::try_from(whole.len()).unwrap_or(i64::MAX) * 2 < length {
        return Ok((Vec::new(), Vec::new()));
    }
    let (series, scale) = examined(register, &whole)?;
    let mut estimates = Vec::new();
    let mut findings = Vec::new();
    for report in check(&series, limits) {
        findings.extend(report.findings.iter().map(finding));
        estimates.extend(report.estimates);
    }
    findings.sort_by(|a, b| (a.from_s, &a.rule).cmp(&(b.from_s, &b.rule)));
    findings.dedup_by(|a, b| (a.from_s, &a.rule) == (b.from_s, &b.rule));
    Ok((chained(&estimates, &whole, scale), findings))
}

fn finding(one: &Finding) -> FindingRow {
    let severity = match one.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Fail => "fail",
    };
    FindingRow {
        from_s: one.from.at.as_second(),
        to_s: one.to.at.as_second(),
        rule: one.rule.name().to_owned(),
        severity: severity.to_owned(),
        count: i64::try_from(one.count).unwrap_or(i64::MAX),
        detail: one.detail.clone(),
    }
}

/// Estimates as counter values from the metered quarter-hour before a gap to the one after it. A gap
/// whose estimates do not meet the counter behind it is left as it was metered.
fn chained(estimates: &[Estimate], whole: &[IntervalRow], scale: u32) -> Vec<Estimated> {
    let closings: BTreeMap<i64, Decimal> = whole
        .iter()
        .map(|row| (row.start_s + QUARTER_S, row.closing))
        .collect();
    let openings: BTreeMap<i64, Decimal> =
        whole.iter().map(|row| (row.start_s, row.opening)).collect();
    let mut found = Vec::new();
    let mut gap: Vec<Estimated> = Vec::new();
    for estimate in estimates {
        let start_s = estimate.time.at.as_second();
        let opening = match gap.last() {
            Some(before) if before.start_s + QUARTER_S == start_s => Some(before.closing),
            _ => {
                gap.clear();
                closings.get(&start_s).copied()
            }
        };
        let Some(opening) = opening else { continue };
        let closing = opening.saturating_add(Decimal::new(estimate.raw, scale));
        gap.push(Estimated {
            start_s,
            opening,
            closing,
            method: estimate.method.to_owned(),
        });
        if openings.get(&(start_s + QUARTER_S)) == Some(&closing) {
            found.append(&mut gap);
        }
    }
    found
}

/// Days by bands, from `first` to the day before `today`, of the grid meter's energy registers.
fn days(
    settings: &Settings,
    reader: &Reader,
    first: Date,
    last: Date,
    today: Date,
) -> Result<(), StoreError> {
    let Some(grid) = &settings.grid else {
        return Ok(());
    };
    let tariff = settings.tariff.borrow().clone();
    let rows = reader.registers()?;
    for serial in reader.serials(grid)? {
        for (direction, is_export) in [(1, false), (2, true)] {
            for register in energy_registers(&rows, Some(&serial), direction) {
                let mut date = first;
                while date <= last && date < today {
                    let bands = day(
                        reader,
                        &register,
                        date,
                        tariff.as_deref(),
                        is_export,
                        &settings.zone,
                    )?;
                    // Nothing is left of quarter-hours that are no longer kept: what was made of them stays.
                    if !bands.is_empty() && !stays(reader, register.id, date, &bands, today)? {
                        settings.rollups.put(register.id, date, &bands)?;
                    }
                    let Ok(next) = date.tomorrow() else { break };
                    date = next;
                }
            }
        }
    }
    Ok(())
}

/// What an earlier month cost was told by the tariff of that month: a newer tariff changes nothing of
/// it as long as the energy is the same.
fn stays(
    reader: &Reader,
    register_id: i64,
    date: Date,
    bands: &[BandDay],
    today: Date,
) -> Result<bool, StoreError> {
    let known = reader.band_days(register_id, date, date)?;
    let sum = |of: &[BandDay]| of.iter().map(|band| band.amount).sum::<Decimal>();
    Ok(date < today.first_of_month()
        && !known.is_empty()
        && known.iter().all(|band| band.cost.is_some())
        && sum(&known) == sum(bands))
}

/// One local day by bands.
fn day(
    reader: &Reader,
    register: &RegisterRow,
    date: Date,
    tariff: Option<&Tariff>,
    is_export: bool,
    zone: &TimeZone,
) -> Result<Vec<BandDay>, StoreError> {
    let end = second(date.tomorrow().unwrap_or(date), zone);
    let mut bands: BTreeMap<String, BandDay> = BTreeMap::new();
    for row in reader.intervals(register.id, second(date, zone), end)? {
        let at = Timestamp::from_second(row.start_s).unwrap_or(Timestamp::UNIX_EPOCH);
        let slot = tariff.and_then(|tariff| tariff.slot_at(at));
        let name = tariff
            .zip(slot)
            .and_then(|(tariff, slot)| tariff.bands.get(slot.band?))
            .map_or_else(String::new, |band| band.name.clone());
        let price = tariff.and_then(|tariff| {
            if is_export {
                return tariff.export_price(slot.as_ref()).ok().flatten();
            }
            tariff.all_in(slot?.base, at).ok()
        });
        let kwh = row.amount() / Decimal::ONE_THOUSAND;
        let band = bands.entry(name.clone()).or_insert_with(|| BandDay {
            date,
            band: name,
            amount: Decimal::ZERO,
            cost: Some(Decimal::ZERO),
            currency: tariff.and_then(|tariff| tariff.currency.clone()),
            quarters: 0,
            measured: 0,
        });
        band.amount = band.amount.saturating_add(row.amount());
        band.cost = band
            .cost
            .zip(price.and_then(|price| price.checked_mul(kwh)))
            .and_then(|(sum, more)| sum.checked_add(more));
        band.quarters = band.quarters.saturating_add(1);
        band.measured = band.measured.saturating_add(u16::from(row.complete));
    }
    Ok(bands.into_values().collect())
}

/// Midnight, seconds since 1970.
fn second(date: Date, zone: &TimeZone) -> i64 {
    day_start(date, zone).map_or(0, Timestamp::as_second)
}
