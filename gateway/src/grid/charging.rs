//! Cars at charging outlets, and what they may draw by what the utility asks for.
//!
//! Which car is at which outlet is found out on the powerline (`crate::powerline::outlet`). The
//! limit is told; nothing here controls a charging station.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use jiff::Timestamp;
use rust_decimal::Decimal;
use wattle_api::{GridEvent, GridEventKind, OptState, Outlet, PluggedCar};

use super::Board;

/// What is known of one outlet.
#[derive(Clone, Debug)]
pub(super) struct Known {
    max_kw: Decimal,
    car: Option<PluggedCar>,
}

pub(super) type Outlets = BTreeMap<String, Known>;

/// What a car needs at least to charge: 6 A at 230 V (IEC 61851-1, annex A), kW.
const LEAST_KW: Decimal = Decimal::from_parts(14, 0, 0, false, 1);

impl Board {
    /// An outlet is there.
    pub fn add_outlet(&self, name: &str, max_kw: Decimal) {
        self.with_outlets(|outlets| {
            let car = outlets.get(name).and_then(|known| known.car.clone());
            outlets.insert(name.to_owned(), Known { max_kw, car });
        });
    }

    /// A car was found at an outlet, or has left it. A car is at one outlet at a time.
    pub fn plug(&self, name: &str, car: Option<PluggedCar>) {
        self.with_outlets(|outlets| {
            let moved = car.as_ref().map(|car| car.mac.clone());
            for known in outlets.values_mut() {
                let is_same = |there: &PluggedCar| Some(&there.mac) == moved.as_ref();
                if known.car.as_ref().is_some_and(is_same) {
                    known.car = None;
                }
            }
            if let Some(known) = outlets.get_mut(name) {
                known.car = car;
            }
        });
    }

    /// All outlets with their cars, and what each may draw.
    #[must_use]
    pub fn outlets(&self, now: Timestamp) -> Vec<Outlet> {
        let events = self.events(now);
        let outlets = self.with_outlets(|outlets| outlets.clone());
        let cars = outlets.values().filter(|known| known.car.is_some()).count();
        let told = outlets.into_iter().map(|(name, Known { max_kw, car })| {
            let (limit_kw, limited_by) = limit(&events, max_kw, cars.max(1), now);
            Outlet {
                name,
                car,
                max_kw,
                limit_kw,
                limited_by,
            }
        });
        told.collect()
    }

    fn with_outlets<T>(&self, act: impl FnOnce(&mut Outlets) -> T) -> T {
        act(&mut self.outlets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What one of so many cars may draw, and the event that says so.
fn limit(
    events: &[GridEvent],
    max_kw: Decimal,
    cars: usize,
    now: Timestamp,
) -> (Decimal, Option<String>) {
    let mut found = (max_kw, None);
    let in_force = events.iter().filter(|event| {
        event.opt == OptState::In && event.start <= now && event.end.is_none_or(|end| now < end)
    });
    for event in in_force {
        let Some(limit) = limit_of(event, max_kw, cars, now) else {
            continue;
        };
        if limit < found.0 {
            found = (limit, Some(event.id.clone()));
        }
    }
    found
}

fn limit_of(event: &GridEvent, max_kw: Decimal, cars: usize, now: Timestamp) -> Option<Decimal> {
    let step = event
        .steps
        .iter()
        .rev()
        .find(|step| step.start <= now && step.end.is_none_or(|end| now < end));
    let level = step.map_or(event.level, |step| Some(step.level))?;
    match event.kind {
        GridEventKind::ImportLimit => {
            let share = level.max(Decimal::ZERO).checked_div(cars.into())?;
            Some(share.trunc_with_scale(1))
        }
        GridEventKind::LoadShed if level >= Decimal::from(3) => Some(Decimal::ZERO),
        GridEventKind::LoadShed if level >= Decimal::TWO => Some(LEAST_KW),
        GridEventKind::LoadShed if level >= Decimal::ONE => {
            Some((max_kw / Decimal::TWO).trunc_with_scale(1).max(LEAST_KW))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wattle_api::GridEventStep;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + minutes * 60).unwrap()
    }

    fn event(id: &str, kind: GridEventKind, level: i64) -> GridEvent {
        GridEvent {
            id: id.to_owned(),
            name: None,
            kind,
            start: at(0),
            end: Some(at(60)),
            level: Some(Decimal::from(level)),
            text: None,
            steps: Vec::new(),
            priority: None,
            opt: OptState::In,
            may_opt_out: true,
        }
    }

    fn car(last: u8) -> Option<PluggedCar> {
        Some(PluggedCar {
            mac: format!("02:00:00:00:00:{last:02x}"),
            attenuation_db: 12,
            since: at(-5),
        })
    }

    fn told(board: &Board, now: Timestamp) -> Vec<(String, Option<String>)> {
        let outlets = board.outlets(now).into_iter();
        let told = outlets.map(|outlet| (outlet.limit_kw.to_string(), outlet.limited_by));
        told.collect()
    }

    #[test]
    fn cars_share_the_limit_of_the_home() {
        let board = Board::default();
        board.add_outlet("carport", Decimal::from(11));
        board.add_outlet("garage", Decimal::from(22));
        let free = [("11".to_owned(), None), ("22".to_owned(), None)];
        assert_eq!(told(&board, at(0)), free);
        board.plug("garage", car(1));
        board.put(
            "a",
            vec![event("a:1", GridEventKind::ImportLimit, 10)],
            at(0),
        );
        let by = Some("a:1".to_owned());
        assert_eq!(told(&board, at(0))[1], ("10.0".to_owned(), by.clone()));
        board.plug("carport", car(2));
        let shared = ("5.0".to_owned(), by);
        assert_eq!(told(&board, at(1)), [shared.clone(), shared]);
        // Before and after it nothing is limited, nor when the household said no.
        assert_eq!(told(&board, at(-1)), free);
        board.choose("a:1", OptState::Out, at(1)).unwrap();
        assert_eq!(told(&board, at(1)), free);
        assert_eq!(told(&board, at(60)), free);
    }

    #[test]
    fn shedding_leaves_half_the_least_or_nothing() {
        let board = Board::default();
        board.add_outlet("garage", Decimal::from(11));
        for (level, limit) in [(0, "11"), (1, "5.5"), (2, "1.4"), (3, "0")] {
            board.put(
                "a",
                vec![event("a:1", GridEventKind::LoadShed, level)],
                at(0),
            );
            assert_eq!(told(&board, at(1))[0].0, limit, "{level}");
        }
        let mut stepped = event("a:1", GridEventKind::ImportLimit, 10);
        for (from, to, level) in [(0, 30, 10), (30, 60, 4)] {
            stepped.steps.push(GridEventStep {
                start: at(from),
                end: Some(at(to)),
                level: Decimal::from(level),
            });
        }
        board.put("a", vec![stepped], at(0));
        assert_eq!(told(&board, at(29))[0].0, "10.0");
        assert_eq!(told(&board, at(30))[0].0, "4.0");
    }

    #[test]
    fn a_car_is_at_one_outlet_at_a_time() {
        let board = Board::default();
        board.add_outlet("carport", Decimal::from(11));
        board.add_outlet("garage", Decimal::from(22));
        board.plug("garage", car(1));
        board.plug("carport", car(1));
        let there: Vec<bool> = board
            .outlets(at(0))
            .iter()
            .map(|one| one.car.is_some())
            .collect();
        assert_eq!(there, [true, false]);
        board.plug("carport", None);
        assert!(board.outlets(at(0)).iter().all(|one| one.car.is_none()));
    }
}
