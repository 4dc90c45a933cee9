//! `[load_limit]`: the grid's operator may limit what the home draws, within the installer's rules.

use serde::Deserialize;
use wattle_relay::limit::Policy;

/// `[load_limit]`. Without it no limit is taken from the relay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadLimitConfig {
    /// Somebody here lives by a device: then nothing is ever limited. It has to be said.
    pub life_support: bool,
    /// What the home may always draw, W, 1 to 1000000: 4200 in Germany (section 14a EnWG).
    #[serde(default = "german")]
    pub least_w: u32,
}

const fn german() -> u32 {
    4_200
}

impl LoadLimitConfig {
    /// The rules.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        Policy {
            life_support: self.life_support,
            least_w: self.least_w,
        }
    }

    pub(super) fn check(&self, commanded: bool, found: &mut Vec<String>) {
        let key = "load_limit.least_w";
        super::in_range(key, self.least_w.into(), 1, 1_000_000, found);
        if !commanded {
            found.push("load_limit: has no effect without upstream.commanders".to_owned());
        }
    }
}
