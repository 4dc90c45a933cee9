//! How a device writes numbers, texts and times: the formats that table 00 declares (C12.19,
//! clauses 5.2 and 5.3, built-in types).

use jiff::civil;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::model::{plain, scaled};

/// Order of the octets of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DataOrder {
    /// Least significant octet first.
    Little,
    /// Most significant octet first.
    Big,
}

impl DataOrder {
    /// An unsigned number of up to eight octets.
    #[must_use]
    pub fn unsigned(self, octets: &[u8]) -> u64 {
        let fold = |number: u64, octet: &u8| number << 8 | u64::from(*octet);
        match self {
            Self::Big => octets.iter().fold(0, fold),
            Self::Little => octets.iter().rev().fold(0, fold),
        }
    }
}

/// How negative integers are written (`INT_FORMAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntFormat {
    /// 0.
    TwosComplement,
    /// 1.
    OnesComplement,
    /// 2.
    SignMagnitude,
    /// 3, reserved: no signed number can be read.
    Reserved,
}

impl IntFormat {
    /// The format of a code; the two lowest bits count.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Self::TwosComplement,
            1 => Self::OnesComplement,
            2 => Self::SignMagnitude,
            _ => Self::Reserved,
        }
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::TwosComplement => 0,
            Self::OnesComplement => 1,
            Self::SignMagnitude => 2,
            Self::Reserved => 3,
        }
    }

    /// The number that `bits` bits stand for; `None` in the reserved format.
    #[must_use]
    pub fn signed(self, raw: u64, bits: u32) -> Option<i128> {
        let raw = i128::from(raw);
        let sign = 1i128 << (bits.clamp(1, 64) - 1);
        if raw & sign == 0 {
            return (self != Self::Reserved).then_some(raw);
        }
        match self {
            Self::TwosComplement => Some(raw - (sign << 1)),
            Self::OnesComplement => Some(raw - (sign << 1) + 1),
            Self::SignMagnitude => Some(sign - raw),
            Self::Reserved => None,
        }
    }
}

impl Serialize for IntFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

/// Format of a non-integer number (`NI_FORMAT1`, `NI_FORMAT2`), by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct NiFormat(pub u8);

impl NiFormat {
    /// Octets of a number; `None` for a code that is not assigned.
    #[must_use]
    pub const fn size(self) -> Option<usize> {
        Some(match self.0 {
            0 | 11 => 8,
            1 | 4 | 8 | 12 => 4,
            2 => 12,
            3 | 10 => 6,
            5 | 7 => 3,
            6 => 2,
            9 => 5,
            13 => 21,
            _ => return None,
        })
    }

    /// The number in `octets`, exactly; floating point numbers become the shortest decimal that
    /// reads back as the same one. `None` when the octets are no number of this format.
    #[must_use]
    pub fn number(self, octets: &[u8], order: DataOrder, int: IntFormat) -> Option<Decimal> {
        let bits = u32::try_from(octets.len()).ok()?.checked_mul(8)?;
        let raw = || order.unsigned(octets);
        match self.0 {
            // Rust writes floating point numbers in plain notation, without an exponent.
            0 => plain(&f64::from_bits(raw()).to_string()),
            1 => plain(&f32::from_bits(u32::try_from(raw()).ok()?).to_string()),
            2 | 3 | 13 => decimal_text(std::str::from_utf8(octets).ok()?),
            4 => scaled(int.signed(raw(), bits)?, -4).ok(),
            5 | 6 | 12 => {
                let mut digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
                let number = digits.try_fold(0i128, |number, digit| {
                    (digit < 10).then(|| number * 10 + i128::from(digit))
                })?;
                scaled(number, 0).ok()
            }
            7..=11 => scaled(int.signed(raw(), bits)?, 0).ok(),
            _ => None,
        }
    }
}

/// A number in characters, with blanks around it and perhaps an exponent.
fn decimal_text(text: &str) -> Option<Decimal> {
    let text = text.trim_matches([' ', '\0']);
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return short_decimal(text);
    };
    let exponent: i32 = exponent.parse().ok()?;
    let mut number = short_decimal(mantissa)?;
    let scale = i32::try_from(number.scale()).ok()?.checked_sub(exponent)?;
    if let Ok(scale) = u32::try_from(scale) {
        number.set_scale(scale).ok()?;
        return Some(number);
    }
    number.set_scale(0).ok()?;
    let factor = 10i128.checked_pow(scale.unsigned_abs())?;
    scaled(number.mantissa().checked_mul(factor)?, 0).ok()
}

/// As [`plain`], but the digits before or after the point may be missing.
fn short_decimal(text: &str) -> Option<Decimal> {
    let digits = text.trim_start_matches(['+', '-']);
    if let Some(fraction) = digits.strip_prefix('.') {
        let sign = text.get(..text.len() - digits.len())?;
        return plain(&format!("{sign}0.{fraction}"));
    }
    plain(text.strip_suffix('.').unwrap_or(text))
}

/// How texts are written (`CHAR_FORMAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharFormat(pub u8);

