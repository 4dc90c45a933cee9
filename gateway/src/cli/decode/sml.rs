//! `wattle decode sml`.

use std::io;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use meter_link::model::{ObisCode, Value as Measured};
use meter_link::profile::{self, QuirkSet, UnknownQuirk};
use meter_link::sml::{
    Column, Deframer, Event, Fault, File, Frame, GetListResponse, Interpreter, ListEntry, Message,
    MessageBody, ParseErrorKind, ProcParValue, Scalar, ServerId, Skipped, Time, Tree,
};
use serde_json::Value;

use super::output::{Object, Output, hex};
use super::{CommonArgs, Decoder};

const PROTOCOL: &str = "sml";

/// Decode SML, what German meters push through their optical port
#[derive(Debug, Args)]
#[command(
    long_about = "Decode SML (Smart Message Language), what German meters push through their \
        optical port.\n\n\
        A line is printed for every list of registers in a telegram whose transport check and \
        message checks are right. Known faults of single models are corrected; a corrected value \
        names the correction and keeps the number as sent in `raw`.",
    after_help = "Examples:\n  \
        wattle decode sml capture.bin\n  \
        wattle decode sml --format table capture.bin\n  \
        wattle decode sml --no-quirks --quirk dzg-dvs74-sign capture.bin\n  \
        echo '1b1b1b1b 01010101 ...' | wattle decode sml --input hex -"
)]
pub(super) struct SmlArgs {
    /// Turn every correction for known meter faults off
    #[arg(long)]
    no_quirks: bool,

