//! Values of payloads, exact.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::exact::{JsonDecimal, json_number};

/// What holds in an interval.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Payload {
    /// Its type: `PRICE`, `SIMPLE` and the others of the standard, or a private one.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its values.
    pub values: Vec<Value>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number with every digit.
    Number(Decimal),
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A point of a curve.
    Point {
        /// Abscissa.
        x: Decimal,
        /// Ordinate.
        y: Decimal,
    },
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Point {
            x: JsonDecimal,
            y: JsonDecimal,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let inner = |error: serde_json::Error| de::Error::custom(error.to_string());
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self::Text).map_err(inner),
            Some(b't' | b'f') => serde_json::from_str(text).map(Self::Flag).map_err(inner),
            Some(b'{') => {
                let Point { x, y } = serde_json::from_str(text).map_err(inner)?;
                Ok(Self::Point { x: x.0, y: y.0 })
            }
            _ => json_number(text).map(Self::Number).ok_or_else(|| {
                let start: String = text.chars().take(40).collect();
                de::Error::custom(format!("{start} is no value that can be kept exactly"))
            }),
        }
    }
}

/// What the values of a type are (OpenADR 3.1 Definition, "Event payload enumerations").
enum Kind {
    /// Whole numbers up to this one.
    Level(u32),
    Number,
    Text,
    Point,
    Any,
}

fn kind_of(payload_type: &str) -> Kind {
    match payload_type {
        "SIMPLE" => Kind::Level(3),
        "CTA2045_REBOOT" => Kind::Level(1),
        "CURVE" => Kind::Point,
        "PRICE"
        | "EXPORT_PRICE"
        | "GHG"
        | "OLS"
        | "CHARGE_STATE_SETPOINT"
        | "DISPATCH_SETPOINT"
        | "DISPATCH_SETPOINT_RELATIVE"
        | "CONTROL_SETPOINT"
        | "CTA2045_SET_OVERRIDE_STATUS" => Kind::Number,
        other if other.starts_with("ALERT_") => Kind::Text,
        other if other.starts_with("IMPORT_CAPACITY_") || other.starts_with("EXPORT_CAPACITY_") => {
            Kind::Number
        }
        _ => Kind::Any,
    }
}

impl Payload {
    /// The first value, if it is a number.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        match self.values.first() {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether the values are of the kind that the type asks for.
    pub(super) fn check(&self) -> Result<(), String> {
        let fits = |value: &Value| match (kind_of(&self.kind), value) {
            (Kind::Any, _)
            | (Kind::Number, Value::Number(_))
            | (Kind::Text, Value::Text(_))
            | (Kind::Point, Value::Point { .. }) => true,
            (Kind::Level(highest), Value::Number(number)) => {
                number.fract().is_zero()
                    && (Decimal::ZERO..=Decimal::from(highest)).contains(number)
            }
            _ => false,
        };
        if self.values.is_empty() && !matches!(kind_of(&self.kind), Kind::Any) {
            return Err(format!("a payload of type {} has no value", self.kind));
        }
        match self.values.iter().find(|value| !fits(value)) {
            None => Ok(()),
            Some(_) => {
                let wanted = match kind_of(&self.kind) {
                    Kind::Level(highest) => format!("a whole number from 0 to {highest}"),
                    Kind::Number => "a number".to_owned(),
                    Kind::Text => "a text".to_owned(),
                    Kind::Point | Kind::Any => "a point with x and y".to_owned(),
                };
                Err(format!("a value of type {} is not {wanted}", self.kind))
            }
        }
    }
}
