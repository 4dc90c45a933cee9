//! A list of published prices.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::DocumentError;
use crate::time::Span;

/// One published price, half-open in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it; `None` while no end has been published.
    pub end: Option<Timestamp>,
    /// Major unit of the currency per kWh.
    pub base: Decimal,
    /// The same for energy fed in.
    pub export: Option<Decimal>,
    /// Grams of carbon dioxide per kWh.
    pub ghg: Option<Decimal>,
    /// Index of the band.
    pub band: Option<usize>,
}

impl Price {
    /// A price per kWh and nothing else.
    #[must_use]
    pub fn new(span: Span, base: Decimal) -> Self {
        Self {
            start: span.start,
            end: Some(span.end),
            base,
            export: None,
            ghg: None,
            band: None,
        }
    }
}

/// Published prices in order of time, no two of which overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    prices: Vec<Price>,
    /// Slots are at most so long, in seconds.
    pub grid_s: i64,
    /// Slots begin on multiples of the grid in UTC, not at the start of each price.
    pub aligned: bool,
}

impl PriceList {
    /// Sorts the prices; the grid is the finest resolution among them.
    ///
    /// # Errors
    /// [`DocumentError::Ambiguous`] when two overlap, [`DocumentError::Missing`] when there is
    /// none.
    pub fn new(mut prices: Vec<Price>) -> Result<Self, DocumentError> {
        prices.sort_by_key(|price| price.start);
        // The same statement twice is one statement.
        prices.dedup();
        for pair in prices.windows(2) {
            let [first, second] = pair else { continue };
            if first.end.is_none_or(|end| end > second.start) {
                return Err(DocumentError::Ambiguous(format!(
                    "two prices hold at {}: state such a tariff with [bands]",
                    second.start
                )));
            }
        }
        let length = |price: &Price| {
            price
                .end
                .map(|end| end.as_second() - price.start.as_second())
        };
        let grid_s = prices
            .iter()
            .filter_map(length)
            .filter(|length| *length > 0)
            .min();
        if prices.is_empty() {
            return Err(DocumentError::Missing("a price".to_owned()));
        }
        Ok(Self {
            prices,
            grid_s: grid_s.unwrap_or(3600),
            aligned: false,
        })
    }

    /// The same list on a fixed grid in UTC.
    #[must_use]
    pub fn on_grid(self, grid_s: i64) -> Self {
        Self {
            grid_s,
            aligned: true,
            ..self
        }
    }

    /// Lays this list over an older one: where both speak, this one counts. The grid is this
    /// one's.
    #[must_use]
    pub fn over(self, older: Self) -> Self {
        let mut prices = Vec::with_capacity(self.prices.len() + older.prices.len());
        for mut old in older.prices {
            let mut gone = false;
            for new in &self.prices {
                if new.end.is_some_and(|end| end <= old.start) {
                    continue;
                }
                if old.end.is_some_and(|end| end <= new.start) {
                    break;
                }
                if old.start < new.start {
                    prices.push(Price {
                        end: Some(new.start),
                        ..old
                    });
                }
                match new
                    .end
                    .filter(|end| old.end.is_none_or(|old_end| *end < old_end))
                {
                    Some(end) => old.start = end,
                    None => {
                        gone = true;
                        break;
                    }
                }
            }
            if !gone {
                prices.push(old);
            }
        }
        prices.extend(self.prices);
        prices.sort_by_key(|price| price.start);
        Self { prices, ..self }
    }

    /// The prices that hold at some time within a span, in order.
    pub fn within(&self, span: &Span) -> impl Iterator<Item = &Price> {
        let (start, end) = (span.start, span.end);
        let first = self
            .prices
            .partition_point(|price| price.end.is_some_and(|end| end <= start));
        let rest = self.prices.get(first..).unwrap_or_default();
        rest.iter().take_while(move |price| price.start < end)
    }

    /// The first published instant.
    #[must_use]
    pub fn start(&self) -> Option<Timestamp> {
        self.prices.first().map(|price| price.start)
    }

    /// The first instant after the last price; `None` while its end is open.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.prices.last().and_then(|price| price.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(start: i64, end: i64, base: i64) -> Price {
        let at = |second| Timestamp::from_second(second).unwrap();
        Price::new(Span::new(at(start), at(end)).unwrap(), Decimal::from(base))
    }

    fn rows(list: &PriceList) -> Vec<(i64, i64, i64)> {
        let row = |p: &Price| {
            (
                p.start.as_second(),
                p.end.unwrap().as_second(),
                i64::try_from(p.base.mantissa()).unwrap(),
            )
        };
        list.prices.iter().map(row).collect()
    }

    #[test]
    fn a_newer_list_lies_over_an_older_one() {
        let older =
            PriceList::new(vec![price(0, 10, 1), price(10, 20, 2), price(20, 50, 3)]).unwrap();
        let newer =
            PriceList::new(vec![price(5, 12, 7), price(30, 35, 8), price(60, 70, 9)]).unwrap();
        assert_eq!(
            rows(&newer.over(older)),
            [
                (0, 5, 1),
                (5, 12, 7),
                (12, 20, 2),
                (20, 30, 3),
                (30, 35, 8),
                (35, 50, 3),
                (60, 70, 9)
            ]
        );
    }

    #[test]
    fn two_prices_at_once_are_refused() {
        assert!(PriceList::new(vec![price(0, 10, 1), price(5, 20, 2)]).is_err());
        assert!(PriceList::new(vec![price(0, 10, 1), price(0, 10, 1)]).is_ok());
        assert!(PriceList::new(Vec::new()).is_err());
    }
}
