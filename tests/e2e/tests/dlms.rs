//! A DLMS/COSEM meter from its port to the store and the API, and what must outlive a kill.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::{eventually, program};
use jiff::Zoned;
use jiff::tz::TimeZone;
use meter_link::dlms::security::KeyChoice;
use meter_link::key::hex;
use rust_decimal::Decimal;
use wattle_sim::dlms::{Carrier, Config, DlmsMeter, MessageKeys, Security, agreement_keys};
use wattle_sim::household::{Curve, Kind};

const PATIENCE: Duration = Duration::from_secs(60);
const POWER_W: i32 = 1_380;

fn meter(carrier: Carrier, security: Security) -> Config {
    let load = Curve::new(Kind::Constant { power_w: POWER_W }, 1);
    Config::new(carrier, security, load)
}

/// The configuration of a meter; its secrets lie beside it.
fn configuration(folder: &Path, meter: &DlmsMeter, more: &str) -> anyhow::Result<String> {
    let config = meter.config();
    let link = match config.carrier {
        Carrier::Hdlc => "hdlc",
        Carrier::ModeE => "mode-e",
        Carrier::Wrapper => "wrapper",
    };
    let secret = |name: &str, content: &str| {
        let path = folder.join(name);
        std::fs::write(&path, content)?;
        anyhow::Ok(format!("file:{}", path.display()))
    };
    let security = match &config.security {
        Security::None => String::new(),
        Security::Low(password) => {
            let password = secret("password", std::str::from_utf8(password)?)?;
            format!("authentication = \"low\"\npassword = {password:?}\n")
        }
        Security::Gmac(suite) | Security::Ecdsa(suite) => {
            let key = secret("key", &hex(config.key.octets()))?;
            let auth_key = secret("auth_key", &hex(config.auth_key.octets()))?;
            let authentication = match (&config.security, config.signing_keys()) {
                (Security::Ecdsa(_), Some((meter, own))) => {
                    let own = secret("signing_key", &hex(&own.to_octets()))?;
                    let meter = hex(&meter.verifying_key().to_octets());
                    let meter = secret("meter_public_key", &meter)?;
                    format!(
                        "authentication = \"ecdsa\"\nsigning_key = {own:?}\nmeter_public_key = {meter:?}\n"
                    )
                }
                _ => "authentication = \"gmac\"\n".to_owned(),
            };
            format!("{authentication}key = {key:?}\nauth_key = {auth_key:?}\nsuite = {suite}\n")
        }
    };
    Ok(format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"dlms\"\nport = {:?}\nperiod_s = 1\n[meter.dlms]\nlink = \"{link}\"\nclient = 1\nregisters = [\"1-0:1.8.0\", \"1-0:16.7.0\"]\n{security}{more}",
        meter.place()
    ))
}

fn values_arrive(folder: &Path, meter: &DlmsMeter) -> anyhow::Result<Daemon> {
    let more = "profile = \"1-0:99.1.0\"\nprofile_period_s = 60\n";
    let daemon = Daemon::start(folder, &configuration(folder, meter, more)?)?;
    let registers = eventually("three readings are stored", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let meter = meters.into_iter().find(|meter| meter.telegrams >= 3);
        Ok(meter.map(|meter| meter.registers))
    })?;
    let power = registers
        .iter()
        .find(|register| register.obis == "1-0:16.7.0*255");
    let power = power.context("the power was read")?;
    assert_eq!(
        (power.value, power.unit.as_str()),
        (Decimal::from(POWER_W), "W")
    );
    Ok(daemon)
}

/// Quarter-hour and import of each row that is stored, in the meter's order.
fn rows(database: &Path) -> anyhow::Result<Vec<(i64, String)>> {
    let db = rusqlite::Connection::open(database)?;
    let mut select = db.prepare("SELECT at_s, \"values\" FROM profile_row ORDER BY id")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn expected(quarters: impl IntoIterator<Item = i64>) -> Vec<(i64, String)> {
    let row = |quarter: i64| {
        let import = DlmsMeter::import_wh(quarter);
        (quarter * 900, format!("[null,null,\"{import}\"]"))
    };
    quarters.into_iter().map(row).collect()
}

/// The newest quarter-hour that has ended.
fn newest() -> anyhow::Result<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_secs())? / 900)
}

