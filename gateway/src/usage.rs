//! What was used, out of the store: the hours, days and months of a bar chart.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;
use wattle_api::{Medium, Usage, UsageBar, UsageSpan};
use wattle_billing::tariff::Tariff;
use wattle_billing::time::{day_start, local_date};

use crate::store::{QUARTER_S, Reader, RegisterRow, StoreError};
use crate::usage_parts;
use crate::view::figures::energy_registers;

const HOUR_S: i64 = 3600;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Configured name of the meter.
    pub meter: &'a str,
    /// What it measures: electricity, gas or water.
    pub medium: Medium,
    /// The home's time zone.
    pub zone: &'a TimeZone,
    /// What a kilowatt-hour costs.
    pub tariff: Option<&'a Tariff>,
    /// How long a stretch.
    pub span: UsageSpan,
    /// How many stretches before the present one.
    pub back: u16,
    /// Now.
    pub now: Timestamp,
}

/// A quarter-hour: kWh, and whether it was metered close to both of its ends.
pub(crate) type Quarters = BTreeMap<i64, (Decimal, bool)>;

/// What was used in a stretch, and a year before. `None` when that lies outside the calendar.
///
/// # Errors
/// The store cannot be read.
pub fn usage(reader: &Reader, asked: &Asked<'_>) -> Result<Option<Usage>, StoreError> {
    let today = local_date(asked.now, asked.zone);
    let Some((from, to)) = dates(asked.span, asked.back, today) else {
        return Ok(None);
    };
    let Some(mut usage) = between(reader, asked, from, to)? else {
        return Ok(None);
    };
    if let Some((from, to)) = year_before(asked.span, from, to) {
        // Energy alone: what it cost then is no matter of today's tariff.
        let earlier = Asked {
            tariff: None,
            ..*asked
        };
        let earlier = between(reader, &earlier, from, to)?;
        usage.year_before =
            earlier.and_then(|earlier| usage_parts::compare(&usage.bars, &earlier, asked.zone));
    }
    Ok(Some(usage))
}

/// What was used from one local date to another.
fn between(
    reader: &Reader,
    asked: &Asked<'_>,
    from: Date,
    to: Date,
) -> Result<Option<Usage>, StoreError> {
    let Some(edges) = edges(asked.span, from, to, asked.zone) else {
        return Ok(None);
    };
    if asked.medium != Medium::Electricity {
        return usage_parts::supply(reader, asked, (from, to), &edges).map(Some);
    }
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return Ok(None);
    };
    let days = match asked.span {
        UsageSpan::Day => BTreeMap::new(),
        _ => days(reader, asked, from, to)?,
    };
    let made = days
        .last_key_value()
        .and_then(|(date, _)| date.tomorrow().ok());
    let made = made.and_then(|date| day_start(date, asked.zone));
    let rest = made.unwrap_or(*first).as_second();
    let quarters = quarters(reader, asked.meter, rest, last.as_second())?;
    let mut bars: Vec<UsageBar> = edges
        .windows(2)
        .filter_map(|pair| match pair {
            [start, end] => {
                let dates = local_date(*start, asked.zone)..local_date(*end, asked.zone);
                let days = days.range(dates).map(|(_, day)| day);
                Some(bar(*start, *end, days, &quarters, asked.tariff))
            }
            _ => None,
        })
        .collect();
    // A year is told in whole months: its bands would take every quarter-hour of it.
    if let (Some(tariff), true) = (asked.tariff, asked.span != UsageSpan::Year) {
        let (from_s, to_s) = (first.as_second(), last.as_second());
        let all = self::quarters(reader, asked.meter, from_s, to_s)?;
        usage_parts::divide(&mut bars, &all, tariff, asked.zone);
    }
    let metered = || bars.iter().filter(|bar| bar.import_kwh.is_some());
    let costs: Option<Vec<Decimal>> = metered().map(|bar| bar.cost).collect();
    let whole: Vec<Decimal> = metered()
        .filter(|bar| bar.complete)
        .filter_map(|bar| bar.import_kwh)
        .collect();
    let until = quarters
        .keys()
        .next_back()
        .map(|start_s| start_s + QUARTER_S);
    let until = until.or(made.map(Timestamp::as_second));
    let any = until.is_some();
    Ok(Some(Usage {
        span: asked.span,
        medium: asked.medium,
        back: asked.back,
        from,
        to,
        until: until.and_then(|end_s| Timestamp::from_second(end_s).ok()),
        import_kwh: any.then(|| metered().filter_map(|bar| bar.import_kwh).sum()),
        average_kwh: whole
            .iter()
            .sum::<Decimal>()
            .checked_div(Decimal::from(whole.len())),
        volume_m3: None,
        average_m3: None,
        currency: asked.tariff.and_then(|tariff| tariff.currency.clone()),
        cost: costs.filter(|_| any).map(|costs| costs.iter().sum()),
        year_before: None,
        bars,
    }))
}

