//! SML as a whole: our encoder against sml-rs, our decoder against anything, every correction
//! with a telegram that needs it, and captures of real meters where there are any.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::path::PathBuf;

use meter_link::model::{Hint, MeterTime, ObisCode, Unit};
use meter_link::profile::QuirkSet;
use meter_link::sml::{
    Deframer, Dialect, Entry, EntryValue, Event, File, Interpreter, ListTelegram, Time, frame,
};
use proptest::prelude::*;
use sml_rs::parser::common::Value as TheirValue;
use sml_rs::parser::complete::MessageBody as TheirBody;

/// Registers as text, hints and corrections of every list in a stream.
#[derive(Debug, Default, PartialEq)]
struct Read {
    lists: Vec<Vec<String>>,
    hints: Vec<Hint>,
    quirks: Vec<&'static str>,
    skipped: u64,
}

fn read_with(stream: &[u8], quirks: &QuirkSet) -> Read {
    let mut read = Read::default();
    let mut deframer = Deframer::new();
    let mut input = stream;
    loop {
        let event = match deframer.pull(&mut input) {
            Some(event) => Some(event),
            None => deframer.finish(),
        };
        let Some(event) = event else { return read };
        let frame = match event {
            Event::Frame(frame) => frame,
            Event::Skipped(skipped) => {
                read.skipped += skipped.length;
                continue;
            }
        };
        let content = frame.content();
        let Ok(file) = File::parse(&content, quirks) else {
            read.skipped += frame.raw.len() as u64;
            continue;
        };
        read.quirks.extend(file.quirks());
        for list in file.lists() {
            let interpreter = Interpreter::new(list, quirks);
            let (registers, _) = interpreter.registers();
            read.quirks
                .extend(registers.iter().filter_map(|register| register.quirk));
            read.hints.extend(interpreter.hints());
            let shown = registers.iter().map(|register| {
                let unit = register
                    .unit
                    .map(|unit| unit.to_string())
                    .unwrap_or_default();
                format!("{} {:?} {unit}", register.register, register.value)
            });
            read.lists.push(shown.collect());
        }
    }
}

fn read(stream: &[u8]) -> Read {
    read_with(stream, &QuirkSet::all())
}

fn measured(code: &str, unit: Unit, scaler: i8, value: EntryValue) -> Entry {
    Entry {
        unit: Some(unit),
        scaler: Some(scaler),
        ..Entry::new(code.parse().unwrap(), value)
    }
}

fn telegram(server_id: &[u8], entries: Vec<Entry>) -> ListTelegram {
    ListTelegram {
        transaction: 7,
        file_id: 3,
        server_id: server_id.to_vec(),
        time: Some(Time::SecondsIndex(1000)),
        entries,
        ..ListTelegram::default()
    }
}

fn dzg(serial: u32, power: EntryValue) -> Vec<u8> {
    let mut server_id = b"\x0a\x01DZG\x00".to_vec();
    server_id.extend(serial.to_be_bytes());
    telegram(
        &server_id,
        vec![measured("1-0:16.7.0", Unit::Watt, -2, power)],
    )
    .to_bytes()
}

