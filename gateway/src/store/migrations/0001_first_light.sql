-- Times are UTC: `at_us` in microseconds since 1970, `start_s` in seconds since 1970.
-- Values are exact decimals as text. Checks and qualities are the names that the API uses.

CREATE TABLE gateway (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE meter (
    id           INTEGER PRIMARY KEY,
    serial       TEXT NOT NULL UNIQUE,
    name         TEXT UNIQUE,            -- in the configuration; the newest meter of a name has it
    manufacturer TEXT
);

CREATE TABLE register (
    id       INTEGER PRIMARY KEY,
    meter_id INTEGER NOT NULL REFERENCES meter (id),
    obis     TEXT NOT NULL,
    unit     INTEGER NOT NULL,           -- COSEM code
    UNIQUE (meter_id, obis, unit)
);

-- One row per good message. The time of receipt is the key: rows are appended at the right end
-- of the tree, so that a commit touches few pages.
CREATE TABLE telegram (
    at_us       INTEGER PRIMARY KEY,
    meter_id    INTEGER NOT NULL REFERENCES meter (id),
    check_kind  TEXT NOT NULL,
    captured_at TEXT                     -- the meter's clock
);

CREATE TABLE reading (
    at_us       INTEGER NOT NULL,        -- its telegram
    seq         INTEGER NOT NULL,        -- its place in it
    register_id INTEGER NOT NULL,
    value       TEXT NOT NULL,
    quality     TEXT NOT NULL,
    status      INTEGER,                 -- the meter's status word, its 64 bits
    PRIMARY KEY (at_us, seq)
) WITHOUT ROWID;

-- A closed quarter-hour of a cumulative register; the amount is closing - opening. Written once.
CREATE TABLE interval (
    register_id INTEGER NOT NULL,
    start_s     INTEGER NOT NULL,
    opening     TEXT NOT NULL,
    opening_us  INTEGER NOT NULL,        -- when the opening value was received
    closing     TEXT NOT NULL,
    closing_us  INTEGER NOT NULL,
    complete    INTEGER NOT NULL,        -- 1: both were received close to the ends
    PRIMARY KEY (register_id, start_s)
) WITHOUT ROWID;

-- A closed local day of a cumulative register. Written once.
CREATE TABLE day (
    register_id   INTEGER NOT NULL,
    date          TEXT NOT NULL,         -- local, YYYY-MM-DD
    opening       TEXT NOT NULL,
    closing       TEXT NOT NULL,
    quarter_hours INTEGER NOT NULL,      -- 92, 96 or 100
    measured      INTEGER NOT NULL,      -- how many of them are complete
    PRIMARY KEY (register_id, date)
) WITHOUT ROWID;

-- The ring of raw telegrams, for service.
CREATE TABLE raw_telegram (
    at_us    INTEGER PRIMARY KEY,
    port     TEXT NOT NULL,
    bytes    BLOB NOT NULL
);
