//! Arrow arrays, as Parquet files have them, into those of a lake type, without loss.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{
        DataType as ArrowType, Date64Type, Decimal128Type, FieldRef, Time64NanosecondType,
        TimeUnit, TimestampNanosecondType,
    },
};

/// Why an array does not fit: words that follow "column `x` ".
pub(crate) type Misfit = String;

const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: FORMAT };
const FORMAT: arrow::util::display::FormatOptions<'static> =
    arrow::util::display::FormatOptions::new();

const DAY_MILLIS: i64 = 86_400_000;

/// `array` with the type of a lake column. Fails where a value would change.
pub(crate) fn convert(array: &ArrayRef, to: &ArrowType) -> Result<ArrayRef, Misfit> {
    check_lossless(array)?;
    match (array.data_type(), to) {
        (ArrowType::Null, _) => Ok(new_null_array(to, array.len())),
        (ArrowType::Struct(_), ArrowType::Struct(fields)) => {
            let structs = array.as_struct();
            let columns = convert_all(structs.columns(), fields.iter())?;
            let nulls = structs.nulls().cloned();
            StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(misfit)
        }
        (ArrowType::List(_), ArrowType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = convert(list.values(), element.data_type())?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            ListArray::try_new(Arc::clone(element), offsets, values, nulls)
                .map(|array| Arc::new(array) as ArrayRef)
                .map_err(misfit)
        }
        (ArrowType::Map(..), ArrowType::Map(entries, sorted)) => {
            convert_map(array.as_map(), entries, *sorted)
        }
        (from, to) if from == to => Ok(Arc::clone(array)),
        _ => cast_with_options(array, to, &STRICT).map_err(misfit),
    }
}

fn convert_all<'f>(
    arrays: &[ArrayRef],
    fields: impl Iterator<Item = &'f FieldRef>,
) -> Result<Vec<ArrayRef>, Misfit> {
    arrays.iter().zip(fields).map(|(array, field)| convert(array, field.data_type())).collect()
}

fn convert_map(map: &MapArray, entries: &FieldRef, sorted: bool) -> Result<ArrayRef, Misfit> {
    let ArrowType::Struct(fields) = entries.data_type() else {
        return Err("is a map of no known shape".to_owned());
    };
    let columns = convert_all(map.entries().columns(), fields.iter())?;
    let structs = StructArray::try_new(fields.clone(), columns, None).map_err(misfit)?;
    let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
    MapArray::try_new(Arc::clone(entries), offsets, structs, nulls, sorted)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(misfit)
}

/// Errors of the library may quote values: keep what kind it was, not what it says.
fn misfit(_: arrow::error::ArrowError) -> Misfit {
    "holds a value that its type does not".to_owned()
}

/// What a cast would change without a word.
fn check_lossless(array: &ArrayRef) -> Result<(), Misfit> {
    let is_micro = |nanos: i64| nanos % 1000 == 0;
    let (fits, loss) = match array.data_type() {
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => (
            array.as_primitive::<TimestampNanosecondType>().iter().flatten().all(is_micro),
            "holds fractions of a microsecond",
        ),
        ArrowType::Time64(TimeUnit::Nanosecond) => (
            array.as_primitive::<Time64NanosecondType>().iter().flatten().all(is_micro),
            "holds fractions of a microsecond",
        ),
        ArrowType::Date64 => (
            array.as_primitive::<Date64Type>().iter().flatten().all(|ms| ms % DAY_MILLIS == 0),
            "holds dates with a time of day",
        ),
        ArrowType::Decimal128(precision, _) => (
            array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision).is_ok(),
            "holds numbers longer than its type allows",
        ),
        ArrowType::Dictionary(_, _) => {
            let values = array.as_any_dictionary().values();
            return check_lossless(values);
        }
        _ => (true, ""),
    };
    if fits { Ok(()) } else { Err(loss.to_owned()) }
}
