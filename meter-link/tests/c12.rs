//! C12 and OSGP against recordings and vectors of other implementations, where there are any.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

use std::path::PathBuf;

use meter_link::c12::net::{
    Apdu, ApduError, Keys, OpenError, ResponseControl, SecurityMode, Service,
};
use meter_link::c12::packet::{Element, Splitter};
use meter_link::c12::service::Request;
use meter_link::key::Key;
use meter_link::osgp::{OmaKey, digest};
use serde_json::Value;

fn unhex(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 2, 0);
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The rows of a file of vectors; `None`, and a word about it, when it is not here.
fn rows(name: &str) -> Option<Vec<Value>> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("WATTLE_CORPUS").map_or(beside, PathBuf::from);
    let path = folder.join("upstream").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no vectors at {}", path.display());
        return None;
    };
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

#[test]
fn packets_of_another_implementation() {
    for row in rows("ansi/c1218.jsonl").unwrap_or_default() {
        let input = unhex(row["input"].as_str().unwrap());
        let mut splitter = Splitter::new();
        let mut rest = input.as_slice();
        let mut found = Vec::new();
        while let Some(event) = splitter.pull(&mut rest).or_else(|| splitter.flush()) {
            found.push(event.element);
        }
        let want = &row["expect"];
        let last = found.last().unwrap();
        match want["status"].as_str().unwrap() {
            "checksum" => assert_eq!(*last, Element::BadCrc, "{row}"),
            "truncated" => assert_eq!(*last, Element::Truncated, "{row}"),
            _ => {
                let Element::Packet(packet, _) = last else {
                    panic!("{row}: {found:?}");
                };
                assert_eq!(Value::from(packet.identity), want["identity"]);
                assert_eq!(Value::from(packet.sequence), want["sequence"]);
                assert_eq!(packet.data, unhex(want["payload"].as_str().unwrap()));
                for (name, flag) in [
                    ("multi_packet", packet.is_multiple()),
                    ("first", packet.is_first()),
                    ("toggle", packet.toggle()),
                ] {
                    assert!(want[name].is_null() || want[name] == flag, "{row}: {name}");
                }
                match want["preceded_by"].as_str() {
                    Some("ACK") => assert_eq!(found[0], Element::Ack),
                    Some("NAK") => assert_eq!(found[0], Element::Nak),
                    _ => assert_eq!(found.len(), 1),
                }
                assert_eq!(
                    packet.to_bytes(),
                    input[input.len() - packet.data.len() - 8..]
                );
            }
        }
    }
}

#[test]
fn network_messages_of_another_implementation() {
    let of_text = |row: &Value| row.get("input").map(|input| unhex(input.as_str().unwrap()));
    for row in rows("ansi/c1222.jsonl").unwrap_or_default() {
        // Captures of whole networks are another layer's.
        let Some(input) = of_text(&row) else { continue };
        let mut keys = Keys::new();
        for key in row["keys"].as_array().unwrap() {
            let (number, digits) = key.as_str().unwrap().split_once('=').unwrap();
            keys.insert(number.parse().unwrap(), Key::from_hex(digits).unwrap());
        }
        let want = &row["expect"][0];
        let status = want["status"].as_str().unwrap();
        let apdu = match Apdu::parse(&input) {
            Err(ApduError::Truncated) => {
                assert_eq!(status, "truncated");
                continue;
            }
            parsed => parsed.unwrap(),
        };
        for (name, found) in [("called", &apdu.called), ("calling", &apdu.calling)] {
            if let Some(title) = want[name].as_str() {
                assert_eq!(found.as_ref().unwrap().to_string(), title);
            }
        }
        match apdu.open(&keys) {
            Err(OpenError::NoKey(number)) => {
                assert_eq!(
                    (status, Value::from(number)),
                    ("no_key", want["key_id"].clone())
                );
            }
            Err(OpenError::Check(_)) => assert_eq!(status, "wrong_key"),
            Err(other) => panic!("{row}: {other}"),
            Ok(opened) => {
                assert_eq!(status, "ok");
                assert!(opened.authenticated);
                assert_eq!(apdu.security_mode(), Some(SecurityMode::Ciphered));
                assert_eq!(apdu.response_control(), Some(ResponseControl::Always));
                let services = want["services"].as_array().unwrap();
                assert_eq!(opened.services.len(), services.len());
                for (found, want) in opened.services.iter().zip(services) {
                    let octets = found.to_bytes();
                    assert_eq!(octets[..1], unhex(want["code"].as_str().unwrap()));
                    assert_eq!(octets[1..], unhex(want["payload"].as_str().unwrap()));
                }
                assert!(matches!(
                    opened.services[1],
                    Service::Request(Request::ReadOffset {
                        table: 1,
                        offset: 16,
                        count: 16
                    })
                ));
            }
        }
    }
}

#[test]
fn digests_of_another_implementation() {
    for row in rows("osgp_oma.jsonl").unwrap_or_default() {
        let key = OmaKey::from_hex(row["key"].as_str().unwrap()).unwrap();
        let message = unhex(row["message"].as_str().unwrap());
        assert_eq!(
            digest(&key, &message).to_vec(),
            unhex(row["digest"].as_str().unwrap())
        );
    }
}
