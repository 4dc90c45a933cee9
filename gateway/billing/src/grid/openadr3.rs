//! Objects of OpenADR 3 (OpenADR 3.0.1 and 3.1, "Definition" and its OpenAPI document).
//!
//! Events are read to their last member that means something here; of the other objects only what
//! names them. Targets are those of 3.1 (texts) or 3.0 (a type and its values).
//!
//! ```
//! use wattle_billing::grid::openadr3::{Object, read};
//!
//! let text = r#"{"objectType": "EVENT", "id": "e1", "programID": "p1",
//!     "intervalPeriod": {"start": "2026-05-01T22:00:00Z", "duration": "PT1H"},
//!     "intervals": [{"id": 0, "payloads": [{"type": "PRICE", "values": [0.1894]}]}]}"#;
//! let Object::Event(event) = read(text)? else { return Ok(()) };
//! let intervals = event.intervals(None)?;
//! assert_eq!(intervals[0].end.map(|end| end.to_string()).as_deref(), Some("2026-05-01T23:00:00Z"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod period;
mod value;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

pub use period::{Duration, Period, Start};
pub use value::{Payload, Value};

/// Most intervals of an event; a year of hours is 8,784.
pub const MAX_INTERVALS: usize = 20_000;

/// Why a text is no object that is used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It is no JSON; serde names line and column.
    #[error("{0}")]
    Malformed(serde_json::Error),
    /// It is an object of a type that is not known.
    #[error("an object of the type {0:?} is not known")]
    Unsupported(String),
    /// A member is missing, or of the wrong kind.
    #[error("{0}")]
    Invalid(String),
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// An event.
    Event(Box<Event>),
    /// Any other.
    Other(Named),
}

/// What names an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `PROGRAM`, `REPORT`, `SUBSCRIPTION`, `VEN` or `RESOURCE`.
    pub object_type: String,
    /// The server's identifier.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The server's identifier; a file that was written by hand may have none.
    pub id: Option<String>,
    /// The program it belongs to.
    #[serde(rename = "programID")]
    pub program_id: String,
    /// A name for people.
    #[serde(rename = "eventName")]
    pub name: Option<String>,
    /// When it was made, RFC 3339.
    pub created_date_time: Option<String>,
    /// When it was changed last, RFC 3339.
    pub modification_date_time: Option<String>,
    /// 0 is the most important.
    pub priority: Option<u32>,
    /// How long the event lasts; longer than its intervals when they repeat (3.1).
    pub duration: Option<Duration>,
    /// Units and currencies of payloads.
    #[serde(default, deserialize_with = "null_is_default")]
    pub payload_descriptors: Vec<PayloadDescriptor>,
    /// Reports that are asked for; which ones is not read.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        rename = "reportDescriptors"
    )]
    pub report_descriptors: Vec<ReportDescriptor>,
    /// Start and length of intervals that have none of their own.
    pub interval_period: Option<Period>,
    #[serde(rename = "intervals")]
    written: Vec<Written>,
}

/// Unit and currency of the payloads of one type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayloadDescriptor {
    /// The type.
    pub payload_type: String,
    /// Unit, `KWH` and the like.
    pub units: Option<String>,
    /// Currency, ISO 4217.
    pub currency: Option<String>,
}

/// A report that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportDescriptor {
    /// Type of what is reported.
    pub payload_type: String,
    /// How it was read.
    pub reading_type: Option<String>,
    /// Unit that is wanted.
    pub units: Option<String>,
}

/// An interval as it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    id: i64,
    interval_period: Option<Period>,
    payloads: Vec<Payload>,
}

/// An interval in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Number of the sender's choice.
    pub id: i64,
    /// When it begins; `None` for "now".
    pub start: Option<Timestamp>,
    /// When it ends; `None` where there is no end, or it depends on "now".
    pub end: Option<Timestamp>,
    /// How long it is; `None` when nothing says so.
    pub length: Option<Duration>,
    /// What holds in it.
    pub payloads: Vec<Payload>,
}

