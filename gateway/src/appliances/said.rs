//! What the household said, applied to what has been decided.
//!
//! The decoder heeds a correction from then on and leaves what it decided before. People expect to
//! see at once what they said, so that days, cycles and totals are told with merged appliances as
//! one and rejected cycles in the rest. The books themselves stay as they were: a correction that
//! is taken back leaves no trace.

use jiff::tz::TimeZone;
use nilm::correction::{Corrected, Correction};
use rust_decimal::Decimal;
use wattle_api::{Appliance, ApplianceCycle, ApplianceDay, ApplianceShare, Money};

use super::ledger::Ledger;

/// Corrections in force, as far as they speak of what has been decided.
pub(super) struct Said {
    /// Names that are no more, and those that take their place.
    merged: Vec<(String, String)>,
    /// Cycles that were not their appliance's, and whose they were, where that was said.
    moved: Vec<(ApplianceCycle, Option<String>)>,
}

impl Said {
    pub(super) fn of(corrections: &[Corrected], ledger: &Ledger, currency: &str) -> Self {
        let (mut merged, mut moved) = (Vec::new(), Vec::new());
        for made in corrections {
            let (name, at, into) = match &made.correction {
                Correction::Merge { appliance, into } => {
                    merged.push((appliance.clone(), into.clone()));
                    continue;
                }
                Correction::Reject { appliance, at } => (appliance, *at, None),
                Correction::Split {
                    appliance,
                    at,
                    into,
                } => (appliance, *at, Some(into.clone())),
                Correction::Name { .. } => continue,
            };
            let cycle = ledger.cycle_at(name, at, currency);
            let once = |cycle: &ApplianceCycle| !moved.iter().any(|(other, _)| other == cycle);
            if let Some(cycle) = cycle.filter(once) {
                moved.push((cycle, into));
            }
        }
        Self { merged, moved }
    }

    pub(super) fn days(&self, mut days: Vec<ApplianceDay>, zone: &TimeZone) -> Vec<ApplianceDay> {
        for (cycle, into) in &self.moved {
            let date = zone.to_datetime(cycle.start).date();
            if let Some(day) = days.iter_mut().find(|day| day.date == date) {
                take_out(day, cycle, into.as_deref());
            }
        }
        for day in &mut days {
            for (gone, into) in &self.merged {
                let at = day.appliances.iter().position(|share| share.name == *gone);
                if let Some(share) = at.map(|at| day.appliances.remove(at)) {
                    put_in(day, into, &share);
                }
            }
        }
        days
    }

    pub(super) fn cycles(&self, cycles: Vec<ApplianceCycle>) -> Vec<ApplianceCycle> {
        let told = |mut cycle: ApplianceCycle| {
            match self.moved.iter().find(|(moved, _)| *moved == cycle) {
                Some((_, None)) => return None,
                Some((_, Some(into))) => cycle.appliance.clone_from(into),
                None => {}
            }
            self.rename(&mut cycle);
            Some(cycle)
        };
        cycles.into_iter().filter_map(told).collect()
    }

    pub(super) fn appliances(&self, mut appliances: Vec<Appliance>) -> Vec<Appliance> {
        for (gone, into) in &self.merged {
            let at = appliances.iter().position(|one| one.name == *gone);
            let Some(mut gone) = at.map(|at| appliances.remove(at)) else {
                continue;
            };
            if let Some(cycle) = &mut gone.last_cycle {
                self.rename(cycle);
            }
            match appliances.iter_mut().find(|one| one.name == *into) {
                Some(one) => join(one, gone),
                None => appliances.push(Appliance {
                    name: into.clone(),
                    ..gone
                }),
            }
        }
        appliances
    }

    fn rename(&self, cycle: &mut ApplianceCycle) {
        for (gone, into) in &self.merged {
            if cycle.appliance == *gone {
                cycle.appliance.clone_from(into);
            }
        }
    }
}

/// Moves a cycle from its appliance's share to another's, or to the rest.
fn take_out(day: &mut ApplianceDay, cycle: &ApplianceCycle, into: Option<&str>) {
    let Some(share) = day
        .appliances
        .iter_mut()
        .find(|share| share.name == cycle.appliance)
    else {
        return;
    };
    let kwh = cycle.kwh.min(share.kwh);
    share.kwh -= kwh;
    share.kwh_low = (share.kwh_low - kwh).max(Decimal::ZERO);
    share.kwh_high = (share.kwh_high - kwh).max(share.kwh);
    share.cycles = share.cycles.saturating_sub(1);
    if let (Some(cost), Some(gone)) = (&mut share.cost, &cycle.cost) {
        cost.amount = (cost.amount - gone.amount).max(Decimal::ZERO);
    }
    if share.cycles == 0 && share.kwh.is_zero() {
        day.appliances.retain(|share| share.name != cycle.appliance);
    }
    let moved = ApplianceShare {
        name: cycle.appliance.clone(),
        kwh,
        kwh_low: kwh,
        kwh_high: kwh,
        cost: cycle.cost.clone(),
        cycles: 1,
    };
    match into {
        Some(into) => put_in(day, into, &moved),
        None => {
            day.rest_kwh += kwh;
            day.other_kwh += kwh;
        }
    }
}

fn put_in(day: &mut ApplianceDay, into: &str, share: &ApplianceShare) {
    let Some(one) = day.appliances.iter_mut().find(|one| one.name == into) else {
        let name = into.to_owned();
        let share = share.clone();
        day.appliances.push(ApplianceShare { name, ..share });
        return;
    };
    one.kwh += share.kwh;
    one.kwh_low += share.kwh_low;
    one.kwh_high += share.kwh_high;
    one.cycles = one.cycles.saturating_add(share.cycles);
    one.cost = match (one.cost.take(), share.cost.clone()) {
        (Some(one), Some(other)) if one.currency == other.currency => Some(Money {
            amount: one.amount + other.amount,
            ..one
        }),
        (one, other) => one.or(other),
    };
}

fn join(one: &mut Appliance, other: Appliance) {
    let cycles = one.cycles.saturating_add(other.cycles);
    let weighed =
        one.confidence * Decimal::from(one.cycles) + other.confidence * Decimal::from(other.cycles);
    one.confidence = weighed
        .checked_div(Decimal::from(cycles))
        .unwrap_or(one.confidence)
        .round_dp(2);
    one.cycles = cycles;
    one.total_kwh += other.total_kwh;
    let later = |cycle: &ApplianceCycle| {
        one.last_cycle
            .as_ref()
            .is_none_or(|last| last.end < cycle.end)
    };
    if other.last_cycle.as_ref().is_some_and(later) {
        one.last_cycle = other.last_cycle;
    }
}
