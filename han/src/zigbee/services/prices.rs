//! Prices (annex D.4): the present one and the next go to every display, and again when the price
//! changes; a display that does not acknowledge a price gets it again.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::{Event, Made, PRICE, Pending, number_of, number32};
use crate::value::{Record, Value};

/// Prices that are kept: two days of quarter-hours.
const PRICES: usize = 192;
/// The rate's name has one octet of length and eleven of text (D.4.2.4.1).
const LABEL: usize = 11;
const NONE8: Value = Value::Unsigned(0xFF);
const NONE32: Value = Value::Unsigned(0xFFFF_FFFF);

/// A price for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// When it begins, seconds since 2000 UTC, at a full minute.
    pub start: u32,
    /// How long it holds, minutes.
    pub minutes: u16,
    /// What a kilowatt-hour costs, in the currency's unit. The profile knows no price below 0; such
    /// a one is told as 0 with the name "below zero".
    pub per_kwh: Decimal,
    /// What the tariff calls it; cut to what the message holds.
    pub label: String,
    /// Its place among the tariff's tiers, where it has few.
    pub tier: Option<Tier>,
}

/// A tier of a tariff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Which one, from 1, the cheapest.
    pub number: u8,
    /// How many there are, at most 15.
    pub of: u8,
}

/// A price with the number that devices know it by.
type Numbered = (u32, Price);

#[derive(Debug, Default)]
pub(super) struct Prices {
    currency: u16,
    /// How many thresholds a block tariff has.
    pub(super) thresholds: Option<usize>,
    prices: Vec<Numbered>,
    /// What each display was told last: the present price and the next.
    told: BTreeMap<u64, (Option<u32>, Option<u32>)>,
    unacknowledged: BTreeMap<(u64, u32), Pending>,
}

impl Prices {
    pub(super) fn set(&mut self, currency: u16, prices: Vec<Price>, now: u32) {
        self.currency = currency;
        let numbered = |price: Price| {
            let parts = [
                &price.start.to_be_bytes()[..],
                &price.minutes.to_be_bytes(),
                price.per_kwh.to_string().as_bytes(),
                price.label.as_bytes(),
                &price.tier.map_or([0, 0], |tier| [tier.number, tier.of]),
            ]
            .map(<[u8]>::to_vec);
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            (number_of(&parts), price)
        };
        let is_open = |price: &Price| end(price) > now;
        self.prices = prices
            .into_iter()
            .filter(is_open)
            .take(PRICES)
            .map(numbered)
            .collect();
        let known: Vec<u32> = self.prices.iter().map(|(id, _)| *id).collect();
        self.unacknowledged.retain(|(_, id), _| known.contains(id));
    }

    pub(super) fn forget(&mut self, ieee: u64) {
        self.told.remove(&ieee);
        self.unacknowledged.retain(|(of, _), _| *of != ieee);
    }

    /// The present price as a message.
    pub(super) fn current(&self, now: u32) -> Option<Record> {
        let (id, price) = self.now_and_next(now).0?;
        Some(self.message(*id, price, now))
    }

    /// The prices from a time on, as many as were asked for; 0 means now, and all of them up to
    /// what a display has room for.
    pub(super) fn scheduled(&self, fields: &Record, now: u32) -> Vec<Record> {
        let from = match number32(fields, "start_time") {
            0 => now,
            from => from,
        };
        let most = match number32(fields, "number_of_events") {
            0 => 5,
            most => usize::try_from(most).unwrap_or(5).min(24),
        };
        let later = self.prices.iter().filter(|(_, price)| end(price) > from);
        later
            .take(most)
            .map(|(id, price)| self.message(*id, price, now))
            .collect()
    }

    pub(super) fn acknowledged(&mut self, ieee: u64, fields: &Record) -> Option<Event> {
        let id = number32(fields, "issuer_event_id");
        self.unacknowledged.remove(&(ieee, id));
        let (_, price) = self.prices.iter().find(|(known, _)| *known == id)?;
        Some(Event::PriceAcknowledged {
            ieee,
            start: price.start,
        })
    }

