//! Named values for people and home automations, derived from records alone.

use std::sync::Arc;

use jiff::civil;
use rust_decimal::Decimal;

use super::address::DeviceType;
use super::quantity::{Quantity, Unit};
use super::record::{Function, Record};
use super::value::Value;

/// The value of a named field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// The meter says that there is none.
    Null,
    /// A number in the unit of the field's name.
    Number(Decimal),
    /// A text.
    Text(String),
    /// A date.
    Date(civil::Date),
    /// A date and time of the meter's clock.
    Datetime {
        /// Local time.
        at: civil::DateTime,
        /// The meter resolves seconds.
        seconds: bool,
        /// The meter itself marks its clock as invalid.
        marked_invalid: bool,
    },
    /// A time of the day.
    Time(civil::Time),
}

impl FieldValue {
    /// The value of a record, in the record's unit.
    #[must_use]
    pub fn of(value: Value) -> Self {
        match value {
            Value::None | Value::Invalid(_) => Self::Null,
            Value::Number(number) => Self::Number(number),
            Value::Date(date) => Self::Date(date),
            Value::Datetime { at, seconds, .. } => Self::Datetime {
                at,
                seconds,
                marked_invalid: false,
            },
            Value::MarkedInvalid(at) => Self::Datetime {
                at,
                seconds: false,
                marked_invalid: true,
            },
            Value::Time(time) => Self::Time(time),
            Value::Text(text) => Self::Text(text),
            Value::Hex(octets) => Self::Text(octets.iter().map(|it| format!("{it:02x}")).collect()),
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

/// A name and its value. The name ends in the unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name, `quantity_unit`.
    pub name: Arc<str>,
    /// The value.
    pub value: FieldValue,
}

/// Fields of a meter that no driver is known for, in the order of its records. Records whose
/// meaning the standard does not give are left out.
#[must_use]
pub fn derived(records: &[Record<'_>]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::with_capacity(records.len());
    for record in records {
        let quantity = record.meaning.quantity;
        if matches!(
            quantity,
            Quantity::ManufacturerSpecific | Quantity::Reserved | Quantity::Any
        ) {
            continue;
        }
        let value = record.value();
        if value == Value::None {
            continue;
        }
        let base = name(record);
        let taken = |name: &str| fields.iter().any(|field| &*field.name == name);
        let mut unique = base.clone();
        let mut number = 2;
        while taken(&unique) {
            unique = format!("{base}_{number}");
            number += 1;
        }
        fields.push(Field {
            name: Arc::from(unique),
            value: FieldValue::of(value),
        });
    }
    fields
}

fn name(record: &Record<'_>) -> String {
    let mut name = String::with_capacity(32);
    match record.function {
        Function::Instantaneous => {}
        Function::Maximum => name.push_str("max_"),
        Function::Minimum => name.push_str("min_"),
        Function::Error => name.push_str("error_"),
    }
    name.push_str(match record.meaning.quantity {
        Quantity::Volume => "total",
        Quantity::Energy => "total_energy_consumption",
        Quantity::HeatCostAllocation => "current",
        Quantity::Datetime => "meter_datetime",
        Quantity::Date => "meter_date",
        other => other.name(),
    });
    for modifier in record.modifiers() {
        name.push('_');
        name.push_str(modifier.name());
    }
    for (word, number) in [
        ("storage", record.storage),
        ("tariff", u64::from(record.tariff)),
        ("subunit", u64::from(record.subunit)),
    ] {
        if number != 0 {
            name.push_str(&format!("_{word}_{number}"));
        }
    }
    let suffix = record.unit().map(suffix);
    if let Some(suffix) = suffix {
        name.push('_');
        name.push_str(suffix);
    }
    name
}

/// A unit as the end of a field's name.
#[must_use]
pub const fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::KilowattHour => "kwh",
        Unit::Megajoule => "mj",
        Unit::CubicMetre => "m3",
        Unit::Kilogram => "kg",
        Unit::Kilowatt => "kw",
        Unit::MegajoulePerHour => "mjh",
        Unit::CubicMetrePerHour => "m3h",
        Unit::KilogramPerHour => "kgh",
        Unit::Celsius => "c",
        Unit::Fahrenheit => "f",
        Unit::Kelvin => "k",
        Unit::Bar => "bar",
        Unit::Second => "s",
        Unit::Month => "month",
        Unit::Year => "y",
        Unit::Hca => "hca",
        Unit::Volt => "v",
        Unit::Ampere => "a",
        Unit::Hertz => "hz",
        Unit::KilovarHour => "kvarh",
        Unit::Kilovar => "kvar",
        Unit::KilovoltAmpere => "kva",
        Unit::KilovoltAmpereHour => "kvah",
        Unit::Percent => "pct",
        Unit::DecibelMilliwatt => "dbm",
        Unit::Degree => "deg",
    }
}

/// The record that is the meter's main index: of the present, of the quantity that its medium is
/// billed by, best without tariff, subunit and change of meaning.
#[must_use]
pub fn headline(records: &[Record<'_>], device_type: DeviceType) -> Option<usize> {
    let order: &[Quantity] = match device_type.0 {
        0x02 => &[Quantity::Energy],
        0x08 => &[Quantity::HeatCostAllocation, Quantity::Energy],
        _ if device_type.is_heat() => &[Quantity::Energy, Quantity::Volume],
        _ => &[
            Quantity::Volume,
            Quantity::Energy,
            Quantity::HeatCostAllocation,
        ],
    };
    order.iter().find_map(|quantity| {
        let mut fitting = records.iter().enumerate().filter(|(_, record)| {
            record.meaning.quantity == *quantity
                && record.function == Function::Instantaneous
                && record.storage == 0
                && record.unit().is_some()
                && record.value().number().is_some()
        });
        let first = fitting.next()?;
        let plain = |(_, record): &(usize, &Record<'_>)| {
            record.tariff == 0 && record.subunit == 0 && record.is_unmodified()
        };
        if plain(&first) {
            return Some(first.0);
        }
        Some(fitting.find(plain).unwrap_or(first).0)
    })
}
