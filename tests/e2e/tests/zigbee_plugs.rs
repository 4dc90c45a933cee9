//! Plugs as meters of the home, and loads that are shed: the daemon on the simulated Zigbee stick,
//! its API and a real mosquitto say the same, and what the simulator knows.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::broker::{Broker, Listener};
use e2e::daemon::Daemon;
use e2e::eventually;
use han::zigbee::key_establishment::Suite;
use serde_json::{Value, json};
use wattle_sim::household::{Curve as Household, Kind};
use wattle_sim::sml::{Config, SmlMeter};
use wattle_sim::zigbee::authority::{authority, random};
use wattle_sim::zigbee::device::{Curve, Device};
use wattle_sim::zigbee::{Ncp, Serving, kinds, mesh::Mesh, serve};

const OUI: u64 = 0x0012_4B00_0000_0000;
const WASHER: u64 = OUI | 0x01;
const BOILER: u64 = OUI | 0x02;
const LAMP: u64 = OUI | 0x03;
const THERMOSTAT: u64 = OUI | 0x04;
const DISPLAY: u64 = OUI | 0x05;
const HEATER: u64 = OUI | 0x06;
/// 2000-01-01 UTC, in seconds since 1970.
const EPOCH: u64 = 946_684_800;
const PATIENCE: Duration = Duration::from_secs(60);

fn plug(ieee: u64, watts: u32) -> Device {
    let nwk = 0x1A00 | u16::try_from(ieee & 0xFF).unwrap_or(0);
    kinds::plug(ieee, nwk, Curve::Constant(watts))
}

fn stick(link: &Path, devices: Vec<Device>) -> anyhow::Result<Serving> {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let utc = u32::try_from(unix.as_secs() - EPOCH)?;
    Ok(serve(
        link,
        Ncp::new(13, Mesh::new(devices, utc), Instant::now()),
    )?)
}

