//! The store: the only SQL of the workspace.
//!
//! One writer thread owns the only writing connection. It takes telegrams from a bounded channel,
//! commits everything that is waiting in one transaction, and only then says on the bus that they
//! are stored. **Whatever is published or served was committed before**, so that no reader ever
//! saw a reading that a crash can take back.
//!
//! Readers open connections of their own ([`Reader`]); WAL lets them work beside the writer.

mod accumulate;
mod calendar;
pub mod copy;
mod days;
mod handle;
pub mod ledger;
mod logbook;
mod outbox;
mod profile;
mod reader;
mod rollup;
mod schema;
mod step;
mod supplied;
mod writer;

use std::path::PathBuf;

use jiff::{Timestamp, tz::TimeZone};
use meter_link::model::{Check, Indications, MeterTime, ObisCode, Quality, Unit};
use meter_link::profile::mbus::Implausible;
use rust_decimal::Decimal;

pub use handle::{Incoming, Settings, Store};
pub use ledger::Ledger;
pub use logbook::Logbooks;
pub use outbox::{Outbox, Outboxes, Plan, SHEDDING, Stream, TEXT, Waiting};
pub use profile::Profiles;
pub use reader::{IntervalRow, LastReading, Reader, Readers, RegisterRow};
pub use rollup::{BandDay, HourRow, Rollups};
pub(crate) use step::{check_name, quality_name};
pub use supplied::{Brought, EXAMINED, Estimated, Exchange, FindingRow, Source, Supplies, Taken};

/// Seconds in a quarter-hour.
pub const QUARTER_S: i64 = 900;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said so.
    #[error("the store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be made or used.
    #[error("the store's folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A newer version of the software wrote it.
    #[error(
        "the store has schema {found}, this version knows {known}: install the newer version again"
    )]
    TooNew {
        /// Schema in the file.
        found: u32,
        /// Newest schema known here.
        known: u32,
    },
    /// A stored value is not what this version writes.
    #[error("the store holds {what} {text:?}, which this version does not understand")]
    Content {
        /// Which column.
        what: &'static str,
        /// Its content.
        text: String,
    },
}

/// A register of a meter, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegisterKey {
    /// The meter's serial number.
    pub serial: String,
    /// The register.
    pub obis: ObisCode,
    /// Its unit.
    pub unit: Unit,
}

/// A value that has been committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    /// Which register.
    pub obis: ObisCode,
    /// Its unit.
    pub unit: Unit,
    /// The exact value.
    pub value: Decimal,
    /// What the gateway thinks of it.
    pub quality: Quality,
    /// The meter's status word.
    pub status: Option<u64>,
}

/// A telegram that has been committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTelegram {
    /// Name of the meter in the configuration.
    pub name: String,
    /// Serial number.
    pub serial: String,
    /// The maker's three letters.
    pub manufacturer: Option<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// The meter's clock.
    pub captured_at: Option<MeterTime>,
    /// How it was checked.
    pub check: Check,
    /// Its numbers.
    pub values: Vec<StoredValue>,
    /// The tariff in force, states and power failures; empty when the telegram tells none.
    pub indications: Indications,
    /// True when a quarter-hour was closed with it.
    pub closed_interval: bool,
    /// Everything it tells by name, of meters that name what they tell.
    pub fields: Vec<Field>,
    /// What it tells and is not believed.
    pub doubts: Vec<Doubt>,
}

/// Something that a meter tells and is not believed. Its telegram is kept; the value is neither
/// published nor counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Name of the field.
    pub field: String,
    /// The exact number that was sent.
    pub value: String,
    /// Why.
    pub reason: Implausible,
    /// True for the meter's main index: the registers of the telegram are suspect with it.
    pub is_index: bool,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} is not believed: {}",
            self.field, self.value, self.reason
        )
    }
}

/// Something that a meter tells, by the name it has in dashboards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name; that of a number ends in its unit.
    pub name: String,
    /// The value as text; `None` when the meter says that it has none.
    pub value: Option<String>,
    /// True for an exact decimal.
    pub is_number: bool,
    /// True for a total that only rises: the meter's main index, or what is made of it.
    pub is_index: bool,
}

/// How a meter counts its messages, so that none is taken twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageCounter {
    /// The meter's link-layer address, 16 hex digits.
    pub address: String,
    /// The counter of a message that was read.
    pub value: u32,
}

/// The last of a field that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastField {
    /// The meter's serial number.
    pub serial: String,
    /// Name of the meter in the configuration.
    pub name: Option<String>,
    /// The maker's three letters.
    pub manufacturer: Option<String>,
    /// The field.
    pub field: Field,
    /// When the telegram came that told it.
    pub received_at: Timestamp,
}

/// Start of the quarter-hour that holds an instant. Quarter-hours of every time zone in use
/// begin at multiples of 900 s UTC.
#[must_use]
pub fn quarter_start(at: Timestamp) -> i64 {
    at.as_second().div_euclid(QUARTER_S) * QUARTER_S
}

/// How many quarter-hours a local day has: 92, 96 or 100.
#[must_use]
pub fn quarters_of(date: jiff::civil::Date, zone: &TimeZone) -> Option<u16> {
    let start = date.to_zoned(zone.clone()).ok()?;
    let end = date.tomorrow().ok()?.to_zoned(zone.clone()).ok()?;
    let seconds = end.timestamp().as_second() - start.timestamp().as_second();
    u16::try_from(seconds / QUARTER_S).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_92_96_or_100_quarters() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (date, want) in [("2026-03-29", 92), ("2026-06-01", 96), ("2026-10-25", 100)] {
            assert_eq!(quarters_of(date.parse().unwrap(), &zone), Some(want));
        }
    }

    #[test]
    fn quarters_begin_on_the_grid() {
        let at: Timestamp = "2026-11-22T10:14:59.9Z".parse().unwrap();
        assert_eq!(
            quarter_start(at),
            "2026-11-22T10:00:00Z"
                .parse::<Timestamp>()
                .unwrap()
                .as_second()
        );
    }
}