#[test]
fn a_profile_is_read_once_and_then_what_is_missing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let meter = DlmsMeter::at_tcp(meter(Carrier::Wrapper, Security::Gmac(0)))?;
    let newest = newest()?;
    meter.add_rows((newest - 2_879..=newest).map(|quarter| (quarter, 0)));
    let mut daemon = values_arrive(folder.path(), &meter)?;
    let database = daemon.database();
    eventually("2,880 rows are stored", PATIENCE, || {
        Ok((rows(&database)?.len() == 2_880).then_some(()))
    })?;
    assert_eq!(rows(&database)?, expected(newest - 2_879..=newest));
    let sent = meter.seen().rows_sent;

    // Two rows come to be, after an hour without power.
    meter.add_rows([(newest + 5, 0x80), (newest + 6, 0)]);
    daemon.kill_and_restart()?;
    eventually("two more rows are stored", PATIENCE, || {
        Ok((rows(&database)?.len() == 2_882).then_some(()))
    })?;
    let want = (newest - 2_879..=newest).chain([newest + 5, newest + 6]);
    assert_eq!(rows(&database)?, expected(want));
    let more = meter.seen().rows_sent - sent;
    assert!(more < 30, "{more} rows crossed the line for two");
    let log = daemon.log()?;
    assert!(log.contains("the load profile has a gap") && log.contains("missing=4"));
    daemon.stop()
}

/// Script 1 from 07:00 to 22:00 from Monday to Friday, but not on 25 December.
fn calendar_price(at: &Zoned) -> Decimal {
    let workday = at.weekday().to_monday_zero_offset() < 5 && (at.month(), at.day()) != (12, 25);
    let normal = workday && (7..22).contains(&at.hour());
    Decimal::new(if normal { 3 } else { 2 }, 1)
}

#[test]
fn the_meter_s_calendar_with_prices_of_a_file_is_the_tariff() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let meter = DlmsMeter::at_tcp(meter(Carrier::Wrapper, Security::None))?;
    std::fs::write(
        folder.path().join("tariff.toml"),
        "version = 1\nname = \"meter\"\ncurrency = \"EUR\"\nzone = \"Europe/Brussels\"\n[source]\nformat = \"meter\"\nfile = \"meter.json\"\n\
         [bands.normal]\nrate = \"0.3\"\nnumber = 1\n[bands.low]\nrate = \"0.2\"\nnumber = 2\n",
    )?;
    let tariff = "calendar = true\n[tariff]\nfile = \"tariff.toml\"\nmeter = true\n";
    let daemon = Daemon::start(
        folder.path(),
        &configuration(folder.path(), &meter, tariff)?,
    )?;
    let price = eventually("the calendar is the tariff", PATIENCE * 2, || {
        Ok(daemon.state()?.price)
    })?;
    let slots: Vec<_> = price.days.iter().flat_map(|day| &day.slots).collect();
    assert!(slots.len() >= 46, "two days have {} hours", slots.len());
    let zone = TimeZone::get("Europe/Brussels")?;
    for slot in slots {
        let at = slot.start.to_zoned(zone.clone());
        assert_eq!(slot.per_kwh, calendar_price(&at), "{at}");
    }
    daemon.stop()
}

/// Each message has a key of its own, agreed on by curves, and both sides sign.
#[test]
fn messages_that_tell_their_key_and_are_signed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = meter(Carrier::Wrapper, Security::Gmac(1));
    let (sign_meter, sign_own) = config.signing_keys().context("suite 1 signs")?;
    let (agree_meter, agree_own) = agreement_keys(1);
    let choice = KeyChoice::OnePass {
        own: agree_meter.clone(),
        peer: agree_own.public_key(),
        signing: sign_meter.clone(),
        verifying: sign_own.verifying_key(),
    };
    let meter = DlmsMeter::at_tcp(Config {
        message_keys: Some(MessageKeys {
            choice,
            signing: Some((sign_meter.clone(), sign_own.clone())),
        }),
        ..config
    })?;
    let secret = |name: &str, octets: &[u8]| {
        std::fs::write(folder.path().join(name), hex(octets))?;
        anyhow::Ok(format!(
            "{name} = \"file:{}/{name}\"\n",
            folder.path().display()
        ))
    };
    let more = [
        secret("signing_key", &sign_own.to_octets())?,
        secret("meter_public_key", &sign_meter.verifying_key().to_octets())?,
        "[meter.dlms.messages]\nkey_info = \"one-pass\"\nsign = \"ciphered\"\n".to_owned(),
        secret("agreement_key", &[0x42; 32])?,
        secret("meter_agreement_key", &agree_meter.public_key().to_octets())?,
    ];
    let daemon = Daemon::start(
        folder.path(),
        &configuration(folder.path(), &meter, &more.concat())?,
    )?;
    eventually("three readings are stored", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.telegrams >= 3))
    })?;
    daemon.stop()
}

