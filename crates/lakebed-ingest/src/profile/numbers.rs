//! Values with an order: sorted within a slice, then summed up run by run.

use lakebed_core::profile::{ColumnProfile, Digest, Scalar};
use twox_hash::XxHash64;

use super::most_frequent;

/// Values this close to each other are counted in a table instead of being sorted.
const CLOSE: u64 = 1 << 14;
/// Bits that one pass of a sort looks at.
const DIGIT_BITS: u32 = 11;

/// Whole numbers of 64 bits; `scale` digits of them stand after a point.
pub(super) fn longs(
    column: ColumnProfile,
    values: impl Iterator<Item = i64>,
    scale: i8,
) -> ColumnProfile {
    let keys: Vec<u64> = values.map(|value| value.cast_unsigned() ^ (1 << 63)).collect();
    let value = |key: u64| (key ^ (1 << 63)).cast_signed();
    let divisor = power_of_ten(scale);
    let number = |key| match scale {
        0 => value(key) as f64,
        _ => value(key) as f64 / divisor,
    };
    let hash = |key| hash_of(value(key).into());
    sum_up(column, &runs(keys), hash, |key| Scalar::Int(value(key).into()), number)
}

/// Whole numbers of more bits.
pub(super) fn decimals(
    column: ColumnProfile,
    values: impl Iterator<Item = i128>,
    scale: i8,
) -> ColumnProfile {
    let mut values: Vec<i128> = values.collect();
    values.sort_unstable();
    let divisor = power_of_ten(scale);
    let number = |value| value as f64 / divisor;
    sum_up(column, &runs_of_sorted(&values), hash_of, Scalar::Int, number)
}

/// Floats; those that are no number are counted, no more.
pub(super) fn doubles(
    mut column: ColumnProfile,
    values: impl Iterator<Item = f64>,
) -> ColumnProfile {
    let mut keys = Vec::with_capacity(values.size_hint().0);
    for value in values {
        match value.is_nan() {
            true => column.nans += 1,
            // Minus zero becomes zero.
            false => keys.push(key_of(value + 0.0)),
        }
    }
    let hash = |key| mixed(double_of(key).to_bits());
    sum_up(column, &runs(keys), hash, |key| Scalar::Float(double_of(key)), double_of)
}

/// Keys of floats sort as the floats do.
const fn key_of(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) }
}

const fn double_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ (1 << 63) } else { !key })
}

fn hash_of(value: i128) -> u64 {
    match i64::try_from(value) {
        Ok(small) => mixed(small.cast_unsigned()),
        Err(_) => XxHash64::oneshot(0, &value.to_le_bytes()),
    }
}

/// The finaliser `fmix64` of MurmurHash3.
const fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// By multiplication alone, which is the same everywhere.
fn power_of_ten(exponent: i8) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

/// A profile of runs of equal values, ascending.
fn sum_up<T: Copy>(
    mut column: ColumnProfile,
    runs: &[(T, u32)],
    hash: impl Fn(T) -> u64,
    scalar: impl Fn(T) -> Scalar,
    number: impl Fn(T) -> f64,
) -> ColumnProfile {
    let (Some((least, _)), Some((greatest, _))) = (runs.first(), runs.last()) else {
        return column;
    };
    column.range = Some((scalar(*least), scalar(*greatest)));
    let distinct = column.distinct.get_or_insert_default();
    runs.iter().for_each(|(value, _)| distinct.add(hash(*value)));
    let (mut finite, mut infinities) = (Vec::with_capacity(runs.len()), 0);
    for (value, count) in runs {
        let (number, count) = (number(*value), u64::from(*count));
        match number.is_finite() {
            true => finite.push((number, count)),
            false => infinities += count,
        }
    }
    column.infinities = infinities;
    column.digest = Digest::of_sorted(finite);
    let counts = runs.iter().map(|(_, count)| *count);
    column.frequent = most_frequent(counts, |place| Some(scalar(runs[place].0)));
    column
}

/// The different values of `keys`, ascending, and how often each comes.
fn runs(mut keys: Vec<u64>) -> Vec<(u64, u32)> {
    let (mut least, mut greatest) = (u64::MAX, 0);
    for key in &keys {
        least = least.min(*key);
        greatest = greatest.max(*key);
    }
    let span = greatest.wrapping_sub(least);
    if !keys.is_empty() && span < CLOSE {
        let mut counts = vec![0_u32; span as usize + 1];
        keys.iter().for_each(|key| counts[(key - least) as usize] += 1);
        let counted = counts.into_iter().zip(least..=greatest).filter(|(count, _)| *count > 0);
        return counted.map(|(count, key)| (key, count)).collect();
    }
    if !keys.is_sorted() {
        keys.iter_mut().for_each(|key| *key -= least);
        sort(&mut keys, u64::BITS - span.leading_zeros());
        keys.iter_mut().for_each(|key| *key += least);
    }
    runs_of_sorted(&keys)
}

fn runs_of_sorted<T: Copy + PartialEq>(sorted: &[T]) -> Vec<(T, u32)> {
    sorted.chunk_by(PartialEq::eq).map(|run| (run[0], run.len() as u32)).collect()
}

/// Sorts keys that differ in their lowest `bits` alone, digit by digit from the last.
fn sort(keys: &mut Vec<u64>, bits: u32) {
    let mut spare = vec![0; keys.len()];
    for shift in (0..bits).step_by(DIGIT_BITS as usize) {
        let digit = |key: u64| (key >> shift) as usize & ((1 << DIGIT_BITS) - 1);
        let mut places = vec![0_u32; 1 << DIGIT_BITS];
        keys.iter().for_each(|key| places[digit(*key)] += 1);
        let mut next = 0;
        for place in &mut places {
            next += std::mem::replace(place, next);
        }
        for key in &*keys {
            let place = &mut places[digit(*key)];
            spare[*place as usize] = *key;
            *place += 1;
        }
        std::mem::swap(keys, &mut spare);
    }
}
