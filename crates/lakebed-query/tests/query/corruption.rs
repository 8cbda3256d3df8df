//! P3: a flipped bit is an error that names the object, never a row.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use lakebed_core::DataType;
use lakebed_service::engine::EngineError;
use lakebed_store::Error as StoreError;

use crate::world::{Asked, World, schema};

const ROWS: i64 = 60_000;

fn batch(from: i64) -> RecordBatch {
    let columns = schema(&[("id", DataType::Long), ("text", DataType::String)]);
    let ids = from..from + ROWS;
    // Does not compress well: the file has several hash groups.
    let texts = ids.clone().map(|id| lakebed_core::ObjectId::of(&id.to_le_bytes()).to_string());
    RecordBatch::try_new(
        Arc::new(lakebed_ingest::arrow_schema(&columns)),
        vec![
            Arc::new(Int64Array::from_iter_values(ids)),
            Arc::new(StringArray::from_iter_values(texts)),
        ],
    )
    .unwrap()
}

async fn lake() -> World {
    let mut world = World::new();
    let columns = schema(&[("id", DataType::Long), ("text", DataType::String)]);
    let good = world.put(&batch(0), 10_000).await;
    let bad = world.put(&batch(ROWS), 10_000).await;
    world.bind("a.good", &columns, vec![good.clone()]);
    world.bind("a.both", &columns, vec![good, bad]);
    world
}

fn flip(world: &World, offset: u64) {
    let bad = world.files("a.both")[1].object;
    let path = world.path_of(bad.id);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 0x10;
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "the test damages its own file")]
    permissions.set_readonly(false);
    std::fs::set_permissions(&path, permissions).unwrap();
    std::fs::write(&path, bytes).unwrap();
}

/// At the start, in the middle of the data, in the page index, in the footer and in its length.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_breaks_the_query_that_would_read_it() {
    let size = lake().await.files("a.both")[1].object.size_bytes;
    let footer = lake().await.files("a.both")[1].footer_bytes;
    for offset in [5, size / 3, size / 2, size - footer - 20, size - footer / 2, size - 6] {
        let world = lake().await;
        flip(&world, offset);
        let (rows, error) =
            world.until_error("SELECT id, text FROM a.both", Asked::default()).await;
        let bad = world.files("a.both")[1].object.id;
        match error {
            Some(EngineError::Store(StoreError::Corrupt { object, .. })) => assert_eq!(object, bad),
            other => panic!("a flip at {offset} of {size}: {other:?}"),
        }
        assert_rows_are_right(&rows);
        // The other version still reads.
        let good = world.rows("SELECT id, text FROM a.good", Asked::default()).await.unwrap();
        assert_eq!(good.iter().map(RecordBatch::num_rows).sum::<usize>() as i64, ROWS);
    }
}

/// Whatever came before the error was verified: each row is one that was stored.
fn assert_rows_are_right(batches: &[RecordBatch]) {
    for batch in batches {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        let texts = batch.column(1).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let expected = lakebed_core::ObjectId::of(&ids.value(row).to_le_bytes()).to_string();
            assert_eq!(texts.value(row), expected);
            assert!(!texts.is_null(row));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_object_is_named_too() {
    let world = lake().await;
    let bad = world.files("a.both")[1].object.id;
    std::fs::remove_file(world.path_of(bad)).unwrap();
    let (_, error) = world.until_error("SELECT max(text) FROM a.both", Asked::default()).await;
    match error {
        Some(EngineError::Store(StoreError::NotFound { key })) => {
            assert!(key.contains(&bad.to_string()), "{key}");
        }
        other => panic!("{other:?}"),
    }
}
