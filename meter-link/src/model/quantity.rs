//! Exact decimals: an integer from the wire and its power of ten.

use rust_decimal::Decimal;

/// A number that no exact decimal of 28 digits can hold.
///
/// No register of a real meter comes near; a telegram that carries such a number is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{mantissa} x 10^{scaler} does not fit an exact decimal of 28 digits")]
pub struct ScaleError {
    /// The integer as sent.
    pub mantissa: i128,
    /// The power of ten.
    pub scaler: i8,
}

/// `mantissa × 10^scaler`, exactly. The number of decimals is kept: (0, −1) is `0.0`.
///
/// # Errors
/// [`ScaleError`] when the number needs more than 28 digits or decimals.
///
/// ```
/// use meter_link::model::scaled;
/// assert_eq!(scaled(54_301_577, -1)?.to_string(), "5430157.7");
/// assert_eq!(scaled(12, 3)?.to_string(), "12000");
/// # Ok::<(), meter_link::model::ScaleError>(())
/// ```
pub fn scaled(mantissa: i128, scaler: i8) -> Result<Decimal, ScaleError> {
    let error = ScaleError { mantissa, scaler };
    let power = u32::from(scaler.unsigned_abs());
    if scaler <= 0 {
        return Decimal::try_from_i128_with_scale(mantissa, power).map_err(|_| error);
    }
    if mantissa == 0 {
        return Ok(Decimal::ZERO);
    }
    let whole = 10i128
        .checked_pow(power)
        .and_then(|factor| mantissa.checked_mul(factor))
        .ok_or(error)?;
    Decimal::try_from_i128_with_scale(whole, 0).map_err(|_| error)
}

/// Reads a number in plain notation (`-0012.340`), exactly; `None` for anything else, such as an
/// exponent, a second point, blanks or more digits than fit.
#[must_use]
pub fn plain(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    Decimal::from_str_exact(text.strip_prefix('+').unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_and_plain() {
        for (mantissa, scaler, want) in [
            (54_301_577, -1, "5430157.7"),
            (0, -1, "0.0"),
            (12, 3, "12000"),
            (-29912, -2, "-299.12"),
            (0, 100, "0"),
        ] {
            assert_eq!(scaled(mantissa, scaler).unwrap().to_string(), want);
        }
        let largest = scaled(i128::from(u64::MAX), -4).unwrap();
        assert_eq!(largest.to_string(), "1844674407370955.1615");
    }

    #[test]
    fn too_large_is_refused() {
        assert!(scaled(i128::from(u64::MAX), 20).is_err());
        assert!(scaled(1, -29).is_err());
        assert!(scaled(1, 127).is_err());
    }

    #[test]
    fn plain_numbers() {
        assert_eq!(plain("0012.340").unwrap().to_string(), "12.340");
        assert_eq!(plain("-5").unwrap().to_string(), "-5");
        for text in [
            "",
            "-",
            "1.",
            ".5",
            "1e3",
            " 1",
            "1.2.3",
            "--1",
            "99999999999999999999999999999999",
        ] {
            assert!(plain(text).is_none(), "{text}");
        }
    }
}
