//! A meter that pushes DLMS messages, from its bytes to the store and the API.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::key::Key;
use rust_decimal::Decimal;
use wattle_api::Meter;
use wattle_sim::actor::Pace;
use wattle_sim::dlms_push::{Carrier, Cipher, Config, DlmsMeter, Sent};
use wattle_sim::household::{Curve, Kind};

const PATIENCE: Duration = Duration::from_secs(30);
const KEY: &str = "0123456789abcdef0123456789abcdef";
const AUTH_KEY: &str = "fedcba9876543210fedcba9876543210";

fn config(link: &Path) -> String {
    format!("[[meter]]\nname = \"house\"\nprotocol = \"dlms-push\"\nport = {link:?}\n")
}

fn meter(carrier: Carrier, cipher: Option<Cipher>) -> Config {
    Config {
        interval: Duration::from_secs(1),
        pace: Pace::AtOnce,
        carrier,
        cipher,
        ..Config::new(Curve::new(Kind::Home { pv: true }, 3))
    }
}

fn cipher(security_control: u8) -> anyhow::Result<Option<Cipher>> {
    Ok(Some(Cipher {
        title: *b"WSM00001",
        security_control,
        key: Key::from_hex(KEY)?,
        auth_key: Key::from_hex(AUTH_KEY)?,
    }))
}

fn key_file(folder: &Path, name: &str, text: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(format!("\"file:{}\"", path.display()))
}

/// What is shown was sent, value by value.
fn assert_true(house: &Meter, sent: &[Sent], check: &str) -> anyhow::Result<()> {
    let register = |obis: &str| {
        let found = house.registers.iter().find(|one| one.obis == obis);
        found.map(|one| one.value)
    };
    let is_shown = |one: &&Sent| {
        [
            ("1-0:1.7.0*255", Decimal::from(one.power_w.max(0))),
            ("1-0:2.7.0*255", Decimal::from((-one.power_w).max(0))),
            ("1-0:32.7.0*255", Decimal::new(one.volts_d.into(), 1)),
            ("1-0:1.8.0*255", Decimal::from(one.import_wh)),
            ("1-0:2.8.0*255", Decimal::from(one.export_wh)),
        ]
        .iter()
        .all(|(obis, value)| register(obis) == Some(*value))
    };
    sent.iter()
        .find(is_shown)
        .with_context(|| format!("what is shown was sent: {:?}", house.registers))?;
    assert_eq!(house.id.as_deref(), Some("1WSM0012345678"));
    assert!(house.registers.iter().all(|one| one.check == check));
    Ok(())
}

fn heard(daemon: &Daemon) -> anyhow::Result<Meter> {
    eventually("messages are heard", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.telegrams >= 3))
    })
}

#[test]
fn pushed_in_every_way() -> anyhow::Result<()> {
    for (carrier, check) in [
        (Carrier::Hdlc, "crc"),
        (Carrier::HdlcSegments(60), "crc"),
        (Carrier::HdlcBlocks(70), "crc"),
        (Carrier::Mbus, "checksum"),
    ] {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("dlms");
        let meter = DlmsMeter::start(&link, meter(carrier, None))?;
        let daemon = Daemon::start(folder.path(), &config(&link))?;
        let house = heard(&daemon)?;
        assert_true(&house, &meter.sent(), check)?;
        daemon.stop()?;
    }
    Ok(())
}

#[test]
fn ciphered_and_authenticated() -> anyhow::Result<()> {
    for carrier in [Carrier::HdlcBlocks(120), Carrier::Mbus] {
        let folder = tempfile::tempdir()?;
        let link = folder.path().join("dlms");
        let meter = DlmsMeter::start(&link, meter(carrier, cipher(0x30)?))?;
        let more = format!(
            "{}key = {}\nauth_key = {}\n",
            config(&link),
            key_file(folder.path(), "ek", KEY)?,
            key_file(folder.path(), "ak", AUTH_KEY)?
        );
        let daemon = Daemon::start(folder.path(), &more)?;
        let house = heard(&daemon)?;
        assert_true(&house, &meter.sent(), "tag")?;
        let log = daemon.log()?;
        assert!(!log.contains(KEY) && !log.contains(AUTH_KEY));
        daemon.stop()?;
    }
    Ok(())
}

#[test]
fn without_a_tag_only_when_that_was_chosen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("dlms");
    let meter = DlmsMeter::start(&link, meter(Carrier::Hdlc, cipher(0x20)?))?;
    let key = key_file(folder.path(), "ek", KEY)?;
    let chosen = format!("{}key = {key}\nno_auth = true\n", config(&link));
    let daemon = Daemon::start(folder.path(), &chosen)?;
    let house = heard(&daemon)?;
    // No register says that a tag was right.
    assert_true(&house, &meter.sent(), "crc")?;
    daemon.stop()?;
    let auth_key = key_file(folder.path(), "ak", AUTH_KEY)?;
    let not_chosen = format!("{}key = {key}\nauth_key = {auth_key}\n", config(&link));
    refused(folder.path(), &not_chosen, "not authenticated")
}

#[test]
fn a_wrong_tag_is_refused_and_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("dlms");
    let _meter = DlmsMeter::start(&link, meter(Carrier::Mbus, cipher(0x30)?))?;
    let key = key_file(folder.path(), "ek", KEY)?;
    let wrong = format!("{}key = {key}\nauth_key = {key}\n", config(&link));
    refused(folder.path(), &wrong, "tag does not verify")
}

/// Nothing is shown but why.
fn refused(folder: &Path, config: &str, why: &str) -> anyhow::Result<()> {
    let state = folder.join("again");
    std::fs::create_dir_all(&state)?;
    let daemon = Daemon::start(&state, config)?;
    let house = eventually("messages are rejected", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.rejected >= 3))
    })?;
    assert_eq!((house.telegrams, house.registers.len()), (0, 0));
    assert!(daemon.log()?.contains(why), "{why}");
    assert!(!daemon.log()?.contains(KEY));
    daemon.stop()
}
