//! Notes about what is unusual in the home, each with its evidence: water that runs all night, a base
//! load that has risen, a heat pump that starts too often.
//!
//! What is unusual `wattle-billing` says (`anomaly`); this part reads the nights out of the store and
//! the runs out of the appliances' books, once an hour, and tells the bus. A night that was not wholly
//! metered is no night: it ends a run of nights and counts in no median.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use meter_link::model::Unit;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use tokio_util::sync::CancellationToken;
use wattle_api::{ApplianceCycle, Notice, NoticeCode, Severity};
use wattle_billing::anomaly::{self, Night, Note};
use wattle_billing::time::{Span, local_date};

use crate::appliances::Board;
use crate::bus::{Bus, Event};
use crate::clock::SharedClock;
use crate::store::{QUARTER_S, Reader, Readers, RegisterRow, StoreError};
use crate::supervisor::Pulse;
use crate::view::figures::energy_registers;

/// How long after the start it is looked first: a meter's first telegrams have come by then.
const FIRST: Duration = Duration::from_secs(60);
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(3600);
/// Nights that are looked at.
const NIGHTS: i64 = 28;
/// The part of the night in which a home is asleep: from 02:00 to 05:00 on the wall.
const ASLEEP: (Time, i64) = (Time::constant(2, 0, 0, 0), 3);
/// Quarter-hours of an hour.
const QUARTERS: usize = 4;
/// Litres of a cubic metre.
const LITRES: Decimal = Decimal::ONE_THOUSAND;
/// What the appliances' books call a heat pump.
const HEAT_PUMP: &str = "heat_pump";

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// Configured name of the electricity meter at the grid.
    pub grid: Option<String>,
    /// Configured names of the water meters.
    pub water: Vec<String>,
    /// Into the store.
    pub readers: Readers,
    /// The appliances' books.
    pub appliances: Board,
    /// Says what happens.
    pub bus: Bus,
    /// The wall clock.
    pub clock: SharedClock,
    /// The home's time zone.
    pub zone: TimeZone,
}

/// Looks once an hour until told to stop.
///
/// # Errors
/// The store cannot be read.
pub async fn run(settings: Settings, pulse: Pulse, stop: CancellationToken) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let mut told = Vec::new();
    let mut next = tokio::time::Instant::now() + FIRST;
    while pulse.rest(next, &stop).await {
        next = tokio::time::Instant::now() + EVERY;
        let looking = Arc::clone(&settings);
        let notices = tokio::task::spawn_blocking(move || look(&looking)).await??;
        if notices != told {
            told.clone_from(&notices);
            let source = "anomalies".to_owned();
            settings.bus.send(Event::Notices { source, notices });
        }
    }
    Ok(())
}

/// All that is unusual now.
///
/// # Errors
/// The store cannot be read.
pub fn look(settings: &Settings) -> Result<Vec<Notice>, StoreError> {
    let reader = settings.readers.open()?;
    let now = settings.clock.now();
    let today = local_date(now, &settings.zone);
    let rows = reader.registers()?;
    let mut notices = Vec::new();
    if let Some(name) = &settings.grid {
        let registers = import_of(&rows, name);
        let nights = nights(&reader, &registers, Decimal::ONE, now, &settings.zone)?;
        let whole: Vec<Night> = nights.into_iter().flatten().collect();
        notices.extend(anomaly::base_load(&whole).map(|note| notice(name, &note)));
    }
    for name in &settings.water {
        let registers = volume_of(&rows, name);
        let nights = nights(&reader, &registers, LITRES, now, &settings.zone)?;
        let since = nights
            .iter()
            .rposition(Option::is_none)
            .map_or(0, |gap| gap + 1);
        let run: Vec<Night> = nights.into_iter().skip(since).flatten().collect();
        notices.extend(anomaly::night_flow(&run).map(|note| notice(name, &note)));
    }
    let day_before = today.yesterday().unwrap_or(today);
    let runs = heat_pump_runs(&settings.appliances.cycles(day_before, today), now);
    notices.extend(anomaly::short_cycling(&runs).map(|note| notice("heat pump", &note)));
    Ok(notices)
}

/// The import registers of the meter that now has a name.
fn import_of(rows: &[RegisterRow], name: &str) -> Vec<RegisterRow> {
    let meter = rows.iter().find(|row| row.name.as_deref() == Some(name));
    energy_registers(rows, meter.map(|row| row.key.serial.as_str()), 1)
}

