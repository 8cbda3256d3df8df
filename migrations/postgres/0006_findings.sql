-- Which contracts were measured on which versions, and where it is written what was found.

CREATE TABLE findings (
    dataset_id BIGINT NOT NULL REFERENCES datasets (id),
    number     BIGINT NOT NULL,
    contract   BYTEA  NOT NULL REFERENCES objects (id),
    engine     BIGINT NOT NULL,
    object_id  BYTEA  NOT NULL REFERENCES objects (id),
    seq        BIGINT NOT NULL REFERENCES events (seq),
    PRIMARY KEY (dataset_id, number, contract, engine),
    FOREIGN KEY (dataset_id, number) REFERENCES versions (dataset_id, number)
);
