//! Demand response with what the home has: which loads may be shed, what the utility and the limit
//! ask for, and what was shed, kept in `zigbee-demand.json` so that a restart gives it back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use han::demand::{Action, Call, Engine, Event, Load, Means, Settings, Shed, Wanted};
use han::zigbee::devices::{Home, Measured};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};
use wattle_api::{GridEvent, GridEventKind, OptState, State, ZigbeeDemand, ZigbeeLoad};

use crate::config::{ZigbeeConfig, ZigbeeLoadConfig};
use crate::files;
use crate::grid;

/// Homes begin and end at moments of their own within so many seconds, unless it is an emergency.
const SPREAD_S: i64 = 300;

/// The engine, and where it keeps what is shed.
pub(super) struct Demand {
    engine: Engine,
    loads: Vec<ZigbeeLoadConfig>,
    limit_w: Option<Decimal>,
    file: PathBuf,
    kept: Vec<Shed>,
    read: Option<Timestamp>,
    /// What the stick could not take.
    undone: Vec<Action>,
    /// Loads that were told to shed and did not.
    stuck: BTreeSet<u64>,
}

/// A shed load as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: u64,
    since: i64,
    before_w: Option<Decimal>,
    setpoint: Option<Decimal>,
    proved: bool,
    returning: bool,
}

impl Demand {
    pub(super) fn new(config: &ZigbeeConfig, folder: &Path) -> Self {
        let file = folder.join("zigbee-demand.json");
        let kept = recall(&file);
        let limit_w = config
            .import_limit_kw
            .and_then(|limit| limit.checked_mul(Decimal::ONE_THOUSAND));
        let settings = Settings {
            limit_w,
            pause_s: config.restore_pause_s.into(),
            ..Settings::default()
        };
        let loads = config.loads.iter().filter_map(load).collect();
        Self {
            engine: Engine::new(settings, loads, &kept),
            loads: config.loads.clone(),
            limit_w,
            file,
            kept,
            read: None,
            undone: Vec::new(),
            stuck: BTreeSet::new(),
        }
    }

    pub(super) fn take(&mut self, ieee: u64, measured: &Measured, now: Timestamp) {
        let at = now.as_second();
        match measured {
            Measured::PowerW(power) => self.engine.take_power(ieee, *power, at),
            Measured::On(on) => self.engine.take_on(ieee, *on, at),
            Measured::HeatingSetpointC(celsius) => self.engine.take_setpoint(ieee, *celsius, at),
            _ => {}
        }
    }

    /// Lets the engine decide, and does what it says; once a second.
    pub(super) fn run(&mut self, home: &mut Home, state: &State, now: Timestamp) {
        if self.loads.is_empty() {
            return;
        }
        if let Some(power) = &state.power
            && self.read != Some(power.received_at)
        {
            self.read = Some(power.received_at);
            self.engine
                .take_import(power.watts, power.received_at.as_second());
        }
        let calls = state.grid_events.iter();
        let calls = calls.filter_map(|event| call(event, &state.gateway.id));
        self.engine.set_calls(calls.collect());
        self.engine.handle_time(now.as_second());
        while let Some(event) = self.engine.poll_event() {
            self.tell(&event);
        }
        let mut actions = std::mem::take(&mut self.undone);
        while let Some(action) = self.engine.poll_action() {
            // A later word takes the place of an earlier one.
            actions.retain(|other| id(other) != id(&action));
            actions.push(action);
        }
        // What was before is on the disk before it is changed.
        self.keep();
        let instant = std::time::Instant::now();
        for action in actions {
            let done = match action {
                Action::Switch { id, on } => home.switch(id, on, instant),
                Action::HeatTo { id, celsius } => home.heat_to(id, celsius, instant),
            };
            if !done {
                self.undone.push(action);
            }
        }
    }

    /// Whether a load is not as the household has set it.
    pub(super) fn holds(&self, ieee: u64) -> bool {
        self.kept.iter().any(|shed| shed.id == ieee)
    }

    pub(super) fn api(&self) -> Option<ZigbeeDemand> {
        if self.loads.is_empty() {
            return None;
        }
        let loads = self.loads.iter().filter_map(|load| {
            let ieee = load.address()?;
            let shed = self.kept.iter().find(|shed| shed.id == ieee);
            Some(ZigbeeLoad {
                ieee: load.id.clone(),
                class: load.class,
                shed_since: shed.and_then(|shed| Timestamp::from_second(shed.since).ok()),
                before_w: shed.and_then(|shed| shed.before_w),
                proved: shed.is_some_and(|shed| shed.proved),
                stuck: self.stuck.contains(&ieee),
            })
        });
        Some(ZigbeeDemand {
            limit_w: self.limit_w,
            loads: loads.collect(),
        })
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Shed {
                id,
                before_w,
                after_w,
            } => {
                self.stuck.remove(id);
                tracing::info!(load = %format_args!("{id:016x}"), ?before_w, ?after_w, "a load is shed");
            }
            Event::NotShed { id } => {
                self.stuck.insert(*id);
                tracing::warn!(load = %format_args!("{id:016x}"), "a load was told to shed and did not; another one is looked for");
            }
            Event::Overridden { id } => {
                tracing::info!(load = %format_args!("{id:016x}"), "somebody wants a shed load; it is left alone");
            }
            Event::Restored { id } => {
                self.stuck.remove(id);
                tracing::info!(load = %format_args!("{id:016x}"), "a load is as it was before");
            }
        }
    }

    fn keep(&mut self) {
        let now = self.engine.kept();
        if now == self.kept {
            return;
        }
        let kept = now.iter().map(|shed| Kept {
            id: shed.id,
            since: shed.since,
            before_w: shed.before_w,
            setpoint: shed.setpoint,
            proved: shed.proved,
            returning: shed.returning,
        });
        let kept: Vec<Kept> = kept.collect();
        if let Err(error) = files::keep(&self.file, &kept, files::For::Owner) {
            tracing::error!(error = %format_args!("{error:#}"), "what is shed is not kept");
        }
        self.kept = now;
    }
}

