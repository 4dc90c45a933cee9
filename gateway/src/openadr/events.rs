//! Events of OpenADR 3 as what the home is asked for.

use jiff::{SignedDuration, Timestamp};
use wattle_api::{GridEvent, GridEventKind, GridEventStep, OptState};
use wattle_billing::grid::openadr3::{Duration, Event, Interval, ObjectError, Payload, Value};

/// Steps that are told of an event.
const MAX_STEPS: usize = 96;
/// Longest message.
const MAX_TEXT: usize = 500;

/// The identifier under which an event of the VTN is known in the gateway.
pub(super) fn known_as(id: &str) -> String {
    format!("openadr:{id}")
}

/// Whether it is an event of prices.
pub(super) fn has_prices(intervals: &[Interval]) -> bool {
    let is_price = |payload: &Payload| ["PRICE", "EXPORT_PRICE"].contains(&payload.kind.as_str());
    intervals.iter().flat_map(|one| &one.payloads).any(is_price)
}

/// The intervals; "now" is when the event was made, so that it is the same at each look. Where a
/// spread of starts is asked for, this gateway's part of it is added, likewise always the same.
pub(crate) fn intervals(
    event: &Event,
    gateway: &str,
    now: Timestamp,
) -> Result<Vec<Interval>, ObjectError> {
    let made = event.created_date_time.as_deref();
    let made = made.and_then(wattle_billing::time::instant);
    let mut intervals = event.intervals(Some(made.unwrap_or(now)))?;
    let spread = event
        .interval_period
        .and_then(|period| period.randomize_start);
    if let Some(Duration::Seconds(most @ 1..)) = spread {
        let later = SignedDuration::from_secs(crate::grid::share(
            gateway,
            event.id.as_deref().unwrap_or_default(),
            most,
        ));
        for interval in &mut intervals {
            for at in [&mut interval.start, &mut interval.end] {
                *at = at.and_then(|at| at.checked_add(later).ok()).or(*at);
            }
        }
    }
    Ok(intervals)
}

/// What the home is asked for; `None` for an event that asks for nothing, such as one of prices.
pub(crate) fn grid_event(event: &Event, intervals: &[Interval]) -> Option<GridEvent> {
    let (kind, wanted) = intervals
        .iter()
        .flat_map(|interval| &interval.payloads)
        .find_map(|payload| Some((kind_of(&payload.kind)?, payload.kind.as_str())))?;
    let of_kind = |interval: &Interval| -> Option<Payload> {
        let mut all = interval.payloads.iter();
        all.find(|payload| payload.kind == wanted).cloned()
    };
    let mut steps: Vec<GridEventStep> = Vec::new();
    let mut text = None;
    let (mut start, mut end) = (None, None);
    for interval in intervals {
        let (Some(payload), Some(from)) = (of_kind(interval), interval.start) else {
            continue;
        };
        start = Some(start.map_or(from, |known: Timestamp| known.min(from)));
        // An end that is not known is later than any other.
        end = match (end, interval.end) {
            (None, to) => Some(to),
            (Some(Some(known)), Some(to)) => Some(Some(to.max(known))),
            _ => Some(None),
        };
        if let Some(Value::Text(words)) = payload.values.first() {
            text.get_or_insert_with(|| shown(words));
        }
        let Some(level) = payload.number() else {
            continue;
        };
        let room = steps.len() < MAX_STEPS;
        match steps.last_mut() {
            Some(last) if last.level == level && last.end == Some(from) => last.end = interval.end,
            _ if room => steps.push(GridEventStep {
                start: from,
                end: interval.end,
                level,
            }),
            _ => {}
        }
    }
    Some(GridEvent {
        id: known_as(event.id.as_deref()?),
        name: event.name.as_deref().map(shown),
        kind,
        start: start?,
        end: end.flatten(),
        level: steps.first().map(|step| step.level),
        text,
        steps: if steps.len() > 1 { steps } else { Vec::new() },
        priority: event.priority,
        opt: OptState::In,
        // A limit is set by the grid's operator to keep the grid up.
        may_opt_out: !matches!(
            kind,
            GridEventKind::ImportLimit | GridEventKind::ExportLimit | GridEventKind::Alert
        ),
    })
}

fn kind_of(payload_type: &str) -> Option<GridEventKind> {
    Some(match payload_type {
        "PRICE" | "EXPORT_PRICE" | "GHG" => return None,
        "SIMPLE" => GridEventKind::LoadShed,
        "IMPORT_CAPACITY_LIMIT" => GridEventKind::ImportLimit,
        "EXPORT_CAPACITY_LIMIT" => GridEventKind::ExportLimit,
        "DISPATCH_SETPOINT"
        | "DISPATCH_SETPOINT_RELATIVE"
        | "CONTROL_SETPOINT"
        | "CHARGE_STATE_SETPOINT" => GridEventKind::Dispatch,
        other if other.starts_with("ALERT_") => GridEventKind::Alert,
        _ => GridEventKind::Other,
    })
}

