//! OpenADR 3 price events (OpenADR 3 Definition, "EVENT"): PRICE, EXPORT_PRICE and GHG.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, currency};
use crate::exact::{TooLarge, shift};
use crate::grid::openadr3::{Duration, Event, Interval, Object, ObjectError, Payload, read};

/// Reads OpenADR 3 events.
pub(super) struct Openadr3;

impl PriceSource for Openadr3 {
    fn format(&self) -> Format {
        Format::Openadr3
    }

    fn read(&self, text: &str, _: &Wanted) -> Result<Published, DocumentError> {
        match read(text) {
            Ok(Object::Event(event)) => published(&event),
            Ok(Object::Other(named)) => Err(value("objectType", &named.object_type, "EVENT")),
            Err(error) => Err(refused(error)),
        }
    }
}

/// The prices that an event carries.
///
/// # Errors
/// [`DocumentError`].
pub fn published(event: &Event) -> Result<Published, DocumentError> {
    let mut code: Option<String> = None;
    for stated in &event.payload_descriptors {
        let of_price = ["PRICE", "EXPORT_PRICE"].contains(&stated.payload_type.as_str());
        if let Some(text) = stated.currency.as_ref().filter(|_| of_price) {
            let stated = currency("currency", text)?;
            if code.get_or_insert_with(|| stated.clone()) != &stated {
                let expected = "the currency of the other payload types";
                return Err(value("currency", text, expected));
            }
        }
    }
    let places = |kind: &str| match event.descriptor(kind).and_then(|d| d.units.as_deref()) {
        None | Some("KWH") => Ok(0),
        Some("MWH") => Ok(-3),
        Some(other) => Err(value("units", other, "KWH or MWH")),
    };
    let amount = |interval: &Interval, kind: &str| -> Result<Option<Decimal>, DocumentError> {
        let payload = interval
            .payloads
            .iter()
            .find(|payload| payload.kind == kind);
        let Some(number) = payload.and_then(Payload::number) else {
            return Ok(None);
        };
        Ok(Some(shift(number, places(kind)?).ok_or(TooLarge)?))
    };
    let intervals = event.intervals(None).map_err(refused)?;
    let last = intervals.last().and_then(|interval| interval.end);
    repeats(
        event,
        intervals.first().and_then(|interval| interval.start),
        last,
    )?;
    let (mut prices, mut has_export) = (Vec::new(), false);
    for interval in &intervals {
        let export = amount(interval, "EXPORT_PRICE")?;
        has_export |= export.is_some();
        let Some(base) = amount(interval, "PRICE")? else {
            continue;
        };
        let missing = || DocumentError::Missing("intervalPeriod.start".to_owned());
        let start = interval.start.ok_or_else(missing)?;
        if interval.length.is_none() {
            return Err(DocumentError::Missing("intervalPeriod.duration".to_owned()));
        }
        if interval.end == Some(start) {
            return Err(value("duration", "PT0S", "a duration such as PT1H"));
        }
        let ghg = interval
            .payloads
            .iter()
            .find(|payload| payload.kind == "GHG");
        prices.push(Price {
            start,
            end: interval.end,
            base,
            export,
            ghg: ghg.and_then(Payload::number),
            band: None,
        });
    }
    Ok(Published {
        name: event.name.clone(),
        has_export,
        ..Published::list(code, PriceList::new(prices)?)
    })
}

/// An event that lasts longer than its intervals wants them repeated. Nothing here does that, and
/// prices that are missing must not look like prices that were not published.
fn repeats(
    event: &Event,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> Result<(), DocumentError> {
    let (Some(duration), Some(end)) = (event.duration, end) else {
        return Ok(());
    };
    let covered = start.map(|start| end.as_second() - start.as_second());
    match duration {
        Duration::Seconds(seconds) if covered.is_some_and(|covered| covered >= seconds) => Ok(()),
        _ => Err(DocumentError::Unsupported(
            "an event that lasts longer than its intervals".to_owned(),
        )),
    }
}

fn refused(error: ObjectError) -> DocumentError {
    match error {
        ObjectError::Malformed(error) => error.into(),
        ObjectError::Unsupported(other) => value("objectType", &other, "EVENT"),
        ObjectError::Invalid(reason) => DocumentError::Invalid(reason),
    }
}

fn value(what: &str, text: &str, expected: &'static str) -> DocumentError {
    DocumentError::Value {
        what: what.to_owned(),
        text: text.to_owned(),
        expected,
    }
}
