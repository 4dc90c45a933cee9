//! Dates and times of COSEM (IEC 62056-6-2, 4.1.6.1): octets in which any field may be left open.

use jiff::civil;
use jiff::tz::Offset;

use crate::model::MeterTime;

/// A date and time: year (2), month, day, day of week, hour, minute, second, hundredths,
/// deviation (2), clock status. The octets are kept as sent.
///
/// ```
/// use meter_link::dlms::data::DateTime;
/// let at = DateTime([0x07, 0xE6, 11, 12, 6, 16, 54, 0, 0, 0xFF, 0xC4, 0]);
/// assert_eq!(at.iso().as_deref(), Some("2022-11-12T16:54:00+01:00"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime(pub [u8; 12]);

/// A date: year (2), month, day, day of week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date(pub [u8; 5]);

/// A time of day: hour, minute, second, hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time(pub [u8; 4]);

/// What the meter thinks of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockStatus(pub u8);

impl ClockStatus {
    /// The clock is not right and nobody knows by how much.
    pub const INVALID: u8 = 0x01;
    /// The clock was set or lost power and its value may be off.
    pub const DOUBTFUL: u8 = 0x02;
    /// The time comes from another clock than usual.
    pub const DIFFERENT_BASE: u8 = 0x04;
    /// One of the status bits cannot be relied on.
    pub const INVALID_STATUS: u8 = 0x08;
    /// Summer time is in force.
    pub const SUMMER: u8 = 0x80;

    /// True in summer time; `None` when the meter says nothing about its clock (FF).
    #[must_use]
    pub const fn summer(self) -> Option<bool> {
        match self.0 {
            0xFF => None,
            status => Some(status & Self::SUMMER != 0),
        }
    }
}

impl DateTime {
    /// A deviation that is not told.
    pub const NO_DEVIATION: i16 = i16::MIN;

    /// Reads twelve octets.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// A date and time with everything told.
    #[must_use]
    pub fn new(at: civil::DateTime, deviation: Option<i16>, status: ClockStatus) -> Self {
        let [year_high, year_low] = at.year().to_be_bytes();
        let [high, low] = deviation.unwrap_or(Self::NO_DEVIATION).to_be_bytes();
        // jiff's fields are small and positive.
        let field = |value: i8| value.unsigned_abs();
        Self([
            year_high,
            year_low,
            field(at.month()),
            field(at.day()),
            field(at.weekday().to_monday_one_offset()),
            field(at.hour()),
            field(at.minute()),
            field(at.second()),
            0,
            high,
            low,
            status.0,
        ])
    }

    /// The wall clock without hundredths; `None` when a field is open or impossible.
    #[must_use]
    pub fn civil(self) -> Option<civil::DateTime> {
        let [y1, y0, month, day, _, hour, minute, second, ..] = self.0;
        let field = |octet: u8| i8::try_from(octet).ok();
        let year = i16::from_be_bytes([y1, y0]);
        if year < 0 {
            return None;
        }
        civil::DateTime::new(
            year,
            field(month)?,
            field(day)?,
            field(hour)?,
            field(minute)?,
            field(second)?,
            0,
        )
        .ok()
    }

    /// Minutes from local time to UTC (the opposite sign of ISO 8601); `None` when not told.
    #[must_use]
    pub const fn deviation(self) -> Option<i16> {
        let [.., high, low, _] = self.0;
        match i16::from_be_bytes([high, low]) {
            Self::NO_DEVIATION => None,
            minutes => Some(minutes),
        }
    }

    /// The clock status.
    #[must_use]
    pub const fn status(self) -> ClockStatus {
        let [.., status] = self.0;
        ClockStatus(status)
    }

    /// ISO 8601 with the offset if one is told; `None` when a field is open or impossible.
    #[must_use]
    pub fn iso(self) -> Option<String> {
        let at = self.civil()?;
        let Some(deviation) = self.deviation().filter(|minutes| minutes.abs() < 24 * 60) else {
            return Some(at.to_string());
        };
        let sign = if deviation > 0 { '-' } else { '+' };
        let minutes = deviation.unsigned_abs();
        Some(format!("{at}{sign}{:02}:{:02}", minutes / 60, minutes % 60))
    }

    /// The same for the model: an instant when the deviation is told.
    #[must_use]
    pub fn meter_time(self) -> Option<MeterTime> {
        let at = self.civil()?;
        let wall = MeterTime::Wall {
            at,
            dst: self.status().summer(),
        };
        let offset = self.deviation().and_then(|minutes| {
            let seconds = -60 * i32::from(minutes);
            Offset::from_seconds(seconds).ok()
        });
        Some(
            match offset.and_then(|offset| offset.to_timestamp(at).ok()) {
                Some(instant) => MeterTime::Utc(instant),
                None => wall,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(year: u16, rest: [u8; 10]) -> DateTime {
        let [high, low] = year.to_be_bytes();
        let mut all = [high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        all[2..].copy_from_slice(&rest);
        DateTime(all)
    }

    #[test]
    fn deviation_is_the_opposite_of_an_offset() {
        let winter = octets(2022, [2, 21, 1, 17, 37, 30, 0, 0xFF, 0xC4, 0]);
        assert_eq!(winter.iso().unwrap(), "2022-02-21T17:37:30+01:00");
        assert_eq!(winter.deviation(), Some(-60));
        let west = octets(2022, [2, 21, 1, 17, 37, 30, 0, 1, 0x2C, 0]);
        assert_eq!(west.iso().unwrap(), "2022-02-21T17:37:30-05:00");
        let MeterTime::Utc(instant) = west.meter_time().unwrap() else {
            panic!("no instant");
        };
        assert_eq!(instant.to_string(), "2022-02-21T22:37:30Z");
        let open = octets(2022, [2, 21, 1, 17, 37, 30, 0xFF, 0x80, 0, 0x80]);
        assert_eq!(open.iso().unwrap(), "2022-02-21T17:37:30");
        let wall = MeterTime::Wall {
            at: civil::date(2022, 2, 21).at(17, 37, 30, 0),
            dst: Some(true),
        };
        assert_eq!(open.meter_time(), Some(wall));
    }

    #[test]
    fn open_fields_give_no_time() {
        for open in [
            octets(0xFFFF, [2, 21, 1, 17, 37, 30, 0, 0, 0, 0]),
            octets(2022, [0xFE, 21, 1, 17, 37, 30, 0, 0, 0, 0]),
            octets(2022, [2, 30, 1, 17, 37, 30, 0, 0, 0, 0]),
            octets(2022, [2, 21, 1, 17, 37, 0xFF, 0, 0, 0, 0]),
        ] {
            assert_eq!((open.iso(), open.meter_time()), (None, None));
        }
    }

    #[test]
    fn there_and_back() {
        let at = civil::date(2026, 3, 29).at(2, 59, 59, 0);
        let made = DateTime::new(at, Some(-120), ClockStatus(ClockStatus::SUMMER));
        assert_eq!(made.civil(), Some(at));
        assert_eq!(made.iso().unwrap(), "2026-03-29T02:59:59+02:00");
        assert_eq!(made.0[4], 7, "a Sunday");
    }
}
