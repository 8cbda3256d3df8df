//! Our engine, handed one job after the other as the service would.

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use lakebed_core::Timestamp;
use lakebed_service::engine::{Engine as _, Parameters, QueryJob, QueryLimits};

use crate::{Result, lake::LakeFiles, restriction};

/// See the module.
pub(crate) struct Governed(LakeFiles);

impl Governed {
    pub(crate) fn new(mut files: LakeFiles, is_restricted: bool) -> Result<Self> {
        if is_restricted {
            for table in &mut files.tables {
                table.restriction = restriction::of(table)?;
            }
        }
        Ok(Self(files))
    }

    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let LakeFiles { engine, store, tables, .. } = &self.0;
        let prepared = engine.prepare(sql)?;
        let named = prepared.references.iter().map(|name| {
            let found = tables.iter().find(|table| table.name() == *name);
            found.cloned().ok_or_else(|| format!("there is no `{name}`"))
        });
        let job = QueryJob {
            sql: sql.to_owned(),
            parameters: Parameters::default(),
            tables: named.collect::<Result<_, _>>()?,
            listing: Vec::new(),
            system: Vec::new(),
            limits: QueryLimits::default(),
            now: Timestamp::from_micros(1_762_000_000_000_000),
            fixed: None,
        };
        let answer = engine.run(job, store).await?;
        Ok(answer.batches.try_collect().await?)
    }
}
