//! The APPLIANCES screen and the one behind each of its rows.

use super::{View, phrase, rows};
use crate::format;
use crate::generated::{
    App, ApplianceRow, Appliances, LoadRow, Named, Phrase, RowKind, RunRow, Say, Thing, Tokens,
};
use rust_decimal::Decimal;
use slint::{ComponentHandle, SharedString};
use wattle_api as api;
use wattle_api::{ApplianceDay, ApplianceShare, Money};

/// What a row's `id` is when it is no appliance's.
const ALWAYS_ON: &str = "~always-on";
const OTHER: &str = "~other";
/// How many runs, loads and choices there is room for.
const ROOM: usize = 5;
/// What is neither running nor took this much in kWh is no row of today.
const LEAST_KWH: Decimal = Decimal::from_parts(5, 0, 0, false, 3);

pub(super) fn bind(app: &App, view: &View) {
    let screen = app.global::<Appliances>();
    let found = view
        .state
        .as_ref()
        .and_then(|state| state.appliances.as_ref());
    let (all, total) = found.map_or_else(Default::default, |found| table(view, found));
    // Two rows are for what is always on and for the rest.
    let room = if app.global::<Tokens>().get_large() {
        6
    } else {
        4
    };
    let (named, rest): (Vec<ApplianceRow>, Vec<ApplianceRow>) = all
        .iter()
        .cloned()
        .partition(|row| row.kind == RowKind::Appliance);
    let pages = named.len().div_ceil(room).max(1);
    let page = usize::try_from(screen.get_page())
        .unwrap_or(0)
        .min(pages - 1);
    screen.set_page(i32::try_from(page).unwrap_or(0));
    screen.set_pages(i32::try_from(pages).unwrap_or(1));
    let shown: Vec<ApplianceRow> = named
        .iter()
        .skip(page * room)
        .take(room)
        .chain(&rest)
        .cloned()
        .collect();
    if let Some(model) = rows(&screen.get_rows(), shown) {
        screen.set_rows(model);
    }
    screen.set_total(total.into());
    let cost = view.state.as_ref().and_then(|state| state.today.as_ref());
    let cost = cost.and_then(|today| today.cost.as_ref());
    screen.set_total_cost(money(view, cost));
    screen.set_decided(match found.and_then(|found| found.decided_until) {
        Some(until) => phrase(
            Say::DecidedUntil,
            format::moment(until, &view.local(), view.language),
        ),
        None => phrase(Say::Learning, String::new()),
    });
    bind_detail(&screen, view, found, &all);
}

/// Every row of today, and the total they add up to.
fn table(view: &View, found: &api::Appliances) -> (Vec<ApplianceRow>, String) {
    let Some(day) = &found.today else {
        return Default::default();
    };
    let running = |name: &str| {
        let of = found.running.iter();
        of.filter(|load| load.appliance.as_deref() == Some(name))
            .map(|load| load.power_w)
            .reduce(|sum, power| sum + power)
    };
    let mut shares: Vec<&ApplianceShare> = day
        .appliances
        .iter()
        .filter(|share| share.kwh >= LEAST_KWH || running(&share.name).is_some())
        .collect();
    shares.sort_by(|one, other| other.kwh.cmp(&one.kwh).then(one.name.cmp(&other.name)));
    let parts: Vec<Decimal> = shares
        .iter()
        .map(|share| share.kwh)
        .chain([day.always_on_kwh, day.other_kwh])
        .collect();
    let (texts, total) = format::parts(&parts, day.import_kwh, 2);
    let mut energy = texts
        .into_iter()
        .map(|kwh| format!("{}\u{a0}kWh", format::number(kwh, 2, view.language)));
    let mut next = || energy.next().unwrap_or_default().into();
    let mut table: Vec<ApplianceRow> = shares
        .iter()
        .map(|share| ApplianceRow {
            kind: RowKind::Appliance,
            id: share.name.as_str().into(),
            named: named(&share.name, found),
            now: now(view, running(&share.name)),
            on: running(&share.name).is_some(),
            energy: next(),
            cost: money(view, share.cost.as_ref()),
            dots: dots(confidence(found, &share.name)),
        })
        .collect();
    table.push(ApplianceRow {
        kind: RowKind::AlwaysOn,
        id: ALWAYS_ON.into(),
        now: now(
            view,
            found.always_on_w.filter(|watts| *watts > Decimal::ZERO),
        ),
        on: true,
        energy: next(),
        cost: money(view, day.always_on_cost.as_ref()),
        ..ApplianceRow::default()
    });
    table.push(ApplianceRow {
        kind: RowKind::Other,
        id: OTHER.into(),
        energy: next(),
        cost: money(view, day.other_cost.as_ref()),
        ..ApplianceRow::default()
    });
    let total = format!("{}\u{a0}kWh", format::number(total, 2, view.language));
    (table, total)
}

