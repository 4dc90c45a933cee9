//! The command line.

mod access;
pub mod decode;
pub mod driver;
mod han;
mod log;
mod mbus;
mod messages;
pub mod nilm;
pub mod probe;
mod readings;
pub mod service;
mod supply;
mod tariff;
mod upstream;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config};
use crate::daemon;

/// wattle, the home energy gateway
///
/// Reads the home's meters, keeps every reading, and tells the display, MQTT and the API.
#[derive(Debug, Parser)]
#[command(
    name = "wattle",
    version,
    after_help = "\
Examples:
  wattle check-config                    is /etc/wattle/wattle.toml right?
  wattle run                             read the meters, as the system service does
  wattle probe /dev/ttyUSB0              which meter is at this port?
  wattle decode sml capture.bin          what do these recorded bytes say?
  wattle meter heard                     which gas, water and heat meters are near?
  wattle tariff cost --tariff tariff.toml --usage usage.csv
  wattle read house 1-0:1.8.0            read one register of a meter now
  wattle pair                            let somebody into the web page
  curl --unix-socket /run/wattle/api.sock http://wattle/api/v1/state"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the meters until told to stop
    Run(ConfigArgs),
    /// Say whether the configuration is right, and if not, where and why
    CheckConfig(ConfigArgs),
    Decode(decode::DecodeArgs),
    Driver(driver::DriverArgs),
    Nilm(nilm::NilmArgs),
    Probe(probe::ProbeArgs),
    Tariff(tariff::TariffArgs),
    Import(readings::import::ImportArgs),
    Export(readings::export::ExportArgs),
    Bill(readings::bill::BillArgs),
    Vee(readings::vee::VeeArgs),
    Upstream(Box<upstream::UpstreamArgs>),
    Read(service::ReadArgs),
    Meter(service::MeterArgs),
    Mbus(mbus::MbusArgs),
    Han(han::HanArgs),
    Pair(access::PairArgs),
    User(access::UserArgs),
    Log(log::LogArgs),
    Supply(supply::SupplyArgs),
    Messages(messages::MessagesArgs),
    /// Print shell completions
    #[command(after_help = "Example:\n  wattle completions bash > /etc/bash_completion.d/wattle")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  wattle man | man -l -")]
    Man,
}

/// Where the configuration is.
#[derive(Args, Debug)]
struct ConfigArgs {
    /// The main file; conf.d/*.toml beside it and WATTLE__SECTION__KEY variables add to it
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::CheckConfig(args) => check(&args),
        Command::Decode(args) => decode::run(args),
        Command::Driver(args) => driver::run(&args),
        Command::Nilm(args) => nilm::run(args),
        Command::Probe(args) => probe::run(&args),
        Command::Tariff(args) => tariff::run(&args),
        Command::Import(args) => readings::import::run(&args),
        Command::Export(args) => readings::export::run(&args),
        Command::Bill(args) => readings::bill::run(&args),
        Command::Vee(args) => readings::vee::run(&args),
        Command::Upstream(args) => upstream::run(&args),
        Command::Read(args) => service::read(&args),
        Command::Meter(args) => service::meter(&args),
        Command::Mbus(args) => mbus::run(&args),
        Command::Han(args) => han::run(&args),
        Command::Pair(args) => access::pair(&args),
        Command::User(args) => access::user(&args),
        Command::Log(args) => log::run(&args),
        Command::Supply(args) => supply::run(&args),
        Command::Messages(args) => messages::run(&args),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "wattle", &mut text);
            print(&text)
        }
        Command::Man => man(),
    }
}

fn load(args: &ConfigArgs) -> anyhow::Result<Config> {
    let config = config::load(&args.config, std::env::vars())?;
    daemon::check(&config, &args.config)?;
    Ok(config)
}

fn run(args: &ConfigArgs) -> ExitCode {
    let filter = EnvFilter::try_from_env("WATTLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Under systemd the journal keeps the time of each line.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().with_ansi(false).init();
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init();
    }
    let ran = load(args).and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(4)
            .enable_all()
            .build()?;
        runtime.block_on(daemon::run(config, || load(args)))
    });
    ended(ran)
}

fn check(args: &ConfigArgs) -> ExitCode {
    let checked = load(args).map(|config| {
        println!(
            "{}: right; {} meter(s)",
            args.config.display(),
            config.meters.len()
        );
    });
    ended(checked)
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wattle: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn man() -> ExitCode {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut page) {
        Ok(()) => print(&page),
        Err(error) => ended(Err(error.into())),
    }
}

/// Writes to standard output; a reader that has seen enough is not an error.
fn print(text: &[u8]) -> ExitCode {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ended(Err(error.into())),
        _ => ExitCode::SUCCESS,
    }
}
