//! `wattle upstream`: sealed batches of the relay.

mod open;
mod seal;

use crate::hex;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use wattle_relay::Certificate;
use wattle_relay::cose::EpochKey;
use zeroize::Zeroizing;

/// The batch was refused.
const EXIT_REFUSED: u8 = 1;
/// Something that was named cannot be used.
const EXIT_USAGE: u8 = 2;
/// Octets of a batch or a payload at most.
const LONGEST: u64 = 64 << 20;

/// Sealed batches for the utility's head-end: seal them, open them, verify them
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  wattle upstream seal --profile cms --sign-cert gw.crt --sign-key gw.key --recipient emt.crt --out batch.der readings.json
  wattle upstream open --cert emt.crt --key emt.key --trust gw.crt batch.der
  wattle upstream seal --profile cose --sign-cert gw.crt --sign-key gw.key --epoch-key 7=@epoch.hex \\
                       --device gw-1 --stream meter/1 --seq 41-136 --out batch.cose readings.cbor
  wattle upstream open --epoch-key 7=@epoch.hex --trust gw.crt batch.cose")]
pub(super) struct UpstreamArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Open(open::OpenArgs),
    Seal(seal::SealArgs),
}

/// Runs `wattle upstream`.
#[must_use]
pub(super) fn run(args: &UpstreamArgs) -> ExitCode {
    let ran = match &args.command {
        Command::Open(args) => open::run(args),
        Command::Seal(args) => seal::run(args),
    };
    ran.unwrap_or_else(|error| {
        eprintln!("wattle upstream: {error:#}");
        ExitCode::from(EXIT_USAGE)
    })
}

/// `ID=HEX`, or `ID=@FILE` with the digits in a file.
fn epoch_key(text: &str) -> Result<EpochKey, String> {
    let rule = || {
        "an epoch in decimal digits, '=', and 32 or 64 hex digits (or @FILE with them)".to_owned()
    };
    let (epoch, digits) = text.split_once('=').ok_or_else(rule)?;
    let digits = match digits.strip_prefix('@') {
        Some(path) => Zeroizing::new(
            std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
        ),
        None => Zeroizing::new(digits.to_owned()),
    };
    let octets = Zeroizing::new(hex::decode(digits.trim()).ok_or_else(rule)?);
    let epoch = epoch.parse().map_err(|_| rule())?;
    EpochKey::new(epoch, &octets).ok_or_else(rule)
}

/// The octets of a file, or of standard input for `-`.
fn octets_of(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::new());
    let name = || path.display().to_string();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LONGEST + 1)
            .read_to_end(&mut octets)
    } else {
        let file = std::fs::File::open(path).with_context(name)?;
        file.take(LONGEST + 1).read_to_end(&mut octets)
    };
    anyhow::ensure!(
        read.with_context(name)? as u64 <= LONGEST,
        "{}: it is longer than 64 MiB",
        name()
    );
    Ok(octets)
}

fn certificates_of(path: &Path) -> anyhow::Result<Vec<Certificate>> {
    Certificate::read_all(&octets_of(path)?).with_context(|| path.display().to_string())
}

fn certificate_of(path: &Path) -> anyhow::Result<Certificate> {
    Certificate::read(&octets_of(path)?).with_context(|| path.display().to_string())
}

/// Where counters are kept when no folder is named: systemd's state folder, or the user's own.
fn state_folder(named: Option<&PathBuf>) -> PathBuf {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = named
        .cloned()
        .or_else(|| variable("STATE_DIRECTORY"))
        .or_else(|| {
            let state =
                variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
            state.map(|state| state.join("wattle"))
        });
    folder
        .unwrap_or_else(|| PathBuf::from("/var/lib/wattle"))
        .join("upstream")
}
