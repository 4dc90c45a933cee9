//! Labels whose value is a number, and the registers they are, from the standard's tables of labels.

use crate::model::{ObisCode, Unit};

/// A label whose value is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// As the meter sends it.
    pub name: &'static str,
    /// The register it is.
    pub register: ObisCode,
    /// The unit of its value.
    pub unit: Unit,
}

/// The register behind a label; `None` for texts and for numbers that are no register.
///
/// ```
/// use meter_link::tic::label;
/// let power = label("SINSTS").map(|label| (label.register.to_string(), label.unit.to_string()));
/// assert_eq!(power, Some(("1-0:9.7.0*255".to_owned(), "VA".to_owned())));
/// assert_eq!(label("LTARF"), None);
/// ```
#[must_use]
pub fn label(name: &str) -> Option<&'static Label> {
    LABELS.iter().find(|label| label.name == name)
}

const fn entry(name: &'static str, [c, d, e]: [u8; 3], unit: Unit) -> Label {
    Label {
        name,
        register: ObisCode([1, 0, c, d, e, 255]),
        unit,
    }
}

const LABELS: &[Label] = &[
    // Standard mode.
    entry("EAST", [1, 8, 0], Unit::WattHour),
    entry("EASF01", [1, 8, 1], Unit::WattHour),
    entry("EASF02", [1, 8, 2], Unit::WattHour),
    entry("EASF03", [1, 8, 3], Unit::WattHour),
    entry("EASF04", [1, 8, 4], Unit::WattHour),
    entry("EASF05", [1, 8, 5], Unit::WattHour),
    entry("EASF06", [1, 8, 6], Unit::WattHour),
    entry("EASF07", [1, 8, 7], Unit::WattHour),
    entry("EASF08", [1, 8, 8], Unit::WattHour),
    entry("EASF09", [1, 8, 9], Unit::WattHour),
    entry("EASF10", [1, 8, 10], Unit::WattHour),
    entry("EAIT", [2, 8, 0], Unit::WattHour),
    entry("ERQ1", [5, 8, 0], Unit::VarHour),
    entry("ERQ2", [6, 8, 0], Unit::VarHour),
    entry("ERQ3", [7, 8, 0], Unit::VarHour),
    entry("ERQ4", [8, 8, 0], Unit::VarHour),
    entry("IRMS1", [31, 7, 0], Unit::Ampere),
    entry("IRMS2", [51, 7, 0], Unit::Ampere),
    entry("IRMS3", [71, 7, 0], Unit::Ampere),
    entry("URMS1", [32, 7, 0], Unit::Volt),
    entry("URMS2", [52, 7, 0], Unit::Volt),
    entry("URMS3", [72, 7, 0], Unit::Volt),
    entry("SINSTS", [9, 7, 0], Unit::VoltAmpere),
    entry("SINSTS1", [29, 7, 0], Unit::VoltAmpere),
    entry("SINSTS2", [49, 7, 0], Unit::VoltAmpere),
    entry("SINSTS3", [69, 7, 0], Unit::VoltAmpere),
    entry("SINSTI", [10, 7, 0], Unit::VoltAmpere),
    // Historic mode: one tariff, off-peak, critical days, Tempo.
    entry("BASE", [1, 8, 0], Unit::WattHour),
    entry("HCHC", [1, 8, 1], Unit::WattHour),
    entry("HCHP", [1, 8, 2], Unit::WattHour),
    entry("EJPHN", [1, 8, 1], Unit::WattHour),
    entry("EJPHPM", [1, 8, 2], Unit::WattHour),
    entry("BBRHCJB", [1, 8, 1], Unit::WattHour),
    entry("BBRHPJB", [1, 8, 2], Unit::WattHour),
    entry("BBRHCJW", [1, 8, 3], Unit::WattHour),
    entry("BBRHPJW", [1, 8, 4], Unit::WattHour),
    entry("BBRHCJR", [1, 8, 5], Unit::WattHour),
    entry("BBRHPJR", [1, 8, 6], Unit::WattHour),
    entry("IINST", [11, 7, 0], Unit::Ampere),
    entry("IINST1", [31, 7, 0], Unit::Ampere),
    entry("IINST2", [51, 7, 0], Unit::Ampere),
    entry("IINST3", [71, 7, 0], Unit::Ampere),
    entry("PAPP", [9, 7, 0], Unit::VoltAmpere),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_stands_twice() {
        for (index, one) in LABELS.iter().enumerate() {
            let first = LABELS.iter().position(|other| other.name == one.name);
            assert_eq!(first, Some(index), "{}", one.name);
        }
    }
}
