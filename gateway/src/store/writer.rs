//! The writer thread.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, Indications, MeterTime, Quality, RegisterValue, Telegram};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::mpsc;

use super::accumulate::{Accumulator, Closed, Point};
use super::outbox::{Fact, Feed};
use super::{
    Doubt, Field, Ledger, Logbooks, MessageCounter, Outboxes, Plan, Profiles, Readers, RegisterKey,
    Rollups, StoreError, StoredTelegram, StoredValue, Supplies, quarters_of, schema,
};
use crate::bus::{Bus, Event};

/// How many telegrams may wait for the writer; a collector waits when it is full.
const QUEUE: usize = 256;
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

/// A telegram on its way into the store.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Name of the meter in the configuration, or of the one on its channel.
    pub name: String,
    /// Serial number, or the name when the meter sends none.
    pub serial: String,
    /// When its last byte came.
    pub received_at: Timestamp,
    /// The port it came from.
    pub port: String,
    /// The telegram.
    pub telegram: Telegram,
    /// Everything it tells by name, of meters that name what they tell.
    pub fields: Vec<Field>,
    /// What it tells and is not believed.
    pub doubts: Vec<Doubt>,
    /// The counter of the message, of meters that count them.
    pub counter: Option<MessageCounter>,
}

/// What the writer needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of the database.
    pub folder: PathBuf,
    /// The home's time zone.
    pub zone: TimeZone,
    /// Days for which readings are kept.
    pub readings_days: u16,
    /// Megabytes of raw telegrams.
    pub raw_megabytes: u16,
}

/// The way into the store.
#[derive(Debug)]
pub struct Store {
    queue: mpsc::Sender<Incoming>,
    path: PathBuf,
    ledger: Ledger,
    thread: std::thread::JoinHandle<()>,
}

impl Store {
    /// Opens the store in its folder, makes it if it is missing, and starts the writer.
    ///
    /// # Errors
    /// The folder or the database cannot be used.
    pub fn open(settings: &Settings, bus: Bus) -> Result<Self, StoreError> {
        Self::open_relaying(settings, Plan::default(), bus)
    }

    /// The same, and what the plan names also goes into the outbox of the relay.
    ///
    /// # Errors
    /// The folder or the database cannot be used.
    pub fn open_relaying(settings: &Settings, plan: Plan, bus: Bus) -> Result<Self, StoreError> {
        let folder = |source| StoreError::Folder {
            path: settings.folder.clone(),
            source,
        };
        std::fs::create_dir_all(&settings.folder).map_err(folder)?;
        let path = schema::file(&settings.folder);
        if super::copy::do_staged(&settings.folder)? {
            tracing::warn!("a backup took the place of the database");
        }
        let mut writer = Writer::open(&path, settings.clone(), plan)?;
        let (queue, incoming) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(incoming, &bus))
            .map_err(folder)?;
        Ok(Self {
            queue,
            ledger: Ledger::new(path.clone(), settings.zone.clone()),
            path,
            thread,
        })
    }

    /// The gateway's identity: six hex digits, made the first time and kept for ever.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn gateway_id(&self) -> Result<String, StoreError> {
        Ok(self
            .readers()
            .open()?
            .gateway_value("id")?
            .unwrap_or_default())
    }

    /// A sender for collectors. The writer ends when the last one and the store are dropped.
    #[must_use]
    pub fn queue(&self) -> mpsc::Sender<Incoming> {
        self.queue.clone()
    }

    /// Opens connections for reading.
    #[must_use]
    pub fn readers(&self) -> Readers {
        Readers(self.path.clone())
    }

    /// The outbox of the relay.
    #[must_use]
    pub fn outboxes(&self) -> Outboxes {
        Outboxes(self.path.clone())
    }

    /// The load profiles.
    #[must_use]
    pub fn profiles(&self) -> Profiles {
        Profiles(self.path.clone())
    }

    /// What was not read here: estimates and imports.
    #[must_use]
    pub fn supplies(&self) -> Supplies {
        Supplies(self.path.clone())
    }

    /// What is made of quarter-hours.
    #[must_use]
    pub fn rollups(&self) -> Rollups {
        Rollups(self.path.clone())
    }

    /// The privacy ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// The log books.
    #[must_use]
    pub fn logbooks(&self) -> Logbooks {
        Logbooks(self.path.clone())
    }

    /// True while the writer works.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits until everything sent so far is committed and the writer has ended. Every other
    /// sender must have been dropped.
    pub fn close(self) {
        drop(self.queue);
        if self.thread.join().is_err() {
            tracing::error!("the store's writer had panicked");
        }
    }
}

