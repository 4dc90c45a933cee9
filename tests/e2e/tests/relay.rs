//! The relay from the meter to PostgreSQL: through a broker that is not trusted, and through kills.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::relay::{Postgres, Utility, Worker};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::sml::{Config, SmlMeter};

const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway with a simulated meter that sends four times a second.
struct Gateway {
    name: String,
    folder: PathBuf,
    meter: SmlMeter,
    daemon: Daemon,
}

impl Gateway {
    fn start(folder: &Path, name: &str, utility: &Utility, port: u16) -> anyhow::Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let link = folder.join("optical0");
        let mut kind = Config::new(Curve::new(Kind::Constant { power_w: 2300 }, 1));
        kind.interval = Duration::from_millis(250);
        kind.baud = 115_200;
        let meter = SmlMeter::start(&link, kind)?;
        let more = format!(
            "[[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {link:?}\nbaud = 115200\n{}\
             [[upstream.stream]]\ntaf = 14\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\", \"1-0:16.7.0\"]\nconsent = \"test\"\n\
             [[upstream.stream]]\ntaf = 6\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\"]\nconsent = \"test\"\n",
            utility.gateway_lines(name, port)
        );
        let daemon = Daemon::start(&folder, &more)?;
        utility.register(name, &folder.join("state"))?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            meter,
            daemon,
        })
    }

    fn sqlite(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let path = self.folder.join("state/wattle.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = rusqlite::Connection::open_with_flags(path, flags)?;
        let mut select = db.prepare(sql)?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the store has of both registers, as PostgreSQL should have it.
    fn stored(&self) -> anyhow::Result<Vec<String>> {
        self.sqlite(
            "SELECT '14/' || serial || '/' || obis || '|' || row_number() OVER (PARTITION BY register_id ORDER BY at_us, seq)
               || '|' || (at_us / 1000000) || '|' || unit || '|' || value
             FROM reading JOIN register ON register.id = register_id JOIN meter ON meter.id = meter_id
             WHERE obis IN ('1-0:1.8.0*255', '1-0:16.7.0*255') ORDER BY obis, at_us, seq",
        )
    }

    fn arrived(&self, postgres: &Postgres) -> anyhow::Result<Vec<String>> {
        postgres.query(&format!(
            "SELECT stream, seq, extract(epoch FROM at)::bigint, unit, value FROM reading
             WHERE device = '{}' ORDER BY split_part(stream, '/', 3) COLLATE \"C\", seq",
            self.name
        ))
    }

    /// No more readings; waits until the head-end has acknowledged all there are.
    fn drain(&self) -> anyhow::Result<()> {
        self.meter.handle().unplug()?;
        eventually("the outbox is empty", PATIENCE, || {
            let left = self.sqlite("SELECT CAST(count(*) AS TEXT) FROM outbox")?;
            Ok((left == ["0"]).then_some(()))
        })
        .with_context(|| self.daemon.log().unwrap_or_default())
    }
}

fn rows(postgres: &Postgres) -> anyhow::Result<u64> {
    let counted = postgres
        .query("SELECT count(*) FROM reading")
        .unwrap_or_default();
    Ok(counted
        .first()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0))
}

fn more_rows(postgres: &Postgres, than: u64) -> anyhow::Result<u64> {
    eventually("more rows arrive", PATIENCE, || {
        let now = rows(postgres)?;
        Ok((now > than).then_some(now))
    })
}

#[test]
fn readings_arrive_once_and_nobody_between_reads_them() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        println!("skipped: PostgreSQL 15 is not installed (apt-get install postgresql-15)");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let broker = Broker::start_with(folder.path(), &utility.broker_lines())?;
    let gateway = Gateway::start(folder.path(), "gw-1", &utility, broker.port())?;
    let sniffed = Sniffer::start(&utility, broker.port())?;
    let _worker = utility.worker("worker-a", broker.port(), &postgres.address())?;
    more_rows(&postgres, 20).with_context(|| gateway.daemon.log().unwrap_or_default())?;
    gateway.drain()?;
    let stored = gateway.stored()?;
    assert!(stored.len() > 20, "{} rows", stored.len());
    assert_eq!(gateway.arrived(&postgres)?, stored);
    // 2300 W constant: the power would be seen in whatever is not sealed.
    let heard = sniffed.heard()?;
    assert!(heard.contains("up/gw-1"), "the sniffer heard nothing");
    for line in heard.lines() {
        let payload = line.split_once(' ').map_or("", |(_, payload)| payload);
        // Octets of COSE_Encrypt0 (tag 16), or an announcement: [device, epoch, signed].
        assert!(
            payload.starts_with("d0") || payload.starts_with("83"),
            "{line}"
        );
    }
    commands(&gateway, &utility, &postgres, broker.port())?;
    let ledger =
        gateway.sqlite("SELECT CAST(count(*) AS TEXT) FROM disclosure WHERE kind = 'utility'")?;
    assert!(
        ledger != ["0"],
        "what was sent stands in the privacy ledger"
    );
    gateway.daemon.stop()
}

