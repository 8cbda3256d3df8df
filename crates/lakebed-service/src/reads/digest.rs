//! The digest of an answer, whatever order its rows came in.
//!
//! Each row is written down in one way that depends on its values alone, and hashed (XXH64 under two seeds:
//! every row of every answer passes here); the hashes of all rows are added up as numbers of 128 bits,
//! which no order changes and no row leaves alone. Columns, the number of rows and that sum make the
//! digest, a BLAKE3. Equal answers have equal digests; that two digests differ says that rows differ. It
//! is no commitment against whoever may choose the rows themselves: sums of hashes can be met by
//! searching for rows.

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, FixedSizeBinaryArray, GenericBinaryArray,
        GenericStringArray, OffsetSizeTrait, PrimitiveArray, RecordBatch,
    },
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type,
        Int8Type, Int16Type, Int32Type, Int64Type, Schema, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use lakebed_core::ObjectId;
use twox_hash::XxHash64;

/// What is counted of an answer while its rows go by.
#[derive(Debug)]
pub(crate) struct ResultDigest {
    columns: Vec<u8>,
    sum: u128,
    rows: u64,
    bytes: u64,
    /// One row, written down.
    row: Vec<u8>,
}

impl ResultDigest {
    pub(crate) fn new(schema: &Schema) -> Self {
        let mut columns = Vec::new();
        for field in schema.fields() {
            put_bytes(field.name().as_bytes(), &mut columns);
            put_bytes(field.data_type().to_string().as_bytes(), &mut columns);
        }
        Self { columns, sum: 0, rows: 0, bytes: 0, row: Vec::new() }
    }

    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        let cells: Vec<Cells<'_>> = batch.columns().iter().map(Cells::of).collect();
        for row in 0..batch.num_rows() {
            self.row.clear();
            for cells in &cells {
                cells.put(row, &mut self.row);
            }
            self.bytes += self.row.len() as u64;
            self.sum = self.sum.wrapping_add(hash(&self.row));
        }
        self.rows += batch.num_rows() as u64;
    }

    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn digest(&self) -> ObjectId {
        let mut text = b"lakebed answer 2\n".to_vec();
        put_bytes(&self.columns, &mut text);
        text.extend(self.rows.to_le_bytes());
        text.extend(self.sum.to_le_bytes());
        ObjectId::of(&text)
    }
}

/// 128 bits of a row: its hash under seed 0, and above it that under seed 1.
fn hash(row: &[u8]) -> u128 {
    let [low, high] = [0, 1].map(|seed| u128::from(XxHash64::oneshot(seed, row)));
    (high << 64) | low
}

