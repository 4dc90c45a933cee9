//! The lines of a bill beside energy: standing, power, demand, minimum, export, taxes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::energy::EnergySums;
use super::line::{Line, Sum};
use super::usage::Usage;
use crate::exact::{Exact, TooLarge};
use crate::tariff::{Demand, Kind, Per, Standing, StandingAmount, Tariff};
use crate::time::{Month, Span, day_start, days_touched, local_date};

/// Lines in the making, with what each month of each kind came to.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    by_month: BTreeMap<(Kind, Month), Decimal>,
}

impl Lines {
    fn push(&mut self, line: Line) {
        if !line.quantity.is_zero() {
            self.lines.push(line);
        }
    }

    fn count_month(&mut self, kind: Kind, month: Month, amount: Decimal) -> Result<(), TooLarge> {
        let sum = self.by_month.entry((kind, month)).or_default();
        *sum = sum.plus(amount)?;
        Ok(())
    }

    /// A line from a sum.
    fn summed(&mut self, line: Line, sum: &Sum) -> Result<(), TooLarge> {
        for (month, amount) in &sum.by_month {
            self.count_month(line.kind, *month, *amount)?;
        }
        self.push(Line {
            quantity: sum.quantity,
            rate: sum.rate(),
            amount: sum.amount,
            ..line
        });
        Ok(())
    }

    pub(super) fn energy(&mut self, tariff: &Tariff, sums: &EnergySums) -> Result<(), TooLarge> {
        for ((band, tier), sum) in &sums.energy {
            let band = band.and_then(|index| tariff.bands.get(index));
            let line = Line {
                label: band.map_or_else(|| "Energy".to_owned(), |band| band.label.clone()),
                band: band.map(|band| band.name.clone()),
                tier: (*tier > 0).then_some(*tier),
                ..blank(Kind::Energy, "kWh")
            };
            self.summed(line, sum)?;
        }
        for (index, sum) in &sums.adders {
            if let Some(adder) = tariff.adders.get(*index) {
                self.summed(named(Kind::Adder, &adder.id, &adder.label, "kWh"), sum)?;
            }
        }
        Ok(())
    }

    pub(super) fn standing(
        &mut self,
        tariff: &Tariff,
        span: &Span,
        days: &[Date],
        unpriced: &mut Vec<Span>,
    ) -> Result<(), TooLarge> {
        for standing in &tariff.standing {
            let own_days = standing.zone.as_ref().map(|zone| days_touched(span, zone));
            let days = own_days.as_deref().unwrap_or(days);
            let months: BTreeSet<Month> = days.iter().map(|date| Month::of(*date)).collect();
            let mut sum = Sum::default();
            let unit = if standing.per == Per::Day {
                for date in days {
                    match amount_of_day(tariff, standing, *date) {
                        Some(amount) => sum.add(Month::of(*date), Decimal::ONE, amount)?,
                        None => unpriced.extend(unpriced_day(tariff, *date, span)),
                    }
                }
                "day"
            } else {
                for month in &months {
                    let StandingAmount::Fixed(amount) = &standing.amount else {
                        continue;
                    };
                    sum.add(*month, Decimal::ONE, *amount)?;
                }
                "month"
            };
            let line = named(Kind::Standing, &standing.id, &standing.label, unit);
            if standing.per == Per::Year {
                // A twelfth of the year's amount, divided once, so that twelve months are exact.
                let twelve = Decimal::from(12);
                let amount = sum.amount.over(twelve)?;
                for (month, of_month) in &sum.by_month {
                    self.count_month(Kind::Standing, *month, of_month.over(twelve)?)?;
                }
                let rate = sum.rate().map(|rate| rate.over(twelve)).transpose()?;
                self.push(Line {
                    quantity: sum.quantity,
                    rate,
                    amount,
                    ..line
                });
            } else {
                self.summed(line, &sum)?;
            }
        }
        Ok(())
    }

    pub(super) fn power(
        &mut self,
        tariff: &Tariff,
        days: &[Date],
        months: &BTreeSet<Month>,
    ) -> Result<(), TooLarge> {
        for power in &tariff.powers {
            let mut sum = Sum::default();
            let unit = if power.per == Per::Day {
                for date in days {
                    sum.add(Month::of(*date), power.kw, power.rate)?;
                }
                "kW_day"
            } else {
                for month in months {
                    sum.add(*month, power.kw, power.rate)?;
                }
                "kW_month"
            };
            self.summed(named(Kind::Power, &power.id, &power.label, unit), &sum)?;
        }
        Ok(())
    }

    pub(super) fn demand(&mut self, tariff: &Tariff, usage: &Usage) -> Result<(), TooLarge> {
        for demand in &tariff.demands {
            let peaks = peaks(tariff, demand, usage)?;
            let ordered: Vec<(Month, Decimal)> = peaks.into_iter().collect();
            for (index, (month, _)) in ordered.iter().enumerate() {
                let first = (index + 1).saturating_sub(usize::from(demand.average_months));
                let counted = ordered.get(first..=index).unwrap_or_default();
                let mut sum = Decimal::ZERO;
                for (_, peak) in counted {
                    sum = sum.plus(*peak)?;
                }
                let kw = sum.over(Decimal::from(counted.len()))?;
                let mut below = Decimal::ZERO;
                for (tier, number) in demand.tiers.iter().zip(1..) {
                    let top = tier.up_to.map_or(kw, |up_to| up_to.min(kw));
                    let quantity = top.minus(below)?.max(Decimal::ZERO);
                    let amount = quantity.times(tier.rate)?;
                    self.count_month(Kind::Demand, *month, amount)?;
                    self.push(Line {
                        band: demand.band.clone(),
                        tier: (demand.tiers.len() > 1).then_some(number),
                        period: Some(*month),
                        quantity,
                        rate: Some(tier.rate),
                        amount,
                        ..named(Kind::Demand, &demand.id, &demand.label, "kW")
                    });
                    below = tier.up_to.unwrap_or(kw);
                }
            }
        }
        Ok(())
    }

