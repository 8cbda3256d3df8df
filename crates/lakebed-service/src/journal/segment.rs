//! One segment of the journal, or of the records of reads: its bytes, and what can be wrong with them.
//!
//! Layout: ARCHITECTURE.md, "The journal". Nothing here reads or writes.

use lakebed_core::{Event, LakeId, ObjectId};
use serde::{Deserialize, Serialize};

use super::Link;

/// Length of `,"b3":"<64 hex digits>"}` and a newline.
const TRAILER: usize = 7 + 64 + 3;
/// The size is stated before the events, well within this many bytes.
const HEAD: usize = 512;

/// A segment of the journal.
pub type Segment = ChainSegment<Event>;

/// Consecutive events, chained to the segment before. Records of reads are the events of a chain of
/// their own, with a `seq` of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "T: Link")]
pub struct ChainSegment<T> {
    format: u32,
    /// The lake it belongs to.
    pub lake: LakeId,
    /// Its number; counts from 1.
    pub segment: u64,
    /// The BLAKE3 of the bytes of the segment before; none for the first.
    pub previous: Option<ObjectId>,
    /// `seq` of its first event.
    pub first_seq: u64,
    /// `seq` of its last event.
    pub last_seq: u64,
    size_bytes: usize,
    /// The events, in order, without gaps, at least one.
    pub events: Vec<T>,
}

/// What the bytes of a segment turned out to be.
#[derive(Debug)]
pub enum SegmentBytes<T = Event> {
    /// A whole segment.
    Whole(Box<ChainSegment<T>>),
    /// The end is missing: a write that broke off.
    Torn,
    /// All there, but not what was written.
    Damaged {
        /// What does not fit.
        why: String,
    },
}

impl<T: Link> ChainSegment<T> {
    /// The segment of `events`, which are consecutive and at least one.
    #[must_use]
    pub fn new(
        lake: LakeId,
        segment: u64,
        previous: Option<ObjectId>,
        events: Vec<T>,
    ) -> Option<Self> {
        let (first_seq, last_seq) = (events.first()?.place(), events.last()?.place());
        Some(Self {
            format: 1,
            lake,
            segment,
            previous,
            first_seq,
            last_seq,
            size_bytes: 0,
            events,
        })
    }

    /// Where segment `number` is, below the lake's root.
    #[must_use]
    pub fn key(number: u64) -> String {
        format!("{}/{number:012}.json", T::FOLDER)
    }

    /// The bytes that are stored. Equal segments are equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut sized = Self { size_bytes: 0, ..self.clone() };
        loop {
            let mut bytes = serde_json::to_vec(&sized).expect("plain values always serialise");
            bytes.pop();
            let whole = bytes.len() + TRAILER;
            if sized.size_bytes == whole {
                let digest = ObjectId::of(&bytes);
                bytes.extend(format!(",\"b3\":\"{digest}\"}}\n").into_bytes());
                return bytes;
            }
            sized.size_bytes = whole;
        }
    }

    /// Reads bytes, which may be anything.
    #[must_use]
    pub fn read(bytes: &[u8]) -> SegmentBytes<T> {
        match split_trailer(bytes) {
            Some((body, stated)) => read_whole(body, &stated),
            None if is_cut_off(bytes) => SegmentBytes::Torn,
            None => SegmentBytes::Damaged { why: "its end is not that of a segment".to_owned() },
        }
    }
}

fn split_trailer(bytes: &[u8]) -> Option<(&[u8], String)> {
    let at = bytes.len().checked_sub(TRAILER)?;
    let (body, trailer) = bytes.split_at(at);
    let hex = trailer.strip_prefix(b",\"b3\":\"")?.strip_suffix(b"\"}\n")?;
    Some((body, String::from_utf8_lossy(hex).into_owned()))
}

fn read_whole<T: Link>(body: &[u8], stated: &str) -> SegmentBytes<T> {
    let damaged = |why: String| SegmentBytes::Damaged { why };
    let found = ObjectId::of(body).to_string();
    if found != stated {
        return damaged(format!("it states the digest {stated}, its bytes have {found}"));
    }
    let mut json = body.to_vec();
    json.push(b'}');
    let segment: ChainSegment<T> = match serde_json::from_slice(&json) {
        Ok(segment) => segment,
        Err(error) => return damaged(format!("it is not a segment this build can read: {error}")),
    };
    match segment.is_consistent() {
        true => SegmentBytes::Whole(Box::new(segment)),
        false => damaged("its events are not the consecutive ones it states".to_owned()),
    }
}

impl<T: Link> ChainSegment<T> {
    fn is_consistent(&self) -> bool {
        let numbered = self.first_seq..=self.last_seq;
        self.format == 1
            && !self.events.is_empty()
            && self.events.iter().map(Link::place).eq(numbered)
    }
}

/// Without a trailer, bytes were cut off exactly when they are fewer than the head says. One
/// flipped bit cannot do both: take the trailer's shape and shorten the file.
fn is_cut_off(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD)]).into_owned();
    let Some((_, rest)) = head.split_once("\"size_bytes\":") else {
        return bytes.len() < HEAD;
    };
    let Some((digits, _)) = rest.split_once(',') else {
        return bytes.len() < HEAD;
    };
    digits.parse::<usize>().is_ok_and(|size| bytes.len() < size)
}

#[cfg(test)]
mod tests {
    use lakebed_core::{DatasetKind, EventBody, Timestamp};

    use super::*;

    fn segment(count: u64) -> Segment {
        let dataset: lakebed_core::DatasetName = "a.b".parse().expect("a name");
        let events = (1..=count).map(|seq| Event {
            seq,
            at: Timestamp::from_micros(0),
            actor: "local:test".to_owned(),
            idempotency_key: None,
            body: EventBody::DatasetCreated { dataset: dataset.clone(), kind: DatasetKind::Table },
        });
        Segment::new(LakeId::from_bytes([1; 16]), 1, None, events.collect()).expect("events")
    }

    #[test]
    fn a_segment_reads_back() {
        let segment = segment(3);
        let bytes = segment.to_bytes();
        let SegmentBytes::Whole(read) = Segment::read(&bytes) else { panic!("not whole") };
        assert_eq!(read.events, segment.events);
        assert_eq!(read.to_bytes(), bytes);
    }

    /// P9: cut anywhere, a segment is torn; nothing shorter is ever taken for whole.
    #[test]
    fn every_prefix_is_torn() {
        let bytes = segment(4).to_bytes();
        for end in 0..bytes.len() {
            assert!(matches!(Segment::read(&bytes[..end]), SegmentBytes::Torn), "cut at {end}");
        }
    }

    /// P3: one flipped bit anywhere is damage: never whole, never mistaken for a torn write.
    #[test]
    fn every_flipped_bit_is_damage() {
        let bytes = segment(2).to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let read = Segment::read(&flipped);
            assert!(matches!(read, SegmentBytes::Damaged { .. }), "bit {bit}: {read:?}");
        }
    }
}
