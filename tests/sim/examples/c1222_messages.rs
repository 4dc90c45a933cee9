//! Prints messages of C12.22 as hex, one a line, for a second opinion on them (`tests/c12/run`):
//! request and answer in clear text, checked, and encrypted, and a long answer in segments.

use std::io::Write;

use anyhow::Context;
use meter_link::c12::net::{Apdu, Outgoing, Protection, Service};
use meter_link::c12::service::{Password, Request, ResponseCode};
use meter_link::key::Key;
use meter_link::key::hex;
use wattle_sim::c12::Config;
use wattle_sim::c12::network::{Network, Responder};
use wattle_sim::household::{Curve, INSTALLED, Kind};

/// Key number 2; what it protects is made up.
const KEY: &str = "01020304050607080102030405060708";

fn main() -> anyhow::Result<()> {
    let key = Key::from_hex(KEY)?;
    let message = Outgoing {
        called: ".123.8437".parse()?,
        called_invocation_id: None,
        calling: ".123.4".parse()?,
        calling_invocation_id: 0x1234_5678,
        services: vec![
            Service::Request(Request::Logon {
                user_id: 2,
                user: *b"wattle    ",
                idle_timeout_s: Some(60),
            }),
            Service::Request(Request::Security {
                password: Password::from_text("SECRET").context("it is short enough")?,
                user_id: Some(2),
            }),
            Service::Request(Request::Read { table: 23 }),
            Service::Request(Request::ReadOffset {
                table: 64,
                offset: 5,
                count: 24,
            }),
            Service::Request(Request::Wait { seconds: 30 }),
        ],
    };
    let keyed = |iv: u8, encrypt| Protection::Keyed {
        key: &key,
        key_id: 2,
        iv: [0x6A, 0, 0, iv],
        encrypt,
    };
    let mut out = std::io::stdout().lock();
    let mut print = |octets: &[u8]| writeln!(out, "{}", hex(octets));
    for protection in [Protection::Clear, keyed(1, false), keyed(2, true)] {
        print(&message.to_bytes(protection)?)?;
    }
    let long = Outgoing {
        services: vec![Service::Response {
            code: ResponseCode::OK,
            payload: vec![0x5A; 200],
        }],
        called_invocation_id: Some(7),
        ..message.clone()
    };
    print(&long.to_bytes(keyed(3, true))?)?;

    // The simulated meter's own answer.
    let network = Network {
        title: ".123.8437".parse()?,
        key: Some((2, key.clone())),
        longest: 1_400,
    };
    let load = Curve::new(Kind::Constant { power_w: 1_800 }, 1);
    let mut meter = Responder::new(Config::new(load), network);
    let asked = Apdu::parse(&message.to_bytes(keyed(4, true))?)?;
    for unit in meter.answer(&asked, INSTALLED + 86_400) {
        print(&unit)?;
    }
    Ok(())
}
