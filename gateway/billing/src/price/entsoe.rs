//! ENTSO-E transparency platform, day-ahead prices: `Publication_MarketDocument` of type A44, per
//! MWh (IEC 62325-451-3).
//!
//! Curve A03 leaves a position out that repeats the one before. Where several series speak of the
//! same time, the finer resolution counts and, at equal resolution, the first in the document.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{
    DocumentError, Format, Price, PriceList, PriceSource, Published, Wanted, choose_area, currency,
    instant,
};
use crate::exact::{TooLarge, plain, shift};
use crate::time::{Span, duration_s};
use crate::xml::{self, Element};

/// Most points that one document may expand to.
const MAX_POINTS: i64 = 400_000;

/// Reads documents of the transparency platform.
pub(super) struct Entsoe;

struct Point {
    span: Span,
    price: Decimal,
}

/// Points of one period, and how fine they are.
struct Curve {
    resolution_s: i64,
    points: Vec<Point>,
}

impl PriceSource for Entsoe {
    fn format(&self) -> Format {
        Format::Entsoe
    }

    fn read(&self, text: &str, wanted: &Wanted) -> Result<Published, DocumentError> {
        let root = xml::parse(text)?;
        if root.name == "Acknowledgement_MarketDocument" {
            let reason = root
                .child("Reason")
                .and_then(|reason| reason.text_of("text").or(reason.text_of("code")));
            return Err(DocumentError::Acknowledged(
                reason.unwrap_or("no reason given").to_owned(),
            ));
        }
        if root.name != "Publication_MarketDocument" {
            return Err(DocumentError::Missing(
                "Publication_MarketDocument".to_owned(),
            ));
        }
        if root.text_of("type").is_some_and(|kind| kind != "A44") {
            return Err(value(
                "type",
                root.text_of("type").unwrap_or_default(),
                "A44, day-ahead prices",
            ));
        }
        let series: Vec<&Element> = root.all("TimeSeries").collect();
        let mut areas = Vec::new();
        for domain in series.iter().filter_map(|series| domain(series)) {
            if !areas.contains(&domain) {
                areas.push(domain);
            }
        }
        let area = if areas.is_empty() && wanted.area.is_none() {
            None
        } else {
            Some(choose_area(&areas, wanted.area.as_deref())?)
        };
        let mut code: Option<String> = None;
        let mut curves = Vec::new();
        for series in series.into_iter().filter(|series| domain(series) == area) {
            if let Some(stated) = series.text_of("currency_Unit.name") {
                let stated = currency("currency_Unit.name", stated)?;
                if code.get_or_insert_with(|| stated.clone()) != &stated {
                    return Err(value(
                        "currency_Unit.name",
                        &stated,
                        "the currency of the other series",
                    ));
                }
            }
            let unit = series.text_of("price_Measure_Unit.name").unwrap_or("MWH");
            if !unit.eq_ignore_ascii_case("MWH") {
                return Err(value("price_Measure_Unit.name", unit, "MWH"));
            }
            let repeats = series.text_of("curveType").unwrap_or("A01") == "A03";
            for period in series.all("Period") {
                curves.push(curve(period, repeats)?);
            }
        }
        Ok(Published::list(code, merge(curves)?))
    }
}

fn domain(series: &Element) -> Option<&str> {
    series
        .text_of("in_Domain.mRID")
        .or_else(|| series.text_of("out_Domain.mRID"))
}

