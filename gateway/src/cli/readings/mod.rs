//! Commands about readings as lines: import, export, billing determinants, validation.

pub(super) mod bill;
pub(super) mod export;
pub(super) mod import;
mod keep;
pub(super) mod vee;

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use wattle_billing::exchange::ar2418;
use wattle_billing::readings::{self, SeriesReadings};

/// A file could not be read or understood.
const EXIT_INPUT: u8 = 1;

/// Bytes of a file, or of standard input for '-', as text.
fn text_of(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .context("standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    }
    String::from_utf8(bytes).with_context(|| format!("{}: it is no UTF-8", path.display()))
}

/// Lines, or the XML of a smart meter gateway.
fn readings_of(path: &Path) -> anyhow::Result<Vec<SeriesReadings>> {
    let text = text_of(path)?;
    let name = || path.display().to_string();
    if text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
    {
        return ar2418::import(&text).with_context(name);
    }
    readings::read(&text).with_context(name)
}

/// Keeps the readings of a span. A counter's last reading may stand at its very end.
fn within(all: &mut [SeriesReadings], from: Option<Timestamp>, to: Option<Timestamp>) {
    for one in all {
        let ends_with = one.series.kind == readings::SeriesKind::Register;
        one.readings.retain(|reading| {
            let at = reading.time.at;
            from.is_none_or(|from| from <= at)
                && to.is_none_or(|to| at < to || (ends_with && at == to))
        });
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    wattle_billing::time::instant(text)
        .ok_or_else(|| "a time as in RFC 3339 was expected, 2026-05-01T00:00:00Z".to_owned())
}

/// Prints an answer, or why there is none.
fn answer(command: &str, made: anyhow::Result<String>) -> ExitCode {
    match made {
        Ok(text) => super::print(text.as_bytes()),
        Err(error) => {
            eprintln!("wattle {command}: {error:#}");
            ExitCode::from(EXIT_INPUT)
        }
    }
}
