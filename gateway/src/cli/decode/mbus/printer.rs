//! Prints reports on standard output, and what is no output on standard error.

use std::io::{self, StdoutLock, Write};

use jiff::Timestamp;

use super::Format;
use super::json::Json;
use super::native;
use super::peer::Merged;
use super::report::{Place, Report};
use super::table;

/// Lines that wait for more of them.
const FLUSH_AT: usize = 32 * 1024;

/// Standard output in one of the formats.
pub(super) struct Printer {
    format: Format,
    json: Json,
    waiting: Vec<u8>,
    merged: Merged,
    out: StdoutLock<'static>,
}

impl Printer {
    /// Prints in this format.
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            json: Json::default(),
            waiting: Vec::with_capacity(2 * FLUSH_AT),
            merged: Merged::default(),
            out: io::stdout().lock(),
        }
    }

    /// Prints one report. Lines go out when the input pauses, or when many of them wait.
    pub(super) fn print(&mut self, report: &Report<'_>) -> io::Result<()> {
        self.json.clear();
        match self.format {
            Format::Json => native::write(&mut self.json, report),
            Format::Wmbusmeters => match &report.failure {
                None => {
                    let now = Timestamp::now().strftime("%FT%TZ").to_string();
                    self.merged.write(&mut self.json, report, &now);
                }
                Some(failure) => {
                    let place = match report.place {
                        Place::Line(line) => format!("line {line}"),
                        Place::Offset(offset) => format!("offset {offset}"),
                    };
                    eprintln!("wattle: {place}: {}: {}", failure.status, failure.reason);
                    return Ok(());
                }
            },
            Format::Table => table::write(self.json.text(), report),
        }
        if self.json.as_str().is_empty() {
            return Ok(());
        }
        self.waiting
            .extend_from_slice(self.json.as_str().as_bytes());
        self.waiting.push(b'\n');
        if self.waiting.len() >= FLUSH_AT {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.waiting)?;
        self.waiting.clear();
        self.out.flush()
    }
}
