//! What the gateway itself knows: prices, cost, what is wrong, what has happened.
//!
//! Each part says how it looks in a file of its own; here is what of it has changed.

mod bearers;
mod cost;
mod firmware;
mod gateway;
mod grid;
mod part;
mod prepay;
mod prices;
mod zigbee;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use wattle_api::{Appliances, Bearer, GridEvent, Notice, State, Zigbee};

use super::thing::{Point, Thing, Topics, Update, Values};
use part::{Told, number};

/// What is told of the household at most this often: cost changes with every telegram.
const EVERY: Duration = Duration::from_secs(10);
/// Types of what happens.
const EVENTS: &[&str] = &[
    "appliance_on",
    "appliance_off",
    "notice_raised",
    "notice_cleared",
    "meter_exchanged",
    "grid_event",
    "grid_event_over",
];
/// Path of what the utility asks for.
pub(super) const GRID: &str = "grid/events";

/// Path of the Zigbee network.
pub(super) const ZIGBEE: &str = "zigbee/network";
/// What the path of a Zigbee device that takes firmware begins with.
pub(super) const ZIGBEE_DEVICE: &str = "zigbee/";

/// The household, and what was told of it.
#[derive(Debug)]
pub(super) struct Household {
    topics: Topics,
    things: BTreeMap<String, Thing>,
    states: BTreeMap<String, Values>,
    attributes: BTreeMap<(String, &'static str), Value>,
    told: Option<Instant>,
    /// What is wrong, by code and meter; `None` before the first look.
    notices: Option<BTreeSet<(String, String)>>,
    /// What runs by now, by name; `None` before the first look.
    running: Option<BTreeSet<String>>,
    /// What the utility asks for, by identifier.
    asked: BTreeMap<String, GridEvent>,
}

impl Household {
    pub(super) fn new(topics: Topics) -> Self {
        Self {
            topics,
            things: BTreeMap::new(),
            states: BTreeMap::new(),
            attributes: BTreeMap::new(),
            told: None,
            notices: None,
            running: None,
            asked: BTreeMap::new(),
        }
    }

    /// What is to be said of what has changed; of what was measured only where that may be said now,
    /// or goes with what cannot wait.
    pub(super) fn take(&mut self, state: &State, measured: bool, now: Instant) -> Vec<Update> {
        let mut updates = self.notices(&state.notices);
        updates.extend(self.asked(&state.grid_events));
        let hurry = !updates.is_empty();
        let recent = |told| now.duration_since(told) < EVERY;
        if !hurry && (!measured || self.told.is_some_and(recent)) {
            return updates;
        }
        self.told = Some(now);
        let parts = [
            Some(gateway::told(&self.topics, state)),
            state
                .price
                .as_ref()
                .map(|price| prices::told(&self.topics, price, state.at)),
            cost::told(&self.topics, state),
            state
                .prepay
                .as_ref()
                .map(|account| prepay::told(&self.topics, account)),
            // Where nothing was ever asked there is nobody who asks.
            (!state.grid_events.is_empty() || self.things.contains_key(GRID))
                .then(|| grid::told(&self.topics, state)),
        ];
        for told in parts.into_iter().flatten() {
            updates.extend(self.tell(told));
        }
        updates
    }

    /// What of the Zigbee network has changed.
    pub(super) fn network(&mut self, network: &Zigbee) -> Vec<Update> {
        let mut updates = self.tell(zigbee::told(&self.topics, network));
        let paths: Vec<String> = network.firmware.iter().map(firmware::path).collect();
        let is_gone = |path: &&String| {
            path.starts_with(ZIGBEE_DEVICE) && *path != ZIGBEE && !paths.contains(path)
        };
        let gone: Vec<String> = self.things.keys().filter(is_gone).cloned().collect();
        for path in gone {
            self.things.remove(&path);
            self.states.remove(&path);
            self.attributes.retain(|(of, _), _| *of != path);
            updates.push(Update::Gone(path));
        }
        for one in &network.firmware {
            let device = network
                .devices
                .iter()
                .find(|device| device.ieee == one.ieee);
            if let Some(told) = firmware::told(&self.topics, one, device) {
                updates.extend(self.tell(told));
            }
        }
        updates
    }

    /// What of the relay's ways out of the house has changed.
    pub(super) fn bearers(&mut self, bearers: &[Bearer]) -> Vec<Update> {
        self.tell(bearers::told(&self.topics, bearers))
    }

    /// Everything again.
    pub(super) fn everything(&self) -> Vec<Update> {
        let things = self.things.values().cloned().map(Update::Thing);
        let attributes = self
            .attributes
            .iter()
            .map(|((path, name), value)| Update::Attributes(path.clone(), name, value.clone()));
        let states = self
            .states
            .iter()
            .map(|(path, values)| Update::State(path.clone(), values.clone()));
        things.chain(attributes).chain(states).collect()
    }