/// Words of others as they may stand on a screen.
fn shown(text: &str) -> String {
    let plain = text.chars().filter(|character| !character.is_control());
    plain.take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattle_billing::grid::openadr3;

    fn event(period: &str, payloads: &[&str]) -> Event {
        let rows: Vec<String> = (0..)
            .zip(payloads)
            .map(|(id, payload)| format!(r#"{{"id":{id},"payloads":[{payload}]}}"#))
            .collect();
        openadr3::event(&format!(
            r#"{{"objectType":"EVENT","id":"e1","programID":"p","eventName":"peak\u0007 day",
                "createdDateTime":"2026-05-01T10:00:00Z","intervalPeriod":{period},"intervals":[{}]}}"#,
            rows.join(",")
        ))
        .unwrap()
    }

    fn asked(event: &Event) -> Option<GridEvent> {
        let now = "2026-05-01T12:00:00Z".parse().unwrap();
        grid_event(event, &intervals(event, "0a0b0c", now).unwrap())
    }

    const HOURS: &str = r#"{"start":"2026-05-01T15:00:00Z","duration":"PT1H"}"#;

    #[test]
    fn levels_that_do_not_change_are_one_step() {
        let simple = |level: u8| format!(r#"{{"type":"SIMPLE","values":[{level}]}}"#);
        let (one, two) = (simple(1), simple(2));
        let found = asked(&event(HOURS, &[&one, &one, &two])).unwrap();
        assert_eq!(
            (found.id.as_str(), found.kind),
            ("openadr:e1", GridEventKind::LoadShed)
        );
        assert_eq!(found.name.as_deref(), Some("peak day"));
        assert_eq!(found.start.to_string(), "2026-05-01T15:00:00Z");
        assert_eq!(found.end.unwrap().to_string(), "2026-05-01T18:00:00Z");
        let ends: Vec<String> = found
            .steps
            .iter()
            .map(|step| step.end.unwrap().to_string())
            .collect();
        assert_eq!(ends, ["2026-05-01T17:00:00Z", "2026-05-01T18:00:00Z"]);
        assert!(found.may_opt_out && found.level == Some(1.into()));
        assert!(asked(&event(HOURS, &[&one])).unwrap().steps.is_empty());
    }

    #[test]
    fn prices_ask_for_nothing() {
        let price = event(HOURS, &[r#"{"type":"PRICE","values":[0.3]}"#]);
        assert_eq!(asked(&price), None);
        assert!(has_prices(&price.intervals(None).unwrap()));
    }

    #[test]
    fn limits_and_alerts() {
        let limit = r#"{"type":"IMPORT_CAPACITY_LIMIT","values":[4.2]}"#;
        let limit = asked(&event(HOURS, &[limit])).unwrap();
        assert!(!limit.may_opt_out && limit.level == Some("4.2".parse().unwrap()));
        let now = r#"{"start":"0001-01-01","duration":"P9999Y"}"#;
        let alert = r#"{"type":"ALERT_GRID_EMERGENCY","values":["save power"]}"#;
        let alert = asked(&event(now, &[alert])).unwrap();
        assert_eq!(alert.text.as_deref(), Some("save power"));
        assert_eq!(
            (alert.start.to_string().as_str(), alert.end),
            ("2026-05-01T10:00:00Z", None)
        );
    }

    #[test]
    fn starts_are_spread_and_stay() {
        let spread =
            r#"{"start":"2026-05-01T15:00:00Z","duration":"PT1H","randomizeStart":"PT5M"}"#;
        let event = event(spread, &[r#"{"type":"SIMPLE","values":[1]}"#]);
        let start = |gateway: &str| {
            let now = "2026-05-01T12:00:00Z".parse().unwrap();
            let first = intervals(&event, gateway, now).unwrap().remove(0);
            assert_eq!(
                (first.end.unwrap() - first.start.unwrap()).get_seconds(),
                3600
            );
            first.start.unwrap().as_second() - 1_777_647_600
        };
        let starts: Vec<i64> = (0..50).map(|home| start(&format!("{home:06x}"))).collect();
        assert!(starts.iter().all(|late| (0..=300).contains(late)));
        assert!(starts.iter().any(|late| *late != starts[0]));
        assert_eq!(start("000001"), starts[1]);
    }
}
