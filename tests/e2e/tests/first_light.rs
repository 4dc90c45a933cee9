//! One reading's whole way: bytes on a serial line, the daemon, SQLite, MQTT, the glass.

#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers null for what it does not have"
)]

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::{Broker, Listener};
use e2e::daemon::Daemon;
use e2e::{corpus, display, eventually};
use rust_decimal::Decimal;
use serde_json::Value;
use wattle_sim::household::{Curve, Kind};
use wattle_sim::replay::{Recording, Replay};
use wattle_sim::sml::{Config, SmlMeter};
use wattle_sim::{actor::Pace, iec62056_21};

const PATIENCE: Duration = Duration::from_secs(30);

fn config(link: &Path, protocol: &str, broker: &Broker) -> String {
    format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n[[meter]]\nname = \"electricity\"\nprotocol = \"{protocol}\"\n\
         port = {link:?}\n",
        broker.port()
    )
}

/// Every stored number in the order of its telegram: OBIS code, value, unit's COSEM code.
fn stored(database: &Path) -> anyhow::Result<Vec<(String, Decimal, u8)>> {
    let db = rusqlite::Connection::open_with_flags(
        database,
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let sql = "SELECT obis, value, unit FROM reading JOIN register ON register.id = register_id ORDER BY at_us, seq";
    let mut select = db.prepare(sql)?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
    })?;
    rows.map(|row| {
        let (obis, value, unit) = row?;
        Ok((obis, value.parse()?, unit))
    })
    .collect()
}

/// The numbers with a unit that smllib 1.7, an independent reader, found in a recording.
fn expected(recording: &Path) -> anyhow::Result<Vec<(String, Decimal, u8)>> {
    let text = std::fs::read_to_string(recording.with_extension("expected.json"))?;
    let file: Value = serde_json::from_str(&text)?;
    let frames = file["smllib_1_7"]["frames"].as_array().context("frames")?;
    let mut found = Vec::new();
    for message in frames.iter().filter_map(Value::as_array).flatten() {
        for entry in message["entries"].as_array().into_iter().flatten() {
            let unit = entry["unit"].as_u64().unwrap_or(0);
            let (Some(raw), true) = (entry["raw"].as_i64(), unit != 0 && unit != 255) else {
                continue;
            };
            let scaler = i8::try_from(entry["scaler"].as_i64().unwrap_or(0))?;
            let value = meter_link::model::scaled(i128::from(raw), scaler)?;
            found.push((
                entry["obis"].as_str().context("obis")?.to_owned(),
                value,
                u8::try_from(unit)?,
            ));
        }
    }
    Ok(found)
}

fn newest_state(listener: &Listener) -> anyhow::Result<Option<Value>> {
    listener
        .meter_states()
        .last()
        .map(e2e::broker::Message::json)
        .transpose()
}

/// A value of a state message as an exact number.
fn number(state: &Value, key: &str) -> Option<Decimal> {
    state[key].to_string().parse().ok()
}

