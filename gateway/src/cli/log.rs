//! `wattle log`: the log books.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use wattle_api::{LOGS_PATH, LogBook, LogCheck, LogPage};

use super::service::radio::ask;
use crate::config;

/// Print a log book, the newest entry first
///
/// Each entry carries a hash over itself and the entry before; --check walks the chain. The last
/// hash, written down elsewhere, vouches for everything before it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  wattle log                     what happened to the gateway
  wattle log calibration -n 500  software, meters, clock, tariff
  wattle log consumer --check    is the book whole?")]
pub(super) struct LogArgs {
    /// Which book
    #[arg(value_enum, default_value = "system")]
    book: Book,
    /// How many entries
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    number: u32,
    /// Walk the chain instead: exit code 1 if it is broken
    #[arg(long)]
    check: bool,
    /// Print JSON, one entry a line
    #[arg(long)]
    json: bool,
    /// The configuration
    #[arg(long, short, default_value = config::DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Book {
    System,
    Consumer,
    Calibration,
}

impl Book {
    const fn name(self) -> &'static str {
        match self {
            Self::System => LogBook::System.name(),
            Self::Consumer => LogBook::Consumer.name(),
            Self::Calibration => LogBook::Calibration.name(),
        }
    }
}

/// Runs `wattle log`.
pub(super) fn run(args: &LogArgs) -> ExitCode {
    super::ended(if args.check {
        check(args)
    } else {
        entries(args)
    })
}

fn entries(args: &LogArgs) -> anyhow::Result<()> {
    let mut left = args.number;
    let mut before: Option<u64> = None;
    while left > 0 {
        let limit = left.min(500);
        let cursor = before.map_or_else(String::new, |number| format!("&before={number}"));
        let path = format!("{LOGS_PATH}/{}?limit={limit}{cursor}", args.book.name());
        let page: LogPage = ask(&args.config, "GET", &path, &())?;
        let mut text = String::new();
        for entry in &page.entries {
            if args.json {
                writeln!(text, "{}", serde_json::to_string(entry)?)?;
            } else {
                let (number, at, code) = (entry.number, entry.at, &entry.code);
                writeln!(text, "{number:>6}  {at}  {code:14} {}", entry.text)?;
            }
        }
        super::print(text.as_bytes());
        left -= limit;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(())
}

fn check(args: &LogArgs) -> anyhow::Result<()> {
    let path = format!("{LOGS_PATH}/{}/check", args.book.name());
    let check: LogCheck = ask(&args.config, "GET", &path, &())?;
    let hash = check.last_hash.unwrap_or_default();
    anyhow::ensure!(
        check.broken_at.is_none(),
        "entry {} does not fit the one before it: the book was changed",
        check.broken_at.unwrap_or_default()
    );
    super::print(format!("{} entries, whole; last hash {hash}\n", check.entries).as_bytes());
    Ok(())
}
