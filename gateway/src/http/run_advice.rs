//! When to run an appliance that can wait: what was learnt of it, and the published prices.

use std::collections::BTreeMap;

use axum::extract::{Query, State as Shared};
use axum::routing::get;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp, ToSpan};
use rust_decimal::Decimal;
use serde::Deserialize;
use wattle_api::{ApplianceCycle, BestRun, Money, RUN_ADVICE_PATH, RunAdvice};

use super::{Api, Problem};
use crate::tariff::{self, Tariff};

/// Kinds that people start and that can wait.
const CAN_WAIT: [&str; 5] = [
    "washing_machine",
    "dishwasher",
    "tumble_dryer",
    "ev_charger",
    "water_heater",
];
/// How far back cycles count, days.
const DAYS: i32 = 60;
/// Cycles that say how an appliance usually runs.
const LEAST_CYCLES: usize = 2;
/// Appliances told of.
const MOST: usize = 4;
const DEFAULT: SignedDuration = SignedDuration::from_hours(24);
const FARTHEST: SignedDuration = SignedDuration::from_hours(48);

pub(super) fn routes() -> Router<Api> {
    Router::new().route(RUN_ADVICE_PATH, get(run_advice))
}

#[derive(Deserialize, schemars::JsonSchema)]
pub(super) struct Until {
    /// When it must have ended; a day from now when left out.
    finish_by: Option<Timestamp>,
}

async fn run_advice(
    Shared(api): Shared<Api>,
    Query(Until { finish_by }): Query<Until>,
) -> Result<Json<Vec<RunAdvice>>, Problem> {
    let now = api.clock.now();
    let until = match finish_by {
        None => now.checked_add(DEFAULT),
        Some(by) if by > now && by.duration_since(now) <= FARTHEST => Ok(by),
        Some(_) => {
            return Err(Problem::rule("finish_by lies ahead, by at most 48 hours"));
        }
    };
    let until = until.unwrap_or(now);
    let today = api.home.zone.to_datetime(now).date();
    let from = today.checked_sub(DAYS.days()).unwrap_or(today);
    let cycles = api.appliances.cycles(from, today);
    let tariff = api.home.tariff.borrow().clone();
    Ok(Json(advice(&cycles, tariff.as_deref(), now, until)))
}

/// The advice for every appliance that can wait.
fn advice(
    cycles: &[ApplianceCycle],
    tariff: Option<&Tariff>,
    now: Timestamp,
    until: Timestamp,
) -> Vec<RunAdvice> {
    let mut by_name: BTreeMap<&str, Vec<&ApplianceCycle>> = BTreeMap::new();
    for cycle in cycles {
        if CAN_WAIT.contains(&nilm::kind::base_name(&cycle.appliance)) {
            by_name.entry(&cycle.appliance).or_default().push(cycle);
        }
    }
    let mut all: Vec<(&str, Vec<&ApplianceCycle>)> = by_name
        .into_iter()
        .filter(|(_, cycles)| cycles.len() >= LEAST_CYCLES)
        .collect();
    all.sort_by_key(|(_, cycles)| std::cmp::Reverse(cycles.len()));
    all.truncate(MOST);
    all.into_iter()
        .filter_map(|(name, cycles)| {
            let seconds = median(
                cycles
                    .iter()
                    .map(|cycle| Decimal::from(cycle.end.duration_since(cycle.start).as_secs())),
            )?;
            let kwh = median(cycles.iter().map(|cycle| cycle.kwh))?;
            let minutes = u32::try_from((seconds / Decimal::from(60)).ceil())
                .ok()?
                .max(1);
            Some(RunAdvice {
                appliance: name.to_owned(),
                minutes,
                kwh: kwh.normalize(),
                cycles: u32::try_from(cycles.len()).unwrap_or(u32::MAX),
                best: tariff.and_then(|tariff| best(tariff, now, until, minutes, kwh)),
            })
        })
        .collect()
}

fn best(
    tariff: &Tariff,
    now: Timestamp,
    until: Timestamp,
    minutes: u32,
    kwh: Decimal,
) -> Option<BestRun> {
    let (window, now_per_kwh) = tariff::cheapest_run(tariff, now, until, minutes)?;
    let currency = tariff.currency.clone().unwrap_or_default().to_string();
    let money = |per_kwh: Decimal| {
        Some(Money {
            amount: per_kwh.checked_mul(kwh)?.round_dp(6).normalize(),
            currency: currency.clone(),
        })
    };
    let cost = money(window.per_kwh)?;
    let cost_now = now_per_kwh.and_then(money);
    let saving = cost_now
        .as_ref()
        .and_then(|now| now.amount.checked_sub(cost.amount))
        .filter(|saving| *saving >= tariff::LEAST_SAVING)
        .map(|amount| Money {
            amount,
            currency: currency.clone(),
        });
    Some(BestRun {
        start: window.start,
        end: window.end,
        cost,
        cost_now,
        saving,
    })
}

/// The middle one, the lower of two.
fn median(values: impl Iterator<Item = Decimal>) -> Option<Decimal> {
    let mut values: Vec<Decimal> = values.collect();
    values.sort();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cycle(appliance: &str, start: &str, minutes: i64, kwh: &str) -> ApplianceCycle {
        ApplianceCycle {
            appliance: appliance.to_owned(),
            start: at(start),
            end: at(start) + SignedDuration::from_mins(minutes),
            kwh: kwh.parse().unwrap(),
            cost: None,
            confidence: Decimal::ONE,
        }
    }

    #[test]
    fn a_run_waits_for_the_night_unless_it_is_to_be_done_before() {
        let tariff = crate::tariff::night_and_day();
        let cycles = [
            cycle("washing_machine", "2026-11-01T10:00:00Z", 90, "0.8"),
            cycle("washing_machine", "2026-11-03T10:00:00Z", 100, "1.0"),
            cycle("washing_machine", "2026-11-05T10:00:00Z", 500, "4.0"),
            cycle("dishwasher", "2026-11-05T10:00:00Z", 60, "1.0"),
            cycle("kettle", "2026-11-05T10:00:00Z", 3, "0.1"),
            cycle("kettle", "2026-11-06T10:00:00Z", 3, "0.1"),
        ];
        let now = at("2026-11-20T17:30:00Z");
        let told = advice(&cycles, Some(&tariff), now, now + DEFAULT);
        assert_eq!(
            told.len(),
            1,
            "a kettle cannot wait, one cycle says nothing"
        );
        let washing = &told[0];
        assert_eq!(
            (washing.minutes, washing.kwh, washing.cycles),
            (100, Decimal::ONE, 3)
        );
        let best = washing.best.as_ref().unwrap();
        assert_eq!(best.start, at("2026-11-20T22:00:00Z"));
        assert_eq!(best.end, at("2026-11-20T23:40:00Z"));
        let amount = |money: &Option<Money>| money.as_ref().map(|money| money.amount.to_string());
        assert_eq!(best.cost.amount.to_string(), "0.1");
        assert_eq!(amount(&best.cost_now).as_deref(), Some("0.3"));
        assert_eq!(amount(&best.saving).as_deref(), Some("0.2"));

        let early = advice(&cycles, Some(&tariff), now, at("2026-11-20T20:00:00Z"));
        let best = early[0].best.as_ref().unwrap();
        assert_eq!((best.start, amount(&best.saving)), (now, None));
        let never = advice(&cycles, Some(&tariff), now, at("2026-11-20T18:00:00Z"));
        assert_eq!(never[0].best, None);
        assert_eq!(advice(&cycles, None, now, now + DEFAULT)[0].best, None);
    }
}
