//! Demand response: loads are shed, in the order of their importance, while an event asks for it
//! or the home would draw more than a limit in its quarter-hour, and are given back as they were.
//!
//! Pure: powers, states and the time, seconds since 1970, go in; actions come out. A load that was
//! shed is kept with what it was before, so that a restart in the middle gives it back exactly.
//!
//! - Essential loads are never shed, loads with a longest time off only for that time.
//! - What somebody switches on by hand while it is shed stays on until the event is over, at least for
//!   an hour.
//! - That a load was shed is believed when its watts fell ([`Event::Shed`]); when they do not, the
//!   next one is shed in its place ([`Event::NotShed`]).
//! - Loads come back one at a time, with pauses, so that they do not start all at once.
//! - No load stays shed longer than [`Settings::longest_s`], whatever happens to who asked for it.

mod load;
mod quarter;
mod words;

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;

use load::Running;
pub use load::{Load, Means, Shed};
use quarter::Quarter;
pub use words::{Action, Call, Event, Wanted};

/// How long after a command a load's power must have fallen, s.
const PROOF_S: i64 = 30;
/// A load is shed when it draws less than this, W, or than a tenth of what it drew.
const IDLE_W: Decimal = Decimal::from_parts(5, 0, 0, false, 0);
/// A reading at the meter older than this says nothing, s.
const STALE_S: i64 = 120;
/// What somebody has switched on by hand is left alone at least so long, s.
const OVERRIDE_S: i64 = 3600;
/// Room that is left below a limit before a load comes back, as parts of a hundred.
const ROOM_PERCENT: u32 = 5;

/// How all loads are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// No more than this is drawn in the mean of a quarter-hour, W.
    pub limit_w: Option<Decimal>,
    /// Between two loads that come back, s.
    pub pause_s: i64,
    /// No load is shed longer than this, s.
    pub longest_s: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limit_w: None,
            pause_s: 30,
            longest_s: 4 * 3600,
        }
    }
}

/// The engine.
#[derive(Debug, Default)]
pub struct Engine {
    settings: Settings,
    loads: BTreeMap<u64, Running>,
    calls: Vec<Call>,
    import: Option<(i64, Decimal)>,
    quarter: Quarter,
    restored: Option<i64>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
}

impl Engine {
    /// An engine with these loads; `kept` is what was shed when it was last asked
    /// ([`Engine::kept`]).
    #[must_use]
    pub fn new(settings: Settings, loads: Vec<Load>, kept: &[Shed]) -> Self {
        let running = |load: Load| {
            let shed = kept.iter().find(|shed| shed.id == load.id).cloned();
            (load.id, Running::new(load, shed))
        };
        Self {
            settings,
            loads: loads.into_iter().map(running).collect(),
            ..Self::default()
        }
    }

    /// What is shed, to be kept.
    #[must_use]
    pub fn kept(&self) -> Vec<Shed> {
        self.loads
            .values()
            .filter_map(|load| load.shed.clone())
            .collect()
    }

    /// The calls that are in force or to come; those that the household takes no part in are left
    /// out.
    pub fn set_calls(&mut self, calls: Vec<Call>) {
        self.calls = calls;
    }

    /// The home's own limit, W.
    pub fn set_limit(&mut self, limit_w: Option<Decimal>) {
        self.settings.limit_w = limit_w;
    }

    /// Power at the meter, W; import is positive.
    pub fn take_import(&mut self, watts: Decimal, at: i64) {
        self.quarter.take(watts, at);
        self.import = Some((at, watts));
    }

    /// What a load draws, W.
    pub fn take_power(&mut self, id: u64, watts: Decimal, at: i64) {
        if let Some(load) = self.loads.get_mut(&id) {
            load.power = Some((at, watts));
        }
    }

    /// Whether a load's relay is on.
    pub fn take_on(&mut self, id: u64, on: bool, at: i64) {
        let Some(load) = self.loads.get_mut(&id) else {
            return;
        };
        if load.take_on(on, at) {
            self.events.push_back(Event::Overridden { id });
        }
    }

    /// To what a thermostat heats, °C.
    pub fn take_setpoint(&mut self, id: u64, celsius: Decimal, at: i64) {
        let Some(load) = self.loads.get_mut(&id) else {
            return;
        };
        if load.take_setpoint(celsius, at) {
            self.events.push_back(Event::Overridden { id });
        }
    }

    /// Whether loads are to be shed now: the class of the call in force.
    fn wanted(&self, now: i64) -> (u8, Option<Decimal>) {
        let in_force = self
            .calls
            .iter()
            .filter(|call| (call.start..call.end).contains(&now));
        let mut class = 0;
        let mut limit = self.settings.limit_w;
        for call in in_force {
            match call.what {
                Wanted::Less(depth) => class = class.max(depth),
                Wanted::Limit(watts) => {
                    limit = Some(limit.map_or(watts, |limit| limit.min(watts)));
                }
            }
        }
        (class, limit)
    }

