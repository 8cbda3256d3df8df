-- Which contracts were measured on which versions, and where it is written what was found.

CREATE TABLE findings (
    dataset_id INTEGER NOT NULL REFERENCES datasets (id),
    number     INTEGER NOT NULL,
    contract   BLOB    NOT NULL REFERENCES objects (id),
    engine     INTEGER NOT NULL,
    object_id  BLOB    NOT NULL REFERENCES objects (id),
    seq        INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (dataset_id, number, contract, engine),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
) STRICT, WITHOUT ROWID;
