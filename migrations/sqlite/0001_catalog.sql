-- The record: events, and the tables that are projections of them.
--
-- Rows are inserted, never updated, except in `meta` and `heads`. Digests are their 32 bytes,
-- times are microseconds since 1970 UTC. The same table, column for column, is in
-- ../postgres; queries use only what both understand.

-- "Lake": so that another program's database is not taken for a catalog.
PRAGMA application_id = 0x4c616b65;

-- One row: which lake this is, the last commit, and how far the journal has come.
CREATE TABLE meta (
    id             INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    lake           TEXT    NOT NULL,
    last_seq       INTEGER NOT NULL CHECK (last_seq >= 0),
    last_at_micros INTEGER NOT NULL,
    journaled_seq  INTEGER NOT NULL CHECK (journaled_seq >= 0 AND journaled_seq <= last_seq),
    segment        INTEGER NOT NULL CHECK (segment >= 0),
    segment_digest BLOB
) STRICT;

-- `part` counts the events of one commit that carry the same key: 0, 1, 2 …
CREATE TABLE events (
    seq             INTEGER NOT NULL PRIMARY KEY CHECK (seq >= 1),
    at_micros       INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    idempotency_key TEXT,
    part            INTEGER NOT NULL CHECK (part >= 0),
    type            TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    UNIQUE (actor, idempotency_key, part)
) STRICT;
CREATE UNIQUE INDEX events_by_time ON events (at_micros, seq);

-- `id` is the `seq` of the event that created the dataset.
CREATE TABLE datasets (
    id        INTEGER NOT NULL PRIMARY KEY REFERENCES events (seq),
    namespace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('table', 'files')),
    UNIQUE (namespace, name)
) STRICT;

-- Every object that an event named, once; `seq` is the first such event.
CREATE TABLE objects (
    id         BLOB    NOT NULL PRIMARY KEY,
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    tree       BLOB,
    seq        INTEGER NOT NULL REFERENCES events (seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_by_size ON objects (size_bytes, seq);

-- `version_id` is the manifest's object.
CREATE TABLE versions (
    dataset_id        INTEGER NOT NULL REFERENCES datasets (id),
    number            INTEGER NOT NULL CHECK (number >= 1),
    version_id        BLOB    NOT NULL REFERENCES objects (id),
    parent            BLOB,
    content_id        BLOB    NOT NULL,
    ingest_key        BLOB    NOT NULL,
    row_count         INTEGER NOT NULL CHECK (row_count >= 0),
    quarantined_count INTEGER NOT NULL CHECK (quarantined_count >= 0),
    size_bytes        INTEGER NOT NULL CHECK (size_bytes >= 0),
    seq               INTEGER NOT NULL UNIQUE REFERENCES events (seq),
    PRIMARY KEY (dataset_id, number),
    UNIQUE (dataset_id, version_id)
) STRICT, WITHOUT ROWID;

-- Every head a stage ever had, `raw` included: what "as of" reads.
CREATE TABLE head_moves (
    dataset_id INTEGER NOT NULL,
    stage      TEXT    NOT NULL,
    seq        INTEGER NOT NULL REFERENCES events (seq),
    number     INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, stage, seq),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
) STRICT, WITHOUT ROWID;

-- The heads now: what a commit compares and swaps. No reader sees this table.
CREATE TABLE heads (
    dataset_id INTEGER NOT NULL,
    stage      TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    PRIMARY KEY (dataset_id, stage),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
) STRICT, WITHOUT ROWID;
