//! Energy and money of appliances by local day, reconciled with the meter's register.
//!
//! Decided rows bring each appliance's power; the register says what the home took. A day's
//! appliances, loads without a name and rest add up to what the register gained, exactly, in whole
//! microwatt-hours. Each row is priced at the tariff that holds when it begins.

use std::collections::{BTreeMap, VecDeque};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use nilm::cycles::{Cycle, Cycles};
use nilm::engine::Decided;
use nilm::kind::kind_of;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use wattle_api::{ApplianceCycle, ApplianceDay, ApplianceNote, ApplianceShare, Money};

use crate::tariff::Tariff;

/// Days kept.
const DAYS: usize = 400;
/// Cycles kept.
const CYCLES: usize = 5000;
/// Millijoules in a kilowatt-hour.
const MJ_PER_KWH: i128 = 3_600_000_000;
/// Half the width of a 90 % interval, in standard deviations.
const NINETY: f64 = 1.645;
/// Error of the power of an appliance that was recognised, as a share.
const POWER_ERROR: f64 = 0.06;

/// An appliance's part of a day.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct Share {
    energy_mj: i64,
    cost: Option<Decimal>,
    cycles: u32,
    on_s: i64,
    /// Variance by doubt about its rows, kJ squared.
    doubt: f64,
}

/// A day.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Day {
    shares: BTreeMap<String, Share>,
    unnamed_mj: i64,
    base_mj: i64,
    #[serde(default)]
    base_cost: Option<Decimal>,
    /// The meter's power over time.
    power_mj: i64,
    decided_s: i64,
    /// Import less export at its first and last reading, Wh.
    register: Option<(Decimal, Decimal)>,
}

/// A cycle with what it cost.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Priced {
    appliance: String,
    cycle: Cycle,
    cost: Option<Decimal>,
}

/// The cycle that an appliance is in, and what it cost so far.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
struct Open {
    cycles: Cycles,
    cost: Option<Decimal>,
}

/// The price of the quarter-hour that rows fall into.
#[derive(Clone, Copy, Debug)]
struct PriceOf {
    quarter: i64,
    per_kwh: Option<Decimal>,
}

/// The books.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Ledger {
    days: BTreeMap<Date, Day>,
    cycles: VecDeque<Priced>,
    open: BTreeMap<String, Open>,
    totals: BTreeMap<String, (i128, u32, f64)>,
    last_register: Option<Decimal>,
    decided_until: Option<i64>,
    #[serde(skip)]
    price: Option<PriceOf>,
}

impl Ledger {
    /// Takes the register: import less export, Wh.
    pub(super) fn register(&mut self, at: Timestamp, value: Decimal, zone: &TimeZone) {
        let before = self.last_register.replace(value).unwrap_or(value);
        let day = self.day(at, zone);
        // What lies between two days' readings belongs to the later one.
        let opening = day.register.map_or(before, |(opening, _)| opening);
        day.register = Some((opening, value));
    }

