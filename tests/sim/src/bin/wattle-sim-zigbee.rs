//! `wattle-sim-zigbee`: a simulated Zigbee stick with a small home behind it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use clap::Parser;
use han::zigbee::install_code::InstallCode;
use nix::sys::signal::{SigSet, Signal};
use wattle_sim::zigbee::device::Curve;
use wattle_sim::zigbee::utility::Utility;
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
    /// In place of the home, a utility's meter with a network of its own, which the stick may join
    /// with this install code
    #[arg(long, value_name = "CODE", conflicts_with = "znp")]
    utility: Option<String>,
    /// The utility's network lets nobody in
    #[arg(long, requires = "utility")]
    closed: bool,
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
    let count = if cli.utility.is_some() {
        0
    } else {
        cli.devices
    };
    let devices = kinds::home().into_iter().take(count).collect();
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
    if let Some(code) = &cli.utility {
        let code = InstallCode::parse(code).context("--utility")?;
        ncp.utility = Some(utility(&code, ncp.eui64, !cli.closed, utc));
    }
    run_until_told(cli, signals, ncp, Ncp::exchange)
}

/// A meter of a home that draws 1,500 W, with a price and a message.
fn utility(code: &InstallCode, stick: u64, permits_joining: bool, utc: u32) -> Utility {
    let mut utility = Utility::new(Curve::Constant(1500), 12_345_678, 4_321);
    utility.registered.insert(stick, *code.link_key());
    utility.permits_joining = permits_joining;
    utility.publish(41, "Off-peak", 10_120, 1, 0, utc);
    utility.display(7, "No power on Tuesday from 9 to 10", 0);
    utility
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
