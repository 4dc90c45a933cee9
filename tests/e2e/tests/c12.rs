//! A simulated meter of the American standards, from its optical port to the store and the API,
//! and a recorded session of it through the command line.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::c12::reader::{Config as ReaderConfig, MeterReader};
use meter_link::key::Key;
use meter_link::key::hex;
use meter_link::session::{Action, Session};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use wattle_sim::c12::network::{Network, NetworkMeter};
use wattle_sim::c12::{Config, Dialogue, Faults, Meter, Step};
use wattle_sim::household::{Curve, INSTALLED, Kind};

const PATIENCE: Duration = Duration::from_secs(60);
const POWER_W: i32 = 2_520;

/// A meter with its most significant octet first, on a line that damages packets; the readings
/// that arrive are those it told.
#[test]
fn registers_arrive_from_an_optical_port() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("ansi0");
    let password = folder.path().join("password");
    std::fs::write(&password, "SECRET\n")?;
    let load = Curve::new(Kind::Constant { power_w: POWER_W }, 1);
    let config = Config {
        big_endian: true,
        faults: Faults {
            damage_every: 9,
            ..Faults::default()
        },
        ..Config::new(load)
    };
    let meter = Meter::start(&link, config)?;
    let config = format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"c12.18\"\nport = {link:?}\nperiod_s = 10\n\
         [meter.c12]\nfast_baud = 9600\npassword = \"file:{}\"\n",
        password.display()
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    let read = eventually("two sessions are read", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.telegrams >= 2))
    })?;
    assert_eq!(read.id.as_deref(), Some("1234567890"));
    let of = |obis: &str| {
        let found = read.registers.iter().find(|register| register.obis == obis);
        found.with_context(|| format!("{obis} in {:?}", read.registers))
    };
    let import = of("1-0:1.8.0*255")?;
    assert_eq!((import.unit.as_str(), import.check.as_str()), ("Wh", "crc"));
    let truth = meter.sent();
    let told = |value: Decimal| {
        let same = |reading: &wattle_sim::c12::Reading| Decimal::from(reading.import_wh) == value;
        truth.iter().any(same)
    };
    assert!(told(import.value), "{} is not in {truth:?}", import.value);
    assert_eq!(of("1-0:16.7.0*255")?.value, Decimal::from(POWER_W));
    assert_eq!(of("1-0:32.7.0*255")?.value.to_string(), "230.40");
    daemon.stop()?;
    Ok(())
}

/// A session on a bad line, packet by packet, as JSON Lines.
fn recorded(config: Config, unix_s: u64) -> anyhow::Result<String> {
    let mut now = Instant::now();
    let mut reader = MeterReader::new(ReaderConfig::default());
    let mut meter = Dialogue::new(config);
    let mut text = String::new();
    let mut note = |dir: &str, octets: &[u8]| {
        text.push_str(&json!({ "dir": dir, "hex": hex(octets) }).to_string());
        text.push('\n');
    };
    reader.restart(now);
    let mut told = false;
    for _ in 0..100_000 {
        let Some(action) = reader.poll_action() else {
            if told && reader.poll_timeout() > Some(now + Duration::from_secs(20)) {
                return Ok(text);
            }
            let dues = [reader.poll_timeout(), meter.waits_until()];
            now = dues
                .into_iter()
                .flatten()
                .min()
                .context("it stands still")?
                .max(now);
            reader.handle_timeout(now);
            for step in meter.time_out(now, unix_s) {
                if let Step::Send(octets) = step {
                    note("meter", &octets);
                    reader.handle_input(&octets, now);
                }
            }
            continue;
        };
        match action {
            Action::Send(octets) => {
                note("host", &octets);
                for step in meter.hear(&octets, now, unix_s) {
                    if let Step::Send(octets) = step {
                        note("meter", &octets);
                        reader.handle_input(&octets, now);
                    }
                }
            }
            Action::Telegram(_) => told = true,
            _ => {}
        }
    }
    anyhow::bail!("the session does not end")
}

