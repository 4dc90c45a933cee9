//! Kinds of appliances: when one counts as on, and what physics says of its power and its times.
//!
//! The ranges here are the plain priors. What is fitted to labelled homes is in the signature
//! library (`Library`); a kind that no labelled home has lives on its ranges alone.

use serde::{Deserialize, Serialize};

/// How an appliance's cycles are built.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// One load that comes on and goes off: kettle, shower, toaster.
    Single,
    /// A compressor or pump that comes on and goes off around the clock.
    Cyclic,
    /// A programme: heating plateaus with motor texture between and after them.
    Programme,
    /// A plateau of a quarter of an hour and more.
    Plateau,
    /// Thermostatic bursts of the same power.
    Bursts,
}

/// A kind of appliance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Its name in columns, in the API and in MQTT topics.
    pub name: &'static str,
    /// It is on from this power. W.
    pub on_w: f64,
    /// Pauses up to this long do not end a cycle. s.
    pub join_s: f64,
    /// Anything shorter is no cycle. s.
    pub shortest_s: f64,
    /// How its cycles are built.
    pub family: Family,
    /// Power of its main load, lowest and highest. W.
    pub power_w: (f64, f64),
    /// How long its main load is on at a time, shortest and longest. s.
    pub load_s: (f64, f64),
}

const fn kind(
    name: &'static str,
    rule: (f64, f64, f64),
    family: Family,
    power_w: (f64, f64),
    load_s: (f64, f64),
) -> Kind {
    Kind {
        name,
        on_w: rule.0,
        join_s: rule.1,
        shortest_s: rule.2,
        family,
        power_w,
        load_s,
    }
}

/// A small load of no kind in particular.
const SMALL: (f64, f64, f64) = (30.0, 300.0, 30.0);

/// All kinds, in the order of their columns.
pub const KINDS: [Kind; 22] = [
    kind(
        "fridge",
        (35.0, 120.0, 60.0),
        Family::Cyclic,
        (40.0, 250.0),
        (300.0, 4500.0),
    ),
    kind(
        "freezer",
        (35.0, 120.0, 60.0),
        Family::Cyclic,
        (40.0, 250.0),
        (300.0, 5400.0),
    ),
    kind(
        "kettle",
        (500.0, 60.0, 20.0),
        Family::Single,
        (1200.0, 3200.0),
        (15.0, 420.0),
    ),
    kind(
        "toaster",
        (200.0, 120.0, 20.0),
        Family::Single,
        (600.0, 1500.0),
        (45.0, 330.0),
    ),
    kind(
        "coffee_maker",
        (200.0, 300.0, 10.0),
        Family::Bursts,
        (500.0, 1600.0),
        (3.0, 600.0),
    ),
    kind(
        "microwave",
        (200.0, 120.0, 20.0),
        Family::Single,
        (600.0, 1700.0),
        (10.0, 1200.0),
    ),
    kind(
        "shower",
        (1000.0, 120.0, 30.0),
        Family::Single,
        (5500.0, 11000.0),
        (30.0, 1500.0),
    ),
    kind(
        "boiler",
        (30.0, 300.0, 60.0),
        Family::Cyclic,
        (40.0, 125.0),
        (240.0, 10800.0),
    ),
    kind(
        "dishwasher",
        (30.0, 2400.0, 900.0),
        Family::Programme,
        (1500.0, 2700.0),
        (200.0, 3000.0),
    ),
    kind(
        "washing_machine",
        (30.0, 1800.0, 900.0),
        Family::Programme,
        (1500.0, 2700.0),
        (200.0, 3000.0),
    ),
    kind(
        "tumble_dryer",
        (60.0, 1200.0, 600.0),
        Family::Plateau,
        (1800.0, 2900.0),
        (900.0, 9000.0),
    ),
    kind(
        "stove",
        (100.0, 900.0, 60.0),
        Family::Bursts,
        (800.0, 3500.0),
        (10.0, 2400.0),
    ),
    kind(
        "oven",
        (100.0, 900.0, 60.0),
        Family::Bursts,
        (1500.0, 3500.0),
        (20.0, 2400.0),
    ),
    kind(
        "heat_pump",
        (300.0, 600.0, 300.0),
        Family::Plateau,
        (500.0, 5000.0),
        (600.0, 86400.0),
    ),
    kind(
        "ev_charger",
        (1000.0, 900.0, 600.0),
        Family::Plateau,
        (1300.0, 23000.0),
        (1200.0, 86400.0),
    ),
    kind(
        "water_heater",
        SMALL,
        Family::Plateau,
        (1000.0, 3600.0),
        (900.0, 10800.0),
    ),
    kind(
        "air_conditioner",
        SMALL,
        Family::Plateau,
        (400.0, 3000.0),
        (300.0, 43200.0),
    ),
    kind(
        "iron",
        SMALL,
        Family::Bursts,
        (1200.0, 2800.0),
        (5.0, 300.0),
    ),
    kind(
        "vacuum_cleaner",
        SMALL,
        Family::Single,
        (400.0, 1800.0),
        (60.0, 2400.0),
    ),
    kind(
        "lighting",
        SMALL,
        Family::Single,
        (10.0, 400.0),
        (60.0, 43200.0),
    ),
    kind("tv", SMALL, Family::Single, (30.0, 300.0), (300.0, 43200.0)),
    kind("pc", SMALL, Family::Single, (30.0, 500.0), (300.0, 43200.0)),
];

/// What a kind that is not in the table goes by.
const OTHER: Kind = kind("", SMALL, Family::Single, (20.0, 25000.0), (5.0, 86400.0));

/// The name without its number: `fridge` of `fridge_2`.
#[must_use]
pub fn base_name(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((base, number))
            if !base.is_empty()
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            base
        }
        _ => name,
    }
}

/// The kind of an appliance by its name, number or not. What is not in the table has a threshold
/// of 30 W and no prior.
#[must_use]
pub fn kind_of(name: &str) -> Kind {
    let base = base_name(name);
    KINDS
        .iter()
        .find(|kind| kind.name == base)
        .copied()
        .unwrap_or(OTHER)
}

/// Where an appliance stands among the columns: its kind's place, then its number.
#[must_use]
pub fn column_order(name: &str) -> (usize, u32, String) {
    let base = base_name(name);
    let place = KINDS
        .iter()
        .position(|kind| kind.name == base)
        .unwrap_or(KINDS.len());
    let number = name
        .strip_prefix(base)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(1);
    (place, number, name.to_owned())
}
