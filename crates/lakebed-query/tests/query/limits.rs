//! What a statement may use, and what becomes of it when it wants more.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use futures::StreamExt as _;
use lakebed_core::DataType;
use lakebed_service::engine::{EngineError, QueryLimits};

use crate::world::{Asked, World, schema};

fn limited(change: impl FnOnce(&mut QueryLimits)) -> Asked {
    let mut limits = QueryLimits::default();
    change(&mut limits);
    Asked { limits, ..Asked::default() }
}

async fn wide_lake(rows: i64) -> World {
    let mut world = World::new();
    let columns = schema(&[("id", DataType::Long), ("text", DataType::String)]);
    let texts = (0..rows).map(|id| lakebed_core::ObjectId::of(&id.to_le_bytes()).to_string());
    let batch = RecordBatch::try_new(
        Arc::new(lakebed_ingest::arrow_schema(&columns)),
        vec![
            Arc::new(Int64Array::from_iter_values(0..rows)),
            Arc::new(StringArray::from_iter_values(texts)),
        ],
    )
    .unwrap();
    world.table("a.b", &columns, &[batch]).await;
    world
}

/// What statements left in the scratch folder; its own files are not theirs.
fn spill_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let files = |path| std::fs::read_dir(path).map_or(0, |files| files.count() + 1);
    folders.map(files).sum()
}

/// Polls: how long something takes is not what is tested.
async fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        if Instant::now() > until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

/// What is too much at once is an error before any row; what adds up to too much is one after rows.
#[tokio::test(flavor = "multi_thread")]
async fn one_row_more_than_asked_for_is_an_error_that_says_so() {
    let world = World::new();
    let sql = "SELECT * FROM generate_series(1, 100000)";
    let (batches, error) =
        world.until_error(sql, limited(|limits| limits.max_rows = Some(10))).await;
    assert_eq!(batches.len(), 0);
    insta::assert_snapshot!(error.unwrap(), @"the answer has more than the 10 rows that are allowed");
    let (batches, error) =
        world.until_error(sql, limited(|limits| limits.max_rows = Some(99_999))).await;
    let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    assert!((50_000..=99_999).contains(&rows), "{rows}");
    insta::assert_snapshot!(error.unwrap(), @"the answer has more than the 99999 rows that are allowed");
    let exact = limited(|limits| limits.max_rows = Some(100_000));
    assert!(world.rows(sql, exact).await.is_ok());
    let none = limited(|limits| limits.max_rows = Some(0));
    assert!(world.rows("SELECT 1 WHERE false", none).await.is_ok());
}

/// What counts are the values, not how they are cut into batches, encoded or held in memory: a number
/// is eight bytes, and a text of three with its length is seven.
#[tokio::test(flavor = "multi_thread")]
async fn one_byte_more_than_asked_for_is_an_error_that_says_so() {
    let world = World::new();
    let bytes = |most| limited(|limits| limits.max_bytes = Some(most));
    let sql = "SELECT * FROM generate_series(1, 100000)";
    for (most, expected) in [(0, 0..=0), (7, 0..=0), (800, 0..=0), (799_999, 50_000..=99_999)] {
        let (batches, error) = world.until_error(sql, bytes(most)).await;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert!(expected.contains(&rows), "{most} bytes: {rows} rows");
        let error = error.unwrap();
        let expected =
            format!("the answer has more than the {most} bytes of values that are allowed");
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, EngineError::Exhausted { .. }));
    }
    assert!(world.rows(sql, bytes(800_000)).await.is_ok());
    let text = "SELECT 'abc' AS t, NULL::bigint AS n";
    assert!(world.rows(text, bytes(4 + 3 + 8)).await.is_ok());
    assert!(world.rows(text, bytes(4 + 3 + 8 - 1)).await.is_err());
    assert!(world.rows("SELECT 1 WHERE false", bytes(0)).await.is_ok());
    for sql in ["EXPLAIN SELECT 1", "SELECT [1, 2], {'a': 'b'}"] {
        assert!(world.rows(sql, bytes(3)).await.is_err(), "{sql}");
    }
}

