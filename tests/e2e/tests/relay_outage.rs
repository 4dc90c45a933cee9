//! The relay after an outage: what three meters said meanwhile arrives in order, once, and in little
//! memory.
//!
//! `WATTLE_OUTAGE_DAYS` says for how long the head-end could not be reached (1 unless set). With
//! `WATTLE_OUTAGE_MBIT` the gateway stands in a network namespace behind a line of so many Mbit/s
//! in each direction (tc, as root).

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::net::{self, Lan};
use e2e::past::{fill, incoming, value};
use e2e::relay::{Postgres, Utility, Way};
use gateway::config::{Taf, UpstreamStream};
use gateway::store::Plan;
use jiff::Timestamp;
use meter_link::model::{RegisterValue, Unit};
use rust_decimal::Decimal;

/// What the meters tell once a minute: two energies for use case 7; voltages, currents and the
/// frequency for use case 10.
const REGISTERS: [(&str, Unit); 9] = [
    ("1-0:1.8.0*255", Unit::WattHour),
    ("1-0:2.8.0*255", Unit::WattHour),
    ("1-0:32.7.0*255", Unit::Volt),
    ("1-0:52.7.0*255", Unit::Volt),
    ("1-0:72.7.0*255", Unit::Volt),
    ("1-0:31.7.0*255", Unit::Ampere),
    ("1-0:51.7.0*255", Unit::Ampere),
    ("1-0:71.7.0*255", Unit::Ampere),
    ("1-0:14.7.0*255", Unit::Hertz),
];
const METERS: [(&str, &str); 3] = [
    ("first", "1WSM0000000001"),
    ("second", "1WSM0000000002"),
    ("third", "1WSM0000000003"),
];
/// Resident memory may swing by this while the outbox drains: buffers and SQLite's page cache.
const SWING_KB: u64 = 16 * 1024;

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn wanted() -> Vec<UpstreamStream> {
    let stream = |meter: &str, taf| UpstreamStream {
        taf,
        meter: meter.to_owned(),
        registers: Vec::new(),
        consent: "test".to_owned(),
    };
    METERS
        .iter()
        .flat_map(|(meter, _)| [Taf::IntervalSeries, Taf::GridState].map(|taf| stream(meter, taf)))
        .collect()
}

/// What the daemon's own writer makes of so many days, up to now.
fn live_through(state: &std::path::Path, days: u32) -> anyhow::Result<()> {
    let plan = Plan {
        streams: wanted(),
        rows: 1_000_000,
    };
    let now = Timestamp::now().as_second().div_euclid(900) * 900;
    let minutes = i64::from(days) * 1_440;
    let told = (0..=minutes).flat_map(|minute| {
        (0..).zip(METERS).map(move |(place, (name, serial))| {
            let at = Timestamp::from_second(now - (minutes - minute) * 60)?;
            Ok(incoming(name, serial, at, values(minute + place)?))
        })
    });
    fill(state, plan, told)
}

/// Rising energies, and quantities that are another number each minute.
fn values(minute: i64) -> anyhow::Result<Vec<RegisterValue>> {
    let mix = minute.wrapping_mul(2_654_435_761).rem_euclid(997);
    let amounts = [
        Decimal::new(minute * 383 + mix % 7, 1),
        Decimal::new(minute * 41, 1),
        Decimal::new(2_300 + mix % 60, 1),
        Decimal::new(2_295 + mix % 59, 1),
        Decimal::new(2_305 + mix % 61, 1),
        Decimal::new(mix, 2),
        Decimal::new(mix * 3 % 991, 2),
        Decimal::new(mix * 7 % 983, 2),
        Decimal::new(49_950 + mix % 100, 3),
    ];
    let value =
        |((obis, unit), amount): (&(&str, Unit), Decimal)| Ok(value(obis.parse()?, *unit, amount));
    REGISTERS.iter().zip(amounts).map(value).collect()
}

/// What is left in the outbox.
fn left(daemon: &Daemon) -> anyhow::Result<u64> {
    let db = reading(daemon)?;
    Ok(db.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?)
}

fn reading(daemon: &Daemon) -> anyhow::Result<rusqlite::Connection> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(daemon.database(), flags)?;
    db.busy_timeout(Duration::from_secs(10))?;
    Ok(db)
}

/// The rows that wait, stream by stream, as PostgreSQL should have them.
fn waiting(daemon: &Daemon) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let db = reading(daemon)?;
    let names: Vec<(i64, String)> = db
        .prepare("SELECT id, name FROM relay_stream ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut select = db.prepare(
        "SELECT seq || '|' || at_s || '|' || unit || '|' || value || '|' || status FROM outbox
         WHERE stream_id = ?1 ORDER BY seq",
    )?;
    let rows = |(id, name): (i64, String)| {
        let rows = select.query_map([id], |row| row.get(0))?;
        Ok((name, rows.collect::<Result<_, _>>()?))
    };
    names.into_iter().map(rows).collect()
}

