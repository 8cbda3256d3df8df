//! A database that is made beside the one of an address, and takes its place once it is whole: until then
//! the old one is as it was, whatever dies when.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::{Error, Result, postgres, sqlite};

/// A place for a new database, empty. Dropped before [`Beside::put_in_place`] it is left over, and the
/// next one begins anew.
#[derive(Debug)]
pub struct Beside {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A file beside the file, held against others that would do the same.
    File { new: PathBuf, old: PathBuf, _held: File },
    /// A schema beside the schema.
    Schema { new: String, address: String },
}

impl Beside {
    /// Makes room beside the database at `url`: what an earlier try left there is removed.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process does the same; else as [`crate::Catalog::open`].
    pub async fn begin(url: &str) -> Result<Self> {
        if postgres::is_address(url) {
            let (new, beside) = postgres::begin_beside(url).await?;
            let place = Place::Schema { new, address: url.to_owned() };
            return Ok(Self { url: beside, place });
        }
        if url.ends_with("?mode=ro") {
            return Err(Error::ReadOnly { source: "its address says `mode=ro`".into() });
        }
        let old = sqlite::file_of(url)?;
        let new = with_suffix(&old, ".new");
        let cannot =
            |source: io::Error| Error::CannotOpen { path: new.clone(), source: Box::new(source) };
        let held = File::open(folder_of(&old)).map_err(cannot)?;
        if let Err(fs::TryLockError::WouldBlock) = held.try_lock() {
            return Err(Error::Locked);
        }
        for suffix in ["", "-wal", "-shm"] {
            remove(&with_suffix(&new, suffix)).map_err(cannot)?;
        }
        let url = sqlite::url_of_file(&new)?;
        Ok(Self { url, place: Place::File { new, old, _held: held } })
    }

    /// The address of the new database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Puts the new database, which nobody may have open, in the old one's place. Gives where the old one
    /// is now; none if there was none.
    ///
    /// In PostgreSQL that is one transaction, with files one renaming: only where the old file has a log
    /// that SQLite cannot take in, or the file system no hard links, are there two, and no database between
    /// them.
    ///
    /// # Errors
    /// When the database cannot be changed; the old one is in its place then.
    pub async fn put_in_place(self) -> Result<Option<Aside>> {
        match self.place {
            Place::Schema { new, address } => {
                Ok(postgres::put_in_place(&address, &new).await?.map(Aside::Schema))
            }
            Place::File { new, old, _held } => {
                sqlite::settle(&old).await;
                let aside = swap(&new, &old)
                    .map_err(|source| Error::CannotOpen { path: old, source: source.into() })?;
                Ok(aside.map(Aside::File))
            }
        }
    }
}

/// Where a database is that gave way to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aside {
    /// In a file.
    File(PathBuf),
    /// In a schema of the same database.
    Schema(String),
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Schema(name) => write!(f, "schema {name}"),
        }
    }
}

/// Renames `new` to `old`, which keeps its bytes under the name that is returned.
fn swap(new: &Path, old: &Path) -> io::Result<Option<PathBuf>> {
    if !old.try_exists()? {
        fs::rename(new, old)?;
        return sync(old).map(|()| None);
    }
    let aside = (1u32..)
        .map(|number| with_suffix(old, &format!(".old-{number}")))
        .find(|aside| !aside.exists())
        .expect("there are more numbers than files");
    let has_log = fs::metadata(with_suffix(old, "-wal")).is_ok_and(|log| log.len() > 0);
    // Without a log of its own the file is all of the database, and the new one may take its name.
    if has_log || fs::hard_link(old, &aside).is_err() {
        move_aside(old, &aside)?;
    }
    for suffix in ["-wal", "-shm"] {
        // A log belongs to one database: SQLite would put it into the other.
        remove(&with_suffix(old, suffix))?;
    }
    fs::rename(new, old)?;
    sync(old)?;
    Ok(Some(aside))
}

/// Renames the database and the files that SQLite keeps beside it.
fn move_aside(path: &Path, aside: &Path) -> io::Result<()> {
    // The database first: SQLite discards a log without its database, but would open a database
    // without its log, and not see that it lacks the last changes.
    for suffix in ["", "-wal", "-shm"] {
        match fs::rename(with_suffix(path, suffix), with_suffix(aside, suffix)) {
            Err(error) if suffix.is_empty() || error.kind() != io::ErrorKind::NotFound => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Names outlive a power cut.
fn sync(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).expect("writable");
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("it is there")
    }

    #[test]
    fn a_database_is_kept_with_its_log_and_never_over_another() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let old = folder.path().join("lakebed.db");
        let new = folder.path().join("lakebed.db.new");
        write(&new, "one");
        assert_eq!(swap(&new, &old).expect("swapped"), None);
        write(&new, "two");
        let first = swap(&new, &old).expect("swapped").expect("it was there");
        assert_eq!((read(&first).as_str(), read(&old).as_str()), ("one", "two"));
        write(&with_suffix(&old, "-wal"), "log of two");
        write(&new, "three");
        let second = swap(&new, &old).expect("swapped").expect("it was there");
        assert_ne!(first, second);
        assert_eq!((read(&second).as_str(), read(&old).as_str()), ("two", "three"));
        assert_eq!(read(&with_suffix(&second, "-wal")), "log of two");
        assert!(!with_suffix(&old, "-wal").exists() && !new.exists());
    }

    #[tokio::test]
    async fn what_an_earlier_try_left_is_removed_and_one_is_at_work() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let old = folder.path().join("lakebed.db");
        write(&with_suffix(&old, ".new"), "half");
        let url = sqlite::url_of_file(&old).expect("an address");
        let beside = Beside::begin(&url).await.expect("there is room");
        assert!(!with_suffix(&old, ".new").exists());
        assert!(matches!(Beside::begin(&url).await, Err(Error::Locked)));
        drop(beside);
        Beside::begin(&url).await.expect("there is room again");
    }
}
