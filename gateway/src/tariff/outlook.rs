//! The prices of the coming day: slots, their bands, and the cheapest stretch.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rust_decimal::Decimal;
use wattle_api::{Band, Price, Slot, Window};
use wattle_billing::time::Span;

use super::Tariff;

/// Hours that the outlook shows.
const HOURS: i64 = 24;
/// Length of the cheapest stretch that is looked for, in slots.
const WINDOW_SLOTS: usize = 2;

/// What the tariff says about now and the next 24 hours.
#[must_use]
pub fn price(tariff: &Tariff, now: Timestamp, home: &TimeZone) -> Price {
    let prices = hourly(tariff, now, home);
    let bands = Bands::of(prices.iter().map(|(_, _, per_kwh)| *per_kwh));
    let slots: Vec<Slot> = prices
        .iter()
        .map(|(start, end, per_kwh)| Slot {
            start: *start,
            end: *end,
            per_kwh: *per_kwh,
            band: bands.band(*per_kwh),
        })
        .collect();
    Price {
        currency: tariff.currency.clone().unwrap_or_default(),
        tariff: tariff.name.clone(),
        now: slot_at(tariff, now, &bands),
        next: tariff
            .next_change(now, SignedDuration::from_hours(HOURS))
            .and_then(|change| slot_at(tariff, change, &bands)),
        cheapest: if bands.flat {
            None
        } else {
            cheapest_window(&slots, WINDOW_SLOTS)
        },
        slots,
    }
}

/// The contiguous run of `count` slots with the lowest mean, ties to the earliest.
#[must_use]
pub fn cheapest_window(slots: &[Slot], count: usize) -> Option<Window> {
    let contiguous = |run: &&[Slot]| {
        run.windows(2)
            .all(|pair| matches!(pair, [a, b] if a.end == b.start))
    };
    let total = |run: &[Slot]| run.iter().map(|slot| slot.per_kwh).sum::<Decimal>();
    let best = slots
        .windows(count.max(1))
        .filter(contiguous)
        .min_by_key(|run| total(run))?;
    let per_kwh = total(best).checked_div(Decimal::from(best.len()))?;
    Some(Window {
        start: best.first()?.start,
        end: best.last()?.end,
        per_kwh,
    })
}

/// The stretch of one price that holds `at`, as far as it is known.
fn slot_at(tariff: &Tariff, at: Timestamp, bands: &Bands) -> Option<Slot> {
    let per_kwh = tariff.per_kwh(at)?;
    let horizon = SignedDuration::from_hours(HOURS);
    let end = tariff
        .next_change(at, horizon)
        .or_else(|| at.checked_add(horizon).ok())?;
    Some(Slot {
        start: at,
        end,
        per_kwh,
        band: bands.band(per_kwh),
    })
}

/// Local hours from the one that holds `now`, each with its time-weighted mean price; an hour
/// that is not wholly priced is left out.
fn hourly(
    tariff: &Tariff,
    now: Timestamp,
    home: &TimeZone,
) -> Vec<(Timestamp, Timestamp, Decimal)> {
    let zoned = now.to_zoned(home.clone());
    let past =
        SignedDuration::from_secs(i64::from(zoned.minute()) * 60 + i64::from(zoned.second()))
            + SignedDuration::from_nanos(i64::from(zoned.subsec_nanosecond()));
    let Ok(first) = now.checked_sub(past) else {
        return Vec::new();
    };
    (0..HOURS)
        .filter_map(|hour| {
            let start = first.checked_add(SignedDuration::from_hours(hour)).ok()?;
            let end = start.checked_add(SignedDuration::from_hours(1)).ok()?;
            Some((start, end, mean(tariff, &Span::new(start, end)?)?))
        })
        .collect()
}

/// Time-weighted mean of the all-in price over a span that is wholly priced.
fn mean(tariff: &Tariff, span: &Span) -> Option<Decimal> {
    let (mut weighted, mut seconds) = (Decimal::ZERO, 0);
    for slot in tariff.slots(span) {
        let per_kwh = tariff.all_in(slot.base, slot.span.start).ok()?;
        let length = slot.span.seconds();
        weighted = weighted.checked_add(per_kwh.checked_mul(Decimal::from(length))?)?;
        seconds += length;
    }
    let whole = seconds == span.seconds();
    whole.then(|| weighted.checked_div(Decimal::from(seconds)))?
}

/// Limits of the bands: cheap up to the 33rd percentile, dear from the 67th, all normal when the
/// range is below 15 % of the mean.
struct Bands {
    cheap: Decimal,
    dear: Decimal,
    flat: bool,
}

impl Bands {
    fn of(prices: impl Iterator<Item = Decimal>) -> Self {
        let mut sorted: Vec<Decimal> = prices.collect();
        sorted.sort();
        let (Some(low), Some(high)) = (sorted.first().copied(), sorted.last().copied()) else {
            return Self {
                cheap: Decimal::MIN,
                dear: Decimal::MAX,
                flat: true,
            };
        };
        let mean = sorted.iter().sum::<Decimal>() / Decimal::from(sorted.len());
        let flat = high - low < mean.abs() * Decimal::new(15, 2);
        Self {
            cheap: percentile(&sorted, 33),
            dear: percentile(&sorted, 67),
            flat,
        }
    }

    /// With two prices both percentiles may fall on the same one: then it is what the price is
    /// compared with the other that counts, and the lower is never called dear.
    fn band(&self, per_kwh: Decimal) -> Band {
        if per_kwh < Decimal::ZERO {
            Band::PaidToUse
        } else if self.flat {
            Band::Normal
        } else if per_kwh <= self.cheap && per_kwh < self.dear {
            Band::Cheap
        } else if per_kwh >= self.dear && per_kwh > self.cheap {
            Band::Dear
        } else {
            Band::Normal
        }
    }
}

/// The nearest-rank percentile of a sorted list.
fn percentile(sorted: &[Decimal], percent: usize) -> Decimal {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(rank - 1)
        .or(sorted.last())
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(prices: &[i64]) -> Vec<Slot> {
        let bands = Bands::of(prices.iter().map(|&p| Decimal::new(p, 2)));
        (0..)
            .zip(prices)
            .map(|(hour, &p)| Slot {
                start: Timestamp::from_second(hour * 3600).unwrap(),
                end: Timestamp::from_second((hour + 1) * 3600).unwrap(),
                per_kwh: Decimal::new(p, 2),
                band: bands.band(Decimal::new(p, 2)),
            })
            .collect()
    }

    #[test]
    fn bands_split_in_thirds() {
        let found: Vec<Band> = slots(&[10, 20, 30, 40, 50, 60])
            .iter()
            .map(|slot| slot.band)
            .collect();
        assert_eq!(
            found,
            [
                Band::Cheap,
                Band::Cheap,
                Band::Normal,
                Band::Normal,
                Band::Dear,
                Band::Dear
            ]
        );
        assert!(
            slots(&[30, 31, 32])
                .iter()
                .all(|slot| slot.band == Band::Normal)
        );
        assert_eq!(slots(&[-5, 30, 40])[0].band, Band::PaidToUse);
    }

    #[test]
    fn the_cheapest_window_is_the_earliest_of_equals() {
        let window = cheapest_window(&slots(&[30, 10, 10, 30, 10, 10]), 2).unwrap();
        assert_eq!(window.start.as_second(), 3600);
        assert_eq!(window.per_kwh, Decimal::new(10, 2));
        assert!(cheapest_window(&slots(&[30]), 2).is_none());
    }
}
