//! Opening the database and bringing it to the present schema.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;

/// Every migration, oldest first; `PRAGMA user_version` counts those applied. A migration that
/// has been released is never changed.
const MIGRATIONS: [&str; 8] = [
    include_str!("migrations/0001_first_light.sql"),
    include_str!("migrations/0002_indications.sql"),
    include_str!("migrations/0003_load_profile.sql"),
    include_str!("migrations/0004_fields.sql"),
    include_str!("migrations/0005_message_counters.sql"),
    include_str!("migrations/0006_records.sql"),
    include_str!("migrations/0007_relay.sql"),
    include_str!("migrations/0008_supplied.sql"),
];

/// The newest schema.
pub(super) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Opens the database for writing, makes it if it is missing, and migrates it.
///
/// WAL with `synchronous = NORMAL`: a commit survives the death of the process at any instant; a
/// loss of power may cost the commits of the last moments, never the database. Pages are small,
/// since each commit writes every page it touches, and memory cards wear by what is written.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    // Log books and the ledger are written by others: a transaction that begins to read and then
    // wants to write would be turned away without waiting.
    db.set_transaction_behavior(TransactionBehavior::Immediate);
    db.execute_batch(
        "PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 8388608; PRAGMA cache_size = -1024;",
    )?;
    migrate(&mut db)?;
    Ok(db)
}

/// The database in a state folder.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("wattle.db")
}

/// Opens the database for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.execute_batch("PRAGMA cache_size = -1024;")?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = (1u32..).zip(MIGRATIONS);
    if let Some((newest, _)) = known.clone().last().filter(|(newest, _)| version > *newest) {
        return Err(StoreError::TooNew {
            found: version,
            known: newest,
        });
    }
    for (number, sql) in known.filter(|(number, _)| *number > version) {
        let step = db.transaction()?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", number)?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_older_version_is_brought_up_to_date() {
        for version in 0..=MIGRATIONS.len() {
            let number = u32::try_from(version).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("wattle.db");
            let old = Connection::open(&path).unwrap();
            for sql in &MIGRATIONS[..version] {
                old.execute_batch(sql).unwrap();
            }
            old.pragma_update(None, "user_version", number).unwrap();
            drop(old);
            let db = open_writer(&path).unwrap();
            let now: u32 = db
                .query_row("PRAGMA user_version", [], |row| row.get(0))
                .unwrap();
            assert_eq!(now as usize, MIGRATIONS.len());
            db.prepare("SELECT at_us FROM reading").unwrap();
        }
    }

    #[test]
    fn a_database_from_the_future_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wattle.db");
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            open_writer(&path),
            Err(StoreError::TooNew { found: 99, .. })
        ));
    }
}
