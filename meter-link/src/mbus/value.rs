//! What the bytes of a record mean: integers, BCD, reals, texts and times (EN 13757-3, annex A).

use jiff::civil;
use rust_decimal::Decimal;

use super::quantity::{Quantity, names};
use super::record::Record;
use super::time;

/// How the data field of the DIF codes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Nothing,
    Integer,
    Real,
    Bcd,
    /// LVAR decides; replaced by another as soon as it is read.
    Variable,
    Text,
    NegativeBcd,
    Octets,
}

names! {
    /// The kind of a value.
    Kind {
        /// A number.
        Number = "number",
        /// A date.
        Date = "date",
        /// A date and time.
        Datetime = "datetime",
        /// A time of the day.
        Time = "time",
        /// A text.
        Text = "text",
        /// Octets without a meaning that the standard gives.
        Hex = "hex",
        /// No data at all.
        None = "none",
    }
}

/// The value of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The record has no data.
    None,
    /// The meter says that there is no value of this kind: digits that are none, an empty date,
    /// a real that is not a number, a record error.
    Invalid(Kind),
    /// A number in the record's unit, with the decimals that the meter resolves.
    Number(Decimal),
    /// A date of the meter's clock.
    Date(civil::Date),
    /// A date and time of the meter's clock.
    Datetime {
        /// Local time.
        at: civil::DateTime,
        /// The clock is in summer time.
        dst: bool,
        /// The record has seconds.
        seconds: bool,
    },
    /// A clock that the meter itself marks as invalid (bit IV).
    MarkedInvalid(civil::DateTime),
    /// A time of the day.
    Time(civil::Time),
    /// A text.
    Text(String),
    /// Octets as sent.
    Hex(Vec<u8>),
}

