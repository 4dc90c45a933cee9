//! The log books: what happened to the gateway (system), to the household's data (consumer) and to
//! what a bill rests on (calibration).
//!
//! Entries are chained: the hash of an entry is SHA-256 over the hash of the entry before (32 zero
//! octets for the first), the book's name, the number and the time in microseconds since 1970
//! (each 8 octets, big-endian), and the code and the text, every text behind its length in octets
//! (4 octets, big-endian). So whoever has written down the last hash can tell later whether
//! anything before it was changed. The oldest entries of the system and the consumer book make
//! room; the calibration book is kept whole.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use wattle_api::{LogBook, LogCheck, LogEntry};

use super::{StoreError, schema};
use crate::hex;

/// Entries that the system and the consumer book keep.
const KEPT: u64 = 20_000;
/// Longest text of an entry, in characters.
const LONGEST: usize = 400;

/// The way to the log books. Clones are the same books.
#[derive(Clone, Debug)]
pub struct Logbooks(pub(super) PathBuf);

impl Logbooks {
    /// Adds an entry and returns it. `code` is for scripts, `text` a sentence for people.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn append(
        &self,
        book: LogBook,
        at: Timestamp,
        code: &str,
        text: &str,
    ) -> Result<LogEntry, StoreError> {
        let mut db = Connection::open(&self.0)?;
        db.busy_timeout(Duration::from_secs(10))?;
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let last = step
            .query_row(
                "SELECT number, hash FROM logbook WHERE book = ?1 ORDER BY number DESC LIMIT 1",
                params![book.name()],
                |row| {
                    Ok((
                        row.get::<_, i64>(0)?.cast_unsigned(),
                        row.get::<_, Vec<u8>>(1)?,
                    ))
                },
            )
            .optional()?;
        let (number, before) = last.map_or_else(
            || (1, vec![0; 32]),
            |(number, hash)| (number.saturating_add(1), hash),
        );
        let text: String = text
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .take(LONGEST)
            .collect();
        let at_us = at.as_microsecond();
        let hash = link(&before, book, number, at_us, code, &text);
        step.execute(
            "INSERT INTO logbook VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![book.name(), number.cast_signed(), at_us, code, text, hash],
        )?;
        if book != LogBook::Calibration && number > KEPT {
            step.execute(
                "DELETE FROM logbook WHERE book = ?1 AND number <= ?2",
                params![book.name(), (number - KEPT).cast_signed()],
            )?;
        }
        step.commit()?;
        entry(book, number, at_us, code.to_owned(), text, &hash)
    }

    /// The newest entries of a book before the entry `before`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn entries(
        &self,
        book: LogBook,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let db = schema::open_reader(&self.0)?;
        let before = before.and_then(|number| i64::try_from(number).ok());
        let before = before.unwrap_or(i64::MAX);
        let mut select = db.prepare(
            "SELECT number, at_us, code, text, hash FROM logbook
             WHERE book = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
        )?;
        let rows = select.query_map(params![book.name(), before, limit], row)?;
        rows.map(|row| {
            let (number, at_us, code, text, hash) = row?;
            entry(book, number, at_us, code, text, &hash)
        })
        .collect()
    }

    /// Walks the chain of a book from its oldest entry.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn check(&self, book: LogBook) -> Result<LogCheck, StoreError> {
        let db = schema::open_reader(&self.0)?;
        let mut select = db.prepare(
            "SELECT number, at_us, code, text, hash FROM logbook WHERE book = ?1 ORDER BY number",
        )?;
        let mut rows = select.query_map(params![book.name()], row)?;
        let mut check = LogCheck {
            book,
            entries: 0,
            last_hash: None,
            broken_at: None,
        };
        // What was before the oldest entry that is kept is not known any more.
        let mut before: Option<(u64, Vec<u8>)> = None;
        while let Some(next) = rows.next().transpose()? {
            let (number, at_us, code, text, hash) = next;
            let holds = match &before {
                None if number > 1 => book != LogBook::Calibration,
                None => hash == link(&[0; 32], book, number, at_us, &code, &text),
                Some((last, last_hash)) => {
                    number == last.saturating_add(1)
                        && hash == link(last_hash, book, number, at_us, &code, &text)
                }
            };
            if !holds && check.broken_at.is_none() {
                check.broken_at = Some(number);
            }
            check.entries += 1;
            check.last_hash = Some(hex::encode(&hash));
            before = Some((number, hash));
        }
        Ok(check)
    }
}

