//! Metered use: intervals of imported and exported energy.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::csv::{self, CsvError, Row};
use crate::exact::plain;
use crate::time::{Span, instant};

/// Longest interval that is read: a leap year, in minutes.
const MAX_MINUTES: i64 = 366 * 1440;

/// Energy within a half-open interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// When.
    pub span: Span,
    /// Imported energy, kWh.
    pub import_kwh: Decimal,
    /// Exported energy, kWh.
    pub export_kwh: Decimal,
}

/// Intervals in order of time that do not overlap; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    intervals: Vec<Interval>,
    span: Span,
}

/// Why intervals are no usage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// There is none.
    #[error("there is no interval")]
    Empty,
    /// Two hold the same time.
    #[error("the interval that starts at {0} overlaps the one before it")]
    Overlap(Timestamp),
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] CsvError),
}

impl Usage {
    /// Sorts intervals.
    ///
    /// # Errors
    /// There is none, or two overlap.
    pub fn new(mut intervals: Vec<Interval>) -> Result<Self, UsageError> {
        intervals.sort_by_key(|interval| interval.span);
        for pair in intervals.windows(2) {
            if let [before, after] = pair
                && after.span.start < before.span.end
            {
                return Err(UsageError::Overlap(after.span.start));
            }
        }
        let ends = intervals.first().zip(intervals.last());
        let span = ends.and_then(|(first, last)| Span::new(first.span.start, last.span.end));
        span.map(|span| Self { intervals, span })
            .ok_or(UsageError::Empty)
    }

    /// Reads a table with the columns `interval_start_utc`, `minutes`, `kwh_import` and, if there
    /// is one, `kwh_export`; others are passed over.
    ///
    /// # Errors
    /// [`UsageError`] names the line.
    pub fn from_csv(text: &str) -> Result<Self, UsageError> {
        let mut rows = csv::rows(text, ',')?.into_iter();
        let header = rows.next().ok_or(UsageError::Empty)?;
        let column = |name: &str| header.fields.iter().position(|field| field.trim() == name);
        let required = |name: &str| {
            column(name)
                .ok_or_else(|| CsvError::new(header.line, format!("there is no column {name}")))
        };
        let (start, minutes, import) = (
            required("interval_start_utc")?,
            required("minutes")?,
            required("kwh_import")?,
        );
        let export = column("kwh_export");
        let mut intervals = Vec::with_capacity(rows.len());
        for row in rows {
            let at = instant(field(&row, start)?)
                .ok_or_else(|| wrong(&row, start, "a time (RFC 3339)"))?;
            let length: i64 = field(&row, minutes)?
                .parse()
                .map_err(|_| wrong(&row, minutes, "whole minutes"))?;
            let end = at.checked_add(SignedDuration::from_secs(length.clamp(0, MAX_MINUTES) * 60));
            let span = end
                .ok()
                .and_then(|end| Span::new(at, end))
                .filter(|_| length <= MAX_MINUTES);
            let energy = |column: usize| -> Result<Decimal, CsvError> {
                let kwh = plain(field(&row, column)?)
                    .filter(|kwh| !kwh.is_sign_negative() || kwh.is_zero());
                kwh.ok_or_else(|| wrong(&row, column, "an amount of energy in kWh"))
            };
            let export_kwh = match export {
                Some(column) if !field(&row, column)?.is_empty() => energy(column)?,
                _ => Decimal::ZERO,
            };
            intervals.push(Interval {
                span: span
                    .ok_or_else(|| wrong(&row, minutes, "a length of 1 minute to 366 days"))?,
                import_kwh: energy(import)?,
                export_kwh,
            });
        }
        Self::new(intervals)
    }

    /// The intervals, oldest first.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// From the first to the last, gaps included.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Spans between intervals.
    pub fn gaps(&self) -> impl Iterator<Item = Span> {
        self.intervals.windows(2).filter_map(|pair| match pair {
            [before, after] => Span::new(before.span.end, after.span.start),
            _ => None,
        })
    }
}

fn field(row: &Row, column: usize) -> Result<&str, CsvError> {
    let text = row.fields.get(column).map(|field| field.trim());
    text.ok_or_else(|| CsvError::new(row.line, "the row has fewer columns than the header"))
}

fn wrong(row: &Row, column: usize, expected: &str) -> CsvError {
    let text = row.fields.get(column).map_or("", String::as_str);
    CsvError::new(row.line, format!("{text:?} is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_any_order_other_columns_ignored() {
        let usage = Usage::from_csv(
            "note,kwh_import,minutes,interval_start_utc\nx,0.5,15,2026-01-01T00:15:00Z\n,0.25,15,2026-01-01T01:00:00+01:00\n",
        )
        .unwrap();
        let amounts: Vec<String> = usage
            .intervals()
            .iter()
            .map(|i| i.import_kwh.to_string())
            .collect();
        assert_eq!(amounts, ["0.25", "0.5"]);
        assert_eq!(usage.span().seconds(), 1800);
        assert_eq!(usage.gaps().count(), 0);
    }

    #[test]
    fn faults_name_the_line() {
        let head = "interval_start_utc,minutes,kwh_import,kwh_export\n";
        for (rows, want) in [
            (
                "2026-01-01T00:00:00Z,15,1e3,0\n",
                "line 2: \"1e3\" is not an amount",
            ),
            ("2026-01-01T00:00:00Z,15,-1,0\n", "line 2"),
            ("2026-01-01T00:00:00Z,0,1,0\n", "length"),
            ("2026-01-01 00:00,15,1,0\n", "time"),
            ("2026-01-01T00:00:00Z,15\n", "fewer"),
            (
                "2026-01-01T00:00:00Z,60,1,0\n2026-01-01T00:45:00Z,15,1,0\n",
                "overlaps",
            ),
            ("", "no interval"),
        ] {
            let error = Usage::from_csv(&format!("{head}{rows}"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
        assert!(
            Usage::from_csv("a,b\n")
                .unwrap_err()
                .to_string()
                .contains("no column")
        );
    }
}