    /// Force one correction on, whatever the meter; may be given more than once
    #[arg(long, value_name = "ID")]
    quirk: Vec<String>,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Names of all corrections, for people.
pub(super) fn quirk_names() -> String {
    let names: Vec<&str> = profile::quirks()
        .iter()
        .map(|quirk| quirk.id.as_str())
        .collect();
    names.join(", ")
}

pub(super) struct SmlDecoder {
    deframer: Deframer,
    quirks: QuirkSet,
}

impl SmlDecoder {
    pub(super) fn new(args: &SmlArgs) -> Result<Self, UnknownQuirk> {
        let start = if args.no_quirks {
            QuirkSet::none()
        } else {
            QuirkSet::all()
        };
        let quirks = args.quirk.iter().try_fold(start, |set, id| set.force(id))?;
        Ok(Self {
            deframer: Deframer::new(),
            quirks,
        })
    }
}

impl Decoder for SmlDecoder {
    fn feed(&mut self, mut bytes: &[u8], output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.deframer.pull(&mut bytes) {
            print(event, false, &self.quirks, output)?;
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.deframer.finish() {
            print(event, true, &self.quirks, output)?;
        }
        Ok(())
    }
}

fn print(event: Event<'_>, at_end: bool, quirks: &QuirkSet, out: &mut Output) -> io::Result<()> {
    match event {
        Event::Frame(frame) => print_frame(&frame, quirks, out),
        Event::Skipped(skipped) => out.print(skipped_object(&skipped, at_end)),
    }
}

fn skipped_object(skipped: &Skipped, at_end: bool) -> Object {
    let status = match skipped.fault {
        Fault::EndMissing | Fault::StartMissing { end_seen: true } => "truncated",
        // What stands in front of the first telegram is taken for the tail of one.
        Fault::StartMissing { .. } if skipped.offset == 0 && !at_end => "truncated",
        Fault::Crc { .. } => "checksum",
        _ => "malformed",
    };
    let reason = skipped.fault.to_string();
    Object::rejected(PROTOCOL, status, &reason, skipped.offset, skipped.length)
}

fn print_frame(frame: &Frame<'_>, quirks: &QuirkSet, out: &mut Output) -> io::Result<()> {
    let (offset, length) = (frame.offset, frame.raw.len() as u64);
    let content = frame.content();
    let file = match File::parse(&content, quirks) {
        Ok(file) => file,
        Err(error) => {
            let status = match error.kind {
                ParseErrorKind::MessageCrc { .. } => "checksum",
                _ => "malformed",
            };
            let reason = error.to_string();
            return out.print(Object::rejected(PROTOCOL, status, &reason, offset, length));
        }
    };
    let mut said = false;
    for message in &file.messages {
        let object = message_object(message, &file, frame, quirks);
        said |= object.is_some();
        if let Some(object) = object {
            out.print(object)?;
        }
    }
    if !said {
        let reason = "the telegram opens and closes without a message in between";
        out.print(Object::rejected(
            PROTOCOL,
            "unsupported",
            reason,
            offset,
            length,
        ))?;
    }
    Ok(())
}

/// The object of one message; `None` for those that only open and close a telegram.
fn message_object(
    message: &Message<'_>,
    file: &File<'_>,
    frame: &Frame<'_>,
    quirks: &QuirkSet,
) -> Option<Object> {
    let (offset, length) = (frame.offset, frame.raw.len() as u64);
    let new = |kind: &str, server_id: &[u8]| {
        let mut object = Object::ok(PROTOCOL, offset, length);
        object.set("kind", kind);
        set_server(&mut object, server_id, None);
        object
    };
    Some(match &message.body {
        MessageBody::Open(_) | MessageBody::Close(_) => return None,
        MessageBody::GetList(list) => {
            let object = Object::ok(PROTOCOL, offset, length);
            list_object(object, list, file, quirks)
        }
        MessageBody::Attention(attention) => {
            let mut object = new("attention", attention.server_id);
            object.set("number", hex(attention.number));
            object.set_some("message", attention.message.map(text_or_hex));
            object.set_some("details", attention.details.as_ref().map(tree_object));
            object
        }
        MessageBody::ProfilePack(pack) => {
            let mut object = new("profile", pack.server_id);
            set_time(&mut object, "time", pack.time);
            object.set("period_s", pack.period_s);
            let mut values = Vec::new();
            for row in &pack.rows {
                for (column, value) in pack.columns.iter().zip(&row.values) {
                    values.extend(column_value(column, value.as_ref(), row.status, row.time));
                }
            }
            object.set("values", values);
            object.set_some("list_signature", pack.signature.map(hex));
            object
        }
        MessageBody::ProfileList(list) => {
            let mut object = new("profile", list.server_id);
            set_time(&mut object, "time", list.time);
            object.set("period_s", list.period_s);
            let values = list.values.iter().filter_map(|entry| {
                column_value(
                    &entry.column,
                    entry.value.as_ref(),
                    list.status,
                    list.value_time,
                )
            });
            object.set("values", values.collect::<Vec<_>>());
            object.set_some("list_signature", list.signature.map(hex));
            object
        }
        MessageBody::GetProcParameter(parameter) => {
            let mut object = new("parameters", parameter.server_id);
            object.set("tree", tree_object(&parameter.tree));
            object
        }
        other => {
            let reason = format!("{}: not decoded", other.name());
            let mut object = Object::rejected(PROTOCOL, "unsupported", &reason, offset, length);
            if let MessageBody::Unknown { tag, .. } = other {
                object.set("tag", format!("{tag:04x}"));
            }
            object
        }
    })
}

fn list_object(
    mut object: Object,
    list: &GetListResponse<'_>,
    file: &File<'_>,
    quirks: &QuirkSet,
) -> Object {
    let interpreter = Interpreter::new(list, quirks);
    set_server(&mut object, list.server_id, interpreter.server());
    object.set_some("manufacturer", interpreter.manufacturer());
    object.set_some("list_name", list.list_name.map(name));
    set_time(&mut object, "time", list.sensor_time);
    let (mut values, mut warnings) = (Vec::new(), Vec::new());
    let mut applied: Vec<&str> = file.quirks().collect();
    for (index, entry) in list.entries.iter().enumerate() {
        match interpreter.register(index, entry) {
            Ok(None) => {}
            Ok(Some(register)) => {
                applied.extend(register.quirk.filter(|id| !applied.contains(id)));
                values.push(value_object(entry, &register));
            }
            Err(omitted) => warnings.push(Value::from(omitted.to_string())),
        }
    }
    let hints = interpreter.hints();
    let hints = hints
        .iter()
        .filter_map(|hint| serde_json::to_value(hint).ok());
    object.set_list("quirks", applied.into_iter().map(Value::from).collect());
    object.set_list("hints", hints.collect());
    object.set_list("warnings", warnings);
    object.set("values", values);
    object.set_some("list_signature", list.signature.map(hex));
    object
}

fn value_object(entry: &ListEntry<'_>, register: &meter_link::model::RegisterValue) -> Value {
    let mut object = Members::new();
    object.set("obis", register.register.to_string());
    match &register.value {
        Measured::Octets(octets) => {
            object.set("value", text_or_hex(octets));
            object.set("hex", hex(octets));
        }
        Measured::Number(number) => object.set("value", number.to_string()),
        Measured::Flag(flag) => object.set("value", flag.to_string()),
        Measured::Text(text) => object.set("value", text.as_str()),
    }
    if let Some(unit) = register.unit {
        object.set("unit", unit.to_string());
    }
    if let Some(scaler) = entry.scaler {
        object.set("scaler", scaler);
    }
    if let Some(quirk) = register.quirk {
        match entry.value {
            Some(Scalar::Signed(raw, _)) => object.set("raw", raw.to_string()),
            Some(Scalar::Unsigned(raw, _)) => object.set("raw", raw.to_string()),
            _ => {}
        }
        object.set("quirk", quirk);
    }
    if let Some(status) = entry.status {
        object.set("status", status);
    }
    object.set_time("captured_at", entry.time);
    if let Some(signature) = entry.signature {
        object.set("signature", hex(signature));
    }
    object.into()
}

/// A value of a profile; `None` when it was left out.
fn column_value(
    column: &Column<'_>,
    value: Option<&Scalar<'_>>,
    status: u64,
    time: Option<Time>,
) -> Option<Value> {
    let entry = ListEntry {
        name: column.name,
        status: Some(status),
        time,
        unit: Some(column.unit),
        scaler: Some(column.scaler),
        value: Some(value?.clone()),
        signature: None,
    };
    let list = GetListResponse {
        client_id: None,
        server_id: &[],
        list_name: None,
        sensor_time: None,
        entries: Vec::new(),
        signature: None,
        gateway_time: None,
    };
    let register = Interpreter::new(&list, &QuirkSet::none()).register(0, &entry);
    register
        .ok()
        .flatten()
        .map(|register| value_object(&entry, &register))
}

fn tree_object(tree: &Tree<'_>) -> Value {
    let mut object = Members::new();
    object.set("name", name(tree.name));
    match &tree.value {
        None | Some(ProcParValue::Value(None) | ProcParValue::Time(None)) => {}
        Some(ProcParValue::Value(Some(value))) => object.set("value", scalar(value)),
        Some(ProcParValue::Period(entry)) => {
            object.set("obis", name(entry.column.name));
            if let Some(value) = &entry.value {
                object.set("value", scalar(value));
            }
        }
        Some(ProcParValue::Time(time)) => object.set_time("time", *time),
        Some(ProcParValue::Unknown { choice, body }) => {
            object.set("choice", *choice);
            object.set("hex", hex(body));
        }
        Some(_) => {}
    }
    if !tree.children.is_empty() {
        let children: Vec<Value> = tree.children.iter().map(tree_object).collect();
        object.set("children", children);
    }
    object.into()
}

fn scalar(value: &Scalar<'_>) -> String {
    match value {
        Scalar::Flag(flag) => flag.to_string(),
        Scalar::Signed(number, _) => number.to_string(),
        Scalar::Unsigned(number, _) => number.to_string(),
        Scalar::Octets(octets) => text_or_hex(octets),
        Scalar::List(list) => hex(list),
    }
}

fn set_server(object: &mut Object, server_id: &[u8], server: Option<ServerId>) {
    object.set("server_id", hex(server_id));
    let server = server.or_else(|| ServerId::parse(server_id));
    object.set_some("meter_id", server.map(|server| server.to_string()));
}

fn set_time(object: &mut Object, member: &str, time: Option<Time>) {
    match time {
        Some(Time::SecondsIndex(seconds)) => object.set("sec_index", seconds),
        other => object.set_some(member, other.map(iso)),
    }
}

/// Members of a value, in the order they were added.
struct Members(serde_json::Map<String, Value>);

impl Members {
    fn new() -> Self {
        Self(serde_json::Map::new())
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn set_time(&mut self, name: &str, time: Option<Time>) {
        match time {
            None => {}
            Some(Time::SecondsIndex(seconds)) => self.set("sec_index", seconds),
            Some(other) => self.set(name, iso(other)),
        }
    }
}

impl From<Members> for Value {
    fn from(members: Members) -> Self {
        Self::Object(members.0)
    }
}

/// ISO 8601 with the offset that the meter gave.
fn iso(time: Time) -> String {
    let (seconds, minutes) = match time {
        Time::SecondsIndex(seconds) => return seconds.to_string(),
        Time::Timestamp(seconds) => (seconds, None),
        Time::Local {
            seconds,
            offset_min,
            season_min,
        } => (seconds, Some(i32::from(offset_min) + i32::from(season_min))),
    };
    let instant = Timestamp::from_second(i64::from(seconds)).unwrap_or_default();
    let offset = minutes.and_then(|minutes| Offset::from_seconds(60 * minutes).ok());
    match offset {
        None => instant.to_string(),
        Some(offset) => {
            let local = instant.to_zoned(TimeZone::fixed(offset));
            local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
        }
    }
}

/// An OBIS code where it is one, hex otherwise.
fn name(octets: &[u8]) -> String {
    match <[u8; 6]>::try_from(octets) {
        Ok(code) => ObisCode(code).to_string(),
        Err(_) => hex(octets),
    }
}

fn text_or_hex(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) if octets.iter().all(|octet| (0x20..=0x7E).contains(octet)) => text.to_owned(),
        _ => hex(octets),
    }
}
