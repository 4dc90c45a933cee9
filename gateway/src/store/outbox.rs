//! The outbox of the relay: rows that wait until the head-end has them.
//!
//! Rows are written in the transaction of the reading that made them, so that a row is there exactly
//! when its reading is. Sequence numbers begin at 1 in each stream and have no holes. A row goes when
//! the head-end's signed acknowledgement covers it, or when the disk's share is full: then the rows
//! of the least important use case go first ([`SHEDDING`]), and the numbers that went are told.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use meter_link::model::{ObisCode, Quality};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};
use wattle_relay::batch::{Row, status};

use super::accumulate::Closed;
use super::{QUARTER_S, StoreError};
use crate::config::{Taf, UpstreamStream};

/// Use cases whose rows are given up first when the outbox is full; billing registers come last.
pub const SHEDDING: [Taf; 7] = [
    Taf::HighFrequency,
    Taf::GridState,
    Taf::ActualFeedIn,
    Taf::IntervalSeries,
    Taf::OnDemand,
    Taf::TimeVariable,
    Taf::DataSparing,
];
/// Rows given up at once.
const SHED_ROWS: u32 = 5_000;
/// 3 % of a quarter-hour, beyond which a captured value is marked (PTB-A 50.8).
const LATE_S: i64 = 27;
/// Stands for a stream of texts, such as results of commands.
pub const TEXT: u8 = 255;

/// What is sent, as the writer needs it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The streams of the configuration to which the household has agreed.
    pub streams: Vec<UpstreamStream>,
    /// Rows that the outbox holds at most.
    pub rows: u64,
}

/// A value that may have to be sent.
pub(super) struct Fact<'a> {
    pub(super) meter: &'a str,
    pub(super) serial: &'a str,
    pub(super) obis: ObisCode,
    pub(super) unit: u8,
    pub(super) value: Decimal,
    pub(super) quality: Quality,
    pub(super) at: Timestamp,
    pub(super) closed: Closed,
}

/// The writer's side.
#[derive(Debug, Default)]
pub(super) struct Feed {
    plan: Plan,
    streams: HashMap<String, i64>,
    minutes: HashMap<i64, i64>,
}

impl Feed {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    /// Forgets what memory knows: it may belong to a lost transaction.
    pub(super) fn forget(&mut self) {
        self.streams.clear();
        self.minutes.clear();
    }

    /// Writes the rows that a stored value makes.
    pub(super) fn put(
        &mut self,
        db: &Transaction<'_>,
        zone: &TimeZone,
        fact: &Fact<'_>,
    ) -> Result<(), StoreError> {
        if self.plan.streams.is_empty() {
            return Ok(());
        }
        let wanted =
            |stream: &&UpstreamStream| stream.meter == fact.meter && stream.wants(fact.obis);
        let tafs: Vec<Taf> = self
            .plan
            .streams
            .iter()
            .filter(wanted)
            .map(|stream| stream.taf)
            .collect();
        for taf in tafs {
            let Some(row) = row_of(taf, zone, fact) else {
                continue;
            };
            let name = format!("{}/{}/{}", taf.number(), fact.serial, fact.obis);
            let stream = self.stream(db, &name, taf)?;
            if taf.is_sampled() {
                let minute = row.at_s.div_euclid(60);
                if self.minutes.insert(stream, minute) == Some(minute) {
                    continue;
                }
            }
            append(db, stream, fact.unit, &row.value.to_string(), &row)?;
        }
        Ok(())
    }

