//! Quarter-hours that were not read here: estimates in the place of missed ones, and imported history.
//! Beside them what validation found, and which meter took the place of which.
//!
//! What was metered is never changed. [`Reader::intervals`] puts an estimate where a quarter-hour is
//! missing or holds energy of another time; estimates of a gap are only kept when they add up to exactly
//! what the register gained across it, so that no sum changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use rust_decimal::Decimal;
use wattle_billing::readings::ReadingQuality;

use super::reader::{Reader, decimal, point};
use super::{IntervalRow, RegisterKey, StoreError, schema};

/// The gateway's own note of the date up to which everything was examined and made days of.
pub const EXAMINED: &str = "examined_until";

/// The way to write what was not read here.
#[derive(Clone, Debug)]
pub struct Supplies(pub(super) PathBuf);

/// An estimated quarter-hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimated {
    /// Its start, seconds since 1970.
    pub start_s: i64,
    /// What the register stood at then, by the estimate.
    pub opening: Decimal,
    /// And at its end.
    pub closing: Decimal,
    /// How it was estimated.
    pub method: String,
}

/// What a rule of validation found about a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingRow {
    /// First instant, seconds since 1970.
    pub from_s: i64,
    /// First instant after it, or the same for a single reading.
    pub to_s: i64,
    /// Name of the rule.
    pub rule: String,
    /// `info`, `warning` or `fail`.
    pub severity: String,
    /// How many readings.
    pub count: i64,
    /// In words.
    pub detail: String,
}

/// A meter took the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Name of both in the configuration.
    pub name: String,
    /// First telegram of the new one.
    pub at: Timestamp,
    /// Serial number of the old one.
    pub before: String,
    /// Serial number of the new one.
    pub after: String,
}

/// A document whose quarter-hours are imported.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// When it is imported.
    pub at: Timestamp,
    /// Name of its file.
    pub name: &'a str,
    /// Its form.
    pub form: &'a str,
    /// SHA-256 of its bytes, hex.
    pub sha256: &'a str,
}

/// Quarter-hours for one register.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The register; made when it is not known yet.
    pub key: RegisterKey,
    /// Start, amount, quality and how the amount was made, in order of time.
    pub quarters: Vec<(i64, Decimal, ReadingQuality, &'static str)>,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Quarter-hours that are new.
    pub new: usize,
    /// Those that were there already, and alike or not, now are as the document says.
    pub known: usize,
    /// Those of a time the gateway has metered itself.
    pub metered: usize,
}

impl Supplies {
    /// The way into the database of a state folder, which a daemon may be writing at the same time.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self(schema::file(state_dir))
    }

    /// Replaces estimates and findings of a register that begin in `[from_s, to_s)`. True when
    /// something changed; nothing is written otherwise.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn replace(
        &self,
        register_id: i64,
        (from_s, to_s): (i64, i64),
        estimates: &[Estimated],
        findings: &[FindingRow],
    ) -> Result<bool, StoreError> {
        let reader = Reader::on(schema::open_reader(&self.0)?);
        if reader.estimates(register_id, from_s, to_s)? == estimates
            && reader.findings(register_id, from_s, to_s)? == findings
        {
            return Ok(false);
        }
        let mut db = self.open()?;
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let span = params![register_id, from_s, to_s];
        step.execute(
            "DELETE FROM supplied WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3 AND import_id IS NULL",
            span,
        )?;
        step.execute(
            "DELETE FROM finding WHERE register_id = ?1 AND from_s >= ?2 AND from_s < ?3",
            span,
        )?;
        for estimate in estimates {
            step.prepare_cached(
                "INSERT OR IGNORE INTO supplied VALUES (?1, ?2, ?3, ?4, 'estimated', ?5, NULL)",
            )?
            .execute(params![
                register_id,
                estimate.start_s,
                estimate.opening.to_string(),
                estimate.closing.to_string(),
                estimate.method
            ])?;
        }
        for finding in findings {
            step.prepare_cached(
                "INSERT OR REPLACE INTO finding VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                register_id,
                finding.from_s,
                finding.rule,
                finding.to_s,
                finding.severity,
                finding.count,
                finding.detail
            ])?;
        }
        step.commit()?;
        Ok(true)
    }

    /// Takes quarter-hours of a document. Those of a time from which the gateway metered the register
    /// itself are passed over: its own readings count. Taking a document twice changes nothing.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn import(&self, source: &Source<'_>, all: &[Brought]) -> Result<Taken, StoreError> {
        let mut db = self.open()?;
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute(
            "INSERT OR IGNORE INTO import VALUES (NULL, ?1, ?2, ?3, ?4)",
            params![
                source.at.as_microsecond(),
                source.name,
                source.form,
                source.sha256
            ],
        )?;
        let import_id: i64 = step.query_row(
            "SELECT id FROM import WHERE sha256 = ?1",
            params![source.sha256],
            |row| row.get(0),
        )?;
        let mut taken = Taken::default();
        for brought in all {
            bring(&step, import_id, brought, &mut taken)?;
        }
        // Days of long ago have to be made of them.
        step.execute("DELETE FROM gateway WHERE key = ?1", params![EXAMINED])?;
        step.commit()?;
        Ok(taken)
    }

    fn open(&self) -> Result<Connection, StoreError> {
        let db = Connection::open(&self.0)?;
        db.busy_timeout(Duration::from_secs(30))?;
        Ok(db)
    }
}

