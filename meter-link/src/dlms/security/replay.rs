//! Messages that were sent again.

use std::collections::BTreeMap;

use super::SystemTitle;

/// The last invocation counter of each sender.
///
/// ```
/// use meter_link::dlms::security::ReplayWindow;
/// let mut window = ReplayWindow::default();
/// assert!(window.accept(Some(*b"WSM00001"), 7));
/// assert!(!window.accept(Some(*b"WSM00001"), 7));
/// assert!(window.accept(Some(*b"WSM00002"), 7));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplayWindow {
    last: BTreeMap<Option<SystemTitle>, u32>,
}

impl ReplayWindow {
    /// Senders that are remembered. Only somebody with the keys can bring a new one.
    const MAX_SENDERS: usize = 1024;

    /// True when the counter is higher than the last one taken from this sender, which it then
    /// becomes. Only messages whose tag is right may be shown to the window.
    pub fn accept(&mut self, title: Option<SystemTitle>, counter: u32) -> bool {
        if !self.would_accept(title, counter) {
            return false;
        }
        self.last.insert(title, counter);
        true
    }

    /// The same without taking note.
    #[must_use]
    pub fn would_accept(&self, title: Option<SystemTitle>, counter: u32) -> bool {
        match self.last.get(&title) {
            Some(last) => counter > *last,
            None => self.last.len() < Self::MAX_SENDERS,
        }
    }

    /// The lowest counter that will be taken from this sender.
    #[must_use]
    pub fn next(&self, title: Option<SystemTitle>) -> u32 {
        self.last
            .get(&title)
            .map_or(0, |last| last.saturating_add(1))
    }

    /// Begins with a counter that was kept, such as one from a disk.
    pub fn restore(&mut self, title: Option<SystemTitle>, counter: u32) {
        self.last.insert(title, counter);
    }
}
