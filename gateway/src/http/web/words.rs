//! Numbers, money and times as people read them. Values arrive exact and are rounded once, for
//! showing only.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::{Decimal, RoundingStrategy};
use wattle_api::{Band, Freshness, Level, Medium, Money};

/// What stands for a value that is not known.
pub(super) const MISSING: &str = "–";

/// A power: the number and its unit.
pub(super) fn power(watts: Decimal) -> (String, &'static str) {
    let watts = watts.abs();
    if watts < Decimal::from(100) {
        return (round(watts, 0), "W");
    }
    (significant(watts / Decimal::ONE_THOUSAND), "kW")
}

/// An energy in kWh or a volume, three significant figures.
pub(super) fn amount(value: Decimal) -> String {
    significant(value)
}

fn significant(value: Decimal) -> String {
    let size = value.abs();
    let places = if size < Decimal::TEN {
        2
    } else if size < Decimal::ONE_HUNDRED {
        1
    } else {
        0
    };
    round(value, places)
}

/// A number with so many decimals, a minus sign and groups of three.
pub(super) fn round(value: Decimal, places: u32) -> String {
    let value = value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    let text = format!("{:.*}", usize::try_from(places).unwrap_or(0), value.abs());
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    let sign = if value.is_sign_negative() && !value.is_zero() {
        "−"
    } else {
        ""
    };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{rest}")
}

/// An amount of money with two decimals.
pub(super) fn money(money: &Money) -> String {
    cash(money.amount, &money.currency)
}

/// An amount of a currency with two decimals.
pub(super) fn cash(amount: Decimal, currency: &str) -> String {
    let number = round(amount, 2);
    let (sign, number) = match number.strip_prefix('−') {
        Some(number) => ("−", number.to_owned()),
        None => ("", number),
    };
    match symbol(currency) {
        Some(symbol) => format!("{sign}{symbol}{number}"),
        None => format!("{sign}{number}\u{a0}{currency}"),
    }
}

fn symbol(currency: &str) -> Option<&'static str> {
    match currency {
        "EUR" => Some("€"),
        "GBP" => Some("£"),
        "USD" => Some("$"),
        _ => None,
    }
}

/// A price per kWh in the minor unit with one decimal.
pub(super) fn price(per_kwh: Decimal, currency: &str) -> String {
    let minor = match currency {
        "EUR" => "\u{a0}ct",
        "GBP" => "p",
        "USD" => "¢",
        "DKK" | "NOK" | "SEK" => "\u{a0}øre",
        _ => return format!("{}\u{a0}{currency}", round(per_kwh, 3)),
    };
    format!("{}{minor}", round(per_kwh * Decimal::ONE_HUNDRED, 1))
}

/// A time of day by the home's clock.
pub(super) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// A date and time by the home's clock.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%-d %b %Y, %H:%M:%S")
        .to_string()
}

/// A day in words.
pub(super) fn day(date: jiff::civil::Date) -> String {
    date.strftime("%a, %-d %b %Y").to_string()
}

/// How long ago.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).max(SignedDuration::ZERO).as_secs();
    match seconds {
        0..=14 => "just now".to_owned(),
        15..=89 => format!("{seconds} s ago"),
        90..=5399 => format!("{} min ago", (seconds + 30) / 60),
        5400..=172_799 => format!("{} h ago", (seconds + 1800) / 3600),
        _ => format!("{} days ago", (seconds + 43_200) / 86_400),
    }
}

/// How a reading's age is said beside it; nothing while it is as recent as it should be.
pub(super) fn age(freshness: Freshness, at: Timestamp, now: Timestamp) -> Option<String> {
    (freshness != Freshness::Live).then(|| format!("as of {}", ago(at, now)))
}

/// A level: its class and its word.
pub(super) const fn level(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Low => ("low", "Low"),
        Level::Medium => ("medium", "Medium"),
        Level::High => ("high", "High"),
        Level::Exporting => ("exporting", "Exporting"),
    }
}

/// A band: its class and its word.
pub(super) const fn band(band: Band) -> (&'static str, &'static str) {
    match band {
        Band::PaidToUse => ("paid", "Paid to use"),
        Band::Cheap => ("cheap", "Cheap"),
        Band::Normal => ("normal", "Normal"),
        Band::Dear => ("dear", "Dear"),
    }
}

/// A medium: its class and its word.
pub(super) const fn medium(medium: Medium) -> (&'static str, &'static str) {
    match medium {
        Medium::Electricity => ("electricity", "Electricity"),
        Medium::Gas => ("gas", "Gas"),
        Medium::Water => ("water", "Water"),
        Medium::Heat => ("heat", "Heat"),
    }
}

/// A name of an appliance as people write it.
pub(super) fn appliance(name: &str) -> String {
    let mut words = name.replace('_', " ");
    if let Some(first) = words.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn powers_have_three_figures_and_small_ones_are_watts() {
        for (watts, want) in [
            ("0", ("0", "W")),
            ("99.4", ("99", "W")),
            ("100", ("0.10", "kW")),
            ("1419.6", ("1.42", "kW")),
            ("-2500", ("2.50", "kW")),
            ("23400", ("23.4", "kW")),
        ] {
            let (text, unit) = power(number(watts));
            assert_eq!((text.as_str(), unit), want, "{watts}");
        }
    }

    #[test]
    fn money_and_prices() {
        assert_eq!(cash(number("1234.565"), "EUR"), "€1234.57");
        assert_eq!(cash(number("12345.5"), "EUR"), "€12\u{202f}345.50");
        assert_eq!(cash(number("-0.5"), "GBP"), "−£0.50");
        assert_eq!(cash(number("-0.001"), "GBP"), "£0.00");
        assert_eq!(cash(number("3"), "CHF"), "3.00\u{a0}CHF");
        assert_eq!(price(number("0.26382"), "EUR"), "26.4\u{a0}ct");
        assert_eq!(price(number("-0.0112"), "GBP"), "−1.1p");
    }

    #[test]
    fn ages() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (seconds, want) in [
            (-5, "just now"),
            (20, "20 s ago"),
            (150, "3 min ago"),
            (7200, "2 h ago"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(ago(at(0), at(seconds)), want);
        }
    }
}