type Row = (u64, i64, String, String, Vec<u8>);

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((
        row.get::<_, i64>(0)?.cast_unsigned(),
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

fn entry(
    book: LogBook,
    number: u64,
    at_us: i64,
    code: String,
    text: String,
    hash: &[u8],
) -> Result<LogEntry, StoreError> {
    let at = Timestamp::from_microsecond(at_us).map_err(|_| StoreError::Content {
        what: "instant",
        text: at_us.to_string(),
    })?;
    Ok(LogEntry {
        book,
        number,
        at,
        code,
        text,
        hash: hex::encode(hash),
    })
}

fn link(before: &[u8], book: LogBook, number: u64, at_us: i64, code: &str, text: &str) -> Vec<u8> {
    let length = |part: &str| u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(length(book.name()));
    hash.update(book.name());
    hash.update(number.to_be_bytes());
    hash.update(at_us.to_be_bytes());
    for part in [code, text] {
        hash.update(length(part));
        hash.update(part);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> (tempfile::TempDir, Logbooks) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wattle.db");
        drop(schema::open_writer(&path).unwrap());
        (folder, Logbooks(path))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_first_hash_is_the_one_that_the_text_above_describes() {
        // Made with Python: sha256(bytes(32) + len4(book) + book + (1).to_bytes(8, 'big') +
        // (1000000).to_bytes(8, 'big') + len4('start') + b'start' + len4('It began.') + b'It began.')
        let (_folder, books) = books();
        let entry = books
            .append(LogBook::System, at(1), "start", "It began.")
            .unwrap();
        assert_eq!(entry.hash, FIRST);
    }
    const FIRST: &str = "e4830bcb35040242ca28e92912ffa8d0560704484d74dc6845e59ea57d845f44";

    #[test]
    fn books_are_counted_and_chained_apart() {
        let (_folder, books) = books();
        for second in 1..=3 {
            books
                .append(LogBook::System, at(second), "a", "b\nc")
                .unwrap();
        }
        books
            .append(LogBook::Calibration, at(9), "clock_set", "by 3 s")
            .unwrap();
        let newest = books.entries(LogBook::System, None, 2).unwrap();
        assert_eq!(
            newest.iter().map(|e| e.number).collect::<Vec<_>>(),
            [3, 2],
            "the newest first"
        );
        assert_eq!(newest[0].text, "b c", "one line");
        let older = books.entries(LogBook::System, Some(2), 10).unwrap();
        assert_eq!(older.len(), 1);
        let check = books.check(LogBook::System).unwrap();
        assert_eq!((check.entries, check.broken_at), (3, None));
        assert_eq!(check.last_hash.as_deref(), Some(newest[0].hash.as_str()));
        assert_eq!(books.check(LogBook::Calibration).unwrap().entries, 1);
        assert_eq!(books.check(LogBook::Consumer).unwrap().entries, 0);
    }

    #[test]
    fn entries_can_neither_be_changed_nor_the_calibration_book_cut() {
        let (_folder, books) = books();
        books.append(LogBook::Calibration, at(1), "a", "b").unwrap();
        let db = Connection::open(&books.0).unwrap();
        assert!(db.execute("UPDATE logbook SET text = 'x'", []).is_err());
        assert!(db.execute("DELETE FROM logbook", []).is_err());
    }

    #[test]
    fn whoever_goes_round_the_triggers_is_found_out() {
        let (_folder, books) = books();
        for second in 1..=4 {
            books
                .append(LogBook::Calibration, at(second), "a", "b")
                .unwrap();
        }
        let db = Connection::open(&books.0).unwrap();
        db.execute_batch("DROP TRIGGER logbook_is_not_changed; DROP TRIGGER calibration_is_kept;")
            .unwrap();
        db.execute("UPDATE logbook SET text = 'x' WHERE number = 3", [])
            .unwrap();
        let check = |number| {
            assert_eq!(
                books.check(LogBook::Calibration).unwrap().broken_at,
                Some(number)
            );
        };
        check(3);
        db.execute("UPDATE logbook SET text = 'b' WHERE number = 3", [])
            .unwrap();
        db.execute("DELETE FROM logbook WHERE number = 2", [])
            .unwrap();
        check(3);
        db.execute("DELETE FROM logbook WHERE number = 1", [])
            .unwrap();
        check(3);
    }

    #[test]
    fn the_system_book_makes_room_and_stays_whole() {
        let (_folder, books) = books();
        let mut db = Connection::open(&books.0).unwrap();
        let step = db.transaction().unwrap();
        let mut hash = vec![0; 32];
        for number in 1..=KEPT {
            hash = link(&hash, LogBook::System, number, 0, "a", "b");
            step.execute(
                "INSERT INTO logbook VALUES ('system', ?1, 0, 'a', 'b', ?2)",
                params![number.cast_signed(), hash],
            )
            .unwrap();
        }
        step.commit().unwrap();
        books.append(LogBook::System, at(1), "a", "b").unwrap();
        let check = books.check(LogBook::System).unwrap();
        assert_eq!((check.entries, check.broken_at), (KEPT, None));
    }
}