impl Value {
    /// Its kind; of an invalid one, the kind that it should be.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Invalid(kind) => *kind,
            Self::Number(_) => Kind::Number,
            Self::Date(_) => Kind::Date,
            Self::Datetime { .. } | Self::MarkedInvalid(_) => Kind::Datetime,
            Self::Time(_) => Kind::Time,
            Self::Text(_) => Kind::Text,
            Self::Hex(_) => Kind::Hex,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

pub(super) const fn coding(dif: u8) -> Coding {
    match dif & 0x0F {
        0x01..=0x04 | 0x06 | 0x07 => Coding::Integer,
        0x05 => Coding::Real,
        0x09..=0x0C | 0x0E => Coding::Bcd,
        0x0D => Coding::Variable,
        _ => Coding::Nothing,
    }
}

/// Coding and length that LVAR tells (clause 6.3.5, table 5).
pub(super) fn variable(lvar: u8) -> Option<(Coding, usize)> {
    let length = usize::from(lvar);
    Some(match lvar {
        0x00..=0xBF => (Coding::Text, length),
        0xC0..=0xC9 => (Coding::Bcd, length - 0xC0),
        0xD0..=0xD9 => (Coding::NegativeBcd, length - 0xD0),
        0xE0..=0xE8 => (Coding::Integer, length - 0xE0),
        0xE9..=0xEF => (Coding::Octets, length - 0xE0),
        0xF0..=0xF4 => (Coding::Octets, 4 * (length - 0xEC)),
        0xF5 => (Coding::Octets, 48),
        0xF6 => (Coding::Octets, 64),
        _ => return None,
    })
}

pub(super) fn decode(record: &Record<'_>) -> Value {
    if !record.msb_first {
        return decode_bytes(record, record.data);
    }
    let reversed: Vec<u8> = record.data.iter().rev().copied().collect();
    decode_bytes(record, &reversed)
}

fn decode_bytes(record: &Record<'_>, data: &[u8]) -> Value {
    let value = match record.coding {
        Coding::Nothing | Coding::Variable => Value::None,
        Coding::Integer if record.instant => time::decode(data),
        Coding::Integer if data.is_empty() => Value::None,
        Coding::Integer if is_bit_field(record.meaning.quantity) => {
            scaled(record, i128::from(unsigned(data)))
        }
        Coding::Integer => scaled(record, i128::from(signed(data))),
        Coding::Bcd | Coding::NegativeBcd if data.is_empty() => Value::None,
        Coding::Bcd if is_number_text(record.meaning.quantity) => digits_text(data),
        Coding::Bcd => bcd(data).map_or(Value::Invalid(Kind::Number), |it| scaled(record, it)),
        Coding::NegativeBcd => {
            bcd(data).map_or(Value::Invalid(Kind::Number), |it| scaled(record, -it))
        }
        Coding::Real => real(record, data),
        Coding::Text => text(data),
        Coding::Octets => Value::Hex(record.data.to_vec()),
    };
    if record.has_no_value() {
        return Value::Invalid(value.kind());
    }
    value
}

/// Bytes of data by the data field of a DIF; variable length is not one of them.
pub(super) const fn length_of_dif(dif: u8) -> usize {
    match dif & 0x0F {
        0x01 | 0x09 => 1,
        0x02 | 0x0A => 2,
        0x03 | 0x0B => 3,
        0x04 | 0x05 | 0x0C => 4,
        0x06 | 0x0E => 6,
        0x07 => 8,
        _ => 0,
    }
}

/// A number of a compact profile; `None` when it is none.
pub(super) fn profile_number(dif: u8, octets: &[u8], no_sign: bool) -> Option<Decimal> {
    match coding(dif) {
        Coding::Integer if no_sign => Some(Decimal::from(unsigned(octets))),
        Coding::Integer => Some(Decimal::from(signed(octets))),
        Coding::Bcd => Decimal::try_from_i128_with_scale(bcd(octets)?, 0).ok(),
        Coding::Real => shortest_real(u32::from_le_bytes(octets.try_into().ok()?)),
        _ => None,
    }
}

/// The integer of up to eight bytes, two's complement, least significant byte first.
#[must_use]
pub fn signed(data: &[u8]) -> i64 {
    let mut octets = if data.last().is_some_and(|byte| byte & 0x80 != 0) {
        [0xFF; 8]
    } else {
        [0; 8]
    };
    octets
        .iter_mut()
        .zip(data)
        .for_each(|(to, from)| *to = *from);
    i64::from_le_bytes(octets)
}

/// The integer of up to eight bytes, least significant byte first.
#[must_use]
pub fn unsigned(data: &[u8]) -> u64 {
    let mut octets = [0; 8];
    octets
        .iter_mut()
        .zip(data)
        .for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(octets)
}

/// BCD digits, least significant byte first; a top digit F is a minus sign (type A). `None` when
/// another digit is none, or when there are more than 36.
#[must_use]
pub fn bcd(data: &[u8]) -> Option<i128> {
    if data.len() > 18 {
        return None;
    }
    let mut number = 0i128;
    let mut negative = false;
    for (index, byte) in data.iter().rev().enumerate() {
        let (high, low) = (byte >> 4, byte & 0x0F);
        negative |= index == 0 && high == 0x0F;
        let high = if index == 0 && high == 0x0F { 0 } else { high };
        if high > 9 || low > 9 {
            return None;
        }
        number = number * 100 + i128::from(high * 10 + low);
    }
    Some(if negative { -number } else { number })
}

/// A 32-bit real as the exact decimal that it stands for; `None` when it is no number or needs
/// more than 28 digits.
#[must_use]
pub fn exact_real(bits: u32) -> Option<Decimal> {
    let exponent = i32::try_from(bits >> 23 & 0xFF).ok()?;
    let fraction = i128::from(bits & 0x7F_FFFF);
    let (mut mantissa, mut power) = match exponent {
        0 => (fraction, -149),
        255 => return None,
        _ => (fraction | 0x80_0000, exponent - 150),
    };
    while mantissa != 0 && mantissa & 1 == 0 && power < 0 {
        mantissa >>= 1;
        power += 1;
    }
    if mantissa == 0 {
        return Some(Decimal::ZERO);
    }
    let sign = if bits >> 31 == 0 { 1 } else { -1 };
    let power = u32::try_from(power).map_err(|_| power.unsigned_abs());
    match power {
        Ok(left) => {
            let whole = mantissa.checked_mul(2i128.checked_pow(left)?)?;
            Decimal::try_from_i128_with_scale(sign * whole, 0).ok()
        }
        // m / 2^k = m · 5^k / 10^k; beyond 28 decimals nothing is left that a meter resolves.
        Err(right) if right <= 28 => {
            let digits = mantissa.checked_mul(5i128.checked_pow(right)?)?;
            Decimal::try_from_i128_with_scale(sign * digits, right).ok()
        }
        Err(_) => shortest_real(bits),
    }
}

fn shortest_real(bits: u32) -> Option<Decimal> {
    let real = f32::from_bits(bits);
    let text = real.is_finite().then(|| real.to_string())?;
    text.parse().ok()
}

fn real(record: &Record<'_>, data: &[u8]) -> Value {
    let number = <[u8; 4]>::try_from(data)
        .ok()
        .and_then(|octets| shortest_real(u32::from_le_bytes(octets)))
        .and_then(|real| apply(record, real));
    number.map_or(Value::Invalid(Kind::Number), Value::Number)
}

fn scaled(record: &Record<'_>, integer: i128) -> Value {
    let meaning = &record.meaning;
    integer
        .checked_mul(i128::from(meaning.factor))
        .and_then(|integer| crate::model::scaled(integer, meaning.exponent).ok())
        .map_or(Value::Invalid(Kind::Number), Value::Number)
}

/// A decimal with the factor and power of ten of a record's meaning.
pub(super) fn apply(record: &Record<'_>, number: Decimal) -> Option<Decimal> {
    let meaning = &record.meaning;
    let product = number.checked_mul(Decimal::from(meaning.factor))?;
    let power = crate::model::scaled(1, meaning.exponent).ok()?;
    if meaning.exponent < 0 {
        // Moves the point; a product would round what has many decimals.
        let mut moved = product;
        let scale = product.scale() + u32::from(meaning.exponent.unsigned_abs());
        if moved.set_scale(scale).is_ok() {
            return Some(moved);
        }
    }
    product.checked_mul(power)
}

/// Quantities of type C or D, which have no sign.
const fn is_bit_field(quantity: Quantity) -> bool {
    matches!(
        quantity,
        Quantity::ErrorFlags
            | Quantity::ErrorMask
            | Quantity::DigitalInput
            | Quantity::DigitalOutput
            | Quantity::AccessNumber
    )
}

/// Numbers that are names: leading zeros belong to them.
const fn is_number_text(quantity: Quantity) -> bool {
    matches!(
        quantity,
        Quantity::FabricationNumber | Quantity::EnhancedIdentification
    )
}

fn digits_text(data: &[u8]) -> Value {
    if bcd(data).is_none_or(|number| number < 0) {
        return Value::Invalid(Kind::Text);
    }
    let digits = data.iter().rev().map(|byte| format!("{byte:02X}"));
    Value::Text(digits.collect())
}

fn text(data: &[u8]) -> Value {
    // ISO 8859-1: 00 to 1F and 7F to 9F are control characters.
    if data
        .iter()
        .any(|&byte| matches!(byte, 0x00..=0x1F | 0x7F..=0x9F))
    {
        return Value::Hex(data.to_vec());
    }
    Value::Text(latin1_reversed(data))
}

pub(super) fn latin1_reversed(data: &[u8]) -> String {
    data.iter().rev().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bcd_signs_and_digits_that_are_none() {
        assert_eq!(bcd(&[0x34, 0x12]), Some(1234));
        assert_eq!(bcd(&[0x34, 0xF2]), Some(-234));
        assert_eq!(bcd(&[0x34, 0xA2]), None);
        assert_eq!(bcd(&[0xF4, 0x12]), None);
        assert_eq!(bcd(&[0xDD, 0xDD, 0xEB, 0xBD]), None);
    }

    #[test]
    fn reals_are_exact() {
        for (real, want) in [
            (534_411.6f32, "534411.625"),
            (0.0, "0"),
            (-1.5, "-1.5"),
            (0.1, "0.100000001490116119384765625"),
            (16_777_216.0, "16777216"),
        ] {
            assert_eq!(exact_real(real.to_bits()).unwrap().to_string(), want);
        }
        for real in [f32::NAN, f32::INFINITY, f32::MAX] {
            assert_eq!(exact_real(real.to_bits()), None);
        }
    }
}
