//! An hour of noise on every kind of line, as fast as the lines take it, with the cables pulled
//! again and again: no part is restarted, the log stays short, and the meters are read afterwards.
//!
//! With `WATTLE_NOISE_MINUTES` the noise comes at the speed of the lines and lasts so long
//! (`make test-noise`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use e2e::daemon::Daemon;
use e2e::eventually;
use meter_link::tic::Mode;
use wattle_sim::actor::{Handle, Pace};
use wattle_sim::household::{Curve, INSTALLED, Kind};
use wattle_sim::uart::Framing;
use wattle_sim::{p1, sml, tic};

/// What 9,600 baud carry in an hour.
const HOUR_BYTES: usize = 960 * 3_600;
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the cables are pulled.
const PULLS: u32 = 10;

/// Noise in which every protocol's marks occur.
fn noise(seed: u32) -> Vec<u8> {
    let marks: [&[u8]; 8] = [
        &[0x1B, 0x1B, 0x1B, 0x1B, 1, 1, 1, 1],
        b"/KFM5NOISE\r\n\r\n",
        b"\x02\nADCO ",
        b"!\r\n",
        b"\x03",
        &[0xDB, 8, 0, 1, 2, 3, 4, 5, 6, 7, 0x82, 1, 0],
        b"1-0:1.8.0(000",
        &[0x76, 5, 1, 2, 3, 4, 0x62, 0],
    ];
    let mut state = seed;
    let mut bytes = Vec::with_capacity(70_000);
    while bytes.len() < 64 * 1024 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, d] = state.to_be_bytes();
        bytes.extend([a, b, c]);
        if a < 6 {
            let mark = marks.get(usize::from(d % 8)).copied().unwrap_or_default();
            bytes.extend_from_slice(mark);
        }
    }
    bytes
}

struct Disturbed {
    handle: Handle,
    sent: Arc<AtomicUsize>,
    calm: Arc<AtomicBool>,
}

/// A line of noise, on which `telegram` comes every second once it is calm.
fn disturbed(
    link: &Path,
    baud: u32,
    framing: Framing,
    real_time: bool,
    mut telegram: impl FnMut(u32) -> Vec<u8> + Send + 'static,
) -> anyhow::Result<Disturbed> {
    let (sent, calm) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (count, quiet) = (Arc::clone(&sent), Arc::clone(&calm));
    let handle = Handle::start("noise", link, move |wire| {
        let mut ignored = Vec::new();
        let noise = noise(baud);
        let mut seconds = 0;
        loop {
            let is_calm = quiet.load(Ordering::Relaxed);
            let bytes = if is_calm {
                telegram(seconds)
            } else {
                noise.clone()
            };
            if is_calm {
                seconds += 1;
            }
            for chunk in bytes.chunks(2_048) {
                // Noise has no speed; a telegram has.
                let speed = if is_calm {
                    baud
                } else {
                    wire.far_speed().unwrap_or(baud)
                };
                if !wire.send(chunk, speed, framing, Pace::AtOnce) {
                    return;
                }
                if wire.is_open() {
                    count.fetch_add(chunk.len(), Ordering::Relaxed);
                }
                let pause = match (is_calm, real_time) {
                    (true, _) => Duration::ZERO,
                    (false, false) => Duration::from_millis(4),
                    (false, true) => Duration::from_secs(10 * 2_048) / speed,
                };
                if !wire.wait(Instant::now() + pause, &mut ignored) {
                    return;
                }
                ignored.clear();
            }
            let next = Instant::now() + Duration::from_millis(if is_calm { 1_000 } else { 1 });
            while Instant::now() < next {
                if !wire.wait(next, &mut ignored) {
                    return;
                }
                ignored.clear();
            }
        }
    })?;
    Ok(Disturbed { handle, sent, calm })
}

/// Memory of its own: pages of the program's file, which are many without optimisation, do not count.
fn own_kb(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("RssAnon")?.parse()?)
}

