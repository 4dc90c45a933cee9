//! Tariff calendars that meters told: the newest of each, as a price document.

use rusqlite::{Connection, params};

use super::{Profiles, Reader, StoreError};

fn key(meter: &str) -> String {
    format!("tariff_calendar/{meter}")
}

impl Profiles {
    /// Keeps the calendar of a meter in the place of an older one.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn keep_calendar(&self, meter: &str, document: &str) -> Result<(), StoreError> {
        let db = Connection::open(&self.0)?;
        db.busy_timeout(std::time::Duration::from_secs(30))?;
        db.execute(
            "INSERT INTO gateway VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            params![key(meter), document],
        )?;
        Ok(())
    }
}

impl Reader {
    /// The calendar of a meter, if it told one.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn calendar(&self, meter: &str) -> Result<Option<String>, StoreError> {
        self.gateway_value(&key(meter))
    }
}
