//! Which bytes to read for the bytes that are wanted.
//!
//! Only arithmetic: what is read has to be whole groups, once each, and never too much at a time.

use std::ops::Range;

use bytes::Bytes;
use lakebed_core::StoredObject;

use crate::{Error, Result, tree::GROUP_BYTES};

/// What is read and verified at a time: 4 MiB, so that memory does not depend on the object.
pub(crate) const WINDOW_BYTES: u64 = 16 * GROUP_BYTES;

/// Accepts ranges that lie in the object; they may be empty.
pub(crate) fn check_range(object: &StoredObject, range: &Range<u64>) -> Result<()> {
    match range.start <= range.end && range.end <= object.size_bytes {
        true => Ok(()),
        false => Err(Error::OutOfRange {
            object: object.id,
            start: range.start,
            end: range.end,
            size_bytes: object.size_bytes,
        }),
    }
}

/// The bytes of `range`, out of a part that starts at `part_start`.
pub(crate) fn cut(part: &Bytes, part_start: u64, range: &Range<u64>) -> Bytes {
    part.slice((range.start - part_start) as usize..(range.end - part_start) as usize)
}

/// The range in pieces that end where windows of the object end.
pub(crate) fn windows(range: Range<u64>) -> impl Iterator<Item = Range<u64>> + Send {
    let end = range.end;
    std::iter::successors(Some(range.start), |start| {
        Some((start / WINDOW_BYTES + 1) * WINDOW_BYTES)
    })
    .take_while(move |start| *start < end)
    .map(move |start| start..((start / WINDOW_BYTES + 1) * WINDOW_BYTES).min(end))
}

/// The ranges widened to whole groups, by start; those that touch or lie at most `gap` apart are
/// one. Empty ranges need no bytes.
pub(crate) fn merge(size_bytes: u64, ranges: &[Range<u64>], gap: u64) -> Vec<Range<u64>> {
    let widen = |range: &Range<u64>| {
        let start = range.start / GROUP_BYTES * GROUP_BYTES;
        start..range.end.div_ceil(GROUP_BYTES).saturating_mul(GROUP_BYTES).min(size_bytes)
    };
    let mut wide: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).map(widen).collect();
    wide.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(wide.len());
    for range in wide {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: u64 = GROUP_BYTES;

    #[test]
    fn ranges_become_whole_groups_once() {
        let merged = |ranges: &[Range<u64>], gap| merge(10 * G + 7, ranges, gap);
        assert_eq!(merged(&[1..2], 0), [0..G]);
        assert_eq!(merged(&[G - 1..G + 1], 0), [0..2 * G]);
        assert_eq!(merged(&[10 * G + 1..10 * G + 2], 0), [10 * G..10 * G + 7]);
        assert_eq!(merged(&[5 * G..5 * G + 1, 1..2, 3..4], 0), [0..G, 5 * G..6 * G]);
        assert_eq!(merged(&[1..2, G + 1..G + 2], 0), [0..2 * G]);
        assert_eq!(merged(&[1..2, 2 * G + 1..2 * G + 2], G), [0..3 * G]);
        assert_eq!(merged(&[0..9 * G, G..2 * G, 3..3], 0), [0..9 * G]);
    }

    /// Lengths come from outside, and may be lies.
    #[test]
    fn the_longest_object_does_not_overflow() {
        let last = u64::MAX - 1..u64::MAX;
        assert_eq!(merge(u64::MAX, &[last], u64::MAX), [u64::MAX / G * G..u64::MAX]);
        assert_eq!(windows(0..u64::MAX).next(), Some(0..WINDOW_BYTES));
    }

    #[test]
    fn windows_cover_the_range() {
        const W: u64 = WINDOW_BYTES;
        let all = |range| windows(range).collect::<Vec<_>>();
        assert_eq!(all(3..3), []);
        assert_eq!(all(0..W), [0..W]);
        assert_eq!(all(5..2 * W + 1), [5..W, W..2 * W, 2 * W..2 * W + 1]);
    }
}
