//! How to reach an object store, and where scratch goes, as plain values.
//!
//! Nothing here reads the environment or a file of settings: whoever opens a store has done that.

use std::{fmt, path::PathBuf, time::Duration};

/// What opening a store needs beside its root. The default suits folders and memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreOptions {
    /// For `s3://`.
    pub s3: S3Options,
    /// For `gs://`.
    pub gcs: GcsOptions,
    /// For `az://`.
    pub azure: AzureOptions,
    /// For roots that are no folder.
    pub scratch: ScratchOptions,
    /// How long one request may take; a minute when unsaid.
    pub timeout: Option<Duration>,
}

/// How to reach a bucket of S3, or of a store that speaks as S3 does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3Options {
    /// The bucket's region; `us-east-1` when unsaid.
    pub region: Option<String>,
    /// Another server than Amazon's: `http://127.0.0.1:8333`.
    pub endpoint: Option<String>,
    /// Whether the bucket is part of the host name instead of the path. An endpoint then names
    /// the bucket, too.
    pub virtual_hosted: bool,
    /// Whether `http://` is accepted for other machines than this one.
    pub allow_http: bool,
    /// Who asks.
    pub credentials: S3Credentials,
}

/// Who asks a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum S3Credentials {
    /// Whoever the machine is, says its metadata service.
    #[default]
    Instance,
    /// An access key.
    Keys {
        /// Its id.
        id: String,
        /// Its secret.
        secret: Secret,
        /// The token of a session, if the key is a temporary one.
        token: Option<Secret>,
    },
    /// A role that a token in a file lets us take.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The file.
        token_file: PathBuf,
        /// What the session is called.
        session_name: Option<String>,
    },
    /// Whoever the container is, says the service at this address.
    Container {
        /// A path on the service that Amazon's containers have.
        relative_uri: String,
    },
    /// Whoever the pod is, says the service at this address.
    Pod {
        /// The address.
        uri: String,
        /// The file with the token that it asks for.
        token_file: PathBuf,
    },
}

/// How to reach a bucket of Google's. Not exercised by our tests beyond opening and refusing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcsOptions {
    /// The file with the key of a service account; else the machine's own.
    pub credentials_file: Option<PathBuf>,
}

/// How to reach a container of Azure's. Not exercised by our tests beyond opening and refusing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AzureOptions {
    /// The storage account that has the container.
    pub account: Option<String>,
    /// Its key; else the machine's own identity.
    pub access_key: Option<Secret>,
    /// Another server than Azure's.
    pub endpoint: Option<String>,
}

/// Where files lie that are not stored yet, for roots that are no folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScratchOptions {
    /// A folder of this machine, made when it is missing; else one where the system keeps temporary
    /// files.
    pub folder: Option<PathBuf>,
    /// How many bytes may lie there at a time; as many as there is room for when unsaid.
    pub limit_bytes: Option<u64>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever has to send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let keys = S3Credentials::Keys {
            id: "id".to_owned(),
            secret: Secret::new("hush"),
            token: Some(Secret::new("hush, too")),
        };
        let shown = format!("{keys:?}");
        assert!(shown.contains("id") && !shown.contains("hush"), "{shown}");
    }
}
