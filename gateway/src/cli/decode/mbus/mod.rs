//! `wattle decode wmbus` and `wattle decode mbus`.

mod json;
mod line;
mod meters;
mod native;
mod options;
mod peer;
mod printer;
mod report;
mod state;
mod stream;
mod table;
mod wired;
mod wireless;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use meter_link::wmbus::phy::LinkMode;
use meter_link::wmbus::receiver::Kind;

use super::{EXIT_INPUT, EXIT_USAGE};
use options::{KeyOption, OptionError};

/// How telegrams are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object per telegram.
    Json,
    /// One line per telegram, for people.
    Table,
    /// The JSON of wmbusmeters 3.x, of telegrams that are ok.
    Wmbusmeters,
}

/// Which link-layer CRCs stand in the telegrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FrameOption {
    /// Found out.
    Auto,
    /// None.
    None,
    /// Those of format A, which must be right.
    A,
    /// Those of format B, which must be right.
    B,
}

/// What both commands take.
#[derive(Debug, Args)]
struct MeterArgs {
    /// Name a meter; DRIVER pins its driver ("auto" or absent: chosen by its address)
    #[arg(long = "meter", value_name = "ID=NAME[:DRIVER]")]
    meters: Vec<String>,

    #[command(flatten)]
    drivers: DriverArgs,

    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,

    /// Add the opened application bytes
    #[arg(long)]
    payload: bool,

    /// The recording; '-' is standard input
    #[arg(default_value = "-", value_name = "FILE|-")]
    file: PathBuf,
}

/// Which drivers there are.
#[derive(Debug, Args)]
struct DriverArgs {
    /// Load drivers (*.toml) from this folder; one with the name of a built-in driver replaces it
    #[arg(long, value_name = "DIR")]
    drivers: Vec<PathBuf>,

    /// Use no driver at all: standard records only
    #[arg(long)]
    no_drivers: bool,
}

/// Decode recorded telegrams of wireless M-Bus meters: gas, water, heat, electricity
#[derive(Debug, Args)]
#[command(
    long_about = "Decode recorded telegrams of wireless M-Bus meters: gas, water, heat, \
        electricity.\n\n\
        One telegram per line: hex, a line of a wmbusmeters log (telegram=HEX), of rtl_wmbus or of \
        rtl_433 (JSON). Link-layer CRCs and what receivers append are taken off. Each line gives \
        one object with the values, or with the reason why there are none.",
    after_help = "Examples:\n  \
        wattle decode wmbus --key 12345678=000102030405060708090A0B0C0D0E0F log.txt\n  \
        wattle decode wmbus --format wmbusmeters --meter 33225544=MyTapWater:iperl log.txt"
)]
pub(super) struct WmbusArgs {
    #[command(flatten)]
    meter: MeterArgs,

    /// A meter's key, or one to be tried for every meter without a key of its own
    #[arg(long = "key", value_name = "[ID=]HEX")]
    keys: Vec<KeyOption>,

    /// Skip telegrams of meters without --meter or --key, before any decryption
    #[arg(long)]
    only_configured: bool,

    /// Link-layer CRCs in the telegrams
    #[arg(long, value_enum, default_value_t = FrameOption::Auto)]
    frame: FrameOption,

    /// The lines are chips of this link mode instead of bytes: t1, s1, c1 …
    #[arg(long, value_name = "MODE", value_parser = stream::link_mode, conflicts_with = "dongle")]
    phy: Option<LinkMode>,

    /// The input is the byte stream of a receiver: im871a, amb8465, cul, rtlwmbus, iu891a, rc1180
    #[arg(long, value_name = "RECEIVER", value_parser = stream::kind)]
    dongle: Option<Kind>,

    /// Refuse telegrams whose message counter was used before
    #[arg(long)]
    replay_check: bool,

    /// Take a telegram that is sent in clear although its meter has a key
    #[arg(long)]
    accept_clear: bool,