    /// Takes a decided row.
    pub(super) fn row(
        &mut self,
        columns: &[String],
        row: &Decided,
        zone: &TimeZone,
        tariff: Option<&Tariff>,
    ) {
        let Ok(at) = Timestamp::from_second(row.ts) else {
            return;
        };
        self.decided_until = row.ts.checked_add(row.seconds);
        let (Some(parts), Some(aggregate)) = (&row.parts, row.aggregate_mw) else {
            return;
        };
        let per_kwh = self.per_kwh(at, tariff);
        let energy = |power_mw: i64| power_mw.saturating_mul(row.seconds);
        let cost = |mj: i64| Some(Decimal::from(mj) / Decimal::from(3_600_000_000_i64) * per_kwh?);
        let mut over = Vec::new();
        for (name, part) in columns.iter().zip(parts) {
            let known = self.open.contains_key(name);
            if part.power_mw == 0 && !known {
                continue;
            }
            let kind = kind_of(name);
            let (mj, paid) = (energy(part.power_mw), cost(energy(part.power_mw)));
            let open = self.open.entry(name.clone()).or_default();
            let spent = open.cost;
            let ended = open
                .cycles
                .push(&kind, row.ts, row.seconds, part.power_mw, part.on);
            if ended.is_some() || open.cycles.open().is_none() {
                open.cost = None;
            }
            if open.cycles.open().is_some() {
                open.cost = sum(open.cost, paid);
            }
            if let Some(cycle) = ended {
                over.push(Priced {
                    appliance: name.clone(),
                    cycle,
                    cost: spent,
                });
            }
            let share = self.day(at, zone).shares.entry(name.clone()).or_default();
            share.energy_mj = share.energy_mj.saturating_add(mj);
            share.cost = sum(share.cost, paid);
            if part.power_mw as f64 >= kind.on_w * 1000.0 {
                share.on_s += row.seconds;
                let kilojoules = mj as f64 / 1e6;
                // Rows of one cycle are right or wrong together: about an hour of them.
                let together = 3600.0 / row.seconds.max(1) as f64;
                share.doubt +=
                    part.on * (1.0 - part.on) * kilojoules * kilojoules * together.min(30.0);
            }
            let total = self.totals.entry(name.clone()).or_default();
            total.0 = total.0.saturating_add(i128::from(mj));
        }
        let day = self.day(at, zone);
        let unnamed: i64 = row.unnamed_mw.iter().sum();
        day.unnamed_mj = day.unnamed_mj.saturating_add(energy(unnamed));
        day.base_mj = day.base_mj.saturating_add(energy(row.base_mw));
        day.base_cost = sum(day.base_cost, cost(energy(row.base_mw)));
        day.power_mj = day.power_mj.saturating_add(energy(aggregate));
        day.decided_s += row.seconds;
        for priced in over {
            self.count(priced, zone);
        }
    }

