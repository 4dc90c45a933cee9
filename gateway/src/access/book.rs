//! `access.json`: users and grants, no secret in clear.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wattle_api::{Grant, Role};

use super::secret::PasswordHash;
use crate::files;

const FILE: &str = "access.json";
const VERSION: u32 = 1;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Book {
    version: u32,
    /// When it was last written for the sake of `used_at` alone.
    pub(super) saved_at: Timestamp,
    pub(super) users: BTreeMap<String, KeptUser>,
    pub(super) grants: BTreeMap<String, KeptGrant>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptUser {
    pub(super) role: Role,
    pub(super) made_at: Timestamp,
    pub(super) password: PasswordHash,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptGrant {
    /// SHA-256 of the key, hex digits.
    pub(super) hash: String,
    pub(super) user: String,
    pub(super) role: Role,
    pub(super) label: String,
    pub(super) session: bool,
    pub(super) made_at: Timestamp,
    pub(super) used_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

impl KeptGrant {
    pub(super) fn told(&self, id: &str) -> Grant {
        Grant {
            id: id.to_owned(),
            user: self.user.clone(),
            role: self.role,
            label: self.label.clone(),
            session: self.session,
            made_at: self.made_at,
            used_at: self.used_at,
            expires_at: self.expires_at,
        }
    }
}

/// Reads the book; an empty one when there is none.
///
/// # Errors
/// It cannot be read, or a newer version wrote it.
pub(super) fn load(folder: &Path) -> anyhow::Result<Book> {
    let path = folder.join(FILE);
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
    files::keep(&folder.join(FILE), &book, files::For::Owner)
}
