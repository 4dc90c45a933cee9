//! Days and months of a register, with what was estimated or imported of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::params;
use rust_decimal::Decimal;
use wattle_api::{Day, MonthTotal};

use super::reader::{day_bounds, decimal};
use super::{QUARTER_S, Reader, StoreError};

impl Reader {
    /// Closed days of a register with a date in `[from, to]`. A day of which quarter-hours were estimated
    /// or imported is the sum of its quarter-hours: its register was not read at midnight, or not at all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn days(
        &self,
        register_id: i64,
        (from, to): (Date, Date),
        zone: &TimeZone,
    ) -> Result<Vec<Day>, StoreError> {
        let mut days = self.closed_days(register_id, from, to)?;
        let span = (day_bounds(from, zone).0, day_bounds(to, zone).1);
        for date in self.dates_supplied(register_id, span, zone)? {
            let (start_s, end_s) = day_bounds(date, zone);
            let mut day = Day {
                date,
                amount: Decimal::ZERO,
                quarter_hours: u16::try_from((end_s - start_s) / QUARTER_S).unwrap_or(u16::MAX),
                measured: 0,
                supplied: 0,
            };
            for row in self.intervals(register_id, start_s, end_s)? {
                day.amount = day.amount.saturating_add(row.amount());
                day.measured += u16::from(row.complete);
                day.supplied += u16::from(row.method.is_some());
            }
            days.insert(date, day);
        }
        Ok(days.into_values().collect())
    }

    /// Months of a register with closed days in `[from, to]`: the sum of those days.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn months(
        &self,
        register_id: i64,
        dates: (Date, Date),
        zone: &TimeZone,
    ) -> Result<Vec<MonthTotal>, StoreError> {
        let mut found: Vec<MonthTotal> = Vec::new();
        for day in self.days(register_id, dates, zone)? {
            let first = day.date.first_of_month();
            if found.last().is_none_or(|month| month.month != first) {
                found.push(MonthTotal {
                    month: first,
                    amount: Decimal::ZERO,
                    days: 0,
                    quarter_hours: 0,
                    measured: 0,
                    supplied: 0,
                });
            }
            let Some(month) = found.last_mut() else {
                continue;
            };
            month.amount = month.amount.saturating_add(day.amount);
            month.days += 1;
            month.quarter_hours += day.quarter_hours;
            month.measured += day.measured;
            month.supplied += day.supplied;
        }
        Ok(found)
    }

    /// Days as the register was read around midnight.
    fn closed_days(
        &self,
        register_id: i64,
        from: Date,
        to: Date,
    ) -> Result<BTreeMap<Date, Day>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT date, opening, closing, quarter_hours, measured FROM day
             WHERE register_id = ?1 AND date >= ?2 AND date <= ?3",
        )?;
        let mut rows = select.query(params![register_id, from.to_string(), to.to_string()])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let date: String = row.get(0)?;
            let date = date.parse().map_err(|_| StoreError::Content {
                what: "date",
                text: date,
            })?;
            let opening = decimal(&row.get::<_, String>(1)?)?;
            let day = Day {
                date,
                amount: decimal(&row.get::<_, String>(2)?)? - opening,
                quarter_hours: row.get(3)?,
                measured: row.get(4)?,
                supplied: 0,
            };
            found.insert(date, day);
        }
        Ok(found)
    }

    /// Local dates of which something was estimated or imported.
    fn dates_supplied(
        &self,
        register_id: i64,
        (from_s, to_s): (i64, i64),
        zone: &TimeZone,
    ) -> Result<Vec<Date>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT start_s FROM supplied WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3 ORDER BY start_s",
        )?;
        let mut rows = select.query(params![register_id, from_s, to_s])?;
        let mut found: Vec<Date> = Vec::new();
        while let Some(row) = rows.next()? {
            let at = Timestamp::from_second(row.get(0)?).unwrap_or(Timestamp::UNIX_EPOCH);
            let date = zone.to_datetime(at).date();
            if found.last() != Some(&date) {
                found.push(date);
            }
        }
        Ok(found)
    }
}
