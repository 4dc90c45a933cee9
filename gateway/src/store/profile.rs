//! Load profiles of meters: rows that meters keep themselves, and that are fetched when missing.
//!
//! They come many at once and seldom, and nothing is published of them, so that they go past the
//! writer's queue through a connection of their own; SQLite lets the two wait for each other.

use std::path::PathBuf;

use meter_link::dlms::client::job::{Column, ProfileRows};
use meter_link::dlms::data::DateTime;
use meter_link::model::{ObisCode, Value};
use rusqlite::{Connection, OptionalExtension, params};

use super::{StoreError, schema};

/// The way to the stored profiles.
#[derive(Clone, Debug)]
pub struct Profiles(pub(super) PathBuf);

impl Profiles {
    /// The time of the last row that is stored of a meter's profile, as the meter sent it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last(&self, meter: &str, profile: ObisCode) -> Result<Option<DateTime>, StoreError> {
        let db = schema::open_reader(&self.0)?;
        let last = db
            .query_row(
                "SELECT at FROM profile_row JOIN profile ON profile.id = profile_id
                 WHERE meter = ?1 AND obis = ?2 ORDER BY profile_row.id DESC LIMIT 1",
                params![meter, profile.to_string()],
                |row| row.get::<_, Vec<u8>>(0),
            )
            .optional()?;
        Ok(last.and_then(|octets| DateTime::from_octets(&octets)))
    }

    /// Stores rows in one transaction, and returns how many of them were new. A row that is stored
    /// already, time and values alike, is left as it is.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn store(&self, meter: &str, rows: &ProfileRows) -> Result<usize, StoreError> {
        let mut db = Connection::open(&self.0)?;
        db.busy_timeout(std::time::Duration::from_secs(30))?;
        let step = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let columns = serde_json::Value::from_iter(rows.columns.iter().map(column));
        let profile = params![
            meter,
            rows.profile.to_string(),
            columns.to_string(),
            rows.period_s
        ];
        step.execute(
            "INSERT OR IGNORE INTO profile VALUES (NULL, ?1, ?2, ?3, ?4)",
            profile,
        )?;
        let id: i64 = step.query_row(
            "SELECT id FROM profile WHERE meter = ?1 AND obis = ?2 AND columns = ?3 AND period_s = ?4",
            profile,
            |row| row.get(0),
        )?;
        let mut new = 0;
        {
            let mut insert = step.prepare_cached(
                "INSERT OR IGNORE INTO profile_row VALUES (NULL, ?1, ?2, ?3, ?4, ?5)",
            )?;
            for (row, row_values) in rows.iter() {
                new += insert.execute(params![
                    id,
                    row.at.0,
                    row.instant.map(jiff::Timestamp::as_second),
                    row.status.map(u64::cast_signed),
                    values(row_values)
                ])?;
            }
        }
        step.commit()?;
        Ok(new)
    }
}

fn column(column: &Column) -> serde_json::Value {
    serde_json::json!({
        "obis": column.register.to_string(),
        "attribute": column.attribute,
        "unit": column.scale.unit.map(meter_link::model::Unit::code),
    })
}

/// The values as a JSON array: numbers as texts, so that they stay exact.
fn values(values: &[Option<Value>]) -> String {
    let values = values.iter().map(|value| match value {
        None => serde_json::Value::Null,
        Some(Value::Number(number)) => number.to_string().into(),
        Some(Value::Text(text)) => text.as_str().into(),
        Some(Value::Flag(flag)) => (*flag).into(),
        Some(Value::Octets(octets)) => crate::hex::encode(octets).into(),
    });
    serde_json::Value::from_iter(values).to_string()
}