    /// What came on and went off since the last look.
    pub(super) fn appliances(&mut self, now: &Appliances) -> Vec<Update> {
        let running: BTreeSet<String> = now
            .running
            .iter()
            .filter_map(|load| load.appliance.clone())
            .collect();
        let Some(before) = self.running.replace(running.clone()) else {
            return Vec::new();
        };
        let on = running.difference(&before).map(|name| {
            let load = now
                .running
                .iter()
                .find(|load| load.appliance.as_ref() == Some(name));
            let mut event = json!({ "event_type": "appliance_on", "appliance": name });
            if let (Some(load), Value::Object(members)) = (load, &mut event) {
                members.insert("power_w".to_owned(), number(&load.power_w.to_string()));
                members.insert("since".to_owned(), json!(load.since));
                members.insert(
                    "confidence".to_owned(),
                    number(&load.confidence.to_string()),
                );
            }
            Update::Event(event)
        });
        let off = before
            .difference(&running)
            .map(|name| Update::Event(json!({ "event_type": "appliance_off", "appliance": name })));
        on.chain(off).collect()
    }

    /// Every event that is new or has changed, and every one that is over.
    fn asked(&mut self, events: &[GridEvent]) -> Vec<Update> {
        let now: BTreeMap<String, GridEvent> = events
            .iter()
            .map(|event| (event.id.clone(), event.clone()))
            .collect();
        let before = std::mem::replace(&mut self.asked, now);
        let changed = events
            .iter()
            .filter(|event| before.get(&event.id) != Some(event))
            .map(|event| Update::Event(json!({ "event_type": "grid_event", "grid_event": event })));
        let over = before.keys().filter(|id| !self.asked.contains_key(*id));
        let over =
            over.map(|id| Update::Event(json!({ "event_type": "grid_event_over", "id": id })));
        changed.chain(over).collect()
    }

    fn tell(&mut self, told: Told) -> Vec<Update> {
        let mut updates = Vec::new();
        let path = told.thing.path.clone();
        let mut told = told;
        // What was told once stays, without a value while there is none.
        if let Some(before) = self.things.get(&path) {
            let is_new = |point: &&Point| !told.thing.points.iter().any(|p| p.key == point.key);
            let kept: Vec<Point> = before.points.iter().filter(is_new).cloned().collect();
            told.thing.points.extend(kept);
            told.thing.points.sort_by_key(|point| {
                let place = before.points.iter().position(|p| p.key == point.key);
                place.unwrap_or(usize::MAX)
            });
        }
        if self.things.get(&path) != Some(&told.thing) {
            self.things.insert(path.clone(), told.thing.clone());
            updates.push(Update::Thing(told.thing));
        }
        for (name, value) in told.attributes {
            let key = (path.clone(), name);
            if self.attributes.get(&key) != Some(&value) {
                self.attributes.insert(key, value.clone());
                updates.push(Update::Attributes(path.clone(), name, value));
            }
        }
        if self.states.get(&path) != Some(&told.values) {
            self.states.insert(path.clone(), told.values.clone());
            updates.push(Update::State(path, told.values));
        }
        updates
    }

    fn notices(&mut self, notices: &[Notice]) -> Vec<Update> {
        let key = |notice: &Notice| {
            let code = serde_json::to_value(notice.code).ok();
            let code = code.and_then(|code| code.as_str().map(str::to_owned));
            (
                code.unwrap_or_default(),
                notice.meter.clone().unwrap_or_default(),
            )
        };
        let now: BTreeSet<(String, String)> = notices.iter().map(key).collect();
        let Some(before) = self.notices.replace(now.clone()) else {
            return Vec::new();
        };
        let raised = notices
            .iter()
            .filter(|notice| !before.contains(&key(notice)))
            .map(|notice| {
                Update::Event(json!({
                    "event_type": "notice_raised",
                    "code": notice.code,
                    "severity": notice.severity,
                    "meter": notice.meter,
                    "text": notice.text,
                    "since": notice.since,
                }))
            });
        let cleared = before.difference(&now).map(|(code, meter)| {
            let meter = (!meter.is_empty()).then_some(meter);
            Update::Event(json!({
                "event_type": "notice_cleared", "code": code, "meter": meter,
            }))
        });
        raised.chain(cleared).collect()
    }
}

/// A meter was exchanged.
pub(super) fn exchanged(name: &str, former: &str, serial: &str) -> Update {
    Update::Event(json!({
        "event_type": "meter_exchanged", "meter": name, "former": former, "serial": serial,
    }))
}
