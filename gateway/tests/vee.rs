//! Validation, estimates, imports and days by bands over a store that a meter filled.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::process::Command;
use std::sync::Arc;

use gateway::bills::{self, Billed};
use gateway::bus::{Bus, Event};
use gateway::clock::{Clock, SharedClock};
use gateway::store::{Incoming, IntervalRow, Reader, Settings, Store};
use gateway::usage;
use gateway::vee;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use meter_link::model::{
    Check, MeterId, ObisCode, RegisterValue, TariffIndication, Telegram, Unit, Value,
};
use rust_decimal::Decimal;
use wattle_api::UsageSpan;
use wattle_billing::readings::ReadingQuality;
use wattle_billing::tariff::{LoadOptions, Tariff, load};

const ZONE: &str = "Europe/Berlin";

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A reading of a gas meter behind the electricity meter, in thousandths of a cubic metre.
fn gas(at: Timestamp, litres: i64) -> Incoming {
    let mut telegram = incoming("GAS", at, 0);
    telegram.name = "gas".to_owned();
    telegram.telegram.values[0].register = ObisCode([7, 0, 3, 0, 0, 255]);
    telegram.telegram.values[0].unit = Some(Unit::CubicMetre);
    telegram.telegram.values[0].value = Value::Number(Decimal::new(litres, 3));
    telegram
}

fn incoming(serial: &str, at: Timestamp, wh: i64) -> Incoming {
    Incoming {
        name: "house".to_owned(),
        serial: serial.to_owned(),
        received_at: at,
        port: "none".to_owned(),
        telegram: Telegram {
            meter: MeterId::new(serial),
            values: vec![RegisterValue {
                register: ObisCode::ACTIVE_ENERGY_IMPORT,
                value: Value::Number(Decimal::new(wh, 1)),
                unit: Some(Unit::WattHour),
                status: None,
                captured_at: None,
                quirk: None,
            }],
            check: Check::Crc,
            ..Telegram::default()
        },
        fields: Vec::new(),
        doubts: Vec::new(),
        counter: None,
    }
}

struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self) -> (Store, tokio::sync::broadcast::Receiver<Event>) {
        let bus = Bus::default();
        let events = bus.listen();
        let settings = Settings {
            folder: self.folder.path().to_path_buf(),
            zone: TimeZone::get(ZONE).unwrap(),
            readings_days: 366,
            raw_megabytes: 0,
        };
        (Store::open(&settings, bus).unwrap(), events)
    }

    /// A reading at each quarter-hour's start for which `wh` gives tenths of a watt-hour.
    fn meter(&self, serial: &str, from: &str, count: i64, wh: impl Fn(i64) -> Option<i64>) {
        let (store, mut events) = self.open();
        let queue = store.queue();
        for quarter in 0..count {
            let Some(wh) = wh(quarter) else { continue };
            let when = at(from) + SignedDuration::from_mins(15 * quarter);
            queue.blocking_send(incoming(serial, when, wh)).unwrap();
            while !matches!(events.blocking_recv().unwrap(), Event::Stored(_)) {}
        }
        drop(queue);
        store.close();
    }

    /// Hourly readings of a gas meter.
    fn gas(&self, from: &str, count: i64) {
        let (store, mut events) = self.open();
        let queue = store.queue();
        for hour in 0..count {
            let when = at(from) + SignedDuration::from_hours(hour);
            queue.blocking_send(gas(when, 120 * hour)).unwrap();
            while !matches!(events.blocking_recv().unwrap(), Event::Stored(_)) {}
        }
        drop(queue);
        store.close();
    }

    /// Lets the part work until there is nothing more to do.
    fn examine(&self, now: &str, tariff: Option<Tariff>) {
        let (store, _) = self.open();
        let zone = TimeZone::get(ZONE).unwrap();
        let (_held, tariff) = tokio::sync::watch::channel(tariff.map(Arc::new));
        let clock: SharedClock = Arc::new(At(at(now)));
        let settings = vee::Settings {
            grid: Some("house".to_owned()),
            limits: vee::limits(None, &zone),
            quarter_hours_days: None,
            readers: store.readers(),
            supplies: store.supplies(),
            rollups: store.rollups(),
            clock,
            zone,
            tariff,
        };
        while vee::step(&settings).unwrap() {}
    }

    fn reader(&self) -> (Store, Reader) {
        let (store, _) = self.open();
        let reader = store.readers().open().unwrap();
        (store, reader)
    }

    fn wattle(&self, arguments: &[&str]) -> (String, String) {
        let config = self.folder.path().join("wattle.toml");
        let text = format!(
            "[gateway]\nstate_dir = {:?}\ntime_zone = \"{ZONE}\"\n",
            self.folder.path()
        );
        std::fs::write(&config, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_wattle"))
            .args(arguments)
            .output()
            .unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (text(output.stdout), text(output.stderr))
    }
}

