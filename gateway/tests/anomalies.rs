//! What is unusual, out of four weeks in the store: nights are told with their evidence, and a night
//! that was not wholly metered counts as none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use gateway::anomalies::{self, Settings};
use gateway::appliances::Board;
use gateway::bus::Bus;
use gateway::clock::Clock;
use gateway::store::{Incoming, Settings as StoreSettings, Store};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use wattle_api::{Notice, NoticeCode};

/// The morning after the last night.
const TODAY: Date = date(2026, 11, 20);
const NIGHTS: i64 = 28;

#[derive(Debug)]
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A register's readings at the quarter-hours of the nights, 01:45 to 05:15.
struct Register {
    name: &'static str,
    obis: ObisCode,
    unit: Unit,
    /// What a quarter-hour of the night so many days ago adds.
    quarter: fn(i64) -> Decimal,
}

fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

/// What is told at a time of day of the last morning. `lost` is a night without its 03:30 reading.
fn told(registers: &[Register], hour: i8, lost: Option<i64>) -> Vec<Notice> {
    let folder = tempfile::tempdir().unwrap();
    let bus = Bus::default();
    let store = StoreSettings {
        folder: folder.path().to_path_buf(),
        zone: zone(),
        readings_days: 400,
        raw_megabytes: 1,
    };
    let store = Store::open(&store, bus.clone()).unwrap();
    let queue = store.queue();
    for register in registers {
        let mut value = Decimal::new(100_000, 3);
        for back in (0..NIGHTS).rev() {
            let date = TODAY.checked_sub(back.days()).unwrap();
            let first = date.at(1, 45, 0, 0).to_zoned(zone()).unwrap().timestamp();
            for quarter in 0..15 {
                value += (register.quarter)(back);
                if lost == Some(back) && quarter == 7 {
                    continue;
                }
                let at = first + SignedDuration::from_mins(15 * quarter);
                queue.blocking_send(incoming(register, at, value)).unwrap();
            }
        }
    }
    drop(queue);
    let settings = Settings {
        grid: Some("house".to_owned()),
        water: vec!["cold water".to_owned()],
        readers: store.readers(),
        appliances: Board::default(),
        bus,
        clock: Arc::new(Standing(
            TODAY
                .at(hour, 0, 0, 0)
                .to_zoned(zone())
                .unwrap()
                .timestamp(),
        )),
        zone: zone(),
    };
    store.close();
    anomalies::look(&settings).unwrap()
}

fn incoming(register: &Register, at: Timestamp, value: Decimal) -> Incoming {
    let value = RegisterValue {
        register: register.obis,
        value: Value::Number(value),
        unit: Some(register.unit),
        status: None,
        captured_at: None,
        quirk: None,
    };
    Incoming {
        fields: Vec::new(),
        doubts: Vec::new(),
        counter: None,
        name: register.name.to_owned(),
        serial: format!("SERIAL {}", register.name),
        received_at: at,
        port: "none".to_owned(),
        telegram: Telegram {
            meter: MeterId::new(register.name),
            values: vec![value],
            check: Check::Crc,
            ..Telegram::default()
        },
    }
}

fn water(quarter: fn(i64) -> Decimal) -> Register {
    Register {
        name: "cold water",
        obis: ObisCode([8, 0, 1, 0, 0, 255]),
        unit: Unit::CubicMetre,
        quarter,
    }
}

fn power(quarter: fn(i64) -> Decimal) -> Register {
    Register {
        name: "house",
        obis: ObisCode::ACTIVE_ENERGY_IMPORT,
        unit: Unit::WattHour,
        quarter,
    }
}

#[test]
fn water_that_ran_three_nights() {
    // Three litres a quarter-hour in the last three nights, none before.
    let dripping = || [water(|back| Decimal::new(if back < 3 { 3 } else { 0 }, 3))];
    let notices = told(&dripping(), 7, None);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].code, NoticeCode::NightFlow);
    assert_eq!(notices[0].meter.as_deref(), Some("cold water"));
    assert!(
        notices[0].text.contains("last 3 nights at least 12 litres"),
        "{}",
        notices[0].text
    );
    assert_eq!(notices[0].since.to_string(), "2026-11-18T01:00:00Z");
    // At four in the morning the third night is not over; with a hole in one there are not three.
    assert_eq!(told(&dripping(), 4, None), []);
    assert_eq!(told(&dripping(), 7, Some(1)), []);
}

#[test]
fn a_base_load_that_rose() {
    // 25 Wh a quarter-hour are 100 W; 35 Wh are 140 W.
    let risen = || [power(|back| Decimal::from(if back < 7 { 35 } else { 25 }))];
    let notices = told(&risen(), 7, None);
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].code, NoticeCode::BaseLoadRisen);
    assert!(
        notices[0].text.contains("from 100 W to 140 W"),
        "{}",
        notices[0].text
    );
    // Four weeks of nights are needed; a night that is not whole leaves too few.
    assert_eq!(told(&risen(), 7, Some(20)), []);
    assert_eq!(told(&[power(|_| Decimal::from(25))], 7, None), []);
}
