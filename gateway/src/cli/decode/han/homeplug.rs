//! `wattle decode homeplug`.

use std::io::{BufRead, BufReader};

use ::han::Value;
use ::han::homeplug::{Mme, MmeError, fields, name};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, json};

use super::json as fields_as;
use crate::cli::decode::capture::{self, End};
use crate::cli::decode::input::{self, Failure};
use crate::cli::decode::output::{Object, Output, hex};
use crate::cli::decode::{FrameArgs, lines};

const PROTOCOL: &str = "homeplug";

/// Decode HomePlug AV and Green PHY, the management messages of powerline adapters
#[derive(Debug, Args)]
#[command(
    long_about = "Decode management messages of HomePlug AV and Green PHY (IEEE 1901): what \
        powerline adapters, electric cars and charging stations say to each other and to a \
        computer.\n\n\
        The input is a capture (pcap or pcapng) or text with one Ethernet frame per line in hex. \
        Keys are printed as they stand in the capture.",
    after_help = "Examples:\n  \
        wattle decode homeplug charging.pcapng\n  \
        tcpdump -U -i eth0 -w - ether proto 0x88e1 | wattle decode homeplug -"
)]
pub(in crate::cli::decode) struct HomeplugArgs {
    #[command(flatten)]
    common: FrameArgs,
}

/// Runs `wattle decode homeplug`.
pub(in crate::cli::decode) fn homeplug(args: &HomeplugArgs) -> Result<(), Failure> {
    let path = &args.common.file;
    let mut output = Output::new(args.common.format);
    let mut source = BufReader::new(input::open(path)?);
    let failure = |source| Failure::Input {
        path: path.clone(),
        source,
    };
    if !capture::is_capture(source.fill_buf().map_err(failure)?) {
        return lines::each(path, source, |line, text| {
            let mut object = match lines::octets(text) {
                Ok(frame) => object(&frame),
                Err(reason) => Object::failed(PROTOCOL, "malformed", &reason),
            };
            object.set("line", line);
            output.print(object).map_err(Failure::Output)
        });
    }
    let mut unprinted = None;
    let end = capture::each(source, |packet| {
        if matches!(Mme::parse(packet.octets), Err(MmeError::OtherEthertype(_))) {
            return Ok(());
        }
        let mut object = object(packet.octets);
        object.set("packet", packet.number);
        object.set_some("time", packet.at.map(time));
        output.print(object).map_err(|error| {
            let kind = error.kind();
            unprinted = Some(error);
            kind.into()
        })
    });
    match (unprinted, end) {
        (Some(error), _) => Err(Failure::Output(error)),
        (None, Err(error)) => Err(failure(error)),
        (None, Ok(End::Complete)) => Ok(()),
        (None, Ok(End::Damaged(reason))) => output
            .print(Object::failed(PROTOCOL, "truncated", reason))
            .map_err(Failure::Output),
    }
}

fn time(at: Timestamp) -> String {
    let digits = if at.subsec_nanosecond() % 1000 == 0 {
        6
    } else {
        9
    };
    format!("{at:.digits$}")
}

fn object(frame: &[u8]) -> Object {
    let mme = match Mme::parse(frame) {
        Ok(mme) => mme,
        Err(error @ MmeError::OtherEthertype(_)) => {
            return Object::failed(PROTOCOL, "unsupported", &error.to_string());
        }
        Err(error) => return Object::failed(PROTOCOL, "truncated", &error.to_string()),
    };
    let (mut object, record) = match fields(&mme) {
        Ok(record) => (Object::message(PROTOCOL), Some(record)),
        Err(error) => (
            Object::failed(PROTOCOL, "truncated", &error.to_string()),
            None,
        ),
    };
    object.set("src", Value::Mac(mme.source).to_string());
    object.set("dst", Value::Mac(mme.destination).to_string());
    object.set("mmv", mme.mmv);
    object.set("mmtype", format!("{:04x}", mme.mmtype.0));
    object.set("name", name(mme.mmtype, mme.oui));
    let fmi = mme.fragment.map(|fragment| {
        json!({ "index": fragment.index, "count": fragment.count, "seq": fragment.sequence })
    });
    object.set_some("fmi", fmi);
    object.set_some("oui", mme.oui.map(|oui| hex(&oui)));
    match record {
        Some(Some(record)) => object.set("fields", fields_as::fields(&record)),
        Some(None) => {
            object.set("fields", Map::new());
            object.set("payload", hex(mme.payload));
        }
        None => {}
    }
    object
}
