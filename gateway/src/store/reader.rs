//! Reading from the store.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Indications, ObisCode, Unit};
use rusqlite::{Connection, OptionalExtension, params};
use rust_decimal::Decimal;
use wattle_billing::readings::ReadingQuality;

use super::accumulate::Point;
use super::{Field, LastField, MessageCounter, RegisterKey, StoreError, schema};

/// Opens connections for reading.
#[derive(Clone, Debug)]
pub struct Readers(pub(super) PathBuf);

impl Readers {
    /// Readers of the database in a state folder, which a daemon may be writing at the same time.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self(schema::file(state_dir))
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub fn open(&self) -> Result<Reader, StoreError> {
        Ok(Reader(schema::open_reader(&self.0)?))
    }
}

/// A connection for reading.
#[derive(Debug)]
pub struct Reader(Connection);

/// The newest reading of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReading {
    /// Which register.
    pub key: RegisterKey,
    /// Name of the meter in the configuration.
    pub name: Option<String>,
    /// The maker's three letters.
    pub manufacturer: Option<String>,
    /// The value.
    pub value: Decimal,
    /// `measured` or `suspect`.
    pub quality: String,
    /// How its telegram was checked.
    pub check: String,
    /// When it came.
    pub received_at: Timestamp,
}

/// A register in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRow {
    /// Its number in the store.
    pub id: i64,
    /// Which register.
    pub key: RegisterKey,
    /// Name of its meter in the configuration; `None` after the meter was exchanged.
    pub name: Option<String>,
    /// The maker's three letters.
    pub manufacturer: Option<String>,
}

/// A quarter-hour of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntervalRow {
    /// Its start, seconds since 1970.
    pub start_s: i64,
    /// Value at its start.
    pub opening: Decimal,
    /// When that value was received.
    pub opening_at: Timestamp,
    /// Value at its end.
    pub closing: Decimal,
    /// Both values were received close to the ends.
    pub complete: bool,
    /// `Suspect` when it was metered and holds energy of another time.
    pub quality: ReadingQuality,
    /// How it was estimated, or how it was imported; `None` for a metered one.
    pub method: Option<String>,
}

impl IntervalRow {
    /// What the register gained.
    #[must_use]
    pub fn amount(&self) -> Decimal {
        self.closing - self.opening
    }

    /// True for an amount that was imported: it has no counter.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.method
            .as_deref()
            .is_some_and(|method| method.starts_with("import"))
    }
}

impl Reader {
    pub(super) fn on(db: Connection) -> Self {
        Self(db)
    }

    pub(super) fn db(&self) -> &Connection {
        &self.0
    }

