//! Readings as comma-separated values, RFC 4180.

use std::fmt::Write as _;

use crate::csv::field;
use crate::exact::scaled;
use crate::readings::SeriesReadings;

/// Writes `meter,register,time,duration_s,value,unit,quality`, lines ending in CR LF.
#[must_use]
pub fn export(all: &[SeriesReadings]) -> String {
    let mut out = String::from("meter,register,time,duration_s,value,unit,quality\r\n");
    for one in all {
        let series = &one.series;
        let (meter, register) = (
            field(series.meter.as_deref().unwrap_or("")),
            field(&series.register),
        );
        for reading in &one.readings {
            let quality = reading.quality.map_or("", |quality| quality.name());
            let _ = write!(
                out,
                "{meter},{register},{},{},{},{},{quality}\r\n",
                reading.time,
                reading.duration_s,
                scaled(reading.raw, series.scaler),
                field(&series.unit)
            );
        }
    }
    out
}
