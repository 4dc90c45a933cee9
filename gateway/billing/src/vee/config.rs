//! The limits of the rules.

use jiff::tz::TimeZone;
use serde::Deserialize;

/// Limits, each with where it comes from. What is `None` is switched off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where limits that differ from the defaults come from; repeated in findings.
    pub source: Option<String>,
    /// IANA zone whose days count; the offset of the timestamps when left out.
    pub zone: Option<String>,
    /// Gaps up to so many seconds are estimated along a straight line. California VEE Rev 2.0:
    /// 2 hours.
    pub linear_gap_s: i64,
    /// Weeks back in which like days are looked for.
    pub like_days: u8,
    /// Longer gaps forbid a bill, in seconds: 72 hours.
    pub billable_gap_s: i64,
    /// Zero for so many seconds is told: 24 hours.
    pub zero_run_s: i64,
    /// (highest - third highest) / third highest of a day, in per cent. California VEE: 180 %.
    pub spike_percent: i64,
    /// Intervals and counter may differ by so many raw units: 2.
    pub sum_tolerance_raw: i64,
    /// Or by so many thousandths of the counter's difference: 1.
    pub sum_tolerance_per_mille: i64,
    /// Scale estimates so that they add up to what the counter gained.
    pub close_with_register: bool,
    /// A day's use above the mean of the days before.
    pub high_usage: Option<HighUsage>,
    /// A day's use below the mean of the days before.
    pub low_usage: Option<LowUsage>,
    /// The meter's clock against the target time.
    pub clock_drift: Option<ClockDrift>,
    /// Digits of the counter.
    pub rollover: Option<Dials>,
    /// A meter that must not show use.
    pub inactive: Option<Inactive>,
    /// Tell when unit or scaler of a register change.
    pub unit_change: bool,
    /// Tell when a counter falls, and when another meter follows.
    pub registers: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: None,
            zone: None,
            linear_gap_s: 2 * 3600,
            like_days: 4,
            billable_gap_s: 72 * 3600,
            zero_run_s: 24 * 3600,
            spike_percent: 180,
            sum_tolerance_raw: 2,
            sum_tolerance_per_mille: 1,
            close_with_register: false,
            high_usage: None,
            low_usage: None,
            clock_drift: None,
            rollover: None,
            inactive: None,
            unit_change: false,
            registers: false,
        }
    }
}

impl Config {
    /// The zone whose days count, where one is named.
    ///
    /// # Errors
    /// The name is not in the time zone database.
    pub fn zone(&self) -> Result<Option<TimeZone>, jiff::Error> {
        self.zone.as_deref().map(TimeZone::get).transpose()
    }

    /// The zone, if it is named and known.
    pub(super) fn known_zone(&self) -> Option<TimeZone> {
        self.zone().ok().flatten()
    }
}

/// High use of a day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HighUsage {
    /// So many per cent above the mean: 150.
    pub percent: u32,
    /// Of so many days before: 30.
    pub days: u16,
}

impl Default for HighUsage {
    fn default() -> Self {
        Self {
            percent: 150,
            days: 30,
        }
    }
}

/// Low use of a day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LowUsage {
    /// So many per cent below the mean: 60.
    pub percent: u32,
    /// Of so many days before: 30.
    pub days: u16,
}

impl Default for LowUsage {
    fn default() -> Self {
        Self {
            percent: 60,
            days: 30,
        }
    }
}

/// Difference of the meter's clock.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockDrift {
    /// At most so many seconds. TR-03109-1: 3 % of the shortest period, 27 s of a quarter-hour.
    pub seconds: i64,
}

impl Default for ClockDrift {
    fn default() -> Self {
        Self { seconds: 27 }
    }
}

/// Digits of a counter.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dials {
    /// How many digits the raw counter has, 1 to 18: it begins again at 10^digits.
    pub digits: u32,
}

/// A meter without a customer.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inactive {
    /// Raw units a day that are not told.
    pub raw_per_day: i64,
}
