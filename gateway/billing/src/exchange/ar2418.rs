//! VDE-AR-E 2418-6: the XML of German smart meter gateways for consumers and suppliers.
//!
//! Only readings: customer, certificates, signatures and logs are passed over and not written.

use std::fmt::Write as _;

use super::{ImportError, number_of, service_of, unit_of};
use crate::readings::{Flow, Reading, Series, SeriesKind, SeriesReadings, SourceTime};
use crate::xml::{self, Element, escape};

/// Reads a document: one series per `MeterReading`, in document order.
///
/// # Errors
/// [`ImportError`].
pub fn import(text: &str) -> Result<Vec<SeriesReadings>, ImportError> {
    let root = xml::parse(text)?;
    let points: Vec<&Element> = match root.name.as_str() {
        "UsagePoints" => root.all("UsagePoint").collect(),
        "UsagePoint" => vec![&root],
        _ => {
            return Err(ImportError::Root {
                found: root.name,
                expected: "UsagePoints",
            });
        }
    };
    let readings = points
        .into_iter()
        .flat_map(|point| point.all("MeterReading"));
    readings
        .zip(1..)
        .map(|(reading, number)| series(reading, number))
        .collect()
}

fn series(element: &Element, number: u64) -> Result<SeriesReadings, ImportError> {
    let kind = element.child("ReadingType");
    let of_kind = |name: &str| {
        kind.and_then(|kind| kind.child(name))
            .filter(|child| !child.text.is_empty())
    };
    let integer = |name: &str| {
        of_kind(name)
            .map(|child| parsed::<i32>(child, "an integer"))
            .transpose()
    };
    let scaler = integer("scaler")?
        .unwrap_or(0)
        .saturating_add(integer("powerOfTenMultiplier")?.unwrap_or(0));
    if let Some(child) = of_kind("scaler").filter(|_| !(-64..=64).contains(&scaler)) {
        return Err(wrong(child, "a power of ten"));
    }
    let unit = of_kind("uom")
        .map(|child| parsed::<u16>(child, "a unit's number"))
        .transpose()?;
    let code = of_kind("obisCode").and_then(|child| obis(&child.text));
    let register = of_kind("qualifiedLogicalName")
        .or(of_kind("obisCode"))
        .or(element.child("meterReadingId"));
    let mut readings = Vec::new();
    for one in element
        .all("IntervalBlock")
        .flat_map(|block| block.all("IntervalReading"))
    {
        readings.extend(reading(one, number)?);
    }
    Ok(SeriesReadings {
        series: Series {
            series: number,
            meter: element
                .child("Meter")
                .and_then(|meter| meter.text_of("meterId"))
                .map(str::to_owned),
            register: register.map_or_else(String::new, |register| register.text.clone()),
            kind: code.map_or(SeriesKind::Register, kind_of),
            flow: code.and_then(flow_of),
            obis: code.map(obis_text),
            unit: unit.map_or_else(|| "Wh".to_owned(), unit_of),
            scaler,
            interval_s: of_kind("measurementPeriod")
                .map(|child| parsed(child, "seconds"))
                .transpose()?,
        },
        readings,
    })
}

fn reading(element: &Element, series: u64) -> Result<Option<Reading>, ImportError> {
    let Some(value) = element
        .child("value")
        .filter(|value| !value.text.is_empty())
    else {
        return Ok(None);
    };
    let period = element.child("timePeriod");
    let start = period.and_then(|period| period.child("start"));
    let target = element.child("targetTime");
    let Some(stated) = target.or(start) else {
        return Err(wrong(
            element,
            "a reading with targetTime or timePeriod/start",
        ));
    };
    let time = source_time(stated)?;
    let captured = start
        .filter(|_| target.is_some())
        .map(source_time)
        .transpose()?;
    let duration = period.and_then(|period| period.child("duration"));
    Ok(Some(Reading {
        captured_at: captured.filter(|captured| *captured != time),
        status: element.text_of("statusPTB").map(str::to_owned),
        status_fnn: element.text_of("statusFNN").map(str::to_owned),
        ..Reading::new(
            series,
            time,
            duration
                .map(|duration| parsed(duration, "seconds"))
                .transpose()?
                .unwrap_or(0),
            parsed(value, "an integer")?,
        )
    }))
}

/// Writes a document that is valid against the rule's schema. A usage point holds series of one
/// kind of energy that follow each other.
#[must_use]
pub fn export(all: &[SeriesReadings]) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<UsagePoints xmlns=\"http://vde.de/AR_2418-6.xsd\" xmlns:espi=\"http://naesb.org/espi\">\n",
    );
    let mut open = None;
    for one in all {
        let service = service_of(&one.series.unit, one.series.obis.as_deref());
        if open != Some(service) {
            if open.is_some() {
                out.push_str("  </UsagePoint>\n");
            }
            let _ = write!(
                out,
                "  <UsagePoint>\n    <espi:ServiceCategory><espi:kind>{service}</espi:kind></espi:ServiceCategory>\n"
            );
            open = Some(service);
        }
        write_series(&mut out, one);
    }
    if open.is_none() {
        out.push_str("  <UsagePoint>\n");
    }
    out.push_str("  </UsagePoint>\n</UsagePoints>\n");
    out
}

