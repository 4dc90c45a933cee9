//! A month of a generated home, out of the store into the books: energies add up to the register,
//! cycles carry their cost, corrections hold, and a restart changes nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::appliances::{self, Board};
use gateway::bus::{Bus, Event};
use gateway::clock::{SharedClock, SystemClock};
use gateway::store::{Incoming, Settings as StoreSettings, Store};
use gateway::supervisor::Supervisor;
use gateway::tariff;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use tokio::sync::watch;
use wattle_api::{ApplianceCorrection, Appliances};

const SERIAL: &str = "1SIM0000000001";
const DAYS: i64 = 30;
/// The meter at the load that runs twenty minutes of each hour.
const PLUG: &str = "plug";
/// After so many days it is taken away.
const PLUGGED_DAYS: i64 = 10;

/// W at second `s` of the series: a base, a fridge, a kettle and a shower.
fn watts(s: i64) -> i64 {
    let day = s.rem_euclid(86400);
    let mut watts = 150 + i64::from(s % 3600 < 1200) * 90;
    for start in [26_040, 43_320, 61_020, 70_080] {
        watts += i64::from((start..start + 180).contains(&day)) * 2200;
    }
    watts + i64::from((27_000..27_360).contains(&day)) * 8500
}

fn value(obis: ObisCode, unit: Unit, value: Decimal) -> RegisterValue {
    RegisterValue {
        register: obis,
        value: Value::Number(value.round_dp(3)),
        unit: Some(unit),
        status: None,
        captured_at: None,
        quirk: None,
    }
}

fn incoming(name: &str, at: Timestamp, values: Vec<RegisterValue>) -> Incoming {
    let serial = if name == PLUG { "PLUG" } else { SERIAL };
    Incoming {
        fields: Vec::new(),
        doubts: Vec::new(),
        counter: None,
        name: name.to_owned(),
        serial: serial.to_owned(),
        received_at: at,
        port: "none".to_owned(),
        telegram: Telegram {
            meter: MeterId::new(serial),
            values,
            check: Check::Crc,
            ..Telegram::default()
        },
    }
}

struct House {
    folder: tempfile::TempDir,
    bus: Bus,
    zone: TimeZone,
}

impl House {
    fn store(&self) -> Store {
        let settings = StoreSettings {
            folder: self.folder.path().to_path_buf(),
            zone: self.zone.clone(),
            readings_days: 400,
            raw_megabytes: 1,
        };
        Store::open(&settings, self.bus.clone()).unwrap()
    }

    /// Puts minutes `from` to `to` of the month that ends now into the store.
    fn put(&self, start: Timestamp, from: i64, to: i64) {
        let store = self.store();
        let queue = store.queue();
        let mut wh = Decimal::from(1_000_000);
        for minute in 0..to {
            let power = watts(minute * 60);
            if minute >= from {
                let at = start + SignedDuration::from_secs(minute * 60);
                let aquarium = i64::from(minute % 60 < 20) * 90;
                if minute < PLUGGED_DAYS * 1440 {
                    let told = vec![value(
                        ObisCode::ACTIVE_POWER_NET,
                        Unit::Watt,
                        aquarium.into(),
                    )];
                    queue.blocking_send(incoming(PLUG, at, told)).unwrap();
                }
                let told = vec![
                    value(ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WattHour, wh),
                    value(ObisCode::ACTIVE_POWER_NET, Unit::Watt, power.into()),
                ];
                queue.blocking_send(incoming("house", at, told)).unwrap();
            }
            wh += Decimal::from(power) / Decimal::from(60);
        }
        drop(queue);
        store.close();
    }
}

