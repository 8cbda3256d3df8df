//! From a bucket's URL and plain options to a back end.
//!
//! Opening asks nobody: whether the bucket is there shows with the first request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut},
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
    memory::InMemory,
    path::Path,
    signer::Signer,
};
use url::{Host, Url};

use crate::{
    Error, ObjectStoreBackend, Result, S3Credentials, StoreOptions,
    connector::{Listening, Seen},
};

/// How long one request may take when nothing is said: 64 MiB at about 1 MiB/s.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client for what can be asked again without harm, one for what cannot, and one that signs URLs.
pub(crate) struct Clients {
    pub(crate) repeating: Arc<dyn ObjectStore>,
    pub(crate) once: Arc<dyn ObjectStore>,
    pub(crate) signer: Option<Arc<dyn Signer>>,
    pub(crate) seen: Seen,
}

/// The back end of a root that is no folder.
///
/// # Errors
/// [`Error::Root`] if the URL or the options cannot be meant like that.
pub(crate) fn open_url(url: &Url, options: &StoreOptions) -> Result<ObjectStoreBackend> {
    let prefix = Path::from_url_path(url.path()).map_err(|reason| bad(url, &reason.to_string()))?;
    let clients = match url.scheme() {
        "memory" => {
            let memory = memory(url.host_str().unwrap_or(""));
            return Ok(ObjectStoreBackend::new(memory, prefix));
        }
        "s3" => s3(url, options)?,
        "gs" => gcs(url, options)?,
        "az" => azure(url, options)?,
        _ => return Err(bad(url, "this kind of store is not known")),
    };
    let bucket = format!("{}://{}", url.scheme(), bucket(url)?);
    Ok(ObjectStoreBackend::of_clients(clients, prefix, bucket))
}

fn bad(url: &Url, reason: &str) -> Error {
    Error::Root { root: url.to_string(), reason: reason.to_owned() }
}

fn bucket(url: &Url) -> Result<String> {
    if !url.username().is_empty() || url.password().is_some() {
        let mut shown = url.clone();
        // A URL with a host can be without both.
        shown.set_username("").and_then(|()| shown.set_password(None)).ok();
        return Err(bad(&shown, "a bucket's URL cannot hold a password"));
    }
    if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
        return Err(bad(url, "expected a bucket and a prefix: `s3://bucket/prefix`"));
    }
    match url.host_str() {
        Some(host) if !host.is_empty() => Ok(host.to_owned()),
        _ => Err(bad(url, "it names no bucket")),
    }
}

fn s3(url: &Url, options: &StoreOptions) -> Result<Clients> {
    let ours = &options.s3;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket(url)?)
        .with_region(ours.region.as_deref().unwrap_or("us-east-1"))
        .with_virtual_hosted_style_request(ours.virtual_hosted)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_disable_tagging(true);
    let mut allow_http = ours.allow_http;
    if let Some(endpoint) = &ours.endpoint {
        allow_http |= check_endpoint(url, endpoint, ours.allow_http)?;
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    builder = with_credentials(builder, &ours.credentials);
    let seen = Seen::default();
    let client = client_options(options).with_allow_http(allow_http);
    builder = builder.with_client_options(client).with_http_connector(Listening(seen.clone()));
    let failed = |error: object_store::Error| bad(url, &error.to_string());
    let repeating = builder.clone().with_retry(repeat()).build().map_err(failed)?;
    // Who we are is found out once, for both.
    let once = builder.with_credentials(Arc::clone(repeating.credentials())).with_retry(never());
    let repeating = Arc::new(repeating);
    Ok(Clients {
        once: Arc::new(once.build().map_err(failed)?),
        signer: Some(Arc::clone(&repeating) as _),
        repeating,
        seen,
    })
}

