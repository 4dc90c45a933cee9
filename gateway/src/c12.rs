//! Meters of the American standards: from their configuration to a session.

use std::path::Path;

use anyhow::Context;
use meter_link::c12::reader::{self, MeterReader};
use meter_link::driver::FileCounters;
use meter_link::session::Session;

use crate::clock::SharedClock;
use crate::config::{MeterConfig, Protocol};
use crate::store::Profiles;

/// The session that reads a meter again and again, and goes on behind the last row of its load profile
/// that is stored.
///
/// # Errors
/// The configuration cannot be used, the store cannot be read, or as [`reader()`].
pub fn session(
    meter: &MeterConfig,
    profiles: &Profiles,
    state_dir: &Path,
    clock: SharedClock,
) -> anyhow::Result<Box<dyn Session>> {
    let mut config = meter.c12_reader()?;
    if let Some(profile) = &mut config.profile {
        profile.since = profiles.last(&meter.name, profile.profile())?;
    }
    Ok(Box::new(reader(meter, config, state_dir, clock)?))
}

/// Reads a meter in this way: on a line, or over a network (C12.22).
///
/// # Errors
/// The network's settings or its key cannot be used, or the number of messages is in use elsewhere.
pub fn reader(
    meter: &MeterConfig,
    config: reader::Config,
    state_dir: &Path,
    clock: SharedClock,
) -> anyhow::Result<MeterReader> {
    if meter.protocol != Protocol::C12_22 {
        return Ok(MeterReader::new(config));
    }
    let network = meter.c12_network()?;
    let path = crate::dlms::counter_path(state_dir, &meter.name, "c12.22");
    let counters = FileCounters::open(path).context("the number of messages")?;
    let seconds = move || u32::try_from(clock.now().as_second()).unwrap_or_default();
    Ok(MeterReader::over_network(
        config,
        network,
        meter.port.to_string_lossy().starts_with("udp:"),
        Box::new(counters),
        Box::new(seconds),
    ))
}
