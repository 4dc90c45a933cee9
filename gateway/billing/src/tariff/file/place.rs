//! What is wrong with a tariff file, and where.

use std::path::Path;

use super::super::TariffError;
use super::super::table::Name;
use crate::toml_file::{fault_at, nearest};

/// The file's text and name, for messages.
pub(super) struct File<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

impl File<'_> {
    /// A fault at a named place.
    pub(super) fn at<T>(&self, place: &toml::Spanned<T>, message: String) -> TariffError {
        TariffError::File(fault_at(
            self.text,
            &self.path.display().to_string(),
            place.span().start,
            message,
        ))
    }

    /// A fault without one place.
    pub(super) fn whole(&self, message: impl Into<String>) -> TariffError {
        TariffError::Values {
            path: self.path.to_path_buf(),
            message: message.into(),
        }
    }

    pub(super) fn unknown(&self, name: &Name, what: &str, known: &[&str]) -> TariffError {
        let written = name.get_ref();
        let hint = match nearest(written, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => "there is none".to_owned(),
            None => format!("there are {}", known.join(", ")),
        };
        self.at(name, format!("there is no {what} {written:?}: {hint}"))
    }
}
