//! The privacy ledger: who got which fields at which resolution and when, and what the household
//! has said about it.
//!
//! Whoever sends something of the home to someone says so here, after it was sent. What is sent
//! seldom is recorded at once ([`Ledger::record`]); what is sent all the time is counted in memory
//! and written within a minute ([`Ledger::note`], [`Ledger::flush`]). A day, a recipient and what
//! it got make one row with the first and the last time and how often.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use wattle_api::{Consent, Disclosure, RecipientKind};

use super::{StoreError, schema};

/// Days for which rows are kept.
const KEPT_DAYS: i64 = 731;
/// How many rows may wait in memory; what comes beyond is counted as "more".
const WAITING: usize = 512;

/// Something that was sent to someone.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// What kind of recipient.
    pub kind: RecipientKind,
    /// Its name: a host, a user.
    pub recipient: &'a str,
    /// What was sent, in words for people.
    pub fields: &'a str,
    /// How fine it was: `every telegram`, `15 min`, `day`, `as asked for`.
    pub resolution: &'a str,
    /// When.
    pub at: Timestamp,
}

type Key = (Date, RecipientKind, String, String, String);

#[derive(Clone, Copy, Debug)]
struct Tally {
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

/// The ledger. Clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
    zone: TimeZone,
    waiting: Arc<Mutex<BTreeMap<Key, Tally>>>,
}

impl Ledger {
    pub(super) fn new(path: PathBuf, zone: TimeZone) -> Self {
        Self {
            path,
            zone,
            waiting: Arc::default(),
        }
    }

    /// Counts something that was sent; it is written with the next [`Ledger::flush`].
    pub fn note(&self, sent: &Sent<'_>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = self.key(sent);
        if waiting.len() >= WAITING && !waiting.contains_key(&key) {
            key.2 = "more".to_owned();
            key.3 = "more".to_owned();
            key.4 = "as asked for".to_owned();
        }
        let tally = waiting.entry(key).or_insert(Tally {
            first: sent.at,
            last: sent.at,
            count: 0,
        });
        tally.last = tally.last.max(sent.at);
        tally.count = tally.count.saturating_add(1);
    }

    /// Counts that somebody read meters here: whether with their load profile, by their names.
    pub fn note_reads(&self, reader: &str, meters: BTreeMap<String, bool>, at: Timestamp) {
        for (meter, profile) in meters {
            self.note(&Sent {
                kind: RecipientKind::Utility,
                recipient: reader,
                fields: &format!("registers of {meter}"),
                resolution: if profile { "15 min" } else { "when asked" },
                at,
            });
        }
    }

    /// Records something that was sent, before it returns.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn record(&self, sent: &Sent<'_>) -> Result<(), StoreError> {
        self.note(sent);
        self.flush()
    }

    /// Writes what was counted, and removes what is older than two years.
    ///
    /// # Errors
    /// The database cannot be written; what was counted is kept for the next time.
    pub fn flush(&self) -> Result<(), StoreError> {
        let rows =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if rows.is_empty() {
            return Ok(());
        }
        let written = self.write(&rows);
        if written.is_err() {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, row) in rows {
                let tally = waiting.entry(key).or_insert(Tally { count: 0, ..row });
                tally.first = tally.first.min(row.first);
                tally.last = tally.last.max(row.last);
                tally.count = tally.count.saturating_add(row.count);
            }
        }
        written
    }

    fn key(&self, sent: &Sent<'_>) -> Key {
        let short = |text: &str| text.chars().take(200).collect::<String>();
        (
            self.zone.to_datetime(sent.at).date(),
            sent.kind,
            short(sent.recipient),
            short(sent.fields),
            short(sent.resolution),
        )
    }

    fn write(&self, rows: &BTreeMap<Key, Tally>) -> Result<(), StoreError> {
        let mut db = self.writer()?;
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (key, tally) in rows {
            add(&step, key, *tally)?;
        }
        let newest = rows.keys().map(|key| key.0).max();
        if let Some(oldest) = newest.and_then(|date| date.checked_sub(KEPT_DAYS.days()).ok()) {
            step.execute(
                "DELETE FROM disclosure WHERE date < ?1",
                params![oldest.to_string()],
            )?;
        }
        Ok(step.commit()?)
    }

    fn writer(&self) -> Result<Connection, StoreError> {
        let db = Connection::open(&self.path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        Ok(db)
    }

    /// What was sent on the days `[from, to]`, the newest day first.
    ///
    /// # Errors
    /// The database cannot be read or, to write what was counted, written.
    pub fn disclosures(&self, from: Date, to: Date) -> Result<Vec<Disclosure>, StoreError> {
        self.flush()?;
        let db = schema::open_reader(&self.path)?;
        let mut select = db.prepare(
            "SELECT date, kind, recipient, fields, resolution, first_us, last_us, count
             FROM disclosure WHERE date >= ?1 AND date <= ?2
             ORDER BY date DESC, kind, recipient, last_us DESC",
        )?;
        let mut rows = select.query(params![from.to_string(), to.to_string()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (date, kind): (String, String) = (row.get(0)?, row.get(1)?);
            found.push(Disclosure {
                date: date.parse().map_err(|_| content("date", &date))?,
                kind: RecipientKind::from_name(&kind).ok_or_else(|| content("kind", &kind))?,
                recipient: row.get(2)?,
                fields: row.get(3)?,
                resolution: row.get(4)?,
                first: instant(row.get(5)?)?,
                last: instant(row.get(6)?)?,
                count: row.get::<_, i64>(7)?.unsigned_abs(),
            });
        }
        Ok(found)
    }

    /// What the household has said, for every kind of recipient. Where nothing was said, what is
    /// configured is allowed: who sets up a broker wants it to be told.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn consents(&self) -> Result<Vec<Consent>, StoreError> {
        let db = schema::open_reader(&self.path)?;
        let mut select = db.prepare("SELECT allowed, at_us FROM consent WHERE kind = ?1")?;
        let mut found = Vec::new();
        for kind in RecipientKind::ALL {
            let row = select
                .query_row(params![kind.name()], |row| {
                    Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            found.push(Consent {
                kind,
                allowed: row.is_none_or(|(allowed, _)| allowed),
                changed_at: row.map(|(_, at_us)| instant(at_us)).transpose()?,
            });
        }
        Ok(found)
    }

    /// True when the household lets this kind of recipient be told.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn allows(&self, kind: RecipientKind) -> Result<bool, StoreError> {
        let of_kind = |consent: &Consent| consent.kind == kind && consent.allowed;
        Ok(self.consents()?.iter().any(of_kind))
    }

    /// Keeps what the household says.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn consent(
        &self,
        kind: RecipientKind,
        allowed: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer()?.execute(
            "INSERT INTO consent VALUES (?1, ?2, ?3)
             ON CONFLICT (kind) DO UPDATE SET allowed = excluded.allowed, at_us = excluded.at_us",
            params![kind.name(), allowed, at.as_microsecond()],
        )?;
        Ok(())
    }
}

