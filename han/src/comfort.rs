//! Thermostats follow the price: a little warmer while energy is cheap, a little cooler while it is
//! dear, within the bounds that the household has set, and back exactly afterwards.
//!
//! Pure: setpoints, the price's place and the time, seconds since 1970, go in; actions come out.
//! What a thermostat was set to before is kept ([`Engine::kept`]), so that a restart gives it back.
//!
//! - What the household sets by hand holds until the price's place changes, and is the setpoint from
//!   which the next shift starts.
//! - A setpoint outside the bounds is never moved further out.
//! - A thermostat that something else holds ([`Engine::hold`]) is left alone meanwhile.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;

/// A thermostat that has not taken its setpoint is told again after so long, s, so often.
const AGAIN_S: i64 = 60;
const TIMES: u32 = 20;

/// Where the price of the moment stands among those of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Among the lowest: warmer.
    Low,
    /// Neither, or there is no price.
    #[default]
    Usual,
    /// Among the highest: cooler.
    High,
}

/// A thermostat that follows the price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thermostat {
    /// What it is known by.
    pub id: u64,
    /// It is never shifted below this, °C.
    pub lowest: Decimal,
    /// Nor above this, °C.
    pub highest: Decimal,
    /// By so much, °C.
    pub shift: Decimal,
}

impl Thermostat {
    /// Where a setpoint goes at a place of the price, °C.
    fn shifted(&self, base: Decimal, place: Place) -> Decimal {
        match place {
            Place::Low => (base + self.shift).min(self.highest.max(base)),
            Place::Usual => base,
            Place::High => (base - self.shift).max(self.lowest.min(base)),
        }
    }
}

/// A thermostat that is not as the household has set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shifted {
    /// What it is known by.
    pub id: u64,
    /// What the household has set, °C.
    pub base: Decimal,
    /// What it was told, °C.
    pub told: Decimal,
    /// It has said that it heats to that.
    pub confirmed: bool,
}

/// A setpoint that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// The thermostat.
    pub id: u64,
    /// °C.
    pub celsius: Decimal,
}

#[derive(Debug)]
struct Running {
    /// `None` once the configuration names it no more: it is given back.
    thermostat: Option<Thermostat>,
    setpoint: Option<Decimal>,
    shifted: Option<Shifted>,
    /// The place at which somebody has set it by hand.
    by_hand: Option<Place>,
    is_held: bool,
    told_at: i64,
    times: u32,
}

impl Running {
    fn new(thermostat: Option<Thermostat>, shifted: Option<Shifted>) -> Self {
        Self {
            thermostat,
            setpoint: None,
            shifted,
            by_hand: None,
            is_held: false,
            told_at: 0,
            times: 0,
        }
    }
}

/// All thermostats that follow the price.
#[derive(Debug, Default)]
pub struct Engine {
    place: Place,
    running: BTreeMap<u64, Running>,
    actions: VecDeque<Action>,
}

impl Engine {
    /// An engine with these thermostats; `kept` is what [`Engine::kept`] told last.
    #[must_use]
    pub fn new(thermostats: Vec<Thermostat>, kept: &[Shifted]) -> Self {
        let mut running: BTreeMap<u64, Running> = kept
            .iter()
            .map(|shifted| (shifted.id, Running::new(None, Some(*shifted))))
            .collect();
        for thermostat in thermostats {
            let entry = running.entry(thermostat.id);
            entry.or_insert_with(|| Running::new(None, None)).thermostat = Some(thermostat);
        }
        Self {
            running,
            ..Self::default()
        }
    }

    /// What is not as the household has set it, to be kept.
    #[must_use]
    pub fn kept(&self) -> Vec<Shifted> {
        let shifted = self.running.values().filter_map(|one| one.shifted);
        shifted.collect()
    }

    /// Takes what a thermostat says it heats to, °C.
    pub fn take_setpoint(&mut self, id: u64, celsius: Decimal) {
        let place = self.place;
        let Some(one) = self.running.get_mut(&id) else {
            return;
        };
        one.setpoint = Some(celsius);
        let Some(shifted) = one.shifted.as_mut().filter(|_| !one.is_held) else {
            return;
        };
        if celsius == shifted.told {
            shifted.confirmed = true;
            if shifted.told == shifted.base {
                one.shifted = None;
            }
        } else if shifted.confirmed {
            (one.shifted, one.by_hand) = (None, Some(place));
        }
    }

    /// Leaves a thermostat alone while something else has set it.
    pub fn hold(&mut self, id: u64, held: bool) {
        if let Some(one) = self.running.get_mut(&id) {
            one.is_held = held;
        }
    }