fn recall(file: &Path) -> Vec<Shed> {
    let kept = files::recall::<Vec<Kept>>(file).unwrap_or_else(|error| {
        tracing::error!(error = %format_args!("{error:#}"), "what was shed is not known");
        None
    });
    let kept = kept.unwrap_or_default();
    let shed = kept.into_iter().map(|kept| Shed {
        id: kept.id,
        since: kept.since,
        before_w: kept.before_w,
        setpoint: kept.setpoint,
        proved: kept.proved,
        returning: kept.returning,
    });
    shed.collect()
}

const fn id(action: &Action) -> u64 {
    match action {
        Action::Switch { id, .. } | Action::HeatTo { id, .. } => *id,
    }
}

fn load(config: &ZigbeeLoadConfig) -> Option<Load> {
    Some(Load {
        id: config.address()?,
        class: config.class,
        means: config.setpoint.map_or(Means::Relay, Means::Setpoint),
        least_on_s: config.least_on_s.into(),
        least_off_s: config.least_off_s.into(),
        longest_off_s: config.longest_off_s.map(i64::from),
    })
}

/// What an event asks of this home, unless the household takes no part in it.
fn call(event: &GridEvent, gateway: &str) -> Option<Call> {
    if event.opt == OptState::Out {
        return None;
    }
    let what = match (event.kind, event.level) {
        (GridEventKind::LoadShed, None) => Wanted::Less(2),
        (GridEventKind::LoadShed, Some(level)) => Wanted::Less(level.to_u8()?.min(3)),
        (GridEventKind::ImportLimit, Some(kw)) => {
            Wanted::Limit(kw.checked_mul(Decimal::ONE_THOUSAND)?)
        }
        _ => return None,
    };
    // Emergencies and limits begin at once.
    let spread = match what {
        Wanted::Less(1 | 2) => grid::share(gateway, &event.id, SPREAD_S),
        _ => 0,
    };
    let end = event.end.map_or(i64::MAX / 2, Timestamp::as_second);
    Some(Call {
        key: event.id.clone(),
        start: event.start.as_second().saturating_add(spread),
        end: end.saturating_add(spread),
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: GridEventKind, level: Option<i64>) -> GridEvent {
        GridEvent {
            kind,
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::from_second(3600).ok(),
            level: level.map(Decimal::from),
            ..crate::grid::tests::event("openadr:1", 0, 1)
        }
    }

    #[test]
    fn events_become_calls_with_a_moment_of_this_home() {
        let one = call(&event(GridEventKind::LoadShed, Some(2)), "0a1b2c").unwrap();
        let other = call(&event(GridEventKind::LoadShed, Some(2)), "0a1b2d").unwrap();
        assert_eq!(one.what, Wanted::Less(2));
        assert!((0..=SPREAD_S).contains(&one.start) && one.start != other.start);
        assert_eq!(one.end - one.start, 3600);
        let limit = call(&event(GridEventKind::ImportLimit, Some(4)), "0a1b2c").unwrap();
        assert_eq!(
            (limit.what, limit.start),
            (Wanted::Limit(Decimal::from(4000)), 0)
        );
        let urgent = call(&event(GridEventKind::LoadShed, Some(3)), "0a1b2c").unwrap();
        assert_eq!((urgent.what, urgent.start), (Wanted::Less(3), 0));
        assert_eq!(call(&event(GridEventKind::Alert, None), "0a1b2c"), None);
        let out = GridEvent {
            opt: OptState::Out,
            ..event(GridEventKind::LoadShed, Some(2))
        };
        assert_eq!(call(&out, "0a1b2c"), None);
    }

    #[test]
    fn what_is_shed_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let config = ZigbeeConfig {
            loads: vec![ZigbeeLoadConfig {
                id: "00124b0000000001".to_owned(),
                class: 1,
                setpoint: None,
                least_on_s: 0,
                least_off_s: 60,
                longest_off_s: None,
            }],
            import_limit_kw: Some(Decimal::new(42, 1)),
            ..ZigbeeConfig::default()
        };
        let mut demand = Demand::new(&config, folder.path());
        assert_eq!(demand.api().unwrap().limit_w, Some(Decimal::from(4200)));
        let at = Timestamp::from_second(1_000_000).unwrap();
        let id = 0x0012_4B00_0000_0001;
        demand.take(id, &Measured::On(true), at);
        demand.take(id, &Measured::PowerW(Decimal::from(900)), at);
        demand.engine.take_import(Decimal::from(5000), 1_000_000);
        demand.engine.handle_time(1_000_001);
        demand.keep();
        let again = Demand::new(&config, folder.path());
        assert_eq!(again.kept, demand.kept);
        let load = &again.api().unwrap().loads[0];
        assert_eq!(load.before_w, Some(Decimal::from(900)));
        assert_eq!(load.shed_since.map(Timestamp::as_second), Some(1_000_001));
    }
}
