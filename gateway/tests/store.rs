//! The store: what goes in comes out, exactly, across restarts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use gateway::bus::{Bus, Event};
use gateway::store::{Incoming, Settings, Store};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use tokio::sync::broadcast::Receiver;

const SERIAL: &str = "1SIM0000000001";

struct House {
    folder: tempfile::TempDir,
    zone: TimeZone,
}

impl House {
    fn new(zone: &str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    fn open(&self) -> (Store, Receiver<Event>) {
        let bus = Bus::default();
        let events = bus.listen();
        let settings = Settings {
            folder: self.folder.path().to_path_buf(),
            zone: self.zone.clone(),
            readings_days: 7,
            raw_megabytes: 1,
        };
        (Store::open(&settings, bus).unwrap(), events)
    }
}

fn incoming(at: Timestamp, wh: &str) -> Incoming {
    let value = RegisterValue {
        register: ObisCode::ACTIVE_ENERGY_IMPORT,
        value: Value::Number(wh.parse().unwrap()),
        unit: Some(Unit::WattHour),
        status: Some(u64::MAX),
        captured_at: None,
        quirk: None,
    };
    Incoming {
        name: "grid".to_owned(),
        serial: SERIAL.to_owned(),
        received_at: at,
        port: "/dev/null".to_owned(),
        telegram: Telegram {
            meter: MeterId::new(SERIAL),
            manufacturer: Some("SIM".to_owned()),
            time: None,
            values: vec![value],
            check: Check::Crc,
            hints: Vec::new(),
            raw: vec![0x1B; 100],
            channel: None,
        },
        fields: Vec::new(),
    }
}

/// Sends, waits until all are committed, and closes the store.
fn put(house: &House, telegrams: &[(Timestamp, String)]) {
    let (store, mut events) = house.open();
    let queue = store.queue();
    let mut stored = 0;
    for (at, wh) in telegrams {
        queue.blocking_send(incoming(*at, wh)).unwrap();
        while stored < telegrams.len() {
            match events.try_recv() {
                Ok(Event::Stored(_)) => stored += 1,
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    drop(queue);
    store.close();
}

fn quarters(from: &str, count: i64, wh_each: i64) -> Vec<(Timestamp, String)> {
    let from: Timestamp = from.parse().unwrap();
    (0..=count)
        .map(|n| {
            (
                from + SignedDuration::from_mins(15 * n),
                (wh_each * n).to_string(),
            )
        })
        .collect()
}

#[test]
fn readings_survive_exactly_and_in_order() {
    let house = House::new("Europe/Berlin");
    let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    // Two telegrams of one instant, and one after the clock was set back.
    let sent = [
        (at, "100.10".to_owned()),
        (at, "100.20".to_owned()),
        (at - SignedDuration::from_secs(5), "100.30".to_owned()),
    ];
    put(&house, &sent);
    let (store, _) = house.open();
    let reader = store.readers().open().unwrap();
    let register = reader.registers().unwrap().remove(0);
    assert_eq!(register.key.obis, ObisCode::ACTIVE_ENERGY_IMPORT);
    assert_eq!(register.name.as_deref(), Some("grid"));
    let values: Vec<String> = reader
        .readings(register.id, 0, 10)
        .unwrap()
        .iter()
        .map(|(_, value, _)| value.to_string())
        .collect();
    assert_eq!(values, ["100.30", "100.10", "100.20"]);
    drop(reader);
    store.close();
}

#[test]
fn quarter_hours_and_days_do_not_depend_on_restarts() {
    for (midnight, count) in [
        ("2026-03-28T23:00:00Z", 92),
        ("2026-06-01T22:00:00Z", 96),
        ("2026-10-24T22:00:00Z", 100),
    ] {
        let house = House::new("Europe/Berlin");
        let telegrams = quarters(midnight, count, 250);
        // A new process for every seven telegrams.
        for part in telegrams.chunks(7) {
            put(&house, part);
        }
        let (store, _) = house.open();
        let reader = store.readers().open().unwrap();
        let register = reader.registers().unwrap().remove(0);
        let intervals = reader.intervals(register.id, 0, i64::MAX).unwrap();
        assert_eq!(intervals.len(), usize::try_from(count).unwrap());
        assert!(
            intervals
                .iter()
                .all(|row| row.complete && row.amount() == Decimal::from(250))
        );
        let days = reader
            .days(
                register.id,
                "2026-01-01".parse().unwrap(),
                "2026-12-31".parse().unwrap(),
            )
            .unwrap();
        assert_eq!(days.len(), 1);
        assert_eq!(days[0].amount, Decimal::from(250 * count));
        assert_eq!(
            (
                i64::from(days[0].quarter_hours),
                i64::from(days[0].measured)
            ),
            (count, count)
        );
        drop(reader);
        store.close();
    }
}

#[test]
fn a_register_that_falls_is_kept_and_not_counted() {
    let house = House::new("UTC");
    let mut telegrams = quarters("2026-11-22T10:00:00Z", 3, 100);
    telegrams.insert(
        2,
        (
            telegrams[1].0 + SignedDuration::from_secs(10),
            "0".to_owned(),
        ),
    );
    put(&house, &telegrams);
    let (store, _) = house.open();
    let reader = store.readers().open().unwrap();
    let register = reader.registers().unwrap().remove(0);
    let readings = reader.readings(register.id, 0, 10).unwrap();
    let suspect: Vec<&str> = readings
        .iter()
        .map(|(.., quality)| quality.as_str())
        .collect();
    assert_eq!(
        suspect,
        ["measured", "measured", "suspect", "measured", "measured"]
    );
    let total: Decimal = reader
        .intervals(register.id, 0, i64::MAX)
        .unwrap()
        .iter()
        .map(gateway::store::IntervalRow::amount)
        .sum();
    assert_eq!(total, Decimal::from(300));
    assert_eq!(reader.last_readings().unwrap()[0].value, Decimal::from(300));
    drop(reader);
    store.close();
}

#[test]
fn the_gateways_identity_is_made_once() {
    let house = House::new("UTC");
    let (store, _) = house.open();
    let id = store.gateway_id().unwrap();
    assert!(id.len() == 6 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    store.close();
    let (store, _) = house.open();
    assert_eq!(store.gateway_id().unwrap(), id);
    store.close();
}

#[test]
fn old_readings_make_room_and_quarter_hours_stay() {
    let house = House::new("UTC");
    let old = quarters("2026-01-01T00:00:00Z", 10, 1);
    let mut new = quarters("2026-11-22T00:00:00Z", 10, 100);
    for (_, wh) in &mut new {
        wh.insert(0, '1');
    }
    put(&house, &old);
    put(&house, &new);
    // The first commit of a process removes what is older than seven days.
    let (store, _) = house.open();
    let reader = store.readers().open().unwrap();
    let register = reader.registers().unwrap().remove(0);
    assert_eq!(
        reader.readings(register.id, 0, 100).unwrap().len(),
        new.len()
    );
    assert_eq!(
        reader.intervals(register.id, 0, i64::MAX).unwrap().len(),
        10 + 10 + 1
    );
    drop(reader);
    store.close();
}

#[test]
fn the_raw_ring_keeps_the_newest_megabyte() {
    let house = House::new("UTC");
    let start: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    for _ in 0..2 {
        let (store, _) = house.open();
        let queue = store.queue();
        for second in 0..40 {
            let mut large = incoming(
                start + SignedDuration::from_secs(second),
                &second.to_string(),
            );
            large.telegram.raw = vec![0x1B; 50_000];
            queue.blocking_send(large).unwrap();
        }
        drop(queue);
        store.close();
    }
    // Pruned at the second process's first commit: no more than the ring and what came after it.
    put(
        &house,
        &[(start + SignedDuration::from_secs(100), "100".to_owned())],
    );
    let db = rusqlite::Connection::open(house.folder.path().join("wattle.db")).unwrap();
    let (held, newest): (i64, i64) = db
        .query_row(
            "SELECT sum(length(bytes)), max(at_us) FROM raw_telegram",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert!(held <= 1_000_000, "{held}");
    assert_eq!(
        newest,
        (start + SignedDuration::from_secs(100)).as_microsecond()
    );
}