fn bring(
    step: &Transaction<'_>,
    import_id: i64,
    brought: &Brought,
    taken: &mut Taken,
) -> Result<(), StoreError> {
    let (obis, unit) = (brought.key.obis.to_string(), brought.key.unit.code());
    step.execute(
        "INSERT OR IGNORE INTO meter (serial) VALUES (?1)",
        params![brought.key.serial],
    )?;
    let meter_id: i64 = step.query_row(
        "SELECT id FROM meter WHERE serial = ?1",
        params![brought.key.serial],
        |row| row.get(0),
    )?;
    step.execute(
        "INSERT OR IGNORE INTO register (meter_id, obis, unit) VALUES (?1, ?2, ?3)",
        params![meter_id, obis, unit],
    )?;
    let register_id: i64 = step.query_row(
        "SELECT id FROM register WHERE meter_id = ?1 AND obis = ?2 AND unit = ?3",
        params![meter_id, obis, unit],
        |row| row.get(0),
    )?;
    // The quarter-hour of the very first reading is open until the next one.
    let own: Option<i64> = step
        .query_row(
            "SELECT min(start_s) FROM interval WHERE register_id = ?1",
            params![register_id],
            |row| row.get(0),
        )
        .optional()?
        .flatten();
    for (start_s, amount, quality, method) in &brought.quarters {
        if own.is_some_and(|own| *start_s >= own) {
            taken.metered += 1;
            continue;
        }
        let known: bool = step
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM supplied WHERE register_id = ?1 AND start_s = ?2)",
            )?
            .query_row(params![register_id, start_s], |row| row.get(0))?;
        if known {
            taken.known += 1;
        } else {
            taken.new += 1;
        }
        step.prepare_cached(
            "INSERT OR REPLACE INTO supplied VALUES (?1, ?2, '0', ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            register_id,
            start_s,
            amount.to_string(),
            quality.name(),
            method,
            import_id
        ])?;
    }
    Ok(())
}

impl Reader {
    /// Estimated quarter-hours of a register that start in `[from_s, to_s)`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn estimates(
        &self,
        register_id: i64,
        from_s: i64,
        to_s: i64,
    ) -> Result<Vec<Estimated>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT start_s, opening, closing, method FROM supplied
             WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3 AND import_id IS NULL ORDER BY start_s",
        )?;
        let mut rows = select.query(params![register_id, from_s, to_s])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Estimated {
                start_s: row.get(0)?,
                opening: decimal(&row.get::<_, String>(1)?)?,
                closing: decimal(&row.get::<_, String>(2)?)?,
                method: row.get(3)?,
            });
        }
        Ok(found)
    }

    /// What validation found of a register, by where it begins.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn findings(
        &self,
        register_id: i64,
        from_s: i64,
        to_s: i64,
    ) -> Result<Vec<FindingRow>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT from_s, to_s, rule, severity, count, detail FROM finding
             WHERE register_id = ?1 AND from_s >= ?2 AND from_s < ?3 ORDER BY from_s, rule",
        )?;
        let rows = select.query_map(params![register_id, from_s, to_s], |row| {
            Ok(FindingRow {
                from_s: row.get(0)?,
                to_s: row.get(1)?,
                rule: row.get(2)?,
                severity: row.get(3)?,
                count: row.get(4)?,
                detail: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Which meters took whose place, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn exchanges(&self) -> Result<Vec<Exchange>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT name, at_us, before, after FROM exchange ORDER BY at_us DESC",
        )?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Exchange {
                name: row.get(0)?,
                at: point("0", row.get(1)?)?.at,
                before: row.get(2)?,
                after: row.get(3)?,
            });
        }
        Ok(found)
    }

    /// Serial numbers of the meter that has this name, and of those that had it before.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn serials(&self, name: &str) -> Result<Vec<String>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT serial, 0 AS place FROM meter WHERE name = ?1
             UNION SELECT before, 1 FROM exchange WHERE name = ?1 ORDER BY place",
        )?;
        let rows = select.query_map(params![name], |row| row.get::<_, String>(0))?;
        let mut found: Vec<String> = Vec::new();
        for serial in rows {
            let serial = serial?;
            if !found.contains(&serial) {
                found.push(serial);
            }
        }
        Ok(found)
    }

    /// Puts estimated and imported quarter-hours where nothing was metered wholly.
    pub(super) fn with_supplied(
        &self,
        register_id: i64,
        (from_s, to_s): (i64, i64),
        metered: Vec<IntervalRow>,
    ) -> Result<Vec<IntervalRow>, StoreError> {
        let mut select = self.db().prepare_cached(
            "SELECT start_s, opening, closing, quality, method FROM supplied
             WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3 ORDER BY start_s",
        )?;
        let mut rows = select.query(params![register_id, from_s, to_s])?;
        let mut supplied = Vec::new();
        while let Some(row) = rows.next()? {
            let start_s: i64 = row.get(0)?;
            supplied.push(IntervalRow {
                start_s,
                opening: decimal(&row.get::<_, String>(1)?)?,
                opening_at: point("0", start_s.saturating_mul(1_000_000))?.at,
                closing: decimal(&row.get::<_, String>(2)?)?,
                complete: false,
                quality: quality_of(&row.get::<_, String>(3)?)?,
                method: Some(row.get(4)?),
            });
        }
        if supplied.is_empty() {
            return Ok(metered);
        }
        let mut all: BTreeMap<i64, IntervalRow> =
            supplied.into_iter().map(|row| (row.start_s, row)).collect();
        for row in metered {
            if row.complete || !all.contains_key(&row.start_s) {
                all.insert(row.start_s, row);
            }
        }
        Ok(all.into_values().collect())
    }
}

fn quality_of(text: &str) -> Result<ReadingQuality, StoreError> {
    [
        ReadingQuality::Actual,
        ReadingQuality::Estimated,
        ReadingQuality::Edited,
        ReadingQuality::Suspect,
    ]
    .into_iter()
    .find(|quality| quality.name() == text)
    .ok_or_else(|| StoreError::Content {
        what: "quality",
        text: text.to_owned(),
    })
}
