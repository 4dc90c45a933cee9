//! A thermostat that follows the price of the daemon's tariff, and what the network says of itself:
//! the daemon on the simulated Zigbee stick.

use std::path::Path;

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use han::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use wattle_sim::zigbee::kinds;

const THERMOSTAT: u64 = OUI | 0x01;
const LAMP: u64 = OUI | 0x02;

/// A tariff with two prices: this one for twelve hours around now, the other one for the rest.
fn tariff(folder: &Path, now: &str, rest: &str) -> anyhow::Result<()> {
    let hour = Timestamp::now().to_zoned(TimeZone::UTC).hour();
    let (from, to) = ((hour + 18) % 24, (hour + 6) % 24);
    let (inner, outer, from, to) = if from < to {
        ("now", "rest", from, to)
    } else {
        ("rest", "now", to, from)
    };
    let text = format!(
        "version = 1\nname = \"Two prices\"\ncurrency = \"EUR\"\nzone = \"UTC\"\n\
         [bands.now]\nlabel = \"Now\"\nrate = \"{now}\"\n\
         [bands.rest]\nlabel = \"Rest\"\nrate = \"{rest}\"\n\
         [[schedule]]\nband = \"{inner}\"\nfrom = \"{from:02}:00\"\nto = \"{to:02}:00\"\n\
         [[schedule]]\nband = \"{outer}\"\n"
    );
    Ok(std::fs::write(folder.join("tariff.toml"), text)?)
}

#[test]
fn r13_a_thermostat_follows_the_price_and_comes_back_and_r20_the_network_is_surveyed()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let devices = vec![kinds::thermostat(THERMOSTAT, 0x1A01), plug(LAMP, 60)];
    let stick = stick(&link, devices)?;
    let config = |comfort: &str| {
        format!("[tariff]\nfile = \"tariff.toml\"\n[zigbee]\nport = {link:?}\n{comfort}")
    };
    let comfort = format!(
        "[[zigbee.comfort]]\nid = \"{THERMOSTAT:016x}\"\n\
         lowest = \"19.5\"\nhighest = \"22.5\"\nshift = \"2\"\n"
    );
    tariff(folder.path(), "0.20", "0.40")?;
    let mut daemon = Daemon::start(folder.path(), &config(&comfort))?;
    let_in(&daemon)?;
    let heats_to = |wanted: i64| {
        eventually("its setpoint", PATIENCE, || {
            let ncp = stick.ncp();
            let device = ncp.mesh.device(THERMOSTAT);
            let setpoint = device.and_then(|one| one.value(1, 0x0201, 0x0012)).cloned();
            Ok((setpoint == Some(Value::Signed(wanted))).then_some(()))
        })
    };
    // 21 °C and two degrees more are more than the household allows.
    heats_to(2250)?;
    let told = daemon.json("/api/v1/zigbee")?["comfort"].clone();
    let wanted = json!([{"ieee": format!("{THERMOSTAT:016x}"), "set_c": "21", "told_c": "22.5"}]);
    ensure!(told == wanted, "{told}");

    tariff(folder.path(), "0.40", "0.20")?;
    daemon.reload(&config(&comfort))?;
    heats_to(1950)?;
    daemon.kill_and_restart()?;
    eventually("it is known again", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let devices = zigbee["devices"].as_array().cloned().unwrap_or_default();
        Ok(devices
            .iter()
            .any(|one| one["heating_setpoint_c"] == "19.5")
            .then_some(()))
    })?;
    heats_to(1950)?;

    let (status, answer) = daemon.post("/api/v1/zigbee/survey", &json!({}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    let zigbee = eventually("the survey", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let links = zigbee["map"]["links"].as_array().map_or(0, Vec::len);
        Ok((zigbee["channels"].is_object() && links >= 2).then_some(zigbee))
    })?;
    let energy = zigbee["channels"]["energy"].as_array().context("a list")?;
    ensure!(
        energy.len() == 16 && zigbee["channels"]["best"].is_u64(),
        "{zigbee}"
    );
    let devices = zigbee["devices"].as_array().context("a list")?;
    ensure!(devices.iter().all(|one| one["missed"] == false), "{zigbee}");

    // The household wants it no more: it is as it was.
    daemon.reload(&config(""))?;
    heats_to(2100)?;
    eventually("nothing is kept", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        Ok(zigbee["comfort"].is_null().then_some(()))
    })?;
    Ok(())
}