    /// Says where the price stands now; what is to be done comes from [`Engine::poll_action`].
    pub fn handle_price(&mut self, place: Place, now: i64) {
        self.place = place;
        for (id, one) in &mut self.running {
            one.by_hand = one.by_hand.filter(|by_hand| *by_hand == place);
            let Some(setpoint) = one.setpoint else {
                continue;
            };
            if one.is_held || one.by_hand.is_some() {
                continue;
            }
            let base = one.shifted.map_or(setpoint, |shifted| shifted.base);
            let wanted = one
                .thermostat
                .as_ref()
                .map_or(base, |thermostat| thermostat.shifted(base, place));
            let is_told = match one.shifted {
                Some(shifted) => shifted.told == wanted,
                None => base == wanted,
            };
            if is_told {
                let is_open = one.shifted.is_some_and(|shifted| !shifted.confirmed);
                if !is_open || now - one.told_at < AGAIN_S || one.times >= TIMES {
                    continue;
                }
                one.times += 1;
            } else {
                one.times = 1;
            }
            one.told_at = now;
            one.shifted = Some(Shifted {
                id: *id,
                base,
                told: wanted,
                confirmed: false,
            });
            self.actions.push_back(Action {
                id: *id,
                celsius: wanted,
            });
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: u64 = 7;

    fn celsius(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn thermostat() -> Thermostat {
        Thermostat {
            id: ID,
            lowest: celsius("19.5"),
            highest: celsius("22"),
            shift: celsius("2"),
        }
    }

    /// Tells the price, and lets the thermostat do what it is told.
    fn at(engine: &mut Engine, place: Place, now: i64) -> Option<String> {
        engine.handle_price(place, now);
        let action = engine.poll_action()?;
        engine.take_setpoint(action.id, action.celsius);
        assert_eq!(engine.poll_action(), None);
        Some(action.celsius.to_string())
    }

    #[test]
    fn setpoints_stay_within_the_bounds_and_come_back_exactly() {
        for (base, low, high) in [
            ("20.75", Some("22"), Some("19.5")),
            ("19.75", Some("21.75"), Some("19.5")),
            // What the household has set beyond the bounds is not moved further.
            ("23", None, Some("21")),
            ("17", Some("19"), None),
        ] {
            for (place, wanted) in [(Place::Low, low), (Place::High, high)] {
                let mut engine = Engine::new(vec![thermostat()], &[]);
                engine.take_setpoint(ID, celsius(base));
                assert_eq!(at(&mut engine, Place::Usual, 0), None);
                assert_eq!(at(&mut engine, place, 1).as_deref(), wanted, "{base}");
                let back = at(&mut engine, Place::Usual, 2);
                assert_eq!(back.as_deref(), wanted.map(|_| base), "{base}");
                assert_eq!(engine.kept(), []);
            }
        }
    }

    #[test]
    fn from_low_to_high_the_shift_starts_from_what_the_household_has_set() {
        let mut engine = Engine::new(vec![thermostat()], &[]);
        engine.take_setpoint(ID, celsius("21"));
        assert_eq!(at(&mut engine, Place::Low, 0).as_deref(), Some("22"));
        assert_eq!(at(&mut engine, Place::High, 1).as_deref(), Some("19.5"));
        // A restart, and the configuration names it no more.
        let kept = engine.kept();
        assert_eq!(
            kept.first().map(|shifted| shifted.base),
            Some(celsius("21"))
        );
        let mut engine = Engine::new(Vec::new(), &kept);
        engine.take_setpoint(ID, celsius("19.5"));
        assert_eq!(at(&mut engine, Place::High, 2).as_deref(), Some("21"));
        assert_eq!(engine.kept(), []);
    }

    #[test]
    fn what_is_set_by_hand_holds_until_the_price_changes() {
        let mut engine = Engine::new(vec![thermostat()], &[]);
        engine.take_setpoint(ID, celsius("20"));
        assert_eq!(at(&mut engine, Place::Low, 0).as_deref(), Some("22"));
        engine.take_setpoint(ID, celsius("20.5"));
        assert_eq!(at(&mut engine, Place::Low, 1), None);
        assert_eq!(at(&mut engine, Place::Usual, 2), None);
        assert_eq!(at(&mut engine, Place::High, 3).as_deref(), Some("19.5"));
        assert_eq!(at(&mut engine, Place::Usual, 4).as_deref(), Some("20.5"));
    }

    #[test]
    fn a_held_thermostat_is_left_alone_and_followed_afterwards() {
        let mut engine = Engine::new(vec![thermostat()], &[]);
        engine.take_setpoint(ID, celsius("21"));
        assert_eq!(at(&mut engine, Place::High, 0).as_deref(), Some("19.5"));
        engine.hold(ID, true);
        engine.take_setpoint(ID, celsius("17"));
        assert_eq!(at(&mut engine, Place::Usual, 1), None);
        engine.take_setpoint(ID, celsius("19.5"));
        engine.hold(ID, false);
        assert_eq!(at(&mut engine, Place::Usual, 2).as_deref(), Some("21"));
    }

    #[test]
    fn one_that_does_not_hear_is_told_again_and_not_for_ever() {
        let mut engine = Engine::new(vec![thermostat()], &[]);
        engine.take_setpoint(ID, celsius("21"));
        let mut told = 0;
        for now in 0..10_000 {
            engine.handle_price(Place::High, now);
            while engine.poll_action().is_some() {
                told += 1;
            }
            // It repeats what it had before, which nobody has set by hand.
            engine.take_setpoint(ID, celsius("21"));
        }
        assert_eq!(told, TIMES);
        assert_eq!(at(&mut engine, Place::Usual, 10_000).as_deref(), Some("21"));
    }
}
