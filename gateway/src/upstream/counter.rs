//! Counters of initialisation vectors, reserved on disk before they are used.

use crate::files;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use wattle_relay::Hash;
use wattle_relay::cose::EpochKey;

/// How long another process may hold a counter.
const PATIENCE: Duration = Duration::from_secs(5);

/// The counter of a key: a file that holds the lowest number that was never reserved.
///
/// A reservation reaches the disk before any of its numbers is used, so that a crash skips numbers
/// and repeats none. The upper half of a new counter is drawn: a key that is used in two places, or
/// whose file was lost, does not begin again where it began.
#[derive(Debug)]
pub struct IvCounter {
    path: PathBuf,
    next: u64,
    reserved: u64,
}

impl IvCounter {
    /// The counter of this key in a folder, which is made if it is missing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(folder: &Path, key: &EpochKey) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let digest = Hash::Sha256.digest(&[b"wattle iv counter", key.secret()].concat());
        let name = crate::hex::encode(digest.get(..8).unwrap_or_default());
        Ok(Self {
            path: folder.join(format!("{}-{name}.iv", key.epoch)),
            next: 0,
            reserved: 0,
        })
    }

    /// A number that was never given before. `block` numbers are reserved at once.
    ///
    /// # Errors
    /// The reservation did not reach the disk; then no number may be used.
    pub fn next(&mut self, block: u32) -> anyhow::Result<u64> {
        if self.next == self.reserved {
            let first = self.reserve(block).with_context(|| {
                format!("{}: no counter could be reserved", self.path.display())
            })?;
            (self.next, self.reserved) = (first, first + u64::from(block));
        }
        let number = self.next;
        self.next += 1;
        Ok(number)
    }

    /// How many messages the key has sealed at most, as far as this process knows.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.next & 0xFFFF_FFFF
    }

    fn reserve(&self, block: u32) -> anyhow::Result<u64> {
        let _lock = self.lock()?;
        let first = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => beginning()?,
            Err(error) => return Err(error.into()),
            // A counter that cannot be read must not begin anew.
            Ok(text) => text.trim().parse().context("it holds no number")?,
        };
        let next = first
            .checked_add(u64::from(block))
            .context("the counter is at its end; another key is needed")?;
        files::replace(&self.path, format!("{next}\n").as_bytes(), files::For::All)?;
        Ok(first)
    }

    /// Processes that seal with the same key take turns.
    fn lock(&self) -> anyhow::Result<File> {
        let lock = File::create(self.path.with_extension("lock"))?;
        let end = Instant::now() + PATIENCE;
        while let Err(error) = lock.try_lock() {
            anyhow::ensure!(Instant::now() < end, "another process holds it: {error}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(lock)
    }
}

fn beginning() -> anyhow::Result<u64> {
    let mut drawn = [0; 4];
    getrandom::fill(&mut drawn).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    // The highest bit stays free, so that no counter begins at its end.
    Ok(u64::from(u32::from_be_bytes(drawn) >> 1) << 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn key(last: u8) -> EpochKey {
        let mut octets = [7; 16];
        octets[15] = last;
        EpochKey::new(3, &octets).unwrap()
    }

    #[test]
    fn no_number_comes_twice_however_often_the_counter_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut given = BTreeSet::new();
        for crash in 0..20 {
            let mut counter = IvCounter::open(folder.path(), &key(0)).unwrap();
            for _ in 0..crash {
                assert!(given.insert(counter.next(8).unwrap()));
            }
        }
    }

    #[test]
    fn threads_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let run = || {
            let mut counter = IvCounter::open(folder.path(), &key(0)).unwrap();
            (0..20)
                .map(|_| counter.next(1).unwrap())
                .collect::<Vec<_>>()
        };
        let given = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            let given = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            given.collect::<BTreeSet<_>>()
        });
        assert_eq!(given.len(), 80);
    }

    #[test]
    fn a_damaged_counter_does_not_begin_anew_and_another_key_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut counter = IvCounter::open(folder.path(), &key(0)).unwrap();
        counter.next(1).unwrap();
        for damaged in ["", "-1", "18446744073709551616", "\0"] {
            fs::write(&counter.path, damaged).unwrap();
            assert!(counter.next(1).is_err(), "{damaged:?}");
        }
        assert!(
            IvCounter::open(folder.path(), &key(1))
                .unwrap()
                .next(1)
                .is_ok()
        );
    }
}