/// Serials on both sides of every range, sizes on both sides of the bound.
#[test]
fn dzg_sign_only_where_it_is_wrong() {
    for (serial, value, size, want, corrected) in [
        (42_082_910, -29_912, 2, "356.24", true),
        (42_000_000, -1, 1, "2.55", true),
        (48_999_999, -1, 3, "167772.15", true),
        (41_999_999, -29_912, 2, "-299.12", false),
        (49_000_000, -29_912, 2, "-299.12", false),
        (55_000_000, -29_912, 2, "356.24", true),
        (58_999_999, -29_912, 2, "356.24", true),
        (59_000_000, -29_912, 2, "-299.12", false),
        (60_694_611, -10_550, 2, "-105.50", false),
        (42_082_910, -29_912, 4, "-299.12", false),
        (42_082_910, 29_912, 2, "299.12", false),
    ] {
        let bytes = dzg(serial, EntryValue::Signed(value, size));
        let found = read(&bytes);
        let line = format!("1-0:16.7.0*255 Number({want}) W");
        assert_eq!(found.lists, [[line]], "{serial} {value} {size}");
        assert_eq!(found.quirks == ["dzg-dvs74-sign"], corrected);
    }
    let bytes = dzg(42_082_910, EntryValue::Signed(-29_912, 2));
    let off = read_with(&bytes, &QuirkSet::none());
    assert_eq!(off.lists, [["1-0:16.7.0*255 Number(-299.12) W"]]);
    let forced = QuirkSet::none().force("dzg-dvs74-sign").unwrap();
    let new = dzg(60_694_611, EntryValue::Signed(-10_550, 2));
    assert_eq!(
        read_with(&new, &forced).lists,
        [["1-0:16.7.0*255 Number(549.86) W"]]
    );
    assert!(QuirkSet::none().force("dzg").is_err());
}

/// What makes a telegram differ, the correction it needs, and the time that comes out.
#[test]
fn corrections_of_the_encoding() {
    let local = Time::Local {
        seconds: 1_600_000_000,
        offset_min: 60,
        season_min: 60,
    };
    let utc = MeterTime::Utc(jiff::Timestamp::from_second(1_600_000_000).unwrap());
    let cases = [
        (
            Dialect {
                kermit_crc: true,
                ..Dialect::default()
            },
            "holley-kermit-crc",
            Time::SecondsIndex(24_208_040),
            MeterTime::SecondsIndex(24_208_040),
        ),
        (
            Dialect {
                bare_time: true,
                ..Dialect::default()
            },
            "holley-bare-time",
            Time::SecondsIndex(24_208_040),
            MeterTime::SecondsIndex(24_208_040),
        ),
        (
            Dialect {
                time_list: true,
                ..Dialect::default()
            },
            "froetec-time-list",
            local,
            utc,
        ),
    ];
    for (dialect, id, time, meter_time) in cases {
        let energy = measured("1-0:1.8.0", Unit::WattHour, -1, EntryValue::unsigned(7));
        let bytes = ListTelegram {
            time: Some(time),
            dialect,
            ..telegram(b"\x0a\x01HLY\x02\x00\x0d\x6b\xe6", vec![energy])
        }
        .to_bytes();
        let found = read(&bytes);
        assert_eq!((found.lists.len(), found.quirks.as_slice()), (1, &[id][..]));
        assert!(
            read_with(&bytes, &QuirkSet::none()).lists.is_empty(),
            "{id} is off"
        );
        assert_eq!(
            read_with(&bytes, &QuirkSet::none().force(id).unwrap()).quirks,
            [id]
        );

        let mut deframer = Deframer::new();
        let Some(Event::Frame(frame)) = deframer.pull(&mut bytes.as_slice()) else {
            panic!("{id}: no frame");
        };
        let content = frame.content();
        let quirks = QuirkSet::all();
        let file = File::parse(&content, &quirks).unwrap();
        let list = file.lists().next().unwrap();
        let (telegram, _) = Interpreter::new(list, &quirks).telegram(frame.raw);
        assert_eq!(telegram.time, Some(meter_time));
        assert_eq!(telegram.raw, bytes);
        assert_eq!(telegram.meter.unwrap().as_str(), "1HLY0200879590");
    }
}

