//! What the parts of the household are made of.

use serde_json::Value;

use super::super::thing::{Kind, Point, Thing, Topics, Values, identifier};

/// A part of the household: what it is, its values, and JSON that says more.
pub(super) struct Told {
    pub(super) thing: Thing,
    pub(super) values: Values,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

/// A part of the gateway's own.
pub(super) fn part(topics: &Topics, path: &str, name: &str, points: Vec<Point>) -> Thing {
    Thing {
        path: path.to_owned(),
        ident: format!("{}_{}", topics.node(), identifier(path)),
        name: name.to_owned(),
        manufacturer: Some("wattle".to_owned()),
        model: None,
        serial: None,
        relies_on: None,
        points,
    }
}

/// Something that is read.
pub(super) fn sensor(key: &str, name: &str, unit: Option<&str>) -> Point {
    Point {
        unit: unit.map(str::to_owned),
        ..Point::new(Kind::Sensor, key, name)
    }
}

/// A decimal as a JSON number.
pub(super) fn number(decimal: &str) -> Value {
    serde_json::from_str(decimal).unwrap_or(Value::Null)
}

/// A decimal as JSON, or `null`: what is not known is never 0.
pub(super) fn or_null(decimal: Option<String>) -> String {
    decimal.unwrap_or_else(|| "null".to_owned())
}

/// Values by name.
pub(super) fn owned(values: Vec<(&str, String)>) -> Values {
    let owned = |(key, value): (&str, String)| (key.to_owned(), value);
    values.into_iter().map(owned).collect()
}

/// A moment in time.
pub(super) fn moment(key: &str, name: &str) -> Point {
    Point {
        device_class: Some("timestamp"),
        ..sensor(key, name, None)
    }
}
