-- The record: events, and the tables that are projections of them.
--
-- Rows are inserted, never updated, except in `meta` and `heads`. Digests are their 32 bytes,
-- times are microseconds since 1970 UTC. The same table, column for column, is in
-- ../sqlite; queries use only what both understand.
-- Names sort by byte, as they do there.

-- One row: which lake this is, the last commit, and how far the journal has come.
CREATE TABLE meta (
    id             BIGINT  NOT NULL PRIMARY KEY CHECK (id = 1),
    lake           TEXT    NOT NULL,
    last_seq       BIGINT  NOT NULL CHECK (last_seq >= 0),
    last_at_micros BIGINT  NOT NULL,
    journaled_seq  BIGINT  NOT NULL CHECK (journaled_seq >= 0 AND journaled_seq <= last_seq),
    segment        BIGINT  NOT NULL CHECK (segment >= 0),
    segment_digest BYTEA
);

-- `part` counts the events of one commit that carry the same key: 0, 1, 2 …
CREATE TABLE events (
    seq             BIGINT  NOT NULL PRIMARY KEY CHECK (seq >= 1),
    at_micros       BIGINT  NOT NULL,
    actor           TEXT    NOT NULL,
    idempotency_key TEXT,
    part            BIGINT  NOT NULL CHECK (part >= 0),
    type            TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    UNIQUE (actor, idempotency_key, part)
);
CREATE UNIQUE INDEX events_by_time ON events (at_micros, seq);

-- `id` is the `seq` of the event that created the dataset.
CREATE TABLE datasets (
    id        BIGINT  NOT NULL PRIMARY KEY REFERENCES events (seq),
    namespace TEXT    COLLATE "C" NOT NULL,
    name      TEXT    COLLATE "C" NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('table', 'files')),
    UNIQUE (namespace, name)
);

-- Every object that an event named, once; `seq` is the first such event.
CREATE TABLE objects (
    id         BYTEA   NOT NULL PRIMARY KEY,
    size_bytes BIGINT  NOT NULL CHECK (size_bytes >= 0),
    tree       BYTEA,
    seq        BIGINT  NOT NULL REFERENCES events (seq)
);
CREATE INDEX objects_by_size ON objects (size_bytes, seq);

-- `version_id` is the manifest's object.
CREATE TABLE versions (
    dataset_id        BIGINT  NOT NULL REFERENCES datasets (id),
    number            BIGINT  NOT NULL CHECK (number >= 1),
    version_id        BYTEA   NOT NULL REFERENCES objects (id),
    parent            BYTEA,
    content_id        BYTEA   NOT NULL,
    ingest_key        BYTEA   NOT NULL,
    row_count         BIGINT  NOT NULL CHECK (row_count >= 0),
    quarantined_count BIGINT  NOT NULL CHECK (quarantined_count >= 0),
    size_bytes        BIGINT  NOT NULL CHECK (size_bytes >= 0),
    seq               BIGINT  NOT NULL UNIQUE REFERENCES events (seq),
    PRIMARY KEY (dataset_id, number),
    UNIQUE (dataset_id, version_id)
);

-- Every head a stage ever had, `raw` included: what "as of" reads.
CREATE TABLE head_moves (
    dataset_id BIGINT  NOT NULL,
    stage      TEXT    COLLATE "C" NOT NULL,
    seq        BIGINT  NOT NULL REFERENCES events (seq),
    number     BIGINT  NOT NULL,
    PRIMARY KEY (dataset_id, stage, seq),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
);

-- The heads now: what a commit compares and swaps. No reader sees this table.
CREATE TABLE heads (
    dataset_id BIGINT  NOT NULL,
    stage      TEXT    COLLATE "C" NOT NULL,
    number     BIGINT  NOT NULL,
    PRIMARY KEY (dataset_id, stage),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
);
