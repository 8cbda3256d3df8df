//! Rows of a binary source, judged by rules, and those that break one as lines of JSON.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, UInt64Array},
    compute,
    datatypes::{DataType as ArrowType, Field, FieldRef, Fields, Schema, TimeUnit},
    json::{LineDelimitedWriter, WriterBuilder, writer::LineDelimited},
};
use lakebed_core::Severity;

use crate::{
    checks::Checking,
    rows::{Fault, RuleCount, without},
    unique::Turn,
};

/// A batch of a binary source.
#[derive(Debug)]
pub(crate) struct JudgedBatch {
    /// The accepted rows.
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) accepted: usize,
    pub(crate) bad: Vec<BadRecord>,
    /// Places of rows count from the batch's start.
    pub(crate) rules: Vec<RuleCount>,
}

/// A row that breaks a rule.
#[derive(Debug)]
pub(crate) struct BadRecord {
    /// Its place in the batch.
    pub(crate) row: u64,
    /// The row as a line of JSON, nulls included.
    pub(crate) raw: Vec<u8>,
    pub(crate) faults: Vec<Fault>,
}

impl JudgedBatch {
    /// Rows that nobody judges.
    pub(crate) const fn accepted(columns: Vec<ArrayRef>, rows: usize) -> Self {
        Self { columns, accepted: rows, bad: Vec::new(), rules: Vec::new() }
    }

    /// Judges `rows` rows.
    ///
    /// # Errors
    /// What is wrong with the check, or with a row that cannot be told in JSON.
    pub(crate) fn judge(
        checking: &Checking,
        columns: Vec<ArrayRef>,
        rows: usize,
        turn: Option<Turn>,
    ) -> Result<Self, String> {
        let broken = checking.broken(&columns, rows)?;
        let mut rules = vec![RuleCount::default(); broken.len()];
        let mut faults: Vec<(usize, u32)> = Vec::new();
        for (rule, broken) in broken.iter().enumerate() {
            for row in broken.iter().flat_map(|broken| broken.set_indices()) {
                rules[rule].add(row as u64);
                if checking.rules()[rule].severity >= Severity::Error {
                    faults.push((row, rule as u32));
                }
            }
        }
        faults.sort_unstable();
        let is_out = |row: usize| faults.binary_search_by_key(&row, |fault| fault.0).is_ok();
        for (row, rule) in checking.repeated(&columns, rows, turn, is_out)? {
            rules[rule].add(row as u64);
            if checking.rules()[rule].severity >= Severity::Error {
                faults.push((row, rule as u32));
            }
        }
        faults.sort_unstable();
        let of_rows: Vec<&[(usize, u32)]> =
            faults.chunk_by(|one, other| one.0 == other.0).collect();
        let places: Vec<usize> = of_rows.iter().map(|of_row| of_row[0].0).collect();
        let raw = lines(checking, &columns, &places)?;
        let bad = of_rows.into_iter().zip(raw).map(|(of_row, raw)| BadRecord {
            row: of_row[0].0 as u64,
            raw,
            faults: of_row.iter().map(|(_, rule)| checking.fault(*rule)).collect(),
        });
        let bad: Vec<BadRecord> = bad.collect();
        let columns = without(columns, rows, &places)?;
        let accepted = rows - places.len();
        Ok(Self { columns, accepted, bad, rules })
    }
}

/// Those rows, each as a line of JSON with its line end.
fn lines(
    checking: &Checking,
    columns: &[ArrayRef],
    places: &[usize],
) -> Result<Vec<Vec<u8>>, String> {
    let text = |error: arrow::error::ArrowError| error.to_string();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let places: UInt64Array = places.iter().map(|place| *place as u64).collect();
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (field, column) in checking.schema().fields().iter().zip(columns) {
        let data_type = with_offsets(column.data_type());
        let taken = compute::take(column, &places, None).map_err(text)?;
        arrays.push(compute::cast(&taken, &data_type).map_err(text)?);
        fields.push(Field::new(field.name(), data_type, true));
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(text)?;
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: LineDelimitedWriter<Vec<u8>> = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(&batch).and_then(|()| writer.finish()).map_err(text)?;
    // Within JSON a line end is escaped, so every LF ends a row.
    let all = writer.into_inner();
    Ok(all.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect())
}

/// The type with zones that are offsets: Arrow prints no others.
fn with_offsets(data_type: &ArrowType) -> ArrowType {
    let inner = |field: &FieldRef| {
        let data_type = with_offsets(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            ArrowType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
        }
        ArrowType::List(element) => ArrowType::List(inner(element)),
        ArrowType::Map(entries, sorted) => ArrowType::Map(inner(entries), *sorted),
        ArrowType::Struct(fields) => {
            ArrowType::Struct(fields.iter().map(inner).collect::<Fields>())
        }
        other => other.clone(),
    }
}
