//! A home that has been lived in: readings of the simulated household of `wattle-sim`, up to now,
//! in a store that a daemon then goes on with.
//!
//! The household is that of seed 1 without a photovoltaic plant, every ten seconds a reading. The
//! loads are generated: what is found in them says that finding, books and names work, not how well
//! real appliances are told apart.

use std::path::Path;

use anyhow::Context;
use gateway::bus::Bus;
use gateway::store::{Incoming, Settings, Store};
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use wattle_sim::household::{Curve, Kind};

/// As the simulated meter sends it.
const SERIAL: &str = "1WSM0012345678";
const EVERY_S: usize = 10;

/// Fills the store in `folder` with the days before now.
///
/// # Errors
/// The store cannot be opened or written.
pub fn fill(folder: &Path, days: u64) -> anyhow::Result<()> {
    let settings = Settings {
        folder: folder.into(),
        zone: TimeZone::get("Europe/Berlin")?,
        readings_days: 366,
        raw_megabytes: 0,
    };
    let store = Store::open(&settings, Bus::default())?;
    let queue = store.queue();
    let mut load = Curve::new(Kind::Home { pv: false }, 1);
    let end = u64::try_from(Timestamp::now().as_second())? - 30;
    for second in (end - days * 86_400..end).step_by(EVERY_S) {
        queue
            .blocking_send(incoming(&mut load, second)?)
            .context("the store has ended")?;
    }
    drop(queue);
    store.close();
    Ok(())
}

fn incoming(load: &mut Curve, second: u64) -> anyhow::Result<Incoming> {
    let energy = load.energy(second);
    let tenths =
        |tenths: u64| -> anyhow::Result<Decimal> { Ok(Decimal::new(i64::try_from(tenths)?, 1)) };
    let value = |register, unit, value| RegisterValue {
        register,
        value: Value::Number(value),
        unit: Some(unit),
        status: None,
        captured_at: None,
        quirk: None,
    };
    let import = tenths(energy.import_in(360))?;
    let export = tenths(energy.export_in(360))?;
    let power = load.power_w(second).into();
    let telegram = Telegram {
        meter: MeterId::new(SERIAL),
        values: vec![
            value(ObisCode::ACTIVE_ENERGY_IMPORT, Unit::WattHour, import),
            value(ObisCode::ACTIVE_ENERGY_EXPORT, Unit::WattHour, export),
            value(ObisCode::ACTIVE_POWER_NET, Unit::Watt, power),
        ],
        check: Check::Crc,
        ..Telegram::default()
    };
    Ok(Incoming {
        name: "electricity".to_owned(),
        serial: SERIAL.to_owned(),
        received_at: Timestamp::from_second(i64::try_from(second)?)?,
        port: "none".to_owned(),
        counter: None,
        telegram,
        fields: Vec::new(),
        doubts: Vec::new(),
    })
}
