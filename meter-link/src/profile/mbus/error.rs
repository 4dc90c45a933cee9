//! Why a driver is not used.

use super::expression::FormulaError;

/// A rule that a driver file breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// It is no TOML, or has keys that are not known.
    #[error("{0}")]
    Form(String),
    /// It is written for another version.
    #[error("it has schema {0}, this program reads schema {SCHEMA}", SCHEMA = super::file::SCHEMA)]
    Schema(u32),
    /// A value is not what it must be.
    #[error("{0:?} is not {1}")]
    Value(String, &'static str),
    /// A formula cannot be read.
    #[error(transparent)]
    Formula(#[from] FormulaError),
    /// A formula or field names something that is not there.
    #[error(
        "field {field:?} refers to {name:?}, which is neither a field above it nor a value of a layout"
    )]
    UnknownName {
        /// The field.
        field: String,
        /// The name.
        name: String,
    },
    /// Two fields have the same name, or two tags the same number.
    #[error("{0:?} is there twice")]
    Twice(String),
    /// A field has no source or more than one.
    #[error("field {0:?} must have one of select, from and calc, or be a status")]
    Source(String),
    /// One of its own tests fails.
    #[error("its test {number} fails: {reason}")]
    Test {
        /// The test, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
}
