//! `wattle tariff`: what energy costs under a tariff, without a daemon.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use wattle_billing::bill::{self, Usage};
use wattle_billing::price::Format;
use wattle_billing::tariff::{LoadOptions, Tariff, load};
use wattle_billing::time::Span;
use wattle_billing::window::{cheapest, cheapest_slots, priced};

/// A file could not be read or understood.
const EXIT_INPUT: u8 = 1;
/// The command line is wrong; the same as clap's own.
const EXIT_USAGE: u8 = 2;
/// Longest span that is laid out in slots: eleven years.
const MAX_SPAN_S: i64 = 11 * 366 * 86_400;

/// Say what energy costs: a bill, or the prices of a time
#[derive(Debug, Args)]
#[command(
    long_about = "Say what energy costs: a bill, or the prices of a time.\n\n\
        A tariff is a TOML file, which may name a native price document, or such a document \
        alone. All amounts are exact decimals. The exit status is 0 when an answer was given, \
        also an incomplete one, 1 when a file cannot be read or understood and 2 when the command \
        line is wrong.",
    after_help = "Examples:\n  \
        wattle tariff cost --tariff tariff.toml --usage usage.csv\n  \
        wattle tariff cost --tariff tariff.toml --usage usage.csv --window 90 --json\n  \
        wattle tariff slots --tariff prices.json --zone Europe/Berlin\n  \
        wattle tariff slots --tariff tariff.toml --from 2026-05-01T00:00:00Z --to 2026-05-02T00:00:00Z"
)]
pub(super) struct TariffArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the bill for metered use
    Cost(CostArgs),
    /// List the prices of a time, one JSON object per line
    Slots(SlotsArgs),
}

