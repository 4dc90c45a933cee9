//! `wattle import`: documents of others in, lines out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use meter_link::model::ObisCode;
use serde_json::json;
use wattle_billing::exchange::{ar2418, green_button, history};
use wattle_billing::readings;

use super::keep::{Target, keep};
use super::{EXIT_INPUT, text_of};
use crate::config;

/// Read readings from a document, one JSON object per line
#[derive(Debug, Args)]
#[command(
    long_about = "Read readings from a document, one JSON object per line.\n\n\
        Duplicates and disorder of the document are passed on. A document that is no such thing \
        prints an object with the reason, and the exit status is 1.\n\n\
        With --store they are kept as quarter-hours beside those that the gateway metered itself, up to \
        the first of these, with where they come from. Importing a document again changes nothing.",
    after_help = "Examples:\n  \
        wattle import green-button usage.xml > usage.jsonl\n  \
        wattle import ar2418 gateway.xml | wattle vee check -\n  \
        wattle import csv history.csv --zone Europe/Amsterdam\n  \
        wattle import csv history.csv --store --meter house"
)]
pub(in crate::cli) struct ImportArgs {
    /// What the document is
    #[arg(value_enum)]
    form: Form,
    /// The document; '-' is standard input
    #[arg(default_value = "-", value_name = "FILE|-")]
    file: PathBuf,
    /// Zone of local times without an offset, for csv
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    zone: String,
    /// Keep them in the gateway's store
    #[arg(long)]
    store: bool,
    /// The meter of the store they belong to, by name or serial number; the document's own when left out
    #[arg(long, value_name = "ID", requires = "store")]
    meter: Option<String>,
    /// The register they belong to, where the document does not say it
    #[arg(long, value_name = "OBIS", requires = "store")]
    register: Option<ObisCode>,
    /// The configuration, which says where the store is
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// VDE-AR-E 2418-6, from a German smart meter gateway
    Ar2418,
    /// Green Button, ESPI in an Atom feed
    GreenButton,
    /// History of Home Assistant, DSMR-reader or a supplier's portal
    Csv,
}

impl Form {
    const fn name(self) -> &'static str {
        match self {
            Self::Ar2418 => "ar2418",
            Self::GreenButton => "green-button",
            Self::Csv => "csv",
        }
    }
}

pub(in crate::cli) fn run(args: &ImportArgs) -> ExitCode {
    let read = || -> anyhow::Result<_> {
        let text = text_of(&args.file)?;
        let all = match args.form {
            Form::Ar2418 => ar2418::import(&text)?,
            Form::GreenButton => green_button::import(&text)?,
            Form::Csv => history::import(&text, &TimeZone::get(&args.zone)?)?,
        };
        Ok((text, all))
    };
    let (text, all) = match read() {
        Ok(read) => read,
        Err(error) => {
            let reason = format!("{error:#}");
            eprintln!("wattle import: {reason}");
            let object = json!({ "record": "error", "status": "malformed", "reason": reason });
            crate::cli::print(format!("{object}\n").as_bytes());
            return ExitCode::from(EXIT_INPUT);
        }
    };
    if args.store {
        let target = Target {
            config: &args.config,
            meter: args.meter.as_deref(),
            register: args.register,
        };
        match keep(&all, (&text, args.form.name(), &args.file), &target) {
            Ok(said) => eprintln!("wattle import: {said}"),
            Err(error) => {
                eprintln!("wattle import: {error:#}");
                return ExitCode::from(EXIT_INPUT);
            }
        }
    }
    crate::cli::print(readings::write(&all).as_bytes())
}
