-- What people said of promotions, and of the end of datasets. What a head came to be by is in its event.

-- `gate` is there where a gate was waived.
CREATE TABLE reviews (
    seq        BIGINT NOT NULL PRIMARY KEY REFERENCES events (seq),
    dataset_id BIGINT NOT NULL REFERENCES datasets (id),
    number     BIGINT NOT NULL,
    stage      TEXT   NOT NULL,
    verdict    TEXT   NOT NULL CHECK (verdict IN ('approved', 'rejected', 'waived')),
    gate       TEXT   CHECK ((gate IS NULL) = (verdict <> 'waived')),
    evidence   BYTEA  NOT NULL,
    reason     TEXT,
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
);
CREATE INDEX reviews_by_version ON reviews (dataset_id, number, stage, seq);

-- The newest is the one that holds.
CREATE TABLE notices (
    seq              BIGINT NOT NULL PRIMARY KEY REFERENCES events (seq),
    dataset_id       BIGINT NOT NULL REFERENCES datasets (id),
    state            TEXT   NOT NULL CHECK (state IN ('deprecated', 'retired')),
    sunset_at_micros BIGINT CHECK ((sunset_at_micros IS NULL) = (state = 'retired')),
    successor        TEXT
);
CREATE INDEX notices_by_dataset ON notices (dataset_id, seq);

-- Which stages a version came to.
CREATE INDEX head_moves_by_version ON head_moves (dataset_id, number, stage, seq);