/// First and last date of the stretch.
fn dates(span: UsageSpan, back: u16, today: Date) -> Option<(Date, Date)> {
    let back = i64::from(back);
    match span {
        UsageSpan::Day => {
            let day = today.checked_sub(back.days()).ok()?;
            Some((day, day))
        }
        UsageSpan::Week => {
            let past = i64::from(today.weekday().to_monday_zero_offset());
            let monday = today.checked_sub((past + 7 * back).days()).ok()?;
            Some((monday, monday.checked_add(6.days()).ok()?))
        }
        UsageSpan::Month => {
            let first = today.first_of_month().checked_sub(back.months()).ok()?;
            Some((first, first.last_of_month()))
        }
        UsageSpan::Year => {
            let first = today.first_of_year().checked_sub(back.years()).ok()?;
            Some((first, first.last_of_year()))
        }
    }
}

/// First and last date of the same stretch a year before.
fn year_before(span: UsageSpan, from: Date, to: Date) -> Option<(Date, Date)> {
    match span {
        UsageSpan::Day | UsageSpan::Week => {
            let back = |date: Date| date.checked_sub(52.weeks()).ok();
            Some((back(from)?, back(to)?))
        }
        UsageSpan::Month => {
            let first = from.checked_sub(1.year()).ok()?;
            Some((first, first.last_of_month()))
        }
        UsageSpan::Year => {
            let first = from.checked_sub(1.year()).ok()?;
            Some((first, first.last_of_year()))
        }
    }
}

/// Where one bar ends and the next begins, the ends of the stretch included.
fn edges(span: UsageSpan, from: Date, to: Date, zone: &TimeZone) -> Option<Vec<Timestamp>> {
    let (start, end) = (
        day_start(from, zone)?,
        day_start(to.tomorrow().ok()?, zone)?,
    );
    let mut edges = vec![start];
    match span {
        UsageSpan::Day => {
            let hours = end.duration_since(start).as_secs() / HOUR_S;
            for hour in 1..hours {
                edges.push(start.checked_add(SignedDuration::from_hours(hour)).ok()?);
            }
        }
        UsageSpan::Week | UsageSpan::Month => {
            let mut date = from.tomorrow().ok()?;
            while date <= to {
                edges.push(day_start(date, zone)?);
                date = date.tomorrow().ok()?;
            }
        }
        UsageSpan::Year => {
            for month in 1..12 {
                edges.push(day_start(from.checked_add(month.months()).ok()?, zone)?);
            }
        }
    }
    edges.push(end);
    Some(edges)
}

/// What a meter drew from the grid, by the start of the quarter-hour.
pub(crate) fn quarters(
    reader: &Reader,
    meter: &str,
    from_s: i64,
    to_s: i64,
) -> Result<Quarters, StoreError> {
    let mut found = Quarters::new();
    for register in import_registers(reader, meter)? {
        for row in reader.intervals(register.id, from_s, to_s)? {
            let kwh = row.amount() / Decimal::ONE_THOUSAND;
            let quarter = found.entry(row.start_s).or_insert((Decimal::ZERO, true));
            quarter.0 = quarter.0.saturating_add(kwh);
            quarter.1 &= row.complete;
        }
    }
    Ok(found)
}

/// The days of a stretch that were added up already. What comes after the last of them is added up
/// from quarter-hours.
fn days(
    reader: &Reader,
    asked: &Asked<'_>,
    from: Date,
    to: Date,
) -> Result<BTreeMap<Date, Sum>, StoreError> {
    let currency = asked.tariff.and_then(|tariff| tariff.currency.clone());
    let mut found: BTreeMap<Date, Sum> = BTreeMap::new();
    for register in import_registers(reader, asked.meter)? {
        let mut own: BTreeMap<Date, Sum> = BTreeMap::new();
        for band in reader.band_days(register.id, from, to)? {
            let sum = own
                .entry(band.date)
                .or_insert_with(|| Sum::new(asked.tariff));
            // A cost in another currency is no cost.
            let cost = band.cost.filter(|_| band.currency == currency);
            sum.add(band.amount / Decimal::ONE_THOUSAND, cost);
            sum.known += i64::from(band.quarters);
            sum.whole += i64::from(band.measured);
        }
        for (date, one) in own {
            match found.get_mut(&date) {
                Some(sum) => {
                    sum.add(one.kwh, one.cost);
                    (sum.known, sum.whole) = (sum.known.max(one.known), sum.whole.min(one.whole));
                }
                None => {
                    found.insert(date, one);
                }
            }
        }
    }
    Ok(found)
}

/// What a bar is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    kwh: Decimal,
    /// `None` without a tariff, or when some of it has no price.
    cost: Option<Decimal>,
    /// Quarter-hours that are in it, and how many of them were wholly metered.
    known: i64,
    whole: i64,
}

impl Sum {
    fn new(tariff: Option<&Tariff>) -> Self {
        Self {
            kwh: Decimal::ZERO,
            cost: tariff.map(|_| Decimal::ZERO),
            known: 0,
            whole: 0,
        }
    }

    fn add(&mut self, kwh: Decimal, cost: Option<Decimal>) {
        self.kwh = self.kwh.saturating_add(kwh);
        self.cost = self
            .cost
            .zip(cost)
            .and_then(|(sum, more)| sum.checked_add(more));
    }
}

