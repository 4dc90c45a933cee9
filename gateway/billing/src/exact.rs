//! Exact decimals: reading, checked arithmetic, printing.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer};

/// A result that does not fit in 28 digits before the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number is too large to calculate with")]
pub struct TooLarge;

/// Arithmetic that says when it overflows.
pub trait Exact: Sized {
    /// The sum.
    ///
    /// # Errors
    /// [`TooLarge`].
    fn plus(self, other: Self) -> Result<Self, TooLarge>;
    /// The difference.
    ///
    /// # Errors
    /// [`TooLarge`].
    fn minus(self, other: Self) -> Result<Self, TooLarge>;
    /// The product.
    ///
    /// # Errors
    /// [`TooLarge`].
    fn times(self, other: Self) -> Result<Self, TooLarge>;
    /// The quotient to 28 significant digits.
    ///
    /// # Errors
    /// [`TooLarge`], also for a divisor of zero.
    fn over(self, other: Self) -> Result<Self, TooLarge>;
}

impl Exact for Decimal {
    fn plus(self, other: Self) -> Result<Self, TooLarge> {
        self.checked_add(other).ok_or(TooLarge)
    }

    fn minus(self, other: Self) -> Result<Self, TooLarge> {
        self.checked_sub(other).ok_or(TooLarge)
    }

    fn times(self, other: Self) -> Result<Self, TooLarge> {
        self.checked_mul(other).ok_or(TooLarge)
    }

    fn over(self, other: Self) -> Result<Self, TooLarge> {
        self.checked_div(other).ok_or(TooLarge)
    }
}

/// Reads plain notation: an optional minus, digits, optionally a point and digits. Anything that
/// does not fit exactly is refused.
#[must_use]
pub fn plain(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    Decimal::from_str_exact(text).ok()
}

/// Reads a number as JSON writes it, exponents included.
#[must_use]
pub fn json_number(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let mantissa = plain(mantissa)?;
    if !(-28..=28).contains(&exponent) {
        return None;
    }
    shift(mantissa, exponent)
}

/// `value` × 10^`places`, exactly; `None` when it does not fit.
#[must_use]
pub fn shift(value: Decimal, places: i32) -> Option<Decimal> {
    let by = places.unsigned_abs();
    let factor = Decimal::from_i128_with_scale(10_i128.checked_pow(by.min(28))?, 0);
    if by > 28 {
        return None;
    }
    if places >= 0 {
        value.checked_mul(factor)
    } else {
        let mut small = value;
        let scale = value.scale().checked_add(by)?;
        if scale <= 28 {
            small.set_scale(scale).ok()?;
            return Some(small);
        }
        let quotient = value.checked_div(factor)?;
        (quotient.checked_mul(factor)? == value).then_some(quotient)
    }
}

/// A raw integer × 10^`scaler` in plain notation, with as many decimals as the scaler says.
/// Text only: no integer and no scaler within ±64 is too large for it.
#[must_use]
pub fn scaled(raw: i64, scaler: i32) -> String {
    let sign = if raw < 0 { "-" } else { "" };
    let digits = raw.unsigned_abs().to_string();
    let places = usize::try_from(scaler.unsigned_abs()).unwrap_or(64).min(64);
    if scaler >= 0 {
        let zeros = if raw == 0 { 0 } else { places };
        return format!("{sign}{digits}{}", "0".repeat(zeros));
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    format!("{sign}{whole}.{fraction}")
}

/// Rounds half away from zero.
#[must_use]
pub fn rounded(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

/// Plain notation with at most `places` decimals, half away from zero, no trailing zeros.
#[must_use]
pub fn text(value: Decimal, places: u32) -> String {
    let short = rounded(value, places).normalize();
    if short.is_zero() {
        "0".to_owned()
    } else {
        short.to_string()
    }
}

/// A JSON number or text as it was written, with every digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonDecimal(pub Decimal);

impl<'de> Deserialize<'de> for JsonDecimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        let written = raw.get().trim().trim_matches('"');
        json_number(written).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "{} is not a number that can be kept exactly",
                raw.get()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn numbers_keep_every_digit() {
        let numbers: Vec<JsonDecimal> =
            serde_json::from_str(r#"[21.54, -1e-3, 1.5E2, "0.10", 0]"#).unwrap();
        let texts: Vec<String> = numbers.iter().map(|n| text(n.0, 9)).collect();
        assert_eq!(texts, ["21.54", "-0.001", "150", "0.1", "0"]);
        for bad in ["1e99", "\"x\"", "true", "null", "\"1.\""] {
            assert!(serde_json::from_str::<JsonDecimal>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(text(dec("2.0000005"), 6), "2.000001");
        assert_eq!(text(dec("-2.0000005"), 6), "-2.000001");
        assert_eq!(text(dec("-0.0000001"), 6), "0");
    }

    #[test]
    fn scaled_integers_are_written_in_full() {
        for (raw, scaler, want) in [
            (52_342_100, -4, "5234.2100"),
            (-7, -3, "-0.007"),
            (0, -2, "0.00"),
            (12, 3, "12000"),
            (0, 3, "0"),
            (i64::MIN, -19, "-0.9223372036854775808"),
        ] {
            assert_eq!(scaled(raw, scaler), want);
        }
    }
}
