//! Records as registers of the typed model: OBIS codes, units of COSEM and exact values.
//!
//! The codes are those of OMS Specification Volume 2, annex A, for what homes are billed by:
//! the present volume or energy and what belongs to it. Everything else keeps its name as a
//! [`Field`](super::Field).

use rust_decimal::Decimal;

use super::address::{DeviceAddress, DeviceType};
use super::modifier::Modifier;
use super::quantity::{Quantity, Unit};
use super::record::{Function, Record};
use crate::model::{self, Medium, MeterId, ObisCode, RegisterValue};

/// What a device measures; `None` for those that meter nothing a home is billed by.
#[must_use]
pub const fn medium(device_type: DeviceType) -> Option<Medium> {
    match device_type.0 {
        0x02 => Some(Medium::Electricity),
        0x03 => Some(Medium::Gas),
        0x06 | 0x07 | 0x15..=0x17 => Some(Medium::Water),
        0x04 | 0x08 | 0x0A..=0x0D => Some(Medium::Heat),
        _ => None,
    }
}

/// The identity of a meter as DIN 43863-5 writes it: medium, maker, version, number
/// (`7ELS3312345678`).
#[must_use]
pub fn serial(meter: DeviceAddress) -> Option<MeterId> {
    let medium = match group(meter.device_type) {
        Some(group) => char::from_digit(group.into(), 16)?,
        None => 'E',
    };
    MeterId::new(&format!(
        "{medium}{}{:02X}{}",
        meter.manufacturer,
        meter.version,
        meter.identification.to_string().to_uppercase()
    ))
}

/// Value group A of a device type (IEC 62056-6-1, table 1).
const fn group(device_type: DeviceType) -> Option<u8> {
    match device_type.0 {
        0x02 => Some(1),
        0x08 => Some(4),
        0x0A | 0x0B => Some(5),
        0x04 | 0x0C | 0x0D => Some(6),
        0x03 => Some(7),
        0x07 | 0x16 | 0x17 => Some(8),
        0x06 | 0x15 => Some(9),
        _ => None,
    }
}

