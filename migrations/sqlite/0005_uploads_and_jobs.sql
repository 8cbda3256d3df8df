-- What is under way: uploads that wait, and jobs.
--
-- No event speaks of these tables and no rebuild brings them back: whoever loses them sends the
-- bytes again, or asks for the work again under the same key. Rows are updated and removed.

-- Bytes on their way into the lake; the bytes themselves are in the store, under the same id.
-- `object` is their digest once all of them are here.
CREATE TABLE uploads (
    id                TEXT    NOT NULL PRIMARY KEY,
    principal         TEXT    NOT NULL,
    name              TEXT,
    length_bytes      INTEGER CHECK (length_bytes >= 0),
    digest            BLOB,
    received_bytes    INTEGER NOT NULL CHECK (received_bytes >= 0),
    object            BLOB,
    touched_at_micros INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_principal ON uploads (principal, object);
CREATE INDEX uploads_by_age ON uploads (touched_at_micros);

-- Long work. `server` runs it, for as long as it holds its lease; none: whoever comes first.
-- `revision` counts the changes.
CREATE TABLE jobs (
    id                TEXT    NOT NULL PRIMARY KEY,
    principal         TEXT    NOT NULL,
    identity          TEXT    NOT NULL,
    idempotency_key   TEXT,
    kind              TEXT    NOT NULL,
    request           TEXT    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    progress          TEXT,
    outcome           TEXT,
    server            TEXT,
    attempt           INTEGER NOT NULL CHECK (attempt >= 0),
    cancel_asked      INTEGER NOT NULL CHECK (cancel_asked IN (0, 1)),
    revision          INTEGER NOT NULL CHECK (revision >= 0),
    created_at_micros INTEGER NOT NULL,
    updated_at_micros INTEGER NOT NULL,
    UNIQUE (principal, idempotency_key)
) STRICT;
CREATE INDEX jobs_by_principal ON jobs (principal, created_at_micros);
CREATE INDEX jobs_by_state ON jobs (state, updated_at_micros);
