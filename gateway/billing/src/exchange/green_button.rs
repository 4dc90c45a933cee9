//! Green Button: NAESB ESPI (REQ.21) in an Atom feed.
//!
//! A `MeterReading` is joined to its `ReadingType` and its `IntervalBlock`s by the links of the
//! entries, of which only the path counts. Times are seconds since 1970, UTC.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use uuid::Uuid;

use super::{ExportError, ImportError, number_of, service_of, unit_of};
use crate::readings::{
    Flow, Reading, ReadingQuality, Series, SeriesKind, SeriesReadings, SourceTime,
};
use crate::xml::{self, Element, escape};

/// Largest magnitude of ESPI's `Int48`.
const INT48: i64 = 140_737_488_355_328;

/// Reads a feed: one series per `MeterReading`, in document order.
///
/// # Errors
/// [`ImportError`].
pub fn import(text: &str) -> Result<Vec<SeriesReadings>, ImportError> {
    let root = xml::parse(text)?;
    let entries: Vec<Entry<'_>> = match root.name.as_str() {
        "feed" => root.all("entry").map(Entry::new).collect(),
        "entry" => vec![Entry::new(&root)],
        _ => {
            return Err(ImportError::Root {
                found: root.name,
                expected: "feed",
            });
        }
    };
    let meter_readings = entries
        .iter()
        .filter(|entry| entry.content("MeterReading").is_some());
    meter_readings
        .zip(1..)
        .map(|(entry, number)| series(entry, &entries, number))
        .collect()
}

struct Entry<'a> {
    element: &'a Element,
    /// Paths of the links by their relation.
    links: Vec<(&'a str, &'a str)>,
}

impl<'a> Entry<'a> {
    fn new(element: &'a Element) -> Self {
        let link =
            |link: &'a Element| Some((link.attribute("rel")?, path(link.attribute("href")?)));
        Self {
            element,
            links: element.all("link").filter_map(link).collect(),
        }
    }

    fn linked(&self, relation: &'a str) -> impl Iterator<Item = &'a str> + '_ {
        self.links
            .iter()
            .filter(move |(rel, _)| *rel == relation)
            .map(|(_, path)| *path)
    }

    fn itself(&self) -> Option<&'a str> {
        self.linked("self").next()
    }

    fn content(&self, name: &str) -> Option<&'a Element> {
        self.element.child("content")?.child(name)
    }
}

/// The path of a link: scheme and host may be left out or differ between entries.
fn path(href: &str) -> &str {
    let rest = href.split_once("://").map_or(href, |(_, rest)| {
        rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
    });
    rest.trim_end_matches('/')
}

