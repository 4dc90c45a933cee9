-- Load profiles that meters keep themselves. Columns of a profile that was set up anew make
-- another profile.
CREATE TABLE profile (
    id       INTEGER PRIMARY KEY,
    meter    TEXT NOT NULL,              -- name in the configuration
    obis     TEXT NOT NULL,
    columns  TEXT NOT NULL,              -- JSON: obis, attribute and unit (COSEM code) of each
    period_s INTEGER NOT NULL,
    UNIQUE (meter, obis, columns, period_s)
);

CREATE TABLE profile_row (
    id         INTEGER PRIMARY KEY,      -- in the order of the meter
    profile_id INTEGER NOT NULL REFERENCES profile (id),
    at         BLOB NOT NULL,            -- the meter's date and time as sent, 12 octets
    at_s       INTEGER,                  -- the same in seconds since 1970, where it can be known
    status     INTEGER,                  -- the meter's status word
    "values"   TEXT NOT NULL,            -- JSON: exact decimals as text, null for what is not there
    UNIQUE (profile_id, at, "values")
);