/// Limits that nothing meets are as if there were none.
#[tokio::test(flavor = "multi_thread")]
async fn limits_beyond_all_measure_do_no_harm() {
    let world = World::new();
    let endless = limited(|limits| {
        limits.max_rows = Some(u64::MAX);
        limits.max_bytes = Some(u64::MAX);
        limits.timeout_ms = Some(u64::MAX);
        limits.memory_bytes = u64::MAX;
        limits.spill_bytes = u64::MAX;
    });
    insta::assert_snapshot!(world.show_with("SELECT 1 AS a", endless).await, @r"
        +---+
        | a |
        +---+
        | 1 |
        +---+
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_ends() {
    let world = World::new();
    let sql = "SELECT count(*) FROM generate_series(1, 10000000) a, generate_series(1, 10000000) b \
               WHERE a.value + b.value < 0";
    let error = world.rows(sql, limited(|limits| limits.timeout_ms = Some(300))).await.unwrap_err();
    insta::assert_snapshot!(error, @"the statement took longer than the 300 ms it has");
    assert!(matches!(error, EngineError::Exhausted { .. }));
}

/// Sorting more than fits: it spills, the answer is right, and nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn sorts_spill_and_leave_nothing() {
    const ROWS: i64 = 400_000;
    let world = wide_lake(ROWS).await;
    let scratch = world.store.scratch_dir().to_owned();
    let asked = limited(|limits| limits.memory_bytes = 32 << 20);
    let mut stream = world.stream("SELECT text, id FROM a.b ORDER BY text", asked).await.unwrap();
    let (mut rows, mut spilled, mut last) = (0, 0, String::new());
    while let Some(batch) = stream.batches.next().await {
        let batch = batch.unwrap();
        spilled = spilled.max(spill_files(&scratch));
        let texts = arrow::array::AsArray::as_string::<i32>(batch.column(0));
        for text in texts.iter().flatten() {
            assert!(*text > *last, "sorted");
            last = text.to_owned();
        }
        rows += batch.num_rows();
    }
    drop(stream);
    assert_eq!(rows as i64, ROWS);
    assert!(spilled > 1, "it did spill");
    assert!(eventually(|| spill_files(&scratch) == 0).await, "scratch is empty again");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_memory_or_scratch_than_allowed_is_an_error() {
    let world = wide_lake(400_000).await;
    let little = || {
        limited(|limits| {
            limits.memory_bytes = 32 << 20;
            limits.spill_bytes = 1 << 20;
        })
    };
    let sql = "SELECT text, id FROM a.b ORDER BY text";
    insta::assert_snapshot!(world.show_with(sql, little()).await, @"exhausted: the statement needs more scratch space than it may use: 1048576 bytes");
    // Of this one several parts hear.
    let sql = "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY text) AS r FROM a.b) t";
    insta::assert_snapshot!(world.show_with(sql, little()).await, @"exhausted: the statement needs more scratch space than it may use: 1048576 bytes");
    let sql = "SELECT array_agg(text) FROM a.b";
    let tiny = limited(|limits| limits.memory_bytes = 1 << 20);
    insta::assert_snapshot!(world.show_with(sql, tiny).await, @"exhausted: the statement needs more memory than it may use: 1048576 bytes");
}

/// Dropping the stream ends the work: the spill files vanish though the sort was not done.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_cancels() {
    let world = wide_lake(400_000).await;
    let scratch = world.store.scratch_dir().to_owned();
    let asked = limited(|limits| limits.memory_bytes = 32 << 20);
    let sql = "SELECT a.text FROM generate_series(1, 1000) g, a.b a ORDER BY a.text";
    let mut stream = world.stream(sql, asked).await.unwrap();
    let polled = tokio::time::timeout(Duration::from_millis(10), stream.batches.next()).await;
    assert!(polled.is_err(), "a sort of 400 million rows is not done at once");
    assert!(eventually(|| spill_files(&scratch) > 1).await, "it is at work");
    drop(stream);
    assert!(eventually(|| spill_files(&scratch) == 0).await, "it is gone");
    assert!(eventually(|| world.engine.alive_tasks() == 0).await, "nothing works on it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_asks_costs_nothing_and_ends() {
    let world = wide_lake(1_000).await;
    let before = world.calls();
    let stream = world.stream("SELECT text FROM a.b ORDER BY 1", Asked::default()).await.unwrap();
    assert_eq!(world.engine.alive_tasks(), 0, "it is planned, and that is all");
    drop(stream);
    assert_eq!(world.calls(), before, "it never read");
}

/// A folder is made for the first file, not for the statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_does_not_spill_leaves_scratch_alone() {
    let world = wide_lake(1_000).await;
    let scratch = world.store.scratch_dir().to_owned();
    let sql = "SELECT text FROM a.b ORDER BY 1";
    let mut stream = world.stream(sql, Asked::default()).await.unwrap();
    assert!(stream.batches.next().await.unwrap().is_ok());
    assert_eq!(spill_files(&scratch), 0);
}

/// Each of these ends a DataFusion process that does not bound its functions.
#[tokio::test(flavor = "multi_thread")]
async fn functions_cannot_ask_for_all_memory() {
    let world = wide_lake(10).await;
    let mut text = String::new();
    for sql in [
        "SELECT repeat('x', 1500000000)",
        "EXPLAIN SELECT repeat('x', 1500000000)",
        "SELECT length(repeat(text, 1500000000)) FROM a.b",
        "SELECT lpad('x', 1500000000)",
        "SELECT rpad(text, 1500000000, 'ab') FROM a.b",
        "SELECT array_repeat(1, 2000000000)",
        "SELECT array_repeat(text, 100000000) FROM a.b",
        "SELECT array_resize([1], 2000000000, 0)",
        "SELECT range(1000000000)",
        "SELECT generate_series(id, id + 4000000000) FROM a.b",
        "SELECT generate_series(timestamp '1970-01-01', timestamp '2170-01-01', interval '1 second')",
        "SELECT replace(repeat(text, 10000), 'a', repeat('b', 100000)) FROM a.b",
        "SELECT regexp_replace(repeat(text, 10000), '.', repeat('b', 100000), 'g') FROM a.b",
        "SELECT array_to_string(range(10000), repeat('x', 100000))",
        "SELECT to_char(now(), repeat('%c', 50000))",
        "SELECT array_agg(text) OVER () FROM a.b",
        "SELECT string_agg(text, ',') OVER (ORDER BY id) FROM a.b",
        "SELECT max(repeat('x', 100000)) OVER () FROM generate_series(1, 100000)",
    ] {
        text += &format!("{sql}\n    {}\n", world.show(sql).await.replace('\n', "\n    "));
    }
    insta::assert_snapshot!(text);
}

/// Every level doubles: thirty levels would be a gigabyte for each of the functions.
#[tokio::test(flavor = "multi_thread")]
async fn doubling_stops() {
    let world = World::new();
    for double in [
        "s || s",
        "concat(s, s)",
        "concat_ws(s, s, s)",
        "encode(s::bytea, 'hex')",
        "replace(s, 'x', 'xx')",
        "overlay(s placing s from 1 for 0)",
        "array_to_string([s, s], '')",
    ] {
        let mut sql = "WITH t0 AS (SELECT 'x' || value AS s FROM generate_series(1, 3))".to_owned();
        for level in 1..=40 {
            sql += &format!(", t{level} AS (SELECT {double} AS s FROM t{})", level - 1);
        }
        sql += " SELECT max(octet_length(s)) FROM t40";
        let error = world.rows(&sql, Asked::default()).await.unwrap_err();
        assert!(matches!(error, EngineError::Exhausted { .. }), "{double}: {error:?}");
    }
    let mut sql = "WITH t0 AS (SELECT [value] AS s FROM generate_series(1, 3))".to_owned();
    for level in 1..=40 {
        sql += &format!(", t{level} AS (SELECT s || s AS s FROM t{})", level - 1);
    }
    sql += " SELECT max(array_length(s)) FROM t40";
    let error = world.rows(&sql, Asked::default()).await.unwrap_err();
    assert!(matches!(error, EngineError::Exhausted { .. }), "{error:?}");
}

/// Bounds do not change what fits: a batch too large for one step is done in several.
#[tokio::test(flavor = "multi_thread")]
async fn large_batches_are_done_in_steps() {
    let world = wide_lake(8_000).await;
    let sql = "SELECT sum(length(repeat(text, 160))) AS n, \
               count(DISTINCT substr(repeat(text, 160), 65, 64)) AS d FROM a.b";
    insta::assert_snapshot!(world.show(sql).await, @r"
        +----------+------+
        | n        | d    |
        +----------+------+
        | 81920000 | 8000 |
        +----------+------+
    ");
}