/// Runs the part until it has decided up to `until`; returns what it tells and its books.
fn run(house: &House, until: Timestamp) -> (Appliances, Board) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = house.store();
        let file = house.folder.path().join("tariff.toml");
        let text = "version = 1\nname = \"Flat\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n[bands.all]\nrate = \"0.30\"\n[[schedule]]\nband = \"all\"\n";
        std::fs::write(&file, text).unwrap();
        let tariff = tariff::load(&file, &house.zone).unwrap();
        let (_keep, tariff) = watch::channel(Some(Arc::new(tariff)));
        let clock: SharedClock = Arc::new(SystemClock);
        let board = Board::default();
        let settings = appliances::Settings {
            meter: "house".to_owned(),
            owned: ["kettle", "fridge", "shower"].map(str::to_owned).to_vec(),
            plugs: BTreeMap::from([(PLUG.to_owned(), "aquarium".to_owned())]),
            state_dir: house.folder.path().to_path_buf(),
            readers: store.readers(),
            bus: house.bus.clone(),
            clock: Arc::clone(&clock),
            zone: house.zone.clone(),
            tariff,
            board: board.clone(),
        };
        let mut events = house.bus.listen();
        let mut supervisor = Supervisor::default();
        supervisor.start("appliances", Duration::from_secs(60), move |pulse, stop| {
            appliances::run(settings.clone(), pulse, stop)
        });
        let end = Instant::now() + Duration::from_secs(120);
        let told = loop {
            let now = board.appliances(clock.now());
            if let Some(now) = now.filter(|now| now.decided_until >= Some(until)) {
                break now;
            }
            assert!(Instant::now() < end, "the month was not decided in time");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        // What is told on the bus is what MQTT and the display get.
        let on_the_bus = loop {
            let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await;
            if let Ok(Event::Appliances(now)) = event.unwrap() {
                break now;
            }
        };
        assert!(!on_the_bus.appliances.is_empty());
        supervisor.end(Duration::from_secs(10)).await;
        tokio::task::spawn_blocking(move || store.close()).await.unwrap();
        (told, board)
    })
}

