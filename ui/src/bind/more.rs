//! The screens behind MORE: gas and water, the home network.

use super::{View, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{
    DayBar, DeviceKind, DeviceRow, Heard, More, Phrase, Say, SupplyData, TileKind,
};
use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use wattle_api as api;
use wattle_api::{Medium, Meter};

/// How many devices there is room for.
const ROOM: usize = 6;

pub(super) fn bind(more: &More, view: &View) {
    let bill = view.answers.bill.as_ref().map(|told| &told.bill);
    let total = bill.and_then(|bill| Some((bill.total?, bill)));
    more.set_money_line(total.map_or_else(Phrase::default, |(total, bill)| {
        phrase(
            Say::Plain,
            format::money(total, &bill.currency, view.language),
        )
    }));
    let supplies = supplies(view);
    let today: Vec<&str> = supplies
        .iter()
        .map(|supply| supply.today.as_str())
        .collect();
    more.set_supplies_line(if supplies.is_empty() {
        phrase(Say::NoMeters, String::new())
    } else {
        phrase(Say::Plain, today.join(", "))
    });
    if let Some(model) = rows(&more.get_supplies(), supplies) {
        more.set_supplies(model);
    }
    let devices = devices(view);
    let heard = devices
        .iter()
        .filter(|device| matches!(device.heard, Heard::Live | Heard::Slow | Heard::Stale))
        .count();
    more.set_network_line(if devices.is_empty() {
        phrase(Say::NoMeters, String::new())
    } else {
        Phrase {
            b: devices.len().to_string().into(),
            ..phrase(Say::HeardOf, heard.to_string())
        }
    });
    if let Some(model) = rows(&more.get_gas_days(), day_bars(view, TileKind::Gas)) {
        more.set_gas_days(model);
    }
    if let Some(model) = rows(&more.get_water_days(), day_bars(view, TileKind::Water)) {
        more.set_water_days(model);
    }
    if let Some(model) = rows(&more.get_devices(), shown(devices)) {
        more.set_devices(model);
    }
    let gateway = view.state.as_ref().map(|state| &state.gateway);
    let version = gateway.map_or(env!("CARGO_PKG_VERSION"), |gateway| &gateway.version);
    more.set_version(format!("wattle {version}").into());
    more.set_gateway(
        gateway
            .map(|gateway| gateway.id.clone())
            .unwrap_or_default()
            .into(),
    );
}

fn heard(view: &View, of: Option<api::Freshness>) -> Heard {
    match of.map(|of| view.freshness(of)) {
        Some(api::Freshness::Live) => Heard::Live,
        Some(api::Freshness::Stale) => Heard::Stale,
        Some(api::Freshness::Lost) => Heard::Lost,
        None => Heard::Never,
    }
}

pub(super) fn age(view: &View, at: Option<Timestamp>) -> Phrase {
    let Some(at) = at else {
        return phrase(Say::Plain, MISSING.to_owned());
    };
    let age = view.age(at);
    match age.say {
        Say::Nothing => phrase(Say::JustNow, String::new()),
        _ => age,
    }
}

fn supplies(view: &View) -> Vec<SupplyData> {
    let Some(state) = &view.state else {
        return Vec::new();
    };
    let kinds = [
        (TileKind::Gas, Medium::Gas, state.gas.as_ref()),
        (TileKind::Water, Medium::Water, state.water.as_ref()),
    ];
    kinds
        .into_iter()
        .filter_map(|(kind, medium, today)| {
            let meter = state.meters.iter().find(|meter| meter.medium == medium);
            (meter.is_some() || today.is_some()).then(|| supply(view, kind, meter, today))
        })
        .collect()
}

fn supply(
    view: &View,
    kind: TileKind,
    meter: Option<&Meter>,
    today: Option<&api::Supply>,
) -> SupplyData {
    let volume = |m3| match kind {
        TileKind::Water => format::water(m3, view.language),
        _ => format::gas(m3, view.language),
    };
    let cost = today.and_then(|today| today.cost.as_ref());
    let freshness = today
        .map(|today| today.freshness)
        .or_else(|| meter.and_then(|meter| meter.freshness));
    let at = today
        .map(|today| today.received_at)
        .or_else(|| meter.and_then(|meter| meter.received_at));
    let or_missing = |text: Option<String>| text.unwrap_or_else(|| MISSING.to_owned()).into();
    SupplyData {
        kind,
        today: or_missing(today.map(|today| volume(today.volume_m3))),
        cost: cost
            .map(|cost| format::money(cost.amount, &cost.currency, view.language))
            .unwrap_or_default()
            .into(),
        reading: or_missing(meter.and_then(|meter| reading(view, meter))),
        age: age(view, at),
        heard: heard(view, freshness),
        meter: or_missing(meter.map(|meter| meter.id.clone().unwrap_or(meter.name.clone()))),
        most: most(view, weeks(view, kind))
            .map(volume)
            .unwrap_or_default()
            .into(),
        least: least(view, weeks(view, kind))
            .map(volume)
            .unwrap_or_default()
            .into(),
        wrong: match kind {
            TileKind::Water => leak(view),
            _ => Phrase::default(),
        },
    }
}

/// What leaks, as the gateway has noticed it.
fn leak(view: &View) -> Phrase {
    let mut notices = view.state.iter().flat_map(|state| &state.notices);
    let leak = notices.find(|notice| notice.code == api::NoticeCode::NightFlow);
    leak.map(super::notice).unwrap_or_default()
}

/// Days that are shown.
const DAYS: usize = 7;

fn weeks(view: &View, kind: TileKind) -> &[api::Usage] {
    match kind {
        TileKind::Water => &view.answers.water_weeks,
        _ => &view.answers.gas_weeks,
    }
}

/// The last days that have begun, the present one last.
fn last_days<'a>(view: &View, weeks: &'a [api::Usage]) -> Vec<&'a api::UsageBar> {
    let begun = weeks.iter().flat_map(|week| &week.bars);
    let begun: Vec<&api::UsageBar> = begun.filter(|bar| bar.start <= view.now).collect();
    let skipped = begun.len().saturating_sub(DAYS);
    begun.into_iter().skip(skipped).collect()
}

