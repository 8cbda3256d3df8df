//! What masks make of columns. Total: whatever a column holds, there is an answer and no error; a
//! value that has none becomes null.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, ArrowPrimitiveType, AsArray as _, PrimitiveArray, StringViewBuilder,
        new_null_array,
    },
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimeUnit,
        TimestampMicrosecondType,
    },
};
use lakebed_core::policy::{DateUnit, Mask, MaskKey, Partial};

/// What stands for text that is not shown.
const REDACTED: &str = "***";
const DAY_MICROS: i64 = 86_400_000_000;

/// `array` as somebody under `mask` sees it: of the same type and length, null where it was null.
pub(crate) fn masked(mask: &Mask, key: Option<&MaskKey>, array: &ArrayRef) -> ArrayRef {
    let found = match (mask, array.data_type()) {
        (Mask::Redact, DataType::Utf8View) => Some(texts(array, |_| REDACTED.to_owned())),
        (Mask::Partial(partial), DataType::Utf8View) => {
            Some(texts(array, |text| partly(text, *partial)))
        }
        (Mask::Hash, DataType::Utf8View) => key.map(|key| texts(array, |text| hashed(text, key))),
        (Mask::Hash, DataType::Int64) => {
            key.map(|key| numbers::<Int64Type>(array, |number| Some(hashed_number(number, key))))
        }
        (Mask::DateTrunc(unit), DataType::Date32) => Some(numbers::<Date32Type>(array, |day| {
            i32::try_from(first_day(i64::from(day), *unit)).ok()
        })),
        (Mask::DateTrunc(unit), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            Some(numbers::<TimestampMicrosecondType>(array, |micros| {
                first_day(micros.div_euclid(DAY_MICROS), *unit).checked_mul(DAY_MICROS)
            }))
        }
        (Mask::Bucket(width), data_type) => bucketed(array, data_type, *width),
        _ => None,
    };
    // `Mask::Null`, a mask that does not fit, a hash without a key: nothing is shown.
    found.unwrap_or_else(|| new_null_array(array.data_type(), array.len()))
}

fn texts(array: &ArrayRef, mask: impl Fn(&str) -> String) -> ArrayRef {
    let mut masked = StringViewBuilder::with_capacity(array.len());
    for text in array.as_string_view() {
        masked.append_option(text.map(&mask));
    }
    Arc::new(masked.finish())
}

fn numbers<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    mask: impl Fn(T::Native) -> Option<T::Native>,
) -> ArrayRef {
    let values = array.as_primitive::<T>().iter().map(|value| value.and_then(&mask));
    let masked: PrimitiveArray<T> = values.collect();
    Arc::new(masked.with_data_type(array.data_type().clone()))
}

fn partly(text: &str, partial: Partial) -> String {
    let count = text.chars().count();
    match partial {
        Partial::KeepFirst(keep) if count > usize::from(keep) => {
            text.chars().take(keep.into()).chain(REDACTED.chars()).collect()
        }
        Partial::KeepLast(keep) if count > usize::from(keep) => {
            REDACTED.chars().chain(text.chars().skip(count - usize::from(keep))).collect()
        }
        _ => REDACTED.to_owned(),
    }
}

