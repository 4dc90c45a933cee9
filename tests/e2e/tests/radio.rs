//! Eight wireless meters through simulated sticks: from the air to the store, MQTT and the state.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::{Broker, Listener, Message};
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::mbus::{DeviceAddress, DeviceType, Identification, Manufacturer};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use wattle_api::{HeardMeter, NoticeCode};
use wattle_sim::radio::{Air, Meter, Security, Sent};
use wattle_sim::receiver::{Kind, Receiver};

const PATIENCE: Duration = Duration::from_secs(40);
const GAS_KEY: [u8; 16] = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C\x0D\x0E\x0F";
const GAS_HEX: &str = "000102030405060708090A0B0C0D0E0F";
const HEAT_KEY: [u8; 16] = [0xA5; 16];
const HEAT_HEX: &str = "A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5";
const STRANGE_KEY: [u8; 16] = [0x3C; 16];
const STRANGE_HEX: &str = "3C3C3C3C3C3C3C3C3C3C3C3C3C3C3C3C";

/// Name, number, device type, protection and the first index of each.
const METERS: [(&str, &str, u8, Security, u32); 8] = [
    ("gas", "10000001", 0x03, Security::Mode5(GAS_KEY), 4_711_000),
    ("water", "10000002", 0x07, Security::Clear, 123_528),
    ("hot-water", "10000003", 0x06, Security::Clear, 77_000),
    (
        "heating",
        "10000004",
        0x04,
        Security::Mode7(HEAT_KEY),
        9_000_000,
    ),
    (
        "boiler",
        "10000005",
        0x04,
        Security::Mode5(HEAT_KEY),
        55_000,
    ),
    ("lift", "10000006", 0x02, Security::Clear, 1_000),
    ("radiator", "10000007", 0x08, Security::Clear, 12),
    ("", "10000008", 0x16, Security::Mode7(STRANGE_KEY), 31_000),
];

/// The field of the index, and what its unit is of the meter's.
const VOLUME: (&str, i64) = ("total_m3", 1_000);
const UNITS: (&str, i64) = ("current_hca", 1);

fn air() -> anyhow::Result<Air> {
    let meter = |(_, number, device_type, security, index): &(&str, &str, u8, Security, u32)| {
        let address = DeviceAddress {
            manufacturer: Manufacturer::from_letters("SIM").context("letters")?,
            identification: Identification::from_digits(number).context("digits")?,
            version: 1,
            device_type: DeviceType(*device_type),
        };
        Ok(Meter::new(address, *security, *index))
    };
    let meters: anyhow::Result<Vec<Meter>> = METERS.iter().map(meter).collect();
    Ok(Air::start(meters?)?)
}

fn configured(folder: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    for (name, number, device_type, security, _) in METERS {
        let medium = match device_type {
            0x02 => "electricity",
            0x03 => "gas",
            0x04 | 0x08 => "heat",
            _ => "water",
        };
        if name.is_empty() {
            continue;
        }
        let role = match name {
            "hot-water" | "boiler" | "radiator" => "submeter",
            _ => "grid",
        };
        text.push_str(&format!(
            "[[meter]]\nname = {name:?}\nmedium = {medium:?}\nprotocol = \"wmbus\"\nid = {number:?}\nrole = {role:?}\n"
        ));
        let hex = match security {
            Security::Clear => continue,
            Security::Mode5(GAS_KEY) => GAS_HEX,
            _ => HEAT_HEX,
        };
        let file = folder.join(format!("{name}.key"));
        std::fs::write(&file, hex)?;
        text.push_str(&format!("key = \"file:{}\"\n", file.display()));
        if name == "gas" {
            text.push_str("calorific_value = \"11.2\"\ncorrection = \"0.95\"\n");
        }
    }
    Ok(text)
}

fn receiver(name: &str, link: &Path) -> String {
    format!("[[receiver]]\nname = {name:?}\nport = {link:?}\n")
}

fn last_state(listener: &Listener, serial: &str) -> anyhow::Result<Option<Value>> {
    let ending = format!("/meter/{serial}/state");
    let messages = listener.ending(&ending);
    messages.last().map(Message::json).transpose()
}

/// Waits until a field has a value that was sent, and gives it.
fn told(
    listener: &Listener,
    air: &Air,
    number: &str,
    serial: &str,
    (field, divisor): (&str, i64),
) -> anyhow::Result<Value> {
    eventually(&format!("{serial} is told by MQTT"), PATIENCE, || {
        let Some(state) = last_state(listener, serial)? else {
            return Ok(None);
        };
        let told: Decimal = state
            .get(field)
            .with_context(|| format!("{field} in {state}"))?
            .to_string()
            .parse()?;
        let was_sent = |sent: &Sent| {
            sent.id == number && Decimal::from(sent.index) / Decimal::from(divisor) == told
        };
        anyhow::ensure!(air.sent().iter().any(was_sent), "{state} was never sent");
        Ok(Some(state))
    })
}

