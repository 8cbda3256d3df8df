//! Conditions go down a physical plan by the names of columns, and only where names tell them apart.
//!
//! DataFusion's push-down of filters, those that a statement has and those that joins and sorts make
//! while they run, looks a column up below by its name and takes the first that has it. Where two
//! columns of an input are named alike (`a.id` and `b.id` behind a join), or a name means another
//! column there, the condition is put to the wrong one, and rows are missing. Such an input is
//! [fenced](Fence) while the rule runs: nothing passes, the condition stays above, and all else goes
//! down as it did. Conditions on floats end above the files.

use std::{collections::HashSet, fmt, sync::Arc};

use arrow::datatypes::Schema;
use datafusion::{
    common::{
        JoinType, Result,
        config::ConfigOptions,
        internal_err,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    datasource::{
        physical_plan::{FileScanConfigBuilder, FileSource as _, ParquetSource},
        source::DataSourceExec,
    },
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{
        PhysicalExpr, conjunction, expressions::Column, split_conjunction, utils::collect_columns,
    },
    physical_optimizer::{
        PhysicalOptimizerRule, filter_pushdown::FilterPushdown, optimizer::PhysicalOptimizer,
    },
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        ReplaceChildrenOptions, aggregates::AggregateExec,
        execution_plan::replace_children_if_necessary, filter::FilterExec, joins::HashJoinExec,
        union::UnionExec,
    },
};

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// DataFusion's rules in their order, those that push conditions down within fences.
pub(crate) fn rules() -> Vec<Rule> {
    let pushing = [FilterPushdown::new(), FilterPushdown::new_post_optimization()];
    let pushing: Vec<&str> = pushing.iter().map(PhysicalOptimizerRule::name).collect();
    let rules = PhysicalOptimizer::new().rules.into_iter();
    let fenced = rules.map(|rule| match pushing.contains(&rule.name()) {
        true => Arc::new(Fenced(rule)) as Rule,
        false => rule,
    });
    fenced.collect()
}

/// A rule that pushes conditions down, where names tell columns apart.
#[derive(Debug)]
struct Fenced(Rule);

impl PhysicalOptimizerRule for Fenced {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let fenced = plan.transform_up(fence)?;
        let pushed = self.0.optimize(fenced.data, config)?;
        let pushed = match fenced.transformed {
            true => pushed.transform_up(unfence)?.data,
            false => pushed,
        };
        Ok(pushed.transform_up(ask_no_floats)?.data)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn fence(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let children = plan.children();
    let confuses = |place: &usize| {
        let below = children[*place];
        has_namesakes(&below.schema())
            || chooses_among_namesakes(below.as_ref())
            || is_mistaken(plan.as_ref(), *place, &below.schema())
    };
    let confused: HashSet<usize> = (0..children.len()).filter(confuses).collect();
    if confused.is_empty() {
        return Ok(Transformed::no(plan));
    }
    let children = children.into_iter().enumerate().map(|(place, child)| {
        let child = Arc::clone(child);
        match confused.contains(&place) {
            true => Arc::new(Fence(child)) as Arc<dyn ExecutionPlan>,
            false => child,
        }
    });
    let children = children.collect();
    Ok(Transformed::yes(replace_children_if_necessary(plan, children)?))
}

fn unfence(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    Ok(match plan.downcast_ref::<Fence>() {
        Some(Fence(inner)) => Transformed::yes(Arc::clone(inner)),
        None => Transformed::no(plan),
    })
}

/// Takes from a scan's condition the parts that ask for floats: the bounds that are kept of files leave NaN
/// out, so that a row with one would be missing where those beside it are small. All of it is evaluated
/// again above.
fn ask_no_floats(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let scan = plan.downcast_ref::<DataSourceExec>();
    let source =
        scan.and_then(|scan| Some((scan, scan.downcast_to_file_source::<ParquetSource>()?)));
    let Some((scan, (config, source))) = source else { return Ok(Transformed::no(plan)) };
    let Some(condition) = source.filter() else { return Ok(Transformed::no(plan)) };
    let schema = source.table_schema().table_schema();
    let is_float = |column: &Column| {
        let field = schema.field_with_name(column.name());
        field.is_ok_and(|field| field.data_type().is_floating())
    };
    let parts = split_conjunction(&condition);
    let asks_float = |part: &Arc<dyn PhysicalExpr>| collect_columns(part).iter().any(is_float);
    if !parts.iter().copied().any(asks_float) {
        return Ok(Transformed::no(plan));
    }
    let rest = conjunction(parts.into_iter().filter(|part| !asks_float(part)).cloned());
    let source = Arc::new(source.with_predicate(rest));
    let config = FileScanConfigBuilder::from(config.clone()).with_source(source).build();
    Ok(Transformed::yes(Arc::new(scan.clone().with_data_source(Arc::new(config)))))
}

/// Whether two columns have the same name.
fn has_namesakes(schema: &Schema) -> bool {
    let mut names = HashSet::new();
    !schema.fields().iter().all(|field| names.insert(field.name()))
}

/// Whether a filter gives some of its columns alone: what it takes over from above it looks up among
/// all of them.
fn chooses_among_namesakes(plan: &dyn ExecutionPlan) -> bool {
    plan.downcast_ref::<FilterExec>().is_some_and(|filter| {
        filter.projection().is_some() && has_namesakes(&filter.input().schema())
    })
}

/// Whether a name of the columns of `plan` is another column's in its input at `place`.
fn is_mistaken(plan: &dyn ExecutionPlan, place: usize, below: &Schema) -> bool {
    let means = |name: &str, meant: &Arc<dyn PhysicalExpr>| match below.index_of(name) {
        Ok(found) => meant.downcast_ref::<Column>().is_some_and(|column| column.index() == found),
        Err(_) => true,
    };
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let groups = aggregate.group_expr().expr();
        return !groups.iter().all(|(group, name)| means(name, group));
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        // A semi join takes a condition on its key to the other side as well, under the same name.
        let other = match join.join_type() {
            JoinType::LeftSemi => 1,
            JoinType::RightSemi => 0,
            _ => return false,
        };
        let is_meant = |(left, right): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
            let (kept, meant) = if other == 1 { (left, right) } else { (right, left) };
            kept.downcast_ref::<Column>().is_none_or(|kept| means(kept.name(), meant))
        };
        return place == other && !join.on().iter().all(is_meant);
    }
    if plan.is::<UnionExec>() {
        let own = plan.schema();
        let names = own.fields().iter().enumerate();
        let mut found = names.map(|(place, field)| (place, below.index_of(field.name())));
        return found.any(|(place, found)| found.is_ok_and(|found| found != place));
    }
    false
}

