-- Whether the rows of a version are in no files, but computed when they are asked for: `row_count` and
-- `size_bytes` are 0 then.
ALTER TABLE versions ADD COLUMN live INTEGER NOT NULL DEFAULT 0 CHECK (live IN (0, 1));

-- The live versions whose rows are in files as well, once somebody needed files: `list_id` names them.
CREATE TABLE materialised (
    dataset_id  INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    list_id     BLOB    NOT NULL REFERENCES objects (id),
    entry_count INTEGER NOT NULL CHECK (entry_count >= 0),
    row_count   INTEGER NOT NULL CHECK (row_count >= 0),
    size_bytes  INTEGER NOT NULL CHECK (size_bytes >= 0),
    seq         INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (dataset_id, number),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
) STRICT, WITHOUT ROWID;
