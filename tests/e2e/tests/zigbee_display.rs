//! The stick as a display in the network of a utility's meter: the daemon joins it, its API and a real
//! mosquitto say what the simulated meter counts, its price and its message are shown.

use anyhow::{Context, ensure};
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{PATIENCE, is, stick};
use han::zigbee::install_code::InstallCode;
use han::zigbee::key_establishment::Suite;
use meter_link::key::hex;
use serde_json::{Value, json};
use wattle_sim::zigbee::authority::{authority, random};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::utility::Utility;

const CODE: &str = "83FED3407A939723A5C639B26916D505C3B5";
const TEXT: &str = "No power on Tuesday from 9 to 10";

/// A register of the grid's meter in the state.
fn register(daemon: &Daemon, obis: &str) -> anyhow::Result<Option<f64>> {
    let state = serde_json::to_value(daemon.state()?)?;
    let registers = state.pointer("/meters/0/registers");
    let text = |one: &Value, name: &str| Some(one.get(name)?.as_str()?.to_owned());
    let found = registers
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|one| text(one, "obis").is_some_and(|code| code.starts_with(obis)));
    Ok(found.and_then(|one| text(one, "value")?.parse().ok()))
}

#[test]
fn the_utilitys_meter_is_the_homes_with_its_price_and_its_message() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("stick");
    let stick = stick(&link, Vec::new())?;
    // Nothing is drawn at first, so that what is read can be compared to the digit.
    let mut utility = Utility::new(Curve::Constant(0), 12_345_678, 4_321);
    utility.permits_joining = false;
    let eui64 = stick.ncp().eui64;
    let utc = stick.ncp().utc();
    let code = InstallCode::parse(CODE)?;
    utility.registered.insert(eui64, *code.link_key());
    utility.publish(41, "Off-peak", 10_120, 1, 0, utc);
    utility.display(7, TEXT, 0);
    stick.ncp().utility = Some(utility);

    let authority = authority(Suite::One);
    let (certificate, private) = authority.issue(eui64, random)?;
    let parts = json!({
        "suite": 1,
        "certificate": hex(&certificate),
        "private_key": hex(&private),
        "authority": hex(authority.public()),
    });
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("certificate.json"), parts.to_string())?;
    std::fs::write(at("code"), CODE)?;
    let config = format!(
        "[zigbee]\nport = {link:?}\nrole = \"display\"\ninstall_code = \"file:{}\"\n\
         certificate = \"file:{}\"\n\
         [mqtt]\nhost = \"127.0.0.1\"\nport = {}\n\
         [[meter]]\nname = \"grid\"\nprotocol = \"zigbee\"\n",
        at("code").display(),
        at("certificate.json").display(),
        broker.port(),
    );
    let mut daemon = Daemon::start(folder.path(), &config)?;

    // Nobody lets it in: that is told in words, with what the utility must know.
    eventually("what is in the way", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        let told = zigbee["utility"]["obstacle"]
            .as_str()
            .is_some_and(|words| words.contains("none lets devices in"));
        let stick = zigbee["utility"]["stick"] == format!("{eui64:016x}");
        Ok((told && stick).then_some(()))
    })?;
    eventually("the notice", PATIENCE, || {
        let notices = daemon.state()?.notices;
        let told = notices
            .iter()
            .any(|one| one.text.contains("none lets devices in"));
        Ok(told.then_some(()))
    })?;
    if let Some(utility) = stick.ncp().utility.as_mut() {
        utility.permits_joining = true;
    }
    // It looks again when it is started anew, and by itself within half a minute.
    daemon.kill_and_restart()?;
    is(&daemon, "up")?;
    let both = eventually("its registers", PATIENCE, || {
        let import = register(&daemon, "1-0:1.8.0")?;
        Ok(import.zip(register(&daemon, "1-0:2.8.0")?))
    })?;
    ensure!(both == (12_345_678.0, 4_321.0), "{both:?}");
    eventually("MQTT says the same", PATIENCE, || {
        let Some(told) = listener
            .ending("/state")
            .into_iter()
            .rev()
            .find_map(|message| {
                let told: Value = message.json().ok()?;
                told.get("energy_import_kwh").is_some().then_some(told)
            })
        else {
            return Ok(None);
        };
        let number = |key: &str| {
            let value = told.get(key)?;
            value.as_f64().or_else(|| value.as_str()?.parse().ok())
        };
        let is_same = number("energy_import_kwh") == Some(12_345.678)
            && number("energy_export_kwh") == Some(4.321);
        Ok(is_same.then_some(()))
    })?;
    let zigbee = eventually("its price", PATIENCE, || {
        let zigbee = daemon.json("/api/v1/zigbee")?;
        Ok(zigbee["utility"]["price"].is_object().then_some(zigbee))
    })?;
    let price = &zigbee["utility"]["price"];
    ensure!(
        price["per_kwh"] == "0.10120" && price["currency"] == "CAD" && price["label"] == "Off-peak",
        "{price}"
    );

    // The utility writes, somebody reads it, and the utility knows.
    let id = eventually("the message", PATIENCE, || {
        let messages = daemon.json("/api/v1/messages")?;
        let all = messages
            .as_array()
            .or_else(|| messages["messages"].as_array());
        let found = all.into_iter().flatten().find(|one| one["text"] == TEXT);
        Ok(found.and_then(|one| one["id"].as_str().map(str::to_owned)))
    })?;
    let (status, answer) = daemon.post("/api/v1/messages/confirm", &json!({ "id": id }))?;
    ensure!(status.contains("200"), "{status} {answer}");
    eventually("the confirmation", PATIENCE, || {
        let ncp = stick.ncp();
        let utility = ncp.utility.as_ref().context("it is there")?;
        Ok((utility.confirmed == [7]).then_some(()))
    })?;

    // The daemon dies and goes on without joining again, and without another key.
    daemon.kill_and_restart()?;
    if let Some(load) = stick
        .ncp()
        .utility
        .as_mut()
        .and_then(|one| one.meter.load.as_mut())
    {
        load.curve = Curve::Constant(3600);
    }
    eventually("its power", PATIENCE, || {
        Ok((register(&daemon, "1-0:16.7.0")? == Some(3600.0)).then_some(()))
    })?;
    let ncp = stick.ncp();
    let utility = ncp.utility.as_ref().context("it is there")?;
    ensure!(
        (utility.associations, utility.exchanges, utility.replays) == (1, 1, 0),
        "{} {} {}",
        utility.associations,
        utility.exchanges,
        utility.replays
    );
    drop(ncp);
    daemon.stop()
}