#[test]
fn a_recorded_session_is_decoded() -> anyhow::Result<()> {
    let unix_s = INSTALLED + 40 * 86_400 + 7_000;
    for (big_endian, damage_every) in [(false, 0), (true, 6)] {
        let load = Curve::new(Kind::Constant { power_w: POWER_W }, 1);
        let config = Config {
            big_endian,
            packet_size: 64,
            faults: Faults {
                damage_every,
                ..Faults::default()
            },
            ..Config::new(load)
        };
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("session.jsonl");
        std::fs::write(&file, recorded(config, unix_s)?)?;
        let wattle = e2e::program("wattle")?;
        let run = Command::new(wattle)
            .args(["decode", "c12"])
            .arg(&file)
            .output()?;
        assert!(run.status.success());
        let lines = String::from_utf8(run.stdout)?;
        let objects: Vec<Value> = lines
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        // An acknowledgement that was damaged is told as an octet that belongs to nothing.
        let right = |object: &Value| object["status"] == "ok" || object["length"] == 1;
        assert!(objects.iter().all(right), "{lines}");
        let table = |number: u16| {
            let mut found = objects.iter().filter(|object| object["table"] == number);
            found
                .next()
                .with_context(|| format!("table {number} in {lines}"))
        };
        let order = if big_endian { "big" } else { "little" };
        assert_eq!(table(0)?["decoded"]["data_order"], order);
        assert_eq!(table(1)?["decoded"]["serial_no"], "1234567890");
        let wh = u64::try_from(POWER_W)? * (unix_s - INSTALLED) / 3_600;
        let want = json!({ "obis": "1-0:1.8.0*255", "value": wh.to_string(), "unit": "Wh", "scaler": 0, "raw": wh.to_string(), "source": 0 });
        assert_eq!(table(23)?["decoded"]["values"][0], want);
        assert_eq!(table(23)?["values"][0], want);
        assert_eq!(table(28)?["values"][2]["value"], "230.40");
    }
    Ok(())
}

/// The load profile is stored row by row; after a restart only what is missing comes.
#[test]
fn a_load_profile_is_stored_and_goes_on_where_it_ended() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("ansi0");
    let load = Curve::new(Kind::Constant { power_w: POWER_W }, 1);
    let _meter = Meter::start(
        &link,
        Config {
            pace: wattle_sim::actor::Pace::AtOnce,
            ..Config::new(load)
        },
    )?;
    let config = format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"c12.18\"\nport = {link:?}\nperiod_s = 10\n\
         [meter.c12]\nprofile = 64\nprofile_period_s = 60\n"
    );
    let mut daemon = Daemon::start(folder.path(), &config)?;
    let database = daemon.database();
    let stored = |least: usize| {
        eventually("the rows are stored", PATIENCE, || {
            let db = rusqlite::Connection::open(&database)?;
            let mut rows = db.prepare("SELECT at_s, \"values\" FROM profile_row ORDER BY id")?;
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
            Ok((rows.len() >= least).then_some(rows))
        })
    };
    // Seven full days and the first quarter of an hour of the eighth at least.
    let all = stored(7 * 96 + 1).with_context(|| daemon.log().unwrap_or_default())?;
    let amount = json!([(POWER_W / 4).to_string(), "0"]).to_string();
    assert!(all.iter().all(|(_, values)| *values == amount), "{all:?}");
    assert!(all.windows(2).all(|pair| pair[1].0 == pair[0].0 + 900));

    // As if it had been stopped two days ago.
    let (kept, _) = all.get(all.len() - 2 * 96 - 1).context("two days")?;
    let mut gone = 0;
    daemon.kill_and_restart_after(|| {
        let db = rusqlite::Connection::open(&database)?;
        gone = db.execute("DELETE FROM profile_row WHERE at_s > ?1", [kept])?;
        Ok(())
    })?;
    let again = stored(all.len())?;
    assert!(gone >= 2 * 96);
    assert_eq!(again.get(..all.len()), Some(all.as_slice()));
    assert!(again.windows(2).all(|pair| pair[1].0 == pair[0].0 + 900));
    let log = daemon.log()?;
    let told = log.lines().filter_map(|line| {
        let (_, rows) = line.split_once(" rows=")?;
        rows.split_whitespace().next()?.parse::<usize>().ok()
    });
    // Each row once, and what was deleted twice.
    assert_eq!(told.sum::<usize>(), again.len() + gone, "{log}");

    // The command line reads the same rows while the daemon lends the line.
    let file = folder.path().join("wattle.toml");
    let profile = || {
        let mut command = Command::new(e2e::program("wattle")?);
        command
            .args(["meter", "profile", "house", "--config"])
            .arg(&file);
        anyhow::Ok(command.output()?)
    };
    let read = profile()?;
    daemon.stop()?;
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    let text = String::from_utf8(read.stdout)?;
    let mut lines = text.lines();
    let head = lines.next().context("a head")?;
    assert!(head.starts_with("time,status,1-0:1.29.0"), "{head}");
    let values = format!(",{},0", POWER_W / 4);
    assert!(lines.clone().all(|line| line.ends_with(&values)), "{text}");
    assert!(lines.count() >= again.len());
    Ok(())
}