/// Home Assistant is told of every field that is in a state.
fn all_is_discovered(listener: &Listener, serial: &str, state: &Value) -> anyhow::Result<()> {
    let configs = listener.ending("/config");
    for field in state.as_object().context("an object")?.keys() {
        let ending = format!("_{serial}_{field}/config");
        let known = ["ts", "at"].contains(&field.as_str())
            || configs.iter().any(|config| config.topic.ends_with(&ending));
        assert!(known, "{field} of {serial} is not discovered");
    }
    Ok(())
}

/// The API that the display reads has every field of a meter, and as its index one that was sent.
fn is_shown(
    daemon: &Daemon,
    air: &Air,
    (name, number): (&str, &str),
    (index, divisor): (&str, i64),
    told: &Value,
) -> anyhow::Result<()> {
    let names = told.as_object().context("an object")?.keys();
    let names: Vec<&String> = names
        .filter(|field| !["ts", "at"].contains(&field.as_str()))
        .collect();
    // The state follows what is stored within half a second.
    let fields = eventually(&format!("all fields of {name} are shown"), PATIENCE, || {
        let meters = daemon.state()?.meters;
        let Some(meter) = meters.into_iter().find(|meter| meter.name == name) else {
            return Ok(None);
        };
        let fields = meter.fields;
        let is_shown = |field: &&String| fields.iter().any(|shown| shown.name == **field);
        Ok(names.iter().all(is_shown).then_some(fields))
    })?;
    let shown = fields.iter().find(|field| field.name == index);
    let shown = shown.and_then(|field| field.value.as_deref());
    let shown: Decimal = shown.context("an index")?.parse()?;
    let was_sent = |sent: &Sent| {
        sent.id == number && Decimal::from(sent.index) / Decimal::from(divisor) == shown
    };
    assert!(air.sent().iter().any(was_sent), "{name}: {shown}");
    Ok(())
}

fn heard(daemon: &Daemon) -> anyhow::Result<Vec<HeardMeter>> {
    Ok(serde_json::from_value(
        daemon.json(wattle_api::HEARD_PATH)?,
    )?)
}

#[test]
fn eight_meters_through_two_sticks() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let air = air()?;
    let (near, far) = (folder.path().join("stick"), folder.path().join("cul"));
    let imst = Receiver::start(&near, Kind::Im871a, &air, -60)?;
    let cul = Receiver::start(&far, Kind::Cul, &air, -85)?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let mut config = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port());
    config.push_str(&configured(folder.path())?);
    config.push_str(&receiver("stick", &near));
    config.push_str(&receiver("cul", &far));
    let mut daemon = Daemon::start(folder.path(), &config)?;

    // Every meter by MQTT, with every field and its own time.
    let gas = told(&listener, &air, "10000001", "7SIM0110000001", VOLUME)?;
    let energy: Decimal = gas["total_energy_kwh"].to_string().parse()?;
    let volume: Decimal = gas["total_m3"].to_string().parse()?;
    assert_eq!(energy, (volume * Decimal::new(1064, 2)).round_dp(3));
    assert!(gas["at"]["volume_flow_m3h"].is_string(), "{gas}");
    let water = told(&listener, &air, "10000002", "8SIM0110000002", VOLUME)?;
    let hot_water = told(&listener, &air, "10000003", "9SIM0110000003", VOLUME)?;
    let kwh = ("total_energy_consumption_kwh", 1_000);
    let heating = told(&listener, &air, "10000004", "6SIM0110000004", kwh)?;
    assert_eq!(heating["flow_temperature_c"].to_string(), "55.0");
    let boiler = told(&listener, &air, "10000005", "6SIM0110000005", kwh)?;
    let lift = told(&listener, &air, "10000006", "1SIM0110000006", kwh)?;
    let radiator = told(&listener, &air, "10000007", "4SIM0110000007", UNITS)?;
    assert_eq!(radiator["meter_date_storage_1"], json!("2025-12-31"));
    for (name, number, serial, field, state) in [
        ("gas", "10000001", "7sim0110000001", VOLUME, &gas),
        ("water", "10000002", "8sim0110000002", VOLUME, &water),
        (
            "hot-water",
            "10000003",
            "9sim0110000003",
            VOLUME,
            &hot_water,
        ),
        ("heating", "10000004", "6sim0110000004", kwh, &heating),
        ("boiler", "10000005", "6sim0110000005", kwh, &boiler),
        ("lift", "10000006", "1sim0110000006", kwh, &lift),
        ("radiator", "10000007", "4sim0110000007", UNITS, &radiator),
    ] {
        all_is_discovered(&listener, serial, state)?;
        is_shown(&daemon, &air, (name, number), field, state)?;
    }

    // The state of the display.
    let state = eventually("gas and water of today are shown", PATIENCE, || {
        let state = daemon.state()?;
        Ok((state.gas.is_some() && state.water.is_some()).then_some(state))
    })?;
    let supply = state.gas.context("gas")?;
    assert_eq!(
        supply.energy_kwh,
        Some(supply.volume_m3 * Decimal::new(1064, 2))
    );

    // The store: exact, and how each was checked.
    let db = rusqlite::Connection::open(daemon.database())?;
    for (serial, check) in [
        ("7SIM0110000001", "known-bytes"),
        ("8SIM0110000002", "crc"),
        ("6SIM0110000004", "mac"),
    ] {
        let sql = "SELECT count(*) FROM telegram JOIN meter ON meter.id = meter_id
                   WHERE serial = ?1 AND check_kind = ?2";
        let rows: i64 = db.query_row(sql, [serial, check], |row| row.get(0))?;
        assert!(rows >= 1, "{serial} by {check}");
        let sql = "SELECT count(*) FROM telegram JOIN meter ON meter.id = meter_id
                   WHERE serial = ?1 AND check_kind <> ?2";
        let others: i64 = db.query_row(sql, [serial, check], |row| row.get(0))?;
        assert_eq!(others, 0, "{serial}");
    }
    // Two sticks, and each telegram once.
    let sent = air
        .sent()
        .iter()
        .filter(|sent| sent.id == "10000002")
        .count();
    let sql = "SELECT count(*) FROM telegram JOIN meter ON meter.id = meter_id WHERE serial = '8SIM0110000002'";
    let stored: u32 = db.query_row(sql, [], |row| row.get(0))?;
    assert!(u64::from(stored) <= sent as u64, "{stored} of {sent}");
    drop(db);

    stranger_is_taken_on(&mut daemon, &listener, &air)?;
    sticks_come_and_go(&daemon, &listener, &imst, &cul)?;
    daemon.stop()
}

