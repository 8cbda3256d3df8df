-- Which versions a version was computed from, to walk both ways; and what people said they count on.

CREATE TABLE version_inputs (
    dataset_id   INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    input_id     INTEGER NOT NULL,
    input_number INTEGER NOT NULL,
    seq          INTEGER NOT NULL REFERENCES events (seq),
    PRIMARY KEY (dataset_id, number, input_id, input_number),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number),
    FOREIGN KEY (input_id, input_number) REFERENCES versions (dataset_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_inputs_by_input ON version_inputs (input_id, input_number, dataset_id, number);

-- The newest of an actor's name is the one that holds; `inputs` is JSON, and absent once it was removed.
CREATE TABLE locks (
    seq    INTEGER NOT NULL PRIMARY KEY REFERENCES events (seq),
    actor  TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    inputs TEXT
) STRICT;
CREATE INDEX locks_by_name ON locks (actor, name, seq);