fn bind_detail(
    screen: &Appliances,
    view: &View,
    found: Option<&api::Appliances>,
    all: &[ApplianceRow],
) {
    let chosen = screen.get_chosen();
    let row = all.iter().find(|row| row.id == chosen);
    screen.set_detail(row.cloned().unwrap_or_default());
    let day = found.and_then(|found| found.today.as_ref());
    let share = |day: &'_ ApplianceDay| {
        let mut of = day.appliances.iter();
        of.find(|share| share.name == chosen.as_str()).cloned()
    };
    screen.set_range(match day.and_then(share) {
        Some(share) => {
            let [low, high] =
                [share.kwh_low, share.kwh_high].map(|kwh| format::number(kwh, 2, view.language));
            phrase(Say::Plain, format!("{low}–{high}\u{a0}kWh"))
        }
        None => Phrase::default(),
    });
    let known = found.and_then(|found| {
        found
            .appliances
            .iter()
            .find(|one| one.name == chosen.as_str())
    });
    screen.set_ever(match known {
        Some(known) => Phrase {
            b: known.cycles.to_string().into(),
            ..phrase(
                Say::SoFarRuns,
                format::energy(known.total_kwh, view.language),
            )
        },
        None => Phrase::default(),
    });
    let runs = found.map_or_else(Vec::new, |found| runs(view, found, &chosen));
    if let Some(model) = rows(&screen.get_runs(), runs) {
        screen.set_runs(model);
    }
    let others: Vec<ApplianceRow> = all
        .iter()
        .filter(|row| row.kind == RowKind::Appliance && row.id != chosen)
        .take(ROOM)
        .cloned()
        .collect();
    if let Some(model) = rows(&screen.get_others(), others) {
        screen.set_others(model);
    }
    let loads = found.map_or_else(Vec::new, |found| loads(view, found));
    if let Some(model) = rows(&screen.get_loads(), loads) {
        screen.set_loads(model);
    }
    let load = found.and_then(|found| {
        let slot = usize::try_from(screen.get_slot()).ok()?;
        found.unnamed.iter().find(|load| load.slot == slot)
    });
    let choices = load.map_or_else(Vec::new, choices);
    if let Some(model) = rows(&screen.get_choices(), choices) {
        screen.set_choices(model);
    }
}

/// The runs of the day, the last first.
fn runs(view: &View, found: &api::Appliances, chosen: &str) -> Vec<RunRow> {
    let zone = view.zone();
    let run = |cycle: &api::ApplianceCycle| RunRow {
        id: cycle.start.to_string().into(),
        when: format!(
            "{}–{}",
            format::clock(cycle.start, &zone),
            format::clock(cycle.end, &zone)
        )
        .into(),
        energy: format!("{}\u{a0}kWh", format::number(cycle.kwh, 2, view.language)).into(),
        cost: money(view, cycle.cost.as_ref()),
        dots: dots(cycle.confidence),
    };
    let of = found.cycles.iter().rev();
    of.filter(|cycle| cycle.appliance == chosen)
        .take(ROOM)
        .map(run)
        .collect()
}

/// Loads that come back and have no name.
fn loads(view: &View, found: &api::Appliances) -> Vec<LoadRow> {
    let load = |load: &api::UnnamedLoad| {
        let power = format::power(load.power_w, view.language);
        let unit = if power.kilowatts { "kW" } else { "W" };
        let minutes = Decimal::from(load.typical_s) / Decimal::from(60);
        LoadRow {
            slot: i32::try_from(load.slot).unwrap_or(0),
            power: format!("{}\u{a0}{unit}", power.text).into(),
            often: Phrase {
                b: format::number(load.per_week, 0, view.language).into(),
                ..phrase(
                    Say::MinutesAWeek,
                    format::number(minutes.max(Decimal::ONE), 0, view.language),
                )
            },
            guess: load
                .guesses
                .first()
                .map(|guess| named(&guess.appliance, found))
                .unwrap_or_default(),
            guessed: !load.guesses.is_empty(),
        }
    };
    found.unnamed.iter().take(ROOM).map(load).collect()
}