/// Reads an object. One that does not tell its type is an event.
///
/// # Errors
/// [`ObjectError`].
pub fn read(text: &str) -> Result<Object, ObjectError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        object_type: Option<String>,
        id: Option<String>,
        program_name: Option<String>,
        report_name: Option<String>,
        client_name: Option<String>,
        ven_name: Option<String>,
        resource_name: Option<String>,
    }
    let text = text.trim_start_matches('\u{feff}');
    // Whether it is JSON at all comes first, so that a cut document is never called invalid.
    serde_json::from_str::<IgnoredAny>(text).map_err(ObjectError::Malformed)?;
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        object_type: Option<String>,
    }
    let kind: Kind = of_kind(text)?;
    let named = |name: fn(Head) -> Option<String>| {
        let head: Head = of_kind(text)?;
        Ok(Object::Other(Named {
            object_type: head.object_type.clone().unwrap_or_default(),
            id: head.id.clone(),
            name: name(head),
        }))
    };
    match kind.object_type.as_deref() {
        None | Some("EVENT") => Ok(Object::Event(Box::new(event(text)?))),
        Some("PROGRAM") => named(|head| head.program_name),
        // A report need not have a name, its client must.
        Some("REPORT") => named(|head| head.report_name.or(head.client_name)),
        Some("SUBSCRIPTION") => named(|head| head.client_name),
        Some("VEN") => named(|head| head.ven_name),
        Some("RESOURCE") => named(|head| head.resource_name),
        Some(other) => Err(ObjectError::Unsupported(other.chars().take(64).collect())),
    }
}

/// Reads an event.
///
/// # Errors
/// [`ObjectError`].
pub fn event(text: &str) -> Result<Event, ObjectError> {
    let event: Event = of_kind(text)?;
    if event.written.len() > MAX_INTERVALS {
        let reason = format!("an event has at most {MAX_INTERVALS} intervals");
        return Err(ObjectError::Invalid(reason));
    }
    for payload in event.written.iter().flat_map(|written| &written.payloads) {
        payload.check().map_err(ObjectError::Invalid)?;
    }
    event.intervals(None)?;
    Ok(event)
}

impl Event {
    /// The intervals in time; `now` is what a start of "now" means.
    ///
    /// An interval without a start begins where the one before it ends, one without a length is as
    /// long as the event's period says.
    ///
    /// # Errors
    /// An interval follows one that has no end, or ends beyond the calendar.
    pub fn intervals(&self, now: Option<Timestamp>) -> Result<Vec<Interval>, ObjectError> {
        let common = self.interval_period.as_ref();
        let common_length = common.and_then(|period| period.duration);
        // `None` behind an interval without an end.
        let mut turn = Some(common.map_or(Start::Now, |period| period.start));
        let mut intervals = Vec::with_capacity(self.written.len());
        for written in &self.written {
            let own = written.interval_period.as_ref();
            let start = own.map(|period| period.start).or(turn).ok_or_else(|| {
                let id = written.id;
                ObjectError::Invalid(format!("interval {id} follows one that does not end"))
            })?;
            let length = own.and_then(|period| period.duration).or(common_length);
            let start = match (start, now) {
                (Start::Now, Some(now)) => Start::At(now),
                (start, _) => start,
            };
            let (at, end) = match (start, length) {
                (Start::Now, _) => (None, None),
                (Start::At(start), Some(Duration::Seconds(seconds))) => {
                    let end = period::after(start, seconds).ok_or_else(|| {
                        ObjectError::Invalid("an interval ends beyond the year 9999".to_owned())
                    })?;
                    (Some(start), Some(end))
                }
                (Start::At(start), _) => (Some(start), None),
            };
            turn = match (start, length) {
                (_, None | Some(Duration::Forever)) => None,
                (Start::Now, _) => Some(Start::Now),
                (Start::At(_), _) => end.map(Start::At),
            };
            intervals.push(Interval {
                id: written.id,
                start: at,
                end,
                length,
                payloads: written.payloads.clone(),
            });
        }
        Ok(intervals)
    }

    /// What is said of a type of payload.
    #[must_use]
    pub fn descriptor(&self, payload_type: &str) -> Option<&PayloadDescriptor> {
        self.payload_descriptors
            .iter()
            .find(|descriptor| descriptor.payload_type == payload_type)
    }
}