    /// Keep learned formats of compact frames and message counters in this file
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Decode recorded frames of wired M-Bus meters
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  wattle decode mbus --format table frames.hex")]
pub(super) struct MbusArgs {
    #[command(flatten)]
    meter: MeterArgs,

    /// The input is a binary stream in which frames are found, instead of lines of hex
    #[arg(long)]
    raw: bool,
}

/// What stops a command before its first line.
enum Setup {
    Option(OptionError),
    State(io::Error, PathBuf),
}

impl From<OptionError> for Setup {
    fn from(error: OptionError) -> Self {
        Self::Option(error)
    }
}

/// Runs `wattle decode wmbus`.
pub(super) fn run_wmbus(args: &WmbusArgs) -> ExitCode {
    match wireless::Telegrams::new(args) {
        Ok(telegrams) if args.dongle.is_some() => stream::run(telegrams, &args.meter.file),
        Ok(telegrams) => run(telegrams, &args.meter.file),
        Err(setup) => refused("wmbus", &setup),
    }
}

/// Runs `wattle decode mbus`.
pub(super) fn run_mbus(args: &MbusArgs) -> ExitCode {
    match wired::Frames::new(args) {
        Ok(frames) if args.raw => stream::run(frames, &args.meter.file),
        Ok(frames) => run(frames, &args.meter.file),
        Err(setup) => refused("mbus", &setup),
    }
}

/// One protocol's way from lines to printed objects.
trait LineDecoder {
    /// Takes a line, numbered from 1, and prints what it holds.
    fn line(&mut self, line: &[u8], number: u64) -> io::Result<()>;

    /// No further line is there yet: what was printed must be seen.
    fn idle(&mut self) -> io::Result<()>;

    /// Takes the end of the input.
    fn finish(&mut self) -> io::Result<()>;
}

fn run(mut decoder: impl LineDecoder, path: &Path) -> ExitCode {
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        match File::open(path) {
            Ok(file) => Box::new(file),
            Err(error) => return unreadable(&error, path),
        }
    };
    match read_lines(&mut source, &mut decoder) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the lines has seen enough.
        Err(ReadError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(ReadError::Output(error)) => {
            eprintln!("wattle decode: cannot write: {error}");
            ExitCode::from(EXIT_INPUT)
        }
        Err(ReadError::Input(error)) => unreadable(&error, path),
    }
}

enum ReadError {
    Input(io::Error),
    Output(io::Error),
}

/// Longest line; of a longer one the rest is left out.
const MAX_LINE: usize = 64 * 1024;

fn read_lines(source: &mut dyn Read, decoder: &mut impl LineDecoder) -> Result<(), ReadError> {
    let mut chunk = vec![0; 64 * 1024];
    let mut begun: Vec<u8> = Vec::new();
    let mut number = 0;
    loop {
        let length = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ReadError::Input(error)),
        };
        let mut rest = chunk.get(..length).unwrap_or_default();
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            number += 1;
            let taken = if begun.is_empty() {
                decoder.line(line, number)
            } else {
                keep(&mut begun, line);
                let taken = decoder.line(&begun, number);
                begun.clear();
                taken
            };
            taken.map_err(ReadError::Output)?;
        }
        keep(&mut begun, rest);
        decoder.idle().map_err(ReadError::Output)?;
    }
    if !begun.is_empty() {
        decoder
            .line(&begun, number + 1)
            .map_err(ReadError::Output)?;
    }
    decoder.finish().map_err(ReadError::Output)
}

fn keep(begun: &mut Vec<u8>, part: &[u8]) {
    let room = MAX_LINE.saturating_sub(begun.len());
    begun.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
}

fn refused(command: &str, setup: &Setup) -> ExitCode {
    match setup {
        Setup::Option(error) => {
            eprintln!("wattle decode {command}: {error}");
            ExitCode::from(EXIT_USAGE)
        }
        Setup::State(error, path) => unreadable(error, path),
    }
}

fn unreadable(error: &io::Error, path: &Path) -> ExitCode {
    eprintln!("wattle decode: cannot read {}: {error}", path.display());
    ExitCode::from(EXIT_INPUT)
}
