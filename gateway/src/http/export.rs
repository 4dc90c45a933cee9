//! Quarter-hours as documents of others, and all data of the home as plain files.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wattle_api::LogBook;
use wattle_billing::exchange::{ar2418, csv, green_button, influx};
use wattle_billing::readings::{Flow, Reading, Series, SeriesKind, SeriesReadings, SourceTime};
use wattle_billing::time::day_start;

use super::{Api, Problem, backup, blocking};
use crate::store::{QUARTER_S, Reader, RegisterRow, StoreError};

pub(super) const EXPORT: &str = "/api/v1/export";
/// Longest span.
const MAX_DAYS: i32 = 400;
/// How many readings are fetched at once.
const PAGE: u32 = 10_000;

pub(super) fn routes() -> Router<Api> {
    Router::new().route(EXPORT, get(export))
}

/// A form of document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// Green Button, ESPI in an Atom feed.
    #[default]
    GreenButton,
    /// Comma-separated values.
    Csv,
    /// VDE-AR-E 2418-6.
    Ar2418,
    /// InfluxDB's line protocol.
    Influx,
}

impl Form {
    const fn media(self) -> (&'static str, &'static str) {
        match self {
            Self::GreenButton => ("application/atom+xml", "xml"),
            Self::Csv => ("text/csv; charset=utf-8", "csv"),
            Self::Ar2418 => ("application/xml", "xml"),
            Self::Influx => ("text/plain; charset=utf-8", "txt"),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Asked {
    /// The form; Green Button when left out.
    form: Option<Form>,
    /// First local date; the first of the month when left out.
    from: Option<Date>,
    /// Last local date; today when left out.
    to: Option<Date>,
}

async fn export(
    Shared(api): Shared<Api>,
    Query(Asked { form, from, to }): Query<Asked>,
) -> Result<Response, Problem> {
    let form = form.unwrap_or_default();
    let to = to.unwrap_or_else(|| api.today());
    let from = from.unwrap_or_else(|| to.first_of_month());
    let days = from.until(to).map_or(-1, |span| span.get_days());
    if !(0..MAX_DAYS).contains(&days) {
        return Err(Problem::rule(
            "to is not before from, by at most 400 days".to_owned(),
        ));
    }
    let own = api.clone();
    let text = blocking(move || {
        let zone = &own.home.zone;
        let ends = day_start(from, zone).zip(to.tomorrow().ok().and_then(|to| day_start(to, zone)));
        let (start, end) =
            ends.ok_or_else(|| Problem::rule("that lies outside the calendar".to_owned()))?;
        let all = series(&own.readers.open()?, start, end)?;
        match form {
            Form::GreenButton => {
                green_button::export(&all).map_err(|error| Problem::rule(error.to_string()))
            }
            Form::Csv => Ok(csv::export(&all)),
            Form::Ar2418 => Ok(ar2418::export(&all)),
            Form::Influx => Ok(influx::export(&all)),
        }
    })
    .await?;
    let (media, ending) = form.media();
    let name = format!("attachment; filename=\"wattle-{from}-{to}.{ending}\"");
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

/// Every cumulative register's quarter-hours that start in a span.
fn series(
    reader: &Reader,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<SeriesReadings>, StoreError> {
    let mut all = Vec::new();
    for (register, number) in reader.registers()?.into_iter().zip(1..) {
        let rows = reader.intervals(register.id, start.as_second(), end.as_second())?;
        if rows.is_empty() {
            continue;
        }
        let amounts: Vec<Decimal> = rows.iter().map(|row| row.amount().normalize()).collect();
        let decimals = amounts.iter().map(Decimal::scale).max().unwrap_or(0);
        let readings = rows.iter().zip(&amounts).filter_map(|(row, amount)| {
            let at = Timestamp::from_second(row.start_s).ok()?;
            let mut amount = *amount;
            amount.rescale(decimals);
            let raw = i64::try_from(amount.mantissa()).ok()?;
            let mut reading = Reading::new(number, SourceTime::utc(at), QUARTER_S, raw);
            reading.quality = Some(row.quality);
            reading.method.clone_from(&row.method);
            Some(reading)
        });
        let readings = readings.collect();
        all.push(SeriesReadings {
            series: described(&register, number, decimals),
            readings,
        });
    }
    Ok(all)
}

fn described(register: &RegisterRow, number: u64, decimals: u32) -> Series {
    let obis = register.key.obis.to_string();
    let flow = match register.key.obis.0 {
        [1, _, 1, 8, ..] => Some(Flow::Import),
        [1, _, 2, 8, ..] => Some(Flow::Export),
        _ => None,
    };
    Series {
        series: number,
        meter: Some(register.key.serial.clone()),
        register: obis.clone(),
        obis: Some(obis),
        kind: SeriesKind::Interval,
        flow,
        unit: register.key.unit.to_string(),
        scaler: i32::try_from(decimals).map_or(0, |decimals| -decimals),
        interval_s: Some(QUARTER_S),
    }
}

/// Everything that is kept of the home, as files that need no program of ours.
pub(super) fn write_all(api: &Api, folder: &Path, file: &Path) -> anyhow::Result<()> {
    let reader = api.readers.open()?;
    let mut readings = create(folder, "readings.csv")?;
    writeln!(
        readings,
        "meter,serial,register,unit,received_at_utc,value,quality"
    )?;
    let mut quarters = create(folder, "quarter_hours.csv")?;
    writeln!(
        quarters,
        "meter,serial,register,unit,start_utc,amount,complete,quality,method"
    )?;
    let mut days = create(folder, "days.csv")?;
    writeln!(
        days,
        "meter,serial,register,unit,date_local,amount,quarter_hours,measured,supplied"
    )?;
    for register in reader.registers()? {
        let head = format!(
            "{},{},{},{}",
            quoted(register.name.as_deref().unwrap_or_default()),
            quoted(&register.key.serial),
            register.key.obis,
            register.key.unit
        );
        let mut after = 0;
        loop {
            let page = reader.readings(register.id, after, PAGE)?;
            for (at_us, value, quality) in &page {
                let at = Timestamp::from_microsecond(*at_us)?;
                writeln!(readings, "{head},{at},{value},{quality}")?;
                after = *at_us;
            }
            if page.is_empty() {
                break;
            }
        }
        for row in reader.intervals(register.id, i64::MIN, i64::MAX)? {
            let start = Timestamp::from_second(row.start_s)?;
            let (amount, complete, quality) = (row.amount(), row.complete, row.quality.name());
            let method = row.method.as_deref().unwrap_or_default();
            writeln!(
                quarters,
                "{head},{start},{amount},{complete},{quality},{method}"
            )?;
        }
        let dates = (Date::constant(1900, 1, 1), Date::MAX);
        for day in reader.days(register.id, dates, &api.home.zone)? {
            let wattle_api::Day {
                date,
                amount,
                quarter_hours,
                measured,
                supplied,
            } = day;
            writeln!(
                days,
                "{head},{date},{amount},{quarter_hours},{measured},{supplied}"
            )?;
        }
    }
    readings.flush()?;
    quarters.flush()?;
    days.flush()?;
    let mut books = String::new();
    for book in LogBook::ALL {
        for entry in api.keeping.logbooks.entries(book, None, u32::MAX)? {
            writeln!(books, "{}", serde_json::to_string(&entry)?)?;
        }
    }
    std::fs::write(folder.join("log_books.jsonl"), books)?;
    let ledger = &api.keeping.ledger;
    let disclosures = ledger.disclosures(Date::constant(1900, 1, 1), Date::MAX)?;
    let write = |name: &str, value: String| std::fs::write(folder.join(name), value);
    write(
        "privacy_ledger.json",
        serde_json::to_string_pretty(&disclosures)?,
    )?;
    write(
        "consents.json",
        serde_json::to_string_pretty(&ledger.consents()?)?,
    )?;
    write(
        "users.json",
        serde_json::to_string_pretty(&api.keeping.access.users())?,
    )?;
    let learnt = api.appliances.learnt().unwrap_or_else(|| b"null".to_vec());
    std::fs::write(folder.join("appliances.json"), learnt)?;
    backup::pack(
        folder,
        file,
        &[
            "readings.csv",
            "quarter_hours.csv",
            "days.csv",
            "appliances.json",
            "privacy_ledger.json",
            "consents.json",
            "users.json",
            "log_books.jsonl",
        ],
    )
}

fn create(folder: &Path, name: &str) -> std::io::Result<std::io::BufWriter<std::fs::File>> {
    Ok(std::io::BufWriter::new(std::fs::File::create(
        folder.join(name),
    )?))
}

/// A field of RFC 4180.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
