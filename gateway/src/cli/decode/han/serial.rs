//! `wattle decode ash | ezsp | znp`: what went over the serial port of a radio stick.

use ::han::zigbee::ash::{self, Damage};
use ::han::zigbee::ezsp::{self, FrameKind, HeaderForm};
use ::han::zigbee::znp;
use clap::Args;

use super::json;
use crate::cli::decode::input::{self, Failure};
use crate::cli::decode::output::{Object, Output, hex};
use crate::cli::decode::{FrameArgs, lines};

/// Decode ASH, the serial link to a Silicon Labs radio stick
#[derive(Debug, Args)]
#[command(
    long_about = "Decode ASH version 2, the serial link to a Silicon Labs radio stick.\n\n\
        The input is text: lines of hex that begin with '>' (from the host) or '<' (to it). The \
        octets of each direction are one stream, cut anywhere."
)]
pub(in crate::cli::decode) struct AshArgs {
    #[command(flatten)]
    common: FrameArgs,
}

/// Decode EZSP, the commands of a Silicon Labs radio stick, out of captured ASH
#[derive(Debug, Args)]
#[command(
    long_about = "Decode EZSP, the commands of a Silicon Labs radio stick, out of its serial \
        link ASH.\n\n\
        The input is the same as for 'wattle decode ash'. Frames that were sent again are printed \
        once."
)]
pub(in crate::cli::decode) struct EzspArgs {
    #[command(flatten)]
    common: FrameArgs,
}

/// Decode ZNP, the serial protocol of a Texas Instruments radio stick
#[derive(Debug, Args)]
#[command(
    long_about = "Decode ZNP (Z-Stack monitor and test), the serial protocol of a Texas \
        Instruments radio stick.\n\n\
        The input is text: lines of hex that begin with '>' (from the host) or '<' (to it). The \
        octets of each direction are one stream, cut anywhere."
)]
pub(in crate::cli::decode) struct ZnpArgs {
    #[command(flatten)]
    common: FrameArgs,
}

/// Who sent a line.
#[derive(Clone, Copy, Default, PartialEq)]
enum Side {
    #[default]
    Untold,
    Host,
    Coprocessor,
}

impl Side {
    const ALL: [Self; 3] = [Self::Untold, Self::Host, Self::Coprocessor];

    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Untold => None,
            Self::Host => Some("host_to_ncp"),
            Self::Coprocessor => Some("ncp_to_host"),
        }
    }
}

/// One protocol's way from the octets of one direction to objects.
trait Stream: Default {
    const PROTOCOL: &'static str;

    /// Takes an octet.
    fn push(&mut self, octet: u8) -> Option<Object>;

    /// Takes the end of the input.
    fn finish(&mut self) -> Option<Object>;
}

/// A state for each side.
#[derive(Default)]
struct Sides<T> {
    untold: T,
    host: T,
    coprocessor: T,
}

impl<T> Sides<T> {
    fn side(&mut self, side: Side) -> &mut T {
        match side {
            Side::Untold => &mut self.untold,
            Side::Host => &mut self.host,
            Side::Coprocessor => &mut self.coprocessor,
        }
    }
}

/// Runs `wattle decode ash`.
pub(in crate::cli::decode) fn ash(args: &AshArgs) -> Result<(), Failure> {
    streams::<AshStream>(&args.common)
}

/// Runs `wattle decode znp`.
pub(in crate::cli::decode) fn znp(args: &ZnpArgs) -> Result<(), Failure> {
    streams::<ZnpStream>(&args.common)
}

/// Runs `wattle decode ezsp`.
pub(in crate::cli::decode) fn ezsp(args: &EzspArgs) -> Result<(), Failure> {
    let mut dialogue = Dialogue::default();
    let take = |side, octet| match octet {
        Some(octet) => dialogue.push(side, octet),
        None => dialogue.finish(side),
    };
    run(&args.common, EZSP, take)
}

/// Each direction is a stream of its own.
fn streams<S: Stream>(args: &FrameArgs) -> Result<(), Failure> {
    let mut streams = Sides::<S>::default();
    let take = |side, octet| match octet {
        Some(octet) => streams.side(side).push(octet),
        None => streams.side(side).finish(),
    };
    run(args, S::PROTOCOL, take)
}

