//! Bills out of the store: what a period came to, what it may become, and the one before it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use meter_link::model::Unit;
use rust_decimal::Decimal;
use wattle_api::{Bill, BillForecast, BillLine, BillToDate, BlockGauge, Budget, DemandGauge};
use wattle_billing::bill::{BillError, Interval, Usage, bill};
use wattle_billing::forecast::History;
use wattle_billing::gauge;
use wattle_billing::tariff::{Tariff, TierPeriod};
use wattle_billing::time::Span;

use crate::store::{QUARTER_S, Reader, RegisterRow, StoreError};
use crate::view::figures::energy_registers;

/// Longest period.
const MAX_DAYS: i32 = 400;
/// Days of history that a forecast looks at.
const HISTORY_DAYS: i64 = 42;
/// 10 % of a normal distribution lie beyond so many standard deviations.
const TENTH: f64 = 1.2816;

/// What is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Billed {
    /// Electricity, in kWh.
    Electricity,
    /// Gas, in kWh: so many of a cubic metre.
    Gas(Decimal),
    /// Water, in cubic metres.
    Water,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Configured name of the meter.
    pub meter: &'a str,
    /// What it measures.
    pub billed: Billed,
    /// The home's time zone.
    pub zone: &'a TimeZone,
    /// First local date.
    pub from: Date,
    /// Last local date.
    pub to: Date,
    /// Now.
    pub now: Timestamp,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum BillProblem {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The period ends before it begins or is too long.
    #[error("the period is not 1 to 400 days long")]
    Period,
    /// Nothing of the period was metered.
    #[error("nothing of this period was metered")]
    NothingMetered,
    /// The tariff makes no bill.
    #[error(transparent)]
    Bill(#[from] BillError),
}

/// The bill of a period as far as it was metered.
///
/// # Errors
/// [`BillProblem`].
pub fn to_date(
    reader: &Reader,
    tariff: &Tariff,
    asked: &Asked<'_>,
) -> Result<BillToDate, BillProblem> {
    let length = asked
        .from
        .until(asked.to)
        .map_or(-1, |span| span.get_days());
    let period =
        period(asked.from, asked.to, asked.zone).filter(|_| (0..MAX_DAYS).contains(&length));
    let period = period.ok_or(BillProblem::Period)?;
    let registers = Registers::of(reader, asked.meter, asked.billed)?;
    let metered = registers.intervals(reader, &period)?;
    let until = metered
        .last()
        .map(|interval| interval.span.end)
        .ok_or(BillProblem::NothingMetered)?;
    let Ok(usage) = Usage::new(metered) else {
        return Err(BillProblem::NothingMetered);
    };
    let made = bill(tariff, &usage)?;
    let forecast = if until < period.end && asked.now < period.end {
        forecast(reader, &registers, tariff, asked, &usage, &period)?
    } else {
        None
    };
    let (block, demand) = gauges(tariff, asked, &usage)?;
    Ok(BillToDate {
        block,
        demand,
        budget: None,
        from: asked.from,
        to: asked.to,
        until,
        before: before(
            reader,
            &registers,
            tariff,
            asked,
            length,
            until.duration_since(period.start),
        )?,
        bill: api(tariff, &made, asked.billed),
        forecast,
    })
}

/// How the bill of a calendar month stands with what the household means to spend. `None` for another
/// period, and while the bill has no total.
#[must_use]
pub fn budget(bill: &BillToDate, amount: Decimal) -> Option<Budget> {
    let is_month = bill.from.day() == 1 && bill.to == bill.from.last_of_month();
    let total = bill.bill.total.filter(|_| is_month)?;
    let permille = |part: Decimal| {
        let share = part
            .checked_mul(Decimal::ONE_THOUSAND)?
            .checked_div(amount)?;
        let share = share.clamp(Decimal::ZERO, Decimal::ONE_THOUSAND).floor();
        u16::try_from(share.mantissa()).ok()
    };
    let forecast = bill.forecast.as_ref();
    Some(Budget {
        amount,
        left: amount.checked_sub(total)?.normalize(),
        spent_permille: permille(total)?,
        forecast_permille: forecast.and_then(|forecast| permille(forecast.total)),
    })
}

/// What a meter metered and what it comes to.
pub(crate) struct Metered<'a> {
    reader: &'a Reader,
    registers: Registers,
}

