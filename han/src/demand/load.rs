//! One load: what it is, how it is, and what it was before it was shed.

use rust_decimal::Decimal;

use super::{Action, IDLE_W};

/// The meter shows what was shed after so long at the latest, s.
const SETTLE_S: i64 = 10;
/// A load that has not come back is told again after so long, s, so often.
const BACK_S: i64 = 30;
const BACK_TIMES: u32 = 20;
/// A load's own report counts for so long, s: plugs report at least once a minute.
const FRESH_S: i64 = 150;

/// How a load is shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Its relay is switched off.
    Relay,
    /// It is set to this temperature, °C.
    Setpoint(Decimal),
}

/// A load that may be shed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// What it is known by.
    pub id: u64,
    /// 1 what nobody misses, 2 what can wait, 3 what is shed last; what is essential is no load.
    pub class: u8,
    /// How it is shed.
    pub means: Means,
    /// It runs at least so long before it is shed, s.
    pub least_on_s: i64,
    /// It rests at least so long, s: compressors must not start at once again.
    pub least_off_s: i64,
    /// It rests at most so long, s, and then runs as long before it is shed again: fridges.
    pub longest_off_s: Option<i64>,
}

/// A load that is shed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shed {
    /// The load.
    pub id: u64,
    /// Since when, s since 1970.
    pub since: i64,
    /// What it drew before, W, where that is measured.
    pub before_w: Option<Decimal>,
    /// To what it heated before, °C.
    pub setpoint: Option<Decimal>,
    /// Its power has fallen.
    pub proved: bool,
    /// It was told to be as it was before, and has not said yet that it is.
    pub returning: bool,
}

/// A load and how it is.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) load: Load,
    pub(super) shed: Option<Shed>,
    pub(super) power: Option<(i64, Decimal)>,
    on: Option<bool>,
    setpoint: Option<Decimal>,
    /// Since when it runs.
    on_since: Option<i64>,
    /// Until when it is left alone after it was given back because it had rested too long.
    spared_until: i64,
    /// What was told last has been done.
    pub(super) is_as_told: bool,
    /// It was told to shed and did not.
    pub(super) failed: bool,
    /// It is as it was before.
    has_returned: bool,
    /// When it was told last, and how often, to be as it was before.
    told_back: (i64, u32),
    /// Somebody wants it on, since then.
    pub(super) overridden: Option<i64>,
}

impl Running {
    pub(super) fn new(load: Load, shed: Option<Shed>) -> Self {
        Self {
            load,
            // After a restart the command was given long ago.
            is_as_told: shed.is_some(),
            shed,
            power: None,
            on: None,
            setpoint: None,
            on_since: None,
            spared_until: 0,
            failed: false,
            has_returned: false,
            told_back: (0, 0),
            overridden: None,
        }
    }

    /// What it draws, as far as that is known.
    pub(super) fn drawn(&self, now: i64) -> Option<Decimal> {
        let (at, watts) = self.power?;
        (now - at <= FRESH_S).then_some(watts)
    }

    /// Takes the state of the relay; true when somebody else has switched it on.
    pub(super) fn take_on(&mut self, on: bool, at: i64) -> bool {
        let was = self.on.replace(on);
        if on && was != Some(true) {
            self.on_since = Some(at);
        }
        let Some(shed) = self
            .shed
            .as_ref()
            .filter(|_| self.load.means == Means::Relay)
        else {
            return false;
        };
        if shed.returning {
            self.has_returned |= on;
            return false;
        }
        if !on {
            self.is_as_told = true;
            return false;
        }
        self.yield_to_hand(at)
    }

    /// Takes the setpoint; true when somebody else has changed it.
    pub(super) fn take_setpoint(&mut self, celsius: Decimal, at: i64) -> bool {
        self.setpoint = Some(celsius);
        self.on_since.get_or_insert(at);
        let Means::Setpoint(told) = self.load.means else {
            return false;
        };
        let Some(shed) = &self.shed else {
            return false;
        };
        if shed.returning {
            self.has_returned |= shed.setpoint.is_none_or(|before| before == celsius);
            return false;
        }
        if celsius == told {
            self.is_as_told = true;
            return false;
        }
        self.yield_to_hand(at)
    }

    /// A shed load is not as it was told: it has not heard yet, or somebody wants it otherwise.
    fn yield_to_hand(&mut self, at: i64) -> bool {
        if !self.is_as_told {
            return false;
        }
        (self.shed, self.overridden) = (None, Some(at));
        true
    }

    pub(super) fn may_be_shed(&self, now: i64) -> bool {
        if self.shed.is_some() || self.overridden.is_some() || now < self.spared_until {
            return false;
        }
        let has_run = self
            .on_since
            .is_none_or(|since| now - since >= self.load.least_on_s);
        let is_known = match self.load.means {
            Means::Relay => self.on == Some(true),
            Means::Setpoint(low) => self.setpoint.is_some_and(|setpoint| setpoint > low),
        };
        has_run && is_known
    }

    /// What it drew and still shows at a meter that was read at `read`.
    pub(super) fn pending_w(&self, read: i64) -> Option<Decimal> {
        let shed = self.shed.as_ref().filter(|shed| !shed.returning)?;
        (read - shed.since < SETTLE_S && !self.failed).then_some(shed.before_w?)
    }

    pub(super) fn begin_shedding(&mut self, now: i64) -> Option<Action> {
        let measured = self.drawn(now);
        self.shed = Some(Shed {
            id: self.load.id,
            since: now,
            before_w: measured,
            setpoint: self.setpoint,
            // What draws nothing cannot draw less.
            proved: measured.is_some_and(|watts| watts <= IDLE_W),
            returning: false,
        });
        (self.is_as_told, self.failed) = (false, false);
        Some(self.action_to_shed())
    }

    pub(super) const fn action_to_shed(&self) -> Action {
        match self.load.means {
            Means::Relay => Action::Switch {
                id: self.load.id,
                on: false,
            },
            Means::Setpoint(celsius) => Action::HeatTo {
                id: self.load.id,
                celsius,
            },
        }
    }

    /// Tells it to be as it was before; `spare` leaves it alone afterwards for as long as it rested.
    pub(super) fn give_back(&mut self, spare: bool, now: i64) -> Option<Action> {
        let shed = self.shed.as_mut()?;
        shed.returning = true;
        if spare {
            self.spared_until = now + (now - shed.since);
        }
        (self.has_returned, self.told_back) = (false, (now, 1));
        self.action_back()
    }

    /// Tells it again, when it has not come back; true when it has.
    pub(super) fn follow_back(&mut self, now: i64) -> (bool, Option<Action>) {
        let (told, times) = self.told_back;
        if !self.shed.as_ref().is_some_and(|shed| shed.returning) {
            return (false, None);
        }
        if self.has_returned || times >= BACK_TIMES {
            self.shed = None;
            self.on_since = Some(now);
            return (true, None);
        }
        if now - told < BACK_S {
            return (false, None);
        }
        self.told_back = (now, times + 1);
        (false, self.action_back())
    }

    fn action_back(&self) -> Option<Action> {
        let id = self.load.id;
        match self.load.means {
            Means::Relay => Some(Action::Switch { id, on: true }),
            Means::Setpoint(_) => {
                let celsius = self.shed.as_ref()?.setpoint?;
                Some(Action::HeatTo { id, celsius })
            }
        }
    }
}
