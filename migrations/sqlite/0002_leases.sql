-- Who does a piece of background work just now. Outside of the projection: never in the journal,
-- empty after a rebuild. Times are the database's own clock.
CREATE TABLE leases (
    name              TEXT    NOT NULL PRIMARY KEY,
    holder            TEXT    NOT NULL,
    fence             INTEGER NOT NULL,
    expires_at_micros INTEGER NOT NULL
) STRICT;