    pub(super) fn minimum(
        &mut self,
        tariff: &Tariff,
        months: &BTreeSet<Month>,
    ) -> Result<(), TooLarge> {
        for month in months {
            let mut missing = Decimal::ZERO;
            for minimum in &tariff.minimums {
                let mut charged = Decimal::ZERO;
                for kind in &minimum.on {
                    let of_kind = self
                        .by_month
                        .get(&(*kind, *month))
                        .copied()
                        .unwrap_or_default();
                    charged = charged.plus(of_kind)?;
                }
                missing = missing.plus(minimum.amount.minus(charged)?.max(Decimal::ZERO))?;
            }
            if !missing.is_zero() {
                self.push(Line {
                    period: Some(*month),
                    quantity: Decimal::ONE,
                    rate: Some(missing),
                    amount: missing,
                    ..named(Kind::Minimum, "minimum", "Minimum charge", "month")
                });
            }
        }
        Ok(())
    }

    pub(super) fn export(&mut self, tariff: &Tariff, sums: &EnergySums) -> Result<(), TooLarge> {
        let Some(export) = &tariff.export else {
            return Ok(());
        };
        let sum = &sums.export;
        self.push(Line {
            quantity: sum.quantity,
            rate: sum.rate().map(|rate| -rate),
            amount: -sum.amount,
            ..named(Kind::Export, "export", &export.label, "kWh")
        });
        Ok(())
    }

    pub(super) fn taxes(&mut self, tariff: &Tariff) -> Result<(), TooLarge> {
        let unit = tariff.currency.clone().unwrap_or_default();
        let mut amounts: Vec<Decimal> = Vec::with_capacity(tariff.taxes.len());
        for tax in &tariff.taxes {
            let mut base = Decimal::ZERO;
            // Taxes themselves are counted by `on_taxes`.
            for line in self.lines.iter().filter(|line| tax.on.contains(&line.kind)) {
                base = base.plus(line.amount)?;
            }
            for earlier in tax.on_taxes.iter().filter_map(|index| amounts.get(*index)) {
                base = base.plus(*earlier)?;
            }
            let amount = base.times(tax.rate)?;
            amounts.push(amount);
            self.push(Line {
                quantity: base,
                rate: Some(tax.rate),
                amount,
                ..named(tax.kind(), &tax.id, &tax.label, &unit)
            });
        }
        Ok(())
    }

    /// The lines; taxes and credits stay in their own order.
    pub(super) fn finish(self) -> Vec<Line> {
        self.lines
    }
}

fn blank(kind: Kind, unit: &str) -> Line {
    Line {
        kind,
        id: None,
        label: String::new(),
        band: None,
        tier: None,
        period: None,
        quantity: Decimal::ZERO,
        unit: unit.to_owned(),
        rate: None,
        amount: Decimal::ZERO,
    }
}

fn named(kind: Kind, id: &str, label: &str, unit: &str) -> Line {
    Line {
        id: Some(id.to_owned()),
        label: label.to_owned(),
        ..blank(kind, unit)
    }
}

/// The standing charge of a day: the entry that holds at the midnight that begins it.
fn amount_of_day(tariff: &Tariff, standing: &Standing, date: Date) -> Option<Decimal> {
    match &standing.amount {
        StandingAmount::Fixed(amount) => Some(*amount),
        StandingAmount::Ambiguous(_) => None,
        StandingAmount::Dated(entries) => {
            let midnight = day_start(date, standing.zone.as_ref().unwrap_or(&tariff.zone))?;
            let holds = |span: &crate::tariff::OpenSpan| {
                span.start <= midnight && span.end.is_none_or(|end| midnight < end)
            };
            entries
                .iter()
                .find(|(span, _)| holds(span))
                .map(|(_, amount)| *amount)
        }
    }
}

fn unpriced_day(tariff: &Tariff, date: Date, span: &Span) -> Option<Span> {
    let start = tariff.midnight(date)?;
    let end = tariff.midnight(date.tomorrow().ok()?)?;
    Span::new(start, end)?.common(span)
}

/// The highest power of each month in which an interval counts, at least the charge's minimum.
fn peaks(
    tariff: &Tariff,
    demand: &Demand,
    usage: &Usage,
) -> Result<BTreeMap<Month, Decimal>, TooLarge> {
    let mut peaks: BTreeMap<Month, Decimal> = BTreeMap::new();
    let floor = demand.minimum_kw.unwrap_or_default();
    for interval in usage.intervals() {
        if !tariff.demand_counts(demand, interval.span.start) {
            continue;
        }
        let date = local_date(interval.span.start, &tariff.zone);
        let kw = interval
            .import_kwh
            .times(Decimal::from(3600))?
            .over(Decimal::from(interval.span.seconds()))?;
        let peak = peaks.entry(Month::of(date)).or_insert(floor);
        *peak = (*peak).max(kw);
    }
    Ok(peaks)
}
