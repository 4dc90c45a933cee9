//! What was used and what it cost.

use wattle_api::{Money, State, Supply};

use super::super::thing::{Point, Topics, text};
use super::part::{Told, or_null, owned, part, sensor};

pub(super) fn told(topics: &Topics, state: &State) -> Option<Told> {
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