fn day_and_night(folder: &std::path::Path) -> Tariff {
    let path = folder.join("tariff.toml");
    let text = "version = 1\nname = \"two\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
        [bands.night]\nrate = \"0.2\"\n[bands.day]\nrate = \"0.3\"\n\
        [[schedule]]\nband = \"night\"\nfrom = \"22:00\"\nto = \"06:00\"\n[[schedule]]\nband = \"day\"\n";
    std::fs::write(&path, text).unwrap();
    load(&path, &LoadOptions::default()).unwrap()
}

/// 100 Wh in a quarter-hour, and 20 more of them in those of the third hour of a day.
fn counter(quarter: i64) -> i64 {
    1_000 * quarter + (0..quarter).filter(|before| before % 96 / 4 == 2).count() as i64 * 200
}

#[test]
fn gaps_are_estimated_and_add_up_to_the_register_and_what_was_metered_stays() {
    let house = House::new();
    // Nine days; an hour is missed in the third night, and later half a day with its third hour.
    let missed = |quarter: i64| (234..=236).contains(&quarter) || (740..=800).contains(&quarter);
    let from = "2026-01-31T23:00:00Z";
    house.meter("1SIM1", from, 900, |quarter| {
        (!missed(quarter)).then(|| counter(quarter))
    });
    let (store, reader) = house.reader();
    let register = reader.registers().unwrap().remove(0);
    let raw = reader.metered(register.id, 0, i64::MAX).unwrap();
    let raw_sum: Decimal = raw.iter().map(IntervalRow::amount).sum();
    drop(reader);
    store.close();
    house.examine("2026-02-10T12:00:00Z", None);
    let (_store, reader) = house.reader();
    let rows = reader.intervals(register.id, 0, i64::MAX).unwrap();
    assert_eq!(
        reader.metered(register.id, 0, i64::MAX).unwrap(),
        raw,
        "raw is never overwritten"
    );
    assert_eq!(
        rows.iter().map(IntervalRow::amount).sum::<Decimal>(),
        raw_sum
    );
    let start = at(from).as_second();
    let of = |method: &str| -> Vec<(i64, String)> {
        rows.iter()
            .filter(|row| row.method.as_deref() == Some(method))
            .map(|row| {
                (
                    (row.start_s - start) / 900,
                    row.amount().normalize().to_string(),
                )
            })
            .collect()
    };
    // Around the short gap 100 Wh are used in each quarter-hour; the line is flat and closes as it is.
    let flat: Vec<(i64, String)> = (233..=237)
        .map(|quarter| (quarter, "100".to_owned()))
        .collect();
    assert_eq!(of("linear_closed"), flat);
    // The long one has the shape of the week before, the third hour of the day included.
    let like: Vec<(i64, String)> = (739..=801)
        .map(|quarter| {
            (
                quarter,
                if quarter % 96 / 4 == 2 { "120" } else { "100" }.to_owned(),
            )
        })
        .collect();
    assert_eq!(of("like_day_closed"), like);
    let estimated = rows
        .iter()
        .filter(|row| row.quality == ReadingQuality::Estimated);
    assert_eq!(estimated.count(), flat.len() + like.len());
    // The register stood still over the midnight that nobody read; the days are those of the meter.
    let zone = TimeZone::get(ZONE).unwrap();
    let dates = ("2026-02-08".parse().unwrap(), "2026-02-09".parse().unwrap());
    let days = reader.days(register.id, dates, &zone).unwrap();
    let told: Vec<_> = days
        .iter()
        .map(|day| {
            (
                day.amount.normalize().to_string(),
                day.measured,
                day.supplied,
            )
        })
        .collect();
    let whole = "9680".to_owned();
    assert_eq!(told, [(whole.clone(), 67, 29), (whole, 62, 34)]);
    let months = reader.months(register.id, dates, &zone).unwrap();
    assert_eq!((months[0].days, months[0].supplied), (2, 63));
    let findings = reader.findings(register.id, 0, i64::MAX).unwrap();
    let missing: Vec<(i64, i64)> = findings
        .iter()
        .filter(|finding| finding.rule == "missing")
        .map(|finding| ((finding.from_s - start) / 900, finding.count))
        .collect();
    assert_eq!(missing, [(233, 5), (739, 63)]);
    let (lines, _) = house.wattle(&[
        "vee",
        "check",
        "--store",
        "--gateway",
        house.folder.path().join("wattle.toml").to_str().unwrap(),
    ]);
    assert_eq!(lines.matches("\"rule\":\"missing\"").count(), 2, "{lines}");
}

