//! `wattle import`: documents of others in, lines out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde_json::json;
use wattle_billing::exchange::{ar2418, green_button, history};
use wattle_billing::readings;

use super::{EXIT_INPUT, text_of};

/// Read readings from a document, one JSON object per line
#[derive(Debug, Args)]
#[command(
    long_about = "Read readings from a document, one JSON object per line.\n\n\
        Duplicates and disorder of the document are passed on. A document that is no such thing \
        prints an object with the reason, and the exit status is 1.",
    after_help = "Examples:\n  \
        wattle import green-button usage.xml > usage.jsonl\n  \
        wattle import ar2418 gateway.xml | wattle vee check -\n  \
        wattle import csv history.csv --zone Europe/Amsterdam"
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

pub(in crate::cli) fn run(args: &ImportArgs) -> ExitCode {
    let read = || -> anyhow::Result<_> {
        let text = text_of(&args.file)?;
        Ok(match args.form {
            Form::Ar2418 => ar2418::import(&text)?,
            Form::GreenButton => green_button::import(&text)?,
            Form::Csv => history::import(&text, &TimeZone::get(&args.zone)?)?,
        })
    };
    match read() {
        Ok(all) => crate::cli::print(readings::write(&all).as_bytes()),
        Err(error) => {
            let reason = format!("{error:#}");
            eprintln!("wattle import: {reason}");
            let object = json!({ "record": "error", "status": "malformed", "reason": reason });
            crate::cli::print(format!("{object}\n").as_bytes());
            ExitCode::from(EXIT_INPUT)
        }
    }
}
