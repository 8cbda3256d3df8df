//! Reading quarantine files, of this build and of those before.

use std::{fs::File, path::Path, vec};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StructArray};
use lakebed_core::{Reason, ReasonCode, Severity};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{FORMAT, FORMAT_KEY};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 1024;

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// The source's name.
    pub source: String,
    /// The line it begins on, counted from 1.
    pub line: u64,
    /// Where it begins in the decompressed source.
    pub byte_offset: u64,
    /// Its bytes, with its line end.
    pub raw: Vec<u8>,
    /// All that is wrong with it.
    pub reasons: Vec<Reason>,
}

/// A file that is no quarantine this build can read.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// A newer build wrote it.
    #[error("quarantine format `{found}` is not known to this build, which knows up to {FORMAT}")]
    Newer {
        /// What its footer says.
        found: String,
    },
    /// It is no quarantine file, or not all of one.
    #[error("not a quarantine file: {what}")]
    Other {
        /// What does not fit.
        what: String,
    },
}

fn other(what: impl ToString) -> QuarantineError {
    QuarantineError::Other { what: what.to_string() }
}

/// The rows of a quarantine file, in its order; memory is a thousand of them.
#[derive(Debug)]
pub struct QuarantineReader {
    batches: ParquetRecordBatchReader,
    rows: vec::IntoIter<QuarantinedRow>,
}

impl QuarantineReader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`QuarantineError`] when this build cannot read it.
    pub fn open(path: &Path) -> Result<Self, QuarantineError> {
        let file = File::open(path).map_err(other)?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(other)?;
        let pairs = builder.metadata().file_metadata().key_value_metadata();
        let format = pairs
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == FORMAT_KEY))
            .map(|pair| pair.value.clone().unwrap_or_default());
        let is_known = |format: &String| format.parse().is_ok_and(|format: u32| format <= FORMAT);
        // Files of version 1 do not say so.
        if let Some(found) = format.filter(|format| !is_known(format)) {
            return Err(QuarantineError::Newer { found });
        }
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(other)?;
        Ok(Self { batches, rows: Vec::new().into_iter() })
    }
}

impl Iterator for QuarantineReader {
    type Item = Result<QuarantinedRow, QuarantineError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            let rows = match self.batches.next()? {
                Ok(batch) => rows_of(&batch),
                Err(error) => Err(other(error)),
            };
            match rows {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<QuarantinedRow>, QuarantineError> {
    let missing = |name: &str| other(format!("column `{name}` is missing or of another type"));
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| missing(name));
    let numbers = |name: &str| -> Result<Vec<u64>, QuarantineError> {
        let values = column(name)?.as_primitive_opt::<arrow::datatypes::Int64Type>();
        let values = values.ok_or_else(|| missing(name))?;
        values.values().iter().map(|value| u64::try_from(*value).map_err(other)).collect()
    };
    let sources = column("source")?.as_string_opt::<i32>().ok_or_else(|| missing("source"))?;
    let raw = column("raw")?.as_binary_opt::<i32>().ok_or_else(|| missing("raw"))?;
    let reasons = column("reasons")?.as_list_opt::<i32>().ok_or_else(|| missing("reasons"))?;
    let (lines, offsets) = (numbers("line")?, numbers("byte_offset")?);
    let row = |row: usize| {
        Ok(QuarantinedRow {
            source: sources.value(row).to_owned(),
            line: lines[row],
            byte_offset: offsets[row],
            raw: raw.value(row).to_vec(),
            reasons: reasons_of(&reasons.value(row)).ok_or_else(|| missing("reasons"))??,
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

fn reasons_of(reasons: &ArrayRef) -> Option<Result<Vec<Reason>, QuarantineError>> {
    let reasons: &StructArray = reasons.as_struct_opt()?;
    let texts = |name: &str| reasons.column_by_name(name)?.as_string_opt::<i32>();
    let (codes, columns) = (texts("code")?, texts("column")?);
    let (rules, severities) = (texts("rule")?, texts("severity")?);
    let reason = |row: usize| {
        let (code, severity) = (codes.value(row), severities.value(row));
        Ok(Reason {
            code: ReasonCode::named(code).ok_or_else(|| other(format!("code `{code}`")))?,
            column: columns.is_valid(row).then(|| columns.value(row).to_owned()),
            rule: rules.value(row).to_owned(),
            severity: severity_named(severity)
                .ok_or_else(|| other(format!("severity `{severity}`")))?,
        })
    };
    Some((0..reasons.len()).map(reason).collect())
}

fn severity_named(name: &str) -> Option<Severity> {
    let all = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];
    all.into_iter().find(|severity| severity.as_str() == name)
}