/// Texts and numbers have digests of their own: `1` and `'1'` do not join.
fn hashed(text: &str, key: &MaskKey) -> String {
    let digest = key.digest(&[b"text\0", text.as_bytes()].concat());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hashed_number(number: i64, key: &MaskKey) -> i64 {
    let digest = key.digest(&[&b"long\0"[..], &number.to_le_bytes()].concat());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    i64::from_le_bytes(bytes)
}

fn bucketed(array: &ArrayRef, data_type: &DataType, width: u64) -> Option<ArrayRef> {
    let below = |value: i128, width: i128| value.div_euclid(width).checked_mul(width);
    let whole = i128::from(width.max(1));
    Some(match data_type {
        DataType::Int32 => numbers::<Int32Type>(array, |value| {
            i32::try_from(below(i128::from(value), whole)?).ok()
        }),
        DataType::Int64 => numbers::<Int64Type>(array, |value| {
            i64::try_from(below(i128::from(value), whole)?).ok()
        }),
        DataType::Float64 => {
            let width = width.max(1) as f64;
            numbers::<Float64Type>(array, |value| Some((value / width).floor() * width))
        }
        DataType::Decimal128(precision, scale) => {
            let digits = 10_i128.checked_pow(u32::from(*precision))?;
            let width = whole.checked_mul(10_i128.checked_pow(u32::try_from(*scale).ok()?)?)?;
            numbers::<Decimal128Type>(array, |value| {
                below(value, width).filter(|value| value.abs() < digits)
            })
        }
        _ => return None,
    })
}

/// The first day of the unit that a day lies in; days count from 1970-01-01.
fn first_day(day: i64, unit: DateUnit) -> i64 {
    let (year, month) = year_and_month(day);
    match unit {
        DateUnit::Day => day,
        DateUnit::Month => day_of(year, month),
        DateUnit::Quarter => day_of(year, (month - 1) / 3 * 3 + 1),
        DateUnit::Year => day_of(year, 1),
    }
}

/// Year and month of a day in the proleptic Gregorian calendar, for every day there is: years are
/// taken to begin in March, so that a leap day is a year's last.
fn year_and_month(day: i64) -> (i64, i64) {
    const FOUR_CENTURIES: i64 = 146_097;
    let shifted = day + 719_468;
    let (era, in_era) = (shifted.div_euclid(FOUR_CENTURIES), shifted.rem_euclid(FOUR_CENTURIES));
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * in_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month)
}

