//! Cells of one column into an Arrow array, block after block.

use std::sync::Arc;

use arrow::array::NullBufferBuilder;
use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Decimal128Array, FixedSizeBinaryArray, PrimitiveArray,
        StringArray,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use lakebed_core::DataType;

use super::{
    ColumnReading,
    check::{Cell, Cells, keeps_silent, with_parser},
    walk::{Trouble, Visit},
};
use crate::{
    arrow_types::arrow_type,
    cell::{self, Verdict, civil, number},
};

/// The array of one column under construction.
pub(crate) struct Builder {
    data_type: DataType,
    /// How a typed column is read, or none for a guess.
    declared: Option<bool>,
    /// For a guess: whether nothing is known of the column yet.
    unknown: bool,
    values: Values,
    nulls: NullBufferBuilder,
    scratch: Vec<u8>,
}

enum Values {
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal(Vec<i128>),
    /// Strings, bytes, and bytes of one length: where values end, and all of them.
    Bytes {
        ends: Vec<i32>,
        bytes: Vec<u8>,
    },
}

impl Values {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(Vec::new()),
            DataType::Int | DataType::Date => Self::Int(Vec::new()),
            DataType::Long | DataType::Time | DataType::Timestamp | DataType::Timestamptz => {
                Self::Long(Vec::new())
            }
            DataType::Float => Self::Float(Vec::new()),
            DataType::Double => Self::Double(Vec::new()),
            DataType::Decimal { .. } => Self::Decimal(Vec::new()),
            _ => Self::Bytes { ends: vec![0], bytes: Vec::new() },
        }
    }
}

/// What a value type's vector is; lets one loop fill them all.
trait Store: Sized {
    fn of(values: &mut Values) -> &mut Vec<Self>;
}

macro_rules! store {
    ($($native:ty => $variant:ident),+) => {$(
        impl Store for $native {
            fn of(values: &mut Values) -> &mut Vec<Self> {
                match values {
                    Values::$variant(values) => values,
                    _ => unreachable!("a parser and a column of different types"),
                }
            }
        }
    )+};
}
store!(bool => Boolean, i32 => Int, i64 => Long, f32 => Float, f64 => Double, i128 => Decimal);

impl Builder {
    pub(crate) fn new(reading: &ColumnReading) -> Self {
        let (data_type, declared, unknown) = match reading {
            ColumnReading::Typed { data_type, declared } => {
                (data_type.clone(), Some(*declared), false)
            }
            ColumnReading::Guessed(verdict) => {
                (verdict.data_type(), None, *verdict == Verdict::Unknown)
            }
        };
        let values = Values::new(&data_type);
        let nulls = NullBufferBuilder::new(0);
        Self { data_type, declared, unknown, values, nulls, scratch: Vec::new() }
    }

    pub(crate) const fn is_guess(&self) -> bool {
        self.declared.is_none()
    }

    /// Takes in the cells of a block. Failed cells are told to `visit` and hold a place in the
    /// array; a guess that is contradicted is trouble.
    pub(crate) fn fill(&mut self, cells: &Cells<'_>, visit: &mut Visit<'_>) -> Result<(), Trouble> {
        let data_type = self.data_type.clone();
        let Some(declared) = self.declared else {
            return self.fill_guessed(&data_type, cells, visit);
        };
        macro_rules! fill {
            ($parser:expr) => {
                self.fill_typed(cells, visit, $parser)
            };
        }
        with_parser!(&data_type, declared, fill, self.fill_bytes(cells, visit));
        Ok(())
    }

