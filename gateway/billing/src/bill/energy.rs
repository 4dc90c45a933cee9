//! Energy against slots: what each kilowatt-hour costs before tax.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::line::Sum;
use super::usage::{Interval, Usage};
use crate::exact::{Exact, TooLarge};
use crate::tariff::{PriceSlot, Tariff};
use crate::time::{Month, Span, local_date};

/// Sums of the energy lines.
#[derive(Debug, Default)]
pub(super) struct EnergySums {
    /// By band (index) and tier (from 1; 0 where there is one only).
    pub(super) energy: BTreeMap<(Option<usize>, usize), Sum>,
    /// By adder (index).
    pub(super) adders: BTreeMap<usize, Sum>,
    /// Energy fed in; the rate is the credit per kWh.
    pub(super) export: Sum,
    /// kWh of import by band.
    pub(super) bands: BTreeMap<usize, Decimal>,
    /// Slots that an interval touches, in order.
    pub(super) touched: Vec<PriceSlot>,
    /// Time of intervals without a price, neighbours joined.
    pub(super) unpriced: Vec<Span>,
}

/// A part of an interval that lies in one slot.
struct Portion<'a> {
    slot: &'a PriceSlot,
    import_kwh: Decimal,
    export_kwh: Decimal,
}

pub(super) fn sums(tariff: &Tariff, usage: &Usage) -> Result<EnergySums, TooLarge> {
    let slots = tariff.slots(&usage.span());
    let mut sums = EnergySums::default();
    let mut counters: BTreeMap<usize, ((i16, i16), Decimal)> = BTreeMap::new();
    let mut first = 0;
    for interval in usage.intervals() {
        let ended = |slot: &PriceSlot| slot.span.end <= interval.span.start;
        first += slots
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|slot| ended(slot))
            .count();
        let rest = slots.get(first..).unwrap_or_default();
        let covering = rest
            .iter()
            .take_while(|slot| slot.span.start < interval.span.end);
        let date = local_date(interval.span.start, &tariff.zone);
        for portion in portions(interval, covering, &mut sums.unpriced)? {
            let slot = portion.slot;
            if sums
                .touched
                .last()
                .is_none_or(|last| last.span != slot.span)
            {
                sums.touched.push(*slot);
            }
            let month = Month::of(date);
            import(tariff, &mut sums, &mut counters, &portion, date)?;
            if tariff.export.is_some() {
                let credit = tariff.export_price(Some(slot))?.unwrap_or_default();
                sums.export.add(month, portion.export_kwh, credit)?;
            }
        }
    }
    Ok(sums)
}

/// Decimals of a share of an interval: few enough that shares add up without a rounding.
const SHARE_PLACES: u32 = 15;

/// Spreads an interval evenly over the slots that cover it. The last part takes what is left, so
/// that the parts add up exactly.
fn portions<'a>(
    interval: &Interval,
    covering: impl Iterator<Item = &'a PriceSlot>,
    unpriced: &mut Vec<Span>,
) -> Result<Vec<Portion<'a>>, TooLarge> {
    let length = Decimal::from(interval.span.seconds());
    let mut found: Vec<Portion<'a>> = Vec::with_capacity(1);
    let (mut left_import, mut left_export) = (interval.import_kwh, interval.export_kwh);
    let mut reached = interval.span.start;
    for slot in covering {
        let Some(common) = slot.span.common(&interval.span) else {
            continue;
        };
        join(unpriced, Span::new(reached, common.start));
        reached = common.end;
        let share = |kwh: Decimal| -> Result<Decimal, TooLarge> {
            if common == interval.span {
                return Ok(kwh);
            }
            let share = kwh.times(Decimal::from(common.seconds()))?.over(length)?;
            Ok(share.round_dp(SHARE_PLACES))
        };
        let (import_kwh, export_kwh) = (share(interval.import_kwh)?, share(interval.export_kwh)?);
        left_import = left_import.minus(import_kwh)?;
        left_export = left_export.minus(export_kwh)?;
        found.push(Portion {
            slot,
            import_kwh,
            export_kwh,
        });
    }
    let whole = reached == interval.span.end;
    join(unpriced, Span::new(reached, interval.span.end));
    let priced: i64 = found
        .iter()
        .filter_map(|p| p.slot.span.common(&interval.span))
        .map(|span| span.seconds())
        .sum();
    if let Some(last) = found
        .last_mut()
        .filter(|_| whole && priced == interval.span.seconds())
    {
        last.import_kwh = last.import_kwh.plus(left_import)?;
        last.export_kwh = last.export_kwh.plus(left_export)?;
    }
    Ok(found)
}

fn join(spans: &mut Vec<Span>, span: Option<Span>) {
    let Some(span) = span else { return };
    match spans.last_mut().filter(|last| last.end == span.start) {
        Some(last) => last.end = span.end,
        None => spans.push(span),
    }
}

fn import(
    tariff: &Tariff,
    sums: &mut EnergySums,
    counters: &mut BTreeMap<usize, ((i16, i16), Decimal)>,
    portion: &Portion<'_>,
    date: jiff::civil::Date,
) -> Result<(), TooLarge> {
    let (month, kwh, slot) = (Month::of(date), portion.import_kwh, portion.slot);
    for (index, adder) in tariff.adders.iter().enumerate() {
        if tariff.calendar.matches(&adder.filter, slot.span.start) {
            sums.adders
                .entry(index)
                .or_default()
                .add(month, kwh, adder.per_kwh)?;
        }
    }
    let band = slot
        .band
        .and_then(|index| Some((index, tariff.bands.get(index)?)));
    let Some((index, band)) = band else {
        return sums.energy.entry((None, 0)).or_default().add(
            month,
            kwh,
            slot.base.times(tariff.multiplier)?,
        );
    };
    let of_band = sums.bands.entry(index).or_default();
    *of_band = of_band.plus(kwh)?;
    if band.tiers.len() < 2 {
        return sums.energy.entry((Some(index), 0)).or_default().add(
            month,
            kwh,
            slot.base.times(tariff.multiplier)?,
        );
    }
    let key = band.period.key(date);
    let counter = counters.entry(band.counter).or_insert((key, Decimal::ZERO));
    if counter.0 != key {
        *counter = (key, Decimal::ZERO);
    }
    let mut left = kwh;
    for (tier, number) in band.tiers.iter().zip(1..) {
        let room = tier.up_to.map(|up_to| up_to.minus(counter.1)).transpose()?;
        let here = room.map_or(left, |room| room.max(Decimal::ZERO).min(left));
        if !here.is_zero() {
            let rate = tier.rate.times(tariff.multiplier)?;
            sums.energy
                .entry((Some(index), number))
                .or_default()
                .add(month, here, rate)?;
            counter.1 = counter.1.plus(here)?;
            left = left.minus(here)?;
        }
    }
    Ok(())
}
