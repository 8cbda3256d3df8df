//! Records of reads: in order, without gaps, each once, whoever writes and however often they try.

use futures::future::join_all;
use lakebed_catalog::{Error, JournalMark, NewReadRecord, ReadPart, ReadRecord};
use lakebed_core::ObjectId;

use crate::{databases::Databases, world::at};

fn record(read: &str, part: ReadPart) -> NewReadRecord {
    let body = format!("{read}: \u{1f50e} {part:?}");
    let (read, principal) = (read.to_owned(), "alice".to_owned());
    NewReadRecord { at: at(7), read, part, principal, body }
}

fn both(read: &str) -> [NewReadRecord; 2] {
    [record(read, ReadPart::Intent), record(read, ReadPart::Outcome)]
}

fn mark(segment: u64, seq: u64) -> JournalMark {
    JournalMark { segment, seq, digest: ObjectId::of(&segment.to_le_bytes()) }
}

pub(crate) async fn records_are_numbered_as_they_are_written(databases: &Databases) {
    let handles = [databases.open("a").await, databases.open("a").await];
    let writing = (0..16).map(|index| {
        let catalog = handles[index % 2].clone();
        tokio::spawn(async move {
            let records = both(&format!("read{index}"));
            catalog.append_reads(&records).await.unwrap();
        })
    });
    for written in join_all(writing).await {
        written.unwrap();
    }
    let [catalog, _] = &handles;
    let all = catalog.reads_between(0, u64::MAX, usize::MAX).await.unwrap();
    let numbers: Vec<u64> = all.iter().map(|record| record.number).collect();
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
    // What was written together stands together.
    for pair in all.chunks(2) {
        assert_eq!(pair[0].record.read, pair[1].record.read);
    }
    let some = catalog.reads_between(3, 30, 5).await.unwrap();
    assert_eq!(some, all[3..8]);
    let found = catalog.find_read("read7").await.unwrap();
    let found: Vec<_> = found.into_iter().map(|found| found.record).collect();
    assert_eq!(found, both("read7"));
    assert_eq!(catalog.find_read("read99").await.unwrap(), []);
    // Reading moves no event, and no event moves them.
    assert_eq!(catalog.journal_state().await.unwrap().last_seq, 0);
}

/// Whoever does not know whether they have written writes again.
pub(crate) async fn what_is_written_twice_is_there_once(databases: &Databases) {
    let catalog = databases.open("a").await;
    catalog.append_reads(&both("one")).await.unwrap();
    let again: Vec<_> = both("one").into_iter().chain(both("two")).collect();
    catalog.append_reads(&again).await.unwrap();
    let all = catalog.reads_between(0, u64::MAX, usize::MAX).await.unwrap();
    let reads: Vec<&str> = all.iter().map(|record| record.record.read.as_str()).collect();
    assert_eq!(reads, ["one", "one", "two", "two"]);
    catalog.append_reads(&[]).await.unwrap();
}

pub(crate) async fn many_records_go_in_and_out_in_pages(databases: &Databases) {
    let catalog = databases.open("a").await;
    let many: Vec<_> = (0..1234).map(|n| record(&format!("r{n}"), ReadPart::Intent)).collect();
    catalog.append_reads(&many).await.unwrap();
    let all = catalog.reads_between(0, u64::MAX, usize::MAX).await.unwrap();
    let all: Vec<_> = all.into_iter().map(|record| record.record).collect();
    assert_eq!(all, many);
}

/// P9: segments, replayed into an empty database, are its records.
pub(crate) async fn records_come_back_from_their_segments(databases: &Databases) {
    let first = databases.open("a").await;
    first.append_reads(&both("one")).await.unwrap();
    first.append_reads(&both("two")).await.unwrap();
    assert!(first.mark_reads(0, mark(1, 2)).await.unwrap());
    assert!(!first.mark_reads(0, mark(1, 3)).await.unwrap(), "somebody was first");
    let refused = first.mark_reads(1, mark(2, 5)).await;
    assert!(matches!(refused, Err(Error::MarkOutOfReach { .. })), "{refused:?}");
    assert!(first.mark_reads(1, mark(2, 4)).await.unwrap());
    let state = first.read_state().await.unwrap();
    assert_eq!((state.last_seq, state.journaled_seq, state.segment), (4, 4, 2));

    let all = first.reads_between(0, u64::MAX, usize::MAX).await.unwrap();
    let second = databases.open("b").await;
    second.replay_reads(&all[..2], mark(1, 2)).await.unwrap();
    let gap: Vec<ReadRecord> = all[3..].to_vec();
    let refused = second.replay_reads(&gap, mark(2, 4)).await;
    assert!(matches!(refused, Err(Error::Gap { expected: 3, found: 4 })), "{refused:?}");
    second.replay_reads(&all[2..], mark(2, 4)).await.unwrap();
    assert_eq!(second.read_state().await.unwrap(), state);
    assert_eq!(second.reads_between(0, u64::MAX, usize::MAX).await.unwrap(), all);
}
