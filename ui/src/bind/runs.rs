//! When to run the appliances that can wait: the lower part of the PRICES screen.

use super::appliances::named;
use super::{View, gauges, phrase, rows};
use crate::format::{self, MISSING};
use crate::generated::{Prices, RunTile, Say};
use jiff::{SignedDuration, Timestamp};
use wattle_api as api;
use wattle_api::{Money, RunAdvice};

const HOUR_S: i64 = 3_600;

/// By when it is to be finished, as the screen is set: a whole hour from the next one on.
pub(crate) fn finish_by(prices: &Prices, now: Timestamp) -> Option<Timestamp> {
    let hours = i64::from(prices.get_finish_hours());
    if hours == 0 {
        return None;
    }
    let hour = now.as_second().div_euclid(HOUR_S) * HOUR_S;
    Timestamp::from_second(hour)
        .ok()?
        .checked_add(SignedDuration::from_hours(hours + 1))
        .ok()
}

pub(super) fn bind(prices: &Prices, view: &View) {
    prices.set_finish_by(match finish_by(prices, view.now) {
        None => phrase(Say::WithinADay, String::new()),
        Some(by) => phrase(Say::FinishBy, format::clock(by, &view.zone())),
    });
    let told = view.answers.runs.iter().flatten();
    let tiles: Vec<RunTile> = told
        .map(|advice| tile(view, advice))
        .take(gauges::room_for_runs(prices))
        .collect();
    if let Some(model) = rows(&prices.get_appliance_runs(), tiles) {
        prices.set_appliance_runs(model);
    }
}

fn tile(view: &View, advice: &RunAdvice) -> RunTile {
    let money = |money: &Money| format::money(money.amount, &money.currency, view.language);
    let none = api::Appliances::default();
    let found = view
        .state
        .as_ref()
        .and_then(|state| state.appliances.as_ref());
    let named = named(&advice.appliance, found.unwrap_or(&none));
    let Some(best) = &advice.best else {
        return RunTile {
            named,
            start: MISSING.into(),
            cost: phrase(Say::DoesNotFit, String::new()),
            ..RunTile::default()
        };
    };
    let at_once = best.start <= view.now;
    RunTile {
        named,
        start: format::clock(best.start, &view.zone()).into(),
        cost: phrase(Say::Costs, money(&best.cost)),
        saving: match &best.saving {
            _ if at_once => phrase(Say::StartNow, String::new()),
            Some(saving) => phrase(Say::Saves, money(saving)),
            None => phrase(Say::HardlyCheaper, String::new()),
        },
    }
}
