//! The S3 server of the tests: where it is, and the keys it knows.
//!
//! `cargo xtask test` starts it and says where it is; without it, tests on S3 are left out, and one
//! line says so. The server reads its identities from the file that stands beside this one.

use std::sync::{
    Once,
    atomic::{AtomicU64, Ordering},
};

use lakebed_store::{Root, S3Credentials, S3Options, Secret, StoreOptions};
use object_store::{
    ClientOptions,
    aws::{AwsAuthorizer, AwsCredential},
    client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector},
};
use tokio::sync::OnceCell;
use url::Url;

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

/// How to reach the server at `endpoint` as somebody.
#[must_use]
pub fn options(endpoint: &str, keys: Keys) -> StoreOptions {
    let credentials = S3Credentials::Keys {
        id: keys.id.to_owned(),
        secret: Secret::new(keys.secret),
        token: None,
    };
    let (region, endpoint) = (Some(REGION.to_owned()), Some(endpoint.to_owned()));
    let s3 = S3Options { region, endpoint, credentials, ..S3Options::default() };
    StoreOptions { s3, ..StoreOptions::default() }
}

/// A URL in [`BUCKET`] that nobody has used, in this run or another.
///
/// # Panics
/// When the server does not make the bucket.
pub async fn fresh_url(endpoint: &str) -> Url {
    static BUCKET_IS_THERE: OnceCell<()> = OnceCell::const_new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    BUCKET_IS_THERE.get_or_init(|| make_bucket(endpoint, BUCKET)).await;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_nanos();
    let url = format!("s3://{BUCKET}/{}-{now}-{number}", std::process::id());
    url.parse().expect("a URL")
}

/// As [`fresh_url`], for those who cannot wait as asynchronous code does.
///
/// # Panics
/// As [`fresh_url`].
#[must_use]
pub fn fresh_url_now(endpoint: &str) -> Url {
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(fresh_url(endpoint))
        });
        made.join().expect("the server makes a bucket")
    })
}

/// As [`fresh_url`], for opening.
///
/// # Panics
/// As [`fresh_url`].
pub async fn fresh_root(endpoint: &str) -> Root {
    Root::Url(fresh_url(endpoint).await)
}

/// Makes a bucket; one that is there is fine. No library of ours does that.
///
/// # Panics
/// When the server does not.
pub async fn make_bucket(endpoint: &str, bucket: &str) {
    let client = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true));
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    *request.method_mut() = http::Method::PUT;
    *request.uri_mut() = format!("{endpoint}/{bucket}").parse().expect("a URL");
    let credential = AwsCredential {
        key_id: WRITER.id.to_owned(),
        secret_key: WRITER.secret.to_owned(),
        token: None,
    };
    AwsAuthorizer::new(&credential, "s3", REGION).authorize(&mut request, None);
    let answer = client.expect("a client").execute(request).await.expect("an answer");
    let status = answer.status();
    assert!(status.is_success() || status == http::StatusCode::CONFLICT, "{status}");
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