#[test]
fn a_month_adds_up_to_the_register_and_survives_a_restart() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let house = House {
        folder: tempfile::tempdir().unwrap(),
        bus: Bus::default(),
        zone: zone.clone(),
    };
    let now = Timestamp::now();
    let start =
        Timestamp::from_second((now.as_second() - DAYS * 86400).div_euclid(86400) * 86400).unwrap();
    let minutes = DAYS * 1440;
    let end = start + SignedDuration::from_secs(minutes * 60 - 7260);
    // Two thirds, a stop, and the rest: as one run, since the store is the log.
    let third = minutes * 2 / 3;
    house.put(start, 0, third);
    run(&house, start + SignedDuration::from_secs(third * 60 - 7260));
    assert!(house.folder.path().join("appliances.json").is_file());
    house.put(start, third, minutes);
    let (told, board) = run(&house, end);

    let (from, to) = (zone.to_datetime(start).date(), zone.to_datetime(now).date());
    let days = board.days(from, to);
    let import: Decimal = days.iter().map(|day| day.import_kwh).sum();
    let true_wh: i64 = (0..minutes - 1).map(|minute| watts(minute * 60)).sum();
    let register = Decimal::from(true_wh) / Decimal::from(60_000);
    assert!(
        (import / register - Decimal::ONE).abs() < Decimal::new(1, 3),
        "{import} of {register}"
    );
    for day in &days {
        let parts: Decimal = day.appliances.iter().map(|share| share.kwh).sum();
        assert_eq!(
            parts + day.unnamed_kwh + day.rest_kwh,
            day.import_kwh,
            "{}",
            day.date
        );
        for share in &day.appliances {
            let cost = share.cost.as_ref().unwrap();
            assert_eq!(cost.currency, "EUR");
            let expected = share.kwh * Decimal::new(30, 2);
            assert!(
                (cost.amount - expected).abs() < Decimal::new(1, 3),
                "{cost:?} of {expected}"
            );
        }
    }
    // 90 W a third of the time: known by the meter at it, and known without it afterwards.
    for day in [3, 25] {
        let of_day = days.get(day).unwrap();
        let aquarium = of_day
            .appliances
            .iter()
            .find(|share| share.name == "aquarium");
        let kwh = aquarium.map(|share| share.kwh).unwrap_or_default();
        assert!(
            (kwh - Decimal::new(72, 2)).abs() < Decimal::new(7, 2),
            "{kwh} kWh on {}",
            of_day.date
        );
    }
    let shower = told
        .appliances
        .iter()
        .find(|one| one.name == "shower")
        .unwrap();
    assert!((29..=30).contains(&shower.cycles), "{shower:?}");
    let cycle = shower.last_cycle.as_ref().unwrap();
    assert!(
        (cycle.kwh - Decimal::new(85, 2)).abs() < Decimal::new(3, 2),
        "{cycle:?}"
    );
    assert!(
        told.appliances
            .iter()
            .any(|one| one.name == "kettle" && one.cycles > 80)
    );
    let cycles = board.cycles(from, to);
    assert!(
        cycles
            .iter()
            .filter(|cycle| cycle.appliance == "shower")
            .count()
            >= 29
    );

    let at = cycle.start + SignedDuration::from_secs(60);
    let said = ApplianceCorrection::Reject {
        appliance: "shower".to_owned(),
        at,
    };
    let made = board.correct(said.clone()).unwrap();
    assert_eq!(board.corrections().first(), Some(&made));
    // What was said shows at once in what had been decided, and leaves no trace when taken back.
    let books = || (board.days(from, to), board.cycles(from, to));
    let cycle_count = |name: &str| {
        let cycles = board.cycles(from, to);
        cycles
            .iter()
            .filter(|cycle| cycle.appliance == name)
            .count()
    };
    let (kettles, showers) = (cycle_count("kettle"), cycle_count("shower"));
    let adds_up = || {
        board.days(from, to).iter().all(|day| {
            let parts: Decimal = day.appliances.iter().map(|share| share.kwh).sum();
            parts + day.unnamed_kwh + day.rest_kwh == day.import_kwh
                && parts + day.always_on_kwh + day.other_kwh == day.import_kwh
        })
    };
    assert!(adds_up());
    board.undo(made.id).unwrap();
    assert!(board.undo(made.id).is_err());
    let before = books();
    let rejected = board.correct(said).unwrap();
    assert_eq!(
        cycle_count("shower") + 1,
        before
            .1
            .iter()
            .filter(|cycle| cycle.appliance == "shower")
            .count()
    );
    assert!(adds_up());
    let merge = ApplianceCorrection::Merge {
        appliance: "shower".to_owned(),
        into: "kettle".to_owned(),
    };
    let merged = board.correct(merge).unwrap();
    assert_eq!(
        (cycle_count("shower"), cycle_count("kettle")),
        (0, kettles + showers),
        "a rejected one stays out"
    );
    assert!(adds_up());
    board.undo(merged.id).unwrap();
    board.undo(rejected.id).unwrap();
    assert_eq!(books(), before);

    assert!(board.label("shower", Some(" Upstairs ")).is_ok());
    let labels = board.appliances(now).unwrap().labels;
    assert_eq!(labels.get("shower").map(String::as_str), Some("Upstairs"));
    assert!(board.label("spaceship", Some("Enterprise")).is_err());
    for wrong in ["", "  ", "two\nlines", &"x".repeat(41)] {
        assert!(board.label("shower", Some(wrong)).is_err(), "{wrong:?}");
    }
    board.label("shower", None).unwrap();
    assert!(board.appliances(now).unwrap().labels.is_empty());
    assert!(
        board
            .correct(ApplianceCorrection::Name {
                slot: 0,
                appliance: "x".to_owned()
            })
            .is_err()
    );
    board.erase("shower").unwrap();
    assert!(
        board
            .days(from, to)
            .iter()
            .all(|day| day.appliances.iter().all(|share| share.name != "shower"))
    );
    assert!(board.learnt().is_some());
}
