//! What the household says about what was found, and taking it back.

use serde::{Deserialize, Serialize};

/// A correction. It holds from now on; what has been decided stays as it was.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Correction {
    /// The load in a slot (from 0) is this appliance.
    Name {
        /// The slot.
        slot: usize,
        /// The appliance.
        appliance: String,
    },
    /// The cycle of an appliance that ran at an instant was not its.
    Reject {
        /// The appliance.
        appliance: String,
        /// An instant within the cycle, unix seconds.
        at: i64,
    },
    /// The cycle of an appliance that ran at an instant was another's: what is like it goes there.
    Split {
        /// The appliance.
        appliance: String,
        /// An instant within the cycle, unix seconds.
        at: i64,
        /// Whose it was.
        into: String,
    },
    /// Two appliances are one.
    Merge {
        /// The one that is no more.
        appliance: String,
        /// The one that takes its cycles.
        into: String,
    },
}

/// A correction that is in force.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Corrected {
    /// Its number, to take it back with.
    pub id: u64,
    /// What was said.
    pub correction: Correction,
    /// The name that a slot had before.
    pub(crate) before: Option<usize>,
}

/// Why a correction cannot be carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CorrectionError {
    /// No such appliance.
    #[error("no appliance has this name")]
    Appliance,
    /// No such slot.
    #[error("no load has this slot")]
    Slot,
    /// Nothing ran at that time.
    #[error("no cycle of the appliance is remembered at this time")]
    Cycle,
    /// No such correction.
    #[error("no correction has this number")]
    Correction,
    /// The name may hold small letters, digits and underscores only.
    #[error("a name has small letters, digits and underscores only")]
    Name,
    /// No more appliances can be kept.
    #[error("there are too many appliances")]
    TooMany,
}