    /// A value of the gateway's own, such as its identity.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn gateway_value(&self, key: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT value FROM gateway WHERE key = ?1";
        Ok(self
            .0
            .query_row(sql, params![key], |row| row.get(0))
            .optional()?)
    }

    /// Every register that was ever read.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn registers(&self) -> Result<Vec<RegisterRow>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT register.id, serial, obis, unit, name, manufacturer
             FROM register JOIN meter ON meter.id = register.meter_id ORDER BY serial, register.id",
        )?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let key = RegisterKey {
                serial: row.get(1)?,
                obis: obis_of(&row.get::<_, String>(2)?)?,
                unit: unit_of(row.get(3)?)?,
            };
            found.push(RegisterRow {
                id: row.get(0)?,
                key,
                name: row.get(4)?,
                manufacturer: row.get(5)?,
            });
        }
        Ok(found)
    }

    /// The newest believed reading of every register that has one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_readings(&self) -> Result<Vec<LastReading>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT value, quality, check_kind, reading.at_us FROM reading JOIN telegram USING (at_us)
             WHERE register_id = ?1 AND quality = 'measured' ORDER BY reading.at_us DESC LIMIT 1",
        )?;
        let mut found = Vec::new();
        for RegisterRow {
            id,
            key,
            name,
            manufacturer,
        } in self.registers()?
        {
            let row = select
                .query_row(params![id], |row| {
                    let texts = (
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                    );
                    Ok((texts, row.get::<_, i64>(3)?))
                })
                .optional()?;
            let Some(((value, quality, check), at_us)) = row else {
                continue;
            };
            let Point { value, at } = point(&value, at_us)?;
            found.push(LastReading {
                key,
                name,
                manufacturer,
                value,
                quality,
                check,
                received_at: at,
            });
        }
        Ok(found)
    }

    /// The last of every field of every meter, in the order of its telegram.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_fields(&self) -> Result<Vec<LastField>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT serial, meter.name, manufacturer, field.name, value, is_number, is_index, at_us
             FROM field JOIN meter ON meter.id = field.meter_id ORDER BY serial, place, field.name",
        )?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let at_us: i64 = row.get(7)?;
            let received_at =
                Timestamp::from_microsecond(at_us).map_err(|_| StoreError::Content {
                    what: "instant",
                    text: at_us.to_string(),
                })?;
            found.push(LastField {
                serial: row.get(0)?,
                name: row.get(1)?,
                manufacturer: row.get(2)?,
                field: Field {
                    name: row.get(3)?,
                    value: row.get(4)?,
                    is_number: row.get(5)?,
                    is_index: row.get(6)?,
                },
                received_at,
            });
        }
        Ok(found)
    }

    /// The highest message counter of every meter that counts its messages.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn message_counters(&self) -> Result<Vec<MessageCounter>, StoreError> {
        let mut select = self
            .0
            .prepare_cached("SELECT address, highest FROM message_counter")?;
        let rows = select.query_map([], |row| {
            Ok(MessageCounter {
                address: row.get(0)?,
                value: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What each meter told last beside its numbers, by its name in the configuration.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_indications(&self) -> Result<Vec<(String, Indications)>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT name, body FROM meter JOIN indication ON meter_id = meter.id WHERE name IS NOT NULL
             AND at_us = (SELECT max(at_us) FROM indication WHERE meter_id = meter.id)",
        )?;
        let rows = select.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.map(|row| {
            let (name, body) = row?;
            Ok((name, indications(&body)?))
        })
        .collect()
    }

    /// Since when which tariff number held, as a meter told it, oldest first; `None` while it told none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn tariff_numbers(&self, name: &str) -> Result<Vec<(Timestamp, Option<u8>)>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT at_us, body FROM meter JOIN indication ON meter_id = meter.id WHERE name = ?1 ORDER BY at_us",
        )?;
        let mut rows = select.query(params![name])?;
        let mut found: Vec<(Timestamp, Option<u8>)> = Vec::new();
        while let Some(row) = rows.next()? {
            let told = indications(&row.get::<_, String>(1)?)?;
            let number = told.tariff.and_then(|tariff| tariff.number);
            if found.last().is_none_or(|(_, before)| *before != number) {
                found.push((point("0", row.get(0)?)?.at, number));
            }
        }
        Ok(found)
    }

    /// When the last telegram of a meter came.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last_telegram(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql =
            "SELECT at_us FROM telegram WHERE meter_id = (SELECT id FROM meter WHERE name = ?1)
                   ORDER BY at_us DESC LIMIT 1";
        let at_us = self
            .0
            .query_row(sql, params![name], |row| row.get(0))
            .optional()?;
        at_us.map(|at_us| Ok(point("0", at_us)?.at)).transpose()
    }

    /// Readings of a register from `from` on (exclusive), oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn readings(
        &self,
        register_id: i64,
        from_us: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Decimal, String)>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT at_us, value, quality FROM reading WHERE register_id = ?1 AND at_us > ?2 ORDER BY at_us LIMIT ?3",
        )?;
        let rows = select.query_map(params![register_id, from_us, limit], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        })?;
        let mut found = Vec::new();
        for row in rows {
            let (at_us, value, quality) = row?;
            found.push((at_us, decimal(&value)?, quality));
        }
        Ok(found)
    }

    /// Quarter-hours of a register that start in `[from_s, to_s)`, oldest first: metered, estimated
    /// where they were missed, imported before the first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn intervals(
        &self,
        register_id: i64,
        from_s: i64,
        to_s: i64,
    ) -> Result<Vec<IntervalRow>, StoreError> {
        let metered = self.metered(register_id, from_s, to_s)?;
        self.with_supplied(register_id, (from_s, to_s), metered)
    }

    /// Closed quarter-hours of a register that start in `[from_s, to_s)`, as they were metered.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn metered(
        &self,
        register_id: i64,
        from_s: i64,
        to_s: i64,
    ) -> Result<Vec<IntervalRow>, StoreError> {
        let mut select = self.0.prepare_cached(
            "SELECT start_s, opening, opening_us, closing, complete FROM interval
             WHERE register_id = ?1 AND start_s >= ?2 AND start_s < ?3 ORDER BY start_s",
        )?;
        let rows = select.query_map(params![register_id, from_s, to_s], |row| {
            let opening = (row.get::<_, String>(1)?, row.get::<_, i64>(2)?);
            Ok((
                row.get::<_, i64>(0)?,
                opening,
                row.get::<_, String>(3)?,
                row.get::<_, bool>(4)?,
            ))
        })?;
        let mut found = Vec::new();
        for row in rows {
            let (start_s, (opening, opening_us), closing, complete) = row?;
            let Point {
                value: opening,
                at: opening_at,
            } = point(&opening, opening_us)?;
            found.push(IntervalRow {
                start_s,
                opening,
                opening_at,
                closing: decimal(&closing)?,
                complete,
                quality: if complete {
                    ReadingQuality::Actual
                } else {
                    ReadingQuality::Suspect
                },
                method: None,
            });
        }
        Ok(found)
    }

    /// Start of the newest closed quarter-hour of a register, seconds since 1970.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn newest_interval(&self, register_id: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(start_s) FROM interval WHERE register_id = ?1";
        Ok(self
            .0
            .query_row(sql, params![register_id], |row| row.get(0))?)
    }

    /// The value that closed the newest quarter-hour, and when it was received. What the register
    /// gained since belongs to the quarter-hour that is open.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open_since(&self, register_id: i64) -> Result<Option<(Decimal, Timestamp)>, StoreError> {
        let closed = "SELECT closing, closing_us FROM interval WHERE register_id = ?1 ORDER BY start_s DESC LIMIT 1";
        let first =
            "SELECT value, at_us FROM reading WHERE register_id = ?1 AND quality = 'measured'
                     ORDER BY at_us LIMIT 1";
        for sql in [closed, first] {
            let row = self
                .0
                .query_row(sql, params![register_id], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            if let Some((value, at_us)) = row {
                let Point { value, at } = point(&value, at_us)?;
                return Ok(Some((value, at)));
            }
        }
        Ok(None)
    }
}

