-- What meters tell beside numbers: the tariff in force, states, power failures. A row per change.
CREATE TABLE indication (
    meter_id INTEGER NOT NULL REFERENCES meter (id),
    at_us    INTEGER NOT NULL,           -- its telegram
    body     TEXT NOT NULL,              -- JSON
    PRIMARY KEY (meter_id, at_us)
) WITHOUT ROWID;