#[test]
fn an_hour_of_noise_and_pulled_cables() -> anyhow::Result<()> {
    let minutes: u32 = match std::env::var("WATTLE_NOISE_MINUTES") {
        Ok(minutes) => minutes.parse().context("WATTLE_NOISE_MINUTES")?,
        Err(_) => 0,
    };
    let (real_time, lasts) = (minutes > 0, Duration::from_secs(60) * minutes);
    let wanted = if real_time { 1 } else { HOUR_BYTES };
    let folder = tempfile::tempdir()?;
    let load = || Curve::new(Kind::Constant { power_w: 420 }, 1);
    let at = |seconds: u32| INSTALLED + 40_000_000 + u64::from(seconds);
    let link = |name: &str| folder.path().join(name);

    let mut meter = sml::Config::new(load());
    let sml = disturbed(
        &link("sml"),
        9_600,
        Framing::EightNone,
        real_time,
        move |s| meter.telegram(at(s), s).0,
    )?;
    let mut meter = p1::Config::new(load())?;
    let p1 = disturbed(
        &link("p1"),
        115_200,
        Framing::EightNone,
        real_time,
        move |s| {
            meter
                .telegram(at(s), s)
                .map_or_else(|_| Vec::new(), |(bytes, _)| bytes)
        },
    )?;
    let mut meter = tic::Config::new(Mode::Standard, load());
    let tic = disturbed(
        &link("tic"),
        9_600,
        Framing::SevenEven,
        real_time,
        move |s| meter.frame(at(s), s).0,
    )?;
    let lines = [&sml, &p1, &tic];
    let config: String = ["sml", "p1", "tic"]
        .iter()
        .map(|name| {
            let port = link(name);
            format!("[[meter]]\nname = \"{name}\"\nprotocol = \"{name}\"\nport = {port:?}\nrole = \"submeter\"\n")
        })
        .collect();
    let daemon = Daemon::start(folder.path(), &config)?;

    let (mut pulled, begun) = (0, Instant::now());
    eventually(
        "an hour's worth of noise was heard on each line",
        PATIENCE + lasts,
        || {
            let least = lines
                .iter()
                .map(|line| line.sent.load(Ordering::Relaxed))
                .min();
            let least = least.unwrap_or_default();
            let next = u32::try_from(wanted)? / (PULLS + 1) * (pulled + 1);
            let due = lasts * (pulled + 1) / (PULLS + 1);
            if least >= usize::try_from(next)? && begun.elapsed() >= due && pulled < PULLS {
                pulled += 1;
                for line in lines {
                    line.handle.unplug()?;
                    line.handle.plug()?;
                }
            }
            Ok((least >= wanted && begun.elapsed() >= lasts).then_some(()))
        },
    )?;
    assert_eq!(pulled, PULLS);
    let least = lines.iter().map(|line| line.sent.load(Ordering::Relaxed));
    let least = least.min().unwrap_or_default();
    let own = own_kb(daemon.pid())?;
    let log = daemon.log()?;
    // At most a line a minute and meter for what is rejected; two for each time a cable was pulled.
    let limit = 10 + lines.len() * usize::try_from(2 * pulled + 4 + minutes)?;
    assert!(
        log.lines().count() <= limit,
        "{} lines: {log}",
        log.lines().count()
    );
    assert!(own < 12_000, "{own} kB");

    for line in lines {
        line.calm.store(true, Ordering::Relaxed);
    }
    let meters = eventually("every meter is read again", PATIENCE, || {
        let meters = daemon.state()?.meters;
        let read = |name: &str| {
            let meter = meters.iter().find(|meter| meter.name == name);
            meter.is_some_and(|meter| meter.telegrams >= 2)
        };
        Ok((read("sml") && read("p1") && read("tic")).then(|| meters.clone()))
    })?;
    for name in ["sml", "p1", "tic"] {
        let meter = meters
            .iter()
            .find(|meter| meter.name == name)
            .context(name)?;
        assert!(meter.rejected > 0, "{name} has heard the noise");
    }
    let health = daemon.json(wattle_api::HEALTH_PATH)?;
    for part in health
        .get("parts")
        .and_then(|parts| parts.as_array())
        .context("parts")?
    {
        assert_eq!(part.get("restarts"), Some(&0.into()), "{part}");
    }
    println!(
        "{least} bytes a line at least in {} s, {pulled} pulls, {own} kB of its own, {} lines of log",
        begun.elapsed().as_secs(),
        log.lines().count()
    );
    Ok(())
}
