//! The objects that are served (IEC 62056-6-2): each meter is a logical device with its registers,
//! a clock and the quarter-hours of its cumulative registers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use meter_link::dlms::apdu::{DataAccessResult, GetResult, Selected};
use meter_link::dlms::data::{ClockStatus, Data, DateTime};
use meter_link::dlms::server::Objects;
use meter_link::model::{MeterTime, ObisCode};
use rust_decimal::Decimal;

use super::Settings;
use crate::store::{LastReading, QUARTER_S, Reader, StoreError};

/// The logical device that lists the others.
const MANAGEMENT: u16 = 1;
/// The logical device of the first meter.
const FIRST: u16 = 16;
/// Quarter-hours that are told at once, the newest: 31 days.
const ROWS: i64 = 31 * 96;
/// Columns of the profile at most, beside time and status.
const COLUMNS: usize = 16;

const CLOCK: ObisCode = ObisCode([0, 0, 1, 0, 0, 255]);
const ASSOCIATION: ObisCode = ObisCode([0, 0, 40, 0, 0, 255]);
const SAP_ASSIGNMENT: ObisCode = ObisCode([0, 0, 41, 0, 0, 255]);
const DEVICE_NAME: ObisCode = ObisCode([0, 0, 42, 0, 0, 255]);
const SERIAL: ObisCode = ObisCode([0, 0, 96, 1, 0, 255]);
const STATUS: ObisCode = ObisCode([0, 0, 96, 10, 1, 255]);
const PROFILE: ObisCode = ObisCode([1, 0, 99, 1, 0, 255]);
/// Bits of the profile's status: a reading was missing at an end of the quarter-hour.
const INCOMPLETE: u8 = 0x02;

/// What a client sees.
pub(super) struct Face {
    settings: Settings,
    reader: Option<Reader>,
    /// What was read since it was noted, and whether quarter-hours were.
    pub(super) read: BTreeMap<String, bool>,
}

/// Why there is no value.
enum Missing {
    Undefined,
    Unselectable,
    Store(StoreError),
}

