//! A home that has been lived in: readings of the simulated household of `wattle-sim`, up to now,
//! in a store that a daemon then goes on with.
//!
//! `cargo run -p e2e --example lived_in -- FOLDER DAYS`; the household is that of seed 1 without a
//! photovoltaic plant, every ten seconds a reading. The loads are generated: what is found in them
//! says that finding, books and names work, not how well real appliances are told apart.

#![allow(clippy::unwrap_used, reason = "a tool of the tests may fail")]

use gateway::bus::Bus;
use gateway::store::{Incoming, Settings, Store};
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use wattle_sim::household::{Curve, Kind};

/// As the simulated meter sends it.
const SERIAL: &str = "1WSM0012345678";
const EVERY_S: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap();
    let days: u64 = arguments.next().unwrap().parse().unwrap();
    let settings = Settings {
        folder: folder.into(),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        readings_days: 366,
        raw_megabytes: 0,
    };
    let store = Store::open(&settings, Bus::default()).unwrap();
    let queue = store.queue();
    let mut load = Curve::new(Kind::Home { pv: false }, 1);
    let end = u64::try_from(Timestamp::now().as_second()).unwrap() - 30;
    for second in (end - days * 86_400..end).step_by(EVERY_S) {
        let energy = load.energy(second);
        let tenths = |tenths: u64| Decimal::new(i64::try_from(tenths).unwrap(), 1);
        let value = |register, unit, value| RegisterValue {
            register,
            value: Value::Number(value),
            unit: Some(unit),
            status: None,
            captured_at: None,
            quirk: None,
        };
        let import = tenths(energy.import_in(360));
        let export = tenths(energy.export_in(360));
        let telegram = Telegram {
            meter: MeterId::new(SERIAL),
            values: vec![
                value(ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WattHour, import),
                value(ObisCode::ACTIVE_ENERGY_EXPORT, Unit::WattHour, export),
                value(
                    ObisCode::ACTIVE_POWER_NET,
                    Unit::Watt,
                    load.power_w(second).into(),
                ),
            ],
            check: Check::Crc,
            ..Telegram::default()
        };
        let incoming = Incoming {
            name: "electricity".to_owned(),
            serial: SERIAL.to_owned(),
            received_at: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
            port: "none".to_owned(),
            counter: None,
            telegram,
            fields: Vec::new(),
            doubts: Vec::new(),
        };
        queue.blocking_send(incoming).unwrap();
    }
    drop(queue);
    store.close();
}
