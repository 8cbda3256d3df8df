//! The S3 server of the tests: where it is, and the keys it knows.
//!
//! `cargo xtask test` starts it and says where it is; without it, tests on S3 are left out, and one
//! line says so. The server reads its identities from the file that stands beside this one.

use std::sync::Once;

/// Names the server's endpoint, as in `http://127.0.0.1:8333`.
pub const ENDPOINT_VARIABLE: &str = "LAKEBED_TEST_S3";

/// The bucket that all tests share, each below a prefix of its own.
pub const BUCKET: &str = "lakebed-tests";

/// The server checks signatures, but takes any region.
pub const REGION: &str = "us-east-1";

/// May do everything.
pub const WRITER: Keys = Keys { id: "lakebed-writer", secret: "what-lies-in-the-bed-stays" };

/// May read and list, not write.
pub const READER: Keys = Keys { id: "lakebed-reader", secret: "what-lies-in-the-bed-is-seen" };

/// Is known, and may see nothing of [`BUCKET`].
pub const STRANGER: Keys =
    Keys { id: "lakebed-stranger", secret: "what-lies-in-the-bed-is-hidden" };

/// An access key and its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// The access key's id.
    pub id: &'static str,
    /// Its secret.
    pub secret: &'static str,
}

/// Where the server is; nothing, and one line that says so, when there is none.
#[must_use]
pub fn endpoint() -> Option<String> {
    static SAID: Once = Once::new();
    let endpoint = std::env::var(ENDPOINT_VARIABLE).ok().filter(|endpoint| !endpoint.is_empty());
    if endpoint.is_none() {
        SAID.call_once(|| {
            eprintln!("{ENDPOINT_VARIABLE} is not set: S3 is left out; `cargo xtask test` has it");
        });
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_and_the_tests_know_the_same_keys() {
        let identities = include_str!("s3_identities.json");
        for Keys { id, secret } in [WRITER, READER, STRANGER] {
            let credential = format!(r#"{{ "accessKey": "{id}", "secretKey": "{secret}" }}"#);
            assert!(identities.contains(&credential), "{id}");
        }
    }
}
