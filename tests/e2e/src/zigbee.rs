//! The daemon and its home of simulated Zigbee devices.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use wattle_sim::zigbee::device::{Curve, Device};
use wattle_sim::zigbee::{Ncp, Serving, kinds, mesh::Mesh, serve};

use crate::daemon::Daemon;
use crate::eventually;

/// The first half of the devices' addresses.
pub const OUI: u64 = 0x0012_4B00_0000_0000;
/// 2000-01-01 UTC, in seconds since 1970.
const EPOCH: u64 = 946_684_800;
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A plug with a constant load.
#[must_use]
pub fn plug(ieee: u64, watts: u32) -> Device {
    let nwk = 0x1A00 | u16::try_from(ieee & 0xFF).unwrap_or(0);
    kinds::plug(ieee, nwk, Curve::Constant(watts))
}

/// A stick with these devices behind it.
///
/// # Errors
/// There is no pty, or the clock is wrong.
pub fn stick(link: &Path, devices: Vec<Device>) -> anyhow::Result<Serving> {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let utc = u32::try_from(unix.as_secs() - EPOCH)?;
    Ok(serve(
        link,
        Ncp::new(13, Mesh::new(devices, utc), Instant::now()),
    )?)
}

/// A daemon with its stick at this port, and nothing else.
///
/// # Errors
/// It does not start.
pub fn start(folder: &Path, port: &str) -> anyhow::Result<Daemon> {
    Daemon::start(folder, &format!("[zigbee]\nport = {port:?}\n"))
}

/// Waits until the network is in a state, and returns what the API tells of it.
///
/// # Errors
/// It does not come to it in [`PATIENCE`].
pub fn is(daemon: &Daemon, state: &str) -> anyhow::Result<Value> {
    eventually(state, PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        Ok((zigbee.get("state").is_some_and(|now| now == state)).then_some(zigbee))
    })
}

/// Waits until what the API tells of a device is as wanted, and returns it.
///
/// # Errors
/// It is not in [`PATIENCE`].
pub fn device(
    daemon: &Daemon,
    ieee: u64,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let name = format!("{ieee:016x}");
    eventually(what, PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let devices = zigbee.get("devices").and_then(Value::as_array);
        let mut devices = devices.context("there is a list")?.iter();
        let found = devices.find(|device| device.get("ieee").is_some_and(|of| *of == name));
        Ok(found.filter(|device| wanted(device)).cloned())
    })
}

/// Lets devices in, once the network is up.
///
/// # Errors
/// It does not come up, or refuses.
pub fn let_in(daemon: &Daemon) -> anyhow::Result<()> {
    is(daemon, "up")?;
    let (status, answer) = daemon.post("/api/v1/zigbee/join", &json!({"seconds": 200}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    Ok(())
}
