//! `wattle meter`: meters heard by radio, taking one on, and lists of keys, by the daemon's API.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wattle_api::{
    ADOPT_PATH, AdoptMeter, AdoptedMeter, HEARD_PATH, HeardMeter, KEYS_PATH, KeyCheck, KeyResult,
    SecretText,
};
use zeroize::Zeroizing;

use crate::config;
use crate::radio::import;

/// What can be done with radio meters.
#[derive(Debug, Subcommand)]
pub(super) enum RadioCommand {
    /// List the meters that the receivers hear, the nearest first
    #[command(after_help = "Example:\n  wattle meter heard 5678")]
    Heard {
        /// Digits of the number on the meter
        #[arg(default_value = "")]
        number: String,
    },
    /// Take a meter on that is heard
    #[command(
        after_help = "Examples:\n  wattle meter adopt 12345678 gas --key-file key.txt\n  \
            wattle meter adopt 33225544 \"cold water\""
    )]
    Adopt {
        /// The eight digits on the meter
        id: String,
        /// A name for it
        name: String,
        /// A file with its key, 32 hex digits; '-' is standard input
        #[arg(long, value_name = "FILE|-")]
        key_file: Option<PathBuf>,
    },
    /// Import keys of meters from a list (CSV) or a Kamstrup KEM file
    #[command(
        after_help = "Each key is tried on the last telegram of its meter and kept sealed.\n\n\
            Examples:\n  wattle meter import-keys keys.csv\n  \
            wattle meter import-keys order.kem --password-file password.txt"
    )]
    ImportKeys {
        /// The list: a number and a key in each line, in any columns; or a .kem file
        file: PathBuf,
        /// A file with the password of a KEM file; '-' is standard input
        #[arg(long, value_name = "FILE|-")]
        password_file: Option<PathBuf>,
    },
}

/// Does what the command line says.
pub(super) fn run(command: &RadioCommand, config: &Path) -> anyhow::Result<()> {
    match command {
        RadioCommand::Heard { number } => {
            let path = format!("{HEARD_PATH}?number={}", digits(number)?);
            let meters: Vec<HeardMeter> = ask(config, "GET", &path, &())?;
            print(&heard_table(&meters))
        }
        RadioCommand::Adopt { id, name, key_file } => {
            let key = key_file.as_deref().map(secret).transpose()?;
            let request = AdoptMeter {
                id: id.clone(),
                name: name.clone(),
                medium: None,
                key: key.map(|key| SecretText(key.trim().to_owned())),
                calorific_value: None,
                correction: None,
            };
            let adopted: AdoptedMeter = ask(config, "POST", ADOPT_PATH, &request)?;
            let read = adopted.telegrams_read;
            print(&format!(
                "{}: taken on as {:?}; {}; {read} earlier telegram(s) read\n",
                adopted.id,
                adopted.name,
                words(adopted.key)
            ))
        }
        RadioCommand::ImportKeys {
            file,
            password_file,
        } => {
            let content = std::fs::read(file).with_context(|| file.display().to_string())?;
            let content = Zeroizing::new(content);
            let password = password_file.as_deref().map(secret).transpose()?;
            let password = password
                .as_ref()
                .map(|text| text.trim_end_matches(['\n', '\r']));
            let keys =
                import::read(&content, password).with_context(|| file.display().to_string())?;
            let results: Vec<KeyResult> = ask(config, "POST", KEYS_PATH, &keys)?;
            let lines = results
                .iter()
                .map(|result| format!("{}: {}\n", result.id, words(result.check)));
            print(&lines.collect::<String>())?;
            let wrong = |result: &&KeyResult| result.check == KeyCheck::Wrong;
            let wrong = results.iter().filter(wrong).count();
            anyhow::ensure!(wrong == 0, "{wrong} of {} keys are wrong", results.len());
            Ok(())
        }
    }
}

const fn words(check: KeyCheck) -> &'static str {
    match check {
        KeyCheck::Right => "the key is right",
        KeyCheck::Wrong => "the key does not open its last telegram and was not kept",
        KeyCheck::NotNeeded => "it needs no key",
        KeyCheck::Missing => "it is encrypted and has no key yet",
        _ => "the key is kept; nothing encrypted was heard of it yet",
    }
}

fn heard_table(meters: &[HeardMeter]) -> String {
    let mut table = format!(
        "{:8}  {:5}  {:20}  {:>5}  {:12}  {:>14}  {}\n",
        "NUMBER", "MAKER", "MEDIUM", "DBM", "STATUS", "VALUE", "NAME"
    );
    for meter in meters {
        let strength = meter
            .rssi_dbm
            .map_or_else(String::new, |dbm| dbm.to_string());
        let value = match (&meter.value, &meter.unit) {
            (Some(value), Some(unit)) => format!("{value} {unit}"),
            _ => String::new(),
        };
        let line = format!(
            "{:8}  {:5}  {:20}  {strength:>5}  {:12}  {value:>14}  {}",
            meter.id,
            meter.manufacturer,
            meter.medium,
            meter.status,
            meter.name.as_deref().unwrap_or_default()
        );
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn digits(number: &str) -> anyhow::Result<&str> {
    anyhow::ensure!(
        number.bytes().all(|b| b.is_ascii_alphanumeric()),
        "{number:?} are no digits of a meter's number"
    );
    Ok(number)
}

/// Reads a secret from a file, never from the command line, which others can see.
fn secret(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        let read = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        *text = read;
    }
    Ok(text)
}

/// One request to the daemon.
pub(in crate::cli) fn ask<T: DeserializeOwned>(
    config: &Path,
    method: &str,
    path: &str,
    body: &impl Serialize,
) -> anyhow::Result<T> {
    let socket = config::load(config, std::env::vars())?.api.socket;
    let body = Zeroizing::new(serde_json::to_string(body)?);
    let mut stream = UnixStream::connect(&socket).with_context(|| {
        format!(
            "{}: the daemon does not answer; is it running?",
            socket.display()
        )
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: wattle\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the daemon's answer is cut")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let reason = problem.get("error").and_then(serde_json::Value::as_str);
        anyhow::bail!(
            "{}",
            reason.unwrap_or("the daemon refuses, and does not say why")
        );
    }
    Ok(serde_json::from_str(if body.is_empty() {
        "null"
    } else {
        body
    })?)
}

/// Writes to standard output; a reader that has seen enough is not an error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
