//! Dictionary or not: a choice per column of a row group, by its first slice.
//!
//! A dictionary pays where values repeat. Where they do not, it costs its own page and spoils what
//! delta encoding and compression would find. The library decides by running full; we look at the
//! first 16,384 rows, estimate how many distinct values the row group has, and compare bits. The
//! choice is a function of those rows, so the same rows always give the same bytes.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
        Time64MicrosecondType, TimestampMicrosecondType,
    },
};

use super::{GROUP_ROWS, SLICE_ROWS};

/// The largest dictionary worth having, in bytes; the library gives up beyond it.
pub(crate) const LARGEST_DICTIONARY: usize = 1 << 20;

/// Whether the column chunk that begins with `first` is better off with a dictionary.
pub(crate) fn wants_dictionary(first: &ArrayRef) -> bool {
    match first.data_type() {
        DataType::Boolean => false,
        DataType::Int32 => {
            integers(first.as_primitive::<Int32Type>().iter().map(|v| v.map(i64::from)))
        }
        DataType::Date32 => {
            integers(first.as_primitive::<Date32Type>().iter().map(|v| v.map(i64::from)))
        }
        DataType::Int64 => integers(first.as_primitive::<Int64Type>().iter()),
        DataType::Time64(_) => integers(first.as_primitive::<Time64MicrosecondType>().iter()),
        DataType::Timestamp(..) => {
            integers(first.as_primitive::<TimestampMicrosecondType>().iter())
        }
        DataType::Decimal128(precision, _) if *precision <= 18 => {
            integers(first.as_primitive::<Decimal128Type>().iter().map(|v| v.map(|v| v as i64)))
        }
        DataType::Decimal128(..) => {
            let values = first.as_primitive::<Decimal128Type>();
            others(first.len(), values.iter().flatten().map(|v| (hash_of(&v.to_le_bytes()), 16)))
        }
        DataType::Float32 => {
            let values = first.as_primitive::<Float32Type>();
            others(first.len(), values.iter().flatten().map(|v| (mix(v.to_bits().into()), 4)))
        }
        DataType::Float64 => {
            let values = first.as_primitive::<Float64Type>();
            others(first.len(), values.iter().flatten().map(|v| (mix(v.to_bits()), 8)))
        }
        DataType::Utf8 => {
            let values = first.as_string::<i32>();
            others(
                first.len(),
                values.iter().flatten().map(|v| (hash_of(v.as_bytes()), v.len() + 4)),
            )
        }
        DataType::Binary => {
            let values = first.as_binary::<i32>();
            others(first.len(), values.iter().flatten().map(|v| (hash_of(v), v.len() + 4)))
        }
        DataType::FixedSizeBinary(_) => {
            let values = first.as_fixed_size_binary();
            others(first.len(), values.iter().flatten().map(|v| (hash_of(v), v.len())))
        }
        // Text too large for narrow offsets is no dictionary's; nested values are left to the
        // library, which turns back when a dictionary grows too large.
        DataType::LargeUtf8 | DataType::LargeBinary => false,
        _ => true,
    }
}

/// Whole numbers: compares an index into a dictionary with delta encoding.
fn integers(values: impl Iterator<Item = Option<i64>>) -> bool {
    let values: Vec<i64> = values.flatten().collect();
    let mut distinct = Distinct::new(values.len());
    values.iter().for_each(|value| distinct.add(mix(value.cast_unsigned())));
    if distinct.in_group() * 8 > LARGEST_DICTIONARY {
        return false;
    }
    let delta_bits = delta_bits(&values);
    let width = bits(
        values
            .iter()
            .max()
            .zip(values.iter().min())
            .map_or(0, |(most, least)| most.abs_diff(*least)),
    );
    let entries = distinct.in_group() as f64 * f64::from(width) / GROUP_ROWS as f64;
    let index_bits = f64::from(bits(distinct.in_group().saturating_sub(1) as u64));
    index_bits + entries <= delta_bits
}

/// Bits per value of delta encoding: blocks of 128 share a least delta, of 32 a width.
fn delta_bits(values: &[i64]) -> f64 {
    let deltas: Vec<i64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let mut sum = 0_u64;
    for block in deltas.chunks(128) {
        let least = block.iter().min().copied().unwrap_or(0);
        for part in block.chunks(32) {
            let most = part.iter().map(|delta| delta.wrapping_sub(least).cast_unsigned()).max();
            sum += u64::from(bits(most.unwrap_or(0))) * part.len() as u64;
        }
    }
    sum as f64 / values.len().max(1) as f64
}

