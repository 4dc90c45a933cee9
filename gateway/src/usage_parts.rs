//! Parts of a bar chart: what of a bar was used in which band of the price, and bars of gas and water.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use meter_link::model::Unit;
use rust_decimal::Decimal;
use wattle_api::{Band, Usage, UsageBand, UsageBar, UsageSpan, YearBefore};
use wattle_billing::tariff::Tariff;
use wattle_billing::time::local_date;

use crate::store::{QUARTER_S, Reader, StoreError};
use crate::tariff::Bands;
use crate::usage::{Asked, Quarters};

/// Bands from the cheapest on.
const BANDS: [Band; 4] = [Band::PaidToUse, Band::Cheap, Band::Normal, Band::Dear];

/// Divides each bar by the price's bands of its days. A bar stays whole where prices are equal, and
/// where its quarter-hours do not come to what it says, as when some of it was estimated.
pub(crate) fn divide(bars: &mut [UsageBar], quarters: &Quarters, tariff: &Tariff, zone: &TimeZone) {
    let mut prices = Prices {
        tariff,
        zone,
        day: None,
    };
    for bar in bars {
        let bands = bands(bar, quarters, &mut prices).unwrap_or_default();
        let kwh: Decimal = bands.iter().map(|part| part.import_kwh).sum();
        let cost: Decimal = bands.iter().map(|part| part.cost).sum();
        if (Some(kwh), Some(cost)) == (bar.import_kwh, bar.cost) {
            bar.bands = bands;
        }
    }
}

/// The parts of a bar; `None` without bands, or when some of it has no price.
fn bands(bar: &UsageBar, quarters: &Quarters, prices: &mut Prices<'_>) -> Option<Vec<UsageBand>> {
    let mut sums = [(Decimal::ZERO, Decimal::ZERO); BANDS.len()];
    let mut any = false;
    for (start_s, (kwh, _)) in quarters.range(bar.start.as_second()..bar.end.as_second()) {
        let (per_kwh, band) = prices.at(*start_s)?;
        any |= band.is_some();
        let band = band.unwrap_or(Band::Normal);
        let cost = per_kwh.checked_mul(*kwh)?;
        for (_, sum) in BANDS.iter().zip(&mut sums).filter(|(one, _)| **one == band) {
            sum.0 = sum.0.checked_add(*kwh)?;
            sum.1 = sum.1.checked_add(cost)?;
        }
    }
    let parts = BANDS.iter().zip(sums);
    let parts = parts.filter(|(_, (kwh, _))| !kwh.is_zero());
    any.then(|| {
        parts
            .map(|(band, (kwh, cost))| UsageBand {
                band: *band,
                import_kwh: kwh.normalize(),
                cost: cost.normalize(),
            })
            .collect()
    })
}

/// Prices of quarter-hours, and the bands of their days.
struct Prices<'a> {
    tariff: &'a Tariff,
    zone: &'a TimeZone,
    day: Option<(Date, Option<Bands>)>,
}

impl Prices<'_> {
    /// The price at an instant, and its band where the day has any.
    fn at(&mut self, start_s: i64) -> Option<(Decimal, Option<Band>)> {
        let at = Timestamp::from_second(start_s).ok()?;
        let per_kwh = self.tariff.per_kwh(at)?;
        let date = local_date(at, self.zone);
        let known = self.day.filter(|(day, _)| *day == date);
        let (_, bands) = known.unwrap_or_else(|| {
            let bands = Bands::of_day(self.tariff, date, self.zone);
            (date, bands.filter(|bands| !bands.is_flat()))
        });
        self.day = Some((date, bands));
        Some((per_kwh, bands.map(|bands| bands.band(per_kwh))))
    }
}

/// What a meter of gas or water counted between the edges, in m³.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn supply(
    reader: &Reader,
    asked: &Asked<'_>,
    (from, to): (Date, Date),
    edges: &[Timestamp],
) -> Result<Usage, StoreError> {
    let ends = edges.first().zip(edges.last());
    let (from_s, to_s) = ends.map_or((0, 0), |(from, to)| (from.as_second(), to.as_second()));
    let rows = reader.registers()?;
    let volume = rows
        .iter()
        .find(|row| row.name.as_deref() == Some(asked.meter) && row.key.unit == Unit::CubicMetre);
    let mut quarters = Quarters::new();
    if let Some(row) = volume {
        for interval in reader.intervals(row.id, from_s, to_s)? {
            quarters.insert(interval.start_s, (interval.amount(), interval.complete));
        }
    }
    let bars: Vec<UsageBar> = edges
        .windows(2)
        .filter_map(|pair| match pair {
            [start, end] => Some(volume_bar(*start, *end, &quarters)),
            _ => None,
        })
        .collect();
    let whole: Vec<Decimal> = bars
        .iter()
        .filter(|bar| bar.complete)
        .filter_map(|bar| bar.volume_m3)
        .collect();
    let until = quarters.keys().next_back();
    Ok(Usage {
        span: asked.span,
        medium: asked.medium,
        back: asked.back,
        from,
        to,
        until: until.and_then(|start| Timestamp::from_second(start + QUARTER_S).ok()),
        import_kwh: None,
        average_kwh: None,
        volume_m3: until.map(|_| bars.iter().filter_map(|bar| bar.volume_m3).sum()),
        average_m3: whole
            .iter()
            .sum::<Decimal>()
            .checked_div(Decimal::from(whole.len())),
        currency: None,
        cost: None,
        year_before: None,
        bars,
    })
}

