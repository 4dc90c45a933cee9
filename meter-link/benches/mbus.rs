//! M-Bus, side by side with m-bus-parser 0.5.3 where it reads the same, and alone where it does not.
//!
//! - `records`: the records of a payload in clear to values, by both. Ours are exact decimals with
//!   their unit and date; m-bus-parser's are read as far as its own types go.
//! - `opened`: telegrams of a household, most of them encrypted, from the frame to every value,
//!   decrypted and authenticated. m-bus-parser does not derive keys and checks no tag.
//! - `strangers`: telegrams of a neighbourhood, put aside by their number before any decryption.
//!
//! Telegrams are taken from `$WATTLE_CORPUS` (`../../shared/corpus` by default, seen from this
//! package). Run with `cargo bench -p meter-link --bench mbus`.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use m_bus_parser::user_data::parse_data_records;
use meter_link::mbus::{Identification, Records};
use meter_link::wmbus::frame::{self, Crcs};
use meter_link::wmbus::{Decoder, KeyRing, MeterKey, numbers};

/// A telegram without link-layer CRCs, with its key.
struct Telegram {
    bytes: Vec<u8>,
    key: Option<MeterKey>,
}

fn corpus() -> PathBuf {
    std::env::var_os("WATTLE_CORPUS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")),
        PathBuf::from,
    )
}

fn octets(hex: &str) -> Vec<u8> {
    let octet = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len() / 2)
        .filter_map(|index| octet(2 * index))
        .collect()
}

/// Every telegram of a file that passes its checks.
fn telegrams(file: &str) -> Vec<Telegram> {
    let text = std::fs::read_to_string(corpus().join("wmbus").join(file)).unwrap_or_default();
    let parse = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let raw = octets(line.get("telegram_hex")?.as_str()?);
        let bytes = frame::strip(&raw, Crcs::Auto).ok()?.bytes.into_owned();
        let key = line.get("key").and_then(serde_json::Value::as_str);
        let key = key.and_then(|key| MeterKey::from_hex(key).ok());
        let telegram = Telegram { bytes, key };
        decoder(&telegram)
            .decode(&telegram.bytes, &[])
            .outcome
            .ok()
            .map(|_| telegram)
    };
    text.lines().filter_map(parse).collect()
}

fn decoder(telegram: &Telegram) -> Decoder {
    let mut keys = KeyRing::default();
    if let Some(key) = telegram.key.clone() {
        keys.insert_for_all(key);
    }
    Decoder::new(keys)
}

/// Values of the records of a payload.
fn ours(payload: &[u8]) -> usize {
    let mut values = 0;
    for record in Records::new(payload).map_while(Result::ok) {
        black_box(record.value());
        values += 1;
    }
    values
}

fn theirs(payload: &[u8]) -> usize {
    let mut values = 0;
    for record in parse_data_records(payload).map_while(Result::ok) {
        black_box(record.data);
        values += 1;
    }
    values
}

fn records(criterion: &mut Criterion, telegrams: &[Telegram]) {
    let payloads: Vec<Vec<u8>> = telegrams
        .iter()
        .filter_map(|telegram| {
            let opened = decoder(telegram)
                .decode(&telegram.bytes, &[])
                .outcome
                .ok()?;
            let payload = opened.record_bytes().to_vec();
            // Payloads that both read to the end.
            (ours(&payload) > 0 && ours(&payload) == theirs(&payload)).then_some(payload)
        })
        .collect();
    let count: usize = payloads.iter().map(|payload| ours(payload)).sum();
    println!("records: {} payloads, {count} records", payloads.len());
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("wattle", |bencher| {
        bencher.iter(|| payloads.iter().map(|it| ours(black_box(it))).sum::<usize>());
    });
    group.bench_function("m-bus-parser", |bencher| {
        bencher.iter(|| {
            payloads
                .iter()
                .map(|it| theirs(black_box(it)))
                .sum::<usize>()
        });
    });
    group.finish();
}

fn opened(criterion: &mut Criterion, telegrams: &[Telegram]) {
    let mut ready: Vec<(&Telegram, Decoder)> = telegrams
        .iter()
        .filter(|telegram| telegram.key.is_some())
        .map(|telegram| (telegram, decoder(telegram)))
        .collect();
    println!("opened: {} encrypted telegrams", ready.len());
    let mut group = criterion.benchmark_group("opened");
    group.throughput(Throughput::Elements(ready.len() as u64));
    group.bench_function("wattle", |bencher| {
        bencher.iter(|| {
            let mut values = 0;
            for (telegram, decoder) in &mut ready {
                let decoded = decoder.decode(black_box(&telegram.bytes), &[]);
                if let Ok(opened) = decoded.outcome {
                    values += ours(opened.record_bytes());
                }
            }
            values
        });
    });
    group.finish();
}

fn strangers(criterion: &mut Criterion, telegrams: &[Telegram]) {
    let own: Vec<Identification> = (0..8)
        .filter_map(|n| Identification::from_digits(&format!("9900000{n}")))
        .collect();
    let is_own = |bytes: &[u8]| {
        numbers(bytes).is_some_and(|(sender, meter)| {
            own.contains(&sender) || meter.is_some_and(|meter| own.contains(&meter))
        })
    };
    let mut group = criterion.benchmark_group("strangers");
    group.throughput(Throughput::Elements(telegrams.len() as u64));
    group.bench_function("wattle", |bencher| {
        bencher.iter(|| {
            let frames = telegrams.iter().map(|telegram| &telegram.bytes);
            frames.filter(|bytes| is_own(black_box(bytes))).count()
        });
    });
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let plain = telegrams("telegrams.jsonl");
    let sealed = telegrams("resealed.jsonl");
    if plain.is_empty() {
        println!("skipped: no telegrams in {}", corpus().display());
        return;
    }
    records(criterion, &plain);
    opened(criterion, &sealed);
    strangers(criterion, &plain);
}

criterion_group!(benches, all);
criterion_main!(benches);