#[test]
fn a_recorded_meter_from_its_bytes_to_the_glass() -> anyhow::Result<()> {
    let Some(corpus) = corpus() else {
        println!(
            "skipped: the recordings of real meters are not here (WATTLE_CORPUS names their folder)"
        );
        return Ok(());
    };
    let recording = corpus.join("electricity/sml/EMH_mME40-AE6AKF0K0.bin");
    let expected = expected(&recording)?;
    anyhow::ensure!(expected.len() > 20, "the recording holds readings");

    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("optical0");
    let player = Replay::start(&link, Recording::new(std::fs::read(&recording)?))?;
    let daemon = Daemon::start(folder.path(), &config(&link, "sml", &broker))?;

    let found = eventually("every reading is stored", PATIENCE, || {
        let found = stored(&daemon.database()).unwrap_or_default();
        Ok((found.len() >= expected.len()).then_some(found))
    })?;
    assert_eq!(found, expected);
    let length = std::fs::metadata(&recording)?.len();
    eventually("the recording is played to its end", PATIENCE, || {
        Ok((player.played() == length).then_some(()))
    })?;

    let last = |obis: &str| {
        expected
            .iter()
            .rfind(|(code, ..)| code == obis)
            .map(|(_, value, _)| *value)
    };
    let import = last("1-0:1.8.0*255").context("the recording has 1.8.0")? / Decimal::ONE_THOUSAND;
    let power = last("1-0:16.7.0*255")
        .or_else(|| last("1-0:1.7.0*255"))
        .context("the recording has power")?;
    let state = eventually("the last reading is published", PATIENCE, || {
        Ok(newest_state(&listener)?
            .filter(|state| number(state, "energy_import_kwh") == Some(import)))
    })?;
    assert!(
        number(&state, "power_w").or(number(&state, "power_import_w")) == Some(power),
        "{state}"
    );

    let discovered: Vec<Value> = listener
        .ending("/config")
        .iter()
        .map(e2e::broker::Message::json)
        .collect::<Result<_, _>>()?;
    let energy = discovered
        .iter()
        .find(|d| d["val_tpl"] == "{{ value_json.energy_import_kwh }}")
        .context("energy")?;
    assert_eq!(
        (
            &energy["dev_cla"],
            &energy["stat_cla"],
            &energy["unit_of_meas"]
        ),
        (&"energy".into(), &"total_increasing".into(), &"kWh".into())
    );
    let status = |suffix| {
        listener
            .ending(suffix)
            .last()
            .map(|message| message.payload.clone())
    };
    assert_eq!(status("/status"), Some("online".to_owned()));

    eventually("the last reading is served", PATIENCE, || {
        let served = daemon.state()?.power.map(|power| power.watts);
        Ok((served == Some(power)).then_some(()))
    })?;
    assert_picture_shows(&daemon, power, folder.path())?;
    daemon.stop()
}

#[test]
fn a_simulated_meter_from_its_bytes_to_the_glass() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("optical0");
    let daemon = Daemon::start(folder.path(), &config(&link, "sml", &broker))?;
    let mut kind = Config::new(Curve::new(Kind::Constant { power_w: 1420 }, 1));
    kind.pace = Pace::Line;
    let meter = SmlMeter::start(&link, kind)?;
    let state = eventually("ten telegrams are published", PATIENCE, || {
        let published = listener.meter_states().len();
        Ok(newest_state(&listener)?.filter(|_| published >= 10))
    })?;
    let truth = meter.sent();
    let import = number(&state, "energy_import_kwh").context("import")? * Decimal::from(10_000);
    assert!(
        truth
            .iter()
            .any(|sent| Decimal::from(sent.import_tenths_wh) == import),
        "{state} in {truth:?}"
    );
    assert_eq!(number(&state, "power_w"), Some(Decimal::from(1420)));
    assert_picture_shows(&daemon, Decimal::from(1420), folder.path())?;
    daemon.stop()
}

/// Draws the display and has the number in the ring read by tesseract.
fn assert_picture_shows(daemon: &Daemon, watts: Decimal, folder: &Path) -> anyhow::Result<()> {
    let picture = folder.join("now.png");
    display::screenshot(&daemon.socket(), &picture)?;
    let shown = display::read_hero(&picture)?;
    let magnitude = watts.abs();
    let wanted = if magnitude < Decimal::ONE_HUNDRED {
        magnitude.round().to_string()
    } else {
        let kilowatts = magnitude / Decimal::ONE_THOUSAND;
        kilowatts.round_sf(3).context("three figures")?.to_string()
    };
    let figures = |text: &str| text.replace(',', ".").trim_matches('.').to_owned();
    // Below 1 kW two decimals are shown.
    let close = figures(&shown)
        .parse::<Decimal>()
        .ok()
        .is_some_and(|shown| {
            wanted
                .parse::<Decimal>()
                .is_ok_and(|wanted| (shown - wanted).abs() <= Decimal::new(5, 3))
        });
    assert!(
        close,
        "the picture shows {shown:?}, the meter said {watts} W"
    );
    Ok(())
}