/// A column, by how its values are written down: those of fixed width as they are in memory, others
/// with their length before them, what is nested as its text.
enum Cells<'a> {
    Boolean(&'a arrow::array::BooleanArray),
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    U8(&'a PrimitiveArray<UInt8Type>),
    U16(&'a PrimitiveArray<UInt16Type>),
    U32(&'a PrimitiveArray<UInt32Type>),
    U64(&'a PrimitiveArray<UInt64Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time64MicrosecondType>),
    Second(&'a PrimitiveArray<TimestampSecondType>),
    Millisecond(&'a PrimitiveArray<TimestampMillisecondType>),
    Microsecond(&'a PrimitiveArray<TimestampMicrosecondType>),
    Nanosecond(&'a PrimitiveArray<TimestampNanosecondType>),
    Text(&'a GenericStringArray<i32>),
    LargeText(&'a GenericStringArray<i64>),
    Binary(&'a GenericBinaryArray<i32>),
    LargeBinary(&'a GenericBinaryArray<i64>),
    Fixed(&'a FixedSizeBinaryArray),
    Other(&'a ArrayRef, Option<ArrayFormatter<'a>>),
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::I8(array.as_primitive()),
            DataType::Int16 => Self::I16(array.as_primitive()),
            DataType::Int32 => Self::I32(array.as_primitive()),
            DataType::Int64 => Self::I64(array.as_primitive()),
            DataType::UInt8 => Self::U8(array.as_primitive()),
            DataType::UInt16 => Self::U16(array.as_primitive()),
            DataType::UInt32 => Self::U32(array.as_primitive()),
            DataType::UInt64 => Self::U64(array.as_primitive()),
            DataType::Float32 => Self::F32(array.as_primitive()),
            DataType::Float64 => Self::F64(array.as_primitive()),
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive()),
            DataType::Date32 => Self::Date(array.as_primitive()),
            DataType::Time64(TimeUnit::Microsecond) => Self::Time(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Second, _) => Self::Second(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::Millisecond(array.as_primitive())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Microsecond(array.as_primitive())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Self::Nanosecond(array.as_primitive()),
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::LargeUtf8 => Self::LargeText(array.as_string()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary()),
            DataType::FixedSizeBinary(_) => Self::Fixed(array.as_fixed_size_binary()),
            _ => {
                const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_null("null");
                Self::Other(array, ArrayFormatter::try_new(array.as_ref(), &OPTIONS).ok())
            }
        }
    }

    fn put(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(array) => put(*array, row, out, |out| out.push(array.value(row).into())),
            Self::I8(array) => fixed(array, row, out),
            Self::I16(array) => fixed(array, row, out),
            Self::I32(array) => fixed(array, row, out),
            Self::I64(array) => fixed(array, row, out),
            Self::U8(array) => fixed(array, row, out),
            Self::U16(array) => fixed(array, row, out),
            Self::U32(array) => fixed(array, row, out),
            Self::U64(array) => fixed(array, row, out),
            Self::F32(array) => fixed(array, row, out),
            Self::F64(array) => fixed(array, row, out),
            Self::Decimal(array) => fixed(array, row, out),
            Self::Date(array) => fixed(array, row, out),
            Self::Time(array) => fixed(array, row, out),
            Self::Second(array) => fixed(array, row, out),
            Self::Millisecond(array) => fixed(array, row, out),
            Self::Microsecond(array) => fixed(array, row, out),
            Self::Nanosecond(array) => fixed(array, row, out),
            Self::Text(array) => text(array, row, out),
            Self::LargeText(array) => text(array, row, out),
            Self::Binary(array) => binary(array, row, out),
            Self::LargeBinary(array) => binary(array, row, out),
            Self::Fixed(array) => put(*array, row, out, |out| put_bytes(array.value(row), out)),
            Self::Other(array, formatter) => put(array.as_ref(), row, out, |out| {
                let text = formatter.as_ref().map(|cells| cells.value(row).to_string());
                put_bytes(text.unwrap_or_default().as_bytes(), out);
            }),
        }
    }
}

/// Whether there is a value, and then the value.
fn put(array: &dyn Array, row: usize, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    match array.is_null(row) {
        true => out.push(0),
        false => {
            out.push(1);
            value(out);
        }
    }
}

fn fixed<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, row: usize, out: &mut Vec<u8>) {
    use arrow::datatypes::ToByteSlice as _;
    put(array, row, out, |out| out.extend_from_slice(array.value(row).to_byte_slice()));
}

fn text<O: OffsetSizeTrait>(array: &GenericStringArray<O>, row: usize, out: &mut Vec<u8>) {
    put(array, row, out, |out| put_bytes(array.value(row).as_bytes(), out));
}

fn binary<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>, row: usize, out: &mut Vec<u8>) {
    put(array, row, out, |out| put_bytes(array.value(row), out));
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Float64Array, Int64Array, StringArray},
        compute::{concat_batches, take_record_batch},
        datatypes::Field,
    };
    use proptest::prelude::*;

    use super::*;

    type Row = (Option<i64>, Option<String>, Option<f64>);

    fn batch(rows: &[Row]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("t", DataType::Utf8, true),
            Field::new("f", DataType::Float64, true),
        ]);
        let numbers: Int64Array = rows.iter().map(|row| row.0).collect();
        let texts: StringArray = rows.iter().map(|row| row.1.clone()).collect();
        let floats: Float64Array = rows.iter().map(|row| row.2).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts), Arc::new(floats)];
        RecordBatch::try_new(Arc::new(schema), columns).expect("columns of the schema")
    }

    fn digest(batches: &[RecordBatch]) -> ObjectId {
        let mut digest = ResultDigest::new(&batches[0].schema());
        batches.iter().for_each(|batch| digest.add(batch));
        digest.digest()
    }

    fn row() -> impl Strategy<Value = Row> {
        (any::<Option<i64>>(), proptest::option::of("[a-c]{0,3}"), any::<Option<f64>>())
    }

    proptest! {
        /// Neither the order of rows nor where batches end changes it; a changed, dropped or repeated
        /// row does.
        #[test]
        fn the_digest_is_that_of_the_rows(
            rows in proptest::collection::vec(row(), 1..20),
            other in row(),
            seed in any::<u64>(),
        ) {
            let whole = batch(&rows);
            let expected = digest(std::slice::from_ref(&whole));
            let mut places: Vec<u64> = (0..rows.len() as u64).collect();
            places.sort_by_key(|place| (place + 1).wrapping_mul(seed | 1).rotate_left(17));
            let places = arrow::array::UInt64Array::from(places);
            let shuffled = take_record_batch(&whole, &places).expect("places in it");
            let cut = usize::try_from(seed).unwrap_or_default() % rows.len();
            let parts = [shuffled.slice(0, cut), shuffled.slice(cut, rows.len() - cut)];
            prop_assert_eq!(digest(&parts), expected);

            let twice = concat_batches(&whole.schema(), [&whole, &whole.slice(cut, 1)]);
            prop_assert_ne!(digest(&[twice.expect("the same columns")]), expected);
            prop_assert_ne!(digest(&[whole.slice(0, rows.len() - 1)]), expected);
            let mut changed = rows.clone();
            changed[cut] = other;
            let bits = |row: &Row| (row.0, row.1.clone(), row.2.map(f64::to_bits));
            if bits(&changed[cut]) != bits(&rows[cut]) {
                prop_assert_ne!(digest(&[batch(&changed)]), expected);
            }
        }
    }

    #[test]
    fn names_and_types_of_columns_count() {
        let rows = batch(&[(Some(1), None, None)]);
        let renamed = Schema::new(vec![
            Field::new("m", DataType::Int64, true),
            Field::new("t", DataType::Utf8, true),
            Field::new("f", DataType::Float64, true),
        ]);
        let same = RecordBatch::try_new(Arc::new(renamed), rows.columns().to_vec());
        assert_ne!(digest(&[rows]), digest(&[same.expect("the same columns")]));
    }

    /// What one column ends with is not what the next one begins with, and nothing is not empty.
    #[test]
    fn cells_do_not_run_into_each_other() {
        let texts = |one: Option<&str>, two: Option<&str>| {
            let schema = Schema::new(vec![
                Field::new("a", DataType::Utf8, true),
                Field::new("b", DataType::Utf8, true),
            ]);
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringArray::from(vec![one])),
                Arc::new(StringArray::from(vec![two])),
            ];
            digest(&[RecordBatch::try_new(Arc::new(schema), columns).expect("two columns")])
        };
        assert_ne!(texts(Some("ab"), Some("c")), texts(Some("a"), Some("bc")));
        assert_ne!(texts(None, Some("")), texts(Some(""), None));
    }
}
