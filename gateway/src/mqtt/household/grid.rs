//! What the utility asks for.

use serde_json::{Value, json};
use wattle_api::State;

use super::super::thing::{Kind, Point, Topics, text};
use super::GRID;
use super::part::{Told, moment, or_null, owned, part, sensor};

/// The event that holds or comes next, all of them beside it.
pub(super) fn told(topics: &Topics, state: &State) -> Told {
    let next = state.grid_events.first();
    let points = vec![
        Point {
            attributes: Some("events"),
            ..Point::new(Kind::Binary, "active", "Grid event")
        },
        sensor("kind", "Kind", None),
        Point {
            state_class: Some("measurement"),
            ..sensor("level", "Level", None)
        },
        moment("start", "Begins"),
        moment("end", "Ends"),
        sensor("opt", "Takes part", None),
        Point::new(Kind::Button("opt-out"), "opt_out", "Opt out"),
        Point::new(Kind::Button("opt-in"), "opt_in", "Opt in"),
    ];
    let holds = next
        .is_some_and(|event| event.start <= state.at && event.end.is_none_or(|end| state.at < end));
    let word = |value: Value| Some(value.to_string()).filter(|text| text != "null");
    let values = vec![
        ("active", text(if holds { "ON" } else { "OFF" })),
        (
            "kind",
            or_null(next.and_then(|event| word(json!(event.kind)))),
        ),
        (
            "level",
            or_null(next.and_then(|event| Some(event.level?.to_string()))),
        ),
        (
            "start",
            or_null(next.map(|event| text(&event.start.to_string()))),
        ),
        (
            "end",
            or_null(next.and_then(|event| Some(text(&event.end?.to_string())))),
        ),
        (
            "opt",
            or_null(next.and_then(|event| word(json!(event.opt)))),
        ),
    ];
    Told {
        thing: part(topics, GRID, "Grid events", points),
        values: owned(values),
        attributes: vec![("events", json!({ "events": state.grid_events }))],
    }
}
