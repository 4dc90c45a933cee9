//! Tells systemd, where there is one, that the display is up and that its event loop turns.

use sd_notify::NotifyState;
use slint::{Timer, TimerMode};
use std::time::Duration;

/// Tells as long as it is kept.
pub struct Watchdog {
    _ready: Timer,
    _alive: Option<Timer>,
}

impl Watchdog {
    /// To be made before the event loop is run: `READY=1` follows in its first turn, `WATCHDOG=1`
    /// three times within each period that the unit asks for.
    #[must_use]
    pub fn start() -> Self {
        let ready = Timer::default();
        ready.start(TimerMode::SingleShot, Duration::ZERO, || {
            tell(&[NotifyState::Ready]);
        });
        let alive = sd_notify::watchdog_enabled().map(|period| {
            let alive = Timer::default();
            alive.start(TimerMode::Repeated, period / 3, || {
                tell(&[NotifyState::Watchdog]);
            });
            alive
        });
        Self {
            _ready: ready,
            _alive: alive,
        }
    }
}

/// Outside systemd there is nobody to tell, and that is no fault.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        eprintln!("wattle-display: systemd was not told: {error}");
    }
}
