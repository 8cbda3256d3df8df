-- Which datasets any version of a dataset was computed from: whoever may not see all of those may not
-- see all of it. `seq` is the first event that says so.

CREATE TABLE derivations (
    dataset_id BIGINT NOT NULL REFERENCES datasets (id),
    input_id   BIGINT NOT NULL REFERENCES datasets (id),
    seq        BIGINT NOT NULL REFERENCES events (seq),
    PRIMARY KEY (dataset_id, input_id)
);