/// Reads the lines and prints what the octets of each side give; no octet is the end.
fn run(
    args: &FrameArgs,
    protocol: &str,
    mut take: impl FnMut(Side, Option<u8>) -> Option<Object>,
) -> Result<(), Failure> {
    let mut output = Output::new(args.format);
    let mut last_lines = Sides::<u64>::default();
    let mut print = |mut object: Object, line: u64, side: Side| {
        object.set("line", line);
        object.set("dir", side.name());
        output.print(object).map_err(Failure::Output)
    };
    lines::each(&args.file, input::open(&args.file)?, |line, text| {
        let (side, text) = match (text.strip_prefix('>'), text.strip_prefix('<')) {
            (Some(text), _) => (Side::Host, text),
            (_, Some(text)) => (Side::Coprocessor, text),
            _ => (Side::Untold, text),
        };
        *last_lines.side(side) = line;
        match lines::octets(text) {
            Ok(octets) => octets
                .into_iter()
                .filter_map(|octet| take(side, Some(octet)))
                .try_for_each(|object| print(object, line, side)),
            Err(reason) => print(Object::failed(protocol, "malformed", &reason), line, side),
        }
    })?;
    for side in Side::ALL {
        let line = *last_lines.side(side);
        if let Some(object) = take(side, None) {
            print(object, line, side)?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct AshStream(ash::Splitter);

impl Stream for AshStream {
    const PROTOCOL: &'static str = "ash";

    fn push(&mut self, octet: u8) -> Option<Object> {
        self.0.push(octet).map(|found| match found {
            Ok(frame) => ash_object(&frame),
            Err(damage) => ash_damage(Self::PROTOCOL, damage),
        })
    }

    fn finish(&mut self) -> Option<Object> {
        let damage = self.0.finish()?;
        Some(ash_damage(Self::PROTOCOL, damage))
    }
}

fn ash_damage(protocol: &str, damage: Damage) -> Object {
    let status = match damage {
        Damage::Checksum { .. } => "checksum",
        Damage::Substitute => "substitute",
        Damage::Truncated(_) => "truncated",
        _ => "malformed",
    };
    Object::failed(protocol, status, &damage.to_string())
}

fn ash_object(frame: &ash::Frame) -> Object {
    let mut object = Object::message("ash");
    match frame {
        ash::Frame::Data {
            number,
            acknowledged,
            retransmitted,
            payload,
        } => {
            object.set("type", "DATA");
            object.set("frm", *number);
            object.set("ack", *acknowledged);
            object.set("retx", *retransmitted);
            object.set("payload", hex(payload));
        }
        ash::Frame::Ack {
            acknowledged,
            not_ready,
        } => {
            object.set("type", "ACK");
            object.set("ack", *acknowledged);
            object.set("not_ready", *not_ready);
        }
        ash::Frame::Nak {
            acknowledged,
            not_ready,
        } => {
            object.set("type", "NAK");
            object.set("ack", *acknowledged);
            object.set("not_ready", *not_ready);
        }
        ash::Frame::Reset => object.set("type", "RST"),
        ash::Frame::ResetAck { version, code } => reset(&mut object, "RSTACK", *version, *code),
        ash::Frame::Error { version, code } => reset(&mut object, "ERROR", *version, *code),
    }
    object
}

fn reset(object: &mut Object, kind: &str, version: u8, code: u8) {
    object.set("type", kind);
    object.set("version", version);
    object.set("code", code);
    object.set_some("reset", ash::reset_name(code));
}

#[derive(Default)]
struct ZnpStream(znp::Splitter);

impl Stream for ZnpStream {
    const PROTOCOL: &'static str = "znp";

    fn push(&mut self, octet: u8) -> Option<Object> {
        self.0.push(octet).map(|found| match found {
            Ok(frame) => {
                let mut object = Object::message(Self::PROTOCOL);
                object.set("type", frame.kind.name());
                object.set_some("subsystem", frame.subsystem());
                object.set("id", format!("{:04x}", frame.id));
                object.set("name", frame.name());
                object.set("payload", hex(&frame.payload));
                let fields = znp::fields(&frame);
                object.set_some("fields", fields.map(|fields| json::fields(&fields)));
                object
            }
            Err(damage) => znp_damage(damage),
        })
    }

    fn finish(&mut self) -> Option<Object> {
        self.0.finish().map(znp_damage)
    }
}

fn znp_damage(damage: znp::Damage) -> Object {
    let status = match damage {
        znp::Damage::Checksum { .. } => "checksum",
        _ => "truncated",
    };
    Object::failed(ZnpStream::PROTOCOL, status, &damage.to_string())
}

const EZSP: &str = "ezsp";

/// Both directions of a serial link: which frame is due on each side, and the form of headers.
#[derive(Default)]
struct Dialogue {
    splitters: Sides<ash::Splitter>,
    due: Sides<Option<u8>>,
    form: HeaderForm,
}

impl Dialogue {
    fn push(&mut self, side: Side, octet: u8) -> Option<Object> {
        match self.splitters.side(side).push(octet)? {
            Ok(frame) => self.take(side, &frame),
            Err(damage) => Some(ash_damage(EZSP, damage)),
        }
    }

    fn finish(&mut self, side: Side) -> Option<Object> {
        let damage = self.splitters.side(side).finish()?;
        Some(ash_damage(EZSP, damage))
    }

    fn take(&mut self, side: Side, frame: &ash::Frame) -> Option<Object> {
        let (number, retransmitted, payload) = match frame {
            ash::Frame::Data {
                number,
                retransmitted,
                payload,
                ..
            } => (*number, *retransmitted, payload),
            // Both sides begin anew.
            ash::Frame::Reset | ash::Frame::ResetAck { .. } => {
                self.due = Sides::default();
                self.form = HeaderForm::Unknown;
                return None;
            }
            _ => return None,
        };
        let due = self.due.side(side);
        if retransmitted && due.is_some_and(|due| due != number) {
            return None;
        }
        *due = Some((number + 1) & 7);
        let frame = match ezsp::Frame::parse(payload, self.form) {
            Ok(frame) => frame,
            Err(error) => return Some(Object::failed(EZSP, "truncated", &error.to_string())),
        };
        self.form = frame.announces().unwrap_or(self.form);
        let mut object = Object::message(EZSP);
        object.set("seq", frame.sequence);
        object.set(
            "kind",
            match frame.kind {
                FrameKind::Command => "command",
                FrameKind::Response => "response",
                FrameKind::Callback => "callback",
            },
        );
        object.set("id", format!("{:04x}", frame.id));
        object.set("name", ezsp::name(frame.id));
        object.set("params", hex(frame.parameters));
        Some(object)
    }
}
