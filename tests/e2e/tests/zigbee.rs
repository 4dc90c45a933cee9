//! The daemon on the simulated Zigbee stick: a plug joins, is metered and switched; the port is
//! lost and comes back; a restart carries the network on; a foreign network is left alone.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use e2e::zigbee::{OUI, device, is, start};
use meter_link::key::hex;
use serde_json::json;
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::{Ncp, Serving, kinds, mesh::Mesh, serve};

const PLUG: u64 = OUI | 0x01;
const NAME: &str = "00124b0000000001";

fn stick(link: &Path, version: u8) -> anyhow::Result<Serving> {
    let plug = kinds::plug(PLUG, 0x1A01, Curve::Constant(1230));
    let ncp = Ncp::new(version, Mesh::new(vec![plug], 800_000_000), Instant::now());
    Ok(serve(link, ncp)?)
}

#[test]
fn a_plug_joins_is_metered_and_switched_and_survives_losses() -> anyhow::Result<()> {
    for version in [13, 14] {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("stick");
        let port = link.display().to_string();
        let stick = stick(&link, version)?;
        let mut daemon = start(folder.path(), &port)?;
        let network = is(&daemon, "up")?["extended_pan"].clone();

        let (status, _) = daemon.post("/api/v1/zigbee/join", &json!({"seconds": 120}))?;
        ensure!(status.contains("200"), "{status}");
        let found = device(&daemon, PLUG, "its power", |device| {
            device["power_w"] == "1230" && device["interviewed"] == true
        })?;
        ensure!(found["model"] == "WS-Plug", "{found}");
        device(&daemon, PLUG, "its energy", |device| {
            device["energy_kwh"].is_string()
        })?;

        let off = json!({"ieee": NAME, "on": false});
        let (status, _) = daemon.post("/api/v1/zigbee/switch", &off)?;
        ensure!(status.contains("200"), "{status}");
        device(&daemon, PLUG, "it is off", |device| {
            device["on"] == false && device["power_w"] == "0"
        })?;
        let is_on = stick
            .ncp()
            .mesh
            .device(PLUG)
            .and_then(|device| Some(device.load.as_ref()?.on));
        ensure!(is_on == Some(false), "the relay itself");

        let cable = stick.handle().context("it has a cable")?;
        for _ in 0..3 {
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
        device(&daemon, PLUG, "it is known again", |device| {
            device["interviewed"] == true
        })?;

        let log = daemon.log()?;
        let kept = std::fs::read_to_string(folder.path().join("state/zigbee.json"))?;
        let secret = stick
            .ncp()
            .network()
            .map(|network| hex(&network.key()))
            .context("it has one")?;
        ensure!(
            !log.contains(&secret) && !kept.contains(&secret),
            "the key is told"
        );
    }
    Ok(())
}

#[test]
fn a_foreign_network_is_left_alone_until_it_is_given_up_by_name() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let port = link.display().to_string();
    let stick = stick(&link, 13)?;
    let first = start(folder.path(), &port)?;
    let network = is(&first, "up")?["extended_pan"].clone();
    first.stop()?;

    let other = tempfile::tempdir()?;
    let daemon = start(other.path(), &port)?;
    let foreign = is(&daemon, "foreign")?;
    ensure!(foreign["extended_pan"] == network, "{foreign}");
    let join = daemon.post("/api/v1/zigbee/join", &json!({"seconds": 60}))?;
    ensure!(join.0.contains("409"), "{join:?}");
    let wrong = json!({"extended_pan": "0000000000000000"});
    let (status, _) = daemon.post("/api/v1/zigbee/replace", &wrong)?;
    ensure!(
        status.contains("409") && stick.ncp().network().is_some(),
        "{status}"
    );
    let (status, _) = daemon.post("/api/v1/zigbee/replace", &json!({"extended_pan": network}))?;
    ensure!(status.contains("200"), "{status}");
    ensure!(
        is(&daemon, "up")?["extended_pan"] != network,
        "a network of its own"
    );
    let code = json!({"seconds": 60, "ieee": NAME, "install_code": "83FED3407A939723A5C639B26916D505C3B6"});
    let (status, answer) = daemon.post("/api/v1/zigbee/join", &code)?;
    ensure!(
        status.contains("422") && answer.to_string().contains("a digit is wrong"),
        "{answer}"
    );
    Ok(())
}