impl<'a> Metered<'a> {
    /// The registers of the meter that has this name now, and of those that it took the place of.
    pub(crate) fn of(reader: &'a Reader, meter: &str) -> Result<Self, StoreError> {
        let registers = Registers::of(reader, meter, Billed::Electricity)?;
        Ok(Self { reader, registers })
    }

    /// End of the newest closed quarter-hour that starts in a span.
    pub(crate) fn until(&self, span: &Span) -> Result<Option<Timestamp>, StoreError> {
        let intervals = self.registers.intervals(self.reader, span)?;
        Ok(intervals.last().map(|interval| interval.span.end))
    }

    /// End of the newest closed quarter-hour of all.
    pub(crate) fn newest(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut newest = None;
        for register in &self.registers.import {
            let start_s = self.reader.newest_interval(register.id)?;
            newest = newest.max(start_s.map(|start_s| start_s + QUARTER_S));
        }
        Ok(newest.and_then(|end_s| Timestamp::from_second(end_s).ok()))
    }

    /// What the closed quarter-hours that start in a span come to; nothing metered comes to nothing,
    /// `None` while a price is missing.
    pub(crate) fn total(
        &self,
        tariff: &Tariff,
        span: &Span,
    ) -> Result<Option<Decimal>, BillProblem> {
        match Usage::new(self.registers.intervals(self.reader, span)?) {
            Ok(usage) => Ok(bill(tariff, &usage)?.total),
            Err(_) => Ok(Some(Decimal::ZERO)),
        }
    }
}

fn period(from: Date, to: Date, zone: &TimeZone) -> Option<Span> {
    let start = |date: Date| wattle_billing::time::day_start(date, zone);
    Span::new(start(from)?, start(to.tomorrow().ok()?)?)
}

/// The period of the same length before, as far into it as this one was metered.
fn before(
    reader: &Reader,
    registers: &Registers,
    tariff: &Tariff,
    asked: &Asked<'_>,
    length: i32,
    so_far: SignedDuration,
) -> Result<Option<Bill>, BillProblem> {
    // A month is compared with the month before it, however long that is.
    let is_month = asked.from.day() == 1 && asked.to == asked.from.last_of_month();
    let first = if is_month {
        asked.from.checked_sub(1.month())
    } else {
        asked.from.checked_sub((i64::from(length) + 1).days())
    };
    let Some(span) = first
        .ok()
        .and_then(|first| period(first, asked.from.yesterday().ok()?, asked.zone))
    else {
        return Ok(None);
    };
    let end = span
        .start
        .checked_add(so_far)
        .map_or(span.end, |end| end.min(span.end));
    let Some(span) = Span::new(span.start, end) else {
        return Ok(None);
    };
    let Ok(usage) = Usage::new(registers.intervals(reader, &span)?) else {
        return Ok(None);
    };
    // An older tariff is not known here; what this one does not price is not compared.
    Ok(Some(api(tariff, &bill(tariff, &usage)?, asked.billed)).filter(|bill| bill.total.is_some()))
}

