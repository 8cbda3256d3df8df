//! How much the arguments of a call are, without calling it.

use arrow::{
    array::{Array, ArrayRef, AsArray as _, FixedSizeListArray},
    compute,
    datatypes::{DataType, Int64Type},
};
use datafusion::logical_expr::ColumnarValue;

/// The arguments of one call over some rows. Numbers are 128 bits so that no product overflows.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    pub(super) values: &'a [ColumnarValue],
    pub(super) rows: usize,
}

impl Arguments<'_> {
    /// The bytes of argument `index` in all rows; 0 if there is no such argument.
    pub(super) fn bytes(&self, index: usize) -> u128 {
        match self.values.get(index) {
            None => 0,
            Some(ColumnarValue::Array(array)) => bytes(array),
            Some(ColumnarValue::Scalar(_)) => self.scalar(index, bytes) * self.rows as u128,
        }
    }

    /// The bytes of all arguments in all rows.
    pub(super) fn all_bytes(&self) -> u128 {
        (0..self.values.len()).map(|index| self.bytes(index)).sum()
    }

    /// The bytes of argument `index` in the row that has most, or more.
    pub(super) fn most_bytes(&self, index: usize) -> u128 {
        match self.values.get(index) {
            None => 0,
            Some(ColumnarValue::Array(array)) => most_bytes(array),
            Some(ColumnarValue::Scalar(_)) => self.scalar(index, bytes),
        }
    }

    /// The elements of the lists of argument `index` in all rows.
    pub(super) fn elements(&self, index: usize) -> u128 {
        match self.values.get(index) {
            None => 0,
            Some(ColumnarValue::Array(array)) => elements(array),
            Some(ColumnarValue::Scalar(_)) => self.scalar(index, elements) * self.rows as u128,
        }
    }

    /// The largest number of argument `index`; 0 if it is negative, null or no number.
    pub(super) fn most(&self, index: usize) -> u128 {
        let most = |array: &ArrayRef| {
            let numbers = compute::cast(array, &DataType::Int64).ok();
            let most = numbers.and_then(|array| compute::max(array.as_primitive::<Int64Type>()));
            most.map_or(0, |most| u128::try_from(most).unwrap_or(0))
        };
        match self.values.get(index) {
            None => 0,
            Some(ColumnarValue::Array(array)) => most(array),
            Some(ColumnarValue::Scalar(_)) => self.scalar(index, most),
        }
    }

    fn scalar(&self, index: usize, measure: impl Fn(&ArrayRef) -> u128) -> u128 {
        match self.values.get(index) {
            Some(ColumnarValue::Scalar(value)) => value.to_array().map_or(0, |one| measure(&one)),
            _ => 0,
        }
    }
}

/// What the values of `array` take up, without what its buffers share with others.
pub(crate) fn bytes(array: &ArrayRef) -> u128 {
    let rows = array.len() as u128;
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => span(array.as_string::<i64>().value_offsets()),
        DataType::Binary => span(array.as_binary::<i32>().value_offsets()),
        DataType::LargeBinary => span(array.as_binary::<i64>().value_offsets()),
        DataType::Utf8View => view_lengths(array.as_string_view().views()).sum(),
        DataType::BinaryView => view_lengths(array.as_binary_view().views()).sum(),
        DataType::Struct(_) => array.as_struct().columns().iter().map(bytes).sum(),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::Map(..) => items(array).map_or(0, |items| bytes(&items)) + 8 * rows,
        _ => {
            array.to_data().get_slice_memory_size().unwrap_or(array.get_array_memory_size()) as u128
        }
    }
}

fn most_bytes(array: &ArrayRef) -> u128 {
    match array.data_type() {
        DataType::Utf8 => longest(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => longest(array.as_string::<i64>().value_offsets()),
        DataType::Utf8View => view_lengths(array.as_string_view().views()).max().unwrap_or(0),
        _ => bytes(array),
    }
}

fn elements(array: &ArrayRef) -> u128 {
    items(array).map_or(0, |items| items.len() as u128)
}

/// The elements of the lists in `array`, and of no other lists that share its buffers.
fn items(array: &ArrayRef) -> Option<ArrayRef> {
    let (values, start, end) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            (list.values(), offsets[0].into(), offsets[list.len()].into())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let offsets = list.value_offsets();
            (list.values(), offsets[0], offsets[list.len()])
        }
        DataType::FixedSizeList(..) => {
            let list: &FixedSizeListArray = array.as_fixed_size_list();
            return Some(std::sync::Arc::clone(list.values()));
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            let offsets = map.value_offsets();
            let (start, end): (i64, i64) = (offsets[0].into(), offsets[map.len()].into());
            return Some(slice(&entries, start, end));
        }
        _ => return None,
    };
    Some(slice(values, start, end))
}

fn slice(values: &ArrayRef, start: i64, end: i64) -> ArrayRef {
    let start = usize::try_from(start).unwrap_or(0);
    let end = usize::try_from(end).unwrap_or(0);
    values.slice(start, end.saturating_sub(start))
}

fn span<O: Into<i64> + Copy>(offsets: &[O]) -> u128 {
    let ends = offsets.first().zip(offsets.last());
    ends.map_or(0, |(first, last)| u128::try_from((*last).into() - (*first).into()).unwrap_or(0))
}

fn longest<O: Into<i64> + Copy>(offsets: &[O]) -> u128 {
    offsets.windows(2).map(span).max().unwrap_or(0)
}

/// A view holds its length in its lowest 32 bits.
fn view_lengths(views: &[u128]) -> impl Iterator<Item = u128> {
    views.iter().map(|view| view & 0xffff_ffff)
}
