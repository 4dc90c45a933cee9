//! Reports to the VTN (OpenADR 3.1 Definition, "REPORT"): whether the home takes part, and what it
//! used during an event.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use wattle_api::OptState;
use wattle_billing::grid::openadr3::{Event, Interval};

use crate::store::QUARTER_S;
use crate::usage::Quarters;

/// Name of the report on whether the home takes part.
pub(super) const OPT_REPORT: &str = "wattle participation";
/// Name of the report on what was used.
pub(super) const USAGE_REPORT: &str = "wattle usage";

/// A report as it is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    object_type: &'static str,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    client_name: &'a str,
    report_name: &'static str,
    payload_descriptors: [Descriptor; 1],
    resources: [Resource<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    object_type: &'static str,
    payload_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reading_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    units: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    resource_name: &'a str,
    intervals: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_period: Option<Period>,
    payloads: [Payload; 1],
}

#[derive(Serialize)]
struct Period {
    start: String,
    duration: String,
}

#[derive(Serialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: &'static str,
    /// As JSON text, so that a number keeps its digits.
    values: [Box<RawValue>; 1],
}

/// Whether the home takes part in an event, as its operating state.
pub(super) fn participation(ven: &str, event: &str, opt: OptState) -> anyhow::Result<String> {
    let state = match opt {
        OptState::In => "NORMAL",
        OptState::Out => "RUNNING_OPTED_OUT",
    };
    let descriptor = Descriptor {
        object_type: "REPORT_PAYLOAD_DESCRIPTOR",
        payload_type: "OPERATING_STATE",
        reading_type: None,
        units: None,
    };
    let row = Row {
        id: 0,
        interval_period: None,
        payloads: [Payload {
            kind: "OPERATING_STATE",
            values: [to_raw_value(state)?],
        }],
    };
    report(ven, event, OPT_REPORT, descriptor, vec![row])
}

/// Whether usage is asked for.
pub(super) fn wants_usage(event: &Event) -> bool {
    let usage = |payload_type: &str| payload_type == "USAGE";
    let mut asked = event.report_descriptors.iter();
    asked.any(|descriptor| usage(&descriptor.payload_type))
}

/// What was drawn from the grid in each interval, in kWh; `None` while there is nothing to tell.
/// An interval that is not made of whole quarter-hours, or was not metered wholly, is left out.
pub(super) fn usage(
    ven: &str,
    event: &Event,
    intervals: &[Interval],
    quarters: &Quarters,
) -> anyhow::Result<Option<String>> {
    let mut rows = Vec::new();
    for interval in intervals {
        let (Some(start), Some(end)) = (interval.start, interval.end) else {
            continue;
        };
        let Some(kwh) = used(start, end, quarters) else {
            continue;
        };
        rows.push(Row {
            id: interval.id,
            interval_period: Some(Period {
                start: start.to_string(),
                duration: format!("PT{}S", end.as_second() - start.as_second()),
            }),
            payloads: [Payload {
                kind: "USAGE",
                values: [RawValue::from_string(kwh.normalize().to_string())?],
            }],
        });
    }
    let Some(id) = event.id.as_deref().filter(|_| !rows.is_empty()) else {
        return Ok(None);
    };
    let descriptor = Descriptor {
        object_type: "REPORT_PAYLOAD_DESCRIPTOR",
        payload_type: "USAGE",
        reading_type: Some("DIRECT_READ"),
        units: Some("KWH"),
    };
    report(ven, id, USAGE_REPORT, descriptor, rows).map(Some)
}

fn used(start: Timestamp, end: Timestamp, quarters: &Quarters) -> Option<Decimal> {
    let (start, end) = (start.as_second(), end.as_second());
    if start >= end || start % QUARTER_S != 0 || end % QUARTER_S != 0 {
        return None;
    }
    let mut sum = Decimal::ZERO;
    let mut at = start;
    while at < end {
        let (kwh, whole) = quarters.get(&at)?;
        if !whole {
            return None;
        }
        sum = sum.checked_add(*kwh)?;
        at += QUARTER_S;
    }
    Some(sum)
}

fn report(
    ven: &str,
    event: &str,
    name: &'static str,
    descriptor: Descriptor,
    intervals: Vec<Row>,
) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&Report {
        object_type: "REPORT",
        event_id: event,
        client_name: ven,
        report_name: name,
        payload_descriptors: [descriptor],
        resources: [Resource {
            resource_name: ven,
            intervals,
        }],
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattle_billing::grid::openadr3;

    #[test]
    fn only_what_was_metered_wholly_is_told() {
        let text = r#"{"objectType":"EVENT","id":"e","programID":"p",
            "reportDescriptors":[{"payloadType":"USAGE"}],
            "intervalPeriod":{"start":"2026-05-01T15:00:00Z","duration":"PT30M"},
            "intervals":[{"id":0,"payloads":[]},{"id":1,"payloads":[]},{"id":2,"payloads":[]}]}"#;
        let event = openadr3::event(text).unwrap();
        assert!(wants_usage(&event));
        let first = 1_777_647_600;
        let kwh = |text: &str| text.parse::<Decimal>().unwrap();
        let quarters = Quarters::from([
            (first, (kwh("0.1"), true)),
            (first + 900, (kwh("0.2230"), true)),
            (first + 1800, (kwh("1"), true)),
            (first + 2700, (kwh("1"), false)),
            (first + 3600, (kwh("1"), true)),
        ]);
        let intervals = event.intervals(None).unwrap();
        let made = usage("home", &event, &intervals, &quarters)
            .unwrap()
            .unwrap();
        assert!(made.contains(r#""values":[0.323]"#), "{made}");
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let rows = made["resources"][0]["intervals"].as_array().unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["intervalPeriod"]["duration"], "PT1800S");
        assert!(
            usage("home", &event, &intervals, &Quarters::new())
                .unwrap()
                .is_none()
        );
    }
}