/// What was used a year before, bar beside bar. Hours are told by the clock: one that a change of the
/// clocks leaves out has nothing beside it. `None` when nothing was metered then.
pub(crate) fn compare(bars: &[UsageBar], earlier: &Usage, zone: &TimeZone) -> Option<YearBefore> {
    let amount = |bar: &UsageBar| bar.import_kwh.or(bar.volume_m3);
    let hour = |bar: &UsageBar| zone.to_datetime(bar.start).hour();
    let beside = |(index, bar): (usize, &UsageBar)| match earlier.span {
        UsageSpan::Day => {
            let then = earlier.bars.iter().find(|then| hour(then) == hour(bar));
            then.and_then(amount)
        }
        _ => earlier.bars.get(index).and_then(amount),
    };
    Some(YearBefore {
        from: earlier.from,
        to: earlier.to,
        amounts: bars.iter().enumerate().map(beside).collect(),
        total: earlier.import_kwh.or(earlier.volume_m3)?,
    })
}

fn volume_bar(start: Timestamp, end: Timestamp, quarters: &Quarters) -> UsageBar {
    let within = || quarters.range(start.as_second()..end.as_second());
    let whole = within().filter(|(_, (_, complete))| *complete).count();
    let all = (end.as_second() - start.as_second()) / QUARTER_S;
    let volume: Decimal = within().map(|(_, (amount, _))| *amount).sum();
    UsageBar {
        start,
        end,
        import_kwh: None,
        volume_m3: within().next().map(|_| volume.normalize()),
        cost: None,
        bands: Vec::new(),
        complete: usize::try_from(all).is_ok_and(|all| all == whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_S: i64 = 3600;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn exact(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_bar_is_divided_by_the_bands_of_its_day() {
        let tariff = crate::tariff::night_and_day();
        // Two quarter-hours before six in the morning and three after.
        let mut quarters = Quarters::new();
        for quarter in -2..3 {
            quarters.insert(6 * HOUR_S + quarter * QUARTER_S, (exact("0.5"), true));
        }
        let day = |kwh: &str| UsageBar {
            start: at(0),
            end: at(24 * HOUR_S),
            import_kwh: Some(exact(kwh)),
            volume_m3: None,
            cost: Some(exact("0.55")),
            bands: Vec::new(),
            complete: false,
        };
        // The second one says more than its quarter-hours do.
        let mut bars = [day("2.5"), day("2.6")];
        divide(&mut bars, &quarters, &tariff, &TimeZone::UTC);
        let band = |band, kwh, cost| UsageBand {
            band,
            import_kwh: exact(kwh),
            cost: exact(cost),
        };
        let expected = [
            band(Band::Cheap, "1", "0.1"),
            band(Band::Dear, "1.5", "0.45"),
        ];
        assert_eq!(bars[0].bands, expected);
        assert!(bars[1].bands.is_empty());
    }

    #[test]
    fn hours_of_a_year_before_are_told_by_the_clock() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let hours = |day: &str, count: i64| -> Vec<UsageBar> {
            let start: Timestamp = day.parse().unwrap();
            let bar = |hour: i64| {
                let start_s = start.as_second() + hour * HOUR_S;
                let mut bar = volume_bar(at(start_s), at(start_s + HOUR_S), &Quarters::new());
                bar.import_kwh = Some(Decimal::from(hour));
                bar
            };
            (0..count).map(bar).collect()
        };
        // In the night of 29 March 2026 two o'clock is left out; a year before it was there.
        let bars = hours("2026-03-28T23:00:00Z", 23);
        let earlier = Usage {
            span: UsageSpan::Day,
            medium: wattle_api::Medium::Electricity,
            back: 0,
            from: "2025-03-29".parse().unwrap(),
            to: "2025-03-29".parse().unwrap(),
            bars: hours("2025-03-28T23:00:00Z", 24),
            until: None,
            import_kwh: Some(exact("276")),
            average_kwh: None,
            volume_m3: None,
            average_m3: None,
            currency: None,
            cost: None,
            year_before: None,
        };
        let then = compare(&bars, &earlier, &zone).unwrap();
        let hour = |index: usize| then.amounts[index].unwrap();
        assert_eq!((then.amounts.len(), then.total), (23, exact("276")));
        assert_eq!(
            [hour(0), hour(1), hour(2), hour(22)].map(|hour| hour.to_string()),
            ["0", "1", "3", "23"]
        );
        let nothing = Usage {
            import_kwh: None,
            ..earlier
        };
        assert_eq!(compare(&bars, &nothing, &zone), None);
    }

    #[test]
    fn a_volume_says_what_it_lacks() {
        let mut quarters = Quarters::new();
        for quarter in 0..5 {
            quarters.insert(quarter * QUARTER_S, (exact("0.02"), true));
        }
        let bar = |from, to| volume_bar(at(from), at(to), &quarters);
        let (whole, begun, none) = (
            bar(0, HOUR_S),
            bar(HOUR_S, 2 * HOUR_S),
            bar(2 * HOUR_S, 3 * HOUR_S),
        );
        assert_eq!(
            (whole.volume_m3, whole.complete),
            (Some(exact("0.08")), true)
        );
        assert_eq!(
            (begun.volume_m3, begun.complete),
            (Some(exact("0.02")), false)
        );
        assert_eq!(
            (none.volume_m3, none.import_kwh, none.complete),
            (None, None, false)
        );
    }
}
