//! Two days of one meter in the store, and what the store made of them.

use std::path::Path;

use gateway::store::Plan;
use jiff::Timestamp;
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;

use crate::daemon::Daemon;
use crate::past::{fill, incoming, value};

/// The serial number of the meter.
pub const SERIAL: &str = "1WSM0000000001";

/// Two days of readings of the meter `house` every five minutes, up to a quarter-hour ago, put
/// into the store of a daemon that does not run yet.
///
/// # Errors
/// The store cannot be written.
pub fn live_through(state: &Path) -> anyhow::Result<()> {
    let end = Timestamp::now().as_second().div_euclid(900) * 900;
    let told = (0..=576_i64).map(|step| {
        let wh = |register, tenths| value(register, Unit::WattHour, Decimal::new(tenths, 1));
        let values = vec![
            wh(ObisCode::ACTIVE_ENERGY_IMPORT, 54_301_577 + step * 1_913),
            wh(ObisCode::ACTIVE_ENERGY_EXPORT, 1_000 + step * 7),
        ];
        let at = Timestamp::from_second(end - (576 - step) * 300)?;
        Ok(incoming("house", SERIAL, at, values))
    });
    fill(state, Plan::default(), told)
}

/// The quarter-hours of the store: when each ended, and both registers at its end in tenths.
///
/// # Errors
/// The database cannot be read.
pub fn quarters(daemon: &Daemon) -> anyhow::Result<Vec<[i64; 3]>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(daemon.database(), flags)?;
    let mut select = db.prepare(
        "SELECT a.start_s + 900, CAST(replace(a.closing, '.', '') AS INTEGER), CAST(replace(b.closing, '.', '') AS INTEGER)
         FROM interval AS a JOIN interval AS b USING (start_s)
         JOIN register AS ra ON ra.id = a.register_id AND ra.obis = '1-0:1.8.0*255'
         JOIN register AS rb ON rb.id = b.register_id AND rb.obis = '1-0:2.8.0*255' ORDER BY start_s",
    )?;
    let rows = select.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