fn stranger_is_taken_on(daemon: &mut Daemon, listener: &Listener, air: &Air) -> anyhow::Result<()> {
    let meters = eventually("all meters are listed", PATIENCE, || {
        let meters = heard(daemon)?;
        Ok((meters.len() == METERS.len()).then_some(meters))
    })?;
    // The nearer stick has heard each better.
    assert!(
        meters.iter().all(|meter| meter.rssi_dbm == Some(-60)),
        "{meters:?}"
    );
    let found: Vec<HeardMeter> =
        serde_json::from_value(daemon.json(&format!("{}?number=008", wattle_api::HEARD_PATH))?)?;
    let [stranger] = found.as_slice() else {
        anyhow::bail!("{found:?}");
    };
    assert_eq!(
        (stranger.status.as_str(), stranger.encrypted),
        ("no_key", true)
    );
    assert_eq!(
        (stranger.medium.as_str(), stranger.name.as_deref()),
        ("cold water", None)
    );
    eventually("the list is published", PATIENCE, || {
        let messages = listener.ending("/radio/heard");
        let listed = messages
            .iter()
            .any(|list| list.payload.contains("\"10000008\""));
        Ok(listed.then_some(()))
    })?;
    let request = |key: &str| json!({ "id": "10000008", "name": "garden", "key": key });
    let (status, refused) = daemon.post(wattle_api::ADOPT_PATH, &request(GAS_HEX))?;
    assert!(status.contains(" 422 "), "{status}: {refused}");
    assert!(!refused.to_string().contains(GAS_HEX));
    let (status, adopted) = daemon.post(wattle_api::ADOPT_PATH, &request(STRANGE_HEX))?;
    assert!(status.contains(" 200 "), "{status}: {adopted}");
    assert_eq!(adopted.get("key"), Some(&json!("right")));
    let read = adopted.get("telegrams_read").and_then(Value::as_u64);
    assert!(read >= Some(1), "{adopted}");
    let garden = told(listener, air, "10000008", "8SIM0110000008", VOLUME)?;
    all_is_discovered(listener, "8sim0110000008", &garden)?;
    is_shown(daemon, air, ("garden", "10000008"), VOLUME, &garden)?;
    let log = daemon.log()?;
    assert!(!log.contains(STRANGE_HEX) && !log.contains(GAS_HEX));
    // It is still there after a restart, and its key is nowhere in clear.
    daemon.kill_and_restart()?;
    let state = daemon.state()?;
    assert!(state.meters.iter().any(|meter| meter.name == "garden"));
    let before = listener.ending("/meter/8SIM0110000008/state").len();
    eventually("it is heard after the restart", PATIENCE, || {
        let now = listener.ending("/meter/8SIM0110000008/state").len();
        Ok((now > before + 1).then_some(()))
    })
}

/// Counts what MQTT is told of the water meter.
fn tells(listener: &Listener) -> usize {
    listener.ending("/meter/8SIM0110000002/state").len()
}

