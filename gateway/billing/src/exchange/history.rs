//! Histories of other programs and portals as CSV, so that the first day is not empty.
//!
//! Known by their header: our own export, Home Assistant (history of an entity, and the download
//! of the energy dashboard), DSMR-reader's hours, and tables of consumption with start and end as
//! suppliers' portals give them. Times need an offset, except those of DSMR-reader, which are
//! local.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::ImportError;
use crate::csv::{CsvError, Row, rows};
use crate::exact::plain;
use crate::readings::{Flow, Reading, Series, SeriesKind, SeriesReadings, SourceTime};

/// Reads a history. `zone` is that of local times.
///
/// # Errors
/// The header is not known, or a row does not fit it.
pub fn import(text: &str, zone: &TimeZone) -> Result<Vec<SeriesReadings>, ImportError> {
    let first = text.lines().next().unwrap_or_default();
    let separator = if first.matches(';').count() > first.matches(',').count() {
        ';'
    } else {
        ','
    };
    let table = rows(text, separator)?;
    let Some((header, rows)) = table.split_first() else {
        return Err(CsvError::new(1, "the table is empty").into());
    };
    let names: Vec<String> = header
        .fields
        .iter()
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let has = |wanted: &[&str]| {
        wanted
            .iter()
            .all(|name| names.iter().any(|known| known == name))
    };
    let mut found = Collector::default();
    let known = if has(&["register", "time", "duration_s", "value", "unit"]) {
        own(&names, rows, &mut found)
    } else if has(&["entity_id", "state", "last_changed"]) {
        home_assistant_history(&names, rows, &mut found)
    } else if has(&["entity_id", "type", "unit"]) {
        home_assistant_energy(&names, rows, &mut found)
    } else if has(&["hour_start", "electricity1"]) {
        dsmr_reader(&names, rows, zone, &mut found)
    } else {
        portal(&names, rows, &mut found)
    };
    known?;
    Ok(found.finish())
}

/// Values by series before their number of decimals is known.
#[derive(Default)]
struct Collector {
    order: Vec<Series>,
    values: BTreeMap<u64, Vec<(SourceTime, i64, Decimal)>>,
}

impl Collector {
    fn series(
        &mut self,
        meter: &str,
        register: &str,
        kind: SeriesKind,
        flow: Option<Flow>,
        unit: &str,
    ) -> u64 {
        let same =
            |known: &&Series| known.register == register && known.meter.as_deref() == Some(meter);
        if let Some(known) = self.order.iter().find(same) {
            return known.series;
        }
        let number = u64::try_from(self.order.len())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        self.order.push(Series {
            series: number,
            meter: Some(meter.to_owned()),
            register: register.to_owned(),
            obis: None,
            kind,
            flow,
            unit: unit.to_owned(),
            scaler: 0,
            interval_s: None,
        });
        number
    }

    fn add(&mut self, series: u64, time: SourceTime, duration_s: i64, value: Decimal) {
        self.values
            .entry(series)
            .or_default()
            .push((time, duration_s, value.normalize()));
    }

    /// All values of a series with as many decimals as the one that has the most.
    fn finish(mut self) -> Vec<SeriesReadings> {
        let mut found = Vec::new();
        for mut series in self.order {
            let values = self.values.remove(&series.series).unwrap_or_default();
            let decimals = values
                .iter()
                .map(|(.., value)| value.scale())
                .max()
                .unwrap_or(0);
            series.scaler = -i32::try_from(decimals).unwrap_or(28);
            let lengths = values
                .iter()
                .map(|(_, length, _)| *length)
                .filter(|length| *length > 0);
            series.interval_s = lengths.min();
            let reading = |(time, duration, mut value): (SourceTime, i64, Decimal)| {
                value.rescale(decimals);
                Some(Reading::new(
                    series.series,
                    time,
                    duration,
                    i64::try_from(value.mantissa()).ok()?,
                ))
            };
            let readings = values.into_iter().filter_map(reading).collect();
            found.push(SeriesReadings { series, readings });
        }
        found
    }
}

