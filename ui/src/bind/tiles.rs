//! The tiles: the four most telling figures this home has.

use super::{View, phrase};
use crate::format::{self, MISSING};
use crate::generated::{Phrase, Say, TileData, TileKind};
use jiff::Timestamp;
use rust_decimal::Decimal;
use slint::SharedString;
use wattle_api as api;
use wattle_api::{Band, Freshness, HomePartKind, Medium, Slot, State};

/// How many tiles there is room for.
const ROOM: usize = 4;

/// Today and the price come first, then gas and water. What a home does not have gives its place
/// to solar modules, battery and car, to what it fed in, the month so far and the meter's reading.
pub(super) fn tiles(view: &View) -> Vec<TileData> {
    let Some(state) = &view.state else {
        return [TileKind::Today, TileKind::Reading].map(missing).into();
    };
    let mut tiles = vec![today(view, state)];
    tiles.extend(price(view, state));
    tiles.extend(
        state
            .gas
            .as_ref()
            .map(|gas| supply(view, TileKind::Gas, gas)),
    );
    tiles.extend(
        state
            .water
            .as_ref()
            .map(|water| supply(view, TileKind::Water, water)),
    );
    tiles.extend(state.parts.iter().filter_map(|part| home_part(view, part)));
    tiles.extend(exported(view, state));
    tiles.extend(state.month.as_ref().map(|month| this_month(view, month)));
    tiles.extend(reading(view, state, TileKind::Reading, "1.8.0"));
    tiles.extend(reading(view, state, TileKind::ReadingOut, "2.8.0"));
    if tiles.len() == 1 {
        tiles.push(missing(TileKind::Reading));
    }
    tiles.truncate(ROOM);
    tiles
}

fn missing(kind: TileKind) -> TileData {
    TileData {
        kind,
        value: MISSING.into(),
        first: phrase(Say::NoReading, String::new()),
        ..TileData::default()
    }
}

/// A tile of a value that was received at some time: where it is old its age takes the last line.
fn measured(
    view: &View,
    kind: TileKind,
    value: String,
    mut lines: Vec<Phrase>,
    received_at: Timestamp,
    freshness: Freshness,
) -> TileData {
    let stale = view.freshness(freshness) != Freshness::Live;
    if stale {
        lines.truncate(1);
        lines.push(view.age(received_at));
    }
    let mut lines = lines.into_iter();
    TileData {
        kind,
        value: value.into(),
        first: lines.next().unwrap_or_default(),
        second: lines.next().unwrap_or_default(),
        stale,
    }
}

fn today(view: &View, state: &State) -> TileData {
    let Some(today) = &state.today else {
        return missing(TileKind::Today);
    };
    let energy = format::energy(today.import_kwh, view.language);
    let mut lines = Vec::new();
    let value = match &today.cost {
        Some(cost) => {
            lines.push(plain(energy));
            format::money(cost.amount, &cost.currency, view.language)
        }
        None => energy,
    };
    let since = today.since.to_zoned(view.zone());
    if since.time() != jiff::civil::Time::midnight() {
        lines.push(phrase(Say::Since, format::clock(today.since, &view.zone())));
    }
    if let Some(change) = today.change_percent {
        let say = match change {
            ..0 => Say::LessThanUsual,
            0 => Say::AsUsual,
            _ => Say::MoreThanUsual,
        };
        lines.push(phrase(say, format::percent(change, view.language)));
    }
    measured(
        view,
        TileKind::Today,
        value,
        lines,
        today.received_at,
        today.freshness,
    )
}

fn price(view: &View, state: &State) -> Option<TileData> {
    let price = state.price.as_ref()?;
    let holds = |slot: &&Slot| slot.start <= view.now && view.now < slot.end;
    let Some(current) = price.now.iter().chain(&price.slots).find(holds) else {
        return Some(TileData {
            kind: TileKind::Price,
            value: MISSING.into(),
            first: phrase(Say::PriceUnknown, String::new()),
            ..TileData::default()
        });
    };
    let next = price
        .next
        .iter()
        .chain(&price.slots)
        .find(|slot| slot.start > view.now && slot.per_kwh != current.per_kwh);
    let mut lines = Vec::new();
    if current.band == Band::PaidToUse {
        lines.push(phrase(Say::PaidToUse, String::new()));
    }
    match next {
        Some(next) => {
            lines.push(phrase(Say::Until, format::clock(next.start, &view.zone())));
            let then = format::unit_price(next.per_kwh, &price.currency, view.language);
            lines.push(phrase(Say::Then, then));
        }
        None => lines.push(plain(price.tariff.clone())),
    }
    let mut lines = lines.into_iter();
    Some(TileData {
        kind: TileKind::Price,
        value: format::unit_price(current.per_kwh, &price.currency, view.language).into(),
        first: lines.next().unwrap_or_default(),
        second: lines.next().unwrap_or_default(),
        stale: false,
    })
}

