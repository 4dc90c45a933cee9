//! Price documents on disk: one file per document, named after its first instant.

use crate::files;
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Longest document that is read.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Documents that began so many days ago are removed.
const KEEP_DAYS: i64 = 62;

/// The folder of documents.
#[derive(Clone, Debug)]
pub(super) struct Cache(PathBuf);

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Every document, the one that begins last at the end.
    pub(super) fn documents(&self) -> Vec<String> {
        self.files()
            .iter()
            .filter_map(|(_, path)| read(path))
            .collect()
    }

    fn files(&self) -> Vec<(i64, PathBuf)> {
        let entries = std::fs::read_dir(&self.0)
            .into_iter()
            .flatten()
            .filter_map(Result::ok);
        let start = |path: &Path| path.file_stem()?.to_str()?.parse().ok();
        let mut found: Vec<(i64, PathBuf)> = entries
            .filter_map(|entry| Some((start(&entry.path())?, entry.path())))
            .collect();
        found.sort();
        found
    }

    /// Writes a document in the place of one that begins at the same instant; false when it was
    /// there already. Old ones are removed.
    pub(super) fn keep(
        &self,
        start: Option<Timestamp>,
        document: &str,
        now: Timestamp,
    ) -> std::io::Result<bool> {
        let second = start.map_or(0, Timestamp::as_second);
        let path = self.0.join(format!("{second}.doc"));
        if read(&path).as_deref() == Some(document) {
            return Ok(false);
        }
        std::fs::create_dir_all(&self.0)?;
        files::replace(&path, document.as_bytes(), files::For::All)?;
        let oldest = now.as_second() - KEEP_DAYS * 86_400;
        for (start, path) in self.files() {
            if start != 0 && start < oldest && start != second {
                std::fs::remove_file(path)?;
            }
        }
        Ok(true)
    }
}

/// The text of a file, unless it is too long or cannot be read.
pub(super) fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).ok()?;
    (u64::try_from(text.len()).ok()? <= MAX_BYTES).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_kept_in_order_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("prices"));
        let at = |day: i64| Timestamp::from_second(1_700_000_000 + day * 86_400).unwrap();
        assert!(cache.keep(Some(at(1)), "b", at(1)).unwrap());
        assert!(cache.keep(Some(at(0)), "a", at(1)).unwrap());
        assert!(!cache.keep(Some(at(0)), "a", at(1)).unwrap());
        assert!(cache.keep(Some(at(0)), "A", at(1)).unwrap());
        assert_eq!(cache.documents(), ["A", "b"]);
        assert!(cache.keep(Some(at(63)), "c", at(63)).unwrap());
        assert_eq!(cache.documents(), ["b", "c"]);
    }
}
