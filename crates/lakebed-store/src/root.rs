//! Where a lake lives, as its user says it.
//!
//! Opening is [`crate::Store::open`]'s business.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

use crate::Error;

/// The one place below which a lake keeps everything.
///
/// Read from `./lake`, `/srv/lake`, `file:///srv/lake`, `memory://name`, or the URL of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// A folder that exists.
    Folder(PathBuf),
    /// An object store.
    Url(Url),
}

impl FromStr for Root {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = |reason: &str| Error::Root { root: text.to_owned(), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(error("the name is empty"));
        }
        if !text.contains("://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|reason| error(&reason.to_string()))?;
        match url.scheme() {
            "file" => url.to_file_path().map(Self::Folder).map_err(|()| {
                error("a folder's URL has three slashes and an absolute path: `file:///srv/lake`")
            }),
            "memory" | "s3" | "gs" | "az" => Ok(Self::Url(url)),
            _ => Err(error(
                "expected a folder, or a URL that starts with `file://`, `s3://`, `gs://` or `az://`",
            )),
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_urls_are_told_apart() {
        let folder = |path: &str| Root::Folder(PathBuf::from(path));
        assert_eq!("./lake".parse::<Root>().unwrap(), folder("./lake"));
        assert_eq!("file:///srv/my%20lake".parse::<Root>().unwrap(), folder("/srv/my lake"));
        assert!(matches!("memory://a".parse::<Root>().unwrap(), Root::Url(_)));
        for bad in ["", "file://host/x", "ftp://x/y", "https://x/y", "://"] {
            assert!(matches!(bad.parse::<Root>(), Err(Error::Root { .. })), "{bad:?}");
        }
    }
}