#[test]
fn a_locked_meter_is_told() {
    let id = b"\x0a\x01EBZ\x01\x00\x10\x4c\x78";
    let energy = |value| measured("1-0:1.8.0", Unit::WattHour, 3, EntryValue::unsigned(value));
    let name = Entry::new(
        "1-0:96.50.1*1".parse().unwrap(),
        EntryValue::Octets(b"EBZ".to_vec()),
    );
    let number = Entry::new(
        "1-0:96.1.0".parse().unwrap(),
        EntryValue::Octets(id.to_vec()),
    );
    let power = measured("1-0:16.7.0", Unit::Watt, 0, EntryValue::signed(376));
    let locked = telegram(id, vec![name.clone(), number.clone(), energy(4469)]);
    assert_eq!(read(&locked.to_bytes()).hints, [Hint::PinLocked]);
    let open = telegram(id, vec![name.clone(), number.clone(), energy(4469), power]);
    assert!(read(&open.to_bytes()).hints.is_empty());
    let nothing = telegram(id, vec![name, number]);
    assert!(read(&nothing.to_bytes()).hints.is_empty());
}

/// The second implementation reads what we write, and finds the same values.
#[test]
fn sml_rs_reads_our_telegrams() {
    let entries = vec![
        Entry::new(
            ObisCode([1, 0, 96, 50, 1, 1]),
            EntryValue::Octets(b"EMH".to_vec()),
        ),
        Entry {
            status: Some(0x1C_0104),
            time: Some(Time::SecondsIndex(99)),
            ..measured(
                "1-0:1.8.0",
                Unit::WattHour,
                -1,
                EntryValue::Unsigned(u64::MAX, 8),
            )
        },
        measured("1-0:16.7.0", Unit::Watt, 0, EntryValue::Signed(-65_537, 3)),
        Entry::new(
            "129-129:199.130.5".parse().unwrap(),
            EntryValue::Octets(vec![0x1B; 48]),
        ),
        Entry::new("1-0:96.5.5".parse().unwrap(), EntryValue::Flag(true)),
    ];
    let sent = ListTelegram {
        list_name: Some(ObisCode([1, 0, 98, 10, 255, 255])),
        ..telegram(b"\x0a\x01EMH\x00\x00\x12\xd6\x87", entries)
    };
    let content = sml_rs::transport::decode(sent.to_bytes())
        .remove(0)
        .unwrap();
    let file = sml_rs::parser::complete::parse(&content).unwrap();
    let [_, list, _] = file.messages.as_slice() else {
        panic!("three messages");
    };
    let TheirBody::GetListResponse(list) = &list.message_body else {
        panic!("a list in the middle");
    };
    assert_eq!(list.server_id, b"\x0a\x01EMH\x00\x00\x12\xd6\x87");
    let values: Vec<_> = list
        .val_list
        .iter()
        .map(|entry| entry.value.clone())
        .collect();
    assert_eq!(
        values,
        [
            TheirValue::Bytes(b"EMH"),
            TheirValue::U64(u64::MAX),
            TheirValue::I32(-65_537),
            TheirValue::Bytes(&[0x1B; 48]),
            TheirValue::Bool(true),
        ]
    );
    assert_eq!(list.val_list[1].unit, Some(30));
    assert_eq!(list.val_list[1].scaler, Some(-1));
}

fn example() -> Vec<u8> {
    let power = measured("1-0:16.7.0", Unit::Watt, 0, EntryValue::signed(-376));
    let energy = measured(
        "1-0:1.8.0",
        Unit::WattHour,
        -1,
        EntryValue::unsigned(54_301_577),
    );
    let key = Entry::new(
        "129-129:199.130.5".parse().unwrap(),
        EntryValue::Octets(vec![0x1B; 9]),
    );
    telegram(b"\x0a\x01EMH\x00\x00\x12\xd6\x87", vec![energy, power, key]).to_bytes()
}

#[test]
fn every_truncation_gives_nothing() {
    let bytes = example();
    for length in 0..bytes.len() {
        let found = read(&bytes[..length]);
        assert!(found.lists.is_empty());
        assert_eq!(found.skipped, length as u64);
    }
    assert_eq!((read(&bytes).lists.len(), read(&bytes).skipped), (1, 0));
}

