-- The highest message counter of every wireless meter that gave a reading, written with that reading:
-- what counts no higher is a recording of an earlier message.
CREATE TABLE message_counter (
    address  TEXT PRIMARY KEY,          -- the link-layer address, 16 hex digits
    highest  INTEGER NOT NULL
) WITHOUT ROWID;
