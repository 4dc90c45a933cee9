//! Fifty plugs that report every five seconds: what that costs the daemon.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use wattle_sim::zigbee::device::{Curve, Load};

const PLUGS: u64 = 50;
/// What the network may cost, kB.
const MOST_KB: u64 = 25 * 1024;

fn resident_kb(daemon: &Daemon) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("it has a size")?.parse()?)
}

/// Hundredths of a second of a processor so far.
fn ticks(daemon: &Daemon) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid()))?;
    let after_name = stat.rsplit_once(") ").context("it has a name")?.1;
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.map(|field| Ok(field.parse::<u64>()?)).sum()
}

#[test]
fn r21_fifty_plugs_cost_little() -> anyhow::Result<()> {
    let plain = tempfile::tempdir()?;
    let without = resident_kb(&Daemon::start(plain.path(), "")?)?;

    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let changing: Vec<(u32, u32)> = (0..1000)
        .map(|step| (step * 5, 100 + step % 7 * 50))
        .collect();
    let devices = (1..=PLUGS).map(|number| {
        let mut device = plug(OUI | number, 0);
        device.load = Some(Load::new(Curve::Day(changing.clone())));
        device
    });
    let stick = stick(&link, devices.collect())?;
    let daemon = e2e::zigbee::start(folder.path(), &link.display().to_string())?;
    let_in(&daemon)?;
    let telegrams = || {
        let state = daemon.state()?;
        let counts = state.meters.iter().map(|meter| meter.telegrams);
        anyhow::Ok((state.meters.len(), counts.sum::<u64>()))
    };
    eventually("all plugs are metered", PATIENCE, || {
        Ok((telegrams()?.0 == 50).then_some(()))
    })?;
    let (from, at, (_, before)) = (ticks(&daemon)?, Instant::now(), telegrams()?);
    // Three reports of each plug. The daemon is asked nothing meanwhile, so that answers cost nothing.
    let over_ms = stick.ncp().now_ms() + 16_000;
    eventually("they report", Duration::from_secs(120), || {
        Ok((stick.ncp().now_ms() > over_ms).then_some(()))
    })?;
    let (spent, passed) = (ticks(&daemon)? - from, at.elapsed());
    let reports = telegrams()?.1 - before;
    ensure!(reports >= 2 * PLUGS, "{reports} reports");
    let with = resident_kb(&daemon)?;
    println!(
        "{PLUGS} plugs: {} kB more than the {without} kB without them; {reports} telegrams in \
         {:.1} s took {} ms of a processor",
        with.saturating_sub(without),
        passed.as_secs_f64(),
        spent * 10
    );
    ensure!(
        with.saturating_sub(without) < MOST_KB,
        "{with} and {without} kB"
    );
    drop(stick);
    Ok(())
}
