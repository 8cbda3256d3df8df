-- What pipelines elsewhere told (OpenLineage): each event once, by its bytes.
CREATE TABLE lineage_events (
    seq       INTEGER PRIMARY KEY REFERENCES events (seq),
    object_id BLOB NOT NULL UNIQUE REFERENCES objects (id),
    run_id    TEXT
) STRICT;
CREATE INDEX lineage_events_by_run ON lineage_events (run_id, seq);

-- The datasets at the ends of its edges, as they were told.
CREATE TABLE lineage_names (
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    seq       INTEGER NOT NULL REFERENCES lineage_events (seq),
    PRIMARY KEY (namespace, name, seq)
) STRICT, WITHOUT ROWID;

-- The datasets of this lake that it names anywhere, whether they exist or not.
CREATE TABLE lineage_datasets (
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    seq       INTEGER NOT NULL REFERENCES lineage_events (seq),
    PRIMARY KEY (namespace, name, seq)
) STRICT, WITHOUT ROWID;

-- How far this lake's own events were told, and to whom. No part of the record: after a rebuild
-- everything is told again, as the same runs.
CREATE TABLE lineage_told (
    sink TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
