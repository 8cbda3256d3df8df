//! What the values of an answer weigh: the unit of [`QueryLimits::max_bytes`].
//!
//! The weight of rows is the sum of the weights of each, however they are cut into batches, and
//! follows from the values alone: what lies in a buffer under a null weighs nothing, for a mask may
//! have put the null there.
//!
//! [`QueryLimits::max_bytes`]: lakebed_service::engine::QueryLimits::max_bytes

use arrow::{
    array::{Array, ArrayRef, AsArray as _, OffsetSizeTrait, RecordBatch},
    buffer::NullBuffer,
    datatypes::DataType,
};

/// The bytes of all values of `batch`, whose types are plain.
pub(crate) fn weight(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| bytes(column, None)).sum()
}

/// The bytes of the values of `array`, where neither it nor `outer` is null.
fn bytes(array: &ArrayRef, outer: Option<&NullBuffer>) -> u64 {
    let nulls = NullBuffer::union(outer, array.nulls());
    let nulls = nulls.as_ref().filter(|nulls| nulls.null_count() > 0);
    let rows = array.len() as u64;
    match array.data_type() {
        DataType::Null => 0,
        DataType::Boolean => rows,
        DataType::Utf8 => 4 * rows + lengths(array.as_string::<i32>().value_offsets(), nulls),
        DataType::LargeUtf8 => 8 * rows + lengths(array.as_string::<i64>().value_offsets(), nulls),
        DataType::Binary => 4 * rows + lengths(array.as_binary::<i32>().value_offsets(), nulls),
        DataType::LargeBinary => {
            8 * rows + lengths(array.as_binary::<i64>().value_offsets(), nulls)
        }
        DataType::FixedSizeBinary(width) => rows * u64::try_from(*width).unwrap_or(0),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            4 * rows + items(list.values(), list.value_offsets(), nulls)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            8 * rows + items(list.values(), list.value_offsets(), nulls)
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            4 * rows + items(&entries, map.value_offsets(), nulls)
        }
        DataType::FixedSizeList(_, length) => {
            let length = usize::try_from(*length).unwrap_or(0);
            let nulls = nulls.map(|nulls| nulls.expand(length));
            bytes(array.as_fixed_size_list().values(), nulls.as_ref())
        }
        DataType::Struct(_) => {
            array.as_struct().columns().iter().map(|column| bytes(column, nulls)).sum()
        }
        other => match other.primitive_width() {
            Some(width) => rows * width as u64,
            None => array.to_data().get_slice_memory_size().unwrap_or(0) as u64,
        },
    }
}

/// The lengths of what is between `offsets`, together.
fn lengths<O: OffsetSizeTrait>(offsets: &[O], nulls: Option<&NullBuffer>) -> u64 {
    spans(offsets, nulls).map(|(start, end)| (end - start) as u64).sum()
}

/// The weight of the items of lists.
fn items<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &[O], nulls: Option<&NullBuffer>) -> u64 {
    spans(offsets, nulls).map(|(start, end)| bytes(&values.slice(start, end - start), None)).sum()
}

/// Where the values lie that are not null; neighbours are one span.
fn spans<O: OffsetSizeTrait>(
    offsets: &[O],
    nulls: Option<&NullBuffer>,
) -> impl Iterator<Item = (usize, usize)> {
    let whole = nulls.is_none().then_some((0, offsets.len() - 1));
    let valid = nulls.into_iter().flat_map(NullBuffer::valid_slices);
    let rows = whole.into_iter().chain(valid);
    rows.map(|(start, end)| (offsets[start].as_usize(), offsets[end].as_usize()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            BinaryArray, BooleanArray, FixedSizeListArray, Int32Array, Int64Array, ListArray,
            NullArray, StringArray, StructArray,
        },
        buffer::OffsetBuffer,
        datatypes::{Field, Fields, Int64Type},
    };

    use super::*;

    /// One row null, whose bytes lie in the buffer all the same.
    fn texts() -> ArrayRef {
        let offsets = OffsetBuffer::new(vec![0, 2, 1000, 1003].into());
        let nulls = NullBuffer::from(vec![true, false, true]);
        Arc::new(StringArray::new(offsets, vec![b'x'; 1003].into(), Some(nulls)))
    }

    fn lists() -> ArrayRef {
        let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
    }

    fn structs() -> ArrayRef {
        let field = Field::new("t", DataType::Utf8, true);
        let nulls = NullBuffer::from(vec![false, true, true]);
        Arc::new(StructArray::new(Fields::from(vec![field]), vec![texts()], Some(nulls)))
    }

    fn pairs() -> ArrayRef {
        let field = Arc::new(Field::new("item", DataType::Int32, true));
        let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..6));
        Arc::new(FixedSizeListArray::new(field, 2, values, None))
    }

    #[test]
    fn values_weigh_what_the_documentation_says() {
        let of = |array: ArrayRef| bytes(&array, None);
        assert_eq!(of(texts()), 3 * 4 + 2 + 3);
        assert_eq!(of(lists()), 3 * 4 + 2 * 8);
        assert_eq!(of(structs()), 3 * 4 + 3);
        assert_eq!(of(pairs()), 6 * 4);
        assert_eq!(of(Arc::new(Int64Array::from(vec![Some(1), None]))), 16);
        assert_eq!(of(Arc::new(BooleanArray::from(vec![Some(true), None]))), 2);
        assert_eq!(of(Arc::new(BinaryArray::from(vec![b"abc".as_slice(), b""]))), 2 * 4 + 3);
        assert_eq!(of(Arc::new(NullArray::new(9))), 0);
    }

    /// However rows are cut into batches, together they weigh the same.
    #[test]
    fn weights_add_up() {
        for array in [texts(), lists(), structs(), pairs()] {
            let parts: u64 = (0..array.len()).map(|row| bytes(&array.slice(row, 1), None)).sum();
            assert_eq!(parts, bytes(&array, None), "{}", array.data_type());
            let parts = bytes(&array.slice(0, 1), None) + bytes(&array.slice(1, 2), None);
            assert_eq!(parts, bytes(&array, None), "{}", array.data_type());
        }
    }
}
