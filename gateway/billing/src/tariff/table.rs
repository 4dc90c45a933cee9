//! The tables of a tariff file, as they are written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Deserialize;
use toml::Spanned;

use super::calendar::{DAY_S, Dated, MonthDay};
use crate::exact;
use crate::toml_file::Day;

/// A name that refers to another table; its place is kept for messages.
pub(super) type Name = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) version: Spanned<u32>,
    pub(super) name: String,
    pub(super) currency: Option<Currency>,
    pub(super) zone: Option<Zone>,
    pub(super) switch_zone: Option<Zone>,
    pub(super) day_starts: Option<WallTime>,
    pub(super) valid_from: Option<DateText>,
    pub(super) valid_to: Option<DateText>,
    pub(super) source: Option<SourceTable>,
    #[serde(default)]
    pub(super) bands: BTreeMap<String, BandTable>,
    #[serde(default)]
    pub(super) season: Vec<SeasonTable>,
    #[serde(default)]
    pub(super) day_type: Vec<DayTypeTable>,
    #[serde(default)]
    pub(super) schedule: Vec<ScheduleTable>,
    #[serde(default)]
    pub(super) event: Vec<EventTable>,
    #[serde(default)]
    pub(super) adder: Vec<AdderTable>,
    #[serde(default)]
    pub(super) standing: Vec<StandingTable>,
    #[serde(default)]
    pub(super) power: Vec<PowerTable>,
    #[serde(default)]
    pub(super) demand: Vec<DemandTable>,
    pub(super) minimum: Option<MinimumTable>,
    pub(super) export: Option<ExportTable>,
    #[serde(default)]
    pub(super) tax: Vec<TaxTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceTable {
    pub(super) format: Name,
    pub(super) file: PathBuf,
    pub(super) area: Option<String>,
    pub(super) multiplier: Option<Exact>,
    #[serde(default)]
    pub(super) vat: Vat,
    pub(super) payment_method: Option<String>,
    #[serde(default)]
    pub(super) price: TibberPrice,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Vat {
    #[default]
    Exclusive,
    Inclusive,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TibberPrice {
    #[default]
    Total,
    Energy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BandTable {
    pub(super) label: Option<String>,
    pub(super) rate: Option<Exact>,
    pub(super) tiers: Option<Vec<TierTable>>,
    #[serde(default)]
    pub(super) tier_period: TierPeriodName,
    pub(super) counter: Option<String>,
    /// What a meter calls it.
    pub(super) number: Option<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TierTable {
    pub(super) up_to: Option<Exact>,
    pub(super) rate: Exact,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TierPeriodName {
    #[default]
    Month,
    Day,
    Year,
    Bill,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeasonTable {
    pub(super) name: String,
    pub(super) from: MonthDayText,
    pub(super) to: MonthDayText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DayTypeTable {
    pub(super) name: String,
    #[serde(default)]
    pub(super) days: Vec<Day>,
    #[serde(default)]
    pub(super) dates: Vec<DatedText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleTable {
    pub(super) band: Name,
    #[serde(default)]
    pub(super) seasons: Vec<Name>,
    #[serde(default)]
    pub(super) day_types: Vec<Name>,
    #[serde(default)]
    pub(super) days: Vec<Day>,
    pub(super) from: Option<WallTime>,
    pub(super) to: Option<WallTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventTable {
    pub(super) band: Name,
    pub(super) start: Spanned<String>,
    pub(super) end: Spanned<String>,
    #[serde(rename = "name")]
    pub(super) _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdderTable {
    pub(super) id: Name,
    pub(super) label: Option<String>,
    pub(super) per_kwh: Exact,
    #[serde(default)]
    pub(super) seasons: Vec<Name>,
    #[serde(default)]
    pub(super) day_types: Vec<Name>,
    #[serde(default)]
    pub(super) days: Vec<Day>,
    pub(super) from: Option<WallTime>,
    pub(super) to: Option<WallTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StandingTable {
    pub(super) id: Name,
    pub(super) label: Option<String>,
    pub(super) amount: Exact,
    pub(super) per: PerName,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PerName {
    Day,
    Month,
    Year,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PowerTable {
    pub(super) id: Name,
    pub(super) label: Option<String>,
    pub(super) kw: Exact,
    pub(super) per_kw_day: Option<Exact>,
    pub(super) per_kw_month: Option<Exact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DemandTable {
    pub(super) id: Name,
    pub(super) label: Option<String>,
    pub(super) band: Option<String>,
    pub(super) rate: Option<Exact>,
    pub(super) tiers: Option<Vec<TierTable>>,
    pub(super) minimum_kw: Option<Exact>,
    pub(super) average_months: Option<u8>,
    #[serde(default)]
    pub(super) seasons: Vec<Name>,
    #[serde(default)]
    pub(super) day_types: Vec<Name>,
    #[serde(default)]
    pub(super) days: Vec<Day>,
    pub(super) from: Option<WallTime>,
    pub(super) to: Option<WallTime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MinimumTable {
    pub(super) amount: Exact,
    pub(super) on: Option<Vec<Name>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportTable {
    pub(super) label: Option<String>,
    pub(super) price: Option<Name>,
    pub(super) rate: Option<Exact>,
    pub(super) multiplier: Option<Exact>,
    pub(super) adder: Option<Exact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaxTable {
    pub(super) id: Name,
    pub(super) label: Option<String>,
    pub(super) rate: Exact,
    pub(super) on: Option<Vec<Name>>,
}

/// A number written as a text or an integer, never as a float.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) struct Exact(pub(super) Decimal);

impl TryFrom<toml::Value> for Exact {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::Integer(whole) => Ok(Self(Decimal::from(whole))),
            toml::Value::String(text) => exact::plain(&text)
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

/// An ISO 4217 code.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Currency(pub(super) String);

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return Ok(Self(text));
        }
        Err(format!(
            "currency {text:?} is not an ISO 4217 code such as \"EUR\""
        ))
    }
}

/// An IANA time zone.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Zone {
    pub(super) name: String,
    pub(super) zone: TimeZone,
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match TimeZone::get(&name) {
            Ok(zone) => Ok(Self { name, zone }),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// `HH:MM`, `24:00` included, as seconds of the day.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct WallTime(pub(super) u32);

impl TryFrom<String> for WallTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "24:00" {
            return Ok(Self(DAY_S));
        }
        let wrong = || format!("{text:?} is not a time of day such as \"06:30\"");
        let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
        let number = |part: &str| part.parse::<i8>().ok().filter(|_| part.len() == 2);
        let (hour, minute) = number(hour).zip(number(minute)).ok_or_else(wrong)?;
        let time = Time::new(hour, minute, 0, 0).map_err(|_| wrong())?;
        let seconds = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60;
        u32::try_from(seconds).map(Self).map_err(|_| wrong())
    }
}

/// `YYYY-MM-DD`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct DateText(pub(super) Date);

impl TryFrom<String> for DateText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let date = text.parse().ok().filter(|_| text.len() == 10);
        date.map(Self)
            .ok_or_else(|| format!("{text:?} is not a date such as \"2026-01-31\""))
    }
}

/// `MM-DD`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct MonthDayText(pub(super) MonthDay);

impl TryFrom<String> for MonthDayText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // A leap year, so that 29 February is a date.
        let date: Option<Date> = format!("2024-{text}")
            .parse()
            .ok()
            .filter(|_| text.len() == 5);
        let day = date.map(|date| MonthDay {
            month: date.month(),
            day: date.day(),
        });
        day.map(Self)
            .ok_or_else(|| format!("{text:?} is not a day of the year such as \"12-24\""))
    }
}

/// `YYYY-MM-DD` or `MM-DD`.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct DatedText(pub(super) Dated);

impl TryFrom<String> for DatedText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 5 {
            return MonthDayText::try_from(text).map(|day| Self(Dated::Yearly(day.0)));
        }
        DateText::try_from(text).map(|date| Self(Dated::Once(date.0)))
    }
}