/// What a load may be called: what it may be, then what many homes have.
fn choices(load: &api::UnnamedLoad) -> Vec<ApplianceRow> {
    let usual = [
        "washing_machine",
        "dishwasher",
        "tumble_dryer",
        "oven",
        "tv",
    ];
    let mut names: Vec<&str> = load
        .guesses
        .iter()
        .map(|guess| guess.appliance.as_str())
        .collect();
    names.extend(usual);
    let mut choices: Vec<ApplianceRow> = Vec::new();
    for name in names {
        if choices.len() < ROOM && choices.iter().all(|row| row.id != name) {
            choices.push(ApplianceRow {
                id: name.into(),
                named: named(name, &api::Appliances::default()),
                ..ApplianceRow::default()
            });
        }
    }
    choices
}

fn money(view: &View, amount: Option<&Money>) -> SharedString {
    amount
        .map(|cost| format::money(cost.amount, &cost.currency, view.language))
        .unwrap_or_default()
        .into()
}

fn now(view: &View, power_w: Option<Decimal>) -> Phrase {
    let Some(watts) = power_w else {
        return phrase(Say::Off, String::new());
    };
    let power = format::power(watts, view.language);
    let unit = if power.kilowatts { "kW" } else { "W" };
    phrase(Say::Plain, format!("{}\u{a0}{unit}", power.text))
}

fn confidence(found: &api::Appliances, name: &str) -> Decimal {
    let known = found.appliances.iter().find(|one| one.name == name);
    known.map_or(Decimal::ZERO, |known| known.confidence)
}

/// Sure, likely or a guess.
fn dots(confidence: Decimal) -> i32 {
    match confidence {
        sure if sure >= Decimal::new(85, 2) => 3,
        likely if likely >= Decimal::new(60, 2) => 2,
        _ => 1,
    }
}

/// An appliance as it is called: the household's word, or that for its kind and its number.
pub(super) fn named(name: &str, found: &api::Appliances) -> Named {
    let label = found.labels.get(name).cloned().unwrap_or_default();
    let (base, number) = match name.rsplit_once('_') {
        Some((base, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => (base, number),
        _ => (name, ""),
    };
    let thing = THINGS.iter().find(|(kind, _)| *kind == base);
    Named {
        thing: thing.map_or(Thing::Unknown, |(_, thing)| *thing),
        number: number.into(),
        label: match (thing, label) {
            (None, label) if label.is_empty() => base.replace('_', " ").into(),
            (_, label) => label.into(),
        },
    }
}

/// The kinds that the decoder knows.
const THINGS: [(&str, Thing); 22] = [
    ("fridge", Thing::Fridge),
    ("freezer", Thing::Freezer),
    ("kettle", Thing::Kettle),
    ("toaster", Thing::Toaster),
    ("coffee_maker", Thing::CoffeeMaker),
    ("microwave", Thing::Microwave),
    ("shower", Thing::Shower),
    ("boiler", Thing::Boiler),
    ("dishwasher", Thing::Dishwasher),
    ("washing_machine", Thing::WashingMachine),
    ("tumble_dryer", Thing::TumbleDryer),
    ("stove", Thing::Stove),
    ("oven", Thing::Oven),
    ("heat_pump", Thing::HeatPump),
    ("ev_charger", Thing::EvCharger),
    ("water_heater", Thing::WaterHeater),
    ("air_conditioner", Thing::AirConditioner),
    ("iron", Thing::Iron),
    ("vacuum_cleaner", Thing::VacuumCleaner),
    ("lighting", Thing::Lighting),
    ("tv", Thing::Tv),
    ("pc", Thing::Pc),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    #[test]
    fn the_rows_add_up_to_what_was_metered() {
        let text = include_str!("../../tests/fixtures/normal.json");
        let view = View::of(serde_json::from_str(text).unwrap(), Language::English);
        let found = view.state.as_ref().unwrap().appliances.as_ref().unwrap();
        let (table, total) = table(&view, found);
        let hundredths = |text: &str| -> i64 {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        };
        let sum: i64 = table.iter().map(|row| hundredths(&row.energy)).sum();
        assert_eq!(sum, hundredths(&total), "{table:?}");
        assert_eq!(table.len(), 8);
        assert_eq!(table[0].named.thing, Thing::WashingMachine);
        assert_eq!((table[0].now.say, table[0].dots), (Say::Plain, 2));
        assert_eq!(table[2].named.label, "Blue kettle");
    }

    #[test]
    fn a_name_is_a_kind_and_a_number() {
        let mut found = api::Appliances::default();
        let two = named("fridge_2", &found);
        assert_eq!((two.thing, two.number.as_str()), (Thing::Fridge, "2"));
        let own = named("pottery_kiln", &found);
        assert_eq!(
            (own.thing, own.label.as_str()),
            (Thing::Unknown, "pottery kiln")
        );
        found.labels.insert("fridge_2".into(), "Cellar".into());
        assert_eq!(named("fridge_2", &found).label, "Cellar");
    }
}
