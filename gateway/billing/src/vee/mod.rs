//! VEE: validation, estimation and editing of interval readings.
//!
//! Pure: lines in, findings, estimates and a summary out. Raw readings are never changed; an
//! estimate stands beside them and says how it was made. The rules are those of the California
//! "Standards for Validating, Editing and Estimating" (Rev 2.0) and of meter data systems that
//! follow them; each limit is in [`Config`] with its source.

mod config;
mod estimate;
mod grid;
mod register;
mod rules;

use serde::Serialize;

use crate::readings::{SeriesKind, SeriesReadings, SourceTime};

pub use config::{ClockDrift, Config, Dials, HighUsage, Inactive, LowUsage};
pub use estimate::Estimate;
use grid::Grid;

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The series.
    pub series: u64,
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// First instant.
    pub from: SourceTime,
    /// First instant after it, or the instant again for a single reading.
    pub to: SourceTime,
    /// How many readings.
    pub count: usize,
    /// In words.
    pub detail: String,
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The meter's clock differs from the target time.
    ClockDrift,
    /// A counter fell.
    Decreasing,
    /// A time was already read.
    Duplicate,
    /// A day's use is far above the household's mean.
    HighUsage,
    /// An inactive meter shows use.
    Inactive,
    /// The length differs from the series'.
    IntervalSize,
    /// A day's use is far below the household's mean.
    LowUsage,
    /// Another meter took its place.
    MeterExchange,
    /// Intervals are missing.
    Missing,
    /// An amount below zero.
    Negative,
    /// A reading earlier than one before it.
    OutOfOrder,
    /// A counter passed its highest value.
    Rollover,
    /// One interval stands far above the third highest of its day.
    Spike,
    /// Intervals and counter disagree.
    SumCheck,
    /// Unit or scaler changed between series of one register.
    UnitChange,
    /// Zero for a long time.
    ZeroRun,
}

impl Rule {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClockDrift => "clock_drift",
            Self::Decreasing => "decreasing",
            Self::Duplicate => "duplicate",
            Self::HighUsage => "high_usage",
            Self::Inactive => "inactive",
            Self::IntervalSize => "interval_size",
            Self::LowUsage => "low_usage",
            Self::MeterExchange => "meter_exchange",
            Self::Missing => "missing",
            Self::Negative => "negative",
            Self::OutOfOrder => "out_of_order",
            Self::Rollover => "rollover",
            Self::Spike => "spike",
            Self::SumCheck => "sum_check",
            Self::UnitChange => "unit_change",
            Self::ZeroRun => "zero_run",
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
    /// The readings cannot be billed as they are.
    Fail,
}

/// What a series comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The series.
    pub series: u64,
    /// Intervals of the grid.
    pub expected: usize,
    /// Metered ones.
    pub actual: usize,
    /// Estimated ones.
    pub estimated: usize,
    /// Neither.
    pub missing: usize,
    /// True when nothing is missing and nothing forbids a bill.
    pub billable: bool,
}

/// What was found in one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// By `from`, then by the rule's name.
    pub findings: Vec<Finding>,
    /// In order of time.
    pub estimates: Vec<Estimate>,
    /// The sum of it; none for a series of counter readings.
    pub summary: Option<Summary>,
}

/// Checks every series: one report per interval series, and one per register series in which
/// something was found.
#[must_use]
pub fn check(all: &[SeriesReadings], config: &Config) -> Vec<Report> {
    let mut reports = Vec::new();
    for one in all {
        if one.series.kind == SeriesKind::Register {
            let findings = sorted(register::findings(one, all, config));
            if !findings.is_empty() {
                reports.push(Report {
                    findings,
                    estimates: Vec::new(),
                    summary: None,
                });
            }
            continue;
        }
        reports.push(check_intervals(one, all, config));
    }
    reports
}

fn check_intervals(one: &SeriesReadings, all: &[SeriesReadings], config: &Config) -> Report {
    let (grid, mut findings) = Grid::build(one, config);
    findings.extend(rules::findings(&grid, one, config));
    let registers = register::matching(one, all);
    findings.extend(register::sum_check(&grid, &registers, config));
    findings.extend(register::unit_change(one, all, config));
    let mut estimates = estimate::estimates(&grid, config);
    if config.close_with_register {
        estimate::close(&grid, &mut estimates, &registers);
    }
    let actual = grid.actual();
    let missing = grid.len() - actual - estimates.len();
    let blocks = |finding: &Finding| {
        let rule = finding.rule;
        let too_long = rule == Rule::Missing && grid.seconds(finding.count) > config.billable_gap_s;
        too_long
            || matches!(
                rule,
                Rule::Spike | Rule::Negative | Rule::IntervalSize | Rule::SumCheck
            )
    };
    let summary = Summary {
        series: one.series.series,
        expected: grid.len(),
        actual,
        estimated: estimates.len(),
        missing,
        billable: missing == 0 && !findings.iter().any(blocks),
    };
    Report {
        findings: sorted(findings),
        estimates,
        summary: Some(summary),
    }
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        a.from
            .at
            .cmp(&b.from.at)
            .then(a.rule.name().cmp(b.rule.name()))
    });
    findings
}
