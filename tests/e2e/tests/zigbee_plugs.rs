//! Plugs as meters of the home: the daemon on the simulated Zigbee stick, its API and a real
//! mosquitto say the same, and what the simulator knows.

use std::time::Instant;

use anyhow::{Context, ensure};
use e2e::broker::{Broker, Listener};
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use serde_json::Value;
use wattle_sim::zigbee::Serving;
use wattle_sim::zigbee::device::{Curve, Load};

const WASHER: u64 = OUI | 0x01;
const BOILER: u64 = OUI | 0x02;
const LAMP: u64 = OUI | 0x03;

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
    let status = |wanted: &str| {
        eventually("whether the plug can be reached", PATIENCE, || {
            let ending = format!("/meter/{WASHER:016x}/status");
            let told = listener.ending(&ending).pop();
            Ok(told.filter(|told| told.payload == wanted))
        })
    };
    status("offline")?;
    println!("offline over MQTT {:?} after it", unplugged.elapsed());
    let stale = daemon.state()?;
    let washer = stale.meters.iter().find(|meter| meter.name == "washer");
    ensure!(
        washer.and_then(|meter| meter.freshness) == Some(wattle_api::Freshness::Stale),
        "{washer:?}"
    );
    cable.plug()?;
    is_told(false)?;
    status("online")?;

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

/// What MQTT said last of a meter's register, kWh.
fn told_kwh(listener: &Listener, ieee: u64) -> Option<f64> {
    let told = state_of(listener, ieee)?;
    let value = told.get("energy_import_kwh")?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A day of which an hour lasts a second, from `from_s` on; W by the hour.
fn day(from_s: u32, hours: &[u32]) -> Curve {
    let steps = (from_s..).zip(hours.iter().copied());
    let over = from_s + u32::try_from(hours.len()).unwrap_or_default();
    Curve::Day(steps.chain([(over, 0)]).collect())
}

#[test]
fn a_days_energies_are_the_same_in_truth_on_the_display_and_over_mqtt() -> anyhow::Result<()> {
    const FROM_S: u32 = 12;
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("stick");
    let washing: Vec<u32> = (0..24)
        .map(|hour| if hour == 9 { 2300 } else { 4 })
        .collect();
    let hot_water: Vec<u32> = (0..24)
        .map(|hour| if hour < 5 { 3000 } else { 900 })
        .collect();
    let light: Vec<u32> = (0..24).map(|hour| 40 + 97 * (hour % 7)).collect();
    // Each counts in units of its own: tenths of a milliwatt-hour, watt-seconds, three sixteenths of a milliwatt-hour.
    let days = [
        (WASHER, washing, (1, 10_000_000)),
        (BOILER, hot_water, (1, 3_600_000)),
        (LAMP, light, (3, 16_000_000)),
    ];
    let devices = days.iter().map(|(ieee, hours, (multiplier, divisor))| {
        let mut device = plug(*ieee, 0);
        device.set(
            1,
            0x0702,
            0x0301,
            han::Value::Unsigned((*multiplier).into()),
        );
        device.set(1, 0x0702, 0x0302, han::Value::Unsigned((*divisor).into()));
        let mut load = Load::new(day(FROM_S, hours));
        (load.multiplier, load.divisor) = (*multiplier, *divisor);
        device.load = Some(load);
        device
    });
    let stick = stick(&link, devices.collect())?;
    let config = format!(
        "[zigbee]\nport = {link:?}\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n\
         commands = [\"switch\", \"permit-join\"]\n",
        broker.port()
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    // Devices are let in by a home automation, for half a minute.
    let joining = |wanted: &str| {
        eventually("the switch that lets devices in", PATIENCE, || {
            let told = listener.ending("/zigbee/network/state").pop();
            let told = told.map(|told| anyhow::Ok((told.json()?, told.topic)));
            let Some((state, topic)) = told.transpose()? else {
                return Ok(None);
            };
            let is_so = state["joining"] == wanted && state["network"] == "up";
            Ok(is_so.then(|| topic.replace("/state", "/set")))
        })
    };
    let network = joining("off")?;
    broker.publish(&network, r#"{"command":"permit-join","seconds":30}"#)?;
    joining("on")?;
    // The network's key is exchanged meanwhile.
    let (status, answer) = daemon.post("/api/v1/zigbee/rotate-key", &serde_json::json!({}))?;
    ensure!(status.contains("200"), "{status} {answer}");
    let over_ms = u64::from(FROM_S + 24) * 1000;
    eventually("the day is over", PATIENCE, || {
        Ok((stick.ncp().now_ms() > over_ms).then_some(()))
    })?;
    eventually("the next key", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        Ok((zigbee["key_sequence"] == 1).then_some(()))
    })?;
    // It is off by itself. The household goes to bed.
    joining("off")?;
    for (ieee, ..) in &days {
        let topic = eventually("it is known", PATIENCE, || {
            let ending = format!("/meter/{ieee:016x}/state");
            let told = listener.ending(&ending).pop();
            Ok(told.map(|told| told.topic.replace("/state", "/set")))
        })?;
        broker.publish(&topic, r#"{"command":"switch-off"}"#)?;
    }
    for (ieee, hours, _) in &days {
        let truth = truth_wh(&stick, *ieee)?;
        let meant = f64::from(hours.iter().sum::<u32>()) / 3600.0;
        ensure!(
            (truth - meant).abs() < 1e-3 * meant,
            "the simulator counts {truth} Wh of {meant}"
        );
        let name = format!("plug {:06x}", ieee & 0x00FF_FFFF);
        let is_true = |wh: f64| (wh - truth).abs() <= truth / 1000.0;
        let (shown, told, network) = eventually("all say the same", PATIENCE, || {
            let shown = register(&daemon, &name, "1-0:1.8.0")?;
            let told = told_kwh(&listener, *ieee).map(|kwh| kwh * 1000.0);
            let zigbee = daemon.json("/api/v1/zigbee")?;
            let devices = zigbee["devices"].as_array().into_iter().flatten();
            let found = devices
                .filter(|one| one["ieee"] == format!("{ieee:016x}"))
                .find_map(|one| one["energy_kwh"].as_str()?.parse::<f64>().ok());
            let all = (shown, told, found.map(|kwh| kwh * 1000.0));
            let (Some(shown), Some(told), Some(network)) = all else {
                return Ok(None);
            };
            let agree = [shown, told, network].into_iter().all(is_true);
            Ok(agree.then_some((shown, told, network)))
        })?;
        println!(
            "{name}: truth {truth:.3} Wh, display {shown:.3}, MQTT {told:.3}, network {network:.3}"
        );
    }
    Ok(())
}
