//! Reading a TOML file so that its faults are named: file, line, rule, and for a mistyped key the
//! nearest right one.

use std::path::{Path, PathBuf};

use jiff::civil::Weekday;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It breaks the form: bad TOML, an unknown key, a value of the wrong kind.
    #[error("{name}:{line}: {message}")]
    Form {
        /// The file, or what else the text came from.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What and how to mend it.
        message: String,
    },
}

/// The file's text.
///
/// # Errors
/// It cannot be read, or is no UTF-8.
pub fn read(path: &Path) -> Result<String, FileError> {
    std::fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// The text as a `T`; `name` says in an error where the text came from.
///
/// # Errors
/// [`FileError::Form`] with the line.
pub fn parse<T: DeserializeOwned>(text: &str, name: &str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        fault_at(text, name, start, with_nearest(error.message()))
    })
}

/// A fault found in well-formed text at an offset in bytes.
#[must_use]
pub fn fault_at(text: &str, name: &str, start: usize, message: String) -> FileError {
    let line_ends = text.bytes().take(start).filter(|&byte| byte == b'\n');
    FileError::Form {
        name: name.to_owned(),
        line: 1 + line_ends.count(),
        message,
    }
}

/// serde says ``unknown field `prot`, expected one of `port`, `baud` ``: names the nearest.
fn with_nearest(message: &str) -> String {
    let (what, rest) = if let Some(rest) = message.strip_prefix("unknown field `") {
        ("key", rest)
    } else if let Some(rest) = message.strip_prefix("unknown variant `") {
        ("value", rest)
    } else {
        return message.to_owned();
    };
    let mut quoted = rest.split('`');
    let word = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.skip(1).step_by(2).collect();
    match nearest(word, &known) {
        Some(name) => format!("unknown {what} {word:?}: did you mean {name:?}?"),
        None => format!(
            "unknown {what} {word:?}: known here are {}",
            known.join(", ")
        ),
    }
}

/// The one of `known` that is most like `word`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |name: &&'a str| {
        let distance = edits(word, name);
        (distance <= 1 + name.len() / 3).then_some((distance, *name))
    };
    known
        .iter()
        .filter_map(close)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance: the fewest insertions, deletions and replacements of one character.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (&above, &b) in row.iter().skip(1).zip(&to) {
            left = (diagonal + usize::from(a != b))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
            diagonal = above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// A day of the week as files write it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Day> for Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Monday,
            Day::Tue => Self::Tuesday,
            Day::Wed => Self::Wednesday,
            Day::Thu => Self::Thursday,
            Day::Fri => Self::Friday,
            Day::Sat => Self::Saturday,
            Day::Sun => Self::Sunday,
        }
    }
}

/// Days of the week as files write them: `["sat", "sun"]`.
pub(crate) fn days<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Weekday>, D::Error> {
    let days = Vec::<Day>::deserialize(from)?;
    Ok(days.into_iter().map(Weekday::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }

    #[test]
    fn nearest_or_none() {
        assert_eq!(nearest("prot", &["port", "baud", "protocol"]), Some("port"));
        assert_eq!(nearest("zzzzzz", &["port", "baud"]), None);
    }
}
