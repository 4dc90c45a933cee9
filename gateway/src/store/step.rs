//! One transaction: what a telegram becomes in each table.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, Indications, MeterTime, Quality, RegisterValue};
use rusqlite::{OptionalExtension, Transaction, params};

use super::accumulate::{Accumulator, Closed, Point};
use super::outbox::{Fact, Feed};
use super::{
    Field, Incoming, MessageCounter, RegisterKey, StoreError, StoredTelegram, StoredValue,
    quarters_of,
};

/// A register, and what of it is open.
#[derive(Clone, Copy)]
pub(super) struct Register {
    pub(super) id: i64,
    pub(super) open: Option<Accumulator>,
}

/// One transaction.
pub(super) struct Step<'a> {
    pub(super) db: &'a Transaction<'a>,
    pub(super) zone: &'a TimeZone,
    pub(super) meters: &'a mut HashMap<String, i64>,
    pub(super) registers: &'a mut HashMap<RegisterKey, Register>,
    pub(super) indications: &'a mut HashMap<i64, Indications>,
    pub(super) feed: &'a mut Feed,
}

impl Step<'_> {
    pub(super) fn free_instant(&self, from_us: i64) -> Result<i64, StoreError> {
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

    pub(super) fn telegram(
        &mut self,
        incoming: &Incoming,
        at_us: i64,
    ) -> Result<StoredTelegram, StoreError> {
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
