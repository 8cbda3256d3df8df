//! Tables whose rows are the answer to a statement of their own: live products.
//!
//! The statement is planned apart from the one that reads the table. For whoever may see all that it is
//! made of, conditions, columns and limits come down into it, and it runs as a part of the reader's
//! statement. For everybody else it is what lies below the barrier ([`crate::governed`]): only the
//! columns that are needed come down, it runs within limits of its own, and whatever goes wrong there
//! is told without a word of what lies below.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Column, Result, internal_err},
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType, cast,
        utils::conjunction,
    },
    physical_plan::ExecutionPlan,
};
use lakebed_service::engine::BoundTable;

use crate::{governed::unqualified, table::read_schema};

/// A table whose rows are computed, all of it.
#[derive(Debug)]
pub(crate) struct ComputedRows {
    /// Its columns, as those of a table in files would be read.
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl ComputedRows {
    /// The rows of `table`, which are the answer to `plan`: an analysed plan.
    pub(crate) fn new(table: &BoundTable, plan: LogicalPlan) -> Result<Self> {
        let schema = read_schema(&table.schema);
        let answer = plan.schema();
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let place = answer.fields().iter().position(|column| column.name() == field.name());
            let Some(place) = place else {
                return internal_err!("a table is computed without its column `{}`", field.name());
            };
            let (qualifier, found) = answer.qualified_field(place);
            let column = Expr::Column(Column::from((qualifier, found)));
            let column = match found.data_type() == field.data_type() {
                true => column,
                false => cast(column, field.data_type().clone()),
            };
            columns.push(column.alias(field.name()));
        }
        let plan = LogicalPlanBuilder::from(plan).project(columns)?.build()?;
        // What a plan says of nulls changes on the way to its rows.
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let fields: Vec<Field> = schema.fields().iter().map(nullable).collect();
        Ok(Self { plan, schema: Arc::new(Schema::new(fields)) })
    }

    /// How to run it: of the rows that meet all of `conditions` the columns of `projection`, at most
    /// `limit` of them.
    pub(crate) async fn plan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        conditions: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = LogicalPlanBuilder::from(self.plan.clone());
        let conditions = conditions.iter().map(|condition| unqualified(condition.clone()));
        if let Some(condition) = conjunction(conditions.collect::<Result<Vec<_>>>()?) {
            plan = plan.filter(condition)?;
        }
        if let Some(projection) = projection {
            let name = |place: &usize| self.schema.field(*place).name();
            let columns =
                projection.iter().map(|place| Expr::Column(Column::from_name(name(place))));
            plan = plan.project(columns.collect::<Vec<_>>())?;
        }
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        session.create_physical_plan(&plan.build()?).await
    }
}

/// For whoever may see all that it is made of.
#[async_trait]
impl TableProvider for ComputedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.plan(session, projection, filters, limit).await
    }
}
