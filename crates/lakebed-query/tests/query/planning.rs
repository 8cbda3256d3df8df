//! Planning needs nothing but the job.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use futures::StreamExt as _;
use lakebed_core::DataType;

use crate::world::{Asked, World, schema};

async fn lake() -> World {
    let mut world = World::new();
    let columns = schema(&[("id", DataType::Long), ("name", DataType::String)]);
    let batch = RecordBatch::try_new(
        Arc::new(lakebed_ingest::arrow_schema(&columns)),
        vec![
            Arc::new(Int64Array::from_iter_values(0..1_000)),
            Arc::new(StringArray::from_iter_values((0..1_000).map(|i| format!("name {i}")))),
        ],
    )
    .unwrap();
    world.table("a.b", &columns, &[batch]).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_before_the_first_batch_is_asked_for() {
    let world = lake().await;
    let before = world.calls();
    for sql in [
        "EXPLAIN SELECT x.name, count(*) FROM a.b x JOIN a.b y USING (id) WHERE x.id > 3 GROUP BY 1",
        "DESCRIBE a.b",
        "SHOW TABLES",
        "SELECT count(*) FROM a.b",
    ] {
        world.rows(sql, Asked::default()).await.unwrap();
        assert_eq!(world.calls(), before, "{sql} reads nothing at all");
    }
    let sql = "SELECT name, sum(id) FROM a.b GROUP BY name ORDER BY 2 DESC LIMIT 3";
    let mut stream = world.stream(sql, Asked::default()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(world.calls(), before, "planned, not started");
    assert!(stream.batches.next().await.unwrap().is_ok());
    assert!(world.calls() > before, "the counting store counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn footers_are_read_once_and_data_that_is_wanted_again_twice() {
    let world = lake().await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let before = world.calls();
        world.rows("SELECT sum(id) FROM a.b", Asked::default()).await.unwrap();
        calls.push(world.calls() - before);
    }
    assert!(0 < calls[1] && calls[1] < calls[0], "the footer is cached: {calls:?}");
    assert_eq!(calls[2..], [0, 0], "and what is wanted again stays: {calls:?}");
}