fn column<'a>(names: &[String], row: &'a Row, name: &str) -> Result<&'a str, CsvError> {
    let place = names.iter().position(|known| known == name);
    let field = place.and_then(|place| row.fields.get(place));
    field
        .map(|field| field.trim())
        .ok_or_else(|| CsvError::new(row.line, format!("there is no {name}")))
}

fn time(row: &Row, text: &str) -> Result<SourceTime, CsvError> {
    // "2026-01-01 00:00:00+00:00" is the same with a blank.
    SourceTime::parse(&text.replacen(' ', "T", 1))
        .ok_or_else(|| CsvError::new(row.line, format!("{text:?} is not a time with its offset")))
}

fn number(row: &Row, text: &str) -> Result<Decimal, CsvError> {
    plain(text).ok_or_else(|| CsvError::new(row.line, format!("{text:?} is not a number")))
}

fn own(names: &[String], rows: &[Row], found: &mut Collector) -> Result<(), CsvError> {
    for row in rows {
        let get = |name: &str| column(names, row, name);
        let duration: i64 = get("duration_s")?
            .parse()
            .map_err(|_| CsvError::new(row.line, "duration_s is no whole number"))?;
        let kind = if duration > 0 {
            SeriesKind::Interval
        } else {
            SeriesKind::Register
        };
        let series = found.series(get("meter")?, get("register")?, kind, None, get("unit")?);
        found.add(
            series,
            time(row, get("time")?)?,
            duration,
            number(row, get("value")?)?,
        );
    }
    Ok(())
}

/// `entity_id,state,last_changed`: counter readings; states that are no number are passed over.
fn home_assistant_history(
    names: &[String],
    rows: &[Row],
    found: &mut Collector,
) -> Result<(), CsvError> {
    for row in rows {
        let get = |name: &str| column(names, row, name);
        let Some(value) = plain(get("state")?) else {
            continue;
        };
        let entity = get("entity_id")?;
        let series = found.series("home_assistant", entity, SeriesKind::Register, None, "kWh");
        found.add(series, time(row, get("last_changed")?)?, 0, value);
    }
    Ok(())
}

/// `entity_id,type,unit,<time>,<time>…`: amounts of the hour, day or month that begins then.
fn home_assistant_energy(
    names: &[String],
    rows: &[Row],
    found: &mut Collector,
) -> Result<(), CsvError> {
    for row in rows {
        let get = |name: &str| column(names, row, name);
        let flow = match get("type")? {
            "grid_consumption" => Some(Flow::Import),
            "grid_return" => Some(Flow::Export),
            _ => None,
        };
        let series = found.series(
            "home_assistant",
            get("entity_id")?,
            SeriesKind::Interval,
            flow,
            get("unit")?,
        );
        let starts: Vec<Option<SourceTime>> = names
            .iter()
            .map(|name| SourceTime::parse(&name.to_ascii_uppercase()))
            .collect();
        let following = starts
            .iter()
            .skip(1)
            .map(|next| next.as_ref())
            .chain([None]);
        let mut length = 3600;
        for ((start, next), field) in starts.iter().zip(following).zip(&row.fields) {
            let Some(start) = start else { continue };
            length = next.map_or(length, |next| next.at.as_second() - start.at.as_second());
            if !field.trim().is_empty() {
                found.add(series, *start, length.max(0), number(row, field.trim())?);
            }
        }
    }
    Ok(())
}

/// DSMR-reader's hours: `hour_start,electricity1,electricity2,electricity1_returned,…,gas`.
fn dsmr_reader(
    names: &[String],
    rows: &[Row],
    zone: &TimeZone,
    found: &mut Collector,
) -> Result<(), CsvError> {
    let columns = [
        ("electricity1", Some(Flow::Import), "kWh"),
        ("electricity2", Some(Flow::Import), "kWh"),
        ("electricity1_returned", Some(Flow::Export), "kWh"),
        ("electricity2_returned", Some(Flow::Export), "kWh"),
        ("gas", None, "m3"),
    ];
    for row in rows {
        let text = column(names, row, "hour_start")?.replacen(' ', "T", 1);
        let local = || text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok();
        let start = SourceTime::parse(&text).or_else(|| {
            local().map(|zoned| SourceTime {
                at: zoned.timestamp(),
                offset: Some(zoned.offset()),
            })
        });
        let start =
            start.ok_or_else(|| CsvError::new(row.line, format!("{text:?} is not a time")))?;
        for (name, flow, unit) in columns {
            let Ok(field) = column(names, row, name) else {
                continue;
            };
            if !field.is_empty() {
                let series = found.series("dsmr_reader", name, SeriesKind::Interval, flow, unit);
                found.add(series, start, 3600, number(row, field)?);
            }
        }
    }
    Ok(())
}

