//! Slaves on a simulated wired M-Bus, from the line to the store, MQTT and the API; and the
//! command line that finds and sets them.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::{Broker, Message};
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::mbus::link::SecondaryAddress;
use rust_decimal::Decimal;
use serde_json::Value;
use wattle_sim::mbus::{Line, Meter, Said};

const PATIENCE: Duration = Duration::from_secs(40);

fn secondary(number: u8, device_type: u8) -> SecondaryAddress {
    SecondaryAddress {
        identification: [number, 0x00, 0x00, 0x20],
        // SIM
        manufacturer: [0x2D, 0x4D],
        version: 1,
        device_type,
    }
}

/// A heat meter at 1, a water meter at 2, an electricity meter in two telegrams at 0.
fn line(folder: &Path) -> anyhow::Result<Line> {
    let meters = vec![
        Meter::new(1, secondary(0x01, 0x04), 5_000_000),
        Meter::new(2, secondary(0x12, 0x07), 77_000),
        Meter::new(0, secondary(0x13, 0x02), 9_000).in_two_telegrams(),
    ];
    Ok(Line::start(&folder.join("mbus"), meters)?)
}

fn wattle(arguments: &[&str]) -> anyhow::Result<(bool, String)> {
    let output = Command::new(e2e::program("wattle")?)
        .arg("mbus")
        .args(arguments)
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(text)?))
}

/// True when a slave has said this index, counted in thousandths.
fn was_said(said: &[Said], number: u8, value: Decimal) -> bool {
    let [first, ..] = secondary(number, 0).identification;
    let mut of_slave = said.iter().filter(|said| {
        let [own, ..] = said.identification;
        own == first
    });
    of_slave.any(|said| Decimal::from(said.index) / Decimal::from(1_000) == value)
}

#[test]
fn three_slaves_are_read_on_a_line_that_loses_and_damages() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let line = line(folder.path())?;
    line.faults().silent_every.store(7, Ordering::Relaxed);
    line.faults().damaged_every.store(11, Ordering::Relaxed);
    let broker = Broker::start(folder.path())?;
    let listener = broker.listen()?;
    let port = line.handle().link().to_path_buf();
    let mut config = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", broker.port());
    for (name, medium, address) in [
        ("heating", "heat", "1"),
        ("water", "water", "20000012"),
        ("flat", "electricity", "0"),
        // Nobody is at this address.
        ("ghost", "heat", "9"),
    ] {
        config.push_str(&format!(
            "[[meter]]\nname = {name:?}\nmedium = {medium:?}\nprotocol = \"mbus\"\nrole = \"submeter\"\n\
             port = {port:?}\naddress = {address:?}\nperiod_s = 5\n"
        ));
    }
    let daemon = Daemon::start(folder.path(), &config)?;
    for (number, serial, field) in [
        (0x01, "6SIM0120000001", "total_energy_consumption_kwh"),
        (0x12, "8SIM0120000012", "total_m3"),
        (0x13, "1SIM0120000013", "total_energy_consumption_kwh"),
    ] {
        let ending = format!("/meter/{serial}/state");
        let states = eventually(&format!("{serial} is told twice"), PATIENCE, || {
            let states = listener.ending(&ending);
            Ok((states.len() >= 2).then_some(states))
        })?;
        let states: anyhow::Result<Vec<Value>> = states.iter().map(Message::json).collect();
        for state in states? {
            let told: Decimal = state
                .get(field)
                .with_context(|| format!("{field} in {state}"))?
                .to_string()
                .parse()?;
            assert!(was_said(&line.said(), number, told), "{state}");
            if number == 0x13 {
                // The due date's index is in the second telegram.
                let due: Decimal = state
                    .get("total_energy_consumption_storage_1_kwh")
                    .with_context(|| format!("the due date in {state}"))?
                    .to_string()
                    .parse()?;
                assert!(due * Decimal::TWO <= told && told - due * Decimal::TWO < Decimal::ONE);
            }
        }
    }
    let state = daemon.state()?;
    let ghost = state.meters.iter().find(|meter| meter.name == "ghost");
    assert_eq!(ghost.context("the ghost")?.telegrams, 0);
    let db = rusqlite::Connection::open(daemon.database())?;
    let others: i64 = db.query_row(
        "SELECT count(*) FROM telegram WHERE check_kind <> 'checksum'",
        [],
        |row| row.get(0),
    )?;
    assert_eq!(others, 0);
    // The converter is pulled and comes back.
    let told = || listener.ending("/meter/8SIM0120000012/state").len();
    line.handle().unplug()?;
    eventually("the loss is told", PATIENCE, || {
        Ok(daemon.log()?.contains("port lost").then_some(()))
    })?;
    let before = told();
    line.handle().plug()?;
    eventually("it is read again", PATIENCE, || {
        Ok((told() > before).then_some(()))
    })?;
    daemon.stop()
}

#[test]
fn slaves_are_found_and_set_from_the_command_line() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let line = line(folder.path())?;
    let port = line.handle().link().to_str().context("a path")?;
    let (right, found) = wattle(&["scan", port, "--like", "200000FF"])?;
    assert!(right, "{found}");
    for slave in [
        "  1  20000001-SIM-01-04  heat",
        "  2  20000012-SIM-01-07  water",
        "  0  20000013-SIM-01-02  electricity",
        "3 slaves",
    ] {
        assert!(found.contains(slave), "{found}");
    }
    let (right, said) = wattle(&["set-address", port, "20000013", "2"])?;
    assert!(
        !right && said.contains("another slave has the address 2"),
        "{said}"
    );
    let (right, said) = wattle(&["set-address", port, "20000013", "7"])?;
    assert!(right && said.contains("the primary address 7"), "{said}");
    let (right, read) = wattle(&["read", port, "7"])?;
    assert!(right && read.contains("20000013-SIM-01-02"), "{read}");
    assert!(
        read.contains("total_energy_consumption_kwh = 9.0"),
        "{read}"
    );
    let (right, said) = wattle(&["set-speed", port, "7", "9600"])?;
    assert!(right && said.contains("9600 baud"), "{said}");
    let (right, read) = wattle(&["read", port, "7", "--baud", "9600"])?;
    assert!(right && read.contains("electricity"), "{read}");
    let (right, said) = wattle(&["read", port, "99"])?;
    assert!(!right && said.contains("no slave answers"), "{said}");
    let (right, said) = wattle(&["read", port, "251"])?;
    assert!(!right && said.contains("primary address"), "{said}");
    Ok(())
}
