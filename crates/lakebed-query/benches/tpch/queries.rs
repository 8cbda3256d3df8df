//! The queries, and what their answers amount to.

use arrow::{
    array::Array as _,
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use lakebed_core::ObjectId;

use crate::Result;

const TEXT: &str = include_str!("queries.sql");

/// One of the 22.
pub(crate) struct Query {
    /// `Q1`.
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// In order.
pub(crate) fn all() -> impl Iterator<Item = Query> {
    let parts = TEXT.split("\n-- ").filter(|part| part.starts_with('Q'));
    parts.map(|part| {
        let (name, sql) = part.split_once('\n').expect("a query has a name and a text");
        Query { name, sql: sql.trim().trim_end_matches(';') }
    })
}

/// A digest of an answer's rows in order, without its doubles: how those come out depends on the order
/// in which they were added up.
pub(crate) fn digest(rows: &[RecordBatch]) -> Result<String> {
    let options = FormatOptions::new().with_null("null");
    let mut text = String::new();
    for batch in rows {
        let exact = batch.columns().iter().filter(|column| !column.data_type().is_floating());
        let cells = exact.map(|column| ArrayFormatter::try_new(column, &options));
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            for cell in &cells {
                text += &cell.value(row).try_to_string()?;
                text.push('\t');
            }
            text.push('\n');
        }
    }
    Ok(ObjectId::of(text.as_bytes()).to_string())
}
