//! Answers that need no table read: `EXPLAIN`, `DESCRIBE`, `SHOW TABLES`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use datafusion::logical_expr::LogicalPlan;
use lakebed_core::TableSchema;
use lakebed_service::engine::{EngineError, ListedTable};

use crate::errors::internal;

/// The logical plan, a line a row. It names references and columns, never files.
pub(crate) fn explained(plan: &LogicalPlan) -> Result<RecordBatch, EngineError> {
    let text = plan.display_indent().to_string();
    let lines: Vec<_> = text.lines().collect();
    let lines = StringArray::from(lines);
    table(vec![("plan", Arc::new(lines), false)])
}

/// The columns of a table, in order, with the lake's names for types.
pub(crate) fn described(schema: &TableSchema) -> Result<RecordBatch, EngineError> {
    let fields = &schema.fields;
    let names = StringArray::from_iter_values(fields.iter().map(|field| &field.name));
    let types = fields.iter().map(|field| field.data_type.to_string());
    let nullable: BooleanArray = fields.iter().map(|field| Some(!field.required)).collect();
    table(vec![
        ("name", Arc::new(names), false),
        ("type", Arc::new(StringArray::from_iter_values(types)), false),
        ("nullable", Arc::new(nullable), false),
    ])
}

/// The columns of a table of the system.
pub(crate) fn described_system(schema: &Schema) -> Result<RecordBatch, EngineError> {
    let fields = schema.fields();
    let names = StringArray::from_iter_values(fields.iter().map(|field| field.name()));
    let types = fields.iter().map(|field| match field.data_type() {
        DataType::Int64 => "long",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) => "timestamptz",
        _ => "string",
    });
    let nullable: BooleanArray = fields.iter().map(|field| Some(field.is_nullable())).collect();
    table(vec![
        ("name", Arc::new(names), false),
        ("type", Arc::new(StringArray::from_iter_values(types)), false),
        ("nullable", Arc::new(nullable), false),
    ])
}

/// The datasets that exist for the reader.
pub(crate) fn listed(listing: &[ListedTable]) -> Result<RecordBatch, EngineError> {
    let texts = |text: &dyn Fn(&ListedTable) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(listing.iter().map(text)))
    };
    let numbers = |number: &dyn Fn(&ListedTable) -> Option<u64>| -> ArrayRef {
        let numbers = listing.iter().map(|line| number(line).and_then(|n| i64::try_from(n).ok()));
        Arc::new(numbers.collect::<Int64Array>())
    };
    table(vec![
        ("namespace", texts(&|line| line.dataset.namespace().to_owned()), false),
        ("name", texts(&|line| line.dataset.name().to_owned()), false),
        ("kind", texts(&|line| line.kind.to_string()), false),
        ("newest", numbers(&|line| line.newest), true),
        ("rows", numbers(&|line| line.row_count), true),
    ])
}

fn table(columns: Vec<(&str, ArrayRef, bool)>) -> Result<RecordBatch, EngineError> {
    let field = |(name, array, nullable): &(&str, ArrayRef, bool)| {
        let data_type: &DataType = array.data_type();
        Field::new(*name, data_type.clone(), *nullable)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(internal)
}
