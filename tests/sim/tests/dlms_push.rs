//! The simulated meter that pushes DLMS messages is read by gurux-dlms, a Python package that is
//! not ours.
//!
//! It must be importable by `python3`, or by the interpreter that `WATTLE_GURUX_PYTHON` names:
//! `python3 -m venv V && V/bin/pip install gurux-dlms`, then `WATTLE_GURUX_PYTHON=V/bin/python`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::io::Write;
use std::process::{Command, Stdio};

use meter_link::key::Key;
use wattle_sim::dlms_push::{Carrier, Cipher, Config};
use wattle_sim::household::{Curve, INSTALLED, Kind};

/// Reads lines of hex, one message in HDLC frames each, and prints the numbers of its rows.
const READER: &str = r"
import sys
from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.secure import GXDLMSSecureClient
from gurux_dlms.enums import Authentication, InterfaceType, Security
title, key, auth_key = sys.argv[1], sys.argv[2], sys.argv[3]
for line in sys.stdin:
    client = GXDLMSSecureClient(True, 16, 1, Authentication.NONE, None, InterfaceType.HDLC)
    if key:
        client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        client.ciphering.blockCipherKey = bytes.fromhex(key)
        client.ciphering.authenticationKey = bytes.fromhex(auth_key)
        client.ciphering.systemTitle = bytes.fromhex(title)
    buffer = GXByteBuffer()
    buffer.set(bytes.fromhex(line.strip()))
    data, notify = GXReplyData(), GXReplyData()
    while buffer.position < buffer.size:
        client.getData(buffer, data, notify)
    def number(value):
        return str(int(value))
    rows = [row for row in notify.value if len(row) == 3]
    print('read', ' '.join(bytes(row[0]).hex() + '=' + number(row[1]) for row in rows), flush=True)
";

/// The interpreter that can import gurux_dlms.
fn python() -> Option<String> {
    let python = std::env::var("WATTLE_GURUX_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = Command::new(&python)
        .args(["-c", "import gurux_dlms"])
        .stderr(Stdio::null())
        .status();
    imports
        .is_ok_and(|status| status.success())
        .then_some(python)
}

fn read_by_gurux(python: &str, messages: &[Vec<u8>], keys: [&str; 3]) -> Vec<String> {
    let mut child = Command::new(python)
        .args(["-c", READER])
        .args(keys)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for message in messages {
        let hex: String = message.iter().map(|byte| format!("{byte:02X}")).collect();
        writeln!(input, "{hex}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    // It says of each message how it was ciphered, too.
    let lines = text.lines().filter_map(|line| line.strip_prefix("read "));
    lines.map(str::to_owned).collect()
}

#[test]
fn gurux_reads_every_number_of_every_message() {
    let Some(python) = python() else {
        println!(
            "skipped: gurux-dlms is not here (WATTLE_GURUX_PYTHON names a Python that has it)"
        );
        return;
    };
    let (title, key, auth_key) = (
        "57534d3030303031",
        "0123456789ABCDEF".repeat(2),
        "FEDCBA9876543210".repeat(2),
    );
    let cipher = Cipher {
        title: *b"WSM00001",
        security_control: 0x30,
        key: Key::from_hex(&key).unwrap(),
        auth_key: Key::from_hex(&auth_key).unwrap(),
    };
    for (carrier, ciphered) in [
        (Carrier::Hdlc, false),
        (Carrier::Hdlc, true),
        (Carrier::HdlcSegments(50), false),
        (Carrier::HdlcSegments(50), true),
    ] {
        let mut config = Config {
            carrier,
            cipher: ciphered.then(|| cipher.clone()),
            ..Config::new(Curve::new(Kind::Home { pv: true }, 11))
        };
        let keys = match ciphered {
            true => [title, key.as_str(), auth_key.as_str()],
            false => ["", "", ""],
        };
        let instants = (0..48).map(|hour| INSTALLED + 83 * 86_400 + hour * 3_600 + 17);
        let (messages, truth): (Vec<_>, Vec<_>) = (1..)
            .zip(instants)
            .map(|(count, at)| config.message(at, count).unwrap())
            .unzip();
        let read = read_by_gurux(&python, &messages, keys);
        assert_eq!(read.len(), truth.len(), "{carrier:?} {ciphered}");
        assert!(truth.iter().any(|sent| sent.power_w < 0));
        for (line, sent) in read.iter().zip(truth) {
            let want = [
                format!("0100010700ff={}", sent.power_w.max(0)),
                format!("0100020700ff={}", (-sent.power_w).max(0)),
                format!("0100200700ff={}", sent.volts_d),
                format!("0100010800ff={}", sent.import_wh),
                format!("0100020800ff={}", sent.export_wh),
            ];
            assert_eq!(line.split(' ').collect::<Vec<_>>(), want);
        }
    }
}
