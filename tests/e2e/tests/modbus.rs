//! Several Modbus meters on one line, from their registers to the store and the API.

use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use rust_decimal::Decimal;
use wattle_sim::household::{Curve, Kind};
use wattle_sim::modbus::{Config, MeterLine, Unit};

const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn four_meters_on_one_line_with_noise() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("rs485");
    let numbers = [1u8, 2, 3, 247];
    let unit = |number: u8| Unit {
        number,
        serial: 21_000_000 + u32::from(number),
        load: Curve::new(
            Kind::Constant {
                power_w: 100 * i32::from(1 + number % 4),
            },
            1,
        ),
    };
    let config = Config {
        silent_every: 13,
        wrong_crc_every: 17,
        ..Config::new(numbers.into_iter().map(unit).collect())
    };
    let line = MeterLine::start(&link, config)?;
    let config: String = numbers
        .iter()
        .map(|number| {
            format!(
                "[[meter]]\nname = \"m{number}\"\nprotocol = \"modbus\"\nport = {link:?}\nrole = \"submeter\"\n\
                 unit = {number}\nmap = \"sdm630\"\nperiod_s = 1\n"
            )
        })
        .collect();
    let daemon = Daemon::start(folder.path(), &config)?;
    let meters = eventually("all four are read three times", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let read = meters.iter().all(|meter| meter.telegrams >= 3);
        Ok(read.then_some(meters))
    })?;
    let heard = line.heard();
    for (number, meter) in numbers.iter().zip(&meters) {
        let serial = (21_000_000 + u32::from(*number)).to_string();
        assert_eq!(meter.id.as_deref(), Some(serial.as_str()));
        let of = |obis: &str| {
            let found = meter.registers.iter().find(|one| one.obis == obis);
            found.with_context(|| format!("{obis} of {}", meter.name))
        };
        let power = of("1-0:16.7.0*255")?;
        assert_eq!(power.value, Decimal::from(100 * u32::from(1 + number % 4)));
        assert_eq!((power.unit.as_str(), power.check.as_str()), ("W", "crc"));
        let energy = of("1-0:1.8.0*255")?.value;
        let told = |one: &&wattle_sim::modbus::Heard| {
            one.unit == *number && Decimal::from(one.import_ckwh * 10) == energy
        };
        assert!(heard.iter().any(|one| told(&one)), "{energy} of {number}");
        assert_eq!(of("1-0:32.7.0*255")?.value, Decimal::new(2302, 1));
    }
    for pair in heard.windows(2) {
        if let [before, after] = pair {
            let gap = after.at.duration_since(before.at);
            assert!(gap >= Duration::from_millis(100), "{gap:?}");
        }
    }
    Ok(())
}