fn goes_on(what: &str, listener: &Listener) -> anyhow::Result<()> {
    let before = tells(listener);
    eventually(what, PATIENCE, || {
        Ok((tells(listener) > before + 2).then_some(()))
    })
}

fn sticks_come_and_go(
    daemon: &Daemon,
    listener: &Listener,
    imst: &Receiver,
    cul: &Receiver,
) -> anyhow::Result<()> {
    // One is pulled: the other goes on, and the household is told.
    imst.handle().unplug()?;
    let notice = eventually("the pulled stick is told", PATIENCE, || {
        let notices = daemon.state()?.notices;
        let about = |code| move |notice: &wattle_api::Notice| notice.code == code;
        Ok(notices.into_iter().find(about(NoticeCode::ReceiverSilent)))
    })?;
    assert_eq!(notice.meter.as_deref(), Some("stick"));
    goes_on("the second stick is enough", listener)?;
    eventually("the second stick is named", PATIENCE, || {
        let far = heard(daemon)?.iter().all(|meter| meter.receiver == "cul");
        Ok(far.then_some(()))
    })?;
    // It comes back, and with garbage in every third frame.
    imst.faults().garbage_every.store(3, Ordering::Relaxed);
    imst.handle().plug()?;
    cul.faults().deaf.store(true, Ordering::Relaxed);
    goes_on("a stick with garbage is read", listener)?;
    eventually("nothing is wrong any more", PATIENCE, || {
        let notices = daemon.state()?.notices;
        let silent = notices
            .iter()
            .any(|one| one.code == NoticeCode::ReceiverSilent);
        Ok((!silent).then_some(()))
    })
}

/// Runs `wattle meter …` beside the daemon in `folder`.
fn wattle(folder: &Path, arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let output = std::process::Command::new(e2e::program("wattle")?)
        .arg("meter")
        .args(arguments)
        .arg("--config")
        .arg(folder.join("wattle.toml"))
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(text)?))
}

#[test]
fn keys_are_imported_from_a_list() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let air = air()?;
    let link = folder.path().join("stick");
    let _stick = Receiver::start(&link, Kind::Im871a, &air, -60)?;
    let meter =
        "[[meter]]\nname = \"gas\"\nmedium = \"gas\"\nprotocol = \"wmbus\"\nid = \"10000001\"\n";
    let config = receiver("stick", &link) + "kind = \"im871a\"\n" + meter;
    let daemon = Daemon::start(folder.path(), &config)?;
    eventually("all meters are listed", PATIENCE, || {
        Ok((heard(&daemon)?.len() == METERS.len()).then_some(()))
    })?;
    let (right, table) = wattle(folder.path(), &["heard", "10000001"])?;
    assert!(
        right && table.contains("no_key") && table.contains("SIM"),
        "{table}"
    );
    let list = folder.path().join("keys.csv");
    let text = format!("number;key\n10000001;{GAS_HEX}\n10000008;{GAS_HEX}\n99999999;{GAS_HEX}\n");
    std::fs::write(&list, text)?;
    let list = list.to_str().context("a path")?;
    let (right, said) = wattle(folder.path(), &["import-keys", list])?;
    // The second key is another meter's.
    assert!(!right, "{said}");
    assert!(said.contains("10000001: the key is right"), "{said}");
    assert!(said.contains("10000008: the key does not open"), "{said}");
    assert!(said.contains("99999999: the key is kept"), "{said}");
    assert!(!said.contains(GAS_HEX));
    let gas = eventually("the gas meter is read", PATIENCE, || {
        Ok(daemon
            .state()?
            .meters
            .into_iter()
            .find(|meter| meter.telegrams > 0))
    })?;
    assert_eq!(gas.name, "gas");
    let (right, said) = wattle(folder.path(), &["adopt", "10000002", "tap"])?;
    assert!(right && said.contains("it needs no key"), "{said}");
    daemon.stop()
}

#[test]
fn a_stick_that_falls_silent_is_reset_and_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let air = air()?;
    let link = folder.path().join("amber");
    let amber = Receiver::start(&link, Kind::Amb8465, &air, -50)?;
    amber.faults().mute.store(true, Ordering::Relaxed);
    let config = receiver("amber", &link) + "kind = \"amb8465\"\n";
    let daemon = Daemon::start(folder.path(), &config)?;
    // It answers nothing: that is told, with what to look at.
    let notice = eventually("the mute stick is told", PATIENCE, || {
        let notices = daemon.state()?.notices;
        Ok(notices
            .into_iter()
            .find(|one| one.code == NoticeCode::ReceiverSilent))
    })?;
    assert!(notice.text.contains("amber"), "{}", notice.text);
    assert!(heard(&daemon)?.is_empty());
    Ok(())
}
