//! Readings as lines: the interchange of all commands about readings, one JSON object a line.
//!
//! A series line precedes the readings that belong to it. Integers are as metered; the exact
//! value is raw × 10^scaler. Duplicates and disorder of a source are kept.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::exact::scaled;

/// An instant with the offset that its source wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTime {
    /// When.
    pub at: Timestamp,
    /// Offset from UTC; `None` is written `Z`.
    pub offset: Option<Offset>,
}

impl SourceTime {
    /// An instant in UTC.
    #[must_use]
    pub const fn utc(at: Timestamp) -> Self {
        Self { at, offset: None }
    }

    /// Reads RFC 3339; the offset must be there.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
        let offset = match pieces.offset()? {
            jiff::fmt::temporal::PiecesOffset::Zulu => None,
            jiff::fmt::temporal::PiecesOffset::Numeric(numeric) => Some(numeric.offset()),
            _ => return None,
        };
        Some(Self {
            at: text.parse().ok()?,
            offset,
        })
    }

    /// What the clock of the source showed.
    #[must_use]
    pub fn local(&self) -> DateTime {
        self.offset.unwrap_or(Offset::UTC).to_datetime(self.at)
    }

    /// The instant so many seconds later, with the same offset.
    #[must_use]
    pub fn after_s(&self, seconds: i64) -> Self {
        let at = self
            .at
            .checked_add(SignedDuration::from_secs(seconds))
            .unwrap_or(self.at);
        Self {
            at,
            offset: self.offset,
        }
    }
}

impl fmt::Display for SourceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            None => write!(f, "{}", self.at),
            Some(offset) => write!(f, "{}", self.at.display_with_offset(offset)),
        }
    }
}

impl Serialize for SourceTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SourceTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not a time with its offset (RFC 3339)"))
        })
    }
}

/// What the numbers of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesKind {
    /// Counter readings at an instant.
    Register,
    /// Amounts of an interval.
    Interval,
}

/// Direction of energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// From the grid.
    Import,
    /// Into the grid.
    Export,
}

impl Flow {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Export => "export",
        }
    }
}

/// What a series is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// Its number among the lines, from 1.
    pub series: u64,
    /// The meter's serial number or the source's name for it.
    #[serde(default)]
    pub meter: Option<String>,
    /// The name that the source gives the series.
    pub register: String,
    /// OBIS code `A-B:C.D.E`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obis: Option<String>,
    /// Counter readings or amounts.
    pub kind: SeriesKind,
    /// Direction, where it is known.
    #[serde(default)]
    pub flow: Option<Flow>,
    /// Unit of the value.
    pub unit: String,
    /// Power of ten.
    pub scaler: i32,
    /// Distance from one reading to the next, in seconds, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_s: Option<i64>,
}

/// One reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Its series.
    pub series: u64,
    /// When, or when the interval starts.
    pub time: SourceTime,
    /// Length of the interval in seconds; 0 for a counter reading.
    #[serde(default)]
    pub duration_s: i64,
    /// The integer as metered.
    pub raw: i64,
    /// The exact value; computed when written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When the meter's clock said so, if that differs from `time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<SourceTime>,
    /// Status word of PTB-A 50.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Status word of the FNN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_fnn: Option<String>,
    /// What it cost, in the source's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_raw: Option<i64>,
    /// True when the power failed in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outage: bool,
    /// How far it can be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<ReadingQuality>,
    /// How it was estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

impl Reading {
    /// A reading with nothing but time, length and number.
    #[must_use]
    pub fn new(series: u64, time: SourceTime, duration_s: i64, raw: i64) -> Self {
        Self {
            series,
            time,
            duration_s,
            raw,
            value: None,
            captured_at: None,
            status: None,
            status_fnn: None,
            cost_raw: None,
            outage: false,
            quality: None,
            method: None,
        }
    }
}

/// How far a reading can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadingQuality {
    /// Metered.
    Actual,
    /// Computed in place of a missing one.
    Estimated,
    /// Changed by a person.
    Edited,
    /// Metered, but there is reason for doubt.
    Suspect,
}

