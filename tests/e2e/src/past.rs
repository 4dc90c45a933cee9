//! A store with a past, for a daemon that does not run yet.

use std::path::Path;

use anyhow::Context;
use gateway::bus::Bus;
use gateway::store::{Incoming, Plan, Settings, Store};
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;

/// Puts what meters have told into the store in `state`, and what the plan names into its outbox.
/// The home is in Berlin.
///
/// # Errors
/// The store cannot be written, or what was told cannot be made.
pub fn fill(
    state: &Path,
    plan: Plan,
    told: impl IntoIterator<Item = anyhow::Result<Incoming>>,
) -> anyhow::Result<()> {
    let settings = Settings {
        folder: state.to_path_buf(),
        zone: TimeZone::get("Europe/Berlin")?,
        readings_days: 366,
        raw_megabytes: 0,
    };
    let store = Store::open_relaying(&settings, plan, Bus::default())?;
    let queue = store.queue();
    for incoming in told {
        queue
            .blocking_send(incoming?)
            .context("the store has ended")?;
    }
    drop(queue);
    store.close();
    Ok(())
}

/// A telegram of a meter whose check was right.
#[must_use]
pub fn incoming(name: &str, serial: &str, at: Timestamp, values: Vec<RegisterValue>) -> Incoming {
    Incoming {
        name: name.to_owned(),
        serial: serial.to_owned(),
        received_at: at,
        port: "none".to_owned(),
        counter: None,
        telegram: Telegram {
            meter: MeterId::new(serial),
            values,
            check: Check::Crc,
            ..Telegram::default()
        },
        fields: Vec::new(),
        doubts: Vec::new(),
    }
}

/// What a register stands at.
#[must_use]
pub const fn value(register: ObisCode, unit: Unit, value: Decimal) -> RegisterValue {
    RegisterValue {
        register,
        value: Value::Number(value),
        unit: Some(unit),
        status: None,
        captured_at: None,
        quirk: None,
    }
}
