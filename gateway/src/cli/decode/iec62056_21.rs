//! `wattle decode iec62056-21`.

use std::io;

use clap::Args;
use meter_link::iec62056_21::{
    BlockCheck, DataSet, Event, Fault, Group, Identification, Message, Mode, Splitter,
};
use meter_link::model::{ObisCode, plain};
use serde_json::{Map, Value, json};

use super::output::{Object, Output};
use super::{CommonArgs, Decoder};

const PROTOCOL: &str = "iec62056-21";

/// Decode IEC 62056-21 (IEC 1107) readouts and programming-mode frames
#[derive(Debug, Args)]
#[command(
    long_about = "Decode IEC 62056-21 (formerly IEC 1107): readouts of the optical head, \
        pushed telegrams, and the frames of programming mode.\n\n\
        `sets` keeps every data set as it was sent; `values` has those with an OBIS code and a \
        unit. A readout with STX must pass its block check, one that ends in four hex digits its \
        CRC; `check` says \"absent\" where there is neither.",
    after_help = "Examples:\n  \
        wattle decode iec62056-21 readout.txt\n  \
        wattle decode iec62056-21 --format table readout.txt\n  \
        echo '01 52 31 02 31 2e 38 2e 30 28 29 03 5a' | wattle decode iec62056-21 -"
)]
pub(super) struct Iec62056Args {
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Default)]
pub(super) struct Iec62056Decoder {
    splitter: Splitter,
}

impl Decoder for Iec62056Decoder {
    fn feed(&mut self, mut bytes: &[u8], output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.pull(&mut bytes) {
            output.print(object(event))?;
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.finish() {
            output.print(object(event))?;
        }
        Ok(())
    }
}

fn object(event: Event) -> Object {
    let Event {
        offset,
        length,
        message,
    } = event;
    let ok = |kind: &str| {
        let mut object = Object::ok(PROTOCOL, offset, length);
        object.set("kind", kind);
        object
    };
    match message {
        Message::Rejected(rejection) => {
            let status = match rejection.fault {
                Fault::Truncated => "truncated",
                Fault::BlockCheck { .. } | Fault::Crc { .. } => "checksum",
                _ => "malformed",
            };
            let reason = rejection.fault.to_string();
            let mut object = Object::rejected(PROTOCOL, status, &reason, offset, length);
            object.set_some("ident", rejection.identification.as_ref().map(ident));
            object
        }
        Message::Readout(readout) => {
            let mut object = ok("readout");
            object.set("ident", ident(&readout.identification));
            object.set(
                "check",
                match readout.check {
                    BlockCheck::Absent => "absent",
                    BlockCheck::Character | BlockCheck::Crc => "ok",
                },
            );
            let warning = |line: &String| Value::from(format!("no data set: {line:?}"));
            object.set_list(
                "warnings",
                readout.strange_lines.iter().map(warning).collect(),
            );
            object.set("sets", sets(&readout.sets));
            object.set("values", values(&readout.sets));
            object
        }
        Message::Command {
            command,
            sets: found,
        } => {
            let mut object = ok("command");
            object.set("command", command);
            object.set("sets", sets(&found));
            object.set("check", "ok");
            object
        }
        Message::Answer { sets: found, .. } => {
            let mut object = ok("answer");
            object.set("sets", sets(&found));
            object.set("check", "ok");
            object.set("values", values(&found));
            object
        }
    }
}

fn ident(identification: &Identification) -> Value {
    let mut ident = Map::new();
    let mut set = |name: &str, value: Value| ident.insert(name.to_owned(), value);
    set("manufacturer", json!(identification.manufacturer));
    set("baud_char", json!(identification.baud_char));
    if let Some(code) = identification.escape {
        set("escape", json!(format!("\\{code}")));
    }
    let mode = match identification.mode {
        Mode::A => "A",
        Mode::B => "B",
        Mode::C => "C",
        Mode::D => "D",
        Mode::E => "E",
    };
    set("mode", json!(mode));
    if let Some(baud) = identification.baud() {
        set("baud", json!(baud));
    }
    set("identification", json!(identification.text));
    Value::Object(ident)
}

fn sets(sets: &[DataSet]) -> Value {
    sets.iter()
        .map(|set| {
            let mut members = Map::new();
            members.insert("address".to_owned(), json!(set.address));
            let mut groups = set.groups.iter();
            members.extend(groups.next().map(group).unwrap_or_default());
            let more: Vec<Value> = groups.map(|more| Value::Object(group(more))).collect();
            if !more.is_empty() {
                members.insert("more".to_owned(), Value::Array(more));
            }
            Value::Object(members)
        })
        .collect()
}

fn group(group: &Group) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("value".to_owned(), json!(group.value));
    if let Some(unit) = &group.unit {
        members.insert("unit".to_owned(), json!(unit));
    }
    members
}

/// The data sets with an OBIS code, a number and a unit; the unit stays as sent.
fn values(sets: &[DataSet]) -> Value {
    sets.iter()
        .filter_map(|set| {
            let obis: ObisCode = set.address.parse().ok()?;
            let group = set.groups.first()?;
            let unit = group.unit.as_deref()?;
            let number = plain(&group.value)?;
            let obis = obis.to_string();
            Some(json!({ "obis": obis, "value": number.to_string(), "unit": unit }))
        })
        .collect()
}
