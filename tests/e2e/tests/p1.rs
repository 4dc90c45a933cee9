//! A P1 meter and the gas meter behind it, from their bytes to the store, the API and MQTT.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::{Broker, Message};
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::key::Key;
use rust_decimal::Decimal;
use wattle_api::{Freshness, Medium, Meter};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::p1::{Cipher, Config, P1Meter, Sent};

const PATIENCE: Duration = Duration::from_secs(30);
const KEY: &str = "0123456789abcdef0123456789abcdef";
const AUTH_KEY: &str = "fedcba9876543210fedcba9876543210";

fn config(link: &Path) -> String {
    format!("[[meter]]\nname = \"house\"\nprotocol = \"p1\"\nport = {link:?}\n")
}

fn register(meter: &Meter, obis: &str) -> Option<Decimal> {
    let found = meter.registers.iter().find(|one| one.obis == obis)?;
    Some(found.value)
}

/// What was sent, in the model's units: OBIS code and value.
fn truth(sent: &Sent) -> [(&'static str, Decimal); 6] {
    [
        ("1-0:1.8.1*255", sent.import_wh[0].into()),
        ("1-0:1.8.2*255", sent.import_wh[1].into()),
        ("1-0:2.8.1*255", sent.export_wh[0].into()),
        ("1-0:2.8.2*255", sent.export_wh[1].into()),
        ("1-0:1.7.0*255", sent.power_w.max(0).into()),
        ("1-0:2.7.0*255", (-sent.power_w).max(0).into()),
    ]
}

/// Waits until the API knows both meters and has heard a few telegrams.
fn both(daemon: &Daemon) -> anyhow::Result<(Meter, Meter)> {
    eventually("both meters are heard", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let named = |name: &str| meters.iter().find(|meter| meter.name == name).cloned();
        let pair = named("house").zip(named("house gas"));
        Ok(pair.filter(|(house, _)| house.telegrams >= 3))
    })
}

fn assert_true(house: &Meter, gas: &Meter, sent: &[Sent]) -> anyhow::Result<()> {
    let is_shown = |one: &&Sent| {
        truth(one)
            .iter()
            .all(|(obis, value)| register(house, obis) == Some(*value))
    };
    sent.iter()
        .find(is_shown)
        .context("what is shown was sent")?;
    assert_eq!(house.id.as_deref(), Some("WSM0012345678"));
    assert_eq!(
        (gas.id.as_deref(), gas.medium),
        (Some("WSMG00987654"), Medium::Gas)
    );
    assert_eq!(gas.freshness, Some(Freshness::Live));
    let volume = register(gas, "7-0:3.0.0*255").context("a volume")?;
    assert!(
        sent.iter()
            .any(|one| Decimal::new(one.gas_l.cast_signed(), 3) == volume)
    );
    Ok(())
}

#[test]
fn a_p1_meter_and_its_gas_meter_from_their_bytes_to_the_store() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("p1");
    let meter = P1Meter::start(&link, Config::new(Curve::new(Kind::Home { pv: true }, 5))?)?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port());
    let mut daemon = Daemon::start(folder.path(), &(mqtt + &config(&link)))?;
    let (house, gas) = both(&daemon)?;
    assert_true(&house, &gas, &meter.sent())?;
    let supply = eventually("the gas of today is shown", PATIENCE, || {
        Ok(daemon.state()?.gas)
    })?;
    let sent = meter.sent();
    let first = sent.first().context("a telegram was sent")?.gas_l;
    assert!(
        sent.iter()
            .any(|one| Decimal::new((one.gas_l - first).cast_signed(), 3) == supply.volume_m3),
        "{} is not what came since the first reading of the day",
        supply.volume_m3
    );

    // Home Assistant is told of a gas meter as a device of its own.
    let discovered = eventually("the gas meter is discovered", PATIENCE, || {
        let messages = listener.ending("/config");
        let found = messages.iter().map(Message::json).find(|message| {
            let class = message
                .as_ref()
                .ok()
                .and_then(|message| message.get("dev_cla"));
            class.is_some_and(|class| class == "gas")
        });
        found.transpose()
    })?;
    assert_eq!(
        discovered.get("unit_of_meas"),
        Some(&serde_json::json!("m³")),
        "{discovered}"
    );
    assert!(discovered.to_string().contains("House gas"), "{discovered}");

    // Power cut: what was known of the gas meter is known again before it is heard.
    meter.handle().unplug()?;
    daemon.kill_and_restart()?;
    let gas = eventually("the gas meter is recalled", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.name == "house gas"))
    })?;
    assert_eq!((gas.telegrams, gas.medium), (0, Medium::Gas));
    assert_eq!(gas.id.as_deref(), Some("WSMG00987654"));

    let database = daemon.database();
    daemon.stop()?;
    let sent = meter.sent();
    let db = rusqlite::Connection::open(&database)?;
    let mut select = db.prepare(
        "SELECT register.obis, reading.value FROM reading
         JOIN register ON register.id = register_id ORDER BY at_us, seq",
    )?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut stored = 0;
    for row in rows {
        let (obis, value) = row?;
        let value: Decimal = value.parse()?;
        let known = |one: &Sent| match obis.as_str() {
            "7-0:3.0.0*255" => Some(Decimal::new(one.gas_l.cast_signed(), 3)),
            obis => truth(one)
                .iter()
                .find(|(name, _)| *name == obis)
                .map(|(_, value)| *value),
        };
        if sent.first().is_some_and(|one| known(one).is_some()) {
            assert!(
                sent.iter().any(|one| known(one) == Some(value)),
                "{obis} {value}"
            );
            stored += 1;
        }
    }
    assert!(stored >= 3 * 6, "{stored}");
    Ok(())
}