    fn stream(&mut self, db: &Connection, name: &str, taf: Taf) -> Result<i64, StoreError> {
        if let Some(id) = self.streams.get(name) {
            return Ok(*id);
        }
        let id = stream(db, name, taf.number())?;
        self.streams.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Gives rows up until the outbox is within its bound; returns how many went.
    pub(super) fn shed(&self, db: &Transaction<'_>) -> Result<u64, StoreError> {
        let held: u64 = db.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?;
        let mut over = held.saturating_sub(self.plan.rows);
        if over == 0 || self.plan.streams.is_empty() {
            return Ok(0);
        }
        let mut went = 0;
        for taf in SHEDDING {
            let oldest = db
                .prepare("SELECT stream_id, seq FROM outbox JOIN relay_stream ON id = stream_id WHERE taf = ?1 ORDER BY at_s, seq LIMIT ?2")?
                .query_map(params![taf.number(), over.min(SHED_ROWS.into())], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<Vec<(i64, i64)>, _>>()?;
            for (stream, seq) in &oldest {
                db.prepare_cached("DELETE FROM outbox WHERE stream_id = ?1 AND seq = ?2")?
                    .execute(params![stream, seq])?;
                let longer = db
                    .prepare_cached(
                        "UPDATE relay_shed SET last = ?2 WHERE stream_id = ?1 AND last = ?2 - 1",
                    )?
                    .execute(params![stream, seq])?;
                if longer == 0 {
                    db.prepare_cached("INSERT INTO relay_shed VALUES (?1, ?2, ?2)")?
                        .execute(params![stream, seq])?;
                }
            }
            went += oldest.len() as u64;
            over -= oldest.len() as u64;
            if over == 0 {
                break;
            }
        }
        Ok(went)
    }
}

/// The row that a value makes in a use case, if it makes one.
fn row_of(taf: Taf, zone: &TimeZone, fact: &Fact<'_>) -> Option<Row> {
    let suspect = if fact.quality == Quality::Suspect {
        status::SUSPECT
    } else {
        0
    };
    let plain = Row {
        at_s: fact.at.as_second(),
        value: fact.value,
        status: suspect,
        captured_s: 0,
    };
    let at_boundary = || {
        let interval = fact.closed.interval?;
        let at_s = interval.start_s + QUARTER_S;
        let captured_s = interval.closing.at.as_second() - at_s;
        let late = captured_s.abs() > LATE_S;
        let flags =
            if late { status::LATE } else { 0 } | if interval.complete { 0 } else { status::GAP };
        Some(Row {
            at_s,
            value: interval.closing.value,
            status: flags,
            captured_s: if late {
                i32::try_from(captured_s).unwrap_or(i32::MAX)
            } else {
                0
            },
        })
    };
    match taf {
        Taf::IntervalSeries => at_boundary(),
        Taf::TimeVariable => fact.closed.day.and_then(|_| at_boundary()),
        Taf::DataSparing => {
            let day = fact.closed.day?;
            let now = zone.to_datetime(fact.at).date();
            (now.month() != day.date.month()).then(at_boundary)?
        }
        Taf::OnDemand => None,
        Taf::ActualFeedIn | Taf::GridState | Taf::HighFrequency => Some(plain),
    }
}

/// Replaces the names of all streams, which hold serial numbers, by digests. What was counted stays:
/// the head-end would take numbers that begin again for rows that it has.
pub(super) fn forget_names(db: &Connection) -> Result<(), StoreError> {
    let known: Vec<(i64, String)> = db
        .prepare("SELECT id, name FROM relay_stream WHERE name NOT LIKE 'erased:%'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, name) in known {
        db.prepare_cached("UPDATE relay_stream SET name = ?2 WHERE id = ?1")?
            .execute(params![id, digest(&name)])?;
    }
    Ok(())
}

/// What stands for a stream's name from erasure until the stream has a row again.
fn digest(name: &str) -> String {
    format!("erased:{}", crate::hex::encode(&Sha256::digest(name)))
}

fn stream(db: &Connection, name: &str, taf: u8) -> Result<i64, StoreError> {
    db.prepare_cached("UPDATE OR IGNORE relay_stream SET name = ?1 WHERE name = ?2")?
        .execute(params![name, digest(name)])?;
    db.prepare_cached("INSERT OR IGNORE INTO relay_stream (name, taf) VALUES (?1, ?2)")?
        .execute(params![name, taf])?;
    let select = "SELECT id FROM relay_stream WHERE name = ?1";
    Ok(db.query_row(select, params![name], |row| row.get(0))?)
}

fn append(
    db: &Connection,
    stream: i64,
    unit: u8,
    value: &str,
    row: &Row,
) -> Result<(), StoreError> {
    let seq: i64 = db
        .prepare_cached(
            "UPDATE relay_stream SET next_seq = next_seq + 1 WHERE id = ?1 RETURNING next_seq - 1",
        )?
        .query_row(params![stream], |row| row.get(0))?;
    db.prepare_cached("INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            stream,
            seq,
            row.at_s,
            unit,
            value,
            row.status,
            row.captured_s
        ])?;
    Ok(())
}

/// A stream, as the relay needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its number in the store.
    pub id: i64,
    /// Use case, meter and register.
    pub name: String,
    /// The number that its next row gets.
    pub next_seq: u64,
    /// The head-end has every row up to this.
    pub acked: u64,
}