/// The volume register of a water meter.
fn volume_of(rows: &[RegisterRow], name: &str) -> Vec<RegisterRow> {
    let is_volume =
        |row: &&RegisterRow| row.name.as_deref() == Some(name) && row.key.unit == Unit::CubicMetre;
    rows.iter().find(is_volume).cloned().into_iter().collect()
}

/// The last nights that are over, oldest first; `None` for one of which no hour, or not every hour, was metered.
/// An amount in the register's unit within an hour, times `factor`, is litres or mean watts.
fn nights(
    reader: &Reader,
    registers: &[RegisterRow],
    factor: Decimal,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Vec<Option<Night>>, StoreError> {
    let today = local_date(now, zone);
    let over = asleep(today, zone).is_some_and(|night| night.end <= now);
    let newest = i64::from(!over);
    let mut found = Vec::new();
    for back in (newest..newest + NIGHTS).rev() {
        let span = today
            .checked_sub(back.days())
            .ok()
            .and_then(|date| asleep(date, zone));
        let least = match &span {
            Some(span) => least_hour(reader, registers, span)?,
            None => None,
        };
        let least = least
            .and_then(|least| least.checked_mul(factor))
            .and_then(|least| least.floor().to_i64());
        found.push(span.zip(least).map(|(span, least)| Night { span, least }));
    }
    Ok(found)
}

/// The hours of a date in which a home is asleep. On a day on which the clock is put forward at two
/// they begin an hour later; there are three of them all the same.
fn asleep(date: Date, zone: &TimeZone) -> Option<Span> {
    let start = date.to_datetime(ASLEEP.0).to_zoned(zone.clone()).ok()?;
    let start = start.timestamp();
    Span::new(
        start,
        start
            .checked_add(SignedDuration::from_hours(ASLEEP.1))
            .ok()?,
    )
}

/// The least amount of an hour; `None` unless every quarter-hour of every register was metered.
fn least_hour(
    reader: &Reader,
    registers: &[RegisterRow],
    span: &Span,
) -> Result<Option<Decimal>, StoreError> {
    let (from, to) = (span.start.as_second(), span.end.as_second());
    let count = usize::try_from((to - from) / QUARTER_S).unwrap_or(0);
    let mut quarters = vec![Decimal::ZERO; count];
    for register in registers {
        let rows = reader.intervals(register.id, from, to)?;
        if rows.len() != count || rows.iter().any(|row| !row.complete) {
            return Ok(None);
        }
        for (sum, row) in quarters.iter_mut().zip(&rows) {
            *sum = sum.saturating_add(row.amount());
        }
    }
    if registers.is_empty() {
        return Ok(None);
    }
    let hours = quarters.chunks(QUARTERS).map(|hour| hour.iter().sum());
    Ok(hours.min())
}

/// Runs of the heat pump that have ended, oldest first.
fn heat_pump_runs(cycles: &[ApplianceCycle], now: Timestamp) -> Vec<Span> {
    let mut runs: Vec<Span> = cycles
        .iter()
        .filter(|cycle| cycle.appliance == HEAT_PUMP && cycle.end <= now)
        .filter_map(|cycle| Span::new(cycle.start, cycle.end))
        .collect();
    runs.sort_by_key(|run| run.start);
    runs
}

/// A note in words.
fn notice(name: &str, note: &Note) -> Notice {
    let (severity, code, since, text) = match note {
        Note::NightFlow {
            nights,
            litres_per_hour,
            span,
        } => (
            Severity::Warning,
            NoticeCode::NightFlow,
            span.start,
            format!(
                "{name}: in each of the last {nights} nights at least {litres_per_hour} litres ran in every \
                 hour from 02:00 to 05:00; does a tap drip or a cistern run?"
            ),
        ),
        Note::BaseLoadRisen {
            before_w,
            now_w,
            span,
        } => (
            Severity::Info,
            NoticeCode::BaseLoadRisen,
            span.start,
            format!(
                "{name}: what is drawn all night rose from {before_w} W to {now_w} W in the last week; \
                 is something left on?"
            ),
        ),
        Note::ShortCycling {
            starts,
            mean_run_s,
            span,
        } => (
            Severity::Info,
            NoticeCode::ShortCycling,
            span.start,
            format!(
                "{name}: {starts} starts within six hours, of {} minutes each; such short runs wear it out, \
                 ask who services it",
                mean_run_s / 60
            ),
        ),
        Note::MeterSilent { since, usual_s } => (
            Severity::Warning,
            NoticeCode::MeterSilent,
            *since,
            format!("{name}: silent since {since}, usually it is heard every {usual_s} seconds"),
        ),
    };
    Notice {
        severity,
        code,
        meter: Some(name.to_owned()),
        text,
        since,
    }
}
