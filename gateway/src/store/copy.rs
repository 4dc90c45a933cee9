//! Copies of the database: a backup while it is in use, and what is done to the database before it
//! is opened: putting a backup in its place, and erasing what it holds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use serde_json::{Value, json};

use super::{Readers, StoreError, schema};
use crate::files::{self, For};

const DATABASE: &str = "wattle.db";
/// A database that waits to take the place of the present one.
const STAGED: &str = "restore.db";
/// The database that was there before a backup took its place.
const BEFORE: &str = "wattle.db.before-restore";
/// Asks for erasure at the next start.
const ERASE: &str = "erase-requested";

/// What erasure leaves, for who asks for it.
pub const REMAINS: [&str; 7] = [
    "the configuration and an uploaded tariff",
    "users and their tokens",
    "keys of meters, of Zigbee devices and of the relay, and which meters and devices were taken on",
    "the balance, debts and redeemed codes of the prepayment account",
    "how far the relay to the utility has counted, under digests of its streams' names",
    "what the household allows whom",
    "the system and calibration log books",
];
/// Files that go whole.
const FILES: [&str; 4] = [BEFORE, "appliances.json", "mqtt.json", "grid-events.json"];

/// Everything that was measured or says something about people. What the gateway is, the system
/// and the calibration log book stay. Rows that the head-end did not get are told as given up: it
/// would wait for them for ever.
const ERASURE: &str = "PRAGMA secure_delete = ON; PRAGMA foreign_keys = OFF;
    DELETE FROM reading; DELETE FROM telegram; DELETE FROM raw_telegram; DELETE FROM interval;
    DELETE FROM day; DELETE FROM band_day; DELETE FROM hour; DELETE FROM supplied; DELETE FROM import;
    DELETE FROM finding; DELETE FROM exchange; DELETE FROM indication; DELETE FROM field; DELETE FROM profile_row;
    DELETE FROM profile; DELETE FROM register; DELETE FROM message_counter; DELETE FROM meter;
    DELETE FROM outbox; DELETE FROM relay_shed;
    INSERT INTO relay_shed SELECT id, acked + 1, next_seq - 1 FROM relay_stream WHERE acked + 1 < next_seq;
    DELETE FROM disclosure; DELETE FROM logbook WHERE book = 'consumer';
    PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE);";

impl Readers {
    /// Copies the database, as it is at one instant, to a new file. Nobody is held up by it.
    ///
    /// # Errors
    /// The database cannot be read or the file not be written.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let from = schema::open_reader(&self.0)?;
        let mut to = Connection::open(path)?;
        Backup::new(&from, &mut to)?.run_to_completion(256, Duration::from_millis(2), None)?;
        // One file that can be opened without its write-ahead log.
        to.execute_batch("PRAGMA journal_mode = DELETE;")?;
        Ok(())
    }

    /// The schema of the database.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn schema(&self) -> Result<u32, StoreError> {
        Ok(schema::open_reader(&self.0)?.query_row("PRAGMA user_version", [], |row| row.get(0))?)
    }

    /// How many octets the database has, its write-ahead log included.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
        length(&self.0) + length(&self.0.with_extension("db-wal"))
    }
}

/// Checks a database that came from outside and puts it where the next start finds it.
///
/// # Errors
/// It is damaged, of a newer version, or no database of this software.
pub fn stage_restore(folder: &Path, database: &Path) -> Result<(), StoreError> {
    let db = schema::open_reader(database)?;
    let whole: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Err(StoreError::Content {
            what: "damage",
            text: whole,
        });
    }
    let found: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = schema::newest();
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    db.query_row("SELECT value FROM gateway WHERE key = 'id'", [], |row| {
        row.get::<_, String>(0)
    })?;
    drop(db);
    let staged = folder.join(STAGED);
    std::fs::rename(database, &staged).map_err(|source| StoreError::Folder {
        path: staged,
        source,
    })
}

/// Asks for erasure at the next start.
///
/// # Errors
/// The folder cannot be written.
pub fn stage_erasure(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(ERASE);
    std::fs::write(&path, b"").map_err(|source| StoreError::Folder { path, source })
}

/// Does what was asked for, before the database is opened. True when a backup took its place.
pub(super) fn do_staged(folder: &Path) -> Result<bool, StoreError> {
    let path = folder.join(DATABASE);
    let restored = replace(folder, &path)?;
    let asked = folder.join(ERASE);
    if asked.exists() {
        erase(folder, &path)?;
        std::fs::remove_file(&asked).map_err(|source| StoreError::Folder {
            path: asked,
            source,
        })?;
    }
    Ok(restored)
}

fn replace(folder: &Path, path: &Path) -> Result<bool, StoreError> {
    let staged = folder.join(STAGED);
    if !staged.exists() {
        return Ok(false);
    }
    let failed = |source| StoreError::Folder {
        path: staged.clone(),
        source,
    };
    if path.exists() {
        // A log that belongs to the old file must not be taken for one of the new.
        let old = Connection::open(path)?;
        old.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
        drop(old);
        std::fs::rename(path, folder.join(BEFORE)).map_err(failed)?;
    }
    for ending in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(path.with_extension(ending));
    }
    std::fs::rename(&staged, path).map_err(failed)?;
    Ok(true)
}

