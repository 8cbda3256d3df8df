-- API tokens: made by an event, revoked by another, never updated. The secret is not here.

-- `scope` is the event's JSON; `first_admin` is 0 or 1.
CREATE TABLE tokens (
    id                TEXT    NOT NULL PRIMARY KEY,
    principal         TEXT    NOT NULL,
    label             TEXT,
    hash              TEXT    NOT NULL,
    expires_at_micros BIGINT NOT NULL,
    scope             TEXT,
    made_with         TEXT    REFERENCES tokens (id),
    first_admin       BIGINT NOT NULL CHECK (first_admin IN (0, 1)),
    seq               BIGINT NOT NULL REFERENCES events (seq)
);
CREATE INDEX tokens_by_principal ON tokens (principal, seq);
CREATE INDEX tokens_by_maker ON tokens (made_with);

CREATE TABLE token_revocations (
    token TEXT NOT NULL PRIMARY KEY REFERENCES tokens (id),
    seq   BIGINT NOT NULL REFERENCES events (seq)
);
