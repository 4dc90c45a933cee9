//! Prints decoded messages: one JSON object per line, or the same for eyes.

use std::io::{self, StdoutLock, Write};

use serde_json::{Map, Value};

use super::OutputFormat;

/// One decoded message or rejected stretch; members stand in the order they were added.
pub(in crate::cli) struct Object(Map<String, Value>);

impl Object {
    /// A message that is right, and has no place in a stream of bytes.
    pub(in crate::cli) fn message(protocol: &str) -> Self {
        let mut object = Self(Map::new());
        object.set("protocol", protocol);
        object.set("status", "ok");
        object
    }

    /// A message that gives no value, and why.
    pub(in crate::cli) fn failed(protocol: &str, status: &str, reason: &str) -> Self {
        let mut object = Self(Map::new());
        object.set("protocol", protocol);
        object.set("status", status);
        object.set("reason", reason);
        object
    }

    /// A message that is right.
    pub(super) fn ok(protocol: &str, offset: u64, length: u64) -> Self {
        let mut object = Self::message(protocol);
        object.set("offset", offset);
        object.set("length", length);
        object
    }

    /// A message or stretch that gives no value, and why.
    pub(super) fn rejected(
        protocol: &str,
        status: &str,
        reason: &str,
        offset: u64,
        length: u64,
    ) -> Self {
        let mut object = Self::failed(protocol, status, reason);
        object.set("offset", offset);
        object.set("length", length);
        object
    }

    /// Adds a member.
    pub(in crate::cli) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Adds a member unless there is nothing to say.
    pub(in crate::cli) fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Adds a list unless it is empty.
    pub(super) fn set_list(&mut self, name: &str, list: Vec<Value>) {
        if !list.is_empty() {
            self.set(name, list);
        }
    }
}

impl std::fmt::Display for Object {
    /// As JSON on one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| std::fmt::Error)?;
        f.write_str(&text)
    }
}

/// Standard output, flushed after each object.
pub(in crate::cli) struct Output {
    format: OutputFormat,
    out: StdoutLock<'static>,
}

impl Output {
    /// Prints in this format.
    pub(in crate::cli) fn new(format: OutputFormat) -> Self {
        Self {
            format,
            out: io::stdout().lock(),
        }
    }

    /// Prints one object.
    pub(in crate::cli) fn print(&mut self, object: Object) -> io::Result<()> {
        match self.format {
            OutputFormat::Json => writeln!(self.out, "{}", Value::Object(object.0))?,
            OutputFormat::Table => self.out.write_all(table(&object.0).as_bytes())?,
        }
        self.out.flush()
    }
}

/// A line of the plain members, then each list of objects as aligned columns.
fn table(object: &Map<String, Value>) -> String {
    let mut heading = Vec::new();
    let mut lists = String::new();
    for (name, value) in object {
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                lists.push_str(&format!("  {name}\n"));
                lists.push_str(&rows_of(rows));
            }
            _ if name == "protocol" || name == "status" => heading.push(plain(value)),
            _ => heading.push(format!("{name} {}", plain(value))),
        }
    }
    format!("{}\n{lists}", heading.join("  "))
}

fn rows_of(rows: &[Value]) -> String {
    // The first two members (a name and its value) and the unit are columns, the rest follows.
    let cells: Vec<[String; 4]> = rows
        .iter()
        .filter_map(Value::as_object)
        .map(|row| {
            let mut members = row.iter();
            let mut next = || {
                members
                    .next()
                    .map(|(_, value)| plain(value))
                    .unwrap_or_default()
            };
            let (name, value) = (next(), next());
            let unit = row.get("unit").map(plain).unwrap_or_default();
            let rest: Vec<String> = members
                .filter(|(name, _)| *name != "unit")
                .map(|(name, value)| format!("{name} {}", plain(value)))
                .collect();
            [name, value, unit, rest.join("  ")]
        })
        .collect();
    let width = |column: usize| {
        let lengths = cells.iter().filter_map(|row| row.get(column));
        lengths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    cells
        .iter()
        .map(|[name, value, unit, rest]| {
            let line = format!("    {name:first$}  {value:>second$} {unit:third$}  {rest}");
            format!("{}\n", line.trim_end())
        })
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(in crate::cli) use crate::hex::encode as hex;

/// Hex digits as octets; white space around them is no part of them.
pub(super) fn octets_of(text: &str) -> Option<Vec<u8>> {
    meter_link::key::octets(text.trim())
}
