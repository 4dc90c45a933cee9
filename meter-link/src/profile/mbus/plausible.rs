//! Limits of what is believed: an index that fell or leapt is kept and marked, not counted.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::error::DriverError;
use super::file::PlausibleEntry;

/// The limits of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// It never falls.
    pub monotonic: bool,
    /// Lowest value.
    pub min: Option<Decimal>,
    /// Highest value.
    pub max: Option<Decimal>,
    /// Most that it grows in a day.
    pub max_step_per_day: Option<Decimal>,
}

/// Why a value is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Implausible {
    /// It fell.
    #[error("it fell")]
    Fell,
    /// It is below the lowest value.
    #[error("it is below the lowest value that is believed")]
    TooLow,
    /// It is above the highest value.
    #[error("it is above the highest value that is believed")]
    TooHigh,
    /// It grew too much in the time.
    #[error("it grew more than is believed")]
    TooFast,
}

impl Limits {
    pub(super) fn read(entry: &PlausibleEntry) -> Result<Self, DriverError> {
        let decimal = |text: &Option<String>| {
            text.as_ref()
                .map(|text| {
                    text.parse()
                        .map_err(|_| DriverError::Value(text.clone(), "a decimal number"))
                })
                .transpose()
        };
        Ok(Self {
            monotonic: entry.monotonic,
            min: decimal(&entry.min)?,
            max: decimal(&entry.max)?,
            max_step_per_day: decimal(&entry.max_step_per_day)?,
        })
    }

    /// Judges a value at `at` by itself and by an earlier one that was believed.
    ///
    /// # Errors
    /// [`Implausible`].
    pub fn judge(
        &self,
        earlier: Option<(Decimal, Timestamp)>,
        value: Decimal,
        at: Timestamp,
    ) -> Result<(), Implausible> {
        if self.min.is_some_and(|min| value < min) {
            return Err(Implausible::TooLow);
        }
        if self.max.is_some_and(|max| value > max) {
            return Err(Implausible::TooHigh);
        }
        let Some((before, then)) = earlier else {
            return Ok(());
        };
        if self.monotonic && value < before {
            return Err(Implausible::Fell);
        }
        if let Some(step) = self.max_step_per_day {
            // A day at least: telegrams of the same minute may differ by a coarse step.
            let seconds = at.duration_since(then).as_secs().max(86_400);
            let allowed = step
                .checked_mul(Decimal::from(seconds))
                .map(|it| it / Decimal::from(86_400));
            if allowed.is_some_and(|allowed| value - before > allowed) {
                return Err(Implausible::TooFast);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_leaps_and_bounds() {
        let limits = Limits {
            monotonic: true,
            min: Some(Decimal::ZERO),
            max: Some(Decimal::from(99_999)),
            max_step_per_day: Some(Decimal::from(50)),
        };
        let start = Timestamp::UNIX_EPOCH;
        let day = start + jiff::SignedDuration::from_hours(48);
        let before = Some((Decimal::from(100), start));
        for (value, want) in [
            (100, Ok(())),
            (200, Ok(())),
            (201, Err(Implausible::TooFast)),
            (99, Err(Implausible::Fell)),
            (-1, Err(Implausible::TooLow)),
            (100_000, Err(Implausible::TooHigh)),
        ] {
            assert_eq!(limits.judge(before, Decimal::from(value), day), want);
        }
    }
}
