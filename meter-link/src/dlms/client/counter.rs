//! Invocation counters: numbers that must never be used twice with the same key (IEC 62056-5-3,
//! 5.3.3.7.3). A second message under the same number gives both away.

/// Why no counter could be had. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CounterError {
    /// The store failed.
    #[error("the invocation counter cannot be kept: {0}")]
    Store(String),
    /// No numbers are left: the meter needs a new key.
    #[error("the invocation counter has reached its end: the meter needs a new key")]
    Exhausted,
    /// The meter wants a number so high that few would be left.
    #[error("the meter asks for invocation counter {0}, which would leave next to none")]
    TooHigh(u32),
}

/// Keeps an invocation counter where it outlives this process.
pub trait CounterStore: Send {
    /// Reserves `count` numbers, the first of which is at least `at_least`, and returns the first.
    /// When this returns, the reservation must survive a crash and a power cut: no later call,
    /// in this process or another, may give any of the numbers again.
    ///
    /// # Errors
    /// The reservation could not be kept.
    fn reserve(&mut self, at_least: u32, count: u32) -> Result<u32, CounterError>;
}

/// A store that forgets: for tests, and for associations without ciphering.
#[derive(Debug, Default)]
pub struct MemoryCounters {
    next: u32,
}

impl CounterStore for MemoryCounters {
    fn reserve(&mut self, at_least: u32, count: u32) -> Result<u32, CounterError> {
        let first = self.next.max(at_least);
        self.next = first.checked_add(count).ok_or(CounterError::Exhausted)?;
        Ok(first)
    }
}

/// How many numbers are reserved at once. Those left over when a process ends are lost; four
/// thousand million of them outlast any meter.
const BLOCK: u32 = 1_000;
/// A meter that asks for more than this has been lied to, or lies.
const HIGHEST: u32 = 0xFF00_0000;

/// Hands out numbers from a reserved block.
pub(crate) struct Counter {
    store: Box<dyn CounterStore>,
    next: u32,
    /// Numbers left in the block.
    left: u32,
    /// The lowest that the meter takes, as far as it is known.
    lowest: u32,
}

impl Counter {
    pub(crate) fn new(store: Box<dyn CounterStore>) -> Self {
        Self {
            store,
            next: 0,
            left: 0,
            lowest: 0,
        }
    }

    /// Takes note of the lowest number that the meter takes.
    pub(super) fn raise_to(&mut self, lowest: u32) -> Result<(), CounterError> {
        if lowest > HIGHEST {
            return Err(CounterError::TooHigh(lowest));
        }
        self.lowest = self.lowest.max(lowest);
        Ok(())
    }

    /// A number that was never given before.
    pub(crate) fn take(&mut self) -> Result<u32, CounterError> {
        let skip = self.lowest.saturating_sub(self.next);
        if skip >= self.left {
            let at_least = self.lowest.max(self.next);
            self.left = 0;
            self.next = self.store.reserve(at_least, BLOCK)?;
            self.left = BLOCK;
        } else {
            self.next += skip;
            self.left -= skip;
        }
        let taken = self.next;
        self.next = taken.checked_add(1).ok_or(CounterError::Exhausted)?;
        self.left -= 1;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A store whose content outlives the counter.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<MemoryCounters>>);

    impl CounterStore for Disk {
        fn reserve(&mut self, at_least: u32, count: u32) -> Result<u32, CounterError> {
            self.0.lock().unwrap().reserve(at_least, count)
        }
    }

    #[test]
    fn no_number_comes_twice() {
        let disk = Disk::default();
        let mut last = None;
        for round in 0..50u32 {
            // Each round is a process that ends without a word.
            let mut counter = Counter::new(Box::new(disk.clone()));
            if round % 7 == 3 {
                counter.raise_to(last.unwrap_or(0) + 2_500).unwrap();
            }
            for at in 0..round * 50 {
                if at % 600 == 599 {
                    counter.raise_to(last.unwrap_or(0) + 10).unwrap();
                }
                let taken = counter.take().unwrap();
                assert!(last.is_none_or(|last| taken > last));
                last = Some(taken);
            }
        }
    }

    #[test]
    fn an_absurd_number_is_refused() {
        let mut counter = Counter::new(Box::new(MemoryCounters::default()));
        let error = counter.raise_to(u32::MAX).unwrap_err();
        assert_eq!(error, CounterError::TooHigh(u32::MAX));
        assert_eq!(counter.take(), Ok(0));
    }

    #[test]
    fn the_end_is_an_error() {
        let mut counter = Counter::new(Box::new(MemoryCounters {
            next: u32::MAX - 1_001,
        }));
        for _ in 0..1_000 {
            counter.take().unwrap();
        }
        assert_eq!(counter.take(), Err(CounterError::Exhausted));
    }
}
