-- Who read what: records of reads, in the order they were written, each written once.
--
-- They are kept apart from events and take no `seq` of theirs.

CREATE TABLE reads (
    number    BIGINT NOT NULL PRIMARY KEY CHECK (number > 0),
    at_micros BIGINT NOT NULL,
    read      TEXT   NOT NULL,
    part      BIGINT NOT NULL CHECK (part IN (0, 1)),
    principal TEXT   NOT NULL,
    body      TEXT   NOT NULL,
    UNIQUE (read, part)
);

-- One row: the last record, and how far they are in segments of the object store.
CREATE TABLE read_log (
    id               BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    last_number      BIGINT NOT NULL CHECK (last_number >= 0),
    segmented_number BIGINT NOT NULL CHECK (segmented_number BETWEEN 0 AND last_number),
    segment          BIGINT NOT NULL CHECK (segment >= 0),
    segment_digest   BYTEA
);
INSERT INTO read_log (id, last_number, segmented_number, segment, segment_digest)
VALUES (1, 0, 0, 0, NULL);
