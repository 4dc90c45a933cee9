//! Limits of what is believed: an index that fell or leapt is kept and marked, not counted.
//!
//! A driver may set them; where it does not, [`Limits::usual`] are those of the quantity.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::error::DriverError;
use super::file::PlausibleEntry;
use crate::mbus::DeviceType;
use crate::model::Medium;

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

    /// What no meter of a home exceeds, by the unit at the end of a field's name; without a limit
    /// where nothing can be said.
    ///
    /// An index never falls, and grows in a day by no more than its connection lets through:
    /// 400 m³ of water (Q3 = 16 m³/h, EN ISO 4064-1), 1,000 m³ of gas (G25, EN 1359), 2,400 kWh of
    /// electricity (100 kW), 12,000 kWh of heat (500 kW). The units of a heat cost allocator fall
    /// to 0 on its due date.
    #[must_use]
    pub fn usual(field: &str, is_index: bool, device_type: DeviceType) -> Self {
        let unit = field.rsplit_once('_').map_or(field, |(_, unit)| unit);
        if is_index {
            let medium = crate::mbus::medium(device_type);
            let step = match (unit, medium) {
                ("m3", Some(Medium::Water)) => Some(400),
                ("m3", _) => Some(1_000),
                ("l", Some(Medium::Water)) => Some(400_000),
                ("l", _) => Some(1_000_000),
                ("kwh", Some(Medium::Electricity)) => Some(2_400),
                ("kwh", _) => Some(12_000),
                ("mj", _) => Some(43_200),
                ("hca", _) => Some(1_000),
                _ => None,
            };
            return Self {
                monotonic: unit != "hca",
                min: None,
                max: None,
                max_step_per_day: step.map(Decimal::from),
            };
        }
        let (min, max) = match unit {
            "c" => (-60, 250),
            "k" => (-250, 250),
            "rh" => (0, 100),
            "bar" => (-1, 100),
            "hz" => (0, 70),
            "v" => (-1_000, 1_000),
            "a" => (-1_000, 1_000),
            "m3h" => (-100, 100),
            "lh" => (-100_000, 100_000),
            "kw" => (-1_000, 1_000),
            "w" => (-1_000_000, 1_000_000),
            _ => return Self::default(),
        };
        Self {
            min: Some(Decimal::from(min)),
            max: Some(Decimal::from(max)),
            ..Self::default()
        }
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

    #[test]
    fn a_water_meter_does_not_leap_by_a_thousand_cubic_metres_in_an_hour() {
        let water = Limits::usual("total_m3", true, DeviceType(0x07));
        let start = Timestamp::UNIX_EPOCH;
        let later = |hours| start + jiff::SignedDuration::from_hours(hours);
        let before = Some((Decimal::from(100), start));
        let judge = |value, hours| water.judge(before, Decimal::from(value), later(hours));
        assert_eq!(judge(1_100, 1), Err(Implausible::TooFast));
        assert_eq!(judge(101, 1), Ok(()));
        assert_eq!(judge(99, 1), Err(Implausible::Fell));
        // A receiver that was away for two months may have missed it.
        assert_eq!(judge(1_100, 60 * 24), Ok(()));
    }

    #[test]
    fn allocators_begin_again_and_strange_units_have_no_limit() {
        let start = Timestamp::UNIX_EPOCH;
        let before = Some((Decimal::from(812), start));
        let allocator = Limits::usual("current_hca", true, DeviceType(0x08));
        assert_eq!(allocator.judge(before, Decimal::ZERO, start), Ok(()));
        let limits = |name| Limits::usual(name, false, DeviceType(0x04));
        let broken = limits("flow_temperature_c").judge(None, Decimal::from(3_276), start);
        assert_eq!(broken, Err(Implausible::TooHigh));
        assert_eq!(limits("on_time_s"), Limits::default());
    }
}
