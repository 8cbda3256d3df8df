//! Profiles of columns, made of the very slices that are encoded.
//!
//! What a profile is and how parts of it add up is `lakebed_core::profile`'s. Here values are taken
//! out of Arrow arrays: [`numbers`] sorts what has an order and sums up runs of equal values,
//! [`texts`] counts by hash. Either way a value that repeats within a slice costs once.
//!
//! Hashes: of whole numbers, dates, times and decimals (without their point) that 64 bits hold, and
//! of floats (the bits of their double, zero without a sign), MurmurHash3's finaliser for 64 bits,
//! which maps different numbers to different hashes; of the rest XXH64 with seed 0, larger numbers
//! as 16 bytes, little endian. So a type that widens changes no hash.

mod files;
mod numbers;
mod texts;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType as ArrowType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type,
        Int32Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
    },
};
use lakebed_core::profile::{ColumnProfile, Digest, Frequent, Scalar};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

pub use files::TableProfiler;

/// Makes the profile of one column of one row group, slice by slice.
#[derive(Debug)]
pub(crate) struct ColumnProfiler(Box<ColumnProfile>);

impl ColumnProfiler {
    pub(crate) fn new(field: &Field) -> Self {
        let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY);
        let id = id.and_then(|id| id.parse().ok()).unwrap_or_default();
        Self(Box::new(ColumnProfile::of_nulls(id, 0)))
    }

    /// Adds a slice.
    pub(crate) fn add(&mut self, slice: &ArrayRef) {
        let id = self.0.id;
        let nulls = slice.null_count();
        self.0.append(&ColumnProfile::of_nulls(id, nulls as u64));
        if nulls < slice.len() {
            let column = ColumnProfile { id, ..ColumnProfile::default() };
            self.0.append(&profile_values(column, slice));
        }
    }

    pub(crate) fn finish(self) -> Box<ColumnProfile> {
        self.0
    }
}

/// Profiles the values of a slice that has some.
fn profile_values(column: ColumnProfile, slice: &ArrayRef) -> ColumnProfile {
    match slice.data_type() {
        ArrowType::Boolean => {
            numbers::longs(column, slice.as_boolean().iter().flatten().map(i64::from), 0)
        }
        ArrowType::Int32 => {
            let values = slice.as_primitive::<Int32Type>().iter().flatten();
            numbers::longs(column, values.map(i64::from), 0)
        }
        ArrowType::Date32 => {
            let values = slice.as_primitive::<Date32Type>().iter().flatten();
            numbers::longs(column, values.map(i64::from), 0)
        }
        ArrowType::Int64 => {
            numbers::longs(column, slice.as_primitive::<Int64Type>().iter().flatten(), 0)
        }
        ArrowType::Time64(_) => {
            let values = slice.as_primitive::<Time64MicrosecondType>();
            numbers::longs(column, values.iter().flatten(), 0)
        }
        ArrowType::Timestamp(..) => {
            let values = slice.as_primitive::<TimestampMicrosecondType>();
            numbers::longs(column, values.iter().flatten(), 0)
        }
        ArrowType::Decimal128(precision, scale) => {
            let values = slice.as_primitive::<Decimal128Type>().iter().flatten();
            // 18 digits fit into 64 bits.
            match *precision <= 18 {
                true => numbers::longs(column, values.map(|value| value as i64), *scale),
                false => numbers::decimals(column, values, *scale),
            }
        }
        ArrowType::Float32 => {
            let values = slice.as_primitive::<Float32Type>().iter().flatten();
            numbers::doubles(column, values.map(f64::from))
        }
        ArrowType::Float64 => {
            numbers::doubles(column, slice.as_primitive::<Float64Type>().iter().flatten())
        }
        ArrowType::Utf8 => texts::texts(column, slice.as_string::<i32>()),
        ArrowType::LargeUtf8 => texts::texts(column, slice.as_string::<i64>()),
        ArrowType::Binary => texts::bytes(column, slice.as_binary::<i32>()),
        ArrowType::LargeBinary => texts::bytes(column, slice.as_binary::<i64>()),
        ArrowType::FixedSizeBinary(_) => texts::bytes(column, slice.as_fixed_size_binary()),
        ArrowType::List(_) => lengths(column, slice, slice.as_list::<i32>().offsets()),
        ArrowType::Map(..) => lengths(column, slice, slice.as_map().offsets()),
        _ => column,
    }
}