fn supply(view: &View, kind: TileKind, supply: &api::Supply) -> TileData {
    let volume = match kind {
        TileKind::Water => format::water(supply.volume_m3, view.language),
        _ => format::gas(supply.volume_m3, view.language),
    };
    let mut lines = Vec::new();
    let value = match &supply.cost {
        Some(cost) => {
            lines.push(plain(volume));
            format::money(cost.amount, &cost.currency, view.language)
        }
        None => volume,
    };
    // Such meters report hourly or less often: when it was read is part of what is said.
    if view.freshness(supply.freshness) == Freshness::Live {
        lines.push(view.age(supply.received_at));
    }
    measured(
        view,
        kind,
        value,
        lines,
        supply.received_at,
        supply.freshness,
    )
}

/// Solar modules, a battery or a car: what it does now, and what it came to today.
fn home_part(view: &View, part: &api::HomePart) -> Option<TileData> {
    let kind = match part.kind {
        HomePartKind::Solar => TileKind::Solar,
        HomePartKind::Battery => TileKind::Battery,
        HomePartKind::Car => TileKind::Car,
        _ => return None,
    };
    let mut lines = Vec::new();
    let value = part.watts.map(|watts| {
        if kind != TileKind::Solar {
            lines.push(phrase(doing(watts), String::new()));
        }
        let power = format::power(watts.abs(), view.language);
        let unit = if power.kilowatts { "kW" } else { "W" };
        format!("{}\u{a0}{unit}", power.text)
    });
    let today = part.today_kwh.map(|kwh| format::energy(kwh, view.language));
    lines.extend(today.map(|today| phrase(Say::SoMuchToday, today)));
    let value = value.unwrap_or_else(|| MISSING.to_owned());
    Some(measured(
        view,
        kind,
        value,
        lines,
        part.received_at,
        part.freshness,
    ))
}

/// What a battery or a car does: its charger's own need is no charging.
fn doing(watts: Decimal) -> Say {
    const RESTING_W: Decimal = Decimal::from_parts(20, 0, 0, false, 0);
    if watts.abs() < RESTING_W {
        Say::AtRest
    } else if watts.is_sign_negative() {
        Say::GivingBack
    } else {
        Say::Charging
    }
}

fn exported(view: &View, state: &State) -> Option<TileData> {
    let today = state.today.as_ref()?;
    let value = format::energy(today.export_kwh?, view.language);
    let kind = TileKind::Exported;
    Some(measured(
        view,
        kind,
        value,
        Vec::new(),
        today.received_at,
        today.freshness,
    ))
}

fn this_month(view: &View, month: &api::Month) -> TileData {
    let energy = format::energy(month.import_kwh, view.language);
    let mut lines = Vec::new();
    let value = match &month.cost {
        Some(cost) => {
            lines.push(plain(energy));
            format::money(cost.amount, &cost.currency, view.language)
        }
        None => energy,
    };
    let since = month.since.to_zoned(view.zone());
    lines.push(phrase(
        Say::Since,
        format::date(since.date(), view.language),
    ));
    let mut lines = lines.into_iter();
    TileData {
        kind: TileKind::Month,
        value: value.into(),
        first: lines.next().unwrap_or_default(),
        second: lines.next().unwrap_or_default(),
        stale: false,
    }
}

