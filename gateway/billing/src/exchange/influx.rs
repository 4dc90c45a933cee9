//! Readings in InfluxDB's line protocol.
//!
//! The exact integer and its scaler are fields beside the value, since the protocol's numbers are
//! floats.

use std::fmt::Write as _;

use crate::exact::scaled;
use crate::readings::{SeriesKind, SeriesReadings};

/// Writes one line per reading, measurement `energy`, times in nanoseconds.
#[must_use]
pub fn export(all: &[SeriesReadings]) -> String {
    let mut out = String::new();
    for one in all {
        let series = &one.series;
        let mut tags = String::new();
        let mut tag = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = write!(tags, ",{name}={}", escaped(value));
            }
        };
        if let Some(flow) = series.flow {
            tag("flow", flow.name());
        }
        tag(
            "kind",
            if series.kind == SeriesKind::Register {
                "register"
            } else {
                "interval"
            },
        );
        tag("meter", series.meter.as_deref().unwrap_or(""));
        tag("register", &series.register);
        tag("unit", &series.unit);
        for reading in &one.readings {
            let quality = reading.quality.map_or_else(String::new, |quality| {
                format!(",quality=\"{}\"", quality.name())
            });
            let _ = writeln!(
                out,
                "energy{tags} value={},raw={}i,scaler={}i,duration_s={}i{quality} {}",
                scaled(reading.raw, series.scaler),
                reading.raw,
                series.scaler,
                reading.duration_s,
                reading.time.at.as_nanosecond()
            );
        }
    }
    out
}

/// Tag values: comma, equals sign and blank are escaped; a line break would end the line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ',' | '=' | ' ' => out.extend(['\\', character]),
            // A backslash at the end would escape what follows.
            '\\' | '\n' | '\r' => out.push('_'),
            other => out.push(other),
        }
    }
    out
}
