//! Gateways of the relay's tests, and what has arrived of them.
#![allow(dead_code, reason = "not every test needs everything")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::relay::{Postgres, Utility, Way};
use wattle_sim::household::{Curve, Kind};
use wattle_sim::sml::{Config, SmlMeter};

const TARIFF: &str = "version = 1\nname = \"Spot\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
                      [source]\nformat = \"awattar\"\nfile = \"now.json\"\n";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway with a simulated meter that sends four times a second.
pub(crate) struct Gateway {
    pub(crate) name: String,
    folder: PathBuf,
    meter: SmlMeter,
    pub(crate) daemon: Daemon,
}

impl Gateway {
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        utility: &Utility,
        way: impl Into<Way>,
    ) -> anyhow::Result<Self> {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)?;
        let link = folder.join("optical0");
        let mut kind = Config::new(Curve::new(Kind::Constant { power_w: 2300 }, 1));
        kind.interval = Duration::from_millis(250);
        kind.baud = 115_200;
        let meter = SmlMeter::start(&link, kind)?;
        // Prices come down the relay.
        std::fs::write(folder.join("tariff.toml"), TARIFF)?;
        let more = format!(
            "[tariff]\nfile = \"tariff.toml\"\nrelay = true\n[[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {link:?}\nbaud = 115200\n{}\
             [[upstream.stream]]\ntaf = 14\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\", \"1-0:16.7.0\"]\nconsent = \"test\"\n\
             [[upstream.stream]]\ntaf = 6\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\"]\nconsent = \"test\"\n",
            utility.gateway_lines(name, way)
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

    pub(crate) fn sqlite(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let path = self.folder.join("state/wattle.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db = rusqlite::Connection::open_with_flags(path, flags)?;
        let mut select = db.prepare(sql)?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the store has of both registers, as PostgreSQL should have it.
    pub(crate) fn stored(&self) -> anyhow::Result<Vec<String>> {
        self.sqlite(
            "SELECT '14/' || serial || '/' || obis || '|' || row_number() OVER (PARTITION BY register_id ORDER BY at_us, seq)
               || '|' || (at_us / 1000000) || '|' || unit || '|' || value
             FROM reading JOIN register ON register.id = register_id JOIN meter ON meter.id = meter_id
             WHERE obis IN ('1-0:1.8.0*255', '1-0:16.7.0*255') ORDER BY obis, at_us, seq",
        )
    }

    pub(crate) fn arrived(&self, postgres: &Postgres) -> anyhow::Result<Vec<String>> {
        postgres.query(&format!(
            "SELECT stream, seq, extract(epoch FROM at)::bigint, unit, value FROM reading
             WHERE device = '{}' ORDER BY split_part(stream, '/', 3) COLLATE \"C\", seq",
            self.name
        ))
    }

    /// No more readings; waits until the head-end has acknowledged all there are.
    pub(crate) fn drain(&self) -> anyhow::Result<()> {
        self.meter.handle().unplug()?;
        eventually("the outbox is empty", PATIENCE, || {
            let left = self.sqlite("SELECT CAST(count(*) AS TEXT) FROM outbox")?;
            Ok((left == ["0"]).then_some(()))
        })
        .with_context(|| self.daemon.log().unwrap_or_default())
    }
}

pub(crate) fn rows(postgres: &Postgres) -> anyhow::Result<u64> {
    let counted = postgres
        .query("SELECT count(*) FROM reading")
        .unwrap_or_default();
    Ok(counted
        .first()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0))
}

pub(crate) fn more_rows(postgres: &Postgres, than: u64) -> anyhow::Result<u64> {
    eventually("more rows arrive", PATIENCE, || {
        let now = rows(postgres)?;
        Ok((now > than).then_some(now))
    })
}
