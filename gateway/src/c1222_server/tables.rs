//! What the tables of a meter are made of: its registers and quarter-hours in the store.

use std::collections::{BTreeMap, BTreeSet};

use meter_link::c12::net::host::Devices;
use meter_link::c12::service::ResponseCode;
use meter_link::c12::view::{Amounts, Contents, Identity, View};
use meter_link::model::ObisCode;

use super::Settings;
use crate::store::{LastReading, QUARTER_S, Reader, RegisterRow, StoreError};

const NOT_POSSIBLE: ResponseCode = ResponseCode(0x04);
const BUSY: ResponseCode = ResponseCode(0x06);
const NOT_READY: ResponseCode = ResponseCode(0x07);
const MANUFACTURER: &str = "WTL";
const MODEL: &str = "wattle";

/// What a client sees over one connection.
pub(super) struct Shelf {
    settings: Settings,
    reader: Option<Reader>,
    /// Where the registers of each device stand, until its table 00 is read again.
    views: BTreeMap<usize, View>,
    /// What was read since it was noted, and whether quarter-hours were.
    pub(super) read: BTreeMap<String, bool>,
}

impl Devices for Shelf {
    fn table(&mut self, device: usize, table: u16) -> Result<Vec<u8>, ResponseCode> {
        self.octets(device, table).unwrap_or_else(|error| {
            tracing::warn!(%error, "a C12.22 client could not be answered");
            Err(BUSY)
        })
    }
}

impl Shelf {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            reader: None,
            views: BTreeMap::new(),
            read: BTreeMap::new(),
        }
    }

    fn octets(
        &mut self,
        device: usize,
        table: u16,
    ) -> Result<Result<Vec<u8>, ResponseCode>, StoreError> {
        let Some(meter) = self.settings.config.titles.keys().nth(device).cloned() else {
            return Ok(Err(NOT_POSSIBLE));
        };
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.settings.readers.open()?,
        };
        let reader = self.reader.insert(reader);
        let now_s = self.settings.clock.now().as_second();
        let mut rows = reader.registers()?;
        rows.retain(|row| row.name.as_deref() == Some(meter.as_str()));
        // New ones come behind those that are known.
        rows.sort_by_key(|row| row.id);
        let mut readings = reader.last_readings()?;
        readings.retain(|last| last.name.as_deref() == Some(meter.as_str()));
        if table == 0 {
            self.views.remove(&device);
        }
        let view = match self.views.remove(&device) {
            Some(view) => view,
            None => view(reader, &rows, &readings)?,
        };
        let mut contents = Contents {
            now_s,
            values: readings
                .iter()
                .map(|last| (last.key.obis, last.value))
                .collect(),
            profile: Vec::new(),
        };
        if let Some(from_s) = view.needs_profile(table, now_s) {
            for register in view.channels() {
                let row = rows.iter().find(|row| row.key.obis == register);
                contents.profile.push(match row {
                    Some(row) => amounts(reader, row.id, from_s, now_s)?,
                    None => Amounts::new(),
                });
            }
        }
        let answer = view.table(table, &identity(&rows), &contents);
        self.views.insert(device, view);
        Ok(match answer {
            Ok(Some(octets)) => {
                if matches!(table, 23 | 28 | 64) {
                    *self.read.entry(meter).or_default() |= table == 64;
                }
                Ok(octets)
            }
            Ok(None) => Err(NOT_POSSIBLE),
            Err(_) => Err(NOT_READY),
        })
    }
}

/// Registers that have a value; quarter-hours of those that have any.
fn view(
    reader: &Reader,
    rows: &[RegisterRow],
    readings: &[LastReading],
) -> Result<View, StoreError> {
    let mut registers = Vec::new();
    let mut profiled = BTreeSet::new();
    for row in rows {
        let obis: ObisCode = row.key.obis;
        if !readings.iter().any(|last| last.key == row.key) {
            continue;
        }
        registers.push((obis, row.key.unit));
        if obis.is_cumulative() && reader.newest_interval(row.id)?.is_some() {
            profiled.insert(obis);
        }
    }
    Ok(View::new(&registers, &profiled))
}

/// The quarter-hours of a register, by their end.
fn amounts(reader: &Reader, id: i64, from_s: i64, to_s: i64) -> Result<Amounts, StoreError> {
    let rows = reader.intervals(id, from_s, to_s)?;
    let amount = |row: &crate::store::IntervalRow| (row.amount(), row.complete);
    Ok(rows
        .iter()
        .map(|row| (row.start_s + QUARTER_S, amount(row)))
        .collect())
}

fn identity(rows: &[RegisterRow]) -> Identity {
    let part = |text: &str| text.parse().unwrap_or(0);
    let serial = rows.first().map_or("", |row| row.key.serial.as_str());
    Identity {
        manufacturer: MANUFACTURER.to_owned(),
        model: MODEL.to_owned(),
        firmware: (
            part(env!("CARGO_PKG_VERSION_MAJOR")),
            part(env!("CARGO_PKG_VERSION_MINOR")),
        ),
        serial: serial.to_owned(),
    }
}
