//! Register maps: what a model has where, read from TOML.

use std::sync::LazyLock;

use serde::Deserialize;

use super::kind::{Kind, WordOrder};
use super::plan::Function;
use crate::iec62056_21::quantity;
use crate::model::{ObisCode, Unit};

/// Most registers of a map.
const MAX_REGISTERS: usize = 256;

/// What a model of meter has in which registers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterMap {
    /// Maker and model.
    pub name: String,
    /// The maker's three letters, where there are any.
    pub manufacturer: Option<String>,
    /// Where the map comes from, and what to know about the model.
    #[serde(default)]
    pub source: String,
    /// How its registers are read, unless a register says otherwise.
    #[serde(default)]
    pub function: Function,
    /// In which order it sends the words of a number.
    #[serde(default)]
    pub word_order: WordOrder,
    /// Most registers it answers at once, 1 to 125 (specification, 6.3 and 6.4).
    #[serde(default = "sixty_four")]
    pub max_words: u16,
    /// Speed of its RS-485 port as delivered, in bits per second; eight bits, no parity.
    #[serde(default = "baud_9600")]
    pub baud: u32,
    /// Where its serial number is.
    pub serial: Option<SerialNumber>,
    /// Its registers.
    #[serde(rename = "register", default)]
    pub registers: Vec<Point>,
    /// Answers of the meter and what they mean; read by the tests only.
    #[serde(default)]
    test: Option<toml::Table>,
}

/// Where a serial number is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialNumber {
    /// How it is read.
    pub function: Function,
    /// Its first register.
    pub address: u16,
    /// An integer; `None` for two characters in each register.
    pub kind: Option<Kind>,
    /// Registers of a text, 1 to 32.
    #[serde(default)]
    pub length: u16,
}

impl SerialNumber {
    /// How many registers it takes.
    pub(super) fn words(&self) -> u16 {
        self.kind.map_or(self.length, Kind::words)
    }
}

/// A number and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The register of the model.
    pub obis: ObisCode,
    /// Where it begins, counted from 0 as on the wire: register 30001 is 0.
    pub address: u16,
    /// How it is written.
    pub kind: Kind,
    /// Its unit as sent, such as `kWh`; `1` for a ratio.
    pub unit: String,
    /// The power of ten it is sent with: -1 when 2302 means 230.2.
    #[serde(default)]
    pub scale: i8,
    /// Decimals of its resolution, to which a float is rounded; 0 to 9.
    #[serde(default)]
    pub decimals: u8,
    /// How it is read, where that differs from the map's.
    pub function: Option<Function>,
}

impl Point {
    /// The model's unit and the power of ten to it.
    pub(super) fn unit(&self) -> Option<(Unit, i8)> {
        if self.unit == "1" {
            return Some((Unit::Unitless, 0));
        }
        let (one, unit) = quantity("1", &self.unit)?;
        let zeros = one.to_string().len().checked_sub(1)?;
        Some((unit, i8::try_from(zeros).ok()?))
    }
}

/// Why a text is no register map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// It has not the form.
    #[error("{0}")]
    Form(String),
    /// It has the form and breaks a rule.
    #[error("{place}: {rule}")]
    Rule {
        /// The register's OBIS code, or the key.
        place: String,
        /// The rule.
        rule: &'static str,
    },
}

const fn sixty_four() -> u16 {
    64
}

const fn baud_9600() -> u32 {
    9600
}

/// The maps that come with the program, by the name that configurations use.
const FILES: [(&str, &str); 5] = [
    ("sdm630", include_str!("../profile/modbus/sdm630.toml")),
    ("sdm120", include_str!("../profile/modbus/sdm120.toml")),
    ("sdm72", include_str!("../profile/modbus/sdm72.toml")),
    ("sdm72v2", include_str!("../profile/modbus/sdm72v2.toml")),
    ("em24", include_str!("../profile/modbus/em24.toml")),
];

#[expect(
    clippy::expect_used,
    reason = "the maps are part of the program and read by its tests"
)]
static MAPS: LazyLock<Vec<(&str, RegisterMap)>> = LazyLock::new(|| {
    let read = |(name, text): &(&'static str, &str)| {
        let map = RegisterMap::from_toml(text).expect("profile/modbus/*.toml are read by a test");
        (*name, map)
    };
    FILES.iter().map(read).collect()
});