/// The same meter over C12.22: what arrives is what it told, under a tag.
#[test]
fn registers_arrive_over_a_network() -> anyhow::Result<()> {
    registers_arrive("tcp", NetworkMeter::start)
}

#[test]
fn registers_arrive_in_datagrams() -> anyhow::Result<()> {
    registers_arrive("udp", NetworkMeter::on_datagrams)
}

fn registers_arrive(
    scheme: &str,
    start: impl FnOnce(Config, Network) -> std::io::Result<NetworkMeter>,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let key = "01020304050607080102030405060708";
    std::fs::write(folder.path().join("key"), key)?;
    let load = Curve::new(Kind::Constant { power_w: POWER_W }, 1);
    let meter = start(
        Config::new(load),
        Network {
            title: ".123.8437".parse()?,
            key: Key::from_hex(key).ok().map(|key| (2, key)),
            longest: 300,
        },
    )?;
    let lines = format!(
        "[[meter]]\nname = \"house\"\nprotocol = \"c12.22\"\nport = \"{scheme}:{}\"\nperiod_s = 10\n\
         [meter.c12]\ntitle = \".123.8437\"\nclient_title = \".123.4\"\nkey_id = 2\nkey = \"file:{}\"\n",
        meter.address(),
        folder.path().join("key").display()
    );
    let daemon = Daemon::start(folder.path(), &lines)?;
    let read = eventually("two readings are there", PATIENCE, || {
        let meters = daemon.state()?.meters;
        Ok(meters.into_iter().find(|meter| meter.telegrams >= 2))
    })
    .with_context(|| daemon.log().unwrap_or_default())?;
    assert_eq!(read.id.as_deref(), Some("1234567890"));
    let import = read
        .registers
        .iter()
        .find(|register| register.obis == "1-0:1.8.0*255");
    let import = import.with_context(|| format!("{:?}", read.registers))?;
    assert_eq!((import.unit.as_str(), import.check.as_str()), ("Wh", "tag"));
    assert!(import.value > Decimal::ZERO);

    // A command reads the same way while the daemon runs.
    let mut command = Command::new(e2e::program("wattle")?);
    let file = folder.path().join("wattle.toml");
    let once = command
        .args(["read", "house", "1-0:1.8.0", "--config"])
        .arg(&file);
    let once = once.output()?;
    let text = String::from_utf8(once.stdout)?;
    let later: Decimal = text
        .strip_prefix("1-0:1.8.0*255 ")
        .and_then(|rest| rest.strip_suffix(" Wh\n")?.parse().ok())
        .with_context(|| format!("{text}{}", String::from_utf8_lossy(&once.stderr)))?;
    assert!(later >= import.value);
    daemon.stop()
}
