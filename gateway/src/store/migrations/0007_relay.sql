-- The relay to the utility's head-end. A stream is a use case of a register of a meter.
CREATE TABLE relay_stream (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,       -- use case/serial number/OBIS code
    taf      INTEGER NOT NULL,           -- 0: no readings
    next_seq INTEGER NOT NULL DEFAULT 1,
    acked    INTEGER NOT NULL DEFAULT 0  -- the head-end has every row up to this
);

-- Rows that the head-end does not have yet.
CREATE TABLE outbox (
    stream_id  INTEGER NOT NULL REFERENCES relay_stream (id),
    seq        INTEGER NOT NULL,
    at_s       INTEGER NOT NULL,         -- the instant it stands for
    unit       INTEGER NOT NULL,         -- COSEM code; 255: a text
    value      TEXT NOT NULL,
    status     INTEGER NOT NULL,
    captured_s INTEGER NOT NULL,         -- from at_s to its capture, where that matters
    PRIMARY KEY (stream_id, seq)
) WITHOUT ROWID;

-- Numbers that were given up when the disk's share was full.
CREATE TABLE relay_shed (
    stream_id INTEGER NOT NULL REFERENCES relay_stream (id),
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    PRIMARY KEY (stream_id, first)
) WITHOUT ROWID;
