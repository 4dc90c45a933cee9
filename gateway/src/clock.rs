//! The wall clock, injected so that tests choose the time.

use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time in UTC. Durations and time-outs use the monotonic clock of tokio instead.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// A clock that can be handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
