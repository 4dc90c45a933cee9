//! From words to exact numbers.

use rust_decimal::Decimal;
use serde::Deserialize;

use crate::model::scaled;

/// In which order the words of a number stand. The bytes of a word are always high first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WordOrder {
    /// The most significant word first.
    #[default]
    HighFirst,
    /// The least significant word first.
    LowFirst,
}

/// How a number is written in its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One word, unsigned.
    U16,
    /// One word, two's complement.
    I16,
    /// Two words, unsigned.
    U32,
    /// Two words, two's complement.
    I32,
    /// Four words, unsigned.
    U64,
    /// Four words, two's complement.
    I64,
    /// Two words, IEEE 754 single precision.
    F32,
}

impl Kind {
    /// How many words it takes.
    #[must_use]
    pub const fn words(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 => 4,
        }
    }

    /// The number in `words` times ten to the power of `scale`.
    ///
    /// An integer is exact. A float is a binary fraction that stands for a decimal number of the
    /// meter's resolution: it is rounded to `decimals` digits behind the point, to the nearest and
    /// a tie to the even one, before it is scaled. No floating-point arithmetic is involved. `None`
    /// for NaN and infinity, with which meters say that there is no value, for another number of
    /// words, and for numbers that no decimal holds.
    #[must_use]
    pub fn number(
        self,
        words: &[u16],
        order: WordOrder,
        scale: i8,
        decimals: u8,
    ) -> Option<Decimal> {
        if words.len() != usize::from(self.words()) {
            return None;
        }
        let join = |whole: u64, word: &u16| whole << 16 | u64::from(*word);
        let bits = match order {
            WordOrder::HighFirst => words.iter().fold(0, join),
            WordOrder::LowFirst => words.iter().rev().fold(0, join),
        };
        let low = |bytes: usize| u32::try_from(bits & (u64::MAX >> (64 - 8 * bytes))).ok();
        let integer = match self {
            Self::U16 | Self::U32 | Self::U64 => i128::from(bits),
            Self::I16 => i128::from(u16::try_from(bits).ok()?.cast_signed()),
            Self::I32 => i128::from(low(4)?.cast_signed()),
            Self::I64 => i128::from(bits.cast_signed()),
            Self::F32 => {
                let rounded = rounded(low(4)?, decimals)?;
                let decimals = i8::try_from(decimals).ok()?;
                return scaled(rounded, scale.checked_sub(decimals)?).ok();
            }
        };
        scaled(integer, scale).ok()
    }
}

