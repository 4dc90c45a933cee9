//! Prices of the Zigbee Smart Energy Price cluster (0x0700, command Publish Price).
//!
//! The command comes decoded; here it becomes a [`Price`].

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::{DocumentError, Price};
use crate::exact::{TooLarge, shift};

/// Seconds from 1970 to 2000-01-01T00:00:00Z, where Zigbee's clock begins.
const ZIGBEE_EPOCH: i64 = 946_684_800;
/// A duration that means "until changed".
const UNTIL_CHANGED: u16 = 0xFFFF;

/// The members of Publish Price that a price is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishPrice {
    /// Seconds since 2000; 0 is now.
    pub start: u32,
    /// Minutes; 0xFFFF until changed.
    pub duration_min: u16,
    /// Price per unit, without its decimals.
    pub price: u32,
    /// The upper nibble of "price trailing digit and price tier": decimals to the right.
    pub trailing_digits: u8,
    /// Price for energy fed in ("generation price"), with the same decimals.
    pub generation_price: Option<u32>,
}

/// The price as a slot; `now` stands for a start of 0.
///
/// # Errors
/// It lasts no time, or a number does not fit.
pub fn price(published: &PublishPrice, now: Timestamp) -> Result<Price, DocumentError> {
    let fault = |what: &str, number: u64| DocumentError::Value {
        what: what.to_owned(),
        text: number.to_string(),
        expected: "within the range of the Price cluster",
    };
    if published.trailing_digits > 15 {
        return Err(fault(
            "trailing digits",
            u64::from(published.trailing_digits),
        ));
    }
    let start = match published.start {
        0 => now,
        seconds => Timestamp::from_second(ZIGBEE_EPOCH + i64::from(seconds))
            .map_err(|_| fault("start", u64::from(seconds)))?,
    };
    let end = match published.duration_min {
        0 => return Err(fault("duration", 0)),
        UNTIL_CHANGED => None,
        minutes => Some(
            start
                .checked_add(SignedDuration::from_mins(i64::from(minutes)))
                .map_err(|_| fault("duration", u64::from(minutes)))?,
        ),
    };
    let scaled = |number: u32| {
        shift(Decimal::from(number), -i32::from(published.trailing_digits)).ok_or(TooLarge)
    };
    Ok(Price {
        start,
        end,
        base: scaled(published.price)?,
        export: published.generation_price.map(scaled).transpose()?,
        ghg: None,
        band: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_start_and_end() {
        let now: Timestamp = "2026-05-01T10:00:00Z".parse().unwrap();
        let published = PublishPrice {
            start: 0,
            duration_min: 30,
            price: 2911,
            trailing_digits: 4,
            generation_price: Some(631),
        };
        let slot = price(&published, now).unwrap();
        assert_eq!(
            (slot.base.to_string(), slot.export.unwrap().to_string()),
            ("0.2911".to_owned(), "0.0631".to_owned())
        );
        assert_eq!(
            (slot.start, slot.end.unwrap().to_string()),
            (now, "2026-05-01T10:30:00Z".to_owned())
        );
        let open = PublishPrice {
            start: 86_400,
            duration_min: 0xFFFF,
            ..published
        };
        let slot = price(&open, now).unwrap();
        assert_eq!(
            (slot.start.to_string(), slot.end),
            ("2000-01-02T00:00:00Z".to_owned(), None)
        );
        assert!(
            price(
                &PublishPrice {
                    duration_min: 0,
                    ..published
                },
                now
            )
            .is_err()
        );
        assert!(
            price(
                &PublishPrice {
                    trailing_digits: 16,
                    ..published
                },
                now
            )
            .is_err()
        );
    }
}
