//! What the footer of one of our own Parquet files says.

use std::{fs::File, path::Path};

use parquet::file::reader::{FileReader as _, SerializedFileReader};

use crate::Refusal;

/// The rows of the Parquet file at `path`, by its footer.
///
/// # Errors
/// [`Refusal`] when it is no Parquet file.
pub fn parquet_rows(path: &Path) -> Result<u64, Refusal> {
    let file = File::open(path).map_err(|error| Refusal::io_failed(path, error))?;
    let reader = SerializedFileReader::new(file)
        .map_err(|_| Refusal::new(Refusal::DAMAGED_PARQUET, "its footer cannot be read"))?;
    let rows = reader.metadata().file_metadata().num_rows();
    u64::try_from(rows)
        .map_err(|_| Refusal::new(Refusal::DAMAGED_PARQUET, "its footer states negative rows"))
}