/// Its input, which no condition reaches. It is in no plan that runs.
struct Fence(Arc<dyn ExecutionPlan>);

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
}

impl DisplayAs for Fence {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
}

/// To let nothing pass is what an operator does that says nothing of conditions.
impl ExecutionPlan for Fence {
    fn name(&self) -> &str {
        "Fence"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(inner), true) => Ok(Arc::new(Self(inner))),
            _ => internal_err!("a fence is around one input"),
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

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use datafusion::{
        common::NullEquality,
        physical_expr::expressions::col,
        physical_plan::{
            displayable, empty::EmptyExec, joins::PartitionMode, projection::ProjectionExec,
        },
    };

    use super::*;

    /// An upgrade that names the rules otherwise, or brings a third, shows here.
    #[test]
    fn the_rules_that_push_conditions_down_are_known() {
        let all = rules();
        let pushing: Vec<_> =
            all.iter().map(|rule| rule.name()).filter(|name| name.contains("Filter")).collect();
        assert_eq!(pushing, ["FilterPushdown", "FilterPushdown(Post)"]);
        assert_eq!(all.len(), PhysicalOptimizer::new().rules.len());
        let shown = |rule: &Rule| format!("{rule:?}").starts_with("Fenced(");
        assert_eq!(all.iter().filter(|rule| shown(rule)).count(), 2);
    }

    fn table(names: &[&str]) -> Arc<dyn ExecutionPlan> {
        let fields = names.iter().map(|name| Field::new(*name, DataType::Int64, true));
        Arc::new(EmptyExec::new(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
    }

    fn fenced(plan: Arc<dyn ExecutionPlan>) -> String {
        let fenced = plan.transform_up(fence).unwrap();
        let text = displayable(fenced.data.as_ref()).indent(false).to_string();
        let restored = fenced.data.transform_up(unfence).unwrap().data;
        assert!(!displayable(restored.as_ref()).indent(false).to_string().contains("Fence"));
        text
    }

    fn join(left: &[&str], right: &[&str], on: (&str, &str), kind: JoinType) -> HashJoinExec {
        let (left, right) = (table(left), table(right));
        let on = (col(on.0, &left.schema()).unwrap(), col(on.1, &right.schema()).unwrap());
        HashJoinExec::try_new(
            left,
            right,
            vec![on],
            None,
            &kind,
            None,
            PartitionMode::CollectLeft,
            NullEquality::NullEqualsNothing,
            false,
        )
        .unwrap()
    }

    /// Columns that are named alike are a fence for what stands above them, and for nothing below.
    #[test]
    fn what_names_do_not_tell_apart_is_fenced() {
        let above = |join: HashJoinExec| {
            let columns = [(col(join.schema().field(0).name(), &join.schema()).unwrap(), "one")];
            let columns = columns.map(|(column, name)| (column, name.to_owned()));
            Arc::new(ProjectionExec::try_new(columns, Arc::new(join)).unwrap())
        };
        let alike = above(join(&["id", "v"], &["id", "w"], ("id", "id"), JoinType::Inner));
        assert_eq!(fenced(alike).matches("Fence").count(), 1);
        let apart = above(join(&["id", "v"], &["other", "w"], ("id", "other"), JoinType::Inner));
        assert_eq!(fenced(apart).matches("Fence").count(), 0);
    }

    /// The key of a semi join may be another column's name on the other side.
    #[test]
    fn a_key_that_is_another_column_there_is_fenced() {
        let semi = |right: &[&str], key: &str| {
            let join = join(&["id", "v"], right, ("id", key), JoinType::LeftSemi);
            fenced(Arc::new(join)).matches("Fence").count()
        };
        assert_eq!(semi(&["id", "w"], "id"), 0);
        assert_eq!(semi(&["w", "other"], "other"), 0);
        assert_eq!(semi(&["id", "other"], "other"), 1);
    }
}
