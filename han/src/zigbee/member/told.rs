//! Prices and messages of the utility, as its interface tells them (07-5356 19, annexes D.4, D.5).

use rust_decimal::Decimal;

use crate::value::{Record, Value};

/// A price as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtilityPrice {
    /// Which price, by the utility's own number; a later one has a higher number.
    pub id: u32,
    /// Its name, as the utility wrote it.
    pub label: String,
    /// Per kWh, in the currency.
    pub per_kwh: Decimal,
    /// ISO 4217, the number.
    pub currency: u16,
    /// The tier, where there are tiers: 1 to 15.
    pub tier: Option<u8>,
    /// From when, seconds since 2000 UTC by the meter's clock.
    pub start: u32,
    /// For how long, minutes; `None` until another is published.
    pub minutes: Option<u16>,
    /// The meter's clock when it was published, seconds since 2000 UTC.
    pub told_at: u32,
}

impl UtilityPrice {
    /// The price of a PublishPrice command; `None` where it says nothing of a kWh.
    pub(super) fn read(fields: &Record) -> Option<Self> {
        let number = |name: &str| fields.number(name);
        let price = number("price").filter(|price| *price != u64::from(u32::MAX))?;
        // Kilowatt-hours in binary (D.3.2.2.4.1).
        if number("unit_of_measure")? != 0 {
            return None;
        }
        let digits = u32::try_from(number("trailing_digit")?).ok()?;
        let told_at = number32(fields, "current_time")?;
        Some(Self {
            id: number32(fields, "issuer_event_id")?,
            label: text(fields, "rate_label"),
            per_kwh: Decimal::try_from_i128_with_scale(price.into(), digits).ok()?,
            currency: u16::try_from(number("currency")?).ok()?,
            tier: u8::try_from(number("price_tier")?)
                .ok()
                .filter(|tier| *tier > 0),
            start: match number32(fields, "start_time")? {
                0 => told_at,
                start => start,
            },
            minutes: u16::try_from(number("duration_min")?)
                .ok()
                .filter(|minutes| *minutes != u16::MAX),
            told_at,
        })
    }
}

/// A message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtilityMessage {
    /// Which message.
    pub id: u32,
    /// What it says.
    pub text: String,
    /// 0 low to 3 critical.
    pub importance: u8,
    /// From when, seconds since 2000 UTC by the meter's clock; 0 at once.
    pub start: u32,
    /// For how long, minutes; `None` until it is taken back.
    pub minutes: Option<u16>,
    /// Somebody is to confirm that it was read.
    pub confirm: bool,
}

impl UtilityMessage {
    /// The message of a DisplayMessage command.
    pub(super) fn read(fields: &Record) -> Option<Self> {
        let control = fields.number("message_control")?;
        Some(Self {
            id: number32(fields, "message_id")?,
            text: text(fields, "message"),
            importance: u8::try_from(control >> 2 & 3).ok()?,
            start: number32(fields, "start_time")?,
            minutes: u16::try_from(fields.number("duration_min")?)
                .ok()
                .filter(|minutes| *minutes != u16::MAX),
            confirm: control & 0x80 != 0,
        })
    }
}

/// Text without control characters, as much as a message holds.
fn text(fields: &Record, name: &str) -> String {
    match fields.field(name) {
        Some(Value::Text(text)) => text
            .chars()
            .map(|one| if one.is_control() { ' ' } else { one })
            .take(255)
            .collect::<String>()
            .trim()
            .to_owned(),
        _ => String::new(),
    }
}

fn number32(fields: &Record, name: &str) -> Option<u32> {
    u32::try_from(fields.number(name)?).ok()
}
