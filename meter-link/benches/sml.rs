//! SML from bytes to typed registers, side by side with sml-rs 0.4.0 on the same bytes.
//!
//! Both check the transport CRC and every message CRC and parse; ours applies the corrections and
//! makes exact decimals and units on top. Run with
//! `cargo bench -p meter-link --bench sml`. Captures of real meters are added when there are any
//! below `$WATTLE_CORPUS` (`../../shared/corpus` by default, seen from this package).

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use meter_link::model::{ObisCode, Unit};
use meter_link::profile::QuirkSet;
use meter_link::sml::{Deframer, Entry, EntryValue, Event, File, Interpreter, ListTelegram, Time};

/// An hour of a modern meter's telegrams, one per second.
fn made_by_us() -> Vec<u8> {
    let mut stream = Vec::new();
    for second in 0..3600u32 {
        let measured = |code: [u8; 6], unit, scaler, value| Entry {
            unit: Some(unit),
            scaler: Some(scaler),
            ..Entry::new(ObisCode(code), value)
        };
        let id = b"\x0a\x01EMH\x00\x00\x12\xd6\x87".to_vec();
        let energy = EntryValue::Unsigned(54_301_577 + u64::from(second), 8);
        ListTelegram {
            transaction: second * 3,
            file_id: second,
            server_id: id.clone(),
            list_name: Some(ObisCode([1, 0, 98, 10, 255, 255])),
            time: Some(Time::SecondsIndex(99_043_543 + second)),
            entries: vec![
                Entry::new(
                    ObisCode([1, 0, 96, 50, 1, 1]),
                    EntryValue::Octets(b"EMH".to_vec()),
                ),
                Entry::new(ObisCode([1, 0, 96, 1, 0, 255]), EntryValue::Octets(id)),
                measured([1, 0, 1, 8, 0, 255], Unit::WattHour, -1, energy),
                measured(
                    [1, 0, 2, 8, 0, 255],
                    Unit::WattHour,
                    -1,
                    EntryValue::Unsigned(12, 8),
                ),
                measured(
                    [1, 0, 16, 7, 0, 255],
                    Unit::Watt,
                    0,
                    EntryValue::Signed(-356, 4),
                ),
            ],
            ..ListTelegram::default()
        }
        .encode(&mut stream);
    }
    stream
}

/// All captures one after the other, repeated until there is enough to measure.
fn captures() -> Option<Vec<u8>> {
    let corpus = std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    );
    let mut files: Vec<PathBuf> = std::fs::read_dir(corpus.join("electricity/sml"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .collect();
    files.sort();
    let joined: Vec<u8> = files
        .iter()
        .filter_map(|path| std::fs::read(path).ok())
        .flatten()
        .collect();
    (!joined.is_empty()).then(|| joined.repeat(20))
}

fn ours(stream: &[u8], quirks: &QuirkSet) -> usize {
    let mut deframer = Deframer::new();
    let mut input = stream;
    let mut registers = 0;
    while let Some(event) = deframer.pull(&mut input) {
        let Event::Frame(frame) = event else { continue };
        let content = frame.content();
        let Ok(file) = File::parse(&content, quirks) else {
            continue;
        };
        for list in file.lists() {
            registers += black_box(Interpreter::new(list, quirks).registers().0).len();
        }
    }
    registers
}

fn theirs(stream: &[u8]) -> usize {
    let mut values = 0;
    let mut decoder = sml_rs::transport::Decoder::<Vec<u8>>::new();
    for byte in stream {
        let Ok(Some(content)) = decoder.push_byte(*byte) else {
            continue;
        };
        let Ok(file) = sml_rs::parser::complete::parse(content) else {
            continue;
        };
        for message in &black_box(file).messages {
            if let sml_rs::parser::complete::MessageBody::GetListResponse(list) =
                &message.message_body
            {
                values += list.val_list.len();
            }
        }
    }
    values
}

fn compare(criterion: &mut Criterion) {
    let quirks = QuirkSet::all();
    let inputs = [
        ("made by our encoder", Some(made_by_us())),
        ("captures", captures()),
    ];
    for (name, stream) in inputs {
        let Some(stream) = stream else {
            println!("{name}: none found, not measured");
            continue;
        };
        println!(
            "{name}: {} registers, sml-rs {}",
            ours(&stream, &quirks),
            theirs(&stream)
        );
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function("wattle", |bencher| {
            bencher.iter(|| ours(black_box(&stream), &quirks));
        });
        group.bench_function("sml-rs", |bencher| {
            bencher.iter(|| theirs(black_box(&stream)));
        });
        group.finish();
    }
}

criterion_group!(benches, compare);
criterion_main!(benches);
