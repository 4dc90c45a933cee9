//! The tariff's file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{BandRate, Rule, Standing, Tariff};
use crate::toml_file::{self, FileError};

/// Why a tariff cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TariffError {
    /// The file cannot be read or breaks the form.
    #[error(transparent)]
    File(#[from] FileError),
    /// The values do not fit together.
    #[error("{path}: {message}")]
    Values {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    name: String,
    currency: String,
    zone: Option<String>,
    switch_zone: Option<String>,
    bands: BTreeMap<String, BandTable>,
    schedule: Vec<ScheduleTable>,
    #[serde(default)]
    standing: Vec<StandingTable>,
    #[serde(default)]
    tax: Vec<TaxTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandTable {
    rate: Exact,
    #[serde(rename = "label")]
    _label: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleTable {
    band: String,
    #[serde(default)]
    days: Vec<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StandingTable {
    id: String,
    label: Option<String>,
    amount: Exact,
    per: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaxTable {
    #[serde(rename = "id")]
    _id: String,
    #[serde(rename = "label")]
    _label: Option<String>,
    rate: Exact,
}

/// A number written as a text or an integer, never as a float.
#[derive(Deserialize)]
#[serde(try_from = "toml::Value")]
struct Exact(Decimal);

impl TryFrom<toml::Value> for Exact {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(whole) => Ok(Self(Decimal::from(whole))),
            toml::Value::String(text) => meter_link::model::plain(&text)
                .map(Self)
                .ok_or_else(|| format!("{text:?} is not a number")),
            toml::Value::Float(float) => Err(format!(
                "write {float} as a text, \"{float}\": floats are not exact"
            )),
            other => Err(format!(
                "a number as text was expected, not {}",
                other.type_str()
            )),
        }
    }
}

pub(super) fn load(path: &Path, home: &TimeZone) -> Result<Tariff, TariffError> {
    let text = toml_file::read(path)?;
    let document: Document = toml_file::parse(&text, &path.display().to_string())?;
    build(document, home).map_err(|message| TariffError::Values {
        path: path.to_path_buf(),
        message,
    })
}

fn build(document: Document, home: &TimeZone) -> Result<Tariff, String> {
    if document.version != 1 {
        return Err(format!(
            "version {} is not known; this version reads version 1",
            document.version
        ));
    }
    if document.currency.len() != 3 || !document.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(format!(
            "currency {:?} is not an ISO 4217 code such as \"EUR\"",
            document.currency
        ));
    }
    let zone_named = |name: &Option<String>| -> Result<Option<TimeZone>, String> {
        name.as_deref()
            .map(TimeZone::get)
            .transpose()
            .map_err(|error| error.to_string())
    };
    let zone = zone_named(&document.zone)?.unwrap_or_else(|| home.clone());
    let switch_zone = zone_named(&document.switch_zone)?.unwrap_or(zone);
    let bands: Vec<BandRate> = document
        .bands
        .into_iter()
        .map(|(name, band)| BandRate {
            name,
            rate: band.rate.0,
        })
        .collect();
    let schedule = document
        .schedule
        .iter()
        .map(|table| rule(table, &bands))
        .collect::<Result<Vec<Rule>, String>>()?;
    let standing = document
        .standing
        .into_iter()
        .map(standing)
        .collect::<Result<Vec<Standing>, String>>()?;
    let tax = document.tax.iter().map(|tax| tax.rate.0).sum();
    Ok(Tariff {
        name: document.name,
        currency: document.currency,
        switch_zone,
        bands,
        schedule,
        standing,
        tax,
    })
}

fn rule(table: &ScheduleTable, bands: &[BandRate]) -> Result<Rule, String> {
    let band = bands
        .iter()
        .position(|band| band.name == table.band)
        .ok_or_else(|| format!("schedule: there is no band {:?}", table.band))?;
    let days = table
        .days
        .iter()
        .map(|day| weekday(day))
        .collect::<Result<Vec<Weekday>, String>>()?;
    Ok(Rule {
        band,
        days,
        from: wall_time(table.from.as_deref())?,
        to: wall_time(table.to.as_deref())?,
    })
}

fn standing(table: StandingTable) -> Result<Standing, String> {
    if table.per != "day" {
        return Err(format!(
            "standing {:?}: per = {:?} is not known; it is \"day\"",
            table.id, table.per
        ));
    }
    let label = table.label.unwrap_or_else(|| table.id.clone());
    Ok(Standing {
        id: table.id,
        label,
        per_day: table.amount.0,
    })
}

/// `HH:MM`; nothing and `24:00` are midnight.
fn wall_time(text: Option<&str>) -> Result<Time, String> {
    let Some(text) = text.filter(|text| *text != "24:00") else {
        return Ok(Time::midnight());
    };
    let wrong = || format!("{text:?} is not a time of day such as \"06:30\"");
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |part: &str| part.parse::<i8>().ok().filter(|_| part.len() == 2);
    let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

fn weekday(text: &str) -> Result<Weekday, String> {
    match text {
        "mon" => Ok(Weekday::Monday),
        "tue" => Ok(Weekday::Tuesday),
        "wed" => Ok(Weekday::Wednesday),
        "thu" => Ok(Weekday::Thursday),
        "fri" => Ok(Weekday::Friday),
        "sat" => Ok(Weekday::Saturday),
        "sun" => Ok(Weekday::Sunday),
        _ => Err(format!(
            "{text:?} is not a day; days are mon tue wed thu fri sat sun"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const NIGHT: &str = r#"
version = 1
name = "Day and night"
currency = "GBP"
zone = "Europe/London"
switch_zone = "UTC"
[bands.day]
rate = "0.2911"
[bands.night]
rate = "0.1472"
[[schedule]]
band = "night"
from = "22:30"
to = "05:30"
[[schedule]]
band = "day"
[[standing]]
id = "standing"
amount = "0.6097"
per = "day"
[[tax]]
id = "vat"
rate = "0.05"
"#;

    fn read(text: &str) -> Result<Tariff, TariffError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        load(file.path(), &TimeZone::UTC)
    }

    #[test]
    fn bands_follow_the_switching_clock_and_include_tax() {
        let tariff = read(NIGHT).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(tariff.band(at("2026-07-01T22:29:59Z")), Some("day"));
        assert_eq!(tariff.band(at("2026-07-01T22:30:00Z")), Some("night"));
        assert_eq!(tariff.band(at("2026-07-02T05:30:00Z")), Some("day"));
        assert_eq!(
            tariff
                .per_kwh(at("2026-07-02T12:00:00Z"))
                .unwrap()
                .to_string(),
            "0.305655"
        );
        let change = tariff.next_change(
            at("2026-07-01T12:00:30Z"),
            jiff::SignedDuration::from_hours(24),
        );
        assert_eq!(change, Some(at("2026-07-01T22:30:00Z")));
    }

    #[test]
    fn faults_are_named() {
        for (from, to, want) in [
            ("rate = \"0.2911\"", "rate = 0.2911", "floats are not exact"),
            ("band = \"night\"", "band = \"nihgt\"", "no band"),
            ("currency = \"GBP\"", "currency = \"pounds\"", "ISO 4217"),
            ("22:30", "25:30", "time of day"),
            ("amount =", "amuont =", "did you mean \"amount\"?"),
            ("version = 1", "version = 2", "version 2"),
        ] {
            let error = read(&NIGHT.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
    }
}
