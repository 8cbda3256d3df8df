//! Where the lake is, as its user says it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use url::Url;

/// Where the lake is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Below this folder (absolute).
    Folder(PathBuf),
    /// In an object store: `memory://…`, `s3://…`.
    ObjectStore(Url),
    /// Behind a server: `http(s)://…`.
    Server(Url),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::ObjectStore(url) | Self::Server(url) => url.fmt(f),
        }
    }
}

impl Target {
    /// What kind of place it is, one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Folder(_) => "folder",
            Self::Server(_) => "server",
            Self::ObjectStore(url) => match url.scheme() {
                "s3" => "s3",
                "gs" => "gs",
                "az" => "az",
                "memory" => "memory",
                _ => "other",
            },
        }
    }

    /// Reads what the user wrote; a relative folder is below `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        if !text.contains("://") {
            return Ok(Self::Folder(clean(&base.join(text))));
        }
        let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
        match url.scheme() {
            "http" | "https" if url.password().is_some() || !url.username().is_empty() => {
                Err("a server's URL cannot hold a password".to_owned())
            }
            "http" | "https" => Ok(Self::Server(url)),
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Self::Folder(path)),
                Err(()) => Err(format!("`{text}` names no folder of this machine")),
            },
            _ => Ok(Self::ObjectStore(url)),
        }
    }
}

/// Without `.` parts; `..` stays, for it may follow a symbolic link.
fn clean(path: &Path) -> PathBuf {
    path.components().collect()
}