fn resident_kb(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().next());
    Ok(kb.context("/proc tells the resident memory")?.parse()?)
}

#[test]
fn an_outage_drains_in_order_and_in_little_memory() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start()? else {
        return Ok(());
    };
    let days = number("WATTLE_OUTAGE_DAYS").unwrap_or(1);
    let folder = tempfile::tempdir()?;
    let mbit: Option<u32> = number("WATTLE_OUTAGE_MBIT");
    let lan = if mbit.is_some() { Lan::new()? } else { None };
    ensure!(mbit.is_some() == lan.is_some(), "a slow line takes root");
    let home = lan.as_ref().map(|lan| lan.host(11)).transpose()?;
    if let (Some(home), Some(mbit)) = (&home, mbit) {
        home.slow_down(mbit)?;
    }
    let utility = Utility::new(&folder.path().join("utility"))?;
    let state = folder.path().join("state");
    live_through(&state, days)?;

    // The broker is not there yet: the gateway waits with what it has.
    let port = e2e::free_port()?;
    let here = if home.is_some() {
        net::address(1)
    } else {
        "localhost".to_owned()
    };
    let lines = utility.gateway_lines("gw-1", Way::Mqtt(format!("{here}:{port}")));
    let mut lines = lines.replace("every_s = 1\nresend_s = 2", "every_s = 1\nresend_s = 30");
    for (meter, _) in METERS {
        let port = folder.path().join(meter);
        let role = if meter == "first" { "grid" } else { "submeter" };
        lines = format!(
            "[[meter]]\nname = \"{meter}\"\nrole = \"{role}\"\nprotocol = \"sml\"\nport = {port:?}\n{lines}"
        );
        for taf in [7, 10] {
            lines += &format!(
                "[[upstream.stream]]\ntaf = {taf}\nmeter = \"{meter}\"\nconsent = \"test\"\n"
            );
        }
    }
    let namespace = home.as_ref().map(net::Host::namespace);
    let daemon = Daemon::start_in(folder.path(), namespace, &lines).with_context(|| {
        std::fs::read_to_string(folder.path().join("wattle.log")).unwrap_or_default()
    })?;
    utility.register("gw-1", &state)?;
    let sent = waiting(&daemon)?;
    let count: usize = sent.iter().map(|(_, rows)| rows.len()).sum();
    let quarters = usize::try_from(days)? * 96;
    for (name, rows) in &sent {
        let expected = if name.starts_with("7/") {
            quarters
        } else {
            quarters * 15 + 1
        };
        ensure!(rows.len() == expected, "{name}: {} rows wait", rows.len());
    }
    println!(
        "{count} rows of {} streams wait for {days} days",
        sent.len()
    );

    let before = resident_kb(daemon.pid())?;
    let mut more = utility.broker_lines();
    if home.is_some() {
        more += &format!("listener {port} {here}\n{}", utility.broker_lines());
    }
    let started = Instant::now();
    let _broker = Broker::start_at(folder.path(), port, &more)?;
    let _worker = utility.worker("worker-a", port, &postgres.address())?;
    let (mut highest, mut lowest) = (0, u64::MAX);
    eventually("the outbox is empty", Duration::from_secs(1_800), || {
        let now = resident_kb(daemon.pid())?;
        (highest, lowest) = (now.max(highest), now.min(lowest));
        std::thread::sleep(Duration::from_millis(200));
        Ok((left(&daemon)? == 0).then_some(()))
    })
    .with_context(|| daemon.log().unwrap_or_default())?;
    println!(
        "drained in {:.1} s, from the broker's return to the last signed acknowledgement",
        started.elapsed().as_secs_f64()
    );
    println!(
        "resident memory of the gateway: {:.1} MB before, {:.1} to {:.1} MB while it drained",
        mb(before),
        mb(lowest),
        mb(highest)
    );
    ensure!(
        highest < before + SWING_KB,
        "memory grew from {before} to {highest} kB"
    );

    for (name, rows) in &sent {
        let arrived = postgres.query(&format!(
            "SELECT seq, extract(epoch FROM at)::bigint, unit, value, status FROM reading
             WHERE device = 'gw-1' AND stream = '{name}' ORDER BY seq"
        ))?;
        ensure!(arrived == *rows, "{name}: what arrived is not what waited");
    }
    // One worker only inserts: its rows stand in the table in the order in which they came.
    let out_of_order = postgres.query(
        "SELECT count(*) FROM (SELECT seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY stream ORDER BY ctid) AS before
         FROM reading) AS pair WHERE seq <> before + 1",
    )?;
    ensure!(
        out_of_order == ["0"],
        "{out_of_order:?} rows came out of order"
    );
    println!("{count} rows are the same in PostgreSQL, in order, none twice");
    daemon.stop()
}

#[allow(clippy::cast_precision_loss, reason = "kilobytes, for people")]
fn mb(kb: u64) -> f64 {
    kb as f64 / 1_000.0
}