/// How long lists and maps are; their values are not looked at.
fn lengths(mut column: ColumnProfile, slice: &ArrayRef, offsets: &[i32]) -> ColumnProfile {
    let there = offsets.windows(2).enumerate().filter(|(row, _)| slice.is_valid(*row));
    column.digest = digest_of_lengths(there.map(|(_, ends)| ((ends[1] - ends[0]) as usize, 1)));
    column
}

/// The distribution of lengths, each with how often it came.
fn digest_of_lengths(lengths: impl Iterator<Item = (usize, u32)>) -> Digest {
    /// Lengths below it are counted, longer ones sorted.
    const SHORT: usize = 1024;
    let (mut short, mut long) = (vec![0_u64; SHORT], Vec::new());
    for (length, count) in lengths {
        match short.get_mut(length) {
            Some(counted) => *counted += u64::from(count),
            None => long.push((length, u64::from(count))),
        }
    }
    long.sort_unstable();
    let short = short.into_iter().enumerate().filter(|(_, count)| *count > 0);
    Digest::of_sorted(short.chain(long).map(|(length, count)| (length as f64, count)))
}

/// The most frequent of different values: `counts` says how often each came, `scalar` makes those
/// that are listed; a value that is too long to be listed has none.
fn most_frequent(
    counts: impl ExactSizeIterator<Item = u32>,
    scalar: impl Fn(usize) -> Option<Scalar>,
) -> Frequent {
    let listed = Frequent::capacity();
    let mut unlisted = 0;
    let mut places: Vec<(u32, u32)> = Vec::new();
    let is_many = counts.len() > listed;
    for (count, place) in counts.zip(0..) {
        // Among many, what came once is not worth a line.
        match is_many && count == 1 {
            true => unlisted = 1,
            false => places.push((u32::MAX - count, place)),
        }
    }
    if places.len() > listed {
        let (_, next, _) = places.select_nth_unstable(listed);
        unlisted = u32::MAX - next.0;
        places.truncate(listed);
    }
    let mut values = Vec::with_capacity(places.len());
    for (count, place) in places {
        let count = u32::MAX - count;
        match scalar(place as usize) {
            Some(value) => values.push((value, u64::from(count))),
            None => unlisted = unlisted.max(count),
        }
    }
    Frequent::of(values, u64::from(unlisted))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use arrow::array::{
        BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
        ListArray, StringArray,
    };
    use arrow::datatypes::Int64Type as Long;
    use proptest::prelude::*;

    use super::*;

    fn profile(slices: &[ArrayRef]) -> ColumnProfile {
        let mut profiler = ColumnProfiler::new(&Field::new("c", ArrowType::Null, true));
        slices.iter().for_each(|slice| profiler.add(slice));
        *profiler.finish()
    }

    fn count(column: &ColumnProfile) -> u64 {
        column.distinct.as_ref().map_or(0, |distinct| distinct.count())
    }

    fn listed(column: &ColumnProfile) -> Vec<(Scalar, u64)> {
        column.frequent.values.iter().map(|value| (value.value.clone(), value.count)).collect()
    }

    #[test]
    fn numbers_are_summed_up() {
        let values = Int64Array::from(vec![Some(3), None, Some(-1), Some(3), Some(i64::MAX)]);
        let column = profile(&[Arc::new(values)]);
        assert_eq!((column.nulls, count(&column)), (1, 3));
        assert_eq!(column.range, Some((Scalar::Int(-1), Scalar::Int(i64::MAX.into()))));
        assert_eq!(listed(&column)[0], (Scalar::Int(3), 2));
        assert_eq!(column.digest.quantile(0.5), Some(3.0));
    }

    /// Close to each other, at the end of what there is.
    #[test]
    fn the_greatest_numbers_are_summed_up() {
        let values: Vec<_> = (0..3).map(|less| Some(i64::MAX - less)).collect();
        let column = profile(&[Arc::new(Int64Array::from(values))]);
        let [least, greatest] = [i64::MAX - 2, i64::MAX].map(|value| Scalar::Int(value.into()));
        assert_eq!((count(&column), column.range), (3, Some((least, greatest))));
    }

    #[test]
    fn floats_that_are_no_numbers_are_counted_apart() {
        let values = vec![f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, 1.5, -2.5];
        let column = profile(&[Arc::new(Float64Array::from(values))]);
        assert_eq!((column.nans, column.infinities, count(&column)), (1, 2, 5));
        let (least, greatest) = (Scalar::Float(f64::NEG_INFINITY), Scalar::Float(f64::INFINITY));
        assert_eq!(column.range, Some((least, greatest)));
        assert_eq!(column.digest.range(), Some((-2.5, 1.5)));
        assert_eq!(column.digest.count(), 4);
    }

    #[test]
    fn texts_are_counted_and_measured_in_characters() {
        let values = StringArray::from(vec![Some("ä"), Some(""), None, Some("ä"), Some("abc")]);
        let column = profile(&[Arc::new(values)]);
        assert_eq!((column.nulls, count(&column)), (1, 3));
        assert_eq!(column.range, Some((Scalar::of_text(""), Scalar::of_text("ä"))));
        assert_eq!(listed(&column)[0], (Scalar::of_text("ä"), 2));
        assert_eq!((column.digest.range(), column.digest.mean()), (Some((0.0, 3.0)), Some(1.25)));
        let bytes = profile(&[Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice(), b"\x01"]))]);
        assert_eq!(bytes.range, Some((Scalar::of_bytes(b"\x00\xff"), Scalar::of_bytes(b"\x01"))));
    }

    #[test]
    fn a_text_too_long_to_list_is_not_mistaken_for_another() {
        let (one, other) = (format!("{}1", "x".repeat(300)), format!("{}2", "x".repeat(300)));
        let values = StringArray::from_iter_values([&one, &one, &other, &one]);
        let column = profile(&[Arc::new(values)]);
        assert_eq!((count(&column), listed(&column), column.frequent.unlisted), (2, vec![], 3));
    }

    #[test]
    fn decimals_have_their_point_in_the_distribution_alone() {
        for precision in [9, 38] {
            let values = Decimal128Array::from(vec![150, 250])
                .with_precision_and_scale(precision, 2)
                .expect("decimals");
            let column = profile(&[Arc::new(values)]);
            assert_eq!(column.range, Some((Scalar::Int(150), Scalar::Int(250))), "{precision}");
            assert_eq!(column.digest.mean(), Some(2.0), "{precision}");
        }
    }

    #[test]
    fn nested_values_have_lengths_and_booleans_a_share() {
        let lists = vec![Some(vec![Some(1), Some(2)]), None, Some(vec![])];
        let column = profile(&[Arc::new(ListArray::from_iter_primitive::<Long, _, _>(lists))]);
        assert_eq!((column.nulls, column.digest.range()), (1, Some((0.0, 2.0))));
        assert!(column.distinct.is_none());
        let column = profile(&[Arc::new(BooleanArray::from(vec![true, false, true, true]))]);
        assert_eq!(column.digest.mean(), Some(0.75));
    }

    /// What was read as a narrower type first counts as the same values later.
    #[test]
    fn a_wider_type_changes_nothing() {
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![-5, 7, 7]));
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![-5, 7, 7]));
        assert_eq!(profile(&[Arc::clone(&narrow)]), profile(&[Arc::clone(&wide)]));
        let decimal = |precision| -> ArrayRef {
            let values = Decimal128Array::from(vec![-5, 7, 7]);
            Arc::new(values.with_precision_and_scale(precision, 0).expect("decimals"))
        };
        assert_eq!(profile(&[decimal(9)]), profile(&[decimal(30)]));
        assert_eq!(profile(&[narrow]), profile(&[decimal(20)]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever way values are sorted (counted, by digits, or not at all as they were in order).
        #[test]
        fn figures_are_those_of_the_values(
            values in prop_oneof![
                prop::collection::vec(-20_i64..20, 1..300),
                prop::collection::vec(any::<i64>(), 1..300),
                prop::collection::vec(0_i64..1_000_000, 1..300),
                (0_i64..1000, 1_usize..300).prop_map(|(start, n)| (start..).take(n).collect()),
            ],
        ) {
            let column = profile(&[Arc::new(Int64Array::from(values.clone()))]);
            let different: BTreeSet<i64> = values.iter().copied().collect();
            let (least, greatest) = (different.first(), different.last());
            let range = least.zip(greatest).map(|(a, b)| (Scalar::Int((*a).into()), Scalar::Int((*b).into())));
            prop_assert_eq!(&column.range, &range);
            prop_assert_eq!(column.digest.count() as usize, values.len());
            if different.len() <= 256 {
                prop_assert_eq!(count(&column) as usize, different.len());
            }
            for (value, counted) in listed(&column) {
                let times = values.iter().filter(|other| Scalar::Int((**other).into()) == value).count();
                prop_assert_eq!(counted as usize, times);
            }
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            let text = profile(&[Arc::new(StringArray::from(texts.clone()))]);
            prop_assert_eq!(text.digest.count() as usize, values.len());
            prop_assert_eq!(text.frequent.unlisted, column.frequent.unlisted);
            let least = texts.iter().min().map(|text| Scalar::of_text(text));
            prop_assert_eq!(text.range.map(|range| range.0), least);
        }
    }
}
