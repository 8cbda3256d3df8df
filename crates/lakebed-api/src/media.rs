//! Names on the wire: media types and header fields.

/// The default: one JSON document.
pub const JSON: &str = "application/json";
/// One JSON value a line.
pub const NDJSON: &str = "application/x-ndjson";
/// RFC 4180, with a header line.
pub const CSV: &str = "text/csv";
/// An Arrow IPC stream.
pub const ARROW: &str = "application/vnd.apache.arrow.stream";
/// A Parquet file.
pub const PARQUET: &str = "application/vnd.apache.parquet";
/// Every error: RFC 9457.
pub const PROBLEM: &str = "application/problem+json";
/// An object's bytes.
pub const BYTES: &str = "application/octet-stream";
/// A part of an upload, as the IETF's resumable uploads have it.
pub const PARTIAL_UPLOAD: &str = "application/partial-upload";
/// Server-sent events.
pub const EVENTS: &str = "text/event-stream";
/// A bare SQL statement.
pub const TEXT: &str = "text/plain";

/// Names one request through all tiers; the caller may choose it, the answer repeats it.
pub const REQUEST_ID: &str = "x-request-id";
/// The same key from the same actor is the same change.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Names one statement, in answers to `/v1/sql` and in the logs.
pub const STATEMENT_ID: &str = "lakebed-statement-id";
/// Which versions a statement read: see [`crate::encode_resolved`].
pub const RESOLVED: &str = "lakebed-resolved";
/// The snapshot a statement read: see [`crate::format_snapshot`].
pub const SNAPSHOT: &str = "lakebed-snapshot";
/// The number of the product's version that was read.
pub const VERSION: &str = "lakebed-version";
/// As of when a product's data is: RFC 3339.
pub const AS_OF: &str = "lakebed-as-of";
/// Whether that is stale: `true` or `false`.
pub const STALE: &str = "lakebed-stale";
/// Why: `statement`, `inputs`, `contract`, or several with a comma between.
pub const STALE_BECAUSE: &str = "lakebed-stale-because";
/// The digest an upload must have: `b3=<64 hex digits>`.
pub const DIGEST: &str = "lakebed-digest";

/// Where a part of an upload begins; how much of an upload is here.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// Whether an upload is complete with these bytes: `?1` or `?0`.
pub const UPLOAD_COMPLETE: &str = "upload-complete";
/// How long an upload is in all.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// What the client would like: `respond-async` is a job instead of an answer.
pub const PREFER: &str = "prefer";
/// The last event that a reader of an event stream has seen.
pub const LAST_EVENT_ID: &str = "last-event-id";

/// A way to write down the answer to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlFormat {
    /// [`JSON`]: see [`crate::SqlResult`].
    Json,
    /// [`NDJSON`]: one object a row, its keys the columns.
    Ndjson,
    /// [`CSV`].
    Csv,
    /// [`ARROW`].
    Arrow,
    /// [`PARQUET`].
    Parquet,
}

impl SqlFormat {
    /// All of them, the preferred first.
    pub const ALL: [Self; 5] = [Self::Json, Self::Ndjson, Self::Csv, Self::Arrow, Self::Parquet];

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Ndjson => NDJSON,
            Self::Csv => CSV,
            Self::Arrow => ARROW,
            Self::Parquet => PARQUET,
        }
    }
}
