//! What the gateway itself knows: prices, cost, what is wrong, what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use wattle_api::{
    Appliances, GridEvent, Money, Notice, Price, PriceDay, Severity, Slot, State, Supply,
};

use super::thing::{Kind, Point, Thing, Topics, Update, Values, identifier, text};

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
const BANDS: &[&str] = &["paid_to_use", "cheap", "normal", "dear"];

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

/// A part of the household: what it is, its values, and JSON that says more.
struct Told {
    thing: Thing,
    values: Values,
    attributes: Vec<(&'static str, Value)>,
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
            Some(gateway(&self.topics, state)),
            state
                .price
                .as_ref()
                .map(|price| prices(&self.topics, price, state.at)),
            cost(&self.topics, state),
            // Where nothing was ever asked there is nobody who asks.
            (!state.grid_events.is_empty() || self.things.contains_key(GRID))
                .then(|| grid(&self.topics, state)),
        ];
        for told in parts.into_iter().flatten() {
            updates.extend(self.tell(told));
        }
        updates
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

/// A decimal as a JSON number.
fn number(decimal: &str) -> Value {
    serde_json::from_str(decimal).unwrap_or(Value::Null)
}

fn sensor(key: &str, name: &str, unit: Option<&str>) -> Point {
    Point {
        unit: unit.map(str::to_owned),
        ..Point::new(Kind::Sensor, key, name)
    }
}

fn gateway(topics: &Topics, state: &State) -> Told {
    let worst = state.notices.iter().map(|notice| notice.severity).max();
    let problem = worst >= Some(Severity::Warning);
    let listed: Vec<Value> = state
        .notices
        .iter()
        .map(|notice| json!({ "code": notice.code, "severity": notice.severity, "meter": notice.meter, "text": notice.text, "since": notice.since }))
        .collect();
    let rejected: u64 = state.meters.iter().map(|meter| meter.rejected).sum();
    let diagnostic = |point: Point| Point {
        diagnostic: true,
        ..point
    };
    let points = vec![
        Point {
            device_class: Some("connectivity"),
            id: "status".to_owned(),
            ..diagnostic(Point::new(Kind::Connection, "connection", "Connection"))
        },
        Point {
            device_class: Some("problem"),
            attributes: Some("notices"),
            ..diagnostic(Point::new(Kind::Binary, "problem", "Problem"))
        },
        Point {
            device_class: Some("timestamp"),
            ..diagnostic(sensor("started_at", "Started", None))
        },
        Point {
            state_class: Some("total_increasing"),
            ..diagnostic(sensor("rejected", "Rejected input", None))
        },
        Point::new(Kind::Event(EVENTS), "event", "Event"),
    ];
    let on = if problem { "ON" } else { "OFF" };
    let values = [
        ("problem", text(on)),
        ("started_at", text(&state.gateway.started_at.to_string())),
        ("rejected", rejected.to_string()),
    ];
    Told {
        thing: Thing {
            path: String::new(),
            ident: topics.node(),
            name: format!("Wattle {}", topics.gateway.to_uppercase()),
            manufacturer: Some("wattle".to_owned()),
            model: Some("Home energy gateway".to_owned()),
            serial: None,
            relies_on: None,
            points,
        },
        values: owned(values.to_vec()),
        attributes: vec![("notices", json!({ "notices": listed }))],
    }
}

fn owned(values: Vec<(&str, String)>) -> Values {
    let owned = |(key, value): (&str, String)| (key.to_owned(), value);
    values.into_iter().map(owned).collect()
}

/// A decimal as JSON, or `null`: what is not known is never 0.
fn or_null(decimal: Option<String>) -> String {
    decimal.unwrap_or_else(|| "null".to_owned())
}

fn prices(topics: &Topics, price: &Price, at: Timestamp) -> Told {
    let unit = format!("{}/kWh", price.currency);
    // A price is no `monetary`: Home Assistant takes that for an amount of money.
    let money = |key: &str, name: &str| Point {
        state_class: Some("measurement"),
        precision: Some(4),
        ..sensor(key, name, Some(&unit))
    };
    let moment = |key: &str, name: &str| Point {
        device_class: Some("timestamp"),
        ..sensor(key, name, None)
    };
    let points = vec![
        Point {
            attributes: Some("prices"),
            ..money("price_now", "Price")
        },
        money("price_next", "Next price"),
        moment("next_start", "Next price from"),
        Point {
            device_class: Some("enum"),
            options: BANDS,
            ..sensor("band_now", "Price band", None)
        },
        moment("cheapest_start", "Cheapest two hours from"),
    ];
    let slot = |slot: &Slot| {
        json!({
            "start": slot.start,
            "end": slot.end,
            "price": number(&slot.per_kwh.to_string()),
            "band": slot.band,
        })
    };
    // A day of which nothing is published is not among them.
    let day_of = |at| {
        price
            .days
            .iter()
            .find(|day| day.start <= at && at < day.end)
    };
    let today = day_of(at);
    let tomorrow = today.and_then(|today| day_of(today.end));
    let slots = |day: Option<&PriceDay>| -> Vec<Value> {
        day.map(|day| day.slots.iter().map(slot).collect())
            .unwrap_or_default()
    };
    let band = price.now.as_ref().map(|slot| json!(slot.band).to_string());
    let values = vec![
        (
            "price_now",
            or_null(price.now.as_ref().map(|slot| slot.per_kwh.to_string())),
        ),
        (
            "price_next",
            or_null(price.next.as_ref().map(|slot| slot.per_kwh.to_string())),
        ),
        (
            "next_start",
            or_null(
                price
                    .next
                    .as_ref()
                    .map(|slot| text(&slot.start.to_string())),
            ),
        ),
        ("band_now", or_null(band)),
        (
            "cheapest_start",
            or_null(
                price
                    .cheapest
                    .as_ref()
                    .map(|window| text(&window.start.to_string())),
            ),
        ),
    ];
    let all = json!({
        "price": price.now.as_ref().map(|slot| number(&slot.per_kwh.to_string())),
        "currency": price.currency,
        "tariff": price.tariff,
        "next": price.slots.iter().map(slot).collect::<Vec<_>>(),
        "today": slots(today),
        "tomorrow": slots(tomorrow),
    });
    Told {
        thing: part(topics, "price", "Electricity price", points),
        values: owned(values),
        attributes: vec![("prices", all)],
    }
}

/// What the utility asks for: the event that holds or comes next, all of them beside it.
fn grid(topics: &Topics, state: &State) -> Told {
    let next = state.grid_events.first();
    let moment = |key: &str, name: &str| Point {
        device_class: Some("timestamp"),
        ..sensor(key, name, None)
    };
    let points = vec![
        Point {
            attributes: Some("events"),
            ..Point::new(Kind::Binary, "active", "Grid event")
        },
        sensor("kind", "Kind", None),
        Point {
            state_class: Some("measurement"),
            ..sensor("level", "Level", None)
        },
        moment("start", "Begins"),
        moment("end", "Ends"),
        sensor("opt", "Takes part", None),
        Point::new(Kind::Button("opt-out"), "opt_out", "Opt out"),
        Point::new(Kind::Button("opt-in"), "opt_in", "Opt in"),
    ];
    let holds = next
        .is_some_and(|event| event.start <= state.at && event.end.is_none_or(|end| state.at < end));
    let word = |value: Value| Some(value.to_string()).filter(|text| text != "null");
    let values = vec![
        ("active", text(if holds { "ON" } else { "OFF" })),
        (
            "kind",
            or_null(next.and_then(|event| word(json!(event.kind)))),
        ),
        (
            "level",
            or_null(next.and_then(|event| Some(event.level?.to_string()))),
        ),
        (
            "start",
            or_null(next.map(|event| text(&event.start.to_string()))),
        ),
        (
            "end",
            or_null(next.and_then(|event| Some(text(&event.end?.to_string())))),
        ),
        (
            "opt",
            or_null(next.and_then(|event| word(json!(event.opt)))),
        ),
    ];
    Told {
        thing: part(topics, GRID, "Grid events", points),
        values: owned(values),
        attributes: vec![("events", json!({ "events": state.grid_events }))],
    }
}

fn cost(topics: &Topics, state: &State) -> Option<Told> {
    let (mut points, mut values) = (Vec::new(), Vec::new());
    let mut since = |key: &'static str, at: String| values.push((key, text(&at)));
    if let Some(today) = &state.today {
        since("today_since", today.since.to_string());
    }
    if let Some(month) = &state.month {
        since("month_since", month.since.to_string());
    }
    let mut put = |key, name, class, unit: &str, reset, value: Option<String>| {
        points.push(Point {
            device_class: Some(class),
            state_class: Some("total"),
            last_reset: Some(reset),
            precision: Some(2),
            ..sensor(key, name, Some(unit))
        });
        values.push((key, or_null(value)));
    };
    let kwh = |amount: &rust_decimal::Decimal| Some(amount.normalize().to_string());
    let money = |cost: &Money| Some(cost.amount.round_dp(4).normalize().to_string());
    if let Some(today) = &state.today {
        let reset = "today_since";
        put(
            "import_today_kwh",
            "Import today",
            "energy",
            "kWh",
            reset,
            kwh(&today.import_kwh),
        );
        if let Some(export) = &today.export_kwh {
            put(
                "export_today_kwh",
                "Export today",
                "energy",
                "kWh",
                reset,
                kwh(export),
            );
        }
        if let Some(cost) = &today.cost {
            put(
                "cost_today",
                "Cost today",
                "monetary",
                &cost.currency,
                reset,
                money(cost),
            );
        }
    }
    if let Some(month) = &state.month {
        let reset = "month_since";
        put(
            "import_month_kwh",
            "Import this month",
            "energy",
            "kWh",
            reset,
            kwh(&month.import_kwh),
        );
        if let Some(cost) = &month.cost {
            put(
                "cost_month",
                "Cost this month",
                "monetary",
                &cost.currency,
                reset,
                money(cost),
            );
        }
    }
    let supplies: [(&Option<Supply>, _, _, _); 2] = [
        (&state.gas, "gas_today_m3", "Gas today", "gas"),
        (&state.water, "water_today_m3", "Water today", "water"),
    ];
    for (supply, key, name, class) in supplies {
        if let (Some(supply), Some(_)) = (supply, &state.today) {
            put(
                key,
                name,
                class,
                "m³",
                "today_since",
                kwh(&supply.volume_m3),
            );
        }
    }
    (!points.is_empty()).then(|| Told {
        thing: part(topics, "usage", "Usage", points),
        values: owned(values),
        attributes: Vec::new(),
    })
}

fn part(topics: &Topics, path: &str, name: &str, points: Vec<Point>) -> Thing {
    Thing {
        path: path.to_owned(),
        ident: format!("{}_{}", topics.node(), identifier(path)),
        name: name.to_owned(),
        manufacturer: Some("wattle".to_owned()),
        model: None,
        serial: None,
        relies_on: None,
        points,
    }
}
