//! `wattle-sim-powerline`: simulated powerline adapters on network interfaces.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use han::homeplug::keys::network_membership_key;
use wattle_sim::powerline::{Faults, Modem, PowerLine, serve};

/// Simulated powerline adapters (HomePlug AV, Green PHY) on network interfaces.
///
/// Each interface is the far end of a veth pair; whatever listens at the near end finds an adapter
/// there. It prints one line of JSON as soon as it serves, and runs until it is ended.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example, as root:\n  \
    ip link add h0 type veth peer name m0; ip link add h1 type veth peer name m1\n  \
    for i in h0 m0 h1 m1; do ip link set $i up promisc on; done\n  \
    wattle-sim-powerline m0 m1 & plcstat -i h0 -t"
)]
struct Cli {
    /// The interfaces, one for each adapter
    #[arg(required = true)]
    interfaces: Vec<String>,
    /// The network password of each adapter, in the same order; the last serves for the rest
    #[arg(long, default_value = "HomePlugAV")]
    password: Vec<String>,
    /// How weakly adapters hear each other, dB
    #[arg(long, default_value_t = 20)]
    attenuation: u8,
    /// The rate between adapters, Mbit/s
    #[arg(long, default_value_t = 90)]
    rate: u16,
    /// So many of a hundred messages between adapters are lost
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    lose: u8,
    /// Confirmations of keys say the opposite of what happened
    #[arg(long)]
    lying_confirmations: bool,
    /// Answer nothing, as G.hn adapters do
    #[arg(long)]
    silent: bool,
    /// Tell of the network in fragments
    #[arg(long)]
    fragments: bool,
    /// Be of Broadcom's make
    #[arg(long)]
    broadcom: bool,
    /// Another seed, other losses
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let modems = cli
        .interfaces
        .iter()
        .zip(1..)
        .enumerate()
        .map(|(index, (_, tei))| {
            let password = cli.password.get(index).or(cli.password.last());
            let key = network_membership_key(password.map_or("HomePlugAV", String::as_str));
            Modem::new([0x00, 0xB0, 0x52, 0x57, 0x41, tei], key, tei)
        });
    let faults = Faults {
        lose_percent: cli.lose,
        lying_confirmations: cli.lying_confirmations,
        silent: cli.silent,
        fragments: cli.fragments,
        broadcom: cli.broadcom,
    };
    let line = PowerLine::new(
        modems.collect(),
        faults,
        cli.attenuation,
        cli.rate,
        cli.seed,
    );
    let served = serve(&cli.interfaces, line, || {
        println!("{{\"ready\":true}}");
        let _ = std::io::stdout().flush();
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle-sim-powerline: {error:#}");
            ExitCode::FAILURE
        }
    }
}
