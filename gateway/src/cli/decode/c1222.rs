//! `wattle decode c1222`: messages of C12.22 out of captures and hex text.

mod flows;
mod message;
mod order;

use std::io::{self, BufRead, BufReader};

use clap::Args;
use meter_link::c12::net::{Apdu, Keys, Reassembler};
use meter_link::key::Key;

use super::capture::{self, End};
use super::input::{self, Failure};
use super::keys::KeyText;
use super::output::{Object, Output};
use super::{FrameArgs, lines};
use flows::Flows;
use message::{message, rejected};

pub(super) use message::service_name;

const PROTOCOL: &str = "c1222";

/// Decode messages of ANSI C12.22 out of captures
#[derive(Debug, Args)]
#[command(
    long_about = "Decode messages of ANSI C12.22 (IEEE 1703, RFC 6142).\n\n\
        The input is a capture (pcap or pcapng) with TCP or UDP at port 1153, over IPv4 or IPv6, \
        or text with one message per line in hex. Streams and segments are put together. A \
        message that is checked gives its services only when its EAX' check is right. Keys are \
        never printed.",
    after_help = "Examples:\n  \
        wattle decode c1222 head-end.pcapng\n  \
        wattle decode c1222 --key 2=$KEY messages.hex"
)]
pub(super) struct C1222Args {
    /// Key of 32 hex digits and its number
    #[arg(long, value_name = "ID=HEX")]
    key: Vec<KeyText>,

    #[command(flatten)]
    common: FrameArgs,
}

/// What is wrong with a `--key`. The key is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--key: a key is its number from 0 to 255, '=' and 32 hex digits")]
pub(super) struct WrongKey;

/// The keys of the command line.
pub(super) fn keys(args: &C1222Args) -> Result<Keys, WrongKey> {
    let mut keys = Keys::new();
    for KeyText(text) in &args.key {
        let (number, digits) = text.split_once('=').ok_or(WrongKey)?;
        let number = number.trim().parse().map_err(|_| WrongKey)?;
        let key = Key::from_hex(digits).map_err(|_| WrongKey)?;
        if key.octets().len() != 16 {
            return Err(WrongKey);
        }
        keys.insert(number, key);
    }
    Ok(keys)
}

/// Runs `wattle decode c1222`.
pub(super) fn run(args: &C1222Args, keys: &Keys) -> Result<(), Failure> {
    let path = &args.common.file;
    let mut output = Output::new(args.common.format);
    let mut source = BufReader::new(input::open(path)?);
    let failure = |source| Failure::Input {
        path: path.clone(),
        source,
    };
    if !capture::is_capture(source.fill_buf().map_err(failure)?) {
        return of_lines(args, keys, source, &mut output);
    }
    let mut flows = Flows::new(keys);
    let mut unprinted = None;
    let end = capture::each(source, |packet| {
        flows.take(&packet, &mut output).map_err(|error| {
            let kind = error.kind();
            unprinted = Some(error);
            io::Error::from(kind)
        })
    });
    if let Some(error) = unprinted {
        return Err(Failure::Output(error));
    }
    let end = end.map_err(failure)?;
    flows.finish(&mut output).map_err(Failure::Output)?;
    match end {
        End::Complete => Ok(()),
        End::Damaged(reason) => output
            .print(Object::failed(PROTOCOL, "truncated", reason))
            .map_err(Failure::Output),
    }
}

fn of_lines(
    args: &C1222Args,
    keys: &Keys,
    source: impl io::Read,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut segments = Reassembler::new();
    let mut last = None;
    lines::each(&args.common.file, source, |line, text| {
        let mut object = match lines::octets(text) {
            Ok(octets) => match Apdu::parse(&octets).and_then(|apdu| segments.push(apdu)) {
                Ok(Some(apdu)) => message(&apdu, keys),
                Ok(None) => {
                    last = Some(line);
                    return Ok(());
                }
                Err(error) => rejected(error),
            },
            Err(reason) => Object::failed(PROTOCOL, "malformed", &reason),
        };
        object.set("line", line);
        output.print(object).map_err(Failure::Output)
    })?;
    for _ in 0..segments.pending() {
        let mut object = Object::failed(PROTOCOL, "truncated", flows::MISSING_SEGMENTS);
        object.set_some("line", last);
        output.print(object).map_err(Failure::Output)?;
    }
    Ok(())
}
