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
        Self::start_sealed(folder, name, utility, way, "cose")
    }

    /// The same with messages of this form.
    pub(crate) fn start_sealed(
        folder: &Path,
        name: &str,
        utility: &Utility,
        way: impl Into<Way>,
        seal: &str,
    ) -> anyhow::Result<Self> {
        let seal = format!("seal = {seal:?}\n");
        Self::start_at(folder, name, None, utility, way, &seal)
    }

    /// The same in a network namespace, with more lines behind those of `[upstream]`.
    pub(crate) fn start_at(
        folder: &Path,
        name: &str,
        namespace: Option<&str>,
        utility: &Utility,
        way: impl Into<Way>,
        more: &str,
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
            "[tariff]\nfile = \"tariff.toml\"\nrelay = true\n[[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {link:?}\nbaud = 115200\n{}{more}\
             [[upstream.stream]]\ntaf = 14\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\", \"1-0:16.7.0\"]\nconsent = \"test\"\n\
             [[upstream.stream]]\ntaf = 6\nmeter = \"house\"\nregisters = [\"1-0:1.8.0\"]\nconsent = \"test\"\n",
            utility.gateway_lines(name, way)
        );
        let daemon = Daemon::start_in(&folder, namespace, &more)?;
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

/// The head-end's end of the line.
pub(crate) struct Far<'a> {
    pub(crate) name: &'a str,
    pub(crate) utility: &'a Utility,
    pub(crate) postgres: &'a Postgres,
    pub(crate) way: &'a Way,
    /// Commands have the form of CMS.
    pub(crate) cms: bool,
}

impl Far<'_> {
    pub(crate) fn send(
        &self,
        id: &str,
        kind: &str,
        counter: u32,
        valid_s: i32,
        body: &str,
        signers: &[&str],
    ) -> anyhow::Result<()> {
        let more = [
            ("device", self.name.to_owned()),
            ("id", id.to_owned()),
            ("kind", kind.to_owned()),
            ("counter", counter.to_string()),
            ("valid-s", valid_s.to_string()),
            ("body", body.to_owned()),
            ("cms", self.cms.to_string()),
        ];
        let database = self.postgres.address();
        self.utility.command(
            self.way.clone(),
            &database,
            &more.into_iter().collect(),
            signers,
        )
    }

    /// Who answered how, in the order of the stream.
    pub(crate) fn results(&self) -> anyhow::Result<Vec<String>> {
        self.postgres.query("SELECT coalesce(body::json->>'id', body::json->>'event'), body::json->>'status' FROM reading WHERE stream = 'result' ORDER BY seq")
    }

    /// Waits for the result of a command.
    pub(crate) fn answered(&self, id: &str, daemon: &Daemon) -> anyhow::Result<()> {
        eventually("a command is answered", PATIENCE, || {
            Ok(self
                .results()?
                .iter()
                .any(|row| row.starts_with(id))
                .then_some(()))
        })
        .with_context(|| daemon.log().unwrap_or_default())
    }

    /// The last result of a command: its status and why.
    pub(crate) fn result(&self, id: &str) -> anyhow::Result<String> {
        let sql = format!(
            "SELECT body::json->>'status', body::json->>'detail' FROM reading WHERE stream = 'result' AND body::json->>'id' = '{id}' ORDER BY seq DESC LIMIT 1"
        );
        self.postgres.query(&sql)?.pop().context("no result")
    }

    /// Waits until a command ends in this status.
    pub(crate) fn ended(&self, id: &str, status: &str, daemon: &Daemon) -> anyhow::Result<()> {
        eventually("a command has its end", PATIENCE, || {
            let result = self.result(id).unwrap_or_default();
            Ok(result.starts_with(status).then_some(()))
        })
        .with_context(|| daemon.log().unwrap_or_default())
    }
}
