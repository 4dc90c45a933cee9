//! What is made of quarter-hours: days by the bands of the tariff, and hours in the place of
//! quarter-hours that are no longer kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use rust_decimal::Decimal;

use super::reader::{Reader, decimal};
use super::{QUARTER_S, StoreError, schema};

const HOUR_S: i64 = 3600;
/// How many quarter-hours one step makes hours of, so that the writer never waits for long.
const THIN_ROWS: u32 = 4_000;

/// The way to write what is made of quarter-hours.
#[derive(Clone, Debug)]
pub struct Rollups(pub(super) PathBuf);

/// A local day of an energy register in one band of the tariff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BandDay {
    /// The local date.
    pub date: Date,
    /// Name of the band; empty when the tariff has none, or none is known for that time.
    pub band: String,
    /// What the register gained, in its unit.
    pub amount: Decimal,
    /// What that cost (import) or brought (export), taxes on energy included; `None` when some of it
    /// had no price.
    pub cost: Option<Decimal>,
    /// ISO 4217 code of the cost.
    pub currency: Option<String>,
    /// Quarter-hours of the day in this band.
    pub quarters: u16,
    /// How many of them were metered.
    pub measured: u16,
}

/// An hour of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourRow {
    /// Its start, seconds since 1970.
    pub start_s: i64,
    /// What the register gained.
    pub amount: Decimal,
    /// How many quarter-hours of it are known.
    pub quarters: u8,
    /// How many of them were metered.
    pub measured: u8,
}

impl Rollups {
    /// Puts a day's bands in the place of what is kept of it. True when something changed; nothing is
    /// written otherwise.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn put(&self, register_id: i64, date: Date, bands: &[BandDay]) -> Result<bool, StoreError> {
        let reader = Reader::on(schema::open_reader(&self.0)?);
        if reader.band_days(register_id, date, date)? == bands {
            return Ok(false);
        }
        let mut db = self.open()?;
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute(
            "DELETE FROM band_day WHERE register_id = ?1 AND date = ?2",
            params![register_id, date.to_string()],
        )?;
        for band in bands {
            step.prepare_cached("INSERT INTO band_day VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
                .execute(params![
                    register_id,
                    date.to_string(),
                    band.band,
                    band.amount.to_string(),
                    band.cost.map(|cost| cost.to_string()),
                    band.currency,
                    band.quarters,
                    band.measured
                ])?;
        }
        step.commit()?;
        Ok(true)
    }

    /// Makes hours of quarter-hours that began before an instant; true while there is more to do.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn thin(&self, before_s: i64) -> Result<bool, StoreError> {
        let before_s = before_s.div_euclid(HOUR_S) * HOUR_S;
        let mut db = self.open()?;
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut more = false;
        for table in ["interval", "supplied"] {
            let register: Option<(i64, i64)> = step
                .query_row(
                    &format!("SELECT register_id, min(start_s) FROM {table} WHERE start_s < ?1 GROUP BY register_id LIMIT 1"),
                    params![before_s],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((register_id, first_s)) = register else {
                continue;
            };
            more = true;
            let to_s = (first_s + i64::from(THIN_ROWS) * QUARTER_S).min(before_s);
            let to_s = to_s.div_euclid(HOUR_S) * HOUR_S;
            // The reader beside sees what was committed: the same rows, since only this step removes them.
            let reader = Reader::on(schema::open_reader(&self.0)?);
            for hour in reader.hours(register_id, first_s, to_s)? {
                step.prepare_cached("INSERT OR REPLACE INTO hour VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![
                        register_id,
                        hour.start_s,
                        hour.amount.to_string(),
                        hour.quarters,
                        hour.measured
                    ])?;
            }
            for table in ["interval", "supplied"] {
                step.execute(
                    &format!("DELETE FROM {table} WHERE register_id = ?1 AND start_s < ?2"),
                    params![register_id, to_s],
                )?;
            }
        }
        step.commit()?;
        Ok(more)
    }

    /// Remembers how far something has come.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn remember(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.open()?.execute(
            "INSERT INTO gateway VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )?;
        Ok(())
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let db = Connection::open(&self.0)?;
        db.busy_timeout(Duration::from_secs(30))?;
        Ok(db)
    }
}

impl Reader {
    /// Days of a register by the bands of the tariff, with a date in `[from, to]`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn band_days(
        &self,
        register_id: i64,
        from: Date,
        to: Date,
    ) -> Result<Vec<BandDay>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT date, band, amount, cost, currency, quarters, measured FROM band_day
             WHERE register_id = ?1 AND date >= ?2 AND date <= ?3 ORDER BY date, band",
        )?;
        let mut rows = select.query(params![register_id, from.to_string(), to.to_string()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let date: String = row.get(0)?;
            let cost: Option<String> = row.get(3)?;
            found.push(BandDay {
                date: date.parse().map_err(|_| StoreError::Content {
                    what: "date",
                    text: date,
                })?,
                band: row.get(1)?,
                amount: decimal(&row.get::<_, String>(2)?)?,
                cost: cost.as_deref().map(decimal).transpose()?,
                currency: row.get(4)?,
                quarters: row.get(5)?,
                measured: row.get(6)?,
            });
        }
        Ok(found)
    }

    /// Hours of a register that start in `[from_s, to_s)`, out of its quarter-hours, or of what was
    /// kept of them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn hours(
        &self,
        register_id: i64,
        from_s: i64,
        to_s: i64,
    ) -> Result<Vec<HourRow>, StoreError> {
        let from_s = from_s.div_euclid(HOUR_S).saturating_mul(HOUR_S);
        let mut hours: BTreeMap<i64, HourRow> = BTreeMap::new();
        let mut select = self.db().prepare_cached(
            "SELECT start_s, amount, quarters, measured FROM hour
             WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3",
        )?;
        let mut rows = select.query(params![register_id, from_s, to_s])?;
        while let Some(row) = rows.next()? {
            let start_s = row.get(0)?;
            let hour = HourRow {
                start_s,
                amount: decimal(&row.get::<_, String>(1)?)?,
                quarters: row.get(2)?,
                measured: row.get(3)?,
            };
            hours.insert(start_s, hour);
        }
        for quarter in self.intervals(register_id, from_s, to_s)? {
            let start_s = quarter.start_s.div_euclid(HOUR_S) * HOUR_S;
            let hour = hours.entry(start_s).or_insert(HourRow {
                start_s,
                amount: Decimal::ZERO,
                quarters: 0,
                measured: 0,
            });
            hour.amount = hour.amount.saturating_add(quarter.amount());
            hour.quarters = hour.quarters.saturating_add(1);
            hour.measured = hour.measured.saturating_add(u8::from(quarter.complete));
        }
        Ok(hours.into_values().collect())
    }

    /// Start of the oldest quarter-hour of any register, seconds since 1970.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn oldest_interval(&self) -> Result<Option<i64>, StoreError> {
        let mut oldest = None;
        for register in self.registers()? {
            for table in ["interval", "supplied"] {
                let first: Option<i64> = self.db().query_row(
                    &format!("SELECT min(start_s) FROM {table} WHERE register_id = ?1"),
                    params![register.id],
                    |row| row.get(0),
                )?;
                oldest = match (oldest, first) {
                    (Some(oldest), Some(first)) => Some(first.min(oldest)),
                    (oldest, first) => oldest.or(first),
                };
            }
        }
        Ok(oldest)
    }
}
