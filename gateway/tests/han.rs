//! `wattle decode` and `wattle han` on recorded messages of the home area network, as independent
//! programs read them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use serde_json::Value;

use common::{recordings, rows, wattle};

/// Whether all that is expected was printed; more may be.
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
        _ => expected == printed,
    }
}

fn compare(rows: &[Value], printed: &[Value]) {
    assert_eq!(rows.len(), printed.len());
    for (row, printed) in rows.iter().zip(printed) {
        let expected = row.get("expect").unwrap_or(row);
        assert!(
            holds(expected, printed),
            "expected {expected}\nprinted {printed}"
        );
    }
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap().to_owned() + "\n"
}

#[test]
fn frames_of_the_powerline_read_as_tshark_reads_them() {
    let Some(folder) = recordings("han") else {
        return;
    };
    let rows = rows(&folder.join("homeplug/mme.jsonl"));
    let input: String = rows.iter().map(|row| text(row, "frame")).collect();
    compare(&rows, &wattle(&["decode", "homeplug", "-"], &input));
    let expected = std::fs::read_to_string(folder.join("homeplug/pcap/expected.json")).unwrap();
    let captures: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
    for (name, packets) in captures {
        let file = folder.join("homeplug/pcap").join(name);
        let printed = wattle(&["decode", "homeplug", file.to_str().unwrap()], "");
        compare(packets.as_array().unwrap(), &printed);
    }
}

#[test]
fn payloads_of_zigbee_read_as_zigpy_and_wireshark_read_them() {
    let Some(folder) = recordings("han") else {
        return;
    };
    let rows = rows(&folder.join("zigbee/zcl.jsonl"));
    let line = |row: &Value| {
        let [profile, cluster, payload] =
            ["profile", "cluster", "payload"].map(|name| row[name].as_str().unwrap());
        format!("{profile}/{cluster} {payload}\n")
    };
    let input: String = rows.iter().map(line).collect();
    compare(&rows, &wattle(&["decode", "zcl", "-"], &input));
}

#[test]
fn sessions_with_a_radio_stick_are_read() {
    let Some(folder) = recordings("han") else {
        return;
    };
    let sessions = folder.join("zigbee/sessions");
    for entry in std::fs::read_dir(&sessions).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            for protocol in ["ash", "ezsp"] {
                let printed = wattle(&["decode", protocol, path.to_str().unwrap()], "");
                let expected = path.with_extension(format!("{protocol}.jsonl"));
                compare(&rows(&expected), &printed);
            }
        }
    }
    for row in rows(&folder.join("zigbee/znp.jsonl")) {
        let printed = wattle(&["decode", "znp", "-"], text(&row, "input"));
        compare(std::slice::from_ref(&row), &printed);
    }
}

#[test]
fn codes_and_passwords_give_the_keys_of_other_programs() {
    let Some(folder) = recordings("han") else {
        return;
    };
    for row in rows(&folder.join("zigbee/install_codes.jsonl")) {
        let printed = wattle(&["han", "install-code", row["code"].as_str().unwrap()], "");
        let printed = printed.first().unwrap();
        assert_eq!(printed["status"], row["status"], "{row}");
        if row["status"] == "ok" {
            assert_eq!(printed["link_key"], row["link_key"]);
        }
    }
    for row in rows(&folder.join("homeplug/keys.jsonl")) {
        let printed = wattle(
            &["han", "homeplug-key", "-", "--level", "1"],
            text(&row, "password"),
        );
        let printed = printed.first().unwrap();
        assert_eq!(
            [&printed["nmk"], &printed["dak"], &printed["nid"]],
            [&row["nmk"], &row["dak"], &row["nid_level1"]]
        );
    }
}
