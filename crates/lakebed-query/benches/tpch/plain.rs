//! DataFusion alone, with its own way to tables and its own settings; only the number of partitions is
//! ours.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::{
    catalog::MemorySchemaProvider,
    common::TableReference,
    datasource::{
        file_format::parquet::ParquetFormat,
        listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    },
    execution::object_store::ObjectStoreUrl,
    prelude::{SessionConfig, SessionContext},
};
use lakebed_query::EngineOptions;
use lakebed_service::engine::BoundTable;
use object_store::ObjectStore;

use crate::{Result, lake::LakeFiles, restriction};

const PLACE: &str = "bench://lake/";

/// See the module.
pub(crate) struct Plain(SessionContext);

impl Plain {
    /// Reads `files` from `objects`; under the views of [`restriction::BY_HAND`] if it is restricted.
    pub(crate) async fn new(
        files: &LakeFiles,
        objects: Arc<dyn ObjectStore>,
        is_restricted: bool,
    ) -> Result<Self> {
        let partitions = EngineOptions::default().target_partitions.get();
        let session = SessionContext::new_with_config(
            SessionConfig::new().with_target_partitions(partitions).with_batch_size(8192),
        );
        session.register_object_store(ObjectStoreUrl::parse(PLACE)?.as_ref(), objects);
        let catalog = session.catalog("datafusion").ok_or("no catalog")?;
        for schema in ["tpch", "files"] {
            catalog.register_schema(schema, Arc::new(MemorySchemaProvider::new()))?;
        }
        for table in &files.tables {
            let (name, listed) = (table.dataset.name(), listed(&session, table).await?);
            let by_hand = restriction::BY_HAND.iter().find(|(of, _)| *of == name);
            let Some((_, view)) = by_hand.filter(|_| is_restricted) else {
                session.register_table(TableReference::partial("tpch", name), listed)?;
                continue;
            };
            session.register_table(TableReference::partial("files", name), listed)?;
            session.sql(&format!("create view tpch.{name} as {view}")).await?.collect().await?;
        }
        Ok(Self(session))
    }

    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        Ok(self.0.sql(sql).await?.collect().await?)
    }
}

async fn listed(session: &SessionContext, table: &BoundTable) -> Result<Arc<ListingTable>> {
    let url = |key: String| ListingTableUrl::parse(format!("{PLACE}{key}"));
    let urls = table.files.iter().map(|file| url(file.object.id.key()));
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
    let config = ListingTableConfig::new_with_multi_paths(urls.collect::<Result<_, _>>()?)
        .with_listing_options(options);
    let config = config.infer_schema(&session.state()).await?;
    Ok(Arc::new(ListingTable::try_new(config)?))
}
