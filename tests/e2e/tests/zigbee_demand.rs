//! Loads that are shed, and displays that get the price: the daemon on the simulated Zigbee stick.

use anyhow::ensure;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use han::zigbee::key_establishment::Suite;
use meter_link::key::hex;
use serde_json::json;
use wattle_sim::household::{Curve as Household, Kind};
use wattle_sim::sml::{Config, SmlMeter};
use wattle_sim::zigbee::authority::{authority, random};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::kinds;

const WASHER: u64 = OUI | 0x01;
const BOILER: u64 = OUI | 0x02;
const LAMP: u64 = OUI | 0x03;
const THERMOSTAT: u64 = OUI | 0x04;
const DISPLAY: u64 = OUI | 0x05;
const HEATER: u64 = OUI | 0x06;

#[test]
fn loads_are_shed_for_the_limit_and_given_back_and_displays_get_the_price() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let devices = vec![
        plug(WASHER, 2000),
        plug(BOILER, 1500),
        plug(LAMP, 60),
        kinds::thermostat(THERMOSTAT, 0x1A04),
        kinds::display(DISPLAY, 0x1A05),
        kinds::load_control(HEATER, 0x1A06, Curve::Constant(1000)),
    ];
    let stick = stick(&link, devices)?;
    let own = stick.ncp().eui64;
    let authority = authority(Suite::One);
    let (certificate, private) = authority.issue(own, random)?;
    let file = folder.path().join("certificate.json");
    let parts = json!({
        "suite": 1,
        "certificate": hex(&certificate),
        "private_key": hex(&private),
        "authority": hex(authority.public()),
    });
    std::fs::write(&file, parts.to_string())?;
    std::fs::write(
        folder.path().join("tariff.toml"),
        "version = 1\nname = \"Flat\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
         [bands.all]\nlabel = \"All day\"\nrate = \"0.3125\"\n[[schedule]]\nband = \"all\"\n",
    )?;
    let optical = folder.path().join("optical");
    let curve = Household::new(Kind::Constant { power_w: 5000 }, 1);
    let _meter = SmlMeter::start(&optical, Config::new(curve))?;
    let load = |ieee: u64, more: &str| format!("[[zigbee.load]]\nid = \"{ieee:016x}\"\n{more}\n");
    let loads = [
        load(WASHER, "class = 1\nleast_off_s = 0"),
        load(BOILER, "class = 2\nleast_off_s = 0"),
        load(LAMP, "class = 3\nleast_off_s = 0"),
        load(
            THERMOSTAT,
            "class = 2\nleast_off_s = 0\nsetpoint = \"18.5\"",
        ),
    ]
    .concat();
    let config = |limit: &str| {
        format!(
            "[tariff]\nfile = \"tariff.toml\"\n\
             [zigbee]\nport = {link:?}\ncertificate = \"file:{}\"\nrestore_pause_s = 1\n{limit}{loads}\
             [[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {optical:?}\n",
            file.display()
        )
    };
    let daemon = Daemon::start(folder.path(), &config(""))?;
    let_in(&daemon)?;
    eventually("all are known", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let devices = zigbee["devices"].as_array().cloned().unwrap_or_default();
        let known = devices.iter().filter(|one| one["interviewed"] == true);
        Ok((known.count() == 6).then_some(()))
    })?;
    let is_on = |ieee: u64| {
        let ncp = stick.ncp();
        let load = ncp
            .mesh
            .device(ieee)
            .and_then(|device| device.load.as_ref());
        load.is_some_and(|load| load.on)
    };
    let setpoint = || {
        let ncp = stick.ncp();
        let device = ncp.mesh.device(THERMOSTAT);
        device.and_then(|one| one.value(1, 0x0201, 0x0012)).cloned()
    };
    // A display that has come to a key gets the tariff.
    eventually("the price is on the display", PATIENCE, || {
        let ncp = stick.ncp();
        let display = ncp
            .mesh
            .device(DISPLAY)
            .and_then(|one| one.energy_services.as_ref());
        let prices = display.map_or(&[][..], |display| &display.prices);
        let told = prices.iter().any(|(_, fields)| {
            (
                fields.number("price"),
                fields.number("trailing_digit"),
                fields.number("currency"),
            ) == (Some(3125), Some(4), Some(978))
        });
        Ok(told.then_some(()))
    })?;

    // 5 kW at the meter, and 4.2 kW are allowed.
    daemon.reload(&config("import_limit_kw = \"4.2\"\n"))?;
    eventually("the least important is off", PATIENCE, || {
        Ok((!is_on(WASHER)).then_some(()))
    })?;
    // The meter still says 5 kW, so that one after the other goes.
    eventually("all that may be shed is", PATIENCE, || {
        let off = !is_on(BOILER) && !is_on(LAMP);
        Ok((off && setpoint() == Some(han::Value::Signed(1850))).then_some(()))
    })?;
    let shed = eventually("the API says so", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let loads = zigbee["demand"]["loads"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let all = loads
            .iter()
            .all(|load| load["shed_since"].is_string() && load["proved"] == true);
        Ok((all && loads.len() == 4).then_some(zigbee))
    })?;
    ensure!(shed["demand"]["limit_w"] == "4200.0", "{shed}");
    ensure!(is_on(HEATER), "what is not named is never shed");

    // The limit is gone, over a new start: everything is as it was.
    daemon.reload(&config(""))?;
    eventually("all is given back", PATIENCE, || {
        let on = is_on(WASHER) && is_on(BOILER) && is_on(LAMP);
        Ok((on && setpoint() == Some(han::Value::Signed(2100))).then_some(()))
    })?;
    let log = daemon.log()?;
    ensure!(!log.contains(&hex(&private)), "the private key is told");
    Ok(())
}