/// A column of consumption in kWh between a start and an end.
fn portal(names: &[String], rows: &[Row], found: &mut Collector) -> Result<(), CsvError> {
    let like = |wanted: &[&str]| {
        names
            .iter()
            .position(|name| wanted.iter().any(|want| name.contains(want)))
    };
    let (Some(start), Some(end)) = (like(&["start"]), like(&["end"])) else {
        return Err(CsvError::new(
            1,
            "the header is not known: there are neither start and end, nor the columns of a known program",
        ));
    };
    let Some(value) = like(&["consumption", "kwh", "usage"]) else {
        return Err(CsvError::new(
            1,
            "the header has no column of consumption in kWh",
        ));
    };
    for row in rows {
        let field = |place: usize| {
            row.fields
                .get(place)
                .map(|field| field.trim())
                .ok_or_else(|| CsvError::new(row.line, "the row is too short"))
        };
        let (start, end) = (time(row, field(start)?)?, time(row, field(end)?)?);
        let length = end.at.as_second() - start.at.as_second();
        if length <= 0 {
            return Err(CsvError::new(row.line, "the end is not after the start"));
        }
        let series = found.series(
            "portal",
            "consumption",
            SeriesKind::Interval,
            Some(Flow::Import),
            "kWh",
        );
        found.add(series, start, length, number(row, field(value)?)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::write;

    fn read(text: &str) -> String {
        write(&import(text, &TimeZone::get("Europe/Amsterdam").unwrap()).unwrap())
    }

    #[test]
    fn histories_of_other_programs() {
        let history = read(
            "entity_id,state,last_changed\nsensor.meter,1234.5,2026-01-01T00:00:00.000Z\nsensor.meter,unavailable,2026-01-01T00:10:00.000Z\nsensor.meter,1234.75,2026-01-01T01:00:00.000Z\n",
        );
        assert!(
            history.contains(r#""register":"sensor.meter","kind":"register""#),
            "{history}"
        );
        assert!(
            history.contains(r#""raw":123475,"value":"1234.75""#),
            "{history}"
        );
        let energy = read(
            "entity_id,type,unit,2026-01-01T00:00:00.000Z,2026-01-01T01:00:00.000Z\nsensor.in,grid_consumption,kWh,0.5,\n",
        );
        assert!(
            energy.contains(r#""flow":"import""#)
                && energy.contains(r#""duration_s":3600,"raw":5,"#),
            "{energy}"
        );
        let dsmr = read(
            "hour_start,electricity1,electricity2,electricity1_returned,gas\n2026-07-01 12:00:00,0.125,0,0.5,0.01\n",
        );
        assert!(
            dsmr.contains(r#""time":"2026-07-01T12:00:00+02:00","duration_s":3600,"raw":125,"#),
            "{dsmr}"
        );
        assert!(dsmr.contains(r#""unit":"m3""#), "{dsmr}");
        let portal = read(
            "Consumption (kWh), Estimated Cost, Start, End\n0.25,1,2026-01-01T00:00:00Z,2026-01-01T00:30:00Z\n",
        );
        assert!(
            portal.contains(r#""duration_s":1800,"raw":25,"value":"0.25""#),
            "{portal}"
        );
        assert!(
            import("a,b\n1,2\n", &TimeZone::UTC).is_err() && import("", &TimeZone::UTC).is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_read_or_refused(text in "(entity_id|type|unit|hour_start|electricity1|start|end|kwh|[0-9,;.\\-T:Z\n ]){0,24}") {
            let _ = import(&text, &TimeZone::UTC);
        }
    }
}
