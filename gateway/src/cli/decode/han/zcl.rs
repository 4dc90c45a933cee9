//! `wattle decode zcl`.

use ::han::zigbee::zcl::{Direction, FrameType, Message, ZclError, clusters};
use ::han::zigbee::zdo;
use clap::Args;
use serde_json::{Map, Value as Json};

use super::json;
use crate::cli::decode::input::{self, Failure};
use crate::cli::decode::output::{Object, Output, hex};
use crate::cli::decode::{FrameArgs, lines};

/// The profile of the device objects.
const ZDO_PROFILE: u16 = 0x0000;

/// Decode payloads of Zigbee: the cluster library, Smart Energy and device objects
#[derive(Debug, Args)]
#[command(
    long_about = "Decode payloads of Zigbee: the cluster library with the Smart Energy profile, \
        and the device objects (profile 0000).\n\n\
        The input is text with one APS payload per line in hex. A line may name its own profile \
        and cluster in front: '0104/0702 183e0100…'.",
    after_help = "Examples:\n  \
        wattle decode zcl --cluster 0702 payloads.txt\n  \
        echo '0104/0702 180a0a00002587d612000000' | wattle decode zcl -"
)]
pub(in crate::cli::decode) struct ZclArgs {
    /// The profile of lines that name none
    #[arg(long, value_name = "HEX", value_parser = hex16, default_value = "0104")]
    profile: u16,

    /// The cluster of lines that name none
    #[arg(long, value_name = "HEX", value_parser = hex16)]
    cluster: Option<u16>,

    #[command(flatten)]
    common: FrameArgs,
}

fn hex16(text: &str) -> Result<u16, String> {
    u16::from_str_radix(text.trim_start_matches("0x"), 16)
        .map_err(|_| "four hex digits are due, such as 0702".to_owned())
}

/// Runs `wattle decode zcl`.
pub(in crate::cli::decode) fn zcl(args: &ZclArgs) -> Result<(), Failure> {
    let path = &args.common.file;
    let mut output = Output::new(args.common.format);
    lines::each(path, input::open(path)?, |line, text| {
        let mut object = match split(text, args) {
            Ok((ZDO_PROFILE, cluster, octets)) => device_object(cluster, &octets),
            Ok((profile, cluster, octets)) => library(profile, cluster, &octets),
            Err(reason) => Object::failed("zcl", "malformed", &reason),
        };
        object.set("line", line);
        output.print(object).map_err(Failure::Output)
    })
}

fn split(text: &str, args: &ZclArgs) -> Result<(u16, u16, Vec<u8>), String> {
    let named = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if let Some((profile, cluster)) = named.0.split_once('/') {
        return Ok((hex16(profile)?, hex16(cluster)?, lines::octets(named.1)?));
    }
    let missing = "neither the line nor --cluster names a cluster".to_owned();
    let cluster = args.cluster.ok_or(missing)?;
    Ok((args.profile, cluster, lines::octets(text)?))
}

fn library(profile: u16, cluster: u16, octets: &[u8]) -> Object {
    let message = Message::decode(cluster, octets);
    let mut object = match &message {
        Ok(_) => Object::message("zcl"),
        Err(error) => {
            let status = match error {
                ZclError::Truncated(_) => "truncated",
                ZclError::DataType { .. } | ZclError::FrameType(_) => "unsupported",
                _ => "malformed",
            };
            Object::failed("zcl", status, &error.to_string())
        }
    };
    object.set("profile", format!("{profile:04x}"));
    object.set("cluster", format!("{cluster:04x}"));
    object.set_some("cluster_name", clusters::cluster_name(cluster));
    let Ok(message) = message else {
        return object;
    };
    let frame = message.frame;
    object.set(
        "frame_type",
        match frame.frame_type {
            FrameType::Global => "global",
            FrameType::Cluster => "cluster",
        },
    );
    object.set(
        "direction",
        match frame.direction {
            Direction::ClientToServer => "client_to_server",
            Direction::ServerToClient => "server_to_client",
        },
    );
    object.set("disable_default_response", frame.disable_default_response);
    object.set(
        "manufacturer",
        frame.manufacturer.map(|id| format!("{id:04x}")),
    );
    object.set("tsn", frame.tsn);
    object.set("command", format!("{:02x}", frame.command));
    say(
        &mut object,
        message.name,
        json::fields(&message.fields),
        frame.payload,
        message.extra,
    );
    object
}

fn device_object(cluster: u16, octets: &[u8]) -> Object {
    let message = zdo::Message::decode(cluster, octets);
    let mut object = match &message {
        Ok(_) => Object::message("zdo"),
        Err(error) => Object::failed("zdo", "truncated", &error.to_string()),
    };
    object.set("profile", format!("{ZDO_PROFILE:04x}"));
    object.set("cluster", format!("{cluster:04x}"));
    let Ok(message) = message else {
        return object;
    };
    object.set("tsn", message.tsn);
    say(
        &mut object,
        message.name,
        json::fields(&message.fields),
        message.payload,
        message.extra,
    );
    object
}

fn say(
    object: &mut Object,
    name: Option<&str>,
    fields: Map<String, Json>,
    payload: &[u8],
    extra: &[u8],
) {
    object.set("name", name);
    object.set("fields", fields);
    if name.is_none() {
        object.set("payload", hex(payload));
    }
    if !extra.is_empty() {
        object.set("extra", hex(extra));
    }
}
