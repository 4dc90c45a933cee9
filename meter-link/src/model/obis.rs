//! OBIS codes (IEC 62056-6-1): the name of a register.

use std::fmt;
use std::str::FromStr;

/// An OBIS code `A-B:C.D.E*F` (IEC 62056-6-1, clause 4).
///
/// `A` is the medium (1 electricity, 6 heat, 7 gas, 8 cold water), `B` the channel, `C` the
/// quantity, `D` the processing, `E` the tariff, `F` the billing period. `F` = 255 means "none".
///
/// ```
/// use meter_link::model::ObisCode;
/// let import: ObisCode = "1-0:1.8.0".parse()?;
/// assert_eq!(import.to_string(), "1-0:1.8.0*255");
/// assert_eq!(import, ObisCode::ACTIVE_ENERGY_IMPORT);
/// # Ok::<(), meter_link::model::ParseObisError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObisCode(pub [u8; 6]);

impl ObisCode {
    /// `1-0:1.8.0*255`: active energy import (+A), all tariffs.
    pub const ACTIVE_ENERGY_IMPORT: Self = Self([1, 0, 1, 8, 0, 255]);
    /// `1-0:2.8.0*255`: active energy export (−A), all tariffs.
    pub const ACTIVE_ENERGY_EXPORT: Self = Self([1, 0, 2, 8, 0, 255]);
    /// `1-0:1.7.0*255`: momentary active power drawn (+P).
    pub const ACTIVE_POWER_IMPORT: Self = Self([1, 0, 1, 7, 0, 255]);
    /// `1-0:2.7.0*255`: momentary active power fed in (−P).
    pub const ACTIVE_POWER_EXPORT: Self = Self([1, 0, 2, 7, 0, 255]);
    /// `1-0:16.7.0*255`: momentary active power, import positive, export negative.
    pub const ACTIVE_POWER_NET: Self = Self([1, 0, 16, 7, 0, 255]);

    /// The medium, value group A.
    #[must_use]
    pub const fn medium(self) -> u8 {
        self.0[0]
    }

    /// The channel, value group B.
    #[must_use]
    pub const fn channel(self) -> u8 {
        self.0[1]
    }

    /// The quantity, value group C.
    #[must_use]
    pub const fn quantity(self) -> u8 {
        self.0[2]
    }

    /// How the quantity was processed, value group D (7 momentary, 8 time integral …).
    #[must_use]
    pub const fn processing(self) -> u8 {
        self.0[3]
    }

    /// The tariff, value group E; 0 is the total.
    #[must_use]
    pub const fn tariff(self) -> u8 {
        self.0[4]
    }

    /// The billing period, value group F; 255 is the current one.
    #[must_use]
    pub const fn billing_period(self) -> u8 {
        self.0[5]
    }

    /// True for a register that only ever rises while the meter stays the same: a time integral
    /// (D = 8) of a quantity of electricity, or a volume or energy of gas, water or heat, in the
    /// current billing period. Sums of import and export (C = 16) may fall and are not cumulative.
    #[must_use]
    pub const fn is_cumulative(self) -> bool {
        let [medium, _, quantity, processing, _, period] = self.0;
        if period != 255 {
            return false;
        }
        match medium {
            1 => processing == 8 && quantity >= 1 && quantity <= 80 && quantity != 16,
            6 | 8 | 9 => quantity == 1 && processing == 0,
            7 => quantity == 3 && processing == 0,
            _ => false,
        }
    }
}

impl fmt::Display for ObisCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, period] = self.0;
        write!(f, "{a}-{b}:{c}.{d}.{e}*{period}")
    }
}

impl fmt::Debug for ObisCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not an OBIS code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an OBIS code of the form A-B:C.D.E*F with numbers from 0 to 255")]
pub struct ParseObisError {
    /// What was given.
    pub text: String,
}

impl FromStr for ObisCode {
    type Err = ParseObisError;

    /// Reads `A-B:C.D.E*F`. A missing `A-B:` means `1-0:`, a missing `*F` means `*255`; `&` is
    /// accepted for `*`, as IEC 62056-21 meters send it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| ParseObisError {
            text: text.chars().take(64).collect(),
        })
    }
}

fn parse(text: &str) -> Option<ObisCode> {
    let (medium, channel, rest) = match text.split_once(':') {
        Some((head, rest)) => {
            let (a, b) = head.split_once('-')?;
            (group(a)?, group(b)?, rest)
        }
        None => (1, 0, text),
    };
    let (body, period) = match rest.split_once(['*', '&']) {
        Some((body, f)) => (body, group(f)?),
        None => (rest, 255),
    };
    let mut parts = body.split('.');
    let (c, d, e) = (
        group(parts.next()?)?,
        group(parts.next()?)?,
        group(parts.next()?)?,
    );
    match parts.next() {
        None => Some(ObisCode([medium, channel, c, d, e, period])),
        Some(_) => None,
    }
}

fn group(text: &str) -> Option<u8> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl serde::Serialize for ObisCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ObisCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_reduced_forms() {
        for (text, want) in [
            ("1-0:1.8.0*255", "1-0:1.8.0*255"),
            ("1.8.0", "1-0:1.8.0*255"),
            ("0-1:24.2.1", "0-1:24.2.1*255"),
            ("1-1:1.6.0&12", "1-1:1.6.0*12"),
            ("129-129:199.130.3*255", "129-129:199.130.3*255"),
        ] {
            assert_eq!(text.parse::<ObisCode>().unwrap().to_string(), want);
        }
    }

    #[test]
    fn what_is_not_a_code() {
        for text in [
            "",
            "1.8",
            "1-0:1.8.0*",
            "1-0:1.8.256*255",
            "1-0:1.8.0.1",
            "+1.8.0",
            "1:1.8.0",
            "C.1.0",
        ] {
            assert!(text.parse::<ObisCode>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_time_integrals_are_cumulative() {
        let is = |text: &str| text.parse::<ObisCode>().unwrap().is_cumulative();
        assert!(is("1-0:1.8.0") && is("1-0:2.8.2") && is("7-0:3.0.0") && is("8-0:1.0.0"));
        assert!(!is("1-0:16.7.0") && !is("1-0:16.8.0") && !is("1-0:1.8.0*1") && !is("1-0:96.5.5"));
    }
}