impl CharFormat {
    /// The text in `octets`, without blanks and zeros at its end.
    #[must_use]
    pub fn text(self, octets: &[u8], order: DataOrder) -> String {
        let unit = |pair: &[u8]| u16::try_from(order.unsigned(pair)).unwrap_or(0xFFFD);
        let text: String = match self.0 {
            2 => octets.iter().map(|octet| char::from(*octet)).collect(),
            4 => {
                let units = octets.chunks_exact(2).map(unit);
                let text = char::decode_utf16(units);
                text.map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
            5 => octets
                .chunks_exact(4)
                .map(|four| u32::try_from(order.unsigned(four)).unwrap_or(u32::MAX))
                .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect(),
            _ => String::from_utf8_lossy(octets).into_owned(),
        };
        text.trim_end_matches([' ', '\0']).to_owned()
    }
}

impl Serialize for CharFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            1 => serializer.serialize_str("ISO/IEC 646 (7-bit)"),
            2 => serializer.serialize_str("ISO 8859/1 (8-bit)"),
            3 => serializer.serialize_str("UTF-8"),
            4 => serializer.serialize_str("UTF-16"),
            5 => serializer.serialize_str("UTF-32"),
            other => serializer.serialize_str(&format!("reserved ({other})")),
        }
    }
}

/// How times are written (`TM_FORMAT`), by its code: 0 no clock, 1 BCD, 2 binary fields, 3 minutes
/// and 4 seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TimeFormat(pub u8);

/// A date and time of the device's clock; `None` when it was not set or is impossible.
pub type ClockTime = Option<civil::DateTime>;

impl TimeFormat {
    /// Octets of a date and time with seconds (`LTIME_DATE`); `None` for a reserved format.
    #[must_use]
    pub const fn long_size(self) -> Option<usize> {
        match self.0 {
            0 => Some(0),
            1 | 2 => Some(6),
            3 => Some(5),
            4 => Some(4),
            _ => None,
        }
    }

    /// Octets of a date and time without seconds (`STIME_DATE`).
    #[must_use]
    pub const fn short_size(self) -> Option<usize> {
        match self.0 {
            0 => Some(0),
            1 | 2 => Some(5),
            3 | 4 => Some(4),
            _ => None,
        }
    }

    /// Octets of a time of day (`TIME`).
    #[must_use]
    pub const fn time_size(self) -> Option<usize> {
        match self.0 {
            0 => Some(0),
            1 | 2 => Some(3),
            3 | 4 => Some(4),
            _ => None,
        }
    }

    /// The date and time in `octets`, long or short by their number.
    #[must_use]
    pub fn clock(self, octets: &[u8], order: DataOrder) -> ClockTime {
        let field = |octet: u8| self.field(octet);
        match (self.0, octets) {
            (1 | 2, &[year, month, day, hour, minute, ref rest @ ..]) => {
                let second = match rest {
                    [] => 0,
                    [second] => field(*second)?,
                    _ => return None,
                };
                civil::DateTime::new(
                    century(field(year)?)?,
                    field(month)?,
                    field(day)?,
                    field(hour)?,
                    field(minute)?,
                    second,
                    0,
                )
                .ok()
            }
            (3, [minutes @ .., seconds]) if octets.len() == 5 => {
                if *seconds > 59 {
                    return None;
                }
                since_1970(order.unsigned(minutes) * 60 + u64::from(*seconds))
            }
            (3, _) if octets.len() == 4 => since_1970(order.unsigned(octets) * 60),
            (4, _) if octets.len() == 4 => since_1970(order.unsigned(octets)),
            _ => None,
        }
    }

    /// Seconds since midnight in `octets`.
    #[must_use]
    pub fn time_of_day_s(self, octets: &[u8], order: DataOrder) -> Option<u32> {
        match (self.0, octets) {
            (1 | 2, &[hour, minute, second]) => {
                let field = |octet, limit| {
                    let value = u32::try_from(self.field(octet)?).ok()?;
                    (value < limit).then_some(value)
                };
                Some(field(hour, 24)? * 3600 + field(minute, 60)? * 60 + field(second, 60)?)
            }
            (3 | 4, _) if octets.len() == 4 => u32::try_from(order.unsigned(octets)).ok(),
            _ => None,
        }
    }

    fn field(self, octet: u8) -> Option<i8> {
        let value = if self.0 == 1 {
            let (tens, ones) = (octet >> 4, octet & 15);
            (tens < 10 && ones < 10).then_some(tens * 10 + ones)?
        } else {
            octet
        };
        i8::try_from(value).ok()
    }
}

/// Years of two digits: 90 to 99 are of the last century.
fn century(year: i8) -> Option<i16> {
    match year {
        0..=89 => Some(2000 + i16::from(year)),
        90..=99 => Some(1900 + i16::from(year)),
        _ => None,
    }
}