struct Writer {
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

#[derive(Clone, Copy)]
struct Register {
    id: i64,
    open: Option<Accumulator>,
}

impl Writer {
    fn open(path: &Path, settings: Settings, plan: Plan) -> Result<Self, StoreError> {
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

    fn run(&mut self, mut incoming: mpsc::Receiver<Incoming>, bus: &Bus) {
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

/// One transaction.
struct Step<'a> {
    db: &'a Transaction<'a>,
    zone: &'a TimeZone,
    meters: &'a mut HashMap<String, i64>,
    registers: &'a mut HashMap<RegisterKey, Register>,
    indications: &'a mut HashMap<i64, Indications>,
    feed: &'a mut Feed,
}

impl Step<'_> {
    fn free_instant(&self, from_us: i64) -> Result<i64, StoreError> {
        let mut taken = self
            .db
            .prepare_cached("SELECT at_us FROM telegram WHERE at_us >= ?1 ORDER BY at_us")?;
        let mut rows = taken.query(params![from_us])?;
        let mut free = from_us;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(0)? > free {
                break;
            }
            free += 1;
        }
        Ok(free)
    }

    fn telegram(&mut self, incoming: &Incoming, at_us: i64) -> Result<StoredTelegram, StoreError> {
        let telegram = &incoming.telegram;
        let meter_id = self.meter(incoming)?;
        self.db
            .prepare_cached("INSERT INTO telegram VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                at_us,
                meter_id,
                check_name(telegram.check),
                telegram.time.map(meter_time_text),
            ])?;
        let received_at = Timestamp::from_microsecond(at_us).unwrap_or(incoming.received_at);
        let mut values = Vec::with_capacity(telegram.values.len());
        let mut closed_interval = false;
        for (seq, sent) in (0u32..).zip(&telegram.values) {
            let Some((value, closed)) = self.reading(meter_id, incoming, sent, received_at, seq)?
            else {
                continue;
            };
            closed_interval |= closed;
            values.push(value);
        }
        self.fields(meter_id, &incoming.fields, at_us)?;
        self.indications(meter_id, at_us, &telegram.indications)?;
        if let Some(counter) = &incoming.counter {
            self.counter(counter)?;
        }
        Ok(StoredTelegram {
            name: incoming.name.clone(),
            serial: incoming.serial.clone(),
            manufacturer: telegram.manufacturer.clone(),
            received_at,
            captured_at: telegram.time,
            check: telegram.check,
            values,
            indications: telegram.indications.clone(),
            closed_interval,
            fields: incoming.fields.clone(),
            doubts: incoming.doubts.clone(),
        })
    }

    /// Keeps the newest of every field. One from before, read late, takes the place of none.
    fn fields(&self, meter_id: i64, fields: &[Field], at_us: i64) -> Result<(), StoreError> {
        for (place, field) in (0u32..).zip(fields) {
            self.db
                .prepare_cached(
                    "INSERT INTO field VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (meter_id, name) DO UPDATE
                     SET place = excluded.place, value = excluded.value,
                         is_number = excluded.is_number, is_index = excluded.is_index,
                         at_us = excluded.at_us
                     WHERE excluded.at_us >= at_us",
                )?
                .execute(params![
                    meter_id,
                    place,
                    field.name,
                    field.value,
                    field.is_number,
                    field.is_index,
                    at_us
                ])?;
        }
        Ok(())
    }