fn write_series(out: &mut String, SeriesReadings { series, readings }: &SeriesReadings) {
    let meter = series.meter.as_deref().map(|meter| cut(meter, 64));
    out.push_str("    <MeterReading>\n");
    if let Some(meter) = meter {
        let _ = writeln!(
            out,
            "      <Meter><meterId>{}</meterId></Meter>",
            escape(meter)
        );
    }
    let _ = writeln!(
        out,
        "      <meterReadingId>{}</meterReadingId>",
        escape(cut(&series.register, 256))
    );
    out.push_str("      <ReadingType>\n");
    let uom = number_of(&series.unit);
    let _ = write!(
        out,
        "        <espi:powerOfTenMultiplier>0</espi:powerOfTenMultiplier>\n        <espi:uom>{uom}</espi:uom>\n        <scaler>{}</scaler>\n",
        series.scaler
    );
    if let Some(code) = series
        .obis
        .as_deref()
        .and_then(|text| octets_of(text, &series.register))
    {
        let _ = writeln!(out, "        <obisCode>{code}</obisCode>");
    }
    let _ = writeln!(
        out,
        "        <qualifiedLogicalName>{}</qualifiedLogicalName>",
        escape(cut(&series.register, 256))
    );
    if let Some(seconds) = series.interval_s {
        let _ = writeln!(
            out,
            "        <measurementPeriod>{}</measurementPeriod>",
            seconds.max(0)
        );
    }
    out.push_str("      </ReadingType>\n");
    let ends = readings
        .iter()
        .map(|reading| reading.time.after_s(reading.duration_s));
    let first = readings
        .iter()
        .map(|reading| reading.time)
        .min_by_key(|time| time.at);
    if let (Some(first), Some(last)) = (first, ends.max_by_key(|time| time.at)) {
        let length = last.at.as_second() - first.at.as_second();
        out.push_str("      <IntervalBlock>\n");
        let _ = writeln!(
            out,
            "        <interval><duration>{}</duration><start>{first}</start></interval>",
            length.clamp(0, i64::from(u32::MAX))
        );
        for reading in readings {
            write_reading(out, reading);
        }
        out.push_str("      </IntervalBlock>\n");
    }
    out.push_str("    </MeterReading>\n");
}

fn write_reading(out: &mut String, reading: &Reading) {
    let start = reading.captured_at.unwrap_or(reading.time);
    let _ = write!(
        out,
        "        <IntervalReading><espi:value>{}</espi:value><timePeriod><duration>{}</duration><start>{start}</start></timePeriod>",
        reading.raw,
        reading.duration_s.clamp(0, i64::from(u32::MAX))
    );
    if reading.captured_at.is_some() {
        let _ = write!(out, "<targetTime>{}</targetTime>", reading.time);
    }
    if let Some(status) = &reading.status_fnn {
        let _ = write!(out, "<statusFNN>{}</statusFNN>", escape(cut(status, 256)));
    }
    let status: Option<u8> = reading
        .status
        .as_deref()
        .and_then(|status| status.trim().parse().ok());
    if let Some(status) = status {
        let _ = write!(out, "<statusPTB>{status}</statusPTB>");
    }
    out.push_str("</IntervalReading>\n");
}

/// At most so many characters, as the schema limits texts.
fn cut(text: &str, characters: usize) -> &str {
    let end = text
        .char_indices()
        .nth(characters)
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// Six octets of an OBIS code from 12 hex digits.
fn obis(text: &str) -> Option<[u8; 6]> {
    let mut code = [0; 6];
    if text.len() != 12 || !text.is_ascii() {
        return None;
    }
    for (octet, place) in code.iter_mut().zip((0..).step_by(2)) {
        *octet = u8::from_str_radix(text.get(place..place + 2)?, 16).ok()?;
    }
    Some(code)
}

fn obis_text([a, b, c, d, e, _]: [u8; 6]) -> String {
    format!("{a}-{b}:{c}.{d}.{e}")
}

/// The code as the register's name has it, else from its text with F = 255.
fn octets_of(text: &str, register: &str) -> Option<String> {
    let named = register
        .get(..12)
        .filter(|head| obis(head).map(obis_text).as_deref() == Some(text));
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    let parts: Vec<u8> = text
        .split(['-', ':', '.', '*'])
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    match parts.as_slice() {
        [a, b, c, d, e] => Some(format!("{a:02X}{b:02X}{c:02X}{d:02X}{e:02X}FF")),
        [a, b, c, d, e, f] => Some(format!("{a:02X}{b:02X}{c:02X}{d:02X}{e:02X}{f:02X}")),
        _ => None,
    }
}

/// Value group D 27 to 29 are amounts of a recording interval, IEC 62056-6-1, 5.2.2.
fn kind_of([_, _, _, d, _, _]: [u8; 6]) -> SeriesKind {
    if matches!(d, 27..=29) {
        SeriesKind::Interval
    } else {
        SeriesKind::Register
    }
}

fn flow_of([a, _, c, _, _, _]: [u8; 6]) -> Option<Flow> {
    match (a, c) {
        (1, 1) => Some(Flow::Import),
        (1, 2) => Some(Flow::Export),
        _ => None,
    }
}

fn source_time(element: &Element) -> Result<SourceTime, ImportError> {
    SourceTime::parse(&element.text).ok_or_else(|| wrong(element, "a time with its offset"))
}

fn parsed<T: std::str::FromStr>(
    element: &Element,
    expected: &'static str,
) -> Result<T, ImportError> {
    element.text.parse().map_err(|_| wrong(element, expected))
}

fn wrong(element: &Element, expected: &'static str) -> ImportError {
    ImportError::Value {
        line: element.line,
        element: element.name.clone(),
        text: element.text.clone(),
        expected,
    }
}