fn most(view: &View, weeks: &[api::Usage]) -> Option<Decimal> {
    let days = last_days(view, weeks);
    days.into_iter().filter_map(|bar| bar.volume_m3).max()
}

/// The least that was used in a whole day; there is one where another day used more.
fn least(view: &View, weeks: &[api::Usage]) -> Option<Decimal> {
    let days = last_days(view, weeks);
    let whole = days.into_iter().filter(|bar| bar.complete);
    let least = whole.filter_map(|bar| bar.volume_m3).min();
    least.filter(|least| most(view, weeks) > Some(*least))
}

fn day_bars(view: &View, kind: TileKind) -> Vec<DayBar> {
    let weeks = weeks(view, kind);
    let most = most(view, weeks).filter(|most| !most.is_zero());
    let share = |bar: &api::UsageBar| bar.volume_m3?.checked_div(most?)?.to_f32();
    last_days(view, weeks)
        .into_iter()
        .map(|bar| DayBar {
            known: bar.volume_m3.is_some(),
            height: share(bar).unwrap_or(0.0),
            label: bar.start.to_zoned(view.zone()).day().to_string().into(),
        })
        .collect()
}

/// The meter's volume as it is printed on its own display.
fn reading(view: &View, meter: &Meter) -> Option<String> {
    let register = meter
        .registers
        .iter()
        .find(|register| matches!(register.unit.as_str(), "m3" | "m³"))?;
    let decimals = register.value.normalize().scale().min(3);
    let value: Decimal = register.value;
    Some(format!(
        "{}\u{a0}m³",
        format::number(value, decimals, view.language)
    ))
}

