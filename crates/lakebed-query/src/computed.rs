//! Tables whose rows are the answer to a statement of their own: live products.
//!
//! The statement is planned apart from the one that reads the table, and runs below a leaf of that plan
//! ([`crate::governed`]): whatever an optimiser would move into it could meet rows that it drops, and fail
//! on them. Only the choice of columns comes down and, for whoever may see all that it is made of,
//! conditions that cannot fail on columns that it gives as they are. For everybody else it runs within
//! limits of its own, and whatever goes wrong there is told without a word of what lies below.

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::{
    catalog::Session,
    common::{Column, Result, internal_err},
    execution::session_state::SessionState,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, utils::conjunction},
    physical_plan::ExecutionPlan,
};
use lakebed_ingest::column_names;
use lakebed_service::engine::BoundTable;

use crate::{functions::exactly, governed::unqualified, table::read_schema};

/// A table whose rows are computed, all of it.
#[derive(Debug)]
pub(crate) struct ComputedRows {
    /// Its columns, as those of a table in files would be read.
    plan: LogicalPlan,
    schema: SchemaRef,
    /// The columns that show a column of a table below as it is.
    shown: HashSet<String>,
    /// Whether the rows hang on the order in which others come: they are computed in one part then, as
    /// they are where they are built.
    is_unstable: bool,
}

impl ComputedRows {
    /// The rows of `table`, which are the answer to `plan`: an analysed plan, which may have another
    /// answer if it is run in several parts. `shown` are the places of columns in the answer that show one
    /// below as it is.
    ///
    /// An answer may have two columns of one name, and names that no table can have: the table calls them
    /// as one that was built does.
    pub(crate) fn new(
        table: &BoundTable,
        plan: LogicalPlan,
        shown: &HashSet<usize>,
        is_unstable: bool,
    ) -> Result<Self> {
        let schema = read_schema(&table.schema);
        let answer = plan.schema();
        let names = column_names(answer.fields().iter().map(|column| column.name().clone()));
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let place = names.iter().position(|name| name == field.name());
            let Some(place) = place else {
                return internal_err!("a table is computed without its column `{}`", field.name());
            };
            let (qualifier, found) = answer.qualified_field(place);
            let column = Expr::Column(Column::from((qualifier, found)));
            let column = match found.data_type() == field.data_type() {
                true => column,
                false => exactly(column, field.name(), found.data_type(), field.data_type()),
            };
            columns.push(column.alias(field.name()));
        }
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        // What a plan says of nulls changes on the way to its rows.
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let fields: Vec<Field> = schema.fields().iter().map(nullable).collect();
        let shown = names.into_iter().enumerate().filter(|(place, _)| shown.contains(place));
        let shown = shown.map(|(_, name)| name).collect();
        Ok(Self { plan, schema: Arc::new(Schema::new(fields)), shown, is_unstable })
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The statement, for tests that show what another way to read it leaks.
    #[cfg(test)]
    pub(crate) const fn logical(&self) -> &LogicalPlan {
        &self.plan
    }

    /// Whether a condition that cannot fail may be put to the rows that the statement reads, in place of
    /// those that it gives: it is about columns that it gives as they are.
    pub(crate) fn takes(&self, condition: &Expr) -> bool {
        condition.column_refs().iter().all(|column| self.shown.contains(&column.name))
    }

    /// How to compute the columns of `projection`, of the rows that meet all of `conditions`.
    pub(crate) async fn plan(
        &self,
        session: &dyn Session,
        projection: &[usize],
        conditions: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        let conditions = conditions.iter().map(|condition| unqualified(condition.clone()));
        if let Some(condition) = conjunction(conditions.collect::<Result<Vec<_>>>()?) {
            plan = plan.filter(condition)?;
        }
        let name = |place: &usize| self.schema.field(*place).name();
        let columns = projection.iter().map(|place| Expr::Column(Column::from_name(name(place))));
        let plan = plan.project(columns.collect::<Vec<_>>())?.build()?;
        match session.as_any().downcast_ref::<SessionState>() {
            Some(state) if self.is_unstable => {
                let mut state = state.clone();
                state.config_mut().options_mut().execution.target_partitions = 1;
                state.create_physical_plan(&plan).await
            }
            None if self.is_unstable => internal_err!("a plan is made without a session's state"),
            _ => session.create_physical_plan(&plan).await,
        }
    }
}