impl From<StoreError> for Missing {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A column of the profile.
struct Column {
    id: i64,
    obis: ObisCode,
    scale: u32,
}

impl Objects for Face {
    fn attribute(&mut self, device: u16, selected: &Selected) -> GetResult {
        match self.value(device, selected) {
            Ok(data) => GetResult::Data(data),
            Err(Missing::Undefined) => GetResult::Error(DataAccessResult::ObjectUndefined),
            Err(Missing::Unselectable) => GetResult::Error(DataAccessResult::ScopeOfAccessViolated),
            Err(Missing::Store(error)) => {
                tracing::warn!(%error, "a DLMS client could not be answered");
                GetResult::Error(DataAccessResult::TemporaryFailure)
            }
        }
    }
}

impl Face {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            reader: None,
            read: BTreeMap::new(),
        }
    }

    fn value(&mut self, device: u16, selected: &Selected) -> Result<Data, Missing> {
        let one = selected.descriptor;
        if one.attribute == 1 && one.class != 15 {
            return Ok(name(one.instance));
        }
        match (one.class, one.instance, one.attribute) {
            (8, CLOCK, 2) => return Ok(time(self.settings.clock.now())),
            (8, CLOCK, 3) => return Ok(Data::Int16(0)),
            (15, ASSOCIATION, 1) => return Ok(name(ASSOCIATION)),
            _ => {}
        }
        if device == MANAGEMENT {
            return self.management(one.class, one.instance, one.attribute);
        }
        let meter = device.checked_sub(FIRST).map(usize::from);
        let meter = meter.and_then(|place| self.settings.config.meters.get(place).cloned());
        let meter = meter.ok_or(Missing::Undefined)?;
        let registers = self.registers(&meter)?;
        match (one.class, one.instance, one.attribute) {
            (1, DEVICE_NAME | SERIAL, 2) => {
                let serial = registers
                    .first()
                    .map_or("", |last| last.key.serial.as_str());
                Ok(Data::OctetString(serial.as_bytes().to_vec()))
            }
            (15, ASSOCIATION, 2) => {
                let mut all = vec![(15, ASSOCIATION), (1, DEVICE_NAME), (1, SERIAL), (8, CLOCK)];
                all.extend(registers.iter().map(|last| (3, last.key.obis)));
                all.push((7, PROFILE));
                Ok(objects(&all))
            }
            (3, instance, attribute @ (2 | 3)) => {
                let found = registers.iter().find(|last| last.key.obis == instance);
                let last = found.ok_or(Missing::Undefined)?;
                self.read.entry(meter).or_default();
                if attribute == 3 {
                    return Ok(scaler(last));
                }
                whole(last.value, last.value.scale()).ok_or(Missing::Undefined)
            }
            (7, PROFILE, attribute) => self.profile(&meter, &registers, attribute, selected),
            _ => Err(Missing::Undefined),
        }
    }

    fn management(&self, class: u16, instance: ObisCode, attribute: i8) -> Result<Data, Missing> {
        match (class, instance, attribute) {
            (1, DEVICE_NAME | SERIAL, 2) => {
                let own = format!("WTL{}", self.settings.gateway);
                Ok(Data::OctetString(own.into_bytes()))
            }
            (15, ASSOCIATION, 2) => Ok(objects(&[
                (15, ASSOCIATION),
                (17, SAP_ASSIGNMENT),
                (1, DEVICE_NAME),
                (8, CLOCK),
            ])),
            (17, SAP_ASSIGNMENT, 2) => {
                let meters = (FIRST..).zip(&self.settings.config.meters);
                let own = (MANAGEMENT, "wattle");
                let all =
                    std::iter::once(own).chain(meters.map(|(sap, name)| (sap, name.as_str())));
                let row = |(sap, name): (u16, &str)| {
                    let name = Data::OctetString(name.as_bytes().to_vec());
                    Data::Structure(vec![Data::Uint16(sap), name])
                };
                Ok(Data::Array(all.map(row).collect()))
            }
            _ => Err(Missing::Undefined),
        }
    }

    fn reader(&mut self) -> Result<&Reader, StoreError> {
        match self.reader.take() {
            Some(reader) => Ok(self.reader.insert(reader)),
            None => Ok(self.reader.insert(self.settings.readers.open()?)),
        }
    }

    /// The registers that a meter has told, by their code.
    fn registers(&mut self, meter: &str) -> Result<Vec<LastReading>, StoreError> {
        let mut registers = self.reader()?.last_readings()?;
        registers.retain(|last| last.name.as_deref() == Some(meter));
        registers.sort_by_key(|last| last.key.obis);
        Ok(registers)
    }

    fn profile(
        &mut self,
        meter: &str,
        registers: &[LastReading],
        attribute: i8,
        selected: &Selected,
    ) -> Result<Data, Missing> {
        let reader = self.reader()?;
        let known = reader.registers()?;
        let mut columns = Vec::new();
        for last in registers
            .iter()
            .filter(|last| last.key.obis.is_cumulative())
        {
            let row = known.iter().find(|row| row.key == last.key);
            if let Some(row) = row
                && reader.newest_interval(row.id)?.is_some()
                && columns.len() < COLUMNS
            {
                columns.push(Column {
                    id: row.id,
                    obis: last.key.obis,
                    scale: last.value.scale(),
                });
            }
        }
        match attribute {
            3 => {
                let mut captured = vec![capture(8, CLOCK), capture(1, STATUS)];
                captured.extend(columns.iter().map(|column| capture(3, column.obis)));
                Ok(Data::Array(captured))
            }
            4 => Ok(Data::Uint32(900)),
            // First in, first out, by the clock.
            5 => Ok(Data::Enum(1)),
            6 => Ok(capture(8, CLOCK)),
            8 => Ok(Data::Uint32(u32::try_from(ROWS).unwrap_or(0))),
            2 | 7 => {
                let now = self.settings.clock.now().as_second();
                let rows = rows(self.reader()?, &columns, now)?;
                if attribute == 7 {
                    return Ok(Data::Uint32(u32::try_from(rows.len()).unwrap_or(0)));
                }
                self.read.insert(meter.to_owned(), true);
                select(rows, selected)
            }
            _ => Err(Missing::Undefined),
        }
    }
}

/// The quarter-hours of the last 31 days: when each ended, and its cells.
fn rows(reader: &Reader, columns: &[Column], now_s: i64) -> Result<Vec<(i64, Data)>, StoreError> {
    let from = now_s.div_euclid(QUARTER_S) * QUARTER_S - ROWS * QUARTER_S;
    let mut cells: Vec<BTreeMap<i64, (Decimal, bool)>> = Vec::new();
    let mut starts = BTreeSet::new();
    for column in columns {
        let intervals = reader.intervals(column.id, from, now_s)?;
        starts.extend(intervals.iter().map(|row| row.start_s));
        let cell = |row: &crate::store::IntervalRow| (row.start_s, (row.closing, row.complete));
        cells.push(intervals.iter().map(cell).collect());
    }
    let row = |start: i64| {
        let of_row = |column: &BTreeMap<i64, (Decimal, bool)>| column.get(&start).copied();
        let found: Vec<Option<(Decimal, bool)>> = cells.iter().map(of_row).collect();
        let complete = found
            .iter()
            .all(|cell| cell.is_some_and(|(_, complete)| complete));
        let end = start + QUARTER_S;
        let mut row = vec![
            time(Timestamp::from_second(end).unwrap_or_default()),
            Data::Uint8(if complete { 0 } else { INCOMPLETE }),
        ];
        let value = |(cell, column): (&Option<(Decimal, bool)>, &Column)| {
            let whole = cell.and_then(|(value, _)| whole(value, column.scale));
            whole.unwrap_or(Data::Null)
        };
        row.extend(found.iter().zip(columns).map(value));
        (end, Data::Structure(row))
    };
    Ok(starts.into_iter().map(row).collect())
}