    /// Lets time pass; what is to be done comes from [`Engine::poll_action`].
    pub fn handle_time(&mut self, now: i64) {
        let (class, limit) = self.wanted(now);
        let is_called = self
            .calls
            .iter()
            .any(|call| (call.start..call.end).contains(&now));
        for load in self.loads.values_mut() {
            let lasts = |since: i64| is_called || now - since < OVERRIDE_S;
            load.overridden = load.overridden.filter(|since| lasts(*since));
        }
        self.prove(now);
        for load in self.loads.values_mut() {
            let (is_back, action) = load.follow_back(now);
            self.actions.extend(action);
            if is_back {
                let id = load.load.id;
                self.events.push_back(Event::Restored { id });
            }
        }
        let ids = self.in_order();
        for id in &ids {
            let Some(load) = self.loads.get(id) else {
                continue;
            };
            if load.load.class <= class && load.may_be_shed(now) {
                self.shed(*id, now);
            }
        }
        let mut excess = limit.map_or(Decimal::ZERO, |limit| self.excess(limit, now));
        for id in &ids {
            if excess <= Decimal::ZERO {
                break;
            }
            let Some(load) = self.loads.get(id) else {
                continue;
            };
            if load.may_be_shed(now) {
                excess -= load.drawn(now).unwrap_or_default();
                self.shed(*id, now);
            }
        }
        self.give_back(class, limit, now);
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Loads in the order in which they are shed: the least important first, of these the largest.
    fn in_order(&self) -> Vec<u64> {
        let mut order: Vec<_> = self
            .loads
            .values()
            .map(|load| {
                let drawn = load.power.map_or(Decimal::ZERO, |(_, watts)| watts);
                (load.load.class, std::cmp::Reverse(drawn), load.load.id)
            })
            .collect();
        order.sort();
        order.into_iter().map(|(.., id)| id).collect()
    }

    /// By how much the home must draw less for the rest of the quarter-hour, less what has been
    /// shed and does not show at the meter yet.
    fn excess(&self, limit: Decimal, now: i64) -> Decimal {
        let Some((_, watts)) = self.import.filter(|(at, _)| now - at <= STALE_S) else {
            return Decimal::ZERO;
        };
        let pending: Decimal = self
            .loads
            .values()
            .filter_map(|load| load.pending_w(self.import.map_or(0, |(at, _)| at)))
            .sum();
        self.quarter.excess(watts - pending, limit, now)
    }

    fn shed(&mut self, id: u64, now: i64) {
        let Some(load) = self.loads.get_mut(&id) else {
            return;
        };
        if let Some(action) = load.begin_shedding(now) {
            self.actions.push_back(action);
        }
    }

    /// Looks whether what was told to shed did.
    fn prove(&mut self, now: i64) {
        for load in self.loads.values_mut() {
            let id = load.load.id;
            let drawn = load.drawn(now);
            let open = |shed: &&mut Shed| !shed.proved && !shed.returning;
            let Some(shed) = load.shed.as_mut().filter(open) else {
                continue;
            };
            // A power of the very second in which it was told counts: if that is low, it came after.
            let measured = load.power.filter(|(at, _)| *at >= shed.since);
            let is_low = match (shed.before_w, measured) {
                (Some(before), Some((_, after))) => {
                    after <= IDLE_W || after * Decimal::TEN <= before
                }
                // A thermostat measures no power: that it has the setpoint must do.
                (None, _) => load.is_as_told,
                (Some(_), None) => false,
            };
            if is_low {
                shed.proved = true;
                self.events.push_back(Event::Shed {
                    id,
                    before_w: shed.before_w,
                    after_w: drawn,
                });
            } else if now - shed.since > PROOF_S && !load.failed {
                load.failed = true;
                self.events.push_back(Event::NotShed { id });
                // Once more; the limit looks for another one meanwhile.
                self.actions.push_back(load.action_to_shed());
            }
        }
    }

    fn give_back(&mut self, class: u8, limit: Option<Decimal>, now: i64) {
        let mut order = self.in_order();
        order.reverse();
        for id in order {
            let Some(load) = self.loads.get(&id) else {
                continue;
            };
            let Some(shed) = load.shed.as_ref().filter(|shed| !shed.returning) else {
                continue;
            };
            let for_how_long = now - shed.since;
            let must = for_how_long >= self.settings.longest_s
                || load
                    .load
                    .longest_off_s
                    .is_some_and(|longest| for_how_long >= longest);
            if !must {
                let is_called = load.load.class <= class;
                let has_rested = for_how_long >= load.load.least_off_s;
                let has_room = limit.is_none_or(|limit| self.has_room(id, limit, now));
                let may = self
                    .restored
                    .is_none_or(|last| now - last >= self.settings.pause_s);
                if is_called || !has_rested || !has_room || !may {
                    continue;
                }
            }
            let Some(load) = self.loads.get_mut(&id) else {
                continue;
            };
            self.restored = Some(now);
            self.actions.extend(load.give_back(must, now));
        }
    }

    /// Whether what a load drew fits below the limit.
    fn has_room(&self, id: u64, limit: Decimal, now: i64) -> bool {
        let Some((at, watts)) = self.import.filter(|(at, _)| now - at <= STALE_S) else {
            return false;
        };
        let shed = self.loads.get(&id).and_then(|load| load.shed.as_ref());
        let back = shed.and_then(|shed| shed.before_w).unwrap_or_default();
        // What came back just now shows only in the next reading.
        if self.restored.is_some_and(|last| last >= at) {
            return false;
        }
        let limit = limit * Decimal::from(100 - ROOM_PERCENT) / Decimal::ONE_HUNDRED;
        watts + back <= limit && self.quarter.excess(watts + back, limit, now) <= Decimal::ZERO
    }
}

#[cfg(test)]
mod tests;
