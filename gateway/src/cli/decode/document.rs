//! `wattle decode sep2 | openadr3`: documents of the utility.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use wattle_billing::grid::openadr3::{self, Event, Object as Adr, ObjectError};
use wattle_billing::grid::sep2::{self, DocumentError};

use super::FrameArgs;
use super::input::{self, Failure};
use super::output::{Object, Output};

/// Longer documents are refused.
const MAX_DOCUMENT: u64 = 64 * 1024 * 1024;

/// Decode a document of IEEE 2030.5
#[derive(Debug, Args)]
#[command(
    long_about = "Decode an XML document of IEEE 2030.5-2018 (Smart Energy Profile 2).\n\n\
        Attributes are printed as '@name', children by name, repeated ones as a list. Draft \
        namespaces are refused, and so are document types and entities.",
    after_help = "Example:\n  wattle decode sep2 tariffprofile.xml"
)]
pub(super) struct Sep2Args {
    #[command(flatten)]
    common: FrameArgs,
}

/// Decode an object of OpenADR 3
#[derive(Debug, Args)]
#[command(
    long_about = "Decode a JSON object of OpenADR 3: an event with its intervals in time, or the \
        name of another object.\n\n\
        A start of null means now, an end of null that there is none.",
    after_help = "Example:\n  wattle decode openadr3 event.json"
)]
pub(super) struct Openadr3Args {
    #[command(flatten)]
    common: FrameArgs,
}

/// Runs `wattle decode sep2`.
pub(super) fn sep2(args: &Sep2Args) -> Result<(), Failure> {
    run(&args.common, "sep2", |text| match sep2::read(text) {
        Ok(root) => {
            let mut object = Object::message("sep2");
            object.set("root", root.name.clone());
            object.set("document", sep2::json(&root));
            object
        }
        Err(error) => {
            let status = match error {
                DocumentError::Namespace { .. } => "unsupported",
                _ => "malformed",
            };
            Object::failed("sep2", status, &error.to_string())
        }
    })
}

/// Runs `wattle decode openadr3`.
pub(super) fn openadr3(args: &Openadr3Args) -> Result<(), Failure> {
    run(&args.common, "openadr3", |text| {
        let read = openadr3::read(text).and_then(|object| match object {
            Adr::Event(event) => self::event(&event),
            Adr::Other(named) => {
                let mut object = Object::message("openadr3");
                object.set("object_type", named.object_type);
                object.set_some("id", named.id);
                object.set_some("name", named.name);
                Ok(object)
            }
        });
        read.unwrap_or_else(|error| {
            let status = match error {
                ObjectError::Malformed(_) => "malformed",
                ObjectError::Unsupported(_) => "unsupported",
                _ => "invalid",
            };
            Object::failed("openadr3", status, &error.to_string())
        })
    })
}

fn event(event: &Event) -> Result<Object, ObjectError> {
    let mut object = Object::message("openadr3");
    object.set("object_type", "EVENT");
    object.set_some("id", event.id.clone());
    object.set("program", event.program_id.clone());
    object.set_some("name", event.name.clone());
    object.set_some("priority", event.priority);
    let first = event.payload_descriptors.first();
    if let Some(descriptor) = event.descriptor("PRICE").or(first) {
        object.set_some("currency", descriptor.currency.clone());
        object.set_some("units", descriptor.units.clone());
    }
    let intervals = event.intervals(None)?;
    let rows = intervals.iter().flat_map(|interval| {
        interval.payloads.iter().map(|payload| {
            json!({
                "id": interval.id,
                "start": interval.start.map(|at| at.to_string()),
                "end": interval.end.map(|at| at.to_string()),
                "type": payload.kind,
                "values": payload.values.iter().map(value).collect::<Vec<_>>(),
            })
        })
    });
    object.set("intervals", rows.collect::<Vec<_>>());
    Ok(object)
}

fn value(value: &openadr3::Value) -> Value {
    match value {
        openadr3::Value::Number(number) => json!(number.to_string()),
        openadr3::Value::Text(text) => json!(text),
        openadr3::Value::Flag(flag) => json!(flag),
        openadr3::Value::Point { x, y } => json!({ "x": x.to_string(), "y": y.to_string() }),
    }
}

/// Reads one document and prints what is made of it.
fn run(args: &FrameArgs, protocol: &str, decode: impl Fn(&str) -> Object) -> Result<(), Failure> {
    use std::io::Read;

    let path: &PathBuf = &args.file;
    let mut bytes = Vec::new();
    input::open(path)?
        .take(MAX_DOCUMENT + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Failure::Input {
            path: path.clone(),
            source,
        })?;
    let object = if bytes.len() as u64 > MAX_DOCUMENT {
        Object::failed(protocol, "malformed", "the document is longer than 64 MiB")
    } else {
        match std::str::from_utf8(&bytes) {
            Ok(text) => decode(text),
            Err(_) => Object::failed(protocol, "malformed", "the document is no UTF-8"),
        }
    };
    Output::new(args.format)
        .print(object)
        .map_err(Failure::Output)
}
