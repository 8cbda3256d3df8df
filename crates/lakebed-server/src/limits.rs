//! What a client may cost a server: sizes, times, numbers and rates, all in one value.
//!
//! The defaults are in force on every socket; the binary reads others from `lakebed.toml`. In
//! process nothing is limited, for there the caller owns the machine. ARCHITECTURE.md, D-60.

use std::time::Duration;

use lakebed_service::engine::QueryLimits;
use serde::Deserialize;

/// One of the [`Limits`], described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribedLimit {
    /// Its key in the table `limits` of a configuration.
    pub key: &'static str,
    /// What holds when nobody sets it.
    pub default: u64,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// The value, its defaults and its description, from one list.
macro_rules! limits {
    ($($(#[doc = $meaning:literal])+ $name:ident: $kind:ty = $default:expr;)+) => {
        /// The limits of the HTTP door. Units come last in the names.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[doc = $meaning])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// All of them, in the order of the documentation.
            #[allow(clippy::cast_lossless, clippy::unnecessary_cast, reason = "of two types")]
            pub const DESCRIBED: &'static [DescribedLimit] = &[$({
                const DEFAULT: $kind = $default;
                DescribedLimit {
                    key: stringify!($name),
                    default: DEFAULT as u64,
                    meaning: concat!($($meaning),+).trim_ascii(),
                }
            }),+];

            /// Every limit's key and value.
            #[must_use]
            #[allow(clippy::useless_conversion, reason = "of two types")]
            pub fn values(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), u64::from(self.$name))),+]
            }
        }
    };
}

limits! {
    /// Connections in all; whoever comes later is told to come back.
    connections: u32 = 1024;
    /// Connections of one peer: an IPv4 address, or the /64 of an IPv6 address.
    connections_per_peer: u32 = 256;
    /// Requests after which a connection is closed in order, so that it moves on to other servers.
    requests_per_connection: u32 = 100_000;
    /// Bytes of a request's line and header; fields are at most 100.
    head_bytes: u32 = 32 * 1024;
    /// Bytes of a path with its query string.
    uri_bytes: u32 = 8 * 1024;
    /// Bytes of a body that is data; of what else is sent, changes have 32 MiB and questions 1 MiB.
    upload_bytes: u64 = 1 << 40;
    /// The time a request's line and header may take, and a TLS handshake.
    head_timeout_ms: u64 = 10_000;
    /// The time a connection may wait for its next request.
    idle_timeout_ms: u64 = 75_000;
    /// Over how much waiting for a peer its rate is measured, in both directions.
    stall_timeout_ms: u64 = 60_000;
    /// The least rate at which bodies have to come and answers have to be taken.
    min_bytes_per_second: u32 = 500;
    /// The time a plain read may take until its answer begins.
    read_timeout_ms: u64 = 60_000;
    /// The time an answer may be silent once it has begun.
    answer_idle_timeout_ms: u64 = 900_000;
    /// Rows of the answer to a statement; 0 is no limit, for the next two as well.
    statement_rows: u64 = 0;
    /// Bytes of the values in the answer to a statement, before any format.
    statement_bytes: u64 = 0;
    /// The time a statement may take, from its start to its last row.
    statement_timeout_ms: u64 = 0;
    /// Bytes of memory that a statement may reserve; it spills beyond them.
    statement_memory_bytes: u64 = 2 << 30;
    /// Bytes of scratch that a statement may spill to.
    statement_spill_bytes: u64 = 64 << 30;
    /// Plain reads of one principal, or of one peer that says nobody; 0 is no limit, here and below.
    reads_per_second: u32 = 10_000;
    /// Plain reads that may come at once.
    reads_burst: u32 = 20_000;
    /// Statements of one principal.
    statements_per_second: u32 = 2000;
    /// Statements that may come at once.
    statements_burst: u32 = 5000;
    /// Changes of one principal, uploads among them.
    writes_per_second: u32 = 200;
    /// Changes that may come at once.
    writes_burst: u32 = 2000;
    /// How often one peer may fail to prove who it is.
    failures_per_minute: u32 = 60;
    /// Failures that may come at once.
    failures_burst: u32 = 100;
    /// Principals and peers that are told apart; those beyond share one bucket of each kind.
    rate_buckets: u32 = 10_000;
}

impl Limits {
    /// What is wrong with them, if anything is: a server that answers nobody is a slip.
    ///
    /// # Errors
    /// The key of the first limit that cannot be meant, and why.
    pub fn check(&self) -> Result<(), String> {
        const MAY_BE_ZERO: [&str; 8] = [
            "statement_rows",
            "statement_bytes",
            "statement_timeout_ms",
            "reads_per_second",
            "statements_per_second",
            "writes_per_second",
            "failures_per_minute",
            "min_bytes_per_second",
        ];
        for (key, value) in self.values() {
            let least = match key {
                "head_bytes" | "uri_bytes" => 1024,
                _ if MAY_BE_ZERO.contains(&key) => 0,
                _ => 1,
            };
            if value < least {
                return Err(format!("`{key}` is {value}: expected at least {least}"));
            }
        }
        Ok(())
    }

    /// What a statement may use when it says nothing, and the most that it may.
    #[must_use]
    pub fn of_statements(&self) -> QueryLimits {
        let bound = |limit: u64| (limit > 0).then_some(limit);
        QueryLimits {
            max_rows: bound(self.statement_rows),
            max_bytes: bound(self.statement_bytes),
            timeout_ms: bound(self.statement_timeout_ms),
            memory_bytes: self.statement_memory_bytes,
            spill_bytes: self.statement_spill_bytes,
        }
    }

    pub(crate) const fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    pub(crate) const fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(crate) const fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.stall_timeout_ms)
    }

    pub(crate) const fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_timeout_ms)
    }

    pub(crate) const fn answer_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.answer_idle_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_what_is_described_and_can_be_meant() {
        let limits = Limits::default();
        limits.check().unwrap();
        let described: Vec<_> =
            Limits::DESCRIBED.iter().map(|limit| (limit.key, limit.default)).collect();
        assert_eq!(limits.values(), described);
        assert!(Limits::DESCRIBED.iter().all(|limit| limit.meaning.ends_with('.')));
        assert_eq!(limits.of_statements(), QueryLimits::default());
    }

    #[test]
    fn statements_are_bounded_by_what_is_not_zero() {
        let limits = Limits { statement_rows: 7, statement_bytes: 8, ..Limits::default() };
        let expected =
            QueryLimits { max_rows: Some(7), max_bytes: Some(8), ..QueryLimits::default() };
        assert_eq!(limits.of_statements(), expected);
        assert!(Limits { statement_memory_bytes: 0, ..Limits::default() }.check().is_err());
    }

    #[test]
    fn a_limit_of_nothing_is_a_slip() {
        let none = Limits { connections: 0, ..Limits::default() };
        assert_eq!(none.check().unwrap_err(), "`connections` is 0: expected at least 1");
        assert!(Limits { uri_bytes: 10, ..Limits::default() }.check().is_err());
        assert!(Limits { reads_per_second: 0, ..Limits::default() }.check().is_ok());
    }
}
