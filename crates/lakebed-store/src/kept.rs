//! Verified bytes in memory, for who wants them again: only our own memory is trusted (P3), so they are
//! neither read nor hashed anew. Where that can be asked at once, they are not handed out once somebody
//! touched the file: damage shows when it is done, not when memory runs out.
//!
//! Statements come back to the same column of the same file. What is wanted for the second time is
//! kept, so that reading everything once, however much it is, takes no memory from what is read often.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use lakebed_core::{ObjectId, StoredObject};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter, sync::Cache};

use crate::Trace;

/// Room for bytes, in memory: 256 MiB.
const MOST_BYTES: u64 = 256 << 20;
/// A longer part is not kept: 8 MiB.
const MOST_PART_BYTES: usize = 8 << 20;
/// What an entry costs beside its bytes.
const ENTRY_BYTES: u64 = 128;
/// So many parts are remembered to have been wanted.
const REMEMBERED: usize = 1 << 16;

/// A part of an object that is so long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Part {
    object: ObjectId,
    size_bytes: u64,
    start: u64,
    end: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct KeptBytes {
    parts: Cache<Part, Kept, Cost>,
    /// Traces of parts that were wanted; a newer one takes an older one's place.
    wanted: Vec<AtomicU64>,
}

/// What is kept of it: its bytes, as the place was when they were read.
#[derive(Debug, Clone)]
struct Kept {
    bytes: Bytes,
    trace: Trace,
}

#[derive(Debug, Clone)]
struct Cost;

impl Weighter<Part, Kept> for Cost {
    fn weight(&self, _: &Part, kept: &Kept) -> u64 {
        kept.bytes.len() as u64 + ENTRY_BYTES
    }
}

impl Default for KeptBytes {
    fn default() -> Self {
        Self::with_room(MOST_BYTES)
    }
}

impl KeptBytes {
    fn with_room(most_bytes: u64) -> Self {
        const USUAL_PART_BYTES: u64 = 256 << 10;
        let options = OptionsBuilder::new()
            .shards(4)
            .weight_capacity(most_bytes)
            .estimated_items_capacity((most_bytes / USUAL_PART_BYTES) as usize)
            .build()
            .expect("everything that it asks for is said");
        let parts =
            Cache::with_options(options, Cost, DefaultHashBuilder::default(), Default::default());
        let wanted = (0..REMEMBERED).map(|_| AtomicU64::default()).collect();
        Self { parts, wanted }
    }

    /// The bytes of `range`, if they are kept, and were read where there is the same `trace` still.
    pub(crate) fn find(
        &self,
        object: &StoredObject,
        range: &Range<u64>,
        trace: Trace,
    ) -> Option<Bytes> {
        let kept = self.parts.get(&Part::new(object, range))?;
        (kept.trace == trace).then_some(kept.bytes)
    }

    /// Keeps `bytes`, which were verified to be those of `range`, if they were wanted before; `trace` is
    /// of before they were read.
    pub(crate) fn offer(
        &self,
        object: &StoredObject,
        range: &Range<u64>,
        trace: Trace,
        bytes: &Bytes,
    ) {
        let fits = 1..=MOST_PART_BYTES;
        if !fits.contains(&bytes.len()) || !self.was_wanted(object, range) {
            return;
        }
        // A copy: what was read is longer, and would be kept whole.
        let bytes = Bytes::copy_from_slice(bytes);
        self.parts.insert(Part::new(object, range), Kept { bytes, trace });
    }

    /// Whether it was, lately. From now on it was.
    fn was_wanted(&self, object: &StoredObject, range: &Range<u64>) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = *object.id.as_bytes();
        let digest = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        // An odd constant spreads the starts of parts over all bits.
        let trace = (digest ^ range.start.rotate_left(32) ^ range.end)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .max(1);
        let place = &self.wanted[(trace >> 48) as usize % REMEMBERED];
        place.swap(trace, Ordering::Relaxed) == trace
    }
}

impl Part {
    const fn new(object: &StoredObject, range: &Range<u64>) -> Self {
        let StoredObject { id, size_bytes, .. } = *object;
        Self { object: id, size_bytes, start: range.start, end: range.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: u64) -> StoredObject {
        StoredObject { id: ObjectId::of(&name.to_le_bytes()), size_bytes: 1 << 20, tree: None }
    }

    /// As it was, and after somebody touched it.
    const BEFORE: Trace = Trace { file: 1, size_bytes: 1 << 20, changed_at: (7, 7) };
    const AFTER: Trace = Trace { changed_at: (7, 8), ..BEFORE };

    #[test]
    fn what_is_wanted_twice_is_kept() {
        let (kept, bytes) = (KeptBytes::default(), Bytes::from_static(b"verified"));
        let find = |object: &StoredObject, range| kept.find(object, &range, BEFORE);
        kept.offer(&object(1), &(0..8), BEFORE, &bytes);
        assert_eq!(find(&object(1), 0..8), None, "wanted once");
        kept.offer(&object(1), &(0..8), BEFORE, &bytes);
        assert_eq!(find(&object(1), 0..8), Some(bytes.clone()));
        let longer = StoredObject { size_bytes: 2 << 20, ..object(1) };
        assert_eq!(find(&longer, 0..8), None, "no object is so long");
        assert_eq!(find(&object(1), 0..7), None);
        assert_eq!(find(&object(2), 0..8), None);
        for _ in 0..3 {
            kept.offer(&object(3), &(5..5), BEFORE, &Bytes::new());
            let long = Bytes::from(vec![0; MOST_PART_BYTES + 1]);
            kept.offer(&object(4), &(0..long.len() as u64), BEFORE, &long);
        }
        assert_eq!(kept.parts.len(), 1, "neither nothing nor too much");
    }

    #[test]
    fn what_was_touched_is_read_again() {
        let (kept, bytes) = (KeptBytes::default(), Bytes::from_static(b"verified"));
        kept.offer(&object(1), &(0..8), BEFORE, &bytes);
        kept.offer(&object(1), &(0..8), BEFORE, &bytes);
        assert_eq!(kept.find(&object(1), &(0..8), AFTER), None);
        kept.offer(&object(1), &(0..8), AFTER, &bytes);
        assert_eq!(kept.find(&object(1), &(0..8), AFTER), Some(bytes), "and is right again");
    }

    /// Whatever is read, and however often, there is no more than there is room for; and what is read
    /// all the time survives what is read twice.
    #[test]
    fn room_is_bounded() {
        const ROOM: u64 = 4 << 20;
        let kept = KeptBytes::with_room(ROOM);
        let (often, part) = (object(0), Bytes::from(vec![7; 64 << 10]));
        let range = 0..part.len() as u64;
        let (mut found, rounds) = (0, 2_000);
        for name in 1..=rounds {
            found += usize::from(kept.find(&often, &range, BEFORE).is_some());
            kept.offer(&often, &range, BEFORE, &part);
            kept.offer(&object(name), &range, BEFORE, &part);
            kept.offer(&object(name), &range, BEFORE, &part);
            assert!(kept.parts.weight() <= ROOM);
        }
        assert!(found > rounds as usize * 9 / 10, "{found} of {rounds}");
    }
}
