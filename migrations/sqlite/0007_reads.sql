-- Who read what: records of reads, in the order they were written, each written once.
--
-- They are kept apart from events and take no `seq` of theirs. In SQLite they lie in a database file
-- of their own, so that reading never waits for whoever commits.

CREATE TABLE reads (
    number    INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    at_micros INTEGER NOT NULL,
    read      TEXT    NOT NULL,
    part      INTEGER NOT NULL CHECK (part IN (0, 1)),
    principal TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    UNIQUE (read, part)
) STRICT;

-- One row: the last record, and how far they are in segments of the object store.
CREATE TABLE read_log (
    id               INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last_number      INTEGER NOT NULL CHECK (last_number >= 0),
    segmented_number INTEGER NOT NULL CHECK (segmented_number BETWEEN 0 AND last_number),
    segment          INTEGER NOT NULL CHECK (segment >= 0),
    segment_digest   BLOB
) STRICT;
INSERT INTO read_log (id, last_number, segmented_number, segment, segment_digest)
VALUES (1, 0, 0, 0, NULL);
