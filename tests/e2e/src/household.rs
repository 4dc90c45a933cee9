//! A home that has been lived in: readings of the simulated household of `wattle-sim`, up to now,
//! in a store that a daemon then goes on with.
//!
//! The household is that of seed 1 without a photovoltaic plant, every ten seconds a reading. The
//! loads are generated: what is found in them says that finding, books and names work, not how well
//! real appliances are told apart.

use std::path::Path;

use gateway::store::{Incoming, Plan};
use jiff::Timestamp;
use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;
use wattle_sim::household::{Curve, Kind};

use crate::past::{self, incoming, value};

/// As the simulated meter sends it.
const SERIAL: &str = "1WSM0012345678";
const EVERY_S: usize = 10;

/// Fills the store in `folder` with the days before now.
///
/// # Errors
/// The store cannot be opened or written.
pub fn fill(folder: &Path, days: u64) -> anyhow::Result<()> {
    let mut load = Curve::new(Kind::Home { pv: false }, 1);
    let end = u64::try_from(Timestamp::now().as_second())? - 30;
    let told = (end - days * 86_400..end)
        .step_by(EVERY_S)
        .map(|second| reading(&mut load, second));
    past::fill(folder, Plan::default(), told)
}

fn reading(load: &mut Curve, second: u64) -> anyhow::Result<Incoming> {
    let energy = load.energy(second);
    let wh = |register, tenths: u64| -> anyhow::Result<_> {
        let amount = Decimal::new(i64::try_from(tenths)?, 1);
        Ok(value(register, Unit::WattHour, amount))
    };
    let values = vec![
        wh(ObisCode::ACTIVE_ENERGY_IMPORT, energy.import_in(360))?,
        wh(ObisCode::ACTIVE_ENERGY_EXPORT, energy.export_in(360))?,
        value(
            ObisCode::ACTIVE_POWER_NET,
            Unit::Watt,
            load.power_w(second).into(),
        ),
    ];
    let at = Timestamp::from_second(i64::try_from(second)?)?;
    Ok(incoming("electricity", SERIAL, at, values))
}