    /// When the last decided row ends.
    pub(super) fn decided_until(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.decided_until?).ok()
    }

    /// Days from `from` to `to`.
    pub(super) fn days(&self, from: Date, to: Date, currency: &str) -> Vec<ApplianceDay> {
        if from > to {
            return Vec::new();
        }
        self.days
            .range(from..=to)
            .map(|(date, day)| day.told(*date, currency))
            .collect()
    }

    /// Cycles that began from `from` on and before `to`, unix seconds.
    pub(super) fn cycles(&self, from: i64, to: i64, currency: &str) -> Vec<ApplianceCycle> {
        let mut all: Vec<&Priced> = self
            .cycles
            .iter()
            .filter(|priced| (from..to).contains(&priced.cycle.start))
            .collect();
        all.sort_by_key(|priced| priced.cycle.start);
        all.iter()
            .filter_map(|priced| priced.told(currency))
            .collect()
    }

    /// The cycle of an appliance that ran at an instant, unix seconds.
    pub(super) fn cycle_at(&self, name: &str, at: i64, currency: &str) -> Option<ApplianceCycle> {
        let ran = |priced: &&Priced| {
            priced.appliance == name && (priced.cycle.start..=priced.cycle.end).contains(&at)
        };
        self.cycles.iter().rev().find(ran)?.told(currency)
    }

    /// Every appliance: name, kWh, cycles, mean confidence, last cycle.
    pub(super) fn appliances(&self, currency: &str) -> Vec<wattle_api::Appliance> {
        self.totals
            .iter()
            .filter(|(_, total)| total.1 > 0)
            .map(|(name, &(mj, cycles, confidence))| wattle_api::Appliance {
                name: name.clone(),
                total_kwh: kwh(micro(mj)),
                cycles,
                confidence: two(confidence / f64::from(cycles.max(1))),
                last_cycle: self
                    .cycles
                    .iter()
                    .rev()
                    .find(|priced| priced.appliance == *name)
                    .and_then(|priced| priced.told(currency)),
            })
            .collect()
    }

    /// Forgets an appliance.
    pub(super) fn erase(&mut self, name: &str) {
        self.open.remove(name);
        self.totals.remove(name);
        self.cycles.retain(|priced| priced.appliance != name);
        for day in self.days.values_mut() {
            day.shares.remove(name);
        }
    }

    /// What may want attention on `today`.
    pub(super) fn notes(&self, today: Date) -> Vec<ApplianceNote> {
        let mut notes = Vec::new();
        let whole = |day: &&Day| day.decided_s > 80_000;
        let last: Vec<&Day> = self
            .days
            .range(..today)
            .rev()
            .map(|(_, day)| day)
            .filter(whole)
            .take(17)
            .collect();
        let (recent, before) = last.split_at(last.len().min(3));
        let duty = |days: &[&Day], name: &str| {
            let (mut on, mut all) = (0_i64, 0_i64);
            for day in days {
                on += day.shares.get(name).map_or(0, |share| share.on_s);
                all += day.decided_s;
            }
            (all > 0).then(|| on as f64 / all as f64)
        };
        if recent.len() == 3 && before.len() >= 7 {
            for name in self.totals.keys().filter(|name| {
                matches!(
                    nilm::kind::base_name(name),
                    "fridge" | "freezer" | "heat_pump" | "boiler"
                )
            }) {
                if let (Some(now), Some(usual)) = (duty(recent, name), duty(before, name))
                    && usual > 0.05
                    && now > 1.3 * usual
                {
                    notes.push(ApplianceNote::RunsMore {
                        appliance: name.clone(),
                        percent: percent(now / usual),
                    });
                }
            }
            let base = |days: &[&Day]| {
                let (mj, s) = days.iter().fold((0_i64, 0_i64), |sum, day| {
                    (sum.0 + day.base_mj, sum.1 + day.decided_s)
                });
                mj as f64 / s.max(1) as f64
            };
            let (now, usual) = (base(recent), base(before));
            if usual > 10_000.0 && now > 1.3 * usual && now - usual > 20_000.0 {
                notes.push(ApplianceNote::AlwaysOnRose {
                    percent: percent(now / usual),
                });
            }
        }
        for (name, open) in &self.open {
            let runs = open
                .cycles
                .open()
                .is_some_and(|cycle| cycle.end - cycle.start > 86_400);
            if runs && !matches!(nilm::kind::base_name(name), "heat_pump" | "lighting" | "pc") {
                notes.push(ApplianceNote::NeverOff {
                    appliance: name.clone(),
                });
            }
        }
        notes
    }

    fn count(&mut self, priced: Priced, zone: &TimeZone) {
        if let Ok(at) = Timestamp::from_second(priced.cycle.start) {
            let share = self
                .day(at, zone)
                .shares
                .entry(priced.appliance.clone())
                .or_default();
            share.cycles += 1;
        }
        let total = self.totals.entry(priced.appliance.clone()).or_default();
        total.1 = total.1.saturating_add(1);
        total.2 += priced.cycle.confidence;
        if self.cycles.len() >= CYCLES {
            self.cycles.pop_front();
        }
        self.cycles.push_back(priced);
    }

    fn day(&mut self, at: Timestamp, zone: &TimeZone) -> &mut Day {
        let date = zone.to_datetime(at).date();
        while self.days.len() >= DAYS && !self.days.contains_key(&date) {
            self.days.pop_first();
        }
        self.days.entry(date).or_default()
    }

    fn per_kwh(&mut self, at: Timestamp, tariff: Option<&Tariff>) -> Option<Decimal> {
        let tariff = tariff?;
        let quarter = crate::store::quarter_start(at);
        match self.price {
            Some(known) if known.quarter == quarter => known.per_kwh,
            _ => {
                let per_kwh = tariff.per_kwh(Timestamp::from_second(quarter).ok()?);
                self.price = Some(PriceOf { quarter, per_kwh });
                per_kwh
            }
        }
    }
}