#[test]
fn through_the_optical_head_with_a_password() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("optical0");
    let config = meter(Carrier::ModeE, Security::Low(b"12345678".to_vec()));
    let meter = DlmsMeter::at_pty(&link, config)?;
    let daemon = values_arrive(folder.path(), &meter)?;
    daemon.stop()?;
    let seen = meter.seen();
    assert!(seen.associations >= 3 && seen.releases >= seen.associations - 1);
    Ok(())
}

/// Whenever a process dies, no number that it has used is used again. `WATTLE_KILLS` says how
/// often it dies; 12 times unless set.
#[test]
fn no_kill_lets_an_invocation_counter_come_twice() -> anyhow::Result<()> {
    let kills: u64 = match std::env::var("WATTLE_KILLS") {
        Ok(kills) => kills.parse()?,
        Err(_) => 12,
    };
    let folder = tempfile::tempdir()?;
    let meter = DlmsMeter::at_tcp(meter(Carrier::Wrapper, Security::Gmac(0)))?;
    let newest = newest()?;
    meter.add_rows((newest - 999..=newest).map(|quarter| (quarter, 0)));
    // Without asking the meter first: the file alone must keep the numbers apart.
    let more = "profile = \"1-0:99.1.0\"\ninvocation_counter = \"\"\n";
    let configuration = configuration(folder.path(), &meter, more)?;
    let mut daemon = Daemon::start(folder.path(), &configuration)?;
    for kill in 0..kills {
        // At a moment of the conversation that differs from kill to kill.
        std::thread::sleep(Duration::from_millis(kill * 37 % 250));
        daemon.kill_and_restart()?;
    }
    daemon.stop()?;
    let counters = meter.seen().counters;
    let distinct: BTreeSet<_> = counters.iter().collect();
    println!("{kills} kills, {} ciphered messages", counters.len());
    assert_eq!(distinct.len(), counters.len(), "a counter was used twice");
    assert!(counters.len() as u64 > 2 * kills);
    Ok(())
}

#[test]
fn single_readings_and_service_from_the_command_line() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let meter = DlmsMeter::at_tcp(meter(Carrier::Hdlc, Security::Gmac(0)))?;
    let newest = newest()?;
    meter.add_rows((newest - 9..=newest).map(|quarter| (quarter, 0)));
    meter.set_ahead(-120);
    let file = folder.path().join("wattle.toml");
    let state = folder.path().join("state");
    let configuration = configuration(folder.path(), &meter, "")?;
    std::fs::write(
        &file,
        format!("[gateway]\nstate_dir = {state:?}\n{configuration}"),
    )?;
    let wattle = |arguments: &[&str]| {
        let mut command = Command::new(program("wattle")?);
        let output = command
            .args(arguments)
            .arg("--config")
            .arg(&file)
            .output()?;
        let said = String::from_utf8(output.stdout)?;
        let failed = String::from_utf8(output.stderr)?;
        anyhow::ensure!(output.status.success(), "{arguments:?}: {failed}");
        anyhow::Ok(said)
    };
    assert_eq!(
        wattle(&["read", "house", "1-0:16.7.0"])?,
        format!("1-0:16.7.0*255 {POWER_W} W\n")
    );
    assert!(wattle(&["meter", "clock", "house"])?.contains("-120 s ahead"));
    assert!(wattle(&["meter", "clock", "house", "--set"])?.contains("set, and now 0 s ahead"));
    assert_eq!(
        wattle(&["meter", "relay", "house", "off"])?,
        "house: the relay is off\n"
    );
    assert_eq!(
        wattle(&["meter", "relay", "house"])?,
        "house: the relay is off\n"
    );
    let relay = wattle(&["meter", "object", "house", "70/0-0:96.3.10"])?;
    assert!(relay.contains("control_state = disconnected"), "{relay}");
    assert_eq!(wattle(&["meter", "profile", "house"])?.lines().count(), 11);
    assert!(wattle(&["read", "house", "1-0:99.99.0"]).is_err());
    assert_eq!(meter.seen().relay, [false]);
    Ok(())
}

/// Over UDP, where a datagram is lost now and then: nothing is missing in the end. Both sides prove by
/// signatures who they are.
#[test]
fn datagrams_that_get_lost() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let meter = DlmsMeter::at_udp(meter(Carrier::Wrapper, Security::Ecdsa(1)), 20)?;
    let newest = newest()?;
    meter.add_rows((newest - 499..=newest).map(|quarter| (quarter, 0)));
    let daemon = values_arrive(folder.path(), &meter)?;
    let database = daemon.database();
    eventually("500 rows are stored", PATIENCE, || {
        Ok((rows(&database)?.len() == 500).then_some(()))
    })?;
    assert_eq!(rows(&database)?, expected(newest - 499..=newest));
    assert!(meter.seen().lost > 0);
    daemon.stop()
}
