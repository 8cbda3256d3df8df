//! `.slt` files: statements and the rows they give, so that a new case links nothing.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{
        Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, Time64MicrosecondArray,
        TimestampMicrosecondArray,
    },
    util::display::{ArrayFormatter, FormatOptions},
};
use async_trait::async_trait;
use lakebed_core::DataType;
use lakebed_service::engine::EngineError;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

use crate::world::{Asked, World, schema, show_error};

/// The tables that every file may use.
async fn lake() -> World {
    let mut world = World::new();
    let orders = schema(&[
        ("id", DataType::Long),
        ("region", DataType::String),
        ("price", DataType::Double),
        ("Units", DataType::Int),
        ("sold_at", DataType::Timestamp),
    ]);
    let batch = |ids: Vec<i64>| {
        let regions =
            ids.iter().map(|id| (id % 4 != 3).then(|| ["eu", "us", "asia"][*id as usize % 3]));
        let arrow = lakebed_ingest::arrow_schema(&orders);
        RecordBatch::try_new(
            Arc::new(arrow),
            vec![
                Arc::new(Int64Array::from(ids.clone())),
                Arc::new(regions.collect::<StringArray>()),
                Arc::new(Float64Array::from_iter_values(ids.iter().map(|id| *id as f64 * 1.5))),
                Arc::new(Int32Array::from_iter_values(ids.iter().map(|id| *id as i32 * 10))),
                Arc::new(TimestampMicrosecondArray::from_iter_values(
                    ids.iter().map(|id| 1_700_000_000_000_000 + id * 3_600_000_000),
                )),
            ],
        )
        .unwrap()
    };
    world.table("sales.orders", &orders, &[batch(vec![1, 2, 3]), batch(vec![4, 5, 6, 7])]).await;
    world.table("sales.orders@v1", &orders, &[batch(vec![1, 2, 3])]).await;
    world.table("sales.orders@2026-11-01", &orders, &[batch(vec![1])]).await;
    world.table("sales.empty", &orders, &[]).await;
    let regions = schema(&[("code", DataType::String), ("name", DataType::String)]);
    let names = RecordBatch::try_new(
        Arc::new(lakebed_ingest::arrow_schema(&regions)),
        vec![
            Arc::new(StringArray::from(vec!["eu", "us"])),
            Arc::new(StringArray::from(vec!["Europe", "United States"])),
        ],
    )
    .unwrap();
    world.table("geo.regions", &regions, &[names]).await;
    let readings = schema(&[("id", DataType::Long), ("value", DataType::Double)]);
    let values = RecordBatch::try_new(
        Arc::new(lakebed_ingest::arrow_schema(&readings)),
        vec![
            Arc::new(Int64Array::from(vec![1, 2, 3])),
            Arc::new(Float64Array::from(vec![1.5, f64::NAN, 2.5])),
        ],
    )
    .unwrap();
    world.table("lab.readings", &readings, &[values]).await;
    let hours = schema(&[("id", DataType::Long), ("opens", DataType::Time)]);
    let minutes = |minutes: i64| minutes * 60_000_000;
    let opens = [Some(minutes(8 * 60 + 30)), Some(minutes(9 * 60)), Some(minutes(17 * 60)), None];
    let values = RecordBatch::try_new(
        Arc::new(lakebed_ingest::arrow_schema(&hours)),
        vec![
            Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
            Arc::new(Time64MicrosecondArray::from(opens.to_vec())),
        ],
    )
    .unwrap();
    world.table("shop.hours", &hours, &[values]).await;
    world
}

struct Database {
    world: Arc<World>,
}

/// An error as `.slt` files match it: one line.
#[derive(Debug)]
struct Line(String);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Line {}

impl From<EngineError> for Line {
    fn from(error: EngineError) -> Self {
        Self(show_error(&error).replace('\n', "; "))
    }
}

#[async_trait]
impl AsyncDB for Database {
    type Error = Line;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Line> {
        let batches = self.world.rows(sql, Asked::default()).await?;
        let types = batches.first().map_or(0, RecordBatch::num_columns);
        let rows = batches.iter().flat_map(lines).collect();
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; types], rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "lakebed"
    }
}

fn lines(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|array| ArrayFormatter::try_new(array, &options).unwrap())
        .collect();
    let cell = |row: usize, column: &ArrayFormatter<'_>| match column.value(row).to_string() {
        empty if empty.is_empty() => "(empty)".to_owned(),
        text => text,
    };
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| cell(row, c)).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/query/slt");
    let world = Arc::new(lake().await);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are files to run");
    for file in files {
        let world = Arc::clone(&world);
        let mut runner = Runner::new(move || {
            let world = Arc::clone(&world);
            async move { Ok(Database { world }) }
        });
        let result = runner.run_file_async(&file).await;
        result.unwrap_or_else(|error| panic!("{}", error.display(false)));
    }
}