fn series(
    entry: &Entry<'_>,
    entries: &[Entry<'_>],
    number: u64,
) -> Result<SeriesReadings, ImportError> {
    let own = entry.itself().unwrap_or_default();
    let kind = entry
        .content("MeterReading")
        .and_then(|reading| reading.child("ReadingType"))
        .or_else(|| {
            let related = |other: &&Entry<'_>| {
                other
                    .itself()
                    .is_some_and(|path| entry.linked("related").any(|link| link == path))
            };
            entries
                .iter()
                .filter(related)
                .find_map(|other| other.content("ReadingType"))
        });
    let of_kind = |name: &str| {
        kind.and_then(|kind| kind.child(name))
            .filter(|child| !child.text.is_empty())
    };
    let integer = |name: &str| of_kind(name).map(parsed::<i64>).transpose();
    let scaler = integer("powerOfTenMultiplier")?.unwrap_or(0);
    let scaler = i32::try_from(scaler)
        .ok()
        .filter(|scaler| (-64..=64).contains(scaler));
    let Some(scaler) = scaler else {
        return Err(wrong(
            kind.unwrap_or(entry.element),
            "a type with a sensible powerOfTenMultiplier",
        ));
    };
    let unit = integer("uom")?.and_then(|number| u16::try_from(number).ok());
    let belongs = |other: &&Entry<'_>| {
        let blocks = other
            .linked("up")
            .next()
            .or(other.itself())
            .unwrap_or_default();
        let below = !own.is_empty()
            && (blocks == own
                || blocks
                    .strip_prefix(own)
                    .is_some_and(|rest| rest.starts_with('/')));
        below || entry.linked("related").any(|link| link == blocks)
    };
    let mut readings = Vec::new();
    for other in entries.iter().filter(belongs) {
        let Some(content) = other.element.child("content") else {
            continue;
        };
        for one in content
            .all("IntervalBlock")
            .flat_map(|block| block.all("IntervalReading"))
        {
            readings.extend(reading(one, number)?);
        }
    }
    let accumulates = integer("accumulationBehaviour")?;
    Ok(SeriesReadings {
        series: Series {
            series: number,
            meter: segment_after(own, "UsagePoint"),
            register: segment_after(own, "MeterReading").unwrap_or_else(|| own.to_owned()),
            obis: None,
            // 1 bulk quantity, 3 cumulative, 9 summation: readings of a counter.
            kind: if matches!(accumulates, Some(1 | 3 | 9)) {
                SeriesKind::Register
            } else {
                SeriesKind::Interval
            },
            flow: match integer("flowDirection")? {
                Some(1) => Some(Flow::Import),
                Some(19) => Some(Flow::Export),
                _ => None,
            },
            unit: unit.map_or_else(|| "Wh".to_owned(), unit_of),
            scaler,
            interval_s: integer("intervalLength")?,
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
    let start = element
        .at(&["timePeriod", "start"])
        .ok_or_else(|| wrong(element, "a reading with timePeriod/start"))?;
    let at =
        Timestamp::from_second(parsed(start)?).map_err(|_| wrong(start, "seconds since 1970"))?;
    let duration = element
        .at(&["timePeriod", "duration"])
        .map(parsed)
        .transpose()?
        .unwrap_or(0);
    let cost = element.child("cost").filter(|cost| !cost.text.is_empty());
    let quality = element
        .at(&["ReadingQuality", "quality"])
        .map(parsed::<i64>)
        .transpose()?;
    let (quality, method) = match quality {
        Some(0 | 14 | 17 | 18 | 19) => (Some(ReadingQuality::Actual), None),
        Some(7) => (Some(ReadingQuality::Edited), None),
        Some(8) => (Some(ReadingQuality::Estimated), Some("like_day")),
        Some(9) => (Some(ReadingQuality::Estimated), Some("linear")),
        Some(10) => (Some(ReadingQuality::Suspect), None),
        _ => (None, None),
    };
    Ok(Some(Reading {
        cost_raw: cost.map(parsed).transpose()?,
        quality,
        method: method.map(str::to_owned),
        ..Reading::new(series, SourceTime::utc(at), duration, parsed(value)?)
    }))
}

/// What follows a segment of a path, with %-escapes undone.
fn segment_after(path: &str, name: &str) -> Option<String> {
    let mut segments = path.split('/').skip_while(|segment| *segment != name);
    segments.next()?;
    segments.next().map(unescaped)
}

fn unescaped(segment: &str) -> String {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|_| *first == b'%')
        {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn escaped(segment: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet);
    let one = |octet: u8| {
        if plain(octet) {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        }
    };
    segment.bytes().map(one).collect()
}

fn parsed<T: std::str::FromStr>(element: &Element) -> Result<T, ImportError> {
    element
        .text
        .parse()
        .map_err(|_| wrong(element, "an integer"))
}

fn wrong(element: &Element, expected: &'static str) -> ImportError {
    ImportError::Value {
        line: element.line,
        element: element.name.clone(),
        text: element.text.clone(),
        expected,
    }
}

/// Root of the links of a feed.
const ROOT: &str = "/espi/1_1/resource";

/// Writes a feed that is valid against Atom and ESPI 4.0. The same readings make the same bytes:
/// identifiers are UUIDs of version 5, and "updated" is the end of the last reading.
///
/// # Errors
/// A number does not fit in 48 bits.
pub fn export(all: &[SeriesReadings]) -> Result<String, ExportError> {
    let ends = all
        .iter()
        .flat_map(|one| &one.readings)
        .map(|reading| reading.time.after_s(reading.duration_s).at);
    let updated = whole_second(ends.max().unwrap_or(Timestamp::UNIX_EPOCH));
    let mut feed = Feed {
        out: String::new(),
        updated,
        ids: BTreeMap::new(),
    };
    let _ = write!(
        feed.out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<id>{}</id>\n<title>Energy usage</title>\n<updated>{updated}</updated>\n<link rel=\"self\" href=\"{ROOT}/Batch\"/>\n",
        id("feed")
    );
    let mut points: Vec<(&str, u8)> = Vec::new();
    for one in all {
        let meter = one.series.meter.as_deref().unwrap_or("unknown");
        let service = service_of(&one.series.unit, one.series.obis.as_deref());
        if !points.contains(&(meter, service)) {
            points.push((meter, service));
            feed.usage_point(meter, service);
        }
        feed.series(one, meter)?;
    }
    feed.out.push_str("</feed>\n");
    Ok(feed.out)
}

fn id(name: &str) -> String {
    let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://wattle.example/espi");
    format!(
        "urn:uuid:{}",
        Uuid::new_v5(&space, name.as_bytes()).as_hyphenated()
    )
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

struct Feed {
    out: String,
    updated: Timestamp,
    /// How often a name was used: the same period may come twice.
    ids: BTreeMap<String, u32>,
}

impl Feed {
    fn entry(&mut self, name: String, title: &str, links: &[(&str, String)], content: &str) {
        let count = self.ids.entry(name.clone()).or_insert(0);
        *count += 1;
        let named = if *count > 1 {
            format!("{name}#{count}")
        } else {
            name
        };
        let out = &mut self.out;
        let _ = writeln!(out, "<entry>\n<id>{}</id>", id(&named));
        for (relation, path) in links {
            let _ = writeln!(out, "<link rel=\"{relation}\" href=\"{path}\"/>");
        }
        let _ = write!(
            out,
            "<title>{}</title>\n<content>{content}</content>\n<published>{updated}</published>\n<updated>{updated}</updated>\n</entry>\n",
            escape(title),
            updated = self.updated
        );
    }

    fn usage_point(&mut self, meter: &str, service: u8) {
        let itself = format!("{ROOT}/UsagePoint/{}", escaped(meter));
        let links = [
            ("self", itself.clone()),
            ("up", format!("{ROOT}/UsagePoint")),
            ("related", format!("{itself}/MeterReading")),
        ];
        let content = format!(
            "<UsagePoint xmlns=\"http://naesb.org/espi\"><ServiceCategory><kind>{service}</kind></ServiceCategory></UsagePoint>"
        );
        self.entry(format!("point {meter} {service}"), meter, &links, &content);
    }

    fn series(&mut self, one: &SeriesReadings, meter: &str) -> Result<(), ExportError> {
        let series = &one.series;
        // Two series of a meter may have the same name.
        let mut name = escaped(&series.register);
        let key = format!("reading {meter} {name}");
        if self.ids.contains_key(&key) {
            name = format!("{name}~{}", series.series);
        }
        let readings = format!("{ROOT}/UsagePoint/{}/MeterReading", escaped(meter));
        let itself = format!("{readings}/{name}");
        let kind = format!("{ROOT}/ReadingType/{}.{name}", escaped(meter));
        let links = [
            ("self", itself.clone()),
            ("up", readings),
            ("related", format!("{itself}/IntervalBlock")),
            ("related", kind.clone()),
        ];
        self.entry(
            key,
            &series.register,
            &links,
            "<MeterReading xmlns=\"http://naesb.org/espi\"/>",
        );
        let links = [("self", kind), ("up", format!("{ROOT}/ReadingType"))];
        self.entry(
            format!("type {meter} {name}"),
            &series.register,
            &links,
            &reading_type(series),
        );
        for (day, block) in blocks(&one.readings) {
            let links = [
                ("self", format!("{itself}/IntervalBlock/{day}")),
                ("up", format!("{itself}/IntervalBlock")),
            ];
            let content = interval_block(series, block)?;
            self.entry(format!("block {meter} {name} {day}"), "", &links, &content);
        }
        Ok(())
    }
}

fn reading_type(series: &Series) -> String {
    let (accumulates, flow) = (
        if series.kind == SeriesKind::Register {
            1
        } else {
            4
        },
        match series.flow {
            Some(Flow::Import) => 1,
            Some(Flow::Export) => 19,
            None => 0,
        },
    );
    let commodity = match service_of(&series.unit, series.obis.as_deref()) {
        1 => 7,
        2 => 9,
        _ => 1,
    };
    let length = series.interval_s.map_or_else(String::new, |seconds| {
        format!(
            "<intervalLength>{}</intervalLength>",
            seconds.clamp(0, i64::from(u32::MAX))
        )
    });
    format!(
        "<ReadingType xmlns=\"http://naesb.org/espi\"><accumulationBehaviour>{accumulates}</accumulationBehaviour><commodity>{commodity}</commodity><flowDirection>{flow}</flowDirection>{length}<kind>12</kind><powerOfTenMultiplier>{}</powerOfTenMultiplier><uom>{}</uom></ReadingType>",
        series.scaler,
        number_of(&series.unit)
    )
}

/// Runs of readings of one UTC day, in the order of the source.
fn blocks(readings: &[Reading]) -> Vec<(i64, &[Reading])> {
    let day = |reading: &Reading| reading.time.at.as_second().div_euclid(86_400);
    let runs = readings.chunk_by(|a, b| day(a) == day(b));
    runs.filter_map(|run| Some((day(run.first()?), run)))
        .collect()
}

fn interval_block(series: &Series, readings: &[Reading]) -> Result<String, ExportError> {
    let second = |reading: &Reading| reading.time.at.as_second();
    let start = readings.iter().map(second).min().unwrap_or(0);
    let end = readings
        .iter()
        .map(|reading| second(reading).saturating_add(reading.duration_s))
        .max()
        .unwrap_or(start);
    let mut out = format!(
        "<IntervalBlock xmlns=\"http://naesb.org/espi\"><interval><duration>{}</duration><start>{start}</start></interval>",
        (end - start).clamp(0, i64::from(u32::MAX))
    );
    for reading in readings {
        let fits = |number: i64| -> Result<i64, ExportError> {
            if number.unsigned_abs() <= INT48.unsigned_abs() {
                return Ok(number);
            }
            Err(ExportError::TooLarge {
                register: series.register.clone(),
                time: reading.time.to_string(),
                number,
                limit: "48 bits",
                form: "Green Button",
            })
        };
        out.push_str("\n<IntervalReading>");
        if let Some(cost) = reading.cost_raw {
            let _ = write!(out, "<cost>{}</cost>", fits(cost)?);
        }
        let quality = match (reading.quality, reading.method.as_deref()) {
            (Some(ReadingQuality::Actual), _) => Some(0),
            (Some(ReadingQuality::Edited), _) => Some(7),
            (Some(ReadingQuality::Estimated), Some("linear")) => Some(9),
            (Some(ReadingQuality::Estimated), _) => Some(8),
            (Some(ReadingQuality::Suspect), _) => Some(10),
            (None, _) => None,
        };
        if let Some(quality) = quality {
            let _ = write!(
                out,
                "<ReadingQuality><quality>{quality}</quality></ReadingQuality>"
            );
        }
        let _ = write!(
            out,
            "<timePeriod><duration>{}</duration><start>{}</start></timePeriod><value>{}</value></IntervalReading>",
            reading.duration_s.clamp(0, i64::from(u32::MAX)),
            second(reading),
            fits(reading.raw)?
        );
    }
    out.push_str("</IntervalBlock>");
    Ok(out)
}
