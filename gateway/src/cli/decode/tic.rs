//! `wattle decode tic`.

use std::io;

use clap::Args;
use meter_link::model::DayColor;
use meter_link::model::{MeterTime, RegisterValue};
use meter_link::tic::{
    Event, Extent, Frame, Group, Mode, Relays, Splitter, StatusRegister, Tariff, day_profile,
    telegram,
};
use serde_json::{Map, Value, json};

use super::output::{Object, Output};
use super::{CommonArgs, Decoder};

const PROTOCOL: &str = "tic";

/// Decode TIC, the customer port of French meters
#[derive(Debug, Args)]
#[command(
    long_about = "Decode TIC (télé-information client): what Linky and older French meters send \
        through their customer port, in historic and in standard mode.\n\n\
        `groups` keeps every group as it was sent. A group whose checksum is wrong is named and \
        has no value; the others of its frame stay. `values` has the registers among them, \
        `tariff` and `registers` what else can be told.",
    after_help = "Examples:\n  \
        wattle decode tic capture.bin\n  \
        wattle decode tic --format table capture.bin\n  \
        stty -F /dev/ttyUSB0 raw 9600 cs7 parenb && head -c 4000 /dev/ttyUSB0 | wattle decode tic -"
)]
pub(super) struct TicArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Frames are printed as they come, but for the end of a frame with which a recording may begin:
/// when there is no whole frame at all, it makes one object with the beginning of the next.
#[derive(Default)]
pub(super) struct TicDecoder {
    splitter: Splitter,
    begun: bool,
    first: Option<Event>,
}

impl Decoder for TicDecoder {
    fn feed(&mut self, mut bytes: &[u8], output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.pull(&mut bytes) {
            self.take(event, false, output)?;
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut Output) -> io::Result<()> {
        while let Some(event) = self.splitter.finish() {
            self.take(event, true, output)?;
        }
        self.first
            .take()
            .map_or(Ok(()), |first| output.print(object(&first)))
    }
}

impl TicDecoder {
    fn take(&mut self, event: Event, at_end: bool, output: &mut Output) -> io::Result<()> {
        let begun = self.begun;
        self.begun |= event.found.is_ok();
        if !begun && !at_end && is_partial(&event) {
            self.first = Some(event);
            return Ok(());
        }
        match self.first.take() {
            Some(first) if at_end => match joined(&first, &event) {
                Some(both) => output.print(object(&both)),
                None => output
                    .print(object(&first))
                    .and_then(|()| output.print(object(&event))),
            },
            Some(first) => output
                .print(object(&first))
                .and_then(|()| output.print(object(&event))),
            None => output.print(object(&event)),
        }
    }
}

fn is_partial(event: &Event) -> bool {
    let partial = |frame: &Frame| frame.extent == Extent::Partial;
    event.found.as_ref().is_ok_and(partial)
}

/// The end of one frame and the beginning of the next, which follows it at once.
fn joined(first: &Event, second: &Event) -> Option<Event> {
    let (Ok(end), Ok(start)) = (&first.found, &second.found) else {
        return None;
    };
    let follows = first.offset + first.length == second.offset;
    (is_partial(second) && follows && end.mode == start.mode).then(|| Event {
        offset: first.offset,
        length: first.length + second.length,
        found: Ok(Frame {
            extent: Extent::Partial,
            mode: end.mode,
            groups: [&*end.groups, &*start.groups].concat(),
            raw: [&*end.raw, &*start.raw].concat(),
        }),
    })
}

fn object(event: &Event) -> Object {
    let (offset, length) = (event.offset, event.length);
    let frame = match &event.found {
        Ok(frame) => frame,
        Err(noise) => {
            let reason = noise.to_string();
            return Object::rejected(PROTOCOL, "malformed", &reason, offset, length);
        }
    };
    let mut object = match frame.damaged() {
        0 => Object::ok(PROTOCOL, offset, length),
        damaged => {
            let reason = format!("damaged groups: {damaged} of {}", frame.groups.len());
            Object::rejected(PROTOCOL, "checksum", &reason, offset, length)
        }
    };
    object.set(
        "frame",
        match frame.extent {
            Extent::Complete => "complete",
            Extent::Partial => "partial",
        },
    );
    object.set(
        "mode",
        match frame.mode {
            Mode::Historic => "historic",
            Mode::Standard => "standard",
        },
    );
    if frame.is_overload_warning() {
        object.set("kind", "overload");
    }
    let telegram = telegram(frame);
    object.set_some("meter_id", telegram.meter.map(|id| id.to_string()));
    if let Some(MeterTime::Wall { at, dst }) = telegram.time {
        object.set("time", at.to_string());
        object.set_some("dst", dst);
    }
    object.set_some("tariff", tariff(&Tariff::of(frame)));
    object.set_some("registers", registers(frame));
    object.set("groups", frame.groups.iter().map(group).collect::<Value>());
    object.set(
        "values",
        telegram.values.iter().filter_map(value).collect::<Value>(),
    );
    object
}

fn group(group: &Group) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: &str| members.insert(name.to_owned(), json!(value));
    set("label", &group.label);
    match &group.fields {
        Ok(fields) => {
            if let Some(at) = &fields.at {
                set("at", at);
            }
            set("value", &fields.value);
            set("checksum", "ok");
        }
        Err(damage) => {
            set("checksum", "bad");
            set("reason", &damage.to_string());
        }
    }
    Value::Object(members)
}

