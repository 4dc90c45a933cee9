//! From a typed register to an entity of Home Assistant: key, name, class and unit follow from
//! the quantity, so that a meter nobody has seen before is discovered all the same.

use meter_link::model::{ObisCode, Unit};
use rust_decimal::Decimal;

/// What a register is to a home automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entity {
    /// Member of the state message; ends in the unit.
    pub(super) key: String,
    /// Name for people, without the meter's.
    pub(super) name: String,
    /// Home Assistant's device class, where one fits.
    pub(super) device_class: Option<&'static str>,
    /// `total_increasing` or `measurement`.
    pub(super) state_class: &'static str,
    /// Unit in Home Assistant's spelling.
    pub(super) unit: &'static str,
    /// Decimals worth showing.
    pub(super) precision: u8,
    /// Power of ten from the register's unit to this one.
    exponent: u32,
}

impl Entity {
    /// The register's value in the entity's unit, exactly.
    pub(super) fn value(&self, register: Decimal) -> Decimal {
        let mut value = register;
        // More than 28 decimals do not occur: registers have at most a few.
        if value.set_scale(register.scale() + self.exponent).is_err() {
            return register / Decimal::from(10u64.pow(self.exponent));
        }
        value
    }
}

/// The entity of a register; `None` for units that mean nothing to a home automation.
pub(super) fn entity(obis: ObisCode, unit: Unit) -> Option<Entity> {
    let shape = shape(obis, unit)?;
    let named = name(obis, unit);
    let (key, name) = match named {
        Some((key, name)) => (key, name),
        None => (format!("obis_{}", slug(obis)), format!("Register {obis}")),
    };
    let key = format!("{key}_{}", shape.suffix);
    let Shape {
        device_class,
        state_class,
        unit,
        precision,
        exponent,
        ..
    } = shape;
    Some(Entity {
        key,
        name,
        device_class,
        state_class,
        unit,
        precision,
        exponent,
    })
}

/// An OBIS code as part of an identifier: `1-0:1.8.0*255` is `1_0_1_8_0`.
pub(super) fn slug(obis: ObisCode) -> String {
    let ObisCode([a, b, c, d, e, f]) = obis;
    if f == 255 {
        format!("{a}_{b}_{c}_{d}_{e}")
    } else {
        format!("{a}_{b}_{c}_{d}_{e}_{f}")
    }
}

struct Shape {
    device_class: Option<&'static str>,
    state_class: &'static str,
    unit: &'static str,
    suffix: &'static str,
    precision: u8,
    exponent: u32,
}

fn shape(obis: ObisCode, unit: Unit) -> Option<Shape> {
    let cumulative = obis.is_cumulative();
    let measurement = |device_class, unit, suffix, precision| {
        Some(Shape {
            device_class,
            state_class: "measurement",
            unit,
            suffix,
            precision,
            exponent: 0,
        })
    };
    let total = |device_class, unit, suffix, exponent| {
        let state_class = if cumulative {
            "total_increasing"
        } else {
            "measurement"
        };
        let device_class = if cumulative { device_class } else { None };
        Some(Shape {
            device_class,
            state_class,
            unit,
            suffix,
            precision: 3,
            exponent,
        })
    };
    match unit {
        Unit::WattHour => total(Some("energy"), "kWh", "kwh", 3),
        // Home Assistant has no class for reactive and apparent energy that all versions know.
        Unit::VarHour => total(None, "kvarh", "kvarh", 3),
        Unit::VoltAmpereHour => total(None, "kVAh", "kvah", 3),
        Unit::CubicMetre | Unit::CorrectedCubicMetre => match obis.medium() {
            7 => total(Some("gas"), "m³", "m3", 0),
            8 | 9 => total(Some("water"), "m³", "m3", 0),
            _ => total(None, "m³", "m3", 0),
        },
        Unit::CubicMetrePerHour | Unit::CorrectedCubicMetrePerHour => {
            measurement(Some("volume_flow_rate"), "m³/h", "m3h", 3)
        }
        Unit::Watt => measurement(Some("power"), "W", "w", 0),
        Unit::VoltAmpere => measurement(Some("apparent_power"), "VA", "va", 0),
        Unit::Var => measurement(Some("reactive_power"), "var", "var", 0),
        Unit::Volt => measurement(Some("voltage"), "V", "v", 1),
        Unit::Ampere => measurement(Some("current"), "A", "a", 2),
        Unit::Hertz => measurement(Some("frequency"), "Hz", "hz", 2),
        Unit::DegreeCelsius => measurement(Some("temperature"), "°C", "c", 1),
        Unit::Degree => measurement(None, "°", "deg", 0),
        Unit::Percent => measurement(None, "%", "percent", 0),
        Unit::Unitless if is_ratio(obis) => measurement(Some("power_factor"), "", "ratio", 2),
        Unit::Unitless => Some(Shape {
            device_class: None,
            state_class: "total_increasing",
            unit: "",
            suffix: "count",
            precision: 0,
            exponent: 0,
        }),
        _ => None,
    }
}

/// Power factors: quantities 13, 33, 53 and 73.
const fn is_ratio(obis: ObisCode) -> bool {
    matches!(obis.0, [1, _, 13 | 33 | 53 | 73, 7, _, _])
}

