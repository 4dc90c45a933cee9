//! Whether a device is still there.

use std::time::{Duration, Instant};

use super::Device;
use crate::zigbee::zcl::clusters::id::BASIC;

/// A device on mains that says nothing by itself is asked for its name so often.
const ROLL_CALL: Duration = Duration::from_secs(600);
/// After so long a silence a device is missed: on mains, and on a battery or not known yet.
const MISSED: Duration = Duration::from_secs(1800);
const SLEEPER_MISSED: Duration = Duration::from_secs(25 * 3600);

impl Device {
    /// How long it has said nothing, once that is so long that it is missed. Silence counts while
    /// the network is there.
    #[must_use]
    pub fn missed_for(&self, now: Instant) -> Option<Duration> {
        let silent = now.saturating_duration_since(self.there_since.max(self.last_heard)?);
        let longest = if self.is_interviewed() && !self.names.battery {
            MISSED
        } else {
            SLEEPER_MISSED
        };
        (silent > longest).then_some(silent)
    }

    /// When it is to be asked whether it is still there.
    pub(super) fn call_due(&self) -> Option<Instant> {
        if !self.is_interviewed() || self.names.battery || self.endpoint_with(BASIC).is_none() {
            return None;
        }
        let silent_since = self.there_since.max(self.last_heard)?;
        Some(self.called.max(Some(silent_since))? + ROLL_CALL)
    }
}
