//! The writer thread.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meter_link::model::Indications;
use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::mpsc;

use super::outbox::Feed;
use super::step::{Register, Step};
use super::{Incoming, Plan, RegisterKey, Settings, StoreError, StoredTelegram, schema};
use crate::bus::{Bus, Event};

/// How many telegrams one commit takes at most.
const BATCH: usize = 128;
/// How many raw telegrams are written at once. They are for service and for nobody's bill: a kill
/// may cost the last few, and the card is spared a page with every reading.
const RAW_BATCH: usize = 32;
/// How often old rows are removed, in time of the telegrams.
const PRUNE_EVERY_US: i64 = 600 * 1_000_000;
/// How long indications are kept at least: they say which tariff held, and bills reach back a year.
const INDICATIONS_US: i64 = 400 * 86_400 * 1_000_000;
/// How many rows one removal takes at most, so that the writer is never busy for long.
const PRUNE_ROWS: u32 = 20_000;

pub(super) struct Writer {
    db: Connection,
    settings: Settings,
    meters: HashMap<String, i64>,
    registers: HashMap<RegisterKey, Register>,
    /// What each meter told last, by its row.
    indications: HashMap<i64, Indications>,
    last_us: i64,
    raw: Vec<RawRow>,
    /// Time of the telegrams at the last removal.
    pruned_us: Option<i64>,
    feed: Feed,
}

/// A telegram's bytes for the raw ring.
struct RawRow {
    at_us: i64,
    port: String,
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn open(path: &Path, settings: Settings, plan: Plan) -> Result<Self, StoreError> {
        let db = schema::open_writer(path)?;
        db.execute(
            "INSERT OR IGNORE INTO gateway VALUES ('id', lower(hex(randomblob(3))))",
            [],
        )?;
        let last_us = db.query_row("SELECT coalesce(max(at_us), 0) FROM telegram", [], |row| {
            row.get(0)
        })?;
        Ok(Self {
            db,
            settings,
            meters: HashMap::new(),
            registers: HashMap::new(),
            indications: HashMap::new(),
            last_us,
            raw: Vec::new(),
            pruned_us: None,
            feed: Feed::new(plan),
        })
    }

