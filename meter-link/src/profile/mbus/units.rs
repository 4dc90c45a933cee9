//! The unit at the end of a field's name, and records' values in it.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::mbus::Unit;

/// What a field's name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A number in the unit of this suffix.
    Number(Suffix),
    /// A date.
    Date,
    /// A date and time.
    Datetime,
    /// A text.
    Text,
}

/// A unit as the end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suffix {
    /// The last word of the name.
    pub(super) word: &'static str,
    unit: Option<Unit>,
    /// One of the unit is so many of the suffix: numerator and denominator.
    ratio: (u64, u64),
}

const fn suffix(word: &'static str, unit: Unit, ratio: (u64, u64)) -> Suffix {
    Suffix {
        word,
        unit: Some(unit),
        ratio,
    }
}

const fn bare(word: &'static str) -> Suffix {
    Suffix {
        word,
        unit: None,
        ratio: (1, 1),
    }
}

/// A mean Gregorian year is 365.2425 days.
static SUFFIXES: &[Suffix] = &[
    suffix("m3", Unit::CubicMetre, (1, 1)),
    suffix("l", Unit::CubicMetre, (1000, 1)),
    suffix("m3h", Unit::CubicMetrePerHour, (1, 1)),
    suffix("lh", Unit::CubicMetrePerHour, (1000, 1)),
    suffix("kwh", Unit::KilowattHour, (1, 1)),
    suffix("mwh", Unit::KilowattHour, (1, 1000)),
    suffix("wh", Unit::KilowattHour, (1000, 1)),
    suffix("mj", Unit::Megajoule, (1, 1)),
    suffix("gj", Unit::Megajoule, (1, 1000)),
    suffix("kw", Unit::Kilowatt, (1, 1)),
    suffix("w", Unit::Kilowatt, (1000, 1)),
    suffix("mjh", Unit::MegajoulePerHour, (1, 1)),
    suffix("c", Unit::Celsius, (1, 1)),
    suffix("k", Unit::Kelvin, (1, 1)),
    suffix("f", Unit::Fahrenheit, (1, 1)),
    suffix("bar", Unit::Bar, (1, 1)),
    suffix("pa", Unit::Bar, (100_000, 1)),
    suffix("v", Unit::Volt, (1, 1)),
    suffix("a", Unit::Ampere, (1, 1)),
    suffix("hz", Unit::Hertz, (1, 1)),
    suffix("rh", Unit::Percent, (1, 1)),
    suffix("hca", Unit::Hca, (1, 1)),
    suffix("kvarh", Unit::KilovarHour, (1, 1)),
    suffix("kvar", Unit::Kilovar, (1, 1)),
    suffix("kva", Unit::KilovoltAmpere, (1, 1)),
    suffix("kvah", Unit::KilovoltAmpereHour, (1, 1)),
    suffix("kg", Unit::Kilogram, (1, 1)),
    suffix("kgh", Unit::KilogramPerHour, (1, 1)),
    suffix("dbm", Unit::DecibelMilliwatt, (1, 1)),
    suffix("deg", Unit::Degree, (1, 1)),
    suffix("s", Unit::Second, (1, 1)),
    suffix("min", Unit::Second, (1, 60)),
    suffix("h", Unit::Second, (1, 3600)),
    suffix("d", Unit::Second, (1, 86_400)),
    suffix("y", Unit::Second, (1, 31_556_952)),
    bare("month"),
    bare("m3c"),
    bare("counter"),
    bare("nr"),
    bare("pct"),
    bare("factor"),
    bare("ppm"),
    bare("number"),
];

/// The form of a field by its name; `None` when the name's last word is no unit.
pub(super) fn of_name(name: &str) -> Option<Form> {
    let word = name.rsplit('_').next()?;
    match word {
        "date" => return Some(Form::Date),
        "datetime" => return Some(Form::Datetime),
        _ => {}
    }
    let found = SUFFIXES.iter().find(|suffix| suffix.word == word)?;
    name.contains('_').then_some(Form::Number(*found))
}

impl Suffix {
    /// A value of the suffix in the unit that it is a part or a multiple of.
    pub(super) fn in_unit(self, value: Decimal) -> Option<(Decimal, Unit)> {
        let (numerator, denominator) = self.ratio;
        Some((ratio(value, denominator, numerator)?, self.unit?))
    }

    /// A record's value in the unit of the suffix. Quantities that meters code with another unit's
    /// VIF (reactive energy as energy) keep their number.
    pub(super) fn convert(self, value: Decimal, from: Option<Unit>) -> Option<Decimal> {
        let Some((to, from)) = self.unit.zip(from) else {
            return Some(value);
        };
        let (numerator, denominator) = self.ratio;
        let scaled = |value: Decimal| ratio(value, numerator, denominator);
        if to == from {
            return scaled(value);
        }
        match (from, to) {
            // 1 kWh = 3.6 MJ.
            (Unit::Megajoule, Unit::KilowattHour) | (Unit::MegajoulePerHour, Unit::Kilowatt) => {
                scaled(ratio(value, 5, 18)?)
            }
            (Unit::KilowattHour, Unit::Megajoule) | (Unit::Kilowatt, Unit::MegajoulePerHour) => {
                scaled(ratio(value, 18, 5)?)
            }
            (Unit::Celsius, Unit::Fahrenheit) => ratio(value, 9, 5)?.checked_add(Decimal::from(32)),
            (Unit::Fahrenheit, Unit::Celsius) => ratio(value.checked_sub(Decimal::from(32))?, 5, 9),
            _ => Some(value),
        }
    }
}

/// `value × numerator / denominator`, exact where it has an end.
pub(super) fn ratio(value: Decimal, numerator: u64, denominator: u64) -> Option<Decimal> {
    let product = match numerator {
        1 => value,
        _ => value.checked_mul(Decimal::from(numerator))?,
    };
    match denominator {
        1 => Some(product),
        _ => product.checked_div(Decimal::from(denominator)),
    }
}

/// Six decimals, half to even: what a conversion leaves (contract of field values).
pub(super) fn six_decimals(value: Decimal) -> Decimal {
    if value.scale() <= 6 {
        return value;
    }
    value.round_dp_with_strategy(6, RoundingStrategy::MidpointNearestEven)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        for (name, value, unit, want) in [
            ("a_kwh", "3083", Unit::Megajoule, "856.388889"),
            ("a_l", "1.5", Unit::CubicMetre, "1500"),
            ("a_h", "5400", Unit::Second, "1.5"),
            ("a_kvarh", "12", Unit::KilowattHour, "12"),
            ("a_c", "3.5", Unit::Kelvin, "3.5"),
            ("a_y", "15778476", Unit::Second, "0.5"),
        ] {
            let Some(Form::Number(suffix)) = of_name(name) else {
                panic!("{name} has no unit");
            };
            let value = suffix.convert(value.parse().unwrap(), Some(unit)).unwrap();
            assert_eq!(six_decimals(value).normalize().to_string(), want);
        }
        assert_eq!(of_name("status"), None);
        assert_eq!(of_name("a_date"), Some(Form::Date));
    }
}
