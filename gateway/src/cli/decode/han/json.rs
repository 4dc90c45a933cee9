//! Fields of the home area network as JSON.

use ::han::{Record, Value};
use serde_json::{Map, Value as Json};

use crate::cli::decode::output::Object;

/// A value: integers as they are, identifiers and octets as lower-case hex.
pub(super) fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Unsigned(number) => (*number).into(),
        Value::Signed(number) => (*number).into(),
        Value::Id { .. } | Value::Octets(_) | Value::Mac(_) | Value::Text(_) => {
            value.to_string().into()
        }
        Value::List(values) => values.iter().map(self::value).collect(),
        Value::Record(record) => Json::Object(fields(record)),
    }
}

/// The fields of a record, in order.
pub(super) fn fields(record: &Record) -> Map<String, Json> {
    record
        .fields()
        .map(|(name, field)| (name.to_owned(), value(field)))
        .collect()
}

/// Adds the fields of a record as members of the object.
pub(in crate::cli) fn add_fields(object: &mut Object, record: &Record) {
    for (name, field) in record.fields() {
        object.set(name, value(field));
    }
}
