-- What meters tell by name: the last of every field, each with the telegram that told it.
CREATE TABLE field (
    meter_id  INTEGER NOT NULL REFERENCES meter (id),
    place     INTEGER NOT NULL,          -- its place in the telegram
    name      TEXT NOT NULL,
    value     TEXT,                      -- NULL: the meter says that it has none
    is_number INTEGER NOT NULL,
    is_index  INTEGER NOT NULL,          -- 1: a total that only rises
    at_us     INTEGER NOT NULL,
    PRIMARY KEY (meter_id, name)
) WITHOUT ROWID;
