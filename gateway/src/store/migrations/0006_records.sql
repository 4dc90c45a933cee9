-- The log books. Each entry carries the hash over itself and the hash of the one before, so that a
-- change, an insertion or a gap shows (store/logbook.rs says how the hash is made).
CREATE TABLE logbook (
    book   TEXT NOT NULL,                -- system, consumer or calibration
    number INTEGER NOT NULL,             -- from 1 in its book, without gaps
    at_us  INTEGER NOT NULL,
    code   TEXT NOT NULL,
    text   TEXT NOT NULL,
    hash   BLOB NOT NULL,                -- SHA-256
    PRIMARY KEY (book, number)
) WITHOUT ROWID;

CREATE TRIGGER logbook_is_not_changed BEFORE UPDATE ON logbook
BEGIN SELECT RAISE(ABORT, 'log books are append-only'); END;

CREATE TRIGGER calibration_is_kept BEFORE DELETE ON logbook WHEN OLD.book = 'calibration'
BEGIN SELECT RAISE(ABORT, 'the calibration log book is kept whole'); END;

-- Who got what: one row for each day, recipient, fields and resolution.
CREATE TABLE disclosure (
    date       TEXT NOT NULL,            -- local, YYYY-MM-DD
    kind       TEXT NOT NULL,            -- utility, mqtt, web or prices
    recipient  TEXT NOT NULL,
    fields     TEXT NOT NULL,
    resolution TEXT NOT NULL,
    first_us   INTEGER NOT NULL,
    last_us    INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (date, kind, recipient, fields, resolution)
) WITHOUT ROWID;

-- What the household has said about a kind of recipient.
CREATE TABLE consent (
    kind    TEXT PRIMARY KEY,
    allowed INTEGER NOT NULL,
    at_us   INTEGER NOT NULL
) WITHOUT ROWID;
