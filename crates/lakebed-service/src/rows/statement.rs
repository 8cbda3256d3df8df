//! A question as a statement: names are quoted in one place, values are parameters.

use lakebed_core::{DatasetRef, Field};
use serde_json::Value;

use super::{
    question::{Condition, Direction, Question, Test},
    value::typed,
};
use crate::engine::Parameters;

/// The statement that answers `question` of `reference`: `rows` rows behind `offset`.
///
/// Its order leaves nothing open: rows that are equal in every column are the same to whoever sees no
/// other, so that pages of one version neither overlap nor miss a row.
pub(crate) fn statement(
    reference: &DatasetRef,
    question: &Question<'_>,
    rows: u64,
    offset: u64,
) -> (String, Parameters) {
    let mut values = Vec::new();
    let select: Vec<_> = question.select.iter().map(|column| name(column)).collect();
    // Whoever sees no column sees that there are rows.
    let select = if select.is_empty() { "*".to_owned() } else { select.join(", ") };
    let table = format!(
        "{}.{}",
        quoted(reference.dataset.namespace()),
        quoted(&format!("{}{}", reference.dataset.name(), reference.selector))
    );
    let mut sql = format!("SELECT {select} FROM {table}");
    let conditions: Vec<_> =
        question.conditions.iter().map(|condition| test(condition, &mut values)).collect();
    if !conditions.is_empty() {
        sql += " WHERE ";
        sql += &conditions.join(" AND ");
    }
    let order: Vec<_> = question
        .order
        .iter()
        .map(|(column, direction)| {
            let direction = match direction {
                Direction::Up => "ASC NULLS FIRST",
                Direction::Down => "DESC NULLS LAST",
            };
            format!("{} {direction}", name(column))
        })
        .collect();
    if !order.is_empty() {
        sql += &format!(" ORDER BY {}", order.join(", "));
    }
    sql += &format!(" LIMIT {rows} OFFSET {offset}");
    (sql, Parameters::Positional(values))
}

fn test(condition: &Condition<'_>, values: &mut Vec<Value>) -> String {
    let Condition { column, test } = condition;
    let mut place = |value: &Value| {
        values.push(value.clone());
        typed(&column.data_type, value, &format!("${}", values.len()))
    };
    match test {
        Test::Compare(sign, value) => format!("{} {sign} {}", name(column), place(value)),
        Test::In(list) => {
            let list: Vec<_> = list.iter().map(place).collect();
            format!("{} IN ({})", name(column), list.join(", "))
        }
        Test::IsNull(true) => format!("{} IS NULL", name(column)),
        Test::IsNull(false) => format!("{} IS NOT NULL", name(column)),
    }
}

fn name(column: &Field) -> String {
    quoted(&column.name)
}

/// An identifier, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