fn devices(view: &View) -> Vec<DeviceRow> {
    let meters = view.state.iter().flat_map(|state| &state.meters);
    let mut devices: Vec<DeviceRow> = meters.map(|meter| device(view, meter)).collect();
    for network in view.answers.powerline.iter().flatten() {
        if network.adapters.is_empty() {
            devices.push(DeviceRow {
                kind: DeviceKind::Powerline,
                name: phrase(Say::AdapterSilent, String::new()),
                about: network.interface.clone().into(),
                age: age(view, network.answered_at),
                heard: Heard::Never,
            });
        }
        devices.extend(network.adapters.iter().map(|adapter| one(view, adapter)));
    }
    devices.extend(super::zigbee::devices(view));
    devices
}

fn device(view: &View, meter: &Meter) -> DeviceRow {
    let about = [meter.manufacturer.as_deref(), meter.id.as_deref()]
        .into_iter()
        .flatten()
        .chain([meter.protocol.as_str()]);
    DeviceRow {
        kind: match meter.medium {
            Medium::Electricity => DeviceKind::Electricity,
            Medium::Gas => DeviceKind::Gas,
            Medium::Water => DeviceKind::Water,
            Medium::Heat => DeviceKind::Heat,
        },
        name: phrase(Say::Plain, meter.name.clone()),
        about: about.collect::<Vec<_>>().join(", ").into(),
        age: age(view, meter.received_at),
        heard: heard(view, meter.freshness),
    }
}

/// A powerline adapter: its smaller rate is what it can carry.
fn one(view: &View, adapter: &api::Adapter) -> DeviceRow {
    let rate = adapter.tx_mbit.into_iter().chain(adapter.rx_mbit).min();
    let rate = rate.map(|rate| format!("{rate}\u{a0}Mbit/s"));
    let gone = adapter
        .alarm
        .as_ref()
        .is_some_and(|alarm| alarm.kind == api::AdapterAlarmKind::Gone);
    let slow = adapter.alarm.is_some();
    DeviceRow {
        kind: DeviceKind::Powerline,
        name: phrase(
            Say::Plain,
            adapter.name.clone().unwrap_or_else(|| adapter.mac.clone()),
        ),
        about: rate.unwrap_or_else(|| adapter.mac.clone()).into(),
        age: age(view, Some(adapter.seen_at)),
        heard: match (gone, slow) {
            (true, _) => Heard::Lost,
            (false, true) => Heard::Slow,
            (false, false) => Heard::Live,
        },
    }
}

/// Those that there is room for, and how many more there are.
fn shown(mut devices: Vec<DeviceRow>) -> Vec<DeviceRow> {
    if devices.len() > ROOM {
        let more = devices.len() - (ROOM - 1);
        devices.truncate(ROOM - 1);
        devices.push(DeviceRow {
            kind: DeviceKind::Others,
            name: phrase(Say::AndMore, more.to_string()),
            ..DeviceRow::default()
        });
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Language;

    fn view() -> View {
        let text = include_str!("../../tests/fixtures/normal.json");
        View::of(serde_json::from_str(text).unwrap(), Language::English)
    }

    #[test]
    fn a_supply_says_what_its_meter_says() {
        let mut view = view();
        let gas = &supplies(&view)[0];
        assert_eq!(gas.reading, "8\u{a0}123.456\u{a0}m³");
        assert_eq!(gas.age.say, Say::MinutesAgo);
        view.state.as_mut().unwrap().gas = None;
        let gas = &supplies(&view)[0];
        assert_eq!((gas.today.as_str(), gas.cost.as_str()), (MISSING, ""));
        view.state = None;
        assert!(supplies(&view).is_empty() && devices(&view).is_empty());
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let one = devices(&view()).remove(0);
        assert_eq!(shown(vec![one.clone(); 6]).len(), 6);
        let eight = shown(vec![one; 8]);
        assert_eq!(eight.len(), 6);
        assert_eq!(eight[5].name.a, "3");
    }
}