#[test]
fn an_old_meter_whose_speed_nobody_has_said() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("p1");
    let meter = Config {
        baud: 9_600,
        ..Config::new(Curve::new(Kind::Home { pv: true }, 5))?
    };
    let meter = P1Meter::start(&link, meter)?;
    let daemon = Daemon::start(folder.path(), &config(&link))?;
    let (house, gas) = both(&daemon)?;
    assert_true(&house, &gas, &meter.sent())?;
    let tariff = house.tariff.context("the tariff indicator is told")?;
    assert_eq!(tariff.number, Some(2));
    let outage = house.outages.first().context("the log of power failures")?;
    assert_eq!(outage.seconds, 240);
    let sags = house
        .registers
        .iter()
        .find(|one| one.obis == "1-0:32.32.0*255");
    assert_eq!(sags.context("voltage sags")?.value, Decimal::from(2));
    Ok(())
}

#[test]
fn a_ciphered_p1_meter() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("p1");
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(format!("\"file:{}\"", path.display()))
    };
    let kind = Config {
        cipher: Some(Cipher {
            title: *b"WSM00001",
            key: Key::from_hex(KEY)?,
            auth_key: Key::from_hex(AUTH_KEY)?,
        }),
        ..Config::new(Curve::new(Kind::Constant { power_w: 1_420 }, 1))?
    };
    let meter = P1Meter::start(&link, kind)?;
    let more = format!(
        "{}key = {}\nauth_key = {}\n",
        config(&link),
        file("ek", KEY)?,
        file("ak", AUTH_KEY)?
    );
    let daemon = Daemon::start(folder.path(), &more)?;
    let (house, gas) = both(&daemon)?;
    assert_true(&house, &gas, &meter.sent())?;
    assert!(
        house
            .registers
            .iter()
            .all(|register| register.check == "tag")
    );
    let log = daemon.log()?;
    assert!(!log.contains(KEY) && !log.contains(AUTH_KEY));
    daemon.stop()
}

#[test]
fn a_wrong_key_gives_no_value_and_is_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("p1");
    let path = folder.path().join("ek");
    std::fs::write(&path, AUTH_KEY)?;
    let kind = Config {
        cipher: Some(Cipher {
            title: *b"WSM00001",
            key: Key::from_hex(KEY)?,
            auth_key: Key::from_hex(AUTH_KEY)?,
        }),
        ..Config::new(Curve::new(Kind::Constant { power_w: 1_420 }, 1))?
    };
    let _meter = P1Meter::start(&link, kind)?;
    let more = format!(
        "{}key = \"file:{}\"\nno_auth = true\n",
        config(&link),
        path.display()
    );
    let daemon = Daemon::start(folder.path(), &more)?;
    let house = eventually("telegrams are rejected", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.rejected >= 3))
    })?;
    assert_eq!((house.telegrams, house.registers.len()), (0, 0));
    assert!(daemon.log()?.contains("input rejected"));
    assert!(!daemon.log()?.contains(AUTH_KEY));
    daemon.stop()
}
