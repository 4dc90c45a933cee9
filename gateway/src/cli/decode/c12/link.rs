//! Sessions of C12.18 and C12.21.

use std::io;

use meter_link::c12::interpret::{Assignments, Entry};
use meter_link::c12::recording::{Direction, Fault, Found, Item, Recording};
use meter_link::c12::service::{
    Identification, Request, ResponseCode, TableDataError, Timing, baud, table_data,
};
use meter_link::c12::table::{TableError, Tables};
use serde_json::{Map, Value, json};

use super::super::output::{Object, Output, hex};
use super::{service_name, text};
use crate::hex;

/// Longest line of a recording.
const MAX_LINE: usize = 512 * 1024;

enum Form {
    /// JSON Lines; what has come of the line that is not finished.
    Lines(Vec<u8>),
    /// Octets of both directions in turn, told apart by what they say.
    Octets,
}

pub(super) struct SessionDecoder {
    form: Form,
    recording: Recording,
    protocol: &'static str,
    tables: Tables,
}

impl SessionDecoder {
    pub(super) fn lines() -> Self {
        Self::new(Form::Lines(Vec::new()))
    }

    pub(super) fn octets() -> Self {
        Self::new(Form::Octets)
    }

    fn new(form: Form) -> Self {
        Self {
            form,
            recording: Recording::new(),
            protocol: "c12.18",
            tables: Tables::new(),
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<()> {
        let Form::Lines(line) = &mut self.form else {
            let found = self.recording.push_undirected(bytes);
            return self.print(found, output);
        };
        let mut line = std::mem::take(line);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.line(&line, output)?;
                line.clear();
            } else if line.len() > MAX_LINE {
                self.unreadable("the line is too long", output)?;
                line.clear();
            }
        }
        self.form = Form::Lines(line);
        Ok(())
    }

    pub(super) fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        if let Form::Lines(line) = &mut self.form {
            let line = std::mem::take(line);
            self.line(&line, output)?;
        }
        let found = self.recording.finish();
        self.print(found, output)
    }

    fn line(&mut self, line: &[u8], output: &mut Output) -> io::Result<()> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let Ok(Value::Object(record)) = serde_json::from_slice(line) else {
            return self.unreadable("the line is no JSON object", output);
        };
        let from = match record.get("dir").and_then(Value::as_str) {
            Some("host") => Direction::Host,
            Some("meter") => Direction::Meter,
            _ => return self.unreadable("dir is neither \"host\" nor \"meter\"", output),
        };
        let octets = record.get("hex").and_then(Value::as_str).and_then(unhex);
        let Some(octets) = octets else {
            return self.unreadable("hex is no even number of hex digits", output);
        };
        let found = self.recording.push(from, &octets);
        self.print(found, output)
    }

    fn unreadable(&self, reason: &str, output: &mut Output) -> io::Result<()> {
        let offset = self.recording.offset();
        output.print(Object::rejected(
            self.protocol,
            "malformed",
            reason,
            offset,
            0,
        ))
    }

    fn print(&mut self, found: Vec<Found>, output: &mut Output) -> io::Result<()> {
        for found in found {
            let object = self.object(found);
            output.print(object)?;
        }
        Ok(())
    }

    fn object(&mut self, found: Found) -> Object {
        let (offset, length) = (found.offset, found.length);
        match found.item {
            Item::Rejected(fault) => Object::rejected(
                self.protocol,
                status(fault),
                &fault.to_string(),
                offset,
                length,
            ),
            Item::Unanswered { request, fault } => {
                let reason = fault.to_string();
                let mut object =
                    Object::rejected(self.protocol, status(fault), &reason, offset, length);
                asked(&mut object, &request, offset);
                object
            }
            Item::Exchange {
                request,
                code,
                payload,
            } if code == ResponseCode::OK => self.answered(&request, &payload, offset, length),
            Item::Exchange { request, code, .. } => {
                let mut object =
                    Object::rejected(self.protocol, "refused", code.reason(), offset, length);
                asked(&mut object, &request, offset);
                object.set("code", format!("{:02x}", code.0));
                object
            }
        }
    }

    fn answered(&mut self, request: &Request, payload: &[u8], offset: u64, length: u64) -> Object {
        let identification = Identification::parse(payload);
        if let (Request::Identify, Some(found)) = (request, &identification) {
            self.protocol = match found.standard {
                2 => "c12.21",
                _ => "c12.18",
            };
        }
        let is_read = matches!(
            request,
            Request::Read { .. } | Request::ReadIndex { .. } | Request::ReadOffset { .. }
        );
        let data = if is_read {
            match table_data(payload) {
                Ok(data) => Some(data),
                Err(error) => {
                    let status = match error {
                        TableDataError::Checksum => "checksum",
                        TableDataError::Length { .. } => "malformed",
                    };
                    let reason = error.to_string();
                    let mut object =
                        Object::rejected(self.protocol, status, &reason, offset, length);
                    asked(&mut object, request, offset);
                    return object;
                }
            }
        } else {
            None
        };
        let mut object = Object::ok(self.protocol, offset, length);
        asked(&mut object, request, offset);
        match (request, data) {
            (Request::Identify, _) => {
                object.set_some("decoded", identification.as_ref().map(identified));
            }
            (Request::Negotiate { .. }, _) => {
                object.set_some("decoded", negotiated(payload));
            }
            (Request::TimingSetup(_), _) => {
                object.set_some("decoded", Timing::parse(payload).map(timing));
            }
            (_, Some(data)) => {
                object.set("data", hex(data));
                if let Some(table) = self.keep(request, data) {
                    let whole = matches!(request, Request::Read { .. });
                    self.decoded(table, whole, &mut object);
                }
            }
            _ => {}
        }
        object
    }

    /// Keeps a table, or a part that continues what is there; its number when it may be decoded.
    fn keep(&mut self, request: &Request, data: &[u8]) -> Option<u16> {
        let (table, octets) = match *request {
            Request::Read { table }
            | Request::ReadOffset {
                table, offset: 0, ..
            } => (table, data.to_vec()),
            Request::ReadOffset { table, offset, .. } => {
                let before = self.tables.octets(table)?;
                let continues = usize::try_from(offset).is_ok_and(|offset| offset == before.len());
                (table, continues.then(|| [before, data].concat())?)
            }
            _ => return None,
        };
        self.tables.insert(table, octets).then_some(table)
    }

    fn decoded(&self, table: u16, whole: bool, object: &mut Object) {
        let decoded = match self.tables.decode(table) {
            Ok(decoded) => decoded,
            Err(TableError::Unknown(_)) => return,
            Err(error) if whole => {
                return object.set("warnings", json!([error.to_string()]));
            }
            // More parts may follow.
            Err(_) => return,
        };
        if !whole && decoded.extra > 0 {
            return;
        }
        let mut warnings = Vec::new();
        let registers = matches!(table, 23..=25 | 28);
        if decoded.extra > 0 {
            let extra = decoded.extra;
            warnings.push(TableError::Long { table, extra }.to_string());
        }
        // Registers that do not fit their limiting table are not where they seem to be.
        if !(registers && decoded.extra > 0)
            && let Ok(Value::Object(mut members)) = serde_json::to_value(&decoded.table)
        {
            if matches!(table, 23 | 28) {
                match self.tables.registers_of(table, &Assignments::new()) {
                    Ok(entries) => {
                        let values: Value = entries.iter().map(value).collect();
                        members.insert("values".to_owned(), values.clone());
                        object.set("values", values);
                    }
                    Err(error) => warnings.push(error.to_string()),
                }
            }
            object.set("decoded", members);
        }
        let warnings: Vec<Value> = warnings.into_iter().map(Value::from).collect();
        object.set_list("warnings", warnings);
    }
}