#[test]
fn days_by_bands_are_what_quarter_hours_come_to_and_past_months_keep_their_price() {
    let house = House::new();
    house.meter("1SIM1", "2026-01-29T23:00:00Z", 96 * 5 + 9, |quarter| {
        Some(counter(quarter))
    });
    let tariff = day_and_night(house.folder.path());
    house.examine("2026-02-04T02:00:00Z", Some(tariff.clone()));
    let (store, reader) = house.reader();
    let register = reader.registers().unwrap().remove(0);
    let days = reader
        .band_days(
            register.id,
            "2026-01-01".parse().unwrap(),
            "2026-12-31".parse().unwrap(),
        )
        .unwrap();
    let day = |date: &str, band: &str| {
        let found = days
            .iter()
            .find(|day| day.date.to_string() == date && day.band == band)
            .unwrap();
        let cost = found.cost.map(|cost| cost.normalize().to_string());
        (
            found.amount.normalize().to_string(),
            cost.unwrap(),
            found.quarters,
            found.measured,
        )
    };
    // 64 quarter-hours by day; by night 32, of which four have 20 Wh more.
    assert_eq!(
        day("2026-01-31", "day"),
        ("6400".to_owned(), "1.92".to_owned(), 64, 64)
    );
    assert_eq!(
        day("2026-01-31", "night"),
        ("3280".to_owned(), "0.656".to_owned(), 32, 32)
    );
    let zone = TimeZone::get(ZONE).unwrap();
    let asked = usage::Asked {
        meter: "house",
        medium: wattle_api::Medium::Electricity,
        zone: &zone,
        tariff: Some(&tariff),
        span: UsageSpan::Year,
        back: 0,
        now: at("2026-02-04T02:00:00Z"),
    };
    let year = usage::usage(&reader, &asked).unwrap().unwrap();
    let bill = bills::to_date(
        &reader,
        &tariff,
        &bills::Asked {
            meter: "house",
            billed: Billed::Electricity,
            zone: &zone,
            from: "2026-01-01".parse().unwrap(),
            to: "2026-02-28".parse().unwrap(),
            now: at("2026-02-04T02:00:00Z"),
        },
    )
    .unwrap();
    assert_eq!(year.import_kwh, Some(bill.bill.import_kwh));
    assert_eq!(year.cost, bill.bill.total);
    assert_eq!(year.until, Some(bill.until));
    drop(reader);
    store.close();
    // Another tariff: this month is told by it, the last is not.
    let mut dearer = tariff;
    for band in &mut dearer.bands {
        band.tiers[0].rate = Decimal::ONE;
    }
    house.examine("2026-02-04T03:00:00Z", Some(dearer));
    let (_store, reader) = house.reader();
    let cost = |date: &str| {
        let date = date.parse().unwrap();
        let days = reader.band_days(register.id, date, date).unwrap();
        days.iter()
            .map(|day| day.cost.unwrap())
            .sum::<Decimal>()
            .normalize()
            .to_string()
    };
    assert_eq!(
        (cost("2026-01-31"), cost("2026-02-01")),
        ("2.576".to_owned(), "9.68".to_owned())
    );
}

