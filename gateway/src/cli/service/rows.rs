//! Rows of a load profile as CSV, and times as people write them.

use std::io::Write;

use anyhow::Context;
use meter_link::dlms::client::job::ProfileRows;
use meter_link::dlms::data::{ClockStatus, DateTime};

use super::text;

/// A time of a meter's clock: `2026-03-01T00:00`, with an offset if the meter knows one.
pub(super) fn meter_time(text: &str) -> anyhow::Result<DateTime> {
    let civil = text.parse::<jiff::civil::DateTime>();
    let civil = civil.with_context(|| format!("{text:?} is no time such as 2026-03-01T00:00"))?;
    let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text);
    let offset = pieces.ok().and_then(|pieces| pieces.to_numeric_offset());
    let minutes = offset.and_then(|offset| i16::try_from(-offset.seconds() / 60).ok());
    Ok(DateTime::new(civil, minutes, ClockStatus(0xFF)))
}

/// Writes rows as they come, below one header.
pub(super) struct Table<'a> {
    out: &'a mut dyn Write,
    has_header: bool,
}

impl<'a> Table<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            has_header: false,
        }
    }

    pub(super) fn add(&mut self, rows: &ProfileRows) -> std::io::Result<()> {
        if !std::mem::replace(&mut self.has_header, true) {
            header(rows, self.out)?;
        }
        table(rows, self.out)
    }

    /// All that was added is written; true when there was anything.
    pub(super) fn finish(self) -> std::io::Result<bool> {
        self.out.flush()?;
        Ok(self.has_header)
    }
}

fn header(rows: &ProfileRows, out: &mut dyn Write) -> std::io::Result<()> {
    write!(out, "time,status")?;
    for column in rows.columns.iter().filter(|column| !column.is_clock()) {
        if column.is_status() {
            continue;
        }
        let unit = column.scale.unit.map(|unit| format!(" {unit}"));
        write!(out, ",{}{}", column.register, unit.unwrap_or_default())?;
    }
    writeln!(out)
}

fn table(rows: &ProfileRows, out: &mut dyn Write) -> std::io::Result<()> {
    for gap in &rows.gaps {
        eprintln!(
            "wattle: between {} and {} {} rows are missing{}",
            gap.after.iso().unwrap_or_default(),
            gap.before.iso().unwrap_or_default(),
            gap.missing,
            if gap.clock_changed {
                "; the clock was set"
            } else {
                ""
            }
        );
    }
    for (row, values) in rows.iter() {
        let status = row.status.map(|status| status.to_string());
        write!(
            out,
            "{},{}",
            row.at.iso().unwrap_or_default(),
            status.unwrap_or_default()
        )?;
        for (column, value) in rows.columns.iter().zip(values) {
            if column.is_clock() || column.is_status() {
                continue;
            }
            let value = value.as_ref().map(text).unwrap_or_default();
            write!(out, ",{}", value.replace(',', ";"))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_an_offset() {
        let at = |text| meter_time(text).unwrap().iso().unwrap();
        assert_eq!(at("2026-03-01T00:00"), "2026-03-01T00:00:00");
        assert_eq!(at("2026-03-01T00:00:00+01:00"), "2026-03-01T00:00:00+01:00");
        assert!(meter_time("yesterday").is_err());
    }
}