/// A single-precision float times ten to the power of `decimals`, to the nearest integer, ties to
/// even.
fn rounded(bits: u32, decimals: u8) -> Option<i128> {
    let fraction = u64::from(bits & 0x007F_FFFF);
    let (mantissa, exponent) = match bits >> 23 & 0xFF {
        0xFF => return None,
        0 => (fraction, -149),
        exponent => (fraction | 0x0080_0000, i32::try_from(exponent).ok()? - 150),
    };
    let number =
        i128::from(mantissa).checked_mul(10i128.checked_pow(u32::from(decimals.min(9)))?)?;
    let magnitude = match u32::try_from(exponent) {
        // Above 2^90 no decimal of 28 digits holds it.
        Ok(shift @ 0..=66) => number.checked_mul(1i128.checked_shl(shift)?)?,
        Ok(_) => return None,
        Err(_) => match exponent.unsigned_abs() {
            shift @ 1..=100 => {
                let whole = number >> shift;
                let rest = number - (whole << shift);
                let half = 1i128 << (shift - 1);
                let up = rest > half || (rest == half && whole % 2 == 1);
                whole + i128::from(up)
            }
            _ => 0,
        },
    };
    Some(if bits >> 31 == 1 {
        -magnitude
    } else {
        magnitude
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(bits: u32, decimals: u8) -> Option<String> {
        let [a, b, c, d] = bits.to_be_bytes();
        let words = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let number = Kind::F32.number(&words, WordOrder::HighFirst, 0, decimals);
        number.map(|number| number.to_string())
    }

    /// Computed with Python: `Decimal(struct.unpack('>f', bytes)[0]).quantize(…, ROUND_HALF_EVEN)`;
    /// the first is the example in Eastron's protocol documents.
    #[test]
    fn floats_are_rounded_to_the_resolution() {
        for (bits, decimals, want) in [
            (0x4366_3334, 1, "230.2"),
            (0x4366_3334, 5, "230.20001"),
            (0x4800_0003, 2, "131072.05"),
            (0x4800_0003, 3, "131072.047"),
            (0xC2F6_E979, 3, "-123.456"),
            (0x3F00_0000, 0, "0"),
            (0x3FC0_0000, 0, "2"),
            (0x4020_0000, 0, "2"),
            (0x0000_0001, 9, "0.000000000"),
            (0x8000_0000, 2, "0.00"),
            (0x4CBE_BC20, 2, "100000000.00"),
        ] {
            assert_eq!(float(bits, decimals).as_deref(), Some(want), "{bits:08X}");
        }
        for none in [0x7FC0_0000, 0x7F80_0000, 0xFF80_0000, 0x7F7F_FFFF] {
            assert_eq!(float(none, 2), None, "{none:08X}");
        }
    }

    #[test]
    fn integers_in_either_word_order() {
        let number = |kind: Kind, words: &[u16], order, scale| {
            let number = kind.number(words, order, scale, 0);
            number.map(|number| number.to_string())
        };
        let high = WordOrder::HighFirst;
        let low = WordOrder::LowFirst;
        assert_eq!(
            number(Kind::U16, &[65_535], high, -1).as_deref(),
            Some("6553.5")
        );
        assert_eq!(
            number(Kind::I16, &[65_535], low, -3).as_deref(),
            Some("-0.001")
        );
        assert_eq!(
            number(Kind::I32, &[0xFFFF, 0xFFFE], high, 0).as_deref(),
            Some("-2")
        );
        assert_eq!(
            number(Kind::I32, &[0x86A0, 0x0001], low, 2).as_deref(),
            Some("10000000")
        );
        assert_eq!(
            number(Kind::U32, &[0xFFFF, 0xFFFF], high, 0).as_deref(),
            Some("4294967295")
        );
        assert_eq!(
            number(Kind::U64, &[0xFFFF; 4], high, -4).as_deref(),
            Some("1844674407370955.1615")
        );
        assert_eq!(
            number(Kind::I64, &[0xFFFF; 4], low, 0).as_deref(),
            Some("-1")
        );
        assert_eq!(number(Kind::U32, &[1], high, 0), None);
    }

    proptest! {
        /// Against the float that the processor makes of the same bits.
        #[test]
        fn a_rounded_float_is_the_nearest(bits in any::<u32>(), decimals in 0..=6u8) {
            let value = f64::from(f32::from_bits(bits));
            match rounded(bits, decimals) {
                None => prop_assert!(!value.is_finite() || value.abs() >= 2f64.powi(90)),
                Some(got) => {
                    let want = value * 10f64.powi(i32::from(decimals));
                    let error = (got as f64 - want).abs();
                    prop_assert!(error <= 0.5 + want.abs() * 1e-12, "{got} {want}");
                }
            }
        }

        #[test]
        fn any_words(words in proptest::collection::vec(any::<u16>(), 0..5), scale in -9..=9i8, decimals in any::<u8>()) {
            for kind in [Kind::U16, Kind::I16, Kind::U32, Kind::I32, Kind::U64, Kind::I64, Kind::F32] {
                for order in [WordOrder::HighFirst, WordOrder::LowFirst] {
                    let number = kind.number(&words, order, scale, decimals);
                    prop_assert!(number.is_none() || words.len() == usize::from(kind.words()));
                }
            }
        }
    }
}
