//! Recorded telegrams of a wireless meter, played back after the daemon was killed.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::mbus::{DeviceAddress, DeviceType, Identification, Manufacturer};
use wattle_sim::radio::{Meter, Security};

const PATIENCE: Duration = Duration::from_secs(20);
const ROUNDS: u32 = 8;

fn line(telegram: &[u8]) -> String {
    let mut line: String = telegram.iter().map(|byte| format!("{byte:02X}")).collect();
    line.push('\n');
    line
}

/// The meter's index in each stored reading, oldest first, in Wh.
fn stored(daemon: &Daemon) -> anyhow::Result<Vec<String>> {
    let db = rusqlite::Connection::open(daemon.database())?;
    let mut select = db.prepare(
        "SELECT value FROM reading JOIN register ON register.id = register_id
         WHERE obis LIKE '6-0:1.0.0%' ORDER BY at_us",
    )?;
    let rows = select.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[test]
fn what_was_recorded_before_a_kill_is_no_reading_after_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let gateway = TcpListener::bind("127.0.0.1:0")?;
    let key = folder.path().join("heat.key");
    std::fs::write(&key, "A5".repeat(16))?;
    let config = format!(
        "[[receiver]]\nname = \"net\"\nport = \"tcp:{}\"\n\
         [[meter]]\nname = \"heating\"\nmedium = \"heat\"\nprotocol = \"wmbus\"\nid = \"10000004\"\nkey = \"file:{}\"\n",
        gateway.local_addr()?,
        key.display()
    );
    let address = DeviceAddress {
        manufacturer: Manufacturer::from_letters("SIM").context("letters")?,
        identification: Identification::from_digits("10000004").context("digits")?,
        version: 1,
        device_type: DeviceType(0x04),
    };
    let mut meter = Meter::new(address, Security::Mode7([0xA5; 16]), 9_000_000);
    let mut recorded: Vec<Vec<u8>> = Vec::new();
    let mut daemon = Daemon::start(folder.path(), &config)?;
    for round in 1..=ROUNDS {
        let (mut stream, _) = gateway.accept()?;
        for telegram in &recorded {
            stream.write_all(line(telegram).as_bytes())?;
        }
        let sent = meter.telegram();
        stream.write_all(line(&sent.telegram).as_bytes())?;
        recorded.push(sent.telegram);
        let readings = eventually("the new telegram is stored", PATIENCE, || {
            let readings = stored(&daemon)?;
            Ok((readings.len() >= usize::try_from(round)?).then_some(readings))
        })?;
        let indexes: Vec<String> = (1..=round).map(|n| (9_000_000 + n).to_string()).collect();
        assert_eq!(readings, indexes, "round {round}");
        daemon.kill_and_restart()?;
    }
    daemon.stop()
}