const fn status(fault: Fault) -> &'static str {
    match fault {
        Fault::Crc => "checksum",
        Fault::Truncated | Fault::NoAnswer | Fault::Sequence => "truncated",
        _ => "malformed",
    }
}

/// What was asked. The password of a session is not shown.
fn asked(object: &mut Object, request: &Request, place: u64) {
    let code = request.code();
    match service_name(code) {
        Some(name) => object.set("service", name),
        None => object.set("service", format!("{code:02x}")),
    }
    object.set_some("table", request.table());
    match request {
        Request::ReadOffset { offset, count, .. } => {
            object.set("offset", *offset);
            object.set("count", *count);
            object.set("input_offset", place);
        }
        Request::Write { data, .. } => object.set("data", hex(data)),
        Request::WriteOffset { offset, data, .. } => {
            object.set("offset", *offset);
            object.set("input_offset", place);
            object.set("data", hex(data));
        }
        Request::ReadIndex { selection, .. } => object.set("selection", hex(selection)),
        Request::WriteIndex { rest, .. } => object.set("selection", hex(rest)),
        Request::Logon { user_id, user, .. } => {
            object.set("user_id", *user_id);
            object.set("user", text(user).trim_end_matches([' ', '\0']));
        }
        Request::Negotiate {
            packet_size,
            packets,
            bauds,
        } => {
            object.set("packet_size", *packet_size);
            object.set("packets", *packets);
            let bauds: Vec<Value> = bauds
                .iter()
                .filter_map(|code| baud(*code))
                .map(Value::from)
                .collect();
            object.set_list("bauds", bauds);
        }
        Request::Wait { seconds } => object.set("seconds", *seconds),
        Request::TimingSetup(found) => object.set("requested", timing(*found)),
        _ => {}
    }
}

fn identified(found: &Identification) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    match found.standard_name() {
        Some(name) => set("standard", json!(name)),
        None => set("standard", json!(found.standard)),
    };
    set("version", json!(found.version));
    set("revision", json!(found.revision));
    if let Some(algorithm) = found.authentication {
        set("authentication_algorithm", json!(algorithm));
    }
    if !found.features.is_empty() {
        set("features", json!(hex(&found.features)));
    }
    Value::Object(members)
}

fn negotiated(payload: &[u8]) -> Option<Value> {
    let (&[high, low, packets], rest) = payload.split_first_chunk::<3>()?;
    let speed = rest.first().and_then(|code| baud(*code));
    let size = u16::from_be_bytes([high, low]);
    Some(json!({ "packet_size": size, "packets": packets, "baud": speed }))
}

fn timing(found: Timing) -> Value {
    json!({
        "traffic_s": found.traffic_s,
        "inter_character_s": found.inter_character_s,
        "response_s": found.response_s,
        "retries": found.retries,
    })
}

fn value(entry: &Entry) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("obis", json!(entry.register.to_string()));
    set("value", json!(entry.value.to_string()));
    if let Some(unit) = entry.unit {
        set("unit", json!(unit.to_string()));
    }
    if let Some(scaler) = entry.scaler {
        set("scaler", json!(scaler));
        set("raw", json!(entry.raw.to_string()));
    }
    if let Some(at) = entry.captured_at {
        set("captured_at", json!(at.to_string()));
    }
    set("source", json!(entry.source));
    Value::Object(members)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.split_ascii_whitespace().collect();
    hex::decode(&digits)
}