fn let_in(daemon: &Daemon) -> anyhow::Result<()> {
    eventually("the network is up", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let is_up = zigbee.get("state").is_some_and(|state| state == "up");
        Ok(is_up.then_some(()))
    })?;
    let (status, answer) = daemon.post("/api/v1/zigbee/join", &json!({"seconds": 200}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    Ok(())
}

/// A register of a meter in the state, by the meter's name.
fn register(daemon: &Daemon, name: &str, obis: &str) -> anyhow::Result<Option<f64>> {
    let state = serde_json::to_value(daemon.state()?)?;
    let meters = state.get("meters").and_then(Value::as_array);
    let meters = meters.context("there is a list")?;
    let registers = meters
        .iter()
        .find(|meter| meter["name"] == name)
        .and_then(|meter| meter["registers"].as_array());
    let found = registers.into_iter().flatten().find(|one| {
        one["obis"]
            .as_str()
            .is_some_and(|code| code.starts_with(obis))
    });
    Ok(found.and_then(|one| one["value"].as_str()?.parse().ok()))
}

fn state_of(listener: &Listener, ieee: u64) -> Option<Value> {
    let ending = format!("/meter/{ieee:016x}/state");
    listener.ending(&ending).pop()?.json().ok()
}

fn truth_wh(stick: &Serving, ieee: u64) -> anyhow::Result<f64> {
    let ncp = stick.ncp();
    let device = ncp.mesh.device(ieee).context("it is there")?;
    Ok(device.load.as_ref().context("it has one")?.energy_wh())
}

#[test]
fn a_plug_is_a_meter_in_the_store_over_mqtt_and_for_the_display() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("stick");
    let stick = stick(&link, vec![plug(WASHER, 2100), plug(LAMP, 40)])?;
    if let Some(load) = stick
        .ncp()
        .mesh
        .device_mut(WASHER)
        .and_then(|one| one.load.as_mut())
    {
        // It has counted 12.5 kWh before.
        load.energy_uws = 12_500 * 3_600_000_000;
    }
    let config = format!(
        "[zigbee]\nport = {link:?}\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n\
         [[meter]]\nname = \"washer\"\nprotocol = \"zigbee\"\nid = \"{WASHER:016x}\"\n\
         role = \"submeter\"\nappliance = \"washing_machine\"\n",
        broker.port()
    );
    let mut daemon = Daemon::start(folder.path(), &config)?;
    let_in(&daemon)?;
    let counted = eventually("its register and its power", PATIENCE, || {
        let energy = register(&daemon, "washer", "1-0:1.8.0")?;
        let power = register(&daemon, "washer", "1-0:16.7.0")?;
        Ok(energy.filter(|_| power == Some(2100.0)))
    })?;
    let truth = truth_wh(&stick, WASHER)?;
    // A report is a minute old at most: 35 Wh.
    ensure!(
        counted <= truth && truth - counted < 36.0,
        "{counted} {truth}"
    );
    eventually("the plug that nobody has named", PATIENCE, || {
        register(
            &daemon,
            &format!("plug {:06x}", LAMP & 0x00FF_FFFF),
            "1-0:1.8.0",
        )
    })?;

    // Home automations and the display read the same.
    eventually("API and MQTT agree", PATIENCE, || {
        let Some(told) = state_of(&listener, WASHER) else {
            return Ok(None);
        };
        let energy = register(&daemon, "washer", "1-0:1.8.0")?.context("it has one")?;
        let number = |key: &str| {
            let value = told.get(key)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        };
        let energies = number("energy_import_kwh").map(|kwh| (kwh * 1000.0 - energy).abs());
        let agree = energies.is_some_and(|off| off < 0.01) && number("power_w") == Some(2100.0);
        Ok(agree.then_some(()))
    })?;
    for ieee in [WASHER, LAMP] {
        let ident = format!("{ieee:016x}");
        eventually("it is discovered", PATIENCE, || {
            let found = listener
                .beginning("homeassistant/")
                .into_iter()
                .any(|message| {
                    message.topic.contains("/config") && message.payload.contains(&ident)
                });
            Ok(found.then_some(()))
        })?;
    }

    // The port is lost: the household is told in words; it comes back by itself.
    let cable = stick.handle().context("it has a cable")?;
    cable.unplug()?;
    let unplugged = Instant::now();
    let is_told = |wanted: bool| {
        eventually("the notice", PATIENCE, || {
            let notices = daemon.state()?.notices;
            let told = notices.iter().any(|one| one.text.contains("Zigbee stick"));
            Ok((told == wanted).then_some(()))
        })
    };
    is_told(true)?;
    println!("told {:?} after the port was lost", unplugged.elapsed());
    cable.plug()?;
    is_told(false)?;

    // The plug has lost its count in a power cut, and the daemon is killed: the total goes on.
    if let Some(load) = stick
        .ncp()
        .mesh
        .device_mut(WASHER)
        .and_then(|one| one.load.as_mut())
    {
        load.offset = -i128::from(load.register());
    }
    // It is read when the daemon is back, and then reports once a minute: so that the first of
    // these shows it, it has counted a few Wh anew by then.
    eventually("it counts from nothing", PATIENCE, || {
        let ncp = stick.ncp();
        let load = ncp
            .mesh
            .device(WASHER)
            .and_then(|device| device.load.as_ref());
        Ok(load
            .is_some_and(|load| (3..12_000).contains(&load.register()))
            .then_some(()))
    })?;
    let before = register(&daemon, "washer", "1-0:1.8.0")?.context("it has one")?;
    daemon.kill_and_restart()?;
    let after = eventually("it counts on", PATIENCE, || {
        let now = register(&daemon, "washer", "1-0:1.8.0")?;
        Ok(now.filter(|now| *now > before))
    })?;
    let truth = truth_wh(&stick, WASHER)?;
    ensure!(
        after <= truth + 1.0 && truth - after < 100.0,
        "{after} {truth}"
    );
    Ok(())
}

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
    let hex = |octets: &[u8]| {
        octets
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
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