impl ReadingQuality {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actual => "actual",
            Self::Estimated => "estimated",
            Self::Edited => "edited",
            Self::Suspect => "suspect",
        }
    }
}

/// A series with its readings, in the order of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesReadings {
    /// What it is.
    pub series: Series,
    /// Its readings.
    pub readings: Vec<Reading>,
}

#[derive(Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Record {
    Series(Series),
    Reading(Reading),
    /// Lines of other commands may stand between them.
    #[serde(other)]
    Other,
}

/// Why lines cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Reads lines.
///
/// # Errors
/// A line is no JSON object of this kind, a reading comes before its series, or a series comes
/// twice.
pub fn read(text: &str) -> Result<Vec<SeriesReadings>, LineError> {
    let mut found: Vec<SeriesReadings> = Vec::new();
    let lines = text
        .lines()
        .zip(1..)
        .filter(|(text, _)| !text.trim().is_empty());
    for (text, line) in lines {
        let fault = |reason: String| LineError { line, reason };
        match serde_json::from_str::<Record>(text).map_err(|error| fault(error.to_string()))? {
            Record::Series(series) => {
                if found
                    .iter()
                    .any(|known| known.series.series == series.series)
                {
                    return Err(fault(format!("series {} is there twice", series.series)));
                }
                if !(-64..=64).contains(&series.scaler) {
                    return Err(fault(format!(
                        "scaler {} is not within -64 to 64",
                        series.scaler
                    )));
                }
                found.push(SeriesReadings {
                    series,
                    readings: Vec::new(),
                });
            }
            Record::Reading(reading) => {
                // The newest series is the likely one.
                let own = found
                    .iter_mut()
                    .rev()
                    .find(|known| known.series.series == reading.series);
                let own = own.ok_or_else(|| {
                    fault(format!(
                        "there is no series {} before its reading",
                        reading.series
                    ))
                })?;
                own.readings.push(reading);
            }
            Record::Other => {}
        }
    }
    Ok(found)
}

/// Writes lines.
#[must_use]
pub fn write(all: &[SeriesReadings]) -> String {
    let mut out = String::new();
    for one in all {
        line(&mut out, "series", &one.series);
        for reading in &one.readings {
            let value = Some(scaled(reading.raw, one.series.scaler));
            line(
                &mut out,
                "reading",
                &Reading {
                    value,
                    ..reading.clone()
                },
            );
        }
    }
    out
}

/// Appends one object with `record` as its first member.
pub fn line<T: Serialize>(out: &mut String, record: &str, object: &T) {
    #[derive(Serialize)]
    struct Tagged<'a, T> {
        record: &'a str,
        #[serde(flatten)]
        object: &'a T,
    }
    if let Ok(text) = serde_json::to_string(&Tagged { record, object }) {
        out.push_str(&text);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_the_offset_of_their_source() {
        for text in [
            "2018-01-01T00:15:00+01:00",
            "2018-01-01T00:15:00Z",
            "2018-01-01T00:15:00.5-03:30",
        ] {
            assert_eq!(SourceTime::parse(text).unwrap().to_string(), text);
        }
        for bad in ["2018-01-01T00:15:00", "2018-01-01", "", "x"] {
            assert_eq!(SourceTime::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn lines_come_back_as_they_were() {
        let text = concat!(
            r#"{"record":"series","series":1,"meter":"M","register":"R","obis":"1-0:1.8.0","kind":"register","flow":"import","unit":"Wh","scaler":-4,"interval_s":900}"#,
            "\n",
            r#"{"record":"reading","series":1,"time":"2018-01-01T00:15:00+01:00","duration_s":0,"raw":52342100,"value":"5234.2100","status":"0"}"#,
            "\n",
        );
        assert_eq!(write(&read(text).unwrap()), text);
        assert!(
            read(r#"{"record":"reading","series":9,"time":"2018-01-01T00:15:00Z","raw":1}"#)
                .is_err()
        );
        assert!(read(r#"{"record":"finding"}"#).unwrap().is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,120}") {
            let _ = read(&text);
        }
    }
}
