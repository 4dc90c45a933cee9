//! The store: what goes in comes out, exactly, across restarts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use gateway::bus::{Bus, Event};
use gateway::store::{Incoming, Settings, Store};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use meter_link::model::{
    Check, DayColor, MeterId, ObisCode, RegisterValue, TariffIndication, Telegram, Unit, Value,
};
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
            raw: vec![0x1B; 100],
            ..Telegram::default()
        },
        fields: Vec::new(),
        doubts: Vec::new(),
        counter: None,
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
fn what_a_meter_tells_beside_numbers_is_kept_when_it_changes() {
    let house = House::new("Europe/Paris");
    let colors = [
        None,
        Some(DayColor::Red),
        Some(DayColor::Red),
        None,
        Some(DayColor::Blue),
    ];
    let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    // The third run begins with what the second one ended with.
    for (run, color) in (0i64..).zip(colors) {
        let (store, _) = house.open();
        let mut telegram = incoming(at + SignedDuration::from_mins(run), "100");
        let tariff = TariffIndication {
            number: Some(4),
            color_tomorrow: color,
            ..TariffIndication::default()
        };
        telegram.telegram.indications.tariff = Some(tariff.clone());
        let queue = store.queue();
        queue.blocking_send(telegram).unwrap();
        // One that tells nothing takes nothing back.
        let silent = incoming(at + SignedDuration::from_secs(60 * run + 1), "100");
        queue.blocking_send(silent).unwrap();
        drop(queue);
        let readers = store.readers();
        store.close();
        let last = readers.open().unwrap().last_indications().unwrap();
        assert_eq!(last.len(), 1);
        assert_eq!(last[0].0, "grid");
        assert_eq!(last[0].1.tariff.as_ref(), Some(&tariff));
    }
    let db = rusqlite::Connection::open(house.folder.path().join("wattle.db")).unwrap();
    let rows: u32 = db
        .query_row("SELECT count(*) FROM indication", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 4);
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
                ("2026-01-01".parse().unwrap(), "2026-12-31".parse().unwrap()),
                &house.zone,
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
fn what_is_doubted_is_kept_and_not_counted() {
    let house = House::new("UTC");
    let (store, _events) = house.open();
    let mut sent: Vec<Incoming> = quarters("2026-11-22T10:00:00Z", 3, 100)
        .iter()
        .map(|(at, wh)| incoming(*at, wh))
        .collect();
    let mut leapt = incoming(
        sent[1].received_at + SignedDuration::from_secs(10),
        "9000000",
    );
    leapt.doubts.push(gateway::store::Doubt {
        field: "total_energy_consumption_kwh".to_owned(),
        value: "9000".to_owned(),
        reason: meter_link::profile::mbus::Implausible::TooFast,
        is_index: true,
    });
    sent.insert(2, leapt);
    let queue = store.queue();
    for incoming in sent {
        queue.blocking_send(incoming).unwrap();
    }
    drop(queue);
    store.close();
    let reader = gateway::store::Readers::of(house.folder.path())
        .open()
        .unwrap();
    let register = reader.registers().unwrap().remove(0);
    let readings = reader.readings(register.id, 0, 10).unwrap();
    let suspect = readings
        .iter()
        .filter(|(.., quality)| quality == "suspect")
        .map(|(_, value, _)| *value);
    assert_eq!(suspect.collect::<Vec<_>>(), [Decimal::from(9_000_000)]);
    let intervals = reader.intervals(register.id, 0, i64::MAX).unwrap();
    let total: Decimal = intervals
        .iter()
        .map(gateway::store::IntervalRow::amount)
        .sum();
    assert_eq!(total, Decimal::from(300));
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

/// Six weeks in which every quarter-hour uses 100 Wh: the bill so far, its forecast and the month
/// before are worked out by hand.
#[test]
fn a_months_bill_its_forecast_and_the_month_before() {
    let house = House::new("Europe/Berlin");
    let start: Timestamp = "2026-04-30T22:00:00Z".parse().unwrap();
    let quarters = 96 * 40;
    let telegrams: Vec<(Timestamp, String)> = (0..=quarters)
        .map(|n| {
            (
                start + SignedDuration::from_mins(15 * n),
                format!("{}", 1000 + 100 * n),
            )
        })
        .collect();
    put(&house, &telegrams);
    let (store, _) = house.open();
    let reader = store.readers().open().unwrap();
    let file = house.folder.path().join("tariff.toml");
    let text = "version = 1\nname = \"t\"\ncurrency = \"EUR\"\n[bands.all]\nrate = \"0.25\"\n[[schedule]]\nband = \"all\"\n[[standing]]\nid = \"fee\"\namount = \"0.5\"\nper = \"day\"\n";
    std::fs::write(&file, text).unwrap();
    let tariff = gateway::tariff::load(&file, &house.zone).unwrap();
    let now = start + SignedDuration::from_hours(24 * 40);
    let asked = gateway::bills::Asked {
        meter: "grid",
        billed: gateway::bills::Billed::Electricity,
        zone: &house.zone,
        from: "2026-06-01".parse().unwrap(),
        to: "2026-06-30".parse().unwrap(),
        now,
    };
    let answer = gateway::bills::to_date(&reader, &tariff, &asked).unwrap();
    // 9 days of 9.6 kWh at 0.25 and 9 fees.
    let dec = |text: &str| text.parse::<Decimal>().unwrap();
    assert_eq!(answer.bill.import_kwh, dec("86.4"));
    assert_eq!(answer.bill.total, Some(dec("26.1")));
    assert_eq!(answer.until, now);
    // 30 days of the same; days do not differ, so the range is none.
    let forecast = answer.forecast.unwrap();
    assert_eq!(
        (forecast.total, forecast.import_kwh),
        (dec("87.0"), dec("288.0"))
    );
    assert_eq!(
        (forecast.low, forecast.high),
        (forecast.total, forecast.total)
    );
    // The first 9 days of May.
    assert_eq!(answer.before.unwrap().total, Some(dec("26.1")));
    let backwards = gateway::bills::Asked {
        to: "2026-05-01".parse().unwrap(),
        ..asked
    };
    assert!(gateway::bills::to_date(&reader, &tariff, &backwards).is_err());
}

/// What is exported is what was read: the amounts close with the counter, and what spans a gap
/// is not believed.
#[test]
fn the_store_as_lines() {
    let house = House::new("Europe/Berlin");
    let mut telegrams = quarters("2026-05-01T00:00:00Z", 9, 250);
    // Two hours without a reading.
    telegrams.extend(
        quarters("2026-05-01T04:00:00Z", 9, 250)
            .into_iter()
            .map(|(at, wh)| {
                let wh: Decimal = wh.parse().unwrap();
                (at, (wh + Decimal::from(10_000)).to_string())
            }),
    );
    put(&house, &telegrams);
    let reader = gateway::store::Readers::of(house.folder.path())
        .open()
        .unwrap();
    let all = gateway::reading_lines::lines(&reader, Some("grid"), None, None).unwrap();
    let [counter, amounts] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(counter.series.meter.as_deref(), Some(SERIAL));
    assert_eq!(
        (counter.series.obis.as_deref(), counter.series.unit.as_str()),
        (Some("1-0:1.8.0*255"), "Wh")
    );
    let first = counter.readings.first().unwrap();
    let last = counter.readings.last().unwrap();
    assert_eq!(first.time.to_string(), "2026-05-01T00:00:00Z");
    let sum: i64 = amounts.readings.iter().map(|reading| reading.raw).sum();
    assert_eq!(sum, last.raw - first.raw);
    let suspect = wattle_billing::readings::ReadingQuality::Suspect;
    let doubtful = amounts
        .readings
        .iter()
        .filter(|reading| reading.quality == Some(suspect));
    let doubtful: Vec<_> = doubtful
        .map(|one| format!("{} {}", one.time, one.raw))
        .collect();
    // The quarter-hour in which reading stopped was closed by its own opening; the one in which it
    // resumed holds what was used in between, 7,750, and its own 250.
    let want = ["2026-05-01T02:15:00Z 0", "2026-05-01T04:00:00Z 8000"];
    assert_eq!(doubtful, want);
    // Written and read again they are the same.
    let text = wattle_billing::readings::write(&all);
    let again = wattle_billing::readings::read(&text).unwrap();
    assert_eq!(wattle_billing::readings::write(&again), text);
    let from = Some("2026-05-01T01:00:00Z".parse().unwrap());
    let to = Some("2026-05-01T02:00:00Z".parse().unwrap());
    let hour = gateway::reading_lines::lines(&reader, Some(SERIAL), from, to).unwrap();
    assert_eq!((hour[0].readings.len(), hour[1].readings.len()), (5, 4));
    assert!(
        gateway::reading_lines::lines(&reader, Some("other"), None, None)
            .unwrap()
            .is_empty()
    );
}