fn with_credentials(builder: AmazonS3Builder, credentials: &S3Credentials) -> AmazonS3Builder {
    match credentials {
        S3Credentials::Instance => builder,
        S3Credentials::Keys { id, secret, token } => {
            let builder = builder.with_access_key_id(id).with_secret_access_key(secret.reveal());
            match token {
                Some(token) => builder.with_token(token.reveal()),
                None => builder,
            }
        }
        S3Credentials::WebIdentity { role_arn, token_file, session_name } => {
            let file = token_file.display().to_string();
            let builder = builder
                .with_config(AmazonS3ConfigKey::RoleArn, role_arn)
                .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, file);
            match session_name {
                Some(name) => builder.with_config(AmazonS3ConfigKey::RoleSessionName, name),
                None => builder,
            }
        }
        S3Credentials::Container { relative_uri } => {
            builder.with_config(AmazonS3ConfigKey::ContainerCredentialsRelativeUri, relative_uri)
        }
        S3Credentials::Pod { uri, token_file } => {
            let file = token_file.display().to_string();
            builder
                .with_config(AmazonS3ConfigKey::ContainerCredentialsFullUri, uri)
                .with_config(AmazonS3ConfigKey::ContainerAuthorizationTokenFile, file)
        }
    }
}

/// Whether requests go out in the clear: accepted on this machine, or where the user said so.
fn check_endpoint(url: &Url, endpoint: &str, allow_http: bool) -> Result<bool> {
    let parsed = Url::parse(endpoint)
        .map_err(|error| bad(url, &format!("the endpoint `{endpoint}` is no URL: {error}")))?;
    let is_loopback = match parsed.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(bad(url, &format!("the endpoint `{endpoint}` names no host"))),
    };
    match parsed.scheme() {
        "https" => Ok(false),
        "http" if is_loopback || allow_http => Ok(true),
        "http" => Err(bad(
            url,
            &format!(
                "the endpoint `{endpoint}` is on another machine and not encrypted: use `https://`, \
                 or allow it with `allow_http` below `[s3]`"
            ),
        )),
        _ => {
            Err(bad(url, &format!("the endpoint `{endpoint}` is neither `https://` nor `http://`")))
        }
    }
}

fn gcs(url: &Url, options: &StoreOptions) -> Result<Clients> {
    let seen = Seen::default();
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket(url)?)
        .with_client_options(client_options(options))
        .with_http_connector(Listening(seen.clone()));
    if let Some(file) = &options.gcs.credentials_file {
        builder = builder.with_service_account_path(file.display().to_string());
    }
    let failed = |error: object_store::Error| bad(url, &error.to_string());
    let repeating = Arc::new(builder.clone().with_retry(repeat()).build().map_err(failed)?);
    let once = Arc::new(builder.with_retry(never()).build().map_err(failed)?);
    Ok(Clients { signer: Some(Arc::clone(&repeating) as _), repeating, once, seen })
}

fn azure(url: &Url, options: &StoreOptions) -> Result<Clients> {
    let ours = &options.azure;
    let Some(account) = &ours.account else {
        return Err(bad(
            url,
            "the storage account is not named: set AZURE_STORAGE_ACCOUNT_NAME, or `account` below `[azure]`",
        ));
    };
    let seen = Seen::default();
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(bucket(url)?)
        .with_client_options(client_options(options))
        .with_http_connector(Listening(seen.clone()));
    if let Some(key) = &ours.access_key {
        builder = builder.with_access_key(key.reveal());
    }
    if let Some(endpoint) = &ours.endpoint {
        let allow_http = check_endpoint(url, endpoint, false)?;
        builder = builder.with_endpoint(endpoint.clone());
        builder = builder.with_client_options(client_options(options).with_allow_http(allow_http));
    }
    let failed = |error: object_store::Error| bad(url, &error.to_string());
    let repeating = Arc::new(builder.clone().with_retry(repeat()).build().map_err(failed)?);
    let once = Arc::new(builder.with_retry(never()).build().map_err(failed)?);
    Ok(Clients { signer: Some(Arc::clone(&repeating) as _), repeating, once, seen })
}

fn client_options(options: &StoreOptions) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(options.timeout.unwrap_or(TIMEOUT))
        .with_connect_timeout(CONNECT_TIMEOUT)
}