/// The registers among records. Only present values are, and of several for the same register
/// the first.
#[must_use]
pub fn registers(records: &[Record<'_>], device_type: DeviceType) -> Vec<RegisterValue> {
    let mut found: Vec<RegisterValue> = Vec::new();
    for record in records {
        if record.function != Function::Instantaneous || record.storage != 0 {
            continue;
        }
        let direction = match record.modifiers().collect::<Vec<_>>().as_slice() {
            [] | [Modifier::Forward | Modifier::BaseConditions] => Direction::Forward,
            [Modifier::Backward] => Direction::Backward,
            _ => continue,
        };
        let (Some(unit), Some(number)) = (record.unit(), record.value().number()) else {
            continue;
        };
        let (Ok(subunit), Ok(tariff)) = (u8::try_from(record.subunit), u8::try_from(record.tariff))
        else {
            continue;
        };
        let quantity = record.meaning.quantity;
        let Some((register, value)) = register(
            device_type,
            quantity,
            unit,
            number,
            direction,
            (subunit, tariff),
        ) else {
            continue;
        };
        if found.iter().all(|other| other.register != register) {
            let (value, unit) = value;
            found.push(RegisterValue {
                register,
                value: model::Value::Number(value),
                unit: Some(unit),
                status: None,
                captured_at: None,
                quirk: None,
            });
        }
    }
    found
}

/// The register of a meter's main index, when all that is known of it is what it measures.
#[must_use]
pub fn index(
    device_type: DeviceType,
    quantity: Quantity,
    unit: Unit,
    number: Decimal,
) -> Option<RegisterValue> {
    let (register, (value, unit)) = register(
        device_type,
        quantity,
        unit,
        number,
        Direction::Forward,
        (0, 0),
    )?;
    Some(RegisterValue {
        register,
        value: model::Value::Number(value),
        unit: Some(unit),
        status: None,
        captured_at: None,
        quirk: None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

fn register(
    device_type: DeviceType,
    quantity: Quantity,
    unit: Unit,
    number: Decimal,
    direction: Direction,
    (subunit, tariff): (u8, u8),
) -> Option<(ObisCode, (Decimal, model::Unit))> {
    let medium = group(device_type)?;
    let forward = direction == Direction::Forward;
    // Value groups C and D.
    let (c, d) = match (medium, quantity) {
        (1, Quantity::Energy) => (if forward { 1 } else { 2 }, 8),
        (1, Quantity::Power) => (if forward { 1 } else { 2 }, 7),
        _ if !forward => return None,
        (7, Quantity::Volume) => (3, 0),
        (5 | 6, Quantity::Energy) | (8 | 9, Quantity::Volume) => (1, 0),
        (5 | 6, Quantity::Volume) | (8 | 9, Quantity::VolumeFlow) => (2, 0),
        (5 | 6, Quantity::Power) => (8, 0),
        (5 | 6, Quantity::VolumeFlow) => (9, 0),
        (5 | 6, Quantity::FlowTemperature) => (10, 0),
        (5 | 6, Quantity::ReturnTemperature) => (11, 0),
        (5 | 6, Quantity::TemperatureDifference) => (12, 0),
        _ => return None,
    };
    let (exponent, unit) = match unit {
        Unit::KilowattHour => (3, model::Unit::WattHour),
        Unit::Megajoule => (6, model::Unit::Joule),
        Unit::Kilowatt => (3, model::Unit::Watt),
        Unit::MegajoulePerHour => (6, model::Unit::JoulePerHour),
        Unit::CubicMetre => (0, model::Unit::CubicMetre),
        Unit::CubicMetrePerHour => (0, model::Unit::CubicMetrePerHour),
        Unit::Celsius => (0, model::Unit::DegreeCelsius),
        Unit::Kelvin => (0, model::Unit::Kelvin),
        _ => return None,
    };
    let code = ObisCode([medium, subunit, c, d, tariff, 255]);
    Some((code, (shifted(number, exponent)?, unit)))
}

/// A number times a power of ten, exactly.
fn shifted(number: Decimal, exponent: u32) -> Option<Decimal> {
    let mut shifted = number;
    if let Some(scale) = number.scale().checked_sub(exponent) {
        shifted.set_scale(scale).ok()?;
        return Some(shifted);
    }
    shifted.set_scale(0).ok()?;
    let missing = exponent - number.scale();
    shifted.checked_mul(Decimal::from(10u64.checked_pow(missing)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mbus::{Identification, Manufacturer, Records};

    fn of(payload: &[u8], device_type: u8) -> Vec<(String, String)> {
        let records: Vec<_> = Records::new(payload).map(Result::unwrap).collect();
        registers(&records, DeviceType(device_type))
            .into_iter()
            .map(|value| {
                let number = value.value.number().unwrap();
                (
                    value.register.to_string(),
                    format!("{number} {}", value.unit.unwrap()),
                )
            })
            .collect()
    }

    fn pair(obis: &str, value: &str) -> (String, String) {
        (obis.to_owned(), value.to_owned())
    }

    #[test]
    fn volumes_and_energies() {
        // 123.529 m³, and the same of the last month, which is no present value.
        let water = [
            0x04, 0x13, 0x89, 0xE2, 0x01, 0x00, 0x44, 0x13, 0x01, 0x00, 0x00, 0x00,
        ];
        assert_eq!(of(&water, 0x07), [pair("8-0:1.0.0*255", "123.529 m3")]);
        assert_eq!(of(&water, 0x06), [pair("9-0:1.0.0*255", "123.529 m3")]);
        assert_eq!(of(&water, 0x03), [pair("7-0:3.0.0*255", "123.529 m3")]);
        // 2850427 Wh; 12 kWh; 3 MJ; 250 W.
        let energy = [0x0E, 0x03, 0x27, 0x04, 0x85, 0x02, 0x00, 0x00];
        assert_eq!(of(&energy, 0x02), [pair("1-0:1.8.0*255", "2850427 Wh")]);
        let heat = [0x01, 0x06, 12, 0x01, 0x0E, 3, 0x02, 0x2B, 0xFA, 0x00];
        assert_eq!(
            of(&heat, 0x04),
            [
                pair("6-0:1.0.0*255", "12000 Wh"),
                pair("6-0:8.0.0*255", "250 W")
            ]
        );
        assert_eq!(of(&heat, 0x0F), []);
    }

    #[test]
    fn an_identity() {
        let meter = DeviceAddress {
            manufacturer: Manufacturer::from_letters("ELS").unwrap(),
            identification: Identification::from_digits("12345678").unwrap(),
            version: 0x33,
            device_type: DeviceType(3),
        };
        assert_eq!(serial(meter).unwrap().as_str(), "7ELS3312345678");
    }
}