fn value(value: &RegisterValue) -> Option<Value> {
    let number = value.value.number()?.to_string();
    let unit = value.unit.map(|unit| unit.to_string());
    Some(json!({ "obis": value.register.to_string(), "value": number, "unit": unit }))
}

fn tariff(tariff: &Tariff) -> Option<Value> {
    let color = |color: Option<DayColor>| color.map(|color| json!(color.name()));
    some_of([
        ("current", tariff.current.as_ref().map(|name| json!(name))),
        ("index", tariff.index.map(|index| json!(index))),
        ("color_today", color(tariff.color_today)),
        ("color_tomorrow", color(tariff.color_tomorrow)),
    ])
}

fn registers(frame: &Frame) -> Option<Value> {
    let relays = |relays: Relays| {
        let state = |relay: u8| Some((format!("relay_{relay}"), json!(relays.closed(relay)?)));
        Value::Object((1..=8).filter_map(state).collect())
    };
    let list = |text: &str| {
        let switches = day_profile(text)?.into_iter().map(|switch| {
            let from = switch.from.strftime("%H:%M").to_string();
            let action = format!("{:04x}", switch.action);
            json!({ "from": from, "action": action, "index": switch.supplier_index() })
        });
        Some(switches.collect())
    };
    some_of([
        (
            "STGE",
            frame
                .value("STGE")
                .and_then(StatusRegister::parse)
                .map(status),
        ),
        (
            "RELAIS",
            frame.value("RELAIS").and_then(Relays::parse).map(relays),
        ),
        ("PJOURF+1", frame.value("PJOURF+1").and_then(list)),
    ])
}

fn status(status: StatusRegister) -> Value {
    json!({
        "contact_open": status.contact_open(),
        "breaker": status.breaker_name(),
        "cover_open": status.cover_open(),
        "overvoltage": status.overvoltage(),
        "over_reference_power": status.over_reference_power(),
        "producer": status.producer(),
        "feeding_in": status.feeding_in(),
        "supplier_index": status.supplier_index(),
        "distributor_index": status.distributor_index(),
        "clock_degraded": status.clock_degraded(),
        "standard_mode": status.standard_mode(),
        "euridis": status.euridis(),
        "plc_status": status.plc_status(),
        "plc_synchronised": status.plc_synchronised(),
        "color_today": status.color_today().map(DayColor::name),
        "color_tomorrow": status.color_tomorrow().map(DayColor::name),
        "peak_notice": status.peak_notice(),
        "peak": status.peak(),
    })
}

/// An object of the members that have a value; `None` when none has.
fn some_of<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<Value> {
    let known = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let members: Map<String, Value> = known.collect();
    (!members.is_empty()).then_some(Value::Object(members))
}
