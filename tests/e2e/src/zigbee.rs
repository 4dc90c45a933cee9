//! The daemon's home of simulated Zigbee devices.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::daemon::Daemon;
use e2e::eventually;
use serde_json::json;
use wattle_sim::zigbee::device::{Curve, Device};
use wattle_sim::zigbee::{Ncp, Serving, kinds, mesh::Mesh, serve};

/// The first half of the devices' addresses.
pub(crate) const OUI: u64 = 0x0012_4B00_0000_0000;
/// 2000-01-01 UTC, in seconds since 1970.
const EPOCH: u64 = 946_684_800;
/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A plug with a constant load.
pub(crate) fn plug(ieee: u64, watts: u32) -> Device {
    let nwk = 0x1A00 | u16::try_from(ieee & 0xFF).unwrap_or(0);
    kinds::plug(ieee, nwk, Curve::Constant(watts))
}

/// A stick with these devices behind it.
pub(crate) fn stick(link: &Path, devices: Vec<Device>) -> anyhow::Result<Serving> {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let utc = u32::try_from(unix.as_secs() - EPOCH)?;
    Ok(serve(
        link,
        Ncp::new(13, Mesh::new(devices, utc), Instant::now()),
    )?)
}

/// Lets devices in, once the network is up.
pub(crate) fn let_in(daemon: &Daemon) -> anyhow::Result<()> {
    eventually("the network is up", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let is_up = zigbee.get("state").is_some_and(|state| state == "up");
        Ok(is_up.then_some(()))
    })?;
    let (status, answer) = daemon.post("/api/v1/zigbee/join", &json!({"seconds": 200}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    Ok(())
}
