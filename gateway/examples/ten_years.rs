//! Ten simulated years in the store: how large it gets, what a day writes, how fast a year's chart
//! is read.
//!
//! `cargo run --release -p gateway --example ten_years -- [FOLDER] [YEARS]`. Four meters, each
//! with its energy registers every quarter-hour; in the last eight days, of which readings are
//! kept for seven, every 10 s with power. The last day is written as it is in life: one commit per
//! telegram. Written bytes are the kernel's, from /proc/self/io; the folder must be on a disk.

#![allow(clippy::unwrap_used, reason = "a measurement may fail")]

use std::time::Instant;

use gateway::bus::{Bus, Event};
use gateway::store::{Incoming, Settings, Store};
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use tokio::sync::broadcast::Receiver;

const METERS: i64 = 4;
const DAY_S: i64 = 86_400;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .unwrap_or_else(|| "target/ten-years".to_owned());
    let years: i64 = arguments.next().map_or(10, |text| text.parse().unwrap());
    let _ = std::fs::remove_dir_all(&folder);
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let bus = Bus::default();
    let mut events = bus.listen();
    let settings = Settings {
        folder: folder.clone().into(),
        zone: zone.clone(),
        readings_days: 7,
        raw_megabytes: 0,
    };
    let store = Store::open(&settings, bus).unwrap();
    let end = 1_767_222_000; // 2026-01-01T00:00:00+01:00
    let start = end - years * 365 * DAY_S - years / 4 * DAY_S;
    let live = end - 8 * DAY_S;
    let begun = Instant::now();
    let mut waiting = 0_usize;
    for second in (start..live).step_by(900) {
        for meter in 0..METERS {
            send(&store, &mut events, &mut waiting, 200, meter, second, false);
        }
    }
    let last_day = end - DAY_S;
    for second in (live..last_day).step_by(10) {
        for meter in 0..METERS {
            send(&store, &mut events, &mut waiting, 200, meter, second, true);
        }
    }
    drain(&mut events, &mut waiting, 0);
    println!("filled in {} s", begun.elapsed().as_secs());
    let (before, commits) = (written(), Instant::now());
    for second in (last_day..end).step_by(10) {
        for meter in 0..METERS {
            send(&store, &mut events, &mut waiting, 0, meter, second, true);
        }
    }
    let telegrams = METERS * DAY_S / 10;
    println!(
        "| {telegrams} telegrams of one day, one commit each | {:.0} MB written | {:.0} s |",
        (written() - before) / 1e6,
        commits.elapsed().as_secs_f64()
    );
    let readers = store.readers();
    store.close();
    let size = std::fs::metadata(format!("{folder}/wattle.db"))
        .unwrap()
        .len();
    let days = years * 365;
    #[allow(clippy::cast_precision_loss, reason = "for eyes")]
    let mb = size as f64 / 1e6;
    println!(
        "| database after {years} years of {METERS} meters | {mb:.0} MB | {:.1} kB a day |",
        mb * 1000.0 / f64::from(i32::try_from(days).unwrap())
    );
    let reader = readers.open().unwrap();
    let register = reader
        .registers()
        .unwrap()
        .into_iter()
        .find(|row| row.key.unit == Unit::WattHour)
        .unwrap();
    let (from, to) = ("2025-01-01".parse().unwrap(), "2025-12-31".parse().unwrap());
    let days = median_ms(|| reader.days(register.id, (from, to), &zone).unwrap().len());
    let months = median_ms(|| reader.months(register.id, (from, to), &zone).unwrap().len());
    let intervals = median_ms(|| {
        reader
            .intervals(register.id, end - 365 * DAY_S, end)
            .unwrap()
            .len()
    });
    println!("| a year's chart, {} days | {:.2} ms | |", days.1, days.0);
    println!("| the same as {} months | {:.2} ms | |", months.1, months.0);
    println!(
        "| all {} quarter-hours of a year | {:.1} ms | |",
        intervals.1, intervals.0
    );
}

fn send(
    store: &Store,
    events: &mut Receiver<Event>,
    waiting: &mut usize,
    most: usize,
    meter: i64,
    second: i64,
    power: bool,
) {
    // A load of its own for each meter; the register is its integral in tenths of Wh.
    let tenths = second / 36 * (3 + meter) + second / 7;
    let value = |register, number, unit| RegisterValue {
        register,
        value: Value::Number(number),
        unit: Some(unit),
        status: None,
        captured_at: None,
        quirk: None,
    };
    let mut values = vec![value(
        ObisCode::ACTIVE_ENERGY_IMPORT,
        Decimal::new(tenths, 1),
        Unit::WattHour,
    )];
    if power {
        values.push(value(
            ObisCode([1, 0, 16, 7, 0, 255]),
            Decimal::from(200 + second % 977),
            Unit::Watt,
        ));
    }
    let serial = format!("1SIM000000000{meter}");
    let incoming = Incoming {
        fields: Vec::new(),
        doubts: Vec::new(),
        counter: None,
        name: format!("meter {meter}"),
        serial: serial.clone(),
        received_at: Timestamp::from_millisecond(second * 1000 + meter * 37).unwrap(),
        port: "none".to_owned(),
        telegram: Telegram {
            meter: MeterId::new(&serial),
            manufacturer: Some("SIM".to_owned()),
            values,
            check: Check::Crc,
            ..Telegram::default()
        },
    };
    store.queue().blocking_send(incoming).unwrap();
    *waiting += 1;
    drain(events, waiting, most);
}

/// Waits until at most so many telegrams are not committed.
fn drain(events: &mut Receiver<Event>, waiting: &mut usize, most: usize) {
    while *waiting > most {
        if let Event::Stored(_) = events.blocking_recv().unwrap() {
            *waiting -= 1;
        }
    }
}

/// Bytes that this process caused to be written to disk.
fn written() -> f64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("write_bytes"))
        .unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

fn median_ms(mut ask: impl FnMut() -> usize) -> (f64, usize) {
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..31 {
        let begun = Instant::now();
        rows = ask();
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    (times.get(15).copied().unwrap_or_default(), rows)
}
