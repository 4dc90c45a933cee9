//! `wattle-sim-zigbee`: a simulated Zigbee stick with a small home behind it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use wattle_sim::zigbee::{
    Coprocessor, Faults, Ncp, Znp, ZnpFaults, kinds, mesh::Mesh, serve, serve_tcp,
};

/// A simulated Zigbee stick (EZSP 13 to 19, or ZNP of Z-Stack 3.x.0) with plugs, a thermostat, a display, a water
/// heater and a sensor behind it.
///
/// It prints one line of JSON as soon as it can be opened, and runs until SIGINT or SIGTERM. What a
/// client forms stays until then, or until SIGUSR1 exchanges the stick for an empty one: the devices
/// are still in the network that it has forgotten.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Path of the link to a pty
    #[arg(long, conflicts_with = "tcp")]
    pty: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long)]
    tcp: Option<SocketAddr>,
    /// The version of EZSP that it speaks
    #[arg(long, default_value_t = 13, value_parser = clap::value_parser!(u8).range(13..=19))]
    ezsp: u8,
    /// It speaks ZNP, as Texas Instruments' sticks do
    #[arg(long, conflicts_with_all = ["ezsp", "lose_ack_every", "errors_at_start"])]
    znp: bool,
    /// Only the first so many devices of the home
    #[arg(long, default_value_t = 8)]
    devices: usize,
    /// So many of a thousand octets to the client are changed
    #[arg(long, default_value_t = 0)]
    noise: u64,
    /// Every n-th acknowledgement is lost
    #[arg(long, default_value_t = 0)]
    lose_ack_every: u32,
    /// So many resets are answered with an error
    #[arg(long, default_value_t = 0)]
    errors_at_start: u32,
    /// Every n-th answer is lost
    #[arg(long, default_value_t = 0, requires = "znp")]
    lose_answer_every: u32,
}

/// 2000-01-01 UTC, in seconds since 1970.
const EPOCH_2000: u64 = 946_684_800;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle-sim-zigbee: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let signals = SigSet::from_iter([
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGUSR1,
    ]);
    signals.thread_block().context("cannot block signals")?;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let utc = u32::try_from(unix.saturating_sub(EPOCH_2000))?;
    let devices = kinds::home().into_iter().take(cli.devices).collect();
    let mesh = Mesh::new(devices, utc);
    if cli.znp {
        let mut znp = Znp::new(mesh, Instant::now());
        znp.faults = ZnpFaults {
            noise_per_mille: cli.noise,
            lose_answer_every: cli.lose_answer_every,
            ..ZnpFaults::default()
        };
        return run_until_told(cli, signals, znp, Znp::exchange);
    }
    let mut ncp = Ncp::new(cli.ezsp, mesh, Instant::now());
    ncp.faults = Faults {
        noise_per_mille: cli.noise,
        lose_ack_every: cli.lose_ack_every,
        errors_at_start: cli.errors_at_start,
        ..Faults::default()
    };
    run_until_told(cli, signals, ncp, Ncp::exchange)
}

fn run_until_told<C: Coprocessor>(
    cli: &Cli,
    signals: SigSet,
    coprocessor: C,
    exchange: impl Fn(&mut C),
) -> anyhow::Result<()> {
    let serving = match (&cli.pty, cli.tcp) {
        (Some(link), None) => {
            serve(link, coprocessor).with_context(|| link.display().to_string())?
        }
        (None, Some(address)) => {
            serve_tcp(address, coprocessor).with_context(|| address.to_string())?
        }
        _ => bail!("give --pty PATH or --tcp ADDRESS:PORT"),
    };
    let place = serving.address().map(|address| address.to_string());
    println!(
        "{}",
        serde_json::json!({ "ready": true, "tcp": place, "pty": cli.pty })
    );
    std::io::stdout().flush()?;
    while signals.wait().context("cannot wait for signals")? == Signal::SIGUSR1 {
        exchange(&mut serving.ncp());
    }
    drop(serving);
    Ok(())
}
