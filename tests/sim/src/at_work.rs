//! A simulated meter behind a pty, and the truth of what it has sent.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::{Handle, Wire};
use crate::log::Log;

/// A meter at work. What it notes of each of its telegrams is a `T`.
#[derive(Debug)]
pub struct AtWork<T> {
    handle: Handle,
    log: Arc<Log<T>>,
}

impl<T: Clone + Send + 'static> AtWork<T> {
    /// Starts `work` at a port whose path is `link`.
    ///
    /// # Errors
    /// When there is no pty to be had.
    pub(crate) fn begin(
        name: &str,
        link: &Path,
        work: impl FnOnce(&mut Wire, &Log<T>) + Send + 'static,
    ) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let notes = Arc::clone(&log);
        let handle = Handle::start(name, link, move |wire| work(wire, &notes))?;
        Ok(Self { handle, log })
    }

    /// The device: its path and its cable.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What was sent so far, oldest first; the oldest are forgotten after some thousands.
    #[must_use]
    pub fn sent(&self) -> Vec<T> {
        self.log.all()
    }

    /// Waits until something that `wanted` accepts has been sent, and returns it; `None` when
    /// that takes longer than `patience`.
    pub fn wait_for(&self, patience: Duration, wanted: impl Fn(&T) -> bool) -> Option<T> {
        self.log.wait_for(patience, wanted)
    }
}
