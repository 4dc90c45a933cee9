//! Invocation counters on a disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::dlms::client::{CounterError, CounterStore};

/// A counter in a file of its own: the lowest number that was never reserved, in decimal digits.
///
/// A reservation is written to a new file, which then takes the place of the old one; both steps
/// reach the disk before any number of it is used. Two processes that use the same file at once
/// exclude each other by a lock.
#[derive(Debug)]
pub struct FileCounters {
    path: PathBuf,
    /// Held as long as the counter is in use.
    _lock: File,
}

impl FileCounters {
    /// The counter in this file; 0 when there is no such file yet.
    ///
    /// # Errors
    /// The folder cannot be used, or another process holds the counter.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CounterError> {
        let path = path.into();
        let fail = |error: io::Error| store(&path, &error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        let lock = File::create(path.with_extension("lock")).map_err(fail)?;
        lock.try_lock().map_err(|error| {
            CounterError::Store(format!(
                "{}: in use by another process: {error}",
                path.display()
            ))
        })?;
        Ok(Self { path, _lock: lock })
    }

    fn read(&self) -> Result<u32, CounterError> {
        match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(store(&self.path, &error)),
            // A counter that cannot be read must not begin anew.
            Ok(text) => text.trim().parse().map_err(|_| {
                CounterError::Store(format!("{}: it holds no number", self.path.display()))
            }),
        }
    }

    fn write(&self, next: u32) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(format!("{next}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            Some(folder) => File::open(folder)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }
}

fn store(path: &Path, error: &io::Error) -> CounterError {
    CounterError::Store(format!("{}: {error}", path.display()))
}

impl CounterStore for FileCounters {
    fn reserve(&mut self, at_least: u32, count: u32) -> Result<u32, CounterError> {
        let first = self.read()?.max(at_least);
        let next = first.checked_add(count).ok_or(CounterError::Exhausted)?;
        self.write(next)
            .map_err(|error| store(&self.path, &error))?;
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_outlive_their_maker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counters/house");
        let mut first = FileCounters::open(&path).unwrap();
        assert_eq!(first.reserve(0, 1_000), Ok(0));
        assert_eq!(first.reserve(5_000, 1_000), Ok(5_000));
        assert!(FileCounters::open(&path).is_err(), "it is in use");
        drop(first);
        let mut second = FileCounters::open(&path).unwrap();
        assert_eq!(second.reserve(0, 1), Ok(6_000));
        assert_eq!(fs::read_to_string(&path).unwrap(), "6001\n");
    }

    #[test]
    fn a_damaged_file_is_not_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("house");
        for damaged in ["", "-1", "4294967296", "12 13", "\0\0\0\0"] {
            fs::write(&path, damaged).unwrap();
            let mut counters = FileCounters::open(&path).unwrap();
            assert!(counters.reserve(0, 1).is_err(), "{damaged:?}");
        }
        fs::write(&path, u32::MAX.to_string()).unwrap();
        let mut counters = FileCounters::open(&path).unwrap();
        assert_eq!(counters.reserve(0, 1), Err(CounterError::Exhausted));
    }
}