fn of_kind<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, ObjectError> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        if error.is_data() {
            ObjectError::Invalid(error.to_string())
        } else {
            ObjectError::Malformed(error)
        }
    })
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(period: &str, intervals: &str) -> String {
        format!(
            r#"{{"objectType":"EVENT","id":"e","programID":"p","intervalPeriod":{period},"intervals":[{intervals}]}}"#
        )
    }

    fn spans(text: &str, now: Option<&str>) -> Result<Vec<String>, String> {
        let now = now.map(|now| now.parse().unwrap());
        let event = event(text).map_err(|error| error.to_string())?;
        let intervals = event.intervals(now).map_err(|error| error.to_string())?;
        let show = |at: Option<Timestamp>| at.map_or("-".to_owned(), |at| at.to_string());
        Ok(intervals
            .iter()
            .map(|interval| format!("{} {}", show(interval.start), show(interval.end)))
            .collect())
    }

    const SIMPLE: &str = r#""payloads":[{"type":"SIMPLE","values":[1]}]"#;

    #[test]
    fn intervals_follow_each_other() {
        let two = format!("{{\"id\":0,{SIMPLE}}},{{\"id\":1,{SIMPLE}}}");
        let own = format!(
            r#"{{"id":0,"intervalPeriod":{{"start":"2026-01-01T05:00:00+01:00"}},{SIMPLE}}},{{"id":1,{SIMPLE}}}"#
        );
        let at = r#"{"start":"2026-01-01T00:00:00Z","duration":"PT30M"}"#;
        let now = r#"{"start":"0001-01-01","duration":"PT30M"}"#;
        for (period, intervals, moment, want) in [
            (
                at,
                &two,
                None,
                [
                    "2026-01-01T00:00:00Z 2026-01-01T00:30:00Z",
                    "2026-01-01T00:30:00Z 2026-01-01T01:00:00Z",
                ],
            ),
            (
                at,
                &own,
                None,
                [
                    "2026-01-01T04:00:00Z 2026-01-01T04:30:00Z",
                    "2026-01-01T04:30:00Z 2026-01-01T05:00:00Z",
                ],
            ),
            (now, &two, None, ["- -", "- -"]),
            (
                now,
                &two,
                Some("2026-02-01T00:00:00Z"),
                [
                    "2026-02-01T00:00:00Z 2026-02-01T00:30:00Z",
                    "2026-02-01T00:30:00Z 2026-02-01T01:00:00Z",
                ],
            ),
        ] {
            assert_eq!(spans(&text(period, intervals), moment).unwrap(), want);
        }
        let open = r#"{"start":"2026-01-01T00:00:00Z","duration":"P9999Y"}"#;
        let error = spans(&text(open, &two), None).unwrap_err();
        assert!(error.contains("does not end"), "{error}");
    }

    #[test]
    fn values_are_of_the_kind_their_type_asks_for() {
        let period = r#"{"start":"2026-01-01T00:00:00Z","duration":"PT1H"}"#;
        for (kind, values, right) in [
            ("SIMPLE", "[3]", true),
            ("SIMPLE", "[4]", false),
            ("SIMPLE", "[1.5]", false),
            ("SIMPLE", "[]", false),
            ("PRICE", "[0.10]", true),
            ("PRICE", "[\"0.10\"]", false),
            ("PRICE", "[1e400]", false),
            ("PRICE", "0.1", false),
            ("ALERT_GRID_EMERGENCY", "[\"please save\"]", true),
            ("ALERT_GRID_EMERGENCY", "[1]", false),
            ("CURVE", "[{\"x\":1,\"y\":2.5}]", true),
            ("CURVE", "[1]", false),
            ("OWN", "[true,1,\"a\",{\"x\":1,\"y\":2}]", true),
            ("OWN", "[null]", false),
        ] {
            let interval =
                format!(r#"{{"id":0,"payloads":[{{"type":"{kind}","values":{values}}}]}}"#);
            assert_eq!(
                event(&text(period, &interval)).is_ok(),
                right,
                "{kind} {values}"
            );
        }
    }

    #[test]
    fn other_objects_have_a_name() {
        let read = |text: &str| read(text);
        let Ok(Object::Other(ven)) = read(r#"{"objectType":"VEN","id":"v","venName":"home"}"#)
        else {
            panic!("no VEN");
        };
        assert_eq!(ven.name.as_deref(), Some("home"));
        let report = r#"{"objectType":"REPORT","id":"r","clientName":"home","reportName":"usage"}"#;
        assert!(
            matches!(read(report), Ok(Object::Other(report)) if report.name.as_deref() == Some("usage"))
        );
        assert!(matches!(
            read(r#"{"objectType":"PARTY"}"#),
            Err(ObjectError::Unsupported(_))
        ));
        assert!(matches!(
            read(r#"{"objectType":"EVENT""#),
            Err(ObjectError::Malformed(_))
        ));
        assert!(matches!(read("[]"), Err(ObjectError::Invalid(_))));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(part in "[\\[\\]{}\":,0-9a-zTP. -]{0,80}") {
            let _ = read(&part);
            let _ = read(&text(&part, "{}"));
            let _ = read(&text(r#"{"start":"0001-01-01"}"#, &part));
        }
    }
}