#[derive(Debug, Args)]
struct Common {
    /// The tariff: a TOML file or a native price document
    #[arg(long, value_name = "FILE")]
    tariff: PathBuf,
    /// Form of the file: auto, nordpool, entsoe, octopus, awattar, tibber, openadr3, urdb, duis, wattle
    #[arg(long, default_value = "auto", value_parser = format_named, value_name = "FORM")]
    format: Form,
    /// Zone of the home (IANA name); takes the place of the file's own
    #[arg(long, value_parser = zone_named, value_name = "ZONE")]
    zone: Option<String>,
    /// Length in minutes of a contiguous stretch of time to look for; may be given several times
    #[arg(long = "window", value_parser = clap::value_parser!(u32).range(1..=527_040), value_name = "MIN")]
    windows: Vec<u32>,
    /// How many cheapest slots to name
    #[arg(long, value_name = "N")]
    cheapest: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
struct Form(Option<Format>);

fn format_named(name: &str) -> Result<Form, String> {
    if name == "auto" {
        return Ok(Form(None));
    }
    let known =
        Format::named(name).ok_or_else(|| format!("known are auto, {}", Format::names()))?;
    Ok(Form(Some(known)))
}

fn zone_named(name: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    wattle_billing::time::instant(text)
        .ok_or_else(|| "a time as in RFC 3339 was expected, 2026-05-01T00:00:00Z".to_owned())
}

#[derive(Debug, Args)]
struct CostArgs {
    #[command(flatten)]
    common: Common,
    /// Metered use: CSV with the columns interval_start_utc, minutes, kwh_import and perhaps kwh_export; '-' is standard input
    #[arg(long, value_name = "FILE|-")]
    usage: PathBuf,
}

#[derive(Debug, Args)]
struct SlotsArgs {
    #[command(flatten)]
    common: Common,
    /// First instant; a list of prices begins with its own first
    #[arg(long, value_parser = instant, value_name = "T")]
    from: Option<Timestamp>,
    /// First instant that is not listed any more
    #[arg(long, value_parser = instant, value_name = "T")]
    to: Option<Timestamp>,
    /// Windows and cheapest slots begin no earlier
    #[arg(long, value_parser = instant, value_name = "T")]
    earliest: Option<Timestamp>,
    /// Windows and cheapest slots end no later
    #[arg(long, value_parser = instant, value_name = "T")]
    finish_by: Option<Timestamp>,
}

/// Why there is no answer.
enum Failure {
    /// The files are wrong.
    Input(anyhow::Error),
    /// The command line is wrong.
    Usage(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Input(error.into())
    }
}

/// Runs `wattle tariff` and gives the exit status of the process.
pub(super) fn run(args: &TariffArgs) -> ExitCode {
    let answer = match &args.action {
        Action::Cost(args) => cost(args),
        Action::Slots(args) => slots(args),
    };
    match answer {
        Ok(text) => super::print(text.as_bytes()),
        Err(Failure::Input(error)) => {
            eprintln!("wattle tariff: {error:#}");
            ExitCode::from(EXIT_INPUT)
        }
        Err(Failure::Usage(text)) => {
            eprintln!("wattle tariff: {text}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn tariff(common: &Common) -> Result<Tariff, Failure> {
    let options = LoadOptions {
        format: common.format.0,
        zone: common.zone.clone(),
        fallback_zone: None,
    };
    Ok(load(&common.tariff, &options)?)
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .read_to_string(&mut text)
            .context("standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn cost(args: &CostArgs) -> Result<String, Failure> {
    let tariff = tariff(&args.common)?;
    if tariff.currency.is_none() {
        let message = "currency is missing: neither the file nor the document states it";
        return Err(anyhow::anyhow!("{}: {message}", args.common.tariff.display()).into());
    }
    let name = args.usage.display();
    let usage = Usage::from_csv(&read(&args.usage)?).with_context(|| format!("{name}"))?;
    if usage.span().seconds() > MAX_SPAN_S {
        return Err(anyhow::anyhow!("{name}: the usage spans more than eleven years").into());
    }
    let made = bill::bill(&tariff, &usage)?;
    let windows = if args.common.windows.is_empty() {
        vec![60, 120, 180]
    } else {
        args.common.windows.clone()
    };
    let count = args.common.cheapest.unwrap_or(4);
    if args.common.json {
        return Ok(format!(
            "{}\n",
            bill::json(&tariff, &made, &windows, count)?
        ));
    }
    Ok(bill::table(&tariff, &made, &windows, count)?)
}

fn slots(args: &SlotsArgs) -> Result<String, Failure> {
    let tariff = tariff(&args.common)?;
    let published = tariff.published_from();
    let start = args.from.or(published.map(|(start, _)| start));
    let end = args.to.or(published.and_then(|(_, end)| end));
    let (Some(start), Some(end)) = (start, end) else {
        let text = "this tariff has no first or last instant: give --from and --to";
        return Err(Failure::Usage(text.to_owned()));
    };
    if end.as_second().saturating_sub(start.as_second()) > MAX_SPAN_S {
        return Err(Failure::Usage(
            "--from and --to are more than eleven years apart".to_owned(),
        ));
    }
    let slots = Span::new(start, end).map_or_else(Vec::new, |span| tariff.slots(&span));
    let slots = priced(&tariff, &slots)?;
    let mut out = String::new();
    for slot in &slots {
        let _ = writeln!(out, "{}", bill::slot(&tariff, slot)?);
    }
    if !tariff.is_tiered() {
        let bounds = Span::new(
            args.earliest.unwrap_or(Timestamp::MIN),
            args.finish_by.unwrap_or(Timestamp::MAX),
        );
        let Some(bounds) = bounds else { return Ok(out) };
        for minutes in &args.common.windows {
            if let Some(best) = cheapest(&slots, *minutes, Some(&bounds))? {
                let mut object = serde_json::Map::from_iter([("type".to_owned(), json!("window"))]);
                if let serde_json::Value::Object(members) = bill::window(*minutes, &best) {
                    object.extend(members);
                }
                let _ = writeln!(out, "{}", serde_json::Value::Object(object));
            }
        }
        if let Some(count) = args.common.cheapest {
            let starts = bill::starts(&cheapest_slots(&slots, count, Some(&bounds)));
            let _ = writeln!(
                out,
                "{}",
                json!({ "type": "cheapest_slots", "starts": starts })
            );
        }
    }
    Ok(out)
}