/// The first day of a month.
fn day_of(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let in_year = (153 * from_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + in_year - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringViewArray,
        TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::*;

    fn key() -> MaskKey {
        MaskKey::new([7; 32], "07070707070707070707070707070707".parse().unwrap())
    }

    fn shown(mask: &Mask, array: impl arrow::array::Array + 'static) -> Vec<String> {
        let array: ArrayRef = Arc::new(array);
        let masked = masked(mask, Some(&key()), &array);
        assert_eq!(masked.data_type(), array.data_type());
        let options = arrow::util::display::FormatOptions::new().with_null("null");
        let format = arrow::util::display::ArrayFormatter::try_new(&masked, &options).unwrap();
        (0..masked.len()).map(|row| format.value(row).to_string()).collect()
    }

    fn texts() -> StringViewArray {
        StringViewArray::from(vec![Some("alice@example.com"), Some("äöü"), Some(""), None])
    }

    #[test]
    fn texts_show_what_the_mask_lets() {
        let last = Mask::Partial(Partial::KeepLast(2));
        assert_eq!(shown(&last, texts()), ["***om", "***öü", "***", "null"]);
        let first = Mask::Partial(Partial::KeepFirst(3));
        assert_eq!(shown(&first, texts()), ["ali***", "***", "***", "null"]);
        assert_eq!(shown(&Mask::Redact, texts()), ["***", "***", "***", "null"]);
        assert_eq!(shown(&Mask::Null, texts()), ["null"; 4]);
        let hashed = shown(&Mask::Hash, texts());
        assert_eq!(hashed[0].len(), 32);
        assert_eq!(hashed[3], "null");
        assert_eq!(hashed[0], shown(&Mask::Hash, texts())[0], "equal stays equal");
        assert_ne!(hashed[0], hashed[1]);
    }

    #[test]
    fn a_hash_without_a_key_shows_nothing() {
        let array: ArrayRef = Arc::new(texts());
        assert_eq!(masked(&Mask::Hash, None, &array).null_count(), 4);
    }

    #[test]
    fn dates_are_cut_to_their_unit() {
        let days = || Date32Array::from(vec![Some(20_393), Some(-1), Some(0), None]);
        let cut = |unit| shown(&Mask::DateTrunc(unit), days());
        assert_eq!(cut(DateUnit::Month), ["2025-11-01", "1969-12-01", "1970-01-01", "null"]);
        assert_eq!(cut(DateUnit::Quarter), ["2025-10-01", "1969-10-01", "1970-01-01", "null"]);
        assert_eq!(cut(DateUnit::Year), ["2025-01-01", "1969-01-01", "1970-01-01", "null"]);
        let times = TimestampMicrosecondArray::from(vec![Some(1_762_000_000_000_000), Some(-1)]);
        let day = shown(&Mask::DateTrunc(DateUnit::Day), times);
        assert_eq!(day, ["2025-11-01T00:00:00", "1969-12-31T00:00:00"]);
    }

    #[test]
    fn numbers_fall_into_buckets() {
        let mask = Mask::Bucket(10);
        let longs = Int64Array::from(vec![Some(25), Some(-25), Some(i64::MIN), None]);
        assert_eq!(shown(&mask, longs), ["20", "-30", "null", "null"]);
        let ints = Int32Array::from(vec![Some(9), Some(i32::MIN)]);
        assert_eq!(shown(&mask, ints), ["0", "null"]);
        let decimals = Decimal128Array::from(vec![Some(12_345), Some(-1), Some(-99_999)]);
        let decimals = decimals.with_precision_and_scale(5, 2).unwrap();
        assert_eq!(shown(&mask, decimals), ["120.00", "-10.00", "null"]);
        let doubles = Float64Array::from(vec![Some(25.5), Some(f64::NAN), Some(f64::INFINITY)]);
        assert_eq!(shown(&mask, doubles), ["20.0", "NaN", "inf"]);
    }

    proptest! {
        /// Whatever stands in a column: no mask fails on it, and what was null stays so.
        #[test]
        fn masks_are_total(
            longs in prop::collection::vec(prop::option::of(any::<i64>()), 0..20),
            text in any::<String>(), width in 0..=1_000_000_000_000_000_u64, keep in 0..20_u16,
        ) {
            let arrays: [ArrayRef; 6] = [
                Arc::new(Int64Array::from(longs.clone())),
                Arc::new(Int32Array::from_iter(longs.iter().map(|n| n.map(|n| n as i32)))),
                Arc::new(Date32Array::from_iter(longs.iter().map(|n| n.map(|n| n as i32)))),
                Arc::new(TimestampMicrosecondArray::from(longs.clone()).with_timezone("UTC")),
                Arc::new(Float64Array::from_iter(
                    longs.iter().map(|n| n.map(|n| f64::from_bits(n as u64))),
                )),
                Arc::new(StringViewArray::from_iter(longs.iter().map(|n| n.map(|_| &text)))),
            ];
            let mut masks = vec![Mask::Null, Mask::Redact, Mask::Hash, Mask::Bucket(width)];
            masks.extend([Partial::KeepFirst(keep), Partial::KeepLast(keep)].map(Mask::Partial));
            let units = [DateUnit::Year, DateUnit::Quarter, DateUnit::Month, DateUnit::Day];
            masks.extend(units.map(Mask::DateTrunc));
            for array in &arrays {
                for mask in &masks {
                    let masked = masked(mask, Some(&key()), array);
                    prop_assert_eq!(masked.data_type(), array.data_type());
                    prop_assert_eq!(masked.len(), array.len());
                    for row in 0..array.len() {
                        prop_assert!(array.is_valid(row) || masked.is_null(row));
                    }
                }
            }
        }

        /// The first day of a unit is in it, and the same for all its days.
        #[test]
        fn units_begin_with_their_first_day(day in -1_000_000_000..1_000_000_000_i64) {
            for unit in [DateUnit::Year, DateUnit::Quarter, DateUnit::Month] {
                let first = first_day(day, unit);
                prop_assert!(first <= day && day - first < 366);
                prop_assert_eq!(first_day(first, unit), first);
                prop_assert_ne!(first_day(first - 1, unit), first);
            }
        }
    }
}
