//! The one way to a table's rows: its files, all of them.
//!
//! [`PlainTable`] is made from the catalog's word alone: sizes, row counts and the lengths of
//! footers. Neither making it nor planning a scan of it reads anything. Who may see it as it is, is
//! decided in [`crate::governed`].

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, Statistics, internal_err},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{
            FileGroup, FileScanConfigBuilder, ParquetSource,
            parquet::CachedParquetFileReaderFactory,
        },
        source::DataSourceExec,
    },
    logical_expr::{Expr, TableType},
    physical_expr::PhysicalExpr,
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use lakebed_core::{FileEntry, TableSchema};
use lakebed_service::engine::BoundTable;

use crate::{objects::store_url, output::plain, session::Readers, statistics};

/// A table, all of it.
#[derive(Debug)]
pub(crate) struct PlainTable {
    schema: SchemaRef,
    files: Vec<FileEntry>,
}

impl PlainTable {
    pub(crate) fn new(table: &BoundTable) -> Self {
        Self { schema: read_schema(&table.schema), files: table.files.clone() }
    }
}

/// The columns of a table, as they are read.
pub(crate) fn read_schema(schema: &TableSchema) -> SchemaRef {
    let schema = lakebed_ingest::arrow_schema(schema);
    let fields = schema.fields().iter().map(|field| read_as(field));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Texts and bytes are read as views, which copies less; [`crate::output`] turns them back. Field
/// ids are the file's business, those inside of lists as well: they count columns that are hidden.
fn read_as(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => plain(other),
    };
    Field::new(field.name(), data_type, field.is_nullable())
}

/// A file as the catalog knows it. Its name is its content, so its time is constant.
fn scanned(file: &FileEntry) -> PartitionedFile {
    let mut scanned = PartitionedFile::new(file.object.id.key(), file.object.size_bytes);
    scanned.metadata_size_hint = usize::try_from(file.footer_bytes).ok();
    scanned
}

#[async_trait]
impl TableProvider for PlainTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Files may lack columns that were added later (they are null) or hold a narrower type (it is
    /// cast); columns are matched by name. Filters reach the scan by physical pushdown.
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let known = match session.config().get_extension::<Readers>() {
            Some(readers) => {
                let columns = projection.map(Vec::as_slice);
                statistics::at_hand(&self.schema, columns, &self.files, &*readers.footers)
            }
            None => statistics::rows_alone(&self.schema, &self.files),
        };
        self.scan_knowing(session, projection, None, limit, known)
    }
}

impl PlainTable {
    /// The scan of a table of which not everything is seen: the planner knows its rows' number alone.
    /// Pages of which statistics say that they hold no row meeting `pruning`, a condition on all
    /// columns, may be left out.
    pub(crate) fn scan_where(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        pruning: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let known = statistics::rows_alone(&self.schema, &self.files);
        self.scan_knowing(session, projection, pruning, limit, known)
    }

    fn scan_knowing(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        pruning: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
        known: Statistics,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.project(columns)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let Some(readers) = session.config().get_extension::<Readers>() else {
            return internal_err!("a scan is planned without objects");
        };
        let (objects, footers) = (readers.objects.store(), Arc::clone(&readers.footers));
        let mut source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(session.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(
                objects, footers,
            )));
        if let Some(pruning) = pruning {
            source = source.with_predicate(pruning);
        }
        let groups = FileGroup::new(self.files.iter().map(scanned).collect())
            .split_files(session.config().target_partitions());
        let scan = FileScanConfigBuilder::new(store_url(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(known)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