    fn fill_guessed(
        &mut self,
        data_type: &DataType,
        cells: &Cells<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Trouble> {
        match data_type {
            DataType::Boolean => self.fill_strict(cells, visit, cell::boolean),
            DataType::Long => self.fill_strict(cells, visit, number::long),
            DataType::Double => self.fill_strict(cells, visit, number::double),
            DataType::Decimal { scale, .. } => {
                let scale = usize::from(*scale);
                self.fill_strict(cells, visit, |text| number::fixed(text, scale).map(i128::from))
            }
            DataType::Date => self.fill_strict(cells, visit, civil::date),
            DataType::Timestamp => self.fill_strict(cells, visit, civil::timestamp),
            DataType::Timestamptz => self.fill_strict(cells, visit, civil::timestamptz),
            _ if self.unknown => self.fill_unknown(cells, visit),
            _ => {
                self.fill_bytes(cells, visit);
                Ok(())
            }
        }
    }

    #[inline(always)]
    fn fill_typed<T: Store + Default>(
        &mut self,
        cells: &Cells<'_>,
        visit: &mut Visit<'_>,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) {
        let Self { values, nulls, scratch, .. } = self;
        let values = T::of(values);
        let rows = cells.block.rows.len();
        values.reserve(rows);
        for row in 0..rows {
            let Cell::Value(text) = cells.get(row, scratch) else {
                values.push(T::default());
                nulls.append_null();
                continue;
            };
            visit.counts[cells.column].values += 1;
            let value = parse(text);
            if value.is_none() {
                visit.fail(row, cells.column);
            }
            values.push(value.unwrap_or_default());
            nulls.append_non_null();
        }
    }

    #[inline(always)]
    fn fill_strict<T: Store + Default>(
        &mut self,
        cells: &Cells<'_>,
        visit: &Visit<'_>,
        parse: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<(), Trouble> {
        let Self { values, nulls, scratch, .. } = self;
        let values = T::of(values);
        let rows = cells.block.rows.len();
        values.reserve(rows);
        for row in 0..rows {
            match cells.get(row, scratch) {
                Cell::Value(text) => {
                    let value = parse(text);
                    if value.is_none() && !visit.is_bad(row) {
                        return Err(Trouble::Contradicted);
                    }
                    values.push(value.unwrap_or_default());
                    nulls.append_non_null();
                }
                Cell::Null | Cell::Silent(_) => {
                    values.push(T::default());
                    nulls.append_null();
                }
            }
        }
        Ok(())
    }

    /// A column of which no value is known: as soon as there is one, the guess falls.
    fn fill_unknown(&mut self, cells: &Cells<'_>, visit: &mut Visit<'_>) -> Result<(), Trouble> {
        for row in 0..cells.block.rows.len() {
            let is_value = matches!(cells.get(row, &mut self.scratch), Cell::Value(_));
            if is_value && !visit.is_bad(row) {
                return Err(Trouble::Contradicted);
            }
        }
        self.fill_bytes(cells, visit);
        Ok(())
    }

    fn fill_bytes(&mut self, cells: &Cells<'_>, visit: &mut Visit<'_>) {
        let keeps_silent = keeps_silent(&self.data_type);
        let length = match self.data_type {
            DataType::Fixed(length) => Some(length as usize),
            _ => None,
        };
        let Self { values, nulls, scratch, .. } = self;
        let Values::Bytes { ends, bytes } = values else {
            unreachable!("columns of bytes have a vector of bytes")
        };
        let rows = cells.block.rows.len();
        ends.reserve(rows);
        for row in 0..rows {
            let text = match cells.get(row, scratch) {
                Cell::Value(text) => Some(text),
                Cell::Silent(text) if keeps_silent => Some(text),
                Cell::Silent(_) | Cell::Null => None,
            };
            visit.counts[cells.column].values += u64::from(text.is_some());
            match (text, length) {
                (Some(text), Some(length)) if text.len() != length => {
                    visit.fail(row, cells.column);
                    bytes.resize(bytes.len() + length, 0);
                    nulls.append_non_null();
                }
                (Some(text), _) => {
                    bytes.extend_from_slice(text);
                    nulls.append_non_null();
                }
                (None, length) => {
                    bytes.resize(bytes.len() + length.unwrap_or(0), 0);
                    nulls.append_null();
                }
            }
            ends.push(bytes.len() as i32);
        }
    }

    /// Takes in one value of a typed column, which is of its type; none is null.
    pub(crate) fn push(&mut self, text: Option<&[u8]>) {
        let (data_type, declared) = (self.data_type.clone(), self.declared == Some(true));
        macro_rules! push {
            ($parser:expr) => {
                self.push_parsed(text.and_then(|text| $parser(text)))
            };
        }
        with_parser!(&data_type, declared, push, self.push_bytes(text));
    }

    fn push_parsed<T: Store + Default>(&mut self, value: Option<T>) {
        self.nulls.append(value.is_some());
        T::of(&mut self.values).push(value.unwrap_or_default());
    }

    fn push_bytes(&mut self, text: Option<&[u8]>) {
        let length = match self.data_type {
            DataType::Fixed(length) => length as usize,
            _ => 0,
        };
        let Values::Bytes { ends, bytes } = &mut self.values else {
            unreachable!("columns of bytes have a vector of bytes")
        };
        match text {
            Some(text) => bytes.extend_from_slice(text),
            None => bytes.resize(bytes.len() + length, 0),
        }
        ends.push(bytes.len() as i32);
        self.nulls.append(text.is_some());
    }

    /// The array of all rows taken in, failed ones included.
    pub(crate) fn finish(mut self) -> Result<ArrayRef, Trouble> {
        let nulls = self.nulls.finish();
        let internal = |error: arrow::error::ArrowError| Trouble::Internal(error.to_string());
        Ok(match self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Int(values) => match self.data_type {
                DataType::Date => primitive::<Date32Type>(values, nulls),
                _ => primitive::<Int32Type>(values, nulls),
            },
            Values::Long(values) => match self.data_type {
                DataType::Time => primitive::<Time64MicrosecondType>(values, nulls),
                DataType::Timestamp => primitive::<TimestampMicrosecondType>(values, nulls),
                DataType::Timestamptz => {
                    let values = ScalarBuffer::from(values);
                    let array = PrimitiveArray::<TimestampMicrosecondType>::new(values, nulls);
                    Arc::new(array.with_timezone("UTC"))
                }
                _ => primitive::<Int64Type>(values, nulls),
            },
            Values::Float(values) => primitive::<Float32Type>(values, nulls),
            Values::Double(values) => primitive::<Float64Type>(values, nulls),
            Values::Decimal(values) => {
                let array = Decimal128Array::new(values.into(), nulls);
                Arc::new(array.with_data_type(arrow_type(&self.data_type)))
            }
            Values::Bytes { ends, bytes } => {
                let bytes = Buffer::from_vec(bytes);
                let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
                match self.data_type {
                    DataType::Binary => {
                        Arc::new(BinaryArray::try_new(ends, bytes, nulls).map_err(internal)?)
                    }
                    DataType::Fixed(length) => {
                        let length = i32::try_from(length).expect("a length is at most 65,536");
                        let array = FixedSizeBinaryArray::try_new(length, bytes, nulls);
                        Arc::new(array.map_err(internal)?)
                    }
                    _ => Arc::new(StringArray::try_new(ends, bytes, nulls).map_err(internal)?),
                }
            }
        })
    }
}

fn primitive<T: ArrowPrimitiveType>(values: Vec<T::Native>, nulls: Option<NullBuffer>) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls))
}