    /// Keeps the highest counter, in the transaction of the reading that came with it.
    fn counter(&self, counter: &MessageCounter) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO message_counter VALUES (?1, ?2)
                 ON CONFLICT (address) DO UPDATE SET highest = excluded.highest
                 WHERE excluded.highest > highest",
            )?
            .execute(params![counter.address, counter.value])?;
        Ok(())
    }

    /// Stores what a telegram tells beside its numbers, when it has changed.
    fn indications(
        &mut self,
        meter_id: i64,
        at_us: i64,
        told: &Indications,
    ) -> Result<(), StoreError> {
        if told.is_empty() {
            return Ok(());
        }
        if let Entry::Vacant(unknown) = self.indications.entry(meter_id) {
            let last: Option<String> = self
                .db
                .query_row(
                    "SELECT body FROM indication WHERE meter_id = ?1 ORDER BY at_us DESC LIMIT 1",
                    params![meter_id],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(body) = last {
                unknown.insert(super::reader::indications(&body)?);
            }
        }
        if self.indications.get(&meter_id) == Some(told) {
            return Ok(());
        }
        let body = serde_json::to_string(told).map_err(|_| StoreError::Content {
            what: "indication",
            text: String::new(),
        })?;
        self.db
            .prepare_cached("INSERT INTO indication VALUES (?1, ?2, ?3)")?
            .execute(params![meter_id, at_us, body])?;
        self.indications.insert(meter_id, told.clone());
        Ok(())
    }

    /// Stores one number and, for a cumulative register, what it closes. Texts and numbers
    /// without a unit are not readings of a register and stay in the raw ring only.
    fn reading(
        &mut self,
        meter_id: i64,
        incoming: &Incoming,
        sent: &RegisterValue,
        at: Timestamp,
        seq: u32,
    ) -> Result<Option<(StoredValue, bool)>, StoreError> {
        let (Some(value), Some(unit)) = (sent.value.number(), sent.unit) else {
            return Ok(None);
        };
        let key = RegisterKey {
            serial: incoming.serial.clone(),
            obis: sent.register,
            unit,
        };
        let mut register = self.register(meter_id, &key)?;
        let doubted = incoming.doubts.iter().any(|doubt| doubt.is_index);
        let mut quality = if doubted {
            Quality::Suspect
        } else {
            Quality::Measured
        };
        let mut closed = Closed::default();
        if !doubted && sent.register.is_cumulative() {
            let point = Point { value, at };
            match &mut register.open {
                None => register.open = Some(Accumulator::new(point)),
                Some(open) if open.falls(value) => quality = Quality::Suspect,
                Some(open) => closed = open.add(point, self.zone),
            }
            self.registers.insert(key, register);
        }
        self.db
            .prepare_cached("INSERT INTO reading VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                at.as_microsecond(),
                seq,
                register.id,
                value.to_string(),
                quality_name(quality),
                sent.status.map(u64::cast_signed),
            ])?;
        self.close(register.id, closed)?;
        let fact = Fact {
            meter: &incoming.name,
            serial: &incoming.serial,
            obis: sent.register,
            unit: unit.code(),
            value,
            quality,
            at,
            closed,
        };
        self.feed.put(self.db, self.zone, &fact)?;
        let stored = StoredValue {
            obis: sent.register,
            unit,
            value,
            quality,
            status: sent.status,
        };
        Ok(Some((stored, closed.interval.is_some())))
    }

    fn close(&self, register_id: i64, closed: Closed) -> Result<(), StoreError> {
        if let Some(interval) = closed.interval {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO interval VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    register_id,
                    interval.start_s,
                    interval.opening.value.to_string(),
                    interval.opening.at.as_microsecond(),
                    interval.closing.value.to_string(),
                    interval.closing.at.as_microsecond(),
                    interval.complete,
                ])?;
        }
        let Some(day) = closed.day else { return Ok(()) };
        let measured = self.measured_quarters(register_id, day.date)?;
        self.db
            .prepare_cached("INSERT OR IGNORE INTO day VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                register_id,
                day.date.to_string(),
                day.opening.to_string(),
                day.closing.to_string(),
                quarters_of(day.date, self.zone),
                measured,
            ])?;
        Ok(())
    }

    fn measured_quarters(&self, register_id: i64, date: Date) -> Result<i64, StoreError> {
        let (from, to) = super::reader::day_bounds(date, self.zone);
        let count = self
            .db
            .prepare_cached(
                "SELECT count(*) FROM interval WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3 AND complete",
            )?
            .query_row(params![register_id, from, to], |row| row.get(0))?;
        Ok(count)
    }

    fn meter(&mut self, incoming: &Incoming) -> Result<i64, StoreError> {
        if let Some(id) = self.meters.get(&incoming.serial) {
            return Ok(*id);
        }
        let named = params![incoming.name, incoming.serial];
        self.db.execute(
            "INSERT OR IGNORE INTO exchange SELECT name, ?3, serial, ?2 FROM meter WHERE name = ?1 AND serial <> ?2",
            params![
                incoming.name,
                incoming.serial,
                incoming.received_at.as_microsecond()
            ],
        )?;
        self.db.execute(
            "UPDATE meter SET name = NULL WHERE name = ?1 AND serial <> ?2",
            named,
        )?;
        let id = self.db.query_row(
            "INSERT INTO meter (serial, name, manufacturer) VALUES (?1, ?2, ?3)
             ON CONFLICT (serial) DO UPDATE
             SET name = excluded.name, manufacturer = coalesce(excluded.manufacturer, manufacturer)
             RETURNING id",
            params![
                incoming.serial,
                incoming.name,
                incoming.telegram.manufacturer
            ],
            |row| row.get(0),
        )?;
        self.meters.insert(incoming.serial.clone(), id);
        Ok(id)
    }

    fn register(&mut self, meter_id: i64, key: &RegisterKey) -> Result<Register, StoreError> {
        if let Some(register) = self.registers.get(key) {
            return Ok(*register);
        }
        let (obis, unit) = (key.obis.to_string(), key.unit.code());
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO register (meter_id, obis, unit) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![meter_id, obis, unit])?;
        let id = self.db.query_row(
            "SELECT id FROM register WHERE meter_id = ?1 AND obis = ?2 AND unit = ?3",
            params![meter_id, obis, unit],
            |row| row.get(0),
        )?;
        let open = if key.obis.is_cumulative() {
            self.reopen(id)?
        } else {
            None
        };
        let register = Register { id, open };
        self.registers.insert(key.clone(), register);
        Ok(register)
    }

    /// What was open of a register when the process ended.
    fn reopen(&self, register_id: i64) -> Result<Option<Accumulator>, StoreError> {
        let point = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
        let one = |sql: &str| -> Result<Option<Point>, StoreError> {
            let found = self
                .db
                .query_row(sql, params![register_id], point)
                .optional()?;
            found
                .map(|(value, at_us)| super::reader::point(&value, at_us))
                .transpose()
        };
        let closing = one(
            "SELECT closing, closing_us FROM interval WHERE register_id = ?1 ORDER BY start_s DESC LIMIT 1",
        )?;
        let newest = one(
            "SELECT value, at_us FROM reading WHERE register_id = ?1 AND quality = 'measured' ORDER BY at_us DESC LIMIT 1",
        )?;
        let oldest = one(
            "SELECT value, at_us FROM reading WHERE register_id = ?1 AND quality = 'measured' ORDER BY at_us LIMIT 1",
        )?;
        let Some(last) = newest.or(closing) else {
            return Ok(None);
        };
        let Some(opening) = closing.or(oldest) else {
            return Ok(None);
        };
        let day_opening = super::reader::opening_of_day(self.db, register_id, self.zone, last.at)?;
        Ok(Some(Accumulator {
            opening,
            day_opening: day_opening.unwrap_or(opening.value),
            last,
        }))
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

fn meter_time_text(time: MeterTime) -> String {
    match time {
        MeterTime::SecondsIndex(seconds) => format!("index {seconds}"),
        MeterTime::Utc(at) => at.to_string(),
        MeterTime::Wall { at, dst: None } => at.to_string(),
        MeterTime::Wall { at, dst: Some(dst) } => {
            format!("{at} {}", if dst { "summer" } else { "winter" })
        }
    }
}

/// The name of a check in the store and the API.
pub(crate) const fn check_name(check: Check) -> &'static str {
    match check {
        Check::None => "none",
        Check::KnownBytes => "known-bytes",
        Check::Checksum => "checksum",
        Check::Crc => "crc",
        Check::Mac => "mac",
        Check::Tag => "tag",
    }
}

/// The name of a quality in the store and the API.
pub(crate) const fn quality_name(quality: Quality) -> &'static str {
    match quality {
        Quality::Suspect => "suspect",
        _ => "measured",
    }
}
