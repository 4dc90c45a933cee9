//! What is kept of wireless meters over a restart: who was taken on, sealed keys, formats of compact
//! frames, and the last telegrams of those who were heard.
//!
//! It is a file of its own beside the store, so that a copy of the database holds no key. Message
//! counters are in the store, where each is committed together with the reading it came with.

use crate::files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use wattle_api::Medium;

const FILE: &str = "radio.json";
const VERSION: u32 = 1;

/// The book.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    pub(super) version: u32,
    /// Meters that were taken on, by number.
    pub(super) adopted: BTreeMap<String, Adopted>,
    /// Sealed keys, by number.
    pub(super) keys: BTreeMap<String, String>,
    /// Formats of compact frames in hex.
    pub(super) formats: Vec<String>,
    /// Telegrams of those who were heard, by number.
    pub(super) heard: BTreeMap<String, Vec<Kept>>,
}

/// A meter that was taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Adopted {
    pub(super) name: String,
    pub(super) medium: Medium,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) calorific_value: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) correction: Option<Decimal>,
}

/// A telegram as it was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) at: Timestamp,
    pub(super) telegram: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rssi_dbm: Option<i16>,
    pub(super) receiver: String,
    /// True for one that gave its reading already and is kept for trying keys.
    #[serde(default)]
    pub(super) read: bool,
}

/// Where the book lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Reads the book; an empty one when there is none.
///
/// # Errors
/// It cannot be read, or a newer version wrote it.
pub(super) fn load(folder: &Path) -> anyhow::Result<Book> {
    let path = path(folder);
    let Some(book) = files::recall::<Book>(&path)? else {
        return Ok(Book::default());
    };
    anyhow::ensure!(
        book.version <= VERSION,
        "{}: a newer version of the software wrote it",
        path.display()
    );
    Ok(book)
}

/// Writes the book in the place of the old one, whole or not at all.
///
/// # Errors
/// The disk is full or cannot be written.
pub(super) fn save(folder: &Path, book: &Book) -> anyhow::Result<()> {
    let book = Book {
        version: VERSION,
        ..book.clone()
    };
    files::keep(&path(folder), &book, files::For::All)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()).unwrap(), Book::default());
        let mut book = Book {
            version: VERSION,
            ..Book::default()
        };
        book.keys.insert("12345678".to_owned(), "00".to_owned());
        book.adopted.insert(
            "12345678".to_owned(),
            Adopted {
                name: "gas".to_owned(),
                medium: Medium::Gas,
                calorific_value: Some("11.2".parse().unwrap()),
                correction: None,
            },
        );
        save(folder.path(), &book).unwrap();
        assert_eq!(load(folder.path()).unwrap(), book);
        std::fs::write(path(folder.path()), "{\"version\":99}").unwrap();
        assert!(load(folder.path()).is_err());
    }
}
