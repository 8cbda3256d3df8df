//! The barrier: what lies below it is no part of the plan that the optimiser sees.
//!
//! [`GovernedScan`] is a leaf. It runs a small plan of its own (files, row filter) and makes of its
//! rows what the reader may see. Since it has no children, no rule finds anything to push into,
//! merge with or read statistics from, and no text of a plan shows what is below. Whatever it says
//! of itself (partitions, no order, no constants, no statistics) is the same whatever is hidden.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, MutableArrayData, RecordBatch, RecordBatchOptions,
        UInt32Array, make_array,
    },
    compute::{BatchCoalescer, take},
    datatypes::{DataType, SchemaRef},
};
use datafusion::{
    common::{DataFusionError, Result, internal_err, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, EmptyRecordBatchStream,
        ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
        execution_plan::{Boundedness, EmissionType},
        filter_pushdown::{ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt as _, stream};
use lakebed_core::policy::{Mask, MaskKey};

use super::mask::masked;
use crate::stacks::panic_text;

/// All that is told of it.
const NOT_COMPUTED: &str = "the rows of a live product could not be computed";

/// Rows of a table, as one reader may see them.
pub(super) struct GovernedScan {
    /// Reads the files and drops the rows that are not to be seen.
    below: Arc<dyn ExecutionPlan>,
    /// What becomes of its columns: for each column of the result its place below, and a mask.
    columns: Arc<[(usize, Option<Mask>)]>,
    key: Option<MaskKey>,
    schema: SchemaRef,
    /// Whether rows are dropped below.
    drops_rows: bool,
    /// What runs the plan below, where that is another statement's.
    own: Option<Arc<TaskContext>>,
    properties: Arc<PlanProperties>,
}

impl GovernedScan {
    /// `partitions` is how many the result says it has, however many there are below (no more).
    pub(super) fn new(
        below: Arc<dyn ExecutionPlan>,
        columns: Vec<(usize, Option<Mask>)>,
        key: Option<MaskKey>,
        schema: SchemaRef,
        drops_rows: bool,
        partitions: usize,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let properties = Arc::new(properties);
        let (columns, own) = (columns.into(), None);
        Self { below, columns, key, schema, drops_rows, own, properties }
    }

    /// The same, with the plan below run by `own` if that is given, as another statement: how it fails
    /// is not told.
    pub(super) fn run_by(self, own: Option<Arc<TaskContext>>) -> Self {
        Self { own, ..self }
    }
}

/// How a statement below failed may hold values that nobody may see above.
pub(super) fn untold(error: &dyn fmt::Display) -> DataFusionError {
    tracing::warn!(%error, "a table could not be computed");
    DataFusionError::Execution(NOT_COMPUTED.to_owned())
}

impl fmt::Debug for GovernedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedScan")
    }
}

impl DisplayAs for GovernedScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedScan")
    }
}

impl ExecutionPlan for GovernedScan {
    fn name(&self) -> &str {
        "GovernedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("a governed scan has no children"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    /// No condition is taken over here, and none from a dynamic filter: those that may come down
    /// came with the scan.
    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::all_unsupported(result))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(&self.schema);
        if partition >= self.below.properties().output_partitioning().partition_count() {
            return Ok(Box::pin(EmptyRecordBatchStream::new(schema)));
        }
        let rows = context.session_config().batch_size();
        let below = match &self.own {
            None => self.below.execute(partition, context)?,
            Some(own) => {
                let below = self.below.execute(partition, Arc::clone(own));
                let below = below.map_err(|error| untold(&error))?;
                let schema = below.schema();
                let told = AssertUnwindSafe(below).catch_unwind().map(|caught| match caught {
                    Ok(batch) => batch.map_err(|error| untold(&error)),
                    Err(panic) => Err(untold(&panic_text(&*panic))),
                });
                Box::pin(RecordBatchStreamAdapter::new(schema, told))
            }
        };
        let (columns, key) = (Arc::clone(&self.columns), self.key);
        let made = Arc::clone(&schema);
        let seen = below.map(move |batch| see(&batch?, &columns, key.as_ref(), &made));
        if !self.drops_rows {
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, seen)));
        }
        let cut = cut_anew(seen.boxed(), Arc::clone(&schema), rows);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, cut)))
    }
}

