//! `wattle probe` at ports with simulated meters: what it finds, and within its time.

#![allow(
    clippy::indexing_slicing,
    reason = "a member that JSON does not have is null"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use wattle_sim::actor::{Handle, Pace};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::uart::Framing;
use wattle_sim::{c12, iec62056_21, modbus, p1, sml, tic};

fn load() -> Curve {
    Curve::new(Kind::Constant { power_w: 420 }, 1)
}

/// Probes the port: the object that was printed, and whether a meter was found.
fn probe(port: &Path) -> anyhow::Result<(Value, bool)> {
    let begun = Instant::now();
    let output = Command::new(e2e::program("wattle")?)
        .args(["probe", "--json"])
        .arg(port)
        .output()?;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(90), "{took:?}");
    let told = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((told, output.status.success()))
}

/// The meter that was found, with what is to be seen of it: protocol, speed, meter.
fn found(port: &Path) -> anyhow::Result<(Value, String)> {
    let (told, success) = probe(port)?;
    anyhow::ensure!(success, "{told}");
    let found = told["found"].clone();
    let text = |name: &str| found[name].as_str().unwrap_or("-").to_owned();
    let seen = format!("{} {} {}", text("protocol"), found["baud"], text("meter"));
    Ok((found, seen))
}

#[test]
fn sml_before_and_after_the_pin() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for pin_locked in [false, true] {
        let link = folder
            .path()
            .join(if pin_locked { "locked" } else { "open" });
        let config = sml::Config {
            pin_locked,
            ..sml::Config::new(load())
        };
        let _meter = sml::SmlMeter::start(&link, config)?;
        let (found, seen) = found(&link)?;
        assert!(seen.starts_with("sml 9600 "), "{seen}");
        let missing = found["missing"].as_array().context("a list")?;
        assert_eq!(missing.len(), usize::from(pin_locked));
        assert!(
            found["config"]
                .as_str()
                .is_some_and(|text| text.contains("protocol = \"sml\""))
        );
    }
    Ok(())
}

#[test]
fn p1_at_either_speed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for baud in [115_200, 9_600] {
        let link = folder.path().join(format!("p1-{baud}"));
        let config = p1::Config {
            baud,
            interval: Duration::from_secs(5),
            ..p1::Config::new(load())?
        };
        let _meter = p1::P1Meter::start(&link, config)?;
        let (_, seen) = found(&link)?;
        assert_eq!(seen, format!("p1 {baud} WSM0012345678"));
    }
    Ok(())
}

#[test]
fn tic_in_either_mode() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for (mode, baud) in [
        (meter_link::tic::Mode::Historic, 1_200),
        (meter_link::tic::Mode::Standard, 9_600),
    ] {
        let link = folder.path().join(format!("tic-{baud}"));
        let _meter = tic::Meter::start(&link, tic::Config::new(mode, load()))?;
        let (found, seen) = found(&link)?;
        assert_eq!(seen, format!("tic {baud} 021861234567"));
        assert_eq!(found["parity"], "even");
    }
    Ok(())
}

#[test]
fn iec62056_21_with_its_number() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("optical");
    let _meter = iec62056_21::Meter::start(&link, iec62056_21::Config::new(load()))?;
    let (found, seen) = found(&link)?;
    assert_eq!(seen, "iec62056-21 300 87654321");
    assert_eq!(found["manufacturer"], "WSM");
    Ok(())
}

#[test]
fn modbus_with_its_map() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("rs485");
    let unit = modbus::Unit {
        number: 2,
        serial: 21_061_266,
        load: load(),
    };
    let _line = modbus::MeterLine::start(&link, modbus::Config::new(vec![unit]))?;
    let (found, seen) = found(&link)?;
    assert_eq!(seen, "modbus-rtu 9600 21061266");
    assert_eq!(
        (&found["unit"], &found["map"]),
        (&2.into(), &"sdm630".into())
    );
    Ok(())
}

#[test]
fn an_american_meter() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("ansi");
    let _meter = c12::Meter::start(&link, c12::Config::new(load()))?;
    let (found, seen) = found(&link)?;
    assert_eq!(seen, "c1218 9600 -");
    assert!(
        found["config"]
            .as_str()
            .is_some_and(|text| text.contains("\"c12.18\""))
    );
    Ok(())
}

#[test]
fn why_nothing_was_found() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("echo");
    // A head that hears itself.
    let _head = Handle::start("echo", &link, |wire| {
        let mut heard = Vec::new();
        while wire.wait(Instant::now() + Duration::from_millis(200), &mut heard) {
            let baud = wire.far_speed().unwrap_or(9_600);
            if !wire.send(&heard, baud, Framing::EightNone, Pace::AtOnce) {
                return;
            }
            heard.clear();
        }
    })?;
    let (told, success) = probe(&link)?;
    assert!(!success);
    let remark = told["remarks"][0].as_str().context("a remark")?;
    assert!(remark.starts_with("only the echo"), "{remark}");

    let (told, success) = probe(&folder.path().join("nowhere"))?;
    assert!(!success && told["error"].is_string(), "{told}");
    Ok(())
}

#[test]
fn a_silent_port() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("silent");
    let _port = Handle::start("silent", &link, |wire| {
        let mut heard = Vec::new();
        while wire.wait(Instant::now() + Duration::from_millis(200), &mut heard) {
            heard.clear();
        }
    })?;
    let (told, success) = probe(&link)?;
    assert!(!success);
    let remark = told["remarks"][0].as_str().context("a remark")?;
    assert!(remark.starts_with("nothing at all was heard"), "{remark}");
    Ok(())
}
