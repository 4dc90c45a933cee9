//! M-Bus against other implementations: m-bus-parser on generated and recorded records, wmbusmeters
//! on recorded telegrams.

use std::path::PathBuf;

use m_bus_parser::user_data::data_information::{DataType, FunctionField};
use m_bus_parser::user_data::parse_data_records;
use meter_link::mbus::{Function, Records, bcd, signed};
use meter_link::wmbus::frame::{self, Crcs};
use meter_link::wmbus::{Decoder, KeyRing, MeterKey};
use proptest::prelude::*;

/// What both must agree on: where records begin and end, their numbers and their bare integers.
/// Scales are not compared: those of m-bus-parser are wrong for some codes.
fn compare(payload: &[u8]) -> Result<usize, String> {
    let mut compared = 0;
    let theirs = parse_data_records(payload);
    let ours = Records::new(payload);
    for (ours, theirs) in ours.zip(theirs) {
        let (Ok(ours), Ok(theirs)) = (ours, theirs) else {
            break;
        };
        let Some(information) = theirs.data_information() else {
            break;
        };
        let key = format!("{:02X?} {:02X?}", ours.header, ours.data);
        let raw = [ours.header, ours.data].concat();
        if raw != theirs.raw_bytes() {
            return Err(format!("{key}: other bytes {:02X?}", theirs.raw_bytes()));
        }
        let numbers = (
            ours.storage,
            u64::from(ours.tariff),
            u64::from(ours.subunit),
        );
        let other = (
            information.storage_number,
            information.tariff,
            information.device,
        );
        if numbers != other {
            return Err(format!("{key}: {numbers:?} against {other:?}"));
        }
        let function = match information.function_field {
            FunctionField::InstantaneousValue => Function::Instantaneous,
            FunctionField::MaximumValue => Function::Maximum,
            FunctionField::MinimumValue => Function::Minimum,
            _ => Function::Error,
        };
        if function != ours.function {
            return Err(format!("{key}: {function:?}"));
        }
        if let Some(DataType::Number(number)) = theirs.value() {
            let integer = if ours.is_integer() && !ours.is_instant() {
                Some(i128::from(signed(ours.data)))
            } else if ours.is_bcd() {
                bcd(ours.data)
            } else {
                None
            };
            // Beyond 53 bits a floating point number is no integer any more.
            let exact = integer.filter(|integer| integer.unsigned_abs() < 1 << 53);
            if let Some(integer) = exact
                && format!("{integer}") != format!("{number:.0}")
            {
                return Err(format!("{key}: {integer} against {number}"));
            }
        }
        compared += 1;
    }
    Ok(compared)
}

/// A record with fields that both know: integers, BCD of decimal digits, primary VIFs.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        Just(1u8),
        Just(2),
        Just(3),
        Just(4),
        Just(6),
        Just(7),
        Just(10),
        Just(12),
        Just(14)
    ];
    let extensions = proptest::collection::vec(any::<u8>(), 0..4);
    (
        field,
        0u8..4,
        any::<bool>(),
        extensions,
        0u8..0x6C,
        proptest::collection::vec(any::<u8>(), 8),
    )
        .prop_map(|(field, function, storage, mut extensions, vif, data)| {
            let more = if extensions.is_empty() { 0 } else { 0x80 };
            let mut bytes = vec![field | function << 4 | u8::from(storage) << 6 | more];
            let last = extensions.len().saturating_sub(1);
            for (index, extension) in extensions.iter_mut().enumerate() {
                *extension = (*extension & 0x7F) | if index < last { 0x80 } else { 0 };
            }
            bytes.extend(extensions);
            bytes.push(vif);
            let length = match field {
                1..=4 => usize::from(field),
                6 | 14 => 6,
                7 => 8,
                10 => 2,
                _ => 4,
            };
            let digits = |octet: &u8| {
                if field > 8 {
                    octet % 10 * 16 + octet / 16 % 10
                } else {
                    *octet
                }
            };
            bytes.extend(data.iter().take(length).map(digits));
            bytes
        })
}

proptest! {
    #[test]
    fn generated_records_are_those_of_m_bus_parser(records in proptest::collection::vec(record(), 1..6)) {
        let payload = records.concat();
        prop_assert_eq!(compare(&payload).map_err(TestCaseError::fail)?, records.len());
    }
}

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = corpus.join("wmbus");
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "skipped: no telegrams below {} (set WATTLE_CORPUS)",
        folder.display()
    );
    None
}

/// The text of a member of a flat JSON line.
fn member<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\": \""))?;
    rest.split('"').next()
}

fn octets(hex: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len() / 2)
        .filter_map(|index| octet(2 * index))
        .collect()
}

/// Every recorded telegram of the peers' tests that opens has the records that m-bus-parser reads.
#[test]
fn recorded_telegrams_against_m_bus_parser() {
    let Some(folder) = corpus() else { return };
    let mut compared = 0;
    for file in ["telegrams.jsonl", "resealed.jsonl"] {
        for line in std::fs::read_to_string(folder.join(file)).unwrap().lines() {
            let bytes = octets(member(line, "telegram_hex").unwrap());
            let mut keys = KeyRing::default();
            if let Some(key) = member(line, "key") {
                keys.insert_for_all(MeterKey::from_hex(key).unwrap());
            }
            let mut decoder = Decoder::new(keys);
            let Ok(stripped) = frame::strip(&bytes, Crcs::Auto) else {
                continue;
            };
            let (decoded, _) = decoder.decode_stripped(&stripped, &[]);
            if let Ok(opened) = decoded.outcome {
                compared += compare(opened.record_bytes()).unwrap();
            }
        }
    }
    println!("{compared} records are the same");
    assert!(compared > 1_000);
}

/// No recorded telegram with one flipped bit of an authenticated payload gives records.
#[test]
fn altered_telegrams_do_not_open() {
    let Some(folder) = corpus() else { return };
    let text = std::fs::read_to_string(folder.join("resealed.jsonl")).unwrap();
    for line in text.lines() {
        let mode = member(line, "security").unwrap();
        if mode == "5" {
            // Known bytes only: not every alteration can be noticed.
            continue;
        }
        let mut bytes = octets(member(line, "telegram_hex").unwrap());
        let mut keys = KeyRing::default();
        keys.insert_for_all(MeterKey::from_hex(member(line, "key").unwrap()).unwrap());
        let last = bytes.len() - 3;
        bytes[last] ^= 0x10;
        let decoded = Decoder::new(keys).decode(&bytes, &[]);
        assert!(
            decoded.outcome.is_err(),
            "{}",
            member(line, "name").unwrap()
        );
    }
}
