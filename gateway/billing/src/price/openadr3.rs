//! OpenADR 3 price events (OpenADR 3 Definition, "EVENT"): PRICE, EXPORT_PRICE and GHG.
//!
//! An interval without a period of its own starts where the one before it ended and is as long as
//! the event's period says.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::{
    DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, currency, instant,
    json,
};
use crate::exact::{JsonDecimal, TooLarge, shift};
use crate::time::duration_s;

/// A duration that OpenADR uses for "without end".
const FOREVER: &str = "P9999Y";

/// Reads OpenADR 3 events.
pub(super) struct Openadr3;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    object_type: Option<String>,
    event_name: Option<String>,
    #[serde(default)]
    payload_descriptors: Option<Vec<Descriptor>>,
    interval_period: Option<Period>,
    intervals: Vec<Interval>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    payload_type: String,
    units: Option<String>,
    currency: Option<String>,
}

#[derive(Deserialize)]
struct Period {
    start: String,
    duration: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    interval_period: Option<Period>,
    payloads: Vec<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    values: Box<serde_json::value::RawValue>,
}

impl PriceSource for Openadr3 {
    fn format(&self) -> Format {
        Format::Openadr3
    }

    fn read(&self, text: &str, _: &Wanted) -> Result<Published, DocumentError> {
        let event: Event = json(text)?;
        if let Some(other) = event.object_type.as_deref().filter(|kind| *kind != "EVENT") {
            return Err(value("objectType", other, "EVENT"));
        }
        let descriptors = event.payload_descriptors.unwrap_or_default();
        let mut code: Option<String> = None;
        for stated in descriptors
            .iter()
            .filter(|d| ["PRICE", "EXPORT_PRICE"].contains(&d.payload_type.as_str()))
        {
            if let Some(text) = &stated.currency {
                let stated = currency("currency", text)?;
                if code.get_or_insert_with(|| stated.clone()) != &stated {
                    return Err(value(
                        "currency",
                        text,
                        "the currency of the other payload types",
                    ));
                }
            }
        }
        let places = |kind: &str| -> Result<i32, DocumentError> {
            let units = descriptors
                .iter()
                .find(|d| d.payload_type == kind)
                .and_then(|d| d.units.as_deref());
            match units {
                None | Some("KWH") => Ok(0),
                Some("MWH") => Ok(-3),
                Some(other) => Err(value("units", other, "KWH or MWH")),
            }
        };
        let mut ends: Option<Timestamp> = match &event.interval_period {
            Some(period) => Some(instant("intervalPeriod.start", &period.start)?),
            None => None,
        };
        let common = event
            .interval_period
            .as_ref()
            .and_then(|period| period.duration.as_deref());
        let (mut prices, mut has_export) = (Vec::new(), false);
        for interval in &event.intervals {
            let own = interval.interval_period.as_ref();
            let start = match own {
                Some(period) => instant("intervalPeriod.start", &period.start)?,
                None => {
                    ends.ok_or_else(|| DocumentError::Missing("intervalPeriod.start".to_owned()))?
                }
            };
            let length = own.and_then(|period| period.duration.as_deref()).or(common);
            let length = length
                .ok_or_else(|| DocumentError::Missing("intervalPeriod.duration".to_owned()))?;
            let end = end_of(start, length)?;
            ends = end;
            let amount = |kind: &str| -> Result<Option<Decimal>, DocumentError> {
                let payload = interval
                    .payloads
                    .iter()
                    .find(|payload| payload.kind == kind);
                payload.map(|payload| first(&payload.values)).transpose()
            };
            let export = amount("EXPORT_PRICE")?.map(|price| {
                Ok::<_, DocumentError>(shift(price, places("EXPORT_PRICE")?).ok_or(TooLarge)?)
            });
            let export = export.transpose()?;
            has_export |= export.is_some();
            let Some(price) = amount("PRICE")? else {
                continue;
            };
            prices.push(Price {
                start,
                end,
                base: shift(price, places("PRICE")?).ok_or(TooLarge)?,
                export,
                ghg: amount("GHG")?,
                band: None,
            });
        }
        Ok(Published {
            name: event.event_name,
            has_export,
            ..Published::list(code, PriceList::new(prices)?)
        })
    }
}

fn end_of(start: Timestamp, length: &str) -> Result<Option<Timestamp>, DocumentError> {
    if length == FOREVER {
        return Ok(None);
    }
    let seconds = duration_s(length).filter(|seconds| *seconds > 0);
    let end =
        seconds.and_then(|seconds| start.checked_add(SignedDuration::from_secs(seconds)).ok());
    end.map(Some)
        .ok_or_else(|| value("duration", length, "a duration such as PT1H"))
}

fn first(values: &serde_json::value::RawValue) -> Result<Decimal, DocumentError> {
    let values: Vec<JsonDecimal> = serde_json::from_str(values.get())?;
    values
        .first()
        .map(|first| first.0)
        .ok_or_else(|| DocumentError::Missing("a value of a payload".to_owned()))
}

fn value(what: &str, text: &str, expected: &'static str) -> DocumentError {
    DocumentError::Value {
        what: what.to_owned(),
        text: text.to_owned(),
        expected,
    }
}