#[test]
fn an_exchanged_meter_stays_in_the_bill_and_the_exchange_is_told() {
    let house = House::new();
    house.meter("OLD", "2026-02-01T23:00:00Z", 97, |quarter| {
        Some(500_000 + 1_000 * quarter)
    });
    house.meter("NEW", "2026-02-03T01:00:00Z", 97, |quarter| {
        Some(1_000 * quarter)
    });
    let (_store, reader) = house.reader();
    let told = reader.exchanges().unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (
            told[0].name.as_str(),
            told[0].before.as_str(),
            told[0].after.as_str()
        ),
        ("house", "OLD", "NEW")
    );
    assert_eq!(told[0].at, at("2026-02-03T01:00:00Z"));
    let zone = TimeZone::get(ZONE).unwrap();
    let asked = bills::Asked {
        meter: "house",
        billed: Billed::Electricity,
        zone: &zone,
        from: "2026-02-01".parse().unwrap(),
        to: "2026-02-28".parse().unwrap(),
        now: at("2026-02-05T00:00:00Z"),
    };
    let tariff = day_and_night(house.folder.path());
    let bill = bills::to_date(&reader, &tariff, &asked).unwrap();
    // Two days of 9.6 kWh; the counters of the two are not subtracted from each other.
    assert_eq!(bill.bill.import_kwh, Decimal::new(192, 1));
}

#[test]
fn imported_history_stands_before_what_was_metered_and_comes_once() {
    let house = House::new();
    house.meter("1SIM1", "2026-02-02T23:00:00Z", 12, |quarter| {
        Some(1_000 * quarter)
    });
    let file = house.folder.path().join("portal.csv");
    let hours = "start,end,consumption kWh\n\
        2026-02-02T22:00:00+01:00,2026-02-02T23:00:00+01:00,0.5\n\
        2026-02-02T23:00:00+01:00,2026-02-03T00:00:00+01:00,0.7001\n\
        2026-02-03T00:00:00+01:00,2026-02-03T01:00:00+01:00,9\n";
    std::fs::write(&file, hours).unwrap();
    house.wattle(&["--version"]);
    let config = house.folder.path().join("wattle.toml");
    let import = || {
        let (_, said) = house.wattle(&[
            "import",
            "csv",
            file.to_str().unwrap(),
            "--store",
            "--meter",
            "house",
            "--config",
            config.to_str().unwrap(),
        ]);
        said
    };
    let first = import();
    assert!(
        first.contains("8 quarter-hours are new, 0 were there already; passed over: 4"),
        "{first}"
    );
    let second = import();
    assert!(
        second.contains("0 quarter-hours are new, 8 were there already; passed over: 4"),
        "{second}"
    );
    let (_store, reader) = house.reader();
    let register = reader.registers().unwrap().remove(0);
    let rows = reader.intervals(register.id, 0, i64::MAX).unwrap();
    let amounts: Vec<String> = rows
        .iter()
        .take(9)
        .map(|row| row.amount().normalize().to_string())
        .collect();
    assert_eq!(
        amounts,
        [
            "125", "125", "125", "125", "175.025", "175.025", "175.025", "175.025", "100"
        ]
    );
    assert_eq!(rows[0].method.as_deref(), Some("import_spread"));
    assert_eq!(rows[8].method, None);
}

#[test]
fn old_quarter_hours_become_hours_and_lose_nothing() {
    let house = House::new();
    house.meter("1SIM1", "2026-02-02T23:00:00Z", 96 * 2 + 1, |quarter| {
        Some(counter(quarter))
    });
    let (store, reader) = house.reader();
    let register = reader.registers().unwrap().remove(0);
    let before = reader.hours(register.id, 0, i64::MAX).unwrap();
    assert_eq!(before.len(), 48);
    while store
        .rollups()
        .thin(at("2026-02-03T23:10:00Z").as_second())
        .unwrap()
    {}
    assert_eq!(
        reader.intervals(register.id, 0, i64::MAX).unwrap().len(),
        96
    );
    assert_eq!(reader.hours(register.id, 0, i64::MAX).unwrap(), before);
}

