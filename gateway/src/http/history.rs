//! History: readings, quarter-hours, hours, days and months of one register, what validation found of it,
//! and exchanged meters.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::civil::Date;
use meter_link::model::ObisCode;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wattle_api::{BandTotal, BandsPer, Day, Finding, Hour, Interval, MeterExchange, MonthTotal};

use super::{Api, Problem, blocking};
use crate::store::{BandDay, FindingRow, IntervalRow, QUARTER_S, Reader, RegisterRow};

pub(super) const READINGS: &str = "/api/v1/meters/{meter}/registers/{obis}/readings";
pub(super) const INTERVALS: &str = "/api/v1/meters/{meter}/registers/{obis}/intervals";
pub(super) const DAYS: &str = "/api/v1/meters/{meter}/registers/{obis}/days";
pub(super) const MONTHS: &str = "/api/v1/meters/{meter}/registers/{obis}/months";
pub(super) const HOURS: &str = "/api/v1/meters/{meter}/registers/{obis}/hours";
pub(super) const BANDS: &str = "/api/v1/meters/{meter}/registers/{obis}/bands";
pub(super) const FINDINGS: &str = "/api/v1/meters/{meter}/registers/{obis}/findings";
pub(super) const EXCHANGES: &str = "/api/v1/meter-exchanges";
/// How many readings one answer holds at most.
const PAGE: u32 = 1000;
/// How many quarter-hours one answer spans at most: a year and a day.
const SPAN_S: i64 = 367 * 86_400;
/// How long before a span a finding may begin that reaches into it: 40 days.
const LONG_S: i64 = 40 * 86_400;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(READINGS, get(readings))
        .route(INTERVALS, get(intervals))
        .route(DAYS, get(days))
        .route(MONTHS, get(months))
        .route(HOURS, get(hours))
        .route(BANDS, get(bands))
        .route(FINDINGS, get(findings))
        .route(EXCHANGES, get(exchanges))
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct After {
    /// Cursor of the page before.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64))]
    after: Option<i64>,
    /// How many readings, at most 1000, which is also what is taken when it is left out.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Readings {
    /// Readings, the oldest first.
    readings: Vec<OneReading>,
    /// Cursor for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
struct OneReading {
    received_at: Timestamp,
    value: Decimal,
    quality: String,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Span {
    /// First instant.
    from: Timestamp,
    /// First instant after it, at most 367 days later.
    to: Timestamp,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Dates {
    /// First local date.
    from: Date,
    /// Last local date.
    to: Date,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct BandDates {
    /// First local date.
    from: Date,
    /// Last local date.
    to: Date,
    /// How long the stretches are; days when left out.
    #[serde(default)]
    per: BandsPer,
}

async fn readings(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(After { after, limit }): Query<After>,
) -> Result<Json<Readings>, Problem> {
    let limit = limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::rule("limit is 1 to 1000"));
    }
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.readings(register.id, after.unwrap_or(0), limit)?)
    })
    .await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows.last().map(|(at_us, ..)| *at_us).filter(|_| full);
    let reading = |(at_us, value, quality)| {
        let received_at = Timestamp::from_microsecond(at_us).unwrap_or_default();
        OneReading {
            received_at,
            value,
            quality,
        }
    };
    Ok(Json(Readings {
        readings: rows.into_iter().map(reading).collect(),
        next,
    }))
}

async fn intervals(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Span { from, to }): Query<Span>,
) -> Result<Json<Vec<Interval>>, Problem> {
    let (from_s, to_s) = seconds(from, to)?;
    let (rows, found) = query(&api, meter, obis, move |reader, register| {
        let found = reader.findings(register.id, from_s - LONG_S, to_s)?;
        Ok((reader.intervals(register.id, from_s, to_s)?, found))
    })
    .await?;
    let interval = |row: &IntervalRow| {
        Some(Interval {
            start: Timestamp::from_second(row.start_s).ok()?,
            end: Timestamp::from_second(row.start_s + QUARTER_S).ok()?,
            amount: row.amount(),
            complete: row.complete,
            quality: row.quality.name().to_owned(),
            method: row.method.clone(),
            rules: rules_of(row.start_s, &found),
        })
    };
    Ok(Json(rows.iter().filter_map(interval).collect()))
}

/// The rules that a quarter-hour met.
fn rules_of(start_s: i64, found: &[FindingRow]) -> Vec<String> {
    let meets = |finding: &&FindingRow| {
        finding.from_s < start_s + QUARTER_S && start_s < finding.to_s.max(finding.from_s + 1)
    };
    let mut rules: Vec<String> = found
        .iter()
        .filter(meets)
        .map(|of| of.rule.clone())
        .collect();
    rules.sort();
    rules.dedup();
    rules
}

