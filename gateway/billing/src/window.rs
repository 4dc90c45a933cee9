//! Cheapest stretches of time among priced slots, and the bands of a display.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::exact::{Exact, TooLarge};
use crate::tariff::{PriceSlot, Tariff};
use crate::time::Span;

/// A slot with what one more kWh costs in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The slot.
    pub slot: PriceSlot,
    /// All-in price of one more kWh.
    pub import: Decimal,
}

/// A contiguous stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When.
    pub span: Span,
    /// Time-weighted mean of the all-in price per kWh.
    pub average: Decimal,
    /// The same of the base price.
    pub base_average: Decimal,
}

/// The slots with their all-in prices.
///
/// # Errors
/// [`TooLarge`].
pub fn priced(tariff: &Tariff, slots: &[PriceSlot]) -> Result<Vec<Priced>, TooLarge> {
    let all_in = |slot: &PriceSlot| {
        let import = tariff.all_in(slot.base, slot.span.start)?;
        Ok(Priced {
            slot: *slot,
            import,
        })
    };
    slots.iter().map(all_in).collect()
}

/// The stretch of `minutes` that begins at a slot's start, is priced without a gap, and has the
/// lowest all-in price; ties go to the earliest. `bounds` limits where it may begin and end.
///
/// # Errors
/// [`TooLarge`].
pub fn cheapest(
    slots: &[Priced],
    minutes: u32,
    bounds: Option<&Span>,
) -> Result<Option<Window>, TooLarge> {
    let length_s = i64::from(minutes) * 60;
    let mut best: Option<(Decimal, usize, Timestamp)> = None;
    let mut base_of_best = Decimal::ZERO;
    // Sums of price × seconds over the whole slots from `from` up to, without, `to`.
    let (mut all_in, mut base) = (Decimal::ZERO, Decimal::ZERO);
    let mut to = 0;
    for (from, first) in slots.iter().enumerate() {
        if to < from {
            (to, all_in, base) = (from, Decimal::ZERO, Decimal::ZERO);
        }
        let start = first.slot.span.start;
        let Ok(end) = start.checked_add(SignedDuration::from_secs(length_s)) else {
            break;
        };
        let mut reached = if to == from {
            start
        } else {
            slots.get(to - 1).map_or(start, |slot| slot.slot.span.end)
        };
        let mut whole = true;
        while reached < end {
            let Some(next) = slots.get(to).filter(|next| next.slot.span.start == reached) else {
                whole = false;
                break;
            };
            if next.slot.span.end > end {
                break;
            }
            all_in = all_in.plus(weighted(next.import, &next.slot.span)?)?;
            base = base.plus(weighted(next.slot.base, &next.slot.span)?)?;
            reached = next.slot.span.end;
            to += 1;
        }
        let allowed = bounds.is_none_or(|bounds| bounds.start <= start && end <= bounds.end);
        if whole && allowed && length_s > 0 {
            let (mut sum, mut base_sum) = (all_in, base);
            if let Some(part) = Span::new(reached, end)
                && let Some(last) = slots.get(to)
            {
                sum = sum.plus(weighted(last.import, &part)?)?;
                base_sum = base_sum.plus(weighted(last.slot.base, &part)?)?;
            }
            if best.is_none_or(|(least, ..)| sum < least) {
                best = Some((sum, from, end));
                base_of_best = base_sum;
            }
        }
        if to > from {
            all_in = all_in.minus(weighted(first.import, &first.slot.span)?)?;
            base = base.minus(weighted(first.slot.base, &first.slot.span)?)?;
        }
    }
    let Some((sum, from, end)) = best else {
        return Ok(None);
    };
    let start = slots.get(from).map(|slot| slot.slot.span.start);
    let Some(span) = start.and_then(|start| Span::new(start, end)) else {
        return Ok(None);
    };
    let seconds = Decimal::from(length_s);
    Ok(Some(Window {
        span,
        average: sum.over(seconds)?,
        base_average: base_of_best.over(seconds)?,
    }))
}

