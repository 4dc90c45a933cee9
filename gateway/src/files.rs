//! Files that are whole or not there: what a part of the daemon keeps beside the store.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// Its owner alone: there are secrets or money in it.
    Owner,
    /// Whoever the process lets.
    All,
}

/// Puts octets into the place of a file: a crash at any instant leaves the old ones or the new ones.
/// They are on the disk when this returns. They are written to the name with `.new` behind it first;
/// what a crash left there is overwritten.
///
/// # Errors
/// The disk is full or cannot be written.
pub(crate) fn replace(path: &Path, octets: &[u8], readers: For) -> io::Result<()> {
    let beside = beside(path);
    let mode = match readers {
        For::Owner => 0o600,
        For::All => 0o666,
    };
    if readers == For::Owner {
        // A mode is given to a file that is made, not to one that is there.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The same on a thread for blocking work.
///
/// # Errors
/// As [`replace`].
pub(crate) async fn replace_later(path: &Path, octets: Vec<u8>, readers: For) -> io::Result<()> {
    let path = path.to_path_buf();
    tokio::task::spawn_blocking(move || replace(&path, &octets, readers))
        .await
        .map_err(io::Error::other)?
}

/// Puts a value as JSON into the place of a file, as [`replace`] does.
///
/// # Errors
/// The disk is full or cannot be written; the file is named.
pub(crate) fn keep(path: &Path, value: &impl Serialize, readers: For) -> anyhow::Result<()> {
    let text = serde_json::to_vec(value)?;
    replace(path, &text, readers).with_context(|| path.display().to_string())
}

/// The value that was kept in a file; `None` where there is no such file.
///
/// # Errors
/// It cannot be read, or is something else; the file is named.
pub(crate) fn recall<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| path.display().to_string())?,
    };
    let value = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    Ok(Some(value))
}

/// Where a file is written before it takes its place, and where a crash leaves it.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_new_takes_the_place_of_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("book.json");
        std::fs::write(beside(&file), "left by a crash, for all to read").unwrap();
        for text in ["first", "second"] {
            replace(&file, text.as_bytes(), For::Owner).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!beside(&file).exists());
        let nowhere = folder.path().join("gone").join("book.json");
        assert!(replace(&nowhere, b"x", For::All).is_err());
    }

    #[test]
    fn what_was_kept_is_recalled_and_what_is_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.json");
        assert_eq!(recall::<Vec<u8>>(&file).unwrap(), None);
        keep(&file, &[1_u8, 2], For::All).unwrap();
        assert_eq!(recall(&file).unwrap(), Some(vec![1_u8, 2]));
        std::fs::write(&file, "[1, ").unwrap();
        let error = recall::<Vec<u8>>(&file).unwrap_err();
        assert!(error.to_string().ends_with("list.json"), "{error:#}");
    }
}
