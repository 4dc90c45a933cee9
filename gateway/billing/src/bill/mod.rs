//! Bills: a tariff applied to metered use.
//!
//! Nothing is rounded on the way: the total is the sum of the unrounded lines. Energy counts for
//! the day and month, in the home's zone, in which its interval starts.

mod charges;
mod energy;
mod line;
mod report;
mod usage;

use std::collections::BTreeSet;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::exact::{Exact, TooLarge};
use crate::tariff::{Kind, PriceSlot, StandingAmount, Tariff};
use crate::time::{Month, Span, days_touched};

pub use line::Line;
pub use report::{currency_digits, json, money, slot, starts, table, window};
pub use usage::{Interval, Usage, UsageError};

/// A bill.
#[derive(Clone, Debug)]
pub struct Bill {
    /// The lines, in the order of [`Kind`].
    pub lines: Vec<Line>,
    /// kWh of import by band, in the order of the tariff's bands.
    pub bands: Vec<(String, Decimal)>,
    /// The sum of the lines; `None` when something has no price.
    pub total: Option<Decimal>,
    /// From the first to the last interval.
    pub span: Span,
    /// How many intervals.
    pub intervals: usize,
    /// Local days that the span touches.
    pub days: usize,
    /// Local months that the span touches.
    pub months: usize,
    /// Imported energy, kWh.
    pub import_kwh: Decimal,
    /// Exported energy, kWh.
    pub export_kwh: Decimal,
    /// Slots that an interval touches, in order.
    pub slots: Vec<PriceSlot>,
    /// Time without a price, neighbours joined.
    pub unpriced: Vec<Span>,
    /// What is odd, as a code and a sentence.
    pub warnings: Vec<Warning>,
}

/// Something that the reader of a bill should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// Why there is no bill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BillError {
    /// A number does not fit in 28 digits.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A document states two charges for the same time.
    #[error("ambiguous_price: {0}")]
    Ambiguous(String),
}

/// Makes the bill.
///
/// # Errors
/// [`BillError`].
pub fn bill(tariff: &Tariff, usage: &Usage) -> Result<Bill, BillError> {
    for standing in &tariff.standing {
        if let StandingAmount::Ambiguous(why) = &standing.amount {
            return Err(BillError::Ambiguous(why.clone()));
        }
    }
    let span = usage.span();
    let sums = energy::sums(tariff, usage)?;
    let days = days_touched(&span, &tariff.zone);
    let months: BTreeSet<Month> = days.iter().map(|date| Month::of(*date)).collect();
    let mut lines = charges::Lines::default();
    let mut unpriced = sums.unpriced.clone();
    lines.energy(tariff, &sums)?;
    lines.standing(tariff, &span, &days, &mut unpriced)?;
    lines.power(tariff, &days, &months)?;
    lines.demand(tariff, usage)?;
    lines.minimum(tariff, &months)?;
    lines.export(tariff, &sums)?;
    lines.taxes(tariff)?;
    let lines = lines.finish();
    unpriced.sort();
    let mut total = Decimal::ZERO;
    for line in &lines {
        total = total.plus(line.amount)?;
    }
    let (mut import_kwh, mut export_kwh) = (Decimal::ZERO, Decimal::ZERO);
    for interval in usage.intervals() {
        import_kwh = import_kwh.plus(interval.import_kwh)?;
        export_kwh = export_kwh.plus(interval.export_kwh)?;
    }
    let band =
        |(index, kwh): (&usize, &Decimal)| Some((tariff.bands.get(*index)?.name.clone(), *kwh));
    Ok(Bill {
        total: unpriced.is_empty().then_some(total),
        bands: sums.bands.iter().filter_map(band).collect(),
        warnings: warnings(tariff, usage),
        lines,
        span,
        intervals: usage.intervals().len(),
        days: days.len(),
        months: months.len(),
        import_kwh,
        export_kwh,
        slots: sums.touched,
        unpriced,
    })
}

fn warnings(tariff: &Tariff, usage: &Usage) -> Vec<Warning> {
    let mut found = Vec::new();
    let gaps: Vec<Span> = usage.gaps().collect();
    if let Some(first) = gaps.first() {
        let text = format!(
            "the usage has {} gap(s), the first from {} to {}",
            gaps.len(),
            first.start,
            first.end
        );
        found.push(Warning {
            code: "usage_gap",
            text,
        });
    }
    let expired = tariff.valid_to.filter(|end| *end < usage.span().end);
    if let Some(end) = expired {
        found.push(Warning {
            code: "tariff_expired",
            text: format!("the tariff is valid until {end}"),
        });
    }
    let begins_before = |start: Timestamp| {
        let local = tariff.zone.to_datetime(start);
        tariff.bands.iter().any(|band| {
            use crate::tariff::TierPeriod::{Bill, Day, Month, Year};
            let first_of_day = local.time() == jiff::civil::Time::midnight();
            let begins = match band.period {
                Bill => true,
                Day => first_of_day,
                Month => first_of_day && local.day() == 1,
                Year => first_of_day && local.day_of_year() == 1,
            };
            band.tiers.len() > 1 && !begins
        })
    };
    if begins_before(usage.span().start) {
        let text = "a tier period begins before the usage; its counter began at 0 with the usage"
            .to_owned();
        found.push(Warning {
            code: "tier_period_cut",
            text,
        });
    }
    found
}

impl Bill {
    /// Amounts of one kind, added up.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> Decimal {
        self.lines
            .iter()
            .filter(|line| line.kind == kind)
            .map(|line| line.amount)
            .sum()
    }
}
