//! Texts and bytes: counted by their hash within a slice.

use arrow::array::{ArrayAccessor, GenericStringArray, OffsetSizeTrait};
use lakebed_core::profile::{ColumnProfile, Scalar};
use twox_hash::XxHash64;

use super::{digest_of_lengths, most_frequent};

/// Texts, measured in characters.
pub(super) fn texts<O: OffsetSizeTrait>(
    column: ColumnProfile,
    slice: &GenericStringArray<O>,
) -> ColumnProfile {
    let entries = count(slice, |text| text.as_bytes());
    sum_up(column, slice, &entries, characters, Scalar::of_text)
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Bytes.
pub(super) fn bytes<'a, A>(column: ColumnProfile, slice: A) -> ColumnProfile
where
    A: ArrayAccessor<Item = &'a [u8]> + Copy,
{
    let entries = count(slice, |bytes| bytes);
    sum_up(column, slice, &entries, |bytes| bytes.len(), Scalar::of_bytes)
}

/// A value that comes in the slice.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    /// The first row that has it.
    row: u32,
    /// How many rows do.
    count: u32,
}

/// The different values of a slice, in the order of their first rows. Values of one hash are taken
/// for one.
fn count<A: ArrayAccessor>(slice: A, bytes: impl Fn(&A::Item) -> &[u8]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut table = Table::new(1024);
    for row in 0..slice.len() {
        if slice.is_null(row) {
            continue;
        }
        let value = slice.value(row);
        let hash = XxHash64::oneshot(0, bytes(&value));
        match table.find(&entries, hash) {
            Ok(entry) => entries[entry].count += 1,
            Err(place) => {
                entries.push(Entry { hash, row: row as u32, count: 1 });
                table.0[place] = (tag(hash), entries.len() as u32);
                if entries.len() * 2 > table.0.len() {
                    // Where most values differ so far, the rest will, too.
                    let are_most = entries.len() * 2 > row;
                    let room = if are_most { 2 * slice.len() } else { 4 * table.0.len() };
                    table = Table::of(&entries, room.max(4 * entries.len()));
                }
            }
        }
    }
    entries
}

/// Where entries are, by their hashes: a part of the hash and the entry's number from 1; 0 is free.
struct Table(Vec<(u32, u32)>);

impl Table {
    fn new(room: usize) -> Self {
        Self(vec![(0, 0); room.next_power_of_two()])
    }

    fn of(entries: &[Entry], room: usize) -> Self {
        let mut table = Self::new(room);
        let last = table.0.len() - 1;
        for (entry, number) in entries.iter().zip(1..) {
            let mut place = entry.hash as usize & last;
            while table.0[place].1 > 0 {
                place = (place + 1) & last;
            }
            table.0[place] = (tag(entry.hash), number);
        }
        table
    }

    /// The entry with that hash, or the place where it would be.
    fn find(&self, entries: &[Entry], hash: u64) -> Result<usize, usize> {
        let last = self.0.len() - 1;
        let mut place = hash as usize & last;
        loop {
            let (found, number) = self.0[place];
            if number == 0 {
                return Err(place);
            }
            let entry = number as usize - 1;
            if found == tag(hash) && entries[entry].hash == hash {
                return Ok(entry);
            }
            place = (place + 1) & last;
        }
    }
}

/// A part of a hash that is not its place.
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

fn sum_up<A: ArrayAccessor>(
    mut column: ColumnProfile,
    slice: A,
    entries: &[Entry],
    length: impl Fn(A::Item) -> usize,
    scalar: impl Fn(A::Item) -> Scalar,
) -> ColumnProfile
where
    A::Item: Ord + AsRef<[u8]> + Copy,
{
    let value = |entry: &Entry| slice.value(entry.row as usize);
    let (least, greatest) = (entries.iter().map(value).min(), entries.iter().map(value).max());
    column.range = least.zip(greatest).map(|(least, greatest)| (scalar(least), scalar(greatest)));
    let distinct = column.distinct.get_or_insert_default();
    entries.iter().for_each(|entry| distinct.add(entry.hash));
    column.digest =
        digest_of_lengths(entries.iter().map(|entry| (length(value(entry)), entry.count)));
    column.frequent = most_frequent(entries.iter().map(|entry| entry.count), |place| {
        let value = value(&entries[place]);
        Scalar::is_whole(value.as_ref().len()).then(|| scalar(value))
    });
    column
}
