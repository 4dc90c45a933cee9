//! DLMS meters (multi-drop) and Modbus meters on one line of RS-485: each is read, and between two of
//! them the line is silent for a tenth of a second.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::key::hex;
use rust_decimal::Decimal;
use wattle_sim::dlms::{self, Carrier, Security};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::modbus::{self, Unit};
use wattle_sim::rs485::{Exchange, Rs485, Who};

const PATIENCE: Duration = Duration::from_secs(60);
/// What the gateway promises, less what a loaded machine takes to see it.
const GAP: Duration = Duration::from_millis(95);

fn load(power_w: i32) -> Curve {
    Curve::new(Kind::Constant { power_w }, 1)
}

fn dlms_config(
    folder: &Path,
    config: &dlms::Config,
    name: &str,
    link: &Path,
) -> anyhow::Result<String> {
    let secret = |what: &str, octets: &[u8]| {
        let path = folder.join(format!("{name}-{what}"));
        std::fs::write(&path, hex(octets))?;
        anyhow::Ok(format!("file:{}", path.display()))
    };
    let security = match &config.security {
        Security::Gmac(suite) => format!(
            "authentication = \"gmac\"\nkey = {:?}\nauth_key = {:?}\nsuite = {suite}\n",
            secret("key", config.key.octets())?,
            secret("auth_key", config.auth_key.octets())?
        ),
        _ => String::new(),
    };
    Ok(format!(
        "[[meter]]\nname = {name:?}\nprotocol = \"dlms\"\nport = {link:?}\nrole = \"submeter\"\nperiod_s = 2\n\
         [meter.dlms]\nlogical = {}\nclient = 1\nregisters = [\"1-0:1.8.0\", \"1-0:16.7.0\"]\n{security}",
        config.logical
    ))
}

#[test]
fn two_protocols_share_a_line() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("rs485");
    let meter = |logical: u16, security, power_w| dlms::Config {
        logical,
        serial: format!("WSM000000000000{logical}"),
        ..dlms::Config::new(Carrier::Hdlc, security, load(power_w))
    };
    let dlms = [
        meter(1, Security::None, 500),
        meter(2, Security::Gmac(0), 600),
    ];
    let units = [3u8, 4].map(|number| Unit {
        number,
        serial: 21_000_000 + u32::from(number),
        load: load(100 * i32::from(number)),
    });
    let mut text = String::new();
    for (config, name) in dlms.iter().zip(["d1", "d2"]) {
        text += &dlms_config(folder.path(), config, name, &link)?;
    }
    for number in [3, 4] {
        text += &format!(
            "[[meter]]\nname = \"m{number}\"\nprotocol = \"modbus\"\nport = {link:?}\nrole = \"submeter\"\n\
             unit = {number}\nmap = \"sdm630\"\nperiod_s = 1\n"
        );
    }
    let line = Rs485::start(&link, &dlms, modbus::Config::new(units.into()))?;
    let daemon = Daemon::start(folder.path(), &text)?;
    let meters = eventually("all four are read three times", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let read = meters.len() == 4 && meters.iter().all(|meter| meter.telegrams >= 3);
        Ok(read.then_some(meters))
    })
    .with_context(|| daemon.log().unwrap_or_default())?;
    for (name, id, power_w) in [
        ("d1", "WSM0000000000001", 500),
        ("d2", "WSM0000000000002", 600),
        ("m3", "21000003", 300),
        ("m4", "21000004", 400),
    ] {
        let meter = meters
            .iter()
            .find(|meter| meter.name == name)
            .context(name)?;
        assert_eq!(meter.id.as_deref(), Some(id));
        let power = meter
            .registers
            .iter()
            .find(|register| register.obis == "1-0:16.7.0*255");
        assert_eq!(power.context(name)?.value, Decimal::from(power_w), "{name}");
        assert_eq!(meter.rejected, 0, "{name}");
    }
    let exchanges = line.exchanges();
    let of = |who| {
        exchanges
            .iter()
            .filter(|exchange| exchange.who == who)
            .count()
    };
    assert!(of(Who::Dlms(0)) > 10 && of(Who::Dlms(1)) > 10 && of(Who::Modbus(3)) > 3);
    assert_eq!(of(Who::Nobody), 0);
    let close = |pair: &&[Exchange]| matches!(pair, [one, next] if one.who != next.who && next.from < one.to + GAP);
    let close: Vec<_> = exchanges.windows(2).filter(close).collect();
    assert!(close.is_empty(), "{close:?}");
    // One association at a time: nobody speaks in between.
    let releases = line
        .meters()
        .iter()
        .map(|meter| meter.seen().releases)
        .sum::<u32>();
    let changes = exchanges
        .windows(2)
        .filter(|pair| matches!(pair, [one, next] if one.who != next.who));
    assert!(releases >= 6 && changes.count() >= 6);

    // A command reads one of them; the daemon lends it the line of all four.
    let file = folder.path().join("wattle.toml");
    let mut command = std::process::Command::new(e2e::program("wattle")?);
    let read = command
        .args(["read", "d2", "--config"])
        .arg(&file)
        .output()?;
    let text = String::from_utf8_lossy(&read.stdout);
    let failed = String::from_utf8_lossy(&read.stderr);
    assert!(text.contains("1-0:16.7.0*255 600 W"), "{text}{failed}");

    // Pulled and put back, it goes on.
    line.handle().unplug()?;
    line.handle().plug()?;
    let before: u64 = meters.iter().map(|meter| meter.telegrams).sum();
    eventually("all are read again", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let now: u64 = meters.iter().map(|meter| meter.telegrams).sum();
        Ok((now > before + 12).then_some(()))
    })?;
    daemon.stop()
}
