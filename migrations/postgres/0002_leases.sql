-- Who does a piece of background work just now. Outside of the projection: never in the journal,
-- empty after a rebuild. Times are the database's own clock.
-- Unlogged: a lease costs no write to disk, and a crash of the database ends all of them. A fence
-- grows nevertheless, because it starts from the time.
CREATE UNLOGGED TABLE leases (
    name              TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    holder            TEXT    NOT NULL,
    fence             BIGINT  NOT NULL,
    expires_at_micros BIGINT  NOT NULL
);
