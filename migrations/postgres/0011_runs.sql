-- Runs: programs outside of the lake that make versions of versions.

-- Runs that were committed, by the event that says so; all else of them is in that event and in the
-- object it names.
CREATE TABLE committed_runs (
    seq BIGINT NOT NULL PRIMARY KEY REFERENCES events (seq),
    run TEXT   NOT NULL UNIQUE
);

-- Runs that were begun. No event speaks of these rows and no rebuild brings them back: whoever loses
-- them begins again. A run that is not heard of for so long is abandoned.
CREATE TABLE runs (
    id                TEXT    NOT NULL PRIMARY KEY,
    principal         TEXT    NOT NULL,
    idempotency_key   TEXT,
    request           TEXT    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('running', 'aborted', 'committed')),
    outcome           TEXT,
    patience_micros   BIGINT  NOT NULL CHECK (patience_micros > 0),
    created_at_micros BIGINT  NOT NULL,
    heard_at_micros   BIGINT  NOT NULL,
    UNIQUE (principal, idempotency_key)
);
CREATE INDEX runs_by_principal ON runs (principal, created_at_micros);
CREATE INDEX runs_by_age ON runs (heard_at_micros);
