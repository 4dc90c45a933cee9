//! `wattle decode`: recorded meter bytes in, JSON Lines out.
//!
//! The same codecs as in the daemon, without a port, a clock, the network or a configuration.

mod c12;
mod c1218;
mod c1222;
mod capture;
mod dlms;
mod document;
pub(super) mod han;
mod iec62056_21;
mod input;
mod keys;
mod lines;
mod mbus;
mod osgp;
pub(super) mod output;
mod p1;
mod sml;
mod tic;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use input::InputFormat;
use output::Output;

/// The input could not be opened or read.
const EXIT_INPUT: u8 = 1;
/// The command line is wrong; the same as clap's own.
const EXIT_USAGE: u8 = 2;

/// Decode recorded meter bytes, one JSON object per message
#[derive(Debug, Args)]
#[command(
    long_about = "Decode recorded meter bytes, one JSON object per message.\n\n\
        Every message whose checks are right gives one line with its values; every stretch of \
        input that is no such message gives one line that says why. The exit status is 0 when \
        the input was read to its end, however damaged it is, 1 when it cannot be read and 2 \
        when the command line is wrong.",
    after_help = "Examples:\n  \
        wattle decode sml capture.bin\n  \
        wattle decode p1 telegrams.txt\n  \
        wattle decode iec62056-21 --format table readout.txt\n  \
        head -c 2000 /dev/ttyUSB0 | wattle decode sml -"
)]
pub struct DecodeArgs {
    #[command(subcommand)]
    protocol: Protocol,
}

#[derive(Debug, Subcommand)]
enum Protocol {
    Sml(sml::SmlArgs),
    P1(p1::P1Args),
    #[command(name = "iec62056-21")]
    Iec62056(iec62056_21::Iec62056Args),
    Tic(tic::TicArgs),
    Dlms(Box<dlms::DlmsArgs>),
    Wmbus(mbus::WmbusArgs),
    Mbus(mbus::MbusArgs),
    C12(c12::C12Args),
    C1218(c1218::C1218Args),
    C1222(c1222::C1222Args),
    Osgp(osgp::OsgpArgs),
    Sep2(document::Sep2Args),
    Openadr3(document::Openadr3Args),
    Homeplug(han::HomeplugArgs),
    Zcl(han::ZclArgs),
    Ash(han::AshArgs),
    Ezsp(han::EzspArgs),
    Znp(han::ZnpArgs),
}

/// What every protocol's decoder takes.
#[derive(Debug, Args)]
struct CommonArgs {
    /// What to print: JSON Lines for programs, tables for eyes
    #[arg(long, value_enum, default_value_t = OutputFormat::Json)]
    format: OutputFormat,

    /// What the input is: raw bytes, or hex text with white space, ':' and '#' comments
    #[arg(long, value_enum, default_value_t = InputFormat::Auto)]
    input: InputFormat,

    /// The recording; '-' is standard input
    #[arg(default_value = "-", value_name = "FILE|-")]
    file: PathBuf,
}

/// What the decoders of single frames and messages take.
#[derive(Debug, Args)]
struct FrameArgs {
    /// What to print: JSON Lines for programs, tables for eyes
    #[arg(long, value_enum, default_value_t = OutputFormat::Json)]
    format: OutputFormat,

    /// The recording; '-' is standard input
    #[arg(default_value = "-", value_name = "FILE|-")]
    file: PathBuf,
}

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// One JSON object per line.
    Json,
    /// A heading and aligned columns per message.
    Table,
}

/// One protocol's way from a stream of bytes to printed objects.
trait Decoder {
    /// Takes the next bytes and prints every message that is complete.
    fn feed(&mut self, bytes: &[u8], output: &mut Output) -> io::Result<()>;

    /// Takes the end of the input.
    fn finish(&mut self, output: &mut Output) -> io::Result<()>;
}

/// Runs `wattle decode` and gives the exit status of the process.
#[must_use]
pub fn run(args: DecodeArgs) -> ExitCode {
    match args.protocol {
        Protocol::Sml(args) => match sml::SmlDecoder::new(&args) {
            Ok(decoder) => decode(&args.common, decoder),
            Err(unknown) => {
                eprintln!(
                    "wattle decode sml: {unknown}; there are {}",
                    sml::quirk_names()
                );
                ExitCode::from(EXIT_USAGE)
            }
        },
        Protocol::P1(args) => match p1::P1Decoder::new(&args) {
            Ok(decoder) => decode(&args.common, decoder),
            Err(wrong) => {
                eprintln!("wattle decode p1: {wrong}");
                ExitCode::from(EXIT_USAGE)
            }
        },
        Protocol::Dlms(args) => match dlms::DlmsDecoder::new(&args) {
            Ok(decoder) => decode(&args.common, decoder),
            Err(wrong) => {
                eprintln!("wattle decode dlms: {wrong}");
                ExitCode::from(EXIT_USAGE)
            }
        },
        Protocol::Iec62056(args) => decode(&args.common, iec62056_21::Iec62056Decoder::default()),
        Protocol::Tic(args) => decode(&args.common, tic::TicDecoder::default()),
        Protocol::Wmbus(args) => mbus::run_wmbus(&args),
        Protocol::Mbus(args) => mbus::run_mbus(&args),
        Protocol::C12(args) => match c12::C12Decoder::new(&args) {
            Ok(decoder) => decode(&args.common, decoder),
            Err(wrong) => {
                eprintln!("wattle decode c12: {wrong}");
                ExitCode::from(EXIT_USAGE)
            }
        },
        Protocol::C1218(args) => ended(c1218::run(&args)),
        Protocol::C1222(args) => match c1222::keys(&args) {
            Ok(keys) => ended(c1222::run(&args, &keys)),
            Err(wrong) => {
                eprintln!("wattle decode c1222: {wrong}");
                ExitCode::from(EXIT_USAGE)
            }
        },
        Protocol::Osgp(args) => match osgp::key(&args) {
            Ok(key) => ended(osgp::run(&args, &key)),
            Err(wrong) => {
                eprintln!("wattle decode osgp: --key: {wrong}");
                ExitCode::from(EXIT_USAGE)
            }
        },
        Protocol::Sep2(args) => ended(document::sep2(&args)),
        Protocol::Openadr3(args) => ended(document::openadr3(&args)),
        Protocol::Homeplug(args) => ended(han::homeplug(&args)),
        Protocol::Zcl(args) => ended(han::zcl(&args)),
        Protocol::Ash(args) => ended(han::ash(&args)),
        Protocol::Ezsp(args) => ended(han::ezsp(&args)),
        Protocol::Znp(args) => ended(han::znp(&args)),
    }
}

fn decode(args: &CommonArgs, mut decoder: impl Decoder) -> ExitCode {
    let mut output = Output::new(args.format);
    let read = input::read(&args.file, args.input, |bytes| {
        decoder.feed(bytes, &mut output)
    })
    .and_then(|()| decoder.finish(&mut output).map_err(input::Failure::Output));
    ended(read)
}

fn ended(read: Result<(), input::Failure>) -> ExitCode {
    match read {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the lines has seen enough.
        Err(input::Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("wattle decode: {failure}");
            ExitCode::from(EXIT_INPUT)
        }
    }
}