/// Commands come down signed and are taken once; their results go up like readings.
fn commands(
    gateway: &Gateway,
    utility: &Utility,
    postgres: &Postgres,
    port: u16,
) -> anyhow::Result<()> {
    let send = |id: &str, kind: &str, counter: u32, valid_s: i32, body: &str, signers: &[&str]| {
        let more = [
            ("device", gateway.name.clone()),
            ("id", id.to_owned()),
            ("kind", kind.to_owned()),
            ("counter", counter.to_string()),
            ("valid-s", valid_s.to_string()),
            ("body", body.to_owned()),
        ];
        utility.command(
            port,
            &postgres.address(),
            &more.into_iter().collect(),
            signers,
        )
    };
    let house = "{\"meter\": \"house\"}";
    send("c-stranger", "READ_NOW", 1, 300, house, &["stranger"])?;
    send("c-one", "DISCONNECT", 2, 300, "{}", &["chief"])?;
    send("c-read", "READ_NOW", 3, 300, house, &["chief"])?;
    send("c-again", "READ_NOW", 3, 300, house, &["chief"])?;
    send("c-late", "READ_NOW", 4, -1, house, &["chief"])?;
    send("c-off", "DISCONNECT", 5, 300, "{}", &["chief", "deputy"])?;
    send("c-key", "KEY_ROTATE", 6, 300, "{}", &["deputy"])?;
    let results = || {
        postgres.query("SELECT body::json->>'id', body::json->>'status' FROM reading WHERE stream = 'result' ORDER BY seq")
    };
    eventually("the last command is answered", PATIENCE, || {
        Ok(results()?
            .iter()
            .any(|row| row.starts_with("c-key"))
            .then_some(()))
    })
    .with_context(|| gateway.daemon.log().unwrap_or_default())?;
    let want = [
        "c-read|done",
        "c-late|refused",
        "c-off|not_supported",
        "c-key|done",
    ];
    assert_eq!(results()?, want);
    let read = eventually("what was asked for arrives", PATIENCE, || {
        let rows = postgres.query("SELECT count(*) FROM reading WHERE stream LIKE '6/%'")?;
        Ok((rows != ["0"]).then_some(rows))
    })?;
    assert_eq!(read, ["1"]);
    Ok(())
}

/// `WATTLE_KILLS` kills of gateways, workers and the broker in turn: every row once, none lost.
#[test]
fn kills_lose_and_double_nothing() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        println!("skipped: PostgreSQL 15 is not installed (apt-get install postgresql-15)");
        return Ok(());
    };
    let kills: usize = std::env::var("WATTLE_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8);
    let folder = tempfile::tempdir()?;
    let utility = Utility::new(&folder.path().join("utility"))?;
    let lines = utility.broker_lines();
    let first = Broker::start_with(folder.path(), &lines)?;
    let port = first.port();
    let mut broker = Some(first);
    let names = ["gw-1", "gw-2", "gw-3"];
    let mut gateways = names
        .iter()
        .map(|name| Gateway::start(folder.path(), name, &utility, port))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let start = |name: &str| utility.worker(name, port, &postgres.address());
    let mut workers: Vec<Worker> = vec![start("worker-a")?, start("worker-b")?];
    let mut seen = more_rows(&postgres, 0)?;
    let mut counts = [0_u32; 3];
    for kill in 0..kills {
        match kill % 4 {
            0 => {
                let count = gateways.len();
                let gateway = gateways.get_mut(kill / 4 % count).context("a gateway")?;
                gateway.daemon.kill_and_restart()?;
                counts[0] += 1;
            }
            2 => {
                drop(broker.take());
                broker = Some(Broker::start_at(folder.path(), port, &lines)?);
                counts[1] += 1;
            }
            _ => {
                drop(workers.remove(0));
                workers.push(start(&format!("worker-{kill}"))?);
                counts[2] += 1;
            }
        }
        seen = more_rows(&postgres, seen)?;
    }
    for gateway in &gateways {
        gateway.drain()?;
        let stored = gateway.stored()?;
        assert_eq!(gateway.arrived(&postgres)?, stored, "{}", gateway.name);
        println!("{}: {} rows are the same", gateway.name, stored.len());
    }
    let [daemon, brokers, headend] = counts;
    println!("{daemon} kills of gateways, {brokers} of the broker, {headend} of workers");
    Ok(())
}

/// `mosquitto_sub '#'`, with a certificate of its own: what whoever owns the broker sees.
struct Sniffer {
    child: std::process::Child,
    file: tempfile::NamedTempFile,
}

impl Sniffer {
    fn start(utility: &Utility, port: u16) -> anyhow::Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let child = std::process::Command::new("mosquitto_sub")
            .args([
                "-h",
                "localhost",
                "-p",
                &port.to_string(),
                "-t",
                "#",
                "-F",
                "%t %x",
                "--cafile",
            ])
            .arg(utility.file("authority.crt"))
            .arg("--cert")
            .arg(utility.file("worker.crt"))
            .arg("--key")
            .arg(utility.file("worker.key"))
            .stdout(file.reopen()?)
            .spawn()
            .context("mosquitto_sub is not installed: apt-get install mosquitto-clients")?;
        Ok(Self { child, file })
    }

    fn heard(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.file.path())?)
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