fn add(step: &Transaction<'_>, key: &Key, tally: Tally) -> Result<(), StoreError> {
    let (date, kind, recipient, fields, resolution) = key;
    step.prepare_cached(
        "INSERT INTO disclosure VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET first_us = min(first_us, excluded.first_us),
         last_us = max(last_us, excluded.last_us), count = count + excluded.count",
    )?
    .execute(params![
        date.to_string(),
        kind.name(),
        recipient,
        fields,
        resolution,
        tally.first.as_microsecond(),
        tally.last.as_microsecond(),
        i64::try_from(tally.count).unwrap_or(i64::MAX),
    ])?;
    Ok(())
}

fn instant(at_us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(at_us).map_err(|_| content("instant", &at_us.to_string()))
}

fn content(what: &'static str, text: &str) -> StoreError {
    StoreError::Content {
        what,
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wattle.db");
        drop(schema::open_writer(&path).unwrap());
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        (folder, Ledger::new(path, zone))
    }

    fn sent(kind: RecipientKind, at: &str) -> Sent<'_> {
        Sent {
            kind,
            recipient: "broker",
            fields: "power",
            resolution: "every telegram",
            at: at.parse().unwrap(),
        }
    }

    #[test]
    fn a_day_is_one_row_by_the_home_s_clock() {
        let (_folder, ledger) = ledger();
        for at in [
            "2026-11-22T22:59:59Z",
            "2026-11-22T23:00:00Z",
            "2026-11-23T10:00:00Z",
        ] {
            ledger.note(&sent(RecipientKind::Mqtt, at));
        }
        ledger
            .record(&sent(RecipientKind::Utility, "2026-11-23T11:00:00Z"))
            .unwrap();
        ledger
            .record(&sent(RecipientKind::Mqtt, "2026-11-23T12:00:00Z"))
            .unwrap();
        let rows = ledger
            .disclosures("2026-11-01".parse().unwrap(), "2026-11-30".parse().unwrap())
            .unwrap();
        let told: Vec<(String, &str, u64)> = rows
            .iter()
            .map(|row| (row.date.to_string(), row.kind.name(), row.count))
            .collect();
        assert_eq!(
            told,
            [
                ("2026-11-23".to_owned(), "mqtt", 3),
                ("2026-11-23".to_owned(), "utility", 1),
                ("2026-11-22".to_owned(), "mqtt", 1)
            ]
        );
        assert_eq!(rows[0].first.to_string(), "2026-11-22T23:00:00Z");
        assert_eq!(rows[0].last.to_string(), "2026-11-23T12:00:00Z");
    }

    #[test]
    fn memory_is_bounded_and_old_rows_go() {
        let (_folder, ledger) = ledger();
        ledger
            .record(&sent(RecipientKind::Mqtt, "2020-01-01T00:00:00Z"))
            .unwrap();
        for number in 0..3 * WAITING {
            let recipient = number.to_string();
            ledger.note(&Sent {
                recipient: &recipient,
                ..sent(RecipientKind::Web, "2026-01-01T00:00:00Z")
            });
        }
        assert!(ledger.waiting.lock().unwrap().len() <= WAITING + 1);
        let rows = ledger
            .disclosures("2000-01-01".parse().unwrap(), "2026-11-30".parse().unwrap())
            .unwrap();
        assert!(rows.iter().all(|row| row.kind == RecipientKind::Web));
        let counted: u64 = rows.iter().map(|row| row.count).sum();
        assert_eq!(usize::try_from(counted).unwrap(), 3 * WAITING);
    }

    #[test]
    fn a_consent_is_kept() {
        let (_folder, ledger) = ledger();
        assert!(ledger.allows(RecipientKind::Mqtt).unwrap());
        let at = "2026-11-22T10:00:00Z".parse().unwrap();
        ledger.consent(RecipientKind::Mqtt, false, at).unwrap();
        assert!(!ledger.allows(RecipientKind::Mqtt).unwrap());
        assert!(ledger.allows(RecipientKind::Utility).unwrap());
        ledger.consent(RecipientKind::Mqtt, true, at).unwrap();
        assert!(ledger.allows(RecipientKind::Mqtt).unwrap());
    }
}