/// A span in seconds since 1970.
fn seconds(from: Timestamp, to: Timestamp) -> Result<(i64, i64), Problem> {
    let (from_s, to_s) = (from.as_second(), to.as_second());
    if to_s < from_s || to_s - from_s > SPAN_S {
        return Err(Problem::rule("to must be after from, by at most 367 days"));
    }
    Ok((from_s, to_s))
}

async fn hours(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Span { from, to }): Query<Span>,
) -> Result<Json<Vec<Hour>>, Problem> {
    let (from_s, to_s) = seconds(from, to)?;
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.hours(register.id, from_s, to_s)?)
    })
    .await?;
    let hour = |row: &crate::store::HourRow| {
        Some(Hour {
            start: Timestamp::from_second(row.start_s).ok()?,
            amount: row.amount,
            quarter_hours: row.quarters,
            measured: row.measured,
        })
    };
    Ok(Json(rows.iter().filter_map(hour).collect()))
}

async fn findings(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Span { from, to }): Query<Span>,
) -> Result<Json<Vec<Finding>>, Problem> {
    let (from_s, to_s) = seconds(from, to)?;
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.findings(register.id, from_s, to_s)?)
    })
    .await?;
    let finding = |row: FindingRow| {
        Some(Finding {
            rule: row.rule,
            severity: row.severity,
            from: Timestamp::from_second(row.from_s).ok()?,
            to: Timestamp::from_second(row.to_s).ok()?,
            count: row.count,
            detail: row.detail,
        })
    };
    Ok(Json(rows.into_iter().filter_map(finding).collect()))
}

async fn bands(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(BandDates { from, to, per }): Query<BandDates>,
) -> Result<Json<Vec<BandTotal>>, Problem> {
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.band_days(register.id, from, to)?)
    })
    .await?;
    Ok(Json(totals(&rows, per)))
}

fn totals(days: &[BandDay], per: BandsPer) -> Vec<BandTotal> {
    let mut totals: BTreeMap<(Date, &str), BandTotal> = BTreeMap::new();
    for day in days {
        let from = match per {
            BandsPer::Day => day.date,
            BandsPer::Month => day.date.first_of_month(),
        };
        let total = totals
            .entry((from, &day.band))
            .or_insert_with(|| BandTotal {
                from,
                band: day.band.clone(),
                amount: Decimal::ZERO,
                cost: Some(Decimal::ZERO),
                currency: day.currency.clone(),
                quarter_hours: 0,
                measured: 0,
            });
        total.amount = total.amount.saturating_add(day.amount);
        total.cost = total
            .cost
            .zip(day.cost.filter(|_| day.currency == total.currency))
            .and_then(|(sum, more)| sum.checked_add(more));
        total.quarter_hours += u32::from(day.quarters);
        total.measured += u32::from(day.measured);
    }
    totals.into_values().collect()
}

async fn exchanges(Shared(api): Shared<Api>) -> Result<Json<Vec<MeterExchange>>, Problem> {
    let readers = api.readers.clone();
    let rows = blocking(move || Ok(readers.open()?.exchanges()?)).await?;
    let exchange = |row: crate::store::Exchange| MeterExchange {
        meter: row.name,
        at: row.at,
        before: row.before,
        after: row.after,
    };
    Ok(Json(rows.into_iter().map(exchange).collect()))
}

async fn days(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Dates { from, to }): Query<Dates>,
) -> Result<Json<Vec<Day>>, Problem> {
    let zone = api.home.zone.clone();
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.days(register.id, (from, to), &zone)?)
    })
    .await?;
    Ok(Json(rows))
}

async fn months(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Dates { from, to }): Query<Dates>,
) -> Result<Json<Vec<MonthTotal>>, Problem> {
    let zone = api.home.zone.clone();
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.months(register.id, (from, to), &zone)?)
    })
    .await?;
    Ok(Json(rows))
}

/// Runs a query about one register on a thread for blocking work. `meter` is the configured name
/// or the serial number.
async fn query<T: Send + 'static>(
    api: &Api,
    meter: String,
    obis: String,
    ask: impl FnOnce(&Reader, &RegisterRow) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let obis: ObisCode = obis
        .parse()
        .map_err(|error| Problem::bad_request(format!("{error}")))?;
    let readers = api.readers.clone();
    let work = move || {
        let reader = readers.open()?;
        let wanted = |row: &&RegisterRow| {
            row.key.obis == obis && (row.key.serial == meter || row.name.as_deref() == Some(&meter))
        };
        let rows = reader.registers()?;
        let register = rows.iter().find(wanted);
        let register = register
            .ok_or_else(|| Problem::not_found("no such meter, or it has no such register"))?;
        ask(&reader, register)
    };
    blocking(work).await
}