fn see(
    batch: &RecordBatch,
    columns: &[(usize, Option<Mask>)],
    key: Option<&MaskKey>,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let column = |(place, mask): &(usize, Option<Mask>)| -> ArrayRef {
        let column = batch.column(*place);
        match mask {
            None => Arc::clone(column),
            Some(mask) => masked(mask, key, column),
        }
    };
    let columns = columns.iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The same rows in batches of `rows`, the last one aside: where the borders of batches lie must not
/// tell where rows were dropped, since some expressions are evaluated on more of a batch than on
/// others.
fn cut_anew(
    seen: stream::BoxStream<'static, Result<RecordBatch>>,
    schema: SchemaRef,
    rows: usize,
) -> impl futures::Stream<Item = Result<RecordBatch>> + Send + 'static {
    let coalescer = BatchCoalescer::new(schema, rows).with_biggest_coalesce_batch_size(None);
    stream::try_unfold(
        (seen, coalescer, false),
        |(mut seen, mut coalescer, mut is_over)| async move {
            loop {
                if let Some(batch) = coalescer.next_completed_batch() {
                    return Ok(Some((owned(&batch)?, (seen, coalescer, is_over))));
                }
                if is_over {
                    return Ok(None);
                }
                match seen.next().await {
                    Some(batch) => coalescer.push_batch(batch?)?,
                    None => {
                        coalescer.finish_buffered_batch()?;
                        is_over = true;
                    }
                }
            }
        },
    )
}

/// The same rows in memory that holds nothing else. Until here they may share it with rows that were
/// dropped, and a statement is told when it needs more memory than it may use.
fn owned(batch: &RecordBatch) -> Result<RecordBatch> {
    let rows = u32::try_from(batch.num_rows()).unwrap_or(u32::MAX);
    let all = UInt32Array::from_iter_values(0..rows);
    let own = |column: &ArrayRef| -> Result<ArrayRef> {
        Ok(match column.data_type() {
            DataType::Utf8View => Arc::new(take(column, &all, None)?.as_string_view().gc()),
            DataType::BinaryView => Arc::new(take(column, &all, None)?.as_binary_view().gc()),
            _ => copied(column)?,
        })
    };
    let columns = batch.columns().iter().map(own).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

fn copied(column: &ArrayRef) -> Result<ArrayRef> {
    let data = column.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, data.len());
    copy.try_extend(0, 0, data.len())?;
    Ok(make_array(copy.freeze()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

    use super::*;

    /// Rows over which whoever computes them panics, with a value in the message.
    #[derive(Debug)]
    struct Panics(SchemaRef);

    impl PartitionStream for Panics {
        fn schema(&self) -> &SchemaRef {
            &self.0
        }

        fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
            let rows = stream::once(async { panic!("HIDDEN overflow") });
            Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.0), rows))
        }
    }

    /// P7: however a statement below fails, one sentence is told.
    #[tokio::test]
    async fn p7_a_panic_below_is_told_like_every_failure() {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        let parts: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(Panics(Arc::clone(&schema)))];
        let below =
            StreamingTableExec::try_new(Arc::clone(&schema), parts, None, [], false, None).unwrap();
        let (columns, own) = (vec![(0, None)], Arc::new(TaskContext::default()));
        let scan = GovernedScan::new(Arc::new(below), columns, None, schema, true, 1);
        let scan = scan.run_by(Some(own));
        let mut rows = scan.execute(0, Arc::new(TaskContext::default())).unwrap();
        let told = rows.next().await.unwrap().unwrap_err();
        assert_eq!(told.to_string(), format!("Execution error: {NOT_COMPUTED}"));
    }
}