/// A row that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its sequence number.
    pub seq: u64,
    /// Its unit, as COSEM numbers them; [`TEXT`] for a text.
    pub unit: u8,
    /// The value, or the text.
    pub value: String,
    /// Instant it stands for, seconds since 1970.
    pub at_s: i64,
    /// Flags of [`status`].
    pub status: u8,
    /// Seconds from `at_s` to its capture, where that matters.
    pub captured_s: i32,
}

/// The relay's side, with a connection of its own.
#[derive(Debug)]
pub struct Outbox(Connection);

/// Opens [`Outbox`]es.
#[derive(Clone, Debug)]
pub struct Outboxes(pub(super) PathBuf);

impl Outboxes {
    /// A connection.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub fn open(&self) -> Result<Outbox, StoreError> {
        let db = Connection::open(&self.0)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.execute_batch(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -512;",
        )?;
        Ok(Outbox(db))
    }
}

impl Outbox {
    /// Every stream that ever had a row, but for those that had none since an erasure.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn streams(&self) -> Result<Vec<Stream>, StoreError> {
        let mut select = self
            .0
            .prepare_cached("SELECT id, name, next_seq, acked FROM relay_stream WHERE name NOT LIKE 'erased:%' ORDER BY id")?;
        let rows = select.query_map([], |row| {
            Ok(Stream {
                id: row.get(0)?,
                name: row.get(1)?,
                next_seq: row.get(2)?,
                acked: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Rows of a stream from a number on, at most so many, up to the first hole.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn rows(&self, stream: i64, from: u64, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT seq, unit, value, at_s, status, captured_s FROM outbox
             WHERE stream_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3",
        )?;
        let rows = select.query_map(params![stream, from, limit], |row| {
            Ok(Waiting {
                seq: row.get(0)?,
                unit: row.get(1)?,
                value: row.get(2)?,
                at_s: row.get(3)?,
                status: row.get(4)?,
                captured_s: row.get(5)?,
            })
        })?;
        let mut rows: Vec<Waiting> = rows.collect::<Result<_, _>>()?;
        let mut next = rows.first().map_or(from, |row| row.seq);
        let together = rows.iter().take_while(|row| {
            let fits = row.seq == next;
            next += 1;
            fits
        });
        let count = together.count();
        rows.truncate(count);
        Ok(rows)
    }

    /// The numbers that were given up at or after a number, first and last.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn shed(&self, stream: i64, from: u64) -> Result<Option<(u64, u64)>, StoreError> {
        let select = "SELECT max(first, ?2), last FROM relay_shed WHERE stream_id = ?1 AND last >= ?2 ORDER BY first LIMIT 1";
        let found = self.0.query_row(select, params![stream, from], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        Ok(found.optional()?)
    }

    /// The head-end has every row up to a number. Returns false when it was never given.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn acknowledge(&mut self, stream: i64, through: u64) -> Result<bool, StoreError> {
        let step = self
            .0
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let known = step.execute(
            "UPDATE relay_stream SET acked = max(acked, ?2) WHERE id = ?1 AND next_seq > ?2",
            params![stream, through],
        )?;
        if known == 0 {
            return Ok(false);
        }
        step.execute(
            "DELETE FROM outbox WHERE stream_id = ?1 AND seq <= ?2",
            params![stream, through],
        )?;
        step.execute(
            "DELETE FROM relay_shed WHERE stream_id = ?1 AND last <= ?2",
            params![stream, through],
        )?;
        step.commit()?;
        Ok(true)
    }

    /// Appends a text to a stream, such as the result of a command.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn append_text(&mut self, name: &str, at_s: i64, text: &str) -> Result<(), StoreError> {
        let step = self
            .0
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let stream = stream(&step, name, 0)?;
        let row = Row {
            at_s,
            value: Decimal::ZERO,
            status: 0,
            captured_s: 0,
        };
        append(&step, stream, TEXT, text, &row)?;
        step.commit()?;
        Ok(())
    }

    /// Appends the newest believed value of registers of a meter (TAF 6); returns how many.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn append_latest(
        &mut self,
        meter: &str,
        wanted: impl Fn(ObisCode) -> bool,
    ) -> Result<usize, StoreError> {
        let step = self
            .0
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found = step
            .prepare(
                "SELECT serial, obis, unit, value, at_us FROM register JOIN meter ON meter.id = meter_id
                 JOIN reading ON register_id = register.id
                 WHERE name = ?1 AND at_us = (SELECT max(at_us) FROM telegram WHERE telegram.meter_id = meter.id)
                   AND quality = 'measured'",
            )?
            .query_map(params![meter], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get::<_, String>(3)?, row.get::<_, i64>(4)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut count = 0;
        for (serial, obis, unit, value, at_us) in found {
            if !obis.parse().is_ok_and(&wanted) {
                continue;
            }
            let id = stream(
                &step,
                &format!("{}/{serial}/{obis}", Taf::OnDemand.number()),
                Taf::OnDemand.number(),
            )?;
            let row = Row {
                at_s: at_us.div_euclid(1_000_000),
                value: Decimal::ZERO,
                status: 0,
                captured_s: 0,
            };
            append(&step, id, unit, &value, &row)?;
            count += 1;
        }
        step.commit()?;
        Ok(count)
    }

    /// A number that outlives restarts, such as the counter of commands.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn number(&self, key: &str) -> Result<u64, StoreError> {
        let found: Option<String> = self
            .0
            .query_row(
                "SELECT value FROM gateway WHERE key = ?1",
                params![key],
                |row| row.get(0),
            )
            .optional()?;
        let unreadable = |text: &str| StoreError::Content {
            what: "a number",
            text: text.to_owned(),
        };
        found.map_or(Ok(0), |text| text.parse().map_err(|_| unreadable(&text)))
    }

