//! A simulated meter of the American standards, from its optical port to the store and the API.

use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use rust_decimal::Decimal;
use wattle_sim::c12::{Config, Faults, Meter};
use wattle_sim::household::{Curve, Kind};

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
