//! What a simulated meter has sent: the truth to compare with.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Telegrams that are remembered.
const REMEMBERED: usize = 10_000;

/// The truth of the telegrams of one meter, oldest first.
#[derive(Debug)]
pub(crate) struct Log<T> {
    sent: Mutex<Vec<T>>,
    more: Condvar,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self {
            sent: Mutex::default(),
            more: Condvar::default(),
        }
    }
}

impl<T: Clone> Log<T> {
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the newest; the oldest are forgotten after some thousands.
    pub(crate) fn push(&self, sent: T) {
        let mut log = self.lock();
        if log.len() >= REMEMBERED {
            log.drain(..REMEMBERED / 2);
        }
        log.push(sent);
        drop(log);
        self.more.notify_all();
    }

    /// All that are remembered.
    pub(crate) fn all(&self) -> Vec<T> {
        self.lock().clone()
    }

    /// Waits for one that `wanted` accepts; `None` when that takes longer than `patience`.
    pub(crate) fn wait_for(&self, patience: Duration, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let until = Instant::now() + patience;
        let mut sent = self.lock();
        loop {
            if let Some(found) = sent.iter().rev().find(|one| wanted(one)) {
                return Some(found.clone());
            }
            let left = until.checked_duration_since(Instant::now())?;
            sent = self
                .more
                .wait_timeout(sent, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
