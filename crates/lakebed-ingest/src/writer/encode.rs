//! Slices of one column into the pages of its column chunks; what a worker does.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, make_array},
    compute::{self, concat},
    datatypes::{DataType, FieldRef},
    error::ArrowError,
};
use lakebed_core::profile::ColumnProfile;
use parquet::{
    arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves},
    errors::ParquetError,
};

use super::{Slice, choice::wants_dictionary, file::Encoders};
use crate::profile::ColumnProfiler;

/// More text than this in one slice does not fit 32-bit offsets; kept well below.
const NARROW_BYTES: usize = 1 << 30;

/// A column of a row group on its way through a worker.
pub(crate) struct Job {
    pub(crate) writer: usize,
    pub(crate) group: u64,
    pub(crate) column: usize,
    pub(crate) field: FieldRef,
    pub(crate) writers: Writers,
    pub(crate) slices: Vec<Slice>,
    /// Sees every slice on its way, where the table is profiled.
    pub(crate) profiler: Option<ColumnProfiler>,
    /// Whether the column chunk ends with these slices.
    pub(crate) last: bool,
}

/// The encoders of a column's leaves.
pub(crate) enum Writers {
    /// Nothing was written yet; the first slice decides which they are.
    Open(Encoders),
    Chosen(Vec<ArrowColumnWriter>),
}

impl Writers {
    fn chosen(self, first: Option<&ArrayRef>) -> Result<Vec<ArrowColumnWriter>, ParquetError> {
        match self {
            Self::Chosen(writers) => Ok(writers),
            Self::Open(encoders) => encoders.make(first.is_none_or(wants_dictionary)),
        }
    }
}

/// The same, done.
pub(crate) struct Encoded {
    pub(crate) writer: usize,
    pub(crate) group: u64,
    pub(crate) column: usize,
    pub(crate) outcome: Result<Outcome, ParquetError>,
}

pub(crate) enum Outcome {
    /// Encoders that wait for more slices, and who sees them.
    More(Writers, Option<ColumnProfiler>),
    Done(Vec<ArrowColumnChunk>, Option<Box<ColumnProfile>>),
}

impl Job {
    pub(crate) fn run(self) -> Encoded {
        let Self { writer, group, column, field, writers, slices, profiler, last } = self;
        let outcome = encode(&field, writers, slices, profiler, last, NARROW_BYTES);
        Encoded { writer, group, column, outcome }
    }
}

fn encode(
    field: &FieldRef,
    mut writers: Writers,
    slices: Vec<Slice>,
    mut profiler: Option<ColumnProfiler>,
    last: bool,
    narrow_bytes: usize,
) -> Result<Outcome, ParquetError> {
    for slice in slices {
        let array = without_idle_bitmaps(&join_below(&slice, narrow_bytes)?);
        drop(slice);
        if let Some(profiler) = &mut profiler {
            profiler.add(&array);
        }
        let mut chosen = writers.chosen(Some(&array))?;
        for (writer, leaf) in chosen.iter_mut().zip(compute_leaves(field, &array)?) {
            writer.write(&leaf)?;
        }
        writers = Writers::Chosen(chosen);
    }
    if !last {
        return Ok(Outcome::More(writers, profiler));
    }
    let writers = writers.chosen(None)?;
    let chunks = writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>()?;
    Ok(Outcome::Done(chunks, profiler.map(ColumnProfiler::finish)))
}

/// One array of the parts of a slice, with 64-bit offsets if the text is too much for 32.
pub(crate) fn join(parts: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    join_below(parts, NARROW_BYTES)
}

fn join_below(parts: &[ArrayRef], narrow_bytes: usize) -> Result<ArrayRef, ArrowError> {
    let refs: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
    let wide = match parts.first().map(|part| part.data_type()) {
        Some(DataType::Utf8) => DataType::LargeUtf8,
        Some(DataType::Binary) => DataType::LargeBinary,
        _ => return concat(&refs),
    };
    let text = |part: &ArrayRef| match part.data_type() {
        DataType::Utf8 => length(part.as_string::<i32>().value_offsets()),
        _ => length(part.as_binary::<i32>().value_offsets()),
    };
    if parts.iter().map(text).sum::<usize>() <= narrow_bytes {
        return concat(&refs);
    }
    let widened: Vec<ArrayRef> =
        parts.iter().map(|part| compute::cast(part, &wide)).collect::<Result<_, _>>()?;
    concat(&widened.iter().map(|part| part.as_ref()).collect::<Vec<_>>())
}

fn length(offsets: &[i32]) -> usize {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    (last - first) as usize
}

/// `array` without validity bitmaps, nested ones too, that say nothing is null.
fn without_idle_bitmaps(array: &ArrayRef) -> ArrayRef {
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter().map(without_idle_bitmaps).collect();
            match StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len()) {
                Ok(array) => Arc::new(array),
                Err(_) => Arc::clone(array),
            }
        }
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            let values = without_idle_bitmaps(list.values());
            match ListArray::try_new(field.clone(), list.offsets().clone(), values, nulls) {
                Ok(array) => Arc::new(array),
                Err(_) => Arc::clone(array),
            }
        }
        DataType::Map(field, sorted) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = without_idle_bitmaps(&entries).as_struct().clone();
            match MapArray::try_new(field.clone(), map.offsets().clone(), entries, nulls, *sorted) {
                Ok(array) => Arc::new(array),
                Err(_) => Arc::clone(array),
            }
        }
        _ if nulls.is_some() || array.nulls().is_none() => Arc::clone(array),
        _ => match array.to_data().into_builder().nulls(None).build() {
            Ok(data) => make_array(data),
            Err(_) => Arc::clone(array),
        },
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    fn encoded(parts: &[&[&str]], narrow_bytes: usize) -> usize {
        let field = Arc::new(arrow::datatypes::Field::new("t", DataType::Utf8, true));
        let writers = Writers::Open(Encoders::of(&field).expect("encoders"));
        let part = |texts: &&[&str]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let slice: Slice = parts.iter().map(part).collect();
        match encode(&field, writers, vec![slice], None, true, narrow_bytes).expect("chunks") {
            Outcome::Done(chunks, _) => chunks[0].close().metadata.num_values() as usize,
            Outcome::More(..) => panic!("it was the last slice"),
        }
    }

    /// Text beyond what 32-bit offsets reach is written with 64-bit ones.
    #[test]
    fn much_text_in_one_slice_is_no_trouble() {
        let parts: [&[&str]; 2] = [&["a", "b"], &["c"]];
        assert_eq!(encoded(&parts, 2), 3);
        assert_eq!(encoded(&parts, 1000), 3);
    }
}