fn weighted(price: Decimal, span: &Span) -> Result<Decimal, TooLarge> {
    price.times(Decimal::from(span.seconds()))
}

/// Starts of the `count` slots with the lowest all-in price, ties to the earliest, in order of
/// time.
#[must_use]
pub fn cheapest_slots(slots: &[Priced], count: usize, bounds: Option<&Span>) -> Vec<Timestamp> {
    let allowed = |slot: &&Priced| {
        bounds.is_none_or(|bounds| {
            bounds.start <= slot.slot.span.start && slot.slot.span.end <= bounds.end
        })
    };
    let mut ordered: Vec<&Priced> = slots.iter().filter(allowed).collect();
    ordered.sort_by(|a, b| {
        a.import
            .cmp(&b.import)
            .then(a.slot.span.start.cmp(&b.slot.span.start))
    });
    let mut starts: Vec<Timestamp> = ordered
        .iter()
        .take(count)
        .map(|slot| slot.slot.span.start)
        .collect();
    starts.sort_unstable();
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(lengths_and_prices: &[(i64, i64)], gaps: &[usize]) -> Vec<Priced> {
        let mut at = 0;
        let slot = |(index, (minutes, price)): (usize, &(i64, i64))| {
            at += if gaps.contains(&index) { 600 } else { 0 };
            let start = Timestamp::from_second(at).unwrap();
            at += minutes * 60;
            let span = Span::new(start, Timestamp::from_second(at).unwrap()).unwrap();
            let import = Decimal::from(*price);
            Priced {
                slot: PriceSlot {
                    span,
                    base: import,
                    export: None,
                    ghg: None,
                    band: None,
                },
                import,
            }
        };
        lengths_and_prices.iter().enumerate().map(slot).collect()
    }

    /// The definition, minute by minute.
    fn by_hand(slots: &[Priced], minutes: i64) -> Option<(i64, Decimal)> {
        let price = |second: i64| {
            let at = Timestamp::from_second(second).unwrap();
            slots
                .iter()
                .find(|slot| slot.slot.span.holds(at))
                .map(|slot| slot.import)
        };
        let starts = slots.iter().map(|slot| slot.slot.span.start.as_second());
        let sum = |start: i64| {
            (0..minutes)
                .map(|m| price(start + m * 60))
                .sum::<Option<Decimal>>()
        };
        let sums = starts.filter_map(|start| Some((start, sum(start)?)));
        sums.min_by(|a, b| a.1.cmp(&b.1).then(a.0.cmp(&b.0)))
    }

    proptest! {
        #[test]
        fn the_cheapest_window_is_the_cheapest(
            list in prop::collection::vec((1_i64..5, -5_i64..20), 1..14),
            gaps in prop::collection::vec(1_usize..14, 0..3),
            minutes in 1_u32..12,
        ) {
            let slots = slots(&list, &gaps);
            let found = cheapest(&slots, minutes, None).unwrap();
            let want = by_hand(&slots, i64::from(minutes));
            prop_assert_eq!(found.map(|w| w.span.start.as_second()), want.map(|(start, _)| start));
            if let (Some(found), Some((_, sum))) = (found, want) {
                prop_assert_eq!(found.average, sum / Decimal::from(minutes));
            }
        }
    }

    #[test]
    fn bounds_hold() {
        let slots = slots(&[(60, 1), (60, 5), (60, 3), (60, 4)], &[]);
        let bounds = Span::new(
            Timestamp::from_second(1).unwrap(),
            Timestamp::from_second(4 * 3600).unwrap(),
        )
        .unwrap();
        let window = cheapest(&slots, 60, Some(&bounds)).unwrap().unwrap();
        assert_eq!(window.span.start.as_second(), 7200);
        assert_eq!(cheapest(&slots, 300, None).unwrap(), None);
        let starts: Vec<i64> = cheapest_slots(&slots, 2, None)
            .iter()
            .map(|t| t.as_second())
            .collect();
        assert_eq!(starts, [0, 7200]);
    }
}