/// The whole period: what was metered and, for the rest, the forecast load.
fn forecast(
    reader: &Reader,
    registers: &Registers,
    tariff: &Tariff,
    asked: &Asked<'_>,
    usage: &Usage,
    period: &Span,
) -> Result<Option<BillForecast>, BillProblem> {
    let until = usage.span().end;
    let next_hour = (until.as_second() + 3599).div_euclid(3600) * 3600;
    let since = until
        .checked_sub(SignedDuration::from_hours(HISTORY_DAYS * 24))
        .unwrap_or(until);
    let Some((from, past)) = Timestamp::from_second(next_hour)
        .ok()
        .zip(Span::new(since, until))
    else {
        return Ok(None);
    };
    let mut hours: BTreeMap<i64, (Decimal, i64)> = BTreeMap::new();
    for interval in registers.intervals(reader, &past)? {
        let hour = interval.span.start.as_second().div_euclid(3600) * 3600;
        let sum = hours.entry(hour).or_default();
        *sum = (
            sum.0.saturating_add(interval.import_kwh),
            sum.1 + interval.span.seconds(),
        );
    }
    let mut history = History::new(3600, asked.zone.clone());
    let mut days: BTreeMap<Date, f64> = BTreeMap::new();
    for (hour, (kwh, _)) in hours.iter().filter(|(_, (_, seconds))| *seconds == 3600) {
        let Ok(start) = Timestamp::from_second(*hour) else {
            continue;
        };
        let wh = f64::try_from(*kwh).unwrap_or_default() * 1000.0;
        history.add(start, wh);
        *days
            .entry(asked.zone.to_datetime(start).date())
            .or_default() += wh;
    }
    let slots = usize::try_from((period.end.as_second() - from.as_second()) / 3600).unwrap_or(0);
    let expected = history.forecast(from, slots);
    if expected.len() < slots {
        return Ok(None);
    }
    let rest: f64 = expected.iter().map(|slot| slot.mean_wh).sum();
    let spread = TENTH
        * deviation(&days)
        * (f64::from(u32::try_from(slots).unwrap_or(u32::MAX)) / 24.0).sqrt();
    let total = |factor: f64| -> Result<Option<(Decimal, Decimal)>, BillProblem> {
        let mut intervals = usage.intervals().to_vec();
        for slot in &expected {
            let end = slot
                .start
                .checked_add(SignedDuration::from_hours(1))
                .unwrap_or(slot.start);
            let kwh = Decimal::try_from((slot.mean_wh * factor).max(0.0) / 1000.0)
                .unwrap_or_default()
                .round_dp(3);
            intervals.extend(Span::new(slot.start, end).map(|span| Interval {
                span,
                import_kwh: kwh,
                export_kwh: Decimal::ZERO,
            }));
        }
        let Ok(usage) = Usage::new(intervals) else {
            return Ok(None);
        };
        let made = bill(tariff, &usage)?;
        Ok(made.total.map(|total| (total, made.import_kwh)))
    };
    let share = if rest > 0.0 {
        (spread / rest).min(1.0)
    } else {
        0.0
    };
    let (middle, low, high) = (total(1.0)?, total(1.0 - share)?, total(1.0 + share)?);
    let (Some((total, import_kwh)), Some((low, _)), Some((high, _))) = (middle, low, high) else {
        return Ok(None);
    };
    Ok(Some(BillForecast {
        total,
        low,
        high,
        import_kwh,
    }))
}

/// Where the home stands in blocks and demand: of the present month alone.
fn gauges(
    tariff: &Tariff,
    asked: &Asked<'_>,
    usage: &Usage,
) -> Result<(Option<BlockGauge>, Vec<DemandGauge>), BillProblem> {
    let today = asked.zone.to_datetime(asked.now).date();
    if asked.from.day() != 1 || today < asked.from || today > asked.to {
        return Ok((None, Vec::new()));
    }
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let block = gauge::block(tariff, usage, asked.now).map_err(BillError::from)?;
    let block = block.map(|block| BlockGauge {
        number: count(block.number),
        of: count(block.of),
        used_kwh: block.used_kwh.normalize(),
        from_kwh: block.from_kwh,
        up_to_kwh: block.up_to_kwh,
        left_kwh: block.left_kwh.map(|left| left.normalize()),
        daily: block.period == TierPeriod::Day,
    });
    let mut demands = Vec::new();
    for demand in &tariff.demands {
        let peak = gauge::peak(tariff, demand, usage, asked.now).map_err(BillError::from)?;
        demands.push(DemandGauge {
            label: demand.label.clone(),
            peak_kw: peak.map(|kw| kw.normalize()),
            counts_now: tariff.demand_counts(demand, asked.now),
        });
    }
    Ok((block, demands))
}

