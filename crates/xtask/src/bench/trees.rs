//! What a command left on disk, without asking the command.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Every Parquet file begins so.
const PARQUET: [u8; 4] = *b"PAR1";

/// The size of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TreeSize {
    /// Of all files.
    pub(crate) all_bytes: u64,
    /// Of the Parquet files among them, whatever they are called.
    pub(crate) table_bytes: u64,
}

impl TreeSize {
    /// Measures `folder`.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let mut size = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let context = || format!("cannot look into `{}`", folder.display());
            for entry in fs::read_dir(&folder).with_context(context)? {
                let entry = entry.with_context(context)?;
                match entry.file_type().with_context(context)?.is_dir() {
                    true => folders.push(entry.path()),
                    false => size.add(&entry.path()).with_context(context)?,
                }
            }
        }
        Ok(size)
    }

    fn add(&mut self, file: &PathBuf) -> std::io::Result<()> {
        let length = fs::metadata(file)?.len();
        let mut head = Vec::new();
        File::open(file)?.take(PARQUET.len() as u64).read_to_end(&mut head)?;
        self.all_bytes += length;
        if head == PARQUET {
            self.table_bytes += length;
        }
        Ok(())
    }

    /// What was added since `earlier`; nothing when it shrank.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            all_bytes: self.all_bytes.saturating_sub(earlier.all_bytes),
            table_bytes: self.table_bytes.saturating_sub(earlier.table_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parquet_is_known_by_its_first_bytes() {
        let folder = std::env::temp_dir().join(format!("xtask-trees-{}", std::process::id()));
        fs::create_dir_all(folder.join("a")).expect("a folder");
        fs::write(folder.join("a/9f2c"), b"PAR1....").expect("a file");
        fs::write(folder.join("data.csv"), b"a,b\n").expect("a file");
        let size = TreeSize::of(&folder).expect("a size");
        fs::remove_dir_all(&folder).expect("removed");
        assert_eq!(size, TreeSize { all_bytes: 12, table_bytes: 8 });
        assert_eq!(TreeSize::default().since(size), TreeSize::default());
    }
}
