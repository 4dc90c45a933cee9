//! Meters of the American standards: from their configuration to a session.

use std::path::Path;

use anyhow::Context;
use meter_link::c12::reader::{self, MeterReader};
use meter_link::driver::FileCounters;
use meter_link::session::Session;

use crate::clock::SharedClock;
use crate::config::MeterConfig;
use crate::store::Profiles;

/// The session that reads a meter on a line again and again, and goes on behind the last row of its
/// load profile that is stored.
///
/// # Errors
/// The configuration cannot be used, or the store cannot be read.
pub fn on_line(meter: &MeterConfig, profiles: &Profiles) -> anyhow::Result<Box<dyn Session>> {
    Ok(Box::new(MeterReader::new(config(meter, profiles)?)))
}

fn config(meter: &MeterConfig, profiles: &Profiles) -> anyhow::Result<reader::Config> {
    let mut config = meter.c12_reader()?;
    if let Some(profile) = &mut config.profile {
        profile.since = profiles.last(&meter.name, profile.profile())?;
    }
    Ok(config)
}

/// The same over a network (C12.22).
///
/// # Errors
/// As [`on_line`], the key cannot be used, or the number of messages is in use elsewhere.
pub fn over_network(
    meter: &MeterConfig,
    profiles: &Profiles,
    state_dir: &Path,
    clock: SharedClock,
) -> anyhow::Result<Box<dyn Session>> {
    let network = meter.c12_network()?;
    let path = crate::dlms::counter_path(state_dir, &meter.name, "c12.22");
    let counters = FileCounters::open(path).context("the number of messages")?;
    let seconds = move || u32::try_from(clock.now().as_second()).unwrap_or_default();
    Ok(Box::new(MeterReader::over_network(
        config(meter, profiles)?,
        network,
        meter.port.to_string_lossy().starts_with("udp:"),
        Box::new(counters),
        Box::new(seconds),
    )))
}