/// For reads, lists, and parts of uploads: the same request again does nothing twice.
fn repeat() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 6,
        retry_timeout: Duration::from_secs(60),
    }
}

/// For creating: only [`ObjectStoreBackend`] knows what an answer to a second try means.
fn never() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// The memory of that name: one per process, for as long as it runs.
fn memory(name: &str) -> Arc<dyn ObjectStore> {
    static MEMORIES: Mutex<Option<HashMap<String, Arc<InMemory>>>> = Mutex::new(None);
    let mut memories = MEMORIES.lock().unwrap_or_else(PoisonError::into_inner);
    let memory = memories.get_or_insert_default().entry(name.to_owned()).or_default();
    Arc::clone(memory) as Arc<dyn ObjectStore>
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AzureOptions, Backend as _, S3Options, Secret};

    fn reason(url: &str, options: &StoreOptions) -> String {
        match open_url(&url.parse().unwrap(), options) {
            Err(error @ Error::Root { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn with_endpoint(endpoint: &str) -> StoreOptions {
        let s3 = S3Options { endpoint: Some(endpoint.to_owned()), ..S3Options::default() };
        StoreOptions { s3, ..StoreOptions::default() }
    }

    #[test]
    fn urls_that_name_no_bucket_are_refused() {
        let none = StoreOptions::default();
        assert!(reason("s3:///x", &none).contains("names no bucket"));
        assert!(reason("s3://bucket/x?y=1", &none).contains("s3://bucket/prefix"));
        let told = reason("s3://me:hush@bucket/x", &none);
        assert!(told.contains("password") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        let opens =
            |endpoint| open_url(&"s3://b/p".parse().unwrap(), &with_endpoint(endpoint)).is_ok();
        assert!(
            opens("http://127.0.0.1:8333")
                && opens("http://localhost:1")
                && opens("http://[::1]:1")
        );
        assert!(opens("https://s3.example"));
        let told = reason("s3://b/p", &with_endpoint("http://192.0.2.1:8333"));
        assert!(told.contains("not encrypted") && told.contains("allow_http"), "{told}");
        assert!(reason("s3://b/p", &with_endpoint("ftp://x")).contains("neither"));
        let mut allowed = with_endpoint("http://192.0.2.1:8333");
        allowed.s3.allow_http = true;
        assert!(open_url(&"s3://b/p".parse().unwrap(), &allowed).is_ok());
    }

    #[test]
    fn google_and_azure_open_and_say_what_is_missing() {
        let none = StoreOptions::default();
        assert!(open_url(&"gs://bucket/prefix".parse().unwrap(), &none).is_ok());
        assert!(reason("az://container/prefix", &none).contains("AZURE_STORAGE_ACCOUNT_NAME"));
        let azure = AzureOptions {
            account: Some("ours".to_owned()),
            access_key: Some(Secret::new("a2V5")),
            endpoint: None,
        };
        let options = StoreOptions { azure, ..StoreOptions::default() };
        assert!(open_url(&"az://container/prefix".parse().unwrap(), &options).is_ok());
        let gcs = crate::GcsOptions { credentials_file: Some("/no/such/file".into()) };
        let options = StoreOptions { gcs, ..StoreOptions::default() };
        assert!(reason("gs://bucket/x", &options).contains("/no/such/file"));
    }

    /// Nobody answers: that is for later, not a fault of the bucket.
    #[tokio::test]
    async fn a_store_that_does_not_answer_is_unavailable_and_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let mut options = with_endpoint(&endpoint);
        let (id, secret) = ("id".to_owned(), Secret::new("x"));
        options.s3.credentials = S3Credentials::Keys { id, secret, token: None };
        let backend = open_url(&"s3://b/p".parse().unwrap(), &options).unwrap();
        match backend.create("x", &bytes::Bytes::new().into()).await {
            Err(error @ Error::Unavailable { .. }) => {
                assert!(crate::bucket::whole_text(&error).contains(&endpoint), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}
