//! A simulated Linky's values from its customer port to the store and the API.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::tic::Mode;
use rust_decimal::Decimal;
use wattle_sim::household::{Curve, Kind};
use wattle_sim::tic::{Config, Meter};

/// The other speed is tried after ten seconds.
const PATIENCE: Duration = Duration::from_secs(40);

const POWER_VA: i32 = 1_380;

/// Starts a meter and a daemon that begins at 9,600 baud, waits for readings, and compares them.
fn values_arrive(mode: Mode, wrong_checksum_every: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("tic0");
    let load = Curve::new(Kind::Constant { power_w: POWER_VA }, 1);
    let config = Config {
        wrong_checksum_every,
        ..Config::new(mode, load)
    };
    let address = config.address.clone();
    let meter = Meter::start(&link, config)?;
    let config = format!("[[meter]]\nname = \"linky\"\nprotocol = \"tic\"\nport = {link:?}\n");
    let daemon = Daemon::start(folder.path(), &config)?;

    let registers = eventually("five frames are read", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let meter = meters.into_iter().find(|meter| meter.telegrams >= 5);
        Ok(meter.map(|meter| meter.registers))
    })?;
    let of = |obis: &str| {
        let found = registers.iter().find(|register| register.obis == obis);
        found.with_context(|| format!("{obis} in {registers:?}"))
    };
    let power = of("1-0:9.7.0*255")?;
    assert_eq!(
        (power.value, power.unit.as_str(), power.check.as_str()),
        (Decimal::from(POWER_VA), "VA", "checksum")
    );
    assert_eq!(of("1-0:1.8.0*255")?.unit, "Wh");
    let state = daemon.state()?;
    assert!(
        state.power.is_none(),
        "apparent power is no active power: {:?}",
        state.power
    );

    if wrong_checksum_every == 0 {
        let meter = state.meters.first().context("a meter")?;
        let tariff = meter.tariff.as_ref().context("a tariff is told")?;
        match mode {
            Mode::Standard => {
                assert_eq!(
                    (tariff.number, tariff.name.as_deref()),
                    (Some(1), Some("BASE"))
                );
                assert_eq!(
                    meter.states.get("contact").map(String::as_str),
                    Some("open")
                );
            }
            Mode::Historic => assert_eq!(tariff.name.as_deref(), Some("TH")),
        }
    }

    let database = daemon.database();
    daemon.stop()?;
    let truth = meter.sent();
    let stored = stored(&database)?;
    assert!(stored.len() >= 10);
    for (serial, obis, value) in stored {
        assert_eq!(serial, address);
        let told = truth.iter().any(|sent| match obis.as_str() {
            "1-0:1.8.0*255" => sent.sound && Decimal::from(sent.import_wh) == value,
            "1-0:1.8.1*255" => Decimal::from(sent.import_wh) == value,
            "1-0:2.8.0*255" => Decimal::from(sent.export_wh) == value,
            "1-0:9.7.0*255" => Decimal::from(sent.drawn_va) == value,
            "1-0:10.7.0*255" => Decimal::from(sent.fed_in_va) == value,
            "1-0:32.7.0*255" => value == Decimal::from(230),
            "1-0:11.7.0*255" | "1-0:31.7.0*255" => value == Decimal::from(POWER_VA / 230),
            _ => false,
        });
        assert!(told, "{obis} {value} was not sent: {truth:?}");
    }
    Ok(())
}

/// Every stored number: the meter's address, OBIS code, value.
fn stored(database: &Path) -> anyhow::Result<Vec<(String, String, Decimal)>> {
    let db = rusqlite::Connection::open_with_flags(
        database,
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let sql = "SELECT serial, obis, value FROM reading
        JOIN register ON register.id = register_id JOIN meter ON meter.id = meter_id";
    let mut select = db.prepare(sql)?;
    let rows = select.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (serial, obis, value) = row?;
        Ok((serial, obis, value.parse()?))
    })
    .collect()
}

#[test]
fn a_linky_in_standard_mode() -> anyhow::Result<()> {
    values_arrive(Mode::Standard, 0)
}

#[test]
fn a_linky_in_historic_mode_whose_speed_must_be_found() -> anyhow::Result<()> {
    values_arrive(Mode::Historic, 0)
}

#[test]
fn a_damaged_group_costs_only_itself() -> anyhow::Result<()> {
    values_arrive(Mode::Standard, 2)
}
