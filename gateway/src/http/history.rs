//! History: readings, quarter-hours, days and months of one register.

use axum::extract::{Path, Query, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use jiff::civil::Date;
use meter_link::model::ObisCode;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wattle_api::{Day, Interval, MonthTotal};

use super::{Api, Problem, blocking};
use crate::store::{QUARTER_S, Reader, RegisterRow};

pub(super) const READINGS: &str = "/api/v1/meters/{meter}/registers/{obis}/readings";
pub(super) const INTERVALS: &str = "/api/v1/meters/{meter}/registers/{obis}/intervals";
pub(super) const DAYS: &str = "/api/v1/meters/{meter}/registers/{obis}/days";
pub(super) const MONTHS: &str = "/api/v1/meters/{meter}/registers/{obis}/months";
/// How many readings one answer holds at most.
const PAGE: u32 = 1000;
/// How many quarter-hours one answer spans at most: a year and a day.
const SPAN_S: i64 = 367 * 86_400;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route(READINGS, get(readings))
        .route(INTERVALS, get(intervals))
        .route(DAYS, get(days))
        .route(MONTHS, get(months))
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
    let (from_s, to_s) = (from.as_second(), to.as_second());
    if to_s < from_s || to_s - from_s > SPAN_S {
        return Err(Problem::rule("to must be after from, by at most 367 days"));
    }
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.intervals(register.id, from_s, to_s)?)
    })
    .await?;
    let interval = |row: &crate::store::IntervalRow| {
        Some(Interval {
            start: Timestamp::from_second(row.start_s).ok()?,
            end: Timestamp::from_second(row.start_s + QUARTER_S).ok()?,
            amount: row.amount(),
            complete: row.complete,
        })
    };
    Ok(Json(rows.iter().filter_map(interval).collect()))
}

async fn days(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Dates { from, to }): Query<Dates>,
) -> Result<Json<Vec<Day>>, Problem> {
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.days(register.id, from, to)?)
    })
    .await?;
    Ok(Json(rows))
}

async fn months(
    Shared(api): Shared<Api>,
    Path((meter, obis)): Path<(String, String)>,
    Query(Dates { from, to }): Query<Dates>,
) -> Result<Json<Vec<MonthTotal>>, Problem> {
    let rows = query(&api, meter, obis, move |reader, register| {
        Ok(reader.months(register.id, from, to)?)
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
