//! Recorded streams of receivers and chips of radio frames. The recordings stay outside the
//! repository; see CONTRIBUTING.md.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::path::PathBuf;

use meter_link::wmbus::phy::{self, LinkMode};
use meter_link::wmbus::receiver::{Found, Kind, Splitter};
use serde_json::Value;

fn corpus(file: &str) -> Option<Vec<Value>> {
    let folder = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let path = folder.join("wmbus").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {} (set WATTLE_CORPUS)", path.display());
        return None;
    };
    let read = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    Some(text.lines().map(read).collect())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().as_chunks::<2>().0.iter();
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn streams_of_receivers() {
    let Some(recordings) = corpus("dongle.jsonl") else {
        return;
    };
    for recording in &recordings {
        let name = text(recording, "name");
        let kind = Kind::from_name(text(recording, "device")).expect("a known receiver");
        let stream = octets(text(recording, "stream_hex"));
        for size in [stream.len(), 7] {
            let mut splitter = Splitter::new(kind);
            let mut found = Vec::new();
            for mut piece in stream.chunks(size) {
                while let Some(event) = splitter.pull(&mut piece) {
                    found.push(event);
                }
            }
            while let Some(event) = splitter.finish() {
                found.push(event);
            }
            let frames: Vec<_> = found
                .iter()
                .filter_map(|event| match &event.found {
                    Ok(Found::Frame(frame)) => Some(frame),
                    _ => None,
                })
                .collect();
            let expected = recording["expected"].as_array().expect("a list");
            assert_eq!(frames.len(), expected.len(), "{name}: {found:?}");
            for (frame, expected) in frames.iter().zip(expected) {
                let telegram = frame.strip().expect("a sound frame").bytes;
                assert_eq!(
                    hex(&telegram),
                    text(expected, "telegram_hex").to_uppercase()
                );
                let rssi = expected["rssi_dbm"].as_i64();
                assert_eq!(frame.rssi_dbm.map(i64::from), rssi, "{name}");
                if let Some(mode) = expected["link_mode"].as_str() {
                    assert_eq!(frame.link_mode.map(LinkMode::name), Some(mode), "{name}");
                }
            }
        }
    }
}

#[test]
fn chips_of_frames() {
    let Some(recordings) = corpus("phy.jsonl") else {
        return;
    };
    for recording in &recordings {
        let (name, chips) = (text(recording, "name"), text(recording, "chips_hex"));
        if chips.is_empty() {
            continue;
        }
        let mode = LinkMode::from_name(&text(recording, "mode")[..2]).expect("a mode");
        let received = phy::receive(mode, &octets(chips));
        if recording["expect_error"].as_bool() == Some(true) {
            assert!(received.is_err(), "{name}");
            continue;
        }
        let received = received.unwrap_or_else(|error| panic!("{name}: {error}"));
        let telegram = text(recording, "telegram_hex").to_uppercase();
        assert_eq!(hex(&received.bytes), telegram, "{name}");
        let sent = octets(text(recording, "frame_with_crc_hex"));
        let encoded = phy::encode(mode, received.format, &sent).expect("a frame of this mode");
        assert_eq!(
            phy::receive(mode, &encoded).expect("our own chips"),
            phy::Received {
                at_chip: phy::receive(mode, &encoded).expect("our own chips").at_chip,
                ..received
            }
        );
    }
}