#[test]
fn every_flipped_bit_costs_its_telegram_and_no_other() {
    let bytes = example();
    let truth = read(&bytes).lists.remove(0);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let stream = [bytes.as_slice(), &damaged, &bytes].concat();
            let found = read(&stream);
            assert!(
                found.lists.iter().all(|list| *list == truth),
                "byte {at} bit {bit}"
            );
            assert_eq!(found.lists.len(), 2, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn every_deleted_or_doubled_byte_costs_two_telegrams_at_most() {
    let bytes = example();
    let truth = read(&bytes).lists.remove(0);
    for at in 0..bytes.len() {
        let less = [&bytes[..at], &bytes[at + 1..]].concat();
        let more = [&bytes[..at], &[0x1B], &bytes[at..]].concat();
        for damaged in [less, more] {
            let found = read(&[bytes.as_slice(), &damaged, &bytes].concat());
            assert!(found.lists.iter().all(|list| *list == truth), "byte {at}");
            assert!(found.lists.len() >= 2, "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn any_stream_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(read(&bytes).lists.len(), 0);
    }

    /// Bytes behind a right transport check reach the parser of messages.
    #[test]
    fn any_content_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut stream = Vec::new();
        frame(&bytes, &mut stream);
        let found = read(&stream);
        prop_assert!(found.lists.is_empty());
    }

    /// Elements of the encoding in any order: closer to a telegram than random bytes.
    #[test]
    fn any_elements_are_read_without_panic(
        elements in prop::collection::vec(
            prop_oneof![
                Just(vec![0x01]), Just(vec![0x77]), Just(vec![0x76]), Just(vec![0x72]),
                Just(vec![0x63, 0x07, 0x01]), Just(vec![0x62, 0x1E]), Just(vec![0x52, 0xFF]),
                Just(vec![0x00]), Just(vec![0x8F, 0x8F, 0x0F]), Just(vec![0xF7, 0x7F]),
                any::<u8>().prop_map(|byte| vec![byte]),
            ],
            0..200,
        ),
    ) {
        let _ = File::parse(&elements.concat(), &QuirkSet::all());
    }

    #[test]
    fn what_is_sent_is_read(value in any::<i64>(), scaler in -9i8..9, index in any::<u32>()) {
        let entry = measured("1-0:16.7.0", Unit::Watt, scaler, EntryValue::signed(value));
        let mut sent = telegram(b"\x0a\x01EMH\x00\x00\x12\xd6\x87", vec![entry]);
        sent.time = Some(Time::SecondsIndex(index));
        let found = read(&sent.to_bytes());
        let want = meter_link::model::scaled(i128::from(value), scaler).unwrap();
        prop_assert_eq!(found.lists, vec![vec![format!("1-0:16.7.0*255 Number({want}) W")]]);
    }
}

/// Captures are not in the repository; where they are, the numbers of registers of libsml and
/// smllib must come out again.
#[test]
fn captures_of_real_meters() {
    let corpus = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let folder = corpus.join("electricity/sml");
    if !folder.is_dir() {
        println!(
            "skipped: no captures below {} (set WATTLE_CORPUS)",
            folder.display()
        );
        return;
    }
    for (name, lists, registers, first_power) in [
        (
            "DZG_DVS-7412.2_jmberg",
            1,
            5,
            Some("1-0:16.7.0*255 Number(356.24) W"),
        ),
        (
            "DZG_DVS-7420.2V.G2_mtr2_neg",
            3,
            15,
            Some("1-0:16.7.0*255 Number(-105.50) W"),
        ),
        (
            "HOLLEY_DTZ541-BDBA_with_PIN",
            2,
            8,
            Some("1-0:16.7.0*255 Number(376) W"),
        ),
    ] {
        let found = read(&std::fs::read(folder.join(format!("{name}.bin"))).unwrap());
        assert_eq!(found.lists.len(), lists, "{name}");
        assert_eq!(
            found.lists.iter().map(Vec::len).sum::<usize>(),
            registers,
            "{name}"
        );
        let power = found.lists[0]
            .iter()
            .find(|line| line.starts_with("1-0:16.7.0"));
        assert_eq!(power.map(String::as_str), first_power, "{name}");
    }
}