/// Other values, as a hash and a size each: a dictionary pays if it is small and values repeat.
fn others(rows: usize, values: impl Iterator<Item = (u64, usize)>) -> bool {
    let mut distinct = Distinct::new(rows);
    let mut bytes = 0;
    for (hash, size) in values {
        distinct.add(hash);
        bytes += size;
    }
    let average = bytes / distinct.values.max(1);
    let in_group = distinct.in_group();
    in_group * average <= LARGEST_DICTIONARY && in_group * 2 <= GROUP_ROWS
}

const fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Counts distinct values, each given by a hash.
struct Distinct {
    /// Open addressing: hash and how often it came, up to 3; 0 is free.
    table: Vec<(u64, u8)>,
    values: usize,
    distinct: usize,
    distinct_in_half: usize,
    once: usize,
    twice: usize,
}

impl Distinct {
    /// For at most `values` values.
    fn new(values: usize) -> Self {
        let table = vec![(0, 0); (values * 2).next_power_of_two()];
        Self { table, values: 0, distinct: 0, distinct_in_half: 0, once: 0, twice: 0 }
    }

    #[inline]
    fn add(&mut self, hash: u64) {
        let last = self.table.len() - 1;
        let mut place = (hash >> 32) as usize & last;
        while self.table[place].1 != 0 && self.table[place].0 != hash {
            place = (place + 1) & last;
        }
        let (stored, count) = &mut self.table[place];
        *stored = hash;
        match *count {
            0 => (self.distinct, self.once) = (self.distinct + 1, self.once + 1),
            1 => (self.once, self.twice) = (self.once - 1, self.twice + 1),
            2 => self.twice -= 1,
            _ => {}
        }
        *count = (*count + 1).min(3);
        self.values += 1;
        if self.values * 2 <= SLICE_ROWS {
            self.distinct_in_half = self.distinct;
        }
    }

    /// How many there are in a whole row group, estimated: where the second half of the slice
    /// brought as many as the first, so will the rest; else by how many came once and twice (Chao).
    fn in_group(&self) -> usize {
        let grows = self.values == SLICE_ROWS && self.distinct * 10 > self.distinct_in_half * 19;
        if grows {
            return self.distinct * (GROUP_ROWS / SLICE_ROWS);
        }
        let unseen = match (self.once, self.twice) {
            (0 | 1, _) => 0,
            (once, 0) => once * (once - 1) / 2,
            (once, twice) => once * once / (2 * twice),
        };
        (self.distinct + unseen).min(GROUP_ROWS)
    }
}

#[inline]
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[inline]
fn hash_of(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        hash = mix(hash ^ u64::from_le_bytes(*eight));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash ^ u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn numbers(value: impl Fn(i64) -> i64) -> bool {
        let values: Int64Array = (0..SLICE_ROWS as i64).map(|row| Some(value(row))).collect();
        wants_dictionary(&(Arc::new(values) as ArrayRef))
    }

    fn scattered(row: i64, modulus: u64) -> i64 {
        (mix(row.cast_unsigned()) % modulus).cast_signed()
    }

    #[test]
    fn repeated_numbers_want_a_dictionary_and_others_do_not() {
        assert!(numbers(|row| scattered(row, 50)));
        assert!(numbers(|row| scattered(row, 7) * 1_000_000_007));
        assert!(!numbers(|row| row), "counting");
        assert!(!numbers(|row| row / 4), "counting slowly");
        assert!(!numbers(|row| scattered(row, 200_000)), "scattered");
        assert!(!numbers(|row| scattered(row, u64::MAX)), "random");
    }

    #[test]
    fn repeated_words_want_a_dictionary_and_others_do_not() {
        let words = |modulus| {
            let words =
                (0..SLICE_ROWS as i64).map(|row| format!("word {}", scattered(row, modulus)));
            wants_dictionary(&(Arc::new(StringArray::from_iter_values(words)) as ArrayRef))
        };
        assert!(words(7));
        assert!(words(1000));
        assert!(!words(10_000_000));
    }

    #[test]
    fn a_short_slice_is_no_trouble() {
        for rows in [0, 1, 2, 100] {
            let words: StringArray = (0..rows).map(|_| Some("x")).collect();
            assert!(wants_dictionary(&(Arc::new(words) as ArrayRef)));
        }
    }
}
