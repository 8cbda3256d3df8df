//! What a client may cost a server: sizes, times, numbers and rates, all in one value.
//!
//! The defaults are in force on every socket; the binary reads others from `lakebed.toml`. In
//! process nothing is limited, for there the caller owns the machine. ARCHITECTURE.md, D-60.

use std::time::Duration;

/// The limits of the HTTP door. Times are kept in milliseconds, as they are configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all; whoever comes later is told to come back.
    pub connections: u32,
    /// Connections of one peer: an IPv4 address, or the /64 of an IPv6 address.
    pub connections_per_peer: u32,
    /// Requests after which a connection is closed in order, so that it moves on to other servers.
    pub requests_per_connection: u32,
    /// Bytes of a request's line and header. Their number is at most 100.
    pub head_bytes: u32,
    /// Bytes of a path with its query string.
    pub uri_bytes: u32,
    /// The time a request's line and header may take, from the connection's or their own first
    /// byte; also the time for a TLS handshake.
    pub head_timeout_ms: u64,
    /// The time a connection may wait for its next request.
    pub idle_timeout_ms: u64,
    /// Over how much waiting a client's rate is measured, in both directions.
    pub stall_timeout_ms: u64,
    /// The least rate at which bodies have to come and answers have to be taken.
    pub min_bytes_per_second: u32,
    /// Bytes of a body that is data; bodies that are JSON or SQL have 1 MiB.
    pub upload_bytes: u64,
    /// The time a plain read may take until its answer begins.
    pub read_timeout_ms: u64,
    /// The time an answer may be silent once it has begun.
    pub answer_idle_timeout_ms: u64,
    /// Plain reads of one principal, or of one peer that says nobody; 0 is no limit, here and below.
    pub reads_per_second: u32,
    /// As many at once as have not been made before.
    pub reads_burst: u32,
    /// Statements of one principal.
    pub statements_per_second: u32,
    /// As many at once.
    pub statements_burst: u32,
    /// Changes of one principal, uploads among them.
    pub writes_per_second: u32,
    /// As many at once.
    pub writes_burst: u32,
    /// How often one peer may fail to prove who it is.
    pub failures_per_minute: u32,
    /// As often at once.
    pub failures_burst: u32,
    /// How many principals and peers are told apart; those beyond share one bucket of each kind.
    pub rate_buckets: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 256,
            requests_per_connection: 100_000,
            head_bytes: 32 * 1024,
            uri_bytes: 8 * 1024,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            stall_timeout_ms: 60_000,
            min_bytes_per_second: 500,
            upload_bytes: 1 << 40,
            read_timeout_ms: 60_000,
            answer_idle_timeout_ms: 15 * 60_000,
            // A program that loops is stopped; nobody who works is.
            reads_per_second: 10_000,
            reads_burst: 20_000,
            statements_per_second: 2000,
            statements_burst: 5000,
            writes_per_second: 200,
            writes_burst: 2000,
            failures_per_minute: 60,
            failures_burst: 100,
            rate_buckets: 10_000,
        }
    }
}

impl Limits {
    pub(crate) const fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    pub(crate) const fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) const fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    pub(crate) const fn answer_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_idle_timeout_ms)
    }

    pub(crate) const fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.stall_timeout_ms)
    }
}
