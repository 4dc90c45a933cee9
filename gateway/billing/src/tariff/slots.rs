//! Prices in half-open UTC slots on their grid.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{Energy, Tariff};
use crate::time::Span;

/// Grid of switched bands, in seconds.
pub const GRID_S: i64 = 900;

/// A slot with one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceSlot {
    /// When.
    pub span: Span,
    /// The document's or the band's price per kWh before multiplier, adders and taxes; of a
    /// tiered band that of the first tier.
    pub base: Decimal,
    /// The document's own price for energy fed in, per kWh.
    pub export: Option<Decimal>,
    /// Grams of carbon dioxide per kWh, where the document says it.
    pub ghg: Option<Decimal>,
    /// Index of the band.
    pub band: Option<usize>,
}

impl Tariff {
    /// The slots within a span, in order, cut at its ends. An instant without a published price
    /// is in no slot.
    #[must_use]
    pub fn slots(&self, span: &Span) -> Vec<PriceSlot> {
        let Some(span) = self.valid_within(span) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        match &self.energy {
            Energy::List(list) => {
                for price in list.within(&span) {
                    // An open end ends with the span; pieces count from the price's own start.
                    let end = price.end.map_or(span.end, |end| end.min(span.end));
                    let origin = if list.aligned {
                        0
                    } else {
                        price.start.as_second()
                    };
                    let Some(part) = Span::new(price.start.max(span.start), end) else {
                        continue;
                    };
                    found.extend(pieces(&part, list.grid_s, origin).map(|span| PriceSlot {
                        span,
                        base: price.base,
                        export: price.export,
                        ghg: price.ghg,
                        band: price.band,
                    }));
                }
            }
            Energy::Bands(switching) => {
                for stretch in switching.stretches(&span) {
                    let band = self.bands.get(stretch.band);
                    let Some(tier) = band.and_then(|band| band.tiers.first()) else {
                        continue;
                    };
                    found.extend(pieces(&stretch.span, GRID_S, 0).map(|span| PriceSlot {
                        span,
                        base: tier.rate,
                        export: None,
                        ghg: None,
                        band: Some(stretch.band),
                    }));
                }
            }
        }
        found
    }

    /// The slot that holds an instant, at most `GRID_S` or the list's grid long.
    #[must_use]
    pub fn slot_at(&self, at: Timestamp) -> Option<PriceSlot> {
        let after = at.checked_add(SignedDuration::from_secs(1)).ok()?;
        self.slots(&Span::new(at, after)?).into_iter().next()
    }

    /// All-in price of one more kWh at an instant, of a tiered band that of its first tier;
    /// `None` when none is published.
    #[must_use]
    pub fn per_kwh(&self, at: Timestamp) -> Option<Decimal> {
        self.all_in(self.slot_at(at)?.base, at).ok()
    }

    /// The first instant after `at`, within `horizon`, from which another all-in price holds, or
    /// none.
    #[must_use]
    pub fn next_change(&self, at: Timestamp, horizon: SignedDuration) -> Option<Timestamp> {
        let now = self.per_kwh(at);
        let span = Span::new(at, at.checked_add(horizon).ok()?)?;
        let mut reached = at;
        for slot in self.slots(&span) {
            if slot.span.start > reached && now.is_some() {
                return Some(reached);
            }
            if self.all_in(slot.base, slot.span.start).ok() != now {
                return Some(slot.span.start);
            }
            reached = slot.span.end;
        }
        (reached < span.end && now.is_some()).then_some(reached)
    }

    /// Takes a newer reading of the same tariff: its charges, and its prices where the two lists
    /// speak of the same time. Older prices stay known.
    pub fn renew(&mut self, newer: Self) {
        let older = std::mem::replace(self, newer);
        if let (Energy::List(list), Energy::List(known)) = (&mut self.energy, older.energy) {
            *list = std::mem::take(list).over(known);
        }
    }

    /// First published instant of a list of prices and, unless its end is open, the first one
    /// after the last.
    #[must_use]
    pub fn published_from(&self) -> Option<(Timestamp, Option<Timestamp>)> {
        match &self.energy {
            Energy::List(list) => Some((list.start()?, list.end())),
            Energy::Bands(_) => None,
        }
    }
}

/// Cuts a span at `origin` + n × `grid_s`.
fn pieces(span: &Span, grid_s: i64, origin: i64) -> impl Iterator<Item = Span> {
    let (mut start, end, grid_s) = (span.start, span.end, grid_s.max(1));
    std::iter::from_fn(move || {
        let past = (start.as_second() - origin).rem_euclid(grid_s);
        let next = Timestamp::from_second(start.as_second() + grid_s - past)
            .unwrap_or(end)
            .min(end);
        let piece = Span::new(start, next)?;
        start = next;
        Some(piece)
    })
}
