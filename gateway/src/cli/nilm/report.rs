//! The summary of a replay.

use nilm::engine::{Disaggregator, Settings};
use nilm::tally::{Totals, kwh_text};
use serde_json::{Map, Value, json};

/// What the input was like.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) rows: u64,
    pub(super) first_ts: Option<i64>,
    pub(super) last_ts: Option<i64>,
    pub(super) period_s: i64,
    pub(super) invalid_rows: u64,
    pub(super) bad_rows: u64,
    pub(super) dropped_rows: u64,
    pub(super) gaps: Vec<(i64, i64)>,
}

/// Which library was used.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: String,
}

/// Makes the report; the same input gives the same bytes.
pub(super) fn make(
    input: &Input,
    model: &Model,
    settings: &Settings,
    decoder: &Disaggregator,
    totals: &Totals,
    with_unnamed: bool,
) -> Value {
    let (aggregate, named) = (totals.aggregate.watt_hours(), totals.named().watt_hours());
    let unnamed = totals.unnamed_sum().watt_hours();
    // The rest is what remains of the rounded figures, so that they add up as they stand.
    let rest = aggregate - named - unnamed;
    json!({
        "format": 1,
        "input": {
            "rows": input.rows, "first_ts": input.first_ts, "last_ts": input.last_ts, "period_s": input.period_s,
            "invalid_rows": input.invalid_rows, "bad_rows": input.bad_rows, "dropped_rows": input.dropped_rows,
            "gaps": input.gaps,
        },
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "delay_s": totals.delay_s,
        "energy_kwh": {
            "aggregate": kwh_text(aggregate), "named": kwh_text(named), "unnamed": kwh_text(unnamed),
            "rest": kwh_text(rest), "base_load": totals.base.kwh(),
        },
        "appliances": appliances(settings, decoder, totals),
        "cycles": cycles(decoder, totals),
        "unnamed": if with_unnamed { unnamed_loads(decoder, totals) } else { Vec::new() },
    })
}

fn appliances(settings: &Settings, decoder: &Disaggregator, totals: &Totals) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, tally) in decoder.columns().iter().zip(&totals.appliances) {
        if tally.energy.0 == 0 && tally.cycles == 0 {
            continue;
        }
        let named_by = if settings.plugged.contains(name) {
            "label"
        } else if settings.owned.contains(name) {
            "household"
        } else {
            "signature"
        };
        let days: Vec<Value> = tally
            .days
            .iter()
            .map(|(day, of)| {
                let (low, high) = of.interval();
                json!({"start_ts": day * 86400, "kwh": of.energy.kwh(), "kwh_low": low.kwh(), "kwh_high": high.kwh(), "cycles": of.cycles})
            })
            .collect();
        let (low, high) = tally.interval();
        all.insert(
            name.clone(),
            json!({
                "kwh": tally.energy.kwh(), "kwh_low": low.kwh(), "kwh_high": high.kwh(), "cycles": tally.cycles,
                "named_by": named_by, "confidence": two(tally.confidence()),
                "first_ts": tally.first, "first_named_ts": tally.first_named, "days": days,
            }),
        );
    }
    all
}

fn cycles(decoder: &Disaggregator, totals: &Totals) -> Vec<Value> {
    let mut all: Vec<_> = totals.cycles.iter().collect();
    all.sort_by_key(|(column, cycle)| (cycle.start, *column));
    all.iter()
        .map(|(column, cycle)| {
            let energy = nilm::tally::Energy(i128::from(cycle.energy_mj));
            json!({
                "appliance": decoder.columns().get(*column), "start_ts": cycle.start, "end_ts": cycle.end,
                "kwh": energy.kwh(), "confidence": two(cycle.confidence),
            })
        })
        .collect()
}

fn unnamed_loads(decoder: &Disaggregator, totals: &Totals) -> Vec<Value> {
    decoder
        .unnamed()
        .iter()
        .map(|load| {
            let energy = totals.unnamed.get(load.slot).copied().unwrap_or_default();
            let guesses: Vec<Value> =
                load.guesses.iter().map(|(name, p)| json!({"appliance": name, "p": two(*p)})).collect();
            json!({
                "slot": load.slot + 1, "power_w": load.power_w.round(), "typical_s": load.typical_s.round(),
                "per_week": (load.per_week * 10.0).round() / 10.0, "kwh": energy.kwh(), "guesses": guesses,
            })
        })
        .collect()
}

fn two(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