#[test]
fn gas_is_billed_in_kilowatt_hours_and_water_in_cubic_metres() {
    let house = House::new();
    // What the last hour of a day brought is read in the next one: 47 hours, 5.64 m3, times 10.64.
    house.gas("2026-02-01T23:00:00Z", 50);
    let path = house.folder.path().join("gas.toml");
    let text = "version = 1\nname = \"gas\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
        [bands.gas]\nrate = \"0.1\"\n[[schedule]]\nband = \"gas\"\n\
        [[standing]]\nid = \"standing\"\namount = \"0.5\"\nper = \"day\"\n[[tax]]\nid = \"vat\"\nrate = \"0.19\"\n";
    std::fs::write(&path, text).unwrap();
    let tariff = load(&path, &LoadOptions::default()).unwrap();
    let (_store, reader) = house.reader();
    let zone = TimeZone::get(ZONE).unwrap();
    let asked = |billed| bills::Asked {
        meter: "gas",
        billed,
        zone: &zone,
        from: "2026-02-02".parse().unwrap(),
        to: "2026-02-03".parse().unwrap(),
        now: at("2026-02-05T00:00:00Z"),
    };
    let lines = |billed| -> Vec<(String, String, String)> {
        let made = bills::to_date(&reader, &tariff, &asked(billed)).unwrap();
        assert_eq!(
            made.bill.total,
            Some(made.bill.lines.iter().map(|line| line.amount).sum())
        );
        let line = |line: wattle_api::BillLine| {
            (
                line.quantity.to_string(),
                line.unit,
                line.amount.to_string(),
            )
        };
        made.bill.lines.into_iter().map(line).collect()
    };
    let told = |quantity: &str, unit: &str, amount: &str| {
        (quantity.to_owned(), unit.to_owned(), amount.to_owned())
    };
    let gas = lines(Billed::Gas(Decimal::new(1064, 2)));
    assert_eq!(gas[0], told("60.0096", "kWh", "6.00096"));
    assert_eq!(gas[1], told("2", "day", "1"));
    assert_eq!(gas[2], told("7.00096", "EUR", "1.3301824"));
    assert_eq!(lines(Billed::Water)[0], told("5.64", "m3", "0.564"));
}

#[test]
fn prices_follow_the_tariff_that_the_meter_tells_and_end_with_it() {
    let house = House::new();
    let (store, mut events) = house.open();
    let queue = store.queue();
    for (minute, number) in [(0, 1), (30, 1), (60, 2), (80, 2)] {
        let when = at("2026-02-02T20:00:00Z") + SignedDuration::from_mins(minute);
        let mut telegram = incoming("1SIM1", when, 1_000 + minute);
        telegram.telegram.indications.tariff = Some(TariffIndication {
            number: Some(number),
            ..TariffIndication::default()
        });
        queue.blocking_send(telegram).unwrap();
        while !matches!(events.blocking_recv().unwrap(), Event::Stored(_)) {}
    }
    drop(queue);
    store.close();
    let file = house.folder.path().join("tariff.toml");
    let text = "version = 1\nname = \"dsmr\"\ncurrency = \"EUR\"\n[source]\nformat = \"meter\"\nfile = \"meter\"\n\
        [bands.low]\nrate = \"0.2\"\nnumber = 1\n[bands.normal]\nrate = \"0.3\"\nnumber = 2\n";
    std::fs::write(&file, text).unwrap();
    let settings = gateway::prices::Settings {
        config: gateway::config::TariffConfig {
            file: Some(file),
            meter: true,
            ..gateway::config::TariffConfig::default()
        },
        folder: house.folder.path().to_path_buf(),
        grid: Some("house".to_owned()),
        zone: TimeZone::get(ZONE).unwrap(),
        clock: Arc::new(At(at("2026-02-02T21:20:30Z"))),
        nudge: Arc::default(),
        privacy: None,
    };
    let tariff = settings.load().unwrap().unwrap();
    let price = |when: &str| tariff.per_kwh(at(when)).map(|price| price.to_string());
    assert_eq!(price("2026-02-02T19:59:00Z"), None);
    assert_eq!(price("2026-02-02T20:59:59Z").as_deref(), Some("0.2"));
    assert_eq!(price("2026-02-02T21:29:59Z").as_deref(), Some("0.3"));
    assert_eq!(
        price("2026-02-02T21:30:00Z"),
        None,
        "nothing is known of what nobody has told"
    );
}