#[test]
fn a_pulled_cable_twenty_times() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let link = folder.path().join("optical0");
    let meter = SmlMeter::start(
        &link,
        Config::new(Curve::new(Kind::Constant { power_w: 300 }, 1)),
    )?;
    let daemon = Daemon::start(folder.path(), &config(&link, "sml", &broker))?;
    let heard = || {
        Ok::<_, anyhow::Error>(
            daemon
                .state()?
                .meters
                .first()
                .map_or(0, |meter| meter.telegrams),
        )
    };
    for pull in 1..=20 {
        eventually("readings come", Duration::from_secs(10), || {
            Ok((heard()? > 0).then_some(()))
        })?;
        meter.handle().unplug()?;
        std::thread::sleep(Duration::from_millis(300));
        let before = heard()?;
        meter.handle().plug()?;
        eventually(
            &format!("readings resume after pull {pull}"),
            Duration::from_secs(10),
            || Ok((heard()? > before).then_some(())),
        )?;
    }
    assert_eq!(
        daemon.log()?.matches("started").count(),
        1,
        "without a restart"
    );
    assert!(daemon.json(wattle_api::HEALTH_PATH)?["ok"] == true);
    daemon.stop()
}

#[test]
fn fifty_kills_lose_nothing_that_was_seen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let link = folder.path().join("optical0");
    let mut kind = Config::new(Curve::new(Kind::Constant { power_w: 2300 }, 1));
    kind.interval = Duration::from_millis(250);
    let meter = SmlMeter::start(&link, kind)?;
    let mut daemon = Daemon::start(folder.path(), &config(&link, "sml", &broker))?;
    let mut served = Vec::new();
    for kill in 1..=50u64 {
        let before = listener.meter_states().len();
        eventually("a reading is published", Duration::from_secs(10), || {
            Ok((listener.meter_states().len() > before).then_some(()))
        })?;
        // At a moment of the telegram that differs from kill to kill.
        std::thread::sleep(Duration::from_millis(kill * 37 % 300));
        served.extend(
            daemon
                .state()?
                .meters
                .into_iter()
                .flat_map(|meter| meter.registers),
        );
        daemon.kill_and_restart()?;
    }
    drop(meter);
    let database = daemon.database();
    daemon.stop()?;

    let db = rusqlite::Connection::open(&database)?;
    let intact: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    assert_eq!(intact, "ok");
    let mut find = db.prepare(
        "SELECT count(*) FROM reading JOIN register ON register.id = register_id
         WHERE at_us = ?1 AND obis = ?2 AND value = ?3",
    )?;
    let mut kept = |at_us: i64, obis: &str, value: &str| -> anyhow::Result<bool> {
        Ok(find.query_row((at_us, obis, value), |row| row.get::<_, i64>(0))? > 0)
    };
    assert!(served.len() >= 50);
    for register in &served {
        let at_us = register.received_at.as_microsecond();
        assert!(
            kept(at_us, &register.obis, &register.value.to_string())?,
            "served and lost: {register:?}"
        );
    }
    let published = listener.meter_states();
    assert!(published.len() >= 50);
    let stored = stored(&database)?;
    for message in published {
        let import = number(&message.json()?, "energy_import_kwh").context("import")?
            * Decimal::ONE_THOUSAND;
        let found = stored
            .iter()
            .any(|(obis, value, _)| obis == "1-0:1.8.0*255" && *value == import);
        assert!(found, "published and lost: {message:?}");
    }
    Ok(())
}

#[test]
fn a_meter_that_is_asked_changes_its_speed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(folder.path())?;
    let link = folder.path().join("optical0");
    let meter = iec62056_21::Meter::start(
        &link,
        iec62056_21::Config::new(Curve::new(Kind::Constant { power_w: 700 }, 1)),
    )?;
    let more = config(&link, "iec62056-21", &broker) + "period_s = 5\n";
    let daemon = Daemon::start(folder.path(), &more)?;
    let register = eventually("a readout arrives", PATIENCE, || {
        let state = daemon.state()?;
        let registers = state.meters.into_iter().flat_map(|meter| meter.registers);
        Ok(registers
            .into_iter()
            .find(|register| register.obis == "1-0:1.8.0*255"))
    })?;
    let sent = meter.sent();
    let truth = sent
        .iter()
        .find(|sent| Decimal::from(sent.import_wh) == register.value);
    let truth = truth.with_context(|| format!("{register:?} was not sent: {sent:?}"))?;
    assert_eq!(
        truth.baud, 9600,
        "the meter sent at the speed it had proposed"
    );
    assert_eq!(
        (register.unit.as_str(), register.check.as_str()),
        ("Wh", "checksum")
    );
    daemon.stop()
}
