//! The eight tables of a lake, pinned, and two ways to their files.

use std::{path::Path, sync::Arc};

use lakebed_core::{Identity, TablePart};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_service::{
    Ctx, Detail, Lake, LakeConfig, OpenMode, SystemClock,
    engine::{BoundTable, Restriction},
};
use lakebed_store::{Root, Store, StoreOptions};
use object_store::{ObjectStore, local::LocalFileSystem};

use crate::Result;

const TABLES: [&str; 8] =
    ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// See the module.
pub(crate) struct LakeFiles {
    pub(crate) engine: Arc<DataFusionEngine>,
    pub(crate) store: Store,
    /// `tpch.customer` and so on: all of each.
    pub(crate) tables: Vec<BoundTable>,
    root: Root,
}

impl LakeFiles {
    /// The newest versions in the lake of that folder, as its owner sees them.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let engine = Arc::new(DataFusionEngine::new(EngineOptions::default())?);
        let root = Root::Folder(folder.to_owned());
        let config = LakeConfig {
            root: root.clone(),
            store: StoreOptions::default(),
            catalog_url: None,
            open: OpenMode::Existing,
        };
        let lake = Lake::open(config, Arc::clone(&engine) as _, Arc::new(SystemClock)).await?;
        let ctx = Ctx::new(Identity::owner("local:bench".parse()?), "bench");
        let references = TABLES.map(|table| format!("tpch.{table}").parse());
        let references = references.into_iter().collect::<Result<Vec<_>, _>>()?;
        let resolution = lake.resolve(&ctx, &references, Detail::Full).await?;
        let mut tables = Vec::new();
        for resolved in resolution.versions {
            let detail = resolved.detail.ok_or("no detail was told")?;
            tables.push(BoundTable {
                dataset: resolved.version.dataset,
                reference: resolved.reference,
                part: TablePart::Rows,
                version: resolved.version.number,
                version_id: resolved.version.version_id,
                schema: detail.manifest.schema.ok_or("a table without columns")?,
                files: detail.tables,
                computed: None,
                restriction: Restriction::Unrestricted,
            });
        }
        lake.close().await;
        let store = Store::open_with(&root, &StoreOptions::default()).await?;
        Ok(Self { engine, store, tables, root })
    }

    /// The files as our store gives them: every byte verified against their names.
    pub(crate) fn verified(&self) -> Arc<dyn ObjectStore> {
        let files = self.tables.iter().flat_map(|table| &table.files);
        Arc::new(self.store.reader(files.map(|file| file.object)))
    }

    /// The files as they are in their folder.
    pub(crate) fn unverified(&self) -> Result<Arc<dyn ObjectStore>> {
        match &self.root {
            Root::Folder(folder) => Ok(Arc::new(LocalFileSystem::new_with_prefix(folder)?)),
            Root::Url(url) => Err(format!("`{url}` is no folder").into()),
        }
    }
}