fn curve(period: &Element, repeats: bool) -> Result<Curve, DocumentError> {
    let interval = period
        .child("timeInterval")
        .ok_or_else(|| missing(period, "timeInterval"))?;
    let time = |name: &str| {
        let text = interval
            .text_of(name)
            .ok_or_else(|| missing(interval, name))?;
        instant(name, text)
    };
    let (start, end) = (time("start")?, time("end")?);
    let resolution = period
        .text_of("resolution")
        .ok_or_else(|| missing(period, "resolution"))?;
    let resolution_s = duration_s(resolution)
        .filter(|seconds| *seconds >= 60)
        .ok_or_else(|| value("resolution", resolution, "PT15M, PT30M or PT60M"))?;
    let length_s = end.as_second() - start.as_second();
    let count = length_s.checked_div(resolution_s).unwrap_or(0);
    if length_s <= 0 || count > MAX_POINTS {
        return Err(value(
            "timeInterval",
            &interval.line.to_string(),
            "a period of a sensible length (line)",
        ));
    }
    let mut stated: Vec<(i64, Decimal)> = Vec::new();
    for point in period.all("Point") {
        let position = point
            .text_of("position")
            .ok_or_else(|| missing(point, "position"))?;
        let number: i64 = position
            .parse()
            .ok()
            .filter(|number| (1..=count).contains(number))
            .ok_or_else(|| value("position", position, "a position within the period"))?;
        let amount = point
            .text_of("price.amount")
            .ok_or_else(|| missing(point, "price.amount"))?;
        let per_mwh = plain(amount).ok_or_else(|| value("price.amount", amount, "a number"))?;
        stated.push((number, shift(per_mwh, -3).ok_or(TooLarge)?));
    }
    stated.sort_by_key(|(number, _)| *number);
    if let Some(twice) = stated
        .windows(2)
        .find(|pair| matches!(pair, [(a, _), (b, _)] if a == b))
    {
        let position = twice.first().map_or(0, |(number, _)| *number);
        return Err(DocumentError::Ambiguous(format!(
            "position {position} from {start} is there twice"
        )));
    }
    let mut points = Vec::with_capacity(stated.len());
    let nexts = stated
        .iter()
        .skip(1)
        .map(|(number, _)| *number)
        .chain([count + 1]);
    for ((number, price), next) in stated.iter().zip(nexts) {
        let last = if repeats { next } else { number + 1 };
        for position in *number..last {
            let at = |position: i64| {
                start.checked_add(SignedDuration::from_secs((position - 1) * resolution_s))
            };
            if let (Ok(from), Ok(to)) = (at(position), at(position + 1)) {
                points.extend(Span::new(from, to).map(|span| Point {
                    span,
                    price: *price,
                }));
            }
        }
    }
    Ok(Curve {
        resolution_s,
        points,
    })
}

/// Lays the curves over each other, the finer and the earlier on top.
fn merge(mut curves: Vec<Curve>) -> Result<PriceList, DocumentError> {
    let total: usize = curves.iter().map(|curve| curve.points.len()).sum();
    if i64::try_from(total).map_or(true, |total| total > MAX_POINTS) {
        return Err(DocumentError::Unsupported(format!(
            "a document of {total} points"
        )));
    }
    let finest = curves
        .iter()
        .filter(|curve| !curve.points.is_empty())
        .map(|curve| curve.resolution_s)
        .min();
    curves.sort_by_key(|curve| curve.resolution_s);
    let mut edges: BTreeSet<Timestamp> = BTreeSet::new();
    for point in curves.iter().flat_map(|curve| &curve.points) {
        edges.extend([point.span.start, point.span.end]);
    }
    let edges: Vec<Timestamp> = edges.into_iter().collect();
    let mut cells: Vec<Option<Decimal>> = vec![None; edges.len()];
    for point in curves.iter().flat_map(|curve| &curve.points) {
        let (Ok(first), Ok(last)) = (
            edges.binary_search(&point.span.start),
            edges.binary_search(&point.span.end),
        ) else {
            continue;
        };
        for cell in cells.get_mut(first..last).unwrap_or_default() {
            cell.get_or_insert(point.price);
        }
    }
    let spans = edges.iter().zip(edges.iter().skip(1)).zip(&cells);
    let prices = spans
        .filter_map(|((start, end), price)| Some(Price::new(Span::new(*start, *end)?, (*price)?)));
    let mut list = PriceList::new(prices.collect())?;
    list.grid_s = finest.unwrap_or(list.grid_s);
    Ok(list)
}

fn missing(element: &Element, name: &str) -> DocumentError {
    DocumentError::Missing(format!("line {}: {name} in {}", element.line, element.name))
}

fn value(what: &str, text: &str, expected: &'static str) -> DocumentError {
    DocumentError::Value {
        what: what.to_owned(),
        text: text.to_owned(),
        expected,
    }
}
