//! What holds for every command that takes power from a home.

use crate::command::Command;

/// The clock must be closer than this to the true time (3 % of a quarter-hour), seconds.
pub const CLOCK_S: i64 = 27;

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Somebody lives by a device.
    #[error("life_support: somebody here lives by a device")]
    LifeSupport,
    /// The clock is not to be trusted.
    #[error("clock: the clock is not synchronised to within 27 s")]
    Clock,
    /// Outside the command's own window.
    #[error("window: the command is not valid now")]
    Window,
}

/// A command outside its window is none.
///
/// # Errors
/// [`Denial::Window`].
pub const fn in_window(command: &Command, now_s: i64) -> Result<(), Denial> {
    if now_s < command.not_before_s || now_s > command.not_after_s {
        Err(Denial::Window)
    } else {
        Ok(())
    }
}

/// Whether power may be taken from a home at all: nobody lives by a device, and the clock, which may be
/// off by `clock_off_s` seconds, is synchronised.
///
/// # Errors
/// [`Denial::LifeSupport`], [`Denial::Clock`].
pub fn allows(life_support: bool, clock_off_s: Option<i64>) -> Result<(), Denial> {
    if life_support {
        return Err(Denial::LifeSupport);
    }
    let trusted = |off: i64| off.saturating_abs() <= CLOCK_S;
    if clock_off_s.is_some_and(trusted) {
        Ok(())
    } else {
        Err(Denial::Clock)
    }
}