/// What a selection leaves of the rows (IEC 62056-6-2, 4.3.6): by time, or by number.
fn select(rows: Vec<(i64, Data)>, selected: &Selected) -> Result<Data, Missing> {
    let Some(access) = &selected.access else {
        return Ok(Data::Array(rows.into_iter().map(|(_, row)| row).collect()));
    };
    let parameters = access.parameters.elements().unwrap_or_default();
    let chosen: Vec<Data> = match access.selector {
        1 => {
            let bound = |place: usize| {
                let at = parameters.get(place).and_then(Data::date_time)?;
                second_of(at)
            };
            let (Some(from), Some(to)) = (bound(1), bound(2)) else {
                return Err(Missing::Unselectable);
            };
            let within = |(at, _): &(i64, Data)| (from..=to).contains(at);
            rows.into_iter()
                .filter(within)
                .map(|(_, row)| row)
                .collect()
        }
        2 => {
            let number = |place: usize| {
                let number = parameters.get(place).and_then(Data::integer)?;
                usize::try_from(number).ok()
            };
            let (Some(first @ 1..), Some(last)) = (number(0), number(1)) else {
                return Err(Missing::Unselectable);
            };
            // 0 is the newest.
            let last = if last == 0 { rows.len() } else { last };
            let count = (last + 1).saturating_sub(first);
            rows.into_iter()
                .skip(first - 1)
                .take(count)
                .map(|(_, row)| row)
                .collect()
        }
        _ => return Err(Missing::Unselectable),
    };
    Ok(Data::Array(chosen))
}

/// The instant; a time that does not say its distance from UTC is UTC, as ours are.
fn second_of(at: DateTime) -> Option<i64> {
    let at = match at.meter_time()? {
        MeterTime::Utc(at) => at,
        _ => at.civil()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    Some(at.as_second())
}

/// A value as a whole number of its scaler's power of ten; `None` when it is none.
fn whole(value: Decimal, scale: u32) -> Option<Data> {
    let mut scaled = value;
    scaled.rescale(scale);
    // What has more digits than the register's scaler tells is not rounded.
    (scaled == value && scaled.scale() == scale)
        .then(|| i64::try_from(scaled.mantissa()).ok())?
        .map(Data::Int64)
}

fn scaler(last: &LastReading) -> Data {
    let scale = i8::try_from(last.value.scale()).unwrap_or(i8::MAX);
    Data::Structure(vec![Data::Int8(-scale), Data::Enum(last.key.unit.code())])
}

fn name(name: ObisCode) -> Data {
    Data::OctetString(name.0.to_vec())
}

fn time(at: Timestamp) -> Data {
    let at = DateTime::new(Offset::UTC.to_datetime(at), Some(0), ClockStatus(0));
    Data::OctetString(at.0.to_vec())
}

fn capture(class: u16, instance: ObisCode) -> Data {
    Data::Structure(vec![
        Data::Uint16(class),
        name(instance),
        Data::Int8(2),
        Data::Uint16(0),
    ])
}

/// The list of objects, each with the right to read.
fn objects(all: &[(u16, ObisCode)]) -> Data {
    let object = |(class, instance): &(u16, ObisCode)| {
        let last = match class {
            3 | 8 => 3,
            7 => 8,
            _ => 2,
        };
        let read =
            |attribute: i8| Data::Structure(vec![Data::Int8(attribute), Data::Enum(1), Data::Null]);
        let attributes = (1..=last).map(read).collect();
        Data::Structure(vec![
            Data::Uint16(*class),
            Data::Uint8(0),
            name(*instance),
            Data::Structure(vec![Data::Array(attributes), Data::Array(Vec::new())]),
        ])
    };
    Data::Array(all.iter().map(object).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_whole_and_never_rounded() {
        let value = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(whole(value("5430157.7"), 1), Some(Data::Int64(54_301_577)));
        assert_eq!(whole(value("12"), 1), Some(Data::Int64(120)));
        assert_eq!(whole(value("12.50"), 1), Some(Data::Int64(125)));
        assert_eq!(whole(value("12.55"), 1), None);
        assert_eq!(whole(value("-3"), 0), Some(Data::Int64(-3)));
        assert_eq!(whole(Decimal::MAX, 0), None);
    }
}