impl RegisterMap {
    /// The map of a model that comes with the program.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        let found = MAPS.iter().find(|(own, _)| *own == name);
        found.map(|(_, map)| map)
    }

    /// Names of the maps that come with the program.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(name, _)| *name)
    }

    /// Reads a map.
    ///
    /// # Errors
    /// [`MapError`] says where the text breaks which rule.
    pub fn from_toml(text: &str) -> Result<Self, MapError> {
        let map: Self = toml::from_str(text).map_err(|error| MapError::Form(error.to_string()))?;
        map.check()?;
        Ok(map)
    }

    /// Whether the map can be used, beyond its form.
    ///
    /// # Errors
    /// [`MapError::Rule`] says where it breaks which rule.
    pub fn check(&self) -> Result<(), MapError> {
        let broken = |place: &str, rule| {
            Err(MapError::Rule {
                place: place.to_owned(),
                rule,
            })
        };
        if !(1..=125).contains(&self.max_words) {
            return broken("max_words", "a meter answers 1 to 125 registers at once");
        }
        if !(300..=921_600).contains(&self.baud) {
            return broken("baud", "a speed is within 300 and 921600");
        }
        if self.registers.is_empty() || self.registers.len() > MAX_REGISTERS {
            return broken("register", "a map has 1 to 256 registers");
        }
        if let Some(serial) = &self.serial
            && !(1..=32).contains(&serial.words())
        {
            return broken("serial", "it has a kind, or a length of 1 to 32 registers");
        }
        for (index, point) in self.registers.iter().enumerate() {
            let place = point.obis.to_string();
            let twice = self.registers.iter().take(index);
            if twice.into_iter().any(|other| other.obis == point.obis) {
                return broken(&place, "stands twice in the map");
            }
            if point.unit().is_none() {
                return broken(
                    &place,
                    "the unit is not known; there are kWh, Wh, kW, W, V, A, Hz, … and 1",
                );
            }
            if point.decimals > 9 || !(-9..=9).contains(&point.scale) {
                return broken(&place, "decimals are 0 to 9, scale is -9 to 9");
            }
            if point.kind.words() > self.max_words {
                return broken(&place, "takes more registers than max_words");
            }
            if point.address.checked_add(point.kind.words() - 1).is_none() {
                return broken(&place, "goes beyond register 65535");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Request};
    use super::*;

    /// `[[test.answer]]` and `[test.values]` of a map.
    #[derive(Deserialize)]
    struct Told {
        serial: Option<String>,
        answer: Vec<ToldAnswer>,
        values: std::collections::BTreeMap<String, String>,
    }

    #[derive(Deserialize)]
    struct ToldAnswer {
        function: Function,
        address: u16,
        words: String,
    }

    /// Each map has answers with every register of it, whose meaning was computed by another
    /// program (Python's `struct` and `decimal`).
    #[test]
    fn every_map_reads_its_test_telegram() {
        for name in RegisterMap::names() {
            let map = RegisterMap::named(name).unwrap();
            let told: Told = map.test.clone().unwrap().try_into().unwrap();
            let answers: Vec<Answer> = told
                .answer
                .iter()
                .map(|answer| {
                    let words: Vec<u16> = answer
                        .words
                        .split_whitespace()
                        .map(|word| u16::from_str_radix(word, 16).unwrap())
                        .collect();
                    let request = Request {
                        function: answer.function,
                        address: answer.address,
                        count: u16::try_from(words.len()).unwrap(),
                    };
                    Answer { request, words }
                })
                .collect();
            let asked: Vec<Request> = map.requests();
            for request in &asked {
                assert!(
                    answers.iter().any(|answer| answer.request == *request),
                    "{name}: {request:?}"
                );
            }
            let serial = answers.iter().find_map(|answer| map.serial_number(answer));
            assert_eq!(serial.map(|id| id.to_string()), told.serial, "{name}");
            let telegram = map.telegram(&answers, None);
            let got: std::collections::BTreeMap<String, String> = telegram
                .values
                .iter()
                .map(|value| {
                    let number = value.value.number().unwrap();
                    (
                        value.register.to_string(),
                        format!("{number} {}", value.unit.unwrap())
                            .trim()
                            .to_owned(),
                    )
                })
                .collect();
            assert_eq!(got, told.values, "{name}");
            assert_eq!(got.len(), map.registers.len(), "{name}");
        }
    }

    #[test]
    fn broken_maps_are_told() {
        let register = |more: &str| {
            format!(
                "name = \"x\"\n[[register]]\nobis = \"1-0:1.8.0\"\naddress = 1\nkind = \"f32\"\nunit = \"kWh\"\n{more}"
            )
        };
        assert!(RegisterMap::from_toml(&register("")).is_ok());
        for (more, told) in [
            ("decimals = 10", "decimals are 0 to 9"),
            ("scale = -10", "scale is -9 to 9"),
            ("word = 1", "unknown field"),
            (
                "[[register]]\nobis = \"1.8.0\"\naddress = 9\nkind = \"u16\"\nunit = \"Wh\"",
                "stands twice",
            ),
            (
                "[[register]]\nobis = \"2.8.0\"\naddress = 65535\nkind = \"u32\"\nunit = \"Wh\"",
                "beyond register",
            ),
            (
                "[[register]]\nobis = \"2.8.0\"\naddress = 5\nkind = \"u32\"\nunit = \"furlong\"",
                "unit is not known",
            ),
            (
                "[serial]\nfunction = \"input\"\naddress = 0",
                "a kind, or a length",
            ),
        ] {
            let error = RegisterMap::from_toml(&register(more))
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(RegisterMap::from_toml("name = \"x\"").is_err());
    }
}