/// The register of the electricity meter as it is printed on its own display.
fn reading(view: &View, state: &State, kind: TileKind, register: &str) -> Option<TileData> {
    let meter = state
        .meters
        .iter()
        .find(|meter| meter.medium == Medium::Electricity)?;
    let freshness = meter.freshness?;
    let register = meter.registers.iter().find(|candidate| {
        let code = candidate
            .obis
            .split_once(':')
            .map_or(candidate.obis.as_str(), |(_, code)| code);
        code.split('*').next() == Some(register)
    })?;
    // Meters show kilowatt-hours, the API tells watt-hours.
    let (value, unit) = match register.unit.as_str() {
        "Wh" => (register.value / Decimal::ONE_THOUSAND, "kWh"),
        unit => (register.value, unit),
    };
    let lines = vec![plain(unit), view.age(register.received_at)];
    let value = format::number(value.trunc(), 0, view.language);
    Some(measured(
        view,
        kind,
        value,
        lines,
        register.received_at,
        freshness,
    ))
}

fn plain(text: impl Into<SharedString>) -> Phrase {
    Phrase {
        say: Say::Plain,
        a: text.into(),
        ..Phrase::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::Link;
    use crate::format::Language;
    use TileKind::{Battery, Car, Exported, Gas, Month, Price, Reading, Solar, Today, Water};
    use jiff::SignedDuration;

    const NORMAL: &str = include_str!("../../tests/fixtures/normal.json");
    const EXPORTING: &str = include_str!("../../tests/fixtures/exporting.json");
    const NO_TARIFF: &str = include_str!("../../tests/fixtures/no_tariff.json");
    const PIN_LOCKED: &str = include_str!("../../tests/fixtures/pin_locked.json");
    const ABSENT: &str = include_str!("../../tests/fixtures/absent.json");

    fn view(text: &str) -> View {
        View::of(serde_json::from_str(text).unwrap(), Language::English)
    }

    #[test]
    fn what_a_home_lacks_gives_its_place() {
        for (text, kinds) in [
            (NORMAL, &[Today, Price, Gas, Water][..]),
            (EXPORTING, &[Today, Price, Gas, Exported]),
            (NO_TARIFF, &[Today, Month, Reading]),
            (PIN_LOCKED, &[Today, Price, Month, Reading]),
            (ABSENT, &[Today, Reading]),
        ] {
            let shown: Vec<_> = tiles(&view(text)).iter().map(|tile| tile.kind).collect();
            assert_eq!(shown, kinds);
        }
    }

    #[test]
    fn parts_of_the_home_say_what_they_do() {
        let mut view = view(include_str!("../../tests/fixtures/solar.json"));
        let shown = tiles(&view);
        let kinds: Vec<_> = shown.iter().map(|tile| tile.kind).collect();
        assert_eq!(kinds, [Today, Price, Solar, Battery]);
        assert_eq!(shown[2].value, "3.24\u{a0}kW");
        assert_eq!(
            (shown[2].first.say, shown[2].first.a.as_str()),
            (Say::SoMuchToday, "14.7\u{a0}kWh")
        );
        assert_eq!(
            (shown[3].first.say, shown[3].second.say),
            (Say::Charging, Say::SoMuchToday)
        );
        let parts = &mut view.state.as_mut().unwrap().parts;
        parts.remove(0);
        parts[0].watts = Some("-1200".parse().unwrap());
        parts[1].watts = Some("7".parse().unwrap());
        let shown = tiles(&view);
        assert_eq!((shown[2].first.say, shown[3].kind), (Say::GivingBack, Car));
        assert_eq!(shown[3].first.say, Say::AtRest);
    }

    #[test]
    fn a_lost_connection_ages_what_was_measured() {
        let mut view = view(NORMAL);
        view.link = Link::Lost(view.now);
        let stale = |view: &View| {
            tiles(view)
                .iter()
                .map(|tile| tile.stale)
                .collect::<Vec<_>>()
        };
        assert_eq!(stale(&view), [false; 4]);
        view.now += SignedDuration::from_secs(60);
        assert_eq!(
            stale(&view),
            [true, false, true, true],
            "a published price does not age"
        );
        let today = &tiles(&view)[0];
        assert_eq!(
            (today.second.say, today.second.a.as_str()),
            (Say::MinutesAgo, "1")
        );
    }

    #[test]
    fn the_price_goes_on_with_the_clock() {
        let mut view = view(NORMAL);
        let value = |view: &View| tiles(view)[1].value.to_string();
        assert_eq!(value(&view), "33.1p");
        view.now += SignedDuration::from_hours(3);
        assert_eq!(value(&view), "26.4p");
        view.now += SignedDuration::from_hours(30);
        assert_eq!(value(&view), MISSING);
        assert_eq!(tiles(&view)[1].first.say, Say::PriceUnknown);
    }
}