fn erase(folder: &Path, path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        // An older schema has fewer tables than are named above.
        let db = schema::open_writer(path)?;
        super::outbox::forget_names(&db)?;
        db.execute_batch(ERASURE)?;
    }
    for name in FILES {
        let file = folder.join(name);
        remove(&files::beside(&file))?;
        remove(&file)?;
    }
    // Keys and who was taken on are not measured.
    strip(&folder.join("radio.json"), "heard", || json!({}), For::All)?;
    // The balance, debts and codes that were taken are money: without them a code could be taken
    // twice. When how much was used goes.
    strip(
        &folder.join("prepay.json"),
        "charges",
        || json!([]),
        For::Owner,
    )?;
    let powerline = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("powerline-"))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    for path in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(powerline)
    {
        remove(&path)?;
    }
    Ok(())
}

/// Empties a member of a JSON file, which is replaced whole or not at all.
fn strip(path: &Path, member: &str, empty: fn() -> Value, readers: For) -> Result<(), StoreError> {
    let failed = |source| StoreError::Folder {
        path: path.to_path_buf(),
        source,
    };
    // What a crash left beside it was never the book.
    remove(&files::beside(path))?;
    let text = match std::fs::read(path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(failed)?,
    };
    let mut book: Value = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
    let Some(present) = book.get_mut(member) else {
        return Ok(());
    };
    *present = empty();
    let book = serde_json::to_vec(&book).map_err(|error| failed(error.into()))?;
    files::replace(path, &book, readers).map_err(failed)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Folder {
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DATABASE);
        let db = schema::open_writer(&path).unwrap();
        db.execute_batch(
            "INSERT INTO gateway VALUES ('id', '0a1b2c');
             INSERT INTO raw_telegram VALUES (1, 'port', x'536563726574');
             INSERT INTO logbook VALUES ('consumer', 1, 1, 'a', 'b', x'00');
             INSERT INTO logbook VALUES ('calibration', 1, 1, 'a', 'b', x'00');",
        )
        .unwrap();
        (folder, path)
    }

    fn count(path: &Path, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        let db = schema::open_reader(path).unwrap();
        db.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_backup_takes_the_place_of_the_database_and_the_old_one_is_kept() {
        let (folder, path) = home();
        let copy = folder.path().join("copy.db");
        Readers(path.clone()).copy_to(&copy).unwrap();
        assert_eq!(Readers(copy.clone()).schema().unwrap(), schema::newest());
        Connection::open(&path)
            .unwrap()
            .execute("DELETE FROM raw_telegram", [])
            .unwrap();
        stage_restore(folder.path(), &copy).unwrap();
        assert!(!copy.exists());
        assert!(do_staged(folder.path()).unwrap());
        assert_eq!(count(&path, "raw_telegram"), 1);
        assert_eq!(count(&folder.path().join(BEFORE), "raw_telegram"), 0);
        assert!(!do_staged(folder.path()).unwrap(), "once");
    }

    #[test]
    fn what_is_no_database_of_ours_is_not_staged() {
        let (folder, _) = home();
        let other = folder.path().join("other");
        std::fs::write(&other, b"no database at all, but long enough to look at").unwrap();
        assert!(stage_restore(folder.path(), &other).is_err());
        let empty = folder.path().join("empty.db");
        Connection::open(&empty)
            .unwrap()
            .execute_batch("CREATE TABLE a (b); PRAGMA user_version = 999;")
            .unwrap();
        assert!(matches!(
            stage_restore(folder.path(), &empty),
            Err(StoreError::TooNew { found: 999, .. })
        ));
    }

    #[test]
    fn erasure_leaves_no_octet_of_a_telegram_and_keeps_the_calibration_book() {
        let (folder, path) = home();
        std::fs::write(folder.path().join("appliances.json"), b"{}").unwrap();
        stage_erasure(folder.path()).unwrap();
        do_staged(folder.path()).unwrap();
        assert_eq!(count(&path, "raw_telegram"), 0);
        assert_eq!(count(&path, "logbook"), 1);
        assert_eq!(count(&path, "gateway"), 1);
        assert!(!folder.path().join("appliances.json").exists());
        let octets = std::fs::read(&path).unwrap();
        assert!(!octets.windows(6).any(|window| window == b"Secret"));
    }

    #[test]
    fn erasure_takes_telegrams_and_use_out_of_the_books_and_leaves_keys_and_money() {
        let (folder, _) = home();
        let file = |name: &str| folder.path().join(name);
        let radio = json!({
            "version": 1, "keys": {"12345678": "00ff"}, "adopted": {}, "formats": [],
            "heard": {"12345678": [{"telegram": "536563726574"}]},
        });
        let prepay = json!({
            "version": 1, "account": {"balance": "12.50", "codes": ["1"]}, "waiting": [],
            "until": "2026-11-22T10:00:00Z", "charges": [{"amount": "0.07"}],
        });
        std::fs::write(file("radio.json"), radio.to_string()).unwrap();
        std::fs::write(file("prepay.json"), prepay.to_string()).unwrap();
        std::fs::write(file("prepay.json.new"), prepay.to_string()).unwrap();
        stage_erasure(folder.path()).unwrap();
        do_staged(folder.path()).unwrap();
        let read = |name: &str| -> Value {
            serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap()
        };
        let (mut radio, mut prepay) = (radio, prepay);
        radio["heard"] = json!({});
        prepay["charges"] = json!([]);
        assert_eq!(read("radio.json"), radio);
        assert_eq!(read("prepay.json"), prepay);
        assert!(!file("prepay.json.new").exists());
    }

    #[test]
    fn a_book_that_cannot_be_read_is_named_and_stays() {
        let (folder, _) = home();
        let file = folder.path().join("prepay.json");
        std::fs::write(&file, b"{").unwrap();
        stage_erasure(folder.path()).unwrap();
        let error = do_staged(folder.path()).unwrap_err();
        assert!(error.to_string().contains("prepay.json"), "{error}");
        assert!(file.exists());
    }
}