/// Standard deviation of days' totals.
fn deviation(days: &BTreeMap<Date, f64>) -> f64 {
    let count = f64::from(u32::try_from(days.len()).unwrap_or(u32::MAX)).max(1.0);
    let mean = days.values().sum::<f64>() / count;
    (days.values().map(|day| (day - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// The registers of a meter that a bill is made of.
struct Registers {
    import: Vec<RegisterRow>,
    export: Vec<RegisterRow>,
    /// What an amount is multiplied with to become what is billed.
    factor: Decimal,
}

impl Registers {
    fn of(reader: &Reader, meter: &str, billed: Billed) -> Result<Self, StoreError> {
        let rows = reader.registers()?;
        let (mut import, mut export) = (Vec::new(), Vec::new());
        for serial in reader.serials(meter)? {
            match billed {
                Billed::Electricity => {
                    import.extend(energy_registers(&rows, Some(&serial), 1));
                    export.extend(energy_registers(&rows, Some(&serial), 2));
                }
                Billed::Gas(_) | Billed::Water => import.extend(volume_register(&rows, &serial)),
            }
        }
        let factor = match billed {
            Billed::Electricity => Decimal::new(1, 3),
            Billed::Gas(kwh_per_m3) => kwh_per_m3,
            Billed::Water => Decimal::ONE,
        };
        Ok(Self {
            import,
            export,
            factor,
        })
    }

    /// Closed quarter-hours that start in a span, in what is billed.
    fn intervals(&self, reader: &Reader, span: &Span) -> Result<Vec<Interval>, StoreError> {
        let mut found: BTreeMap<i64, (Decimal, Decimal)> = BTreeMap::new();
        for (registers, exports) in [(&self.import, false), (&self.export, true)] {
            for register in registers {
                for row in
                    reader.intervals(register.id, span.start.as_second(), span.end.as_second())?
                {
                    let kwh = row.amount().saturating_mul(self.factor);
                    let sums = found.entry(row.start_s).or_default();
                    let sum = if exports { &mut sums.1 } else { &mut sums.0 };
                    *sum = sum.saturating_add(kwh);
                }
            }
        }
        let interval = |(start, (import_kwh, export_kwh)): (i64, (Decimal, Decimal))| {
            let ends = (
                Timestamp::from_second(start).ok()?,
                Timestamp::from_second(start + QUARTER_S).ok()?,
            );
            Some(Interval {
                span: Span::new(ends.0, ends.1)?,
                import_kwh,
                export_kwh,
            })
        };
        Ok(found.into_iter().filter_map(interval).collect())
    }
}

/// The volume that a meter counts, the first register of it.
fn volume_register(rows: &[RegisterRow], serial: &str) -> Option<RegisterRow> {
    let is_volume = |row: &&RegisterRow| {
        row.key.serial == serial && row.key.unit == Unit::CubicMetre && row.key.obis.is_cumulative()
    };
    rows.iter().find(is_volume).cloned()
}

fn api(tariff: &Tariff, made: &wattle_billing::bill::Bill, billed: Billed) -> Bill {
    let unit = |unit: &str| match billed {
        Billed::Water if unit == "kWh" => "m3".to_owned(),
        _ => unit.to_owned(),
    };
    let line = |line: &wattle_billing::bill::Line| BillLine {
        kind: line.kind.name().to_owned(),
        id: line.id.clone(),
        label: line.label.clone(),
        band: line.band.clone(),
        tier: line.tier.and_then(|tier| u32::try_from(tier).ok()),
        period: line.period.map(|month| month.to_string()),
        quantity: line.quantity.normalize(),
        unit: unit(&line.unit),
        rate: line.rate.map(|rate| rate.normalize()),
        amount: line.amount.normalize(),
    };
    Bill {
        currency: tariff.currency.clone().unwrap_or_default(),
        total: made.total.map(|total| total.normalize()),
        import_kwh: made.import_kwh.normalize(),
        export_kwh: made.export_kwh.normalize(),
        lines: made.lines.iter().map(line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn month(to: &str, total: Option<&str>, forecast: Option<&str>) -> BillToDate {
        BillToDate {
            from: "2026-11-01".parse().unwrap(),
            to: to.parse().unwrap(),
            until: "2026-11-20T17:30:00Z".parse().unwrap(),
            bill: Bill {
                currency: "GBP".to_owned(),
                total: total.map(exact),
                import_kwh: Decimal::ZERO,
                export_kwh: Decimal::ZERO,
                lines: Vec::new(),
            },
            forecast: forecast.map(|total| BillForecast {
                total: exact(total),
                low: exact(total),
                high: exact(total),
                import_kwh: Decimal::ZERO,
            }),
            before: None,
            budget: None,
            block: None,
            demand: Vec::new(),
        }
    }

    #[test]
    fn a_budget_is_a_months() {
        let of = |bill| budget(&bill, exact("90"));
        let found = of(month("2026-11-30", Some("55.16"), Some("83.41"))).unwrap();
        assert_eq!(
            (found.left, found.spent_permille, found.forecast_permille),
            (exact("34.84"), 612, Some(926))
        );
        let over = of(month("2026-11-30", Some("93.2"), Some("120"))).unwrap();
        assert_eq!(
            (over.left, over.spent_permille, over.forecast_permille),
            (exact("-3.2"), 1000, Some(1000))
        );
        // A month in which more was fed in than used.
        let earned = of(month("2026-11-30", Some("-4"), None)).unwrap();
        assert_eq!((earned.left, earned.spent_permille), (exact("94"), 0));
        assert_eq!(of(month("2026-11-29", Some("55.16"), None)), None);
        assert_eq!(of(month("2026-11-30", None, None)), None);
    }
}
