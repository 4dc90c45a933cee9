//! `wattle export`: lines in, documents of others out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use wattle_billing::exchange::{ar2418, csv, green_button, influx};
use wattle_billing::readings::{self, SeriesReadings};

use super::{answer, instant, readings_of, within};
use crate::config;
use crate::reading_lines::lines;
use crate::store::Readers;

/// Write readings as a document
#[derive(Debug, Args)]
#[command(
    long_about = "Write readings as a document on standard output.\n\n\
        They come out of the gateway's own store, or with --input out of lines. The store gives \
        each register twice: what its counter stood at, and its quarter-hours.\n\n\
        The same readings make the same bytes. Reading the document again gives the same \
        readings; status words exist only in ar2418, costs only in green-button.",
    after_help = "Examples:\n  \
        wattle export csv --meter house --from 2026-05-01T00:00:00Z > may.csv\n  \
        wattle export lines | wattle vee check -\n  \
        wattle export green-button --input usage.jsonl > usage.xml\n  \
        wattle export csv --input usage.jsonl --from 2026-05-01T00:00:00Z --to 2026-06-01T00:00:00Z"
)]
pub(in crate::cli) struct ExportArgs {
    /// What to write
    #[arg(value_enum)]
    form: Form,
    /// Lines, as `wattle import` prints them, in place of the store; '-' is standard input
    #[arg(long, value_name = "FILE|-")]
    input: Option<PathBuf>,
    /// The configuration, which says where the store is
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    /// Only from this instant on
    #[arg(long, value_parser = instant, value_name = "T")]
    from: Option<Timestamp>,
    /// Only before this instant
    #[arg(long, value_parser = instant, value_name = "T")]
    to: Option<Timestamp>,
    /// Only this meter: its serial number, or for the store its name
    #[arg(long, value_name = "ID")]
    meter: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// VDE-AR-E 2418-6, as German smart meter gateways write it
    Ar2418,
    /// Comma-separated values, RFC 4180
    Csv,
    /// Green Button, ESPI in an Atom feed
    GreenButton,
    /// InfluxDB's line protocol
    Influx,
    /// The lines themselves, for other commands
    Lines,
}

pub(in crate::cli) fn run(args: &ExportArgs) -> ExitCode {
    answer("export", document(args))
}

fn document(args: &ExportArgs) -> anyhow::Result<String> {
    let all = match &args.input {
        Some(file) => {
            let mut all = readings_of(file)?;
            if let Some(meter) = &args.meter {
                all.retain(|one| one.series.meter.as_ref() == Some(meter));
            }
            within(&mut all, args.from, args.to);
            all
        }
        None => stored(args)?,
    };
    Ok(match args.form {
        Form::Ar2418 => ar2418::export(&all),
        Form::Csv => csv::export(&all),
        Form::GreenButton => green_button::export(&all)?,
        Form::Influx => influx::export(&all),
        Form::Lines => readings::write(&all),
    })
}

/// What the gateway read itself.
fn stored(args: &ExportArgs) -> anyhow::Result<Vec<SeriesReadings>> {
    let config = config::load(&args.config, std::env::vars())?;
    let folder = &config.gateway.state_dir;
    let reader = Readers::of(folder).open();
    let reader = reader.with_context(|| folder.display().to_string())?;
    Ok(lines(&reader, args.meter.as_deref(), args.from, args.to)?)
}
