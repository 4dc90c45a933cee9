//! The gateway itself: whether it is there, what is wrong, what happens.

use serde_json::{Value, json};
use wattle_api::{Severity, State};

use super::super::thing::{Kind, Point, Thing, Topics, text};
use super::EVENTS;
use super::part::{Told, owned, sensor};

pub(super) fn told(topics: &Topics, state: &State) -> Told {
    let worst = state.notices.iter().map(|notice| notice.severity).max();
    let problem = worst >= Some(Severity::Warning);
    let listed: Vec<Value> = state
        .notices
        .iter()
        .map(|notice| json!({ "code": notice.code, "severity": notice.severity, "meter": notice.meter, "text": notice.text, "since": notice.since }))
        .collect();
    let rejected: u64 = state.meters.iter().map(|meter| meter.rejected).sum();
    let diagnostic = |point: Point| Point {
        diagnostic: true,
        ..point
    };
    let points = vec![
        Point {
            device_class: Some("connectivity"),
            id: "status".to_owned(),
            ..diagnostic(Point::new(Kind::Connection, "connection", "Connection"))
        },
        Point {
            device_class: Some("problem"),
            attributes: Some("notices"),
            ..diagnostic(Point::new(Kind::Binary, "problem", "Problem"))
        },
        Point {
            device_class: Some("timestamp"),
            ..diagnostic(sensor("started_at", "Started", None))
        },
        Point {
            state_class: Some("total_increasing"),
            ..diagnostic(sensor("rejected", "Rejected input", None))
        },
        Point::new(Kind::Event(EVENTS), "event", "Event"),
    ];
    let on = if problem { "ON" } else { "OFF" };
    let values = [
        ("problem", text(on)),
        ("started_at", text(&state.gateway.started_at.to_string())),
        ("rejected", rejected.to_string()),
    ];
    Told {
        thing: Thing {
            path: String::new(),
            ident: topics.node(),
            name: format!("Wattle {}", topics.gateway.to_uppercase()),
            manufacturer: Some("wattle".to_owned()),
            model: Some("Home energy gateway".to_owned()),
            serial: None,
            relies_on: None,
            points,
        },
        values: owned(values.to_vec()),
        attributes: vec![("notices", json!({ "notices": listed }))],
    }
}