impl Day {
    fn told(&self, date: Date, currency: &str) -> ApplianceDay {
        let import = match self.register {
            Some((opening, closing)) => ((closing - opening) * Decimal::from(1_000_000)).round(),
            None => Decimal::from(micro(i128::from(self.power_mj))),
        };
        let import = i128::try_from(import).unwrap_or_default();
        let parts: i128 = self
            .shares
            .values()
            .map(|share| micro(i128::from(share.energy_mj)))
            .sum();
        let unnamed = micro(i128::from(self.unnamed_mj));
        // Where the register shows less than the parts, they were guessed too high; a day that
        // exports is left as it is.
        let over = import > 0 && parts + unnamed > import;
        let fit = |part: i128| {
            if over {
                part * import / (parts + unnamed).max(1)
            } else {
                part
            }
        };
        let mut appliances = Vec::new();
        let mut named = 0;
        for (name, share) in self.shares.iter().filter(|(_, share)| share.energy_mj > 0) {
            let energy = fit(micro(i128::from(share.energy_mj)));
            named += energy;
            let kilojoules = share.energy_mj as f64 / 1e6;
            let spread =
                NINETY * (share.doubt + (POWER_ERROR * kilojoules).powi(2)).sqrt() / 3600.0;
            let spread = Decimal::try_from(spread).unwrap_or_default().round_dp(3);
            appliances.push(ApplianceShare {
                name: name.clone(),
                kwh: kwh(energy),
                kwh_low: (kwh(energy) - spread).max(Decimal::ZERO),
                kwh_high: kwh(energy) + spread,
                cost: share.cost.map(|amount| money(amount, currency)),
                cycles: share.cycles,
            });
        }
        let unnamed = fit(unnamed);
        let rest = import - named - unnamed;
        let always_on = micro(i128::from(self.base_mj)).min(rest.max(0));
        ApplianceDay {
            date,
            import_kwh: kwh(import),
            appliances,
            unnamed_kwh: kwh(unnamed),
            rest_kwh: kwh(rest),
            always_on_kwh: kwh(always_on),
            other_kwh: kwh(unnamed + rest - always_on),
            always_on_cost: self.base_cost.map(|amount| money(amount, currency)),
            other_cost: None,
        }
    }
}

impl Priced {
    fn told(&self, currency: &str) -> Option<ApplianceCycle> {
        Some(ApplianceCycle {
            appliance: self.appliance.clone(),
            start: Timestamp::from_second(self.cycle.start).ok()?,
            end: Timestamp::from_second(self.cycle.end).ok()?,
            kwh: kwh(micro(i128::from(self.cycle.energy_mj))).round_dp(3),
            cost: self.cost.map(|amount| money(amount, currency)),
            confidence: two(self.cycle.confidence),
        })
    }
}

/// Millijoules as microwatt-hours.
fn micro(mj: i128) -> i128 {
    mj * 1_000_000_000 / MJ_PER_KWH
}

/// Microwatt-hours as kWh.
fn kwh(micro: i128) -> Decimal {
    Decimal::try_from_i128_with_scale(micro, 9)
        .unwrap_or_default()
        .normalize()
}

fn sum(one: Option<Decimal>, other: Option<Decimal>) -> Option<Decimal> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

fn money(amount: Decimal, currency: &str) -> Money {
    Money {
        amount: amount.round_dp(6).normalize(),
        currency: currency.to_owned(),
    }
}

/// A share with two decimals.
pub(super) fn two(value: f64) -> Decimal {
    Decimal::try_from(value).unwrap_or_default().round_dp(2)
}

#[expect(clippy::cast_possible_truncation, reason = "a ratio below 100")]
fn percent(ratio: f64) -> i32 {
    ((ratio - 1.0) * 100.0).clamp(-1000.0, 10_000.0).round() as i32
}