fn since_1970(seconds: u64) -> ClockTime {
    // All zeros and all ones are what a clock holds that was never set.
    if seconds == 0 || seconds >= u64::from(u32::MAX) * 60 {
        return None;
    }
    let timestamp = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(timestamp.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

/// A date in 16 bits (`DATE`): year 7 bits, month 4, day 5, from the least significant bit on.
#[must_use]
pub fn date(raw: u16) -> Option<civil::Date> {
    let part = |shift: u16, mask: u16| i8::try_from(raw >> shift & mask).ok();
    civil::Date::new(century(part(0, 0x7F)?)?, part(7, 15)?, part(11, 31)?).ok()
}

/// The formats of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// Order of octets.
    pub order: DataOrder,
    /// Texts.
    pub chars: CharFormat,
    /// Times.
    pub time: TimeFormat,
    /// Identifications are BCD (`ID_FORM` 1) and not text.
    pub bcd_ids: bool,
    /// Negative integers.
    pub int: IntFormat,
    /// `NI_FMAT1`, used for sums.
    pub ni1: NiFormat,
    /// `NI_FMAT2`, used for demands.
    pub ni2: NiFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(format: u8, hex: &str, order: DataOrder) -> Option<String> {
        let octets = crate::key::octets(hex).unwrap();
        let format = NiFormat(format);
        assert_eq!(format.size(), Some(octets.len()));
        let number = format.number(&octets, order, IntFormat::TwosComplement);
        number.map(|number| number.to_string())
    }

    /// Expected values: C12.19, clause 5.3 (implied decimal point), IEEE 754 examples.
    #[test]
    fn every_number_format() {
        use DataOrder::{Big, Little};
        for (format, hex, order, want) in [
            (0, "3ff8000000000000", Big, "1.5"),
            (0, "9a9999999999b93f", Little, "0.1"),
            (1, "42f6e979", Big, "123.456"),
            (2, "2b312e3233453033 20202020", Big, "1230"),
            (3, "2d31322e3530", Big, "-12.50"),
            (4, "01000000", Little, "0.0001"),
            (4, "fffe7960", Big, "-10.0000"),
            (5, "123456", Big, "123456"),
            (6, "0099", Little, "99"),
            (7, "ffffff", Big, "-1"),
            (8, "15cd5b07", Little, "123456789"),
            (9, "ffffffff7f", Little, "549755813887"),
            (10, "00000f1206 00", Big, "252839424"),
            (11, "ffffffffffffffff", Big, "-1"),
            (12, "12345678", Big, "12345678"),
            (
                13,
                "202020202020202020202020202020202031452d33",
                Big,
                "0.001",
            ),
        ] {
            let hex = hex.replace(' ', "");
            assert_eq!(
                number(format, &hex, order).as_deref(),
                Some(want),
                "{format}"
            );
        }
        assert_eq!(number(0, "7ff0000000000000", Big), None);
        assert_eq!(number(5, "12345a", Big), None);
        assert_eq!(number(3, "313233343542", Big), None);
        assert_eq!(NiFormat(14).size(), None);
    }

    #[test]
    fn signs() {
        assert_eq!(IntFormat::TwosComplement.signed(0xFE, 8), Some(-2));
        assert_eq!(IntFormat::OnesComplement.signed(0xFE, 8), Some(-1));
        assert_eq!(IntFormat::SignMagnitude.signed(0x82, 8), Some(-2));
        assert_eq!(IntFormat::Reserved.signed(0x82, 8), None);
        assert_eq!(IntFormat::TwosComplement.signed(u64::MAX, 64), Some(-1));
    }

    #[test]
    fn times() {
        let clock = |format, octets: &[u8]| {
            let time = TimeFormat(format).clock(octets, DataOrder::Little);
            time.map(|time| time.to_string())
        };
        let want = Some("2026-11-22T22:37:05".to_owned());
        assert_eq!(clock(2, &[26, 11, 22, 22, 37, 5]), want);
        assert_eq!(clock(1, &[0x26, 0x11, 0x22, 0x22, 0x37, 0x05]), want);
        let seconds = 1_795_387_025u32;
        assert_eq!(clock(4, &seconds.to_le_bytes()), want);
        let minutes = (seconds / 60).to_le_bytes();
        assert_eq!(clock(3, &[&minutes[..], &[5]].concat()), want);
        assert_eq!(clock(2, &[26, 13, 22, 22, 37, 5]), None);
        assert_eq!(clock(2, &[0; 6]), None);
        assert_eq!(clock(1, &[0x2A, 0x11, 0x22, 0x22, 0x37]), None);
        assert_eq!(
            date(26 | 11 << 7 | 22 << 11).unwrap().to_string(),
            "2026-11-22"
        );
        assert_eq!(date(0), None);
    }

    #[test]
    fn texts() {
        let text = |format, octets: &[u8]| CharFormat(format).text(octets, DataOrder::Little);
        assert_eq!(text(1, b"SIM \0"), "SIM");
        assert_eq!(text(2, b"M\xFCnchen"), "M\u{fc}nchen");
        assert_eq!(text(4, &[0x41, 0, 0x20, 0]), "A");
        assert_eq!(text(5, &[0x41, 0, 0, 0]), "A");
    }
}
