//! Documents in which others exchange readings.

pub mod ar2418;
pub mod csv;
pub mod green_button;
pub mod history;
pub mod influx;

use crate::xml::XmlError;

/// Why a document is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is no XML that is read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// It is no document of this kind.
    #[error("the root element is {found}, not {expected}")]
    Root {
        /// What is there.
        found: String,
        /// What should be.
        expected: &'static str,
    },
    /// A value is not what its place asks for.
    #[error("line {line}: {element}: {text:?} is not {expected}")]
    Value {
        /// The line, from 1.
        line: usize,
        /// Where.
        element: String,
        /// What is there.
        text: String,
        /// What should be.
        expected: &'static str,
    },
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] crate::csv::CsvError),
}

/// Why readings cannot be written in a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The number does not fit where the form has it.
    #[error("{register} at {time}: {number} does not fit in {limit} of {form}")]
    TooLarge {
        /// The series.
        register: String,
        /// The reading.
        time: String,
        /// The number.
        number: i64,
        /// The form's type.
        limit: &'static str,
        /// The form.
        form: &'static str,
    },
}

/// Unit symbols of IEC 61968 as ESPI numbers them, and their symbols.
const UNITS: [(u16, &str); 9] = [
    (72, "Wh"),
    (71, "VAh"),
    (73, "varh"),
    (38, "W"),
    (61, "VA"),
    (63, "var"),
    (42, "m3"),
    (119, "ft3"),
    (31, "J"),
];

/// The unit of an ESPI number; one that is not known keeps its number.
fn unit_of(number: u16) -> String {
    let known = UNITS.iter().find(|(code, _)| *code == number);
    known.map_or_else(|| format!("uom:{number}"), |(_, unit)| (*unit).to_owned())
}

/// The ESPI number of a unit; 0 is "not applicable".
fn number_of(unit: &str) -> u16 {
    let known = UNITS.iter().find(|(_, name)| *name == unit);
    let kept = || {
        unit.strip_prefix("uom:")
            .and_then(|number| number.parse().ok())
    };
    known.map(|(code, _)| *code).or_else(kept).unwrap_or(0)
}

/// ESPI's service categories: electricity, gas, water.
fn service_of(unit: &str, obis: Option<&str>) -> u8 {
    match (obis.and_then(|obis| obis.split('-').next()), unit) {
        (Some("7"), _) => 1,
        (Some("8" | "9"), _) => 2,
        (None, "m3" | "ft3") => 1,
        _ => 0,
    }
}
