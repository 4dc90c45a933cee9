-- Quarter-hours that were not read here: estimated where readings were missed, or brought by an import.
-- What was metered stays in `interval`, untouched.
CREATE TABLE supplied (
    register_id INTEGER NOT NULL,
    start_s     INTEGER NOT NULL,
    opening     TEXT NOT NULL,           -- of an import 0: it brings amounts, no counter
    closing     TEXT NOT NULL,
    quality     TEXT NOT NULL,
    method      TEXT NOT NULL,
    import_id   INTEGER REFERENCES import (id), -- NULL: estimated
    PRIMARY KEY (register_id, start_s)
) WITHOUT ROWID;

-- Where imported quarter-hours come from.
CREATE TABLE import (
    id     INTEGER PRIMARY KEY,
    at_us  INTEGER NOT NULL,
    source TEXT NOT NULL,                -- name of the file
    form   TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE
);

-- What the rules of validation found.
CREATE TABLE finding (
    register_id INTEGER NOT NULL,
    from_s      INTEGER NOT NULL,
    rule        TEXT NOT NULL,
    to_s        INTEGER NOT NULL,
    severity    TEXT NOT NULL,
    count       INTEGER NOT NULL,
    detail      TEXT NOT NULL,
    PRIMARY KEY (register_id, from_s, rule)
) WITHOUT ROWID;

-- A meter took the place of another: both had the same name.
CREATE TABLE exchange (
    name   TEXT NOT NULL,
    at_us  INTEGER NOT NULL,             -- first telegram of the new one
    before TEXT NOT NULL,                -- serial number
    after  TEXT NOT NULL,
    PRIMARY KEY (name, at_us, before)
) WITHOUT ROWID;

-- A closed local day of an energy register by the bands of the tariff that held then.
CREATE TABLE band_day (
    register_id INTEGER NOT NULL,
    date        TEXT NOT NULL,
    band        TEXT NOT NULL,           -- empty: the tariff has no bands, or none was known
    amount      TEXT NOT NULL,
    cost        TEXT,                    -- energy with its taxes; NULL: something had no price
    currency    TEXT,
    quarters    INTEGER NOT NULL,
    measured    INTEGER NOT NULL,
    PRIMARY KEY (register_id, date, band)
) WITHOUT ROWID;

-- Hours in the place of quarter-hours that are no longer kept.
CREATE TABLE hour (
    register_id INTEGER NOT NULL,
    start_s     INTEGER NOT NULL,
    amount      TEXT NOT NULL,
    quarters    INTEGER NOT NULL,
    measured    INTEGER NOT NULL,
    PRIMARY KEY (register_id, start_s)
) WITHOUT ROWID;
