//! `lakebed.toml`: its shape, where it is found, and on which line of it something stands.

use std::path::{Path, PathBuf};

use lakebed_server::Limits;
use serde::Deserialize;
use toml::Spanned;

use super::{
    AuthMode, ColorWhen, FILE, LogFormat, Origin, Setting,
    auth::OidcTable,
    object_store::{AzureFile, GcsFile, S3File},
};
use crate::problem::{Exit, Problem, Result};

/// The nearest `lakebed.toml`, from `current` upwards.
pub(super) fn find(current: &Path) -> Option<PathBuf> {
    current.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file())
}

/// The shape of `lakebed.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) lake: Option<Spanned<String>>,
    pub(super) catalog: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<String>>,
    pub(super) color: Option<Spanned<ColorWhen>>,
    pub(super) log: Option<Spanned<String>>,
    pub(super) log_format: Option<Spanned<LogFormat>>,
    pub(super) listen: Option<Spanned<String>>,
    pub(super) metrics_listen: Option<Spanned<String>>,
    pub(super) tls_cert: Option<Spanned<String>>,
    pub(super) tls_key: Option<Spanned<String>>,
    pub(super) trusted_proxies: Option<Spanned<Vec<String>>>,
    pub(super) drain_seconds: Option<Spanned<u64>>,
    pub(super) ingests_at_once: Option<Spanned<u64>>,
    pub(super) statements_at_once: Option<Spanned<u64>>,
    pub(super) uploads_bytes: Option<Spanned<u64>>,
    pub(super) uploads_principal_bytes: Option<Spanned<u64>>,
    pub(super) result_bytes: Option<Spanned<u64>>,
    pub(super) results_total_bytes: Option<Spanned<u64>>,
    pub(super) otlp_endpoint: Option<Spanned<String>>,
    pub(super) openlineage_url: Option<Spanned<String>>,
    pub(super) openlineage_file: Option<Spanned<String>>,
    pub(super) url_hosts: Option<Spanned<Vec<String>>>,
    pub(super) url_private_hosts: Option<Spanned<Vec<String>>>,
    pub(super) limits: Option<Spanned<Limits>>,
    pub(super) auth: Option<Spanned<AuthMode>>,
    #[serde(default)]
    pub(super) oidc: Vec<OidcTable>,
    pub(super) scratch: Option<Spanned<String>>,
    pub(super) scratch_limit_bytes: Option<Spanned<u64>>,
    pub(super) s3: Option<S3File>,
    pub(super) gcs: Option<GcsFile>,
    pub(super) azure: Option<AzureFile>,
}

/// A file and what is needed to say where in it something is.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) file: File,
    path: PathBuf,
    text: String,
}

impl Loaded {
    pub(super) fn read(path: PathBuf) -> Result<Self> {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Problem::io("read the configuration", &path, &error))?;
        match toml::from_str(&text) {
            Ok(file) => Ok(Self { file, path, text }),
            Err(error) => {
                let line = line_at(&text, error.span().map_or(0, |span| span.start));
                let what = error.message().lines().next().unwrap_or("it is not TOML").to_owned();
                Err(Problem::new(
                    Exit::Usage,
                    "configuration",
                    format!("{}:{line}: {what}", path.display()),
                )
                .hint("`lakebed config --reference` lists every key"))
            }
        }
    }

    pub(super) fn setting<T: Clone>(&self, value: Option<&Spanned<T>>) -> Option<Setting<T>> {
        value.map(|value| Setting {
            value: value.get_ref().clone(),
            origin: Origin::File {
                path: self.path.clone(),
                line: line_at(&self.text, value.span().start),
            },
        })
    }

    /// File and line of what stands at byte `offset`.
    pub(super) fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path.display(), line_at(&self.text, offset))
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// Counts from 1.
fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}
