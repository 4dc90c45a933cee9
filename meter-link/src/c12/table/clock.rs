//! Decade 5: clock and times of use (C12.19, tables 51 to 55).

use jiff::civil;
use serde::Serialize;

use super::TableError;
use super::format::{ClockTime, date};
use super::reader::Reader;

/// Table 51, actual time and time-of-use limiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActualTimeOfUse {
    /// `TIME_FUNC_FLAG1` as sent.
    pub time_func_flag1: u8,
    /// `TIME_FUNC_FLAG2` as sent.
    pub time_func_flag2: u8,
    /// Table 54 begins with an anchor date.
    pub anchor_date_flag: bool,
    /// Every day of the week has a schedule of its own.
    pub separate_weekdays_flag: bool,
    /// Sums and demands switch their tariffs apart from each other.
    pub separate_sum_demands_flag: bool,
    /// Seasons.
    pub nbr_seasons: u8,
    /// Special schedules.
    pub nbr_special_sched: u8,
    /// Dates that do not recur.
    pub nbr_non_recurr_dates: u8,
    /// Dates that recur.
    pub nbr_recurr_dates: u8,
    /// Changes of tariff.
    pub nbr_tier_switches: u16,
    /// Octets of table 54.
    pub calendar_tbl_size: u16,
}

impl ActualTimeOfUse {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        let (flag1, flag2, calendar) = (reader.u8()?, reader.u8()?, reader.u8()?);
        Ok(Self {
            time_func_flag1: flag1,
            time_func_flag2: flag2,
            anchor_date_flag: flag1 >> 5 & 1 == 1,
            separate_weekdays_flag: flag2 >> 1 & 1 == 1,
            separate_sum_demands_flag: flag2 >> 2 & 1 == 1,
            nbr_seasons: calendar & 15,
            nbr_special_sched: calendar >> 4,
            nbr_non_recurr_dates: reader.u8()?,
            nbr_recurr_dates: reader.u8()?,
            nbr_tier_switches: reader.u16()?,
            calendar_tbl_size: reader.u16()?,
        })
    }
}

/// Table 52, clock; table 55 adds the tariff in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// ISO 8601, with `Z` when the clock runs on UTC; left out when it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The same as a date and time.
    #[serde(skip)]
    pub at: ClockTime,
    /// Day of the week, 0 Sunday to 6 Saturday, 7 unknown.
    pub day_of_week: u8,
    /// Summer time is in force.
    pub dst_flag: bool,
    /// The clock runs on UTC.
    pub gmt_flag: bool,
    /// The offset of the time zone is applied.
    pub tm_zn_applied_flag: bool,
    /// Summer time is applied.
    pub dst_applied_flag: bool,
    /// Table 55: the tariff, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Table 55: the tariff of sums in force; `None` when table 51 keeps sums and demands apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curr_tier: Option<u8>,
    /// Table 55: the season.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub season: Option<u8>,
}

impl Clock {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        let at = reader.long_time()?;
        let qualifier = reader.u8()?;
        let flag = |bit: u8| qualifier >> bit & 1 == 1;
        let zone = if flag(4) { "Z" } else { "" };
        Ok(Self {
            time: at.map(|at| format!("{at}{zone}")),
            at,
            day_of_week: qualifier & 7,
            dst_flag: flag(3),
            gmt_flag: flag(4),
            tm_zn_applied_flag: flag(5),
            dst_applied_flag: flag(6),
            status: None,
            curr_tier: None,
            season: None,
        })
    }

    pub(super) fn read_state(
        reader: &mut Reader<'_>,
        limits: Option<&ActualTimeOfUse>,
    ) -> Result<Self, TableError> {
        let clock = Self::read(reader)?;
        let status = reader.u16()?;
        let part = |shift: u16, mask: u16| u8::try_from(status >> shift & mask).ok();
        let together = limits.is_some_and(|limits| !limits.separate_sum_demands_flag);
        Ok(Self {
            status: Some(status),
            curr_tier: part(0, 7).filter(|_| together),
            season: part(12, 15),
            ..clock
        })
    }
}

/// Table 53, time offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimeOffset {
    /// When the clock changes for summer time, in seconds after midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_time_eff_s: Option<u32>,
    /// By how many minutes.
    pub dst_time_amt_min: u8,
    /// Minutes from UTC to the time zone, west negative.
    pub time_zone_offset_min: i128,
}

impl TimeOffset {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, TableError> {
        Ok(Self {
            dst_time_eff_s: reader.time_of_day_s()?,
            dst_time_amt_min: reader.u8()?,
            time_zone_offset_min: reader.int(2)?,
        })
    }
}

/// A date on which something happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NonRecurringDate {
    /// The date; `None` when the entry is not used.
    pub date: Option<civil::Date>,
    /// What happens, as sent: bits 0 to 4 the action, 5 demand reset, 6 self read.
    pub calendar_action: u8,
}

/// A date that recurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecurringDate {
    /// The date as sent: bits 0 to 3 the month, 4 to 7 an offset, 8 to 10 the day of the week, 11
    /// to 15 the day.
    pub rdate: u16,
    /// What happens.
    pub calendar_action: u8,
}

/// A change of tariff within a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TierSwitch {
    /// The tariff from then on, 0 to 7.
    pub new_tier: u8,
    /// It is one of sums.
    pub summation_switch_flag: bool,
    /// It is one of demands.
    pub demands_switch_flag: bool,
    /// Minutes after midnight.
    pub switch_min: u16,
    /// The schedule it belongs to.
    pub day_sch_num: u8,
}

/// Table 54, calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calendar {
    /// Where periods are counted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor_date: Option<civil::Date>,
    /// Dates that do not recur.
    pub non_recurr_dates: Vec<NonRecurringDate>,
    /// Dates that do.
    pub recurr_dates: Vec<RecurringDate>,
    /// Changes of tariff.
    pub tier_switches: Vec<TierSwitch>,
    /// For each season: the schedules of the days of the week and of special days, as sent.
    pub daily_schedules: Vec<Vec<u8>>,
}

impl Calendar {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        limits: &ActualTimeOfUse,
    ) -> Result<Self, TableError> {
        let anchor = limits.anchor_date_flag.then(|| reader.u16()).transpose()?;
        let non_recurr_dates = reader.many(limits.nbr_non_recurr_dates.into(), |reader| {
            Ok(NonRecurringDate {
                date: date(reader.u16()?),
                calendar_action: reader.u8()?,
            })
        })?;
        let recurr_dates = reader.many(limits.nbr_recurr_dates.into(), |reader| {
            Ok(RecurringDate {
                rdate: reader.u16()?,
                calendar_action: reader.u8()?,
            })
        })?;
        let tier_switches = reader.many(limits.nbr_tier_switches.into(), |reader| {
            let bits = reader.u16()?;
            Ok(TierSwitch {
                new_tier: u8::try_from(bits & 7).unwrap_or_default(),
                summation_switch_flag: bits >> 3 & 1 == 1,
                demands_switch_flag: bits >> 4 & 1 == 1,
                switch_min: (bits >> 11) * 60 + (bits >> 5 & 63),
                day_sch_num: reader.u8()?,
            })
        })?;
        let days = if limits.separate_weekdays_flag { 7 } else { 3 };
        let width = days + usize::from(limits.nbr_special_sched);
        Ok(Self {
            anchor_date: anchor.and_then(date),
            non_recurr_dates,
            recurr_dates,
            tier_switches,
            daily_schedules: reader.many(limits.nbr_seasons.into(), |reader| {
                Ok(reader.take(width)?.to_vec())
            })?,
        })
    }
}