/// A local day as seconds since 1970, half-open.
pub(super) fn day_bounds(date: Date, zone: &TimeZone) -> (i64, i64) {
    let second = |date: Date| {
        date.to_zoned(zone.clone())
            .map_or(0, |start| start.timestamp().as_second())
    };
    (second(date), date.tomorrow().map_or(i64::MAX, second))
}

/// The value that opened the local day of `at`, from what has been closed before.
pub(super) fn opening_of_day(
    db: &Connection,
    register_id: i64,
    zone: &TimeZone,
    at: Timestamp,
) -> Result<Option<Decimal>, StoreError> {
    let date = zone.to_datetime(at).date();
    let (from_s, _) = day_bounds(date, zone);
    let text = |sql: &str, by: &dyn rusqlite::ToSql| -> Result<Option<String>, StoreError> {
        Ok(db
            .query_row(sql, params![register_id, by], |row| row.get(0))
            .optional()?)
    };
    let first = "SELECT opening FROM interval WHERE register_id = ?1 AND start_s >= ?2 ORDER BY start_s LIMIT 1";
    let before = "SELECT closing FROM interval WHERE register_id = ?1 AND start_s < ?2 ORDER BY start_s DESC LIMIT 1";
    let found = match text(first, &from_s)? {
        Some(opening) => Some(opening),
        None => text(before, &from_s)?,
    };
    found.as_deref().map(decimal).transpose()
}

pub(super) fn point(value: &str, at_us: i64) -> Result<Point, StoreError> {
    let at = Timestamp::from_microsecond(at_us).map_err(|_| StoreError::Content {
        what: "instant",
        text: at_us.to_string(),
    })?;
    Ok(Point {
        value: decimal(value)?,
        at,
    })
}

pub(super) fn decimal(text: &str) -> Result<Decimal, StoreError> {
    meter_link::model::plain(text).ok_or_else(|| StoreError::Content {
        what: "value",
        text: text.to_owned(),
    })
}

fn obis_of(text: &str) -> Result<ObisCode, StoreError> {
    text.parse().map_err(|_| StoreError::Content {
        what: "register",
        text: text.to_owned(),
    })
}

pub(super) fn indications(body: &str) -> Result<Indications, StoreError> {
    serde_json::from_str(body).map_err(|_| StoreError::Content {
        what: "indication",
        text: body.chars().take(64).collect(),
    })
}

fn unit_of(code: u8) -> Result<Unit, StoreError> {
    Unit::from_own_code(code).ok_or_else(|| StoreError::Content {
        what: "unit",
        text: code.to_string(),
    })
}
