//! The daemon on the simulated stick of Texas Instruments, on a pty and over TCP: what it speaks is
//! found out, a plug joins, is metered and switched; the port is lost and comes back; a restart
//! carries the network on; a blank stick takes its place.

use std::time::Instant;

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, device, is, start};
use meter_link::key::hex;
use serde_json::{Value, json};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::{Serving, Znp, kinds, mesh::Mesh, serve, serve_tcp};

const PLUG: u64 = OUI | 0x01;

fn stick() -> Znp {
    let plug = kinds::plug(PLUG, 0x1A01, Curve::Constant(1230));
    Znp::new(Mesh::new(vec![plug], 800_000_000), Instant::now())
}

fn is_at(device: &Value, name: &str, wanted: impl Into<Value>) -> bool {
    device.get(name) == Some(&wanted.into())
}

fn switch(daemon: &Daemon, stick: &Serving<Znp>, on: bool) -> anyhow::Result<()> {
    device(daemon, PLUG, "it is known", |device| {
        is_at(device, "interviewed", true)
    })?;
    let asked = json!({"ieee": format!("{PLUG:016x}"), "on": on});
    let (status, answer) = daemon.post("/api/v1/zigbee/switch", &asked)?;
    ensure!(status.contains("200"), "{status} {answer}");
    device(daemon, PLUG, "it is switched", |device| {
        is_at(device, "on", on)
    })?;
    let is_on = stick
        .ncp()
        .mesh
        .device(PLUG)
        .and_then(|device| Some(device.load.as_ref()?.on));
    ensure!(is_on == Some(on), "the relay itself");
    Ok(())
}

fn join(daemon: &Daemon) -> anyhow::Result<()> {
    let (status, answer) = daemon.post("/api/v1/zigbee/join", &json!({"seconds": 120}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    let found = device(daemon, PLUG, "power and energy", |device| {
        is_at(device, "power_w", "1230") && device.get("energy_kwh").is_some()
    })?;
    ensure!(is_at(&found, "model", "WS-Plug"), "{found}");
    Ok(())
}

#[test]
fn a_plug_behind_a_znp_stick_is_metered_and_survives_losses() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let stick = serve(&link, stick())?;
    let port = link.display().to_string();
    let mut daemon = start(folder.path(), &port)?;
    let network = is(&daemon, "up")?["extended_pan"].clone();
    join(&daemon)?;
    switch(&daemon, &stick, false)?;

    let cable = stick.handle().context("it has a cable")?;
    for _ in 0..2 {
        cable.unplug()?;
        let lost = is(&daemon, "offline")?;
        ensure!(lost["reason"].is_string(), "{lost}");
        cable.plug()?;
        is(&daemon, "up")?;
    }
    daemon.kill_and_restart()?;
    ensure!(
        is(&daemon, "up")?["extended_pan"] == network,
        "the same network"
    );
    switch(&daemon, &stick, true)?;

    // It starts again by itself.
    stick.ncp().watchdog();
    is(&daemon, "offline")?;
    is(&daemon, "up")?;

    // A blank stick takes its place; the plug has noticed nothing.
    cable.unplug()?;
    is(&daemon, "offline")?;
    stick.ncp().exchange();
    cable.plug()?;
    ensure!(
        is(&daemon, "up")?["extended_pan"] == network,
        "the same network in another stick"
    );
    switch(&daemon, &stick, false)?;

    let log = daemon.log()?;
    let kept = std::fs::read_to_string(folder.path().join("state/zigbee.json"))?;
    let (_, key, _) = stick.ncp().network().context("it has one")?;
    let secret = hex(&key);
    ensure!(
        !log.contains(&secret) && !kept.contains(&secret),
        "the key is told"
    );
    Ok(())
}

#[test]
fn a_znp_radio_in_the_network_is_used_like_a_stick() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let radio = serve_tcp(([127, 0, 0, 1], 0).into(), stick())?;
    let address = radio.address().context("it listens")?;
    let daemon = start(folder.path(), &format!("tcp://{address}"))?;
    is(&daemon, "up")?;
    join(&daemon)?;
    switch(&daemon, &radio, false)?;

    // A survey tells the best channel by what the radio hears.
    radio.ncp().energy = [200; 16];
    if let Some(quiet) = radio.ncp().energy.get_mut(9) {
        *quiet = 0;
    }
    let (status, answer) = daemon.post("/api/v1/zigbee/survey", &json!({}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    let found = eventually("the survey", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        Ok(zigbee.pointer("/channels/best").cloned())
    })?;
    ensure!(found == 20, "{found}");
    Ok(())
}
