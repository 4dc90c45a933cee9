//! `wattle decode` of what utilities and their meters say, as others read it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use etherparse::PacketBuilder;
use serde_json::{Value, json};

use common::{recordings, rows, wattle};

/// Whether all that is expected was printed; more may be. Numbers in texts may have other zeros.
fn holds(expected: &Value, printed: &Value) -> bool {
    match (expected, printed) {
        (Value::Object(expected), Value::Object(printed)) => expected
            .iter()
            .all(|(name, value)| holds(value, printed.get(name).unwrap_or(&Value::Null))),
        (Value::Array(expected), Value::Array(printed)) => {
            expected.len() == printed.len()
                && expected
                    .iter()
                    .zip(printed)
                    .all(|(expected, printed)| holds(expected, printed))
        }
        (Value::String(expected), Value::String(printed)) => {
            let number = |text: &str| wattle_billing::exact::plain(text);
            expected == printed
                || (number(expected).is_some() && number(expected) == number(printed))
        }
        _ => expected == printed,
    }
}

fn check(expected: &Value, printed: &Value) {
    assert!(
        holds(expected, printed),
        "expected {expected}\nprinted {printed}"
    );
    if expected["status"] != "ok" {
        for member in ["payload", "services", "document", "intervals", "digest"] {
            assert!(printed.get(member).is_none(), "{printed}");
        }
    }
}

#[test]
fn packets_and_messages_of_ansi_meters() {
    let Some(folder) = recordings("upstream") else {
        return;
    };
    let packets = rows(&folder.join("ansi/c1218.jsonl"));
    let lines: String = packets
        .iter()
        .map(|row| row["input"].as_str().unwrap().to_owned() + "\n")
        .collect();
    let printed = wattle(&["decode", "c1218", "-"], lines.as_bytes());
    assert_eq!(packets.len(), printed.len());
    for (row, printed) in packets.iter().zip(&printed) {
        check(&row["expect"], printed);
    }
    for row in rows(&folder.join("ansi/c1222.jsonl")) {
        let mut arguments = vec!["decode", "c1222"];
        for key in row["keys"].as_array().unwrap() {
            arguments.extend(["--key", key.as_str().unwrap()]);
        }
        let file = row["file"]
            .as_str()
            .map_or("-".into(), |name| folder.join("ansi/c1222").join(name));
        arguments.push(file.to_str().unwrap());
        let input = row["input"].as_str().unwrap_or_default();
        let printed = wattle(&arguments, input.as_bytes());
        let expected = row["expect"].as_array().unwrap();
        assert_eq!(expected.len(), printed.len());
        for (expected, printed) in expected.iter().zip(&printed) {
            check(expected, printed);
        }
    }
}

#[test]
fn documents_of_utilities() {
    let Some(folder) = recordings("upstream") else {
        return;
    };
    for protocol in ["sep2", "openadr3"] {
        let folder = folder.join(protocol);
        for row in rows(&folder.join("expected.jsonl")) {
            let file = folder.join(row["file"].as_str().unwrap());
            let printed = wattle(&["decode", protocol, file.to_str().unwrap()], b"");
            assert_eq!(printed.len(), 1);
            check(&row["expect"], &printed[0]);
        }
    }
}

#[test]
fn digests_of_osgp() {
    let Some(folder) = recordings("upstream") else {
        return;
    };
    for row in rows(&folder.join("osgp_oma.jsonl")) {
        let [key, message, digest] =
            ["key", "message", "digest"].map(|name| row[name].as_str().unwrap());
        let wrong = format!(
            "{}{}",
            &digest[..15],
            if digest.ends_with('0') { 1 } else { 0 }
        );
        let lines = format!("{message}\n{message} {digest}\n{message} {wrong}\n");
        let printed = wattle(&["decode", "osgp", "--key", key, "-"], lines.as_bytes());
        assert_eq!(printed.len(), 3);
        check(
            &json!({ "status": "ok", "line": 1, "digest": digest, "deprecated": true }),
            &printed[0],
        );
        check(&json!({ "status": "ok", "line": 2 }), &printed[1]);
        check(&json!({ "status": "wrong_key", "line": 3 }), &printed[2]);
    }
}

/// C12.22-2008, Annex G, example 8, and its key.
const EXAMPLE: &str = "604fa20580037bc175a60480027b04a803020103ac0fa20da00ba109800102810448f3d061be2a282881268841d10cda76206811b36f781489a11997773e117cb07aa3aa40374a7107c50da7f799c5d4e8";
const KEY: &str = "2=01020304050607080102030405060708";

/// A capture file of Ethernet frames.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = 0xA1B2_C3D4u32.to_le_bytes().to_vec();
    file.extend([
        2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0,
    ]);
    for frame in frames {
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        file.extend([0; 8]);
        file.extend(length);
        file.extend(length);
        file.extend(frame);
    }
    file
}

/// A message in pieces, out of order, one of them twice, over IPv6; another in a datagram with a
/// VLAN tag; then half a message.
#[test]
fn streams_are_put_together() {
    let message = meter_link::key::octets(EXAMPLE).unwrap();
    let (head_end, meter) = ([0x11; 16], [0x22; 16]);
    let tcp = |sequence: u32, payload: &[u8], syn: bool| {
        let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv6(head_end, meter, 64);
        let builder = builder.tcp(40_000, 1153, sequence, 1_000);
        let builder = if syn { builder.syn() } else { builder };
        let mut frame = Vec::new();
        builder.write(&mut frame, payload).unwrap();
        frame
    };
    let mut datagram = Vec::new();
    PacketBuilder::ethernet2([1; 6], [2; 6])
        .single_vlan(etherparse::VlanId::try_new(7).unwrap())
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1153, 1153)
        .write(&mut datagram, &message)
        .unwrap();
    let first = u32::MAX - 20;
    let at = |offset: u32| first.wrapping_add(1 + offset);
    let file = capture(&[
        tcp(first, &[], true),
        tcp(at(50), &message[50..], false),
        datagram,
        tcp(at(0), &message[..40], false),
        tcp(at(30), &message[30..60], false),
        tcp(at(81), &message[..20], false),
    ]);
    let printed = wattle(&["decode", "c1222", "--key", KEY, "-"], &file);
    let [from_datagram, from_stream, cut] = printed.as_slice() else {
        panic!("three objects were expected: {printed:?}");
    };
    check(
        &json!({ "status": "ok", "packet": 3, "src": "10.0.0.1", "mac": "99c5d4e8" }),
        from_datagram,
    );
    let source = "1111:1111:1111:1111:1111:1111:1111:1111";
    check(
        &json!({ "status": "ok", "packet": 5, "src": source, "mac": "99c5d4e8" }),
        from_stream,
    );
    check(&json!({ "status": "truncated", "packet": 6 }), cut);
    // Without the middle, nothing of the message is told.
    let torn = capture(&[
        tcp(first, &[], true),
        tcp(at(0), &message[..40], false),
        tcp(at(60), &message[60..], false),
    ]);
    for object in wattle(&["decode", "c1222", "--key", KEY, "-"], &torn) {
        assert_ne!(object["status"], "ok", "{object}");
        assert!(object.get("services").is_none());
    }
}
