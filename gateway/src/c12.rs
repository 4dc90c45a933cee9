//! Meters of C12.22: from their configuration to a session.

use std::path::Path;

use anyhow::Context;
use meter_link::c12::reader::MeterReader;
use meter_link::driver::FileCounters;
use meter_link::session::Session;

use crate::clock::SharedClock;
use crate::config::MeterConfig;

/// The session that reads a meter of a network again and again.
///
/// # Errors
/// The configuration or the key cannot be used, or the number of messages is in use elsewhere.
pub fn over_network(
    meter: &MeterConfig,
    state_dir: &Path,
    clock: SharedClock,
) -> anyhow::Result<Box<dyn Session>> {
    let network = meter.c12_network()?;
    let path = crate::dlms::counter_path(state_dir, &meter.name, "c12.22");
    let counters = FileCounters::open(path).context("the number of messages")?;
    let seconds = move || u32::try_from(clock.now().as_second()).unwrap_or_default();
    Ok(Box::new(MeterReader::over_network(
        meter.c12_reader()?,
        network,
        Box::new(counters),
        Box::new(seconds),
    )))
}