    pub(super) fn run(&mut self, mut incoming: mpsc::Receiver<Incoming>, bus: &Bus) {
        while let Some(first) = incoming.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH {
                match incoming.try_recv() {
                    Ok(next) => batch.push(next),
                    Err(_) => break,
                }
            }
            self.write_until_done(&batch, bus);
            if self.raw.len() >= RAW_BATCH {
                self.write_raw();
            }
            // A clock that was set back is followed as well.
            let due = |at: i64| self.last_us.abs_diff(at) >= PRUNE_EVERY_US.unsigned_abs();
            if self.pruned_us.is_none_or(due) {
                self.pruned_us = Some(self.last_us);
                if let Err(error) = self.prune() {
                    tracing::warn!(%error, "old rows could not be removed");
                }
            }
        }
        self.write_raw();
        if let Err(error) = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::warn!(%error, "the store was closed without a checkpoint");
        }
    }

    /// A full disk or a failing card passes or is replaced: the batch is kept and tried again,
    /// and meanwhile the queue holds the meters back. Nothing is thrown away.
    fn write_until_done(&mut self, batch: &[Incoming], bus: &Bus) {
        let mut pause = Duration::from_millis(100);
        loop {
            match self.write(batch) {
                Ok(stored) => {
                    for telegram in stored {
                        bus.send(Event::Stored(Arc::new(telegram)));
                    }
                    bus.send(Event::StoreWorks(true));
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, retry_in_ms = pause.as_millis(), "a batch could not be written");
                    bus.send(Event::StoreWorks(false));
                    // What memory says of meters and registers may belong to the lost attempt.
                    self.meters.clear();
                    self.registers.clear();
                    self.indications.clear();
                    self.feed.forget();
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
            }
        }
    }

    fn write(&mut self, batch: &[Incoming]) -> Result<Vec<StoredTelegram>, StoreError> {
        // Others write too: whoever begins to read and writes later may find that it cannot.
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut step = Step {
            db: &transaction,
            zone: &self.settings.zone,
            meters: &mut self.meters,
            registers: &mut self.registers,
            indications: &mut self.indications,
            feed: &mut self.feed,
        };
        let mut stored = Vec::with_capacity(batch.len());
        let mut last_us = self.last_us;
        for incoming in batch {
            // Two telegrams of one read share their instant: the later one counts as a
            // microsecond later. After a clock set back, the next free microsecond is looked for.
            let mut at_us = incoming.received_at.as_microsecond();
            if at_us <= last_us {
                at_us = step.free_instant(at_us)?;
            }
            last_us = last_us.max(at_us);
            stored.push(step.telegram(incoming, at_us)?);
        }
        transaction.commit()?;
        self.last_us = last_us;
        if self.settings.raw_megabytes > 0 {
            // A telegram of a meter on a channel has its bytes in the one that brought it.
            let own = |(_, incoming): &(_, &Incoming)| !incoming.telegram.raw.is_empty();
            let rows = stored
                .iter()
                .zip(batch)
                .filter(own)
                .map(|(stored, incoming)| RawRow {
                    at_us: stored.received_at.as_microsecond(),
                    port: incoming.port.clone(),
                    bytes: incoming.telegram.raw.clone(),
                });
            self.raw.extend(rows);
        }
        Ok(stored)
    }

    /// Writes the raw telegrams that wait. They are dropped when that fails: readings go first.
    fn write_raw(&mut self) {
        let rows = std::mem::take(&mut self.raw);
        if let Err(error) = insert_raw(&mut self.db, &rows) {
            tracing::warn!(%error, telegrams = rows.len(), "raw telegrams were not kept");
        }
    }

    fn prune(&mut self) -> Result<(), StoreError> {
        let days = i64::from(self.settings.readings_days);
        let before_us = self.last_us - days * 86_400 * 1_000_000;
        let step = self.db.transaction()?;
        let oldest = "SELECT at_us FROM telegram WHERE at_us < ?1 ORDER BY at_us LIMIT ?2";
        step.execute(
            &format!("DELETE FROM reading WHERE at_us IN ({oldest})"),
            params![before_us, PRUNE_ROWS],
        )?;
        step.execute(
            &format!("DELETE FROM telegram WHERE at_us IN ({oldest})"),
            params![before_us, PRUNE_ROWS],
        )?;
        step.execute(
            "DELETE FROM indication WHERE at_us < ?1
             AND at_us < (SELECT max(at_us) FROM indication AS newer WHERE newer.meter_id = indication.meter_id)",
            params![before_us.min(self.last_us - INDICATIONS_US)],
        )?;
        let limit = i64::from(self.settings.raw_megabytes) * 1_000_000;
        let newest_kept = "SELECT at_us FROM (SELECT at_us, sum(length(bytes) + 64)
             OVER (ORDER BY at_us DESC) AS held FROM raw_telegram) WHERE held > ?1 ORDER BY at_us DESC LIMIT 1";
        step.execute(
            &format!("DELETE FROM raw_telegram WHERE at_us <= ({newest_kept})"),
            params![limit],
        )?;
        let shed = self.feed.shed(&step)?;
        step.commit()?;
        if shed > 0 {
            tracing::warn!(
                rows = shed,
                "the outbox is full: rows for the head-end were given up"
            );
        }
        Ok(())
    }
}

fn insert_raw(db: &mut Connection, rows: &[RawRow]) -> Result<(), StoreError> {
    let step = db.transaction()?;
    for row in rows {
        step.prepare_cached("INSERT INTO raw_telegram VALUES (?1, ?2, ?3)")?
            .execute(params![row.at_us, row.port, row.bytes])?;
    }
    step.commit()?;
    Ok(())
}
