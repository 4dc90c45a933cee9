//! `wattle decode c1218`: packets of PSEM, one by one.

use clap::Args;
use meter_link::c12::packet::{Element, Packet, Splitter};

use super::c1222::service_name;
use super::input::{self, Failure};
use super::output::{Object, Output, hex};
use super::{FrameArgs, lines};

const PROTOCOL: &str = "c1218";

/// Decode packets of ANSI C12.18 and C12.21, one by one
#[derive(Debug, Args)]
#[command(
    long_about = "Decode packets of PSEM, the link layer of ANSI C12.18 and C12.21, one by one.\n\n\
        The input is text in hex, with one packet on each line; an acknowledgement in front of \
        it is told with it, other octets around it are skipped. 'wattle decode c12' puts whole \
        sessions together and decodes their tables.",
    after_help = "Example:\n  echo ee0000000001201310 | wattle decode c1218 -"
)]
pub(super) struct C1218Args {
    #[command(flatten)]
    common: FrameArgs,
}

/// Runs `wattle decode c1218`.
pub(super) fn run(args: &C1218Args) -> Result<(), Failure> {
    let path = &args.common.file;
    let mut output = Output::new(args.common.format);
    lines::each(path, input::open(path)?, |line, text| {
        let objects = match lines::octets(text) {
            Ok(octets) => packets(&octets),
            Err(reason) => vec![Object::failed(PROTOCOL, "malformed", &reason)],
        };
        for mut object in objects {
            object.set("line", line);
            output.print(object).map_err(Failure::Output)?;
        }
        Ok(())
    })
}

/// What stands on a line.
fn packets(mut octets: &[u8]) -> Vec<Object> {
    let mut splitter = Splitter::new();
    let mut preceded_by = None;
    let mut objects = Vec::new();
    while let Some(event) = splitter.pull(&mut octets).or_else(|| splitter.flush()) {
        let mut object = match event.element {
            Element::Ack => {
                preceded_by = Some("ACK");
                continue;
            }
            Element::Nak => {
                preceded_by = Some("NAK");
                continue;
            }
            Element::Noise => continue,
            Element::Packet(packet, _) => object(&packet),
            Element::BadCrc => Object::failed(
                PROTOCOL,
                "checksum",
                "the CRC of the packet is wrong: it was damaged on the line",
            ),
            Element::Truncated => Object::failed(
                PROTOCOL,
                "truncated",
                "the packet ends before its declared end",
            ),
        };
        object.set_some("preceded_by", preceded_by.take());
        objects.push(object);
    }
    if objects.is_empty() {
        let reason = "there is no packet on this line; one begins with ee";
        objects.push(Object::failed(PROTOCOL, "malformed", reason));
    }
    objects
}

fn object(packet: &Packet) -> Object {
    let mut object = Object::message(PROTOCOL);
    object.set("identity", packet.identity);
    object.set("multi_packet", packet.is_multiple());
    object.set("first", packet.is_first());
    object.set("toggle", packet.toggle());
    object.set("sequence", packet.sequence);
    object.set("length", packet.data.len());
    object.set("payload", hex(&packet.data));
    // Which part of a message a packet of several holds is not known here.
    let code = packet.data.first().filter(|_| !packet.is_multiple());
    object.set_some("service", code.and_then(|code| service_name(*code)));
    object
}