/// Registers of what a meter drew from the grid, those of meters it took the place of included.
fn import_registers(reader: &Reader, meter: &str) -> Result<Vec<RegisterRow>, StoreError> {
    let rows = reader.registers()?;
    let mut found = Vec::new();
    for serial in reader.serials(meter)? {
        found.extend(energy_registers(&rows, Some(&serial), 1));
    }
    Ok(found)
}

fn bar<'a>(
    start: Timestamp,
    end: Timestamp,
    days: impl Iterator<Item = &'a Sum>,
    quarters: &Quarters,
    tariff: Option<&Tariff>,
) -> UsageBar {
    let mut sum = Sum::new(tariff);
    for day in days {
        sum.add(day.kwh, day.cost);
        (sum.known, sum.whole) = (sum.known + day.known, sum.whole + day.whole);
    }
    for (start_s, (amount, complete)) in quarters.range(start.as_second()..end.as_second()) {
        let per_kwh = Timestamp::from_second(*start_s)
            .ok()
            .and_then(|at| tariff?.per_kwh(at));
        sum.add(
            *amount,
            per_kwh.and_then(|per_kwh| per_kwh.checked_mul(*amount)),
        );
        (sum.known, sum.whole) = (sum.known + 1, sum.whole + i64::from(*complete));
    }
    let any = sum.known > 0;
    UsageBar {
        start,
        end,
        import_kwh: any.then(|| sum.kwh.normalize()),
        volume_m3: None,
        bands: Vec::new(),
        cost: sum.cost.filter(|_| any).map(|cost| cost.normalize()),
        complete: sum.whole == (end.as_second() - start.as_second()) / QUARTER_S,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn stretches_of_the_calendar() {
        let today = date("2026-11-20");
        for (span, back, from, to) in [
            (UsageSpan::Day, 0, "2026-11-20", "2026-11-20"),
            (UsageSpan::Day, 20, "2026-10-31", "2026-10-31"),
            (UsageSpan::Week, 0, "2026-11-16", "2026-11-22"),
            (UsageSpan::Week, 1, "2026-11-09", "2026-11-15"),
            (UsageSpan::Month, 9, "2026-02-01", "2026-02-28"),
            (UsageSpan::Year, 1, "2025-01-01", "2025-12-31"),
        ] {
            let expected = Some((date(from), date(to)));
            assert_eq!(dates(span, back, today), expected, "{span:?} {back}");
        }
    }

    #[test]
    fn a_year_before_is_the_same_day_of_the_week_or_the_same_month() {
        for (span, from, to, then) in [
            (UsageSpan::Day, "2026-11-20", "2026-11-20", "2025-11-21"),
            (UsageSpan::Week, "2026-11-16", "2026-11-22", "2025-11-17"),
            (UsageSpan::Month, "2024-02-01", "2024-02-29", "2023-02-01"),
            (UsageSpan::Year, "2026-01-01", "2026-12-31", "2025-01-01"),
        ] {
            let (first, last) = year_before(span, date(from), date(to)).unwrap();
            assert_eq!(first, date(then), "{span:?}");
            let days = |from: Date, to: Date| from.until(to).unwrap().get_days();
            let leap = i32::from(span == UsageSpan::Month);
            assert_eq!(days(first, last), days(date(from), date(to)) - leap);
        }
    }

    #[test]
    fn bars_follow_the_clock_changes() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let count = |span, from, to| edges(span, date(from), date(to), &zone).unwrap().len() - 1;
        assert_eq!(count(UsageSpan::Day, "2026-10-25", "2026-10-25"), 25);
        assert_eq!(count(UsageSpan::Day, "2026-03-29", "2026-03-29"), 23);
        assert_eq!(count(UsageSpan::Week, "2026-10-19", "2026-10-25"), 7);
        assert_eq!(count(UsageSpan::Month, "2026-02-01", "2026-02-28"), 28);
        assert_eq!(count(UsageSpan::Year, "2026-01-01", "2026-12-31"), 12);
    }

    #[test]
    fn a_bar_says_what_it_lacks() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let kwh = |text: &str| text.parse::<Decimal>().unwrap();
        let mut quarters = Quarters::new();
        for quarter in 0..4 {
            quarters.insert(quarter * QUARTER_S, (kwh("0.25"), true));
        }
        quarters.insert(HOUR_S, (kwh("0.1"), true));
        let whole = bar(at(0), at(HOUR_S), [].iter(), &quarters, None);
        assert_eq!((whole.import_kwh, whole.complete), (Some(kwh("1")), true));
        let begun = bar(at(HOUR_S), at(2 * HOUR_S), [].iter(), &quarters, None);
        assert_eq!(
            (begun.import_kwh, begun.complete),
            (Some(kwh("0.1")), false)
        );
        let unknown = bar(at(2 * HOUR_S), at(3 * HOUR_S), [].iter(), &quarters, None);
        assert_eq!((unknown.import_kwh, unknown.complete), (None, false));
    }
}