/// Key and name of the quantities that have one; the rest go by their code.
fn name(obis: ObisCode, unit: Unit) -> Option<(String, String)> {
    let ObisCode([medium, channel, quantity, processing, tariff, period]) = obis;
    if period != 255 {
        return None;
    }
    match (medium, unit) {
        (7, Unit::CubicMetre | Unit::CorrectedCubicMetre) if quantity == 3 => {
            return Some(("gas".to_owned(), "Gas".to_owned()));
        }
        (8 | 9, Unit::CubicMetre) if quantity == 1 => {
            return Some(("water".to_owned(), "Water".to_owned()));
        }
        (0, Unit::Unitless) if (channel, quantity, processing) == (0, 96, 7) => {
            return match tariff {
                9 => Some((
                    "long_power_failures".to_owned(),
                    "Long power failures".to_owned(),
                )),
                21 => Some(("power_failures".to_owned(), "Power failures".to_owned())),
                _ => None,
            };
        }
        (1, _) if channel == 0 => {}
        _ => return None,
    }
    let (key, name) = match (quantity, processing) {
        (1, 8) => ("energy_import", "Import"),
        (2, 8) => ("energy_export", "Export"),
        (16, 7) => ("power", "Power"),
        (1, 7) => ("power_import", "Power import"),
        (2, 7) => ("power_export", "Power export"),
        (9, 7) => ("apparent_power", "Apparent power"),
        (14, 7) => ("frequency", "Frequency"),
        (3, 8) => ("reactive_energy_import", "Reactive energy import"),
        (4, 8) => ("reactive_energy_export", "Reactive energy export"),
        (3, 7) => ("reactive_power_import", "Reactive power import"),
        (4, 7) => ("reactive_power_export", "Reactive power export"),
        (11, 7) => ("current", "Current"),
        (12, 7) => ("voltage", "Voltage"),
        (31, 7) => ("current_l1", "Current L1"),
        (51, 7) => ("current_l2", "Current L2"),
        (71, 7) => ("current_l3", "Current L3"),
        (32, 7) => ("voltage_l1", "Voltage L1"),
        (52, 7) => ("voltage_l2", "Voltage L2"),
        (72, 7) => ("voltage_l3", "Voltage L3"),
        (36, 7) => ("power_l1", "Power L1"),
        (56, 7) => ("power_l2", "Power L2"),
        (76, 7) => ("power_l3", "Power L3"),
        (13, 7) => ("power_factor", "Power factor"),
        (33, 7) => ("power_factor_l1", "Power factor L1"),
        (53, 7) => ("power_factor_l2", "Power factor L2"),
        (73, 7) => ("power_factor_l3", "Power factor L3"),
        (32, 32) => ("voltage_sags_l1", "Voltage sags L1"),
        (52, 32) => ("voltage_sags_l2", "Voltage sags L2"),
        (72, 32) => ("voltage_sags_l3", "Voltage sags L3"),
        (32, 36) => ("voltage_swells_l1", "Voltage swells L1"),
        (52, 36) => ("voltage_swells_l2", "Voltage swells L2"),
        (72, 36) => ("voltage_swells_l3", "Voltage swells L3"),
        _ => return None,
    };
    match tariff {
        0 => Some((key.to_owned(), name.to_owned())),
        tariff if processing == 8 => Some((
            format!("{key}_tariff_{tariff}"),
            format!("{name} tariff {tariff}"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(obis: &str, unit: Unit) -> Entity {
        entity(obis.parse().unwrap(), unit).unwrap()
    }

    #[test]
    fn energy_is_kwh_and_exact() {
        let import = of("1-0:1.8.0", Unit::WattHour);
        assert_eq!(
            (import.key.as_str(), import.device_class),
            ("energy_import_kwh", Some("energy"))
        );
        assert_eq!(import.state_class, "total_increasing");
        assert_eq!(
            import.value("5430157.7".parse().unwrap()).to_string(),
            "5430.1577"
        );
        assert_eq!(
            of("1-0:2.8.2", Unit::WattHour).key,
            "energy_export_tariff_2_kwh"
        );
    }

    #[test]
    fn reactive_energy_has_no_class() {
        assert_eq!(of("1-0:3.8.0", Unit::VarHour).device_class, None);
    }

    #[test]
    fn cubic_metres_are_spelled_as_home_assistant_wants() {
        let gas = of("7-0:3.0.0", Unit::CubicMetre);
        assert_eq!((gas.device_class, gas.unit), (Some("gas"), "m³"));
    }

    #[test]
    fn an_unknown_quantity_still_gets_an_entity_with_its_code() {
        let angle = of("1-0:81.7.1", Unit::Degree);
        assert_eq!(
            (angle.key.as_str(), angle.name.as_str()),
            ("obis_1_0_81_7_1_deg", "Register 1-0:81.7.1*255")
        );
    }

    #[test]
    fn keys_of_different_registers_differ() {
        let mut seen = std::collections::HashMap::new();
        for quantity in 0..=255u8 {
            for processing in [7, 8] {
                for tariff in 0..=3 {
                    for unit in [Unit::Watt, Unit::WattHour, Unit::Volt] {
                        let obis = ObisCode([1, 0, quantity, processing, tariff, 255]);
                        let Some(entity) = entity(obis, unit) else {
                            continue;
                        };
                        if let Some(other) = seen.insert(entity.key.clone(), (obis, unit)) {
                            panic!("{} stands for {other:?} and {:?}", entity.key, (obis, unit));
                        }
                    }
                }
            }
        }
    }
}
