//! What the engine is told and tells: calls, actions and events.

use rust_decimal::Decimal;

/// What the utility asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it is known by.
    pub key: String,
    /// When it begins here, with its random delay, s since 1970.
    pub start: i64,
    /// When it ends here, likewise.
    pub end: i64,
    /// What is asked.
    pub what: Wanted,
}

/// What a call asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Loads up to this class are shed: 1 what nobody misses, 2 what can wait, 3 all that is not
    /// essential.
    Less(u8),
    /// No more than this is drawn, W.
    Limit(Decimal),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A relay is switched.
    Switch {
        /// The load.
        id: u64,
        /// On or off.
        on: bool,
    },
    /// A thermostat is set.
    HeatTo {
        /// The load.
        id: u64,
        /// To this, °C.
        celsius: Decimal,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A load was shed, and its power proves it where it is measured.
    Shed {
        /// The load.
        id: u64,
        /// What it drew before, W.
        before_w: Option<Decimal>,
        /// What it draws now, W.
        after_w: Option<Decimal>,
    },
    /// A load was told to and did not.
    NotShed {
        /// The load.
        id: u64,
    },
    /// Somebody has switched a load back on: it stays so.
    Overridden {
        /// The load.
        id: u64,
    },
    /// A load is as it was.
    Restored {
        /// The load.
        id: u64,
    },
}