    /// Keeps a number; it is on the disk when this returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn keep_number(&self, key: &str, value: u64) -> Result<(), StoreError> {
        self.0.execute_batch("PRAGMA synchronous = FULL;")?;
        let kept = self.0.execute(
            "INSERT INTO gateway VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key, value.to_string()],
        );
        self.0.execute_batch("PRAGMA synchronous = NORMAL;")?;
        kept?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{copy, schema};
    use super::*;

    #[test]
    fn erasure_takes_the_names_of_streams_and_goes_on_counting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wattle.db");
        let name = "7/1EMH0012345678/1-0:1.8.0*255";
        let db = schema::open_writer(&path).unwrap();
        db.execute_batch(&format!(
            "INSERT INTO relay_stream VALUES (3, '{name}', 7, 41, 30);
             INSERT INTO outbox VALUES (3, 40, 0, 30, '1', 0, 0);"
        ))
        .unwrap();
        drop(db);
        copy::stage_erasure(folder.path()).unwrap();
        copy::do_staged(folder.path()).unwrap();
        let octets = std::fs::read(&path).unwrap();
        let serial = b"1EMH0012345678";
        assert!(!octets.windows(serial.len()).any(|window| window == serial));

        let outbox = Outbox(schema::open_writer(&path).unwrap());
        assert!(outbox.streams().unwrap().is_empty());
        assert_eq!(stream(&outbox.0, name, 7).unwrap(), 3);
        let again = outbox.streams().unwrap();
        let [only] = again.as_slice() else {
            panic!("{again:?}");
        };
        assert_eq!(
            (only.name.as_str(), only.next_seq, only.acked),
            (name, 41, 30)
        );
        // The head-end is told that the rows it did not get were given up.
        assert!(outbox.rows(3, 31, 100).unwrap().is_empty());
        assert_eq!(outbox.shed(3, 31).unwrap(), Some((31, 40)));
        assert_ne!(stream(&outbox.0, "7/other/1-0:1.8.0*255", 7).unwrap(), 3);
    }
}