    pub(super) fn pass(&mut self, displays: &[u64], now: u32) -> Vec<Made> {
        let (present, next) = self.now_and_next(now);
        let ids = (present.map(|(id, _)| *id), next.map(|(id, _)| *id));
        let mut due: Vec<(u64, u32)> = Vec::new();
        for display in displays {
            if self.told.get(display) != Some(&ids) {
                due.extend(
                    [ids.0, ids.1]
                        .into_iter()
                        .flatten()
                        .map(|id| (*display, id)),
                );
            }
        }
        for display in displays {
            self.told.insert(*display, ids);
        }
        for key in &due {
            self.unacknowledged.insert(*key, Pending::first(now));
        }
        for (key, pending) in &mut self.unacknowledged {
            if displays.contains(&key.0) && pending.is_due(now) {
                due.push(*key);
            }
        }
        let made = due.into_iter().filter_map(|(ieee, id)| {
            let (id, price) = self.prices.iter().find(|(known, _)| *known == id)?;
            Some(Made {
                ieee,
                cluster: PRICE,
                command: 0x00,
                fields: self.message(*id, price, now),
            })
        });
        made.collect()
    }

    fn now_and_next(&self, now: u32) -> (Option<&Numbered>, Option<&Numbered>) {
        let mut open = self.prices.iter().filter(|(_, price)| end(price) > now);
        match open.next() {
            Some(first) if first.1.start <= now => (Some(first), open.next()),
            next => (None, next),
        }
    }

    fn message(&self, id: u32, price: &Price, now: u32) -> Record {
        let is_below = price.per_kwh.is_sign_negative() && !price.per_kwh.is_zero();
        let (number, digits) = scaled(price.per_kwh.max(Decimal::ZERO));
        let label = if is_below { "below zero" } else { &price.label };
        let (tier, tiers) = price.tier.map_or((0, 0), |tier| (tier.number, tier.of));
        let thresholds = self
            .thresholds
            .map_or(NONE8, |of| Value::Unsigned(of as u64));
        Record::new()
            .with("provider_id", Value::Unsigned(1))
            .with("rate_label", Value::Text(cut(label, LABEL).to_owned()))
            .with("issuer_event_id", Value::Unsigned(id.into()))
            .with("current_time", Value::Unsigned(now.into()))
            // Kilowatt-hours, in binary.
            .with("unit_of_measure", Value::Unsigned(0))
            .with("currency", Value::Unsigned(self.currency.into()))
            .with("trailing_digit", Value::Unsigned(digits.into()))
            .with("price_tier", Value::Unsigned((tier & 0x0F).into()))
            .with(
                "number_of_price_tiers",
                Value::Unsigned((tiers & 0x0F).into()),
            )
            .with("register_tier", Value::Unsigned((tier & 0x0F).into()))
            .with("start_time", Value::Unsigned(price.start.into()))
            .with("duration_min", Value::Unsigned(price.minutes.into()))
            .with("price", Value::Unsigned(number.into()))
            .with("price_ratio", NONE8)
            .with("generation_price", NONE32)
            .with("generation_price_ratio", NONE8)
            .with("alternate_cost_delivered", NONE32)
            .with("alternate_cost_unit", NONE8)
            .with("alternate_cost_trailing_digit", NONE8)
            .with("number_of_block_thresholds", thresholds)
            // Bit 0: it is to be acknowledged.
            .with("price_control", Value::Unsigned(1))
    }
}

fn end(price: &Price) -> u32 {
    price.start.saturating_add(u32::from(price.minutes) * 60)
}

/// A price as a whole number and how many of its digits are decimals: all that it has, as far as
/// 32 bits and nine decimals go.
fn scaled(price: Decimal) -> (u32, u8) {
    let price = price.normalize();
    for digits in (0..=price.scale().min(9)).rev() {
        let digits = u8::try_from(digits).unwrap_or(0);
        if let Some(number) = scaled_to(price, digits) {
            return (number, digits);
        }
    }
    (u32::MAX - 1, 0)
}

/// A price as a whole number with so many decimals, if 32 bits hold it; below zero it is told as 0.
pub(super) fn scaled_to(price: Decimal, digits: u8) -> Option<u32> {
    let mut whole = price.max(Decimal::ZERO).round_dp(digits.into());
    whole.rescale(digits.into());
    whole.mantissa().to_u32().filter(|one| *one < u32::MAX)
}

/// As much of a text as so many octets hold.
pub(super) fn cut(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_keeps_its_digits() {
        let of = |price: &str| scaled(price.parse().unwrap());
        assert_eq!(of("0.3214"), (3214, 4));
        assert_eq!(of("0.30"), (3, 1));
        assert_eq!(of("12"), (12, 0));
        assert_eq!(of("0.12345678951"), (123_456_790, 9));
        assert_eq!(of("99.123456789"), (991_234_568, 7));
        assert_eq!(of("0"), (0, 0));
        assert_eq!(cut("Spitzenl\u{e4}st", 9), "Spitzenl");
    }
}
