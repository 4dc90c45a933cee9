//! The simulated P1 meter is read by dsmr_parser, a Python package that is not ours.
//!
//! It must be importable by `python3`, or by the interpreter that `WATTLE_DSMR_PYTHON` names:
//! `python3 -m venv V && V/bin/pip install dsmr_parser`, then `WATTLE_DSMR_PYTHON=V/bin/python`.

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
use wattle_sim::household::{Curve, INSTALLED, Kind};
use wattle_sim::p1::{Cipher, Config};

/// Reads lines of hex, one telegram each, and prints its values; ciphered ones with the keys.
const READER: &str = r"
import sys
from dsmr_parser import telegram_specifications as specifications
from dsmr_parser.parsers import TelegramParser
key, auth_key = sys.argv[1], sys.argv[2]
names = ['ELECTRICITY_USED_TARIFF_1', 'ELECTRICITY_USED_TARIFF_2', 'ELECTRICITY_DELIVERED_TARIFF_1',
         'ELECTRICITY_DELIVERED_TARIFF_2', 'CURRENT_ELECTRICITY_USAGE', 'CURRENT_ELECTRICITY_DELIVERY']
for line in sys.stdin:
    line = line.strip()
    if key:
        specification = dict(specifications.V5, general_global_cipher=True)
        telegram = TelegramParser(specification).parse(line, encryption_key=key, authentication_key=auth_key)
    else:
        telegram = TelegramParser(specifications.V5).parse(bytes.fromhex(line).decode('ascii'))
    values = [str(getattr(telegram, name).value) for name in names]
    gas = telegram.MBUS_DEVICES[0]
    reading = gas.MBUS_METER_READING
    values += [str(reading.value), str(int(reading.datetime.timestamp()))]
    values += [str(int(telegram.P1_MESSAGE_TIMESTAMP.value.timestamp()))]
    print(' '.join(values))
";

/// The interpreter that can import dsmr_parser.
fn python() -> Option<String> {
    let python = std::env::var("WATTLE_DSMR_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = Command::new(&python)
        .args(["-c", "import dsmr_parser"])
        .stderr(Stdio::null())
        .status();
    imports
        .is_ok_and(|status| status.success())
        .then_some(python)
}

fn read_by_dsmr_parser(python: &str, telegrams: &[Vec<u8>], keys: [&str; 2]) -> Vec<String> {
    let mut child = Command::new(python)
        .args(["-c", READER])
        .args(keys)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for telegram in telegrams {
        let hex: String = telegram.iter().map(|byte| format!("{byte:02X}")).collect();
        writeln!(input, "{hex}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Python's Decimal keeps the decimals of the text.
fn fixed(number: u64, decimals: usize) -> String {
    let unit = 10u64.pow(3);
    let text = format!("{}.{:03}", number / unit, number % unit);
    text[..text.len() - 3 + decimals].to_owned()
}

#[test]
fn dsmr_parser_reads_every_value_of_every_telegram() {
    let Some(python) = python() else {
        println!(
            "skipped: dsmr_parser is not here (WATTLE_DSMR_PYTHON names a Python that has it)"
        );
        return;
    };
    let (key, auth_key) = ("0123456789ABCDEF".repeat(2), "FEDCBA9876543210".repeat(2));
    let cipher = Cipher {
        title: *b"WSM00001",
        key: Key::from_hex(&key).unwrap(),
        auth_key: Key::from_hex(&auth_key).unwrap(),
    };
    let load = || Curve::new(Kind::Home { pv: true }, 11);
    let plain = Config::new(load()).unwrap();
    let ciphered = Config {
        cipher: Some(cipher),
        ..Config::new(load()).unwrap()
    };
    for (mut config, keys) in [(plain, ["", ""]), (ciphered, [key.as_str(), &auth_key])] {
        // Every two hours of three days about each change of the clock.
        let days = [83u64, 84, 85, 300, 301, 302];
        let instants = days
            .iter()
            .flat_map(|day| (0..12).map(move |hour| day * 86_400 + hour * 7_200 + 17));
        let (telegrams, truth): (Vec<_>, Vec<_>) = (1..)
            .zip(instants)
            .map(|(count, at)| config.telegram(INSTALLED + at, count).unwrap())
            .unzip();
        let read = read_by_dsmr_parser(&python, &telegrams, keys);
        assert_eq!(read.len(), truth.len());
        assert!(truth.iter().any(|sent| sent.power_w < 0));
        for (line, sent) in read.iter().zip(truth) {
            let (drawn, fed) = (sent.power_w.max(0), (-sent.power_w).max(0));
            let want = [
                fixed(sent.import_wh[0], 3),
                fixed(sent.import_wh[1], 3),
                fixed(sent.export_wh[0], 3),
                fixed(sent.export_wh[1], 3),
                fixed(drawn.unsigned_abs(), 3),
                fixed(fed.unsigned_abs(), 3),
                fixed(sent.gas_l, 3),
                sent.gas_at_s.to_string(),
                sent.unix_s.to_string(),
            ];
            assert_eq!(line.split(' ').collect::<Vec<_>>(), want);
        }
    }
}
