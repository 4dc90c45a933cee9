//! `wattle vee check`: what is wrong with readings, and what can be estimated.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use wattle_billing::exact::scaled;
use wattle_billing::readings::{SeriesReadings, line};
use wattle_billing::toml_file;
use wattle_billing::vee::{Config, check};

use super::{answer, readings_of};
use crate::config;
use crate::reading_lines::metered;
use crate::store::Readers;

/// Validate readings and estimate what is missing
#[derive(Debug, Args)]
#[command(
    long_about = "Validate readings and estimate what is missing. Raw readings are never changed.\n\n\
        Prints, per series of intervals, findings in order of time, then estimates, then a summary, \
        one JSON object per line. Limits are set in a TOML file with --config.",
    after_help = "Examples:\n  \
        wattle vee check usage.jsonl\n  \
        wattle vee check --store --meter house\n  \
        wattle import ar2418 gateway.xml | wattle vee check - --config limits.toml"
)]
pub(in crate::cli) struct VeeArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check readings
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Lines, or the XML of a smart meter gateway; '-' is standard input
    #[arg(
        value_name = "FILE|-",
        required_unless_present = "store",
        conflicts_with = "store"
    )]
    file: Option<PathBuf>,
    /// Check what the gateway has metered itself; whatever it did not meter wholly is missing
    #[arg(long)]
    store: bool,
    /// Only this meter of the store: its serial number or its name
    #[arg(long, value_name = "ID", requires = "store")]
    meter: Option<String>,
    /// The gateway's configuration, which says where the store is
    #[arg(long, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    gateway: PathBuf,
    /// Limits of the rules
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &VeeArgs) -> ExitCode {
    let Action::Check(args) = &args.action;
    answer("vee", lines(args))
}

fn lines(args: &CheckArgs) -> anyhow::Result<String> {
    let limits = match &args.config {
        Some(path) => {
            let text = toml_file::read(path)?;
            toml_file::parse::<Config>(&text, &path.display().to_string())?
        }
        None => Config::default(),
    };
    limits.zone().context("zone")?;
    let all = match &args.file {
        Some(file) => readings_of(file)?,
        None => stored(args)?,
    };
    let scaler_of = |id: u64| {
        all.iter()
            .find(|one| one.series.series == id)
            .map_or(0, |one| one.series.scaler)
    };
    let mut out = String::new();
    for report in check(&all, &limits) {
        for finding in &report.findings {
            line(&mut out, "finding", finding);
        }
        for mut estimate in report.estimates {
            estimate.value = Some(scaled(estimate.raw, scaler_of(estimate.series)));
            line(&mut out, "estimate", &estimate);
        }
        if let Some(summary) = &report.summary {
            line(&mut out, "summary", summary);
        }
    }
    Ok(out)
}

/// What the gateway metered itself.
fn stored(args: &CheckArgs) -> anyhow::Result<Vec<SeriesReadings>> {
    let config = config::load(&args.gateway, std::env::vars())?;
    let folder = &config.gateway.state_dir;
    let reader = Readers::of(folder).open();
    let reader = reader.with_context(|| folder.display().to_string())?;
    Ok(metered(&reader, args.meter.as_deref())?)
}
