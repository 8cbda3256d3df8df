//! The one conversion from the errors of store and catalog to what a caller can do about them.

use std::path::Path;

use lakebed_core::ObjectId;

use crate::Error;

/// The texts of `error` and its causes on one line.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// The object that a key of the store names: `objects/9f/9f2c61d0…`.
fn object_of(key: &str) -> Option<ObjectId> {
    let id: ObjectId = key.rsplit('/').next()?.parse().ok()?;
    (id.key() == key).then_some(id)
}

impl From<lakebed_store::Error> for Error {
    fn from(error: lakebed_store::Error) -> Self {
        use lakebed_store::Error as Store;
        let message = error.to_string();
        match error {
            Store::Corrupt { object, found } => Self::Corrupt { object, why: found.to_string() },
            Store::NotFound { key } => match object_of(&key) {
                // Only objects that a version names are ever read: one that is gone is damage.
                Some(object) => Self::Corrupt { object, why: "it is missing".to_owned() },
                None => Self::NotFound { message, hint: None },
            },
            Store::Bucket { fault, source } => {
                tracing::warn!(code = fault.code(), error = told(source.as_ref()), "{message}");
                Self::Bucket { code: fault.code(), message, hint: fault.hint() }
            }
            Store::Denied { .. } => Self::Denied { message: told(&error) },
            Store::Full { .. } => Self::Full { message },
            Store::NotAFile { .. } => Self::Invalid {
                code: "not-a-file",
                message,
                hint: Some("name a file, or pipe it in with `-`".to_owned()),
            },
            Store::Changed { .. } => Self::Invalid {
                code: "changed",
                message,
                hint: Some("wait until nobody writes to it, then try again".to_owned()),
            },
            Store::Root { .. } => Self::Invalid { code: "bad-root", message, hint: None },
            Store::OutOfRange { .. } => Self::Invalid { code: "out-of-range", message, hint: None },
            Store::BrokeOff { .. } => {
                Self::Invalid { code: "broke-off", message, hint: Some("send it again".to_owned()) }
            }
            other => Self::Unavailable { message: told(&other), source: Box::new(other) },
        }
    }
}

impl From<lakebed_catalog::Error> for Error {
    fn from(error: lakebed_catalog::Error) -> Self {
        use lakebed_catalog::Error as Catalog;
        let message = error.to_string();
        let told = told(&error);
        let rebuild = "run `lakebed rebuild --replace`: it makes another from the lake's journal";
        let stopped = |hint: &str| Self::Stopped { message: told.clone(), hint: hint.to_owned() };
        match error {
            Catalog::NotFound { .. } => Self::NotFound { message, hint: None },
            Catalog::Conflict { .. } => Self::Conflict { message },
            Catalog::Locked => Self::Locked { message },
            Catalog::Full { .. } => Self::Full { message },
            Catalog::ReadOnly { .. } | Catalog::CannotOpen { .. } => Self::Denied { message: told },
            Catalog::WrongLake { .. } => stopped("name this lake's own database with `--catalog`"),
            Catalog::TooNew { .. } => stopped("use the build that wrote it, or a newer one"),
            Catalog::Damaged { .. } => stopped(rebuild),
            Catalog::Gap { .. } | Catalog::MarkOutOfReach { .. } => stopped(rebuild),
            Catalog::Address { .. } => Self::Invalid { code: "bad-catalog", message, hint: None },
            Catalog::LoginRefused { .. } => catalog_refused(
                told,
                "check the name and the password in `--catalog` (or PGPASSWORD, or ~/.pgpass)",
            ),
            Catalog::NoDatabase { .. } => {
                catalog_refused(told, "create it, as in `createdb lakebed`, or name another")
            }
            Catalog::NotPermitted { .. } => {
                catalog_refused(told, "make that user the owner of the catalog's database")
            }
            Catalog::Unsuitable { .. } => {
                catalog_refused(told, "name a database that is, with `--catalog`")
            }
            Catalog::Invalid { .. } => Self::Internal { source: Box::new(error) },
            Catalog::Unavailable { .. } | Catalog::Unreachable { .. } | Catalog::Unknown { .. } => {
                Self::Unavailable { message: told, source: Box::new(error) }
            }
        }
    }
}

/// A database server that will not be a catalog's as it is: its owner has to do something.
fn catalog_refused(message: String, hint: &str) -> Error {
    Error::Invalid { code: "catalog-refused", message, hint: Some(hint.to_owned()) }
}

/// A file system's answer about `path`, in the words of the caller's choices.
pub(crate) fn from_io(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind;
    let message = format!("`{}`: {error}", path.display());
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound { message, hint: Some("check the path".to_owned()) },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::Denied { message },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { message },
        _ => Error::Unavailable { message, source: Box::new(error) },
    }
}
